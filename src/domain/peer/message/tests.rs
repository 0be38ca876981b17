use bitcoin::Network;
use bitcoin::constants::genesis_block;
use proptest::prelude::*;

use super::*;
use crate::peer::framing::FrameDecoder;

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
        Message::Ping(1),
        Message::Pong(2),
        Message::GetHeaders(locator.clone()),
        Message::GetBlocks(locator),
        Message::Headers(vec![genesis.header; 3]),
        Message::Inv(items.clone()),
        Message::GetData(items.clone()),
        Message::NotFound(items),
        Message::Tx(Arc::new(tx)),
        Message::Block(Arc::new(ParsedBlock::new(genesis))),
        Message::Mempool,
    ];
    for message in all {
        let bytes = message.encode(MAGIC).unwrap();
        assert_eq!(Message::decode(&frame_of(&bytes)).unwrap(), message);
    }
    assert_eq!(Message::Ignored.encode(MAGIC), None);
}

#[test]
fn what_is_not_known_is_ignored() {
    for command in
        ["addr", "addrv2", "feefilter", "sendcmpct", "sendaddrv2", "getaddr", "nonsense", "b\u{7f}"]
    {
        assert_eq!(raw(command, &[1, 2, 3]).unwrap(), Message::Ignored, "{command}");
    }
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
    for command in ["version", "ping", "pong", "inv", "headers", "getheaders"] {
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
