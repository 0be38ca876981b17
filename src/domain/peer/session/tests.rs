use std::sync::Arc;

use bitcoin::constants::genesis_block;
use bitcoin::hashes::Hash;
use bitcoin::{Network, Txid, Wtxid};

use super::*;
use crate::peer::limits::{HEADERS_MAX, TX_INV_SENT_MAX};
use crate::peer::testing::{FakeNode, NO_PROOF, chain};
use crate::peer::{BlockVerdict, HeadersVerdict};
use crate::wire::{ParsedBlock, ParsedTx};

/// A session against a fake node, with a clock that the test moves.
struct Rig {
    node: FakeNode,
    session: Session,
    downloads: Downloads,
    txs: TxBoard,
    now: UnixMillis,
}

fn config(inbound: bool) -> SessionConfig {
    SessionConfig { id: 1, inbound, user_agent: "/Adit/".to_owned(), nonce: 5 }
}

fn version() -> Version {
    Version {
        protocol: 70_016,
        services: 9,
        time: 0,
        nonce: 6,
        user_agent: "/them/".to_owned(),
        height: 0,
        relay: true,
    }
}

impl Rig {
    fn open(node: FakeNode, inbound: bool) -> (Rig, Vec<Effect>) {
        let now = UnixMillis::from_seconds(1_000);
        let (session, effects) = Session::open(config(inbound), &node, now);
        (Rig { node, session, downloads: Downloads::default(), txs: TxBoard::default(), now }, effects)
    }

    fn ready(node: FakeNode, inbound: bool) -> Rig {
        let (mut rig, _) = Rig::open(node, inbound);
        rig.hears(Message::Version(version()));
        rig.hears(Message::WtxidRelay);
        let effects = rig.hears(Message::Verack);
        assert_eq!(effects[0], Effect::Ready);
        rig
    }

    fn with<R>(&mut self, step: impl FnOnce(&mut Session, &mut Turn<'_>) -> R) -> R {
        let mut turn = Turn {
            now: self.now,
            chance: 99,
            view: &self.node,
            downloads: &mut self.downloads,
            txs: &mut self.txs,
        };
        step(&mut self.session, &mut turn)
    }

    fn hears(&mut self, message: Message) -> Vec<Effect> {
        self.with(|session, turn| session.received(message, turn))
    }

    fn after_ms(&mut self, ms: u64) -> Vec<Effect> {
        self.now = self.now.plus_ms(ms);
        self.with(|session, turn| session.tick(turn))
    }
}

fn sent(effects: &[Effect]) -> Vec<&'static str> {
    let command = |effect: &Effect| match effect {
        Effect::Send(message) => message.command(),
        _ => None,
    };
    effects.iter().filter_map(command).collect()
}

fn ends(effects: &[Effect]) -> Option<&DisconnectReason> {
    effects.iter().find_map(|e| if let Effect::Disconnect(reason) = e { Some(reason) } else { None })
}

fn tx_ref(n: u8) -> TxRef {
    TxRef::Wtxid(Wtxid::from_byte_array([n; 32]))
}

/// A block on top of `prev`, which nobody would accept.
fn block_on(prev: BlockHash) -> Arc<ParsedBlock> {
    let mut block = genesis_block(Network::Regtest);
    block.header.prev_blockhash = prev;
    Arc::new(ParsedBlock::new(block))
}

#[test]
fn a_node_without_its_old_blocks_says_so() {
    for (pruned, services) in [(false, 0x409), (true, 0x408)] {
        let (_, effects) = Rig::open(FakeNode { pruned, ..FakeNode::new(5, 5) }, false);
        let said = effects.iter().find_map(|effect| match effect {
            Effect::Send(Message::Version(version)) => Some(version.services),
            _ => None,
        });
        assert_eq!(said, Some(services));
    }
}

#[test]
fn the_handshake_from_both_sides() {
    let (mut out, effects) = Rig::open(FakeNode::new(5, 5), false);
    assert_eq!(sent(&effects), ["version"]);
    assert_eq!(sent(&out.hears(Message::Version(version()))), ["wtxidrelay", "verack"]);
    assert_eq!(sent(&out.hears(Message::Verack)), ["sendheaders", "ping", "getheaders"]);
    let (mut inbound, effects) = Rig::open(FakeNode::new(5, 5), true);
    assert!(effects.is_empty());
    assert!(inbound.hears(Message::Verack).is_empty(), "nothing counts before the version");
    let answer = inbound.hears(Message::Version(Version { protocol: 70_015, ..version() }));
    assert_eq!(sent(&answer), ["version", "verack"]);
    assert!(inbound.hears(Message::GetHeaders(Locator::from_hashes(vec![]))).is_empty());
    assert!(inbound.hears(Message::Version(version())).is_empty(), "a second version is passed over");
}

