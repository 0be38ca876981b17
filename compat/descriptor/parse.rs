//! The text of a descriptor into its shape. Core's words for what is wrong with it.

use adit_domain::units::parse_address;
use bitcoin::hex::FromHex;
use bitcoin::{Network, ScriptBuf};
use miniscript::{Segwitv0, Tap};

use super::bad;
use super::key::{Key, Place};
use super::mini::Mini;
use super::shape::{Leaf, Multi, Shape};
use crate::error::RpcError;

/// Keys of a multisig at most.
const MULTI_KEYS_MAX: usize = 20;
/// Keys of a bare multisig at most: others are not relayed.
const BARE_KEYS_MAX: usize = 3;
/// Keys of a multisig in a tapscript at most: as many elements lie on the stack.
const MULTI_A_KEYS_MAX: usize = 999;
/// Bytes of a script within P2SH at most: those of a push.
const P2SH_BYTES_MAX: usize = 520;
/// Braces of a taproot tree in each other at most (BIP341).
const TREE_DEPTH_MAX: usize = 128;

/// A descriptor without its checksum.
pub(super) fn top(text: &str, network: Network) -> Result<Shape, RpcError> {
    whole(text, Place::Top, network)
}

/// One expression, with nothing behind it.
fn whole(text: &str, place: Place, network: Network) -> Result<Shape, RpcError> {
    match expression(text) {
        (head, "") => shape(head, place, network),
        (_, rest) => Err(bad(format!("'{rest}' is not expected here"))),
    }
}

/// Up to the comma, the bracket or the brace that ends an expression, and what comes behind.
fn expression(text: &str) -> (&str, &str) {
    let mut depth = 0usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' | '{' => depth = depth.saturating_add(1),
            ')' | '}' if depth > 0 => depth = depth.saturating_sub(1),
            ')' | '}' | ',' if depth == 0 => return text.split_at(at),
            _ => {}
        }
    }
    (text, "")
}

/// `name(inside)`.
fn call(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.split_once('(')?;
    Some((name, rest.strip_suffix(')')?))
}

/// The same error with the function before it.
fn named(name: &'static str) -> impl Fn(RpcError) -> RpcError {
    move |error| RpcError { message: format!("{name}: {}", error.message), ..error }
}

fn shape(text: &str, place: Place, network: Network) -> Result<Shape, RpcError> {
    use Place::{P2sh, P2tr, P2wsh, Top};
    let key = |inside: &str, place: Place, name: &'static str| {
        Key::read(inside, place, network).map_err(named(name))
    };
    let Some((name, inside)) = call(text) else { return other(text, place, network) };
    match (name, place) {
        ("pk", _) => Ok(Shape::Pk(key(inside, place, "pk()")?)),
        ("pkh", Top | P2sh | P2wsh) => Ok(Shape::Pkh(key(inside, place, "pkh()")?)),
        ("combo", Top) => Ok(Shape::Combo(key(inside, place, "combo()")?)),
        ("combo", _) => Err(bad("Can only have combo() at top level")),
        ("multi" | "sortedmulti", Top | P2sh | P2wsh) => {
            Ok(Shape::Multi(multi(inside, name == "sortedmulti", place, network)?))
        }
        ("multi" | "sortedmulti", _) => {
            Err(bad("Can only have multi/sortedmulti at top level, in sh(), or in wsh()"))
        }
        ("multi_a" | "sortedmulti_a", _) if place != P2tr => {
            Err(bad("Can only have multi_a/sortedmulti_a inside tr()"))
        }
        ("wpkh", Top | P2sh) => Ok(Shape::Wpkh(key(inside, Place::P2wpkh, "wpkh()")?)),
        ("wpkh", _) => Err(bad("Can only have wpkh() at top level or inside sh()")),
        ("sh", Top) => Ok(Shape::Sh(Box::new(whole(inside, P2sh, network)?))),
        ("sh", _) => Err(bad("Can only have sh() at top level")),
        ("wsh", Top | P2sh) => Ok(Shape::Wsh(Box::new(whole(inside, P2wsh, network)?))),
        ("wsh", _) => Err(bad("Can only have wsh() at top level or inside sh()")),
        ("addr", Top) => {
            parse_address(inside, network).map(Shape::Addr).map_err(|_| bad("Address is not valid"))
        }
        ("addr", _) => Err(bad("Can only have addr() at top level")),
        ("tr", Top) => tr(inside, network),
        ("tr", _) => Err(bad("Can only have tr at top level")),
        ("rawtr", Top) if !expression(inside).1.is_empty() => Err(bad("rawtr(): only one key expected.")),
        ("rawtr", Top) => Ok(Shape::RawTr(key(inside, P2tr, "rawtr()")?)),
        ("rawtr", _) => Err(bad("Can only have rawtr at top level")),
        ("raw", Top) => {
            let bytes = Vec::from_hex(inside).ok().filter(|bytes| !bytes.is_empty());
            Ok(Shape::Raw(ScriptBuf::from_bytes(bytes.ok_or_else(|| bad("Raw script is not hex"))?)))
        }
        ("raw", _) => Err(bad("Can only have raw() at top level")),
        _ => other(text, place, network),
    }
}

