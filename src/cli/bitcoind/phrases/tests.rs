use std::path::Path;
use std::sync::{Arc, Mutex};

use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};

use super::{PHRASES, VALUES, of};

/// What events come to.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<Option<String>>>>);

impl<S: tracing::Subscriber> Layer<S> for Heard {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        self.0.lock().unwrap().push(of(event));
    }
}

#[test]
fn a_message_becomes_cores_line() {
    let heard = Heard::default();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(heard.clone()), || {
        tracing::warn!(hash = "ab", height = 7, reason = String::from("bad-cb-amount"), "invalid block");
        tracing::info!(height = %1, hash = %"cd", reason = %"above the assumed block", "scripts run from here");
        tracing::info!("something else");
    });
    let wanted = [
        Some("Block validation error: bad-cb-amount (block ab at height 7)".to_owned()),
        Some(
            "Enabling script verification at block #1 (cd): block height above assumevalid height."
                .to_owned(),
        ),
        None,
    ];
    assert_eq!(*heard.0.lock().unwrap(), wanted);
}

/// All sources below a folder in one text.
fn sources(folder: &Path, all: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|ext| ext == "rs") && !path.ends_with("phrases.rs") {
            all.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn what_has_a_phrase_is_logged() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = String::new();
    for folder in ["src/domain", "src/store", "src/chainstate", "actors", "compat"] {
        sources(&root.join(folder), &mut all);
    }
    for (ours, _) in PHRASES.iter().chain(VALUES) {
        assert!(all.contains(&format!("\"{ours}\"")), "nobody says {ours:?}");
    }
}
