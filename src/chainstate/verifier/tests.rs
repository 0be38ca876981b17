use bitcoin::absolute::LockTime;
use bitcoin::consensus::encode::serialize;
use bitcoin::key::{Keypair, TapTweak};
use bitcoin::secp256k1::{Message, Secp256k1};
use bitcoin::sighash::{EcdsaSighashType, Prevouts, SighashCache, TapSighashType};
use bitcoin::transaction::Version;
use bitcoin::{
    Amount, CompressedPublicKey, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness,
};

use super::*;

/// A valid spend of two outputs, the first by P2WPKH, the second by taproot's key path; and what its signatures say.
struct Signed {
    tx: Transaction,
    prevouts: [TxOut; 2],
    ecdsa: ([u8; 32], Vec<u8>, Vec<u8>),
    schnorr: ([u8; 32], Vec<u8>, Vec<u8>),
}

fn txid_of(n: u8) -> Txid {
    Txid::from_byte_array([n; 32])
}

fn unsigned(n: u8) -> Transaction {
    let input = |vout| TxIn {
        previous_output: OutPoint { txid: txid_of(n), vout },
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::new(),
    };
    let output = TxOut { value: Amount::from_sat(900), script_pubkey: ScriptBuf::from(vec![0x51]) };
    Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![input(0), input(1)],
        output: vec![output],
    }
}

fn signed(n: u8) -> Signed {
    let curve = Secp256k1::new();
    let pair = Keypair::from_seckey_slice(&curve, &[7; 32]).unwrap();
    let key = CompressedPublicKey(pair.public_key());
    let value = Amount::from_sat(1_000);
    let segwit = TxOut { value, script_pubkey: ScriptBuf::new_p2wpkh(&key.wpubkey_hash()) };
    let internal = pair.x_only_public_key().0;
    let taproot = TxOut { value, script_pubkey: ScriptBuf::new_p2tr(&curve, internal, None) };
    let prevouts = [segwit, taproot];

    let mut tx = unsigned(n);
    let mut cache = SighashCache::new(&tx);
    let script = &prevouts[0].script_pubkey;
    let digest =
        cache.p2wpkh_signature_hash(0, script, value, EcdsaSighashType::All).unwrap().to_byte_array();
    let tap = cache.taproot_key_spend_signature_hash(1, &Prevouts::All(&prevouts), TapSighashType::Default);
    let tap = tap.unwrap().to_byte_array();
    let der = curve.sign_ecdsa(&Message::from_digest(digest), &pair.secret_key()).serialize_der().to_vec();
    let tweaked = pair.tap_tweak(&curve, None).to_keypair();
    let schnorr = curve.sign_schnorr_no_aux_rand(&Message::from_digest(tap), &tweaked).serialize().to_vec();
    let key = key.to_bytes().to_vec();
    tx.input[0].witness = Witness::from_slice(&[[der.as_slice(), &[1]].concat(), key.clone()]);
    tx.input[1].witness = Witness::from_slice(&[schnorr.as_slice()]);
    let output_key = tweaked.x_only_public_key().0.serialize().to_vec();
    Signed { tx, prevouts, ecdsa: (digest, key, der), schnorr: (tap, output_key, schnorr) }
}

impl Signed {
    fn asked_of(
        &self,
        verifier: &dyn ScriptVerifier,
        flags: ScriptFlags,
    ) -> Result<(), (usize, ScriptError)> {
        let raw = serialize(&self.tx);
        let wtxid = self.tx.compute_wtxid();
        verifier.verify_tx(&Spend { tx: &self.tx, wtxid, raw: &raw, prevouts: &self.prevouts }, flags)
    }