#[test]
fn handshakes_that_end_the_connection() {
    let check = |inbound: bool, said: Version, reason: DisconnectReason| {
        let (mut rig, _) = Rig::open(FakeNode::new(5, 5), inbound);
        assert_eq!(ends(&rig.hears(Message::Version(said))), Some(&reason));
        assert!(rig.hears(Message::Verack).is_empty(), "nothing is said after the end");
    };
    check(true, Version { nonce: 777, ..version() }, DisconnectReason::SelfConnection);
    check(false, Version { protocol: 31_799, ..version() }, DisconnectReason::ObsoleteVersion(31_799));
    let mut ready = Rig::ready(FakeNode::new(5, 5), false);
    let late = ready.hears(Message::WtxidRelay);
    assert_eq!(ends(&late), Some(&DisconnectReason::AfterVerack("wtxidrelay")));
    let (mut silent, _) = Rig::open(FakeNode::new(5, 5), true);
    assert!(silent.after_ms(HANDSHAKE_MS_MAX).is_empty());
    assert_eq!(ends(&silent.after_ms(1)), Some(&DisconnectReason::HandshakeTimeout));
}

#[test]
fn pings_are_sent_answered_and_missed() {
    let mut rig = Rig::ready(FakeNode::new(5, 5), true);
    assert_eq!(rig.hears(Message::Ping(3)), [Effect::Send(Message::Pong(3))]);
    rig.hears(Message::Headers(vec![]));
    rig.hears(Message::Pong(98));
    assert!(rig.after_ms(PING_EVERY_MS).is_empty(), "the first is not answered: 98 is not its nonce");
    rig.hears(Message::Pong(99));
    assert_eq!(sent(&rig.after_ms(0)), ["ping"]);
    assert_eq!(ends(&rig.after_ms(PONG_MS_MAX + 1)), Some(&DisconnectReason::PingTimeout));
}

#[test]
fn headers_first_then_bodies() {
    let mut rig = Rig::ready(FakeNode::new(1, 1), false);
    let theirs = chain(2_500, 2_500, 0);
    let (full, rest) = theirs[1..].split_at(HEADERS_MAX);
    assert_eq!(rig.hears(Message::Headers(full.to_vec())), [Effect::SubmitHeaders(full.to_vec())]);
    rig.node.headers = theirs[..=HEADERS_MAX].to_vec();
    let last = full.last().unwrap().block_hash();
    let verdict = HeadersVerdict::Accepted { last_height: Height::new(2_000) };
    let effects = rig.with(|s, turn| s.headers_judged(last, HEADERS_MAX, verdict, turn));
    assert_eq!(sent(&effects), ["getheaders", "getdata"], "a full message: there may be more");
    assert_eq!(rig.downloads.in_flight(1), 16);
    assert_eq!(rig.hears(Message::Headers(rest.to_vec())), [Effect::SubmitHeaders(rest.to_vec())]);
    let last = rest.last().unwrap().block_hash();
    let verdict = HeadersVerdict::Accepted { last_height: Height::new(2_499) };
    let effects = rig.with(|s, turn| s.headers_judged(last, rest.len(), verdict, turn));
    assert!(effects.is_empty() && rig.downloads.take_headers_turn(2), "its turn has ended");
}

/// A node that wants so much work, and a peer's chain of `theirs` headers behind genesis in messages of the protocol's size.
fn presync(work_wanted: u64, theirs: usize) -> (Rig, Vec<Vec<Header>>) {
    let mut node = FakeNode::new(1, 1);
    node.work_wanted = work_wanted;
    let messages = chain(theirs + 1, 0, 7)[1..].chunks(HEADERS_MAX).map(<[Header]>::to_vec).collect();
    let mut node_chain = chain(1, 0, 7);
    std::mem::swap(&mut node.headers, &mut node_chain);
    node.bodies.borrow_mut().insert(node.headers[0].block_hash());
    (Rig::ready(node, false), messages)
}

