//! A snapshot of the coins: dumped by one node, stood upon by another that verifies the blocks below behind, killed in each phase; refused
//! where it is not right; exchanged with Bitcoin Core (where `BITCOIND` names one) by the height that Core itself knows.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use adit_domain::chain::coin_codec::take_varint;
use adit_domain::peer::{FrameDecoder, Message, Version};
use adit_domain::wire::ParsedBlock;
use bitcoin::absolute::LockTime;
use bitcoin::block::{Header, Version as BlockVersion};
use bitcoin::consensus::{encode, serialize};
use bitcoin::constants::genesis_block;
use bitcoin::hashes::Hash;
use bitcoin::hex::DisplayHex;
use bitcoin::opcodes::{OP_0, OP_TRUE};
use bitcoin::p2p::Magic;
use bitcoin::p2p::message_blockdata::Inventory;
use bitcoin::script::Builder;
use bitcoin::{
    Amount, Block, Network, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxMerkleNode, TxOut, Witness,
    transaction,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bitcoind::Core;
use crate::chain::{Chain, MAGIC, framed, mined, subsidy_sat};
use crate::harness::{Node, Process, adit, folder, text, until};
use crate::import::import;

/// A node that has all headers of a chain, and gives those blocks that it is told to give. The others it keeps waiting for.
struct Donor {
    at: SocketAddr,
    shared: Arc<Given>,
    thread: Option<JoinHandle<()>>,
}

struct Given {
    blocks: Vec<Arc<ParsedBlock>>,
    heights: Mutex<RangeInclusive<usize>>,
    ends: AtomicBool,
}

impl Donor {
    /// One that gives no block.
    fn of(blocks: &[Block]) -> Donor {
        let blocks = blocks.iter().map(|block| Arc::new(ParsedBlock::new(block.clone()))).collect();
        let heights = Mutex::new(RangeInclusive::new(1, 0));
        let shared = Arc::new(Given { blocks, heights, ends: AtomicBool::new(false) });
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let (at, of_thread) = (listener.local_addr().unwrap(), Arc::clone(&shared));
        let thread = Some(thread::spawn(move || of_thread.serve(&listener)));
        Donor { at, shared, thread }
    }

    /// From now on it gives these; who is connected comes again, and asks anew.
    fn give(&self, heights: RangeInclusive<usize>) {
        *self.shared.heights.lock().unwrap() = heights;
    }
}

impl Drop for Donor {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Given {
    fn serve(self: &Arc<Given>, listener: &TcpListener) {
        let mut threads = Vec::new();
        while !self.ends.load(Ordering::SeqCst) {
            match listener.accept() {
                Ok((stream, _)) => {
                    let this = Arc::clone(self);
                    threads.push(thread::spawn(move || drop(this.converse(stream))));
                }
                Err(_) => thread::sleep(Duration::from_millis(10)),
            }
        }
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }

    fn converse(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(Duration::from_millis(20)))?;
        let mut frames = FrameDecoder::new(Magic::from_bytes(MAGIC));
        let given = self.heights.lock().unwrap().clone();
        let mut buffer = [0; 4096];
        loop {
            // What was asked for and not given is asked for anew over another connection.
            if self.ends.load(Ordering::SeqCst) || *self.heights.lock().unwrap() != given {
                return Ok(());
            }
            let read = match stream.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
                Err(e) => return Err(e),
            };
            let mut rest = &buffer[..read];
            while let Some(frame) = frames.feed(&mut rest).map_err(std::io::Error::other)? {
                for answer in self.answer(Message::decode(&frame).map_err(std::io::Error::other)?, &given) {
                    stream.write_all(&answer.encode(Magic::from_bytes(MAGIC)).unwrap())?;
                }
            }
        }
    }

    fn answer(&self, message: Message, given: &RangeInclusive<usize>) -> Vec<Message> {
        match message {
            Message::Version(theirs) => {
                let (height, user_agent) = (self.blocks.len() as u32, "/donor/".to_owned());
                // All blocks, with witnesses.
                let ours = Version { height, user_agent, nonce: 7, services: 1 | 8, ..theirs };
                vec![Message::Version(ours), Message::Verack]
            }
            Message::Ping(nonce) => vec![Message::Pong(Some(nonce))],
            Message::GetHeaders(locator) => {
                let place = |hash| self.blocks.iter().position(|block| block.hash() == hash);
                let from = locator.hashes.iter().find_map(|hash| place(*hash)).map_or(0, |at| at + 1);
                let headers = self.blocks[from..].iter().map(|block| *block.header()).collect();
                vec![Message::Headers(headers)]
            }
            Message::GetData(items) => {
                let wanted = |item: &Inventory| match item {
                    Inventory::Block(hash) | Inventory::WitnessBlock(hash) => Some(*hash),
                    _ => None,
                };
                let hashes: Vec<_> = items.iter().filter_map(wanted).collect();
                let rows = self.blocks.iter().enumerate();
                let here =
                    rows.filter(|(at, block)| given.contains(&(at + 1)) && hashes.contains(&block.hash()));
                here.map(|(_, block)| Message::Block(Arc::clone(block))).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// A chain of 130 blocks, and what a node dumped at height 112 of it.
struct Source {
    dir: TempDir,
    chain: Chain,
    file: PathBuf,
    dumped: Value,
    /// The figures of the coins at the end.
    coins: Value,
}

const BASE: usize = 112;
const TIP: u64 = 130;

impl Source {
    fn new() -> Source {
        let dir = folder();
        let chain = Chain::signed(25, 10);
        assert_eq!(u64::from(chain.height()), TIP);
        let file = dir.path().join("coins.dat");
        let (below, all) = (dir.path().join("below.dat"), dir.path().join("all.dat"));
        std::fs::write(&below, chain.blocks[..BASE].iter().flat_map(framed).collect::<Vec<u8>>()).unwrap();
        std::fs::write(&all, chain.framed()).unwrap();
        let datadir = dir.path().join("donor");
        import(&datadir, &[&below]).done();
        let node = Node::start(&datadir, &[]);
        let dumped = node.ask(&["dump-utxo", file.to_str().unwrap()]);
        node.stop();
        import(&datadir, &[&all]).done();
        let node = Node::start(&datadir, &[]);
        let coins = node.ask(&["utxo"]);
        node.stop();
        Source { dir, chain, file, dumped, coins }
    }

    /// What a node is told to know of coins that have this hash.
    fn knows(&self, hash: &str) -> String {
        let base = self.dumped["base"].as_str().unwrap();
        let txs: usize = self.chain.blocks[..BASE].iter().map(|block| block.txdata.len()).sum();
        format!("chain.assume_utxo={BASE}:{base}:{hash}:{}", txs + 1)
    }

    fn hash(&self) -> &str {
        self.dumped["hash_serialized_3"].as_str().unwrap()
    }

    /// The file with another script of the last block's reward, which no block can spend yet, and all else as it was.
    fn changed(&self) -> PathBuf {
        self.changed_at(&self.chain.blocks[BASE - 1].txdata[0])
    }

    /// The same of a reward that a block above spends.
    fn changed_and_spent(&self) -> PathBuf {
        let above = self.chain.blocks[BASE..].iter().flat_map(|block| &block.txdata[1..]);
        let spent: Vec<OutPoint> =
            above.flat_map(|tx| &tx.input).map(|input| input.previous_output).collect();
        let rewards = self.chain.blocks[..BASE].iter().map(|block| &block.txdata[0]);
        let is_spent = |reward: &&Transaction| spent.contains(&OutPoint::new(reward.compute_txid(), 0));
        self.changed_at(rewards.clone().find(is_spent).unwrap())
    }

    fn changed_at(&self, reward: &Transaction) -> PathBuf {
        let mut bytes = std::fs::read(&self.file).unwrap();
        let txid = reward.compute_txid().to_byte_array();
        let at = bytes.windows(32).position(|window| window == txid).unwrap();
        // How many coins, and its number.
        let mut rest = &bytes[at + 32 + 1 + 1..];
        take_varint(&mut rest).unwrap();
        take_varint(&mut rest).unwrap();
        // The kind of the script stays.
        let changed = bytes.len() - rest.len() + 1;
        bytes[changed] ^= 1;
        let file = self.dir.path().join("changed.dat");
        std::fs::write(&file, bytes).unwrap();
        file
    }
}

/// A node with the chain's headers, which comes back as often as it is killed.
struct Under<'a> {
    source: &'a Source,
    donor: Donor,
    datadir: PathBuf,
    knows: String,
    node: Option<Node>,
}

impl<'a> Under<'a> {
    fn start(source: &'a Source, name: &str, hash: &str) -> Under<'a> {
        let donor = Donor::of(&source.chain.blocks);
        let datadir = source.dir.path().join(name);
        let mut this = Under { source, donor, datadir, knows: source.knows(hash), node: None };
        this.again(None);
        this.has_headers();
        this
    }

    /// Waits for the headers, without which no snapshot is loaded. What came just before a kill comes again.
    #[track_caller]
    fn has_headers(&mut self) {
        until("the headers are there", || (self.info()["header_height"] == json!(TIP)).then_some(()));
    }

    /// Kills it, and starts it again.
    fn again(&mut self, failpoint: Option<&str>) {
        if let Some(mut node) = self.node.take() {
            node.process.kill_hard();
        }
        self.node = Some(Node::of(self.command(failpoint), &self.datadir));
    }

    fn command(&self, failpoint: Option<&str>) -> Command {
        let mut command = adit();
        command.args(["run", "--network", "regtest", "--datadir"]).arg(&self.datadir);
        command.args(["--set", "p2p.listen=127.0.0.1:0", "--set", "stratum.listen=127.0.0.1:0"]);
        command.args(["--set", "index.filters=true", "--set", "index.coin_stats=true"]);
        command.args(["--set", &self.knows, "--connect", &self.donor.at.to_string()]);
        command.envs(failpoint.map(|point| ("ADIT_FAILPOINT", point)));
        command
    }

    fn node(&mut self) -> &mut Node {
        self.node.as_mut().unwrap()
    }

    fn info(&mut self) -> Value {
        self.node().ask(&["info"])
    }

    fn load(&mut self, file: &Path) -> Value {
        self.node().ask(&["load-utxo", file.to_str().unwrap()])
    }

    /// Why a file is not loaded.
    #[track_caller]
    fn refuses(&mut self, file: &Path) -> String {
        let out = self.node().ctl(&["load-utxo", file.to_str().unwrap()]);
        assert_eq!(out.status.code(), Some(1), "{}", text(&out.stderr));
        assert_eq!(self.states(), [(0, true)]);
        text(&out.stderr)
    }

    /// Of each chainstate its height and whether it is validated, the tip's last.
    fn states(&mut self) -> Vec<(u64, bool)> {
        let answer = self.node().ask(&["chainstates"]);
        let rows = answer["chainstates"].as_array().unwrap().iter();
        rows.map(|row| (row["height"].as_u64().unwrap(), row["validated"].as_bool().unwrap())).collect()
    }

    #[track_caller]
    fn reaches(&mut self, states: &[(u64, bool)]) {
        until(&format!("the chainstates are {states:?}"), || (self.states() == states).then_some(()));
    }

    /// All is verified, and the coins are what they must be; the indexes too.
    #[track_caller]
    fn ends_well(&mut self) {
        self.reaches(&[(TIP, true)]);
        let coins = self.source.coins.clone();
        assert_eq!(self.node().ask(&["utxo"]), coins);
        until("the indexes are at the tip", || {
            let status = self.node().ask(&["index", "status"]);
            status.as_array().unwrap().iter().all(|row| row["synced"] == json!(true)).then_some(())
        });
        assert_eq!(self.node().ask(&["index", "coins"])["muhash"], coins["muhash"]);
    }

    /// Waits until it has ended.
    #[track_caller]
    fn ends(&mut self) -> Option<i32> {
        self.node().process.wait().code()
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.datadir.join("regtest")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.filter(|name| name.starts_with("chainstate")).collect();
        names.sort();
        names
    }
}

#[test]
fn a_snapshot_is_stood_upon_at_once_and_verified_behind_through_kills_in_each_phase() {
    let source = Source::new();
    let mut node = Under::start(&source, "node", source.hash());
    let wrong = node.refuses(&source.changed());
    assert!(wrong.contains("and that of the true ones"), "{wrong}");
    let nowhere = node.refuses(&source.dir.path().join("nowhere.dat"));
    assert!(nowhere.contains("nowhere.dat: No such file"), "{nowhere}");
    let other = node.refuses(&source.dir.path().join("all.dat"));
    assert!(other.contains("the file is no snapshot of a coin set"), "{other}");
    assert_eq!(node.files(), ["chainstate.redb"]);
    let loaded = node.load(&source.file);
    assert_eq!((&loaded["base"], &loaded["coins"]), (&source.dumped["base"], &source.dumped["coins"]));
    assert_eq!(node.states(), [(0, true), (BASE as u64, false)]);
    let coins = node.node().ask(&["utxo"]);
    assert_eq!(coins["hash_serialized_3"], source.dumped["hash_serialized_3"]);
    let twice = node.node().ctl(&["load-utxo", source.file.to_str().unwrap()]);
    assert_eq!(twice.status.code(), Some(1));
    assert!(text(&twice.stderr).contains("in use or on its way already"));
    node.again(None);
    assert_eq!(node.states(), [(0, true), (BASE as u64, false)]);
    // What follows the snapshot goes first.
    node.donor.give(BASE + 1..=TIP as usize);
    node.reaches(&[(0, true), (TIP, false)]);
    node.again(None);
    node.reaches(&[(0, true), (TIP, false)]);
    node.donor.give(1..=60);
    node.reaches(&[(60, true), (TIP, false)]);
    node.again(None);
    node.reaches(&[(60, true), (TIP, false)]);
    node.donor.give(1..=TIP as usize);
    node.ends_well();
    assert_eq!(node.files(), ["chainstate.redb"]);
    node.again(None);
    node.ends_well();
    node.node.take().unwrap().stop();
}

#[test]
fn a_kill_around_each_step_of_a_snapshot_leaves_it_done_or_not_begun() {
    let source = Source::new();
    for (number, moment) in ["before", "after"].into_iter().enumerate() {
        let mut node = Under::start(&source, &format!("node{number}"), source.hash());
        node.again(Some(&format!("snapshot-activate.{moment}")));
        node.has_headers();
        let died = node.node().ctl(&["load-utxo", source.file.to_str().unwrap()]);
        assert!(!died.status.success());
        assert_eq!(node.ends(), None);
        node.again(None);
        if moment == "before" {
            assert_eq!(node.states(), [(0, true)]);
            assert_eq!(node.files(), ["chainstate.redb"]);
            node.has_headers();
            node.load(&source.file);
        }
        assert_eq!(node.states()[1..], [(BASE as u64, false)]);
        node.again(Some(&format!("snapshot-confirm.{moment}")));
        node.donor.give(1..=TIP as usize);
        assert_eq!(node.ends(), None);
        node.again(None);
        node.ends_well();
    }
}

#[test]
fn a_snapshot_to_which_the_blocks_do_not_lead_ends_the_node_and_is_put_aside() {
    let source = Source::new();
    let changed = source.changed();
    let mut node = Under::start(&source, "probe", source.hash());
    let said = node.refuses(&changed);
    let hash = said.split_once("the coins' hash is ").unwrap().1[..64].to_owned();
    // The true one is refused by whoever believes that.
    let mut node = Under::start(&source, "node", &hash);
    assert!(node.refuses(&source.file).contains("and that of the true ones"));
    node.load(&changed);
    node.again(Some("snapshot-refuse.before"));
    node.donor.give(1..=TIP as usize);
    assert_eq!(node.ends(), None);
    // The next one finds it out again, perhaps before it is ready.
    let mut process = Process::start(node.command(None), &node.datadir, "again");
    assert_eq!(process.wait().code(), Some(74));
    let err = process.err();
    assert!(err.contains("is wrong: the coins behind it come to"), "{err}");
    assert_eq!(node.files(), ["chainstate.redb", "chainstate.refused.redb"]);
    node.again(None);
    node.ends_well();
}

/// What is refused by wrong coins is no fault of the peers that send it: they have the blocks that tell.
#[test]
fn a_block_that_wrong_coins_refuse_costs_no_peer_and_the_next_start_takes_it() {
    let source = Source::new();
    let changed = source.changed_and_spent();
    let mut node = Under::start(&source, "probe", source.hash());
    let said = node.refuses(&changed);
    let hash = said.split_once("the coins' hash is ").unwrap().1[..64].to_owned();
    let mut node = Under::start(&source, "node", &hash);
    node.load(&changed);
    // Above first: the chain comes to the block that the coins refuse, and no further.
    node.donor.give(BASE + 1..=TIP as usize);
    until("a block is refused", || node.node().process.err().contains("invalid block").then_some(()));
    assert!(node.states().last().is_some_and(|(height, _)| *height < TIP));
    // All of them, to a node that may be a new one.
    node.again(None);
    node.donor.give(1..=TIP as usize);
    assert_eq!(node.ends(), Some(74));
    let err = node.node().process.err();
    assert!(err.contains("is wrong: the coins behind it come to"), "{err}");
    node.again(None);
    node.ends_well();
    node.node.take().unwrap().stop();
}

/// The two chainstates of a folder that no node has open are looked at and counted; what lies below is imported; a reindex leaves one.
#[test]
fn two_chainstates_are_checked_counted_imported_into_and_built_again() {
    let source = Source::new();
    let mut node = Under::start(&source, "node", source.hash());
    node.load(&source.file);
    // What follows the snapshot is asked for first.
    node.donor.give(BASE + 1..=TIP as usize);
    node.reaches(&[(0, true), (TIP, false)]);
    node.donor.give(1..=40);
    node.reaches(&[(40, true), (TIP, false)]);
    let mut process = node.node.take().unwrap().process;
    process.kill_hard();
    let db = |args: &[&str]| -> Value {
        let mut command = adit();
        command.arg("db").args(args).args(["--json", "--network", "regtest", "--datadir"]).arg(&node.datadir);
        let output = command.args(["--set", &node.knows]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    for args in [&["check"][..], &["check", "--deep"], &["stats"]] {
        let said = db(args);
        // What was not flushed before the kill is verified again.
        let (tip, verified) = (said["height"].as_u64().unwrap(), said["verified_height"].as_u64().unwrap());
        assert!((BASE as u64..=TIP).contains(&tip) && verified <= 40, "{said}");
        assert_eq!(said.get("sound").unwrap_or(&json!(true)), &json!(true), "{said}");
    }
    let other = source.dir.path().join("other");
    let copied = Command::new("cp").arg("-r").arg(&node.datadir).arg(&other).status().unwrap();
    assert!(copied.success());
    // From a file of all blocks, in the place of a network.
    let all = source.dir.path().join("all.dat");
    let set = ["--set", node.knows.as_str()];
    let line = crate::import::import_with(&node.datadir, &[&all], &set).done();
    assert_eq!((&line["height"], &line["muhash"]), (&json!(TIP), &source.coins["muhash"]));
    assert_eq!(node.files(), ["chainstate.redb"]);
    // And the copy from its own files, which reach up to 40 without a gap.
    node.datadir = other;
    let db = |args: &[&str]| {
        let mut command = adit();
        command.arg("db").args(args).args(["--network", "regtest", "--datadir"]).arg(&node.datadir);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    assert_eq!(db(&["reindex"])["height"], json!(40));
    assert_eq!(node.files(), ["chainstate.redb"]);
    assert_eq!(db(&["check", "--deep", "--json"])["sound"], json!(true));
}

/// The chain of which Core's regtest knows the coins at height 200, and some blocks more.
fn core_chain(blocks: u32) -> Vec<Block> {
    let genesis = genesis_block(Network::Regtest);
    let (mut chain, mut below): (Vec<Block>, _) = (Vec::new(), genesis.block_hash());
    for height in 1..=blocks {
        let input = TxIn {
            previous_output: OutPoint::null(),
            script_sig: Builder::new().push_int(i64::from(height)).push_opcode(OP_0).into_script(),
            sequence: Sequence::ENABLE_LOCKTIME_NO_RBF,
            witness: Witness::new(),
        };
        let anyone: ScriptBuf = Builder::new().push_opcode(OP_TRUE).into_script();
        let output = TxOut { value: Amount::from_sat(subsidy_sat(height)), script_pubkey: anyone.to_p2wsh() };
        let coinbase = Transaction {
            version: transaction::Version::TWO,
            lock_time: LockTime::from_consensus(height - 1),
            input: vec![input],
            output: vec![output],
        };
        let header = Header {
            version: BlockVersion::from_consensus(4),
            prev_blockhash: below,
            merkle_root: TxMerkleNode::all_zeros(),
            time: genesis.header.time + height,
            ..genesis.header
        };
        let block = mined(Block { header: Header { nonce: 0, ..header }, txdata: vec![coinbase] });
        below = block.block_hash();
        chain.push(block);
    }
    chain
}

/// Height 200 of that chain, as Core knows it.
const CORES_BASE: &str = "385901ccbd69dff6bbd00065d01fb8a9e464dede7cfe0372443884f9b1dcf6b9";

#[test]
fn snapshots_are_exchanged_with_bitcoind() {
    let blocks = core_chain(210);
    assert_eq!(blocks[199].block_hash().to_string(), CORES_BASE);
    let Some(core) = Core::start(&[]) else { return };
    let dir = folder();
    for block in &blocks[..200] {
        core.call("submitblock", json!([serialize(block).to_lower_hex_string()]));
    }
    let theirs = dir.path().join("theirs.dat");
    let dumped = core.call("dumptxoutset", json!([theirs, "latest"]));
    assert_eq!(dumped["base_hash"], json!(CORES_BASE));
    // Theirs here, by what every node knows of regtest.
    let donor = Donor::of(&blocks);
    let datadir = dir.path().join("adit");
    let node = Node::start(&datadir, &["--connect", &donor.at.to_string()]);
    until("the headers are there", || (node.ask(&["info"])["header_height"] == json!(210)).then_some(()));
    let loaded = node.ask(&["load-utxo", theirs.to_str().unwrap()]);
    assert_eq!((&loaded["base"], &loaded["height"]), (&json!(CORES_BASE), &json!(200)));
    let ours = dir.path().join("ours.dat");
    let written = node.ask(&["dump-utxo", ours.to_str().unwrap()]);
    assert_eq!(written["hash_serialized_3"], dumped["txoutset_hash"]);
    assert!(std::fs::read(&ours).unwrap() == std::fs::read(&theirs).unwrap(), "the files differ");
    // Ours there.
    let Some(other) = Core::start(&[]) else { return };
    for block in &blocks {
        other.call("submitheader", json!([encode::serialize_hex(&block.header)]));
    }
    assert_eq!(other.call("loadtxoutset", json!([ours]))["tip_hash"], json!(CORES_BASE));
    // Both are led on by their blocks, and end with the same coins.
    donor.give(1..=210);
    for block in &blocks {
        other.call("submitblock", json!([serialize(block).to_lower_hex_string()]));
    }
    until("bitcoind has verified it", || {
        let states = other.call("getchainstates", json!([]));
        (states["chainstates"].as_array().unwrap().len() == 1).then_some(())
    });
    until("all is verified", || {
        let states = node.ask(&["chainstates"])["chainstates"].clone();
        (states.as_array().unwrap().len() == 1 && states[0]["height"] == json!(210)).then_some(())
    });
    let (mine, their) = (node.ask(&["utxo"]), other.call("gettxoutsetinfo", json!(["muhash"])));
    assert_eq!((&mine["muhash"], &mine["tip"]), (&their["muhash"], &their["bestblock"]));
    node.stop();
}
