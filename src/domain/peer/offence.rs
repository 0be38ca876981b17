//! What a refusal says of who sent the block or header.

/// How bad it was to send it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offence {
    /// No honest node sends it: it breaks a rule in itself.
    Plain,
    /// It was known to be invalid before, or stands on what is: an honest node may not know that yet.
    Known,
    /// It may be good tomorrow.
    None,
}

/// Refusals that are no plain offence, by Core's token.
const LESSER: [(&str, Offence); 3] = [
    ("duplicate-invalid", Offence::Known),
    ("time-too-new", Offence::None),
    ("too-little-chainwork", Offence::None),
];

impl Offence {
    /// What a refusal in Core's words (a token, then perhaps its details) is.
    pub fn of(reject: &str) -> Offence {
        let token = reject.split([',', ' ', '(']).next().unwrap_or_default();
        LESSER.iter().find(|(known, _)| *known == token).map_or(Offence::Plain, |(_, offence)| *offence)
    }
}

#[cfg(test)]
#[path = "offence/tests.rs"]
mod tests;