impl Rig {
    /// The chain keeps what it is given.
    fn keeps(&mut self, headers: &[Header]) -> Vec<Effect> {
        self.node.headers.extend(headers);
        let (last, height) = (headers.last().unwrap().block_hash(), self.node.headers.len() as u32 - 1);
        let verdict = HeadersVerdict::Accepted { last_height: Height::new(height) };
        self.with(|s, turn| s.headers_judged(last, headers.len(), verdict, turn))
    }

    fn says(&mut self, headers: &[Header]) -> Vec<Effect> {
        self.hears(Message::Headers(headers.to_vec()))
    }
}

#[test]
fn headers_are_kept_only_of_a_chain_that_has_shown_enough_work() {
    let (mut rig, theirs) = presync(4_500, 4_600);
    // The first pass keeps nothing, and asks from the last one on.
    for message in &theirs[..2] {
        assert_eq!(sent(&rig.says(message)), ["getheaders"]);
        // News do not disturb it.
        assert!(rig.says(&theirs[2][7..8]).is_empty());
        assert!(rig.hears(Message::Inv(vec![Inventory::Block(theirs[2][9].block_hash())])).is_empty());
    }
    let again = rig.says(&theirs[2]);
    assert!(
        matches!(&again[..], [Effect::Send(Message::GetHeaders(l))] if l.hashes[0] == rig.node.headers[0].block_hash())
    );
    // The second pass: the same headers once more.
    for message in &theirs {
        assert_eq!(rig.says(message), [Effect::SubmitHeaders(message.clone())]);
        rig.keeps(message);
    }
    assert!(rig.downloads.take_headers_turn(2), "its turn has ended");
    // What comes on top stands on enough work.
    let next = chain(4_602, 0, 7)[4_601];
    assert_eq!(rig.says(&[next]), [Effect::SubmitHeaders(vec![next])]);
}

#[test]
fn a_chain_of_little_work_costs_no_memory_and_no_peer() {
    let (mut rig, theirs) = presync(4_500, 4_400);
    for message in &theirs[..2] {
        assert_eq!(sent(&rig.says(message)), ["getheaders"]);
    }
    assert!(rig.says(&theirs[2]).is_empty());
    assert!(rig.downloads.take_headers_turn(2), "its turn has ended");
    // Nor does a block of it, which nobody asked for.
    let block = bitcoin::Block { header: theirs[0][0], txdata: vec![] };
    assert!(rig.hears(Message::Block(Arc::new(ParsedBlock::new(block)))).is_empty());
    // A short chain is not even counted.
    let (mut rig, theirs) = presync(4_500, 10);
    assert!(rig.says(&theirs[0]).is_empty());
    // It may end without a word.
    let (mut rig, theirs) = presync(4_500, 2_000);
    rig.says(&theirs[0]);
    assert!(rig.says(&[]).is_empty() && rig.downloads.take_headers_turn(2));
    // What we have already may be shown by anybody.
    let (mut rig, theirs) = presync(4_500, 10);
    rig.node.headers.extend(&theirs[0]);
    assert_eq!(rig.says(&theirs[0]), [Effect::SubmitHeaders(theirs[0].clone())]);
}

#[test]
fn the_second_pass_takes_what_the_first_has_counted_and_nothing_else() {
    let (mut rig, theirs) = presync(4_500, 4_600);
    for message in &theirs {
        rig.says(message);
    }
    let other: Vec<Header> = chain(2_001, 1, 8)[1..].to_vec();
    let on_theirs: Vec<Header> = other
        .iter()
        .scan(rig.node.headers[0].block_hash(), |prev, h| {
            let header = Header { prev_blockhash: *prev, ..*h };
            *prev = header.block_hash();
            Some(header)
        })
        .collect();
    assert!(rig.says(&on_theirs).is_empty());
    assert_eq!(sent(&rig.after_ms(0)), ["getheaders"], "it is begun anew");
}

