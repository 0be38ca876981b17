//! What it takes to spend an output: how far it can be told from the keys and scripts that are known.

use adit_domain::script::{OutputType, output_type};
use bitcoin::hashes::{Hash, hash160};
use bitcoin::{PublicKey, Script, ScriptBuf, XOnlyPublicKey};
use miniscript::{Miniscript, Segwitv0};

use super::multisig_keys;
use crate::descriptor::Known;

/// Scripts in each other at most: P2SH, a witness program in it, and its script.
const DEPTH_MAX: usize = 3;

/// What was found on the way from an output to the keys that sign for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reach {
    /// The script that signatures are for; none where the way ends before.
    pub(crate) code: Option<ScriptBuf>,
    /// The keys that it names, in their order.
    pub(crate) keys: Vec<PublicKey>,
    /// The script behind a P2SH output.
    pub(crate) redeem: Option<ScriptBuf>,
    /// The script behind a witness program.
    pub(crate) witness: Option<ScriptBuf>,
    /// Whether it is spent by a witness that can be told.
    pub(crate) is_witness: bool,
    /// The key of a taproot output.
    pub(crate) taproot: Option<XOnlyPublicKey>,
    /// Whether it is a shape that can be signed for.
    pub(crate) is_solvable: bool,
    /// The hash of a key that is not known.
    pub(crate) missing_key: Option<hash160::Hash>,
    /// The hash of a P2SH output's script that is not known.
    pub(crate) missing_redeem: Option<hash160::Hash>,
    /// The hash of a witness program's script that is not known, as it stands there.
    pub(crate) missing_witness: Option<Vec<u8>>,
}

/// The way from an output's script.
pub(crate) fn reach(output: &Script, known: &Known) -> Reach {
    let mut found = Reach::default();
    let mut script = output.to_owned();
    for _ in 0..DEPTH_MAX {
        let Some(inside) = found.step(&script, known) else { break };
        script = inside;
    }
    found
}

impl Reach {
    /// Takes a script in; the one that stands behind it, if there is one.
    fn step(&mut self, script: &Script, known: &Known) -> Option<ScriptBuf> {
        let bytes = script.as_bytes();
        let part = |from: usize, to: usize| bytes.get(from..to).unwrap_or_default();
        match output_type(script) {
            OutputType::ScriptHash if self.redeem.is_none() && !self.is_witness => {
                self.redeem = known.script_of_hash160(part(2, 22)).cloned();
                self.missing_redeem =
                    if self.redeem.is_none() { hash160::Hash::from_slice(part(2, 22)).ok() } else { None };
                return self.redeem.clone();
            }
            OutputType::WitnessV0ScriptHash if !self.is_witness => {
                self.witness = known.script_of_sha256(part(2, 34)).cloned();
                self.is_witness = self.witness.is_some();
                self.missing_witness = self.witness.is_none().then(|| part(2, 34).to_vec());
                return self.witness.clone();
            }
            OutputType::WitnessV0KeyHash if !self.is_witness => {
                self.is_witness = true;
                let hash = bitcoin::PubkeyHash::from_slice(part(2, 22)).ok()?;
                return Some(ScriptBuf::new_p2pkh(&hash));
            }
            OutputType::WitnessV1Taproot if !self.is_witness && self.redeem.is_none() => {
                self.is_witness = true;
                self.taproot = XOnlyPublicKey::from_slice(part(2, 34)).ok();
            }
            OutputType::PubKey => {
                let key = PublicKey::from_slice(part(1, bytes.len().saturating_sub(1))).ok();
                self.signed_by(script, key.into_iter().collect());
            }
            OutputType::PubKeyHash => match known.key_of_hash(part(3, 23)) {
                Some(key) => self.signed_by(script, vec![*key]),
                None => self.missing_key = hash160::Hash::from_slice(part(3, 23)).ok(),
            },
            OutputType::MultiSig { .. } => self.signed_by(script, multisig_keys(script)),
            _ if self.is_witness => {
                if let Ok(mini) = Miniscript::<PublicKey, Segwitv0>::parse(script) {
                    self.signed_by(script, mini.iter_pk().collect());
                }
            }
            _ => {}
        }
        None
    }

    fn signed_by(&mut self, code: &Script, keys: Vec<PublicKey>) {
        self.is_solvable = !keys.is_empty();
        (self.code, self.keys) = (Some(code.to_owned()), keys);
    }
}

#[cfg(test)]
mod tests;
