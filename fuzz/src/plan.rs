//! Bytes into a spend that gets far: commitments are made to hold, and signatures are made where the input asks for one.

use std::sync::LazyLock;

use adit_domain::script::{ScriptFlags, TaprootExtra, TxContext};
use bitcoin::absolute::LockTime;
use bitcoin::hashes::{Hash, hash160, sha256};
use bitcoin::key::{Keypair, Secp256k1, TapTweak, UntweakedPublicKey};
use bitcoin::script::{Builder, PushBytesBuf};
use bitcoin::secp256k1::{All, Message, SecretKey};
use bitcoin::taproot::{LeafVersion, TapLeafHash, TaprootBuilder, TaprootSpendInfo};
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness};

use crate::bytes::Bytes;

static CURVE: LazyLock<Secp256k1<All>> = LazyLock::new(Secp256k1::new);
static KEYS: LazyLock<[Keypair; 3]> = LazyLock::new(|| {
    [1, 2, 3]
        .map(|n| Keypair::from_secret_key(&CURVE, &SecretKey::from_slice(&[n; 32]).expect("below the order")))
});

/// Elements that an input may push or carry.
const ELEMENTS_MAX: usize = 24;

/// A transaction, its prevouts, the input that is looked at, two sets of flags.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) flags: ScriptFlags,
    /// What may stay of the flags, and what may come to them.
    pub(crate) other: ScriptFlags,
    pub(crate) tx: Transaction,
    pub(crate) prevouts: Vec<TxOut>,
    pub(crate) input: usize,
}

/// Where the script of a plan stands.
#[derive(Clone, Copy, Debug)]
enum Shape {
    Bare,
    P2sh,
    P2wsh,
    P2shP2wsh,
    Leaf,
    Key,
    P2wpkh,
    P2shP2wpkh,
    /// The output is what the script says, the witness is raw.
    Raw,
}

const SHAPES: [Shape; 9] = [
    Shape::Bare,
    Shape::P2sh,
    Shape::P2wsh,
    Shape::P2shP2wsh,
    Shape::Leaf,
    Shape::Key,
    Shape::P2wpkh,
    Shape::P2shP2wpkh,
    Shape::Raw,
];

fn key(n: u8) -> &'static Keypair {
    &KEYS[usize::from(n) % KEYS.len()]
}

fn push(data: &[u8]) -> Vec<u8> {
    let data = PushBytesBuf::try_from(data.to_vec()).expect("far below 4 GiB");
    Builder::new().push_slice(data).into_bytes()
}

/// A script: 0xf0 stands for a push of a compressed key, 0xf1 of an x-only key, 0xf2 of an uncompressed one, by the number
/// that follows; 0xf3 for a byte as it stands, 0xf4 for as many bytes as the next two say; all else is itself.
fn script(bytes: &mut Bytes<'_>) -> Vec<u8> {
    let len = usize::from(bytes.u16());
    let mut words = Bytes(bytes.take(len));
    let mut script = Vec::new();
    while !words.is_empty() {
        match words.u8() {
            0xf0 => script.extend(push(&key(words.u8()).public_key().serialize())),
            0xf1 => script.extend(push(&key(words.u8()).x_only_public_key().0.serialize())),
            0xf2 => script.extend(push(&key(words.u8()).public_key().serialize_uncompressed())),
            0xf3 => script.push(words.u8()),
            0xf4 => {
                let (byte, count) = (words.u8(), words.u16() % 10_100);
                script.extend(vec![byte; usize::from(count)]);
            }
            byte => script.push(byte),
        }
    }
    script
}

/// What an element of the stack is made of.
enum Word {
    Bytes(Vec<u8>),
    /// By which key, under which hash type, from which code separator on.
    Signature(u8, u8, u8),
}

fn words(bytes: &mut Bytes<'_>) -> Vec<Word> {
    let count = usize::from(bytes.u8()) % (ELEMENTS_MAX + 1);
    (0..count)
        .map(|_| match bytes.u8() {
            0xf0 => Word::Signature(bytes.u8(), bytes.u8(), bytes.u8()),
            0xf1 => Word::Bytes(key(bytes.u8()).public_key().serialize().to_vec()),
            0xf2 => {
                let (byte, count) = (bytes.u8(), bytes.u16() % 600);
                Word::Bytes(vec![byte; usize::from(count)])
            }
            len => Word::Bytes(bytes.take(usize::from(len)).to_vec()),
        })
        .collect()
}

fn unsigned(bytes: &mut Bytes<'_>) -> (Transaction, usize) {
    let counts = bytes.u8();
    let (inputs, outputs) = (1 + u32::from(counts & 3), counts >> 2 & 3);
    let (version, lock_time) = (bytes.u32() as i32, bytes.u32());
    let sequence = Sequence(bytes.u32());
    let input = |vout| TxIn {
        previous_output: OutPoint { txid: Txid::from_byte_array([9; 32]), vout },
        sequence,
        ..TxIn::default()
    };
    let output = |n| TxOut {
        value: Amount::from_sat(1000 + u64::from(n)),
        script_pubkey: ScriptBuf::from_bytes(vec![n]),
    };
    let tx = Transaction {
        version: Version(version),
        lock_time: LockTime::from_consensus(lock_time),
        input: (0..inputs).map(input).collect(),
        output: (0..outputs).map(output).collect(),
    };
    let at = usize::from(counts >> 4) % tx.input.len();
    (tx, at)
}

