//! Blocks that break a rule, or come near to it. Nobody says here what should become of them: both nodes are asked.

use std::rc::Rc;

use bitcoin::absolute::LockTime;
use bitcoin::block::Version;
use bitcoin::consensus::serialize;
use bitcoin::hashes::{Hash, sha256d};
use bitcoin::script::Builder;
use bitcoin::{
    Amount, Block, BlockHash, CompactTarget, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid,
    Witness, transaction,
};

use super::super::chance::Chance;
use super::locks::{self, Lock, script_of};
use super::sides::now_s;
use super::world::{Draft, Owned, Spend, View, commitment, created, mined, solved, some_locks, some_spend};

/// 21 million bitcoin.
const MONEY_MAX: u64 = 2_100_000_000_000_000;

/// Makes a block on a chain; none where the chain has nothing to make it of.
pub(crate) type Mutant = fn(&View, &mut Chance) -> Option<Block>;

/// By name, and how often in all that come.
pub(crate) const MUTANTS: &[(&str, u8, Mutant)] = &[
    ("bits", 4, bits),
    ("work", 2, work),
    ("time", 6, time),
    ("time ahead", 3, time_ahead),
    ("version", 4, version),
    ("parent", 2, parent),
    ("merkle root", 2, root),
    ("repeated", 6, repeated),
    ("order", 2, order),
    ("no coinbase", 2, no_coinbase),
    ("two coinbases", 2, two_coinbases),
    ("coinbase script", 4, coinbase_script),
    ("coinbase height", 4, coinbase_height),
    ("coinbase amount", 6, coinbase_amount),
    ("coinbase shape", 4, coinbase_shape),
    ("no inputs or outputs", 3, nothing_in_or_out),
    ("output values", 5, output_values),
    ("inputs twice", 3, inputs_twice),
    ("null input", 3, null_input),
    ("immature", 4, immature),
    ("missing coin", 3, missing),
    ("spent coin", 4, spent),
    ("spent twice", 4, spent_twice),
    ("child first", 3, child_first),
    ("replay", 4, replay),
    ("worth", 4, worth),
    ("lock time", 8, lock_time),
    ("relative blocks", 8, relative_blocks),
    ("relative seconds", 8, relative_seconds),
    ("early lock", 4, early_lock),
    ("sealed output", 5, sealed),
    ("sigops", 8, sigops),
    ("commitment", 8, commitments),
    ("nonce", 6, nonce),
    ("uncommitted", 4, uncommitted),
    ("witness after", 4, witness_after),
    ("script", 24, scripts),
    ("flipped", 16, flipped),
];

/// Blocks of four million units: slow, so few.
pub(crate) const HEAVY: &[(&str, Mutant)] = &[("weight", weight), ("length", length), ("oversize", oversize)];

fn edit(view: &View, chance: &mut Chance, change: impl FnOnce(&mut Draft, &mut Chance)) -> Option<Block> {
    let mut draft = Draft::busy(view, chance);
    change(&mut draft, chance);
    Some(draft.seal())
}

/// A block whose last transaction is this one.
fn with(view: &View, chance: &mut Chance, spend: Spend) -> Option<Block> {
    let mut draft = Draft::empty(view, chance);
    draft.add(spend);
    Some(draft.seal())
}

fn take(coins: &mut Vec<Owned>, chance: &mut Chance) -> Option<Owned> {
    (!coins.is_empty()).then(|| coins.swap_remove(chance.below(coins.len())))
}

fn bits(view: &View, chance: &mut Chance) -> Option<Block> {
    const OTHERS: [u32; 10] = [
        0x2000_ffff,
        0x207f_fffe,
        0x207f_ff00,
        0x2100_7fff,
        0x2080_0000,
        0x20ff_ffff,
        0,
        0xff12_3456,
        0x1d00_ffff,
        0x0100_0001,
    ];
    edit(view, chance, |draft, chance| {
        draft.header.bits = CompactTarget::from_consensus(*chance.pick(&OTHERS));
    })
}

fn work(view: &View, chance: &mut Chance) -> Option<Block> {
    edit(view, chance, |draft, _| draft.solves = false)
}

