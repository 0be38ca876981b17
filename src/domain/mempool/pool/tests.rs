use std::collections::BTreeMap;

use bitcoin::absolute::LockTime;
use bitcoin::block::Header;
use bitcoin::constants::genesis_block;
use bitcoin::hashes::Hash;
use bitcoin::transaction::Version;
use bitcoin::{CompactTarget, Network, ScriptBuf, Sequence, Transaction, TxIn, Witness};

use bitcoin::{Amount, OutPoint, TxOut};

use super::*;
use crate::consensus::{Coin, ViewFault};
use crate::mempool::{PackageError, PackageRun, PackageVerdict, ReplacementFlaw, Step, TxVerdict};
use crate::script::{ScriptError, Spend};
use crate::units::Height;

const TIP: u32 = 500;
const NOW: UnixMillis = UnixMillis::new(2_000_000_000);

fn config() -> MempoolConfig {
    MempoolConfig { bytes_max: 1_000_000, ..MempoolConfig::default() }
}

/// A chain of blocks ten minutes apart, and coins that the tests put there.
struct FakeChain {
    next: NextBlock,
    coins: BTreeMap<OutPoint, Coin>,
    broken: bool,
}

impl HeaderView for FakeChain {
    fn tip_height(&self) -> Height {
        self.next.height.parent().unwrap()
    }
    fn header_at(&self, height: Height) -> Option<Header> {
        let mut header = genesis_block(Network::Regtest).header;
        header.time = height.to_u32() * 600;
        (height <= self.tip_height()).then_some(header)
    }
}

impl UtxoView for FakeChain {
    fn coin(&self, outpoint: &OutPoint) -> Result<Option<Coin>, ViewFault> {
        match self.broken {
            true => Err(ViewFault { source_text: "gone".to_owned() }),
            false => Ok(self.coins.get(outpoint).cloned()),
        }
    }
}

impl FakeChain {
    fn new() -> FakeChain {
        let next = NextBlock {
            prev: tip_hash(1),
            height: Height::new(TIP + 1),
            version: NextBlock::NO_VOTES,
            bits: CompactTarget::from_consensus(0x207f_ffff),
            time_min: 0,
            median_time_past: (TIP - 5) * 600,
        };
        let mut chain = FakeChain { next, coins: BTreeMap::new(), broken: false };
        (0..40).for_each(|n| chain.put(n, 1, false));
        chain
    }
    fn put(&mut self, n: u32, height: u32, is_coinbase: bool) {
        let output = TxOut { value: Amount::from_sat(100_000), script_pubkey: p2wpkh() };
        self.coins.insert(coin(n), Coin { output, height: Height::new(height), is_coinbase });
    }
    fn context(&self) -> ChainContext<'_> {
        let script_flags = ScriptFlags::CONSENSUS;
        ChainContext { next: &self.next, headers: self, coins: self, script_flags }
    }
}

struct Says(Result<(), ScriptError>);
impl ScriptVerifier for Says {
    fn verify_input(&self, _: &Spend<'_>, _: usize, _: ScriptFlags) -> Result<(), ScriptError> {
        self.0
    }
}

/// Refuses under `refuses`; notes what it was asked.
struct Asked {
    flags: std::sync::Mutex<Vec<ScriptFlags>>,
    refuses: Option<ScriptFlags>,
}
impl ScriptVerifier for Asked {
    fn verify_input(&self, _: &Spend<'_>, _: usize, flags: ScriptFlags) -> Result<(), ScriptError> {
        self.flags.lock().unwrap().push(flags);
        if self.refuses == Some(flags) { Err(ScriptError::EvalFalse) } else { Ok(()) }
    }
}

fn tip_hash(n: u8) -> BlockHash {
    BlockHash::from_byte_array([n; 32])
}

fn coin(n: u32) -> OutPoint {
    OutPoint { txid: Txid::from_byte_array([0xee; 32]), vout: n }
}

fn p2wpkh() -> ScriptBuf {
    ScriptBuf::from_bytes([&[0, 20][..], &[7; 20]].concat())
}

fn spend(inputs: &[OutPoint], outputs_sat: &[u64]) -> Transaction {
    let input = |previous_output: &OutPoint| TxIn {
        previous_output: *previous_output,
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::new(),
    };
    let output = |sat: &u64| TxOut { value: Amount::from_sat(*sat), script_pubkey: p2wpkh() };
    Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: inputs.iter().map(input).collect(),
        output: outputs_sat.iter().map(output).collect(),
    }
}

