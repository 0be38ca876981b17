use bitcoin::absolute::LockTime;
use bitcoin::hashes::Hash;
use bitcoin::{Block, CompactTarget, OutPoint, ScriptBuf, Sequence, TxMerkleNode, Txid, Witness};

use super::{BlockContext, BlockError, check_block, check_block_body, contextual_check_block};
use crate::consensus::fixtures::{Chain, block, coinbase, committed, mined, outpoint, parsed, solved, spend};
use crate::consensus::{HeaderError, HeaderView, Params, Refused, TxError};
use crate::script::ScriptError;
use crate::units::Height;

fn check(change: impl Fn(&mut Block), expected: Result<(), BlockError>) {
    let params = Params::regtest();
    let chain = Chain::of(&params, 10);
    let mut block = block(&chain, vec![spend(&[outpoint(1)], &[1]), spend(&[outpoint(2)], &[2])]);
    change(&mut block);
    assert_eq!(check_block(&parsed(solved(block)), &params), expected);
}

#[test]
fn every_rule_of_a_block_by_itself() {
    let of = |tx: &bitcoin::Transaction, error| BlockError::Tx { txid: tx.compute_txid(), error };
    check(|_| (), Ok(()));
    check(|b| b.txdata.clear(), Err(BlockError::Length));
    check(|b| drop(b.txdata.remove(0)), Err(BlockError::CoinbaseMissing { may_be_nodes: false }));
    check(|b| b.txdata.push(coinbase(Height::new(9), 1)), Err(BlockError::CoinbaseMultiple));
    let empty = spend(&[outpoint(1)], &[]);
    check(|b| b.txdata[1] = empty.clone(), Err(of(&empty, TxError::NoOutputs)));
    let many = |count: usize| {
        move |b: &mut Block| b.txdata[1].output[0].script_pubkey = ScriptBuf::from_bytes(vec![0xac; count])
    };
    check(many(20_000), Ok(()));
    check(many(20_001), Err(BlockError::Sigops));
    check(
        |b| b.txdata[1].input[0].script_sig = ScriptBuf::from_bytes(vec![0; 1_000_000]),
        Err(BlockError::Length),
    );
}

#[test]
fn d09_the_size_without_witnesses_is_bounded() {
    let sized = |size: usize| {
        move |b: &mut Block| {
            // Two transactions, since one alone may have all the weight but the header's.
            let half = (size - parsed(b.clone()).base_size_bytes() - 6) / 2;
            b.txdata[1].input[0].script_sig = ScriptBuf::from_bytes(vec![0; half]);
            let rest = size - parsed(b.clone()).base_size_bytes() - 4;
            b.txdata[2].input[0].script_sig = ScriptBuf::from_bytes(vec![0; rest]);
            assert_eq!(parsed(b.clone()).base_size_bytes(), size);
        }
    };
    check(sized(1_000_000), Ok(()));
    check(sized(1_000_001), Err(BlockError::Length));
}

#[test]
fn the_header_is_looked_at_first() {
    let params = Params::regtest();
    let block = block(&Chain::of(&params, 3), vec![]);
    let mut hard = block.clone();
    hard.header.bits = CompactTarget::from_consensus(0x1d00_ffff);
    let hard = parsed(hard);
    assert_eq!(check_block(&hard, &params), Err(BlockError::Header(HeaderError::HighHash)));
    assert_eq!(check_block_body(&hard), Ok(()));
    let mut other = block;
    other.header.merkle_root = TxMerkleNode::all_zeros();
    assert_eq!(check_block(&parsed(mined(other)), &params), Err(BlockError::MerkleRoot));
}

#[test]
fn d10_a_repeated_transaction_is_a_mutation() {
    let repeat = |b: &mut Block| {
        let last = b.txdata[2].clone();
        b.txdata.push(last);
    };
    check(repeat, Err(BlockError::RepeatedTransactions));
}

#[test]
fn transactions_of_64_bytes_may_be_inner_nodes() {
    let replace = |b: &mut Block| {
        let mut node = spend(&[outpoint(1)], &[1]);
        node.input[0].script_sig = ScriptBuf::new();
        node.output[0].script_pubkey = ScriptBuf::from_bytes(vec![0; 4]);
        assert_eq!(node.base_size(), 64);
        b.txdata = vec![node];
    };
    check(replace, Err(BlockError::CoinbaseMissing { may_be_nodes: true }));
}

