//! What the chain, the mempool and descriptors can add to a partially signed transaction, signatures among it.

use std::collections::HashMap;

use adit_chainstate::IndexKind;
use adit_domain::peer::TxRef;
use bitcoin::bip32::{DerivationPath, KeySource};
use bitcoin::psbt::{Input, Psbt, PsbtSighashType};
use bitcoin::taproot::{LeafVersion, TapLeafHash, TaprootBuilder, TaprootSpendInfo};
use bitcoin::{EcdsaSighashType, PublicKey, Script, ScriptBuf, Transaction, TxOut, Witness, XOnlyPublicKey};

use super::coinstats::followed;
use super::descriptors::scanned;
use super::psbt::{all_spent, finish, read, written};
use super::psbt_look::{add_own, filled, held, put};
use super::sign::{covers, find_coins};
use crate::ctx::{Ctx, off_thread};
use crate::descriptor::{Known, SECP};
use crate::error::RpcError;
use crate::json::{Json, object};
use crate::params::{self, Params};
use crate::signing::{self, Covers, Held, Job, Reach, reach};
use crate::table::Category::Rawtransactions;
use crate::table::{Arg, Kind, Method, method, opt, req};

const PSBT: Arg = req("psbt", Kind::Str);
const DESCRIPTORS: &str = "[\"\",{\"desc\":\"str\",\"range\":n or [n,n]},...]";

pub(super) const METHODS: &[Method] = &[
    method(
        "utxoupdatepsbt",
        Rawtransactions,
        &[PSBT, opt("descriptors", Kind::List).shown(DESCRIPTORS)],
        "Adds to a partially signed transaction what the chain, the mempool and descriptors know of it.",
        |c, p| Box::pin(utxo_update_psbt(c, p)),
    ),
    method(
        "descriptorprocesspsbt",
        Rawtransactions,
        &[
            PSBT,
            req("descriptors", Kind::List).shown(DESCRIPTORS),
            opt("sighashtype", Kind::Str),
            opt("bip32derivs", Kind::Bool),
            opt("finalize", Kind::Bool),
        ],
        "The same, and signs with the private keys of the descriptors.",
        |c, p| Box::pin(descriptor_process_psbt(c, p)),
    ),
];

async fn utxo_update_psbt(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let psbt = prepared(ctx, &params).await?;
    let known = known(ctx, params.given(1))?;
    off_thread(move || {
        let mut psbt = psbt;
        let task = Task { known: Known { secrets: HashMap::new(), ..known }, covers: None, finish: false };
        task.run(&mut psbt, true)?;
        Ok(written(&psbt))
    })
    .await
}

async fn descriptor_process_psbt(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let known = known(ctx, params.given(1))?;
    let covers = params.opt_str(2)?.map(|typed| covers(Some(typed))).transpose()?;
    let (with_paths, finish) = (params.bool_or(3, true)?, params.bool_or(4, true)?);
    let psbt = prepared(ctx, &params).await?;
    off_thread(move || {
        let mut psbt = psbt;
        Task { known, covers, finish }.run(&mut psbt, with_paths)?;
        let is_done =
            |input: &Input| input.final_script_sig.is_some() || input.final_script_witness.is_some();
        let complete = psbt.inputs.iter().all(is_done);
        let mut shown = object([("psbt", written(&psbt)), ("complete", Json::from(complete))]);
        if complete {
            let tx = extracted(&psbt);
            shown.push("hex", Json::hex(&bitcoin::consensus::encode::serialize(&tx)));
        }
        Ok(shown)
    })
    .await
}

fn extracted(psbt: &Psbt) -> Transaction {
    let mut tx = psbt.unsigned_tx.clone();
    for (place, input) in tx.input.iter_mut().zip(&psbt.inputs) {
        place.script_sig = input.final_script_sig.clone().unwrap_or_default();
        place.witness = input.final_script_witness.clone().unwrap_or_default();
    }
    tx
}

