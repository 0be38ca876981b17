use super::*;
use crate::peer::framing::encode_frame;
use crate::peer::limits::PAYLOAD_GROWTH_BYTES_MAX;

const MAGIC: Magic = Magic::REGTEST;

fn secrets(n: u8, garbage: usize) -> TransportSecrets {
    TransportSecrets { key: [n; 32], blinding: [n; 32], garbage: vec![n; garbage] }
}

/// One end.
struct End {
    incoming: Incoming,
    outgoing: Option<Outgoing>,
    frames: Vec<(Frame, usize)>,
    /// What it has sent and the other has not read.
    sent: Vec<u8>,
}

impl End {
    fn new(incoming: Incoming, sent: Vec<u8>) -> End {
        End { incoming, outgoing: None, frames: Vec::new(), sent }
    }

    /// Reads, in pieces of a size.
    fn read(&mut self, bytes: &[u8], piece: usize) -> Result<(), TransportError> {
        for mut piece in bytes.chunks(piece) {
            while let Some(heard) = self.incoming.feed(&mut piece)? {
                match heard {
                    Heard::Frame(frame, bytes) => self.frames.push((frame, bytes)),
                    Heard::Answer(answer) => self.sent.extend(answer),
                    Heard::Settled(outgoing) => self.outgoing = Some(*outgoing),
                }
            }
            assert!(piece.is_empty());
        }
        Ok(())
    }

    fn packets(&mut self) -> &mut Packets {
        match self.outgoing.as_mut().unwrap() {
            Outgoing::Sealed { packets, .. } => packets,
            Outgoing::Clear => panic!("in the clear"),
        }
    }
}

/// An end that connects and one that is connected to, which have exchanged all that they send by themselves.
fn connected(garbage: (usize, usize), piece: usize) -> (End, End) {
    let (incoming, first) = Incoming::initiate(MAGIC, secrets(1, garbage.0));
    let mut here = End::new(incoming, first);
    let mut there = End::new(Incoming::respond(MAGIC, secrets(2, garbage.1)), Vec::new());
    for _ in 0..3 {
        let sent = std::mem::take(&mut here.sent);
        there.read(&sent, piece).unwrap();
        let sent = std::mem::take(&mut there.sent);
        here.read(&sent, piece).unwrap();
    }
    (here, there)
}

fn frame(name: &str, payload: &[u8]) -> Vec<u8> {
    encode_frame(MAGIC, Command::new(name), payload)
}

#[test]
fn both_ends_come_to_terms_and_understand_each_other() {
    for garbage in [(0, 0), (1, GARBAGE_BYTES_MAX), (GARBAGE_BYTES_MAX + 9, 16)] {
        for piece in [1, 7, 64, 100_000] {
            let (mut here, mut there) = connected(garbage, piece);
            assert_eq!([here.incoming.transport(), there.incoming.transport()], [Transport::V2; 2]);
            let id = |end: &End| match end.outgoing.as_ref().unwrap() {
                Outgoing::Sealed { session_id, .. } => *session_id,
                Outgoing::Clear => panic!("in the clear"),
            };
            assert_eq!(id(&here), id(&there));
            // Named by one byte, and by its name.
            for (name, payload, on_wire) in [("ping", vec![7; 8], 29), ("sendaddrv2", vec![], 33)] {
                let packet = here.packets().of_frame(&frame(name, &payload));
                assert_eq!(packet.len(), on_wire);
                there.read(&packet, piece).unwrap();
                let (heard, bytes) = there.frames.pop().unwrap();
                assert_eq!((heard, bytes), (Frame { command: Command::new(name), payload }, on_wire));
            }
        }
    }
}

#[test]
fn whoever_speaks_in_the_clear_is_understood() {
    let version = frame("version", &[5; 90]);
    for piece in [1, 15, 16, 17, 1_000] {
        let mut end = End::new(Incoming::respond(MAGIC, secrets(2, 50)), Vec::new());
        end.read(&version[..15], piece).unwrap();
        assert_eq!((end.incoming.transport(), end.sent.len()), (Transport::Detecting, 0), "it waits");
        end.read(&version[15..], piece).unwrap();
        assert!(matches!(end.outgoing, Some(Outgoing::Clear)) && end.sent.is_empty());
        let (heard, bytes) = end.frames.pop().unwrap();
        assert_eq!((heard.payload, bytes), (vec![5; 90], version.len()));
        assert_eq!(end.incoming.transport(), Transport::V1);
    }
    let mut clear = Incoming::clear(MAGIC);
    assert_eq!(clear.transport(), Transport::V1);
    // One whose checksum is wrong is passed over, and remembered.
    let mut broken = frame("ping", &[7; 8]);
    *broken.last_mut().unwrap() = 8;
    assert!(clear.feed(&mut broken.as_slice()).unwrap().is_none());
    let dropped = clear.take_dropped();
    assert!(dropped[0].why.starts_with("Header error: Wrong checksum (ping, 8 bytes)"), "{dropped:?}");
    assert_eq!(dropped[0].bytes, 32);
    let wrong = clear.feed(&mut &[1, 2, 3, 4][..]).unwrap_err();
    assert_eq!(wrong.to_string(), "Header error: Wrong MessageStart 01020304 received");
}

