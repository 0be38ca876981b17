//! Scripts that lock outputs, and what opens each.

use std::collections::HashMap;
use std::sync::LazyLock;

use bitcoin::hashes::Hash;
use bitcoin::opcodes::all as op;
use bitcoin::script::{Builder, PushBytesBuf};
use bitcoin::secp256k1::{Message, Secp256k1, SecretKey};
use bitcoin::sighash::{Annex, Prevouts, SighashCache};
use bitcoin::{EcdsaSighashType, ScriptBuf, TapSighashType, Transaction, TxOut, Witness};

use super::super::chance::Chance;
use crate::signing::{Tree, key, keypair, p2sh, p2wpkh, p2wsh, script, tree, tree_of_version, x_key};

/// What an output asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Lock {
    /// Nothing.
    True,
    Pk,
    Pkh,
    /// Two of three.
    Multi,
    ShTrue,
    ShMulti,
    Wpkh,
    ShWpkh,
    WshTrue,
    WshMulti,
    ShWshMulti,
    TrKey,
    TrLeaf,
    TrTrue,
    /// A leaf of a version that has no rules yet.
    TrUnknown,
    /// A height that must be reached.
    Cltv(u8),
    /// Blocks that must stand on the output, its own counted.
    Csv(u8),
    /// 200 signature operations in a branch that is never taken, behind P2SH: they cost 800.
    ShSigops,
    /// The same in a witness: they cost 200.
    WshSigops,
    /// A script of 10,000 bytes: the longest that runs.
    Long,
    /// A witness program of a version that has no rules yet.
    Future,
    Anchor,
    // What nothing opens.
    Return,
    /// A script of 10,001 bytes.
    TooLong,
    False,
    /// A program of version 0 with 21 bytes.
    WrongLength,
    /// A taproot output whose key is not on the curve.
    OffCurve,
}

/// What can be opened.
pub(crate) const OPEN: [Lock; 25] = [
    Lock::True,
    Lock::True,
    Lock::Pk,
    Lock::Pkh,
    Lock::Multi,
    Lock::ShTrue,
    Lock::ShMulti,
    Lock::Wpkh,
    Lock::ShWpkh,
    Lock::WshTrue,
    Lock::WshMulti,
    Lock::ShWshMulti,
    Lock::TrKey,
    Lock::TrKey,
    Lock::TrLeaf,
    Lock::TrTrue,
    Lock::TrUnknown,
    Lock::Cltv(112),
    Lock::Cltv(130),
    Lock::Csv(2),
    Lock::Csv(7),
    Lock::ShSigops,
    Lock::WshSigops,
    Lock::Future,
    Lock::Anchor,
];

/// What cannot, and what is rare for its size.
pub(crate) const ODD: [Lock; 6] =
    [Lock::Return, Lock::TooLong, Lock::False, Lock::WrongLength, Lock::OffCurve, Lock::Long];

static SCRIPTS: LazyLock<HashMap<Lock, ScriptBuf>> =
    LazyLock::new(|| OPEN.iter().chain(&ODD).map(|lock| (*lock, make_script(*lock))).collect());

static LOCKS: LazyLock<HashMap<ScriptBuf, Lock>> =
    LazyLock::new(|| SCRIPTS.iter().map(|(lock, script)| (script.clone(), *lock)).collect());

static LEAF: LazyLock<Tree> = LazyLock::new(|| tree(script("<k> CHECKSIG", &[("k", &x_key(3))])));
static TRUE_LEAF: LazyLock<Tree> = LazyLock::new(|| tree(script("1", &[])));
static UNKNOWN_LEAF: LazyLock<Tree> = LazyLock::new(|| tree_of_version(script("RETURN", &[]), 0xc2));

/// Sorts outputs by their scripts; none where it is not one of these.
pub(crate) fn lock_of(script: &ScriptBuf) -> Option<Lock> {
    LOCKS.get(script).copied()
}

pub(crate) fn script_of(lock: Lock) -> ScriptBuf {
    SCRIPTS[&lock].clone()
}

fn multi() -> ScriptBuf {
    script("2 <a> <b> <c> 3 CHECKMULTISIG", &[("a", &key(1)), ("b", &key(2)), ("c", &key(3))])
}

fn sigops() -> ScriptBuf {
    script(&format!("0 IF {} ENDIF 1", ["CHECKMULTISIG"; 10].join(" ")), &[])
}

fn pkh(n: u8) -> ScriptBuf {
    let hash = bitcoin::hashes::hash160::Hash::hash(&key(n));
    script("DUP HASH160 <h> EQUALVERIFY CHECKSIG", &[("h", hash.as_byte_array())])
}

/// Pushes and drops, then what is true: `len` bytes.
fn long(len: usize) -> ScriptBuf {
    let mut bytes = Vec::new();
    // A push has a head of 3 bytes, a drop behind it, and at most 520 bytes.
    while bytes.len() + 1 < len {
        let push = (len - bytes.len() - 1).min(524) - 4;
        bytes.push(0x4d);
        bytes.extend((push as u16).to_le_bytes());
        bytes.extend(vec![7; push]);
        bytes.push(0x75);
    }
    bytes.push(0x51);
    ScriptBuf::from_bytes(bytes)
}

