use bitcoin::{CompactTarget, Sequence, Transaction, Weight};

use super::*;
use crate::template::fixtures::{NOW, SUBSIDY, build, entry, many, next_at, payout, tx};

fn txids(template: &BlockTemplate) -> Vec<Txid> {
    template.txs.iter().map(|t| t.txid()).collect()
}

fn root() -> Txid {
    Txid::from_byte_array([3; 32])
}

fn refused(
    script: &ScriptBuf,
    subsidy: Amount,
    now: UnixMillis,
    mempool: Option<&MempoolSnapshot>,
) -> TemplateError {
    let next = next_at(5);
    let request = TemplateRequest { next: &next, subsidy, payout_script: script, now, id: 1 };
    build_template(&request, mempool).unwrap_err()
}

#[test]
fn an_empty_block_pays_the_subsidy() {
    let template = build(&next_at(5), None);
    assert_eq!(template.coinbase_value, SUBSIDY);
    assert!(template.txs.is_empty() && template.merkle_branch.is_empty());
    assert_eq!(template.version.to_consensus(), 0x2000_0000);
    assert_eq!(template.target, Target::from_compact(CompactTarget::from_consensus(0x207f_ffff)));
    assert_eq!((template.time, template.time_min), (1_700_000_000, 1_699_999_000));
}

#[test]
fn the_time_is_never_below_the_rules_minimum() {
    let mut next = next_at(5);
    next.time_min = 1_800_000_000;
    assert_eq!(build(&next, None).time, 1_800_000_000);
}

#[test]
fn the_order_is_kept_and_fees_are_added() {
    let entries = many(5);
    let want: Vec<Txid> = entries.iter().map(|e| e.tx.txid()).collect();
    let template = build(&next_at(5), Some(entries));
    assert_eq!(txids(&template), want);
    assert_eq!(template.coinbase_value, SUBSIDY + Amount::from_sat(500));
}

#[test]
fn what_does_not_fit_is_left_out_with_its_children() {
    let big = entry(tx(root(), 0, 3_990_000), 9, 0);
    let parent = entry(tx(root(), 1, 9_000), 9, 0);
    let child = entry(tx(parent.tx.txid(), 0, 1), 9, 0);
    let grandchild = entry(tx(child.tx.txid(), 0, 1), 9, 0);
    let small = entry(tx(root(), 2, 1), 9, 0);
    let entries = vec![big.clone(), parent, child, grandchild, small.clone()];
    assert_eq!(txids(&build(&next_at(5), Some(entries))), [big.tx.txid(), small.tx.txid()]);
}

#[test]
fn weight_is_filled_to_the_unit() {
    let base = entry(tx(root(), 0, 100_000), 1, 0).tx.weight();
    let fill = usize::try_from((Weight::from_wu(3_998_000) - base).to_wu()).unwrap() + 100_000;
    let exact = entry(tx(root(), 0, fill), 1, 0);
    assert_eq!(exact.tx.weight(), Weight::from_wu(3_998_000));
    assert_eq!(build(&next_at(5), Some(vec![exact])).txs.len(), 1);
    let over = entry(tx(root(), 0, fill + 1), 1, 0);
    assert_eq!(build(&next_at(5), Some(vec![over])).txs.len(), 0);
}

#[test]
fn signature_operations_are_bounded() {
    let entries = vec![entry(tx(root(), 0, 1), 1, 79_600), entry(tx(root(), 1, 1), 1, 1)];
    assert_eq!(build(&next_at(5), Some(entries)).txs.len(), 1);
    assert_eq!(build(&next_at(5), Some(vec![entry(tx(root(), 0, 1), 1, 79_601)])).txs.len(), 0);
}

#[test]
fn lock_times_are_judged_by_height_and_median_time() {
    let check = |lock_time: u32, sequence: Sequence, taken: bool| {
        let tx = Transaction {
            lock_time: bitcoin::absolute::LockTime::from_consensus(lock_time),
            input: vec![bitcoin::TxIn { sequence, ..tx(root(), 0, 1).input[0].clone() }],
            ..tx(root(), 0, 1)
        };
        let template = build(&next_at(500), Some(vec![entry(tx, 1, 0)]));
        assert_eq!(template.txs.len() == 1, taken, "{lock_time} {sequence}");
    };
    check(0, Sequence::ZERO, true);
    check(499, Sequence::ZERO, true);
    check(500, Sequence::ZERO, false);
    check(500, Sequence::MAX, true);
    check(1_699_998_998, Sequence::ZERO, true);
    check(1_699_998_999, Sequence::ZERO, false);
}

#[test]
fn every_refusal_has_its_reason() {
    let other = MempoolSnapshot { tip: bitcoin::BlockHash::all_zeros(), entries: vec![] };
    let rich =
        |fee| MempoolSnapshot { tip: next_at(5).prev, entries: vec![entry(tx(root(), 0, 1), fee, 0); 2] };
    let check = |want: TemplateError, got: TemplateError| assert_eq!(got, want);
    check(TemplateError::OtherTip, refused(&payout(), SUBSIDY, NOW, Some(&other)));
    check(TemplateError::PayoutScript, refused(&ScriptBuf::new(), SUBSIDY, NOW, None));
    check(TemplateError::PayoutScript, refused(&ScriptBuf::from_bytes(vec![0; 43]), SUBSIDY, NOW, None));
    check(TemplateError::ValueOverflow, refused(&payout(), SUBSIDY, NOW, Some(&rich(u64::MAX))));
    check(TemplateError::ValueOverflow, refused(&payout(), SUBSIDY, NOW, Some(&rich(2_100_000_000_000_000))));
    check(
        TemplateError::TimeOutOfRange,
        refused(&payout(), SUBSIDY, UnixMillis::from_seconds(1 << 32), None),
    );
}
