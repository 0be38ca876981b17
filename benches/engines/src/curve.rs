//! What an input costs on the curve alone: keys and signatures read and checked, without script and digest.

use std::sync::Mutex;

use adit_domain::script::{
    CachingInterpreter, ScriptVerifier, SignatureCache, SignatureFact, SignatureScheme,
};
use bitcoin::taproot::{ControlBlock, TapNodeHash, TapTweakHash};
use bitcoin::{ScriptBuf, TapLeafHash, TxIn, TxOut};
use secp256k1::{Message, Parity, PublicKey, Scalar, XOnlyPublicKey, ecdsa, schnorr};

use crate::{FLAGS, Job};

/// One operation on the curve, as a script asked for it.
#[derive(Clone, Debug)]
enum Operation {
    Ecdsa { key: Vec<u8>, der: Vec<u8>, digest: [u8; 32] },
    Schnorr { key: Vec<u8>, signature: Vec<u8>, digest: [u8; 32] },
    Tweak { internal: [u8; 32], output: Vec<u8>, parity: Parity, tweak: Scalar },
}

/// All that one job asks of the curve.
#[derive(Clone, Debug)]
pub struct CurveJob(Vec<Operation>);

/// Notes what it is asked and knows nothing.
#[derive(Default)]
struct Notes(Mutex<Vec<Operation>>);

impl SignatureCache for Notes {
    fn knows(&self, fact: &SignatureFact<'_>) -> bool {
        let (key, digest) = (fact.key.to_vec(), fact.digest);
        self.0.lock().unwrap().push(match fact.scheme {
            SignatureScheme::Ecdsa => Operation::Ecdsa { key, der: fact.signature.to_vec(), digest },
            SignatureScheme::Schnorr => {
                Operation::Schnorr { key, signature: fact.signature.to_vec(), digest }
            }
        });
        false
    }
    fn learn(&self, _: &SignatureFact<'_>) {}
}

/// Takes every signature for valid: what is left is everything but the curve (and a script path's tweak).
#[derive(Clone, Copy, Debug, Default)]
pub struct Believer;

impl SignatureCache for Believer {
    fn knows(&self, _: &SignatureFact<'_>) -> bool {
        true
    }
    fn learn(&self, _: &SignatureFact<'_>) {}
}

impl CurveJob {
    /// Runs the job once and keeps what it asked.
    pub fn new(job: &Job) -> CurveJob {
        let verifier = CachingInterpreter::new(Notes::default());
        let _ = verifier.verify_tx(&job.spend(), FLAGS);
        let mut operations = verifier.into_cache().0.into_inner().unwrap();
        operations.extend(job.tx.input.iter().zip(&job.prevouts).filter_map(tweak));
        CurveJob(operations)
    }

    /// How many operations.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The operations alone, all of which must hold.
    pub fn run(&self) -> bool {
        self.0.iter().filter(|operation| operation.run()).count() > 0
    }

    /// The tweaks alone.
    pub fn run_tweaks(&self) -> bool {
        let tweaks = self.0.iter().filter(|operation| matches!(operation, Operation::Tweak { .. }));
        tweaks.filter(|operation| operation.run()).count() > 0
    }
}

impl Operation {
    fn run(&self) -> bool {
        match self {
            Operation::Ecdsa { key, der, digest } => {
                let Ok(key) = PublicKey::from_slice(key) else { return false };
                let Ok(mut signature) = ecdsa::Signature::from_der(der) else { return false };
                signature.normalize_s();
                ecdsa::verify(&signature, Message::from_digest(*digest), &key).is_ok()
            }
            Operation::Schnorr { key, signature, digest } => {
                let (Ok(key), Ok(signature)) = (key.as_slice().try_into(), signature.as_slice().try_into())
                else {
                    return false;
                };
                let Ok(key) = XOnlyPublicKey::from_byte_array(key) else { return false };
                schnorr::verify(&schnorr::Signature::from_byte_array(signature), digest, &key).is_ok()
            }
            Operation::Tweak { internal, output, parity, tweak } => {
                let Ok(internal) = XOnlyPublicKey::from_byte_array(*internal) else { return false };
                let tweaked = internal.add_tweak(tweak);
                tweaked.is_ok_and(|(key, odd)| odd == *parity && key.to_byte_array()[..] == output[..])
            }
        }
    }
}

/// The tweak that a script path is checked by.
fn tweak((input, prevout): (&TxIn, &TxOut)) -> Option<Operation> {
    if !prevout.script_pubkey.is_p2tr() {
        return None;
    }
    let mut elements: Vec<&[u8]> = input.witness.iter().collect();
    if elements.len() > 1 && elements.last()?.first() == Some(&0x50) {
        elements.pop();
    }
    let [.., script, control] = elements.as_slice() else { return None };
    let control = ControlBlock::decode(control).ok()?;
    let leaf = TapLeafHash::from_script(&ScriptBuf::from_bytes(script.to_vec()), control.leaf_version);
    let root = control
        .merkle_branch
        .iter()
        .fold(TapNodeHash::from(leaf), |node, other| TapNodeHash::from_node_hashes(node, *other));
    Some(Operation::Tweak {
        internal: control.internal_key.serialize(),
        output: prevout.script_pubkey.as_bytes().get(2..)?.to_vec(),
        parity: Parity::from_u8(control.output_key_parity.to_u8()).ok()?,
        tweak: Scalar::from_be_bytes(
            TapTweakHash::from_key_and_tweak(control.internal_key, Some(root)).to_scalar().to_be_bytes(),
        )
        .ok()?,
    })
}