    fn facts<'a>(&'a self) -> [SignatureFact<'a>; 2] {
        let fact = |scheme, (digest, key, signature): &'a ([u8; 32], Vec<u8>, Vec<u8>)| SignatureFact {
            scheme,
            digest: *digest,
            key,
            signature,
        };
        [fact(SignatureScheme::Ecdsa, &self.ecdsa), fact(SignatureScheme::Schnorr, &self.schnorr)]
    }

    /// With another byte in its first signature.
    fn mutated(&self) -> Signed {
        let Signed { mut tx, prevouts, ecdsa, schnorr } = signed(self.tx.input[0].previous_output.txid[0]);
        let mut signature = tx.input[0].witness.nth(0).unwrap().to_vec();
        signature[20] ^= 1;
        tx.input[0].witness = Witness::from_slice(&[&signature, &ecdsa.1]);
        assert_eq!(tx.compute_txid(), self.tx.compute_txid());
        assert_ne!(tx.compute_wtxid(), self.tx.compute_wtxid());
        Signed { tx, prevouts, ecdsa, schnorr }
    }
}

struct Rig {
    caches: Arc<ScriptCaches>,
    pool: PoolVerifier,
    block: BlockVerifier,
}

impl Rig {
    fn new() -> Rig {
        let caches = ScriptCaches::new([3; 32], 1);
        Rig { pool: PoolVerifier::new(&caches), block: BlockVerifier::new(&caches), caches }
    }

    fn known_signatures(&self, signed: &Signed) -> [bool; 2] {
        signed.facts().map(|fact| self.caches.signatures.table.contains(&self.caches.signature(&fact)))
    }

    fn admit(&self, signed: &Signed) {
        for flags in [ScriptFlags::STANDARD, ScriptFlags::CONSENSUS] {
            assert_eq!(signed.asked_of(&self.pool, flags), Ok(()));
        }
    }
}

const BLOCK: ScriptFlags = ScriptFlags::CONSENSUS;
const BAD: Result<(), (usize, ScriptError)> = Err((0, ScriptError::EvalFalse));

#[test]
fn what_the_mempool_took_is_not_verified_again_in_a_block() {
    let (rig, tx) = (Rig::new(), signed(1));
    assert_eq!(tx.asked_of(&rig.pool, ScriptFlags::STANDARD), Ok(()));
    // Under the rules of policy, signatures are learnt and nothing more.
    assert_eq!(rig.known_signatures(&tx), [true; 2]);
    assert!(rig.caches.transactions.table.is_unused());
    assert_eq!(tx.asked_of(&rig.pool, BLOCK), Ok(()));
    assert_eq!(tx.asked_of(&rig.block, BLOCK), Ok(()));
    assert_eq!(rig.caches.found(), 1);
    // A block that takes its place after a reorganisation has it too.
    assert_eq!(tx.asked_of(&rig.block, BLOCK), Ok(()));
    assert_eq!(rig.caches.found(), 2);
}

#[test]
fn under_other_rules_the_scripts_run_and_the_signatures_are_known() {
    let (rig, tx) = (Rig::new(), signed(1));
    rig.admit(&tx);
    for flags in [BLOCK.without(ScriptFlags::NULLDUMMY), BLOCK.without(ScriptFlags::TAPROOT)] {
        assert_eq!(tx.asked_of(&rig.block, flags), Ok(()));
    }
    assert_eq!(rig.caches.found(), 0);
    assert_eq!(rig.known_signatures(&tx), [true; 2]);
    // What flags bring with them makes no other rules.
    assert_eq!(tx.asked_of(&rig.block, BLOCK.without(ScriptFlags::P2SH)), Ok(()));
    assert_eq!(rig.caches.found(), 1);
}

#[test]
fn a_block_leaves_nothing_behind() {
    let (rig, tx) = (Rig::new(), signed(1));
    for seen in [None, Some(signed(2))] {
        seen.iter().for_each(|other| rig.admit(other));
        for _ in 0..2 {
            assert_eq!(tx.asked_of(&rig.block, BLOCK), Ok(()));
        }
        assert_eq!((rig.caches.found(), rig.known_signatures(&tx)), (0, [false; 2]));
    }
}

