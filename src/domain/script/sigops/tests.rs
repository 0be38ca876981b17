use super::*;
use bitcoin::ScriptBuf;

fn script(hex: &str) -> ScriptBuf {
    ScriptBuf::from_hex(hex).unwrap()
}

#[test]
fn legacy_and_accurate_counts() {
    fn check(hex: &str, legacy: u32, accurate: u32) {
        let script = script(hex);
        assert_eq!((legacy_sigop_count(&script), accurate_sigop_count(&script)), (legacy, accurate), "{hex}");
    }
    check("", 0, 0);
    check("acad", 2, 2);
    check("52ae", 20, 2);
    check("60af", 20, 16);
    check("00ae", 20, 20);
    check("0102ae", 20, 20);
    check("5261ae", 20, 20);
    check("ba", 0, 0);
}

#[test]
fn d31_a_truncated_push_stops_the_count() {
    assert_eq!(legacy_sigop_count(&script("acac4cffacac")), 2);
    assert_eq!(legacy_sigop_count(&script("ac05acac")), 1);
    assert_eq!(accurate_sigop_count(&script("52ae4d")), 2);
}

#[test]
fn d31_the_redeem_script_is_the_last_element_pushed() {
    let p2sh = ScriptBuf::new_p2sh(&bitcoin::ScriptHash::from_raw_hash(bitcoin::hashes::Hash::all_zeros()));
    fn check(p2sh: &Script, hex: &str, count: u32) {
        assert_eq!(p2sh_sigop_count(&script(hex), p2sh), count, "{hex}");
    }
    check(&p2sh, "01aa02acac", 2);
    check(&p2sh, "4c0252ae", 2);
    check(&p2sh, "02acac51", 0);
    check(&p2sh, "02acac61", 0);
    check(&p2sh, "02acac05", 0);
    check(&p2sh, "", 0);
    check(&script("ac"), "02acac", 0);
}

#[test]
fn witness_programs_count() {
    let wsh = format!("0020{}", "11".repeat(32));
    let wpkh = format!("0014{}", "11".repeat(20));
    let tap = format!("5120{}", "11".repeat(32));
    let p2sh = format!("a914{}87", "11".repeat(20));
    fn check(script_sig: &str, prevout: &str, last: &[u8], count: u32) {
        let witness = Witness::from_slice(&[&[1][..], last]);
        assert_eq!(witness_sigop_count(&script(script_sig), &script(prevout), &witness), count, "{prevout}");
    }
    check("", &wpkh, &[], 1);
    check("", &wsh, &[0x53, 0xae, 0xac], 4);
    check("", &tap, &[0xac], 0);
    check("", "0002aaaa", &[0xac], 0);
    check(&format!("16{wpkh}"), &p2sh, &[], 1);
    check(&format!("22{wsh}"), &p2sh, &[0xac], 1);
    check(&format!("6122{wsh}"), &p2sh, &[0xac], 0);
    check("ac", "ac", &[0xac], 0);
    assert_eq!(witness_sigop_count(&script(""), &script(&wsh), &Witness::new()), 0);
}
