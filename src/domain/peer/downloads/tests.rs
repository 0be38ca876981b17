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
        assert!(board.arrived(hash, 1, at(0)));
        assert!(board.assign(1, FAR, &node, at(0)).is_empty());
    }
    assert!(board.arrived(&first[7], 1, at(0)));
    assert_eq!(board.assign(1, FAR, &node, at(0)).len(), 8);
}

#[test]
fn nobody_is_asked_beyond_its_reach_or_for_what_waits_to_be_judged() {
    let (node, mut board) = (FakeNode::new(20, 10), Downloads::default());
    let asked = board.assign(1, Height::new(12), &node, at(0));
    assert_eq!(asked.len(), 3);
    asked.iter().for_each(|hash| assert!(board.arrived(hash, 1, at(0))));
    board.reconsider();
    assert!(board.assign(1, Height::new(12), &node, at(0)).is_empty());
    // Judged and still missing (our fault): asked for again.
    asked.iter().for_each(|hash| board.judged(hash));
    board.reconsider();
    assert_eq!(board.assign(1, Height::new(12), &node, at(0)), asked);
    assert!(!board.arrived(&node.headers[15].block_hash(), 1, at(0)), "never asked for");
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
            board.arrived(&hash, 2, at(0));
            node.bodies.borrow_mut().insert(hash);
            board.judged(&hash);
        }
    }
    assert_eq!(node.bodies.borrow().len(), 1 + 1024 - owed.len());
    assert!(!board.stalls(1, at(STALL_MS_MIN)));
    assert!(board.stalls(1, at(STALL_MS_MIN + 1)));
    assert!(!board.stalls(1, at(STALL_MS_MIN + 1)), "twice as long the next time");
    let said = ["Stall started peer=1", "Increased stalling timeout temporarily to 4 seconds"];
    assert_eq!(board.take_notes(), said);
    board.arrived(&owed[0], 1, at(0));
    assert!(!board.stalls(1, at(1_000_000)), "it came");
    board.connected(1);
    assert_eq!(board.take_notes(), ["Decreased stalling timeout to 3 seconds"]);
    board.connected(10);
    assert_eq!(board.take_notes(), ["Decreased stalling timeout to 2 seconds"]);
    board.connected(1);
    assert!(board.take_notes().is_empty());
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

#[test]
fn blocks_of_a_chain_beside_the_best_are_asked_for_once() {
    let (mut board, node) = (Downloads::default(), FakeNode::new(40, 40));
    let wanted: Vec<_> = (0..20).map(|n| (node.headers[n].block_hash(), Height::new(n as u32))).collect();
    let asked = board.assign_aside(1, wanted.clone(), at(0));
    assert_eq!((asked.len(), board.has_room(1)), (16, false));
    assert_eq!(
        board.assign_aside(2, wanted.clone(), at(0)).len(),
        4,
        "nobody is asked for those of the first"
    );
    assert!(board.assign_aside(3, wanted, at(0)).is_empty());
    // They are not on the best chain of headers for a peer of which no more is known: it is not asked for them however late they are.
    assert!(board.assign(4, Height::GENESIS, &node, at(BLOCK_REASSIGN_MS + 1)).len() <= 1);
}

#[test]
fn a_block_that_comes_as_a_compact_one_is_asked_of_three() {
    let (mut board, node) = (Downloads::default(), FakeNode::new(20, 10));
    let block = (node.headers[10].block_hash(), Height::new(10));
    board.chose(2);
    for (peer, is_asked) in [(1, true), (1, true), (2, true), (3, true), (4, false), (3, true)] {
        assert_eq!(board.assign_also(peer, block, at(0)), is_asked, "{peer}");
    }
    assert_eq!(board.asked_for(), 1);
    let standing = |asked, of_it, of_it_first| Standing { asked, of_it, of_it_first, of_a_chosen: true };
    assert_eq!(board.standing(&block.0, 1), standing(3, true, true));
    assert_eq!(board.standing(&block.0, 3), standing(3, true, false));
    assert_eq!(board.standing(&block.0, 4), standing(3, false, false));
    // Whoever sends other bytes loses his own place alone.
    board.spoilt(&block.0, 1);
    assert_eq!(board.standing(&block.0, 2), standing(2, true, true));
    assert_eq!([1, 2, 3].map(|peer| board.in_flight(peer)), [0, 1, 1]);
    board.judged(&block.0);
    assert_eq!([1, 2, 3].map(|peer| board.in_flight(peer)), [0, 0, 0]);
    // All are late: another one is asked instead of them.
    board.assign_also(1, block, at(0));
    board.assign_also(2, block, at(5));
    let later = at(BLOCK_REASSIGN_MS + 5);
    assert!(!board.assign(4, FAR, &node, later).contains(&block.0));
    board.reconsider();
    let late = board.assign(5, Height::new(10), &node, at(BLOCK_REASSIGN_MS + 6));
    assert_eq!((late, board.in_flight(1), board.in_flight(2)), (vec![block.0], 0, 0));
}

#[test]
fn whoever_shows_the_headers_is_asked_first() {
    let (mut board, node) = (Downloads::default(), FakeNode::new(14, 10));
    let hashes: Vec<BlockHash> = node.headers[10..].iter().map(|h| h.block_hash()).collect();
    board.claim(hashes.iter().copied(), 1);
    board.claim(hashes.iter().copied(), 2);
    assert!(board.assign(2, FAR, &node, at(0)).is_empty());
    assert!(board.assign_aside(2, vec![(hashes[0], Height::new(10))], at(0)).is_empty());
    assert_eq!(board.assign(1, FAR, &node, at(0)), hashes);
    board.forget(1);
    assert_eq!(board.assign(2, FAR, &node, at(0)), hashes, "nobody is waited for");
}

#[test]
fn who_sends_other_bytes_takes_no_block_off_who_was_asked_for_it() {
    let (mut board, node) = (Downloads::default(), FakeNode::new(20, 10));
    let asked = board.assign(1, FAR, &node, at(0));
    assert!(board.arrived(&asked[0], 2, at(0)), "it was asked for, of another");
    assert_eq!(board.in_flight(1), asked.len());
    board.spoilt(&asked[0], 2);
    assert_eq!(board.in_flight(1), asked.len());
    board.spoilt(&asked[0], 1);
    assert_eq!(board.in_flight(1), asked.len() - 1);
    assert_eq!(board.assign(2, FAR, &node, at(0)), [asked[0]]);
    // An operator's word takes it off whoever was asked.
    board.assign_one(3, (asked[0], Height::new(10)), at(0));
    assert_eq!((board.in_flight(2), board.in_flight(3)), (0, 1));
}
