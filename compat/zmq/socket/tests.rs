use std::sync::Arc;

use axum::body::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::{Message, PONGS_MAX, Socket};
use crate::zmq::wire::{self, GREETING_BYTES};

const READY: &[u8] = b"\x04\x19\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB";
/// Bytes of our own `READY`.
const OUR_READY_BYTES: usize = 40;

fn socket(subscribers_max: usize, queued_bytes_max: usize) -> Arc<Socket> {
    let mut socket = Socket::new("here".to_owned(), 1_000);
    (socket.subscribers_max, socket.queued_bytes_max) = (subscribers_max, queued_bytes_max);
    Arc::new(socket)
}

/// Goes on when something has come about on the same thread.
async fn until(is_there: impl Fn() -> bool) {
    while !is_there() {
        tokio::task::yield_now().await;
    }
}

/// One that has shaken hands, and listens to `rawtx`, so that so many do; or to nothing.
async fn enter(socket: &Arc<Socket>, listening: Option<usize>) -> DuplexStream {
    let (near, mut far) = tokio::io::duplex(256);
    socket.take_in(near);
    far.write_all(&wire::greeting()).await.unwrap();
    far.write_all(READY).await.unwrap();
    far.read_exact(&mut [0; GREETING_BYTES + OUR_READY_BYTES]).await.unwrap();
    if let Some(count) = listening {
        far.write_all(b"\x00\x06\x01rawtx").await.unwrap();
        until(|| socket.wanting("rawtx") == count).await;
    }
    far
}

fn message(counter: u32, bytes: usize) -> Message {
    Message { topic: "rawtx", body: Bytes::from(vec![7; bytes]), counter }
}

/// Whether it is let go, whatever came before.
async fn ends(mut stream: DuplexStream) {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
}

fn on_one_thread(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test);
}

#[test]
fn those_who_do_not_read_keep_nothing_from_those_who_do() {
    const BODY: usize = 1_000;
    on_one_thread(async {
        let socket = socket(8, 10 * BODY);
        let mut reads = enter(&socket, Some(1)).await;
        let mut slow = vec![enter(&socket, Some(2)).await];
        // Three of them, which come one after the other and so have different messages.
        for counter in 0..100 {
            if [3, 6].contains(&counter) {
                slow.push(enter(&socket, Some(slow.len() + 2)).await);
            }
            socket.send(message(counter, BODY));
            // Head, topic, head, body, counter.
            let mut frame = vec![0; 2 + 5 + 9 + BODY + 6];
            reads.read_exact(&mut frame).await.unwrap();
            assert_eq!(frame[frame.len() - 4..], counter.to_le_bytes());
            until(|| socket.queued() <= 10 * BODY).await;
        }
        for gone in slow {
            ends(gone).await;
        }
        assert_eq!(socket.wanting("rawtx"), 1);
        drop(reads);
        until(|| socket.wanting("rawtx") == 0 && socket.queued() == 0).await;
    });
}

#[test]
fn who_listens_to_nothing_makes_room_for_whoever_comes_and_then_who_does_not_read() {
    on_one_thread(async {
        let socket = socket(3, 1 << 20);
        let (mut reads, slow, idle) =
            (enter(&socket, Some(1)).await, enter(&socket, Some(2)).await, enter(&socket, None).await);
        let mut next = enter(&socket, Some(3)).await;
        ends(idle).await;
        let mut frame = vec![0; 2 + 5 + 9 + 1_000 + 6];
        socket.send(message(0, 1_000));
        for stream in [&mut reads, &mut next] {
            stream.read_exact(&mut frame).await.unwrap();
        }
        until(|| socket.subscribers().iter().filter(|one| one.lock().queued_bytes > 0).count() == 1).await;
        // It has the place of one who listened too.
        let last = enter(&socket, Some(3)).await;
        ends(slow).await;
        // All read: nobody goes, and whoever comes is sent away.
        let (near, refused) = tokio::io::duplex(256);
        socket.take_in(near);
        ends(refused).await;
        assert_eq!(socket.wanting("rawtx"), 3);
        drop((reads, next, last));
    });
}

#[test]
fn who_pings_and_does_not_read_is_let_go() {
    on_one_thread(async {
        let socket = socket(3, 1 << 20);
        let mut stream = enter(&socket, Some(1)).await;
        let ping = b"\x04\x09\x04PING\x00\x00xy";
        // Those that are answered into its window, those that wait, and one more.
        let mut sent = 0;
        while stream.write_all(ping).await.is_ok() {
            sent += 1;
            tokio::task::yield_now().await;
        }
        assert!(sent > PONGS_MAX, "{sent}");
        until(|| socket.wanting("rawtx") == 0).await;
    });
}
