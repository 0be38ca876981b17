use std::collections::BTreeSet;
use std::sync::Arc;

use bitcoin::constants::genesis_block;
use bitcoin::hashes::Hash;
use bitcoin::{Network, Txid, Wtxid};

use super::*;
use crate::peer::limits::{HEADERS_MAX, HEADERS_MS_MAX, TX_INV_SENT_MAX};
use crate::peer::testing::{FakeNode, NO_PROOF, chain};
use crate::peer::{
    AddressBook, AddressList, BlockVerdict, CompactBlock, FetchError, FilterAsk, FilterRange, FilterRequest,
    HeadersVerdict, HostNetwork, KnownNode, NodeAddress, TxSource,
};
use crate::wire::{ParsedBlock, ParsedTx};

#[path = "tests/compact.rs"]
mod compact;

/// A day.
const BEHIND_MS: u64 = 86_400_000;

/// A session against a fake node, with a clock that the test moves.
struct Rig {
    node: FakeNode,
    session: Session,
    downloads: Downloads,
    txs: TxBoard,
    addresses: AddressBoard,
    now: UnixMillis,
}

fn config(kind: ConnectionKind, permissions: Permissions) -> SessionConfig {
    let rules = SessionRules::default();
    let host = "5.6.7.8".parse().ok();
    let (user_agent, entrance) = ("/Adit/".to_owned(), "here".to_owned());
    SessionConfig { id: 1, kind, permissions, user_agent, nonce: 5, host, entrance, rules }
}

