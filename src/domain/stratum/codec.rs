//! Lines of JSON into typed requests, and answers into lines.
//!
//! Owns: every limit on what a line may be, and the only floats of the pool (a difficulty as JSON has it). Must not know:
//! whether a request makes sense at this point of a session.

use serde_json::{Map, Value};
use thiserror::Error;

use super::share::ShareError;
use crate::units::{Difficulty, DifficultyError};

/// Bytes of a line at most, its end left out. The longest honest one is a `mining.configure` with all extensions (about
/// 400); ckpool drops a miner at 1,024. Four times that leaves room for firmware that pads.
pub const LINE_BYTES_MAX: usize = 4096;
/// Brackets that may be open at once. `mining.configure` needs three: the request, its params, the options within.
pub const DEPTH_MAX: usize = 4;
/// Bytes of a text id at most: miners count, some send a UUID (36).
pub const ID_BYTES_MAX: usize = 64;
/// Bytes of what a miner calls itself; the rest is cut off. ("cgminer/4.12.1/bosminer-plus-tuner 0.9.0-..." has under 100.)
pub const USER_AGENT_BYTES_MAX: usize = 128;
/// Extensions that one `mining.configure` may ask for: BIP310 names four.
pub const EXTENSIONS_MAX: usize = 8;
/// Bytes of a password that are looked at: options such as `d=1024` stand there.
pub const PASSWORD_BYTES_MAX: usize = 128;

/// A request's id, given back as it came: a number, a text or null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Value);

impl RequestId {
    /// The id of a line that has none.
    pub const NULL: RequestId = RequestId(Value::Null);
}

/// Why a line is not a message: its sender speaks something else, and is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LineError {
    /// More than [`LINE_BYTES_MAX`].
    #[error("line too long")]
    TooLong,
    /// Brackets within brackets beyond [`DEPTH_MAX`].
    #[error("nested too deeply")]
    TooDeep,
    /// Not JSON, or not an object.
    #[error("not a JSON object")]
    NotAnObject,
    /// The same key twice: readers disagree about which one counts.
    #[error("duplicate key")]
    DuplicateKey,
    /// The id is neither a number, nor a text of at most [`ID_BYTES_MAX`], nor null.
    #[error("bad id")]
    BadId,
}

/// Why a request cannot be carried out; answered with code 20.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RequestError {
    /// `method` is not a text.
    #[error("method must be a string")]
    BadMethod,
    /// A method that Adit does not have.
    #[error("method not found")]
    UnknownMethod,
    /// A parameter is missing, of another type, or out of range.
    #[error("bad parameters")]
    BadParams,
    /// A field that is hex is not, or has another length (ntime, nonce and version bits have 8 digits).
    #[error("bad hex field")]
    BadHex,
}

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// Something is asked.
    Request {
        /// Goes back with the answer.
        id: RequestId,
        /// What is asked, or why it cannot be.
        request: Result<Request, RequestError>,
    },
    /// An answer to something; the pool asks nothing, so it is left alone (an answer to an answer would never end).
    Answer,
}

/// What miners ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// `mining.subscribe`.
    Subscribe {
        /// What the miner calls itself; may be empty.
        user_agent: String,
        /// The session that it had before.
        resume: Option<String>,
    },
    /// `mining.authorize`, or `mining.auth`.
    Authorize {
        /// `ADDRESS.worker`.
        user: String,
        /// The difficulty that stands in the password as `d=NUMBER`.
        difficulty: Option<Difficulty>,
    },
    /// `mining.configure` (BIP310).
    Configure(Configure),
    /// `mining.suggest_difficulty`.
    SuggestDifficulty(Difficulty),
    /// `mining.submit`.
    Submit(Submission),
    /// `mining.ping`.
    Ping,
    /// `client.get_version`.
    GetVersion,
}

/// The extensions that a miner asks for.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Configure {
    /// The version bits that it would roll.
    pub version_rolling: Option<u32>,
    /// The least difficulty that it can bear, where it asks for that extension; none in it where it names no positive number.
    pub minimum_difficulty: Option<Option<Difficulty>>,
    /// Extensions that Adit does not have; each is answered with false.
    pub unknown: Vec<String>,
}