fn make_script(lock: Lock) -> ScriptBuf {
    match lock {
        Lock::True => script("1", &[]),
        Lock::Pk => script("<k> CHECKSIG", &[("k", &key(1))]),
        Lock::Pkh => pkh(2),
        Lock::Multi => multi(),
        Lock::ShTrue => p2sh(&script("1", &[])),
        Lock::ShMulti => p2sh(&multi()),
        Lock::Wpkh => p2wpkh(&key(2)),
        Lock::ShWpkh => p2sh(&p2wpkh(&key(2))),
        Lock::WshTrue => p2wsh(&script("1", &[])),
        Lock::WshMulti => p2wsh(&multi()),
        Lock::ShWshMulti => p2sh(&p2wsh(&multi())),
        Lock::TrKey | Lock::TrLeaf => {
            // One output with two ways in is two locks: the key path's has another tree.
            if lock == Lock::TrLeaf { LEAF.output.clone() } else { key_tree().output.clone() }
        }
        Lock::TrTrue => TRUE_LEAF.output.clone(),
        Lock::TrUnknown => UNKNOWN_LEAF.output.clone(),
        Lock::Cltv(height) => {
            Builder::new().push_int(i64::from(height)).push_opcode(op::OP_CLTV).into_script()
        }
        Lock::Csv(blocks) => Builder::new().push_int(i64::from(blocks)).push_opcode(op::OP_CSV).into_script(),
        Lock::ShSigops => p2sh(&sigops()),
        Lock::WshSigops => p2wsh(&sigops()),
        Lock::Long => long(10_000),
        Lock::Future => ScriptBuf::from_bytes([&[0x60, 0x20], [5; 32].as_slice()].concat()),
        Lock::Anchor => ScriptBuf::from_bytes(vec![0x51, 0x02, 0x4e, 0x73]),
        Lock::Return => script("RETURN", &[]),
        Lock::TooLong => long(10_001),
        Lock::False => script("0", &[]),
        Lock::WrongLength => ScriptBuf::from_bytes([&[0x00, 21], [5; 21].as_slice()].concat()),
        Lock::OffCurve => ScriptBuf::from_bytes([&[0x51, 0x20], [0xff; 32].as_slice()].concat()),
    }
}

static KEY_TREE: LazyLock<Tree> = LazyLock::new(|| tree(script("RETURN 1", &[])));

fn key_tree() -> &'static Tree {
    &KEY_TREE
}

/// One input's coin, as far as its signer looks at it.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    pub(crate) output: TxOut,
    pub(crate) lock: Lock,
}

/// Fills in what opens each input: signatures of any hash type. An input of a lock that nothing opens stays empty.
pub(crate) fn open(tx: &mut Transaction, coins: &[Opening], annex: Option<&[u8]>, chance: &mut Chance) {
    let prevouts: Vec<TxOut> = coins.iter().map(|coin| coin.output.clone()).collect();
    for (input, coin) in coins.iter().enumerate() {
        let (script_sig, witness) = Signer { tx, prevouts: &prevouts, input, annex }.open(coin, chance);
        tx.input[input].script_sig = script_sig;
        tx.input[input].witness = witness;
    }
}

struct Signer<'t> {
    tx: &'t Transaction,
    prevouts: &'t [TxOut],
    input: usize,
    annex: Option<&'t [u8]>,
}

