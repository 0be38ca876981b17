//! What an output's script is.

use adit_domain::script::{OutputType, output_type};
use bitcoin::{Address, Network, Script};

use super::asm::asm;
use crate::descriptor::{Known, infer};
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
    let mut fields = vec![
        ("asm", Json::from(asm(script, false))),
        ("desc", Json::from(infer(script, &Known::default(), network))),
        ("hex", Json::hex(script.as_bytes())),
    ];
    fields.extend(address(script, network).map(|address| ("address", Json::text(address))));
    fields.push(("type", Json::from(kind(script))));
    object(fields)
}
