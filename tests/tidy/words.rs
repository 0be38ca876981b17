//! Which words stay out of where.

use crate::check_none;
use crate::source::{Source, everything, product};

/// A word, the folder that it stays out of, the files where it may stand, and why.
struct Ban {
    word: &'static str,
    below: &'static str,
    but: &'static [&'static str],
    why: &'static str,
}

const fn ban(
    word: &'static str,
    below: &'static str,
    but: &'static [&'static str],
    why: &'static str,
) -> Ban {
    Ban { word, below, but, why }
}

const CLOCK: &[&str] = &["actors/clock.rs"];
/// The control interface has sockets of its own.
const NET: &[&str] = &["actors/net.rs", "actors/rpc/incoming.rs", "actors/rpc/listen.rs"];

/// Out of the product's code.
const BANS: &[Ban] = &[
    ban("todo!", "", &[], "what is not there is left out"),
    ban("unimplemented!", "", &[], "what is not there is left out"),
    ban("dbg!", "", &[], "events go through tracing"),
    ban(".unwrap()", "", &[], "an error is handled or passed on"),
    ban(".do_send(", "", &[], "it ignores the mailbox's size"),
    ban("anyhow", "", &[], "errors are typed"),
    ban("unsafe {", "", &[], "FFI comes through crates"),
    ban("SystemTime::now", "", CLOCK, "time comes from the one clock"),
    ban("thread_rng", "", &[], "chance comes from the one generator"),
    ban("rand::random", "", &[], "chance comes from the one generator"),
    ban("getrandom::", "", CLOCK, "chance comes from the one generator"),
    ban("TcpListener", "actors/", NET, "sockets come from the one net"),
    ban("TcpStream", "actors/", NET, "sockets come from the one net"),
    ban("TcpSocket", "actors/", NET, "sockets come from the one net"),
    ban("std::fs", "src/domain/", &[], "domain is pure"),
    ban("std::net", "src/domain/", &[], "domain is pure"),
    ban("std::thread", "src/domain/", &[], "domain is pure"),
    ban("std::env", "src/domain/", &[], "domain is pure"),
    ban("std::process", "src/domain/", &[], "domain is pure"),
    ban("Instant", "src/domain/", &[], "time is an argument"),
    ban("tokio::", "src/domain/", &[], "domain is pure"),
    ban("tracing::", "src/domain/", &[], "domain is pure"),
    ban("cfg(feature", "src/domain/", &[], "networks and modes are values"),
    ban("Serialize", "src/domain/", &[], "boundary types stand at the boundary"),
    ban("f64", "src/domain/consensus/", &[], "no float decides"),
    ban("f64", "src/domain/chain/", &[], "no float decides"),
    ban("f64", "src/domain/payout/", &[], "no float is money"),
    ban("f64", "src/domain/template/", &[], "no float is money"),
    ban("f64", "src/domain/units/", &[], "no float is a unit"),
    ban("f64", "src/store/", &[], "no float is money"),
];

/// Out of every file, tests and comments too.
const NOWHERE: [&str; 4] =
    [concat!("#[", "ignore"), concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("FIX", "ME")];

fn findings_of(source: &Source, ban: &Ban) -> Vec<String> {
    if !source.path.starts_with(ban.below) || ban.but.contains(&source.path.as_str()) {
        return Vec::new();
    }
    let whole = |at: usize| {
        let before = source.code[..at].chars().next_back();
        let after = source.code[at + ban.word.len()..].chars().next();
        let inner = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let edge = |c: char| c.is_alphanumeric();
        !(ban.word.starts_with(edge) && inner(before) || ban.word.ends_with(edge) && inner(after))
    };
    let hits = source.code.match_indices(ban.word).filter(|(at, _)| whole(*at));
    hits.map(|(at, _)| format!("{}:{}: {} ({})", source.path, source.line_of(at), ban.word, ban.why))
        .collect()
}

#[test]
fn banned_words_stay_out() {
    let product = product();
    let findings = product.iter().flat_map(|s| BANS.iter().flat_map(|b| findings_of(s, b))).collect();
    check_none("a banned word", findings);
}

#[test]
fn some_words_stay_out_of_tests_too() {
    let mut findings = Vec::new();
    for source in everything() {
        for word in NOWHERE {
            if source.text.contains(word) {
                findings.push(format!("{}: {word}", source.path));
            }
        }
    }
    check_none("a banned word", findings);
}

#[test]
fn arithmetic_is_checked_where_money_and_consensus_are() {
    let guarded = ["src/domain/consensus/mod.rs", "src/domain/payout/mod.rs", "src/domain/units/mod.rs"];
    let all = product();
    let bare = |path: &&&str| {
        let source = all.iter().find(|s| s.path == ***path);
        !source.is_some_and(|s| s.code.contains("clippy::arithmetic_side_effects"))
    };
    check_none(
        "no guard against unchecked arithmetic",
        guarded.iter().filter(bare).map(ToString::to_string).collect(),
    );
}

#[test]
fn every_module_of_domain_says_what_it_owns() {
    let silent = |source: &Source| {
        let header: String = source.text.lines().take_while(|l| l.starts_with("//!")).collect();
        let module = source.path.starts_with("src/domain/") && source.path.ends_with("/mod.rs");
        let top = module && source.path.matches('/').count() == 3;
        top && !(header.contains("Owns") && header.contains("ust not know"))
    };
    let findings = product().iter().filter(|s| silent(s)).map(|s| s.path.clone()).collect();
    check_none("a module without a header that says what it owns and must not know", findings);
}