fn of(tx: &Transaction, vout: u32) -> OutPoint {
    OutPoint { txid: tx.compute_txid(), vout }
}

struct Rig {
    chain: FakeChain,
    pool: Mempool,
}

impl Rig {
    fn new() -> Rig {
        Rig { chain: FakeChain::new(), pool: Mempool::new(config(), tip_hash(1)) }
    }
    fn offer(&mut self, tx: &Transaction) -> Result<Accepted, TxRejected> {
        let tx = Arc::new(ParsedTx::new(tx.clone()));
        self.pool.accept(tx, &self.chain.context(), &Says(Ok(())), NOW)
    }
    fn refuses(&mut self, change: impl FnOnce(&mut Transaction), want: &str) {
        let mut tx = spend(&[coin(0)], &[90_000]);
        change(&mut tx);
        let refused = self.offer(&tx).unwrap_err();
        assert_eq!(refused.to_string(), want);
    }
    fn try_package(&mut self, txs: &[&Transaction]) -> Result<PackageVerdict, PackageError> {
        let txs = txs.iter().map(|tx| Arc::new(ParsedTx::new((*tx).clone()))).collect();
        let mut run = PackageRun::new(txs, None)?;
        loop {
            match run.next(&mut self.pool, &self.chain.context(), NOW) {
                Step::Verify(candidate) => run.verified(&mut self.pool, candidate.verify(&Says(Ok(()))), NOW),
                Step::Done(verdict) => return Ok(verdict),
            }
        }
    }
    fn package(&mut self, txs: &[&Transaction]) -> PackageVerdict {
        self.try_package(txs).unwrap()
    }
    fn held(&self) -> Vec<Txid> {
        self.pool.iter().map(|(entry, _)| entry.tx.txid()).collect()
    }
    /// A block with these transactions becomes the tip; what they do to the coins is done.
    fn block(&mut self, txs: &[&Transaction]) -> Arc<ParsedBlock> {
        let mut block = genesis_block(Network::Regtest);
        block.header.prev_blockhash = self.chain.next.prev;
        for tx in txs {
            tx.input.iter().for_each(|input| drop(self.chain.coins.remove(&input.previous_output)));
            for (vout, output) in (0..).zip(&tx.output) {
                let coin =
                    Coin { output: output.clone(), height: self.chain.next.height, is_coinbase: false };
                self.chain.coins.insert(of(tx, vout), coin);
            }
            block.txdata.push((*tx).clone());
        }
        let block = Arc::new(ParsedBlock::new(block));
        self.chain.next.prev = block.hash();
        block
    }
}

#[test]
fn what_is_sound_is_held() {
    let mut rig = Rig::new();
    let tx = spend(&[coin(0)], &[90_000]);
    let accepted = rig.offer(&tx).unwrap();
    assert_eq!(
        (accepted.entry.fee.to_sat(), accepted.entry.sigop_cost, accepted.evicted),
        (10_000, 1, vec![])
    );
    assert_eq!(rig.pool.get(&tx.compute_txid()), Some(&accepted.entry));
    assert_eq!(rig.pool.get_by_wtxid(&tx.compute_wtxid()), Some(&accepted.entry));
    let summary = rig.pool.summary();
    let weight = tx.weight().to_wu();
    assert_eq!((summary.transactions, summary.weight, summary.fees.to_sat()), (1, weight, 10_000));
    assert_eq!((rig.pool.len(), rig.pool.is_empty(), summary.rows.len()), (1, false, 1));
}

