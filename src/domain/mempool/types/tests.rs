use super::*;

#[test]
fn amounts_are_written_as_core_writes_them() {
    for (sat, want) in [
        (0, "0.00"),
        (1, "0.00000001"),
        (100, "0.000001"),
        (150_000_000, "1.50"),
        (-10_000, "-0.0001"),
        (2_100_000_000_000_000, "21000000.00"),
    ] {
        assert_eq!(money(sat), want);
    }
}

#[test]
fn a_token_has_no_details() {
    let refused = TxRejected::NotEnoughMore {
        txid: bitcoin::hashes::Hash::all_zeros(),
        more_sat: 0,
        needed_sat: 11,
        sibling: true,
    };
    assert_eq!(refused.token(), "insufficient fee (including sibling eviction)");
    assert!(refused.to_string().ends_with("not enough additional fees to relay; 0.00 < 0.00000011"));
    assert_eq!(TxRejected::Dust.token(), "dust");
    assert!(refused.is_reconsidered() && !refused.is_lasting() && TxRejected::Dust.is_lasting());
}
