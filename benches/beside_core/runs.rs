//! The four runs: either program, from a file or from a node.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bitcoind::Core;
use crate::blocks::Blocks;
use crate::harness::{Node, Process, adit, folder, free_port};
use crate::plan::Setting;
use crate::process::{Run, to_its_end};

/// How often a node is asked for its height; each question costs it, and the machine, a little.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// The same command on the first so many cores.
fn on_cores(command: Command, cores: usize) -> Command {
    if std::thread::available_parallelism().is_ok_and(|all| cores >= all.get()) {
        return command;
    }
    let mut pinned = Command::new("taskset");
    pinned.arg("-c").arg(format!("0-{}", cores - 1)).arg(command.get_program()).args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => pinned.env(key, value),
            None => pinned.env_remove(key),
        };
    }
    pinned
}

fn core_options(setting: Setting) -> [String; 2] {
    [format!("-par={}", setting.cores), format!("-dbcache={}", setting.cache_mib)]
}

fn adit_options(setting: Setting) -> [String; 4] {
    let threads = format!("chain.script_threads={}", setting.cores);
    ["--set".to_owned(), format!("chain.cache_mib={}", setting.cache_mib), "--set".to_owned(), threads]
}

pub fn core_imports(bitcoind: &Path, chain: &Path, setting: Setting) -> Run {
    let dir = folder();
    let mut command = Command::new(bitcoind);
    command.args(["-regtest", "-listen=0", "-connect=0", "-server=0", "-disablewallet", "-assumevalid=0"]);
    command.args(["-checkblockindex=0", "-stopafterblockimport=1"]).args(core_options(setting));
    command.arg(format!("-datadir={}", dir.path().display()));
    command.arg(format!("-loadblock={}", chain.display())).arg(format!("-rpcport={}", free_port()));
    let from = Instant::now();
    let mut process = Process::start(on_cores(command, setting.cores), dir.path(), "bitcoind");
    to_its_end(&mut process, from, None)
}

pub fn adit_imports(chain: &Path, blocks: &Blocks, setting: Setting) -> Run {
    let dir = folder();
    let mut command = adit();
    command.args(["import", "--network", "regtest", "--datadir"]).arg(dir.path());
    command.args(adit_options(setting)).arg(chain);
    let from = Instant::now();
    let mut process = Process::start(on_cores(command, setting.cores), dir.path(), "adit");
    let run = to_its_end(&mut process, from, None);
    let line: Value = serde_json::from_str(process.out().lines().last().unwrap()).unwrap();
    assert_eq!(line["height"], json!(blocks.height), "{line}");
    Run { tip_seconds: line["seconds"].as_f64(), ..run }
}

/// A bitcoind that has the chain, for both to sync from.
pub fn source(blocks: &Blocks, chain: &Path) -> Core {
    let loads = format!("-loadblock={}", chain.display());
    let core = Core::start(&[loads, "-dbcache=2000".to_owned()]).expect("BITCOIND");
    reached(blocks, || Some(core.height()));
    core
}

/// Asks until the height is the chain's.
fn reached(blocks: &Blocks, height: impl Fn() -> Option<u64>) {
    while height().is_none_or(|height| height < blocks.height) {
        std::thread::sleep(ASK_EVERY);
    }
}

pub fn core_syncs(bitcoind: &Path, blocks: &Blocks, source: &Core, setting: Setting) -> Run {
    let options = [core_options(setting).to_vec(), vec![format!("-assumevalid={}", blocks.full.0)]].concat();
    let from = Instant::now();
    let mut core = Core::by(|| on_cores(Command::new(bitcoind), setting.cores), "-regtest", &options);
    core.call("addnode", json!([source.peer(), "onetry"]));
    reached(blocks, || Some(core.height()));
    let tip_seconds = from.elapsed().as_secs_f64();
    core.call("stop", json!([]));
    to_its_end(&mut core.process, from, Some(tip_seconds))
}

pub fn adit_syncs(blocks: &Blocks, source: &Core, setting: Setting) -> Run {
    let dir = folder();
    let mut command = adit();
    command.args(["run", "--network", "regtest", "--connect", &source.peer(), "--datadir"]).arg(dir.path());
    command.args(["--set", "p2p.listen=127.0.0.1:0", "--set", "stratum.listen=127.0.0.1:0"]);
    command.args(["--set", &format!("chain.assume_valid={}", blocks.full.0)]).args(adit_options(setting));
    let from = Instant::now();
    let mut node = Node::of(on_cores(command, setting.cores), dir.path());
    reached(blocks, || {
        // An answer may be long in coming while the node is busy.
        let answer: Value = serde_json::from_slice(&node.ctl(&["info"]).stdout).ok()?;
        answer["height"].as_u64()
    });
    let tip_seconds = from.elapsed().as_secs_f64();
    node.process.signal("TERM");
    to_its_end(&mut node.process, from, Some(tip_seconds))
}
