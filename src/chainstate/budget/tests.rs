use super::*;

const MIB: usize = 1 << 20;

/// The shares of so many MiB, in MiB, where filters take `filters` of them.
#[track_caller]
fn check(mib: usize, filters: usize, pages: usize, blocks: usize, coins: usize) {
    let budget = Budget::of_mib(mib);
    let shares = [budget.pages(), budget.blocks(), budget.coins(filters * MIB)];
    assert_eq!(shares.map(|bytes| bytes / MIB), [pages, blocks, coins]);
    assert_eq!(budget.window(), budget.blocks() / 16);
    // In a sync each byte that came takes four, and as many again while it is read ahead or staged.
    assert!(4 * budget.incoming() + 2 * 4 * budget.window() <= budget.blocks());
}

#[test]
fn one_figure_is_shared_out() {
    check(64, 0, 8, 10, 45);
    check(450, 0, 48, 75, 327);
    check(450, 30, 48, 75, 297);
    check(2000, 0, 48, 120, 1832);
    check(2000, 220, 48, 120, 1612);
}

#[test]
fn the_shares_are_never_more_than_the_figure_while_filters_leave_room() {
    for mib in 8..5_000 {
        let (budget, bytes) = (Budget::of_mib(mib), mib * MIB);
        for filters in [0, bytes / 16, bytes / 8 * 3] {
            let sum = budget.pages() + budget.blocks() + budget.coins(filters) + filters;
            assert!(sum <= bytes, "{mib} MiB and filters of {filters} bytes: {sum}");
        }
    }
    // Coins keep a quarter, whatever the filters take.
    check(64, 64, 8, 10, 16);
    check(4, 0, 1, 0, 2);
    check(0, 0, 1, 0, 0);
}