/// A share as it came, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// The worker, as it was authorised.
    pub user: String,
    /// The job, by its number; none where it cannot be one of ours.
    pub job: Option<u64>,
    /// The miner's own bytes of the coinbase, of any length yet.
    pub extranonce2: Vec<u8>,
    /// Seconds since 1970.
    pub ntime: u32,
    /// The header's nonce.
    pub nonce: u32,
    /// The rolled version bits, where the miner gave them.
    pub version_bits: Option<u32>,
}

/// Types one line, its end left out.
pub fn decode(line: &[u8]) -> Result<Incoming, LineError> {
    let object = parse(line)?;
    let id = id_of(&object)?;
    let Some(method) = object.get("method") else {
        return Ok(answer_or_bad(&object, id));
    };
    let request = method.as_str().ok_or(RequestError::BadMethod).and_then(|m| typed(m, params_of(&object)));
    Ok(Incoming::Request { id, request })
}

/// The id of a line whose handling failed; null where it has none.
pub fn id_for_failure(line: &[u8]) -> RequestId {
    parse(line).and_then(|o| id_of(&o)).unwrap_or(RequestId::NULL)
}

fn answer_or_bad(object: &Map<String, Value>, id: RequestId) -> Incoming {
    if object.contains_key("result") || object.contains_key("error") {
        return Incoming::Answer;
    }
    Incoming::Request { id, request: Err(RequestError::BadMethod) }
}

fn parse(line: &[u8]) -> Result<Map<String, Value>, LineError> {
    if line.len() > LINE_BYTES_MAX {
        return Err(LineError::TooLong);
    }
    let keys = scan(line)?;
    match serde_json::from_slice(line) {
        Ok(Value::Object(object)) if object.len() == keys => Ok(object),
        Ok(Value::Object(_)) => Err(LineError::DuplicateKey),
        _ => Err(LineError::NotAnObject),
    }
}

/// Counts the outermost object's keys, and ends where brackets nest too deeply, before anything is allocated.
fn scan(line: &[u8]) -> Result<usize, LineError> {
    let (mut depth, mut keys) = (0usize, 0usize);
    let (mut in_text, mut escaped) = (false, false);
    for byte in line {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'{' | b'[' => depth = depth.saturating_add(1),
            b'}' | b']' => depth = depth.saturating_sub(1),
            b':' if depth == 1 => keys = keys.saturating_add(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return Err(LineError::TooDeep);
        }
    }
    Ok(keys)
}

fn id_of(object: &Map<String, Value>) -> Result<RequestId, LineError> {
    match object.get("id") {
        None => Ok(RequestId::NULL),
        Some(Value::String(s)) if s.len() > ID_BYTES_MAX => Err(LineError::BadId),
        Some(id @ (Value::Null | Value::Number(_) | Value::String(_))) => Ok(RequestId(id.clone())),
        Some(_) => Err(LineError::BadId),
    }
}