#[test]
fn refusals_in_cores_words() {
    let mut rig = Rig::new();
    rig.refuses(|tx| tx.output.clear(), "bad-txns-vout-empty");
    rig.refuses(|tx| tx.version = Version(0), "version");
    rig.refuses(|tx| tx.output[0].value = Amount::from_sat(200), "dust, tx with dust output must be 0-fee");
    rig.refuses(
        |tx| tx.output[0].value = Amount::from_sat(100_001),
        "bad-txns-in-belowout, value in (0.001) < value out (0.00100001)",
    );
    rig.refuses(|tx| tx.output[0].value = Amount::from_sat(100_000), "min relay fee not met, 0 < 9");
    rig.refuses(|tx| tx.input[0].previous_output = coin(99), "bad-txns-inputs-missingorspent");
    rig.refuses(
        |tx| {
            tx.lock_time = LockTime::from_consensus(TIP + 1);
            tx.input[0].sequence = Sequence::ZERO;
        },
        "non-final",
    );
    rig.refuses(|tx| tx.input[0].sequence = Sequence::from_consensus(600), "non-BIP68-final");
    rig.chain.put(50, TIP - 98, true);
    let premature = "bad-txns-premature-spend-of-coinbase, tried to spend coinbase at depth 99";
    rig.refuses(|tx| tx.input[0].previous_output = coin(50), premature);
    rig.refuses(
        |tx| {
            tx.input[0].previous_output = OutPoint::null();
            tx.input[0].script_sig = ScriptBuf::from_bytes(vec![0, 0]);
        },
        "coinbase",
    );
    assert!(rig.pool.is_empty());
}

#[test]
fn refusals_by_what_is_spent() {
    let mut rig = Rig::new();
    let tx = spend(&[coin(0)], &[90_000]);
    let mut prevout = |script: &[u8]| {
        rig.chain.coins.get_mut(&coin(0)).unwrap().output.script_pubkey =
            ScriptBuf::from_bytes(script.to_vec());
        rig.offer(&tx).unwrap_err()
    };
    assert_eq!(prevout(&[0x51]).token(), "bad-txns-nonstandard-inputs");
    // A bare multisig output counts 20 signature operations, each of them 4: 201 of them are over the limit.
    let mut many = spend(&[coin(1)], &[1_000; 3]);
    let multisig = [&[0x51][..], &[[0x21].as_slice(), &[2; 33]].concat().repeat(3), &[0x53, 0xae]].concat();
    many.output =
        vec![TxOut { value: Amount::from_sat(1_000), script_pubkey: ScriptBuf::from_bytes(multisig) }; 150];
    rig.chain.coins.get_mut(&coin(1)).unwrap().output.value = Amount::from_sat(1_000_000);
    assert_eq!(rig.offer(&many).map(|a| a.entry.sigop_cost), Ok(150 * 80 + 1));
    many.input[0].previous_output = coin(2);
    many.output = vec![many.output[0].clone(); 201];
    assert_eq!(rig.offer(&many), Err(TxRejected::InBelowOut { in_sat: 100_000, out_sat: 201_000 }));
    rig.chain.coins.get_mut(&coin(2)).unwrap().output.value = Amount::from_sat(1_000_000);
    assert_eq!(rig.offer(&many), Err(TxRejected::TooManySigops(16_081)));
    let mut witness = spend(&[coin(3)], &[90_000]);
    witness.input[0].witness = Witness::from_slice(&[[1u8]]);
    let p2pkh = [&[0x76, 0xa9, 20][..], &[7; 20], &[0x88, 0xac]].concat();
    rig.chain.coins.get_mut(&coin(3)).unwrap().output.script_pubkey = ScriptBuf::from_bytes(p2pkh);
    assert_eq!(rig.offer(&witness), Err(TxRejected::WitnessNonStandard));
}

#[test]
fn twice_conflicting_and_already_in_a_block() {
    let mut rig = Rig::new();
    let tx = spend(&[coin(0)], &[90_000]);
    rig.offer(&tx).unwrap();
    assert_eq!(rig.offer(&tx), Err(TxRejected::AlreadyHeld));
    let mut signed = tx.clone();
    signed.input[0].witness = Witness::from_slice(&[[1u8]]);
    assert_eq!(rig.offer(&signed), Err(TxRejected::SameNonWitnessData));
    let block = rig.block(&[&tx]);
    assert!(rig.pool.block_connected(&block, NOW).is_empty());
    assert_eq!(rig.offer(&tx), Err(TxRejected::AlreadyKnown));
}

#[test]
fn faults_are_nobodys_fault() {
    let mut rig = Rig::new();
    rig.chain.broken = true;
    let fault = rig.offer(&spend(&[coin(0)], &[90_000])).unwrap_err();
    assert!(matches!(fault, TxRejected::Fault(_)) && !fault.is_lasting());
    assert!(TxRejected::Dust.is_lasting());
}

