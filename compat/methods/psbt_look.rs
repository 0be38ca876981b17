//! What a partially signed transaction lacks, and whose turn it is.

use adit_domain::consensus::{Coin, sigop_cost};
use adit_domain::script::{ScriptFlags, is_unspendable};
use adit_domain::units::Height;
use bitcoin::hashes::Hash;
use bitcoin::hex::DisplayHex;
use bitcoin::psbt::{Input, Psbt};
use bitcoin::{Amount, PublicKey, ScriptBuf, Transaction, TxOut, Weight, Witness};

use super::psbt::{all_spent, read};
use crate::ctx::{Ctx, off_thread};
use crate::descriptor::Known;
use crate::error::RpcError;
use crate::json::{Json, object};
use crate::params::Params;
use crate::signing::{self, Covers, Held, Job, Reach, reach};
use crate::table::Category::Rawtransactions;
use crate::table::{Kind, Method, method, req};

pub(super) const METHODS: &[Method] = &[method(
    "analyzepsbt",
    Rawtransactions,
    &[req("psbt", Kind::Str)],
    "What a partially signed transaction lacks, and whose turn it is.",
    |c, p| Box::pin(analyze_psbt(c, p)),
)];

/// Whose turn it is, the first one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    Creator,
    Updater,
    Signer,
    Finalizer,
    Extractor,
}

impl Role {
    fn name(self) -> Json {
        Json::from(match self {
            Role::Creator => "creator",
            Role::Updater => "updater",
            Role::Signer => "signer",
            Role::Finalizer => "finalizer",
            Role::Extractor => "extractor",
        })
    }
}

/// What an input knows of itself.
pub(super) fn own(input: &Input) -> Known {
    let mut known = Known::default();
    add_own(input, &mut known);
    known
}

pub(super) fn add_own(input: &Input, known: &mut Known) {
    let scripts = input.redeem_script.iter().chain(&input.witness_script);
    scripts.for_each(|script| known.add_script(script.clone()));
    let derived = input.bip32_derivation.keys().map(|key| PublicKey::new(*key));
    for key in input.partial_sigs.keys().copied().chain(derived) {
        known.keys.insert(key.pubkey_hash().to_raw_hash(), key);
    }
}

pub(super) fn held(input: &Input) -> Held {
    input.partial_sigs.iter().map(|(key, made)| (*key, made.to_vec())).collect()
}

/// The first sum of money that there can't be.
fn in_range(sum: Amount, more: Amount) -> Option<Amount> {
    sum.checked_add(more).filter(|sum| more <= Amount::MAX_MONEY && *sum <= Amount::MAX_MONEY)
}

async fn analyze_psbt(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    ctx.warm()?;
    let psbt = read(params.str(0)?)?;
    off_thread(move || Ok(analysis(&psbt))).await
}

fn analysis(psbt: &Psbt) -> Json {
    match looked_at(psbt) {
        Ok(shown) => shown,
        Err(why) => object([
            ("next", Role::Creator.name()),
            ("error", Json::from(format!("PSBT is not valid. {why}"))),
        ]),
    }
}

/// The inputs one by one, and what follows for all of it; or why it will never be valid.
fn looked_at(psbt: &Psbt) -> Result<Json, String> {
    let coins = all_spent(psbt);
    let mut paid = Some(Amount::ZERO);
    for (n, coin) in coins.iter().enumerate() {
        let Some(coin) = coin else { continue };
        paid = paid.and_then(|sum| in_range(sum, coin.value));
        if paid.is_none() {
            return Err(format!("Input {n} has invalid value"));
        }
        if is_unspendable(&coin.script_pubkey) {
            return Err(format!("Input {n} spends unspendable output"));
        }
    }
    let inputs: Vec<(Role, Json)> =
        (0..psbt.inputs.len()).filter_map(|n| looked_at_input(psbt, n, &coins)).collect();
    let next = inputs.iter().map(|(role, _)| *role).min().unwrap_or(Role::Extractor);
    let mut fields = Vec::new();
    if !inputs.is_empty() {
        fields.push(("inputs", Json::List(inputs.into_iter().map(|(_, shown)| shown).collect())));
    }
    let coins: Option<Vec<TxOut>> = coins.into_iter().collect();
    if let Some((coins, paid)) = coins.zip(paid) {
        let out = psbt.unsigned_tx.output.iter().try_fold(Amount::ZERO, |sum, out| in_range(sum, out.value));
        let out = out.ok_or_else(|| "Output amount invalid".to_owned())?;
        let signed = |amount: Amount| i64::try_from(amount.to_sat()).unwrap_or(i64::MAX);
        let fee = signed(paid).saturating_sub(signed(out));
        if let Some(vsize) = estimated_vsize(psbt, &coins) {
            fields.push(("estimated_vsize", Json::from(vsize)));
            let rate = fee.saturating_mul(1000).checked_div_euclid(vsize).unwrap_or(0);
            fields.push(("estimated_feerate", Json::Amount(rate)));
        }
        fields.push(("fee", Json::Amount(fee)));
    }
    fields.push(("next", next.name()));
    Ok(object(fields))
}

