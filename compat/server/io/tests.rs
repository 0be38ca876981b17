use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::{TAKEN_BYTES_MIN, Timed};

#[test]
fn who_takes_nothing_is_let_go() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (near, far) = tokio::io::duplex(64);
    let mut wire = Timed::new(near, Duration::from_millis(10));
    let ended = runtime.block_on(wire.write_all(&[0; 1_000])).unwrap_err();
    assert_eq!(ended.kind(), ErrorKind::TimedOut);
    drop(far);
}

#[test]
fn who_takes_a_little_is_forgiven_a_little() {
    let patience = Duration::from_secs(30);
    let check = |waited_s: u64, taken: u32, left_s: f64| {
        let mut wire = Timed::new(tokio::io::sink(), patience);
        wire.waited = Duration::from_secs(waited_s);
        wire.forgive(usize::try_from(taken).unwrap());
        let off = (wire.waited.as_secs_f64() - left_s).abs();
        assert!(off < 0.1, "{waited_s} s, {taken} bytes: {:?}", wire.waited);
    };
    check(20, 0, 20.0);
    check(20, 1, 20.0);
    check(20, TAKEN_BYTES_MIN / 2, 5.0);
    check(20, TAKEN_BYTES_MIN, 0.0);
    check(0, TAKEN_BYTES_MIN, 0.0);
    check(20, u32::MAX, 0.0);
}