fn time(view: &View, chance: &mut Chance) -> Option<Block> {
    let median = view.median();
    edit(view, chance, |draft, chance| {
        draft.header.time =
            *chance.pick(&[median - 1, median, median, median.saturating_add(1), 0, view.time()]);
    })
}

fn time_ahead(view: &View, chance: &mut Chance) -> Option<Block> {
    edit(view, chance, |draft, chance| {
        let latest = now_s() + 7200;
        draft.header.time = *chance.pick(&[latest + 90, latest + 90, latest - 90, u32::MAX]);
    })
}

fn version(view: &View, chance: &mut Chance) -> Option<Block> {
    edit(view, chance, |draft, chance| {
        let version = *chance.pick(&[-1, 0, 1, 2, 3, 3, 4, 5, i32::MIN]);
        draft.header.version = Version::from_consensus(version);
    })
}

fn parent(view: &View, chance: &mut Chance) -> Option<Block> {
    edit(view, chance, |draft, chance| {
        draft.header.prev_blockhash = BlockHash::from_slice(&chance.bytes(32)).unwrap();
    })
}

fn root(view: &View, chance: &mut Chance) -> Option<Block> {
    let mut block = Draft::busy(view, chance).seal();
    let mut bytes = block.header.merkle_root.to_byte_array();
    bytes[chance.below(32)] ^= 1 << chance.below(8);
    block.header.merkle_root = bitcoin::TxMerkleNode::from_byte_array(bytes);
    block.header = mined(block.header, true);
    Some(block)
}

/// CVE-2012-2459: the end of the list again, so that the root may stay.
fn repeated(view: &View, chance: &mut Chance) -> Option<Block> {
    let mut draft = Draft::empty(view, chance);
    let mut coins = view.ready();
    for _ in 0..chance.within(1, 11) {
        let Some(spend) = some_spend(&mut coins, chance) else { break };
        draft.add(spend);
    }
    let mut block = draft.seal();
    let count = block.txdata.len();
    let again = 1 << chance.below(3);
    if again > count {
        return None;
    }
    match chance.below(3) {
        0 | 1 => block.txdata.extend_from_within(count - again..),
        _ => {
            let at = chance.below(count);
            block.txdata.insert(at, block.txdata[at].clone());
            if chance.one_in(2) {
                block = solved(block, true);
            }
        }
    }
    Some(block)
}

/// Transactions in another order, with or without a header that means it.
fn order(view: &View, chance: &mut Chance) -> Option<Block> {
    let mut block = Draft::busy(view, chance).seal();
    let count = block.txdata.len();
    block.txdata.swap(chance.below(count), chance.below(count));
    Some(if chance.one_in(3) { block } else { solved(block, true) })
}

fn no_coinbase(view: &View, chance: &mut Chance) -> Option<Block> {
    let mut block = Draft::busy(view, chance).seal();
    block.txdata.remove(0);
    Some(solved(block, true))
}

fn two_coinbases(view: &View, chance: &mut Chance) -> Option<Block> {
    edit(view, chance, |draft, chance| {
        let mut second = draft.coinbase.clone();
        second.lock_time = LockTime::from_consensus(1);
        second.output[0].value = Amount::ZERO;
        let at = chance.below(draft.txs.len() + 1);
        draft.txs.insert(at, second);
    })
}

fn coinbase_script(view: &View, chance: &mut Chance) -> Option<Block> {
    let height = Builder::new().push_int(i64::from(view.height)).into_script();
    edit(view, chance, |draft, chance| {
        let len = *chance.pick(&[0, 1, 2, 3, 4, 99, 100, 100, 101, 101, 150, 3000]);
        let mut script = height.into_bytes();
        script.resize(len, 0);
        draft.coinbase.input[0].script_sig = ScriptBuf::from_bytes(script);
    })
}

fn coinbase_height(view: &View, chance: &mut Chance) -> Option<Block> {
    let height = i64::from(view.height);
    let [a, b, ..] = view.height.to_le_bytes();
    let push = |n: i64| Builder::new().push_int(n).into_script().into_bytes();
    edit(view, chance, |draft, chance| {
        let head = match chance.below(9) {
            0 => push(height - 1),
            1 => push(height + 1),
            2 => push(-height),
            3 => push(0),
            // More bytes than the number needs.
            4 => vec![3, a, b, 0],
            5 => vec![0x4c, 2, a, b],
            6 => vec![2, a, b],
            7 => vec![4, a, b, 0, 0],
            _ => push(height)[..1].to_vec(),
        };
        draft.coinbase.input[0].script_sig = ScriptBuf::from_bytes([head, chance.bytes(3)].concat());
    })
}

