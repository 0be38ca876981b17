//! Opcodes that check signatures.

use std::borrow::Cow;

use super::{Input, Rules, Run, Tapscript, ensure};
use crate::script::opcode::{MULTISIG_KEYS_MAX, OP_PUSHDATA1, OP_PUSHDATA2, Reader};
use crate::script::sighash::TaprootExtra;
use crate::script::signature::{
    check_key_encoding, check_signature_encoding, verify_ecdsa, verify_schnorr_by,
};
use crate::script::stack::Element;
use crate::script::standard::has_key_form;
use crate::script::{ScriptError, ScriptFlags, SignatureFact, SignatureScheme};

/// What a signature check costs of a tapscript's budget (BIP-0342).
const BUDGET_PER_CHECK: i64 = 50;

impl<'s> Run<'_, 's, '_> {
    /// `signature key -- valid`.
    pub(super) fn check_sig(&mut self, verify: bool) -> Result<(), ScriptError> {
        let (signature, key) = (self.stack.peek(1)?, self.stack.peek(0)?);
        let valid = self.check_one(signature.as_bytes(), key.as_bytes())?;
        self.stack.drop(2)?;
        self.conclude(valid, verify, ScriptError::CheckSigVerify)
    }

    /// `signature number key -- number + valid`. BIP-0342.
    pub(super) fn check_sig_add(&mut self) -> Result<(), ScriptError> {
        ensure(self.is_tapscript(), ScriptError::BadOpcode)?;
        let (signature, key) = (self.stack.peek(2)?, self.stack.peek(0)?);
        let number = self.peek_num(1)?;
        let valid = self.check_one(signature.as_bytes(), key.as_bytes())?;
        self.stack.drop(3)?;
        self.push_num(number.saturating_add(i64::from(valid)));
        Ok(())
    }

    fn check_one(&mut self, signature: &[u8], key: &[u8]) -> Result<bool, ScriptError> {
        if let Rules::Tapscript(tapscript) = &mut self.rules {
            let code_separator = self.code_separator;
            let spends = !signature.is_empty();
            if spends {
                tapscript.budget = tapscript.budget.saturating_sub(BUDGET_PER_CHECK);
                ensure(tapscript.budget >= 0, ScriptError::TapscriptValidationWeight)?;
            }
            let tapscript = *tapscript;
            self.check_in_tapscript(&tapscript, code_separator, signature, key)?;
            return Ok(spends);
        }
        let code = self.script_code(&[signature])?;
        let valid = self.check_ecdsa(&code, signature, key)?;
        if !valid && self.has(ScriptFlags::NULLFAIL) && !signature.is_empty() {
            return Err(ScriptError::SigNullFail);
        }
        Ok(valid)
    }

    /// A signature MUST be valid or empty; a key of 32 bytes is one of BIP-0340, of another length but none stands for
    /// a fork to come, whose signatures nobody reads. BIP-0342.
    fn check_in_tapscript(
        &self,
        tapscript: &Tapscript,
        code_separator: u32,
        signature: &[u8],
        key: &[u8],
    ) -> Result<(), ScriptError> {
        let extra = TaprootExtra {
            annex_hash: tapscript.annex_hash,
            leaf: Some((tapscript.leaf_hash, code_separator)),
        };
        match key.len() {
            0 => Err(ScriptError::TapscriptEmptyPubKey),
            32 if signature.is_empty() => Ok(()),
            32 => check_schnorr(&self.input, signature, key, &extra),
            _ if self.has(ScriptFlags::DISCOURAGE_UPGRADABLE_PUBKEYTYPE) => {
                Err(ScriptError::DiscourageUpgradablePubKeyType)
            }
            _ => Ok(()),
        }
    }

