//! Signatures for a transaction's inputs, from keys and scripts that are known.
//!
//! Owns: what an input needs by the shape of what it spends, and what of it there is. Must not know: where keys come from.

use std::collections::BTreeMap;

use adit_domain::script::{OutputType, ScriptError, ScriptFlags, TxContext, output_type, verify_input};
use bitcoin::ecdsa::Signature;
use bitcoin::key::{Keypair, TapTweak, XOnlyPublicKey};
use bitcoin::script::{Builder, Instruction};
use bitcoin::secp256k1::Message;
use bitcoin::sighash::{EcdsaSighashType, Prevouts, SighashCache, TapSighashType};
use bitcoin::taproot::{LeafVersion, TaprootBuilder};
use bitcoin::{PrivateKey, PublicKey, Script, ScriptBuf, Transaction, TxOut, Witness};
use miniscript::{Miniscript, Segwitv0};

use crate::descriptor::{Known, SECP};

mod reach;

pub(crate) use reach::{Reach, reach};

/// What a signature covers; the default is everything, in the shortest form that there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Covers {
    Default,
    Type(EcdsaSighashType),
}

impl Covers {
    fn ecdsa(self) -> EcdsaSighashType {
        match self {
            Covers::Default => EcdsaSighashType::All,
            Covers::Type(kind) => kind,
        }
    }

    fn schnorr(self) -> TapSighashType {
        match self {
            Covers::Default => TapSighashType::Default,
            Covers::Type(kind) => TapSighashType::from(kind),
        }
    }

    /// Core's words: `ALL|ANYONECANPAY`.
    pub(crate) fn read(text: &str) -> Option<Covers> {
        if text == "DEFAULT" {
            return Some(Covers::Default);
        }
        let kind = match text {
            "ALL" => EcdsaSighashType::All,
            "NONE" => EcdsaSighashType::None,
            "SINGLE" => EcdsaSighashType::Single,
            "ALL|ANYONECANPAY" => EcdsaSighashType::AllPlusAnyoneCanPay,
            "NONE|ANYONECANPAY" => EcdsaSighashType::NonePlusAnyoneCanPay,
            "SINGLE|ANYONECANPAY" => EcdsaSighashType::SinglePlusAnyoneCanPay,
            _ => return None,
        };
        Some(Covers::Type(kind))
    }
}

/// Signatures that are there already, by the key that made them.
pub(crate) type Held = BTreeMap<PublicKey, Vec<u8>>;

/// An input that is to be signed.
pub(crate) struct Job<'a> {
    pub(crate) tx: &'a Transaction,
    pub(crate) input: usize,
    /// What each input spends, in their order.
    pub(crate) spent: &'a [TxOut],
    /// Whether all of those are known: a taproot signature covers them.
    pub(crate) all_known: bool,
    pub(crate) known: &'a Known,
    pub(crate) held: Held,
    pub(crate) covers: Covers,
}

/// Which rules a script's signatures follow.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rules {
    Legacy,
    Segwit,
}

/// Elements for a script, as far as there are any; whether they are all.
struct Elements(Vec<Vec<u8>>, bool);

impl Elements {
    fn none() -> Elements {
        Elements(Vec::new(), false)
    }
}

/// What was made for an input: as much as could be.
#[derive(Clone, Debug, Default)]
pub(crate) struct Made {
    pub(crate) script_sig: ScriptBuf,
    pub(crate) witness: Witness,
}

/// A list of pushes as a script.
fn pushes(elements: &[Vec<u8>]) -> ScriptBuf {
    let one = |builder: Builder, element: &Vec<u8>| match element.as_slice() {
        [] => builder.push_int(0),
        bytes => match <&bitcoin::script::PushBytes>::try_from(bytes) {
            Ok(bytes) => builder.push_slice(bytes),
            Err(_) => builder,
        },
    };
    elements.iter().fold(Builder::new(), one).into_script()
}