fn coinbase_amount(view: &View, chance: &mut Chance) -> Option<Block> {
    edit(view, chance, |draft, chance| {
        let output = &mut draft.coinbase.output[0].value;
        let sat = output.to_sat();
        *output = Amount::from_sat(match chance.below(8) {
            0..=2 => sat + 1,
            3 => sat.saturating_sub(1),
            4 => 0,
            5 => u64::MAX - chance.below(3) as u64,
            6 => MONEY_MAX + chance.below(2) as u64,
            _ => sat + 50_0000_0000,
        });
    })
}

fn coinbase_shape(view: &View, chance: &mut Chance) -> Option<Block> {
    let height = view.height;
    let mut ready = view.ready();
    let coin = take(&mut ready, chance);
    edit(view, chance, |draft, chance| match chance.below(8) {
        0 => draft.coinbase.output.clear(),
        1 => draft.coinbase.input.push(TxIn::default()),
        2 => draft.coinbase.input[0].previous_output.vout = 0,
        3 => draft.coinbase.input[0].previous_output = coin.map_or(OutPoint::null(), |(o, _)| o),
        4 => {
            draft.coinbase.lock_time = LockTime::from_consensus(height - 1 + chance.below(3) as u32);
            draft.coinbase.input[0].sequence = Sequence(0);
        }
        5 => draft.coinbase.version = transaction::Version(-1),
        6 => draft.coinbase.input[0].sequence = Sequence(3),
        _ => draft.coinbase.input.clear(),
    })
}

fn nothing_in_or_out(view: &View, chance: &mut Chance) -> Option<Block> {
    let mut coins = view.ready();
    let mut spend = some_spend(&mut coins, chance)?;
    match chance.below(4) {
        0 => spend.tx.input.clear(),
        1 => (spend.tx.input.clear(), spend.tx.output.clear()).1,
        _ => {
            spend.tx.output.clear();
            spend = spend.signed(chance);
        }
    }
    spend.fee = 0;
    with(view, chance, spend)
}

fn output_values(view: &View, chance: &mut Chance) -> Option<Block> {
    let mut coins = view.ready();
    let mut spend = some_spend(&mut coins, chance)?;
    let values = match chance.below(8) {
        0 => vec![u64::MAX],
        1 => vec![1 << 63],
        2 => vec![i64::MAX as u64],
        3 => vec![MONEY_MAX + 1],
        4 => vec![MONEY_MAX, 1],
        5 => vec![MONEY_MAX],
        6 => vec![MONEY_MAX, MONEY_MAX, u64::MAX],
        _ => vec![1 << 63, 1 << 63],
    };
    spend.tx.output.clear();
    for value in values {
        spend.tx.output.push(TxOut { value: Amount::from_sat(value), script_pubkey: script_of(Lock::True) });
    }
    spend.fee = 0;
    let spend = spend.signed(chance);
    with(view, chance, spend)
}

fn inputs_twice(view: &View, chance: &mut Chance) -> Option<Block> {
    let mut coins = view.ready();
    let mut chosen = vec![take(&mut coins, chance)?, take(&mut coins, chance)?, take(&mut coins, chance)?];
    let (from, to) = (chance.below(3), chance.below(4));
    chosen.insert(to, chosen[from].clone());
    let spend = Spend::new(&chosen, &some_locks(chance, 2), 0).signed(chance);
    with(view, chance, spend)
}

fn null_input(view: &View, chance: &mut Chance) -> Option<Block> {
    let mut coins = view.ready();
    let mut spend = some_spend(&mut coins, chance)?;
    let at = chance.below(spend.tx.input.len() + 1);
    match chance.below(3) {
        0 => spend.tx.input.insert(at, TxIn::default()),
        1 => spend.tx.input.insert(
            at,
            TxIn { previous_output: OutPoint { vout: 7, ..OutPoint::null() }, ..TxIn::default() },
        ),
        _ => {
            spend.tx.input[0].previous_output = OutPoint::null();
            spend.tx.input[0].script_sig = ScriptBuf::from_bytes(chance.bytes(4));
        }
    }
    with(view, chance, spend)
}

