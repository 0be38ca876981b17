use super::{Flag, missing, void, wired};

const ZMQ_TEXT: &str = "nothing is published over ZeroMQ yet";
const WALLET_TEXT: &str = "there is no wallet";

pub(super) const ZMQ: &[Flag] = &[
    missing("zmqpubhashblock", "=<address>", ZMQ_TEXT),
    missing("zmqpubhashtx", "=<address>", ZMQ_TEXT),
    missing("zmqpubrawblock", "=<address>", ZMQ_TEXT),
    missing("zmqpubrawtx", "=<address>", ZMQ_TEXT),
    missing("zmqpubsequence", "=<address>", ZMQ_TEXT),
    void("zmqpubhashblockhwm", "=<n>", ZMQ_TEXT),
    void("zmqpubhashtxhwm", "=<n>", ZMQ_TEXT),
    void("zmqpubrawblockhwm", "=<n>", ZMQ_TEXT),
    void("zmqpubrawtxhwm", "=<n>", ZMQ_TEXT),
    void("zmqpubsequencehwm", "=<n>", ZMQ_TEXT),
];

pub(super) const RELAY: &[Flag] = &[
    void("acceptnonstdtxn", "", "only standard transactions are relayed, on every network").for_tests(),
    void("bytespersigop", "", "a signature operation counts as 20 virtual bytes"),
    void("datacarrier", "", "outputs with data are relayed"),
    void("datacarriersize", "", "outputs with data are relayed"),
    void("dustrelayfee", "=<amt>", "what dust is, is not changed").for_tests(),
    void("incrementalrelayfee", "=<amt>", "what a replacement adds is not changed").for_tests(),
    wired(
        "minrelaytxfee",
        "=<amt>",
        "The feerate below which a transaction is not held, BTC for 1,000 virtual bytes",
    ),
    void("permitbaremultisig", "", "bare multisig is relayed"),
    missing("privatebroadcast", "", "transactions are announced to every peer"),
    void("whitelistforcerelay", "", "no peer has permissions of its own"),
    void("whitelistrelay", "", "no peer has permissions of its own"),
];

pub(super) const BLOCKS: &[Flag] = &[
    void("blockmaxweight", "=<n>", "templates are filled to the rules' weight").for_tests(),
    void("blockmintxfee", "=<amt>", "templates take what the mempool holds"),
    void("blockreservedweight", "=<n>", "templates leave the room that their coinbase takes"),
    void("blockversion", "=<n>", "templates have the version that the rules ask for").for_tests(),
];

pub(super) const RPC: &[Flag] = &[
    wired("rest", "", "Answer REST too, without credentials (0)"),
    wired("rpcallowip", "=<ip>", "Who may ask over JSON-RPC; may be given more than once (this machine)"),
    wired("rpcauth", "=<userpw>", "A user, a salt and a hashed password; may be given more than once")
        .secret(),
    wired("rpcbind", "=<addr>[:port]", "Listen there for JSON-RPC, where -rpcallowip is given (127.0.0.1)")
        .network_only(),
    wired("rpccookiefile", "=<loc>", "The file with a name and password that change at each start (.cookie)"),
    wired("rpccookieperms", "=<readable-by>", "Who may read that file: owner, group or all (owner)"),
    void("rpcdoccheck", "", "what a method answers is checked by the tests").for_tests(),
    wired("rpcpassword", "=<pw>", "The password of -rpcuser").secret(),
    wired("rpcport", "=<port>", "Listen for JSON-RPC at this port (8332, 18332, 48332, 38332, 18443)")
        .network_only(),
    wired("rpcservertimeout", "=<n>", "How long a client may be silent, seconds (30)").for_tests(),
    wired("rpcthreads", "=<n>", "How many requests are answered at once (16)"),
    wired("rpcuser", "=<user>", "The user of -rpcpassword").secret(),
    wired(
        "rpcwhitelist",
        "=<whitelist>",
        "USER:METHOD,METHOD: what a user may ask; may be given more than once",
    ),
    wired("rpcwhitelistdefault", "", "Whether a user without a whitelist may ask nothing"),
    wired("rpcworkqueue", "=<n>", "How many requests may wait (64)").for_tests(),
    wired("server", "", "Answer JSON-RPC (1)"),
];

pub(super) const WALLET: &[Flag] = &[
    void("addresstype", "", WALLET_TEXT).hidden(),
    void("avoidpartialspends", "", WALLET_TEXT).hidden(),
    void("changetype", "", WALLET_TEXT).hidden(),
    void("consolidatefeerate", "=<amt>", WALLET_TEXT).hidden(),
    void("disablewallet", "", WALLET_TEXT).hidden(),
    void("discardfee", "=<amt>", WALLET_TEXT).hidden(),
    void("fallbackfee", "=<amt>", WALLET_TEXT).hidden(),
    void("keypool", "=<n>", WALLET_TEXT).hidden(),
    void("maxapsfee", "=<n>", WALLET_TEXT).hidden(),
    void("maxtxfee", "=<amt>", WALLET_TEXT).hidden(),
    void("mintxfee", "=<amt>", WALLET_TEXT).hidden(),
    void("signer", "=<cmd>", WALLET_TEXT).hidden(),
    void("spendzeroconfchange", "", WALLET_TEXT).hidden(),
    void("txconfirmtarget", "=<n>", WALLET_TEXT).hidden(),
    void("unsafesqlitesync", "", WALLET_TEXT).hidden(),
    void("wallet", "=<path>", WALLET_TEXT).hidden(),
    void("walletbroadcast", "", WALLET_TEXT).hidden(),
    void("walletcrosschain", "", WALLET_TEXT).hidden(),
    void("walletdir", "=<dir>", WALLET_TEXT).hidden(),
    void("walletnotify", "=<cmd>", WALLET_TEXT).hidden(),
    void("walletrbf", "", WALLET_TEXT).hidden(),
    void("walletrejectlongchains", "", WALLET_TEXT).hidden(),
];
