use bitcoin::absolute::LockTime;
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxOut, Witness};

use super::{
    TxError, check_transaction, check_tx_inputs, is_final_tx, legacy_sigops, output_value,
    sequence_locks_met, sigop_cost,
};
use crate::consensus::fixtures::{Chain, Made, coin, header, outpoint, output, spend};
use crate::consensus::{Coin, Params};
use crate::script::ScriptFlags;
use crate::units::Height;
use crate::wire::ParsedTx;

const MAX_MONEY: u64 = 2_100_000_000_000_000;

fn check(tx: Transaction, expected: Result<(), TxError>) {
    assert_eq!(check_transaction(&ParsedTx::new(tx)), expected);
}

fn coinbase(script_bytes: usize) -> Transaction {
    let mut tx = spend(&[OutPoint::null()], &[1]);
    tx.input[0].script_sig = ScriptBuf::from_bytes(vec![0x51; script_bytes]);
    tx
}

#[test]
fn every_rule_of_a_transaction_by_itself() {
    check(spend(&[outpoint(1)], &[1]), Ok(()));
    check(spend(&[], &[1]), Err(TxError::NoInputs));
    check(spend(&[outpoint(1)], &[]), Err(TxError::NoOutputs));
    check(spend(&[], &[]), Err(TxError::NoInputs));
    check(spend(&[outpoint(1), OutPoint::null()], &[1]), Err(TxError::NullInput));
    check(spend(&[OutPoint::null(), outpoint(1)], &[1]), Err(TxError::NullInput));
}

#[test]
fn d05_each_output_and_the_sum_stay_in_range() {
    let pay = |outputs: &[u64], expected| check(spend(&[outpoint(1)], outputs), expected);
    pay(&[0, MAX_MONEY], Ok(()));
    pay(&[MAX_MONEY + 1], Err(TxError::OutputTooLarge));
    pay(&[i64::MAX as u64], Err(TxError::OutputTooLarge));
    pay(&[1 << 63], Err(TxError::NegativeOutput));
    pay(&[u64::MAX], Err(TxError::NegativeOutput));
    pay(&[MAX_MONEY, 1], Err(TxError::OutputsTooLarge));
    pay(&[MAX_MONEY; 5000], Err(TxError::OutputsTooLarge));
    assert_eq!(output_value(&spend(&[], &[MAX_MONEY, 1])), None);
}

#[test]
fn d06_an_output_script_may_be_of_any_length() {
    let mut tx = spend(&[outpoint(1)], &[1]);
    tx.output[0].script_pubkey = ScriptBuf::from_bytes(vec![0x51; 10_001]);
    check(tx, Ok(()));
}

#[test]
fn d07_no_output_is_spent_twice() {
    check(spend(&[outpoint(1), outpoint(2), outpoint(1)], &[1]), Err(TxError::DuplicateInputs));
    check(spend(&[OutPoint::null(), OutPoint::null()], &[1]), Err(TxError::DuplicateInputs));
    check(spend(&[outpoint(1), OutPoint { vout: 1, ..outpoint(1) }], &[1]), Ok(()));
}

#[test]
fn d08_a_coinbase_has_one_input_and_2_to_100_bytes() {
    for (bytes, ok) in [(0, false), (1, false), (2, true), (100, true), (101, false)] {
        check(coinbase(bytes), if ok { Ok(()) } else { Err(TxError::CoinbaseScriptLength) });
    }
    let mut two = coinbase(5);
    two.input.push(spend(&[outpoint(1)], &[]).input[0].clone());
    check(two, Err(TxError::NullInput));
}

#[test]
fn d09_a_transaction_is_bounded_by_its_size_without_witnesses() {
    let sized = |base: usize, witness: usize| {
        let mut tx = spend(&[outpoint(1)], &[1]);
        let rest = base - tx.base_size() - 4;
        tx.input[0].script_sig = ScriptBuf::from_bytes(vec![0x51; rest]);
        tx.input[0].witness = Witness::from_slice(&[vec![0u8; witness]]);
        assert_eq!(tx.base_size(), base);
        tx
    };
    check(sized(1_000_000, 3_000_000), Ok(()));
    check(sized(1_000_001, 0), Err(TxError::Oversize));
}

#[test]
fn every_rule_of_inputs_and_their_coins() {
    let check = |coins: &[Coin], pays: &[u64], expected: Result<u64, TxError>| {
        let inputs: Vec<OutPoint> = (0..coins.len() as u8).map(outpoint).collect();
        let fee = check_tx_inputs(&spend(&inputs, pays), coins, Height::new(200));
        assert_eq!(fee, expected.map(Amount::from_sat));
    };
    let made_at = |height: u32| Coin { is_coinbase: true, ..coin(50, height) };
    check(&[coin(5, 200), coin(7, 1)], &[10, 1], Ok(1));
    check(&[coin(5, 1)], &[5], Ok(0));
    check(&[coin(5, 1)], &[6], Err(TxError::InputsBelowOutputs));
    check(&[made_at(100)], &[50], Ok(0));
    check(&[made_at(101)], &[50], Err(TxError::PrematureCoinbaseSpend));
    check(&[made_at(200)], &[50], Err(TxError::PrematureCoinbaseSpend));
    check(&[coin(MAX_MONEY + 1, 1)], &[1], Err(TxError::InputsOutOfRange));
    check(&[coin(MAX_MONEY, 1), coin(1, 1)], &[1], Err(TxError::InputsOutOfRange));
    check(&[coin(5, 1)], &[MAX_MONEY, 1], Err(TxError::OutputsTooLarge));
    let unequal = check_tx_inputs(&spend(&[outpoint(1)], &[1]), &[], Height::new(200));
    assert_eq!(unequal, Err(TxError::InputsMissingOrSpent));
}

