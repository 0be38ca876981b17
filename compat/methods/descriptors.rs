//! Addresses and descriptors.

use bitcoin::hex::FromHex;
use bitcoin::{Address, Network, PublicKey, Script, ScriptBuf};

use crate::address;
use crate::ctx::{Ctx, off_thread};
use crate::descriptor::{self, Descriptor, Known, infer, multisig_script};
use crate::error::RpcError;
use crate::json::{Json, object};
use crate::params::{self, Params};
use crate::show;
use crate::table::Category::Util;
use crate::table::{Kind, Method, method, opt, req};

pub(super) const METHODS: &[Method] = &[
    method(
        "validateaddress",
        Util,
        &[req("address", Kind::Str)],
        "Return information about the given bitcoin address.",
        |c, p| Box::pin(validate_address(c, p)),
    ),
    method(
        "deriveaddresses",
        Util,
        &[req("descriptor", Kind::Str), opt("range", Kind::Any)],
        "The addresses of a descriptor; of one for many indexes those of a range.",
        |c, p| Box::pin(derive_addresses(c, p)),
    ),
    method(
        "getdescriptorinfo",
        Util,
        &[req("descriptor", Kind::Str)],
        "A descriptor with its checksum, and what it is.",
        |c, p| Box::pin(get_descriptor_info(c, p)),
    ),
    method(
        "createmultisig",
        Util,
        &[
            req("nrequired", Kind::Num),
            req("keys", Kind::List).shown("[\"key\",...]"),
            opt("address_type", Kind::Str),
        ],
        "The address of several keys of which so many must sign.",
        |c, p| Box::pin(create_multisig(c, p)),
    ),
];