fn immature(view: &View, chance: &mut Chance) -> Option<Block> {
    let mut coins = view.immature();
    // The oldest is one block short.
    coins.sort_by_key(|(_, coin)| coin.height);
    if chance.one_in(2) {
        coins.truncate(6);
    }
    let coin = take(&mut coins, chance)?;
    let spend = Spend::new(&[coin], &some_locks(chance, 2), 10).signed(chance);
    with(view, chance, spend)
}

fn missing(view: &View, chance: &mut Chance) -> Option<Block> {
    let mut coins = view.ready();
    let (mut outpoint, coin) = take(&mut coins, chance)?;
    match chance.below(3) {
        0 => outpoint.vout += 40,
        1 => outpoint.txid = Txid::from_byte_array(chance.bytes(32).try_into().unwrap()),
        _ => outpoint.vout = u32::MAX,
    }
    let spend = Spend::new(&[(outpoint, coin)], &some_locks(chance, 2), 0).signed(chance);
    with(view, chance, spend)
}

fn spent(view: &View, chance: &mut Chance) -> Option<Block> {
    if view.spent.is_empty() {
        return None;
    }
    let coin = take(&mut view.ready(), chance)?.1;
    let spend = Spend::new(&[(*chance.pick(&view.spent), coin)], &some_locks(chance, 2), 0).signed(chance);
    with(view, chance, spend)
}

/// Two transactions of one block take the same coin: at first hand, or one that the block itself made.
fn spent_twice(view: &View, chance: &mut Chance) -> Option<Block> {
    let mut draft = Draft::empty(view, chance);
    let mut coin = take(&mut view.ready(), chance)?;
    if chance.one_in(2) {
        let spend = Spend::new(&[coin], &[Lock::True, Lock::TrKey], 0).signed(chance);
        coin = created(&spend.tx, view.height, false).remove(chance.below(2));
        draft.add(spend);
    }
    for fee in [0, 1] {
        draft.add(Spend::new(&[coin.clone()], &[Lock::True, Lock::Wpkh], fee).signed(chance));
    }
    Some(draft.seal())
}

fn child_first(view: &View, chance: &mut Chance) -> Option<Block> {
    let mut draft = Draft::empty(view, chance);
    let coin = take(&mut view.ready(), chance)?;
    let parent = Spend::new(&[coin], &[Lock::True, Lock::TrKey], 0).signed(chance);
    let coin = created(&parent.tx, view.height, false).remove(chance.below(2));
    let child = Spend::new(&[coin], &[Lock::Wpkh], 0).signed(chance);
    let first = chance.one_in(3);
    for spend in if first { [parent, child] } else { [child, parent] } {
        draft.add(spend);
    }
    Some(draft.seal())
}

/// A transaction that this chain has already, perhaps with an output that is unspent.
fn replay(view: &View, chance: &mut Chance) -> Option<Block> {
    if view.txs.is_empty() {
        return None;
    }
    let from = if chance.one_in(2) { view.txs.len().saturating_sub(10) } else { 0 };
    let tx: Transaction = Rc::unwrap_or_clone(Rc::clone(chance.pick(&view.txs[from..])));
    with(view, chance, Spend { tx, coins: Vec::new(), fee: 0, annex: None })
}

/// Outputs beside inputs, and the coinbase that takes the difference.
fn worth(view: &View, chance: &mut Chance) -> Option<Block> {
    let mut coins = view.ready();
    let mut spend = some_spend(&mut coins, chance)?;
    let value = &mut spend.tx.output[0].value;
    *value = Amount::from_sat(value.to_sat().saturating_add(spend.fee + chance.below(3) as u64));
    let mut spend = spend.signed(chance);
    if chance.one_in(2) {
        spend.fee = 0;
    }
    with(view, chance, spend)
}

