use super::*;

/// What packages do is tested with the pool (`pool/tests.rs`); here what they are called.
#[test]
fn refusals_in_cores_words() {
    for (error, want) in [
        (PackageError::UnspentDust, "unspent-dust"),
        (PackageError::ClusterTooLarge, "too-large-cluster"),
        (
            PackageError::Replacement(ReplacementFlaw::Shape),
            "package RBF failed: package must be 1-parent-1-child",
        ),
        (
            PackageError::Replacement(ReplacementFlaw::Ancestors),
            "package RBF failed: new transaction cannot have mempool ancestors",
        ),
        (
            PackageError::Replacement(ReplacementFlaw::TooMany(Box::new(TxRejected::TooManyReplacements {
                txid: bitcoin::hashes::Hash::all_zeros(),
                clusters: 101,
                most: 100,
                sibling: false,
            }))),
            "package RBF failed: too many potential replacements, rejecting replacement \
             0000000000000000000000000000000000000000000000000000000000000000; too many conflicting clusters (101 > 100)",
        ),
        (
            PackageError::Replacement(ReplacementFlaw::ParentPays {
                package_sat_per_kvb: 1_000,
                parent_sat_per_kvb: 100_000_001,
            }),
            "package RBF failed: package feerate is less than or equal to parent feerate, \
             package feerate 0.00001000 BTC/kvB <= parent feerate is 1.00000001 BTC/kvB",
        ),
        (
            PackageError::Replacement(ReplacementFlaw::NoImprovement),
            "package RBF failed: insufficient feerate: does not improve feerate diagram",
        ),
    ] {
        assert_eq!(error.to_string(), want);
    }
    assert!(PackageError::ClusterTooLarge.is_policy() && !PackageError::UnspentDust.is_policy());
    let violation = super::super::TrucViolation::Ancestors(
        bitcoin::hashes::Hash::all_zeros(),
        bitcoin::hashes::Hash::all_zeros(),
    );
    assert!(PackageError::Truc(violation).to_string().starts_with("TRUC-violation, tx 00"));
}
