use bitcoin::{Amount, Block, BlockHash, OutPoint, ScriptBuf, Sequence, Transaction};

use super::{ConnectError, Connected, connect_block, script_flags_for};
use crate::consensus::fixtures::{Chain, Coins, Made, block, coin, header, outpoint, parsed, spend};
use crate::consensus::{BlockContext, BlockError, Coin, HeaderView, Params, Refused, TxError};
use crate::script::ScriptFlags;
use crate::units::Height;

const MAX_MONEY: u64 = 2_100_000_000_000_000;

/// Connects a block at height 121 of regtest: coin 1 is worth 100, coin 2 is a coinbase of height 21, coin 3 of height 22.
fn connect(change: impl Fn(&mut Block), txs: Vec<Transaction>) -> Result<Connected, ConnectError> {
    let params = Params::regtest();
    let chain = Chain::of(&params, 120);
    let made = |height: u32| Coin { is_coinbase: true, ..coin(50, height) };
    let coins = [(outpoint(1), coin(100, 7)), (outpoint(2), made(21)), (outpoint(3), made(22))];
    let coins = Coins::with(coins.into_iter().chain([
        (outpoint(4), coin(MAX_MONEY, 1)),
        (outpoint(5), coin(MAX_MONEY, 1)),
        (outpoint(6), coin(MAX_MONEY + 1, 1)),
    ]));
    let mut block = block(&chain, txs);
    change(&mut block);
    connect_block(&parsed(block), &BlockContext { params: &params, parent: &chain }, &coins)
}

fn check(txs: &[Transaction], expected: Result<u64, BlockError>) {
    let connected = connect(|_| (), txs.to_vec());
    let fees = connected.map(|connected| connected.fees.to_sat());
    assert_eq!(fees, expected.map_err(Refused::Invalid));
}

fn of(tx: &Transaction, error: TxError) -> BlockError {
    BlockError::Tx { txid: tx.compute_txid(), error }
}

fn output_of(tx: &Transaction, vout: u32) -> OutPoint {
    OutPoint { txid: tx.compute_txid(), vout }
}

#[test]
fn every_rule_of_a_transaction_and_its_coins() {
    let check_one = |tx: Transaction, error: Option<TxError>, fee: u64| {
        check(std::slice::from_ref(&tx), error.map_or(Ok(fee), |error| Err(of(&tx, error))));
    };
    check_one(spend(&[outpoint(1)], &[90]), None, 10);
    check_one(spend(&[outpoint(2)], &[50]), None, 0);
    check_one(spend(&[outpoint(9)], &[1]), Some(TxError::InputsMissingOrSpent), 0);
    check_one(spend(&[outpoint(9), outpoint(3)], &[1]), Some(TxError::InputsMissingOrSpent), 0);
    check_one(spend(&[outpoint(3)], &[1]), Some(TxError::PrematureCoinbaseSpend), 0);
    check_one(spend(&[outpoint(1)], &[101]), Some(TxError::InputsBelowOutputs), 0);
    check_one(spend(&[outpoint(6)], &[1]), Some(TxError::InputsOutOfRange), 0);
    let rich = [spend(&[outpoint(4)], &[0]), spend(&[outpoint(5)], &[0])];
    check(&rich, Err(BlockError::FeesOutOfRange));
}

#[test]
fn d07_a_coin_is_spent_once_in_a_block() {
    let (first, second) = (spend(&[outpoint(1)], &[90]), spend(&[outpoint(1)], &[80]));
    check(&[first, second.clone()], Err(of(&second, TxError::InputsMissingOrSpent)));
    let twice = spend(&[outpoint(1), outpoint(1)], &[1]);
    check(std::slice::from_ref(&twice), Err(of(&twice, TxError::InputsMissingOrSpent)));
}

#[test]
fn d11_a_parent_comes_before_its_child() {
    let parent = spend(&[outpoint(1)], &[90]);
    let child = spend(&[output_of(&parent, 0)], &[85]);
    check(&[parent.clone(), child.clone()], Ok(15));
    check(&[child.clone(), parent.clone()], Err(of(&child, TxError::InputsMissingOrSpent)));
    let beyond = spend(&[output_of(&parent, 1)], &[1]);
    check(&[parent.clone(), beyond.clone()], Err(of(&beyond, TxError::InputsMissingOrSpent)));
    let again = spend(&[output_of(&parent, 0)], &[1]);
    check(&[parent, child, again.clone()], Err(of(&again, TxError::InputsMissingOrSpent)));
}

