use super::*;
use crate::peer::testing::FakeNode;

const FAR: Height = Height::new(1_000_000);

fn at(ms: u64) -> UnixMillis {
    UnixMillis::new(ms)
}

#[test]
fn the_lowest_missing_blocks_are_asked_for_sixteen_a_peer() {
    let (node, mut board) = (FakeNode::new(100, 10), Downloads::default());
    let first = board.assign(1, FAR, &node, at(0));
    let second = board.assign(2, FAR, &node, at(0));
    let hashes: Vec<BlockHash> = node.headers[10..42].iter().map(|h| h.block_hash()).collect();
    assert_eq!([first.clone(), second].concat(), hashes);
    // Half the slots must be free before more is asked for.
    for hash in &first[..7] {
        assert!(board.arrived(hash, at(0)));
        assert!(board.assign(1, FAR, &node, at(0)).is_empty());
    }
    assert!(board.arrived(&first[7], at(0)));
    assert_eq!(board.assign(1, FAR, &node, at(0)).len(), 8);
}

#[test]
fn nobody_is_asked_beyond_its_reach_or_for_what_waits_to_be_judged() {
    let (node, mut board) = (FakeNode::new(20, 10), Downloads::default());
    let asked = board.assign(1, Height::new(12), &node, at(0));
    assert_eq!(asked.len(), 3);
    asked.iter().for_each(|hash| assert!(board.arrived(hash, at(0))));
    board.reconsider();
    assert!(board.assign(1, Height::new(12), &node, at(0)).is_empty());
    // Judged and still missing (our fault): asked for again.
    asked.iter().for_each(|hash| board.judged(hash));
    board.reconsider();
    assert_eq!(board.assign(1, Height::new(12), &node, at(0)), asked);
    assert!(!board.arrived(&node.headers[15].block_hash(), at(0)), "never asked for");
}

#[test]
fn what_a_lost_or_refusing_peer_owes_is_asked_of_another() {
    let (node, mut board) = (FakeNode::new(14, 10), Downloads::default());
    let asked = board.assign(1, FAR, &node, at(0));
    assert!(board.assign(2, FAR, &node, at(0)).is_empty());
    board.refused(&asked[0], 2);
    board.refused(&asked[0], 1);
    assert_eq!(board.assign(2, FAR, &node, at(0)), [asked[0]]);
    board.forget(1);
    assert_eq!(board.assign(2, FAR, &node, at(0)), asked[1..]);
    assert_eq!((board.in_flight(1), board.in_flight(2)), (0, 4));
}

#[test]
fn a_late_block_is_asked_of_another_and_at_last_costs_the_connection() {
    let (node, mut board) = (FakeNode::new(11, 10), Downloads::default());
    let asked = board.assign(1, FAR, &node, at(0));
    assert!(board.overdue(1, at(BLOCK_MS_MAX + 1)) && !board.overdue(1, at(BLOCK_MS_MAX)));
    assert!(board.assign(2, FAR, &node, at(BLOCK_REASSIGN_MS)).is_empty());
    assert_eq!(board.assign(2, FAR, &node, at(BLOCK_REASSIGN_MS + 1)), asked);
    assert!(!board.overdue(1, at(BLOCK_MS_MAX + 1)));
}

#[test]
fn who_holds_the_window_up_is_dropped_and_patience_doubles() {
    let (node, mut board) = (FakeNode::new(2000, 1), Downloads::default());
    let owed = board.assign(1, FAR, &node, at(0));
    // Another peer brings everything else within the window.
    loop {
        let got = board.assign(2, FAR, &node, at(0));
        if got.is_empty() {
            break;
        }
        for hash in got {
            board.arrived(&hash, at(0));
            node.bodies.borrow_mut().insert(hash);
            board.judged(&hash);
        }
    }
    assert_eq!(node.bodies.borrow().len(), 1 + 1024 - owed.len());
    assert!(!board.stalls(1, at(STALL_MS_MIN)));
    assert!(board.stalls(1, at(STALL_MS_MIN + 1)));
    assert!(!board.stalls(1, at(STALL_MS_MIN + 1)), "twice as long the next time");
    board.arrived(&owed[0], at(0));
    assert!(!board.stalls(1, at(1_000_000)), "it came");
}

#[test]
fn the_turn_at_the_headers_goes_round() {
    let mut board = Downloads::default();
    assert!(board.take_headers_turn(1) && board.take_headers_turn(1) && !board.take_headers_turn(2));
    board.end_headers_turn(2);
    assert!(!board.take_headers_turn(2));
    board.end_headers_turn(1);
    assert!(board.take_headers_turn(2));
    board.forget(2);
    assert!(board.take_headers_turn(1));
}
