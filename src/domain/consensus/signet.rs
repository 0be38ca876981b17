//! BIP-0325: on a signet, each block carries a solution to the network's challenge.

use bitcoin::absolute::LockTime;
use bitcoin::hashes::{Hash, sha256d};
use bitcoin::script::{Builder, PushBytes};
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness};

use super::Params;
use super::block::{BlockError, may_be_others};
use super::merkle::merkle_root;
use super::witness::witness_commitment_index;
use crate::script::{ScriptFlags, ScriptVerifier, Spend};
use crate::wire::{ParsedBlock, decode_script_and_witness};

/// What stands before the solution in its push.
const SOLUTION_HEAD: [u8; 4] = [0xec, 0xc7, 0xda, 0xa2];

/// On a signet, every block but the first MUST carry a solution that satisfies the challenge. BIP-0325, `bad-signet-blksig`
///
/// On other networks this is always so. It comes after the proof of work and before [`super::check_block`].
pub fn check_signet_solution(
    block: &ParsedBlock,
    params: &Params,
    verifier: &dyn ScriptVerifier,
) -> Result<(), BlockError> {
    let Some(challenge) = &params.signet_challenge else { return Ok(()) };
    if block.hash() == params.genesis_hash {
        return Ok(());
    }
    let unsolved = || BlockError::SignetSolution { may_be_others: may_be_others(block) };
    let (prevout, tx) = signet_spend(block, challenge).ok_or_else(unsolved)?;
    let flags = ScriptFlags::P2SH | ScriptFlags::WITNESS | ScriptFlags::DERSIG | ScriptFlags::NULLDUMMY;
    let raw = bitcoin::consensus::serialize(&tx);
    let spend = Spend { tx: &tx, wtxid: tx.compute_wtxid(), raw: &raw, prevouts: &[prevout] };
    verifier.verify_input(&spend, 0, flags).map_err(|_| unsolved())
}

/// The transaction that must satisfy the challenge, and the output that it spends; none where the block carries no
/// commitment to its witnesses, or a solution that does not decode.
fn signet_spend(block: &ParsedBlock, challenge: &[u8]) -> Option<(TxOut, Transaction)> {
    let mut coinbase = block.txs().first()?.tx().clone();
    let index = witness_commitment_index(&coinbase)?;
    let commitment = coinbase.output.get_mut(index)?;
    let (mut script_sig, mut witness) = (ScriptBuf::new(), Witness::new());
    if let Some((without, solution)) = cut_solution(commitment.script_pubkey.as_bytes()) {
        commitment.script_pubkey = without;
        (script_sig, witness) = decode_script_and_witness(&solution).ok()?;
    }
    let signed = Builder::new().push_int(0).push_slice(signed_data(block, &coinbase)).into_script();
    let prevout = TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::from_bytes(challenge.to_vec()) };
    let to_spend = of_version_0(OutPoint::null(), signed, Witness::new(), prevout.clone());
    let nothing = TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::from_bytes(vec![0x6a]) };
    let spent = OutPoint { txid: to_spend.compute_txid(), vout: 0 };
    Some((prevout, of_version_0(spent, script_sig, witness, nothing)))
}

/// Version, parent, the merkle root with the solution cut out of the coinbase, time: 72 bytes.
fn signed_data(block: &ParsedBlock, coinbase: &Transaction) -> [u8; 72] {
    let others = block.txs().iter().skip(1).map(|tx| tx.txid().to_raw_hash());
    let first: sha256d::Hash = coinbase.compute_txid().to_raw_hash();
    let root = merkle_root(std::iter::once(first).chain(others).collect()).root;
    let header = block.header();
    let version = header.version.to_consensus().to_le_bytes();
    let fields = [
        version.as_slice(),
        header.prev_blockhash.as_byte_array(),
        root.as_byte_array(),
        &header.time.to_le_bytes(),
    ];
    let mut data = [0u8; 72];
    for (to, from) in data.iter_mut().zip(fields.concat()) {
        *to = from;
    }
    data
}

fn of_version_0(
    previous_output: OutPoint,
    script_sig: ScriptBuf,
    witness: Witness,
    output: TxOut,
) -> Transaction {
    Transaction {
        version: Version(0),
        lock_time: LockTime::ZERO,
        input: vec![TxIn { previous_output, script_sig, sequence: Sequence::ZERO, witness }],
        output: vec![output],
    }
}

/// The first push that begins with the solution's head and has more: the script with only the head left of that push, and
/// the solution. What follows an instruction that does not parse is left out; pushes are written in their shortest form.
fn cut_solution(script: &[u8]) -> Option<(ScriptBuf, Vec<u8>)> {
    let mut without = Builder::new();
    let mut solution: Option<Vec<u8>> = None;
    let mut rest = script;
    while let Some((opcode, pushed, tail)) = next_instruction(rest) {
        rest = tail;
        let body = pushed.strip_prefix(SOLUTION_HEAD.as_slice()).filter(|body| !body.is_empty());
        let kept = match body {
            Some(body) if solution.is_none() => {
                solution = Some(body.to_vec());
                SOLUTION_HEAD.as_slice()
            }
            _ => pushed,
        };
        without = match <&PushBytes>::try_from(kept) {
            Ok(bytes) if !kept.is_empty() => without.push_slice(bytes),
            _ => without.push_opcode(opcode.into()),
        };
    }
    solution.map(|solution| (without.into_script(), solution))
}

/// The opcode, what it pushes, and the rest; none at the end, and where the script ends within a push.
fn next_instruction(script: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&opcode, rest) = script.split_first()?;
    let width = match opcode {
        0x4c => 1,
        0x4d => 2,
        0x4e => 4,
        _ => 0,
    };
    let (count, rest) = rest.split_at_checked(width)?;
    let announced = count.iter().rev().fold(0usize, |length, byte| (length << 8) | usize::from(*byte));
    let length = if opcode < 0x4c { usize::from(opcode) } else { announced };
    let (pushed, rest) = rest.split_at_checked(length)?;
    Some((opcode, pushed, rest))
}

#[cfg(test)]
#[path = "signet/tests.rs"]
mod tests;
