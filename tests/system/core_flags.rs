//! `adit bitcoind` beside bitcoind: the same flags and the same bitcoin.conf lead to the same exit code and the same words on
//! stderr. Where `BITCOIND` names no binary, what Adit says is looked at alone.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;
use tempfile::TempDir;

use crate::bitcoind::ask;
use crate::client::ADDRESS;
use crate::harness::{Process, adit, folder, free_port, until};

/// What one start came to.
#[derive(Debug, PartialEq, Eq)]
struct End {
    code: Option<i32>,
    said: String,
}

/// Runs a program that is to end by itself; names of files and of the program are made alike.
fn end(mut command: Command, flags: &[&str], conf: &str) -> End {
    let dir = folder();
    std::fs::write(dir.path().join("bitcoin.conf"), conf).unwrap();
    std::fs::write(dir.path().join("more.conf"), "includeconf=deep.conf\npar=1\n").unwrap();
    let at = dir.path().display().to_string();
    // A case that starts after all connects to nobody.
    command.arg(format!("-datadir={at}")).args(["-printtoconsole=0", "-networkactive=0"]);
    command.args(flags.iter().map(|flag| flag.replace("DIR", &at))).stdin(Stdio::null());
    let logs = folder();
    let mut process = Process::start(command, logs.path(), "start");
    let code = process.wait().code();
    let said = process.err().replace(&at, "DIR").replace("Bitcoin Core is probably", "Adit is probably");
    End { code, said }
}

fn ours() -> Command {
    let mut command = adit();
    command.arg("bitcoind");
    command
}

