//! Transactions of version 3: one parent or one child at most while they wait, and small ones (BIP431). `TRUC-violation`

use std::collections::BTreeSet;

use bitcoin::Txid;

use super::graph::Graph;
use super::limits::{TRUC_CHILD_VSIZE_MAX, TRUC_VSIZE_MAX};
use super::types::TrucViolation;
use crate::wire::ParsedTx;

/// The version.
const TRUC: i32 = 3;

fn is_truc(tx: &ParsedTx) -> bool {
    tx.tx().version.0 == TRUC
}

/// What the rules say of one that would join.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing.
    Fine,
    /// It may join where this one leaves, the only other child of its parent.
    InPlaceOf(Txid, TrucViolation),
    /// It may not.
    Refused(TrucViolation),
}

/// Versions MUST NOT be mixed: what spends from version 3 is of version 3, and the other way round.
fn check_versions(tx: &ParsedTx, parents: &[&ParsedTx]) -> Result<(), TrucViolation> {
    for parent in parents {
        let (txid, wtxid) = (tx.txid(), tx.wtxid());
        let above = || Box::new((parent.txid(), parent.wtxid()));
        match (is_truc(tx), is_truc(parent)) {
            (false, true) => return Err(TrucViolation::Inherits(txid, wtxid, above())),
            (true, false) => return Err(TrucViolation::Mixes(txid, wtxid, above())),
            _ => {}
        }
    }
    Ok(())
}

/// It MUST be small, and have one parent at most, which has none and no other child; then it MUST be smaller still.
pub(super) fn check_one(
    graph: &Graph,
    tx: &ParsedTx,
    parents: &BTreeSet<Txid>,
    conflicts: &BTreeSet<Txid>,
    vsize: u64,
) -> Verdict {
    let held: Vec<&ParsedTx> =
        parents.iter().filter_map(|txid| graph.get(txid)).map(|h| &*h.entry.tx).collect();
    if let Err(violation) = check_versions(tx, &held) {
        return Verdict::Refused(violation);
    }
    if !is_truc(tx) {
        return Verdict::Fine;
    }
    let (txid, wtxid) = (tx.txid(), tx.wtxid());
    if vsize > TRUC_VSIZE_MAX {
        return Verdict::Refused(TrucViolation::TooBig(txid, wtxid, vsize));
    }
    if graph.ancestors_of(parents).len() > 1 {
        return Verdict::Refused(TrucViolation::Ancestors(txid, wtxid));
    }
    let Some(parent) = held.first() else { return Verdict::Fine };
    if vsize > TRUC_CHILD_VSIZE_MAX {
        return Verdict::Refused(TrucViolation::ChildTooBig(txid, wtxid, vsize));
    }
    check_siblings(graph, parent, conflicts)
}

/// Another child MUST be one that is replaced anyway; a lone one may be.
fn check_siblings(graph: &Graph, parent: &ParsedTx, conflicts: &BTreeSet<Txid>) -> Verdict {
    let below = graph.descendants_of(&BTreeSet::from([parent.txid()]));
    let siblings: Vec<Txid> = below.into_iter().filter(|txid| *txid != parent.txid()).collect();
    if siblings.is_empty() || siblings.iter().any(|sibling| conflicts.contains(sibling)) {
        return Verdict::Fine;
    }
    let violation = TrucViolation::Descendants(parent.txid(), parent.wtxid());
    match siblings.as_slice() {
        [only] if graph.ancestors_of(&BTreeSet::from([*only])).len() == 2 => {
            Verdict::InPlaceOf(*only, violation)
        }
        _ => Verdict::Refused(violation),
    }
}

/// The same among transactions that come together, each after its parents. `parents` are those of it that are held.
pub(super) fn check_in_package(
    graph: &Graph,
    tx: &ParsedTx,
    parents: &BTreeSet<Txid>,
    package: &[&ParsedTx],
    vsize: u64,
) -> Result<(), TrucViolation> {
    let spends =
        |child: &ParsedTx, from: Txid| child.tx().input.iter().any(|i| i.previous_output.txid == from);
    let beside: Vec<&ParsedTx> = package
        .iter()
        .copied()
        .filter(|other| other.txid() != tx.txid() && spends(tx, other.txid()))
        .collect();
    let held: Vec<&ParsedTx> =
        parents.iter().filter_map(|txid| graph.get(txid)).map(|h| &*h.entry.tx).collect();
    let (txid, wtxid) = (tx.txid(), tx.wtxid());
    if !is_truc(tx) {
        return check_versions(tx, &[held, beside].concat());
    }
    let above = graph.ancestors_of(parents).len().saturating_add(beside.len());
    if above > 1 {
        return Err(TrucViolation::Ancestors(txid, wtxid));
    }
    let Some(parent) = held.iter().chain(&beside).next().copied() else { return Ok(()) };
    if vsize > TRUC_CHILD_VSIZE_MAX {
        return Err(TrucViolation::ChildTooBig(txid, wtxid, vsize));
    }
    check_versions(tx, &[parent])?;
    for other in package.iter().filter(|other| other.txid() != txid) {
        if spends(other, parent.txid()) {
            return Err(TrucViolation::Descendants(parent.txid(), parent.wtxid()));
        }
        if spends(other, txid) {
            return Err(TrucViolation::Ancestors(other.txid(), other.wtxid()));
        }
    }
    let alone = graph.get(&parent.txid()).is_none_or(|held| held.children.is_empty());
    if alone { Ok(()) } else { Err(TrucViolation::Descendants(parent.txid(), parent.wtxid())) }
}

#[cfg(test)]
#[path = "truc/tests.rs"]
mod tests;
