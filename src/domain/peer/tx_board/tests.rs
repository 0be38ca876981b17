use bitcoin::hashes::Hash;
use bitcoin::{Txid, Wtxid};

use super::*;

fn tx(n: u8) -> TxRef {
    TxRef::Wtxid(Wtxid::from_byte_array([n; 32]))
}

fn at(ms: u64) -> UnixMillis {
    UnixMillis::new(ms)
}

const STRANGER: TxSource = TxSource { preferred: false, trusted: false, by_wtxid: true };
const CHOSEN: TxSource = TxSource { preferred: true, ..STRANGER };

/// A board that these have joined, in order from number 1.
fn board(sources: &[TxSource]) -> TxBoard {
    let mut board = TxBoard::new(7);
    (1..).zip(sources).for_each(|(peer, source)| board.join(peer, *source));
    board
}

/// Asks `peer` for all that is due.
fn ask(board: &mut TxBoard, peer: PeerId, now: u64) -> Vec<TxRef> {
    let due = board.due(peer, 1_000, at(now));
    due.iter().for_each(|tx| board.asked(tx, peer, at(now)));
    due
}

#[test]
fn who_waits_for_how_long() {
    // How long after its word a peer is asked that has been asked for so many others.
    let check = |source: TxSource, tx: TxRef, busy: usize, waits_ms: u64| {
        let mut board = board(&[source, STRANGER]);
        for n in 0..busy {
            let other = TxRef::Wtxid(Wtxid::hash(&n.to_le_bytes()));
            board.hear(other, 1, at(0));
        }
        assert_eq!(ask(&mut board, 1, 10_000).len(), busy);
        board.hear(tx, 1, at(10_000));
        if waits_ms > 0 {
            assert!(board.due(1, 9, at(10_000 + waits_ms - 1)).is_empty(), "{source:?} {busy}");
        }
        assert_eq!(board.due(1, 9, at(10_000 + waits_ms)), [tx], "{source:?} {busy}");
    };
    let by_txid = TxRef::Txid(Txid::from_byte_array([1; 32]));
    let trusted = TxSource { trusted: true, ..CHOSEN };
    check(CHOSEN, tx(1), 0, 0);
    check(STRANGER, tx(1), 0, TX_WAIT_STRANGER_MS);
    check(CHOSEN, by_txid, 0, TX_WAIT_BY_TXID_MS);
    check(STRANGER, by_txid, 0, TX_WAIT_STRANGER_MS + TX_WAIT_BY_TXID_MS);
    check(CHOSEN, tx(1), TXS_IN_FLIGHT_MAX - 1, 0);
    check(CHOSEN, tx(1), TXS_IN_FLIGHT_MAX, TX_WAIT_BUSY_MS);
    check(trusted, tx(1), TXS_IN_FLIGHT_MAX, 0);
}

#[test]
fn a_txid_does_not_wait_where_nobody_names_wtxids() {
    let mut board = board(&[TxSource { by_wtxid: false, ..CHOSEN }]);
    let by_txid = TxRef::Txid(Txid::from_byte_array([1; 32]));
    board.hear(by_txid, 1, at(0));
    assert_eq!(board.due(1, 9, at(0)), [by_txid]);
}

#[test]
fn one_peer_at_a_time_is_asked_and_the_next_when_that_came_to_nothing() {
    // The first is asked; after `ends` the second is, at that time.
    let check = |ends: &dyn Fn(&mut TxBoard), now: u64| {
        let mut board = board(&[CHOSEN, STRANGER]);
        board.hear(tx(1), 1, at(0));
        board.hear(tx(1), 2, at(0));
        assert_eq!((ask(&mut board, 1, 0), ask(&mut board, 2, 50_000)), (vec![tx(1)], vec![]));
        assert_eq!((board.in_flight(1), board.in_flight(2)), (1, 0));
        ends(&mut board);
        assert_eq!(ask(&mut board, 2, now), [tx(1)]);
        assert_eq!((board.in_flight(1), board.in_flight(2)), (0, 1));
        board.done(&tx(1));
        assert_eq!((board.in_flight(2), board.tellers(&tx(1)).len()), (0, 0));
    };
    check(&|_| {}, TX_MS_MAX);
    check(&|board| board.forget(1), 50_000);
    check(&|board| board.answered(&tx(1), 1), 50_000);
}

#[test]
fn who_was_chosen_comes_first_however_late() {
    let strangers = [STRANGER; 9];
    let mut board = board(&strangers);
    (1..=9).for_each(|peer| board.hear(tx(1), peer, at(0)));
    assert_eq!((1..=9).filter(|peer| !board.due(*peer, 9, at(5_000)).is_empty()).count(), 1);
    board.join(10, CHOSEN);
    board.hear(tx(1), 10, at(6_000));
    assert_eq!(ask(&mut board, 10, 6_000), [tx(1)]);
    assert!((1..=9).all(|peer| board.due(peer, 9, at(6_000)).is_empty()));
}