impl Job<'_> {
    fn output(&self) -> Option<&TxOut> {
        self.spent.get(self.input)
    }

    /// What the input needs, as far as it is known.
    pub(crate) fn solve(&self) -> Made {
        let Some(output) = self.output() else { return Made::default() };
        let script = &output.script_pubkey;
        let bytes = script.as_bytes();
        match output_type(script) {
            OutputType::ScriptHash => {
                let redeem = self.known.script_of_hash160(bytes.get(2..22).unwrap_or_default());
                redeem.map(|redeem| self.p2sh(redeem)).unwrap_or_default()
            }
            OutputType::WitnessV0KeyHash | OutputType::WitnessV0ScriptHash => {
                Made { script_sig: ScriptBuf::new(), witness: self.segwit(script) }
            }
            OutputType::WitnessV1Taproot => {
                Made { script_sig: ScriptBuf::new(), witness: self.taproot(script).unwrap_or_default() }
            }
            _ => Made { script_sig: pushes(&self.step(script, Rules::Legacy).0), witness: Witness::new() },
        }
    }

    fn p2sh(&self, redeem: &ScriptBuf) -> Made {
        let is_program =
            matches!(output_type(redeem), OutputType::WitnessV0KeyHash | OutputType::WitnessV0ScriptHash);
        if is_program {
            return Made { script_sig: pushes(&[redeem.to_bytes()]), witness: self.segwit(redeem) };
        }
        let Elements(mut elements, _) = self.step(redeem, Rules::Legacy);
        elements.push(redeem.to_bytes());
        Made { script_sig: pushes(&elements), witness: Witness::new() }
    }

    fn segwit(&self, program: &Script) -> Witness {
        let bytes = program.as_bytes();
        if program.is_p2wpkh() {
            let key = self.known.key_of_hash(bytes.get(2..22).unwrap_or_default());
            let inside = key.map(|key| ScriptBuf::new_p2pkh(&key.pubkey_hash()));
            let elements = inside.map_or_else(Elements::none, |inside| self.step(&inside, Rules::Segwit));
            return Witness::from_slice(&elements.0);
        }
        let Some(inside) = self.known.script_of_sha256(bytes.get(2..34).unwrap_or_default()) else {
            return Witness::new();
        };
        let Elements(mut elements, solved) = self.step(inside, Rules::Segwit);
        let satisfied = if solved { None } else { self.miniscript(inside) };
        if let Some(satisfied) = satisfied {
            elements = satisfied;
        }
        elements.push(inside.to_bytes());
        Witness::from_slice(&elements)
    }

    /// Elements for a script of one of the known shapes.
    fn step(&self, script: &Script, rules: Rules) -> Elements {
        let bytes = script.as_bytes();
        match output_type(script) {
            OutputType::PubKey => {
                let key = bytes.get(1..bytes.len().saturating_sub(1)).unwrap_or_default();
                let key = PublicKey::from_slice(key).ok();
                let made = key.and_then(|key| self.signature(&key, script, rules));
                made.map_or_else(Elements::none, |made| Elements(vec![made], true))
            }
            OutputType::PubKeyHash => {
                let key = self.known.key_of_hash(bytes.get(3..23).unwrap_or_default());
                let made = key.and_then(|key| Some((self.signature(key, script, rules)?, key.to_bytes())));
                made.map_or_else(Elements::none, |(made, key)| Elements(vec![made, key], true))
            }
            OutputType::MultiSig { required, .. } => self.multisig(script, usize::from(required), rules),
            _ => Elements::none(),
        }
    }

    /// An empty element, then signatures in the order of the keys; empty ones where they lack.
    fn multisig(&self, script: &Script, required: usize, rules: Rules) -> Elements {
        let made = multisig_keys(script).into_iter();
        let made: Vec<Vec<u8>> =
            made.filter_map(|key| self.signature(&key, script, rules)).take(required).collect();
        let solved = made.len() == required;
        let mut elements = vec![Vec::new()];
        elements.extend(made);
        elements.resize(required.saturating_add(1), Vec::new());
        Elements(elements, solved)
    }

    /// A signature of a key: one that is there, or a new one.
    fn signature(&self, key: &PublicKey, script: &Script, rules: Rules) -> Option<Vec<u8>> {
        if let Some(held) = self.held.get(key) {
            return Some(held.clone());
        }
        let secret = self.known.secrets.get(&key.pubkey_hash().to_raw_hash())?;
        if rules == Rules::Segwit && !key.compressed {
            return None;
        }
        let kind = self.covers.ecdsa();
        let message = self.message(script, rules, kind)?;
        // The first nonce whose R is short, as in Core: the same bytes come of it.
        let signature = SECP.sign_ecdsa_low_r(&message, &secret.inner);
        Some(Signature { signature, sighash_type: kind }.to_vec())
    }

    /// A signature of a key for the script that names it.
    pub(crate) fn sign(&self, key: &PublicKey, code: &Script, is_witness: bool) -> Option<Vec<u8>> {
        self.signature(key, code, if is_witness { Rules::Segwit } else { Rules::Legacy })
    }

    fn message(&self, script: &Script, rules: Rules, kind: EcdsaSighashType) -> Option<Message> {
        let is_single = matches!(kind, EcdsaSighashType::Single | EcdsaSighashType::SinglePlusAnyoneCanPay);
        if is_single && self.input >= self.tx.output.len() {
            return None;
        }
        let mut cache = SighashCache::new(self.tx);
        match rules {
            Rules::Legacy => {
                let hash = cache.legacy_signature_hash(self.input, script, kind.to_u32()).ok()?;
                Some(Message::from(hash))
            }
            Rules::Segwit => {
                let value = self.output()?.value;
                Some(cache.p2wsh_signature_hash(self.input, script, value, kind).ok()?.into())
            }
        }
    }

    /// Of a witness script that is miniscript: what satisfies it with the keys, and with the times that the transaction states.
    fn miniscript(&self, script: &Script) -> Option<Vec<Vec<u8>>> {
        let mini = Miniscript::<PublicKey, Segwitv0>::parse(script).ok()?;
        let mut made = BTreeMap::new();
        for key in mini.iter_pk() {
            if let Some(bytes) = self.signature(&key, script, Rules::Segwit) {
                made.insert(key, Signature::from_slice(&bytes).ok()?);
            }
        }
        let input = self.tx.input.get(self.input)?;
        let times = Times { made, sequence: input.sequence, lock_time: self.tx.lock_time };
        mini.satisfy(times).ok()
    }

    /// By the key alone.
    fn taproot(&self, script: &Script) -> Option<Witness> {
        if !self.all_known {
            return None;
        }
        let output = XOnlyPublicKey::from_slice(script.as_bytes().get(2..34)?).ok()?;
        let tweaked = self.known.taproots.get(&output).and_then(|tap| {
            let secret = self.known.secret_of_x_only(&tap.internal)?;
            let pair = Keypair::from_secret_key(&SECP, &secret.inner);
            Some(pair.tap_tweak(&SECP, root(tap.internal, &tap.leaves)?).to_keypair())
        });
        let pair = tweaked.or_else(|| {
            let secret: &PrivateKey = self.known.secret_of_x_only(&output)?;
            Some(Keypair::from_secret_key(&SECP, &secret.inner))
        })?;
        let kind = self.covers.schnorr();
        let mut cache = SighashCache::new(self.tx);
        let prevouts = Prevouts::All(self.spent);
        let hash = cache.taproot_key_spend_signature_hash(self.input, &prevouts, kind).ok()?;
        let signature = SECP.sign_schnorr_with_aux_rand(&Message::from(hash), &pair, &[0; 32]);
        let signature = bitcoin::taproot::Signature { signature, sighash_type: kind };
        Some(Witness::from_slice(&[signature.to_vec()]))
    }

    /// The signatures of keys of a script among elements that an input has already.
    fn held_in(&self, elements: &[Vec<u8>], script: &Script, rules: Rules) -> Held {
        let mut held = Held::new();
        for element in elements {
            let Ok(signature) = Signature::from_slice(element) else { continue };
            let Some(message) = self.message(script, rules, signature.sighash_type) else { continue };
            let fits =
                |key: &PublicKey| SECP.verify_ecdsa(&message, &signature.signature, &key.inner).is_ok();
            let makers = multisig_keys(script).into_iter().filter(fits);
            held.extend(makers.map(|key| (key, element.clone())));
        }
        held
    }

    /// What a signed copy of the transaction has for this input: its signatures, and the scripts it shows.
    pub(crate) fn gather(&self, known: &mut Known) -> Held {
        let (Some(input), Some(output)) = (self.tx.input.get(self.input), self.output()) else {
            return Held::new();
        };
        let mut elements = elements_of(&input.script_sig);
        let mut script = output.script_pubkey.clone();
        if script.is_p2sh() {
            let Some(redeem) = elements.pop() else { return Held::new() };
            script = ScriptBuf::from_bytes(redeem);
            known.add_script(script.clone());
        }
        if !script.is_p2wsh() {
            return self.held_in(&elements, &script, Rules::Legacy);
        }
        let mut elements = input.witness.to_vec();
        let Some(inside) = elements.pop().map(ScriptBuf::from_bytes) else { return Held::new() };
        known.add_script(inside.clone());
        self.held_in(&elements, &inside, Rules::Segwit)
    }
}

