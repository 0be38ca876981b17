use super::Recent;

#[test]
fn the_oldest_is_forgotten() {
    let mut recent = Recent::new(2);
    assert!(recent.insert(1) && recent.insert(2) && !recent.insert(1) && recent.insert(3));
    assert_eq!([1, 2, 3].map(|n| recent.contains(&n)), [false, true, true]);
    recent.clear();
    assert!(!recent.contains(&3));
}
