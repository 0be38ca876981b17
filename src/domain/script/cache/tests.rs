use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use bitcoin::absolute::LockTime;
use bitcoin::hashes::{Hash, hash160};
use bitcoin::key::{Keypair, Secp256k1};
use bitcoin::secp256k1::{Message, SecretKey};
use bitcoin::transaction::Version;
use bitcoin::{Amount, ScriptBuf, Transaction, TxIn, TxOut, Witness};

use super::*;
use crate::script::{
    CachingInterpreter, Interpreter, ScriptError, ScriptFlags, ScriptVerifier, Spend, TaprootExtra, TxContext,
};

type Remembered = (SignatureScheme, [u8; 32], Vec<u8>, Vec<u8>);

/// Remembers everything, and counts what it is asked and told.
#[derive(Default)]
struct Memory {
    facts: Mutex<HashSet<Remembered>>,
    asked: Mutex<Vec<bool>>,
}

fn remembered(fact: &SignatureFact<'_>) -> Remembered {
    (fact.scheme, fact.digest, fact.key.to_vec(), fact.signature.to_vec())
}

impl SignatureCache for Memory {
    fn knows(&self, fact: &SignatureFact<'_>) -> bool {
        let knows = self.facts.lock().unwrap().contains(&remembered(fact));
        self.asked.lock().unwrap().push(knows);
        knows
    }
    fn learn(&self, fact: &SignatureFact<'_>) {
        assert!(self.facts.lock().unwrap().insert(remembered(fact)), "told twice");
    }
}

fn keypair() -> Keypair {
    Keypair::from_secret_key(&Secp256k1::new(), &SecretKey::from_slice(&[3; 32]).unwrap())
}

/// Two inputs: a key hash of version 0 and a taproot key.
fn signed() -> (Transaction, Vec<TxOut>) {
    let (secp, pair) = (Secp256k1::new(), keypair());
    let key = pair.public_key().serialize();
    let hash = hash160::Hash::hash(&key);
    let scripts = [
        [&[0, 20][..], hash.as_byte_array()].concat(),
        [&[0x51, 32][..], &pair.x_only_public_key().0.serialize()].concat(),
    ];
    let prevouts = scripts.map(|s| TxOut { value: Amount::ONE_SAT, script_pubkey: ScriptBuf::from_bytes(s) });
    let mut tx = Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn::default(); 2],
        output: vec![],
    };
    let context = TxContext::new(&tx, &prevouts);
    let code = [&[0x76, 0xa9, 20][..], hash.as_byte_array(), &[0x88, 0xac]].concat();
    let digest = Message::from_digest(context.segwit_v0_sighash(0, &code, 1, 1).unwrap());
    let mut ecdsa = secp.sign_ecdsa(&digest, &pair.secret_key()).serialize_der().to_vec();
    ecdsa.push(1);
    let digest = Message::from_digest(context.taproot_sighash(1, 0, &TaprootExtra::default()).unwrap());
    let schnorr = secp.sign_schnorr_no_aux_rand(&digest, &pair);
    tx.input[0].witness = Witness::from_slice(&[&ecdsa[..], &key]);
    tx.input[1].witness = Witness::from_slice(&[schnorr.as_ref()]);
    (tx, prevouts.to_vec())
}

fn check(
    verifier: &dyn ScriptVerifier,
    tx: &Transaction,
    prevouts: &[TxOut],
) -> Result<(), (usize, ScriptError)> {
    let spend = Spend { tx, wtxid: tx.compute_wtxid(), raw: &[], prevouts };
    let whole = verifier.verify_tx(&spend, ScriptFlags::CONSENSUS);
    for input in 0..tx.input.len() {
        let expected = match whole {
            Err((first, _)) if input > first => continue,
            Err((first, error)) if input == first => Err(error),
            _ => Ok(()),
        };
        assert_eq!(verifier.verify_input(&spend, input, ScriptFlags::CONSENSUS), expected, "{input}");
    }
    whole
}

#[test]
fn a_valid_signature_is_learnt_once_and_known_from_then_on() {
    let (memory, (tx, prevouts)) = (Arc::new(Memory::default()), signed());
    let verifier = CachingInterpreter::new(Arc::clone(&memory));
    assert_eq!(check(&verifier, &tx, &prevouts), Ok(()));
    assert_eq!(memory.asked.lock().unwrap().as_slice(), [false, false, true, true]);
    let schemes: HashSet<_> = memory.facts.lock().unwrap().iter().map(|fact| fact.0).collect();
    assert_eq!(schemes, HashSet::from([SignatureScheme::Ecdsa, SignatureScheme::Schnorr]));
    assert_eq!(check(&Interpreter, &tx, &prevouts), Ok(()));
}

#[test]
fn what_is_not_valid_is_never_learnt() {
    let (memory, (mut tx, prevouts)) = (Arc::new(Memory::default()), signed());
    tx.lock_time = LockTime::from_consensus(1);
    let verifier = CachingInterpreter::new(Arc::clone(&memory));
    assert_eq!(check(&verifier, &tx, &prevouts), Err((0, ScriptError::EvalFalse)));
    tx.input[0].witness = Witness::new();
    tx.input.swap(0, 1);
    let swapped = [prevouts[1].clone(), prevouts[0].clone()];
    assert_eq!(check(&verifier, &tx, &swapped), Err((0, ScriptError::SchnorrSig)));
    assert!(memory.facts.lock().unwrap().is_empty());
    assert!(memory.asked.lock().unwrap().iter().all(|knew| !knew));
}

#[test]
fn what_the_cache_knows_does_not_reach_the_curve() {
    struct Believes;
    impl SignatureCache for Believes {
        fn knows(&self, _: &SignatureFact<'_>) -> bool {
            true
        }
        fn learn(&self, _: &SignatureFact<'_>) {
            panic!("it knows everything already");
        }
    }
    let (mut tx, prevouts) = signed();
    tx.lock_time = LockTime::from_consensus(1);
    assert_eq!(check(&CachingInterpreter::new(Believes), &tx, &prevouts), Ok(()));
}

#[test]
fn the_way_to_a_cache_shows_only_whether_there_is_one() {
    assert_eq!(format!("{:?}", Cached(None)), "Cached(false)");
}
