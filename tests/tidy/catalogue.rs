//! The messages and the seams are what the documents say.

use crate::check_none;
use crate::source::{Source, product};

/// Where a seam's trait stands.
const SEAMS: [(&str, &str); 14] = [
    ("ScriptVerifier", "src/domain/script/"),
    ("HeaderView", "src/domain/consensus/"),
    ("UtxoView", "src/domain/consensus/"),
    ("TemplateSource", "src/domain/template/"),
    ("BlockSink", "src/domain/template/"),
    ("Ledger", "src/domain/payout/"),
    ("ShareLog", "src/domain/payout/"),
    ("SessionStore", "src/domain/stratum/"),
    ("NumberLease", "src/domain/stratum/"),
    ("StatsSink", "src/domain/payout/"),
    ("Disk", "src/store/"),
    ("Clock", "src/domain/units/"),
    ("Entropy", "src/domain/units/"),
    ("Net", "actors/net.rs"),
];

/// What the doc of every message says.
const SAID: [&str; 4] = ["Sent by:", "Handled by:", "Reply:", "When full:"];

/// A message: its name, the file, its doc.
struct Told {
    name: String,
    path: String,
    doc: String,
}

fn messages(sources: &[Source]) -> Vec<Told> {
    let mut found = Vec::new();
    for source in sources.iter().filter(|s| s.path.starts_with("actors/")) {
        let lines: Vec<&str> = source.text.lines().collect();
        for (n, line) in lines.iter().enumerate() {
            if !(line.trim_start().starts_with("#[derive(") && line.contains("Message")) {
                continue;
            }
            let doc: Vec<&str> =
                lines[..n].iter().rev().take_while(|l| l.trim_start().starts_with("///")).copied().collect();
            let declared = lines[n..].iter().find_map(|l| l.trim_start().strip_prefix("pub struct "));
            let name =
                declared.unwrap_or_default().split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
            let doc = doc.into_iter().rev().collect::<Vec<_>>().join("\n");
            found.push(Told { name: name.to_owned(), path: source.path.clone(), doc });
        }
    }
    found
}

#[test]
fn every_message_says_who_what_and_when_full() {
    let sources = product();
    let messages = messages(&sources);
    assert!(messages.len() > 10, "only {} messages were found", messages.len());
    let mut findings = Vec::new();
    for message in messages {
        for said in SAID.iter().filter(|said| !message.doc.contains(**said)) {
            findings.push(format!("{}: {} does not say {said}", message.path, message.name));
        }
    }
    check_none("a message whose doc is incomplete", findings);
}

#[test]
fn every_message_has_a_handler_where_its_doc_says() {
    let sources = product();
    let mut findings = Vec::new();
    for message in messages(&sources) {
        let forms = [format!("Handler<{}> for", message.name), format!("supervision::{}> for", message.name)];
        let handled = sources.iter().any(|s| forms.iter().any(|f| s.code.contains(f.as_str())));
        if !handled {
            findings.push(format!("{}: nobody handles {}", message.path, message.name));
        }
    }
    check_none("a message without a handler", findings);
}

#[test]
fn every_seam_is_a_trait() {
    let sources = product();
    let stands = |name: &str, below: &str| {
        let declared = |code: &str| {
            code.contains(&format!("pub trait {name}:")) || code.contains(&format!("pub trait {name} "))
        };
        sources.iter().any(|s| s.path.starts_with(below) && declared(&s.code))
    };
    let missing = SEAMS.iter().filter(|(name, below)| !stands(name, below));
    check_none(
        "a seam that is no trait",
        missing.map(|(name, below)| format!("{name} in {below}")).collect(),
    );
}