fn kind(inbound: bool) -> ConnectionKind {
    if inbound { ConnectionKind::Inbound } else { ConnectionKind::OutboundFullRelay }
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
        Rig::open_as(node, config(kind(inbound), Permissions::NONE))
    }

    fn open_as(node: FakeNode, config: SessionConfig) -> (Rig, Vec<Effect>) {
        let now = UnixMillis::from_seconds(1_000);
        let (session, effects) = Session::open(config, &node, now);
        let addresses = AddressBoard::new(AddressBook::new([7; 32]), [HostNetwork::Ipv4], 3);
        let (downloads, txs) = (Downloads::default(), TxBoard::default());
        (Rig { node, session, downloads, txs, addresses, now }, effects)
    }

    fn ready(node: FakeNode, inbound: bool) -> Rig {
        Rig::ready_as(node, config(kind(inbound), Permissions::NONE))
    }

    fn ready_as(node: FakeNode, config: SessionConfig) -> Rig {
        let (mut rig, _) = Rig::open_as(node, config);
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
            addresses: &mut self.addresses,
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

fn notes(effects: &[Effect]) -> Vec<&str> {
    effects
        .iter()
        .filter_map(|e| if let Effect::Note(text) = e { Some(text.as_str()) } else { None })
        .collect()
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
    assert_eq!(
        sent(&out.hears(Message::Version(version()))),
        ["wtxidrelay", "sendaddrv2", "verack", "getaddr"]
    );
    let first = ["sendcmpct", "sendheaders", "ping", "getheaders", "feefilter"];
    assert_eq!(sent(&out.hears(Message::Verack)), first);
    let (mut inbound, effects) = Rig::open(FakeNode::new(5, 5), true);
    assert!(effects.is_empty());
    let early = inbound.hears(Message::Verack);
    let want = "non-version message before version handshake. Message \"verack\" from peer=1";
    assert_eq!((notes(&early), early.len()), (vec![want], 1), "nothing counts before the version");
    let answer = inbound.hears(Message::Version(Version { protocol: 70_015, ..version() }));
    assert_eq!(sent(&answer), ["version", "verack"]);
    let early = inbound.hears(Message::GetHeaders(Locator::from_hashes(vec![])));
    assert_eq!(notes(&early), ["Unsupported message \"getheaders\" prior to verack from peer=1"]);
    let second = inbound.hears(Message::Version(version()));
    assert_eq!(notes(&second), ["redundant version message from peer=1"], "it is passed over");
    inbound.hears(Message::Verack);
    assert_eq!(notes(&inbound.hears(Message::Verack)), ["ignoring redundant verack message from peer=1"]);
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
    // What was said when a handshake took too long, and why it then ends.
    for (said, why) in [
        (vec![Message::Version(version())], "version handshake timeout"),
        (vec![Message::Ping(1)], "socket no message in first 60 seconds, never sent to peer"),
        (vec![], "socket no message in first 60 seconds, never received from peer, never sent to peer"),
    ] {
        let (mut silent, _) = Rig::open(FakeNode::new(5, 5), true);
        said.into_iter().for_each(|message| drop(silent.hears(message)));
        assert!(silent.after_ms(HANDSHAKE_MS_MAX).is_empty());
        assert_eq!(ends(&silent.after_ms(1)).map(ToString::to_string).as_deref(), Some(why));
    }
}

#[test]
fn pings_are_sent_answered_and_missed() {
    let mut rig = Rig::ready(FakeNode::new(5, 5), true);
    assert_eq!(rig.hears(Message::Ping(3)), [Effect::SendInTurn(Message::Pong(Some(3)))]);
    rig.hears(Message::Headers(vec![]));
    let answer = |rig: &mut Rig, nonce| notes(&rig.hears(Message::Pong(nonce))).join("");
    assert_eq!(answer(&mut rig, Some(98)), "pong peer=1: Nonce mismatch, 63 expected, 62 received, 8 bytes");
    assert!(rig.after_ms(PING_EVERY_MS).is_empty(), "the first is not answered: 98 is not its nonce");
    assert_eq!(answer(&mut rig, Some(99)), "");
    assert_eq!(
        answer(&mut rig, Some(7)),
        "pong peer=1: Unsolicited pong without ping, 0 expected, 7 received, 8 bytes"
    );
    assert_eq!(sent(&rig.after_ms(0)), ["ping"]);
    assert!(answer(&mut rig, Some(0)).contains("Nonce zero"));
    rig.session.ping();
    assert_eq!(sent(&rig.after_ms(1)), ["ping"], "an operator does not wait");
    assert!(answer(&mut rig, None).contains("Short payload"));
    let mut info = PeerInfo::default();
    rig.session.describe(&mut info, &rig.node, rig.now);
    assert_eq!((info.ping_ms, info.ping_min_ms, info.ping_wait_ms), (Some(120_000), Some(120_000), None));
    assert_eq!(sent(&rig.after_ms(PING_EVERY_MS)), ["ping"]);
    let late = PONG_MS_MAX + 1;
    assert_eq!(ends(&rig.after_ms(late)), Some(&DisconnectReason::PingTimeout(late)));
    assert_eq!(DisconnectReason::PingTimeout(late).to_string(), "ping timeout: 1200.001000s");
}

#[test]
fn a_connection_that_is_not_watched_yet_misses_nothing() {
    let rules = SessionRules { timeout_ms: u64::MAX, ..SessionRules::default() };
    let config = SessionConfig { rules, ..config(ConnectionKind::Inbound, Permissions::NONE) };
    let mut rig = Rig::ready_as(FakeNode::new(5, 5), config.clone());
    assert_eq!(ends(&rig.after_ms(PONG_MS_MAX * 2)), None);
    let (mut silent, _) = Rig::open_as(FakeNode::new(5, 5), config);
    assert_eq!(ends(&silent.after_ms(HANDSHAKE_MS_MAX * 2)), None);
}

#[test]
fn whom_we_chose_must_serve_us() {
    // A kind, what it offers, how old our tip is in hours; what is said.
    for (kind, services, hours, why) in [
        (ConnectionKind::OutboundFullRelay, 9, 0, None),
        (ConnectionKind::OutboundFullRelay, 8, 0, Some("00000008 offered, 00000009 expected")),
        (ConnectionKind::BlockRelayOnly, 1, 0, Some("00000001 offered, 00000009 expected")),
        (ConnectionKind::AddrFetch, 0x408, 25, Some("00000408 offered, 00000009 expected")),
        (ConnectionKind::AddrFetch, 0x408, 23, None),
        (ConnectionKind::Manual, 0, 0, None),
        (ConnectionKind::Inbound, 0, 0, None),
        (ConnectionKind::Feeler, 0, 0, Some("feeler connection completed")),
    ] {
        let (mut rig, _) = Rig::open_as(FakeNode::new(5, 5), config(kind, Permissions::NONE));
        rig.now = rig.now.plus_ms(hours * 3_600_000);
        let effects = rig.hears(Message::Version(Version { services, ..version() }));
        let said = ends(&effects).map(ToString::to_string);
        match why {
            Some(why) => assert!(said.as_ref().is_some_and(|said| said.contains(why)), "{kind:?}: {said:?}"),
            None => assert_eq!(said, None, "{kind:?}"),
        }
    }
}

#[test]
fn who_is_punished_and_who_is_not() {
    let gap = |rig: &mut Rig| {
        let theirs = chain(5, 5, 0);
        rig.hears(Message::Headers(vec![theirs[1], theirs[3]]))
    };
    for (kind, permissions, said) in [
        (ConnectionKind::Inbound, Permissions::NONE, None),
        (ConnectionKind::OutboundFullRelay, Permissions::NONE, None),
        (ConnectionKind::Inbound, Permissions::NO_BAN, Some("Warning: not punishing noban peer=1")),
        (ConnectionKind::Manual, Permissions::NONE, Some("Warning: not punishing manually connected peer=1")),
    ] {
        let mut rig = Rig::ready_as(FakeNode::new(1, 1), config(kind, permissions));
        let effects = gap(&mut rig);
        assert_eq!(notes(&effects)[0], "Misbehaving: peer=1: non-continuous headers sequence");
        assert_eq!((notes(&effects).get(1).copied(), ends(&effects).is_some()), (said, said.is_none()));
    }
}

#[test]
fn what_may_not_be_sent_or_asked() {
    let hears = |rules: SessionRules, permissions, message: Message| {
        let config = SessionConfig { rules, ..config(ConnectionKind::Inbound, permissions) };
        let effects = Rig::ready_as(FakeNode::new(5, 5), config).hears(message);
        (ends(&effects).map(ToString::to_string).unwrap_or_default(), notes(&effects).join(""))
    };
    let (open, quiet) =
        (SessionRules::default(), SessionRules { blocks_only: true, ..SessionRules::default() });
    let none = Permissions::NONE;
    let bloom = Message::Bloom(crate::peer::Command::new("filterload"));
    assert_eq!(hears(open, none, bloom).0, "filterload received despite not offering bloom services");
    assert_eq!(hears(open, none, Message::Mempool).0, "mempool request with bloom filters disabled");
    assert_eq!(hears(open, Permissions::NO_BAN, Message::Mempool).0, "");
    let inv = || Message::Inv(vec![tx_ref(1).announced()]);
    let said = format!("transaction ({}) inv sent in violation of protocol", "01".repeat(32));
    assert_eq!(hears(quiet, none, inv()).0, said);
    assert_eq!(hears(quiet, Permissions::RELAY, inv()).0, "");
    let tx = || Message::Tx(Arc::new(ParsedTx::new(genesis_block(Network::Regtest).txdata[0].clone())));
    assert_eq!(hears(quiet, none, tx()).0, "transaction sent in violation of protocol");
    let excess = |name: &str| Message::Excess(crate::peer::Command::new(name), 60_000);
    assert_eq!(hears(open, none, excess("inv")).0, "inv message size = 60000");
    assert_eq!(hears(open, none, excess("getheaders")).0, "getheaders locator size 60000 > 101");
    assert_eq!(hears(open, none, excess("notfound")).0, "");
    let broken = Message::Malformed(crate::peer::Command::new("tx"), crate::peer::Flaw::NoWitness, 7);
    let said = "ProcessMessages(tx, 7 bytes): Exception 'Superfluous witness record' caught from peer=1";
    assert_eq!(hears(open, none, broken), (String::new(), said.to_owned()));
}

#[test]
fn the_first_with_blocks_may_send_them_at_once_three_at_most() {
    let mut rig = Rig::ready(FakeNode::new(5, 5), true);
    rig.hears(Message::SendCompact { announce: 1, version: 2 });
    let tip = rig.node.headers[4].block_hash();
    let judged = |rig: &mut Rig| sent(&rig.with(|s, turn| s.block_judged(tip, BlockVerdict::Accepted, turn)));
    assert_eq!(judged(&mut rig), ["sendcmpct"]);
    assert!(judged(&mut rig).is_empty());
    let mut info = PeerInfo::default();
    rig.session.describe(&mut info, &rig.node, rig.now);
    assert_eq!((info.high_bandwidth_to, info.high_bandwidth_from), (true, true));
    for other in 2..5 {
        rig.downloads.prefer(other, false);
    }
    rig.hears(Message::Pong(Some(99)));
    assert_eq!(sent(&rig.after_ms(1)), ["sendcmpct"], "it is one no more");
    // One that doesn't know them is not asked.
    let mut old = Rig::ready(FakeNode::new(5, 5), true);
    assert!(judged(&mut old).is_empty());
}

#[test]
fn a_feerate_is_told_again_only_where_it_has_changed_and_a_lower_one_is_not_announced() {
    let mut rig = Rig::ready(FakeNode::new(100, 5), true);
    rig.hears(Message::Headers(vec![]));
    rig.node.bodies.borrow_mut().extend(chain(100, 100, 0).iter().map(Header::block_hash));
    // While we were far behind, nothing was wanted.
    let effects = rig.after_ms(1);
    assert!(effects.contains(&Effect::Send(Message::FeeFilter(100))), "{effects:?}");
    rig.hears(Message::FeeFilter(2_000));
    let tx = ParsedTx::new(genesis_block(Network::Regtest).txdata[0].clone());
    rig.node.txs.borrow_mut().insert(TxRef::Wtxid(tx.wtxid()));
    rig.session.tx_accepted(&tx, 199, 100);
    assert!(!sent(&rig.after_ms(60_000)).contains(&"inv"));
    rig.session.tx_accepted(&tx, 200, 100);
    rig.session.announce_txs_at = None;
    assert!(sent(&rig.after_ms(60_000)).contains(&"inv"));
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
    assert!(
        effects.is_empty() && !rig.downloads.take_headers_turn(2),
        "it keeps its turn while we are far behind"
    );
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
    assert!(!rig.downloads.take_headers_turn(2), "it keeps its turn while we are far behind");
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
    assert_eq!(notes(&rig.says(&theirs[2])), ["Ignoring low-work chain (height=4400) from peer=1"]);
    assert!(rig.downloads.take_headers_turn(2), "its turn has ended");
    // Nor does a block of it, which nobody asked for.
    let block = bitcoin::Block { header: theirs[0][0], txdata: vec![] };
    let said = rig.hears(Message::Block(Arc::new(ParsedBlock::new(block))));
    assert!(notes(&said)[0].ends_with("missing anti-dos proof-of-work validation") && said.len() == 1);
    // A short chain is not even counted.
    let (mut rig, theirs) = presync(4_500, 10);
    assert_eq!(sent(&rig.says(&theirs[0])), Vec::<&str>::new());
    // But of one whom the operator trusts they are kept at once.
    rig.session.config.permissions = Permissions::NO_BAN;
    assert_eq!(rig.says(&theirs[0]), [Effect::SubmitHeaders(theirs[0].clone())]);
    // It may end without a word.
    let (mut rig, theirs) = presync(4_500, 2_000);
    rig.says(&theirs[0]);
    assert!(rig.says(&[]).is_empty());
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
    let reason = DisconnectReason::InvalidHeader("header with invalid proof of work".to_owned());
    assert_eq!(ends(&rig.says(&theirs[0])), Some(&reason));
    let (mut rig, theirs) = presync(u64::MAX, 40_000);
    let mut dropped = None;
    for message in &theirs {
        rig.hears(Message::Pong(Some(99)));
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
    // What it was known to be invalid before, or will be good tomorrow: of whom we chose more is expected.
    for (inbound, verdict, end) in [
        (true, HeadersVerdict::KnownInvalid("duplicate-invalid".to_owned()), false),
        (false, HeadersVerdict::KnownInvalid("duplicate-invalid".to_owned()), true),
        (false, HeadersVerdict::TooEarly("time-too-new".to_owned()), false),
    ] {
        let mut rig = Rig::ready(FakeNode::new(1, 1), inbound);
        let effects = rig.with(|s, turn| s.headers_judged(theirs[1].block_hash(), 1, verdict, turn));
        assert_eq!(ends(&effects).is_some(), end);
    }
}

#[test]
fn who_is_silent_about_headers_lets_another_try_and_is_dropped_where_there_is_one() {
    let wait = |permissions: Permissions, others: bool| {
        let config = config(ConnectionKind::OutboundFullRelay, permissions);
        let mut node = FakeNode::new(1, 1);
        node.tip_time_s = 0;
        let mut rig = Rig::ready_as(node, config);
        rig.now = rig.now.plus_ms(2 * BEHIND_MS);
        rig.hears(Message::Pong(Some(99)));
        if others {
            rig.downloads.serves(2);
        }
        rig.session.sync_began_at = Some(rig.now);
        rig.session.headers_asked_at = Some(rig.now);
        assert_eq!(ends(&rig.after_ms(HEADERS_MS_MAX + 1)), None);
        assert!(rig.downloads.take_headers_turn(2), "another may try");
        rig.hears(Message::Pong(Some(99)));
        let effects = rig.after_ms(900_000);
        (ends(&effects).cloned(), notes(&effects).join(""))
    };
    assert_eq!(wait(Permissions::NONE, true).0, Some(DisconnectReason::HeadersTimeout));
    assert_eq!(wait(Permissions::NONE, false), (None, String::new()));
    let borne = "Timeout downloading headers from noban peer, not disconnecting peer=1".to_owned();
    assert_eq!(wait(Permissions::NO_BAN, true), (None, borne));
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
    let mut judged = |verdict| rig.with(|s, turn| s.block_judged(good.hash(), verdict, turn));
    assert!(judged(BlockVerdict::Accepted).is_empty() && judged(BlockVerdict::Failed).is_empty());
    assert!(judged(BlockVerdict::Known).is_empty());
    assert!(judged(BlockVerdict::TooEarly("time-too-new".to_owned())).is_empty());
    assert_eq!(sent(&judged(BlockVerdict::Orphan)), ["getheaders"]);
    let end = judged(BlockVerdict::Invalid("bad-cb-amount".to_owned()));
    assert_eq!(ends(&end), Some(&DisconnectReason::InvalidBlock("bad-cb-amount".to_owned())));
    // Who is let stay is not asked for the same again and again.
    let config = config(ConnectionKind::Manual, Permissions::NONE);
    let mut kept = Rig::ready_as(FakeNode::new(4, 3), config);
    kept.session.best_known = Some(kept.node.headers[3].block_hash());
    let verdict = BlockVerdict::Invalid("bad-cb-amount".to_owned());
    let effects = kept.with(|s, turn| s.block_judged(good.hash(), verdict, turn));
    assert_eq!((ends(&effects), sent(&effects).len()), (None, 0));
    assert!(!sent(&kept.after_ms(250)).contains(&"getdata"));
    for (inbound, end) in [(true, false), (false, true)] {
        let mut rig = Rig::ready(FakeNode::new(3, 3), inbound);
        let verdict = BlockVerdict::KnownInvalid("duplicate-invalid".to_owned());
        assert_eq!(ends(&rig.with(|s, turn| s.block_judged(good.hash(), verdict, turn))).is_some(), end);
    }
}

#[test]
fn a_block_that_does_not_come_ends_the_connection() {
    let mut rig = Rig::ready(FakeNode::new(3, 2), false);
    rig.hears(Message::Headers(vec![]));
    rig.hears(Message::Pong(Some(99)));
    let last = rig.node.headers[2].block_hash();
    let verdict = HeadersVerdict::Accepted { last_height: Height::new(2) };
    let effects = rig.with(|s, turn| s.headers_judged(last, 1, verdict, turn));
    assert_eq!(effects, [Effect::Send(Message::GetData(vec![Inventory::WitnessBlock(last)]))]);
    assert_eq!(ends(&rig.after_ms(600_001)), Some(&DisconnectReason::BlockTimeout));
    let (Rig { mut session, mut downloads, mut txs, mut addresses, .. }, _) = (rig, ());
    session.closed(&mut downloads, &mut txs, &mut addresses);
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
            rig.downloads.arrived(&hash, 2, rig.now);
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
    assert_eq!(
        rig.hears(Message::GetData(wanted.clone())).pop(),
        Some(Effect::Serve { items: wanted, before: 1 })
    );
    let one = Locator { hashes: vec![], stop: rig.node.headers[77].block_hash() };
    let alone = rig.hears(Message::GetHeaders(one));
    assert_eq!(alone, [Effect::Send(Message::Headers(vec![rig.node.headers[77]]))]);
    let unknown = Locator { hashes: vec![], stop: BlockHash::from_byte_array([9; 32]) };
    assert!(rig.hears(Message::GetHeaders(unknown)).is_empty());
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
            rig.session.knows_block(rig.node.headers[7].block_hash(), &rig.node);
        }
        let news = rig.node.headers[8..].to_vec();
        let first = rig.session.tip_changed(&news, None, &rig.node);
        if !first.is_empty() && sent(&first) == ["headers"] {
            assert!(rig.session.tip_changed(&news, None, &rig.node).is_empty(), "once is enough");
        }
        (sent(&first), news.len())
    };
    assert_eq!(announce(true, true), (vec!["headers"], 2));
    assert_eq!(announce(true, false), (vec!["inv"], 2));
    assert_eq!(announce(false, true), (vec!["inv"], 2));
    let mut behind = Rig::ready(FakeNode::new(100, 10), true);
    let news = behind.node.headers[9..10].to_vec();
    assert!(behind.session.tip_changed(&news, None, &behind.node).is_empty(), "not while we synchronise");
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
        rig.session.knows_block(parent, &rig.node);
        let block = block_on(parent);
        let compact = Arc::new(CompactBlock::of(&block, 7));
        assert_eq!(sent(&rig.session.found_block(&block, &compact, &rig.node)), at_once);
        assert_eq!(sent(&rig.session.tip_changed(&[*block.header()], Some(&compact), &rig.node)), later);
    }
    let (mut early, _) = Rig::open(FakeNode::new(10, 10), false);
    let block = block_on(early.node.headers[9].block_hash());
    let compact = Arc::new(CompactBlock::of(&block, 7));
    assert!(early.session.found_block(&block, &compact, &early.node).is_empty());
}

