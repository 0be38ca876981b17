//! A wide set of coins: how long a block takes, what is written and how a killed process starts, by the number of coins.
//!
//! `wide_set FOLDER COINS...` fills a store with so many coins for each number, through flushes and merges, connects signed
//! blocks that spend them anywhere in the set, kills itself, starts again, and prints a line. The data goes to FOLDER, which must
//! not be there yet, about 110 bytes a coin, and is taken away again. `WIDE_CACHE_MIB` sets the cache (450), `WIDE_BLOCKS` how many blocks
//! are connected (12): those after the last flush are what the start has to repeat.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Command, abort};
use std::sync::Arc;
use std::time::Instant;

use adit_chainstate::{CACHE_MIB_DEFAULT, ChainConfig, Chainstate};
use adit_domain::consensus::Params;
use adit_domain::script::Interpreter;
use adit_domain::units::{Height, UnixMillis};
use adit_domain::wire::ParsedBlock;
use adit_store::{CompactCoin, DataDir, FileEnd, Flush, FlushState, MergeStep, Store, outpoint_key};
use bitcoin::absolute::LockTime;
use bitcoin::block::{Header, Version};
use bitcoin::hashes::{Hash, sha256};
use bitcoin::script::{Builder, PushBytesBuf};
use bitcoin::secp256k1::{Message, PublicKey, Secp256k1, SecretKey};
use bitcoin::sighash::SighashCache;
use bitcoin::{
    Amount, Block, BlockHash, CompactTarget, EcdsaSighashType, OutPoint, PubkeyHash, ScriptBuf, Sequence,
    Transaction, TxIn, TxMerkleNode, TxOut, Txid, Witness, transaction,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Coins of one flush: what 450 MiB come to in a chain's middle.
const FLUSH_COINS: u64 = 1_000_000;
const MERGE_RECORDS: usize = 100_000;
/// Blocks that are connected where `WIDE_BLOCKS` says nothing else, the transactions of each and the inputs of those.
const BLOCKS_DEFAULT: u64 = 12;
const TXS: u64 = 250;
const INPUTS: u64 = 10;
/// Blocks whose time is not counted: the first ones warm the caches.
const WARM: usize = 2;
const COIN: Amount = Amount::from_sat(50_000);

fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["fill", folder, coins] => fill(Path::new(folder), coins.parse()?),
        ["connect", folder, coins] => connect(Path::new(folder), coins.parse()?),
        ["start", folder] => start(Path::new(folder)),
        [folder, all @ ..] if !all.is_empty() => {
            println!("coins | file MB | written / own bytes | block ms | its coins ms | RSS MB | start ms");
            all.iter().try_for_each(|coins| row(folder, coins))
        }
        _ => {
            println!("wide_set FOLDER COINS...: nothing to do");
            Ok(())
        }
    }
}

/// Each step is a process of its own, so that nothing is warm but the system's pages.
fn row(folder: &str, coins: &str) -> Outcome<()> {
    fs::create_dir(folder)?;
    let step = |args: &[&str]| -> Outcome<String> {
        let done = Command::new(std::env::current_exe()?).args(args).output()?;
        let said = String::from_utf8_lossy(&done.stdout).trim().to_owned();
        if said.is_empty() { Err(String::from_utf8_lossy(&done.stderr).into()) } else { Ok(said) }
    };
    let filled = step(&["fill", folder, coins])?;
    let connected = step(&["connect", folder, coins])?;
    let started = step(&["start", folder])?;
    println!("{coins} | {filled} | {connected} | {started}");
    Ok(fs::remove_dir_all(folder)?)
}

fn blocks_wanted() -> u64 {
    std::env::var("WIDE_BLOCKS").ok().and_then(|blocks| blocks.parse().ok()).unwrap_or(BLOCKS_DEFAULT)
}

fn open(folder: &Path) -> Outcome<Arc<Store>> {
    Ok(Arc::new(Store::open(DataDir::open(folder, "regtest")?)?))
}

