use bitcoin::{CompactTarget, Target, Work};
use proptest::prelude::*;

use super::{add_work, decode_bits, scale_floor, work_of_bits};

fn target(bits: u32) -> Option<String> {
    decode_bits(CompactTarget::from_consensus(bits)).map(|t| format!("{t:x}"))
}

#[test]
fn d17_bits_decode_as_in_core() {
    let check = |bits: u32, expected: Option<&str>| {
        assert_eq!(target(bits), expected.map(|t| format!("{t:0>64}")), "{bits:08x}");
    };
    // Zero, negative, and what is cut off to zero.
    for bits in [0, 0x0012_3456, 0x0100_3456, 0x0200_0056, 0x0300_0000, 0x0400_0000, 0x0092_3456, 0x0180_3456]
    {
        check(bits, None);
    }
    check(0x0112_3456, Some("12"));
    check(0x0212_3456, Some("1234"));
    check(0x0312_3456, Some("123456"));
    check(0x0412_3456, Some("12345600"));
    check(0x0500_9234, Some("92340000"));
    check(0x2012_3456, Some("1234560000000000000000000000000000000000000000000000000000000000"));
    check(0x1d00_ffff, Some("ffff0000000000000000000000000000000000000000000000000000"));
    check(0x01fe_dcba, None);
    check(0x0492_3456, None);
    // Beyond 256 bits by what is not zero only: the exponent is unsigned.
    check(0x2100_1234, Some("1234000000000000000000000000000000000000000000000000000000000000"));
    check(0x2200_0012, Some("1200000000000000000000000000000000000000000000000000000000000000"));
    check(0x2101_0000, None);
    check(0x2200_0100, None);
    check(0x2300_0001, None);
    check(0xff12_3456, None);
    check(0xff00_0000, None);
}

#[test]
fn work_is_the_number_of_hashes() {
    let check = |bits: u32, work: &str| {
        let expected = Work::from_unprefixed_hex(&format!("{work:0>64}")).unwrap();
        assert_eq!(work_of_bits(CompactTarget::from_consensus(bits)), expected, "{bits:08x}");
    };
    check(0x1d00_ffff, "100010001");
    check(0x207f_ffff, "2");
    check(0x0101_0000, "8000000000000000000000000000000000000000000000000000000000000000");
    check(0x0102_0000, "5555555555555555555555555555555555555555555555555555555555555555");
    check(0, "0");
    check(0x1d80_ffff, "0");
    check(0xff12_3456, "0");
}

#[test]
fn work_adds_up_and_never_wraps() {
    let work = |bytes: [u8; 32]| Work::from_be_bytes(bytes);
    let (one, all) = (work_of_bits(CompactTarget::from_consensus(0x1d00_ffff)), work([0xff; 32]));
    assert_eq!(add_work(one, one), one + one);
    assert_eq!(add_work(all, one), all);
    assert_eq!(add_work(work([0; 32]), all), all);
}

#[test]
fn scaling_cuts_as_core_does() {
    let max = Target::from_be_bytes([0xff; 32]);
    assert_eq!(scale_floor(max, 1, 1), max);
    assert_eq!(scale_floor(max, 1, 0), Target::ZERO);
    // (2^256 - 1) * 2 keeps 256 bits: 2^256 - 2.
    let mut even = [0xff; 32];
    even[31] = 0xfe;
    assert_eq!(scale_floor(max, 2, 1), Target::from_be_bytes(even));
}

proptest! {
    #[test]
    fn scaling_small_numbers_is_plain_arithmetic(a in any::<u64>(), n in any::<u32>(), d in 1u32..) {
        let mut bytes = [0u8; 32];
        bytes[24..].copy_from_slice(&a.to_be_bytes());
        let scaled = scale_floor(Target::from_be_bytes(bytes), n, d).to_be_bytes();
        let expected = u128::from(a) * u128::from(n) / u128::from(d);
        prop_assert_eq!(u128::from_be_bytes(scaled[16..].try_into().unwrap()), expected);
        prop_assert_eq!(&scaled[..16], &[0u8; 16]);
    }

    #[test]
    fn what_encodes_decodes(bytes in any::<[u8; 32]>()) {
        let bits = Target::from_be_bytes(bytes).to_compact_lossy();
        if let Some(target) = decode_bits(bits) {
            prop_assert_eq!(target.to_compact_lossy(), bits);
        }
    }

    #[test]
    fn small_exponents_agree_with_the_library(size in 3u32..=32, mantissa in 1u32..0x80_0000) {
        let bits = CompactTarget::from_consensus(size << 24 | mantissa);
        prop_assert_eq!(decode_bits(bits), Some(Target::from_compact(bits)));
    }
}
