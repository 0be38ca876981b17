use std::time::Duration;

use adit_actors::events::{EventBus, EventKind};
use adit_domain::units::{Height, UnixMillis};
use bitcoin::BlockHash;
use bitcoin::hashes::Hash;

use super::{on_blocks, quoted, run, run_all};

#[test]
fn commands_are_the_shells() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    run(&format!("echo $((1 + 1)) > {}", at("one").display()));
    assert_eq!(std::fs::read_to_string(at("one")).unwrap(), "2\n");
    run("exit 3");
    run_all(["two", "three"].map(|name| format!("touch {}", at(name).display())).to_vec());
    assert!(at("two").exists() && at("three").exists());
}

#[tokio::test]
async fn each_block_that_joins_runs_the_command_with_its_hash() {
    let dir = tempfile::tempdir().unwrap();
    let (events, tip) = (EventBus::default(), BlockHash::all_zeros());
    let below = BlockHash::from_byte_array([7; 32]);
    let joined = move |height: Height, connected: u32| {
        assert_eq!((height, connected), (Height::new(5), 2));
        vec![below, tip]
    };
    let command = format!("touch {}/%s", dir.path().display());
    let heard = tokio::spawn(on_blocks(events.clone(), joined, command));
    let wanted = [below, tip].map(|hash| dir.path().join(hash.to_string()));
    let kind = EventKind::TipChanged { height: Height::new(5), tip, disconnected: 0, connected: 2 };
    // Published until it is heard: the other task may not listen yet.
    while !wanted.iter().all(|path| path.exists()) {
        events.publish(UnixMillis::new(0), kind.clone());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(events);
    heard.abort();
}

#[test]
fn what_is_told_is_one_word() {
    let check = |text: &str, wanted: &str| assert_eq!(quoted(text), wanted);
    check("Unknown new rules activated (versionbit 27)", "'Unknown new rules activated (versionbit 27)'");
    check("a'; rm -r $HOME `x` \"y\" \n", "'a; rm -r HOME x y '");
}
