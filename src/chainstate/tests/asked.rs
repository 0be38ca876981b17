use std::sync::mpsc::{Receiver, channel};

use super::*;
use crate::StatsJob;

/// Asks for the coins; where they come.
fn ask(node: &mut Node) -> (Receiver<StatsJob>, bool) {
    let (tx, rx) = channel();
    let busy = node.chain().ask_stats(move |job| tx.send(job).unwrap()).unwrap();
    (rx, busy.is_some())
}

#[test]
fn blocks_connect_while_the_coins_are_written_and_while_they_are_counted() {
    let mut node = Node::new();
    let branch = busy_chain();
    node.submit_all(&branch.blocks[..110]);
    let first = {
        let (job, busy) = ask(&mut node);
        assert!(!busy);
        job.recv().unwrap()
    };
    // The walk is held still here, and the next flush in its thread.
    let (hold, held) = channel::<()>();
    let (began, begun) = channel();
    let busy = node.chain().ask_flush(move || {
        began.send(()).unwrap();
        let _ = held.recv();
    });
    // The first one may not be over yet.
    if let Some(end) = busy.unwrap() {
        end.wait().unwrap();
        assert!(node.chain().maintain().unwrap());
    }
    begun.recv().unwrap();
    node.submit_all(&branch.blocks[110..115]);
    assert_eq!(node.tip().1, 115);
    let (second, busy) = ask(&mut node);
    assert!(busy);
    assert!(!node.chain().maintain().unwrap());
    node.submit_all(&branch.blocks[115..]);
    assert_eq!(node.tip().1, 120);
    let (third, _) = ask(&mut node);
    let end = node.chain().ask_flush(|| ()).unwrap().unwrap();
    hold.send(()).unwrap();
    end.wait().unwrap();
    assert!(node.chain().maintain().unwrap());
    let jobs = [first, second.recv().unwrap(), third.recv().unwrap()];
    let counted = jobs.map(|job| job.run().unwrap());
    assert_eq!([110, 120, 120].map(height), counted.each_ref().map(|stats| stats.height));
    assert_eq!(counted[1], counted[2]);
    for (stats, blocks) in counted.iter().zip([110, 120]) {
        let mut fresh = Node::new();
        fresh.submit_all(&branch.blocks[..blocks]);
        assert_eq!(*stats, fresh.stats());
    }
}