fn chain(store: &Arc<Store>) -> Outcome<Chainstate> {
    let mib = std::env::var("WIDE_CACHE_MIB").ok().and_then(|mib| mib.parse().ok());
    let cache_mib = mib.unwrap_or(CACHE_MIB_DEFAULT);
    let config = ChainConfig { cache_mib, ..ChainConfig::new(Arc::new(Params::regtest())) };
    Ok(Chainstate::open(config, Arc::clone(store), Arc::new(Interpreter))?)
}

/// The name of a coin: spread over all keys as txids are.
fn outpoint(number: u64) -> OutPoint {
    OutPoint {
        txid: Txid::from_byte_array(sha256::Hash::hash(&number.to_le_bytes()).to_byte_array()),
        vout: 0,
    }
}

fn key() -> Outcome<(SecretKey, PublicKey)> {
    let secret = SecretKey::from_slice(&[7; 32])?;
    Ok((secret, secret.public_key(&Secp256k1::new())))
}

fn script() -> Outcome<ScriptBuf> {
    Ok(ScriptBuf::new_p2pkh(&PubkeyHash::from(bitcoin::PublicKey::new(key()?.1))))
}

/// Fills a store as flushes do, one after the other, and merges in between.
fn fill(folder: &Path, coins: u64) -> Outcome<()> {
    let store = open(folder)?;
    let coin = CompactCoin::new(&TxOut { value: COIN, script_pubkey: script()? }, Height::GENESIS, false);
    let own_each = u64::try_from(36 + coin.as_packed().bytes().len() + 4)?;
    let written = written_bytes()?;
    for (flushes, from) in (1..).zip((0..coins).step_by(usize::try_from(FLUSH_COINS)?)) {
        let to = coins.min(from + FLUSH_COINS);
        let mut keys: Vec<_> = (from..to).map(|number| outpoint_key(&outpoint(number))).collect();
        keys.sort_unstable();
        let tip = Params::regtest().genesis_hash;
        let state = FlushState { tip, height: Height::GENESIS, flushes, blocks_end: FileEnd::default() };
        let mut rows = keys.iter().map(|key| (key, Some(coin.as_packed())));
        store.db().flush(Flush { state, nodes: Vec::new(), coins: &mut rows })?;
        while store.db().merge_step(MERGE_RECORDS)? != MergeStep::Idle {}
    }
    let file = fs::metadata(store.dir().chainstate())?.len();
    let percent = (written_bytes()? - written) * 100 / (own_each * coins);
    println!("{} | {}.{:02}", file >> 20, percent / 100, percent % 100);
    Ok(())
}

/// Bytes that this process has written to files.
fn written_bytes() -> Outcome<u64> {
    let io = fs::read_to_string("/proc/self/io")?;
    let line = io.lines().find_map(|line| line.strip_prefix("wchar: ")).ok_or("no count of bytes")?;
    Ok(line.trim().parse()?)
}

/// Connects blocks, and ends as a process that is killed.
fn connect(folder: &Path, coins: u64) -> Outcome<()> {
    let blocks = blocks(coins)?;
    let store = open(folder)?;
    let mut chain = chain(&store)?;
    let now = UnixMillis::from_seconds(1_700_000_000);
    let (mut whole, mut lookups) = (Vec::new(), Vec::new());
    for block in blocks {
        let inputs = block.txs().iter().skip(1).flat_map(|tx| &tx.tx().input);
        let mut wanted: Vec<OutPoint> = inputs.map(|input| input.previous_output).collect();
        wanted.sort_unstable();
        let begun = Instant::now();
        chain.accept_block(Arc::new(block), now)?;
        whole.push(begun.elapsed().as_micros());
        // The same number of coins that nobody has asked for yet.
        let others: Vec<OutPoint> = wanted.iter().zip(0u64..).map(|(_, n)| outpoint(n * 7 + 1)).collect();
        let mut others = others;
        others.sort_unstable();
        let snapshot = store.db().snapshot()?;
        let begun = Instant::now();
        let found = snapshot.get_many(&others)?;
        lookups.push(begun.elapsed().as_micros());
        if found.len() != wanted.len() {
            return Err("coins are missing".into());
        }
    }
    let status = fs::read_to_string("/proc/self/status")?;
    let rss = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no peak of memory")?;
    let rss: u64 = rss.trim().trim_end_matches("kB").trim().parse()?;
    println!("{} | {} | {}", median_ms(whole), median_ms(lookups), rss >> 10);
    abort()
}

