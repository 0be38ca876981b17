use super::{Flag, missing, void, wired};

const ZMQ_QUEUE_TEXT: &str = "How many messages wait for a subscriber at most (1000)";
const WALLET_TEXT: &str = "there is no wallet";

pub(super) const ZMQ: &[Flag] = &[
    wired(
        "zmqpubhashblock",
        "=<address>",
        "Publish there the hash of each new tip; may be given more than once",
    ),
    wired(
        "zmqpubhashtx",
        "=<address>",
        "Publish there the ids of transactions that join the mempool, or a block that joins or leaves the chain; may be given more than once",
    ),
    wired("zmqpubrawblock", "=<address>", "Publish there each new tip's block; may be given more than once"),
    wired("zmqpubrawtx", "=<address>", "Publish there these transactions; may be given more than once"),
    wired(
        "zmqpubsequence",
        "=<address>",
        "Publish there what happens to blocks and the mempool, in its order; may be given more than once",
    ),
    wired("zmqpubhashblockhwm", "=<n>", ZMQ_QUEUE_TEXT),
    wired("zmqpubhashtxhwm", "=<n>", ZMQ_QUEUE_TEXT),
    wired("zmqpubrawblockhwm", "=<n>", ZMQ_QUEUE_TEXT),
    wired("zmqpubrawtxhwm", "=<n>", ZMQ_QUEUE_TEXT),
    wired("zmqpubsequencehwm", "=<n>", ZMQ_QUEUE_TEXT),
];

pub(super) const RELAY: &[Flag] = &[
    wired("acceptnonstdtxn", "", "Relay what is valid, common or not; not on the main network (0)")
        .for_tests(),
    wired("bytespersigop", "", "Weight that a signature operation counts for at least (20)"),
    wired("datacarrier", "", "Relay outputs that carry data (1)"),
    wired("datacarriersize", "", "Bytes of all a transaction's outputs that carry data (100000)"),
    wired(
        "dustrelayfee",
        "=<amt>",
        "The feerate at which an output must be worth its spending, a kilobyte (0.00003)",
    )
    .for_tests(),
    wired(
        "incrementalrelayfee",
        "=<amt>",
        "What a replacement pays more for its own way, a kilobyte (0.000001)",
    )
    .for_tests(),
    wired(
        "minrelaytxfee",
        "=<amt>",
        "The feerate below which a transaction is not held, BTC for 1,000 virtual bytes",
    ),
    wired("permitbaremultisig", "", "Relay multisig outputs that stand without a hash (1)"),
    missing("privatebroadcast", "", "transactions are announced to every peer"),
    wired("whitelistforcerelay", "", "Whom -whitelist names without permissions has forcerelay too (0)"),
    wired("whitelistrelay", "", "Whom -whitelist names without permissions has relay (1)"),
];

pub(super) const BLOCKS: &[Flag] = &[
    wired("blockmaxweight", "=<n>", "The most that a block for a miner weighs (4000000)").for_tests(),
    wired("blockmintxfee", "=<amt>", "What a block's transactions pay at least, a kilobyte (0.00000001)"),
    wired("blockreservedweight", "=<n>", "What of it is left for the miner's coinbase and the header (8000)"),
    wired("blockversion", "=<n>", "The version of blocks that are made on regtest").for_tests(),
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
    wired("signer", "=<cmd>", "A program that speaks with a signing device, for enumeratesigners").hidden(),
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