#[test]
fn scripts_decide_and_nothing_may_come_between() {
    let mut rig = Rig::new();
    let parsed = Arc::new(ParsedTx::new(spend(&[coin(0)], &[90_000])));
    let prepare = |rig: &Rig, tx: &Arc<ParsedTx>| rig.pool.prepare(Arc::clone(tx), &rig.chain.context());
    let failing = prepare(&rig, &parsed).unwrap().verify(&Says(Err(ScriptError::EvalFalse)));
    let refused = failing.unwrap_err().to_string();
    let (txid, wtxid) = (parsed.txid(), parsed.wtxid());
    let why = "Script evaluated without error but finished with a false/empty top stack element";
    let at = format!("input 0 of {txid} (wtxid {wtxid}), spending {}", coin(0));
    assert_eq!(refused, format!("mempool-script-verify-flag-failed ({why}), {at}"));
    let verified = prepare(&rig, &parsed).unwrap().verify(&Says(Ok(()))).unwrap();
    // Another one that spends the same joins in the meantime: it is judged anew.
    rig.offer(&spend(&[coin(0)], &[80_000])).unwrap();
    assert_eq!(rig.pool.admit(verified.clone(), NOW, NOW), Err(TxRejected::TipChanged));
    let block = rig.block(&[]);
    rig.pool.block_connected(&block, NOW);
    assert_eq!(rig.pool.admit(verified, NOW, NOW), Err(TxRejected::TipChanged));
    rig.chain.next.prev = tip_hash(9);
    assert_eq!(prepare(&rig, &parsed), Err(TxRejected::TipChanged));
}

#[test]
fn what_was_judged_before_a_parent_left_is_judged_anew() {
    let mut rig = Rig::new();
    let parent = spend(&[coin(0)], &[90_000]);
    rig.offer(&parent).unwrap();
    let child = Arc::new(ParsedTx::new(spend(&[of(&parent, 0)], &[80_000])));
    let verified = rig.pool.prepare(child, &rig.chain.context()).unwrap().verify(&Says(Ok(()))).unwrap();
    rig.pool.expire(NOW.plus_ms(EXPIRY_MS + 1));
    assert_eq!(rig.pool.admit(verified, NOW, NOW), Err(TxRejected::TipChanged));
}

#[test]
fn what_hangs_together_is_held_and_bounded() {
    let mut rig = Rig::new();
    let mut last = spend(&[coin(0)], &[90_000]);
    rig.offer(&last).unwrap();
    for n in 1..64 {
        last = spend(&[of(&last, 0)], &[90_000 - n * 1_000]);
        rig.offer(&last).unwrap();
    }
    let next = spend(&[of(&last, 0)], &[10_000]);
    assert_eq!(rig.offer(&next), Err(TxRejected::ClusterTooLarge));
    let order: Vec<Txid> = rig.pool.snapshot().entries.iter().map(|e| e.tx.txid()).collect();
    assert_eq!((rig.pool.snapshot().tip, order), (tip_hash(1), rig.held()));
    // One that joins two clusters has the members of both.
    let mut rig = Rig::new();
    rig.pool.config.cluster_txs_max = 4;
    for n in 0..2 {
        let parent = spend(&[coin(n)], &[90_000]);
        rig.offer(&parent).unwrap();
        rig.offer(&spend(&[of(&parent, 0)], &[80_000, 1_000])).unwrap();
    }
    let ends: Vec<OutPoint> = [1, 3].map(|n| OutPoint { txid: rig.held()[n], vout: 0 }).into();
    assert_eq!(rig.offer(&spend(&ends, &[100_000])), Err(TxRejected::ClusterTooLarge));
    rig.pool.config.cluster_txs_max = 5;
    rig.pool.config.cluster_vsize_max = 400;
    assert_eq!(rig.offer(&spend(&ends, &[100_000])), Err(TxRejected::ClusterTooLarge));
    rig.pool.config.cluster_vsize_max = 1_000;
    rig.offer(&spend(&ends, &[100_000])).unwrap();
}