/// Whose turn an input is, and why.
fn looked_at_input(psbt: &Psbt, n: usize, coins: &[Option<TxOut>]) -> Option<(Role, Json)> {
    let (input, coin) = (psbt.inputs.get(n)?, coins.get(n)?);
    let is_final = coin.is_some() && is_signed(psbt, n, coins);
    let mut missing = Vec::new();
    let role = match coin {
        None => Role::Updater,
        Some(_) if is_final => Role::Extractor,
        Some(coin) => {
            let found = reach(&coin.script_pubkey, &own(input));
            let complete = is_complete(psbt, n, coins);
            // What a witness would sign for is believed; without one it would have to be shown. And nobody is to sign otherwise than is usual.
            let may_sign = input.non_witness_utxo.is_some() || found.is_witness;
            if may_sign && !complete && is_usual(input, coin) {
                missing = lacking(&found, &held(input));
            }
            let signatures_alone = missing.iter().all(|(name, _)| *name == "signatures");
            match missing.is_empty() {
                true if complete && is_usual(input, coin) => Role::Finalizer,
                false if signatures_alone => Role::Signer,
                _ => Role::Updater,
            }
        }
    };
    let mut shown = object([
        ("has_utxo", Json::from(coin.is_some())),
        ("is_final", Json::from(is_final)),
        ("next", role.name()),
    ]);
    if !missing.is_empty() && role < Role::Finalizer {
        shown.push("missing", object(missing));
    }
    Some((role, shown))
}

/// Whether an input asks for signatures of the usual kind.
fn is_usual(input: &Input, coin: &TxOut) -> bool {
    let usual = u32::from(!coin.script_pubkey.is_p2tr());
    input.sighash_type.is_none_or(|kind| kind.to_u32() == usual)
}

/// What lacks for an input, in Core's order.
fn lacking(found: &Reach, held: &Held) -> Vec<(&'static str, Json)> {
    let mut missing = Vec::new();
    let hex = |bytes: &[u8]| Json::from(bytes.to_lower_hex_string());
    missing.extend(found.missing_key.map(|key| ("pubkeys", Json::List(vec![hex(key.as_byte_array())]))));
    missing.extend(found.missing_redeem.map(|hash| ("redeemscript", hex(hash.as_byte_array()))));
    missing.extend(found.missing_witness.as_ref().map(|hash| ("witnessscript", hex(hash))));
    let unsigned = found.keys.iter().filter(|key| !held.contains_key(*key));
    let unsigned: Vec<Json> =
        unsigned.map(|key| hex(key.pubkey_hash().to_raw_hash().as_byte_array())).collect();
    if !unsigned.is_empty() {
        missing.push(("signatures", Json::List(unsigned)));
    }
    missing
}

/// Nothing where it is not known what an input spends.
pub(super) fn filled(coins: &[Option<TxOut>]) -> Vec<TxOut> {
    let nothing = || TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::new() };
    coins.iter().map(|coin| coin.clone().unwrap_or_else(nothing)).collect()
}

/// Whether an input is right as it was finished.
fn is_signed(psbt: &Psbt, n: usize, coins: &[Option<TxOut>]) -> bool {
    let (Some(input), mut tx) = (psbt.inputs.get(n), psbt.unsigned_tx.clone()) else { return false };
    let made = signing::Made {
        script_sig: input.final_script_sig.clone().unwrap_or_default(),
        witness: input.final_script_witness.clone().unwrap_or_default(),
    };
    put(&mut tx, n, made);
    signing::check(&tx, n, &filled(coins)).is_ok()
}

