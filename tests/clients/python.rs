//! Programs in Python. `ADIT_PYTHON` names an interpreter; else it is `python3`. Where a module is missing, the test says so.

use std::process::Command;

use adit_clients::{Adit, folder, free_port};

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
fn pyzmq_hears_every_block_and_transaction_in_order_and_sees_what_it_misses() {
    if has("zmq") {
        let address = format!("tcp://127.0.0.1:{}", free_port());
        let flag = |topic| format!("-zmqpub{topic}={address}");
        let mut flags = ["hashblock", "rawblock", "hashtx", "rawtx", "sequence"].map(flag).to_vec();
        // A path that is short enough for a socket, with little room in it and behind it.
        let dir = folder();
        let aside = format!("ipc://{}/slow", dir.path().display());
        flags.extend([format!("-zmqpubrawblock={aside}"), "-zmqpubrawblockhwm=2".to_owned()]);
        let adit = Adit::start(&flags.iter().map(String::as_str).collect::<Vec<_>>());
        run(&adit, "subscriber.py", &[address, aside]);
    }
}