fn median_ms(mut all: Vec<u128>) -> String {
    let mut counted = all.split_off(WARM.min(all.len()));
    counted.sort_unstable();
    let median = counted.get(counted.len() / 2).copied().unwrap_or(0);
    format!("{}.{}", median / 1000, median % 1000 / 100)
}

fn start(folder: &Path) -> Outcome<()> {
    let begun = Instant::now();
    let store = open(folder)?;
    let chain = chain(&store)?;
    let taken = begun.elapsed().as_millis();
    if u64::from(chain.reader().tip().height.to_u32()) != blocks_wanted() {
        return Err("not at the tip".into());
    }
    println!("{taken}");
    Ok(())
}

/// Signed blocks that spend coins from anywhere.
fn blocks(coins: u64) -> Outcome<Vec<ParsedBlock>> {
    let mut prev = Params::regtest().genesis_hash;
    let mut blocks = Vec::new();
    for height in 1..=blocks_wanted() {
        let first = (height - 1) * TXS;
        let txs: Outcome<Vec<Transaction>> = (first..first + TXS).map(|n| spend(n, coins)).collect();
        let block = block(prev, height, txs?)?;
        prev = block.block_hash();
        blocks.push(ParsedBlock::new(block));
    }
    Ok(blocks)
}

/// The transaction of number `n` spends coins that lie far apart in time.
fn spend(n: u64, coins: u64) -> Outcome<Transaction> {
    let (secret, public) = key()?;
    let stride = coins / (blocks_wanted() * TXS * INPUTS);
    let spent = (0..INPUTS).map(|input| outpoint((n + input * blocks_wanted() * TXS) * stride));
    let input = spent.map(|previous_output| TxIn {
        previous_output,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::new(),
    });
    let mut tx = Transaction {
        version: transaction::Version::TWO,
        lock_time: LockTime::ZERO,
        input: input.collect(),
        output: vec![TxOut { value: COIN, script_pubkey: script()? }; 2],
    };
    let (secp, script) = (Secp256k1::signing_only(), script()?);
    let cache = SighashCache::new(&tx);
    let mut signed = Vec::new();
    for index in 0..tx.input.len() {
        let hash = cache.legacy_signature_hash(index, &script, EcdsaSighashType::All.to_u32())?;
        let message = Message::from_digest(hash.to_byte_array());
        let signature = bitcoin::ecdsa::Signature::sighash_all(secp.sign_ecdsa(&message, &secret));
        let signature = PushBytesBuf::try_from(signature.to_vec())?;
        signed.push(Builder::new().push_slice(signature).push_slice(public.serialize()).into_script());
    }
    tx.input.iter_mut().zip(signed).for_each(|(input, script_sig)| input.script_sig = script_sig);
    Ok(tx)
}

fn block(prev: BlockHash, height: u64, txs: Vec<Transaction>) -> Outcome<Block> {
    let coinbase = Transaction {
        version: transaction::Version::ONE,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint::null(),
            script_sig: Builder::new().push_int(i64::try_from(height)?).push_int(1).into_script(),
            sequence: Sequence::MAX,
            witness: Witness::new(),
        }],
        output: vec![TxOut { value: COIN, script_pubkey: script()? }],
    };
    let header = Header {
        version: Version::from_consensus(0x2000_0000),
        prev_blockhash: prev,
        merkle_root: TxMerkleNode::all_zeros(),
        time: 1_296_688_602 + u32::try_from(height)? * 600,
        bits: CompactTarget::from_consensus(0x207f_ffff),
        nonce: 0,
    };
    let mut block = Block { header, txdata: [vec![coinbase], txs].concat() };
    block.header.merkle_root = block.compute_merkle_root().ok_or("no transactions")?;
    while block.header.validate_pow(block.header.target()).is_err() {
        block.header.nonce += 1;
    }
    Ok(block)
}