#[test]
fn only_what_the_header_commits_to_condemns_it() {
    let check = |error: BlockError, text: &str, mutation: bool| {
        assert_eq!(error.to_string(), text);
        assert_eq!(error.is_mutation(), mutation, "{text}");
        assert_eq!(error.is_final(), !mutation && text != "time-too-new", "{text}");
    };
    let txid = Txid::all_zeros();
    check(BlockError::Header(HeaderError::HighHash), "high-hash", false);
    check(BlockError::Header(HeaderError::TimeTooNew), "time-too-new", false);
    check(BlockError::SignetSolution { may_be_others: false }, "bad-signet-blksig", false);
    check(BlockError::SignetSolution { may_be_others: true }, "bad-signet-blksig", true);
    check(BlockError::MerkleRoot, "bad-txnmrklroot", true);
    check(BlockError::RepeatedTransactions, "bad-txns-duplicate", true);
    check(BlockError::Length, "bad-blk-length", false);
    check(BlockError::CoinbaseMissing { may_be_nodes: false }, "bad-cb-missing", false);
    check(BlockError::CoinbaseMissing { may_be_nodes: true }, "bad-cb-missing", true);
    check(BlockError::CoinbaseMultiple, "bad-cb-multiple", false);
    check(BlockError::Tx { txid, error: TxError::NoInputs }, "bad-txns-vin-empty", false);
    check(BlockError::Sigops, "bad-blk-sigops", false);
    check(BlockError::NonFinal, "bad-txns-nonfinal", false);
    check(BlockError::CoinbaseHeight, "bad-cb-height", false);
    check(BlockError::WitnessNonceSize, "bad-witness-nonce-size", true);
    check(BlockError::WitnessMerkleMatch, "bad-witness-merkle-match", true);
    check(BlockError::UnexpectedWitness, "unexpected-witness", true);
    check(BlockError::Weight, "bad-blk-weight", false);
    check(BlockError::Overwrite, "bad-txns-BIP30", false);
    check(BlockError::FeesOutOfRange, "bad-txns-accumulated-fee-outofrange", false);
    check(BlockError::CoinbaseAmount, "bad-cb-amount", false);
    let script = BlockError::Script { txid, input: 0, error: ScriptError::EvalFalse };
    let text = "block-script-verify-flag-failed \
                (Script evaluated without error but finished with a false/empty top stack element)";
    check(script, text, false);
}

/// A block at height 31 of a network like regtest.
fn check_at(params: &Params, change: impl Fn(&mut Block), expected: Result<(), BlockError>) {
    let chain = Chain::of(params, 30);
    let mut block = block(&chain, vec![spend(&[outpoint(1)], &[1])]);
    change(&mut block);
    let context = BlockContext { params, parent: &chain };
    assert_eq!(context.height(), Height::new(31));
    let checked = contextual_check_block(&parsed(block), &context);
    assert_eq!(checked, expected.map_err(Refused::Invalid));
}

#[test]
fn lock_times_are_judged_by_the_median_since_bip113() {
    let mut params = Params::regtest();
    let chain = Chain::of(&params, 30);
    let (median, time) = (chain.median_time_past().unwrap(), chain.last().time + 600);
    let locked = |until: u32| {
        move |b: &mut Block| {
            b.txdata[1].lock_time = LockTime::from_consensus(until);
            b.txdata[1].input[0].sequence = Sequence::ZERO;
        }
    };
    check_at(&params, locked(median - 1), Ok(()));
    check_at(&params, locked(median), Err(BlockError::NonFinal));
    check_at(&params, locked(30), Ok(()));
    check_at(&params, locked(31), Err(BlockError::NonFinal));
    params.forks.csv = Height::new(32);
    check_at(&params, locked(time - 1), Ok(()));
    check_at(&params, locked(time), Err(BlockError::NonFinal));
}

#[test]
fn the_coinbase_begins_with_the_height() {
    let mut params = Params::regtest();
    let script = |bytes: &[u8]| {
        let script = ScriptBuf::from_bytes(bytes.to_vec());
        move |b: &mut Block| b.txdata[0].input[0].script_sig = script.clone()
    };
    check_at(&params, script(&[1, 31]), Ok(()));
    check_at(&params, script(&[1, 31, 9, 9, 9]), Ok(()));
    check_at(&params, script(&[1, 30, 0]), Err(BlockError::CoinbaseHeight));
    check_at(&params, script(&[2, 31, 0]), Err(BlockError::CoinbaseHeight));
    check_at(&params, script(&[1]), Err(BlockError::CoinbaseHeight));
    params.forks.bip34 = Height::new(32);
    check_at(&params, script(&[0, 0]), Ok(()));
    // Heights up to 16 are opcodes.
    let chain = Chain::of(&Params::regtest(), 15);
    let params = Params::regtest();
    let context = BlockContext { params: &params, parent: &chain };
    let mut at_16 = block(&chain, vec![]);
    assert_eq!(at_16.txdata[0].input[0].script_sig.as_bytes()[0], 0x60);
    assert_eq!(contextual_check_block(&parsed(at_16.clone()), &context), Ok(()));
    at_16.txdata[0].input[0].script_sig = ScriptBuf::from_bytes(vec![1, 16]);
    let refused = contextual_check_block(&parsed(at_16), &context);
    assert_eq!(refused, Err(Refused::Invalid(BlockError::CoinbaseHeight)));
}

#[test]
fn d09_the_weight_is_bounded_witnesses_and_header_included() {
    let heavy = |weight: u64| {
        move |b: &mut Block| {
            b.txdata[1].input[0].witness = Witness::from_slice(&[[0u8; 1]]);
            *b = committed(b.clone());
            // Lengths beyond 65,535 take five bytes, of 1 they take one.
            let item = usize::try_from(weight - b.weight().to_wu()).unwrap() + 1 - 4;
            b.txdata[1].input[0].witness = Witness::from_slice(&[vec![0u8; item]]);
            b.txdata[0].output.pop();
            *b = committed(b.clone());
            assert_eq!(b.weight().to_wu(), weight);
        }
    };
    check_at(&Params::regtest(), heavy(4_000_000), Ok(()));
    check_at(&Params::regtest(), heavy(4_000_001), Err(BlockError::Weight));
}

#[test]
fn a_chain_that_cannot_be_read_is_our_fault() {
    let params = Params::regtest();
    let nothing = crate::consensus::fixtures::Made(30, |_| None);
    let context = BlockContext { params: &params, parent: &nothing };
    let block = parsed(block(&Chain::of(&params, 30), vec![spend(&[OutPoint::null()], &[])]));
    assert!(matches!(contextual_check_block(&block, &context), Err(Refused::Fault(_))));
}
