//! Starting, asking, waiting, ending.

#[path = "../common/process.rs"]
mod process;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

#[allow(unused_imports, reason = "a bench needs fewer of them")]
pub use process::{Process, folder, free_port, text, until};

/// How often a test of chance tries; more where `ADIT_TEST_TRIES` asks for it.
pub fn tries(default: usize) -> usize {
    std::env::var("ADIT_TEST_TRIES").ok().and_then(|t| t.parse().ok()).unwrap_or(default)
}

/// The binary, with no `ADIT_*` of the outside.
pub fn adit() -> Command {
    let mut command = process::clean(Command::new(env!("CARGO_BIN_EXE_adit")));
    command.env("RUST_BACKTRACE", "0");
    command
}

/// Runs the binary to its end.
pub fn run(args: &[&str]) -> Output {
    adit().args(args).output().unwrap()
}

/// A running node on regtest.
pub struct Node {
    pub process: Process,
    pub datadir: PathBuf,
    /// Where miners connect.
    pub stratum: SocketAddr,
    /// Where other nodes connect.
    pub p2p: SocketAddr,
}

impl Node {
    /// `adit run` in `datadir`, on free ports, until it says where it listens.
    #[track_caller]
    pub fn start(datadir: &Path, args: &[&str]) -> Node {
        let mut command = adit();
        command.args(["run", "--network", "regtest", "--datadir"]).arg(datadir);
        command.args(["--set", "p2p.listen=127.0.0.1:0", "--set", "stratum.listen=127.0.0.1:0"]).args(args);
        Node::of(command, datadir)
    }

    /// A node by any command that prints where it listens.
    #[track_caller]
    pub fn of(command: Command, datadir: &Path) -> Node {
        std::fs::create_dir_all(datadir).unwrap();
        let mut process = Process::start(command, datadir, "adit");
        let listens = |out: &str, whom: &str| -> Option<SocketAddr> {
            let line = out.lines().find_map(|l| l.strip_prefix(&format!("listening for {whom} at ")))?;
            line.trim().parse().ok()
        };
        let (stratum, p2p) = until("the node says where it listens", || {
            if let Some(status) = process.ended() {
                panic!("the node ended: {status}\n{}", process.err());
            }
            let out = process.out();
            out.contains("ready").then_some(())?;
            Some((listens(&out, "miners")?, listens(&out, "nodes")?))
        });
        Node { process, datadir: datadir.to_owned(), stratum, p2p }
    }

    /// `adit ctl --json ...`.
    pub fn ctl(&self, args: &[&str]) -> Output {
        let mut command = adit();
        command.args(["ctl", "--network", "regtest", "--json", "--datadir"]).arg(&self.datadir).args(args);
        command.output().unwrap()
    }

    /// Its answer, which must be one.
    #[track_caller]
    pub fn ask(&self, args: &[&str]) -> Value {
        let out = self.ctl(args);
        assert!(out.status.success(), "adit ctl {args:?}: {}", text(&out.stderr));
        serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&out.stdout)))
    }

    pub fn height(&self) -> u64 {
        self.ask(&["info"])["height"].as_u64().unwrap()
    }

    /// Waits until the chain is this high. The share of a block may be answered before the chain has the block.
    #[track_caller]
    pub fn reaches(&self, height: u64) {
        until(&format!("the chain is {height} blocks high"), || (self.height() >= height).then_some(()));
    }

    pub fn tip(&self) -> String {
        self.ask(&["info"])["tip"].as_str().unwrap().to_owned()
    }

    /// Ends it in order.
    #[track_caller]
    pub fn stop(mut self) {
        self.process.signal("TERM");
        let status = self.process.wait();
        assert_eq!(status.code(), Some(0), "{}", self.process.err());
    }
}
