use super::*;

/// The generator of the curve: a key that everybody knows.
const G_X: &str = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";
const G_Y: &str = "483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8";

fn hex(text: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

#[test]
fn numbers_are_cores() {
    let check = |value: u64, want: &str| {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, value);
        assert_eq!(bytes, hex(want), "{value}");
        let mut rest = bytes.as_slice();
        assert_eq!((take_varint(&mut rest), rest.len()), (Ok(value), 0), "{value}");
    };
    check(0, "00");
    check(0x7f, "7f");
    check(0x80, "8000");
    check(0xff, "807f");
    check(0x407f, "ff7f");
    check(0x4080, "808000");
    check(0xffff, "82fe7f");
    check(0xffff_ffff, "8efefefe7f");
    check(u64::MAX, "80fefefefefefefefe7f");
    for (bytes, want) in [("", CoinCodecError::Short), ("80", CoinCodecError::Short)] {
        assert_eq!(take_varint(&mut hex(bytes).as_slice()), Err(want));
    }
    assert_eq!(take_varint(&mut [0xffu8; 11].as_slice()), Err(CoinCodecError::Range));
}

#[test]
fn counts_have_one_encoding() {
    for value in [0, 0xfc, 0xfd, 0xffff, 0x1_0000, 0xffff_ffff, 0x1_0000_0000, u64::MAX] {
        let mut bytes = Vec::new();
        put_compact_size(&mut bytes, value);
        assert_eq!(bytes, bitcoin::consensus::encode::serialize(&bitcoin::consensus::encode::VarInt(value)));
        assert_eq!(take_compact_size(&mut bytes.as_slice()), Ok(value));
    }
    for longer in ["fdfc00", "feffff0000", "ffffffffff00000000"] {
        assert_eq!(take_compact_size(&mut hex(longer).as_slice()), Err(CoinCodecError::Range), "{longer}");
    }
    assert_eq!(take_compact_size(&mut hex("fd00").as_slice()), Err(CoinCodecError::Short));
}

#[test]
fn amounts_lose_their_zeros() {
    for (sat, want) in [
        (0, 0),
        (1, 1),
        (1_000_000, 7),
        (100_000_000, 9),
        (5_000_000_000, 50),
        (21_000_000 * 100_000_000, 21_000_000),
    ] {
        assert_eq!(compress_amount(sat), want, "{sat}");
    }
    let round = |sat: u64| assert_eq!(decompress_amount(compress_amount(sat)), Ok(sat), "{sat}");
    (0..100_000).for_each(round);
    (0..100_000).map(|n| n * 1_000_000).for_each(round);
    (0..420_000).map(|n| n * 50 * 100_000_000).for_each(round);
    [546, 2_099_999_997_690_000, 2_100_000_000_000_000, 200_000_000_000_000_000].into_iter().for_each(round);
    assert_eq!(decompress_amount(u64::MAX), Err(CoinCodecError::Range));
}

#[test]
fn every_kind_of_script_comes_back() {
    let key = |prefix: &str, y: &str| format!("41{prefix}{G_X}{y}ac");
    let twenty = "11".repeat(20);
    let check = |script: &str, want: &str| {
        let mut bytes = Vec::new();
        put_script(&mut bytes, &hex(script));
        assert_eq!(bytes, hex(want), "{script}");
        let mut rest = bytes.as_slice();
        assert_eq!((take_script(&mut rest), rest.len()), (Ok(hex(script)), 0), "{script}");
        for cut in 0..bytes.len() {
            assert_eq!(take_script(&mut &bytes[..cut]), Err(CoinCodecError::Short), "{script} at {cut}");
        }
    };
    let written_out = |script: &str| {
        let mut len = Vec::new();
        put_varint(&mut len, u64::try_from(script.len() / 2 + 6).unwrap());
        let len: String = len.iter().map(|b| format!("{b:02x}")).collect();
        check(script, &format!("{len}{script}"));
    };
    check(&format!("76a914{twenty}88ac"), &format!("00{twenty}"));
    check(&format!("a914{twenty}87"), &format!("01{twenty}"));
    check(&format!("2102{G_X}ac"), &format!("02{G_X}"));
    check(&format!("2103{G_X}ac"), &format!("03{G_X}"));
    check(&key("04", G_Y), &format!("04{G_X}"));
    // The same key mirrored: its y is p less that of G, and odd.
    let mirrored = "b7c52588d95c3b9aa25b0403f1eef75702e84bb7597aabe663b82f6f04ef2777";
    check(&key("04", mirrored), &format!("05{G_X}"));
    // Not on the curve, a hybrid key, a script that is one byte longer, none at all.
    written_out(&key("04", G_X));
    written_out(&key("06", G_Y));
    written_out(&format!("76a914{twenty}88acac"));
    written_out(&format!("2104{G_X}ac"));
    written_out("");
    written_out(&format!("5120{G_X}"));
    written_out(&"51".repeat(10_000));
}

#[test]
fn what_no_script_has_is_refused() {
    // 5 is no x of the curve: 5^3 + 7 has no square root.
    let no_key = format!("04{}05", "00".repeat(31));
    assert_eq!(take_script(&mut hex(&no_key).as_slice()), Err(CoinCodecError::Key));
    let mut long = Vec::new();
    put_varint(&mut long, 10_001 + 6);
    assert_eq!(take_script(&mut long.as_slice()), Err(CoinCodecError::Range));
    let mut longest = Vec::new();
    put_varint(&mut longest, u64::MAX);
    assert_eq!(take_script(&mut longest.as_slice()), Err(CoinCodecError::Range));
    assert_eq!(split_coin_code(u64::MAX), Err(CoinCodecError::Range));
}

fn coin(height: u32, is_coinbase: bool, sat: u64, script: &str) -> Coin {
    let script_pubkey = ScriptBuf::from_bytes(hex(script));
    Coin {
        output: TxOut { value: Amount::from_sat(sat), script_pubkey },
        height: Height::new(height),
        is_coinbase,
    }
}

#[test]
fn undo_data_is_cores() {
    let twenty = "22".repeat(20);
    let undo = BlockUndo {
        spent: vec![
            vec![
                coin(0, true, 5_000_000_000, "51"),
                coin(120, true, 100_000_000, &format!("76a914{twenty}88ac")),
            ],
            vec![],
            vec![coin(200, false, 1, &format!("0014{twenty}"))],
        ],
    };
    let want = format!("0302013207518071000900{twenty}0001821000011c0014{twenty}");
    let bytes = encode_undo(&undo);
    assert_eq!(bytes, hex(&want));
    let mut rest = bytes.as_slice();
    assert_eq!((take_undo(&mut rest), rest.len()), (Ok(undo), 0));
    for cut in 0..bytes.len() {
        assert_eq!(take_undo(&mut &bytes[..cut]), Err(CoinCodecError::Short), "cut at {cut}");
    }
    // A count that promises too much allocates nothing.
    let promise = [0xff; 9].iter().chain(&[0xff; 9]).copied().collect::<Vec<u8>>();
    assert_eq!(take_undo(&mut promise.as_slice()), Err(CoinCodecError::Short));
}
