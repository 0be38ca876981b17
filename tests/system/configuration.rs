//! What a person reads who typed something wrong.

use crate::harness::{adit, folder, run, text};

/// `adit run` with these arguments and variables ends with 78 and exactly this line.
#[track_caller]
fn check_refused(args: &[&str], env: &[(&str, &str)], line: &str) {
    let out = adit().arg("run").args(args).envs(env.iter().copied()).output().unwrap();
    assert_eq!(text(&out.stderr), format!("adit: {line}\n"));
    assert_eq!((out.status.code(), out.stdout.len()), (Some(78), 0));
}

#[test]
fn a_wrong_key_or_value_is_named_with_its_place() {
    check_refused(
        &["--set", "stratum.lisen=1"],
        &[],
        "unknown key stratum.lisen in the flag --set: expected a key of config/default.toml; the nearest is stratum.listen",
    );
    check_refused(
        &["--set", "stratum.listen"],
        &[],
        "--set \"stratum.listen\": expected KEY=VALUE, as --set stratum.listen=127.0.0.1:3333",
    );
    check_refused(
        &["--network", "regtset"],
        &[],
        "network = \"regtset\" in the flag --network: expected one of mainnet, testnet3, testnet4, signet, regtest; the nearest is regtest",
    );
    check_refused(
        &["--connect", "nowhere"],
        &[],
        "p2p.connect = \"nowhere\" in the flag --connect: expected a list of HOST:PORT such as 127.0.0.1:18444",
    );
    check_refused(
        &[],
        &[("ADIT_CHAIN_CACHE_MIB", "lots")],
        "chain.cache_mib = \"lots\" in the environment variable ADIT_CHAIN_CACHE_MIB: expected a whole number from 4 to 1048576 (MiB)",
    );
    check_refused(
        &[],
        &[("ADIT_CHAIN_CASH_MIB", "1")],
        "unknown key ADIT_CHAIN_CASH_MIB in the environment variable ADIT_CHAIN_CASH_MIB: expected a key of config/default.toml; the nearest is ADIT_CHAIN_CACHE_MIB",
    );
}

#[test]
fn a_file_is_named_where_its_key_is_wrong() {
    let dir = folder();
    let path = dir.path().join("a.toml");
    let name = path.display().to_string();
    std::fs::write(&path, "[stratum]\nlistenn = 1\n").unwrap();
    check_refused(
        &["--config", &name],
        &[],
        &format!(
            "unknown key stratum.listenn in the file {name}: expected a key of config/default.toml; the nearest is stratum.listen"
        ),
    );
    std::fs::write(&path, "[p2p]\nlisten = \"here\"\n").unwrap();
    check_refused(
        &["--config", &name],
        &[],
        &format!(
            "p2p.listen = \"here\" in the file {name}: expected ADDRESS:PORT such as 127.0.0.1:3333, or nothing"
        ),
    );
    let missing = dir.path().join("b.toml").display().to_string();
    check_refused(
        &["--config", &missing],
        &[],
        &format!("the configuration in {missing} does not read: No such file or directory (os error 2)"),
    );
}

#[test]
fn the_flag_beats_the_variable_and_the_variable_the_file() {
    let dir = folder();
    let path = dir.path().join("a.toml");
    std::fs::write(
        &path,
        "network = \"regtest\"\n[chain]\ncache_mib = 5\nscript_threads = 5\n[mempool]\nmax_mib = 5\n",
    )
    .unwrap();
    let out = adit()
        .args(["run", "--check", "--set", "chain.cache_mib=7", "--config"])
        .arg(&path)
        .envs([("ADIT_CHAIN_CACHE_MIB", "6"), ("ADIT_CHAIN_SCRIPT_THREADS", "6")])
        .output()
        .unwrap();
    let shown = text(&out.stdout);
    for line in [
        "chain.cache_mib = \"7\"  # the flag --set".to_owned(),
        "chain.script_threads = \"6\"  # the environment variable ADIT_CHAIN_SCRIPT_THREADS".to_owned(),
        format!("mempool.max_mib = \"5\"  # the file {}", path.display()),
        "p2p.listen = \"127.0.0.1:18444\"  # the built-in config/regtest.toml".to_owned(),
        "p2p.inbound_max = \"117\"  # the built-in config/default.toml".to_owned(),
    ] {
        assert!(shown.contains(&line), "{line}\nis not in\n{shown}");
    }
}

#[test]
fn help_has_examples_for_every_command() {
    let top = text(&run(&["help"]).stdout);
    let listed =
        top.lines().skip_while(|l| !l.starts_with("Commands:")).skip(1).take_while(|l| !l.is_empty());
    let commands: Vec<String> =
        listed.filter_map(|l| l.split_whitespace().next().map(str::to_owned)).collect();
    for command in commands.iter().filter(|c| *c != "help") {
        let help = text(&run(&["help", command]).stdout);
        assert!(help.contains("Examples:"), "adit help {command}:\n{help}");
    }
    assert_eq!(run(&["nonsense"]).status.code(), Some(2));
}
