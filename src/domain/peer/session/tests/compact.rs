use super::*;
use crate::peer::limits::{BLOCK_TXS_DEPTH_MAX, COMPACT_DEPTH_MAX, NEAR_TIP_S};
use crate::peer::{BlockTxs, BlockTxsRequest, CompactBlock, CompactError};

/// A block of four transactions on top of `prev`.
fn block_of_four(prev: BlockHash) -> Arc<ParsedBlock> {
    let coinbase = genesis_block(Network::Regtest).txdata[0].clone();
    let mut txdata = vec![coinbase; 4];
    (1..).zip(&mut txdata).for_each(|(n, tx)| tx.version.0 = n);
    let mut block = bitcoin::Block { header: header_on(prev, 7), txdata };
    block.header.merkle_root = block.compute_merkle_root().unwrap();
    Arc::new(ParsedBlock::new(block))
}

/// A peer that knows compact blocks and may send them at once, and a block on top of our tip.
fn rig(inbound: bool) -> (Rig, Arc<ParsedBlock>, Arc<CompactBlock>) {
    let mut rig = Rig::ready(FakeNode::new(5, 5), inbound);
    rig.hears(Message::Headers(vec![]));
    rig.hears(Message::SendCompact { announce: 0, version: 2 });
    rig.downloads.prefer(1, !inbound);
    rig.after_ms(1);
    let block = block_of_four(rig.node.headers[4].block_hash());
    let compact = Arc::new(CompactBlock::of(&block, 3));
    (rig, block, compact)
}

/// It sends a compact block whose header the chain takes.
fn sends(rig: &mut Rig, compact: &Arc<CompactBlock>) -> Vec<Effect> {
    let submitted = rig.hears(Message::CompactBlock(Arc::clone(compact)));
    assert_eq!(submitted, [Effect::SubmitHeaders(vec![compact.header])]);
    if !rig.node.headers.contains(&compact.header) {
        rig.node.headers.push(compact.header);
    }
    let last_height = rig.node.height_of(&compact.hash()).unwrap();
    let verdict = HeadersVerdict::Accepted { last_height };
    rig.with(|session, turn| session.headers_judged(compact.hash(), 1, verdict.clone(), turn))
}

fn asks(hash: BlockHash, places: &[usize]) -> Effect {
    Effect::Send(Message::GetBlockTxs(BlockTxsRequest { hash, places: places.to_vec() }))
}

fn whole(hash: BlockHash) -> Effect {
    Effect::Send(Message::GetData(vec![Inventory::WitnessBlock(hash)]))
}

fn txs(block: &ParsedBlock, places: &[usize]) -> Message {
    let txs = places.iter().map(|at| block.txs()[*at].clone()).collect();
    Message::BlockTxs(BlockTxs { hash: block.hash(), txs })
}

#[test]
fn a_block_is_put_together_from_what_is_here_and_what_is_asked_for() {
    // Of four transactions these are here; those are asked for.
    let check = |here: &[usize], missing: &[usize]| {
        let (mut rig, block, compact) = rig(true);
        *rig.node.held.borrow_mut() = here.iter().map(|at| Arc::new(block.txs()[*at].clone())).collect();
        let mut effects = sends(&mut rig, &compact);
        if !missing.is_empty() {
            assert_eq!(effects, [asks(block.hash(), missing)]);
            effects = rig.hears(txs(&block, missing));
        }
        assert_eq!(effects, [Effect::SubmitBlock(Arc::clone(&block))]);
        assert_eq!(rig.downloads.in_flight(1), 1, "until it is judged");
        rig.node.bodies.borrow_mut().insert(block.hash());
        rig.with(|session, turn| session.block_judged(block.hash(), BlockVerdict::Accepted, turn));
        assert_eq!(rig.downloads.in_flight(1), 0);
        assert!(sends(&mut rig, &compact).is_empty(), "it is here");
    };
    check(&[1, 2, 3], &[]);
    check(&[2], &[1, 3]);
    check(&[], &[1, 2, 3]);
}

