//! What a script is, as a descriptor.

use std::convert::Infallible;

use adit_domain::script::{OutputType, output_type};
use bitcoin::hashes::{Hash, hash160};
use bitcoin::hex::DisplayHex;
use bitcoin::{Network, PublicKey, Script, XOnlyPublicKey};
use miniscript::{Miniscript, Segwitv0, Tap, TranslatePk};

use super::key::{Place, origin_text};
use super::known::Known;
use super::mini::{KeyText, Keys};
use super::shape::braced;
use crate::show::{address, with_checksum};

/// What a script says of itself, and what is known besides, with a checksum.
pub(crate) fn infer(script: &Script, known: &Known, network: Network) -> String {
    let address = address(script, network).map(|address| address.to_string());
    infer_with(script, known, address.as_deref())
}

/// The same where the address is known already.
pub(crate) fn infer_with(script: &Script, known: &Known, address: Option<&str>) -> String {
    with_checksum(
        within(script, Place::Top, known)
            .or_else(|| address.map(|address| format!("addr({address})")))
            .unwrap_or_else(|| format!("raw({})", script.as_bytes().as_hex())),
    )
}

/// Whether bytes have the form of a key; whether it is on the curve nobody asks.
fn is_key(bytes: &[u8], place: Place) -> bool {
    match (bytes.len(), bytes.first()) {
        (33, Some(2 | 3)) => true,
        (65, Some(4)) => matches!(place, Place::Top | Place::P2sh),
        _ => false,
    }
}

/// A key with its origin, where that is known.
fn key(bytes: &[u8], place: Place, known: &Known) -> Option<String> {
    is_key(bytes, place).then(|| {
        let origin = known.origins.get(&hash160::Hash::hash(bytes));
        let origin = origin.map(|origin| origin_text(origin, 'h')).unwrap_or_default();
        format!("{origin}{}", bytes.as_hex())
    })
}

fn x_only(key: &XOnlyPublicKey, known: &Known) -> String {
    let origin = known.origin_of_x_only(key).map(|origin| origin_text(origin, 'h')).unwrap_or_default();
    format!("{origin}{key}")
}

/// At most three in each other: P2SH, in it P2WSH, in it anything.
fn within(script: &Script, place: Place, known: &Known) -> Option<String> {
    use Place::{P2sh, P2wsh, Top};
    let bytes = script.as_bytes();
    let part = |from: usize, to: usize| bytes.get(from..to).unwrap_or_default();
    let found = match (output_type(script), place) {
        (OutputType::PubKey, Top | P2sh | P2wsh) => {
            let inside = part(1, bytes.len().saturating_sub(1));
            key(inside, place, known).map(|key| format!("pk({key})"))
        }
        (OutputType::PubKeyHash, Top | P2sh | P2wsh) => {
            let full = known.key_of_hash(part(3, 23));
            full.and_then(|full| key(&full.to_bytes(), place, known)).map(|key| format!("pkh({key})"))
        }
        (OutputType::WitnessV0KeyHash, Top | P2sh) => {
            let full = known.key_of_hash(part(2, 22));
            full.and_then(|full| key(&full.to_bytes(), Place::P2wpkh, known))
                .map(|key| format!("wpkh({key})"))
        }
        (OutputType::MultiSig { required, .. }, Top | P2sh | P2wsh) => {
            multisig(script, required, place, known)
        }
        (OutputType::ScriptHash, Top) => {
            let inner = known.script_of_hash160(part(2, 22));
            inner.and_then(|inner| within(inner, P2sh, known)).map(|inner| format!("sh({inner})"))
        }
        (OutputType::WitnessV0ScriptHash, Top | P2sh) => {
            let inner = known.script_of_sha256(part(2, 34));
            inner.and_then(|inner| within(inner, P2wsh, known)).map(|inner| format!("wsh({inner})"))
        }
        (OutputType::WitnessV1Taproot, Top) => taproot(part(2, 34), known),
        _ => None,
    };
    found.or_else(|| if place == P2wsh { segwit_mini(script, known) } else { None })
}

/// `required keys count CHECKMULTISIG`.
fn multisig(script: &Script, required: u8, place: Place, known: &Known) -> Option<String> {
    let pushes = script.instructions().filter_map(|part| Some(part.ok()?.push_bytes()?.as_bytes().to_vec()));
    // Counts above 16 are pushes too, of one byte.
    let keys = pushes.filter(|push| push.len() > 1).map(|push| key(&push, place, known));
    let keys = keys.collect::<Option<Vec<_>>>()?;
    Some(format!("multi({required},{})", keys.join(",")))
}

fn segwit_mini(script: &Script, known: &Known) -> Option<String> {
    let mini = Miniscript::<PublicKey, Segwitv0>::parse(script).ok()?;
    let text = |full: &PublicKey| {
        let text = key(&full.to_bytes(), Place::P2wsh, known);
        Ok::<_, Infallible>(KeyText(text.unwrap_or_else(|| full.to_string())))
    };
    mini.translate_pk(&mut Keys(text)).ok().map(|mini| mini.to_string())
}

fn tap_mini(script: &Script, known: &Known) -> Option<String> {
    let mini = Miniscript::<XOnlyPublicKey, Tap>::parse(script).ok()?;
    let text = |key: &XOnlyPublicKey| Ok::<_, Infallible>(KeyText(x_only(key, known)));
    mini.translate_pk(&mut Keys(text)).ok().map(|mini| mini.to_string())
}

fn taproot(output: &[u8], known: &Known) -> Option<String> {
    let output = XOnlyPublicKey::from_slice(output).ok()?;
    let whole = known.taproots.get(&output).and_then(|tap| {
        let internal = x_only(&tap.internal, known);
        if tap.leaves.is_empty() {
            return Some(format!("tr({internal})"));
        }
        let leaf =
            |(depth, script, _): &(u8, bitcoin::ScriptBuf, _)| Some((*depth, tap_mini(script, known)?));
        let leaves = tap.leaves.iter().map(leaf).collect::<Option<Vec<_>>>()?;
        Some(format!("tr({internal},{})", braced(leaves)))
    });
    Some(whole.unwrap_or_else(|| format!("rawtr({})", x_only(&output, known))))
}
