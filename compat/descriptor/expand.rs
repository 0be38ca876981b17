//! A descriptor's scripts at an index.

use bitcoin::key::{TapTweak, XOnlyPublicKey};
use bitcoin::opcodes::all::{OP_CHECKMULTISIG, OP_CHECKSIG, OP_CHECKSIGADD, OP_NUMEQUAL, OP_PUSHNUM_1};
use bitcoin::script::Builder;
use bitcoin::taproot::{LeafVersion, TaprootBuilder};
use bitcoin::{PublicKey, ScriptBuf};

use super::SECP;
use super::key::{AtIndex, Key};
use super::known::{Known, Tap};
use super::shape::{Leaf, Multi, Shape};

/// All scripts: one, but for `combo`. None where a private key lacks.
pub(super) fn scripts(shape: &Shape, index: u32, known: &mut Known) -> Option<Vec<ScriptBuf>> {
    match shape {
        Shape::Combo(key) => combo(&derive(key, index, known)?, known),
        _ => Some(vec![script(shape, index, known)?]),
    }
}

fn derive(key: &Key, index: u32, known: &mut Known) -> Option<PublicKey> {
    let at = key.at(index)?;
    let key = at.key;
    known.add_key(at);
    Some(key)
}

fn combo(key: &PublicKey, known: &mut Known) -> Option<Vec<ScriptBuf>> {
    let mut scripts = vec![pk(key), ScriptBuf::new_p2pkh(&key.pubkey_hash())];
    if let Ok(hash) = key.wpubkey_hash() {
        let segwit = ScriptBuf::new_p2wpkh(&hash);
        known.add_script(segwit.clone());
        scripts.extend([segwit.clone(), segwit.to_p2sh()]);
    }
    Some(scripts)
}

fn script(shape: &Shape, index: u32, known: &mut Known) -> Option<ScriptBuf> {
    Some(match shape {
        Shape::Raw(script) => script.clone(),
        Shape::Addr(address) => address.script_pubkey(),
        Shape::Pk(key) | Shape::Combo(key) => pk(&derive(key, index, known)?),
        Shape::Pkh(key) => ScriptBuf::new_p2pkh(&derive(key, index, known)?.pubkey_hash()),
        Shape::Wpkh(key) => ScriptBuf::new_p2wpkh(&derive(key, index, known)?.wpubkey_hash().ok()?),
        Shape::Multi(multi) => multisig(multi, index, known)?,
        Shape::Sh(inside) => {
            let inner = script(inside, index, known)?;
            known.add_script(inner.clone());
            inner.to_p2sh()
        }
        Shape::Wsh(inside) => {
            let inner = script(inside, index, known)?;
            known.add_script(inner.clone());
            inner.to_p2wsh()
        }
        Shape::Mini(mini) => {
            let mut seen = Vec::new();
            let made = mini.script(index, &mut seen)?;
            add(seen, known);
            made
        }
        Shape::Tr { key, leaves } => tr(key, leaves, index, known)?,
        Shape::RawTr(key) => {
            let key = XOnlyPublicKey::from(derive(key, index, known)?.inner).serialize();
            Builder::new().push_opcode(OP_PUSHNUM_1).push_slice(key).into_script()
        }
    })
}

fn add(seen: Vec<AtIndex>, known: &mut Known) {
    seen.into_iter().for_each(|at| known.add_key(at));
}

fn pk(key: &PublicKey) -> ScriptBuf {
    Builder::new().push_key(key).push_opcode(OP_CHECKSIG).into_script()
}

/// A count as a script has it.
fn int(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn derived(multi: &Multi, index: u32, known: &mut Known) -> Option<Vec<PublicKey>> {
    let mut keys = multi.keys.iter().map(|key| derive(key, index, known)).collect::<Option<Vec<_>>>()?;
    if multi.sorted {
        keys.sort_by_key(|key| key.to_bytes());
    }
    Some(keys)
}

fn multisig(multi: &Multi, index: u32, known: &mut Known) -> Option<ScriptBuf> {
    let keys = derived(multi, index, known)?;
    Some(multisig_script(multi.needed, &keys))
}

/// `needed keys count CHECKMULTISIG`.
pub(crate) fn multisig_script(needed: usize, keys: &[PublicKey]) -> ScriptBuf {
    let named = keys.iter().fold(Builder::new().push_int(int(needed)), |b, key| b.push_key(key));
    named.push_int(int(keys.len())).push_opcode(OP_CHECKMULTISIG).into_script()
}

fn leaf(leaf: &Leaf, index: u32, known: &mut Known) -> Option<ScriptBuf> {
    let x_only = |key: PublicKey| XOnlyPublicKey::from(key.inner);
    match leaf {
        Leaf::Pk(key) => {
            let key = x_only(derive(key, index, known)?);
            Some(Builder::new().push_x_only_key(&key).push_opcode(OP_CHECKSIG).into_script())
        }
        Leaf::MultiA(multi) => {
            let mut keys: Vec<XOnlyPublicKey> = Vec::new();
            for key in &multi.keys {
                keys.push(x_only(derive(key, index, known)?));
            }
            if multi.sorted {
                keys.sort_by_key(XOnlyPublicKey::serialize);
            }
            let mut builder = Builder::new();
            for (place, key) in keys.iter().enumerate() {
                let check = if place == 0 { OP_CHECKSIG } else { OP_CHECKSIGADD };
                builder = builder.push_x_only_key(key).push_opcode(check);
            }
            Some(builder.push_int(int(multi.needed)).push_opcode(OP_NUMEQUAL).into_script())
        }
        Leaf::Mini(mini) => {
            let mut seen = Vec::new();
            let made = mini.script(index, &mut seen)?;
            add(seen, known);
            Some(made)
        }
    }
}

fn tr(key: &Key, leaves: &[(u8, Leaf)], index: u32, known: &mut Known) -> Option<ScriptBuf> {
    let internal = XOnlyPublicKey::from(derive(key, index, known)?.inner);
    let mut builder = TaprootBuilder::new();
    let mut kept = Vec::with_capacity(leaves.len());
    for (depth, one) in leaves {
        let script = leaf(one, index, known)?;
        builder = builder.add_leaf(*depth, script.clone()).ok()?;
        kept.push((*depth, script, LeafVersion::TapScript));
    }
    let root = if leaves.is_empty() { None } else { builder.finalize(&SECP, internal).ok()?.merkle_root() };
    let (output, _) = internal.tap_tweak(&SECP, root);
    known.taproots.insert(output.to_x_only_public_key(), Tap { internal, leaves: kept });
    Some(ScriptBuf::new_p2tr_tweaked(output))
}
