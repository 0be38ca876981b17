//! Output descriptors (BIP380 to BIP386, BIP389, miniscript in `wsh` and `tr`) into scripts, and scripts into descriptors.
//!
//! Owns: the language and its errors in Core's words. Must not know: who asks, or where coins are. Left out: `musig()`.

mod expand;
mod infer;
mod key;
mod known;
mod mini;
mod parse;
mod shape;

use bitcoin::{Network, ScriptBuf};

pub(crate) use expand::multisig_script;
pub(crate) use infer::{infer, infer_with};
pub(crate) use key::SECP;
pub(crate) use known::Known;

use crate::error::RpcError;
use crate::show::{checksum, with_checksum};
use shape::Shape;

/// Characters of a descriptor at most: 999 keys of a `multi_a` with origins and steps are 200 kB; ours have a tenth of that.
const DESCRIPTOR_CHARS_MAX: usize = 20_000;
/// Of one that is a script as it is: as many as a block of nothing else has, two for a byte.
const RAW_CHARS_MAX: usize = 8_000_000;
/// Paths of a multipath descriptor at most: each is a descriptor of its own, together 5 MB.
const PATHS_MAX: usize = 256;

fn bad(text: impl Into<String>) -> RpcError {
    RpcError::invalid_address_or_key(text)
}

/// A descriptor; of a multipath one, one of its paths.
#[derive(Clone, Debug)]
pub(crate) struct Descriptor {
    shape: Shape,
}

impl Descriptor {
    /// With its checksum, and without private keys.
    pub(crate) fn text(&self) -> String {
        with_checksum(self.shape.text())
    }

    /// Whether it has scripts for many indexes.
    pub(crate) fn is_range(&self) -> bool {
        self.shape.keys().iter().any(|key| key.is_range())
    }

    /// Whether it says how its scripts are spent.
    pub(crate) fn is_solvable(&self) -> bool {
        !matches!(self.shape, Shape::Raw(_) | Shape::Addr(_))
    }

    /// Whether there are private keys in it.
    pub(crate) fn has_secrets(&self) -> bool {
        self.shape.keys().iter().any(|key| key.is_secret())
    }

    /// Whether it is a key with four scripts, or with two.
    pub(crate) fn is_combo(&self) -> bool {
        matches!(self.shape, Shape::Combo(_))
    }

    /// Its scripts at an index: one, but for `combo`; what it knows of them goes to `known`. None where a private key lacks.
    pub(crate) fn scripts(&self, index: u32, known: &mut Known) -> Option<Vec<ScriptBuf>> {
        expand::scripts(&self.shape, index, known)
    }
}

/// Reads a descriptor: of a multipath one all paths, else one.
pub(crate) fn read(text: &str, network: Network, with_sum: bool) -> Result<Vec<Descriptor>, RpcError> {
    let body = body(text, with_sum)?;
    let one = |text: &String| Ok(Descriptor { shape: parse::top(text, network)? });
    paths(body)?.iter().map(one).collect()
}

/// The descriptor without its checksum, which is right where it is there.
fn body(text: &str, with_sum: bool) -> Result<&str, RpcError> {
    let most = if text.starts_with("raw(") { RAW_CHARS_MAX } else { DESCRIPTOR_CHARS_MAX };
    if text.len() > most {
        return Err(bad(format!("Descriptors have at most {most} characters")));
    }
    let mut parts = text.split('#');
    let (body, given) = (parts.next().unwrap_or_default(), parts.next());
    if parts.next().is_some() {
        return Err(bad("Multiple '#' symbols"));
    }
    let Some(given) = given else {
        return if with_sum { Err(bad("Missing checksum")) } else { Ok(body) };
    };
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

/// The text once for each item of its `<a;b>` (BIP389).
fn paths(body: &str) -> Result<Vec<String>, RpcError> {
    let mut pieces = Vec::new();
    let mut rest = body;
    while let Some((before, behind)) = rest.split_once('<') {
        let Some((inside, behind)) = behind.split_once('>') else { break };
        let is_same_key = !pieces.is_empty() && !before.contains([',', ')']);
        if is_same_key {
            return Err(bad("Multiple multipath key path specifiers found"));
        }
        pieces.push((before, items(inside)?));
        rest = behind;
    }
    let Some(count) = pieces.iter().map(|(_, items)| items.len()).max() else {
        return Ok(vec![body.to_owned()]);
    };
    if pieces.iter().any(|(_, items)| items.len() != count) {
        return Err(bad("multi(): Multipath derivation paths have mismatched lengths"));
    }
    if count > PATHS_MAX {
        return Err(bad(format!("A descriptor has at most {PATHS_MAX} paths")));
    }
    let nth = |n: usize| {
        let mut text = String::new();
        for (before, items) in &pieces {
            text.push_str(before);
            text.push_str(items.get(n).copied().unwrap_or_default());
        }
        text + rest
    };
    Ok((0..count).map(nth).collect())
}

fn items(inside: &str) -> Result<Vec<&str>, RpcError> {
    let items: Vec<&str> = inside.split(';').collect();
    if items.len() < 2 {
        return Err(bad("Multipath key path specifiers must have at least two items"));
    }
    let mut seen = std::collections::BTreeSet::new();
    match items.iter().find(|item| !seen.insert(**item)) {
        Some(twice) => Err(bad(format!("Duplicated key path value {twice} in multipath specifier"))),
        None => Ok(items),
    }
}

/// The script that a block's reward is paid to by a descriptor.
pub(crate) fn payable(text: &str, network: Network) -> Result<ScriptBuf, RpcError> {
    let all = read(text, network, false)?;
    let one = match all.as_slice() {
        [one] => one,
        _ => return Err(RpcError::invalid_parameter("Multipath descriptor not accepted")),
    };
    if one.is_range() {
        let text = "Ranged descriptor not accepted. Maybe pass through deriveaddresses first?";
        return Err(RpcError::invalid_parameter(text));
    }
    let scripts = one.scripts(0, &mut Known::default());
    let scripts = scripts.ok_or_else(|| bad("Cannot derive script without private keys"))?;
    // Of a combo's four the third, which is P2WPKH; of its two the second, which is P2PKH.
    let place = match scripts.len() {
        4 => 2,
        2 => 1,
        _ => 0,
    };
    scripts.into_iter().nth(place).ok_or_else(|| bad("The descriptor has no script"))
}

#[cfg(test)]
mod tests;
