//! Descriptors into scripts: those of BIP380 to BIP386 whose keys are given as they are, in hex or as a private key. Keys that
//! are derived (`xpub.../*`) are refused in words.

use adit_domain::units::parse_address;
use bitcoin::hex::FromHex;
use bitcoin::key::{Secp256k1, TapTweak};
use bitcoin::opcodes::all::{OP_CHECKMULTISIG, OP_CHECKSIG, OP_PUSHNUM_1};
use bitcoin::script::{Builder, PushBytes};
use bitcoin::{Network, PrivateKey, PublicKey, ScriptBuf, XOnlyPublicKey};

use crate::error::RpcError;
use crate::show::checksum;

/// Characters of a descriptor at most: 20 keys of 130 and what stands around them.
const DESCRIPTOR_CHARS_MAX: usize = 20_000;
/// Keys of a multisig at most.
const KEYS_MAX: usize = 20;

fn bad(text: impl Into<String>) -> RpcError {
    RpcError::invalid_address_or_key(text)
}

/// The descriptor without its checksum, which is right where it is there.
fn body(text: &str) -> Result<&str, RpcError> {
    if text.len() > DESCRIPTOR_CHARS_MAX {
        return Err(bad("The descriptor is too long"));
    }
    let Some((body, given)) = text.split_once('#') else { return Ok(text) };
    if given.len() != 8 {
        return Err(bad(format!("Expected 8 character checksum, not {} characters", given.len())));
    }
    let right = checksum(body).ok_or_else(|| bad("Invalid characters in payload"))?;
    if right != given {
        let text = format!("Provided checksum '{given}' does not match computed checksum '{right}'");
        return Err(bad(text));
    }
    Ok(body)
}

/// `name(inside)`.
fn call(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.split_once('(')?;
    Some((name, rest.strip_suffix(')')?))
}

/// All scripts of a descriptor: one, but for `combo`.
pub(crate) fn all(text: &str, network: Network) -> Result<Vec<ScriptBuf>, RpcError> {
    let body = body(text)?;
    let (name, inside) =
        call(body).ok_or_else(|| bad(format!("'{body}' is not a valid descriptor function")))?;
    match name {
        "raw" => {
            let bytes = Vec::from_hex(inside).map_err(|_| bad("Raw script is not hex"))?;
            Ok(vec![ScriptBuf::from_bytes(bytes)])
        }
        "addr" => {
            let address = parse_address(inside, network).map_err(|_| bad("Address is not valid"))?;
            Ok(vec![address.script_pubkey()])
        }
        "combo" => combo(&key(inside)?),
        "sh" => Ok(vec![sh(inside)?.to_p2sh()]),
        "wsh" => Ok(vec![simple(inside)?.to_p2wsh()]),
        "wpkh" => Ok(vec![wpkh(&key(inside)?)?]),
        "tr" => {
            let key = x_only(inside)?;
            let (output, _) = key.tap_tweak(&Secp256k1::verification_only(), None);
            Ok(vec![ScriptBuf::new_p2tr_tweaked(output)])
        }
        "rawtr" => {
            let key = x_only(inside)?.serialize();
            Ok(vec![Builder::new().push_opcode(OP_PUSHNUM_1).push_slice(key).into_script()])
        }
        _ => Ok(vec![simple(body)?]),
    }
}

/// The script that a block's reward is paid to by a descriptor.
pub(crate) fn payable(text: &str, network: Network) -> Result<ScriptBuf, RpcError> {
    let scripts = all(text, network)?;
    // Of a combo's four the third, which is P2WPKH; of its two the second, which is P2PKH.
    let place = match scripts.len() {
        4 => 2,
        2 => 1,
        _ => 0,
    };
    scripts.into_iter().nth(place).ok_or_else(|| bad("The descriptor has no script"))
}

fn combo(key: &PublicKey) -> Result<Vec<ScriptBuf>, RpcError> {
    let mut scripts = vec![pk(key), ScriptBuf::new_p2pkh(&key.pubkey_hash())];
    if key.compressed {
        let segwit = wpkh(key)?;
        let wrapped = segwit.to_p2sh();
        scripts.extend([segwit, wrapped]);
    }
    Ok(scripts)
}

/// What may stand in `sh`.
fn sh(text: &str) -> Result<ScriptBuf, RpcError> {
    match call(text) {
        Some(("wpkh", inside)) => wpkh(&key(inside)?),
        Some(("wsh", inside)) => Ok(simple(inside)?.to_p2wsh()),
        _ => simple(text),
    }
}

/// What may stand anywhere.
fn simple(text: &str) -> Result<ScriptBuf, RpcError> {
    match call(text) {
        Some(("pk", inside)) => Ok(pk(&key(inside)?)),
        Some(("pkh", inside)) => Ok(ScriptBuf::new_p2pkh(&key(inside)?.pubkey_hash())),
        Some(("multi", inside)) => multi(inside, false),
        Some(("sortedmulti", inside)) => multi(inside, true),
        _ => Err(bad(format!("'{text}' is not a valid descriptor function"))),
    }
}

fn pk(key: &PublicKey) -> ScriptBuf {
    Builder::new().push_key(key).push_opcode(OP_CHECKSIG).into_script()
}

fn wpkh(key: &PublicKey) -> Result<ScriptBuf, RpcError> {
    let hash = key.wpubkey_hash().map_err(|_| bad("Uncompressed keys are not allowed"))?;
    Ok(ScriptBuf::new_p2wpkh(&hash))
}

fn multi(inside: &str, sorted: bool) -> Result<ScriptBuf, RpcError> {
    let mut parts = inside.split(',');
    let needed: usize = parts.next().and_then(|n| n.parse().ok()).unwrap_or(0);
    let mut keys = parts.map(key).collect::<Result<Vec<_>, _>>()?;
    if needed == 0 || needed > keys.len() || keys.len() > KEYS_MAX {
        return Err(bad(format!("Multi threshold cannot be {needed} of {} keys", keys.len())));
    }
    if sorted {
        keys.sort_by_key(|key| key.to_bytes());
    }
    let int = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let named = keys.iter().fold(Builder::new().push_int(int(needed)), |b, key| b.push_key(key));
    Ok(named.push_int(int(keys.len())).push_opcode(OP_CHECKMULTISIG).into_script())
}

/// `[origin]KEY`, the key in hex or as a private one.
fn key(text: &str) -> Result<PublicKey, RpcError> {
    let text = text.strip_prefix('[').and_then(|rest| rest.split_once(']')).map_or(text, |(_, key)| key);
    if let Ok(key) = text.parse::<PublicKey>() {
        return Ok(key);
    }
    if let Ok(key) = PrivateKey::from_wif(text) {
        return Ok(key.public_key(&Secp256k1::signing_only()));
    }
    if text.contains("pub") || text.contains("prv") {
        return Err(bad("Keys that are derived are not supported yet"));
    }
    Err(bad(format!("Pubkey '{text}' is invalid")))
}

/// A key of 32 bytes, or of 33 without its first.
fn x_only(text: &str) -> Result<XOnlyPublicKey, RpcError> {
    if let Ok(key) = text.parse::<XOnlyPublicKey>() {
        return Ok(key);
    }
    key(text).map(|key| XOnlyPublicKey::from(key.inner))
}

/// Bytes as a push.
pub(crate) fn push(bytes: &[u8]) -> Option<&PushBytes> {
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests;