#[test]
fn which_compact_blocks_are_not_looked_at() {
    let check = |change: &dyn Fn(&mut Rig), said: &str| {
        let (mut rig, _, compact) = rig(true);
        change(&mut rig);
        let effects = rig.hears(Message::CompactBlock(compact));
        assert_eq!((notes(&effects), effects.len()), (vec![said], 1));
    };
    check(
        &|rig| rig.session.config.rules.blocks_only = true,
        "compact block even though we are blocksonly from peer=1",
    );
    check(
        &|rig| rig.session.compact = false,
        "compact block despite never having sent us a SENDCMPCT from peer=1",
    );
    check(&|rig| rig.node.work_wanted = 99, "Ignoring low-work compact block from peer 1");
    let (mut rig, block, compact) = rig(true);
    let bare = CompactBlock { header: Header { nonce: NO_PROOF, ..compact.header }, ..(*compact).clone() };
    let high_hash = DisconnectReason::InvalidHeader("high-hash".to_owned());
    assert_eq!(ends(&rig.hears(Message::CompactBlock(Arc::new(bare)))), Some(&high_hash));
    let (mut rig, ..) = self::rig(true);
    let far = CompactBlock { header: header_on(block.hash(), 1), ..(*compact).clone() };
    assert_eq!(
        sent(&rig.hears(Message::CompactBlock(Arc::new(far)))),
        ["getheaders"],
        "it stands on nothing"
    );
}

#[test]
fn what_is_not_next_or_not_asked_for_comes_as_a_whole() {
    // It is not to send them at once, and was not asked: its header is all that counts.
    let (mut rig, block, compact) = rig(true);
    rig.session.high_bandwidth_to = false;
    let effects = sends(&mut rig, &compact);
    let said = "not marked as high-bandwidth, sent us an unsolicited compact block: peer=1";
    assert_eq!(notes(&effects), [said]);
    assert!(!sent(&effects).contains(&"getblocktxn"));
    // Where it was asked for, it is looked at.
    let (mut asked, ..) = self::rig(true);
    asked.session.high_bandwidth_to = false;
    asked.downloads.assign_also(1, (block.hash(), Height::new(5)), asked.now);
    assert_eq!(sends(&mut asked, &compact), [asks(block.hash(), &[1, 2, 3])]);
    // Three blocks above our tip nothing of it is here; it is asked for whole.
    let (mut rig, ..) = self::rig(true);
    for _ in 0..2 {
        let top = rig.node.headers.last().unwrap().block_hash();
        rig.node.headers.push(header_on(top, 9));
    }
    let block = block_of_four(rig.node.headers[6].block_hash());
    rig.downloads.assign_also(1, (block.hash(), Height::new(7)), rig.now);
    assert_eq!(sends(&mut rig, &Arc::new(CompactBlock::of(&block, 3))), [whole(block.hash())]);
    // Where our own tip is old, nothing of it is here either.
    let (mut rig, block, compact) = self::rig(true);
    rig.now = rig.now.plus_ms(NEAR_TIP_S * 1_000);
    assert_eq!(sends(&mut rig, &compact), [whole(block.hash())]);
}

#[test]
fn a_block_is_asked_of_three_at_most_and_the_last_place_is_for_whom_we_chose() {
    // So many others were asked before, one of whom we chose or none; whether this one is asked for what is missing.
    let check = |inbound: bool, others: u64, of_a_chosen: bool, is_asked: bool| {
        let (mut rig, block, compact) = rig(inbound);
        for other in 2..2 + others {
            if of_a_chosen {
                rig.downloads.chose(other);
            }
            rig.downloads.assign_also(other, (block.hash(), Height::new(5)), rig.now);
        }
        let effects = sends(&mut rig, &compact);
        assert_eq!(effects.contains(&asks(block.hash(), &[1, 2, 3])), is_asked, "{inbound} {others}");
        assert_eq!(rig.downloads.in_flight(1), usize::from(is_asked));
        // Whoever has it whole may bring it all the same.
        *rig.node.held.borrow_mut() = block.txs().iter().cloned().map(Arc::new).collect();
        if !is_asked {
            assert_eq!(sends(&mut rig, &compact), [Effect::SubmitBlock(block)]);
        }
    };
    for inbound in [true, false] {
        check(inbound, 0, false, true);
        check(inbound, 1, false, true);
        check(inbound, 2, false, !inbound);
        check(inbound, 2, true, true);
        check(inbound, 3, true, false);
    }
}

