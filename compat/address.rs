//! Why a text is no address, and where in it the mistakes are likely to be (BIP173's code finds two).

use adit_domain::units::parse_address;
use bitcoin::{Address, Network, base58};

/// What characters of Bech32 mean, by their places.
const CHARSET: &str = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
/// The code's generator (BIP173).
const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
/// What a right checksum comes to: Bech32's (BIP173), Bech32m's (BIP350).
const CONSTANTS: [u32; 2] = [1, 0x2bc8_30a3];
/// Characters of a Bech32 text at most.
const CHARS_MAX: usize = 90;
/// Characters of a checksum.
const CHECKSUM_CHARS: usize = 6;
/// Bytes of a witness program at most.
const PROGRAM_BYTES_MAX: usize = 40;
/// Bytes of a Base58 address: a prefix and a hash.
const BASE58_BYTES: usize = 21;
/// Bytes of a Base58 text that is looked at at all.
const BASE58_BYTES_MAX: usize = 100;

/// What is wrong, in Core's words, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    pub(crate) text: String,
    /// Places in the text, from 0.
    pub(crate) places: Vec<usize>,
}

impl Mistake {
    fn of(text: impl Into<String>) -> Mistake {
        Mistake { text: text.into(), places: Vec::new() }
    }

    fn at(text: &str, places: Vec<usize>) -> Mistake {
        Mistake { text: text.to_owned(), places }
    }
}

/// Reads an address of a network.
pub(crate) fn read(text: &str, network: Network) -> Result<Address, Mistake> {
    parse_address(text, network).map_err(|_| mistake(text, network))
}

/// Of a text that is no address.
fn mistake(text: &str, network: Network) -> Mistake {
    let (prefix, versions) = match network {
        Network::Bitcoin => ("bc", [0, 5]),
        Network::Regtest => ("bcrt", [111, 196]),
        _ => ("tb", [111, 196]),
    };
    let is_bech32 = text.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix));
    if is_bech32 { bech32_mistake(text, prefix) } else { base58_mistake(text, versions) }
}

fn base58_mistake(text: &str, versions: [u8; 2]) -> Mistake {
    let text = text.trim();
    let checked = base58::decode_check(text).ok().filter(|data| data.len() <= BASE58_BYTES);
    match checked {
        Some(data) if data.first().is_some_and(|first| versions.contains(first)) => {
            Mistake::of("Invalid length for Base58 address (P2PKH or P2SH)")
        }
        Some(_) => Mistake::of("Invalid or unsupported Base58-encoded address."),
        None => match base58::decode(text) {
            Ok(data) if data.len() <= BASE58_BYTES_MAX => {
                Mistake::of("Invalid checksum or length of Base58 address (P2PKH or P2SH)")
            }
            _ => Mistake::of("Invalid or unsupported Segwit (Bech32) or Base58 encoding."),
        },
    }
}

/// A Bech32 text in its parts.
struct Parts {
    prefix: String,
    /// Five bits each, the checksum's among them.
    values: Vec<u32>,
}

/// The parts, or why there are none.
fn parts(text: &str) -> Result<Parts, Mistake> {
    if text.len() > CHARS_MAX {
        return Err(Mistake::at("Bech32 string too long", (CHARS_MAX..text.len()).collect()));
    }
    let odd = odd_characters(text);
    if !odd.is_empty() {
        return Err(Mistake::at("Invalid character or mixed case", odd));
    }
    let Some((prefix, data)) = text.rsplit_once('1') else { return Err(Mistake::of("Missing separator")) };
    if prefix.is_empty() || data.len() < CHECKSUM_CHARS {
        return Err(Mistake::at("Invalid separator position", vec![prefix.len()]));
    }
    let mut values = Vec::with_capacity(data.len());
    for (place, c) in data.char_indices() {
        let Some(value) = CHARSET.find(c.to_ascii_lowercase()).and_then(|at| u32::try_from(at).ok()) else {
            let place = prefix.len().saturating_add(1).saturating_add(place);
            return Err(Mistake::at("Invalid Base 32 character", vec![place]));
        };
        values.push(value);
    }
    Ok(Parts { prefix: prefix.to_ascii_lowercase(), values })
}

/// Where a character is none of those that are printed, or is of another case than the first.
fn odd_characters(text: &str) -> Vec<usize> {
    let mut lower = None;
    let is_odd = |byte: u8| match byte {
        b'a'..=b'z' => !*lower.get_or_insert(true),
        b'A'..=b'Z' => *lower.get_or_insert(false),
        33..=126 => false,
        _ => true,
    };
    let mut is_odd = is_odd;
    text.bytes().enumerate().filter_map(|(place, byte)| is_odd(byte).then_some(place)).collect()
}