#[test]
fn another_witness_of_the_same_transaction_is_another_one() {
    let (rig, tx) = (Rig::new(), signed(1));
    let bad = tx.mutated();
    rig.admit(&tx);
    for _ in 0..2 {
        assert_eq!(bad.asked_of(&rig.block, BLOCK), BAD);
        assert_eq!(bad.asked_of(&rig.pool, BLOCK), BAD);
    }
    assert_eq!(rig.caches.found(), 0);
}

#[test]
fn what_is_invalid_never_gets_in() {
    let (rig, bad) = (Rig::new(), signed(1).mutated());
    for _ in 0..2 {
        assert_eq!(bad.asked_of(&rig.pool, ScriptFlags::STANDARD), Err((0, ScriptError::SigNullFail)));
        assert_eq!(bad.asked_of(&rig.pool, BLOCK), BAD);
        assert_eq!(bad.asked_of(&rig.block, BLOCK), BAD);
    }
    assert!(rig.caches.transactions.table.is_unused() && rig.caches.signatures.table.is_unused());
}

/// A transaction names the outputs that it spends by hashes over them, so that none can stand for another; if one could, its
/// signatures would be others.
#[test]
fn a_signature_of_another_output_is_not_known() {
    let (rig, tx) = (Rig::new(), signed(1));
    rig.admit(&tx);
    let mut other = signed(1);
    other.prevouts[0].value = Amount::from_sat(1_001);
    let under = BLOCK.without(ScriptFlags::NULLDUMMY);
    assert_eq!(other.asked_of(&rig.block, under), BAD);
    let other = signed(2);
    assert_eq!(rig.known_signatures(&other), [false; 2]);
}

#[test]
fn every_part_of_a_signature_is_part_of_its_entry() {
    let caches = ScriptCaches::new([3; 32], 0);
    let fact =
        SignatureFact { scheme: SignatureScheme::Ecdsa, digest: [1; 32], key: &[2; 33], signature: &[3; 70] };
    let others = [
        SignatureFact { scheme: SignatureScheme::Schnorr, ..fact },
        SignatureFact { digest: [2; 32], ..fact },
        SignatureFact { key: &[4; 33], ..fact },
        SignatureFact { key: &[2; 32], ..fact },
        SignatureFact { signature: &[3; 71], ..fact },
        SignatureFact { signature: &[4; 70], ..fact },
        // The same bytes, parted elsewhere.
        SignatureFact { key: &[3; 33], signature: &[3; 71], ..fact },
        SignatureFact { key: &[3; 65], signature: &[3; 39], ..fact },
    ];
    let mut entries: Vec<Entry> = others.iter().chain([&fact]).map(|fact| caches.signature(fact)).collect();
    entries.push(ScriptCaches::new([4; 32], 0).signature(&fact));
    for (n, entry) in entries.iter().enumerate() {
        assert!(!entries[..n].contains(entry), "{n}");
    }
}

#[test]
fn the_two_caches_share_the_room_and_hide_the_secret() {
    let caches = ScriptCaches::new([0xab; 32], SCRIPT_CACHE_MIB_DEFAULT);
    let bytes = caches.signatures.table.bytes() + caches.transactions.table.bytes();
    assert_eq!(bytes, SCRIPT_CACHE_MIB_DEFAULT << 20);
    assert_eq!(format!("{caches:?}"), "ScriptCaches { found: 0, .. }");
}

#[test]
fn one_input_alone_is_verified_as_ever() {
    let (rig, tx) = (Rig::new(), signed(1));
    let raw = serialize(&tx.tx);
    let wtxid = tx.tx.compute_wtxid();
    let spend = Spend { tx: &tx.tx, wtxid, raw: &raw, prevouts: &tx.prevouts };
    for verifier in [&rig.pool as &dyn ScriptVerifier, &rig.block] {
        assert_eq!(verifier.verify_input(&spend, 1, BLOCK), Ok(()));
        assert_eq!(verifier.verify_input(&spend, 2, BLOCK), Err(ScriptError::Unknown));
    }
    assert!(rig.caches.transactions.table.is_unused());
}
