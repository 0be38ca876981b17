use bitcoin::Network;
use bitcoin::constants::genesis_block;
use proptest::prelude::*;

use super::*;
use crate::peer::framing::FrameDecoder;
use crate::peer::{Host, KnownNode, NodeAddress};

const MAGIC: Magic = Magic::REGTEST;

fn version() -> Version {
    Version {
        protocol: PROTOCOL_VERSION,
        services: 9,
        time: 1_700_000_000,
        nonce: 42,
        user_agent: "/Adit:0.1.0/".to_owned(),
        height: 7,
        relay: true,
    }
}

fn frame_of(bytes: &[u8]) -> Frame {
    FrameDecoder::new(MAGIC).feed(&mut &*bytes).unwrap().unwrap()
}

fn raw(command: &str, payload: &[u8]) -> Result<Message, MessageError> {
    Message::decode(&Frame { command: Command::new(command), payload: payload.to_vec() })
}

fn hash(n: u8) -> BlockHash {
    BlockHash::from_byte_array([n; 32])
}

#[test]
fn every_message_comes_back() {
    let genesis = genesis_block(Network::Regtest);
    let tx = ParsedTx::new(genesis.txdata[0].clone());
    let locator = Locator { hashes: vec![hash(1), hash(2)], stop: hash(3) };
    let mut compact = CompactBlock::of(&ParsedBlock::new(genesis.clone()), 7);
    compact.short_ids = vec![1, 0xffff_ffff_ffff];
    let items = vec![
        Inventory::Transaction(tx.txid()),
        Inventory::WTx(tx.wtxid()),
        Inventory::WitnessBlock(hash(1)),
        Inventory::Unknown { inv_type: 99, hash: [1; 32] },
    ];
    let all = [
        Message::Version(version()),
        Message::Verack,
        Message::WtxidRelay,
        Message::SendHeaders,
        Message::SendCompact { announce: 1, version: 2 },
        Message::SendAddrV2,
        Message::FeeFilter(1_000),
        Message::GetAddr,
        Message::Ping(1),
        Message::Pong(Some(2)),
        Message::GetHeaders(locator.clone()),
        Message::GetBlocks(locator),
        Message::Headers(vec![genesis.header; 3]),
        Message::Inv(items.clone()),
        Message::GetData(items.clone()),
        Message::NotFound(items),
        Message::Tx(Arc::new(tx)),
        Message::Block(Arc::new(ParsedBlock::new(genesis))),
        Message::Mempool,
        Message::CompactBlock(Arc::new(compact.clone())),
        Message::GetBlockTxs(BlockTxsRequest { hash: hash(1), places: vec![0, 1, 5, 300, 65_535] }),
        Message::BlockTxs(BlockTxs { hash: hash(1), txs: vec![compact.prefilled[0].1.clone(); 2] }),
        filters(FilterAsk::Filters, 7),
        filters(FilterAsk::Headers, 8),
        filters(FilterAsk::Checkpoints, 0),
        Message::Addresses(AddressList { all_kinds: false, count: 2, nodes: nodes()[..2].to_vec() }),
        Message::Addresses(AddressList { all_kinds: true, count: 5, nodes: nodes() }),
    ];
    for message in all {
        assert_eq!(message.command(), Some(message.name()));
        let bytes = message.encode(MAGIC).unwrap();
        assert_eq!(Message::decode(&frame_of(&bytes)).unwrap(), message);
    }
}

#[test]
fn what_is_only_heard_has_a_name_and_is_never_sent() {
    for (command, payload, name) in
        [("nonsense", &[1u8, 2, 3][..], "nonsense"), ("b\u{7f}", &[], ""), ("filterload", &[], "filterload")]
    {
        let message = raw(command, payload).unwrap();
        assert_eq!(
            (message.name(), message.command(), message.encode(MAGIC)),
            (name, None, None),
            "{command}"
        );
    }
    assert_eq!(raw("pong", &[1]).unwrap(), Message::Pong(None));
}

