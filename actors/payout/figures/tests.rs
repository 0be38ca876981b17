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
    let rows = figures.workers(BTreeMap::new(), (None, usize::MAX), at(WORKERS_MAX));
    let rejected = |name: &str| rows.iter().find(|r| r.name == name).map(|r| r.shares_rejected);
    assert_eq!(rejected("rig"), Some(WORKERS_MAX as u64 / 1_000 + 1));
    assert_eq!(rejected(&format!("name{}", WORKERS_MAX + 9)), Some(1));
    assert_eq!(rejected("name0"), None);
}

#[test]
fn a_page_is_that_of_all_rows() {
    let figures = Figures::default();
    let now = UnixMillis::new(1_000);
    let total = |n: u64| ShareTotals { shares: n, work_raw: u128::from(n), last_at: now };
    // Those with shares, those with refusals, and those with both; one is an address that another begins with.
    let keys =
        (0..40).map(|n| (format!("a{}", n / 3), if n % 3 == 0 { String::new() } else { format!("w{n}") }));
    let totals: BTreeMap<_, _> =
        keys.zip(1..).filter(|(_, n)| n % 4 != 0).map(|(key, n)| (key, total(n))).collect();
    for n in (0..40).filter(|n| n % 3 != 1) {
        figures.rejected(&worker_name(&format!("a{}", n / 3), &format!("w{n}")), now);
    }
    let all = figures.workers(totals.clone(), (None, usize::MAX), now);
    assert!(all.len() > 40 && all.is_sorted_by_key(|row| row.name.clone()));
    for rows_max in [1, 3, 10, all.len(), usize::MAX] {
        let (mut rows, mut after) = (Vec::new(), None::<String>);
        loop {
            let key = after.as_deref().map(worker_key);
            let behind = totals.iter().filter(|(known, _)| key.as_ref().is_none_or(|key| *known > key));
            let page = behind.take(rows_max).map(|(key, row)| (key.clone(), row.clone())).collect();
            let page = figures.workers(page, (after.as_deref(), rows_max), now);
            assert!(page.len() <= rows_max);
            let Some(last) = page.last() else { break };
            after = Some(last.name.clone());
            rows.extend(page);
        }
        assert_eq!(rows, all, "{rows_max}");
    }
}