impl Plan {
    pub(crate) fn read(data: &[u8]) -> Plan {
        let bytes = &mut Bytes(data);
        let (flags, other) = (ScriptFlags::from_bits(bytes.u32()), ScriptFlags::from_bits(bytes.u32()));
        let (tx, input) = unsigned(bytes);
        let how = bytes.u8();
        let shape = SHAPES[usize::from(how & 0x1f) % SHAPES.len()];
        let annex = (how & 0x20 != 0).then(|| [&[0x50][..], bytes.take(4)].concat());
        let leaf_version = if how & 0x40 != 0 { bytes.u8() & 0xfe } else { 0xc0 };
        let script = script(bytes);
        let words = words(bytes);
        let prevout = TxOut { value: Amount::from_sat(100_000), script_pubkey: ScriptBuf::new() };
        let prevouts = vec![prevout; tx.input.len()];
        let mut plan = Plan { flags, other, tx, prevouts, input };
        plan.spend(shape, script, &words, annex, leaf_version);
        plan.tail(bytes, how);
        plan
    }

    /// Raw bytes behind all: more of the input's script, or a truncated witness.
    fn tail(&mut self, bytes: &mut Bytes<'_>, how: u8) {
        let input = &mut self.tx.input[self.input];
        if how & 0x80 != 0 {
            let mut script_sig = input.script_sig.to_bytes();
            script_sig.extend_from_slice(bytes.0);
            input.script_sig = ScriptBuf::from_bytes(script_sig);
        }
    }

    fn spend(&mut self, shape: Shape, script: Vec<u8>, words: &[Word], annex: Option<Vec<u8>>, leaf: u8) {
        let program = |hash: &[u8]| [&[0][..], &push(hash)].concat();
        let p2sh = |redeem: &[u8]| {
            [&[0xa9][..], &push(hash160::Hash::hash(redeem).as_byte_array()), &[0x87]].concat()
        };
        let script_hash = program(sha256::Hash::hash(&script).as_byte_array());
        let public_key = key(0).public_key().serialize();
        let key_hash = *hash160::Hash::hash(&public_key).as_byte_array();
        let key_program = program(&key_hash);
        let key_code = [&[0x76, 0xa9][..], &push(&key_hash), &[0x88, 0xac]].concat();
        match shape {
            Shape::Bare => {
                self.pay_to(script.clone());
                self.sign_legacy(&script, words, &[]);
            }
            Shape::P2sh => {
                self.pay_to(p2sh(&script));
                self.sign_legacy(&script, words, &push(&script));
            }
            Shape::P2wsh => {
                self.pay_to(script_hash);
                self.sign_v0(&script, words, vec![script.clone()]);
            }
            Shape::P2shP2wsh => {
                self.pay_to(p2sh(&script_hash));
                self.push_program(&script_hash);
                self.sign_v0(&script, words, vec![script.clone()]);
            }
            Shape::P2wpkh => {
                self.pay_to(key_program);
                self.sign_v0(&key_code, words, vec![public_key.to_vec()]);
            }
            Shape::P2shP2wpkh => {
                self.pay_to(p2sh(&key_program));
                self.push_program(&key_program);
                self.sign_v0(&key_code, words, vec![public_key.to_vec()]);
            }
            Shape::Leaf => self.sign_leaf(script, words, annex, leaf),
            Shape::Key => self.sign_key(words, annex),
            Shape::Raw => {
                self.pay_to(script);
                self.sign_v0(&[], words, Vec::new());
            }
        }
    }

    fn pay_to(&mut self, script: Vec<u8>) {
        self.prevouts[self.input].script_pubkey = ScriptBuf::from_bytes(script);
    }

    fn push_program(&mut self, program: &[u8]) {
        self.tx.input[self.input].script_sig = ScriptBuf::from_bytes(push(program));
    }

    fn carry(&mut self, elements: &[Vec<u8>]) {
        self.tx.input[self.input].witness = Witness::from_slice(elements);
    }

    fn sign_legacy(&mut self, script: &[u8], words: &[Word], behind: &[u8]) {
        let context = TxContext::new(&self.tx, &self.prevouts);
        let sign = |code: &[u8], hash_type: u8| {
            context.legacy_sighash(self.input, code, u32::from(hash_type)).unwrap_or_default()
        };
        let pushes: Vec<_> = words.iter().flat_map(|word| push(&word.ecdsa(script, sign))).collect();
        self.tx.input[self.input].script_sig = ScriptBuf::from_bytes([&pushes, behind].concat());
    }

