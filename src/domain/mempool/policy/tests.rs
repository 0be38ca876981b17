use bitcoin::absolute::LockTime;
use bitcoin::hex::FromHex;
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, ScriptBuf, Sequence};

use super::*;

fn script(hex: &str) -> ScriptBuf {
    ScriptBuf::from_bytes(Vec::from_hex(hex).unwrap())
}

fn p2wpkh() -> ScriptBuf {
    script(&format!("0014{}", "11".repeat(20)))
}

fn p2wsh() -> ScriptBuf {
    script(&format!("0020{}", "11".repeat(32)))
}

fn p2tr() -> ScriptBuf {
    script(&format!("5120{}", "11".repeat(32)))
}

fn p2sh() -> ScriptBuf {
    script(&format!("a914{}87", "11".repeat(20)))
}

fn p2pkh() -> ScriptBuf {
    script(&format!("76a914{}88ac", "11".repeat(20)))
}

fn sound() -> Transaction {
    let input = TxIn {
        previous_output: OutPoint::null(),
        script_sig: ScriptBuf::new(),
        sequence: Sequence::MAX,
        witness: Witness::new(),
    };
    let output = TxOut { value: Amount::from_sat(100_000), script_pubkey: p2wpkh() };
    Transaction { version: Version::TWO, lock_time: LockTime::ZERO, input: vec![input], output: vec![output] }
}

fn form(change: impl FnOnce(&mut Transaction)) -> Result<(), TxRejected> {
    let mut tx = sound();
    change(&mut tx);
    check_form(&ParsedTx::new(tx), &MempoolConfig::default())
}

#[test]
fn the_form() {
    assert_eq!(form(|_| {}), Ok(()));
    assert_eq!(form(|tx| tx.version = Version(3)), Ok(()));
    for version in [0, 4, -1] {
        assert_eq!(form(|tx| tx.version = Version(version)), Err(TxRejected::Version));
    }
    let heavy = form(|tx| tx.output = vec![tx.output[0].clone(); 3_300]);
    assert_eq!(heavy, Err(TxRejected::Size));
    let long = form(|tx| tx.input[0].script_sig = ScriptBuf::from_bytes(vec![0; 1_651]));
    assert_eq!(long, Err(TxRejected::ScriptSigSize));
    assert_eq!(form(|tx| tx.input[0].script_sig = script("61")), Err(TxRejected::ScriptSigNotPushOnly));
    assert_eq!(form(|tx| tx.output[0].script_pubkey = script("51")), Err(TxRejected::ScriptPubKey));
    let keys: String = (0..4).map(|_| format!("21{}", "02".repeat(33))).collect();
    let multisig = script(&format!("51{keys}54ae"));
    assert_eq!(form(|tx| tx.output[0].script_pubkey = multisig), Err(TxRejected::ScriptPubKey));
    let data = |bytes: usize| {
        let push =
            [&[0x6a, 0x4d][..], &u16::try_from(bytes).unwrap().to_le_bytes(), &vec![7; bytes]].concat();
        TxOut { value: Amount::ZERO, script_pubkey: ScriptBuf::from_bytes(push) }
    };
    assert_eq!(form(|tx| tx.output = vec![data(49_000), data(49_000)]), Ok(()));
    assert_eq!(form(|tx| tx.output = vec![data(50_000), data(49_995)]), Err(TxRejected::Size));
    let mut empty = sound();
    empty.output = vec![TxOut { value: Amount::ZERO, script_pubkey: script("6a") }];
    assert_eq!(check_base_size(&empty), Err(TxRejected::SizeSmall));
    let bare = script(&format!("5121{}51ae", "02".repeat(33)));
    let mut one = sound();
    one.output[0].script_pubkey = bare;
    let mut config = MempoolConfig::default();
    assert_eq!(check_form(&ParsedTx::new(one.clone()), &config), Ok(()));
    config.bare_multisig = false;
    assert_eq!(check_form(&ParsedTx::new(one), &config), Err(TxRejected::BareMultisig));
}

#[test]
fn all_data_together_is_bounded() {
    let mut tx = sound();
    let push = [&[0x6a, 0x4e][..], &100_000u32.to_le_bytes(), &vec![7; 100_000]].concat();
    tx.output[0].script_pubkey = ScriptBuf::from_bytes(push);
    assert_eq!(check_outputs(&tx, &MempoolConfig::default()), Err(TxRejected::DataCarrier));
}