fn lock_time(view: &View, chance: &mut Chance) -> Option<Block> {
    let (height, median) = (view.height, view.median());
    let mut coins = view.choose(|coin| coin.lock == Some(Lock::True) && !coin.is_coinbase);
    coins.extend(view.ready());
    let mut spend = some_spend(&mut coins, chance)?;
    let around = [
        height - 1,
        height,
        height + 1,
        median - 1,
        median,
        median.saturating_add(1),
        view.time(),
        0,
        499_999_999,
        500_000_000,
        u32::MAX,
    ];
    spend.tx.lock_time = LockTime::from_consensus(*chance.pick(&around));
    let sequence = *chance.pick(&[0xffff_ffff, 0xffff_fffe, 0xffff_fffe, 0x8000_0000, 0xffff_fffd]);
    for input in &mut spend.tx.input {
        if input.sequence == Sequence::MAX {
            input.sequence = Sequence(sequence);
        }
    }
    if chance.one_in(4) {
        spend.tx.input[0].sequence = Sequence::MAX;
    }
    let spend = spend.signed(chance);
    with(view, chance, spend)
}

const VERSIONS: [i32; 8] = [2, 2, 2, 3, 1, 0, -1, i32::MIN];

/// A relative lock in blocks, about as many as there are.
fn relative_blocks(view: &View, chance: &mut Chance) -> Option<Block> {
    let mut ready = view.ready();
    let coin = take(&mut ready, chance)?;
    let depth = view.height - coin.1.height;
    let value = (depth + 1).saturating_sub(chance.below(3) as u32);
    let flags = *chance.pick(&[0, 0, 0, 1 << 31, 1 << 30, 1 << 16, 0x003f_0000 & !(1 << 22)]);
    relative(view, chance, coin, (value & 0xffff) | flags)
}

/// A relative lock in units of 512 seconds, about as many as have passed.
fn relative_seconds(view: &View, chance: &mut Chance) -> Option<Block> {
    let mut ready = view.ready();
    ready.sort_by_key(|(_, coin)| std::cmp::Reverse(coin.height));
    if chance.one_in(2) {
        ready.truncate(20);
    }
    let coin = take(&mut ready, chance)?;
    let value = view.units_reached(&coin.1) + chance.below(3) as u32;
    let flags = *chance.pick(&[0, 0, 0, 1 << 31, 1 << 30]);
    relative(view, chance, coin, (value.saturating_sub(1) & 0xffff) | (1 << 22) | flags)
}

fn relative(view: &View, chance: &mut Chance, coin: Owned, sequence: u32) -> Option<Block> {
    let in_block = chance.one_in(6);
    let mut draft = Draft::empty(view, chance);
    let mut coin = coin;
    if in_block {
        let parent = Spend::new(&[coin], &[Lock::True], 0).signed(chance);
        coin = created(&parent.tx, view.height, false).remove(0);
        draft.add(parent);
    }
    let mut spend = Spend::new(&[coin], &some_locks(chance, 2), 0);
    spend.tx.version = transaction::Version(*chance.pick(&VERSIONS));
    spend.tx.input[0].sequence =
        Sequence(if in_block { sequence & !0xffff | (sequence & 1) } else { sequence });
    draft.add(spend.signed(chance));
    Some(draft.seal())
}

/// CHECKLOCKTIMEVERIFY and CHECKSEQUENCEVERIFY before their time, or under a transaction that does not say so.
fn early_lock(view: &View, chance: &mut Chance) -> Option<Block> {
    let mut coins = view.choose(|coin| matches!(coin.lock, Some(Lock::Cltv(_) | Lock::Csv(_))));
    coins.retain(|(_, coin)| !coin.is_coinbase || view.height - coin.height >= 100);
    let coin = take(&mut coins, chance)?;
    let mut spend = Spend::new(&[coin], &some_locks(chance, 2), 0);
    match chance.below(6) {
        0 => spend.tx.version = transaction::Version(1),
        1 => spend.tx.input[0].sequence = Sequence::MAX,
        2 => {
            spend.tx.lock_time =
                LockTime::from_consensus(spend.tx.lock_time.to_consensus_u32().saturating_sub(1))
        }
        3 => spend.tx.input[0].sequence = Sequence(spend.tx.input[0].sequence.0.saturating_sub(1)),
        4 => spend.tx.input[0].sequence = Sequence(spend.tx.input[0].sequence.0 | (1 << 22)),
        _ => {}
    }
    with(view, chance, spend)
}