#[test]
fn announced_transactions_are_fetched_once() {
    let mut rig = Rig::ready(FakeNode::new(5, 5), false);
    let items: Vec<Inventory> = (1..4).map(|n| tx_ref(n).announced()).collect();
    rig.node.txs.borrow_mut().insert(tx_ref(2));
    let want = vec![tx_ref(1).wanted(), tx_ref(3).wanted()];
    assert_eq!(rig.hears(Message::Inv(items.clone())), [Effect::Send(Message::GetData(want))]);
    assert!(rig.hears(Message::Inv(items)).is_empty());
    // It names transactions by their wtxid: what it names otherwise is not looked at.
    let by_txid = Inventory::Transaction(Txid::from_byte_array([9; 32]));
    assert!(rig.hears(Message::Inv(vec![by_txid])).is_empty());
    assert_eq!(rig.txs.in_flight(1), 2);
    rig.hears(Message::NotFound(vec![tx_ref(1).announced()]));
    assert_eq!(rig.txs.in_flight(1), 1);
    let mut syncing = Rig::ready(FakeNode::new(100, 5), true);
    assert!(syncing.hears(Message::Inv(vec![tx_ref(1).announced()])).is_empty());
}

#[test]
fn what_another_peer_was_asked_for_waits() {
    let mut rig = Rig::ready(FakeNode::new(5, 5), false);
    rig.hears(Message::Headers(vec![]));
    rig.txs.join(2, TxSource { preferred: true, ..TxSource::default() });
    rig.txs.hear(tx_ref(1), 2, rig.now);
    assert_eq!(rig.txs.due(2, 9, rig.now), [tx_ref(1)]);
    rig.txs.asked(&tx_ref(1), 2, rig.now);
    assert!(rig.hears(Message::Inv(vec![tx_ref(1).announced()])).is_empty());
    rig.txs.forget(2);
    assert_eq!(sent(&rig.after_ms(1)), ["getdata"]);
}

