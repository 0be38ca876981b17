//! What is relayed and mined although more would be valid: one rule a function, in the order in which Bitcoin Core asks.

use bitcoin::{Script, Transaction, TxIn, TxOut, Witness};

use super::feerate::fee_at_ceil;
use super::limits::{
    BARE_MULTISIG_KEYS_MAX, DUST_OUTPUTS_MAX, P2SH_SIGOPS_MAX, SCRIPT_SIG_BYTES_MAX, TX_BASE_BYTES_MIN,
    TX_LEGACY_SIGOPS_MAX, TX_WEIGHT_MAX, WITNESS_ITEM_BYTES_MAX, WITNESS_ITEMS_MAX, WITNESS_SCRIPT_BYTES_MAX,
};
use super::{InputFlaw, MempoolConfig, TxRejected};
use crate::script::{OutputType, accurate_sigop_count, is_unspendable, output_type, p2sh_sigop_count};
use crate::wire::ParsedTx;

/// Bytes that spending an output takes, beside the output itself: outpoint, script length, sequence and a signature with its
/// key; a quarter of those two where they stand in the witness.
const SPEND_BYTES: u64 = 32 + 4 + 1 + 107 + 4;
const WITNESS_SPEND_BYTES: u64 = 32 + 4 + 1 + 107 / 4 + 4;

/// The first byte of an annex (BIP341).
const ANNEX_TAG: u8 = 0x50;
/// The leaf version of tapscript, and the bits of a control block's first byte that hold a leaf version (BIP341).
const TAPSCRIPT_LEAF: u8 = 0xc0;
const LEAF_MASK: u8 = 0xfe;

/// What a transaction looks like by itself.
pub(super) fn check_form(parsed: &ParsedTx, config: &MempoolConfig) -> Result<(), TxRejected> {
    let tx = parsed.tx();
    check_version(tx)?;
    check_weight(parsed)?;
    tx.input.iter().try_for_each(check_script_sig)?;
    check_outputs(tx, config)?;
    check_dust(tx, config.dust_sat_per_kvb)
}

/// The version MUST be 1, 2 or 3. `version`
fn check_version(tx: &Transaction) -> Result<(), TxRejected> {
    require((1..=3).contains(&tx.version.0), TxRejected::Version)
}

/// The weight MUST NOT exceed a tenth of a block's. `tx-size`
fn check_weight(parsed: &ParsedTx) -> Result<(), TxRejected> {
    require(parsed.weight().to_wu() <= TX_WEIGHT_MAX, TxRejected::Size)
}

/// An input's script MUST be short and nothing but pushes. `scriptsig-size`, `scriptsig-not-pushonly`
fn check_script_sig(input: &TxIn) -> Result<(), TxRejected> {
    require(input.script_sig.len() <= SCRIPT_SIG_BYTES_MAX, TxRejected::ScriptSigSize)?;
    require(input.script_sig.is_push_only(), TxRejected::ScriptSigNotPushOnly)
}

/// Every output's script MUST have a known shape, and all data together MUST fit. `scriptpubkey`, `datacarrier`, `bare-multisig`
fn check_outputs(tx: &Transaction, config: &MempoolConfig) -> Result<(), TxRejected> {
    let mut data_bytes = 0usize;
    for output in &tx.output {
        match output_type(&output.script_pubkey) {
            OutputType::NonStandard => return Err(TxRejected::ScriptPubKey),
            OutputType::MultiSig { keys, .. } if keys > BARE_MULTISIG_KEYS_MAX => {
                return Err(TxRejected::ScriptPubKey);
            }
            OutputType::MultiSig { .. } if !config.bare_multisig => return Err(TxRejected::BareMultisig),
            OutputType::NullData => data_bytes = data_bytes.saturating_add(output.script_pubkey.len()),
            _ => {}
        }
        require(data_bytes <= config.data_bytes_max, TxRejected::DataCarrier)?;
    }
    Ok(())
}

/// One output alone MAY be worth less than it costs to spend: where nobody is paid for it, and its child spends it. `dust`
fn check_dust(tx: &Transaction, sat_per_kvb: u64) -> Result<(), TxRejected> {
    require(dust(tx, sat_per_kvb).len() <= DUST_OUTPUTS_MAX, TxRejected::Dust)
}

/// Outputs that are worth less than it costs to spend them.
pub(super) fn dust(tx: &Transaction, sat_per_kvb: u64) -> Vec<u32> {
    let is_dust = |output: &TxOut| output.value.to_sat() < dust_limit_sat(output, sat_per_kvb);
    (0..).zip(&tx.output).filter(|(_, output)| is_dust(output)).map(|(vout, _)| vout).collect()
}

fn dust_limit_sat(output: &TxOut, sat_per_kvb: u64) -> u64 {
    if is_unspendable(&output.script_pubkey) {
        return 0;
    }
    let own = u64::try_from(output.size()).unwrap_or(u64::MAX);
    let spend = if output.script_pubkey.is_witness_program() { WITNESS_SPEND_BYTES } else { SPEND_BYTES };
    fee_at_ceil(sat_per_kvb, own.saturating_add(spend))
}