#[test]
fn which_stranger_is_asked_nobody_can_foretell() {
    let first_of = |salt: u64, n: u8| {
        let mut board = TxBoard::new(salt);
        (1..=5).for_each(|peer| board.join(peer, STRANGER));
        (1..=5).for_each(|peer| board.hear(tx(n), peer, at(0)));
        (1..=5).find(|peer| !board.due(*peer, 9, at(9_000)).is_empty())
    };
    let by_salt: BTreeSet<Option<PeerId>> = (0..50).map(|salt| first_of(salt, 1)).collect();
    let by_tx: BTreeSet<Option<PeerId>> = (0..50).map(|n| first_of(1, n)).collect();
    assert_eq!((by_salt.len(), by_tx.len()), (5, 5));
}

#[test]
fn what_was_asked_of_all_in_vain_may_be_told_again() {
    let mut board = board(&[CHOSEN]);
    board.hear(tx(1), 1, at(0));
    assert_eq!(ask(&mut board, 1, 0), [tx(1)]);
    board.hear(tx(1), 1, at(1));
    assert!(ask(&mut board, 1, 1).is_empty(), "it has been asked");
    board.answered(&tx(1), 1);
    board.hear(tx(1), 1, at(2));
    assert_eq!(ask(&mut board, 1, 2), [tx(1)]);
}

#[test]
fn what_nobody_was_asked_for_is_not_answered() {
    let mut board = board(&[STRANGER]);
    board.hear(tx(1), 1, at(0));
    board.answered(&tx(1), 1);
    assert_eq!(ask(&mut board, 1, TX_WAIT_STRANGER_MS), [tx(1)]);
}

#[test]
fn a_peer_has_a_number_of_rows() {
    let check = |source: TxSource, most: usize| {
        let mut board = board(&[source]);
        for n in 0..most + 5 {
            board.hear(TxRef::Wtxid(Wtxid::hash(&n.to_le_bytes())), 1, at(0));
        }
        assert_eq!(board.due(1, usize::MAX, at(10_000)).len(), most);
        board.forget(1);
        assert!(board.rows.is_empty() && board.clock.is_empty() && board.peers.is_empty());
    };
    check(STRANGER, TX_ANNOUNCEMENTS_MAX);
    check(TxSource { trusted: true, ..STRANGER }, INVENTORY_MAX);
}

#[test]
fn who_has_not_joined_is_not_heard() {
    let mut board = TxBoard::default();
    board.hear(tx(1), 1, at(0));
    board.asked(&tx(1), 1, at(0));
    board.answered(&tx(1), 1);
    assert!(board.due(1, 9, at(99_000)).is_empty() && board.rows.is_empty());
}

/// Whatever happens in whatever order, what depends on the rows agrees with them, and nobody is asked twice at once.
#[test]
fn the_board_holds_together() {
    let mut chance = 5_u64;
    let mut draw = |below: u64| {
        chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (chance >> 33) % below
    };
    let mut board = board(&[CHOSEN, STRANGER, TxSource { trusted: true, ..STRANGER }, STRANGER]);
    let mut now = 0;
    for _ in 0..20_000 {
        let (peer, tx) = (draw(4) + 1, tx(draw(6) as u8));
        match draw(12) {
            0..=4 => board.hear(tx, peer, at(now)),
            5..=7 => drop(ask(&mut board, peer, now)),
            8 => board.answered(&tx, peer),
            9 => board.done(&tx),
            10 => now += draw(40_000),
            _ => {
                board.forget(peer);
                board.join(peer, STRANGER);
            }
        }
        for rows in board.rows.values() {
            let of = |is: fn(Stage) -> bool| rows.values().filter(|row| is(row.stage)).count();
            let asked = of(|stage| matches!(stage, Stage::Asked(_)));
            let chosen = of(|stage| stage == Stage::Chosen);
            let ready = of(|stage| stage == Stage::Ready);
            assert!(asked + chosen <= 1 && (asked + chosen == 1 || ready == 0));
        }
        let clocked = |row: &Row| matches!(row.stage, Stage::Waits(_) | Stage::Asked(_));
        let rows = || board.rows.values().flat_map(BTreeMap::values);
        assert_eq!(rows().filter(|row| clocked(row)).count(), board.clock.len());
        assert_eq!(rows().count(), board.peers.values().map(|peer| peer.told.len()).sum::<usize>());
        let due = board.peers.values().map(|peer| peer.due.len()).sum::<usize>();
        assert_eq!(rows().filter(|row| row.stage == Stage::Chosen).count(), due);
    }
}
