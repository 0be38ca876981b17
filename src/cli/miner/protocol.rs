use adit_domain::stratum::codec::difficulty_of_json;
use adit_domain::units::Difficulty;
use bitcoin::hex::FromHex;
use serde_json::{Value, json};

use super::work::Found;

/// Ids of what is asked once a connection; shares count from [`ID_SHARES`].
pub(super) const ID_SUBSCRIBE: u64 = 1;
pub(super) const ID_CONFIGURE: u64 = 2;
pub(super) const ID_AUTHORIZE: u64 = 3;
pub(super) const ID_SHARES: u64 = 16;
/// The version bits that this miner would roll.
const VERSION_MASK: u32 = 0x1fff_e000;
/// A branch has a hash a level: a block's 4,000,000 units hold fewer than 2^17 transactions.
const BRANCH_MAX: usize = 32;

/// `mining.notify`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notify {
    pub(super) job: String,
    /// As in the header.
    pub(super) prev: [u8; 32],
    pub(super) coinb1: Vec<u8>,
    pub(super) coinb2: Vec<u8>,
    pub(super) branch: Vec<[u8; 32]>,
    pub(super) version: u32,
    pub(super) bits: u32,
    pub(super) time: u32,
}

/// What a pool says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum FromPool {
    Reply {
        id: u64,
        result: Value,
        error: Option<String>,
    },
    SetDifficulty(Difficulty),
    SetVersionMask(u32),
    Notify(Box<Notify>),
    /// What this miner has no use for.
    Other,
}

/// Reads one line; none for what is no message.
pub(super) fn parse(line: &str) -> Option<FromPool> {
    let value: Value = serde_json::from_str(line).ok()?;
    let params = value.get("params").and_then(Value::as_array);
    match (value.get("method").and_then(Value::as_str), params) {
        (Some("mining.notify"), Some(params)) => Some(FromPool::Notify(Box::new(notify(params)?))),
        (Some("mining.set_difficulty"), Some(params)) => {
            params.first().and_then(difficulty_of_json).map(FromPool::SetDifficulty)
        }
        (Some("mining.set_version_mask"), Some(params)) => {
            params.first().and_then(hex_u32).map(FromPool::SetVersionMask)
        }
        (Some(_), _) => Some(FromPool::Other),
        (None, _) => reply(&value),
    }
}

fn reply(value: &Value) -> Option<FromPool> {
    let id = value.get("id")?.as_u64()?;
    let result = value.get("result").cloned().unwrap_or_default();
    let error = value.get("error").filter(|e| !e.is_null()).map(error_text);
    Some(FromPool::Reply { id, result, error })
}

/// `[code, text, ...]`, or whatever else a pool has for an error.
fn error_text(error: &Value) -> String {
    error.get(1).and_then(Value::as_str).map_or_else(|| error.to_string(), str::to_owned)
}

fn notify(params: &[Value]) -> Option<Notify> {
    let text = |at: usize| params.get(at).and_then(Value::as_str);
    let number = |at: usize| params.get(at).and_then(hex_u32);
    let branch = params.get(4)?.as_array().filter(|b| b.len() <= BRANCH_MAX)?;
    Some(Notify {
        job: text(0)?.to_owned(),
        prev: prev_of_words(text(1)?)?,
        coinb1: Vec::from_hex(text(2)?).ok()?,
        coinb2: Vec::from_hex(text(3)?).ok()?,
        branch: branch.iter().map(|h| <[u8; 32]>::from_hex(h.as_str()?).ok()).collect::<Option<_>>()?,
        version: number(5)?,
        bits: number(6)?,
        time: number(7)?,
    })
}

/// Each word of four bytes is turned round on the wire.
fn prev_of_words(text: &str) -> Option<[u8; 32]> {
    let mut prev = <[u8; 32]>::from_hex(text).ok()?;
    prev.chunks_exact_mut(4).for_each(<[u8]>::reverse);
    Some(prev)
}

pub(super) fn hex_u32(value: &Value) -> Option<u32> {
    value.as_str().and_then(|s| u32::from_str_radix(s, 16).ok())
}

fn line(id: u64, method: &str, params: &Value) -> String {
    format!("{}\n", json!({ "id": id, "method": method, "params": params }))
}

pub(super) fn subscribe(agent: &str) -> String {
    line(ID_SUBSCRIBE, "mining.subscribe", &json!([agent]))
}

pub(super) fn configure() -> String {
    let options =
        json!({ "version-rolling.mask": format!("{VERSION_MASK:08x}"), "version-rolling.min-bit-count": 2 });
    line(ID_CONFIGURE, "mining.configure", &json!([["version-rolling"], options]))
}

pub(super) fn authorize(user: &str, password: &str) -> String {
    line(ID_AUTHORIZE, "mining.authorize", &json!([user, password]))
}

pub(super) fn submit(id: u64, user: &str, found: &Found) -> String {
    let hex = |bytes: &[u8]| bitcoin::hex::DisplayHex::to_lower_hex_string(bytes);
    let mut params = vec![
        Value::from(user),
        Value::from(found.job.as_str()),
        Value::from(hex(&found.extranonce2)),
        Value::from(format!("{:08x}", found.time)),
        Value::from(format!("{:08x}", found.nonce)),
    ];
    params.extend(found.version_bits.map(|bits| Value::from(format!("{bits:08x}"))));
    line(id, "mining.submit", &Value::from(params))
}

#[cfg(test)]
#[path = "protocol/tests.rs"]
mod tests;
