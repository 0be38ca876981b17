//! Spends of every common type, signed here: two inputs of one type, two outputs.

use adit_domain::script::{TaprootExtra, TxContext};
use bitcoin::absolute::LockTime;
use bitcoin::hashes::{Hash, hash160, sha256};
use bitcoin::key::{Keypair, Secp256k1, TapTweak};
use bitcoin::secp256k1::{All, Message, SecretKey};
use bitcoin::taproot::{LeafVersion, TapLeafHash, TaprootBuilder};
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness};

use crate::Job;

/// Transactions of each type.
const JOBS_A_TYPE: u32 = 40;
/// Satoshis that every output has.
const VALUE_SAT: u64 = 50_000;

/// What a spend is made of.
struct Signer {
    secp: Secp256k1<All>,
    keys: Vec<Keypair>,
}

/// How an output is locked, and how an input opens it.
#[derive(Clone, Copy)]
enum Lock {
    KeyHash,
    RedeemMultisig,
    WitnessKeyHash,
    WitnessMultisig,
    TaprootKey,
    Tapscript,
}

const LOCKS: [Lock; 6] = [
    Lock::KeyHash,
    Lock::RedeemMultisig,
    Lock::WitnessKeyHash,
    Lock::WitnessMultisig,
    Lock::TaprootKey,
    Lock::Tapscript,
];

/// The spends, the same in every run.
pub fn jobs() -> Vec<Job> {
    let secp = Secp256k1::new();
    let key = |n: u8| Keypair::from_secret_key(&secp, &SecretKey::from_slice(&[n; 32]).unwrap());
    let signer = Signer { keys: (1..=3).map(key).collect(), secp };
    (0..JOBS_A_TYPE).flat_map(|n| LOCKS.map(|lock| (n, lock))).map(|(n, lock)| signer.job(lock, n)).collect()
}

impl Signer {
    fn public(&self, n: usize) -> [u8; 33] {
        self.keys[n].public_key().serialize()
    }

    fn job(&self, lock: Lock, n: u32) -> Job {
        let (script, code) = (self.output(lock), self.code(lock));
        let prevouts =
            vec![
                TxOut { value: Amount::from_sat(VALUE_SAT), script_pubkey: ScriptBuf::from_bytes(script) };
                2
            ];
        let input = |vout| TxIn {
            previous_output: OutPoint { txid: Txid::from_byte_array([7; 32]), vout },
            sequence: Sequence::MAX,
            ..TxIn::default()
        };
        let mut tx = Transaction {
            version: Version::TWO,
            lock_time: LockTime::ZERO,
            input: vec![input(2 * n), input(2 * n + 1)],
            output: prevouts.clone(),
        };
        let signed: Vec<_> =
            (0..2).map(|i| self.open(lock, &TxContext::new(&tx, &prevouts), i, &code)).collect();
        for (input, (script_sig, witness)) in tx.input.iter_mut().zip(signed) {
            input.script_sig = ScriptBuf::from_bytes(script_sig);
            input.witness = Witness::from_slice(&witness);
        }
        Job::new(tx, prevouts)
    }

    /// The script whose signatures are checked.
    fn code(&self, lock: Lock) -> Vec<u8> {
        let hash = hash160::Hash::hash(&self.public(0));
        match lock {
            Lock::KeyHash | Lock::WitnessKeyHash => {
                [&[0x76, 0xa9, 20][..], hash.as_byte_array(), &[0x88, 0xac]].concat()
            }
            Lock::RedeemMultisig | Lock::WitnessMultisig => {
                let keys: Vec<u8> = (0..3).flat_map(|n| push(&self.public(n))).collect();
                [&[0x52][..], &keys, &[0x53, 0xae]].concat()
            }
            Lock::TaprootKey => Vec::new(),
            Lock::Tapscript => [&push(&self.keys[0].x_only_public_key().0.serialize())[..], &[0xac]].concat(),
        }
    }