/// Flags and a file that no program starts with, or that it only prints something for.
const CASES: &[(&[&str], &str)] = &[
    (&["-foo"], ""),
    (&["--foo=1"], ""),
    (&["-regtest.par=1"], ""),
    (&["-nodatadir"], ""),
    (&["-loglevel"], ""),
    (&["-loglevel=foo"], ""),
    (&["-loglevel=foo:bar"], ""),
    (&["-loglevel=net:foo"], ""),
    (&["-includeconf=x"], ""),
    (&["-noincludeconf", "-includeconf=x"], ""),
    (&["go"], ""),
    (&["-regtest", "go", "-foo"], ""),
    (&[""], ""),
    (&["-datadir=/none/at/all"], ""),
    (&["-datadir=/none/at/all", "-help"], ""),
    (&["-regtest", "-testnet"], ""),
    (&["-regtest", "-chain=regtest"], ""),
    (&["-noregtest", "-chain=foo"], ""),
    (&["-chain=foo"], ""),
    (&["-chain="], ""),
    (&["-regtest"], "signet=1"),
    (&[], "regtest=1\nregtest=0\nchain=foo"),
    (&[], "word"),
    (&[], "noword"),
    (&[], "a=1\n\n-b=1"),
    (&[], "conf=x"),
    (&[], "rpcpassword=a#b"),
    (&[], "nodatadir=1"),
    (&[], "includeconf=none.conf"),
    (&["-noincludeconf", "go"], "includeconf=none.conf"),
    (&["go"], "includeconf=more.conf"),
    (&["-conf=none.conf"], ""),
    (&["-conf=DIR"], ""),
    (&["-conf=DIR/more.conf"], ""),
    (&["-noconf", "go"], "word"),
    (&["-regtest"], "port=1\nbind=127.0.0.1"),
    (&["-regtest"], "connect=1.2.3.4\n[regtest]\nnoconnect=1\n[foo]\ntxindex=1\n[regtest]\nprune=550"),
    (&["-regtest", "-checkpoints", "-prune=1", "-txindex"], "[foo]\n[bar]\n"),
    (&["-regtest", "-prune=-1"], ""),
    (&["-regtest", "-prune=549"], ""),
    (&["-regtest", "-prune=550", "-reindex-chainstate"], ""),
    (&["-regtest", "-blocksdir=/none/at/all"], ""),
    (&["-regtest", "-blockfilterindex=foo"], ""),
    (&["-regtest", "-peerblockfilters"], ""),
    (&["-regtest", "-forcednsseed", "-nodnsseed"], ""),
    (&["-regtest", "-bind=127.0.0.1", "-nolisten"], ""),
    (&["-regtest", "-nolisten", "-listenonion"], ""),
    (&["-regtest", "-maxconnections=-1"], ""),
    (&["-regtest", "-debug=foo"], ""),
    (&["-regtest", "-debugexclude=foo"], ""),
    (&["-regtest", "-peertimeout=0"], ""),
    (&["-test=foo"], ""),
    (&["-vbparams=foo:1:2"], ""),
    (&["-testactivationheight=csv@1"], ""),
    (&["-regtest", "-testactivationheight=csv"], ""),
    (&["-regtest", "-testactivationheight=csv@-1"], ""),
    (&["-regtest", "-testactivationheight=foo@1"], ""),
    (&["-regtest", "-vbparams=foo"], ""),
    (&["-regtest", "-vbparams=foo:1:2"], ""),
    (&["-regtest", "-vbparams=testdummy:x:2"], ""),
    (&["-regtest", "-vbparams=testdummy:1:x"], ""),
    (&["-regtest", "-vbparams=testdummy:1:2:x"], ""),
    (&["-regtest", "-minimumchainwork=x"], ""),
    (&["-regtest", "-assumevalid=x"], ""),
    (&["-regtest", "-maxmempool=4"], ""),
    (&["-regtest", "-minrelaytxfee=x"], ""),
    (&["-regtest", "-minrelaytxfee=21000001"], ""),
    (&["-regtest", "-blockmintxfee=x"], ""),
    (&["-regtest", "-blockmaxweight=4000001"], ""),
    (&["-regtest", "-blockreservedweight=1"], ""),
    (&["-regtest", "-blockreservedweight=4000", "-blockmaxweight=3000"], ""),
    (&["-regtest", "-prevoutfetchthreads=-1"], ""),
    (&["-regtest", "-limitclustercount=65"], ""),
    (&["-acceptnonstdtxn=1"], ""),
    (&["-regtest", "-port=0"], ""),
    (&["-regtest", "-port=70000"], ""),
    (&["-regtest", "-rpcport=x"], ""),
    (&["-regtest", "-bind=127.0.0.1:0"], ""),
    (&["-regtest", "-server=0", "-uacomment=a/b"], ""),
    (&["-regtest", "-rpcallowip=x"], ""),
    (&["-regtest", "-rpcauth=x"], ""),
    (&["-help"], ""),
    (&["-help-debug"], ""),
    (&["-?"], ""),
    (&["-h"], ""),
    (&["-version"], ""),
];

#[test]
fn what_does_not_start_says_what_bitcoind_says() {
    let theirs = std::env::var_os("BITCOIND");
    if theirs.is_none() {
        eprintln!("BITCOIND names no binary: Bitcoin Core was not asked");
    }
    let mut differ = Vec::new();
    for (flags, conf) in CASES {
        println!("{flags:?} {conf:?}");
        let ours = end(ours(), flags, conf);
        let is_text =
            flags.iter().any(|flag| ["-help", "-help-debug", "-?", "-h", "-version"].contains(flag));
        let fails = !is_text || flags.len() > 1;
        assert_eq!(ours.code, Some(i32::from(fails)), "{flags:?} {conf:?}: {ours:?}");
        assert_eq!(ours.said.contains("Error: "), fails, "{flags:?} {conf:?}: {ours:?}");
        let theirs = theirs.as_ref().map(|binary| end(Command::new(binary), flags, conf));
        if let Some(theirs) = theirs.filter(|theirs| *theirs != ours) {
            differ.push(format!("{flags:?} {conf:?}\n  {theirs:?}\n  {ours:?}"));
        }
    }
    assert!(differ.is_empty(), "{} of {} differ:\n{}", differ.len(), CASES.len(), differ.join("\n"));
}