/// Miniscript, or nothing that is known.
fn other(text: &str, place: Place, network: Network) -> Result<Shape, RpcError> {
    let mini = if place == Place::P2wsh { Mini::<Segwitv0>::read(text, place, network)? } else { None };
    if let Some(mini) = mini {
        return Ok(Shape::Mini(mini));
    }
    Err(match place {
        Place::P2sh => bad("A function is needed within P2SH"),
        Place::P2wsh => bad("A function is needed within P2WSH"),
        _ => bad(format!("'{text}' is not a valid descriptor function")),
    })
}

/// `needed,key,key`.
fn multi(inside: &str, sorted: bool, place: Place, network: Network) -> Result<Multi, RpcError> {
    let (first, rest) = expression(inside);
    let digits = !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_digit());
    let needed = first.parse::<u32>().ok().filter(|_| digits);
    let needed = needed.ok_or_else(|| bad(format!("Multi threshold '{first}' is not valid")))?;
    let needed = usize::try_from(needed).unwrap_or(usize::MAX);
    let mut keys = Vec::new();
    let mut rest = rest;
    while let Some(got) = rest.chars().next() {
        let Some(next) = rest.strip_prefix(',') else {
            return Err(bad(format!("Multi: expected ',', got '{got}'")));
        };
        let (typed, behind) = expression(next);
        keys.push(Key::read(typed, place, network).map_err(named("Multi"))?);
        rest = behind;
    }
    let count = keys.len();
    let (word, most) =
        if place == Place::P2tr { ("multi_a", MULTI_A_KEYS_MAX) } else { ("multisig", MULTI_KEYS_MAX) };
    if !(1..=most).contains(&count) {
        let text =
            format!("Cannot have {count} keys in {word}; must have between 1 and {most} keys, inclusive");
        return Err(bad(text));
    }
    if needed < 1 {
        return Err(bad(format!("Multisig threshold cannot be {needed}, must be at least 1")));
    }
    if needed > count {
        return Err(bad(format!(
            "Multisig threshold cannot be larger than the number of keys; threshold is {needed} but only {count} keys specified"
        )));
    }
    if place == Place::Top && count > BARE_KEYS_MAX {
        let text = format!("Cannot have {count} pubkeys in bare multisig; only at most 3 pubkeys");
        return Err(bad(text));
    }
    let bytes = keys.iter().fold(3usize, |sum, key| sum.saturating_add(key.script_bytes()).saturating_add(1));
    if place == Place::P2sh && bytes > P2SH_BYTES_MAX {
        let text = format!("P2SH script is too large, {bytes} bytes is larger than {P2SH_BYTES_MAX} bytes");
        return Err(bad(text));
    }
    Ok(Multi { needed, keys, sorted })
}

/// `key`, or `key,{leaf,{leaf,leaf}}`.
fn tr(inside: &str, network: Network) -> Result<Shape, RpcError> {
    let (first, rest) = expression(inside);
    let key = Key::read(first, Place::P2tr, network).map_err(named("tr()"))?;
    let Some(got) = rest.chars().next() else { return Ok(Shape::Tr { key, leaves: Vec::new() }) };
    let Some(tree) = rest.strip_prefix(',') else {
        return Err(bad(format!("tr: expected ',', got '{got}'")));
    };
    Ok(Shape::Tr { key, leaves: leaves(tree, network)? })
}

/// The leaves from left to right, each with its depth.
fn leaves(tree: &str, network: Network) -> Result<Vec<(u8, Leaf)>, RpcError> {
    let mut rest = tree;
    let mut found = Vec::new();
    // For each brace that is open: whether its right half has begun.
    let mut open: Vec<bool> = Vec::new();
    loop {
        while let Some(inner) = rest.strip_prefix('{') {
            rest = inner;
            open.push(false);
            if open.len() > TREE_DEPTH_MAX {
                return Err(bad(format!("tr() supports at most {TREE_DEPTH_MAX} nesting levels")));
            }
        }
        let (typed, behind) = expression(rest);
        found.push((u8::try_from(open.len()).unwrap_or(u8::MAX), leaf(typed, network)?));
        rest = behind;
        while open.last() == Some(&true) {
            let closed = rest.strip_prefix('}');
            rest = closed.ok_or_else(|| bad("tr(): expected '}' after script expression"))?;
            open.pop();
        }
        let Some(half) = open.last_mut() else { break };
        let next = rest.strip_prefix(',');
        rest = next.ok_or_else(|| bad("tr(): expected ',' after script expression"))?;
        *half = true;
    }
    match rest {
        "" => Ok(found),
        _ => Err(bad("tr(): expected ')' after script expression")),
    }
}

fn leaf(text: &str, network: Network) -> Result<Leaf, RpcError> {
    match call(text) {
        Some(("pk", inside)) => Ok(Leaf::Pk(Key::read(inside, Place::P2tr, network).map_err(named("pk()"))?)),
        Some((name @ ("multi_a" | "sortedmulti_a"), inside)) => {
            Ok(Leaf::MultiA(multi(inside, name == "sortedmulti_a", Place::P2tr, network)?))
        }
        Some((
            "combo" | "multi" | "sortedmulti" | "wpkh" | "sh" | "wsh" | "addr" | "tr" | "rawtr" | "raw",
            _,
        )) => match shape(text, Place::P2tr, network) {
            Err(error) => Err(error),
            Ok(_) => Err(bad(format!("'{text}' is not a valid descriptor function"))),
        },
        _ => match Mini::<Tap>::read(text, Place::P2tr, network)? {
            Some(mini) => Ok(Leaf::Mini(mini)),
            None => Err(bad(format!("'{text}' is not a valid descriptor function"))),
        },
    }
}