fn params_of(object: &Map<String, Value>) -> &[Value] {
    object.get("params").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn typed(method: &str, params: &[Value]) -> Result<Request, RequestError> {
    match method {
        "mining.subscribe" => Ok(subscribe(params)),
        "mining.authorize" | "mining.auth" => authorize(params),
        "mining.configure" => configure(params).map(Request::Configure),
        "mining.suggest_difficulty" => params
            .first()
            .and_then(difficulty_of_json)
            .map(Request::SuggestDifficulty)
            .ok_or(RequestError::BadParams),
        "mining.submit" => submit(params).map(Request::Submit),
        "mining.ping" => Ok(Request::Ping),
        "client.get_version" => Ok(Request::GetVersion),
        _ => Err(RequestError::UnknownMethod),
    }
}

/// `[]`, `[ua]`, `[ua, null]`, `[ua, session]` and longer ones are all seen in the field.
fn subscribe(params: &[Value]) -> Request {
    let user_agent = params.first().and_then(Value::as_str).map(printable).unwrap_or_default();
    let resume = params.get(1).and_then(Value::as_str).filter(|s| s.len() <= ID_BYTES_MAX);
    Request::Subscribe { user_agent, resume: resume.map(str::to_owned) }
}

/// Printable ASCII only, cut to its limit: it goes to logs and terminals.
fn printable(text: &str) -> String {
    text.chars().filter(|c| matches!(c, ' '..='~')).take(USER_AGENT_BYTES_MAX).collect()
}

fn authorize(params: &[Value]) -> Result<Request, RequestError> {
    let user = text(params, 0)?.to_owned();
    let password = params.get(1).and_then(Value::as_str).unwrap_or_default();
    Ok(Request::Authorize { user, difficulty: password_difficulty(password) })
}

/// `d=NUMBER` among what commas, semicolons or blanks part.
fn password_difficulty(password: &str) -> Option<Difficulty> {
    let head = password.get(..password.len().min(PASSWORD_BYTES_MAX))?;
    let mut options = head.split([',', ';', ' ']);
    let number = options.find_map(|o| o.trim().strip_prefix("d="))?;
    number.parse::<f64>().ok().and_then(difficulty_from_f64)
}

fn configure(params: &[Value]) -> Result<Configure, RequestError> {
    let names = params.first().and_then(Value::as_array).ok_or(RequestError::BadParams)?;
    if names.len() > EXTENSIONS_MAX {
        return Err(RequestError::BadParams);
    }
    let option = |key: &str| params.get(1).and_then(|o| o.get(key));
    let mut asked = Configure::default();
    for name in names {
        match name.as_str().ok_or(RequestError::BadParams)? {
            // BIP310: without a mask, all bits.
            "version-rolling" => {
                let mask = option("version-rolling.mask").map(mask_of).transpose()?;
                asked.version_rolling = Some(mask.unwrap_or(u32::MAX));
            }
            "minimum-difficulty" => {
                asked.minimum_difficulty =
                    Some(option("minimum-difficulty.value").and_then(difficulty_of_json));
            }
            other => asked.unknown.push(printable(other)),
        }
    }
    Ok(asked)
}

fn mask_of(value: &Value) -> Result<u32, RequestError> {
    value.as_str().ok_or(RequestError::BadParams).and_then(hex_u32)
}

fn submit(params: &[Value]) -> Result<Submission, RequestError> {
    let version_bits = match params.get(5) {
        None | Some(Value::Null) => None,
        Some(bits) => Some(mask_of(bits)?),
    };
    Ok(Submission {
        user: text(params, 0)?.to_owned(),
        job: job_number(text(params, 1)?),
        extranonce2: hex_bytes(text(params, 2)?).ok_or(RequestError::BadHex)?,
        ntime: hex_u32(text(params, 3)?)?,
        nonce: hex_u32(text(params, 4)?)?,
        version_bits,
    })
}

fn text(params: &[Value], at: usize) -> Result<&str, RequestError> {
    params.get(at).and_then(Value::as_str).ok_or(RequestError::BadParams)
}

fn job_number(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|b| b.is_ascii_hexdigit());
    u64::from_str_radix(text, 16).ok().filter(|_| digits)
}

/// Eight hex digits of either case, big-endian.
fn hex_u32(text: &str) -> Result<u32, RequestError> {
    let bytes = hex_bytes(text).ok_or(RequestError::BadHex)?;
    <[u8; 4]>::try_from(bytes).map(u32::from_be_bytes).map_err(|_| RequestError::BadHex)
}

fn hex_bytes(text: &str) -> Option<Vec<u8>> {
    bitcoin::hex::FromHex::from_hex(text).ok()
}

/// A JSON number as a difficulty; see [`difficulty_to_json`] for the way back. None for what is not a positive number.
pub fn difficulty_of_json(value: &Value) -> Option<Difficulty> {
    value.as_f64().and_then(difficulty_from_f64)
}

/// A JSON number as a difficulty, rounded down to steps of 2^-32 and brought into the range that can be named; none for
/// what is not positive. No float arithmetic: the number's own bits are shifted.
fn difficulty_from_f64(number: f64) -> Option<Difficulty> {
    // Mantissa * 2^(exponent - 1075) is the number (IEEE 754); times 2^32 it is the count of steps.
    const EXPONENT_OF_ONE_STEP: u64 = 1075 - 32;
    if !number.is_finite() || number <= 0.0 {
        return None;
    }
    let bits = number.to_bits();
    let (exponent, fraction) = (bits >> 52, bits & ((1 << 52) - 1));
    let mantissa = fraction | (1 << 52);
    let steps = if exponent >= EXPONENT_OF_ONE_STEP {
        shift_left(mantissa, exponent.saturating_sub(EXPONENT_OF_ONE_STEP))
    } else {
        u32::try_from(EXPONENT_OF_ONE_STEP.saturating_sub(exponent))
            .ok()
            .and_then(|s| mantissa.checked_shr(s))
            .unwrap_or(0)
    };
    match Difficulty::from_raw(steps) {
        Ok(difficulty) => Some(difficulty),
        Err(DifficultyError::NotPositive) => Some(Difficulty::MIN),
        Err(DifficultyError::TooLarge) => Some(Difficulty::MAX),
    }
}