/// Outputs that nothing opens, or that were never kept.
fn sealed(view: &View, chance: &mut Chance) -> Option<Block> {
    let mut coins = view.choose(|coin| coin.lock.is_some_and(|lock| locks::ODD.contains(&lock)));
    coins.retain(|(_, coin)| !coin.is_coinbase || view.height - coin.height >= 100);
    let mut draft = Draft::empty(view, chance);
    let coin = match take(&mut coins, chance).filter(|_| chance.one_in(2)) {
        Some(coin) => coin,
        None => {
            let parent = Spend::new(&[take(&mut view.ready(), chance)?], &[*chance.pick(&locks::ODD)], 0);
            let parent = parent.signed(chance);
            let coin = created(&parent.tx, view.height, false).remove(0);
            draft.add(parent);
            coin
        }
    };
    draft.add(Spend::new(&[coin], &[Lock::True], 0).signed(chance));
    Some(draft.seal())
}

/// What the signature operations of an input with this lock cost beyond those of the transaction's own scripts.
fn sigop_cost(lock: Option<Lock>) -> usize {
    match lock {
        Some(Lock::ShSigops) => 800,
        Some(Lock::WshSigops) => 200,
        Some(Lock::WshMulti | Lock::ShWshMulti) => 3,
        Some(Lock::Wpkh | Lock::ShWpkh) => 1,
        _ => 0,
    }
}

/// Signature operations up to the limit of 80,000, or one beyond, by all the ways in which they are counted.
fn sigops(view: &View, chance: &mut Chance) -> Option<Block> {
    let mut draft = Draft::empty(view, chance);
    let mut cost = 0;
    let mut of_kind = view.ready();
    of_kind.retain(|(_, coin)| sigop_cost(coin.lock) > 0);
    for _ in 0..chance.below(5) {
        let Some(coin) = take(&mut of_kind, chance) else { break };
        cost += sigop_cost(coin.1.lock);
        draft.add(Spend::new(&[coin], &[Lock::True], 0).signed(chance));
    }
    // What is left of the limit, in the outputs' own scripts; those of the coinbase count too.
    let counted: usize = draft
        .coinbase
        .output
        .iter()
        .chain(draft.txs.iter().flat_map(|tx| &tx.output))
        .map(|output| output.script_pubkey.count_sigops_legacy())
        .sum();
    let left = (80_000 - cost) / 4 - counted;
    let wanted =
        *chance.pick(&[left, left, left + 1, left + 1, left - 1, 20_000 - counted, 20_001 - counted]);
    let script = [vec![0xae; wanted / 20], vec![0xac; wanted % 20]].concat();
    draft.coinbase.output.push(TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::from_bytes(script) });
    Some(draft.seal())
}

/// A block with witnesses whose commitment is another one, or stands elsewhere, or more than once.
fn commitments(view: &View, chance: &mut Chance) -> Option<Block> {
    let mut draft = Draft::busy(view, chance);
    draft.commits = false;
    let reserved: [u8; 32] = chance.bytes(32).try_into().unwrap();
    let good = commitment(&draft.txs, &reserved);
    let changed = |at: usize| {
        let mut bytes = good.script_pubkey.to_bytes();
        bytes[at] ^= 1;
        TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::from_bytes(bytes) }
    };
    let cut = |len: usize| {
        let mut bytes = good.script_pubkey.to_bytes();
        bytes.resize(len, 3);
        TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::from_bytes(bytes) }
    };
    let outputs = &mut draft.coinbase.output;
    match chance.below(10) {
        0 => outputs.push(changed(20)),
        1 => outputs.extend([changed(20), good]),
        2 => outputs.extend([good.clone(), changed(20)]),
        3 => outputs.insert(0, good),
        4 => outputs.push(cut(37)),
        5 => outputs.push(cut(39)),
        6 => outputs.push(cut(3000)),
        7 => outputs.push(changed(chance.below(6))),
        8 => outputs.extend([good.clone(), cut(37)]),
        _ => outputs.extend([good.clone(), good]),
    }
    draft.coinbase.input[0].witness = Witness::from_slice(&[reserved]);
    Some(draft.seal())
}

