//! Addresses and descriptors, and the clock of tests.

use bitcoin::{Network, Script};

use adit_domain::units::parse_address;

use crate::ctx::Ctx;
use crate::error::RpcError;
use crate::json::{Json, object};
use crate::params::Params;
use crate::scripts;
use crate::show::with_checksum;
use crate::table::Category::{Hidden, Util};
use crate::table::{Kind, Method, method, opt, req};

pub(super) const METHODS: &[Method] = &[
    method(
        "validateaddress",
        Util,
        &[req("address", Kind::Str)],
        "Whether an address is one, and of what.",
        |c, p| Box::pin(validate_address(c, p)),
    ),
    method(
        "deriveaddresses",
        Util,
        &[req("descriptor", Kind::Str), opt("range", Kind::Any)],
        "The addresses of a descriptor.",
        |c, p| Box::pin(derive_addresses(c, p)),
    ),
    method(
        "getdescriptorinfo",
        Util,
        &[req("descriptor", Kind::Str)],
        "A descriptor with its checksum.",
        |c, p| Box::pin(get_descriptor_info(c, p)),
    ),
    method(
        "setmocktime",
        Hidden,
        &[req("timestamp", Kind::Num)],
        "Sets the clock; 0: the machine's again. On regtest.",
        |c, p| Box::pin(set_mock_time(c, p)),
    ),
    method(
        "mockscheduler",
        Hidden,
        &[req("delta_time", Kind::Num)],
        "Has what waits for its time done earlier. On regtest.",
        |c, p| Box::pin(mock_scheduler(c, p)),
    ),
];

async fn validate_address(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let typed = params.str(0)?;
    let Ok(address) = parse_address(typed, ctx.node()?.params.network) else {
        let text = "Invalid or unsupported Segwit (Bech32) or Base58 encoding.";
        return Ok(object([
            ("isvalid", Json::from(false)),
            ("error_locations", Json::List(Vec::new())),
            ("error", Json::from(text)),
        ]));
    };
    let script = address.script_pubkey();
    let mut shown = object([
        ("isvalid", Json::from(true)),
        ("address", Json::text(&address)),
        ("scriptPubKey", Json::hex(script.as_bytes())),
    ]);
    described(&script, &mut shown);
    Ok(shown)
}

fn described(script: &Script, shown: &mut Json) {
    let bytes = script.as_bytes();
    if !script.is_witness_program() {
        shown.push("isscript", script.is_p2sh());
        shown.push("iswitness", false);
        return;
    }
    let version = bytes.first().map_or(0, |byte| byte.saturating_sub(0x50));
    // A program of 20 bytes stands for a key; of others Core says a script's, but for later versions.
    let later = version > 1 || (version == 1 && !script.is_p2tr());
    if !later || bytes == [0x51, 2, 0x4e, 0x73] {
        shown.push("isscript", !script.is_p2wpkh());
    }
    shown.push("iswitness", true);
    shown.push("witness_version", version);
    shown.push("witness_program", Json::hex(bytes.get(2..).unwrap_or_default()));
}

async fn derive_addresses(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let network = ctx.node()?.params.network;
    let descriptor = params.str(0)?;
    if !descriptor.contains('#') {
        return Err(RpcError::invalid_address_or_key("Missing checksum"));
    }
    if params.given(1).is_some() {
        return Err(RpcError::invalid_parameter("Range should not be specified for an un-ranged descriptor"));
    }
    let scripts = scripts::all(descriptor, network)?;
    let address = |script: &bitcoin::ScriptBuf| crate::show::address(script, network).map(Json::text);
    let addresses: Option<Vec<Json>> = scripts.iter().map(address).collect();
    let text = "Descriptor does not have a corresponding address";
    addresses.map(Json::List).ok_or_else(|| RpcError::invalid_address_or_key(text))
}

async fn get_descriptor_info(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let descriptor = params.str(0)?;
    scripts::all(descriptor, ctx.node()?.params.network)?;
    let body = descriptor.split('#').next().unwrap_or(descriptor);
    let solvable = !body.starts_with("addr(") && !body.starts_with("raw(");
    let checksum = crate::show::checksum(body).unwrap_or_default();
    Ok(object([
        ("descriptor", Json::from(with_checksum(body.to_owned()))),
        ("checksum", Json::from(checksum)),
        ("isrange", Json::from(false)),
        ("issolvable", Json::from(solvable)),
        ("hasprivatekeys", Json::from(false)),
    ]))
}

/// What a header's time may be.
const TIME_S_MAX: i64 = 4_294_967_295;

async fn set_mock_time(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let node = ctx.node()?;
    if node.params.network != Network::Regtest {
        return Err(RpcError::misc("setmocktime is for regression testing (-regtest mode) only"));
    }
    let time: i64 = params.int(0)?;
    let Some(seconds) = u64::try_from(time).ok().filter(|_| time <= TIME_S_MAX) else {
        let text = format!("Mocktime must be in the range [0, {TIME_S_MAX}], not {time}.");
        return Err(RpcError::invalid_parameter(text));
    };
    let clock = node.settable_clock.as_ref();
    clock.ok_or_else(|| RpcError::misc("This node's clock cannot be set"))?.set(seconds);
    Ok(Json::Null)
}

/// An hour, as in Core.
const DELTA_S_MAX: i64 = 3_600;

/// What waits here reads the clock itself, or comes every few moments: there is no queue of its own to move.
async fn mock_scheduler(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    if ctx.node()?.params.network != Network::Regtest {
        return Err(RpcError::misc("mockscheduler is for regression testing (-regtest mode) only"));
    }
    let delta: i64 = params.int(0)?;
    if delta <= 0 || delta > DELTA_S_MAX {
        return Err(RpcError::misc("delta_time must be between 1 and 3600 seconds (1 hr)"));
    }
    Ok(Json::Null)
}
