//! Rules that are moved for tests: what Core says where they cannot be moved so.

use super::error::InitError;
use super::layers::Layers;

/// The rules whose heights can be moved.
const RULES: [&str; 5] = ["segwit", "bip34", "dersig", "cltv", "csv"];
/// The vote whose times can be moved.
const VOTE: &str = "testdummy";

/// Refuses what cannot be moved so, on any network.
pub(super) fn check(layers: &Layers) -> Result<(), InitError> {
    layers.texts("testactivationheight").iter().try_for_each(|text| height(text))?;
    layers.texts("vbparams").iter().try_for_each(|text| vote(text))?;
    challenge(&layers.texts("signetchallenge"))
}

fn height(text: &str) -> Result<(), InitError> {
    let bad = |what: &str| {
        Err(InitError::said(format!("Invalid {what} ({text}) for -testactivationheight=name@height.")))
    };
    let Some((name, height)) = text.split_once('@') else { return bad("format") };
    if !height.parse::<i32>().is_ok_and(|height| (0..i32::MAX).contains(&height)) {
        return bad("height value");
    }
    if RULES.contains(&name) { Ok(()) } else { bad("name") }
}

fn vote(text: &str) -> Result<(), InitError> {
    let parts: Vec<&str> = text.split(':').collect();
    let (name, start, end, least) = match parts.as_slice() {
        [name, start, end] => (*name, *start, *end, "0"),
        [name, start, end, least] => (*name, *start, *end, *least),
        _ => {
            let text =
                "Version bits parameters malformed, expecting deployment:start:end[:min_activation_height]";
            return Err(InitError::said(text));
        }
    };
    for (what, number) in [("nStartTime", start), ("nTimeout", end), ("min_activation_height", least)] {
        if number.parse::<i64>().is_err() {
            return Err(InitError::said(format!("Invalid {what} ({number})")));
        }
    }
    if name == VOTE { Ok(()) } else { Err(InitError::said(format!("Invalid deployment ({name})"))) }
}

fn challenge(texts: &[String]) -> Result<(), InitError> {
    let is_hex = |text: &String| text.len().is_multiple_of(2) && text.bytes().all(|b| b.is_ascii_hexdigit());
    match texts {
        [] => Ok(()),
        [text] if is_hex(text) => Ok(()),
        [text] => Err(InitError::said(format!("-signetchallenge must be hex, not '{text}'."))),
        _ => Err(InitError::said("-signetchallenge cannot be multiple values.")),
    }
}

#[cfg(test)]
mod tests;
