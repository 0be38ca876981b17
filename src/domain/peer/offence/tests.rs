use super::*;

/// Core's table of what is held against who sent it: a row a class of refusal.
#[test]
fn refusals_and_what_they_cost() {
    for (reject, want) in [
        // The block is invalid by consensus, or was changed on its way.
        ("bad-cb-amount", Offence::Plain),
        ("bad-txnmrklroot", Offence::Plain),
        ("bad-txns-duplicate (duplicate transaction)", Offence::Plain),
        // The header is invalid.
        ("high-hash", Offence::Plain),
        ("bad-diffbits", Offence::Plain),
        // It stands on an invalid one.
        ("bad-prevblk", Offence::Plain),
        // It was known to be invalid.
        ("duplicate-invalid", Offence::Known),
        ("duplicate-invalid, block was invalid before", Offence::Known),
        // It is from the future.
        ("time-too-new", Offence::None),
        ("time-too-new (block timestamp too far in the future)", Offence::None),
        // Its chain has too little work to be looked at.
        ("too-little-chainwork", Offence::None),
    ] {
        assert_eq!(Offence::of(reject), want, "{reject}");
    }
}
