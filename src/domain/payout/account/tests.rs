use super::*;

#[test]
fn names_are_judged() {
    let check = |name: &str, want: Result<(), AccountError>| {
        assert_eq!(Account::parse(name).map(|a| assert_eq!(a.to_string(), name)), want, "{name:?}");
    };
    check("bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", Ok(()));
    check("pool:fee", Ok(()));
    check("pool:unclaimed", Ok(()));
    check("chain:coinbase", Ok(()));
    check("", Err(AccountError::Length));
    check(&"a".repeat(ADDRESS_BYTES_MAX), Ok(()));
    check(&"a".repeat(ADDRESS_BYTES_MAX + 1), Err(AccountError::Length));
    check("pool:mine", Err(AccountError::NotOurs));
    check("a b", Err(AccountError::Characters));
    check("a\n", Err(AccountError::Characters));
}

#[test]
fn no_miner_names_the_pool_s_own_accounts() {
    for own in [Account::pool_fee(), Account::pool_unclaimed(), Account::chain_coinbase()] {
        assert_eq!(Account::address(own.as_str()), Err(AccountError::NotOurs));
    }
}
