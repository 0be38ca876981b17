//! What comes over a socket: lines of miners, messages of peers.

use adit_domain::peer::{FrameDecoder, Incoming as FromPeer, Message, TransportSecrets};
use adit_domain::stratum::codec::{self, Incoming};
use adit_domain::stratum::worker::Worker;
use bitcoin::Network;
use bitcoin::p2p::Magic;

use crate::bytes::Bytes;

/// A line of a miner, its end left out.
pub fn stratum(data: &[u8]) {
    let id = codec::id_for_failure(data);
    // An answer is one line, whatever the id is made of.
    assert!(!codec::reply_true(&id).trim_end_matches('\n').contains('\n'));
    if let Ok(Incoming::Request { id: asked, request }) = codec::decode(data) {
        assert_eq!(asked, id);
        if let Ok(codec::Request::Configure(asked)) = &request {
            let _ = codec::reply_configured(&id, asked, Some(0x1fff_e000));
        }
        if let Ok(codec::Request::SuggestDifficulty(difficulty)) = request {
            let _ = codec::set_difficulty(difficulty);
        }
    }
    if let Ok(text) = std::str::from_utf8(data) {
        for network in [Network::Bitcoin, Network::Testnet4, Network::Signet, Network::Regtest] {
            same_worker(text, network);
        }
    }
}

/// The name in the books names the same account.
fn same_worker(user: &str, network: Network) {
    let Ok(worker) = Worker::parse(user, network) else { return };
    let again = Worker::parse(&worker.full_name(), network);
    // A `%` that was once escaped is an escape of its own now.
    if !worker.name.contains('%') {
        let again = again.expect("the canonical name of a worker is one");
        assert_eq!((again.address, again.name), (worker.address, worker.name));
    }
}

/// A stream of a peer: the first byte says how large the pieces are that it comes in.
pub fn peer(data: &[u8]) {
    let mut bytes = Bytes(data);
    let piece = usize::from(bytes.u8()).max(1);
    stranger(bytes.0, piece);
    let mut decoder = FrameDecoder::new(Magic::BITCOIN);
    for mut piece in bytes.0.chunks(piece) {
        while !piece.is_empty() {
            match decoder.feed(&mut piece) {
                Ok(Some(frame)) => same_message(&frame),
                Ok(None) => {}
                Err(_) => return,
            }
            // What is held is what came, and one step of growth.
            assert!(decoder.capacity_bytes() <= data.len() + 512 * 1024);
        }
    }
}

/// What a stranger sends before anything is agreed: nothing that it is can be more than garbage.
fn stranger(data: &[u8], piece: usize) {
    let secrets = TransportSecrets { key: [1; 32], blinding: [2; 32], garbage: Vec::new() };
    let mut incoming = FromPeer::respond(Magic::BITCOIN, secrets);
    for mut piece in data.chunks(piece) {
        while !piece.is_empty() {
            if incoming.feed(&mut piece).is_err() {
                return;
            }
            incoming.take_dropped();
        }
    }
}

fn same_message(frame: &adit_domain::peer::Frame) {
    let Ok(message) = Message::decode(frame) else { return };
    let Some(encoded) = message.encode(Magic::BITCOIN) else { return };
    let mut rest = encoded.as_slice();
    let again = FrameDecoder::new(Magic::BITCOIN).feed(&mut rest);
    let again = again.expect("our own bytes").expect("a whole frame");
    assert_eq!(again.command, frame.command);
    assert_eq!(Message::decode(&again).expect("our own message"), message);
}