#[test]
fn who_pays_enough_takes_the_place_of_others() {
    let mut rig = Rig::new();
    let first = spend(&[coin(0), coin(1)], &[190_000]);
    let child = spend(&[of(&first, 0)], &[185_000]);
    rig.offer(&first).unwrap();
    rig.offer(&child).unwrap();
    let says = |rig: &mut Rig, tx: &Transaction| rig.offer(tx).unwrap_err().to_string();
    let id = |tx: &Transaction| tx.compute_txid();
    // Less than both, as much as both, more than both, but not for whom mines.
    let less = spend(&[coin(0)], &[85_001]);
    let said = says(&mut rig, &less);
    let want =
        format!("rejecting replacement {}, less fees than conflicting txs; 0.00014999 < 0.00015", id(&less));
    assert_eq!(said, format!("insufficient fee, {want}"));
    let same = spend(&[coin(0)], &[85_000]);
    let said = says(&mut rig, &same);
    let want = format!(
        "rejecting replacement {}, not enough additional fees to relay; 0.00 < 0.00000009",
        id(&same)
    );
    assert_eq!(said, format!("insufficient fee, {want}"));
    let large = spend(&[coin(0)], &[294; 40]);
    rig.chain.coins.get_mut(&coin(0)).unwrap().output.value = Amount::from_sat(294 * 40 + 15_200);
    assert_eq!(rig.offer(&large), Err(TxRejected::NoImprovement));
    rig.chain.put(0, 1, false);
    let built_on_it = spend(&[of(&child, 0), coin(1)], &[1_000]);
    let ancestor = id(&first);
    let want = TxRejected::SpendsConflicting { txid: id(&built_on_it), ancestor };
    assert_eq!(rig.offer(&built_on_it), Err(want));
    let more = spend(&[coin(0)], &[80_000]);
    let accepted = rig.offer(&more).unwrap();
    let gone: BTreeSet<Txid> = accepted.replaced.into_iter().collect();
    assert_eq!((gone, rig.held()), (BTreeSet::from([id(&first), id(&child)]), vec![id(&more)]));
}

#[test]
fn few_clusters_may_be_hit_by_one() {
    let mut rig = Rig::new();
    (50..151).for_each(|n| rig.chain.put(n, 1, false));
    let coins: Vec<OutPoint> = (50..151).map(coin).collect();
    for one in &coins {
        rig.offer(&spend(&[*one], &[99_000])).unwrap();
    }
    let all = spend(&coins, &[90_000]);
    let said = rig.offer(&all).unwrap_err();
    assert!(matches!(said, TxRejected::TooManyReplacements { clusters: 101, most: 100, sibling: false, .. }));
    assert_eq!(said.token(), "too many potential replacements");
    rig.offer(&spend(&coins[1..], &[90_000])).unwrap();
    assert_eq!(rig.held().len(), 2);
}

#[test]
fn what_an_operator_adds_counts_as_a_fee_until_a_block_has_it() {
    let mut rig = Rig::new();
    let free = spend(&[coin(0)], &[100_000]);
    let txid = free.compute_txid();
    rig.pool.prioritise(txid, 5_000).unwrap();
    rig.pool.prioritise(txid, -1_000).unwrap();
    assert_eq!(rig.offer(&free).map(|a| a.modified_fee_sat), Ok(4_000));
    let row = Prioritised { txid, delta_sat: 4_000, modified_fee_sat: Some(4_000) };
    assert_eq!(rig.pool.prioritised(), [row]);
    rig.pool.prioritise(txid, 96_000).unwrap();
    assert_eq!(rig.pool.details(Wanted::One(txid))[0].modified_fee_sat, 100_000);
    assert_eq!(rig.pool.emptied(tip_hash(2)).prioritised().len(), 1);
    let block = rig.block(&[&free]);
    rig.pool.block_connected(&block, NOW);
    assert!(rig.pool.prioritised().is_empty());
    rig.pool.prioritise(txid, 7).unwrap();
    rig.pool.prioritise(txid, -7).unwrap();
    assert!(rig.pool.prioritised().is_empty());
}

fn version3(mut tx: Transaction) -> Transaction {
    tx.version = Version(3);
    tx
}