/// The coinbase's witness: other than one item of 32 bytes, or another one than the commitment's.
fn nonce(view: &View, chance: &mut Chance) -> Option<Block> {
    let mut draft = Draft::busy(view, chance);
    draft.commits = chance.one_in(8);
    if !draft.commits {
        draft.coinbase.output.push(commitment(&draft.txs, &[0; 32]));
    }
    let mut block = draft.seal();
    let items: &[Vec<u8>] = match chance.below(8) {
        0 => &[],
        1 => &[vec![0; 31]],
        2 => &[vec![0; 33]],
        3 => &[vec![0; 32], vec![]],
        4 => &[vec![]],
        5 => &[vec![1; 32]],
        6 => &[vec![], vec![0; 32]],
        _ => &[vec![0; 32]],
    };
    block.txdata[0].input[0].witness = Witness::from_slice(items);
    Some(block)
}

/// Witnesses without a commitment to them.
fn uncommitted(view: &View, chance: &mut Chance) -> Option<Block> {
    let mut draft = Draft::busy(view, chance);
    draft.commits = false;
    if chance.one_in(2) {
        draft.coinbase.input[0].witness = Witness::from_slice(&[[0; 32]]);
    }
    Some(draft.seal())
}

/// Witnesses changed behind the back of the header.
fn witness_after(view: &View, chance: &mut Chance) -> Option<Block> {
    let mut block = Draft::busy(view, chance).seal();
    let count = block.txdata.len();
    let tx = &mut block.txdata[chance.below(count)];
    let count = tx.input.len();
    let input = &mut tx.input[chance.below(count)];
    input.witness = spoilt_witness(&input.witness, chance);
    Some(block)
}

/// One input's script or witness spoilt, under a header that means it.
fn scripts(view: &View, chance: &mut Chance) -> Option<Block> {
    let mut draft = Draft::empty(view, chance);
    let mut coins = view.ready();
    let many = chance.one_in(4);
    if many {
        draft.add(some_spend(&mut coins, chance)?);
    }
    let coin = take(&mut coins, chance)?;
    let mut spend = Spend::new(&[coin], &some_locks(chance, 2), 5).signed(chance);
    let input = &mut spend.tx.input[0];
    if chance.one_in(2) {
        input.witness = spoilt_witness(&input.witness, chance);
    } else {
        let mut script = input.script_sig.to_bytes();
        spoil(&mut script, chance);
        input.script_sig = ScriptBuf::from_bytes(script);
    }
    draft.add(spend);
    Some(draft.seal())
}

fn spoilt_witness(witness: &Witness, chance: &mut Chance) -> Witness {
    let mut items: Vec<Vec<u8>> = witness.to_vec();
    let at = chance.below(items.len() + 1);
    match chance.below(7) {
        0 => items.insert(at, chance.bytes(3)),
        1 => items.insert(at, Vec::new()),
        2 if at < items.len() => drop(items.remove(at)),
        3 if at < items.len() => items.swap(0, at),
        4 if at < items.len() => items[at].clear(),
        5 => items.push([&[0x50], chance.bytes(3).as_slice()].concat()),
        _ if at < items.len() => spoil(&mut items[at], chance),
        _ => items.clear(),
    }
    Witness::from_slice(&items)
}

/// A bit, a byte more or less, at the end or anywhere.
fn spoil(bytes: &mut Vec<u8>, chance: &mut Chance) {
    let at = chance.below(bytes.len() + 1);
    match chance.below(5) {
        0 => bytes.insert(at, chance.byte()),
        1 => bytes.push(*chance.pick(&[0, 1, 0x51, 0x61])),
        2 if at < bytes.len() => drop(bytes.remove(at)),
        3 => drop(bytes.pop()),
        _ if at < bytes.len() => bytes[at] ^= 1 << chance.below(8),
        _ => bytes.push(0),
    }
}