/// `value * 2^by`, `u64::MAX` where it does not fit.
fn shift_left(value: u64, by: u64) -> u64 {
    u32::try_from(by).ok().filter(|b| *b <= value.leading_zeros()).map_or(u64::MAX, |b| value << b)
}

/// A difficulty as a JSON number: whole ones without a point, as some firmware reads only those.
pub fn difficulty_to_json(difficulty: Difficulty) -> Value {
    let raw = difficulty.to_raw();
    let (whole, part) = (raw >> 32, raw & u64::from(u32::MAX));
    if part == 0 {
        return Value::from(whole);
    }
    let float = |half: u64| u32::try_from(half).map_or(0.0, f64::from);
    Value::from(float(whole) + float(part) / 4_294_967_296.0)
}

/// A line without its end is given out with it.
fn line(id: &RequestId, result: &Value, error: &Value) -> String {
    format!("{{\"id\":{},\"result\":{result},\"error\":{error}}}\n", id.0)
}

/// `true`.
pub fn reply_true(id: &RequestId) -> String {
    line(id, &Value::Bool(true), &Value::Null)
}

/// Any result.
pub fn reply(id: &RequestId, result: &Value) -> String {
    line(id, result, &Value::Null)
}

/// `[code, text, null]`.
pub fn reply_error(id: &RequestId, code: u8, text: &str) -> String {
    line(id, &Value::Null, &Value::from(vec![Value::from(code), Value::from(text), Value::Null]))
}

/// A refused share, with the code of its rule.
pub fn reply_refused(id: &RequestId, error: ShareError) -> String {
    reply_error(id, error.code(), &error.to_string())
}

/// What a miner hears when our own part failed: `[20,"internal error",null]`.
pub fn reply_internal_error(id: &RequestId) -> String {
    reply_error(id, 20, "internal error")
}

/// The answer to `mining.subscribe`: what is subscribed to, extranonce1 in hex, bytes of extranonce2.
pub fn reply_subscribed(
    id: &RequestId,
    session: &str,
    extranonce1: [u8; 4],
    extranonce2_bytes: usize,
) -> String {
    let subscriptions = serde_json::json!([["mining.set_difficulty", session], ["mining.notify", session]]);
    let extranonce1 = bitcoin::hex::DisplayHex::to_lower_hex_string(&extranonce1[..]);
    reply(id, &serde_json::json!([subscriptions, extranonce1, extranonce2_bytes]))
}

/// The answer to `mining.configure`, a row for each extension that was asked for (BIP310); `mask` is none where no version bit
/// may be rolled.
pub fn reply_configured(id: &RequestId, asked: &Configure, mask: Option<u32>) -> String {
    let mut result = Map::new();
    if asked.version_rolling.is_some() {
        result.insert("version-rolling".to_owned(), Value::Bool(mask.is_some()));
        if let Some(mask) = mask {
            result.insert("version-rolling.mask".to_owned(), Value::from(format!("{mask:08x}")));
        }
    }
    if let Some(least) = asked.minimum_difficulty {
        result.insert("minimum-difficulty".to_owned(), Value::Bool(least.is_some()));
    }
    for name in &asked.unknown {
        result.insert(name.clone(), Value::Bool(false));
    }
    reply(id, &Value::Object(result))
}

/// `mining.set_difficulty`.
pub fn set_difficulty(difficulty: Difficulty) -> String {
    let params = difficulty_to_json(difficulty);
    format!("{{\"id\":null,\"method\":\"mining.set_difficulty\",\"params\":[{params}]}}\n")
}

#[cfg(test)]
#[path = "codec/tests.rs"]
mod tests;
