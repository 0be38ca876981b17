use super::*;

#[test]
fn a_flood_of_names_leaves_those_that_mine_their_figures() {
    let figures = Figures::default();
    let at = |n: usize| UnixMillis::new(n as u64);
    for n in 0..WORKERS_MAX + 10 {
        figures.rejected(&format!("name{n}"), at(n));
        if n % 1_000 == 0 {
            figures.rejected("rig", at(n));
        }
    }
    assert!(figures.table().len() <= WORKERS_MAX);
    let rows = figures.workers(BTreeMap::new(), at(WORKERS_MAX));
    let rejected = |name: &str| rows.iter().find(|r| r.name == name).map(|r| r.shares_rejected);
    assert_eq!(rejected("rig"), Some(WORKERS_MAX as u64 / 1_000 + 1));
    assert_eq!(rejected(&format!("name{}", WORKERS_MAX + 9)), Some(1));
    assert_eq!(rejected("name0"), None);
}
