//! Processes of tests and benches: started, waited for within a bound, ended by their ids.

use std::fs::File;
use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// No state that a test waits for takes longer on a busy machine with two cores.
const WAIT_MAX: Duration = Duration::from_secs(180);
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

/// A program with no `ADIT_*` of the outside, and nothing to read.
pub fn clean(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ADIT_")) {
        command.env_remove(name);
    }
    command.stdin(Stdio::null());
    command
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

/// A folder that goes with the test.
pub fn folder() -> TempDir {
    tempfile::Builder::new().prefix("adit-").tempdir().unwrap()
}
