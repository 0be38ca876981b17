use bitcoin::Txid;
use bitcoin::hashes::Hash;

use super::*;

fn tx(n: u8) -> TxRef {
    TxRef::Txid(Txid::from_byte_array([n; 32]))
}

#[test]
fn one_peer_at_a_time_is_asked() {
    let (mut board, at) = (TxBoard::default(), UnixMillis::new);
    assert!(board.take(tx(1), 1, at(0)));
    assert!(!board.take(tx(1), 2, at(TX_MS_MAX)));
    assert!(board.take(tx(1), 2, at(TX_MS_MAX + 1)));
    assert_eq!((board.in_flight(1), board.in_flight(2)), (0, 1));
    board.forget(2);
    assert!(board.take(tx(1), 1, at(0)));
    board.done(&tx(1));
    assert_eq!(board.in_flight(1), 0);
}

#[test]
fn a_peer_has_a_number_of_slots() {
    let mut board = TxBoard::default();
    let taken = (0..=u8::MAX).filter(|n| board.take(tx(*n), 1, UnixMillis::new(0))).count();
    assert_eq!(taken, TXS_IN_FLIGHT_MAX);
}
