use super::*;
use crate::units::Height;

/// Its first 16 bytes; behind them, at 16, the buckets.
const BUCKETS_AT: usize = 16;
/// The medium memory: 237 buckets, of which the count takes 1 byte.
const MEDIUM_AT: usize = BUCKETS_AT + 1 + 237 * 8;
const ROW_BYTES: usize = 1 + 237 * 8;
const PERIODS_AT: usize = MEDIUM_AT + 12 + 2 * ROW_BYTES;

fn known() -> FeeEstimator {
    let mut fees = FeeEstimator::default();
    fees.block(Height::new(300), &[]);
    fees.short.taken(3, 5, 120.0);
    fees.medium.lost(30, 7);
    fees.long.taken(500, 236, 2e7);
    fees.history = (200, 290);
    fees
}

#[test]
fn what_is_written_is_read_again() {
    let fees = known();
    let bytes = fees.encode();
    assert_eq!(FeeEstimator::decode(&bytes), Ok(fees.clone()));
    // The blocks of this run are told where they are more than half of those before it.
    let more = FeeEstimator { first: 250, ..fees.clone() };
    assert_eq!(FeeEstimator::decode(&more.encode()).unwrap().history, (250, 300));
    let fewer = FeeEstimator { first: 256, ..fees };
    assert_eq!(FeeEstimator::decode(&fewer.encode()).unwrap().history, (200, 290));
    // Twelve, 24 and 42 periods, twice each, and two rows: nothing else is large.
    assert_eq!(bytes.len(), MEDIUM_AT + 3 * (12 + 2 * ROW_BYTES + 2) + 2 * 78 * ROW_BYTES);
}

#[test]
fn bytes_that_end_early_are_refused() {
    let bytes = known().encode();
    for length in (0..bytes.len()).step_by(97).chain([bytes.len() - 1]) {
        assert_eq!(FeeEstimator::decode(&bytes[..length]), Err(ArchiveError::Truncated), "{length}");
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let check = |at: usize, with: &[u8], error: ArchiveError| {
        let mut bytes = known().encode();
        bytes[at..at + with.len()].copy_from_slice(with);
        assert_eq!(FeeEstimator::decode(&bytes), Err(error), "at {at}");
    };
    let real = |number: f64| number.to_le_bytes();
    check(0, &309_901u32.to_le_bytes(), ArchiveError::Version);
    check(0, &309_899u32.to_le_bytes(), ArchiveError::Version);
    check(4, &289u32.to_le_bytes(), ArchiveError::Blocks);
    check(8, &291u32.to_le_bytes(), ArchiveError::Blocks);
    check(BUCKETS_AT, &[1], ArchiveError::Buckets);
    check(BUCKETS_AT, &[0xfd, 0xe9, 0x03], ArchiveError::Buckets);
    check(BUCKETS_AT, &[0xff; 9], ArchiveError::Buckets);
    check(BUCKETS_AT + 1, &real(200.0), ArchiveError::Buckets);
    check(BUCKETS_AT + 1, &real(-1.0), ArchiveError::Buckets);
    check(BUCKETS_AT + 1, &real(f64::NAN), ArchiveError::Buckets);
    check(MEDIUM_AT, &real(0.0), ArchiveError::Pace);
    check(MEDIUM_AT, &real(1.0), ArchiveError::Pace);
    check(MEDIUM_AT, &real(f64::NAN), ArchiveError::Pace);
    check(MEDIUM_AT + 8, &0u32.to_le_bytes(), ArchiveError::Pace);
    check(MEDIUM_AT + 8, &43u32.to_le_bytes(), ArchiveError::Pace);
    check(MEDIUM_AT + 12, &[236], ArchiveError::Row);
    check(MEDIUM_AT + 13, &real(-1.0), ArchiveError::Row);
    check(MEDIUM_AT + 13, &real(f64::INFINITY), ArchiveError::Row);
    check(PERIODS_AT, &[0], ArchiveError::Pace);
    check(PERIODS_AT + 1 + 24 * ROW_BYTES, &[23], ArchiveError::Row);
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200), at in 0usize..600_000) {
        let mut file = known().encode();
        let at = at.min(file.len());
        let end = (at + bytes.len()).min(file.len());
        file[at..end].copy_from_slice(&bytes[..end - at]);
        let Ok(read) = FeeEstimator::decode(&file) else { return Ok(()) };
        let _ = (read.smart(6, true), read.raw(12, 0.95, Memory::Short));
        proptest::prop_assert_eq!(FeeEstimator::decode(&read.encode()).map(|again| again.encode()), Ok(read.encode()));
    }
}