pub(super) fn put(tx: &mut Transaction, n: usize, made: signing::Made) {
    if let Some(place) = tx.input.get_mut(n) {
        (place.script_sig, place.witness) = (made.script_sig, made.witness);
    }
}

/// Whether an input's signatures are all there.
fn is_complete(psbt: &Psbt, n: usize, coins: &[Option<TxOut>]) -> bool {
    let Some(input) = psbt.inputs.get(n) else { return false };
    let made = made_of(psbt, n, &filled(coins), (input, &own(input)), coins.iter().all(Option::is_some));
    let mut tx = psbt.unsigned_tx.clone();
    put(&mut tx, n, made);
    signing::check(&tx, n, &filled(coins)).is_ok()
}

/// What an input's signatures come to.
fn made_of(
    psbt: &Psbt,
    n: usize,
    coins: &[TxOut],
    (input, known): (&Input, &Known),
    all_known: bool,
) -> signing::Made {
    if let Some(signature) = input.tap_key_sig {
        let witness = Witness::from_slice(&[signature.to_vec()]);
        return signing::Made { script_sig: ScriptBuf::new(), witness };
    }
    let (tx, held) = (&psbt.unsigned_tx, held(input));
    Job { tx, input: n, spent: coins, all_known, known, held, covers: Covers::Default }.solve()
}

/// A signature as long as they are made: 71 bytes with the type.
const DUMMY_SIGNATURE: [u8; 71] = {
    let mut bytes = [0; 71];
    (bytes[0], bytes[1], bytes[2], bytes[3], bytes[4]) = (0x30, 0x44, 2, 0x20, 1);
    (bytes[36], bytes[37], bytes[38], bytes[70]) = (2, 0x20, 1, 1);
    bytes
};

/// The virtual size with signatures of the usual length in all inputs; none where one can't be told.
fn estimated_vsize(psbt: &Psbt, coins: &[TxOut]) -> Option<i64> {
    let mut tx = psbt.unsigned_tx.clone();
    let spent: Vec<Option<TxOut>> = coins.iter().cloned().map(Some).collect();
    for (n, (input, coin)) in psbt.inputs.iter().zip(coins).enumerate() {
        let known = own(input);
        let found = reach(&coin.script_pubkey, &known);
        let finished = input.final_script_sig.is_some() || input.final_script_witness.is_some();
        let made = match () {
            // As in Core, which then would have to verify it.
            () if finished && found.taproot.is_some() => return None,
            () if finished => signing::Made {
                script_sig: input.final_script_sig.clone().unwrap_or_default(),
                witness: input.final_script_witness.clone().unwrap_or_default(),
            },
            () if !is_usual(input, coin) => return None,
            () if found.taproot.is_none() && is_signed(psbt, n, &spent) => signing::Made::default(),
            () if found.taproot.is_some() => {
                // The same.
                if input.tap_key_sig.is_some() {
                    return None;
                }
                signing::Made { script_sig: ScriptBuf::new(), witness: Witness::from_slice(&[[0u8; 64]]) }
            }
            () if !found.is_solvable || (input.non_witness_utxo.is_none() && !found.is_witness) => {
                return None;
            }
            () => {
                let mut held: Held = found.keys.iter().map(|key| (*key, DUMMY_SIGNATURE.to_vec())).collect();
                held.extend(self::held(input));
                let (tx, covers) = (&psbt.unsigned_tx, Covers::Default);
                Job { tx, input: n, spent: coins, all_known: true, known: &known, held, covers }.solve()
            }
        };
        put(&mut tx, n, made);
    }
    let coin = |output: &TxOut| Coin { output: output.clone(), height: Height::new(1), is_coinbase: false };
    let coins: Vec<Coin> = coins.iter().map(coin).collect();
    let sigops = Weight::from_wu(sigop_cost(&tx, &coins, ScriptFlags::STANDARD).checked_mul(SIGOP_BYTES)?);
    i64::try_from(tx.weight().max(sigops).to_vbytes_ceil()).ok()
}

/// Virtual bytes that a signature operation counts as, as Core's `-bytespersigop`.
const SIGOP_BYTES: u64 = 20;

#[cfg(test)]
mod tests;
