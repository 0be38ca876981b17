use tokio::io::AsyncReadExt;

use super::*;

fn queue(lines: &[&str]) -> mpsc::Receiver<Arc<str>> {
    let (send, receive) = mpsc::channel(16);
    for line in lines {
        send.try_send(Arc::from(*line)).unwrap();
    }
    receive
}

#[actix::test]
async fn lines_leave_in_their_order_and_the_end_is_said() {
    let (near, mut far) = tokio::io::duplex(8);
    let mut read = String::new();
    let patience = Duration::from_secs(60);
    let (_, end) = tokio::join!(
        write_lines(near, queue(&["one\n", "two\n", "three\n"]), patience),
        far.read_to_string(&mut read)
    );
    end.unwrap();
    assert_eq!(read, "one\ntwo\nthree\n");
}

#[actix::test]
async fn a_miner_that_does_not_read_is_given_up() {
    let (near, far) = tokio::io::duplex(8);
    let (send, lines) = mpsc::channel(16);
    send.try_send(Arc::from("more than the eight bytes that fit\n")).unwrap();
    // Ends though neither the queue nor the other end is closed.
    write_lines(near, lines, Duration::from_millis(1)).await;
    assert!(send.is_closed());
    drop(far);
}

#[actix::test]
async fn a_miner_that_is_gone_ends_the_writing() {
    let (near, far) = tokio::io::duplex(8);
    drop(far);
    write_lines(near, queue(&["one\n"]), Duration::from_secs(60)).await;
}