impl Signer<'_> {
    fn open(&self, coin: &Opening, chance: &mut Chance) -> (ScriptBuf, Witness) {
        let none = || (ScriptBuf::new(), Witness::new());
        let sig_only = |items: &[&[u8]]| (pushes(items), Witness::new());
        let witness_only = |items: &[Vec<u8>]| (ScriptBuf::new(), Witness::from_slice(items));
        match coin.lock {
            Lock::Pk => sig_only(&[&self.legacy(1, &coin.output.script_pubkey, chance)]),
            Lock::Pkh => sig_only(&[&self.legacy(2, &coin.output.script_pubkey, chance), &key(2)]),
            Lock::Multi => {
                sig_only(&[&[], &self.legacy(1, &multi(), chance), &self.legacy(3, &multi(), chance)])
            }
            Lock::ShTrue => sig_only(&[&[0x51]]),
            Lock::ShMulti => sig_only(&[
                &[],
                &self.legacy(1, &multi(), chance),
                &self.legacy(2, &multi(), chance),
                multi().as_bytes(),
            ]),
            Lock::ShSigops => sig_only(&[sigops().as_bytes()]),
            Lock::Wpkh => witness_only(&[self.v0(2, &pkh(2), chance), key(2)]),
            Lock::ShWpkh => (
                pushes(&[p2wpkh(&key(2)).as_bytes()]),
                Witness::from_slice(&[self.v0(2, &pkh(2), chance), key(2)]),
            ),
            Lock::WshTrue => witness_only(&[vec![0x51]]),
            Lock::WshSigops => witness_only(&[sigops().into_bytes()]),
            Lock::WshMulti => witness_only(&self.multi_witness(chance)),
            Lock::ShWshMulti => {
                (pushes(&[p2wsh(&multi()).as_bytes()]), Witness::from_slice(&self.multi_witness(chance)))
            }
            Lock::TrKey => witness_only(&self.with_annex(vec![self.taproot(key_tree(), None, chance)])),
            Lock::TrLeaf => {
                let signature = self.taproot(&LEAF, Some(()), chance);
                witness_only(&self.with_annex(vec![signature, LEAF.leaf.to_bytes(), LEAF.control.clone()]))
            }
            Lock::TrTrue => {
                witness_only(&self.with_annex(vec![TRUE_LEAF.leaf.to_bytes(), TRUE_LEAF.control.clone()]))
            }
            Lock::TrUnknown => {
                let leaf = vec![UNKNOWN_LEAF.leaf.to_bytes(), UNKNOWN_LEAF.control.clone()];
                witness_only(&self.with_annex(leaf))
            }
            Lock::True | Lock::Cltv(_) | Lock::Csv(_) | Lock::Long | Lock::Future | Lock::Anchor => none(),
            Lock::Return | Lock::TooLong | Lock::False | Lock::WrongLength | Lock::OffCurve => none(),
        }
    }

    fn multi_witness(&self, chance: &mut Chance) -> Vec<Vec<u8>> {
        let signatures = [self.v0(2, &multi(), chance), self.v0(3, &multi(), chance)];
        let [a, b] = signatures;
        vec![Vec::new(), a, b, multi().into_bytes()]
    }

    fn with_annex(&self, mut items: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        items.extend(self.annex.map(<[u8]>::to_vec));
        items
    }

    fn legacy(&self, n: u8, code: &ScriptBuf, chance: &mut Chance) -> Vec<u8> {
        let hash_type = hash_type(chance);
        let hash = SighashCache::new(self.tx).legacy_signature_hash(self.input, code, u32::from(hash_type));
        ecdsa(n, hash.expect("the input is there").to_byte_array(), hash_type)
    }

    fn v0(&self, n: u8, code: &ScriptBuf, chance: &mut Chance) -> Vec<u8> {
        let hash_type = hash_type(chance);
        let value = self.prevouts[self.input].value;
        let kind = EcdsaSighashType::from_consensus(u32::from(hash_type));
        let hash = SighashCache::new(self.tx).p2wsh_signature_hash(self.input, code, value, kind);
        ecdsa(n, hash.expect("the input is there").to_byte_array(), hash_type)
    }

    fn taproot(&self, tree: &Tree, leaf: Option<()>, chance: &mut Chance) -> Vec<u8> {
        let mut kind = *chance.pick(&[
            TapSighashType::Default,
            TapSighashType::Default,
            TapSighashType::All,
            TapSighashType::NonePlusAnyoneCanPay,
            TapSighashType::Single,
        ]);
        if kind == TapSighashType::Single && self.input >= self.tx.output.len() {
            kind = TapSighashType::None;
        }
        let annex = self.annex.map(|annex| Annex::new(annex).expect("it begins with 0x50"));
        let leaf_hash = leaf.map(|()| (bitcoin::TapLeafHash::from_byte_array(tree.leaf_hash), u32::MAX));
        let hash = SighashCache::new(self.tx).taproot_signature_hash(
            self.input,
            &Prevouts::All(self.prevouts),
            annex,
            leaf_hash,
            kind,
        );
        let pair = if leaf.is_some() { keypair(3) } else { tree.keypair };
        let message = Message::from_digest(hash.expect("the input is there").to_byte_array());
        let mut signature = SECP.sign_schnorr_no_aux_rand(&message, &pair).as_ref().to_vec();
        if kind != TapSighashType::Default {
            signature.push(kind as u8);
        }
        signature
    }
}

static SECP: LazyLock<Secp256k1<bitcoin::secp256k1::All>> = LazyLock::new(Secp256k1::new);

fn hash_type(chance: &mut Chance) -> u8 {
    *chance.pick(&[1, 1, 1, 2, 3, 0x81, 0x82, 0x83])
}

fn ecdsa(n: u8, digest: [u8; 32], hash_type: u8) -> Vec<u8> {
    let secret = SecretKey::from_slice(&[n; 32]).expect("a key");
    let mut signature = SECP.sign_ecdsa(&Message::from_digest(digest), &secret).serialize_der().to_vec();
    signature.push(hash_type);
    signature
}

fn pushes(items: &[&[u8]]) -> ScriptBuf {
    let push = |builder: Builder, item: &&[u8]| {
        builder.push_slice(PushBytesBuf::try_from(item.to_vec()).expect("a short push"))
    };
    items.iter().fold(Builder::new(), push).into_script()
}