/// A node that `adit bitcoind` started.
struct Started {
    process: Process,
    rpc: u16,
    _logs: TempDir,
}

impl Started {
    /// Starts one and waits until it answers.
    #[track_caller]
    fn new(dir: &Path, flags: &[&str]) -> Started {
        let mut started = Started::unwaited(dir, flags);
        until("adit bitcoind answers", || {
            assert_eq!(started.process.ended(), None, "{}", started.process.err());
            ask(started.rpc, "uptime", &json!([]))
        });
        started
    }

    fn unwaited(dir: &Path, flags: &[&str]) -> Started {
        let (mut command, rpc, p2p) = (ours(), free_port(), free_port());
        command.args(["-regtest", "-printtoconsole=0", "-rpcuser=adit", "-rpcpassword=adit"]).args(flags);
        command.arg(format!("-datadir={}", dir.display()));
        command.arg(format!("-rpcport={rpc}")).arg(format!("-bind=127.0.0.1:{p2p}"));
        let logs = folder();
        Started { process: Process::start(command, logs.path(), "adit"), rpc, _logs: logs }
    }

    /// It ends as it should: with 0, and with nothing on stderr.
    #[track_caller]
    fn ends(mut self) {
        assert_eq!(self.process.wait().code(), Some(0), "{}", self.process.err());
        assert_eq!(self.process.err(), "");
    }
}

/// Names below a folder, those of folders with a slash.
fn entries(folder: &Path) -> BTreeSet<String> {
    let name = |entry: std::fs::DirEntry| {
        let slash = if entry.file_type().unwrap().is_dir() { "/" } else { "" };
        format!("{}{slash}", entry.file_name().to_str().unwrap())
    };
    std::fs::read_dir(folder).unwrap().map(|entry| name(entry.unwrap())).collect()
}

#[test]
fn a_node_lives_as_a_bitcoind_lives() {
    let dir = folder();
    let net = dir.path().join("regtest");
    let notes = |name: &str| format!("-{name}notify=echo said > {}/{name}", dir.path().display());
    let node = Started::new(dir.path(), &[&notes("startup"), &notes("shutdown"), "-txindex"]);
    let files = entries(&net);
    for name in [
        ".lock",
        "bitcoind.pid",
        "debug.log",
        "settings.json",
        "blocks/",
        "chainstate/",
        "indexes/",
        "wallets/",
    ] {
        assert!(files.contains(name), "{name}: {files:?}");
    }
    let folders: Vec<&String> = files.iter().filter(|name| name.ends_with('/')).collect();
    assert_eq!(folders, ["blocks/", "chainstate/", "indexes/", "wallets/"]);
    assert_eq!(
        std::fs::read_to_string(net.join("bitcoind.pid")).unwrap(),
        format!("{}\n", node.process.id())
    );
    let mut second = Started::unwaited(dir.path(), &[]);
    assert_eq!(second.process.wait().code(), Some(1));
    let locked = format!(
        "Error: Cannot obtain a lock on directory {}. Adit is probably already running.\n",
        net.display()
    );
    assert_eq!(second.process.err(), locked);
    ask(node.rpc, "stop", &json!([])).unwrap();
    node.ends();
    until("the notes are there", || {
        ["startup", "shutdown"].iter().all(|name| dir.path().join(name).exists()).then_some(())
    });
    assert!(!net.join("bitcoind.pid").exists());
    let log = std::fs::read_to_string(net.join("debug.log")).unwrap();
    for line in ["Command-line arg: txindex=\"\"", "Command-line arg: rpcpassword=****", "Shutdown done"] {
        assert!(log.contains(line), "{line}: {log}");
    }
    // Of what lies there only three folders are needed to go on.
    for name in entries(&net).iter().filter(|name| !name.ends_with('/')) {
        std::fs::remove_file(net.join(name)).unwrap();
    }
    std::fs::remove_dir(net.join("wallets")).unwrap();
    let node = Started::new(dir.path(), &["-txindex"]);
    node.process.signal("HUP");
    node.process.signal("TERM");
    node.ends();
}

