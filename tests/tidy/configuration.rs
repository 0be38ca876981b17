//! config/default.toml is complete, documented, and what the program runs with.

use std::collections::BTreeMap;
use std::process::Command;

use crate::check_none;
use crate::source::read;

/// Each key of a TOML file, dotted, with its value as text.
fn keys(text: &str) -> BTreeMap<String, String> {
    let table: toml::Table = toml::from_str(text).unwrap();
    let mut found = BTreeMap::new();
    for (name, value) in table {
        match value {
            toml::Value::Table(inner) => {
                found.extend(inner.into_iter().map(|(k, v)| (format!("{name}.{k}"), plain(&v))));
            }
            value => {
                found.insert(name, plain(&value));
            }
        }
    }
    found
}

fn plain(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

#[test]
fn the_program_runs_with_the_defaults_that_are_written_down() {
    for network in ["mainnet", "testnet3", "testnet4", "signet", "regtest"] {
        let mut expected = keys(&read("config/default.toml"));
        expected.extend(keys(&read(&format!("config/{network}.toml"))));
        expected.insert("network".to_owned(), network.to_owned());
        let out = Command::new(env!("CARGO_BIN_EXE_adit"))
            .args(["run", "--check", "--network", network])
            .env_clear()
            .env("HOME", "/home/nobody")
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let mut shown = BTreeMap::new();
        for line in String::from_utf8(out.stdout).unwrap().lines() {
            let (key, rest) = line.split_once(" = \"").unwrap();
            let (value, _) = rest.split_once("\"  # ").unwrap();
            shown.insert(key.to_owned(), value.to_owned());
        }
        assert_eq!(shown, expected, "{network}");
    }
}

#[test]
fn every_key_has_its_comment() {
    let mut findings = Vec::new();
    let mut explained = false;
    for (n, line) in read("config/default.toml").lines().enumerate() {
        // A comment holds for the keys below it up to the next empty line or table.
        explained = line.starts_with('#') || (explained && !line.is_empty() && !line.starts_with('['));
        if line.contains(" = ") && !line.starts_with('#') && !explained {
            findings.push(format!("line {}: {line}", n + 1));
        }
    }
    check_none("a key without a comment", findings);
}

#[test]
fn networks_change_only_keys_that_exist() {
    let known = keys(&read("config/default.toml"));
    for network in ["mainnet", "testnet3", "testnet4", "signet", "regtest"] {
        let own = keys(&read(&format!("config/{network}.toml")));
        let unknown = own.keys().filter(|key| !known.contains_key(*key));
        check_none(network, unknown.cloned().collect());
    }
}
