use crate::check::Remedy;

use super::*;

fn check(found: TierCheck, want: &[&str]) {
    let mut checked = Checked::default();
    judge(&TierInfo { partition: 0, age: 7, table: 3, records: 100 }, &found, &mut checked);
    let said: Vec<String> = checked.problems.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), want.len(), "{said:?}");
    assert!(said.iter().zip(want).all(|(said, want)| said.contains(want)), "{said:?}");
    assert_eq!(checked.remedy(), (!want.is_empty()).then_some(Remedy::ReindexChainstate));
}

#[test]
fn a_tier_that_is_not_as_it_was_written_is_a_problem() {
    let sound = TierCheck { rows: 100, spent: 4, damaged: 0, hidden: 0 };
    check(sound, &[]);
    check(TierCheck { damaged: 2, ..sound }, &["2 coins in the table coins.3 are damaged"]);
    check(TierCheck { hidden: 5, ..sound }, &["coins.3 hides 5 of its records"]);
    check(TierCheck { rows: 99, ..sound }, &["coins.3 has 99 records, and 100 were written"]);
    check(TierCheck { rows: 101, damaged: 1, hidden: 1, ..sound }, &["damaged", "hides", "101 records"]);
}

#[test]
fn what_does_not_read_is_a_problem_too() {
    let fault = || StoreFault::Missing { what: "a tier's filter" };
    for problem in
        [Problem::TierUnread { table: 3, fault: fault() }, Problem::CoinsUnread(fault().to_string())]
    {
        assert!(problem.to_string().contains("a tier's filter is missing"), "{problem}");
        assert_eq!(problem.remedy(), Remedy::ReindexChainstate);
    }
    assert_eq!(Problem::Headers(fault()).remedy(), Remedy::Reindex);
}