    fn output(&self, lock: Lock) -> Vec<u8> {
        let code = self.code(lock);
        match lock {
            Lock::KeyHash => code,
            Lock::RedeemMultisig => {
                [&[0xa9, 20][..], hash160::Hash::hash(&code).as_byte_array(), &[0x87]].concat()
            }
            Lock::WitnessKeyHash => {
                [&[0, 20][..], hash160::Hash::hash(&self.public(0)).as_byte_array()].concat()
            }
            Lock::WitnessMultisig => [&[0, 32][..], sha256::Hash::hash(&code).as_byte_array()].concat(),
            Lock::TaprootKey => {
                let key = self.keys[0].x_only_public_key().0.tap_tweak(&self.secp, None).0;
                [&[0x51, 32][..], &key.to_x_only_public_key().serialize()].concat()
            }
            Lock::Tapscript => {
                [&[0x51, 32][..], &self.tree().output_key().to_x_only_public_key().serialize()].concat()
            }
        }
    }

    /// A tree of two leaves, the first of which is run.
    fn tree(&self) -> bitcoin::taproot::TaprootSpendInfo {
        let leaf = ScriptBuf::from_bytes(self.code(Lock::Tapscript));
        let other = ScriptBuf::from_bytes(vec![0x51]);
        let builder = TaprootBuilder::new().add_leaf(1, leaf).unwrap().add_leaf(1, other).unwrap();
        builder.finalize(&self.secp, self.keys[2].x_only_public_key().0).unwrap()
    }

    fn open(&self, lock: Lock, context: &TxContext<'_>, i: usize, code: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
        let legacy = |n| self.ecdsa(n, context.legacy_sighash(i, code, 1).unwrap());
        let v0 = |n| self.ecdsa(n, context.segwit_v0_sighash(i, code, 1, VALUE_SAT).unwrap());
        match lock {
            Lock::KeyHash => ([push(&legacy(0)), push(&self.public(0))].concat(), vec![]),
            Lock::RedeemMultisig => {
                ([vec![0], push(&legacy(0)), push(&legacy(1)), push(code)].concat(), vec![])
            }
            Lock::WitnessKeyHash => (vec![], vec![v0(0), self.public(0).to_vec()]),
            Lock::WitnessMultisig => (vec![], vec![vec![], v0(0), v0(1), code.to_vec()]),
            Lock::TaprootKey => {
                let pair = self.keys[0].tap_tweak(&self.secp, None).to_keypair();
                (vec![], vec![self.schnorr(&pair, context, i, None)])
            }
            Lock::Tapscript => {
                let leaf = ScriptBuf::from_bytes(code.to_vec());
                let hash = TapLeafHash::from_script(&leaf, LeafVersion::TapScript).to_byte_array();
                let signature = self.schnorr(&self.keys[0], context, i, Some((hash, u32::MAX)));
                let control = self.tree().control_block(&(leaf, LeafVersion::TapScript)).unwrap();
                (vec![], vec![signature, code.to_vec(), control.serialize()])
            }
        }
    }

    fn ecdsa(&self, n: usize, digest: [u8; 32]) -> Vec<u8> {
        let secret = self.keys[n].secret_key();
        let signature = self.secp.sign_ecdsa(&Message::from_digest(digest), &secret);
        [&signature.serialize_der()[..], &[1]].concat()
    }

    fn schnorr(
        &self,
        pair: &Keypair,
        context: &TxContext<'_>,
        i: usize,
        leaf: Option<([u8; 32], u32)>,
    ) -> Vec<u8> {
        let digest = context.taproot_sighash(i, 0, &TaprootExtra { annex_hash: None, leaf }).unwrap();
        self.secp.sign_schnorr_no_aux_rand(&Message::from_digest(digest), pair).as_ref().to_vec()
    }
}

/// The shortest push of up to 255 bytes.
pub(crate) fn push(bytes: &[u8]) -> Vec<u8> {
    let len = u8::try_from(bytes.len()).unwrap();
    let head: &[u8] = if len < 76 { &[len] } else { &[0x4c, len] };
    [head, bytes].concat()
}