#[test]
fn d06_outputs_that_nobody_can_spend_are_no_coins() {
    let paying = |script: Vec<u8>| {
        let mut tx = spend(&[outpoint(1)], &[90]);
        tx.output[0].script_pubkey = ScriptBuf::from_bytes(script);
        tx
    };
    let check_spent = |script: Vec<u8>, ok: bool| {
        let parent = paying(script);
        let child = spend(&[output_of(&parent, 0)], &[90]);
        let expected = if ok { Ok(10) } else { Err(of(&child, TxError::InputsMissingOrSpent)) };
        check(&[parent, child], expected);
    };
    check_spent(vec![0x51; 10_000], true);
    check_spent(vec![0x51; 10_001], false);
    check_spent(vec![0x6a], false);
}

/// A chain with its coins: what connects changes them, what is refused does not.
struct Node {
    chain: Chain,
    coins: Coins,
}

impl Node {
    fn connect(&mut self, block: Block) -> Result<(), BlockError> {
        let (header, params, block) = (block.header, Params::regtest(), parsed(block));
        let context = BlockContext { params: &params, parent: &self.chain };
        match connect_block(&block, &context, &self.coins) {
            Ok(_) => {}
            Err(Refused::Invalid(error)) => return Err(error),
            Err(Refused::Fault(fault)) => panic!("{fault}"),
        }
        for tx in block.txs() {
            tx.tx().input.iter().for_each(|input| drop(self.coins.coins.remove(&input.previous_output)));
            let made = coin(tx.tx().output[0].value.to_sat(), context.height().to_u32());
            self.coins.coins.insert(output_of(tx.tx(), 0), made);
        }
        self.chain.0.push(header);
        Ok(())
    }
}

#[test]
fn d12_the_outputs_of_a_refused_block_are_no_coins() {
    let chain = Chain::of(&Params::regtest(), 120);
    let mut node =
        Node { chain, coins: Coins::with([(outpoint(1), coin(100, 7)), (outpoint(2), coin(50, 7))]) };
    let (parent, other) = (spend(&[outpoint(1)], &[90]), spend(&[outpoint(2)], &[60]));
    let child = spend(&[output_of(&parent, 0)], &[80]);
    // The first transaction is sound; the block falls with the second.
    let refused = node.connect(block(&node.chain, vec![parent.clone(), other.clone()]));
    assert_eq!(refused, Err(of(&other, TxError::InputsBelowOutputs)));
    let orphaned = node.connect(block(&node.chain, vec![child.clone()]));
    assert_eq!(orphaned, Err(of(&child, TxError::InputsMissingOrSpent)));
    assert_eq!(node.coins.coins.len(), 2);
    // What it spent is still there, and its outputs are those of the block that connects: its height counts.
    node.connect(block(&node.chain, vec![])).unwrap();
    node.connect(block(&node.chain, vec![parent.clone()])).unwrap();
    assert_eq!(node.coins.coins[&output_of(&parent, 0)].height, Height::new(122));
    let mut early = child.clone();
    early.version = bitcoin::transaction::Version::TWO;
    early.input[0].sequence = Sequence(2);
    assert_eq!(node.connect(block(&node.chain, vec![early.clone()])), Err(BlockError::NonFinal));
    node.connect(block(&node.chain, vec![])).unwrap();
    node.connect(block(&node.chain, vec![early])).unwrap();
    assert_eq!(
        node.connect(block(&node.chain, vec![child.clone()])),
        Err(of(&child, TxError::InputsMissingOrSpent))
    );
}

#[test]
fn a_coinbase_is_not_spent_in_its_own_block() {
    let params = Params::regtest();
    let own = block(&Chain::of(&params, 120), vec![]);
    let child = spend(&[output_of(&own.txdata[0], 0)], &[1]);
    check(std::slice::from_ref(&child), Err(of(&child, TxError::PrematureCoinbaseSpend)));
}

#[test]
fn the_undo_has_the_coins_in_order() {
    let parent = spend(&[outpoint(2), outpoint(1)], &[90]);
    let child = spend(&[output_of(&parent, 0)], &[85]);
    let connected = connect(|_| (), vec![parent, child]).unwrap();
    let heights = |row: &Vec<Coin>| row.iter().map(|coin| coin.height.to_u32()).collect::<Vec<u32>>();
    assert_eq!(connected.undo.spent.iter().map(heights).collect::<Vec<_>>(), [vec![21, 7], vec![121]]);
    assert!(connected.undo.spent[0][0].is_coinbase);
    assert_eq!(connected.fees, Amount::from_sat(65));
}

