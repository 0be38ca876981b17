//! The ciphers of an encrypted connection: keys from the agreement, lengths under one stream, packets under another. BIP-0324

use bitcoin::p2p::Magic;
use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, Tag, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Prk, Salt};
use secp256k1::SecretKey;
use secp256k1::ellswift::{ElligatorSwift, Party};

/// Bytes of a packet's encrypted length.
pub(super) const LENGTH_BYTES: usize = 3;
/// Bytes that say what a packet is.
pub(super) const HEADER_BYTES: usize = 1;
/// Bytes that prove it.
pub(super) const TAG_BYTES: usize = 16;
/// Bytes of a packet beside its contents.
pub(super) const EXPANSION_BYTES: usize = LENGTH_BYTES + HEADER_BYTES + TAG_BYTES;
/// Bytes that end the garbage.
pub(super) const TERMINATOR_BYTES: usize = 16;
/// In the header: the packet says nothing.
const DECOY: u8 = 0x80;
/// Packets after which a key is replaced by one that does not lead back to it.
const REKEY_PACKETS: u32 = 224;

/// What both ends have agreed upon.
#[derive(Debug)]
pub(super) struct Ciphers {
    pub(super) session_id: [u8; 32],
    pub(super) send_terminator: [u8; TERMINATOR_BYTES],
    pub(super) receive_terminator: [u8; TERMINATOR_BYTES],
    pub(super) seal: Seal,
    pub(super) open: Open,
}

impl Ciphers {
    /// The keys that follow from our secret, and from what both have sent.
    pub(super) fn agree(
        secret: SecretKey,
        (ours, theirs): (ElligatorSwift, ElligatorSwift),
        initiates: bool,
        magic: Magic,
    ) -> Ciphers {
        let (first, second, party) = match initiates {
            true => (ours, theirs, Party::Initiator),
            false => (theirs, ours, Party::Responder),
        };
        let shared = ElligatorSwift::shared_secret(first, second, secret, party);
        let salt = [b"bitcoin_v2_shared_secret".as_slice(), &magic.to_bytes()].concat();
        let keys = Salt::new(HKDF_SHA256, &salt).extract(shared.as_secret_bytes());
        let (of_initiator, of_responder) = (["initiator_L", "initiator_P"], ["responder_L", "responder_P"]);
        let (own, other) =
            if initiates { (of_initiator, of_responder) } else { (of_responder, of_initiator) };
        let (first_end, second_end) = halves(expand(&keys, "garbage_terminators"));
        let (send_terminator, receive_terminator) =
            if initiates { (first_end, second_end) } else { (second_end, first_end) };
        Ciphers {
            session_id: expand(&keys, "session_id"),
            send_terminator,
            receive_terminator,
            seal: Seal(Direction::of(&keys, own)),
            open: Open(Direction::of(&keys, other)),
        }
    }
}

#[expect(clippy::expect_used, reason = "HKDF gives up to 255 times the 32 bytes that are asked for")]
fn expand(keys: &Prk, purpose: &str) -> [u8; 32] {
    let mut key = [0; 32];
    let info = [purpose.as_bytes()];
    keys.expand(&info, HKDF_SHA256).and_then(|okm| okm.fill(&mut key)).expect("32 bytes");
    key
}

fn halves(both: [u8; 32]) -> ([u8; 16], [u8; 16]) {
    let (mut first, mut second) = ([0; 16], [0; 16]);
    first.iter_mut().chain(&mut second).zip(both).for_each(|(to, from)| *to = from);
    (first, second)
}

/// One direction.
#[derive(Debug)]
struct Direction {
    lengths: Lengths,
    packets: Packets,
}

impl Direction {
    fn of(keys: &Prk, [lengths, packets]: [&str; 2]) -> Direction {
        Direction {
            lengths: Lengths { stream: stream(&expand(keys, lengths), 0), epoch: 0, count: 0 },
            packets: Packets { key: packet_key(&expand(keys, packets)), epoch: 0, count: 0 },
        }
    }
}

/// What is sent.
#[derive(Debug)]
pub(super) struct Seal(Direction);

impl Seal {
    /// A packet: length 3 (encrypted), header 1 and contents (encrypted), tag 16. The caller keeps contents below 16 MB.
    pub(super) fn seal(&mut self, contents: &[&[u8]], aad: &[u8]) -> Vec<u8> {
        self.seal_as(0, contents, aad)
    }