#[test]
fn what_came_is_asked_of_nobody_else_until_it_is_judged() {
    let mut rig = Rig::ready(FakeNode::new(5, 5), false);
    rig.hears(Message::Headers(vec![]));
    let tx = Arc::new(ParsedTx::new(genesis_block(Network::Regtest).txdata[0].clone()));
    let named = TxRef::Wtxid(tx.wtxid());
    assert_eq!(sent(&rig.hears(Message::Inv(vec![named.announced()]))), ["getdata"]);
    rig.txs.join(2, TxSource { preferred: true, ..TxSource::default() });
    rig.txs.hear(named, 2, rig.now);
    assert_eq!(rig.hears(Message::Tx(Arc::clone(&tx))), [Effect::SubmitTx(Arc::clone(&tx))]);
    assert!(rig.txs.due(2, 9, rig.now).is_empty());
    // What is not known after the verdict (its witnesses were not the right ones) another one may have.
    rig.with(|session, turn| session.tx_judged(&tx, false, &[], turn));
    assert_eq!(rig.txs.due(2, 9, rig.now), [named]);
    // What is known is asked of nobody.
    rig.node.txs.borrow_mut().insert(named);
    rig.with(|session, turn| session.tx_judged(&tx, true, &[], turn));
    assert!(rig.txs.due(2, 9, rig.now).is_empty());
}