/// Without witnesses it MUST be longer than a node of a merkle tree. `tx-size-small`
pub(super) fn check_base_size(tx: &Transaction) -> Result<(), TxRejected> {
    require(tx.base_size() >= TX_BASE_BYTES_MIN, TxRejected::SizeSmall)
}

/// Every spent output's script MUST have a known shape and not cost too much. `bad-txns-nonstandard-inputs`
pub(super) fn check_inputs(tx: &Transaction, prevouts: &[TxOut]) -> Result<(), TxRejected> {
    let pairs = || tx.input.iter().zip(prevouts);
    let legacy =
        pairs().fold(0u32, |sum, (input, prevout)| sum.saturating_add(legacy_sigops(input, prevout)));
    require(legacy <= TX_LEGACY_SIGOPS_MAX, TxRejected::NonStandardInputs(InputFlaw::Sigops))?;
    let flaw = (0..).zip(pairs()).find_map(|(at, (input, prevout))| flaw_of(at, input, prevout));
    flaw.map_or(Ok(()), |flaw| Err(TxRejected::NonStandardInputs(flaw)))
}

fn flaw_of(at: usize, input: &TxIn, prevout: &TxOut) -> Option<InputFlaw> {
    match output_type(&prevout.script_pubkey) {
        OutputType::NonStandard => Some(InputFlaw::Unknown(at)),
        OutputType::WitnessUnknown { .. } => Some(InputFlaw::Undefined(at)),
        OutputType::ScriptHash if input.script_sig.is_empty() => Some(InputFlaw::NoRedeemScript(at)),
        OutputType::ScriptHash => {
            let sigops = p2sh_sigop_count(&input.script_sig, &prevout.script_pubkey);
            (sigops > P2SH_SIGOPS_MAX).then_some(InputFlaw::RedeemScriptSigops { input: at, sigops })
        }
        _ => None,
    }
}

/// Signature operations that are executed outside of witnesses (BIP54).
fn legacy_sigops(input: &TxIn, prevout: &TxOut) -> u32 {
    let spent = match prevout.script_pubkey.is_p2sh() {
        true => p2sh_sigop_count(&input.script_sig, &prevout.script_pubkey),
        false => accurate_sigop_count(&prevout.script_pubkey),
    };
    accurate_sigop_count(&input.script_sig).saturating_add(spent)
}

/// A witness MUST belong to a witness program, and be no larger than its kind needs. `bad-witness-nonstandard`
pub(super) fn check_witnesses(tx: &Transaction, prevouts: &[TxOut]) -> Result<(), TxRejected> {
    let sound =
        |(input, prevout): (&TxIn, &TxOut)| input.witness.is_empty() || is_witness_standard(input, prevout);
    require(tx.input.iter().zip(prevouts).all(sound), TxRejected::WitnessNonStandard)
}

fn is_witness_standard(input: &TxIn, prevout: &TxOut) -> bool {
    if !prevout.script_pubkey.is_p2sh() {
        return is_program_standard(&prevout.script_pubkey, &input.witness, false);
    }
    input.script_sig.redeem_script().is_some_and(|redeem| is_program_standard(redeem, &input.witness, true))
}

fn is_program_standard(program: &Script, witness: &Witness, behind_p2sh: bool) -> bool {
    match output_type(program) {
        OutputType::WitnessV0ScriptHash => is_script_witness_standard(witness),
        OutputType::WitnessV1Taproot if !behind_p2sh => is_taproot_witness_standard(witness),
        OutputType::Anchor => false,
        _ => program.is_witness_program(),
    }
}

fn is_script_witness_standard(witness: &Witness) -> bool {
    let items = witness.len().saturating_sub(1);
    witness.last().is_some_and(|script| script.len() <= WITNESS_SCRIPT_BYTES_MAX)
        && items <= WITNESS_ITEMS_MAX
        && witness.iter().take(items).all(|item| item.len() <= WITNESS_ITEM_BYTES_MAX)
}

fn is_taproot_witness_standard(witness: &Witness) -> bool {
    let items: Vec<&[u8]> = witness.iter().collect();
    match items.as_slice() {
        [] => false,
        [_signature] => true,
        [.., last] if last.first() == Some(&ANNEX_TAG) => false,
        [stack @ .., _script, control] => match control.first() {
            None => false,
            Some(first) if first & LEAF_MASK != TAPSCRIPT_LEAF => true,
            Some(_) => stack.iter().all(|item| item.len() <= WITNESS_ITEM_BYTES_MAX),
        },
    }
}

fn require(holds: bool, otherwise: TxRejected) -> Result<(), TxRejected> {
    if holds { Ok(()) } else { Err(otherwise) }
}

#[cfg(test)]
#[path = "policy/tests.rs"]
mod tests;