/// The root of a tree of leaves; none inside where there are none.
fn root(
    internal: XOnlyPublicKey,
    leaves: &[(u8, ScriptBuf, LeafVersion)],
) -> Option<Option<bitcoin::taproot::TapNodeHash>> {
    if leaves.is_empty() {
        return Some(None);
    }
    let mut builder = TaprootBuilder::new();
    for (depth, script, version) in leaves {
        builder = builder.add_leaf_with_ver(*depth, script.clone(), *version).ok()?;
    }
    Some(builder.finalize(&SECP, internal).ok()?.merkle_root())
}

/// What satisfies miniscript: signatures, and times.
struct Times {
    made: BTreeMap<PublicKey, Signature>,
    sequence: bitcoin::Sequence,
    lock_time: bitcoin::absolute::LockTime,
}

impl miniscript::Satisfier<PublicKey> for Times {
    fn lookup_ecdsa_sig(&self, key: &PublicKey) -> Option<Signature> {
        self.made.get(key).copied()
    }

    fn check_older(&self, time: bitcoin::relative::LockTime) -> bool {
        <bitcoin::Sequence as miniscript::Satisfier<PublicKey>>::check_older(&self.sequence, time)
    }

    fn check_after(&self, time: bitcoin::absolute::LockTime) -> bool {
        self.sequence.enables_absolute_lock_time()
            && <bitcoin::absolute::LockTime as miniscript::Satisfier<PublicKey>>::check_after(
                &self.lock_time,
                time,
            )
    }
}

/// The keys that a multisig names.
fn multisig_keys(script: &Script) -> Vec<PublicKey> {
    let keys = script.instructions().filter_map(|part| Some(part.ok()?.push_bytes()?.as_bytes().to_vec()));
    keys.filter_map(|key| PublicKey::from_slice(&key).ok()).collect()
}

/// What a script that only pushes pushes.
fn elements_of(script: &Script) -> Vec<Vec<u8>> {
    let element = |part: Instruction<'_>| match part {
        Instruction::PushBytes(bytes) => Some(bytes.as_bytes().to_vec()),
        Instruction::Op(_) => None,
    };
    script.instructions().filter_map(|part| element(part.ok()?)).collect()
}

/// Whether an input is right as it stands, by the rules of relay.
pub(crate) fn check(tx: &Transaction, input: usize, spent: &[TxOut]) -> Result<(), ScriptError> {
    verify_input(&TxContext::new(tx, spent), input, ScriptFlags::STANDARD)
}