#[test]
fn what_does_not_make_the_block_costs_whoever_sends_it() {
    // Transactions in another order: the whole block is asked for. The same again is no accident.
    let (mut rig, block, compact) = rig(true);
    sends(&mut rig, &compact);
    assert_eq!(rig.hears(txs(&block, &[2, 1, 3])), [whole(block.hash())]);
    assert_eq!(notes(&sends(&mut rig, &compact)), ["compact block we were already syncing from peer=1"]);
    assert_eq!(ends(&rig.hears(txs(&block, &[1, 2, 3]))), Some(&DisconnectReason::CompactAgain));
    assert_eq!(rig.downloads.in_flight(1), 0);
    // Too few of them.
    let (mut rig, block, compact) = self::rig(true);
    sends(&mut rig, &compact);
    let unmatched = DisconnectReason::InvalidCompact(CompactError::Unmatched);
    assert_eq!(ends(&rig.hears(txs(&block, &[1, 2]))), Some(&unmatched));
    assert_eq!(rig.downloads.in_flight(1), 0);
    // A place that there is not.
    let (mut rig, _, compact) = self::rig(true);
    let mut broken = (*compact).clone();
    broken.prefilled[0].0 = 9;
    let invalid = DisconnectReason::InvalidCompact(CompactError::Invalid);
    assert_eq!(ends(&sends(&mut rig, &Arc::new(broken))), Some(&invalid));
    assert_eq!(rig.downloads.in_flight(1), 0);
    // Two short ids are alike: chance, or somebody's work. Of the first the whole block is asked.
    let (mut rig, block, compact) = self::rig(true);
    let mut alike = (*compact).clone();
    alike.short_ids = vec![5, 5, 6];
    assert_eq!(sends(&mut rig, &Arc::new(alike)), [whole(block.hash())]);
}

#[test]
fn of_the_second_nothing_is_asked_when_his_does_not_make_the_block() {
    let (mut rig, block, compact) = rig(true);
    rig.downloads.assign_also(2, (block.hash(), Height::new(5)), rig.now);
    sends(&mut rig, &compact);
    assert!(rig.hears(txs(&block, &[2, 1, 3])).is_empty());
    assert_eq!((rig.downloads.in_flight(1), rig.downloads.in_flight(2)), (0, 1));
    // What comes of it later nobody waits for.
    let late = rig.hears(txs(&block, &[1, 2, 3]));
    let said = "Peer 1 sent us block transactions for block we weren't expecting";
    assert_eq!((notes(&late), late.len()), (vec![said], 1));
    // Nor for what has come from another one meanwhile.
    let (mut rig, block, compact) = self::rig(true);
    sends(&mut rig, &compact);
    rig.downloads.judged(&block.hash());
    assert_eq!(notes(&rig.hears(txs(&block, &[1, 2, 3]))), [said]);
}

#[test]
fn an_invalid_block_that_came_so_costs_nobody_his_connection() {
    let check = |verdict: BlockVerdict, effects: &[Effect], in_flight: usize| {
        let (mut rig, block, compact) = rig(true);
        *rig.node.held.borrow_mut() = block.txs().iter().cloned().map(Arc::new).collect();
        sends(&mut rig, &compact);
        let judged = rig.with(|session, turn| session.block_judged(block.hash(), verdict.clone(), turn));
        let judged: Vec<_> = judged.into_iter().filter(|e| !matches!(e, Effect::Note(_))).collect();
        assert_eq!((judged.as_slice(), rig.downloads.in_flight(1)), (effects, in_flight));
    };
    let (_, block, _) = rig(true);
    check(BlockVerdict::Invalid("bad-txns-vin-empty".to_owned()), &[], 0);
    check(BlockVerdict::KnownInvalid("duplicate-invalid".to_owned()), &[], 0);
    // Its witnesses were others: the whole block may be good.
    check(BlockVerdict::Invalid("bad-witness-merkle-match".to_owned()), &[whole(block.hash())], 1);
    // A header that was known to be invalid may have been sent on in good faith, one on top of it not.
    let (mut rig, block, compact) = rig(false);
    rig.hears(Message::CompactBlock(Arc::clone(&compact)));
    let known = HeadersVerdict::KnownInvalid("duplicate-invalid".to_owned());
    assert!(
        rig.with(|session, turn| session.headers_judged(block.hash(), 1, known.clone(), turn)).is_empty()
    );
    rig.hears(Message::CompactBlock(compact));
    let invalid = HeadersVerdict::Invalid("bad-prevblk".to_owned());
    let judged = rig.with(|session, turn| session.headers_judged(block.hash(), 1, invalid.clone(), turn));
    assert!(ends(&judged).is_some());
}

