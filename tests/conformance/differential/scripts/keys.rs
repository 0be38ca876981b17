//! Keys that exist once, and signatures in all the shapes that have ever been taken for one.

use std::sync::LazyLock;

use bitcoin::key::{Keypair, Secp256k1};
use bitcoin::secp256k1::{All, Message, Scalar, SecretKey};

use super::super::chance::Chance;

pub(super) static CURVE: LazyLock<Secp256k1<All>> = LazyLock::new(Secp256k1::new);

/// Making a key costs as much as a signature; with these, a transaction costs its signatures.
static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| (1..=KEYS_COUNT).map(Key::new).collect());

pub(super) const KEYS_COUNT: usize = 24;

/// A key pair with the encodings of its public half.
pub(super) struct Key {
    pub(super) pair: Keypair,
    secret: SecretKey,
    compressed: [u8; 33],
    uncompressed: [u8; 65],
    pub(super) x_only: [u8; 32],
}

pub(super) fn key(n: usize) -> &'static Key {
    &KEYS[n]
}

impl Key {
    fn new(n: usize) -> Key {
        let secret = SecretKey::from_slice(&[u8::try_from(n).unwrap(); 32]).unwrap();
        let pair = Keypair::from_secret_key(&CURVE, &secret);
        let public = pair.public_key();
        Key {
            pair,
            secret,
            compressed: public.serialize(),
            uncompressed: public.serialize_uncompressed(),
            x_only: pair.x_only_public_key().0.serialize(),
        }
    }

    /// One of the encodings that verify: compressed mostly, else without compression, else hybrid.
    pub(super) fn encoded(&self, chance: &mut Chance) -> Vec<u8> {
        match chance.below(8) {
            0 => self.uncompressed.to_vec(),
            1 => {
                let mut hybrid = self.uncompressed.to_vec();
                hybrid[0] = 6 | (hybrid[64] & 1);
                hybrid
            }
            _ => self.compressed.to_vec(),
        }
    }

    /// Bytes that are nobody's key, or not this one's.
    pub(super) fn spoiled(&self, chance: &mut Chance) -> Vec<u8> {
        let mut bytes = self.encoded(chance);
        match chance.below(8) {
            // The hybrid form with the wrong parity.
            0 => {
                bytes = self.uncompressed.to_vec();
                bytes[0] = 7 ^ (bytes[64] & 1);
            }
            1 => bytes[0] = chance.byte() | 8,
            2 => bytes.truncate(chance.below(bytes.len())),
            3 => bytes.push(chance.byte()),
            // Half of all x are on no point.
            4 => bytes[1] ^= 1,
            5 => bytes = vec![],
            // Beyond the field.
            6 => bytes[1..].fill(0xff),
            _ => bytes = chance.bytes(33),
        }
        bytes
    }

    pub(super) fn schnorr(pair: &Keypair, digest: [u8; 32]) -> Vec<u8> {
        CURVE.sign_schnorr_no_aux_rand(&Message::from_digest(digest), pair).as_ref().to_vec()
    }

    /// A signature of `digest` in `shape`, without the hash type.
    pub(super) fn ecdsa(&self, digest: [u8; 32], shape: Shape) -> Vec<u8> {
        let compact = CURVE.sign_ecdsa(&Message::from_digest(digest), &self.secret).serialize_compact();
        let (r, s) = (&compact[..32], &compact[32..]);
        shape.encode(r, s)
    }
}

/// How a signature's numbers are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// As BIP66 wants it, with a low S.
    Strict,
    /// BIP66's too: the other S that verifies.
    HighS,
    /// Zeros before R; before S.
    Padded(usize, usize),
    /// No zero before a number whose first bit is set: negative, to the letter.
    Negative,
    /// Bytes behind S.
    Trailing(usize),
    /// A wrong length of the whole.
    WrongLength(u8),
    /// Lengths in the long form, of so many bytes, zeros first: of the whole, of R, of S.
    Long([usize; 3]),
    /// R beyond the curve's order: never verifies.
    Overflow,
    /// R of 33 bytes that are no padding, or of more: neither does this, and BIP66 takes 72 bytes in all.
    Wide(usize),
    /// R and S of a byte each: the shortest that BIP66 takes.
    Tiny,
}

impl Shape {
    /// Any shape that verifies before BIP66.
    pub(super) fn any(chance: &mut Chance) -> Shape {
        match chance.below(24) {
            0..=15 => Shape::Strict,
            16..=18 => Shape::HighS,
            19 => Shape::Padded(chance.below(3), chance.below(40)),
            20 => Shape::Negative,
            21 => Shape::Trailing(chance.within(1, 9)),
            22 => Shape::WrongLength(chance.byte() & 0x7f),
            _ => Shape::Long([chance.below(3), chance.below(4), chance.below(10)]),
        }
    }

