use bitcoin::{Amount, Block, ScriptBuf, TxOut, Witness};

use super::{is_intact, witness_commitment, witness_commitment_index};
use crate::consensus::fixtures::{Chain, block, committed, outpoint, parsed, solved, spend};
use crate::consensus::{BlockContext, BlockError, HeaderView, Params, Refused, contextual_check_block};
use crate::units::Height;

fn with_witness(chain: &Chain) -> Block {
    let mut tx = spend(&[outpoint(1)], &[1]);
    tx.input[0].witness = Witness::from_slice(&[[9u8; 5]]);
    block(chain, vec![tx])
}

fn check_under(params: &Params, block: Block, expected: Result<(), BlockError>) {
    let chain = Chain::of(params, 30);
    let context = BlockContext { params, parent: &chain };
    let checked = contextual_check_block(&parsed(block), &context);
    assert_eq!(checked, expected.map_err(Refused::Invalid));
}

fn check(change: impl Fn(&mut Block), expected: Result<(), BlockError>) {
    let params = Params::regtest();
    let mut block = committed(with_witness(&Chain::of(&params, 30)));
    change(&mut block);
    check_under(&params, block, expected);
}

#[test]
fn d14_the_commitment_is_that_of_the_witnesses() {
    check(|_| (), Ok(()));
    let reserved = |items: &[&[u8]]| Witness::from_slice(items);
    check(|b| b.txdata[0].input[0].witness = reserved(&[]), Err(BlockError::WitnessNonceSize));
    check(|b| b.txdata[0].input[0].witness = reserved(&[&[0; 31]]), Err(BlockError::WitnessNonceSize));
    check(|b| b.txdata[0].input[0].witness = reserved(&[&[0; 32], &[]]), Err(BlockError::WitnessNonceSize));
    check(|b| b.txdata[0].input[0].witness = reserved(&[&[1; 32]]), Err(BlockError::WitnessMerkleMatch));
    check(|b| b.txdata[1].input[0].witness = reserved(&[&[1; 32]]), Err(BlockError::WitnessMerkleMatch));
    check(|b| b.txdata[0].output[1].script_pubkey = ScriptBuf::new(), Err(BlockError::UnexpectedWitness));
}

#[test]
fn d14_the_last_output_of_38_bytes_or_more_commits() {
    let longer = |b: &mut Block| {
        let script = b.txdata[0].output[1].script_pubkey.as_bytes();
        b.txdata[0].output[1].script_pubkey = ScriptBuf::from_bytes([script, &[7; 9]].concat());
    };
    check(longer, Ok(()));
    let head = [0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed];
    let with = |bytes: usize| {
        let mut script = head.to_vec();
        script.resize(bytes, 0);
        TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::from_bytes(script) }
    };
    check(|b| b.txdata[0].output.push(with(38)), Err(BlockError::WitnessMerkleMatch));
    check(|b| b.txdata[0].output.insert(0, with(38)), Ok(()));
    check(|b| b.txdata[0].output.push(with(37)), Ok(()));
    let mut coinbase = spend(&[], &[1]);
    assert_eq!(witness_commitment_index(&coinbase), None);
    coinbase.output.push(with(38));
    assert_eq!(
        (witness_commitment_index(&coinbase), witness_commitment(&coinbase)),
        (Some(1), Some([0; 32]))
    );
}

#[test]
fn a_witness_without_commitment_is_refused_before_and_after() {
    let mut params = Params::regtest();
    let chain = Chain::of(&params, 30);
    check_under(&params, with_witness(&chain), Err(BlockError::UnexpectedWitness));
    check_under(&params, block(&chain, vec![]), Ok(()));
    params.forks.segwit = chain.tip_height().next().next();
    check_under(&params, committed(with_witness(&chain)), Err(BlockError::UnexpectedWitness));
    params.forks.segwit = Height::new(31);
    check_under(&params, committed(with_witness(&chain)), Ok(()));
    // Before it, what looks like a commitment is not looked at.
    params.forks.segwit = Height::new(32);
    let mut early = committed(block(&chain, vec![]));
    early.txdata[0].input[0].witness = Witness::new();
    early.txdata[0].output[1].script_pubkey.push_opcode(bitcoin::opcodes::OP_TRUE);
    check_under(&params, solved(early), Ok(()));
}

#[test]
fn a_block_is_intact_where_its_header_means_all_of_it() {
    let chain = Chain::of(&Params::regtest(), 30);
    let check = |block: &Block, change: fn(&mut Block), intact: bool| {
        let mut block = block.clone();
        change(&mut block);
        assert_eq!(is_intact(&parsed(block)), intact);
    };
    let plain = block(&chain, vec![spend(&[outpoint(1)], &[1]), spend(&[outpoint(2)], &[1])]);
    check(&plain, |_| (), true);
    check(&plain, |b| b.txdata[1].output[0].value = Amount::from_sat(2), false);
    // The last one twice has the same root.
    check(&plain, |b| b.txdata.push(b.txdata[2].clone()), false);
    let committed = committed(with_witness(&chain));
    check(&committed, |_| (), true);
    check(&committed, |b| b.txdata[1].input[0].witness = Witness::from_slice(&[[1; 5]]), false);
    check(&committed, |b| b.txdata[0].input[0].witness = Witness::from_slice(&[[1; 32]]), false);
    // A witness that nothing commits to.
    check(&with_witness(&chain), |_| (), false);
}
