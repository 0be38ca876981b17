use proptest::prelude::*;

use super::{NUM_BYTES, Num3072, PRIME_GAP};

fn number(bytes: &[u8]) -> Num3072 {
    let mut all = [0u8; NUM_BYTES];
    for (to, from) in all.iter_mut().zip(bytes.iter().cycle()) {
        *to = *from;
    }
    Num3072::from_le_bytes(&all)
}

fn small(value: u64) -> Num3072 {
    let mut all = [0u8; NUM_BYTES];
    all[..8].copy_from_slice(&value.to_le_bytes());
    Num3072::from_le_bytes(&all)
}

fn product(a: &Num3072, b: &Num3072) -> Num3072 {
    let mut product = a.clone();
    product.multiply(b);
    product
}

#[test]
fn the_edges_of_the_modulus() {
    let all_ones = number(&[0xff]);
    // 2^3072 - 1 is the modulus and the gap less 1.
    assert_eq!(all_ones, small(PRIME_GAP - 1));
    assert_eq!(product(&all_ones, &all_ones), product(&small(PRIME_GAP - 1), &small(PRIME_GAP - 1)));
    let mut modulus = [0xff; NUM_BYTES];
    modulus[..8].copy_from_slice(&(u64::MAX - PRIME_GAP + 1).to_le_bytes());
    assert_eq!(Num3072::from_le_bytes(&modulus), small(0));
    assert_eq!(small(0).inverse(), small(0));
    assert_eq!(small(1).inverse(), Num3072::ONE);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn an_inverse_undoes(bytes in proptest::collection::vec(1u8.., 1..48)) {
        let number = number(&bytes);
        prop_assert_eq!(product(&number, &number.inverse()), Num3072::ONE);
    }

    #[test]
    fn products_do_not_care_for_order(
        a in proptest::collection::vec(any::<u8>(), 1..384),
        b in proptest::collection::vec(any::<u8>(), 1..384),
        c in proptest::collection::vec(any::<u8>(), 1..384),
    ) {
        let (a, b, c) = (number(&a), number(&b), number(&c));
        prop_assert_eq!(product(&product(&a, &b), &c), product(&a, &product(&c, &b)));
    }
}