#[test]
fn transactions_are_submitted_announced_and_listed() {
    let mut rig = Rig::ready(FakeNode::new(5, 5), true);
    rig.hears(Message::Headers(vec![]));
    let tx = Arc::new(ParsedTx::new(genesis_block(Network::Regtest).txdata[0].clone()));
    assert_eq!(rig.hears(Message::Tx(Arc::clone(&tx))), [Effect::SubmitTx(Arc::clone(&tx))]);
    rig.node.txs.borrow_mut().insert(TxRef::Wtxid(tx.wtxid()));
    rig.session.tx_accepted(&tx, 1_000, 100);
    assert!(sent(&rig.after_ms(60_000)).is_empty(), "it came from there");
    let mut other = Rig::ready(FakeNode::new(5, 5), true);
    other.hears(Message::Headers(vec![]));
    other.node.txs.borrow_mut().insert(TxRef::Wtxid(tx.wtxid()));
    other.session.tx_accepted(&tx, 1_000, 100);
    let announced = vec![Inventory::WTx(tx.wtxid())];
    assert_eq!(other.after_ms(60_000), [Effect::Send(Message::Inv(announced))]);
    other.session.tx_accepted(&tx, 1_000, 100);
    assert!(other.after_ms(60_000).is_empty(), "it has been told");
    other.session.tx_again(&tx);
    other.session.announce_txs_at = None;
    assert_eq!(sent(&other.after_ms(60_000)), ["inv"]);
    // It may be asked for that was there when it was last told of transactions.
    let asked = other.hears(Message::GetData(vec![tx_ref(1).wanted()]));
    assert!(matches!(asked.last(), Some(Effect::Serve { before: 2, .. })));
    other.session.config.permissions = Permissions::MEMPOOL;
    assert_eq!(sent(&other.hears(Message::Mempool)), ["inv"]);
}

#[test]
fn nobody_can_tell_when_a_transaction_is_announced() {
    let mut rig = Rig::ready(FakeNode::new(5, 5), true);
    rig.hears(Message::Headers(vec![]));
    rig.after_ms(1);
    let tx = ParsedTx::new(genesis_block(Network::Regtest).txdata[0].clone());
    rig.node.txs.borrow_mut().insert(TxRef::Wtxid(tx.wtxid()));
    rig.session.tx_accepted(&tx, 1_000, 100);
    let at = rig.session.announce_txs_at.unwrap();
    let before = at.ms_since(rig.now) - 1;
    assert!(sent(&rig.after_ms(before)).iter().all(|sent| *sent != "inv"));
    assert!(sent(&rig.after_ms(1)).contains(&"inv"));
}

#[test]
fn announcements_are_cut_into_messages_and_bounded() {
    let mut rig = Rig::ready(FakeNode::new(5, 5), true);
    rig.hears(Message::Headers(vec![]));
    let coinbase = genesis_block(Network::Regtest).txdata[0].clone();
    for n in 0..6_000u32 {
        let mut tx = coinbase.clone();
        tx.lock_time = bitcoin::absolute::LockTime::from_consensus(n);
        let tx = ParsedTx::new(tx);
        rig.node.txs.borrow_mut().insert(TxRef::Wtxid(tx.wtxid()));
        rig.session.tx_accepted(&tx, 1_000, 100);
    }
    let mut total = 0;
    // Whom an operator trusts is told at once.
    rig.session.config.permissions = Permissions::NO_BAN;
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
    assert_eq!(sent(&rig.hears(Message::Verack)), ["sendcmpct", "sendheaders", "ping", "feefilter"]);
    rig.hears(Message::Inv(vec![Inventory::Transaction(Txid::from_byte_array([1; 32]))]));
    assert_eq!(rig.session.remote().map(|r| r.services), Some(0));
    assert_eq!(rig.session.height(), Height::GENESIS);
}

#[test]
fn of_a_pruned_peer_the_last_blocks_are_fetched_and_no_others() {
    // Its tip is so many blocks above ours.
    let check = |services: u64, ahead: usize, fetched: bool| {
        let node = FakeNode::new(ahead + 1, 1);
        let best = node.headers[ahead];
        let (mut rig, _) = Rig::open(node, true);
        rig.hears(Message::Version(Version { services, ..version() }));
        let mut effects = rig.hears(Message::Verack);
        effects.extend(rig.hears(Message::Headers(vec![best])));
        let verdict = HeadersVerdict::Accepted { last_height: Height::new(ahead as u32) };
        let last = best.block_hash();
        effects.extend(rig.with(|session, turn| session.headers_judged(last, 1, verdict.clone(), turn)));
        assert_eq!(sent(&effects).contains(&"getdata"), fetched, "{services:#x}, {ahead} ahead");
    };
    for (ahead, of_pruned, of_silent) in
        [(24, true, true), (25, true, false), (286, true, false), (287, false, false)]
    {
        check(0x409, ahead, true);
        check(0x408, ahead, of_pruned);
        check(0x8, ahead, of_silent);
    }
}

#[test]
fn parents_are_asked_of_whoever_tells_of_their_child() {
    let mut rig = Rig::ready(FakeNode::new(5, 5), false);
    rig.hears(Message::Headers(vec![]));
    let (parent, held) = (Txid::from_byte_array([7; 32]), Txid::from_byte_array([8; 32]));
    rig.node.txs.borrow_mut().insert(TxRef::Txid(held));
    let asked = Effect::Send(Message::GetData(vec![TxRef::Txid(parent).wanted()]));
    let orphan = ParsedTx::new(genesis_block(Network::Regtest).txdata[0].clone());
    let of_both = (BTreeSet::from([1]), vec![parent]);
    rig.node.orphans.borrow_mut().insert(TxRef::Wtxid(orphan.wtxid()), of_both);
    // Another one has told of it meanwhile.
    rig.txs.join(2, TxSource::default());
    rig.txs.hear(TxRef::Wtxid(orphan.wtxid()), 2, rig.now);
    // What it sent misses parents, one of which is held.
    let missing = rig.with(|session, turn| session.tx_judged(&orphan, false, &[parent, held], turn));
    assert!(missing.is_empty(), "whoever names a parent by its wtxid has a moment");
    let later = rig.after_ms(2_000);
    assert!(later.contains(&asked), "{later:?}");
    assert_eq!(rig.txs.tellers(&TxRef::Txid(parent)), [1, 2]);
    assert!(rig.with(|session, turn| session.tx_judged(&orphan, false, &[], turn)).is_empty());
    // Another tells of the same child: once the first one owes the parent for too long, he is asked for it.
    let mut other = Rig::ready(FakeNode::new(5, 5), false);
    other.hears(Message::Headers(vec![]));
    let child = tx_ref(1);
    other.node.orphans.borrow_mut().insert(child, (BTreeSet::new(), vec![parent]));
    other.hears(Message::Inv(vec![child.announced()]));
    assert!(other.after_ms(2_000).contains(&asked));
    assert!(other.hears(Message::Inv(vec![child.announced()])).is_empty());
}

#[test]
fn what_paid_too_little_is_judged_again_when_it_comes_again() {
    let mut rig = Rig::ready(FakeNode::new(5, 5), false);
    rig.hears(Message::Headers(vec![]));
    let tx = Arc::new(ParsedTx::new(genesis_block(Network::Regtest).txdata[0].clone()));
    rig.node.txs.borrow_mut().insert(TxRef::Wtxid(tx.wtxid()));
    assert!(rig.hears(Message::Tx(Arc::clone(&tx))).is_empty());
    rig.node.poor.borrow_mut().insert(tx.wtxid());
    assert_eq!(rig.hears(Message::Tx(Arc::clone(&tx))), [Effect::SubmitTx(tx)]);
}

