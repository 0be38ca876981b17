//! Who may know whom.

use std::collections::BTreeSet;

use crate::check_none;
use crate::source::{product, read};

/// A module of domain and the modules that it may use. What is not listed may not be used.
const DOMAIN: [(&str, &[&str]); 11] = [
    ("units", &[]),
    ("wire", &["units"]),
    ("script", &["units", "wire"]),
    ("consensus", &["units", "wire", "script"]),
    ("chain", &["units", "wire", "script", "consensus"]),
    ("mempool", &["units", "wire", "script", "consensus", "chain"]),
    ("template", &["units", "wire", "script", "consensus", "chain", "mempool"]),
    ("stratum", &["units", "wire", "script", "consensus", "chain", "mempool", "template", "payout"]),
    ("peer", &["units", "wire"]),
    ("payout", &["units"]),
    ("fees", &["units"]),
];

/// A crate, the crates of ours that it may use, and those of others.
const CRATES: [(&str, &[&str], &[&str]); 6] = [
    (
        "src/domain",
        &[],
        &[
            "bitcoin",
            "chacha20",
            "data-encoding",
            "ring",
            "ripemd",
            "secp256k1",
            "serde_json",
            "sha1",
            "sha2",
            "sha3",
            "thiserror",
        ],
    ),
    ("src/store", &["adit-domain"], &["bitcoin", "crc32fast", "redb", "rustix", "thiserror", "tracing"]),
    (
        "src/chainstate",
        &["adit-domain", "adit-store"],
        &["arc-swap", "bitcoin", "crossbeam-channel", "hashbrown", "thiserror", "tracing"],
    ),
    ("proto", &[], &["prost", "tonic", "tonic-prost"]),
    (
        "actors",
        &["adit-domain", "adit-store", "adit-chainstate", "adit-proto"],
        &[
            "actix",
            "arc-swap",
            "bitcoin",
            "futures",
            "getrandom",
            "socket2",
            "subtle",
            "thiserror",
            "tokio",
            "tokio-socks",
            "tokio-stream",
            "tonic",
            "tonic-health",
            "tonic-reflection",
            "tracing",
        ],
    ),
    (
        "compat",
        &["adit-domain", "adit-chainstate", "adit-actors"],
        &[
            "actix",
            "arc-swap",
            "axum",
            "base64",
            "bitcoin",
            "futures",
            "http-body-util",
            "httparse",
            "httpdate",
            "hyper",
            "hyper-util",
            "memchr",
            "miniscript",
            "serde",
            "serde_json",
            "subtle",
            "thiserror",
            "tokio",
            "tracing",
        ],
    ),
];

/// The modules of domain that a stretch of code names: `crate::a`, `crate::{a::b, c}`, `super::super::a` is not used.
fn modules_named(code: &str) -> BTreeSet<String> {
    let word = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let mut found = BTreeSet::new();
    for (at, mark) in code.match_indices("crate::") {
        let rest = &code[at + mark.len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut from = 0;
            for (n, c) in group.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => {
                        found.insert(word(&group[from..n]));
                        break;
                    }
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        found.insert(word(&group[from..n]));
                        from = n + 1;
                    }
                    _ => {}
                }
            }
        } else {
            found.insert(word(rest));
        }
    }
    found
}

#[test]
fn modules_of_domain_know_only_what_lies_below() {
    let mut findings = Vec::new();
    for source in product() {
        let Some(inside) = source.path.strip_prefix("src/domain/") else { continue };
        let Some((module, _)) = inside.split_once('/') else { continue };
        let Some((_, allowed)) = DOMAIN.iter().find(|(name, _)| *name == module) else {
            findings.push(format!("{}: module {module} is not in the table", source.path));
            continue;
        };
        for used in modules_named(&source.code) {
            let known = DOMAIN.iter().any(|(name, _)| *name == used);
            if known && used != module && !allowed.contains(&used.as_str()) {
                findings.push(format!("{}: {module} may not use {used}", source.path));
            }
        }
    }
    check_none("an edge that the table does not have", findings);
}

#[test]
fn crates_depend_on_what_the_table_says() {
    let mut findings = Vec::new();
    for (folder, ours, others) in CRATES {
        let manifest: toml::Table = toml::from_str(&read(&format!("{folder}/Cargo.toml"))).unwrap();
        let dependencies =
            manifest.get("dependencies").and_then(|d| d.as_table()).cloned().unwrap_or_default();
        for name in dependencies.keys() {
            if !ours.contains(&name.as_str()) && !others.contains(&name.as_str()) {
                findings.push(format!("{folder} may not depend on {name}"));
            }
        }
    }
    check_none("a dependency that the table does not have", findings);
}

#[test]
fn only_the_store_names_redb_and_only_proto_and_rpc_name_its_types() {
    let mut findings = Vec::new();
    for source in product() {
        let path = source.path.as_str();
        if source.code.contains("redb::") && !path.starts_with("src/store/") {
            findings.push(format!("{path} names redb"));
        }
        let speaks =
            path.starts_with("actors/rpc") || path.starts_with("src/cli/ctl") || path.starts_with("proto/");
        if source.code.contains("adit_proto::") && !speaks {
            findings.push(format!("{path} names generated types"));
        }
    }
    check_none("a boundary's types outside of it", findings);
}

#[test]
fn what_is_named_is_found() {
    let code = "use crate::units::Height; use crate::{wire::{A, B}, script}; crate::chain::x()";
    let names: Vec<_> = modules_named(code).into_iter().collect();
    assert_eq!(names, ["chain", "script", "units", "wire"]);
}
