//! What the fuzz targets for configuration begin with, and their short run in the gate.

/// Core's command line, and a bitcoin.conf behind an empty line.
pub(crate) const FLAGS: &[&[u8]] = &[
    b"-regtest\n-datadir=/nowhere\n-nolisten\n-rpcport=18443\n-bind=[::1]:7=onion\n\n[regtest]\nconnect=1.2.3.4\nrest=1\n",
    b"-noconnect=0\n--txindex=1\n-prune=550\n-debug=net\n-uacomment=a b\n-minrelaytxfee=0.00001\n",
    b"-chain=signet\n-signetchallenge=51\n-rpcauth=u:s$00\n-zmqpubrawtx=tcp://127.0.0.1:0\n-whitelist=noban@10.0.0.0/8\n",
    b"-testactivationheight=segwit@1\n-vbparams=testdummy:0:9:0\n-regtest\n-maxconnections=-1\n",
];

/// A bitcoin.conf, or settings.json.
pub(crate) const CONF: &[&[u8]] = &[
    b"# a comment\nregtest=1\n[regtest]\nrpcuser=a\nrpcpassword=b#c\nport=1\n",
    b"main.bind=0.0.0.0\ntest.addnode=[::1]:8333\nnodnsseed=1\nfoo=bar\nincludeconf=x\n",
    b"dbcache=18446744073709551616\nmaxmempool=-5\npar=+-7\nassumevalid=0x00\nminimumchainwork=ff\n",
    b"{\"_warning_\": \"x\", \"prune\": 1e3, \"connect\": [\"a\", 1], \"a\": {\"b\": null}}",
];

/// An adit.toml, or a key with its value.
pub(crate) const TOML: &[&[u8]] = &[
    b"network = \"regtest\"\n[chain]\ncache_mib = 64\nprune_mib = 0\n[p2p]\nconnect = [\"a:1\"]\n",
    b"[pool]\naddress = \"bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080\"\n[stratum]\nlisten = \"127.0.0.1:0\"\n",
    b"stratum.difficulty_initial = 1e300\nlog.level = \"info,a=b\"\n[jsonrpc]\nallow = [\"10.0.0.0/8\"]\n",
    b"zmq.rawtx=tcp://127.0.0.1:28333,ipc:///tmp/x",
    b"p2p.connect=",
];
