use super::{Flag, missing, void, wired};

pub(super) const CONNECTION: &[Flag] = &[
    wired("addnode", "=<ip>", "Stay connected to this node; may be given more than once").network_only(),
    missing("asmap", "=<file>", "peers are not chosen by their networks"),
    wired("bantime", "=<n>", "Seconds that a ban lasts where setban does not say how long (86400)"),
    wired("bind", "=<addr>[:<port>][=onion]", "Listen there for other nodes; may be given more than once")
        .network_only(),
    wired("cjdnsreachable", "", "Addresses of fc00::/8 are those of cjdns, which runs on this machine (0)"),
    wired("connect", "=<ip>", "Connect to this node; may be given more than once; -noconnect: to none")
        .network_only(),
    void("discover", "", "the node announces no address of its own"),
    void("dns", "", "names are looked up where a node is named by one"),
    void("dnsseed", "", "nodes are not looked for: -connect and -addnode name them"),
    void("externalip", "=<ip>", "the node announces no address of its own"),
    void("fixedseeds", "", "nodes are not looked for: -connect and -addnode name them"),
    void("forcednsseed", "", "nodes are not looked for: -connect and -addnode name them"),
    missing("i2psam", "=<ip:port>", "connections go over IP alone"),
    void("i2pacceptincoming", "", "connections go over IP alone"),
    wired("listen", "", "Take connections of other nodes (1, and 0 with -connect)"),
    void("listenonion", "", "connections go over IP alone"),
    wired("maxconnections", "=<n>", "Connections at most (125)"),
    void("maxreceivebuffer", "=<n>", "a peer's messages are taken one after the other"),
    void("maxsendbuffer", "=<n>", "a connection's limit is 1,000,000 bytes"),
    void("maxuploadtarget", "=<n>", "what is served is not counted by the day"),
    void("natpmp", "", "no router is asked for a port"),
    wired("networkactive", "", "Connect and listen at all (1)"),
    wired("onion", "=<ip:port>", "Reach hidden services through this SOCKS5 proxy (that of -proxy)"),
    missing("onlynet", "=<net>", "connections go over IPv4 and IPv6"),
    wired("peerblockfilters", "", "Serve filters of blocks to peers (BIP157); needs -blockfilterindex (0)"),
    void("peerbloomfilters", "", "bloom filters are not served"),
    wired("peertimeout", "=<n>", "Seconds that a handshake may take (60)").for_tests(),
    wired("port", "=<port>", "Listen at this port (8333, 18333, 48333, 38333, 18444)").network_only(),
    wired(
        "proxy",
        "=<ip>[:<port>][=<network>]",
        "Connect through this SOCKS5 proxy, which looks names up too",
    )
    .needs_value(),
    wired("proxyrandomize", "", "A name and a password of its own for each connection through a proxy (1)"),
    void("seednode", "=<ip>", "nodes are not looked for: -connect and -addnode name them"),
    void("timeout", "=<n>", "a connection has 10 seconds to come about"),
    void("torcontrol", "=<ip>:<port>", "connections go over IP alone"),
    void("torpassword", "=<pass>", "connections go over IP alone").secret(),
    void("txreconciliation", "", "transactions are announced one by one").for_tests(),
    wired("v2transport", "", "Encrypt connections to nodes that can do that (1)"),
    wired("whitebind", "=<[permissions@]addr>", "Listen there too; the permissions change nothing yet"),
    wired(
        "whitelist",
        "=<[permissions@]IP address or network>",
        "Let nodes from there do what others may not",
    ),
];

pub(super) const CHAIN: &[Flag] = &[
    wired("chain", "=<chain>", "main, test, testnet4, signet or regtest (main)"),
    wired("regtest", "", "As -chain=regtest").for_tests(),
    wired("signet", "", "As -chain=signet"),
    wired("signetchallenge", "", "The script that the blocks of a signet of one's own satisfy, hex")
        .no_negation(),
    void("signetseednode", "", "nodes are not looked for: -connect and -addnode name them").no_negation(),
    wired("testnet", "", "As -chain=test: testnet3"),
    wired("testnet4", "", "As -chain=testnet4"),
    wired(
        "vbparams",
        "=deployment:start:end[:min_activation_height]",
        "When miners vote on a rule, on regtest",
    )
    .for_tests(),
];
