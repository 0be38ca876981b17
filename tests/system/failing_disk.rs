//! A disk that fails: the process ends with 74, says why, tries nothing again, and the next start is valid.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::json;

use crate::chain::Chain;
use crate::client::Client;
use crate::harness::{Node, adit, folder, text, until};
use crate::import::import;

/// A chain in a file: some hundred kilobytes of blocks.
fn chain_in(folder: &Path) -> (Chain, PathBuf) {
    let chain = Chain::signed(12, 60);
    let file = folder.join("blk00000.dat");
    std::fs::write(&file, chain.framed()).unwrap();
    (chain, file)
}

fn import_command(datadir: &Path, file: &Path) -> Command {
    let mut command = adit();
    command.args(["import", "--network", "regtest", "--datadir"]).arg(datadir).arg(file);
    command
}

/// It ended with 74 and a reason, and an import without the failure goes on to the chain's tip.
#[track_caller]
fn check_ended(output: &Output, what: &str, chain: &Chain, (datadir, file): (&Path, &Path)) {
    let err = text(&output.stderr);
    assert_eq!(output.status.code(), Some(74), "{what}: {err}");
    assert!(!err.trim().is_empty() && !err.contains("panicked"), "{what}: {err}");
    let line = import(datadir, &[file]).done();
    assert_eq!(line["tip"], json!(chain.tip().to_string()), "{what}");
}

#[test]
fn an_import_onto_a_disk_that_fails_ends_with_74_and_goes_on_at_the_next_start() {
    let dir = folder();
    let (chain, file) = chain_in(dir.path());
    let whole = import(&dir.path().join("whole"), &[&file]).done();
    for at in [1, 5, 9, 14, 20, 30, 60, 90, 130] {
        let datadir = dir.path().join(format!("d{at}"));
        let output =
            import_command(&datadir, &file).env("ADIT_FAILPOINT", format!("io:{at}")).output().unwrap();
        check_ended(&output, &format!("operation {at}"), &chain, (&datadir, &file));
        let line = import(&datadir, &[&file]).done();
        assert_eq!(line["muhash"], whole["muhash"], "operation {at}");
    }
}

/// No file may grow beyond a limit: a write that would fails, as on a full disk.
#[test]
fn an_import_whose_files_may_not_grow_ends_with_74_and_goes_on_when_they_may() {
    let dir = folder();
    let (chain, file) = chain_in(dir.path());
    let datadir = dir.path().join("d");
    let import = import_command(&datadir, &file);
    // 200 kB, less than the blocks.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 400; exec \"$0\" \"$@\""]).arg(import.get_program());
    let output = command.args(import.get_args()).output().unwrap();
    check_ended(&output, "a limit of the files' size", &chain, (&datadir, &file));
}

/// A small file system in memory, where this user may have one; it goes when it is dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: PathBuf, size: &str) -> Option<SmallDisk> {
        std::fs::create_dir_all(&at).unwrap();
        let mut command = Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(&at);
        let mounted = command.output().is_ok_and(|output| output.status.success());
        mounted.then_some(SmallDisk(at))
    }

    fn resize(&self, size: &str) {
        let mut command = Command::new("mount");
        let done = command.args(["-o", &format!("remount,size={size}")]).arg(&self.0).output().unwrap();
        assert!(done.status.success(), "{}", text(&done.stderr));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).output();
    }
}

#[test]
fn an_import_onto_a_full_disk_ends_with_74_and_goes_on_when_there_is_room() {
    let dir = folder();
    let (chain, file) = chain_in(dir.path());
    // Room for the blocks, their undo data and their coins; on a disk as small as this, what a database takes besides is more.
    let blocks = std::fs::metadata(&file).unwrap().len();
    let size = format!("{}k", blocks * 4 / 3 / 1024);
    let Some(disk) = SmallDisk::mount(dir.path().join("small"), &size) else {
        println!("no small disk can be mounted here: 0 imports onto a full one");
        return;
    };
    let datadir = disk.0.join("d");
    let output = import_command(&datadir, &file).output().unwrap();
    let err = text(&output.stderr);
    assert_eq!(output.status.code(), Some(74), "{size}: {err}");
    assert!(err.to_lowercase().contains("space"), "{size}: {err}");
    // Room is made.
    disk.resize("40m");
    check_ended(&output, &size, &chain, (&datadir, &file));
    println!("{size}: {}", err.trim());
}

