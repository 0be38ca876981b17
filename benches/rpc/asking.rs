//! Clients that take as little of the machine as they can: one thread for all connections, requests that were written beforehand, answers that
//! the kernel throws away once their length is known.

use std::io::Write;
use std::net::TcpStream;
use std::time::Instant;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

/// `adit:adit` in base64.
const LOGIN: &str = "YWRpdDphZGl0";
/// Bytes that are looked at for a head; a short answer comes whole with it, by one call of the system.
const HEAD_BYTES: usize = 4_096;
/// Bytes that the kernel throws away at a time; no memory is written.
const SKIP_BYTES: usize = 8 << 20;

/// When a request went out, and when the last byte of its answer had come.
pub type Span = (Instant, Instant);

/// A request as it goes out.
pub fn request(body: &str) -> Vec<u8> {
    let head = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic {LOGIN}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body.as_bytes()].concat()
}

/// A connection that is kept.
struct Line {
    stream: TcpStream,
    sent: Instant,
    head: Vec<u8>,
    /// Bytes of the body that are still to come, once its length is known.
    left: Option<usize>,
}

impl Line {
    fn open(port: u16) -> Line {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        Line { stream, sent: Instant::now(), head: Vec::with_capacity(HEAD_BYTES), left: None }
    }

    fn send(&mut self, request: &[u8]) {
        (self.left, self.sent) = (None, Instant::now());
        self.head.clear();
        self.stream.write_all(request).unwrap();
    }

    /// Takes what has come; whether that is all.
    fn take(&mut self, skipped: &mut [u8]) -> bool {
        loop {
            let (into, flags) = match self.left {
                None => (&mut skipped[..HEAD_BYTES], RecvFlags::DONTWAIT),
                Some(0) => return true,
                Some(_) => (&mut *skipped, RecvFlags::DONTWAIT | RecvFlags::TRUNC),
            };
            let count = match recv(&self.stream, &mut *into, flags) {
                Ok((_, count)) => count,
                Err(Errno::AGAIN) => return false,
                Err(error) => panic!("{error}"),
            };
            assert!(count > 0, "it hung up: {}", String::from_utf8_lossy(&self.head));
            match &mut self.left {
                Some(left) => *left -= count,
                None => {
                    self.head.extend_from_slice(&into[..count]);
                    self.read_head();
                }
            }
        }
    }

    fn read_head(&mut self) {
        let Some(end) = self.head.windows(4).position(|four| four == b"\r\n\r\n") else { return };
        let head = std::str::from_utf8(&self.head[..end]).unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{}", String::from_utf8_lossy(&self.head));
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
        });
        self.left = Some(length.expect("a length") - (self.head.len() - end - 4));
    }
}

/// Sends requests over so many connections, each the next one as soon as it is answered, until `next` has no more; tells when each was sent
/// and answered.
pub fn ask(
    port: u16,
    clients: usize,
    mut next: impl FnMut() -> Option<usize>,
    requests: &[Vec<u8>],
) -> Vec<Span> {
    let mut lines: Vec<Line> = (0..clients).map(|_| Line::open(port)).collect();
    let (mut spans, mut skipped) = (Vec::new(), vec![0; SKIP_BYTES]);
    let events = epoll::create(CreateFlags::CLOEXEC).unwrap();
    let mut busy = 0;
    for (n, line) in (0u64..).zip(&mut lines) {
        epoll::add(&events, &line.stream, EventData::new_u64(n), EventFlags::IN).unwrap();
        if let Some(one) = next() {
            line.send(&requests[one % requests.len()]);
            busy += 1;
        }
    }
    let mut ready = Vec::with_capacity(clients);
    while busy > 0 {
        match epoll::wait(&events, spare_capacity(&mut ready), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => panic!("{error}"),
        }
        for event in ready.drain(..) {
            let line = &mut lines[event.data.u64() as usize];
            if !line.take(&mut skipped) {
                continue;
            }
            spans.push((line.sent, Instant::now()));
            match next() {
                Some(one) => line.send(&requests[one % requests.len()]),
                None => busy -= 1,
            }
        }
    }
    spans
}