#[test]
fn who_counts_without_proof_or_end_is_dropped() {
    let (mut rig, mut theirs) = presync(4_500, 2_000);
    theirs[0].last_mut().unwrap().nonce = NO_PROOF;
    let reason = DisconnectReason::InvalidHeader("high-hash".to_owned());
    assert_eq!(ends(&rig.says(&theirs[0])), Some(&reason));
    let (mut rig, theirs) = presync(u64::MAX, 40_000);
    let mut dropped = None;
    for message in &theirs {
        rig.hears(Message::Pong(99));
        rig.says(message);
        let effects = rig.after_ms(HEADERS_MS_MAX);
        dropped = dropped.or(ends(&effects).cloned());
    }
    assert_eq!(dropped, Some(DisconnectReason::HeadersTimeout));
}

#[test]
fn headers_that_end_the_connection() {
    let theirs = chain(5, 5, 0);
    let mut rig = Rig::ready(FakeNode::new(1, 1), false);
    let gap = rig.hears(Message::Headers(vec![theirs[1], theirs[3]]));
    assert_eq!(ends(&gap), Some(&DisconnectReason::NonContinuousHeaders));
    let mut rig = Rig::ready(FakeNode::new(1, 1), false);
    let verdict = HeadersVerdict::Invalid("high-hash".to_owned());
    let effects = rig.with(|s, turn| s.headers_judged(theirs[1].block_hash(), 1, verdict, turn));
    assert_eq!(ends(&effects), Some(&DisconnectReason::InvalidHeader("high-hash".to_owned())));
    let mut rig = Rig::ready(FakeNode::new(1, 1), false);
    assert_eq!(ends(&rig.after_ms(HEADERS_MS_MAX + 1)), Some(&DisconnectReason::HeadersTimeout));
}

#[test]
fn headers_that_we_lost_are_asked_for_again() {
    let theirs = chain(5, 5, 0);
    let mut rig = Rig::ready(FakeNode::new(1, 1), false);
    rig.hears(Message::Headers(theirs[1..].to_vec()));
    let last = theirs[4].block_hash();
    assert!(rig.with(|s, turn| s.headers_judged(last, 4, HeadersVerdict::Failed, turn)).is_empty());
    assert_eq!(sent(&rig.after_ms(1)), ["getheaders"]);
}

#[test]
fn headers_that_do_not_connect_are_asked_about_once() {
    let mut rig = Rig::ready(FakeNode::new(2, 2), true);
    rig.hears(Message::Headers(vec![]));
    let far = chain(9, 0, 7);
    assert_eq!(sent(&rig.hears(Message::Headers(far[5..].to_vec()))), ["getheaders"]);
    rig.with(|s, turn| s.headers_judged(far[5].block_hash(), 1, HeadersVerdict::Unconnected, turn));
    let items = vec![Inventory::Block(far[7].block_hash()), Inventory::Block(far[8].block_hash())];
    assert!(rig.hears(Message::Inv(items)).is_empty(), "one question is open already");
}

#[test]
fn blocks_are_judged_and_their_senders_too() {
    let mut rig = Rig::ready(FakeNode::new(3, 3), false);
    rig.hears(Message::Headers(vec![]));
    let good = block_on(rig.node.headers[2].block_hash());
    assert_eq!(rig.hears(Message::Block(Arc::clone(&good))), [Effect::SubmitBlock(Arc::clone(&good))]);
    let orphan = block_on(BlockHash::from_byte_array([9; 32]));
    assert_eq!(sent(&rig.hears(Message::Block(orphan))), ["getheaders"]);
    let mut judged = |verdict| rig.with(|s, turn| s.block_judged(good.hash(), verdict, turn));
    assert!(judged(BlockVerdict::Accepted).is_empty() && judged(BlockVerdict::Failed).is_empty());
    assert!(judged(BlockVerdict::Orphan).is_empty(), "the question about headers is open already");
    let end = judged(BlockVerdict::Invalid("bad-cb-amount".to_owned()));
    assert_eq!(ends(&end), Some(&DisconnectReason::InvalidBlock("bad-cb-amount".to_owned())));
}

#[test]
fn a_block_that_does_not_come_ends_the_connection() {
    let mut rig = Rig::ready(FakeNode::new(3, 2), false);
    rig.hears(Message::Headers(vec![]));
    rig.hears(Message::Pong(99));
    let last = rig.node.headers[2].block_hash();
    let verdict = HeadersVerdict::Accepted { last_height: Height::new(2) };
    let effects = rig.with(|s, turn| s.headers_judged(last, 1, verdict, turn));
    assert_eq!(effects, [Effect::Send(Message::GetData(vec![Inventory::WitnessBlock(last)]))]);
    assert_eq!(ends(&rig.after_ms(600_001)), Some(&DisconnectReason::BlockTimeout));
    let (Rig { mut session, mut downloads, mut txs, .. }, _) = (rig, ());
    session.closed(&mut downloads, &mut txs);
    assert_eq!(downloads.in_flight(1), 0);
}