#[test]
fn version_3_has_one_child_which_another_may_replace() {
    let mut rig = Rig::new();
    let parent = version3(spend(&[coin(0)], &[45_000, 45_000]));
    rig.offer(&parent).unwrap();
    let plain = rig.offer(&spend(&[of(&parent, 0)], &[40_000])).unwrap_err();
    assert!(plain.to_string().starts_with("TRUC-violation, non-version=3 tx "));
    let child = version3(spend(&[of(&parent, 0)], &[40_000]));
    rig.offer(&child).unwrap();
    let grandchild = version3(spend(&[of(&child, 0)], &[30_000]));
    let refused = rig.offer(&grandchild).unwrap_err().to_string();
    assert!(refused.ends_with("would have too many ancestors"), "{refused}");
    // The other child must pay more than the first.
    let poor = rig.offer(&version3(spend(&[of(&parent, 1)], &[40_000]))).unwrap_err();
    assert_eq!(poor.token(), "insufficient fee (including sibling eviction)");
    let rich = version3(spend(&[of(&parent, 1)], &[30_000]));
    assert_eq!(rig.offer(&rich).unwrap().replaced, [child.compute_txid()]);
    let mixed = rig.offer(&version3(spend(&[of(&parent, 0), coin(1)], &[7_000; 20]))).unwrap_err();
    assert_eq!(mixed.token(), "insufficient fee (including sibling eviction)");
    let large = rig.offer(&version3(spend(&[of(&parent, 0)], &[300; 40]))).unwrap_err().to_string();
    assert!(
        large.starts_with("TRUC-violation, version=3 child tx ") && large.contains("> 1000 virtual bytes")
    );
}

#[test]
fn dust_is_free_and_spent_by_its_child() {
    let mut rig = Rig::new();
    let parent = spend(&[coin(0)], &[99_900, 100]);
    assert!(matches!(rig.offer(&parent), Err(TxRejected::RelayFee { fee_sat: 0, .. })));
    let child = spend(&[of(&parent, 0)], &[90_000]);
    let verdict = rig.package(&[&parent, &child]);
    assert_eq!(verdict.error, Some(PackageError::UnspentDust));
    let both = spend(&[of(&parent, 0), of(&parent, 1)], &[90_000]);
    assert_eq!(rig.package(&[&parent, &both]).error, None);
    let other = spend(&[coin(5)], &[99_000]);
    rig.offer(&other).unwrap();
    assert_eq!(rig.held().len(), 3);
    let half = spend(&[of(&parent, 0), coin(6)], &[1_000]);
    assert_eq!(rig.offer(&half).unwrap_err().token(), "missing-ephemeral-spends");
}

#[test]
fn a_child_pays_for_its_parents() {
    let mut rig = Rig::new();
    let (free, paid) = (spend(&[coin(0)], &[100_000]), spend(&[coin(1)], &[90_000]));
    let child = spend(&[of(&free, 0), of(&paid, 0)], &[180_000]);
    let verdict = rig.package(&[&free, &paid, &child]);
    assert_eq!((verdict.error, verdict.joined.len()), (None, 3));
    let said = |tx: &Transaction| verdict.verdicts[&tx.compute_wtxid()].clone();
    let TxVerdict::Joined(free_joined) = said(&free) else { panic!("refused") };
    assert_eq!((free_joined.effective_fee_sat, free_joined.effective_includes.len()), (10_000, 2));
    let TxVerdict::Joined(paid_joined) = said(&paid) else { panic!("refused") };
    assert_eq!(
        (paid_joined.fee_sat, paid_joined.effective_includes.len()),
        (10_000, 1),
        "it pays for itself"
    );
    // Again: all are there; with another witness too.
    let mut signed = child.clone();
    signed.input[0].witness = Witness::from_slice(&[[1u8]]);
    let again = rig.package(&[&free, &paid, &signed]);
    assert!(matches!(again.verdicts[&free.compute_wtxid()], TxVerdict::Held { fee_sat: 0, .. }));
    assert_eq!(again.verdicts[&signed.compute_wtxid()], TxVerdict::HeldAs(child.compute_wtxid()));
}