#[test]
fn an_import_that_would_not_find_room_is_refused_with_the_figures_before_anything_is_touched() {
    let dir = folder();
    let (chain, file) = chain_in(dir.path());
    let Some(disk) = SmallDisk::mount(dir.path().join("small"), "100k") else {
        println!("no small disk can be mounted here: no import was refused");
        return;
    };
    let datadir = disk.0.join("d");
    let output = import_command(&datadir, &file).output().unwrap();
    let err = text(&output.stderr);
    assert_eq!(output.status.code(), Some(69), "{err}");
    assert!(err.contains("the disk has 102 kB left, and these blocks need about "), "{err}");
    assert!(!datadir.exists(), "{err}");
    println!("{}", err.trim());
    disk.resize("40m");
    let line = import(&datadir, &[&file]).done();
    assert_eq!(line["tip"], json!(chain.tip().to_string()));
}

/// Takes all the room that a disk has left.
fn fill(file: &Path) {
    let mut file = std::fs::File::create(file).unwrap();
    for step in [1 << 16, 1 << 12, 1 << 9, 1] {
        while file.write_all(&vec![1; step]).is_ok() {}
    }
}

#[test]
fn a_node_whose_disk_is_full_ends_with_74_says_so_and_goes_on_when_there_is_room() {
    let dir = folder();
    let Some(disk) = SmallDisk::mount(dir.path().join("small"), "40m") else {
        println!("no small disk can be mounted here: no node ran on a full one");
        return;
    };
    let datadir = disk.0.join("d");
    let mut command = adit();
    command.args(["run", "--network", "regtest", "--set", "p2p.listen=127.0.0.1:0"]);
    command
        .args(["--set", "stratum.listen=127.0.0.1:0", "--datadir"])
        .arg(&datadir)
        .args(crate::panics::EASY);
    // What it says lies elsewhere.
    let mut node = Node::of(command, dir.path());
    let client = Client::start(node.stratum, "rig");
    until("the miner has a share", || (client.journal().accepted > 0).then_some(()));
    let ballast = disk.0.join("ballast");
    fill(&ballast);
    let status = node.process.wait();
    let err = node.process.err();
    assert_eq!(status.code(), Some(74), "{err}");
    assert!(err.to_lowercase().contains("no space left"), "{err}");
    println!("{}", err.lines().last().unwrap_or_default());
    let journal = client.finish();
    std::fs::remove_file(ballast).unwrap();
    let node = Node::start(&datadir, &crate::panics::EASY);
    let there = crate::books::credited(&node, "rig");
    let bounds = journal.accepted..=journal.sent;
    assert!(bounds.contains(&there), "{there} shares are credited, {bounds:?} were sent");
    crate::books::check_books(&node);
    node.stop();
}

#[test]
fn a_node_whose_disk_fails_ends_with_74_and_starts_again() {
    let dir = folder();
    // Behind what a start writes.
    for at in [300, 450] {
        let mut command = adit();
        command.args(["run", "--network", "regtest", "--set", "p2p.listen=127.0.0.1:0"]);
        command.args(["--set", "stratum.listen=127.0.0.1:0", "--datadir"]).arg(dir.path());
        command.args(crate::panics::EASY).env("ADIT_FAILPOINT", format!("io:{at}"));
        let mut node = Node::of(command, dir.path());
        let before = crate::books::credited(&node, "rig");
        let client = Client::start(node.stratum, "rig");
        let status = node.process.wait();
        assert_eq!(status.code(), Some(74), "{}", node.process.err());
        let journal = client.finish();
        let node = Node::start(dir.path(), &crate::panics::EASY);
        let there = crate::books::credited(&node, "rig");
        let bounds = before + journal.accepted..=before + journal.sent;
        assert!(bounds.contains(&there), "{there} shares are credited, {bounds:?} were sent");
        crate::books::check_books(&node);
        node.stop();
    }
}