/// A header on `prev`, which differs from others by its `branch`.
fn header_on(prev: BlockHash, branch: u32) -> Header {
    Header { prev_blockhash: prev, ..chain(2, 0, branch)[1] }
}

fn block_of(header: Header) -> Arc<ParsedBlock> {
    Arc::new(ParsedBlock::new(bitcoin::Block { header, txdata: vec![] }))
}

#[test]
fn what_joins_nothing_while_blocks_are_judged_is_asked_for_when_they_have_been() {
    let mut rig = Rig::ready(FakeNode::new(5, 5), false);
    rig.hears(Message::Headers(vec![]));
    let tip = rig.node.headers[4].block_hash();
    let blocks = [block_of(header_on(tip, 1)), block_of(header_on(tip, 2))];
    for block in &blocks {
        assert!(
            rig.hears(Message::Block(Arc::clone(block))).contains(&Effect::SubmitBlock(Arc::clone(block)))
        );
    }
    let far = header_on(BlockHash::from_byte_array([9; 32]), 3);
    assert!(rig.hears(Message::Headers(vec![far])).is_empty(), "its parent may be among them");
    let mut judged = |block: &Arc<ParsedBlock>| {
        let hash = block.hash();
        sent(&rig.with(|session, turn| session.block_judged(hash, BlockVerdict::Accepted, turn)))
    };
    assert!(!judged(&blocks[0]).contains(&"getheaders"));
    assert!(judged(&blocks[1]).contains(&"getheaders"));
    assert!(!judged(&blocks[1]).contains(&"getheaders"), "once");
}

#[test]
fn an_unasked_block_is_kept_where_it_may_become_the_best() {
    // On which block it stands; whether it is judged, whether its header is.
    for (on, judged, header) in [(9, true, false), (8, true, false), (7, false, true), (0, false, true)] {
        let mut rig = Rig::ready(FakeNode::new(10, 10), true);
        let block = block_of(header_on(rig.node.headers[on].block_hash(), 5));
        let effects = rig.hears(Message::Block(Arc::clone(&block)));
        assert_eq!(effects.contains(&Effect::SubmitBlock(Arc::clone(&block))), judged, "{on}");
        assert_eq!(effects.contains(&Effect::SubmitHeaders(vec![*block.header()])), header, "{on}");
    }
    // Far above the tip it waits until it is asked for, and a header that is known is known.
    let mut rig = Rig::ready(FakeNode::new(400, 10), true);
    let last = rig.node.headers[399];
    assert!(!rig.hears(Message::Block(block_of(last))).contains(&Effect::SubmitBlock(block_of(last))));
    // So it does behind others that have not been judged yet.
    let mut rig = Rig::ready(FakeNode::new(10, 10), true);
    let mut prev = rig.node.headers[9].block_hash();
    for above in 1..=289 {
        let block = block_of(header_on(prev, 5));
        let effects = rig.hears(Message::Block(Arc::clone(&block)));
        assert_eq!(effects.contains(&Effect::SubmitBlock(Arc::clone(&block))), above <= 288, "{above}");
        prev = block.hash();
    }
    // A trusted peer's header may be known with little work behind it: its body is not kept.
    let mut weak = Rig::ready(FakeNode::new(10, 9), true);
    weak.node.work_wanted = 100;
    let block = block_of(weak.node.headers[9]);
    assert!(weak.hears(Message::Block(Arc::clone(&block))).is_empty());
}

#[test]
fn a_block_on_nothing_costs_its_sender_the_connection_but_not_behind_its_parent() {
    let mut rig = Rig::ready(FakeNode::new(3, 3), true);
    let first = block_of(header_on(rig.node.headers[2].block_hash(), 5));
    let second = block_of(header_on(first.hash(), 5));
    // Both in a row: the first is not judged yet when the second comes.
    for block in [&first, &second] {
        let effects = rig.hears(Message::Block(Arc::clone(block)));
        assert!(effects.contains(&Effect::SubmitBlock(Arc::clone(block))));
    }
    rig.with(|s, turn| s.block_judged(first.hash(), BlockVerdict::Accepted, turn));
    let orphan = block_on(BlockHash::from_byte_array([9; 32]));
    let end = DisconnectReason::InvalidBlock("prev-blk-not-found".to_owned());
    assert_eq!(ends(&rig.hears(Message::Block(Arc::clone(&orphan)))), Some(&end));
    // Who is let stay is asked what it stands on.
    let mut kept = Rig::ready_as(FakeNode::new(3, 3), config(ConnectionKind::Inbound, Permissions::NO_BAN));
    kept.hears(Message::Headers(vec![]));
    assert_eq!(sent(&kept.hears(Message::Block(orphan))), ["getheaders"]);
}

#[test]
fn a_block_beside_the_best_chain_is_fetched_from_who_has_it() {
    let mut rig = Rig::ready(FakeNode::new(10, 10), true);
    rig.hears(Message::Headers(vec![]));
    let aside = header_on(rig.node.headers[8].block_hash(), 5);
    // Another chain as the fake node knows none: it says which of its blocks are wanted.
    rig.node.aside = vec![(aside.block_hash(), Height::new(9))];
    rig.node.forked = Some((aside, Height::new(9)));
    let verdict = HeadersVerdict::Accepted { last_height: Height::new(9) };
    let effects = rig.with(|s, turn| s.headers_judged(aside.block_hash(), 1, verdict, turn));
    let wanted = vec![Inventory::WitnessBlock(aside.block_hash())];
    assert_eq!(effects, [Effect::Send(Message::GetData(wanted))]);
    assert!(rig.after_ms(250).iter().all(|e| !matches!(e, Effect::Send(Message::GetData(_)))), "once");
}

#[test]
fn who_sends_other_bytes_under_a_blocks_hash_does_not_keep_it_from_us() {
    let mut rig = Rig::ready(FakeNode::new(10, 9), true);
    rig.hears(Message::Headers(vec![]));
    let hash = rig.node.headers[9].block_hash();
    rig.downloads.assign(2, Height::new(9), &rig.node, rig.now);
    let effects = rig.hears(Message::Block(block_of(rig.node.headers[9])));
    assert!(matches!(effects[..], [Effect::SubmitBlock(_)]));
    let verdict = BlockVerdict::Invalid("bad-txnmrklroot".to_owned());
    let effects = rig.with(|s, turn| s.block_judged(hash, verdict, turn));
    assert!(notes(&effects)[0].starts_with("Block mutated: bad-txnmrklroot") && ends(&effects).is_some());
    assert_eq!(rig.downloads.in_flight(2), 1, "the other one still owes it");
}