    fn seal_as(&mut self, header: u8, contents: &[&[u8]], aad: &[u8]) -> Vec<u8> {
        let size = contents.iter().map(|part| part.len()).sum::<usize>();
        let mut packet = Vec::with_capacity(size.saturating_add(EXPANSION_BYTES));
        let [low, middle, high, ..] = u32::try_from(size).unwrap_or(u32::MAX).to_le_bytes();
        let mut length = [low, middle, high];
        self.0.lengths.apply(&mut length);
        packet.extend_from_slice(&length);
        packet.push(header);
        contents.iter().for_each(|part| packet.extend_from_slice(part));
        let tag = self.0.packets.seal(packet.get_mut(LENGTH_BYTES..).unwrap_or_default(), aad);
        packet.extend_from_slice(tag.as_ref());
        packet
    }
}

/// What is received.
#[derive(Debug)]
pub(super) struct Open(Direction);

impl Open {
    /// Bytes of a packet's contents.
    pub(super) fn length(&mut self, mut length: [u8; LENGTH_BYTES]) -> usize {
        self.0.lengths.apply(&mut length);
        let [low, middle, high] = length;
        usize::try_from(u32::from_le_bytes([low, middle, high, 0])).unwrap_or(usize::MAX)
    }

    /// What a packet says (its header, contents and tag), none where it says nothing. It is no packet where the tag does not prove it.
    pub(super) fn open(&mut self, mut packet: Vec<u8>, aad: &[u8]) -> Result<Option<Vec<u8>>, NoProof> {
        self.0.packets.open(&mut packet, aad)?;
        packet.truncate(packet.len().saturating_sub(TAG_BYTES));
        let says = packet.first().is_some_and(|header| header & DECOY == 0);
        packet.drain(..HEADER_BYTES.min(packet.len()));
        Ok(says.then_some(packet))
    }
}

/// A packet that nobody who has the keys has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoProof;

/// One stream for all lengths, which goes on from packet to packet.
struct Lengths {
    stream: ChaCha20,
    epoch: u64,
    count: u32,
}

impl Lengths {
    fn apply(&mut self, length: &mut [u8; LENGTH_BYTES]) {
        self.stream.apply_keystream(length);
        self.count = self.count.saturating_add(1);
        if self.count >= REKEY_PACKETS {
            let mut key = [0; 32];
            self.stream.apply_keystream(&mut key);
            self.epoch = self.epoch.saturating_add(1);
            (self.stream, self.count) = (stream(&key, self.epoch), 0);
        }
    }
}

/// The key is nobody's to read.
impl core::fmt::Debug for Lengths {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Lengths").field("epoch", &self.epoch).finish_non_exhaustive()
    }
}

fn stream(key: &[u8; 32], epoch: u64) -> ChaCha20 {
    ChaCha20::new(&(*key).into(), &nonce(0, epoch).into())
}

/// Number within the epoch 4, epoch 8 (both little-endian).
fn nonce(number: u32, epoch: u64) -> [u8; NONCE_LEN] {
    let mut nonce = [0; NONCE_LEN];
    let bytes = number.to_le_bytes().into_iter().chain(epoch.to_le_bytes());
    nonce.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    nonce
}

#[derive(Debug)]
struct Packets {
    key: LessSafeKey,
    epoch: u64,
    count: u32,
}

impl Packets {
    fn seal(&mut self, plain: &mut [u8], aad: &[u8]) -> Tag {
        let tag = self.seal_with(self.count, plain, aad);
        self.next();
        tag
    }

    #[expect(clippy::expect_used, reason = "it fails above 256 GB")]
    fn seal_with(&self, number: u32, plain: &mut [u8], aad: &[u8]) -> Tag {
        let nonce = Nonce::assume_unique_for_key(nonce(number, self.epoch));
        self.key.seal_in_place_separate_tag(nonce, Aad::from(aad), plain).expect("a message of 16 MB at most")
    }

    fn open(&mut self, packet: &mut [u8], aad: &[u8]) -> Result<(), NoProof> {
        let nonce = Nonce::assume_unique_for_key(nonce(self.count, self.epoch));
        self.key.open_in_place(nonce, Aad::from(aad), packet).map_err(|_| NoProof)?;
        self.next();
        Ok(())
    }

    fn next(&mut self) {
        self.count = self.count.saturating_add(1);
        if self.count >= REKEY_PACKETS {
            let mut key = [0; 32];
            // What the key makes of zeros is the next one; nobody sends it.
            let _tag = self.seal_with(u32::MAX, &mut key, &[]);
            self.epoch = self.epoch.saturating_add(1);
            (self.key, self.count) = (packet_key(&key), 0);
        }
    }
}

#[expect(clippy::expect_used, reason = "a key of this cipher has 32 bytes")]
fn packet_key(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).expect("32 bytes"))
}

#[cfg(test)]
#[path = "cipher/tests.rs"]
mod tests;