#[test]
fn whatever_a_frame_holds_is_a_message() {
    let of = |command: &str, payload: &[u8]| {
        let frame = Frame { command: Command::new(command), payload: payload.to_vec() };
        Message::of_frame(&frame)
    };
    assert_eq!(of("inv", &[0xfd, 0x51, 0xc3]), Message::Excess(Command::new("inv"), 50_001));
    assert_eq!(of("addr", &[0xfd, 0xe9, 0x03]), Message::Excess(Command::new("addr"), 1_001));
    // A transaction marked with a flag that nobody knows; one that is marked and has no witness.
    let start = [&[2, 0, 0, 0, 0][..]].concat();
    let input = [&[1u8][..], &[7; 36], &[0], &[0xff; 4], &[0], &[0; 4]].concat();
    let unknown = [&start[..], &[7], &input].concat();
    let empty = [&start[..], &[1], &input[..input.len() - 4], &[0], &[0; 4]].concat();
    for (command, payload, flaw) in [
        ("tx", &unknown[..], Flaw::UnknownMarker),
        ("tx", &empty, Flaw::NoWitness),
        ("tx", &[0], Flaw::Cut),
        ("block", &[0], Flaw::Cut),
        ("ping", &[0], Flaw::Cut),
    ] {
        assert_eq!(
            of(command, payload),
            Message::Malformed(Command::new(command), flaw, payload.len()),
            "{command}"
        );
    }
    assert_eq!(of("verack", &[]), Message::Verack);
}

#[test]
fn more_items_than_allowed_are_refused_by_their_count() {
    let claims = |n: u64| encode::serialize(&VarInt(n));
    let locator = |n: u8| [&[0u8; 4][..], &[n]].concat();
    for (command, payload, count) in [
        ("inv", claims(50_001), 50_001),
        ("getdata", claims(50_001), 50_001),
        ("notfound", claims(u64::MAX), u64::MAX),
        ("headers", claims(2_001), 2_001),
        ("getheaders", locator(102), 102),
        ("getblocks", locator(102), 102),
    ] {
        let error = raw(command, &payload).unwrap_err();
        assert!(matches!(error, MessageError::TooMany { count: n, .. } if n == count), "{error}");
    }
}

#[test]
fn what_does_not_decode_is_named() {
    for command in ["version", "ping", "sendcmpct", "feefilter", "inv", "headers", "getheaders"] {
        let error = raw(command, &[]).unwrap_err();
        assert!(matches!(error, MessageError::Malformed { command: c, .. } if c == command), "{error}");
    }
    assert!(matches!(raw("tx", &[0]), Err(MessageError::Tx(_))));
    assert!(matches!(raw("block", &[0]), Err(MessageError::Block(_))));
}

#[test]
fn a_name_is_made_printable_and_relay_may_be_missing() {
    let mut said = version();
    said.user_agent = "/x\ny/".to_owned();
    let mut payload = Vec::new();
    said.put(&mut payload);
    payload.pop();
    let Message::Version(got) = raw("version", &payload).unwrap() else { panic!("not a version") };
    assert_eq!((got.user_agent.as_str(), got.relay), ("/x?y/", true));
}

proptest! {
    #[test]
    fn no_payload_panics(which in 0usize..9, payload in proptest::collection::vec(any::<u8>(), 0..400)) {
        let commands = ["version", "inv", "headers", "getheaders", "block", "tx", "notfound", "ping", "addr"];
        let _ = raw(commands[which], &payload);
    }
}

fn filters(ask: FilterAsk, start: u32) -> Message {
    Message::GetFilters(FilterRequest { ask, kind: 0, start: Height::new(start), stop: hash(1) })
}

fn nodes() -> Vec<KnownNode> {
    let onion = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";
    let i2p = "c4gfnttsuwqomiygupdqqqyy5y5emnk5c73hrfvatri67prd7vyq.b32.i2p";
    let cjdns = "fc00::1".parse::<Host>().unwrap().in_cjdns();
    let hosts = ["1.2.3.4", "2803::1", onion, i2p].map(|text| text.parse().unwrap());
    let node = |host| KnownNode { time_s: 5, services: 1_033, address: NodeAddress { host, port: 8333 } };
    hosts.into_iter().chain([cjdns]).map(node).collect()
}

