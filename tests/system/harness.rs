//! Starting, asking, waiting, ending.

use std::fs::File;
use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// No state that a test waits for takes longer on a busy machine with two cores.
const WAIT_MAX: Duration = Duration::from_secs(120);
/// How often the state is asked for.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// Asks until there is an answer; fails with what was waited for.
#[track_caller]
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let from = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(from.elapsed() < WAIT_MAX, "waited {WAIT_MAX:?} in vain: {what}");
        std::thread::sleep(ASK_EVERY);
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// How often a test of chance tries; more where `ADIT_TEST_TRIES` asks for it.
pub fn tries(default: usize) -> usize {
    std::env::var("ADIT_TEST_TRIES").ok().and_then(|t| t.parse().ok()).unwrap_or(default)
}

/// The binary, with no `ADIT_*` of the outside.
pub fn adit() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_adit"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ADIT_")) {
        command.env_remove(name);
    }
    command.env("RUST_BACKTRACE", "0").stdin(Stdio::null());
    command
}

/// Runs the binary to its end.
pub fn run(args: &[&str]) -> Output {
    adit().args(args).output().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A process that is killed, by its id, where a test ends without ending it.
pub struct Process {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Process {
    /// Starts a command whose output goes to files in `dir`.
    pub fn start(command: Command, dir: &Path, name: &str) -> Process {
        let out = File::create(dir.join(format!("{name}.out"))).unwrap();
        Process::start_into(command, dir, name, out.into())
    }

    /// The same with another place for what it says.
    pub fn start_into(mut command: Command, dir: &Path, name: &str, stdout: Stdio) -> Process {
        let (out, err) = (dir.join(format!("{name}.out")), dir.join(format!("{name}.err")));
        let child = command.stdout(stdout).stderr(File::create(&err).unwrap()).spawn().unwrap();
        Process { child, out, err }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn out(&self) -> String {
        read(&self.out)
    }

    /// What it has said so far, without a line that is still being written.
    pub fn lines(&self) -> Vec<String> {
        let out = self.out();
        out.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).map(str::to_owned).collect()
    }

    pub fn err(&self) -> String {
        read(&self.err)
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let child = &mut self.child;
        until("the process ends", || child.try_wait().unwrap())
    }

    /// SIGKILL: no chance to tidy up.
    pub fn kill_hard(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// A signal by its name.
    pub fn signal(&self, name: &str) {
        let status =
            Command::new("kill").arg(format!("-{name}")).arg(self.id().to_string()).status().unwrap();
        assert!(status.success(), "kill -{name}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- out of {}:\n{}", self.out.display(), tail(&self.out()));
            eprintln!("--- err of {}:\n{}", self.err.display(), tail(&self.err()));
        }
    }
}

fn read(path: &Path) -> String {
    let mut bytes = Vec::new();
    let _ = File::open(path).and_then(|mut f| f.read_to_end(&mut bytes));
    text(&bytes)
}

/// The end of a long text.
fn tail(all: &str) -> String {
    let lines: Vec<&str> = all.lines().collect();
    lines[lines.len().saturating_sub(60)..].join("\n")
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

/// A folder that goes with the test.
pub fn folder() -> TempDir {
    tempfile::Builder::new().prefix("adit-").tempdir().unwrap()
}