#[test]
fn relative_lock_times_are_kept_since_bip68() {
    let params = Params::regtest();
    let chain = Chain::of(&params, 120);
    let mut tx = spend(&[outpoint(1)], &[90]);
    let mut check_after = |blocks: u32, csv: u32, ok: bool| {
        tx.input[0].sequence = Sequence(blocks);
        let mut params = params.clone();
        params.forks.csv = Height::new(csv);
        let coins = Coins::with([(outpoint(1), coin(100, 100))]);
        let block = parsed(block(&chain, vec![tx.clone()]));
        let connected = connect_block(&block, &BlockContext { params: &params, parent: &chain }, &coins);
        assert_eq!(
            connected.map(drop),
            if ok { Ok(()) } else { Err(Refused::Invalid(BlockError::NonFinal)) }
        );
    };
    check_after(21, 121, true);
    check_after(22, 121, false);
    check_after(22, 122, true);
}

#[test]
fn the_coinbase_takes_subsidy_and_fees() {
    let paying = |sat: u64| move |b: &mut Block| b.txdata[0].output[0].value = Amount::from_sat(sat);
    let with_fee = || vec![spend(&[outpoint(1)], &[90])];
    assert!(connect(paying(5_000_000_010), with_fee()).is_ok());
    assert!(connect(paying(0), with_fee()).is_ok());
    let over = connect(paying(5_000_000_011), with_fee());
    assert_eq!(over, Err(Refused::Invalid(BlockError::CoinbaseAmount)));
    let absurd = connect(paying(u64::MAX), with_fee());
    assert_eq!(absurd, Err(Refused::Invalid(BlockError::CoinbaseAmount)));
}

#[test]
fn signature_operations_are_bounded_over_the_block() {
    let tx = |number: u8, count: usize| {
        let mut tx = spend(&[outpoint(number)], &[1]);
        tx.output[0].script_pubkey = ScriptBuf::from_bytes(vec![0xac; count]);
        tx
    };
    let connected = connect(|_| (), vec![tx(1, 10_000), tx(2, 10_000)]).unwrap();
    assert_eq!(connected.sigop_cost, 80_000);
    let over = connect(|_| (), vec![tx(1, 10_000), tx(2, 10_001)]);
    assert_eq!(over, Err(Refused::Invalid(BlockError::Sigops)));
}

#[test]
fn coins_that_cannot_be_read_are_our_fault() {
    let params = Params::regtest();
    let chain = Chain::of(&params, 120);
    let broken = Coins { broken: true, ..Coins::default() };
    let block = parsed(block(&chain, vec![spend(&[outpoint(1)], &[1])]));
    let connected = connect_block(&block, &BlockContext { params: &params, parent: &chain }, &broken);
    assert!(matches!(connected, Err(Refused::Fault(_))));
}

/// Whether a block at `height`, whose coinbase's output is there already, is refused; `known` is the hash of the block at the
/// height of BIP34 as the network knows it.
fn check_bip30(params: &Params, height: u32, refused: bool) {
    let view = Made(height - 1, |h| Some(header(h, 0x207f_ffff)));
    let block = parsed(block(&Chain::of(params, 1), vec![]));
    let overwrites = |coins: Coins| {
        let connected = connect_block(&block, &BlockContext { params, parent: &view }, &coins);
        connected == Err(Refused::Invalid(BlockError::Overwrite))
    };
    let there = Coins::with([(output_of(block.txs()[0].tx(), 0), coin(1, 1))]);
    assert_eq!((overwrites(there), overwrites(Coins::with([]))), (refused, false), "{height}");
}

