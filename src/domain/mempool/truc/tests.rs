use std::sync::Arc;

use bitcoin::transaction::Version;

use super::*;
use crate::mempool::graph::tests::{newcomer, of, outside, tx};

/// A transaction of version 3 (or 2) that spends these.
fn one(inputs: &[bitcoin::OutPoint], salt: u32, version: i32) -> Arc<ParsedTx> {
    let mut plain = tx(inputs, 4, salt).tx().clone();
    plain.version = Version(version);
    Arc::new(ParsedTx::new(plain))
}

#[test]
fn among_those_that_come_together_the_same_holds() {
    let mut graph = Graph::default();
    let held = one(&[outside(0)], 0, 3);
    graph.add(vec![newcomer(&held, 100)]);
    let parent = one(&[outside(1)], 1, 3);
    let child = one(&[of(&parent, 0)], 2, 3);
    let plain = one(&[of(&parent, 1)], 3, 2);
    let second = one(&[of(&parent, 2)], 4, 3);
    let grandchild = one(&[of(&child, 0)], 5, 3);
    let above_both = one(&[of(&held, 0), of(&parent, 3)], 6, 3);
    let on_plain = one(&[of(&plain, 0)], 7, 3);
    let check = |it: &Arc<ParsedTx>, package: &[&Arc<ParsedTx>], vsize: u64| {
        let all: Vec<&ParsedTx> = package.iter().map(|tx| &***tx).collect();
        let said = check_in_package(&graph, it, &graph.parents_of(it), &all, vsize);
        said.map_err(|violation| violation.to_string().split(") ").last().unwrap_or_default().to_owned())
    };
    assert_eq!(check(&child, &[&parent, &child], 1_000), Ok(()));
    assert_eq!(
        check(&child, &[&parent, &child], 1_001),
        Err("is too big: 1001 > 1000 virtual bytes".to_owned())
    );
    let plain_said = check(&plain, &[&parent, &plain], 100).unwrap_err();
    assert!(
        plain_said.contains("cannot spend from version=3") || plain_said.contains("(wtxid="),
        "{plain_said}"
    );
    assert_eq!(
        check(&second, &[&parent, &child, &second], 100),
        Err("would exceed descendant count limit".to_owned())
    );
    let too_many = Err("would have too many ancestors".to_owned());
    assert_eq!(check(&child, &[&parent, &child, &grandchild], 100), too_many);
    assert_eq!(check(&above_both, &[&parent, &above_both], 100), too_many);
    assert!(check(&on_plain, &[&plain, &on_plain], 100).is_err());
    graph.add(vec![newcomer(&one(&[of(&held, 1)], 8, 3), 100)]);
    let late = one(&[of(&held, 2)], 9, 3);
    let said = check_in_package(&graph, &late, &graph.parents_of(&late), &[&late], 100);
    assert!(matches!(said, Err(TrucViolation::Descendants(..))));
}

#[test]
fn the_largest_alone() {
    let (graph, alone) = (Graph::default(), one(&[outside(0)], 0, 3));
    let none = BTreeSet::new();
    assert_eq!(check_one(&graph, &alone, &none, &none, 10_000), Verdict::Fine);
    let big = check_one(&graph, &alone, &none, &none, 10_001);
    assert!(matches!(big, Verdict::Refused(TrucViolation::TooBig(_, _, 10_001))));
}
