use std::collections::BTreeSet;

use super::*;

fn at(n: u64) -> UnixMillis {
    UnixMillis::new(1_000 + n)
}

/// One without a merit, the later the higher its number.
fn plain(id: PeerId) -> Candidate {
    Candidate {
        id,
        group: 7,
        is_disadvantaged: false,
        ping_min_ms: None,
        last_tx_at: UnixMillis::default(),
        last_block_at: UnixMillis::default(),
        relays_txs: true,
        connected_at: at(id),
    }
}

/// Those that go one after the other until nobody does any more.
fn all_evicted(mut candidates: Vec<Candidate>) -> BTreeSet<PeerId> {
    let mut gone = BTreeSet::new();
    while let Some(id) = choose_evicted(candidates.clone()) {
        candidates.retain(|candidate| candidate.id != id);
        gone.insert(id);
    }
    gone
}

#[test]
fn few_are_never_thrown_out() {
    assert_eq!(choose_evicted(Vec::new()), None);
    assert_eq!(choose_evicted((0..20).map(plain).collect()), None);
    assert!(choose_evicted((0..21).map(plain).collect()).is_some());
}

#[test]
fn merits_keep_one() {
    // Twenty with a merit each, and many without.
    let with = |merit: fn(&mut Candidate), ids: std::ops::Range<u64>| {
        ids.map(move |id| {
            let mut candidate = plain(id);
            merit(&mut candidate);
            candidate
        })
    };
    let merits = with(|c| c.group = 100 + c.id, 0..4)
        .chain(with(|c| c.ping_min_ms = Some(1), 10..18))
        .chain(with(|c| c.last_tx_at = at(9_000), 20..24))
        .chain(with(|c| c.last_block_at = at(9_000), 30..34))
        .chain(with(|c| (c.relays_txs, c.last_block_at) = (false, at(8_000)), 40..48));
    let kept: BTreeSet<PeerId> = merits.clone().map(|c| c.id).collect();
    let crowd = (100..160).map(plain);
    let gone = all_evicted(merits.chain(crowd).collect());
    assert!(gone.is_disjoint(&kept), "{gone:?}");
    assert!(gone.len() >= 50, "{gone:?}");
}

#[test]
fn the_youngest_of_the_largest_group_goes() {
    let mut candidates: Vec<Candidate> = (0..60).map(plain).collect();
    for candidate in &mut candidates {
        candidate.group = if candidate.id % 3 == 0 { 1 } else { 2 };
    }
    let gone = choose_evicted(candidates.clone()).unwrap();
    assert_eq!((gone.is_multiple_of(3), gone >= 50), (false, true));
    // From this machine or over Tor some stay for having been here for long, whoever else has.
    for candidate in &mut candidates {
        candidate.is_disadvantaged = candidate.id >= 56;
        candidate.group = 2;
    }
    let gone = choose_evicted(candidates).unwrap();
    assert!((50..56).contains(&gone), "{gone}");
}

#[test]
fn whom_we_chose_or_an_operator_trusts_is_no_candidate() {
    let keyed = |group: &[u8]| group.len() as u64;
    let inbound = PeerInfo { id: 3, inbound: true, ..PeerInfo::default() };
    let host = "1.2.3.4".parse().ok();
    let candidate = Candidate::of(&inbound, host, keyed).unwrap();
    assert_eq!((candidate.id, candidate.group, candidate.is_disadvantaged), (3, 3, false));
    assert!(Candidate::of(&inbound, "127.0.0.1".parse().ok(), keyed).unwrap().is_disadvantaged);
    assert_eq!(Candidate::of(&PeerInfo { inbound: false, ..inbound.clone() }, host, keyed), None);
    let trusted = PeerInfo { permissions: Permissions::NO_BAN, ..inbound };
    assert_eq!(Candidate::of(&trusted, host, keyed), None);
}