async fn validate_address(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let address = match address::read(params.str(0)?, ctx.node()?.params.network) {
        Ok(address) => address,
        Err(mistake) => {
            let places = mistake.places.into_iter().map(Json::from).collect();
            return Ok(object([
                ("isvalid", Json::from(false)),
                ("error_locations", Json::List(places)),
                ("error", Json::from(mistake.text)),
            ]));
        }
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

/// Indexes that a range has at most, as in Core.
const RANGE_MAX: i64 = 1_000_000;

/// The first index and the last: `5`, or `[2,5]`.
pub(crate) fn range(typed: &Json) -> Result<(u32, u32), RpcError> {
    let refused = |text: &str| Err(RpcError::invalid_parameter(text));
    let number = |value: &Json| matches!(value, Json::Int(_) | Json::Double(_));
    let (low, high): (i64, i64) = match typed {
        value if number(value) => (0, params::int(value)?),
        Json::List(ends) => match ends.as_slice() {
            [low, high] if number(low) && number(high) => (params::int(low)?, params::int(high)?),
            _ => return refused("Range must be specified as end or as [begin,end]"),
        },
        _ => return refused("Range must be specified as end or as [begin,end]"),
    };
    if low > high && matches!(typed, Json::List(_)) {
        return refused("Range specified as [begin,end] must not have begin after end");
    }
    if low < 0 {
        return refused("Range should be greater or equal than 0");
    }
    let end = u32::try_from(high).ok().filter(|high| i32::try_from(*high).is_ok());
    let Some(end) = end else { return refused("End of range is too high") };
    if high >= low.saturating_add(RANGE_MAX) {
        return refused("Range is too large");
    }
    Ok((u32::try_from(low).unwrap_or(end), end))
}

/// The indexes of a scan where none are named.
const SCAN_RANGE: (u32, u32) = (0, 1_000);

/// The scripts that a scan looks for, by a descriptor or an object with one; what is known of them goes to `known`.
pub(super) fn scanned(typed: &Json, network: Network, known: &mut Known) -> Result<Vec<ScriptBuf>, RpcError> {
    let (text, range) = match typed {
        Json::Str(text) => (text.as_ref(), SCAN_RANGE),
        Json::Object(_) => {
            let text = typed.get("desc").filter(|desc| !desc.is_null());
            let missing = "Descriptor needs to be provided in scan object";
            let text = params::text(text.ok_or_else(|| RpcError::invalid_parameter(missing))?)?;
            let given = typed.get("range").filter(|range| !range.is_null());
            (text, given.map_or(Ok(SCAN_RANGE), self::range)?)
        }
        _ => {
            let text = "Scan object needs to be either a string or an object";
            return Err(RpcError::invalid_parameter(text));
        }
    };
    let all = descriptor::read(text, network, false)?;
    let is_range = all.first().is_some_and(Descriptor::is_range);
    let (low, high) = if is_range { range } else { (0, 0) };
    let mut found = Vec::new();
    for index in low..=high {
        for one in &all {
            let refused = || {
                RpcError::invalid_address_or_key(format!(
                    "Cannot derive script without private keys: '{text}'"
                ))
            };
            found.extend(one.scripts(index, known).ok_or_else(refused)?);
        }
    }
    Ok(found)
}

async fn derive_addresses(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let network = ctx.node()?.params.network;
    let given = params.given(1).map(range).transpose()?;
    let all = descriptor::read(params.str(0)?, network, true)?;
    let is_range = all.first().is_some_and(Descriptor::is_range);
    if !is_range && params.len() > 1 {
        return Err(RpcError::invalid_parameter("Range should not be specified for an un-ranged descriptor"));
    }
    if is_range && params.len() == 1 {
        return Err(RpcError::invalid_parameter("Range must be specified for a ranged descriptor"));
    }
    off_thread(move || {
        let (low, high) = given.unwrap_or((0, 0));
        let mut lists = Vec::with_capacity(all.len());
        for one in &all {
            let mut addresses = Vec::new();
            for index in low..=high {
                addresses.extend(addresses_at(one, index, network)?);
            }
            lists.push(Json::List(addresses));
        }
        Ok(if lists.len() == 1 { lists.remove(0) } else { Json::List(lists) })
    })
    .await
}

fn addresses_at(one: &Descriptor, index: u32, network: Network) -> Result<Vec<Json>, RpcError> {
    let refused = || RpcError::invalid_address_or_key("Cannot derive script without private keys");
    let mut scripts = one.scripts(index, &mut Known::default()).ok_or_else(refused)?;
    if one.is_combo() {
        // Its first is a bare key, which no address stands for.
        scripts.retain(|script| show::address(script, network).is_some());
    }
    let none = || RpcError::invalid_address_or_key("Descriptor does not have a corresponding address");
    scripts.iter().map(|script| show::address(script, network).map(Json::text).ok_or_else(none)).collect()
}

async fn get_descriptor_info(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let typed = params.str(0)?;
    let all = descriptor::read(typed, ctx.node()?.params.network, false)?;
    let Some(first) = all.first() else { return Ok(Json::Null) };
    let mut shown = object([("descriptor", Json::from(first.text()))]);
    if all.len() > 1 {
        shown.push("multipath_expansion", Json::List(all.iter().map(|one| Json::from(one.text())).collect()));
    }
    let body = typed.split('#').next().unwrap_or(typed);
    shown.push("checksum", show::checksum(body).unwrap_or_default());
    shown.push("isrange", first.is_range());
    shown.push("issolvable", first.is_solvable());
    shown.push("hasprivatekeys", all.iter().any(Descriptor::has_secrets));
    Ok(shown)
}

/// Keys of a multisig at most.
const KEYS_MAX: usize = 20;
/// Bytes of a script within P2SH at most: those of a push.
const P2SH_BYTES_MAX: usize = 520;

fn public_key(typed: &str) -> Result<PublicKey, RpcError> {
    let refused = |what: &str| RpcError::invalid_address_or_key(format!("Pubkey \"{typed}\" {what}"));
    let bytes = Vec::from_hex(typed).ok().filter(|bytes| !bytes.is_empty());
    let bytes = bytes.ok_or_else(|| refused("must be a hex string"))?;
    if ![33, 65].contains(&bytes.len()) {
        return Err(refused("must have a length of either 33 or 65 bytes"));
    }
    PublicKey::from_slice(&bytes).map_err(|_| refused("must be cryptographically valid."))
}

async fn create_multisig(ctx: &Ctx, params: Params) -> Result<Json, RpcError> {
    let network = ctx.node()?.params.network;
    let required: i32 = params.int(0)?;
    let keys = params::list(params.get(1))?.iter().map(|typed| public_key(params::text(typed)?));
    let keys = keys.collect::<Result<Vec<_>, _>>()?;
    let refused = |text: String| Err(RpcError::invalid_parameter(text));
    let kind = params.opt_str(2)?.unwrap_or("legacy");
    match kind {
        "legacy" | "p2sh-segwit" | "bech32" => {}
        "bech32m" => {
            let text = "createmultisig cannot create bech32m multisig addresses";
            return Err(RpcError::invalid_address_or_key(text));
        }
        _ => return Err(RpcError::invalid_address_or_key(format!("Unknown address type '{kind}'"))),
    }
    let needed = usize::try_from(required).ok().filter(|needed| *needed > 0);
    let Some(needed) = needed else {
        return refused("a multisignature address must require at least one key to redeem".to_owned());
    };
    if keys.len() < needed {
        return refused(format!(
            "not enough keys supplied (got {} keys, but need at least {needed} to redeem)",
            keys.len()
        ));
    }
    if keys.len() > KEYS_MAX {
        return refused(format!(
            "Number of keys involved in the multisignature address creation > {KEYS_MAX}\nReduce the number"
        ));
    }
    let inside = multisig_script(needed, &keys);
    let made = if keys.iter().all(|key| key.compressed) { kind } else { "legacy" };
    if made == "legacy" && inside.len() > P2SH_BYTES_MAX {
        return refused(format!("redeemScript exceeds size limit: {} > {P2SH_BYTES_MAX}", inside.len()));
    }
    let mut known = Known::default();
    known.add_script(inside.clone());
    known.add_script(inside.to_p2wsh());
    let script = match made {
        "bech32" => inside.to_p2wsh(),
        "p2sh-segwit" => inside.to_p2wsh().to_p2sh(),
        _ => inside.to_p2sh(),
    };
    let address = Address::from_script(&script, network);
    let address = address.map_err(|error| RpcError::internal(error.to_string()))?;
    let mut shown = object([
        ("address", Json::text(address)),
        ("redeemScript", Json::hex(inside.as_bytes())),
        ("descriptor", Json::from(infer(&script, &known, network))),
    ]);
    if made != kind {
        let text =
            "Unable to make chosen address type, please ensure no uncompressed public keys are present.";
        shown.push("warnings", Json::List(vec![Json::from(text)]));
    }
    Ok(shown)
}