#[test]
fn one_block_on_our_tip_is_asked_for_as_a_compact_one() {
    let check = |change: &dyn Fn(&mut Rig), compact: bool| {
        let (mut rig, block, _) = rig(true);
        change(&mut rig);
        rig.node.headers.push(*block.header());
        let verdict = HeadersVerdict::Accepted { last_height: Height::new(5) };
        let judged = rig.with(|session, turn| session.headers_judged(block.hash(), 1, verdict.clone(), turn));
        let item = if compact {
            Inventory::CompactBlock(block.hash())
        } else {
            Inventory::WitnessBlock(block.hash())
        };
        assert_eq!(judged, [Effect::Send(Message::GetData(vec![item]))]);
    };
    check(&|_| {}, true);
    check(&|rig| rig.session.compact = false, false);
    check(&|rig| rig.session.config.rules.blocks_only = true, false);
    check(&|rig| rig.now = rig.now.plus_ms(NEAR_TIP_S * 1_000), false);
    let other = |rig: &mut Rig| {
        let elsewhere = (BlockHash::from_byte_array([9; 32]), Height::new(5));
        rig.downloads.assign_also(2, elsewhere, rig.now);
    };
    check(&other, false);
}

#[test]
fn how_compact_blocks_and_parts_of_blocks_are_served() {
    let mut rig = Rig::ready(FakeNode::new(20, 20), true);
    let hash_at = |rig: &Rig, depth: u32| rig.node.headers[19 - depth as usize].block_hash();
    let near = hash_at(&rig, COMPACT_DEPTH_MAX);
    let old = hash_at(&rig, COMPACT_DEPTH_MAX + 1);
    let items = vec![Inventory::CompactBlock(near), Inventory::CompactBlock(old)];
    let served = rig.hears(Message::GetData(items));
    let want = vec![Inventory::CompactBlock(near), Inventory::WitnessBlock(old)];
    assert!(matches!(served.last(), Some(Effect::Serve { items, .. }) if *items == want), "{served:?}");
    let request = |hash| BlockTxsRequest { hash, places: vec![1] };
    let near = request(hash_at(&rig, BLOCK_TXS_DEPTH_MAX));
    assert_eq!(rig.hears(Message::GetBlockTxs(near.clone())), [Effect::ServeBlockTxs(near)]);
    let old = hash_at(&rig, BLOCK_TXS_DEPTH_MAX + 1);
    let served = rig.hears(Message::GetBlockTxs(request(old)));
    let want = vec![Inventory::WitnessBlock(old)];
    assert!(matches!(served.last(), Some(Effect::Serve { items, .. }) if *items == want), "{served:?}");
    let unknown = rig.hears(Message::GetBlockTxs(request(BlockHash::from_byte_array([9; 32]))));
    assert_eq!(notes(&unknown), ["getblocktxn for a block we don't have from peer=1"]);
    let beyond = rig.with(|session, _| session.asked_beyond());
    assert_eq!(ends(&beyond), Some(&DisconnectReason::BlockTxsBeyond));
}

#[test]
fn whoever_wants_compact_blocks_at_once_gets_them() {
    // What it wants at the beginning, and how it hears of the next block.
    let check = |announce: u8, send_headers: bool, told: &str| {
        let (mut rig, block, compact) = rig(true);
        rig.hears(Message::SendCompact { announce, version: 2 });
        // Another version is not spoken, whatever is said of it.
        rig.hears(Message::SendCompact { announce: 1 - announce, version: 1 });
        if send_headers {
            rig.hears(Message::SendHeaders);
        }
        let parent = rig.node.headers[4].block_hash();
        rig.session.knows_block(parent, &rig.node);
        rig.node.headers.push(*block.header());
        let news = [*block.header()];
        assert_eq!(sent(&rig.session.tip_changed(&news, Some(&compact), &rig.node)), [told]);
        let mut finder = self::rig(true).0;
        finder.session.high_bandwidth_from = announce == 1;
        finder.session.knows_block(parent, &finder.node);
        let found = finder.session.found_block(&block, &compact, &finder.node);
        assert_eq!(sent(&found).contains(&"cmpctblock"), announce == 1);
    };
    check(1, false, "cmpctblock");
    check(1, true, "cmpctblock");
    check(0, true, "headers");
    check(0, false, "inv");
    let (mut rig, ..) = rig(true);
    let neither = rig.hears(Message::SendCompact { announce: 2, version: 2 });
    assert_eq!(ends(&neither), Some(&DisconnectReason::SendCompact));
}