#[test]
fn dust_is_cores() {
    for (script_pubkey, limit) in
        [(p2pkh(), 546), (p2sh(), 540), (p2wpkh(), 294), (p2wsh(), 330), (p2tr(), 330), (script("6a"), 0)]
    {
        let output = TxOut { value: Amount::ZERO, script_pubkey };
        assert_eq!(dust_limit_sat(&output, 3_000), limit);
    }
    // One alone may be, where its child spends it.
    let outputs = |sats: &[u64]| {
        let output = |sat: &u64| TxOut { value: Amount::from_sat(*sat), script_pubkey: p2wpkh() };
        form(|tx| tx.output = sats.iter().map(output).collect())
    };
    assert_eq!(outputs(&[293, 293]), Err(TxRejected::Dust));
    assert_eq!((outputs(&[293, 294]), outputs(&[294, 294])), (Ok(()), Ok(())));
}

fn inputs(prevout: ScriptBuf, script_sig: ScriptBuf) -> Result<(), TxRejected> {
    let mut tx = sound();
    tx.input[0].script_sig = script_sig;
    check_inputs(&tx, &[TxOut { value: Amount::ONE_BTC, script_pubkey: prevout }])
}

#[test]
fn what_is_spent() {
    assert_eq!(inputs(p2wpkh(), ScriptBuf::new()), Ok(()));
    let refused = |flaw: InputFlaw| Err(TxRejected::NonStandardInputs(flaw));
    assert_eq!(inputs(script("51"), ScriptBuf::new()), refused(InputFlaw::Unknown(0)));
    assert_eq!(inputs(script("5202abcd"), ScriptBuf::new()), refused(InputFlaw::Undefined(0)));
    assert_eq!(inputs(p2sh(), ScriptBuf::new()), refused(InputFlaw::NoRedeemScript(0)));
    let redeem = |sigops: usize| {
        ScriptBuf::from_bytes([&[u8::try_from(sigops).unwrap()][..], &vec![0xac; sigops]].concat())
    };
    assert_eq!(inputs(p2sh(), redeem(15)), Ok(()));
    let too_many = InputFlaw::RedeemScriptSigops { input: 0, sigops: 16 };
    assert_eq!(inputs(p2sh(), redeem(16)), refused(too_many));
    assert_eq!(too_many.to_string(), "p2sh redeemscript sigops exceed limit (input 0: 16 > 15)");
    assert_eq!(inputs(p2wpkh(), ScriptBuf::from_bytes(vec![0xac; 2_501])), refused(InputFlaw::Sigops));
}

fn witness(prevout: ScriptBuf, script_sig: ScriptBuf, items: &[Vec<u8>]) -> Result<(), TxRejected> {
    let mut tx = sound();
    tx.input[0].script_sig = script_sig;
    tx.input[0].witness = Witness::from_slice(items);
    check_witnesses(&tx, &[TxOut { value: Amount::ONE_BTC, script_pubkey: prevout }])
}

#[test]
fn witnesses() {
    let none = ScriptBuf::new;
    let refused = Err(TxRejected::WitnessNonStandard);
    assert_eq!(witness(p2pkh(), none(), &[]), Ok(()));
    assert_eq!(witness(p2pkh(), none(), &[vec![1]]), refused);
    assert_eq!(witness(p2wpkh(), none(), &[vec![1]]), Ok(()));
    assert_eq!(witness(script("51024e73"), none(), &[vec![1]]), refused, "an anchor needs none");
    assert_eq!(witness(p2wsh(), none(), &[vec![0; 80], vec![0; 3_600]]), Ok(()));
    assert_eq!(witness(p2wsh(), none(), &[vec![0; 81], vec![0]]), refused);
    assert_eq!(witness(p2wsh(), none(), &[vec![0; 3_601]]), refused);
    assert_eq!(witness(p2wsh(), none(), &vec![vec![0]; 101]), Ok(()));
    assert_eq!(witness(p2wsh(), none(), &vec![vec![0]; 102]), refused);
    let redeem = ScriptBuf::from_bytes([&[22][..], p2wpkh().as_bytes()].concat());
    assert_eq!(witness(p2sh(), redeem, &[vec![1]]), Ok(()));
    assert_eq!(witness(p2sh(), script("0151"), &[vec![1]]), refused);
    assert_eq!(witness(p2sh(), none(), &[vec![1]]), refused);
}

#[test]
fn taproot_witnesses() {
    let check = |items: &[Vec<u8>]| witness(p2tr(), ScriptBuf::new(), items).is_ok();
    let control = vec![0xc0; 33];
    assert!(check(&[vec![1; 64]]));
    assert!(!check(&[vec![1; 64], vec![0x50]]), "an annex");
    assert!(check(&[vec![1; 80], vec![0x51], control.clone()]));
    assert!(!check(&[vec![1; 81], vec![0x51], control]));
    assert!(check(&[vec![1; 81], vec![0x51], vec![0xc2; 33]]), "another leaf version");
    assert!(!check(&[vec![0x51], vec![]]), "no control block");
}