/// Bits flipped in one transaction, under a header that means it: where what comes out still is a transaction.
fn flipped(view: &View, chance: &mut Chance) -> Option<Block> {
    let mut draft = Draft::busy(view, chance);
    for _ in 0..20 {
        let at = chance.below(draft.txs.len() + 1);
        let tx = if at == 0 { &draft.coinbase } else { &draft.txs[at - 1] };
        let mut raw = serialize(tx);
        for _ in 0..chance.within(1, 2) {
            let bit = chance.below(raw.len() * 8);
            raw[bit / 8] ^= 1 << (bit % 8);
        }
        let Ok(tx) = bitcoin::consensus::deserialize(&raw) else { continue };
        if at == 0 {
            draft.coinbase = tx
        } else {
            draft.txs[at - 1] = tx
        }
        return Some(draft.seal());
    }
    None
}

/// An input whose annex is as long as it takes to make the block weigh so much; its signature means it.
fn filled(view: &View, chance: &mut Chance, weight: usize) -> Option<Block> {
    let mut coins = view.ready();
    coins.retain(|(_, coin)| matches!(coin.lock, Some(Lock::TrKey | Lock::TrTrue | Lock::TrUnknown)));
    let coin = take(&mut coins, chance)?;
    let mut spend = Spend::new(&[coin], &[Lock::True], 0);
    let draft = Draft::empty(view, chance);
    let build = |spend: Spend, draft: &Draft| {
        let mut draft = draft.clone();
        draft.add(spend);
        draft.seal()
    };
    let mut len = 3_900_000;
    // Signatures may differ by a byte from one length to the next: a few turns settle it.
    for _ in 0..6 {
        spend.annex = Some([&[0x50], vec![1; len].as_slice()].concat());
        let block = build(spend.clone().signed(&mut chance.clone()), &draft);
        let now = usize::try_from(block.weight().to_wu()).unwrap();
        if now == weight {
            return Some(block);
        }
        len = len + weight - now;
    }
    None
}

fn weight(view: &View, chance: &mut Chance) -> Option<Block> {
    let weight = *chance.pick(&[4_000_000, 4_000_000, 4_000_001, 4_000_001, 4_000_007, 4_100_000]);
    filled(view, chance, weight)
}

/// A coinbase with an output so long that the block without witnesses is at its limit, or a byte beyond.
fn length(view: &View, chance: &mut Chance) -> Option<Block> {
    let mut draft = Draft::empty(view, chance);
    draft.commits = false;
    let base = draft.clone().seal().total_size();
    let wanted = 1_000_000 + chance.below(3) - 1;
    // The output's amount, and the five bytes of its script's length.
    let script = ScriptBuf::from_bytes(vec![0x6a; wanted - base - 13]);
    draft.coinbase.output.push(TxOut { value: Amount::ZERO, script_pubkey: script });
    Some(draft.seal())
}

/// A transaction of a million bytes, or a few more, beside which a block has no room.
fn oversize(view: &View, chance: &mut Chance) -> Option<Block> {
    let coin = take(&mut view.choose(|coin| coin.lock == Some(Lock::True) && !coin.is_coinbase), chance)?;
    let mut spend = Spend::new(&[coin], &[Lock::True], 0);
    let len = 999_900 + chance.below(200);
    let script = ScriptBuf::from_bytes(vec![0x6a; len]);
    spend.tx.output.push(TxOut { value: Amount::ZERO, script_pubkey: script });
    with(view, chance, spend)
}

/// A block with a transaction that has neither inputs nor outputs: only its bytes can say so, and its version is the chance.
pub(crate) fn inputless(view: &View, chance: &mut Chance) -> Vec<u8> {
    let mut block = Draft::empty(view, chance).seal();
    let raw = [&chance.bytes(4), [0; 6].as_slice()].concat();
    let ids = [block.txdata[0].compute_txid().to_raw_hash(), sha256d::Hash::hash(&raw)];
    let root = bitcoin::merkle_tree::calculate_root(ids.into_iter()).expect("two leaves");
    block.header.merkle_root = bitcoin::TxMerkleNode::from_raw_hash(root);
    let header = serialize(&mined(block.header, true));
    [header, vec![2], serialize(&block.txdata[0]), raw].concat()
}

/// A header alone that is wrong or nearly so.
pub(crate) fn header(view: &View, chance: &mut Chance) -> Option<Block> {
    let mutant: Mutant = *chance.pick(&[bits as Mutant, work, time, time_ahead, version, parent]);
    mutant(view, chance).map(|block| Block { header: block.header, txdata: Vec::new() })
}