/// A key that begins as a frame in the clear does, up to the last byte: it is one all the same.
#[test]
fn a_key_that_begins_like_a_frame_is_a_key() {
    let start = [MAGIC.to_bytes().as_slice(), CLEAR_START].concat();
    for alike in [4, 15] {
        let mut end = End::new(Incoming::respond(MAGIC, secrets(2, 50)), Vec::new());
        end.read(&start[..alike], 1).unwrap();
        assert!(end.sent.is_empty());
        end.read(&[0xff], 1).unwrap();
        assert_eq!(end.sent.len(), KEY_BYTES + 50);
        end.read(&[0xff; 64][alike + 1..], 9).unwrap();
        assert_eq!(end.sent.len(), KEY_BYTES + 50 + TERMINATOR_BYTES + EXPANSION_BYTES);
    }
}

#[test]
fn what_is_not_followed_any_further() {
    let respond = || End::new(Incoming::respond(MAGIC, secrets(2, 0)), Vec::new());
    let signet = [Magic::SIGNET.to_bytes().as_slice(), CLEAR_START].concat();
    let error = respond().read(&signet, 16).unwrap_err();
    assert_eq!(error.to_string(), "V2 transport error: V1 peer with wrong MessageStart 0a03cf40");
    let mut endless = respond();
    let most = KEY_BYTES + GARBAGE_BYTES_MAX + TERMINATOR_BYTES;
    endless.read(&vec![0; most - 1], 1_000).unwrap();
    let error = endless.read(&[0], 1).unwrap_err();
    assert_eq!(error.to_string(), "V2 transport error: missing garbage terminator");
    // Its garbage was changed on the way: the first packet does not prove it.
    let (incoming, first) = Incoming::initiate(MAGIC, secrets(1, 20));
    let (mut here, mut there) = (End::new(incoming, Vec::new()), respond());
    let mut first = first;
    first[KEY_BYTES] ^= 1;
    there.read(&first, 999).unwrap();
    here.read(&std::mem::take(&mut there.sent), 999).unwrap();
    let error = there.read(&std::mem::take(&mut here.sent), 999).unwrap_err();
    assert_eq!(error.to_string(), "V2 transport error: packet decryption failure (0 bytes)");
    assert_eq!(there.incoming.transport(), Transport::Detecting);
    // What it seals is longer than any message.
    let (mut here, mut there) = connected((0, 0), 999);
    let long = here.packets().0.seal(&[&vec![0; CONTENTS_BYTES_MAX + 1]], &[]);
    let error = there.read(&long, 999).unwrap_err();
    assert_eq!(error.to_string(), "V2 transport error: packet too large (4000014 bytes)");
}

#[test]
fn messages_without_a_name_are_passed_over() {
    let (mut here, mut there) = connected((5, 5), 999);
    for contents in [&[][..], &[29], &[255, 1, 2], &[0], &[0; 12], b"\0bad\x01name\0\0\0\0!"] {
        let packet = here.packets().0.seal(&[contents], &[]);
        there.read(&packet, 999).unwrap();
        let dropped = there.incoming.take_dropped();
        let why = format!("V2 transport error: invalid message type ({} bytes contents)", contents.len());
        assert_eq!(dropped, [Dropped { why, bytes: packet.len() }]);
    }
    assert!(there.frames.is_empty());
    // A message of one that has a name nobody knows is one.
    there.read(&here.packets().of_frame(&frame("whatever", b"x")), 999).unwrap();
    assert_eq!(there.frames[0].0, Frame { command: Command::new("whatever"), payload: b"x".to_vec() });
}

#[test]
fn an_offer_that_nobody_answers_is_known() {
    let (mut here, first) = Incoming::initiate(MAGIC, secrets(1, 7));
    assert_eq!((first.len(), here.was_ignored()), (KEY_BYTES + 7, true));
    here.feed(&mut &[1][..]).unwrap();
    assert!(!here.was_ignored());
    assert!(!Incoming::respond(MAGIC, secrets(1, 7)).was_ignored());
    assert!(!Incoming::clear(MAGIC).was_ignored());
}

#[test]
fn the_claimed_length_buys_no_memory() {
    let (mut here, mut there) = connected((0, 0), 999);
    let payload = vec![3; 3_000_000];
    let packet = here.packets().of_frame(&frame("block", &payload));
    let (start, rest) = packet.split_at(1_000);
    there.read(start, 100).unwrap();
    let State::Sealed(sealed) = &there.incoming.state else { panic!("in the clear") };
    assert!(sealed.packet.capacity() <= 1_000 + PAYLOAD_GROWTH_BYTES_MAX);
    there.read(rest, 65_536).unwrap();
    assert_eq!(there.frames[0].0.payload, payload);
}

#[test]
fn nothing_of_the_secrets_is_shown() {
    let shown = format!("{:?}", secrets(0x77, 3));
    assert!(!shown.contains("119") && !shown.contains("7777"), "{shown}");
    assert_eq!(
        [Transport::default().name(), Transport::V1.name(), Transport::V2.name()],
        ["detecting", "v1", "v2"]
    );
}
