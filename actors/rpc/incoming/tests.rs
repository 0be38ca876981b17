use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

fn connection() -> (Connection, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
    (Connection::new(Wire::Unix(ours), place), theirs)
}

#[tokio::test(start_paused = true)]
async fn a_stranger_who_proves_nothing_is_dropped() {
    let (mut ours, mut theirs) = connection();
    theirs.write_all(b"x").await.unwrap();
    assert_eq!(ours.read_u8().await.unwrap(), b'x');
    assert_eq!(ours.read_u8().await.unwrap_err().kind(), io::ErrorKind::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn who_has_passed_the_gate_may_be_silent() {
    let (mut ours, mut theirs) = connection();
    ours.connect_info().prove();
    let silence = tokio::time::timeout(PROVE_WITHIN * 100, ours.read_u8()).await;
    assert!(silence.is_err());
    theirs.write_all(b"x").await.unwrap();
    assert_eq!(ours.read_u8().await.unwrap(), b'x');
}