#[test]
fn packages_that_are_none() {
    let mut rig = Rig::new();
    let parent = spend(&[coin(0)], &[90_000]);
    let child = spend(&[of(&parent, 0)], &[80_000]);
    let stranger = spend(&[coin(1)], &[90_000]);
    let rival = spend(&[coin(0)], &[80_000]);
    for (txs, want) in [
        (vec![&child, &parent], PackageError::NotSorted),
        (vec![&parent, &parent], PackageError::Duplicates),
        (vec![&rival, &parent], PackageError::Conflict),
        (vec![&stranger, &parent, &child], PackageError::NotChildWithParents),
        (vec![&parent; 26], PackageError::TooMany),
    ] {
        assert_eq!(rig.try_package(&txs).unwrap_err(), want);
    }
    let heavy: Vec<Transaction> = (0..2).map(|n| spend(&[coin(n)], &[1_000; 1_700])).collect();
    assert_eq!(rig.try_package(&heavy.iter().collect::<Vec<_>>()).unwrap_err(), PackageError::TooLarge);
    // One whose script fails takes nobody with it that stands alone.
    let poor = spend(&[coin(2)], &[100_000]);
    let cheap = spend(&[of(&poor, 0)], &[99_999]);
    let verdict = rig.package(&[&poor, &cheap]);
    assert_eq!(verdict.error, Some(PackageError::Transaction));
    assert!(rig.pool.is_empty());
    let bad = spend(&[coin(3)], &[100_001]);
    let built = spend(&[of(&bad, 0)], &[90_000]);
    let verdict = rig.package(&[&bad, &built]);
    let refused = TxVerdict::Refused(TxRejected::InBelowOut { in_sat: 100_000, out_sat: 100_001 });
    assert_eq!(verdict.verdicts[&bad.compute_wtxid()], refused);
    assert_eq!(verdict.error, Some(PackageError::Transaction));
}

#[test]
fn a_pair_may_replace_what_is_held() {
    let mut rig = Rig::new();
    let old = spend(&[coin(0)], &[99_000]);
    rig.offer(&old).unwrap();
    let pair = |parent_sat: u64, child_sat: u64| {
        let parent = spend(&[coin(0)], &[parent_sat]);
        let child = spend(&[of(&parent, 0)], &[child_sat]);
        [parent, child]
    };
    let says = |rig: &mut Rig, [parent, child]: &[Transaction; 2]| rig.package(&[parent, child]).error;
    let fees = says(&mut rig, &pair(99_990, 99_950));
    assert!(matches!(fees, Some(PackageError::Replacement(ReplacementFlaw::Fees(_)))), "{fees:?}");
    let text = fees.unwrap().to_string();
    assert!(
        text.starts_with("package RBF failed: insufficient anti-DoS fees, rejecting replacement "),
        "{text}"
    );
    assert_eq!(says(&mut rig, &pair(99_990, 90_000)), None);
    assert_eq!(rig.held().len(), 2);
    assert!(!rig.held().contains(&old.compute_txid()));
}

#[test]
fn a_block_takes_its_transactions_and_what_it_contradicts() {
    let mut rig = Rig::new();
    let (taken, child) = (spend(&[coin(0)], &[90_000]), spend(&[coin(1)], &[90_000]));
    let built = spend(&[of(&taken, 0)], &[80_000]);
    let doomed = spend(&[of(&child, 0)], &[80_000]);
    for tx in [&taken, &child, &built, &doomed] {
        rig.offer(tx).unwrap();
    }
    let rival = spend(&[coin(1)], &[70_000]);
    let block = rig.block(&[&taken, &rival]);
    let mut contradicted = rig.pool.block_connected(&block, NOW);
    contradicted.sort();
    let mut want = vec![child.compute_txid(), doomed.compute_txid()];
    want.sort();
    assert_eq!(contradicted, want);
    assert_eq!((rig.held(), rig.pool.tip()), (vec![built.compute_txid()], block.hash()));
}

#[test]
fn a_reorganisation_brings_them_back() {
    let mut rig = Rig::new();
    let (first, second) = (spend(&[coin(0)], &[90_000]), spend(&[coin(1)], &[90_000]));
    let built = spend(&[of(&first, 0)], &[80_000]);
    rig.offer(&first).unwrap();
    rig.offer(&built).unwrap();
    let before = rig.chain.coins.clone();
    let block = rig.block(&[&first, &second]);
    rig.pool.block_connected(&block, NOW);
    assert_eq!(rig.held(), [built.compute_txid()]);
    // Another block without them stands there now, and the second one's coin is spent on it.
    rig.chain.coins = before;
    rig.chain.coins.remove(&coin(1));
    rig.chain.next.prev = tip_hash(7);
    rig.chain.next.height = Height::new(TIP + 4);
    let refused = rig.pool.reorganised(&[block], &rig.chain.context(), &Says(Ok(())), NOW);
    assert_eq!(refused, [second.compute_txid()]);
    assert_eq!(rig.held(), [first.compute_txid(), built.compute_txid()]);
    assert_eq!(rig.pool.tip(), tip_hash(7));
    // What comes back came now; what was held all the while came when it came.
    let height = |tx: &Transaction| rig.pool.details(Wanted::One(tx.compute_txid()))[0].height.to_u32();
    assert_eq!((height(&first), height(&built)), (TIP + 3, TIP));
}