#[test]
fn d13_an_unspent_output_is_not_made_again() {
    let mut params = Params { halving_interval: u32::MAX, ..Params::regtest() };
    params.forks.bip34 = Height::new(1_000);
    // Not on the known chain: always looked up.
    params.forks.bip34_hash = Some(Params::mainnet().genesis_hash);
    check_bip30(&params, 5, true);
    check_bip30(&params, 1_001, true);
    // On it: from the block after that height, up to where old coinbases name heights that come now.
    params.forks.bip34_hash = Some(header(1_000, 0x207f_ffff).block_hash());
    check_bip30(&params, 1_000, true);
    check_bip30(&params, 1_001, false);
    check_bip30(&params, 1_983_701, false);
    check_bip30(&params, 1_983_702, true);
    // A network of which nobody ever showed it.
    params.forks.bip34_hash = None;
    check_bip30(&params, 1_001, true);
    // BIP34 from the first block on proves it for ever.
    params.forks.bip34 = Height::new(1);
    check_bip30(&params, 5, false);
    check_bip30(&params, 1_983_702, false);
}

#[test]
fn d13_the_two_repeated_coinbases_are_excepted_by_height_and_hash() {
    let hash = |text: &str| text.parse::<BlockHash>().unwrap();
    let first = hash("00000000000a4d0a398161ffc163c503763b1f4360639393e0e4c8e300e0caec");
    let second = hash("00000000000743f190a18c5577a3c2d2a1f610ae9601ac046a38084ccb7cd721");
    let check = |height: u32, hash: BlockHash, expected: bool| {
        assert_eq!(super::is_repeated_coinbase(Height::new(height), hash), expected);
    };
    check(91_842, first, true);
    check(91_880, second, true);
    check(91_880, first, false);
    check(91_841, first, false);
    check(91_842, second, false);
    // So they are on mainnet, where nothing else says that they overwrite nothing.
    let params = Params::mainnet();
    let check = |height: u32, hash: BlockHash, expected: bool| {
        let view = Made(height - 1, |h| Some(header(h, 0x1d00_ffff)));
        let context = BlockContext { params: &params, parent: &view };
        assert_eq!(super::may_overwrite(hash, &context), expected, "{height}");
    };
    check(91_842, first, true);
    check(91_842, second, false);
    check(91_880, second, true);
}

#[test]
fn d15_script_flags_by_height_and_by_hash() {
    let usual = ScriptFlags::P2SH | ScriptFlags::WITNESS | ScriptFlags::TAPROOT;
    let check = |params: &Params, hash: BlockHash, height: u32, expected: ScriptFlags| {
        assert_eq!(script_flags_for(params, hash, Height::new(height)), expected, "{height}");
    };
    let (mainnet, testnet3) = (Params::mainnet(), Params::testnet3());
    let any = mainnet.genesis_hash;
    check(&mainnet, any, 1, usual);
    check(&mainnet, any, 170_060, usual);
    check(&mainnet, any, 363_724, usual);
    check(&mainnet, any, 363_725, usual | ScriptFlags::DERSIG);
    let bip65 = usual | ScriptFlags::DERSIG | ScriptFlags::CHECKLOCKTIMEVERIFY;
    check(&mainnet, any, 388_381, bip65);
    check(&mainnet, any, 419_328, bip65 | ScriptFlags::CHECKSEQUENCEVERIFY);
    let all = bip65 | ScriptFlags::CHECKSEQUENCEVERIFY | ScriptFlags::NULLDUMMY;
    check(&mainnet, any, 481_823, bip65 | ScriptFlags::CHECKSEQUENCEVERIFY);
    check(&mainnet, any, 481_824, all);
    let hash = |text: &str| text.parse::<BlockHash>().unwrap();
    let bip16 = hash("00000000000002dc756eebf4f49723ed8d30cc28a5f108eb94b1ba88ac4f9c22");
    check(&mainnet, bip16, 170_060, ScriptFlags::NONE);
    check(&testnet3, bip16, 170_060, usual);
    let taproot = hash("0000000000000000000f14c35b2d841e986ab5441de8c585d5ffe55ea1e395ad");
    let without =
        ScriptFlags::P2SH | ScriptFlags::WITNESS | ScriptFlags::DERSIG | ScriptFlags::CHECKLOCKTIMEVERIFY;
    let later = ScriptFlags::CHECKSEQUENCEVERIFY | ScriptFlags::NULLDUMMY;
    check(&mainnet, taproot, 692_261, without | later);
    let testnet_bip16 = hash("00000000dd30457c001f4095d208cc1296b0eed002427aa599874af7a432b105");
    check(&testnet3, testnet_bip16, 514, ScriptFlags::NONE);
    check(&Params::regtest(), any, 1, all);
    check(&Params::regtest(), any, 0, usual | ScriptFlags::NULLDUMMY);
    assert_eq!(Chain::of(&mainnet, 3).tip_height(), Height::new(3));
}
