use super::*;

/// The hash types, each with its code, and which of them have to be computed.
fn check(asked: &[(u8, &'static [u8])], computed: &[usize]) {
    let mut midstates = Midstates::default();
    let mut found = Vec::new();
    for (n, (hash_type, code)) in asked.iter().enumerate() {
        let fresh = |kind: HashType| Some(Sha256::new().with(code).with(&[class(kind) as u8]));
        let expected = signed_with(fresh(HashType::from(*hash_type)).unwrap(), u32::from(*hash_type));
        let digest = midstates.digest(&Cow::Borrowed(*code), *hash_type, |kind| {
            found.push(n);
            fresh(kind)
        });
        assert_eq!(digest, Some(expected), "{n}");
    }
    assert_eq!(found, computed);
}

#[test]
fn one_midstate_serves_a_class_and_a_code() {
    check(&[(1, &[7]), (1, &[7]), (0, &[7]), (0x5f, &[7])], &[0]);
    check(&[(1, &[7]), (2, &[7]), (3, &[7]), (0x81, &[7]), (0x82, &[7]), (0x83, &[7])], &[0, 1, 2, 3, 4, 5]);
    check(&[(1, &[7]), (2, &[7]), (1, &[7]), (2, &[7]), (0x22, &[7])], &[0, 1]);
    check(&[(1, &[7]), (1, &[8]), (1, &[7])], &[0, 1, 2]);
    check(&[(1, &[7]), (2, &[8]), (1, &[7])], &[0, 1]);
    check(&[(1, &[]), (1, &[])], &[0]);
}

#[test]
fn a_code_that_was_made_is_compared_by_its_bytes() {
    let mut midstates = Midstates::default();
    let mut count = 0;
    for code in [vec![1, 2], vec![1, 2], vec![1, 3]] {
        let digest = midstates.digest(&Cow::Owned(code), 1, |_| {
            count += 1;
            Some(Sha256::new())
        });
        assert!(digest.is_some());
    }
    assert_eq!(count, 2);
}

#[test]
fn what_cannot_be_computed_is_not_kept() {
    let mut midstates = Midstates::default();
    assert_eq!(midstates.digest(&Cow::Borrowed(&[7]), 1, |_| None), None);
    assert!(midstates.digest(&Cow::Borrowed(&[7]), 1, |_| Some(Sha256::new())).is_some());
}
