use std::time::{Duration, Instant};

use super::*;
use crate::{Mark, Warning, Warnings};

#[test]
fn a_longer_chain_that_is_invalid_is_told_of() {
    let branch = busy_chain();
    let mut node = Node::new();
    node.submit_all(&branch.blocks);
    let (warnings, now) = (Warnings::default(), Instant::now());
    let reader = node.chain().reader();
    assert_eq!(warnings.of(&reader, now), []);
    // Six blocks more are not enough.
    node.mark(branch.blocks[114].hash(), Mark::Invalid);
    assert_eq!(warnings.of(&reader, now), []);
    node.mark(branch.blocks[113].hash(), Mark::Invalid);
    assert_eq!(warnings.of(&reader, now), [Warning::InvalidChain]);
    // On the same tip it is looked again after a while.
    node.mark(branch.blocks[113].hash(), Mark::Reconsider);
    node.mark(branch.blocks[113].hash(), Mark::Invalid);
    assert_eq!(warnings.of(&reader, now + Duration::from_secs(60)), [Warning::InvalidChain]);
}

#[test]
fn warnings_have_cores_words() {
    assert_eq!(Warning::UnknownRules { bit: 27 }.to_string(), "Unknown new rules activated (versionbit 27)");
    assert!(Warning::InvalidChain.to_string().starts_with("Warning: Found invalid chain more than 6 blocks"));
}