#[test]
fn addresses_that_nobody_understands_are_counted_and_passed_over() {
    let list = |message: Message| match message {
        Message::Addresses(list) => (list.count, list.nodes.len()),
        other => panic!("{other:?}"),
    };
    let row = |network: u8, bytes: &[u8]| {
        let length = [bytes.len() as u8];
        [&[1, 5, 0, 0, 0, 1, network][..], &length, bytes, &[0x20, 0x8d]].concat()
    };
    for (network, bytes) in [(0x99, &[7; 2][..]), (3, &[7; 10]), (2, &[[0; 10], [0xff; 10]].concat()[..12])] {
        if network == 2 {
            // Of another length than IPv6 has.
            assert!(raw("addrv2", &row(network, bytes)).is_err());
            continue;
        }
        assert_eq!(list(raw("addrv2", &row(network, bytes)).unwrap()), (1, 0));
    }
    let mapped = [[0; 10].as_slice(), &[0xff; 2], &[1, 2, 3, 4]].concat();
    assert_eq!(list(raw("addrv2", &row(2, &mapped)).unwrap()), (1, 0), "IPv4 is not told of as IPv6");
    // Of the first form what has no room there is left out when it is sent.
    let all = Message::Addresses(AddressList { all_kinds: false, count: 5, nodes: nodes() });
    let sent = Message::decode(&frame_of(&all.encode(MAGIC).unwrap())).unwrap();
    assert_eq!(list(sent), (2, 2));
    let long = [&[1, 5, 0, 0, 0, 1, 1, 0xfd, 0x01, 0x02][..], &[7; 515]].concat();
    let error = raw("addrv2", &long).unwrap_err();
    assert_eq!(
        (error.to_string().as_str(), flaw(&error)),
        ("an address of 513 bytes", Flaw::LongAddress(513))
    );
    assert_eq!(flaw(&error).to_string(), "Address too long: 513 > 512");
}

#[test]
fn what_is_sent_of_filters_has_their_type_first() {
    let payload = |message: Message| frame_of(&message.encode(MAGIC).unwrap()).payload;
    let stop = hash(1);
    let filter = payload(Message::Filter { block: stop, filter: vec![9, 8] });
    assert_eq!(filter, [&[0][..], &[1; 32], &[2, 9, 8]].concat());
    let headers = payload(Message::FilterHeaders { stop, previous: [2; 32], hashes: vec![[3; 32]; 2] });
    assert_eq!(headers, [&[0][..], &[1; 32], &[2; 32], &[2], &[3; 64]].concat());
    let points = payload(Message::FilterCheckpoints { stop, headers: vec![[3; 32]] });
    assert_eq!(points, [&[0][..], &[1; 32], &[1], &[3; 32]].concat());
}

/// What the field's library writes is what we read, and the other way round.
#[test]
fn compact_blocks_are_written_as_the_library_writes_them() {
    use bitcoin::bip152::{BlockTransactions, BlockTransactionsRequest, HeaderAndShortIds};
    let genesis = genesis_block(Network::Regtest);
    let mut txdata = vec![genesis.txdata[0].clone(); 4];
    (0..).zip(&mut txdata).for_each(|(n, tx)| tx.version.0 = n);
    let block = bitcoin::Block { header: genesis.header, txdata };
    let theirs = HeaderAndShortIds::from_block(&block, 9, 2, &[2]).unwrap();
    let payload = encode::serialize(&theirs);
    let Message::CompactBlock(ours) = raw("cmpctblock", &payload).unwrap() else {
        panic!("no compact block")
    };
    assert_eq!((ours.short_ids.len(), ours.prefilled.len(), ours.prefilled[1].0), (2, 2, 1));
    let again = Message::CompactBlock(ours).encode(MAGIC).unwrap();
    assert_eq!(frame_of(&again).payload, payload);
    let indexes = vec![0, 3, 4, 700];
    let theirs = encode::serialize(&BlockTransactionsRequest { block_hash: hash(1), indexes });
    let ours = BlockTxsRequest { hash: hash(1), places: vec![0, 3, 4, 700] };
    assert_eq!(raw("getblocktxn", &theirs).unwrap(), Message::GetBlockTxs(ours));
    let transactions = block.txdata.clone();
    let theirs = encode::serialize(&BlockTransactions { block_hash: hash(1), transactions });
    let txs = block.txdata.iter().cloned().map(ParsedTx::new).collect();
    assert_eq!(raw("blocktxn", &theirs).unwrap(), Message::BlockTxs(BlockTxs { hash: hash(1), txs }));
}

#[test]
fn places_beyond_any_block_are_none() {
    let beyond = |gaps: &[u64]| {
        let mut payload = hash(1).to_byte_array().to_vec();
        put_count(&mut payload, gaps.len());
        gaps.iter().for_each(|gap| put(&mut payload, &VarInt(*gap)));
        raw("getblocktxn", &payload)
    };
    assert!(matches!(beyond(&[65_535]), Ok(Message::GetBlockTxs(_))));
    for gaps in [&[65_536][..], &[u64::MAX], &[65_535, 0], &[1, u64::MAX]] {
        assert!(matches!(beyond(gaps), Err(MessageError::Malformed { .. })), "{gaps:?}");
    }
    let many = [&[7; 32][..], &[0xfe, 0, 0, 1, 0]].concat();
    for (command, payload) in [("getblocktxn", &many), ("blocktxn", &many)] {
        assert!(matches!(raw(command, payload), Err(MessageError::TooMany { .. })), "{command}");
    }
}
