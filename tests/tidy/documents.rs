//! Documents point at what is there.

use crate::check_none;
use crate::source::{files, read, root};

/// What a path in a document begins with.
const ROOMS: [&str; 9] =
    ["src/", "actors/", "compat/", "proto/", "config/", "tests/", "benches/", "docs/", ".ci/"];

fn documents() -> Vec<String> {
    let mut found = files("docs", ".md");
    found.push("README.md".to_owned());
    found
}

/// The targets of `[text](target)`.
fn links(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("](") {
        let rest = &text[at + 2..];
        found.extend(rest.find(')').map(|end| &rest[..end]));
    }
    found
}

/// Paths in backquotes: `src/main.rs`, `actors/messages/`.
fn paths(text: &str) -> Vec<&str> {
    let quoted = text.split('`').skip(1).step_by(2);
    let plain = |word: &&str| !word.contains(|c: char| " *<>{}$|…".contains(c));
    quoted.filter(|w| ROOMS.iter().any(|room| w.starts_with(room))).filter(plain).collect()
}

#[test]
fn links_resolve() {
    let mut findings = Vec::new();
    for document in documents() {
        let folder = root().join(&document).parent().unwrap().to_owned();
        for link in links(&read(&document)) {
            let target = link.split('#').next().unwrap_or_default();
            let outside = target.is_empty() || target.contains("://");
            if !outside && !folder.join(target).exists() {
                findings.push(format!("{document}: {link}"));
            }
        }
    }
    check_none("a link to nothing", findings);
}

#[test]
fn paths_in_documents_exist() {
    let mut findings = Vec::new();
    for document in documents() {
        let text = read(&document);
        for path in paths(&text) {
            let file = path.split_once("::").map_or(path, |(file, _)| file).trim_end_matches(['.', ',']);
            if !root().join(file).exists() {
                findings.push(format!("{document}: {path}"));
            }
        }
    }
    check_none("a path to nothing", findings);
}

#[test]
fn every_decision_is_listed() {
    let index = read("docs/decisions/README.md");
    let listed = |path: &String| path.rsplit('/').next().is_some_and(|name| index.contains(name));
    let own = |path: &String| !path.ends_with("README.md");
    let missing =
        files("docs/decisions", ".md").into_iter().filter(own).filter(|path| !listed(path)).collect();
    check_none("a decision that the index does not list", missing);
}

#[test]
fn the_gate_runs_what_the_readme_says() {
    let (gate, readme) = (read(".ci/run"), read("README.md"));
    for command in ["cargo test", "cargo run --release -- demo"] {
        assert!(readme.contains(command), "README.md does not say {command}");
    }
    assert!(gate.contains("cargo test"));
    for licence in ["LICENSE-MIT", "LICENSE-APACHE", "Cargo.lock"] {
        assert!(root().join(licence).exists(), "{licence}");
    }
}