/// What descriptors say.
fn known(ctx: &Ctx, typed: Option<&Json>) -> Result<Known, RpcError> {
    let mut known = Known::default();
    let network = ctx.node()?.params.network;
    for typed in typed.map(params::list).transpose()?.unwrap_or_default() {
        scanned(typed, network, &mut known)?;
    }
    Ok(known)
}

/// Reads it, and adds what its inputs spend: whole transactions of the index or the mempool, else the coins of the chain.
async fn prepared(ctx: &Ctx, params: &Params) -> Result<Psbt, RpcError> {
    let mut psbt = read(params.str(0)?)?;
    let node = ctx.node()?;
    let has_index = node.indexes.kinds().contains(&IndexKind::Transactions);
    if has_index {
        followed(&node, IndexKind::Transactions).await;
    }
    off_thread(move || {
        let coins = find_coins(&node, &psbt.unsigned_tx)?;
        for (input, place) in psbt.inputs.iter_mut().zip(&psbt.unsigned_tx.input) {
            let outpoint = place.previous_output;
            if input.non_witness_utxo.is_some() {
                continue;
            }
            let indexed = || node.indexes.transaction(&outpoint.txid).ok().map(|found| found.tx.tx().clone());
            let waiting = || node.mempool.get(&TxRef::Txid(outpoint.txid)).map(|tx| tx.tx().clone());
            let whole = has_index.then(indexed).flatten().or_else(waiting);
            let coin = coins.get(&outpoint);
            match (whole, coin) {
                (Some(whole), _) => input.non_witness_utxo = Some(whole),
                (None, Some(coin)) if is_segwit(coin, input) => input.witness_utxo = Some(coin.clone()),
                _ => {}
            }
        }
        Ok(psbt)
    })
    .await
}

/// Whether a coin is spent by a witness, as far as the input tells.
fn is_segwit(coin: &TxOut, input: &Input) -> bool {
    let redeem = input.redeem_script.as_ref().filter(|script| script.to_p2sh() == coin.script_pubkey);
    coin.script_pubkey.is_witness_program() || redeem.is_some_and(|script| script.is_witness_program())
}

/// What is to be done with each input.
struct Task {
    known: Known,
    /// What signatures cover; none: what is usual.
    covers: Option<Covers>,
    /// Whether an input that is complete is finished.
    finish: bool,
}

impl Task {
    fn run(&self, psbt: &mut Psbt, with_paths: bool) -> Result<(), RpcError> {
        let coins = all_spent(psbt);
        let mut known = self.known.clone();
        psbt.inputs.iter().for_each(|input| add_own(input, &mut known));
        for n in 0..psbt.inputs.len() {
            self.input(psbt, n, (&coins, &known), with_paths)?;
        }
        let scripts: Vec<ScriptBuf> =
            psbt.unsigned_tx.output.iter().map(|output| output.script_pubkey.clone()).collect();
        for (output, script) in psbt.outputs.iter_mut().zip(scripts) {
            let found = reach(&script, &self.known);
            output.redeem_script = output.redeem_script.take().or_else(|| found.redeem.clone());
            output.witness_script = output.witness_script.take().or_else(|| found.witness.clone());
            if with_paths {
                for (key, source) in self.paths(&found.keys) {
                    output.bip32_derivation.entry(key).or_insert(source);
                }
            }
            let Some(tap) = self.taproot(found.taproot) else { continue };
            output.tap_internal_key = Some(tap.info.internal_key());
            if with_paths {
                output.tap_key_origins.extend(tap.origins(self));
            }
        }
        drop_needless(psbt);
        Ok(())
    }