/// One step of the code: the state times x, and one value more.
fn step(state: u32, value: u32) -> u32 {
    let top = state >> 25;
    let shifted = ((state & 0x01ff_ffff) << 5) ^ value;
    let taken = GENERATOR.iter().zip(0u32..).filter(|(_, bit)| (top >> bit) & 1 == 1);
    taken.fold(shifted, |state, (word, _)| state ^ word)
}

/// What the whole text comes to.
fn remainder(parts: &Parts) -> u32 {
    let high = parts.prefix.bytes().map(|byte| u32::from(byte >> 5));
    let low = parts.prefix.bytes().map(|byte| u32::from(byte & 31));
    let all = high.chain(std::iter::once(0)).chain(low).chain(parts.values.iter().copied());
    all.fold(1, step)
}

fn bech32_mistake(text: &str, prefix: &str) -> Mistake {
    let parts = match parts(text) {
        Ok(parts) => parts,
        Err(mistake) => return mistake,
    };
    let remainder = remainder(&parts);
    match CONSTANTS.iter().position(|constant| *constant == remainder) {
        Some(kind) => program_mistake(&parts, kind == 0, prefix),
        None => wrong_checksum(text, &parts, remainder),
    }
}

/// Of a text whose checksum is right.
fn program_mistake(parts: &Parts, is_first_kind: bool, prefix: &str) -> Mistake {
    let data = parts.values.len().saturating_sub(CHECKSUM_CHARS);
    let Some((version, program)) = parts.values.get(..data).and_then(|data| data.split_first()) else {
        return Mistake::of("Empty Bech32 data section");
    };
    if parts.prefix != prefix {
        return Mistake::of(format!(
            "Invalid or unsupported prefix for Segwit (Bech32) address (expected {prefix}, got {}).",
            parts.prefix
        ));
    }
    match (*version, is_first_kind) {
        (0, false) => return Mistake::of("Version 0 witness address must use Bech32 checksum"),
        (1.., true) => return Mistake::of("Version 1+ witness address must use Bech32m checksum"),
        _ => {}
    }
    let bits = program.len().saturating_mul(5);
    let (bytes, left) = (bits / 8, bits % 8);
    let padding = program.last().map_or(0, |last| last & ((1u32 << left) - 1));
    if left >= 5 || padding != 0 {
        return Mistake::of("Invalid padding in Bech32 data section");
    }
    let word = if bytes == 1 { "byte" } else { "bytes" };
    match *version {
        0 => Mistake::of(format!("Invalid Bech32 v0 address program size ({bytes} {word}), per BIP141")),
        17.. => Mistake::of("Invalid Bech32 address witness version"),
        _ if !(2..=PROGRAM_BYTES_MAX).contains(&bytes) => {
            Mistake::of(format!("Invalid Bech32 address program size ({bytes} {word})"))
        }
        _ => Mistake::of("Invalid or unsupported Segwit (Bech32) or Base58 encoding."),
    }
}

/// Where the fewest mistakes are that explain a checksum, one or two, by either kind of it.
fn wrong_checksum(text: &str, parts: &Parts, remainder: u32) -> Mistake {
    let count = parts.values.len();
    let place = |from_right: usize| text.len().saturating_sub(from_right).saturating_sub(1);
    let mut best: Option<(usize, Vec<usize>)> = None;
    for (kind, constant) in CONSTANTS.iter().enumerate() {
        let found = explain(remainder ^ constant, count);
        let fewer = best.as_ref().is_none_or(|(_, places)| found.len() < places.len());
        if !found.is_empty() && fewer {
            best = Some((kind, found.into_iter().map(place).collect()));
        }
    }
    match best {
        Some((0, places)) => Mistake::at("Invalid Bech32 checksum", places),
        Some((_, places)) => Mistake::at("Invalid Bech32m checksum", places),
        None => Mistake::of("Invalid checksum"),
    }
}

/// One or two places, counted from the right and the leftmost first, where other characters would have made this difference.
/// The code is linear: what a change comes to does not depend on the rest.
fn explain(difference: u32, count: usize) -> Vec<usize> {
    let mut changes = Vec::with_capacity(count.saturating_mul(31));
    let mut unit: Vec<u32> = (1..32).collect();
    for place in 0..count {
        changes.extend(unit.iter().map(|change| (*change, place)));
        unit.iter_mut().for_each(|change| *change = step(*change, 0));
    }
    changes.sort_unstable();
    let find = |wanted: u32| {
        let at = changes.binary_search_by_key(&wanted, |(change, _)| *change).ok()?;
        changes.get(at).map(|(_, place)| *place)
    };
    if let Some(place) = find(difference) {
        return vec![place];
    }
    for (change, one) in &changes {
        if let Some(other) = find(difference ^ change).filter(|other| other != one) {
            return vec![(*one).max(other), (*one).min(other)];
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests;
