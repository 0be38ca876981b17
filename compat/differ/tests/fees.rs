//! What both say of fees when both have seen the same transactions wait for the same blocks.

use super::*;

/// The longest memory looks so many blocks back; below that Core counts those that wait at the wrong heights.
const BLOCKS: usize = 1_020;
const TARGETS: [u32; 12] = [1, 2, 3, 6, 12, 13, 24, 25, 48, 49, 144, 1_008];

/// A transaction that spends the coinbase of a block, whose value is 50 bitcoins, and pays so much.
fn pays(both: &Both<'_>, block: &Json, address: &str, fee_sat: i64) -> String {
    let block = both.ours.call("getblock", &format!("[{block}]"));
    let Some(Json::List(txs)) = block.get("tx") else { panic!("{block}") };
    let value = Json::Amount(5_000_000_000 - fee_sat);
    let params = format!("[[{{\"txid\":{},\"vout\":0}}],{{\"{address}\":{value}}}]", txs[0]);
    with_witness(&text(&both.ours.call("createrawtransaction", &params)))
}

fn questions(both: &mut Both<'_>) {
    for target in TARGETS {
        for mode in ["", ",\"economical\"", ",\"CONSERVATIVE\"", ",\"unset\""] {
            both.ask("estimatesmartfee", &format!("[{target}{mode}]"));
        }
        for threshold in ["", ",0", ",0.6", ",1"] {
            both.ask("estimaterawfee", &format!("[{target}{threshold}]"));
        }
    }
}

#[test]
fn fees_are_estimated_as_in_bitcoin_core() {
    let Some((rival, house)) = pair() else { return };
    let (ours, theirs) = (house.client(), rival.client.clone());
    let address = anyone();
    let take = |hash: &Json| {
        let block = ours.call("getblock", &format!("[{hash},0]"));
        assert_eq!(theirs.call("submitblock", &format!("[{block}]")), Json::Null);
    };
    let mined = ours.call("generatetoaddress", &format!("[{BLOCKS},\"{address}\"]"));
    let Json::List(hashes) = &mined else { panic!("{mined}") };
    hashes.iter().for_each(take);
    let mut both = Both { ours: &ours, theirs: &theirs, findings: Vec::new(), asked: BTreeMap::new() };
    questions(&mut both);
    let mut coins = hashes.iter();
    let mut poor = Vec::new();
    for round in 1..=20 {
        let sent: Vec<(&Json, String)> = (1..=6)
            .map(|n| (coins.next().unwrap(), n * round * 40))
            .map(|(coin, fee_sat)| (coin, pays(&both, coin, &address, fee_sat)))
            .collect();
        for (_, tx) in &sent {
            both.ask("sendrawtransaction", &format!("[\"{tx}\"]"));
        }
        // The first two wait in vain; after ten blocks others take their places.
        poor.extend(sent[..2].iter().map(|(coin, _)| *coin));
        if round == 10 {
            for coin in std::mem::take(&mut poor) {
                let tx = pays(&both, coin, &address, 50_000);
                both.ask("sendrawtransaction", &format!("[\"{tx}\"]"));
            }
        }
        let txs: Vec<String> = sent[2..].iter().map(|(_, tx)| format!("\"{tx}\"")).collect();
        let made = ours.call("generateblock", &format!("[\"{address}\",[{}]]", txs.join(",")));
        take(made.get("hash").unwrap());
        questions(&mut both);
    }
    // A block that another takes the place of, and one more.
    let tip = ours.call("getbestblockhash", "[]");
    both.ask("invalidateblock", &format!("[{tip}]"));
    for _ in 0..2 {
        let made = ours.call("generateblock", &format!("[\"{address}\",[]]"));
        take(made.get("hash").unwrap());
        questions(&mut both);
    }
    let told = ours.call("estimatesmartfee", "[6]");
    assert!(told.get("feerate").is_some(), "{told}");
    assert!(both.findings.is_empty(), "{} differences:\n{}", both.findings.len(), both.findings.join("\n"));
}