    /// Where keys come from, as descriptors say.
    fn paths<'a>(
        &'a self,
        keys: &'a [PublicKey],
    ) -> impl Iterator<Item = (bitcoin::secp256k1::PublicKey, KeySource)> + use<'a> {
        keys.iter().filter_map(|key| {
            let (master, steps) = self.known.origins.get(&key.pubkey_hash().to_raw_hash())?;
            Some((key.inner, (*master, DerivationPath::from(steps.clone()))))
        })
    }

    fn input(
        &self,
        psbt: &mut Psbt,
        n: usize,
        (coins, known): (&[Option<TxOut>], &Known),
        with_paths: bool,
    ) -> Result<(), RpcError> {
        let (Some(Some(coin)), Some(input)) = (coins.get(n), psbt.inputs.get(n)) else { return Ok(()) };
        if input.final_script_sig.is_some() || input.final_script_witness.is_some() {
            return Ok(());
        }
        let (coin, mut input) = (coin.clone(), input.clone());
        let found = reach(&coin.script_pubkey, known);
        let covers = self.covers(&mut input, coin.script_pubkey.is_p2tr())?;
        let (all, all_known) = (filled(coins), coins.iter().all(Option::is_some));
        let (tx, mut held) = (&psbt.unsigned_tx, held(&input));
        let job = |held: Held| Job { tx, input: n, spent: &all, all_known, known, held, covers };
        let may_sign = input.non_witness_utxo.is_some() || found.is_witness;
        if !may_sign {
            return Ok(());
        }
        if let Some(code) = &found.code {
            let signer = job(held.clone());
            let made = |key: &PublicKey| Some((*key, signer.sign(key, code, found.is_witness)?));
            held.extend(found.keys.iter().filter_map(made));
        }
        let made = job(held.clone()).solve();
        let mut whole = psbt.unsigned_tx.clone();
        put(&mut whole, n, made.clone());
        let complete = signing::check(&whole, n, &all).is_ok();
        if found.is_witness {
            input.witness_utxo = Some(coin);
        }
        if complete && self.finish {
            finish(&mut input, made);
        } else {
            self.add(&mut input, &found, (held, &made.witness), with_paths);
        }
        if let Some(place) = psbt.inputs.get_mut(n) {
            *place = input;
        }
        Ok(())
    }

    /// What signatures of an input cover: what is asked for, which must be what it says itself.
    fn covers(&self, input: &mut Input, is_taproot: bool) -> Result<Covers, RpcError> {
        let usual = if is_taproot { Covers::Default } else { Covers::Type(EcdsaSighashType::All) };
        let covers = self.covers.unwrap_or(usual);
        let number = match covers {
            Covers::Default => 0,
            Covers::Type(kind) => kind.to_u32(),
        };
        let own = input.sighash_type.map(PsbtSighashType::to_u32);
        let differs = |bytes: &[u8]| match (number, bytes.len()) {
            (0, length) => length != 64,
            (_, length) => length != 65 || bytes.last().map(|byte| u32::from(*byte)) != Some(number),
        };
        let key_path = input.tap_key_sig.map(|made| made.to_vec());
        let mut taproot = input.tap_script_sigs.values().map(|made| made.to_vec()).chain(key_path);
        let ecdsa = |made: &bitcoin::ecdsa::Signature| number != 0 && made.sighash_type.to_u32() != number;
        if own.is_some_and(|own| own != number)
            || taproot.any(|made| differs(&made))
            || input.partial_sigs.values().any(ecdsa)
        {
            let text = "Specified sighash value does not match value stored in PSBT";
            return Err(RpcError::deserialization(text));
        }
        let is_usual = number == 0 || (!is_taproot && number == EcdsaSighashType::All.to_u32());
        if !is_usual {
            input.sighash_type = Some(PsbtSighashType::from_u32(number));
        }
        Ok(covers)
    }

    /// Adds what was found to an input that is not finished.
    fn add(&self, input: &mut Input, found: &Reach, (held, witness): (Held, &Witness), with_paths: bool) {
        for (key, made) in held {
            if let Ok(made) = bitcoin::ecdsa::Signature::from_slice(&made) {
                input.partial_sigs.entry(key).or_insert(made);
            }
        }
        input.redeem_script = input.redeem_script.take().or_else(|| found.redeem.clone());
        input.witness_script = input.witness_script.take().or_else(|| found.witness.clone());
        if with_paths {
            for (key, source) in self.paths(&found.keys) {
                input.bip32_derivation.entry(key).or_insert(source);
            }
        }
        let Some(tap) = self.taproot(found.taproot) else { return };
        input.tap_internal_key = Some(tap.info.internal_key());
        input.tap_merkle_root = tap.info.merkle_root();
        for (script, version) in &tap.leaves {
            let proof = tap.info.control_block(&(script.clone(), *version));
            input.tap_scripts.extend(proof.map(|proof| (proof, (script.clone(), *version))));
        }
        if with_paths {
            input.tap_key_origins.extend(tap.origins(self));
        }
        let made = witness.nth(0).and_then(|made| bitcoin::taproot::Signature::from_slice(made).ok());
        input.tap_key_sig = input.tap_key_sig.or(made);
    }

    /// How a taproot output came about, if a descriptor says so.
    fn taproot(&self, output: Option<XOnlyPublicKey>) -> Option<Taproot> {
        let tap = self.known.taproots.get(&output?)?;
        let mut builder = TaprootBuilder::new();
        for (depth, script, version) in &tap.leaves {
            builder = builder.add_leaf_with_ver(*depth, script.clone(), *version).ok()?;
        }
        let info = builder.finalize(&SECP, tap.internal).ok()?;
        let leaves = tap.leaves.iter().map(|(_, script, version)| (script.clone(), *version)).collect();
        Some(Taproot { info, leaves })
    }
}

