//! Programs in Python. `ADIT_PYTHON` names an interpreter; else it is `python3`. Where a module is missing, the test says so.

use std::process::Command;

use adit_clients::{Adit, free_port};

fn python() -> Command {
    Command::new(std::env::var_os("ADIT_PYTHON").unwrap_or_else(|| "python3".into()))
}

/// Whether there is such a module.
fn has(module: &str) -> bool {
    let found = python().args(["-c", &format!("import {module}")]).output();
    let has = found.is_ok_and(|out| out.status.success());
    if !has {
        eprintln!("Python has no module {module}: what needs it was not tried");
    }
    has
}

/// Runs a program beside this file, which must end well.
#[track_caller]
fn run(adit: &Adit, program: &str, args: &[String]) {
    let path = format!("{}/python/{program}", env!("CARGO_MANIFEST_DIR"));
    let out =
        python().arg(path).arg(adit.datadir()).arg(adit.port().to_string()).args(args).output().unwrap();
    let said = [out.stdout, out.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(out.status.success() && said[0].ends_with("done\n"), "{program}: {said:?}");
}

#[test]
fn python_bitcoinlib_mines_spends_and_follows_the_chain() {
    if has("bitcoin.rpc") {
        run(&Adit::start(&["-txindex"]), "library.py", &[]);
    }
}

#[test]
fn pyzmq_hears_every_block_and_transaction_in_order() {
    if has("zmq") {
        let address = format!("tcp://127.0.0.1:{}", free_port());
        let flag = |topic| format!("-zmqpub{topic}={address}");
        let flags = ["hashblock", "rawblock", "hashtx", "rawtx", "sequence"].map(flag);
        let adit = Adit::start(&flags.each_ref().map(String::as_str));
        run(&adit, "subscriber.py", std::slice::from_ref(&address));
    }
}