    #[expect(clippy::ptr_arg, reason = "it is kept, without a copy where it is borrowed")]
    fn check_ecdsa(
        &mut self,
        code: &Cow<'s, [u8]>,
        signature: &[u8],
        key: &[u8],
    ) -> Result<bool, ScriptError> {
        check_signature_encoding(signature, self.input.flags)?;
        check_key_encoding(key, self.input.flags, matches!(self.rules, Rules::WitnessV0))?;
        let Some((&hash_type, der)) = signature.split_last() else { return Ok(false) };
        if !has_key_form(key) {
            return Ok(false);
        }
        let digest = self.digest(code, hash_type).ok_or(ScriptError::Unknown)?;
        let fact = SignatureFact { scheme: SignatureScheme::Ecdsa, digest, key, signature: der };
        Ok(self.input.cache.check(&fact, || verify_ecdsa(self.input.memo, key, der, digest)))
    }

    #[expect(clippy::ptr_arg, reason = "it is kept, without a copy where it is borrowed")]
    fn digest(&mut self, code: &Cow<'s, [u8]>, hash_type: u8) -> Option<[u8; 32]> {
        let (context, index) = (self.input.context, self.input.index);
        if matches!(self.rules, Rules::WitnessV0) {
            let amount_sat = context.prevouts().get(index)?.value.to_sat();
            let compute = |kind| context.segwit_v0_midstate(index, code, kind, amount_sat);
            return self.midstates.digest(code, hash_type, compute);
        }
        let without_output = context.legacy_single(index, hash_type.into());
        without_output.or_else(|| {
            self.midstates.digest(code, hash_type, |kind| context.legacy_midstate(index, code, kind))
        })
    }