#[test]
fn an_operator_has_a_block_fetched_from_one_peer() {
    let mut rig = Rig::ready(FakeNode::new(10, 10), true);
    let hash = rig.node.headers[3].block_hash();
    let fetch = |rig: &mut Rig, hash| rig.with(|s, turn| s.fetch_one(hash, turn));
    assert_eq!(fetch(&mut rig, BlockHash::from_byte_array([9; 32])), Err(FetchError::NoHeader));
    assert_eq!(sent(&fetch(&mut rig, hash).unwrap()), ["getdata"]);
    assert_eq!(fetch(&mut rig, hash), Err(FetchError::Asked));
    // It is taken when it comes, however old it is.
    let block = block_of(rig.node.headers[3]);
    assert!(rig.hears(Message::Block(Arc::clone(&block))).contains(&Effect::SubmitBlock(block)));
    let (mut early, _) = Rig::open(FakeNode::new(10, 10), true);
    assert_eq!(fetch(&mut early, hash), Err(FetchError::NoPeer));
    early.hears(Message::Version(Version { services: 1, ..version() }));
    early.hears(Message::Verack);
    assert_eq!(fetch(&mut early, hash), Err(FetchError::NoWitnesses));
}

#[test]
fn old_blocks_of_a_node_that_keeps_the_last_ones_are_not_to_be_asked_for() {
    let ask = |permissions: Permissions, height: usize| {
        let node = FakeNode { pruned: true, ..FakeNode::new(400, 400) };
        let mut rig = Rig::ready_as(node, config(ConnectionKind::Inbound, permissions));
        let hash = rig.node.headers[height].block_hash();
        ends(&rig.hears(Message::GetData(vec![Inventory::Block(hash)]))).cloned()
    };
    let end = Some(DisconnectReason::Unwanted(Unwanted::OldBlock));
    assert_eq!(ask(Permissions::NONE, 399 - 290), None);
    assert_eq!(ask(Permissions::NONE, 399 - 291), end);
    assert_eq!(ask(Permissions::NO_BAN, 399 - 291), None);
}

fn node_at(text: &str, time_s: u64) -> KnownNode {
    let address = NodeAddress { host: text.parse().unwrap(), port: 8333 };
    KnownNode { time_s: u32::try_from(time_s).unwrap(), services: 9, address }
}

fn list(nodes: Vec<KnownNode>) -> Message {
    Message::Addresses(AddressList { all_kinds: false, count: nodes.len(), nodes })
}

fn told(effects: &[Effect]) -> Vec<KnownNode> {
    let nodes = |effect: &Effect| match effect {
        Effect::Send(Message::Addresses(list)) => list.nodes.clone(),
        _ => Vec::new(),
    };
    effects.iter().flat_map(nodes).collect()
}

#[test]
fn addresses_are_kept_and_few_fresh_ones_are_passed_on() {
    let mut rig = Rig::ready(FakeNode::new(5, 5), true);
    rig.now = UnixMillis::from_seconds(1_700_000_000);
    let now_s = rig.now.to_seconds_floor();
    (2..6).for_each(|id| rig.addresses.include_for_tests(id));
    let effects = rig.hears(list(vec![node_at("1.2.3.4", now_s)]));
    let passed = |effects: &[Effect]| {
        effects.iter().filter(|e| matches!(e, Effect::TellAddress { to, .. } if to.len() == 2)).count()
    };
    assert_eq!((passed(&effects), rig.addresses.book.len()), (1, 1));
    // One of some time ago is kept and not passed on; whoever cannot be reached, is banned or offers nothing is not kept.
    rig.now = rig.now.plus_ms(1_000_000);
    let (old, later) = (node_at("2.2.3.4", now_s), rig.now.to_seconds_floor());
    let useless = KnownNode { services: 0, ..node_at("3.3.3.3", later) };
    let effects = rig.hears(list(vec![old, node_at("127.0.0.1", later), node_at("6.6.6.6", later), useless]));
    assert_eq!((passed(&effects), rig.addresses.book.len()), (0, 2));
    // More in one message are an answer to somebody.
    rig.now = rig.now.plus_ms(1_000_000);
    let later = rig.now.to_seconds_floor();
    let many = (0..11).map(|n| node_at(&format!("9.{n}.1.1"), later)).collect();
    assert_eq!(passed(&rig.hears(list(many))), 0);
    let mut info = PeerInfo::default();
    rig.session.describe(&mut info, &rig.node, rig.now);
    assert!(info.addr_relay);
    assert_eq!((info.addr_processed, info.addr_limited), (1 + 2 + 11, 0));
}

#[test]
fn who_tells_too_much_is_not_listened_to() {
    for (permissions, limited) in [(Permissions::NONE, 19), (Permissions::ADDR, 0)] {
        let mut rig = Rig::ready_as(FakeNode::new(5, 5), config(ConnectionKind::Inbound, permissions));
        rig.hears(list((0..20).map(|n| node_at(&format!("9.{n}.1.1"), 1_000)).collect()));
        assert_eq!((rig.session.gossip.limited, rig.session.gossip.processed), (limited, 20 - limited));
        rig.now = rig.now.plus_ms(10_000);
        rig.hears(list(vec![node_at("1.1.1.1", 1_000), node_at("1.1.1.2", 1_000)]));
        assert_eq!(rig.session.gossip.limited, limited + limited.min(1), "one every ten seconds");
    }
    for (kind, end) in [
        (ConnectionKind::BlockRelayOnly, None),
        (ConnectionKind::AddrFetch, Some(DisconnectReason::AddrFetchDone)),
    ] {
        let mut rig = Rig::ready_as(FakeNode::new(5, 5), config(kind, Permissions::NONE));
        assert_eq!(ends(&rig.hears(list(vec![node_at("1.1.1.1", 1_000)]))), None);
        let effects = rig.hears(list(vec![node_at("1.1.1.1", 1_000), node_at("1.1.1.2", 1_000)]));
        assert_eq!(ends(&effects), end.as_ref());
    }
    let mut silent = Rig::ready_as(FakeNode::new(5, 5), config(ConnectionKind::AddrFetch, Permissions::NONE));
    silent.hears(Message::Pong(Some(99)));
    assert_eq!(ends(&silent.after_ms(300_000)), None);
    assert_eq!(ends(&silent.after_ms(1)), Some(&DisconnectReason::AddrFetchTimeout));
}

