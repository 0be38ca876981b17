use proptest::prelude::*;

use super::*;

const MAGIC: Magic = Magic::REGTEST;

fn decode(chunks: &[&[u8]]) -> Result<(Vec<Frame>, u64), FrameError> {
    let (mut decoder, mut frames) = (FrameDecoder::new(MAGIC), Vec::new());
    for chunk in chunks {
        let mut input = *chunk;
        while let Some(frame) = decoder.feed(&mut input)? {
            frames.push(frame);
        }
        assert!(input.is_empty(), "everything is taken");
    }
    Ok((frames, decoder.take_skipped().len() as u64))
}

fn frame(name: &str, payload: &[u8]) -> Frame {
    Frame { command: Command::new(name), payload: payload.to_vec() }
}

#[test]
fn a_frame_comes_back_whatever_the_chunks() {
    let bytes = [
        encode_frame(MAGIC, Command::new("ping"), &[7; 8]),
        encode_frame(MAGIC, Command::new("verack"), &[]),
        encode_frame(MAGIC, Command::new("block"), &[9; 700_000]),
    ]
    .concat();
    let want = vec![frame("ping", &[7; 8]), frame("verack", &[]), frame("block", &[9; 700_000])];
    for size in [1, 7, 24, 25, 4096, bytes.len()] {
        let chunks: Vec<&[u8]> = bytes.chunks(size).collect();
        assert_eq!(decode(&chunks), Ok((want.clone(), 0)), "chunks of {size}");
    }
}

#[test]
fn a_long_payload_goes_on_in_a_buffer_that_served_before() {
    let bytes = encode_frame(MAGIC, Command::new("block"), &[9; 200_000]);
    let mut decoder = FrameDecoder::new(MAGIC);
    assert!(!decoder.lacks_room(1));
    assert_eq!(decoder.feed(&mut bytes.get(..1_000).unwrap()), Ok(None));
    assert!(decoder.lacks_room(200_000) && !decoder.lacks_room(200_001) && !decoder.lacks_room(900));
    decoder.reuse(vec![1; 300_000]);
    assert!(!decoder.lacks_room(200_000));
    let whole = decoder.feed(&mut bytes.get(1_000..).unwrap()).unwrap().unwrap();
    assert_eq!((whole.payload.capacity(), &whole), (300_000, &frame("block", &[9; 200_000])));
    // Where none is on its way there is no use for one.
    decoder.reuse(vec![1; 300_000]);
    assert_eq!(decoder.capacity_bytes(), HEADER_BYTES);
}

#[test]
fn the_known_bytes_of_a_verack() {
    let bytes = encode_frame(Magic::BITCOIN, Command::new("verack"), &[]);
    let mut want = vec![0xf9, 0xbe, 0xb4, 0xd9];
    want.extend_from_slice(b"verack\0\0\0\0\0\0");
    want.extend_from_slice(&[0, 0, 0, 0, 0x5d, 0xf6, 0xe0, 0xe2]);
    assert_eq!(bytes, want);
}

#[test]
fn a_wrong_checksum_costs_its_message_alone() {
    let mut bad = encode_frame(MAGIC, Command::new("ping"), &[7; 8]);
    bad[20] ^= 1;
    let good = encode_frame(MAGIC, Command::new("pong"), &[8; 8]);
    assert_eq!(decode(&[&bad, &good]), Ok((vec![frame("pong", &[8; 8])], 1)));
}

#[test]
fn foreign_bytes_are_seen_at_once() {
    assert_eq!(decode(&[b"G"]), Err(FrameError::Magic { received: *b"G\0\0\0" }));
    let received = Magic::BITCOIN.to_bytes();
    assert_eq!(decode(&[&received]), Err(FrameError::Magic { received }));
    let text = FrameError::Magic { received }.to_string();
    assert_eq!(text, "Wrong MessageStart f9beb4d9 received");
}

#[test]
fn a_claimed_length_is_refused_or_costs_nothing() {
    let mut header = encode_frame(MAGIC, Command::new("block"), &[]);
    header[16..20].copy_from_slice(&4_000_001u32.to_le_bytes());
    assert_eq!(
        decode(&[&header]),
        Err(FrameError::Oversized { command: Command::new("block"), claimed: 4_000_001 })
    );
    header[16..20].copy_from_slice(&4_000_000u32.to_le_bytes());
    let mut decoder = FrameDecoder::new(MAGIC);
    assert_eq!(decoder.feed(&mut header.as_slice()), Ok(None));
    assert_eq!(decoder.feed(&mut [1u8].as_slice()), Ok(None));
    assert!(decoder.capacity_bytes() < 100);
}

#[test]
fn commands_are_printable_and_padded() {
    for (bytes, want) in [
        (*b"ping\0\0\0\0\0\0\0\0", Some("ping")),
        (*b"abcdefghijkl", Some("abcdefghijkl")),
        (*b"ping\0x\0\0\0\0\0\0", None),
        (*b"p\x01ng\0\0\0\0\0\0\0\0", None),
        ([0xff; 12], None),
    ] {
        assert_eq!(Command(bytes).name(), want);
    }
}

proptest! {
    #[test]
    fn no_bytes_panic_or_cost_more_than_themselves(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..2000),
        lead in any::<bool>(),
        chunk in 1usize..300,
    ) {
        if lead {
            bytes.splice(0..0, MAGIC.to_bytes());
        }
        let mut decoder = FrameDecoder::new(MAGIC);
        let mut arrived = 0;
        'stream: for piece in bytes.chunks(chunk) {
            arrived += piece.len();
            let mut input = piece;
            loop {
                match decoder.feed(&mut input) {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) => break 'stream,
                }
            }
            prop_assert!(decoder.capacity_bytes() <= 2 * arrived + HEADER_BYTES);
        }
    }
}

#[test]
fn a_skipped_message_is_named_with_what_was_wrong() {
    let mut bad = encode_frame(MAGIC, Command::new("badmsg\u{1}"), &[1, b'd']);
    bad[20..24].copy_from_slice(&[0xff; 4]);
    let mut decoder = FrameDecoder::new(MAGIC);
    assert_eq!(decoder.feed(&mut bad.as_slice()), Ok(None));
    let skipped = decoder.take_skipped();
    assert_eq!(
        skipped.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["Wrong checksum (badmsg, 2 bytes), expected 78df0a04 was ffffffff"]
    );
    assert!(decoder.take_skipped().is_empty());
}
