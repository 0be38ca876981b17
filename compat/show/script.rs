//! What an output's script is.

use adit_domain::script::{OutputType, output_type};
use bitcoin::{Address, Network, Script};

use super::asm::asm;
use crate::descriptor::{Known, infer_with};
use crate::json::{Json, object};

/// Core's word for a script's shape.
pub(crate) fn kind(script: &Script) -> String {
    output_type(script).to_string()
}

/// The address that stands for a script; none where none does.
pub(crate) fn address(script: &Script, network: Network) -> Option<Address> {
    use OutputType::{MultiSig, NonStandard, NullData, PubKey};
    let none = matches!(output_type(script), NonStandard | PubKey | MultiSig { .. } | NullData);
    if none { None } else { Address::from_script(script, network).ok() }
}

/// Everything that is said of an output's script.
pub(crate) fn script(script: &Script, network: Network) -> Json {
    let address = address(script, network).map(|address| address.to_string());
    let described = infer_with(script, &Known::default(), address.as_deref());
    let mut fields = Vec::with_capacity(5);
    fields.push(("asm", Json::from(asm(script, false))));
    fields.push(("desc", Json::from(described)));
    fields.push(("hex", Json::Hex(script.to_bytes())));
    fields.extend(address.map(|address| ("address", Json::from(address))));
    fields.push(("type", Json::from(output_type(script).as_str())));
    object(fields)
}