    /// What signatures sign of the script: all behind the last OP_CODESEPARATOR, and before segwit without the pushes
    /// of the signatures themselves.
    fn script_code(&self, signatures: &[&[u8]]) -> Result<Cow<'s, [u8]>, ScriptError> {
        let mut code = Cow::Borrowed(self.code);
        if !matches!(self.rules, Rules::Base) {
            return Ok(code);
        }
        for signature in signatures {
            // A push longer than the script stands nowhere in it: so it is for most, and nothing is searched.
            let deleted = (signature.len() < code.len()).then(|| find_and_delete(&code, &push_of(signature)));
            if let Some(without) = deleted.flatten() {
                ensure(!self.has(ScriptFlags::CONST_SCRIPTCODE), ScriptError::SigFindAndDelete)?;
                code = Cow::Owned(without);
            }
        }
        Ok(code)
    }

    /// `dummy signature... signatures key... keys -- valid`: the signatures in the order of their keys.
    pub(super) fn check_multisig(&mut self, verify: bool) -> Result<(), ScriptError> {
        ensure(!self.is_tapscript(), ScriptError::TapscriptCheckMultisig)?;
        let named = u8::try_from(self.peek_num(0)?).ok().filter(|keys| *keys <= MULTISIG_KEYS_MAX);
        let named = named.ok_or(ScriptError::PubKeyCount)?;
        self.count_ops(u32::from(named))?;
        let keys = self.elements(1, usize::from(named))?;
        let wanted = u8::try_from(self.peek_num(keys.len().saturating_add(1))?).ok();
        let wanted = wanted.filter(|signatures| *signatures <= named).ok_or(ScriptError::SigCount)?;
        let signatures = self.elements(keys.len().saturating_add(2), usize::from(wanted))?;
        let dummy_depth = keys.len().saturating_add(signatures.len()).saturating_add(2);
        let dummy = self.stack.peek(dummy_depth)?;

        let valid = self.match_signatures(&signatures, &keys)?;
        let all_empty = signatures.iter().all(|signature| signature.as_bytes().is_empty());
        ensure(valid || all_empty || !self.has(ScriptFlags::NULLFAIL), ScriptError::SigNullFail)?;
        let dummy_empty = dummy.as_bytes().is_empty();
        ensure(dummy_empty || !self.has(ScriptFlags::NULLDUMMY), ScriptError::SigNullDummy)?;
        self.stack.drop(dummy_depth.saturating_add(1))?;
        self.conclude(valid, verify, ScriptError::CheckMultisigVerify)
    }

    /// `count` elements down from `depth`.
    fn elements(&self, depth: usize, count: usize) -> Result<Vec<Element<'s>>, ScriptError> {
        (depth..depth.saturating_add(count)).map(|depth| self.stack.peek(depth)).collect()
    }

    /// Whether every signature finds its key; each key is tried once, and none where there are too few left.
    fn match_signatures(
        &mut self,
        signatures: &[Element<'s>],
        keys: &[Element<'s>],
    ) -> Result<bool, ScriptError> {
        let raw: Vec<&[u8]> = signatures.iter().map(Element::as_bytes).collect();
        let code = self.script_code(&raw)?;
        let (mut raw, mut keys) = (raw.as_slice(), keys);
        while let Some((signature, later)) = raw.split_first() {
            if raw.len() > keys.len() {
                return Ok(false);
            }
            let Some((key, other_keys)) = keys.split_first() else { return Ok(false) };
            if self.check_ecdsa(&code, signature, key.as_bytes())? {
                raw = later;
            }
            keys = other_keys;
        }
        Ok(true)
    }
}

/// The signature of a key path or of a tapscript MUST be one of BIP-0340, of 64 bytes or with a hash type that is not
/// the default. BIP-0341.
pub(in crate::script) fn check_schnorr(
    input: &Input<'_>,
    signature: &[u8],
    key: &[u8],
    extra: &TaprootExtra,
) -> Result<(), ScriptError> {
    let (signature, hash_type) = match (signature.len(), signature.split_last()) {
        (64, _) => (signature, 0),
        (65, Some((0, _))) => return Err(ScriptError::SchnorrSigHashType),
        (65, Some((hash_type, signature))) => (signature, *hash_type),
        _ => return Err(ScriptError::SchnorrSigSize),
    };
    let own_output = || input.memo.single_output(input.context, input.index);
    let digest = input.context.taproot_digest(input.index, hash_type, extra, own_output);
    let digest = digest.ok_or(ScriptError::SchnorrSigHashType)?;
    let fact = SignatureFact { scheme: SignatureScheme::Schnorr, digest, key, signature };
    let valid = input.cache.check(&fact, || verify_schnorr_by(input.memo, key, signature, &digest));
    ensure(valid, ScriptError::SchnorrSig)
}

/// The push of a signature as it stands in a script; an empty one is `OP_0`.
fn push_of(signature: &[u8]) -> Vec<u8> {
    let len = signature.len();
    let mut push = match (u8::try_from(len), u16::try_from(len)) {
        (Ok(short @ ..OP_PUSHDATA1), _) => vec![short],
        (Ok(one), _) => vec![OP_PUSHDATA1, one],
        (_, two) => {
            let [low, high] = two.unwrap_or(u16::MAX).to_le_bytes();
            vec![OP_PUSHDATA2, low, high]
        }
    };
    push.extend_from_slice(signature);
    push
}

/// The script without `needle` wherever it begins where an instruction begins; none where it never does.
fn find_and_delete(script: &[u8], needle: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader::new(script);
    let mut kept: Option<Vec<u8>> = None;
    loop {
        let here = reader.rest();
        if reader.skip_prefix(needle) {
            kept.get_or_insert_with(|| before(script, here).to_vec());
            continue;
        }
        let is_instruction = matches!(reader.read(), Some(Ok(_)));
        let read = if is_instruction { before(here, reader.rest()) } else { here };
        if let Some(kept) = &mut kept {
            kept.extend_from_slice(read);
        }
        if !is_instruction {
            return kept;
        }
    }
}

/// What `whole` has before its end `rest`.
fn before<'a>(whole: &'a [u8], rest: &[u8]) -> &'a [u8] {
    whole.get(..whole.len().saturating_sub(rest.len())).unwrap_or_default()
}

#[cfg(test)]
mod tests;