#[test]
fn what_waits_for_too_long_leaves() {
    let mut rig = Rig::new();
    let tx = spend(&[coin(0)], &[90_000]);
    rig.offer(&tx).unwrap();
    assert!(rig.pool.expire(NOW.plus_ms(EXPIRY_MS)).is_empty());
    assert_eq!(rig.pool.expire(NOW.plus_ms(EXPIRY_MS + 1)), [tx.compute_txid()]);
}

#[test]
fn a_full_pool_throws_the_worst_out_and_asks_for_more() {
    let mut rig = Rig::new();
    rig.pool.config.bytes_max = 10 * 1_000;
    let fee = |n: u32| 1_000 + u64::from(n) * 100;
    let txs: Vec<Transaction> = (0..10).map(|n| spend(&[coin(n)], &[100_000 - fee(n)])).collect();
    txs.iter().for_each(|tx| drop(rig.offer(tx).unwrap()));
    let cheaper = spend(&[coin(20)], &[99_900]);
    assert_eq!(rig.offer(&cheaper), Err(TxRejected::Full));
    let dearer = spend(&[coin(21)], &[50_000]);
    assert_eq!(rig.offer(&dearer).unwrap().evicted, [txs[0].compute_txid()]);
    let asked = rig.pool.min_fee_sat_per_kvb();
    assert!(asked > 9_000, "{asked}");
    let again = rig.offer(&txs[0]).unwrap_err();
    assert!(matches!(again, TxRejected::MempoolFee { fee_sat: 1_000, .. }), "{again}");
    let mined: Vec<&Transaction> = txs[1..].iter().collect();
    let block = rig.block(&mined);
    rig.pool.block_connected(&block, NOW);
    rig.pool.pass_time(NOW.plus_ms(3 * 3_600_000));
    assert!(rig.pool.min_fee_sat_per_kvb().abs_diff(asked / 2) <= 1);
    rig.pool.pass_time(NOW.plus_ms(100 * 3_600_000));
    assert_eq!(rig.pool.min_fee_sat_per_kvb(), config().min_fee_sat_per_kvb);
}

#[test]
fn scripts_are_verified_by_policy_and_then_by_the_rules_of_the_next_block() {
    let next_block = ScriptFlags::CONSENSUS.without(ScriptFlags::TAPROOT);
    for (refuses, asked) in [
        (None, vec![ScriptFlags::STANDARD, next_block]),
        (Some(ScriptFlags::STANDARD), vec![ScriptFlags::STANDARD]),
        (Some(next_block), vec![ScriptFlags::STANDARD, next_block]),
    ] {
        let rig = Rig::new();
        let tx = Arc::new(ParsedTx::new(spend(&[coin(0)], &[90_000])));
        let chain = ChainContext { script_flags: next_block, ..rig.chain.context() };
        let verifier = Asked { flags: std::sync::Mutex::default(), refuses };
        let verified = rig.pool.prepare(tx, &chain).unwrap().verify(&verifier);
        assert_eq!(verified.is_err(), refuses.is_some());
        assert_eq!(verifier.flags.into_inner().unwrap(), asked);
    }
}

/// A block's transactions were verified under that block's rules: what comes back from one is verified as any other.
#[test]
fn what_comes_back_from_a_block_is_verified_and_what_was_held_is_not() {
    let mut rig = Rig::new();
    let (mined, held) = (spend(&[coin(0)], &[90_000]), spend(&[coin(1)], &[90_000]));
    rig.offer(&held).unwrap();
    let block = rig.block(&[&mined]);
    rig.chain.next.prev = tip_hash(7);
    let refuses = Says(Err(ScriptError::EvalFalse));
    let refused = rig.pool.reorganised(&[block], &rig.chain.context(), &refuses, NOW);
    assert_eq!(refused, [mined.compute_txid()]);
    assert_eq!(rig.held(), [held.compute_txid()]);
}
