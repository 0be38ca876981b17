//! What both say of transactions that are not whole: partially signed ones, copies with some signatures, keys.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bitcoin::absolute::LockTime;
use bitcoin::hashes::Hash;
use bitcoin::psbt::Psbt;
use bitcoin::transaction::Version;
use bitcoin::{Amount, OutPoint, PublicKey, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness};

use super::{Both, KEY, text};
use crate::descriptor::{SECP, multisig_script};

const SECRET: &str = "cUeKHd5orzT3mz8P9pxyREHfsWtVfgsfDjiZZBcjUBAaGk1BTj7N";

fn own_key() -> PublicKey {
    bitcoin::PrivateKey::from_wif(SECRET).unwrap().public_key(&SECP)
}

/// A transaction that spends this output, which nobody has.
fn spends(coins: &[TxOut], legacy: bool) -> Psbt {
    let before = Transaction {
        version: Version::TWO,
        lock_time: LockTime::ZERO,
        input: vec![TxIn {
            previous_output: OutPoint { txid: bitcoin::Txid::from_byte_array([5; 32]), vout: 5 },
            script_sig: ScriptBuf::new(),
            sequence: Sequence::MAX,
            witness: Witness::new(),
        }],
        output: coins.to_vec(),
    };
    let txid = before.compute_txid();
    let input = |vout: u32| TxIn {
        previous_output: OutPoint { txid, vout },
        script_sig: ScriptBuf::new(),
        sequence: Sequence::ENABLE_RBF_NO_LOCKTIME,
        witness: Witness::new(),
    };
    let output = TxOut {
        value: Amount::from_sat(90_000),
        script_pubkey: ScriptBuf::new_p2wpkh(&own_key().wpubkey_hash().unwrap()),
    };
    let inputs = (0u32..).take(coins.len()).map(input).collect();
    let tx =
        Transaction { version: Version::TWO, lock_time: LockTime::ZERO, input: inputs, output: vec![output] };
    let mut psbt = Psbt::from_unsigned_tx(tx).unwrap();
    for (input, coin) in psbt.inputs.iter_mut().zip(coins) {
        if legacy {
            input.non_witness_utxo = Some(before.clone());
        } else {
            input.witness_utxo = Some(coin.clone());
        }
    }
    psbt
}

fn coin(script_pubkey: ScriptBuf) -> TxOut {
    TxOut { value: Amount::from_sat(100_000), script_pubkey }
}

/// Each kind of output, and the descriptor that signs for it.
fn kinds() -> Vec<(TxOut, bool, String)> {
    let own = own_key();
    let other: PublicKey = KEY.parse().unwrap();
    let multi = multisig_script(1, &[own, other]);
    let both = multisig_script(2, &[own, other]);
    let pkh = ScriptBuf::new_p2pkh(&own.pubkey_hash());
    let wpkh = ScriptBuf::new_p2wpkh(&own.wpubkey_hash().unwrap());
    let (x_only, _) = own.inner.x_only_public_key();
    let tr = ScriptBuf::new_p2tr(&SECP, x_only, None);
    vec![
        (coin(wpkh.clone()), false, format!("wpkh({SECRET})")),
        (coin(pkh), true, format!("pkh({SECRET})")),
        (coin(wpkh.to_p2sh()), false, format!("sh(wpkh({SECRET}))")),
        (coin(multi.to_p2wsh()), false, format!("wsh(multi(1,{SECRET},{KEY}))")),
        (coin(both.to_p2wsh()), false, format!("wsh(multi(2,{SECRET},{KEY}))")),
        (coin(multi.to_p2sh()), true, format!("sh(multi(1,{SECRET},{KEY}))")),
        (coin(both.to_p2wsh().to_p2sh()), false, format!("sh(wsh(multi(2,{SECRET},{KEY})))")),
        (coin(tr), false, format!("tr({SECRET})")),
        (coin(ScriptBuf::from_bytes(vec![0x51])), true, "raw(51)".to_owned()),
    ]
}

fn base64(psbt: &Psbt) -> String {
    STANDARD.encode(psbt.serialize())
}

pub(super) fn ask(both: &mut Both<'_>) {
    let mut all = Vec::new();
    for (coin, legacy, descriptor) in kinds() {
        let psbt = spends(std::slice::from_ref(&coin), legacy);
        let bare = base64(&psbt);
        process(both, &bare, &descriptor);
        let mut unknown = psbt.clone();
        (unknown.inputs[0].witness_utxo, unknown.inputs[0].non_witness_utxo) = (None, None);
        process(both, &base64(&unknown), &descriptor);
        all.push(coin);
    }
    let several = base64(&spends(&all[..2], true));
    process(both, &several, &format!("wpkh({SECRET})"));
    let mut outputs = spends(&all[..1], false);
    outputs.unsigned_tx.output[0].value = Amount::from_sat(2_100_000_000_000_001);
    both.ask("analyzepsbt", &format!("[\"{}\"]", base64(&outputs)));
    outputs.unsigned_tx.output[0].value = Amount::from_sat(200_000);
    both.ask("analyzepsbt", &format!("[\"{}\"]", base64(&outputs)));
    for method in ["analyzepsbt", "decodepsbt", "finalizepsbt", "utxoupdatepsbt", "descriptorprocesspsbt"] {
        // What lacks of one that is cut short each says in its decoder's words.
        for params in ["[]", "[7]", "[\"zz\"]", "[\"x\",[],\"y\"]"] {
            both.ask(method, params);
        }
    }
    let words = base64(&spends(&all[..1], false));
    for rest in ["[\"x(1)\"]", "[7]", "[{}]", "[{\"desc\":\"raw(51)\",\"range\":-1}]", "null"] {
        both.ask("utxoupdatepsbt", &format!("[\"{words}\",{rest}]"));
        both.ask("descriptorprocesspsbt", &format!("[\"{words}\",{rest}]"));
    }
    both.ask("combinepsbt", "[[]]");
    both.ask("combinepsbt", &format!("[[\"{words}\",\"{words}\"]]"));
    both.ask("combinepsbt", &format!("[[\"{words}\",\"{several}\"]]"));
    both.ask("joinpsbts", &format!("[[\"{words}\"]]"));
    both.ask("joinpsbts", &format!("[[\"{words}\",\"{words}\"]]"));
}

fn process(both: &mut Both<'_>, psbt: &str, descriptor: &str) {
    let before = both.findings.len();
    for method in ["analyzepsbt", "decodepsbt", "finalizepsbt", "utxoupdatepsbt"] {
        both.ask(method, &format!("[\"{psbt}\"]"));
    }
    let public = descriptor.replace(SECRET, &own_key().to_string());
    let updated = both.ask("utxoupdatepsbt", &format!("[\"{psbt}\",[\"{public}\"]]"));
    for psbt in [psbt, updated.as_str().unwrap_or(psbt)] {
        both.ask("analyzepsbt", &format!("[\"{psbt}\"]"));
        for rest in ["", ",\"ALL\"", ",\"NONE|ANYONECANPAY\"", ",\"x\"", ",null,false", ",null,true,false"] {
            let made = both.ask("descriptorprocesspsbt", &format!("[\"{psbt}\",[\"{descriptor}\"]{rest}]"));
            if let Some(made) = made.get("psbt") {
                let made = text(made);
                both.ask("analyzepsbt", &format!("[\"{made}\"]"));
                both.ask("finalizepsbt", &format!("[\"{made}\"]"));
            }
        }
    }
    both.findings
        .iter_mut()
        .skip(before)
        .for_each(|finding| finding.insert_str(0, &format!("{descriptor}: ")));
}
