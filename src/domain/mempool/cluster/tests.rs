use proptest::prelude::*;

use super::*;

fn member(fee_sat: i64, size: u64, parents: &[usize]) -> Member {
    let parents = parents.iter().fold(0, |set, place| set | bit(*place));
    Member { rate: FeeRate { fee_sat, size }, parents }
}

fn check(members: &[Member], want: &[(&[usize], i64)]) {
    let (got, is_best) = chunks(members);
    assert!(is_best);
    let got: Vec<(&[usize], i64)> = got.iter().map(|c| (c.members.as_slice(), c.rate.fee_sat)).collect();
    assert_eq!(got, want);
}

#[test]
fn who_pays_for_whom() {
    check(&[member(5, 100, &[])], &[(&[0], 5)]);
    // A child that pays more takes its parent along, one that pays less comes later.
    check(&[member(1, 100, &[]), member(9, 100, &[0])], &[(&[0, 1], 10)]);
    check(&[member(9, 100, &[]), member(1, 100, &[0])], &[(&[0], 9), (&[1], 1)]);
    // Two children pay for their parent together, though the first alone would do.
    check(&[member(0, 100, &[]), member(10, 100, &[0]), member(8, 100, &[0])], &[(&[0, 1, 2], 18)]);
    // What nobody pays for is last, whatever an operator thinks of it.
    check(&[member(-7, 100, &[]), member(9, 100, &[0]), member(3, 100, &[0])], &[(&[0, 1, 2], 5)]);
    check(&[member(-70, 100, &[]), member(9, 100, &[0])], &[(&[0, 1], -61)]);
    // Two pairs, of which one is better alone, though together they look like one.
    let pairs = [member(0, 10, &[]), member(0, 10, &[]), member(9, 10, &[0]), member(8, 10, &[1])];
    check(&pairs, &[(&[0, 2], 9), (&[1, 3], 8)]);
    // A diamond whose bottom pays.
    let diamond = [member(1, 100, &[]), member(1, 100, &[0]), member(1, 100, &[0]), member(99, 100, &[1, 2])];
    check(&diamond, &[(&[0, 1, 2, 3], 102)]);
}

#[test]
fn sixty_four_members_are_put_in_order() {
    let chain: Vec<Member> = (0..64usize)
        .map(|n| member(n as i64, 100, &n.checked_sub(1).into_iter().collect::<Vec<_>>()))
        .collect();
    let (in_order, is_best) = chunks(&chain);
    assert!(is_best);
    assert_eq!(in_order.iter().map(|c| c.members.len()).sum::<usize>(), 64);
    assert!(chunks(&[]).0.is_empty());
}

proptest! {
    #[test]
    fn an_order_has_everybody_once_parents_first_and_the_best_chunks_first(
        raw in proptest::collection::vec((-5i64..50, 1u64..50, any::<u64>(), any::<u64>()), 1..65),
    ) {
        let members: Vec<Member> = raw.iter().enumerate().map(|(place, (fee_sat, size, a, b))| {
            let below = bit(place).wrapping_sub(1);
            Member { rate: FeeRate { fee_sat: *fee_sat, size: *size }, parents: a & b & below }
        }).collect();
        let (chunks, is_best) = chunks(&members);
        prop_assert!(is_best);
        let order: Vec<usize> = chunks.iter().flat_map(|c| c.members.clone()).collect();
        let mut sorted = order.clone();
        sorted.sort_unstable();
        prop_assert_eq!(sorted, (0..members.len()).collect::<Vec<_>>());
        let mut seen = 0;
        for place in &order {
            prop_assert_eq!(members[*place].parents & !seen, 0);
            seen |= bit(*place);
        }
        prop_assert!(chunks.is_sorted_by(|a, b| a.rate.compare(b.rate).is_ge()));
        for chunk in &chunks {
            let set = chunk.members.iter().fold(0, |set, place| set | bit(*place));
            prop_assert_eq!(rate_of(&members, set), chunk.rate);
        }
    }
}