/// Where a chain stands.
fn tip(node: &Started) -> serde_json::Value {
    ask(node.rpc, "getbestblockhash", &json!([])).unwrap()
}

fn stop(node: Started) {
    ask(node.rpc, "stop", &json!([])).unwrap();
    node.ends();
}

#[test]
fn what_is_made_of_block_files_is_the_chain_that_was_there() {
    let (dir, other) = (folder(), folder());
    let node = Started::new(dir.path(), &["-txindex"]);
    ask(node.rpc, "generatetoaddress", &json!([5, ADDRESS])).unwrap();
    let wanted = tip(&node);
    stop(node);
    for flags in [&["-reindex", "-txindex"][..], &["-reindex-chainstate"], &[]] {
        let node = Started::new(dir.path(), flags);
        assert_eq!(tip(&node), wanted, "{flags:?}");
        stop(node);
    }
    let blocks = dir.path().join("regtest/blocks");
    let load = format!("-loadblock={}", blocks.join("blk00000.dat").display());
    // A flag for a folder that has nothing yet is none.
    let node = Started::new(other.path(), &["-reindex", &load, "-loadblock=/none/at/all", "-blocksxor=0"]);
    assert_eq!(tip(&node), wanted);
    stop(node);
    assert_eq!(std::fs::read(other.path().join("regtest/blocks/xor.dat")).unwrap(), [0; 8]);
    // It ends by itself, at once.
    Started::unwaited(other.path(), &["-reindex", "-stopafterblockimport"]).ends();
    let node = Started::unwaited(other.path(), &["-stopatheight=6"]);
    until("there is a block above that height", || {
        ask(node.rpc, "generatetoaddress", &json!([1, ADDRESS]));
        std::fs::read_to_string(other.path().join("regtest/debug.log"))
            .is_ok_and(|log| log.contains("the chain has come to -stopatheight"))
            .then_some(())
    });
    node.ends();
    for path in [dir.path().join("regtest/debug.log"), blocks.join("blk00000.dat")] {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", path.display());
    }
}

/// A process in the background, which does not outlive the test.
struct Hidden(String);

impl Drop for Hidden {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-KILL", &self.0]).stderr(Stdio::null()).status();
    }
}

#[test]
fn a_node_goes_on_in_the_background() {
    for flag in ["-daemon", "-daemonwait"] {
        let dir = folder();
        let mut first = Started::unwaited(dir.path(), &[flag]);
        assert_eq!(first.process.wait().code(), Some(0), "{}", first.process.err());
        assert_eq!((first.process.out().as_str(), first.process.err().as_str()), ("Adit starting\n", ""));
        let pid = dir.path().join("regtest/bitcoind.pid");
        let id = until("the second process is there", || {
            std::fs::read_to_string(&pid).ok().filter(|id| id.ends_with('\n'))
        });
        let second = Hidden(id.trim().to_owned());
        assert_ne!(second.0, first.process.id().to_string());
        until("it answers", || ask(first.rpc, "uptime", &json!([])));
        ask(first.rpc, "stop", &json!([])).unwrap();
        let proc = format!("/proc/{}/stat", second.0);
        until("it has ended", || {
            // Nobody may be there to bury it.
            std::fs::read_to_string(&proc).map_or(true, |stat| stat.contains(") Z ")).then_some(())
        });
    }
    let dir = folder();
    let _lock = Started::new(dir.path(), &[]);
    let mut first = Started::unwaited(dir.path(), &["-daemon"]);
    assert_eq!(first.process.wait().code(), Some(1));
}