#[test]
fn the_words_are_cores() {
    let check = |error: TxError, text: &str| assert_eq!(error.to_string(), text);
    check(TxError::NoInputs, "bad-txns-vin-empty");
    check(TxError::NoOutputs, "bad-txns-vout-empty");
    check(TxError::Oversize, "bad-txns-oversize");
    check(TxError::NegativeOutput, "bad-txns-vout-negative");
    check(TxError::OutputTooLarge, "bad-txns-vout-toolarge");
    check(TxError::OutputsTooLarge, "bad-txns-txouttotal-toolarge");
    check(TxError::DuplicateInputs, "bad-txns-inputs-duplicate");
    check(TxError::CoinbaseScriptLength, "bad-cb-length");
    check(TxError::NullInput, "bad-txns-prevout-null");
    check(TxError::InputsMissingOrSpent, "bad-txns-inputs-missingorspent");
    check(TxError::PrematureCoinbaseSpend, "bad-txns-premature-spend-of-coinbase");
    check(TxError::InputsOutOfRange, "bad-txns-inputvalues-outofrange");
    check(TxError::InputsBelowOutputs, "bad-txns-in-belowout");
}

#[test]
fn lock_times() {
    let check = |lock_time: u32, sequence: u32, expected: bool| {
        let mut tx = spend(&[outpoint(1), outpoint(2)], &[1]);
        tx.lock_time = LockTime::from_consensus(lock_time);
        tx.input[1].sequence = Sequence(sequence);
        assert_eq!(is_final_tx(&tx, Height::new(100), 1_600_000_000), expected, "{lock_time} {sequence:x}");
    };
    check(0, 0, true);
    check(99, 0, true);
    check(100, 0, false);
    check(100, u32::MAX, true);
    check(499_999_999, 0, false);
    check(500_000_000, 0, true);
    check(1_599_999_999, 0, true);
    check(1_600_000_000, 0, false);
    check(u32::MAX, u32::MAX - 1, false);
}

const TIME_FLAG: u32 = 1 << 22;

/// The next block is at height 101; headers are 600 s apart, and the median lies five blocks back.
fn check_relative(version: i32, sequence: u32, coin_height: u32, expected: bool) {
    let chain = Chain::of(&Params::regtest(), 100);
    let mut tx = spend(&[outpoint(1)], &[1]);
    tx.version = Version(version);
    tx.input[0].sequence = Sequence(sequence);
    let met = sequence_locks_met(&tx, &[coin(1, coin_height)], &chain);
    assert_eq!(met, Ok(expected), "{version} {sequence:x} {coin_height}");
}

#[test]
fn relative_lock_times() {
    check_relative(2, 10, 91, true);
    check_relative(2, 10, 92, false);
    check_relative(2, 0, 101, true);
    check_relative(2, 1, 101, false);
    check_relative(2, 0xffff, 0, false);
    // Only the lowest 16 bits and the two flags mean anything.
    check_relative(2, 10 | 0x0001_0000, 91, true);
    check_relative(2, 11 | (1 << 31), 101, true);
    // From the median before block 41 to that of block 100 it is 60 blocks: 36,000 s, 70.3 units.
    check_relative(2, TIME_FLAG | 70, 41, true);
    check_relative(2, TIME_FLAG | 71, 41, false);
    check_relative(2, TIME_FLAG, 101, true);
    check_relative(2, TIME_FLAG | 1, 101, false);
    check_relative(2, TIME_FLAG | 1, 0, true);
    check_relative(1, 0xffff, 101, true);
    check_relative(0, 0xffff, 101, true);
}

#[test]
fn d03_versions_are_compared_unsigned() {
    check_relative(-1, 0xffff, 101, false);
    check_relative(i32::MIN, 0xffff, 101, false);
}

#[test]
fn d16_a_header_that_is_missing_is_our_fault() {
    let view = Made(100, |h| (h == 100).then(|| header(1, 1)));
    let mut tx = spend(&[outpoint(1)], &[1]);
    tx.input[0].sequence = Sequence(TIME_FLAG | 1);
    assert!(sequence_locks_met(&tx, &[coin(1, 50)], &view).is_err());
}

#[test]
fn signature_operations_cost() {
    let script = |bytes: &[u8]| ScriptBuf::from_bytes(bytes.to_vec());
    let checksig = 0xac;
    let mut tx = spend(&[outpoint(1)], &[1]);
    tx.output[0].script_pubkey = script(&[checksig, 0xae]);
    assert_eq!(legacy_sigops(&tx), 21);
    assert_eq!(sigop_cost(&tx, &[], ScriptFlags::NONE), 84);

    let of = |script_pubkey: ScriptBuf| Coin { output: TxOut { script_pubkey, ..output(1) }, ..coin(1, 1) };
    let p2sh = of(script(&[&[0xa9, 20][..], &[7; 20], &[0x87]].concat()));
    tx.input[0].script_sig = script(&[2, checksig, checksig]);
    let coins = [p2sh];
    assert_eq!(sigop_cost(&tx, &coins, ScriptFlags::P2SH), 84 + 8);
    assert_eq!(sigop_cost(&tx, &coins, ScriptFlags::NONE), 84);

    let p2wpkh = of(script(&[&[0, 20][..], &[7; 20]].concat()));
    tx.input[0].script_sig = ScriptBuf::new();
    assert_eq!(
        sigop_cost(&tx, std::slice::from_ref(&p2wpkh), ScriptFlags::P2SH | ScriptFlags::WITNESS),
        84 + 1
    );
    assert_eq!(sigop_cost(&tx, &[p2wpkh], ScriptFlags::P2SH), 84);
}