/// A taproot output with its leaves.
struct Taproot {
    info: TaprootSpendInfo,
    leaves: Vec<(ScriptBuf, LeafVersion)>,
}

type TapOrigin = (XOnlyPublicKey, (Vec<TapLeafHash>, KeySource));

impl Taproot {
    /// Where its keys come from, each with the leaves that name it.
    fn origins(&self, task: &Task) -> Vec<TapOrigin> {
        let mut keys = vec![self.info.internal_key()];
        for (script, _) in &self.leaves {
            for key in x_only_keys(script) {
                if !keys.contains(&key) {
                    keys.push(key);
                }
            }
        }
        let origin = |key: &XOnlyPublicKey| {
            let (master, steps) = task.known.origin_of_x_only(key)?;
            let named = self.leaves.iter().filter(|(script, _)| x_only_keys(script).contains(key));
            let mut leaves: Vec<TapLeafHash> =
                named.map(|(script, version)| TapLeafHash::from_script(script, *version)).collect();
            leaves.sort_unstable();
            Some((*key, (leaves, (*master, DerivationPath::from(steps.clone())))))
        };
        keys.iter().filter_map(origin).collect()
    }
}

/// The keys of 32 bytes that a script pushes.
fn x_only_keys(script: &Script) -> Vec<XOnlyPublicKey> {
    let pushed = script.instructions().filter_map(Result::ok);
    pushed.filter_map(|part| XOnlyPublicKey::from_slice(part.push_bytes()?.as_bytes()).ok()).collect()
}

/// Whole transactions are left out where every input is of a later version than 0, which signs for the amounts of all.
fn drop_needless(psbt: &mut Psbt) {
    let needless = psbt.inputs.iter().all(|input| {
        let script = input.witness_utxo.as_ref().map(|output| &output.script_pubkey);
        let later = script
            .is_some_and(|script| script.is_witness_program() && !script.is_p2wpkh() && !script.is_p2wsh());
        later && input.sighash_type.is_none_or(|kind| kind.to_u32() & 0x80 == 0)
    });
    if needless {
        psbt.inputs.iter_mut().for_each(|input| input.non_witness_utxo = None);
    }
}
