//! Transactions to sign and the keys to sign them with. Digests are Adit's own; that they are right shows where the
//! other engine takes the signature.

use adit_domain::script::{ScriptError, ScriptFlags, TaprootExtra, TxContext};
use bitcoin::absolute::LockTime;
use bitcoin::hashes::{Hash, hash160, sha256};
use bitcoin::key::{Keypair, Secp256k1, TapTweak};
use bitcoin::secp256k1::{Message, SecretKey};
use bitcoin::taproot::{LeafVersion, TapLeafHash, TaprootBuilder};
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness, XOnlyPublicKey};

use crate::asm;
use crate::engines;

pub(crate) const AMOUNT_SAT: u64 = 100_000;

/// A transaction of which one input is looked at.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) tx: Transaction,
    pub(crate) prevouts: Vec<TxOut>,
    pub(crate) input: usize,
}

impl Case {
    /// One input that spends `script`, one output.
    pub(crate) fn new(script: ScriptBuf) -> Case {
        Case::with_others(script, 0)
    }

    /// The looked-at input is the last, behind `others` that spend the same script.
    pub(crate) fn with_others(script: ScriptBuf, others: usize) -> Case {
        let input = |vout| TxIn {
            previous_output: OutPoint { txid: bitcoin::Txid::from_byte_array([9; 32]), vout },
            sequence: Sequence::MAX,
            ..TxIn::default()
        };
        let value = Amount::from_sat(AMOUNT_SAT);
        let tx = Transaction {
            version: Version::TWO,
            lock_time: LockTime::ZERO,
            input: (0..=others as u32).map(input).collect(),
            output: vec![TxOut { value, script_pubkey: ScriptBuf::from_bytes(vec![0x51]) }],
        };
        let prevouts = vec![TxOut { value, script_pubkey: script }; others + 1];
        Case { tx, prevouts, input: others }
    }

    pub(crate) fn with_script_sig(mut self, script_sig: Vec<u8>) -> Case {
        self.tx.input[self.input].script_sig = ScriptBuf::from_bytes(script_sig);
        self
    }

    pub(crate) fn with_witness(mut self, elements: &[Vec<u8>]) -> Case {
        self.tx.input[self.input].witness = Witness::from_slice(elements);
        self
    }

    pub(crate) fn context(&self) -> TxContext<'_> {
        TxContext::new(&self.tx, &self.prevouts)
    }

    /// A signature by key `n` on the digest before segwit.
    pub(crate) fn sign_legacy(&self, n: u8, code: &ScriptBuf, hash_type: u8) -> Vec<u8> {
        let digest =
            self.context().legacy_sighash(self.input, code.as_bytes(), u32::from(hash_type)).unwrap();
        sign_ecdsa(n, digest, hash_type)
    }

    /// A signature by key `n` on the digest of BIP-0143.
    pub(crate) fn sign_v0(&self, n: u8, code: &ScriptBuf, hash_type: u8) -> Vec<u8> {
        let context = self.context();
        let digest = context.segwit_v0_sighash(self.input, code.as_bytes(), u32::from(hash_type), AMOUNT_SAT);
        sign_ecdsa(n, digest.unwrap(), hash_type)
    }

    /// A signature of 64 bytes by `keypair` on the digest of BIP-0341.
    pub(crate) fn sign_taproot(&self, keypair: &Keypair, hash_type: u8, extra: &TaprootExtra) -> Vec<u8> {
        let digest = self.context().taproot_sighash(self.input, hash_type, extra).unwrap();
        let secp = Secp256k1::new();
        secp.sign_schnorr_no_aux_rand(&Message::from_digest(digest), keypair).as_ref().to_vec()
    }

    pub(crate) fn verify(&self, flags: ScriptFlags) -> Result<(), ScriptError> {
        engines::verify(&self.tx, &self.prevouts, self.input, flags)
    }

    /// The verdict under all rules of consensus.
    pub(crate) fn check(&self, expected: Result<(), ScriptError>) {
        assert_eq!(self.verify(ScriptFlags::CONSENSUS), expected);
    }
}