#[test]
fn a_staller_is_dropped() {
    let mut rig = Rig::ready(FakeNode::new(2_000, 1), false);
    rig.hears(Message::Headers(vec![]));
    let verdict = HeadersVerdict::Accepted { last_height: Height::new(1_999) };
    let last = rig.node.headers[1_999].block_hash();
    rig.with(|s, turn| s.headers_judged(last, 1, verdict, turn));
    loop {
        let got = rig.downloads.assign(2, Height::new(1_999), &rig.node, rig.now);
        if got.is_empty() {
            break;
        }
        for hash in got {
            rig.downloads.arrived(&hash, rig.now);
            rig.node.bodies.borrow_mut().insert(hash);
            rig.downloads.judged(&hash);
        }
    }
    assert_eq!(ends(&rig.after_ms(2_001)), Some(&DisconnectReason::Stalling));
}

#[test]
fn headers_and_inventories_are_served() {
    let mut rig = Rig::ready(FakeNode::new(3_000, 3_000), true);
    let from = Locator::from_hashes(vec![rig.node.headers[9].block_hash()]);
    let Some(Effect::Send(Message::Headers(got))) = rig.hears(Message::GetHeaders(from.clone())).pop() else {
        panic!("no headers")
    };
    assert_eq!(got, rig.node.headers[10..2_010]);
    let Some(Effect::Send(Message::Inv(items))) = rig.hears(Message::GetBlocks(from)).pop() else {
        panic!("no inventory")
    };
    assert_eq!((items.len(), items[0]), (500, Inventory::Block(rig.node.headers[10].block_hash())));
    let wanted = vec![Inventory::WitnessBlock(rig.node.headers[9].block_hash())];
    assert_eq!(rig.hears(Message::GetData(wanted.clone())), [Effect::Serve(wanted)]);
    let nothing = Locator::from_hashes(vec![rig.node.headers[2_999].block_hash()]);
    assert!(rig.hears(Message::GetBlocks(nothing)).is_empty());
}

#[test]
fn a_new_tip_is_announced_by_headers_where_they_join_and_by_inv_elsewhere() {
    let announce = |send_headers: bool, knows_parent: bool| {
        let mut rig = Rig::ready(FakeNode::new(10, 10), true);
        if send_headers {
            rig.hears(Message::SendHeaders);
        }
        if knows_parent {
            let hashes = vec![rig.node.headers[7].block_hash()];
            rig.session.knows_blocks(hashes.into_iter());
        }
        let news = rig.node.headers[8..].to_vec();
        let first = rig.session.tip_changed(&news, &rig.node);
        assert!(rig.session.tip_changed(&news, &rig.node).is_empty(), "once is enough");
        (sent(&first), news.len())
    };
    assert_eq!(announce(true, true), (vec!["headers"], 2));
    assert_eq!(announce(true, false), (vec!["inv"], 2));
    assert_eq!(announce(false, true), (vec!["inv"], 2));
    let mut behind = Rig::ready(FakeNode::new(100, 10), true);
    let news = behind.node.headers[9..10].to_vec();
    assert!(behind.session.tip_changed(&news, &behind.node).is_empty(), "not while we synchronise");
}

#[test]
fn a_found_block_goes_out_at_once_and_is_the_new_tip_for_everybody_else() {
    // Whether they connected to us, whether they want headers; what goes out at once, and what with the new tip.
    for (inbound, wants_headers, at_once, later) in [
        (false, false, vec!["block"], vec!["inv"]),
        (false, true, vec!["block"], vec!["headers"]),
        (true, true, vec!["headers"], vec![]),
        (true, false, vec![], vec!["inv"]),
    ] {
        let mut rig = Rig::ready(FakeNode::new(10, 10), inbound);
        if wants_headers {
            rig.hears(Message::SendHeaders);
        }
        let parent = rig.node.headers[9].block_hash();
        rig.session.knows_blocks([parent].into_iter());
        let block = block_on(parent);
        assert_eq!(sent(&rig.session.found_block(&block)), at_once);
        assert_eq!(sent(&rig.session.tip_changed(&[*block.header()], &rig.node)), later);
    }
    let (mut early, _) = Rig::open(FakeNode::new(10, 10), false);
    let block = block_on(early.node.headers[9].block_hash());
    assert!(early.session.found_block(&block).is_empty());
}

