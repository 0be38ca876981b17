use super::{Flag, void, wired};

pub(super) const OPTIONS: &[Flag] = &[
    wired(
        "alertnotify",
        "=<cmd>",
        "Run this when there is something that an operator should know; %s is what",
    ),
    wired("allowignoredconf", "", "A bitcoin.conf in the datadir that is not the one in use is no error"),
    wired("assumevalid", "=<hex>", "Scripts up to this block are not run; 0: those of all blocks are"),
    wired("blockfilterindex", "=<type>", "Keep the compact filters of blocks: basic, 1 or 0 (0)"),
    wired("blocknotify", "=<cmd>", "Run this when the best block changes; %s is its hash"),
    void("blockreconstructionextratxn", "=<n>", "compact blocks are not sent"),
    wired("blocksdir", "=<dir>", "Where the folder of block files lies (the datadir)"),
    wired("blocksonly", "", "Take transactions from nobody but those with permission (0)"),
    wired("blocksxor", "", "Block files that are begun are XORed with a key of their own (1)"),
    wired("coinstatsindex", "", "Keep the coin set's figures for every block (0)"),
    wired("conf", "=<file>", "The file of settings, relative to the datadir (bitcoin.conf)"),
    wired("daemon", "", "Go on in the background (0)"),
    wired("daemonwait", "", "As -daemon, but come back only when the node has started (0)"),
    wired("datadir", "=<dir>", "Where everything is kept (~/.bitcoin)").no_negation(),
    void("dbbatchsize", "", "coins are flushed in pieces of a size of their own").for_tests(),
    wired("dbcache", "=<n>", "Memory for coins, MiB; at least 4"),
    wired(
        "debuglogfile",
        "=<file>",
        "The log, relative to the network's folder (debug.log); -nodebuglogfile: none",
    ),
    wired("help", "", "Print this and end; also -h, -?"),
    wired("h", "", "As -help").hidden(),
    wired("?", "", "As -help").hidden(),
    wired("includeconf", "=<file>", "One more file of settings, relative to the datadir; only in a file"),
    wired("loadblock", "=<file>", "Read blocks from this file before the start; may be given more than once"),
    wired("maxmempool", "=<n>", "Memory for transactions that wait, in millions of bytes (300); at least 5"),
    wired("mempoolexpiry", "=<n>", "What waits is dropped after so many hours (336)"),
    wired("minimumchainwork", "=<hex>", "The work that the best chain is known to have").for_tests(),
    wired(
        "par",
        "=<n>",
        "Threads that verify scripts; 0: one a core; below 0: so many cores are left free (0)",
    ),
    wired("persistmempool", "", "Keep the mempool over a restart (1)"),
    wired("persistmempoolv1", "", "Keep the mempool in the file's first version, which has no key (0)"),
    wired(
        "pid",
        "=<file>",
        "The file with the process's id, relative to the network's folder (bitcoind.pid)",
    ),
    void("prevoutfetchthreads", "=<n>", "coins of the blocks to come are always read beforehand"),
    wired(
        "prune",
        "=<n>",
        "Delete old blocks: 0 none, 1 by pruneblockchain only, else down to so many MiB, at least 550 (0)",
    ),
    wired("reindex", "", "Before the start, build headers, coins and indexes again from the block files"),
    wired("reindex-chainstate", "", "Before the start, build the coins again"),
    wired(
        "settings",
        "=<file>",
        "The file of settings that a program wrote, relative to the network's folder (settings.json)",
    ),
    wired("shutdownnotify", "=<cmd>", "Run this before the node ends, which waits for it"),
    wired("startupnotify", "=<cmd>", "Run this when the node has started"),
    wired("txindex", "", "Keep an index of all transactions (0)"),
    wired("txospenderindex", "", "Keep an index of who spent each output (0)"),
    wired("version", "", "Print the version and end"),
];

