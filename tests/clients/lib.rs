//! Adit as the programs of others see it: `adit bitcoind` on regtest in a folder of its own, from its start to its end.
//!
//! Owns: the process, its ports and its folder. Must not know: what a client asks.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions
)]
#![allow(missing_docs)]

#[allow(dead_code, unreachable_pub, reason = "other tests need more of it")]
#[path = "../common/process.rs"]
mod process;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use process::Process;
pub use process::{folder, free_port, until};

/// How often another is started where somebody else took the port of one in between.
const STARTS_MAX: usize = 5;

/// The program: what `ADIT_BINARY` names, else what cargo builds where it built the test.
fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("ADIT_BINARY") {
        Some(named) => named.into(),
        None => built(),
    })
}

fn built() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    // PROFILE/deps/clients-HASH.
    let profile = test.parent().and_then(Path::parent).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--locked", "--package", "adit", "--bin", "adit"]);
    cargo.arg("--manifest-path").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml"));
    cargo.arg("--target-dir").arg(profile.parent().unwrap());
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.status().unwrap().success(), "the program does not build");
    profile.join("adit")
}

/// A running `adit bitcoind`; killed, by its id, where a test ends without stopping it.
pub struct Adit {
    process: Process,
    rpc: u16,
    dir: Option<TempDir>,
}

impl Adit {
    /// Starts one in a new folder, until it answers. `PORT` in a flag becomes a free port.
    pub fn start(flags: &[&str]) -> Adit {
        Adit::start_in(folder(), flags)
    }

    /// The same where one ran before.
    #[track_caller]
    pub fn start_in(mut dir: TempDir, flags: &[&str]) -> Adit {
        for _ in 0..STARTS_MAX {
            let mut adit = Adit::spawn(dir, flags);
            let answers = until("it answers", || match adit.process.ended() {
                Some(_) => Some(false),
                None => adit.answers().then_some(true),
            });
            if answers {
                return adit;
            }
            eprintln!("it ended: {}", adit.log());
            dir = adit.dir.take().unwrap();
        }
        panic!("it does not start");
    }

    /// Starts one and waits for nothing.
    pub fn spawn(dir: TempDir, flags: &[&str]) -> Adit {
        let rpc = free_port();
        let mut command = process::clean(Command::new(binary()));
        command.args(["bitcoind", "-regtest", "-listen=0", "-server", "-fallbackfee=0.0001"]);
        command.arg(format!("-datadir={}", dir.path().display())).arg(format!("-rpcport={rpc}"));
        command.args(flags.iter().map(|flag| flag.replace("PORT", &free_port().to_string())));
        Adit { process: Process::start(command, dir.path(), "adit"), rpc, dir: Some(dir) }
    }

    /// Whether its cookie opens the door and the node behind it is there.
    fn answers(&self) -> bool {
        use std::io::{Read, Write};
        let Ok(cookie) = std::fs::read(self.cookie()) else { return false };
        let Ok(mut stream) = std::net::TcpStream::connect(self.address()) else { return false };
        let body = "{\"method\":\"getblockcount\"}";
        let request = format!(
            "POST / HTTP/1.0\r\nAuthorization: Basic {}\r\nContent-Length: {}\r\n\r\n{body}",
            base64(&cookie),
            body.len()
        );
        let mut answer = String::new();
        stream.write_all(request.as_bytes()).is_ok()
            && stream.read_to_string(&mut answer).is_ok()
            && answer.contains("200 OK")
    }

    /// `127.0.0.1:PORT` of its JSON-RPC.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.rpc)
    }

    /// The port of its JSON-RPC.
    pub fn port(&self) -> u16 {
        self.rpc
    }

    /// `http://127.0.0.1:PORT` of its JSON-RPC.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Its datadir, above that of the network.
    pub fn datadir(&self) -> &Path {
        self.dir.as_ref().unwrap().path()
    }

    /// The cookie's file.
    pub fn cookie(&self) -> PathBuf {
        self.datadir().join("regtest/.cookie")
    }

    /// What it has printed and logged.
    pub fn log(&self) -> String {
        [self.process.out(), self.process.err()].concat()
    }

    /// Waits for the end that somebody has asked for, and gives its folder to the next.
    #[track_caller]
    pub fn ended(mut self) -> TempDir {
        let status = self.process.wait();
        assert!(status.success(), "{status}\n{}", self.log());
        self.dir.take().unwrap()
    }
}

/// RFC 4648, section 4.
pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let joined =
            three.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let digit = DIGITS[(joined >> (18 - 6 * place)) & 63];
            out.push(if place <= three.len() { char::from(digit) } else { '=' });
        }
    }
    out
}
