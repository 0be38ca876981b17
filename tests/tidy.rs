//! The repository checks itself: who may know whom, how large things grow, which words stay out, and that documents,
//! configuration and catalogues say what the code does. Nothing is built for it; it reads the files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "tidy/catalogue.rs"]
mod catalogue;
#[path = "tidy/configuration.rs"]
mod configuration;
#[path = "tidy/divergences.rs"]
mod divergences;
#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/edges.rs"]
mod edges;
#[path = "tidy/sizes.rs"]
mod sizes;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/words.rs"]
mod words;

/// Fails with every finding, not with the first only.
#[track_caller]
fn check_none(rule: &str, findings: Vec<String>) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}