pub(crate) fn keypair(n: u8) -> Keypair {
    Keypair::from_secret_key(&Secp256k1::new(), &SecretKey::from_slice(&[n; 32]).unwrap())
}

/// The compressed public key `n`.
pub(crate) fn key(n: u8) -> Vec<u8> {
    keypair(n).public_key().serialize().to_vec()
}

/// The x-only public key `n`.
pub(crate) fn x_key(n: u8) -> Vec<u8> {
    keypair(n).x_only_public_key().0.serialize().to_vec()
}

fn sign_ecdsa(n: u8, digest: [u8; 32], hash_type: u8) -> Vec<u8> {
    let secp = Secp256k1::new();
    let mut signature =
        secp.sign_ecdsa(&Message::from_digest(digest), &keypair(n).secret_key()).serialize_der().to_vec();
    signature.push(hash_type);
    signature
}

/// A script of words, where `<name>` stands for a push of the bytes beside it.
pub(crate) fn script(text: &str, pushes: &[(&str, &[u8])]) -> ScriptBuf {
    let mut text = text.to_owned();
    for (name, bytes) in pushes {
        let push = asm::push(bytes);
        let hex: String = push.iter().map(|byte| format!("{byte:02x}")).collect();
        text = text.replace(&format!("<{name}>"), &format!("0x{hex}"));
    }
    asm::script(&text)
}

pub(crate) fn p2sh(redeem: &ScriptBuf) -> ScriptBuf {
    script("HASH160 <h> EQUAL", &[("h", hash160::Hash::hash(redeem.as_bytes()).as_byte_array())])
}

pub(crate) fn p2wsh(witness_script: &ScriptBuf) -> ScriptBuf {
    script("0 <h>", &[("h", sha256::Hash::hash(witness_script.as_bytes()).as_byte_array())])
}

pub(crate) fn p2wpkh(key: &[u8]) -> ScriptBuf {
    script("0 <h>", &[("h", hash160::Hash::hash(key).as_byte_array())])
}

/// A taproot output with one leaf beside its key, which is key 1.
pub(crate) struct Tree {
    pub(crate) output: ScriptBuf,
    pub(crate) leaf: ScriptBuf,
    pub(crate) control: Vec<u8>,
    pub(crate) leaf_hash: [u8; 32],
    /// The key that signs for the key path.
    pub(crate) keypair: Keypair,
}

pub(crate) fn tree(leaf: ScriptBuf) -> Tree {
    tree_of_version(leaf, 0xc0)
}

pub(crate) fn tree_of_version(leaf: ScriptBuf, version: u8) -> Tree {
    let secp = Secp256k1::new();
    let version = LeafVersion::from_consensus(version).unwrap();
    // A second leaf, so that the path has a node.
    let builder = TaprootBuilder::new().add_leaf_with_ver(1, leaf.clone(), version).unwrap();
    let builder = builder.add_leaf(1, ScriptBuf::from_bytes(vec![0x6a])).unwrap();
    let internal: XOnlyPublicKey = keypair(1).x_only_public_key().0;
    let info = builder.finalize(&secp, internal).unwrap();
    Tree {
        output: ScriptBuf::new_p2tr_tweaked(info.output_key()),
        control: info.control_block(&(leaf.clone(), version)).unwrap().serialize(),
        leaf_hash: TapLeafHash::from_script(&leaf, version).to_byte_array(),
        keypair: keypair(1).tap_tweak(&secp, info.merkle_root()).to_keypair(),
        leaf,
    }
}

impl Tree {
    /// A spend of the leaf with these elements before it.
    pub(crate) fn spend(&self, elements: &[Vec<u8>]) -> Case {
        let mut witness = elements.to_vec();
        witness.extend([self.leaf.to_bytes(), self.control.clone()]);
        Case::new(self.output.clone()).with_witness(&witness)
    }

    /// What a signature in the leaf signs beside the transaction.
    pub(crate) fn extra(&self, code_separator: u32) -> TaprootExtra {
        TaprootExtra { annex_hash: None, leaf: Some((self.leaf_hash, code_separator)) }
    }
}