pub(super) const TESTS: &[Flag] = &[
    wired("acceptstalefeeestimates", "", "Read what is remembered of fees however old it is, on regtest (0)")
        .for_tests(),
    void("capturemessages", "", "no message is written to disk").for_tests(),
    void("checkaddrman", "=<n>", "there are no tables of addresses").for_tests(),
    void("checkblockindex", "", "the tree of headers checks itself where it changes").for_tests(),
    void("checkblocks", "=<n>", "what is stored is checked by its checksums and by `adit db check`")
        .for_tests(),
    void("checklevel", "=<n>", "what is stored is checked by its checksums and by `adit db check`")
        .for_tests(),
    void("checkmempool", "=<n>", "the mempool checks itself where it changes").for_tests(),
    void("checkpoints", "", "checkpoints are gone from Core too").hidden(),
    void("dbcrashratio", "", "crashes are tried by the tests of Adit itself").hidden(),
    wired(
        "debug",
        "=<category>",
        "Log more: 1 or all, none or 0, or a category; may be given more than once",
    ),
    void("debugexclude", "=<category>", "what is logged is chosen by level, not by category"),
    wired("deprecatedrpc", "=<name>", "Tell what is no longer told otherwise: bip125, fullrbf").for_tests(),
    wired("fastprune", "", "On regtest: small block files, and pruning to a small size").for_tests(),
    void("forcecompactdb", "", "the database is compact as it is").hidden(),
    wired("help-debug", "", "Print the flags for tests too, and end"),
    void(
        "limitancestorcount",
        "=<n>",
        "what may hang together in the mempool is limited by -limitclustercount",
    )
    .for_tests(),
    void("limitancestorsize", "", "this limit is gone from Core too").hidden(),
    wired("limitclustercount", "=<n>", "Transactions that may hang together in the mempool (64)").for_tests(),
    wired(
        "limitclustersize",
        "=<n>",
        "Thousands of virtual bytes that may hang together in the mempool (101)",
    )
    .for_tests(),
    void(
        "limitdescendantcount",
        "=<n>",
        "what may hang together in the mempool is limited by -limitclustercount",
    )
    .for_tests(),
    void("limitdescendantsize", "", "this limit is gone from Core too").hidden(),
    void("logips", "", "addresses of peers are logged"),
    wired("loglevel", "=<level>|<category>:<level>", "Which lines -debug adds: info, debug or trace (debug)")
        .no_negation()
        .needs_value()
        .for_tests(),
    void("loglevelalways", "", "every line has its level"),
    void("logratelimit", "", "what could come in floods is counted where it is said"),
    void("logsourcelocations", "", "a line names its module"),
    void("logthreadnames", "", "a line names its module"),
    wired("logtimemicros", "", "Times in the log have microseconds (0)").for_tests(),
    wired("logtimestamps", "", "Lines of the log begin with the time (1)"),
    void("maxsigcachesize", "=<n>", "chain.script_cache_mib of adit.toml is its size").for_tests(),
    wired("maxtipage", "=<n>", "The oldest tip with which the chain counts as fetched, seconds (86400)")
        .for_tests(),
    wired("mocktime", "=<n>", "The clock stands at this second since 1970; 0: it goes (0)").for_tests(),
    void("printpriority", "", "what a block was made of is not logged").for_tests(),
    wired("printtoconsole", "", "Log to stdout too (1, and 0 with -daemon)"),
    wired(
        "shrinkdebugfile",
        "",
        "Keep the last 10 MB alone of a log of more than 11 MB (1, and 0 with -debug)",
    ),
    wired("stopafterblockimport", "", "End when the files of -loadblock and -reindex are read (0)")
        .for_tests(),
    wired("stopatheight", "=<n>", "End when the best chain is that high; it may be some blocks higher (0)")
        .for_tests(),
    wired("test", "=<option>", "addrman: addresses of nodes have the same places in every process; bip94: periods of blocks by BIP94")
        .for_tests(),
    wired("testactivationheight", "=name@height.", "From which height a rule applies, on regtest")
        .for_tests(),
    wired("uacomment", "=<cmt>", "Add this to what the node calls itself"),
    void("choosedatadir", "", "there are no windows").hidden(),
    void("lang", "=<lang>", "there are no windows").hidden(),
    void("min", "", "there are no windows").hidden(),
    void("resetguisettings", "", "there are no windows").hidden(),
    void("splash", "", "there are no windows").hidden(),
    void("uiplatform", "", "there are no windows").hidden(),
];