#[test]
fn announced_transactions_are_fetched_once() {
    let mut rig = Rig::ready(FakeNode::new(5, 5), true);
    let items: Vec<Inventory> = (1..4).map(|n| tx_ref(n).announced()).collect();
    rig.node.txs.borrow_mut().insert(tx_ref(2));
    let want = vec![tx_ref(1).wanted(), tx_ref(3).wanted()];
    assert_eq!(rig.hears(Message::Inv(items.clone())), [Effect::Send(Message::GetData(want))]);
    assert!(rig.hears(Message::Inv(items)).is_empty());
    assert_eq!(rig.txs.in_flight(1), 2);
    rig.hears(Message::NotFound(vec![tx_ref(1).announced()]));
    assert_eq!(rig.txs.in_flight(1), 1);
    let mut syncing = Rig::ready(FakeNode::new(100, 5), true);
    assert!(syncing.hears(Message::Inv(vec![tx_ref(1).announced()])).is_empty());
}

#[test]
fn what_another_peer_was_asked_for_waits() {
    let mut rig = Rig::ready(FakeNode::new(5, 5), true);
    rig.hears(Message::Headers(vec![]));
    rig.txs.take(tx_ref(1), 2, rig.now);
    assert!(rig.hears(Message::Inv(vec![tx_ref(1).announced()])).is_empty());
    rig.txs.forget(2);
    assert_eq!(sent(&rig.after_ms(1)), ["getdata"]);
}

#[test]
fn transactions_are_submitted_announced_and_listed() {
    let mut rig = Rig::ready(FakeNode::new(5, 5), true);
    rig.hears(Message::Headers(vec![]));
    let tx = Arc::new(ParsedTx::new(genesis_block(Network::Regtest).txdata[0].clone()));
    assert_eq!(rig.hears(Message::Tx(Arc::clone(&tx))), [Effect::SubmitTx(Arc::clone(&tx))]);
    rig.session.tx_accepted(&tx);
    assert!(rig.after_ms(1).is_empty(), "it came from there");
    let mut other = Rig::ready(FakeNode::new(5, 5), true);
    other.hears(Message::Headers(vec![]));
    other.session.tx_accepted(&tx);
    let announced = vec![Inventory::WTx(tx.wtxid())];
    assert_eq!(other.after_ms(1), [Effect::Send(Message::Inv(announced))]);
    assert!(other.hears(Message::Mempool).is_empty());
    other.node.txs.borrow_mut().insert(tx_ref(1));
    assert_eq!(sent(&other.hears(Message::Mempool)), ["inv"]);
}

#[test]
fn announcements_are_cut_into_messages_and_bounded() {
    let mut rig = Rig::ready(FakeNode::new(5, 5), true);
    rig.hears(Message::Headers(vec![]));
    let coinbase = genesis_block(Network::Regtest).txdata[0].clone();
    for n in 0..6_000u32 {
        let mut tx = coinbase.clone();
        tx.lock_time = bitcoin::absolute::LockTime::from_consensus(n);
        rig.session.tx_accepted(&ParsedTx::new(tx));
    }
    let mut total = 0;
    for _ in 0..5 {
        let Some(Effect::Send(Message::Inv(items))) = rig.after_ms(1).pop() else { panic!("no inv") };
        assert_eq!(items.len(), TX_INV_SENT_MAX);
        total += items.len();
    }
    assert_eq!(total, 5_000);
    assert!(rig.after_ms(1).is_empty());
}

#[test]
fn without_services_nothing_is_asked_of_it() {
    let (mut rig, _) = Rig::open(FakeNode::new(5, 5), true);
    rig.hears(Message::Version(Version { services: 0, relay: false, ..version() }));
    assert_eq!(sent(&rig.hears(Message::Verack)), ["sendheaders", "ping"]);
    rig.hears(Message::Inv(vec![Inventory::Transaction(Txid::from_byte_array([1; 32]))]));
    assert_eq!(rig.session.remote().map(|r| r.services), Some(0));
    assert_eq!(rig.session.height(), Height::GENESIS);
}