    /// Whether BIP66 surely takes it.
    pub(super) fn is_strict(self) -> bool {
        matches!(self, Shape::Strict | Shape::HighS | Shape::Overflow | Shape::Tiny | Shape::Wide(0))
    }

    fn encode(self, r: &[u8], s: &[u8]) -> Vec<u8> {
        let s = if self == Shape::HighS { negated(s) } else { s.try_into().unwrap() };
        let r = if self == Shape::Overflow { [0xff; 32] } else { r.try_into().unwrap() };
        let (mut r, mut s) = (integer(&r, self), integer(&s, self));
        if let Shape::Padded(before_r, before_s) = self {
            r = [vec![0; before_r], r].concat();
            s = [vec![0; before_s], s].concat();
        }
        match self {
            Shape::Wide(more) => r = vec![0x7f; 33 + more],
            Shape::Tiny => (r, s) = (vec![1], vec![1]),
            _ => {}
        }
        let long = if let Shape::Long(long) = self { long } else { [0; 3] };
        let mut body = vec![2];
        body.extend(length(r.len(), long[1]));
        body.extend(r);
        body.push(2);
        body.extend(length(s.len(), long[2]));
        body.extend(s);
        let whole = if let Shape::WrongLength(wrong) = self { wrong.into() } else { body.len() };
        let trailing = if let Shape::Trailing(count) = self { vec![1; count] } else { vec![] };
        [vec![0x30], length(whole, long[0]), body, trailing].concat()
    }
}

/// The x of the curve's generator: the R of a signature whose nonce is 1; and its inverse modulo the order.
const R: [u8; 32] = [
    0x79, 0xbe, 0x66, 0x7e, 0xf9, 0xdc, 0xbb, 0xac, 0x55, 0xa0, 0x62, 0x95, 0xce, 0x87, 0x0b, 0x07, 0x02,
    0x9b, 0xfc, 0xdb, 0x2d, 0xce, 0x28, 0xd9, 0x59, 0xf2, 0x81, 0x5b, 0x16, 0xf8, 0x17, 0x98,
];
const R_INVERSE: [u8; 32] = [
    0x1d, 0xd8, 0x87, 0xb3, 0xea, 0xf1, 0x53, 0x26, 0x0a, 0x95, 0xe8, 0xb9, 0xfd, 0x31, 0xf6, 0x0a, 0xc1,
    0x15, 0xd2, 0x6c, 0xcb, 0xe1, 0xf5, 0x72, 0xc0, 0xb8, 0xd7, 0xa6, 0xde, 0xc5, 0x20, 0xfe,
];

/// The signature with the nonce 1 and this S, whatever it signs.
pub(super) fn fixed(s: &[u8; 32]) -> Vec<u8> {
    Shape::Strict.encode(&R, s)
}

/// The key by which that signature is one of `digest`: with the nonce 1, `s = digest + R * secret`.
pub(super) fn key_for(s: &[u8; 32], digest: [u8; 32]) -> Option<Vec<u8>> {
    let digest = SecretKey::from_slice(&digest).ok()?.negate();
    let secret = SecretKey::from_slice(s).ok()?.add_tweak(&digest.into()).ok()?;
    let secret = secret.mul_tweak(&Scalar::from_be_bytes(R_INVERSE).ok()?).ok()?;
    Some(secret.public_key(&CURVE).serialize().to_vec())
}

fn negated(s: &[u8]) -> [u8; 32] {
    SecretKey::from_slice(s).unwrap().negate().secret_bytes()
}

/// The shortest form of a positive number; without the zero that keeps it positive where the shape says so.
fn integer(number: &[u8; 32], shape: Shape) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count().min(31);
    let mut bytes = number[zeros..].to_vec();
    if bytes[0] & 0x80 != 0 && shape != Shape::Negative {
        bytes.insert(0, 0);
    }
    bytes
}

/// A length: one byte, or the number of bytes and that many, the length in the last.
fn length(len: usize, long: usize) -> Vec<u8> {
    let len = u8::try_from(len).expect("no number of these is longer");
    match long {
        0 => vec![len],
        bytes => [vec![0x80 | u8::try_from(bytes).unwrap()], vec![0; bytes - 1], vec![len]].concat(),
    }
}

/// The output key of an internal key: the key that signs for it, its x, and whether y is odd.
pub(super) fn tweaked(pair: &Keypair, tweak: [u8; 32]) -> (Keypair, [u8; 32], bool) {
    let tweak = Scalar::from_be_bytes(tweak).expect("a hash below the order");
    let pair = pair.add_xonly_tweak(&CURVE, &tweak).expect("a hash that does not undo the key");
    let (x_only, parity) = pair.x_only_public_key();
    (pair, x_only.serialize(), parity == bitcoin::secp256k1::Parity::Odd)
}