#[test]
fn addresses_are_told_once_to_who_asks() {
    let known = |rig: &mut Rig| {
        for n in 0..100 {
            let node = node_at(&format!("{}.1.1.1", n + 1), 1_000);
            rig.addresses.book.add(&[node], &node.address.host, (0, 1_000), 1);
        }
        rig.addresses.book.len() * 23 / 100
    };
    let later = |rig: &mut Rig| {
        rig.hears(Message::Pong(Some(99)));
        told(&rig.after_ms(1_300_000))
    };
    let mut rig = Rig::ready(FakeNode::new(5, 5), true);
    let share = known(&mut rig);
    rig.hears(Message::GetAddr);
    assert_eq!(told(&rig.after_ms(1)).len(), share);
    assert_eq!(notes(&rig.hears(Message::GetAddr)), ["Ignoring repeated \"getaddr\". peer=1"]);
    // What it is told of later goes together, and not what it knows.
    let news = node_at("200.1.1.1", 1_000);
    rig.session.tell_address(news, 1);
    rig.session.tell_address(news, 1);
    assert!(told(&rig.after_ms(1)).is_empty());
    assert_eq!(later(&mut rig), [news]);
    rig.session.tell_address(news, 1);
    assert!(later(&mut rig).is_empty());
    let onion = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";
    rig.session.tell_address(node_at(onion, 1_000), 1);
    assert!(rig.session.gossip.understands || later(&mut rig).is_empty());
    (0..2 * crate::peer::limits::ADDRESSES_MAX).for_each(|n| {
        rig.session.tell_address(node_at(&format!("8.{}.{}.1", n / 250, n % 250), 1_000), n as u64);
    });
    assert_eq!(later(&mut rig).len(), crate::peer::limits::ADDRESSES_MAX);
    let mut chosen = Rig::ready(FakeNode::new(5, 5), false);
    known(&mut chosen);
    let text = "Ignoring \"getaddr\" from outbound-full-relay connection. peer=1";
    assert_eq!(notes(&chosen.hears(Message::GetAddr)), [text]);
    assert!(told(&chosen.after_ms(10_000)).is_empty());
}

#[test]
fn filters_are_served_where_they_are_offered_and_rightly_asked_for() {
    let ask = |serves: bool, request: FilterRequest| {
        let mut config = config(ConnectionKind::Inbound, Permissions::NONE);
        config.rules.serves_filters = serves;
        let (mut rig, _) = Rig::open_as(FakeNode::new(3_000, 3_000), config);
        let said = rig.hears(Message::Version(version()));
        let offered = said
            .iter()
            .any(|effect| matches!(effect, Effect::Send(Message::Version(v)) if v.services & 1 << 6 != 0));
        assert_eq!(offered, serves);
        rig.hears(Message::Verack);
        rig.hears(Message::GetFilters(request))
    };
    let hashes: Vec<BlockHash> = chain(3_000, 3_000, 0).iter().map(Header::block_hash).collect();
    let request = |ask, start, stop: usize| FilterRequest {
        ask,
        kind: 0,
        start: Height::new(start),
        stop: hashes[stop],
    };
    for (ask_for, start, stop) in
        [(FilterAsk::Filters, 1, 1_000), (FilterAsk::Headers, 1, 2_000), (FilterAsk::Checkpoints, 0, 2_999)]
    {
        let range = FilterRange {
            ask: ask_for,
            start: Height::new(start),
            stop: hashes[stop],
            stop_height: Height::new(stop as u32),
        };
        assert_eq!(ask(true, request(ask_for, start, stop)), [Effect::ServeFilters(range)]);
    }
    let refused = |serves, request| match ends(&ask(serves, request)) {
        Some(DisconnectReason::Unwanted(unwanted)) => unwanted.clone(),
        other => panic!("{other:?}"),
    };
    let first = request(FilterAsk::Filters, 1, 1);
    assert_eq!(refused(false, first), Unwanted::FilterType(0));
    assert_eq!(refused(true, FilterRequest { kind: 255, ..first }), Unwanted::FilterType(255));
    let unknown = BlockHash::from_byte_array([9; 32]);
    assert_eq!(refused(true, FilterRequest { stop: unknown, ..first }), Unwanted::FilterBlock(unknown));
    let (start, stop) = (Height::new(2), Height::new(1));
    assert_eq!(refused(true, FilterRequest { start, ..first }), Unwanted::FilterOrder { start, stop });
    let many = request(FilterAsk::Filters, 0, 1_000);
    assert_eq!(refused(true, many), Unwanted::FilterCount { count: 1_001, most: 1_000 });
    let many = request(FilterAsk::Headers, 0, 2_000);
    assert_eq!(refused(true, many), Unwanted::FilterCount { count: 2_001, most: 2_000 });
}

#[test]
fn one_that_we_chose_and_that_lags_behind_is_asked_once_more_and_let_go() {
    let rig = |kind, knows: Option<usize>| {
        let mut rig = Rig::ready_as(FakeNode::new(10, 10), config(kind, Permissions::NONE));
        rig.hears(Message::Headers(vec![]));
        if let Some(at) = knows {
            let last = rig.node.headers[at].block_hash();
            let verdict = HeadersVerdict::Accepted { last_height: Height::new(at as u32) };
            rig.with(|s, turn| s.headers_judged(last, 1, verdict, turn));
        }
        rig
    };
    let after = |rig: &mut Rig, ms| {
        rig.hears(Message::Pong(Some(99)));
        let effects = rig.after_ms(ms);
        (sent(&effects).contains(&"getheaders"), ends(&effects).cloned())
    };
    for (kind, knows, end) in [
        (ConnectionKind::OutboundFullRelay, None, true),
        (ConnectionKind::OutboundFullRelay, Some(8), true),
        (ConnectionKind::OutboundFullRelay, Some(9), false),
        (ConnectionKind::BlockRelayOnly, Some(8), true),
        (ConnectionKind::Manual, Some(8), false),
        (ConnectionKind::Inbound, None, false),
    ] {
        let mut rig = rig(kind, knows);
        assert_eq!(after(&mut rig, 1), (false, None));
        assert_eq!(after(&mut rig, 1_200_001), (end, None), "{kind:?} {knows:?}");
        let reason = end.then_some(DisconnectReason::OldChain);
        assert_eq!(after(&mut rig, 120_001), (false, reason), "{kind:?} {knows:?}");
    }
    // Who had our tip first stays when there are later ones; a fifth one does not.
    let mut protected = rig(ConnectionKind::OutboundFullRelay, Some(9));
    assert!(protected.downloads.is_protected(1));
    (2..7).for_each(|id| protected.downloads.protect(id));
    assert!(protected.downloads.is_protected(4) && !protected.downloads.is_protected(5));
    protected.downloads.forget(4);
    protected.downloads.protect(5);
    assert!(protected.downloads.is_protected(5));
}