    fn sign_v0(&mut self, script: &[u8], words: &[Word], behind: Vec<Vec<u8>>) {
        let context = TxContext::new(&self.tx, &self.prevouts);
        let sign = |code: &[u8], hash_type: u8| {
            let digest = context.segwit_v0_sighash(self.input, code, u32::from(hash_type), 100_000);
            digest.unwrap_or_default()
        };
        let elements: Vec<_> = words.iter().map(|word| word.ecdsa(script, sign)).chain(behind).collect();
        self.carry(&elements);
    }

    fn sign_leaf(&mut self, script: Vec<u8>, words: &[Word], annex: Option<Vec<u8>>, version: u8) {
        let script = ScriptBuf::from_bytes(script);
        // Two versions that no leaf has: 0x50 would look like an annex.
        let version = LeafVersion::from_consensus(version).unwrap_or(LeafVersion::TapScript);
        let info = tree(&script, version);
        self.pay_to(ScriptBuf::new_p2tr_tweaked(info.output_key()).into_bytes());
        let control = info.control_block(&(script.clone(), version)).expect("the leaf is in the tree");
        let leaf_hash = TapLeafHash::from_script(&script, version).to_byte_array();
        let context = TxContext::new(&self.tx, &self.prevouts);
        let sign = |word: &Word| match word {
            Word::Bytes(bytes) => bytes.clone(),
            Word::Signature(by, hash_type, separator) => {
                let position = if *separator == 0xff { u32::MAX } else { u32::from(*separator) };
                let leaf = Some((leaf_hash, position));
                self.schnorr(&context, key(*by), *hash_type, annex.as_deref(), leaf)
            }
        };
        let mut elements: Vec<_> = words.iter().map(sign).collect();
        elements.extend([script.to_bytes(), control.serialize()]);
        elements.extend(annex);
        self.carry(&elements);
    }

    fn sign_key(&mut self, words: &[Word], annex: Option<Vec<u8>>) {
        let pair = key(0).tap_tweak(&CURVE, None).to_keypair();
        let output = ScriptBuf::new_p2tr(&CURVE, key(0).x_only_public_key().0, None);
        self.pay_to(output.into_bytes());
        let context = TxContext::new(&self.tx, &self.prevouts);
        let sign = |word: &Word| match word {
            Word::Bytes(bytes) => bytes.clone(),
            Word::Signature(_, hash_type, _) => {
                self.schnorr(&context, &pair, *hash_type, annex.as_deref(), None)
            }
        };
        let mut elements: Vec<_> = words.iter().take(2).map(sign).collect();
        elements.extend(annex.clone());
        self.carry(&elements);
    }

    fn schnorr(
        &self,
        context: &TxContext<'_>,
        pair: &Keypair,
        hash_type: u8,
        annex: Option<&[u8]>,
        leaf: Option<([u8; 32], u32)>,
    ) -> Vec<u8> {
        let annex_hash = annex.map(|annex| {
            let len = u8::try_from(annex.len()).expect("an annex of five bytes");
            sha256::Hash::hash(&[&[len][..], annex].concat()).to_byte_array()
        });
        let digest = context.taproot_sighash(self.input, hash_type, &TaprootExtra { annex_hash, leaf });
        let message = Message::from_digest(digest.unwrap_or_default());
        let signature = CURVE.sign_schnorr_no_aux_rand(&message, pair);
        let with_type = if hash_type == 0 { &[][..] } else { &[hash_type] };
        [&signature.as_ref()[..], with_type].concat()
    }
}

impl Word {
    /// The element; a signature signs the code behind the separator that it names.
    fn ecdsa(&self, code: &[u8], digest: impl Fn(&[u8], u8) -> [u8; 32]) -> Vec<u8> {
        let (by, hash_type, separator) = match self {
            Word::Bytes(bytes) => return bytes.clone(),
            Word::Signature(by, hash_type, separator) => (*by, *hash_type, usize::from(*separator)),
        };
        let mut behind = code.iter().enumerate().filter(|(_, op)| **op == 0xab).map(|(at, _)| at + 1);
        let from = if separator == 0xff { None } else { behind.nth(separator) };
        let message = Message::from_digest(digest(&code[from.unwrap_or(0)..], hash_type));
        let signature = CURVE.sign_ecdsa(&message, &key(by).secret_key()).serialize_der();
        [&signature[..], &[hash_type]].concat()
    }
}

/// A tree of this leaf and another, behind a key that nobody has.
fn tree(script: &ScriptBuf, version: LeafVersion) -> TaprootSpendInfo {
    let internal: UntweakedPublicKey = key(1).x_only_public_key().0;
    let builder = TaprootBuilder::new();
    let builder = builder.add_leaf_with_ver(1, script.clone(), version).expect("the first leaf");
    let builder = builder.add_leaf(1, ScriptBuf::from_bytes(vec![0x6a])).expect("the second leaf");
    builder.finalize(&CURVE, internal).expect("a whole tree")
}
