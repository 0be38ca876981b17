use proptest::prelude::*;

use super::*;

fn member(fee_sat: i64, size: u64, parents: Set) -> Member {
    Member { rate: FeeRate { fee_sat, size }, parents }
}

/// Each member and all that it is built on, parents before children.
fn ancestors(members: &[Member]) -> Vec<Set> {
    let mut sets: Vec<Set> = Vec::new();
    for (place, member) in members.iter().enumerate() {
        let set = ones(member.parents).fold(bit(place), |all, parent| all | sets[parent]);
        sets.push(set);
    }
    sets
}

fn rate_of(members: &[Member], set: Set) -> FeeRate {
    ones(set).fold(FeeRate::default(), |sum, place| sum.with(members[place].rate))
}

#[test]
fn a_part_that_pays_more_is_found() {
    let check = |members: &[Member], want: Part| {
        let all = bit(members.len()).wrapping_sub(1);
        assert_eq!(part(members, &ancestors(members), all, rate_of(members, all)), want);
    };
    check(&[member(1, 10, 0), member(9, 10, 1)], Part::Whole);
    // Of two parents the child needs one, whose part pays for both.
    let three = [member(0, 10, 0), member(0, 10, 0), member(9, 10, 1), member(9, 10, 3)];
    check(&three, Part::Whole);
    let apart = [member(0, 10, 0), member(0, 10, 0), member(9, 10, 1), member(8, 10, 2)];
    check(&apart, Part::Better(0b0101));
    // What is taken back from one to reach another.
    let crossed =
        [member(0, 10, 0), member(0, 10, 0), member(10, 10, 3), member(10, 10, 1), member(0, 10, 4)];
    check(&crossed, Part::Better(0b01111));
    // No fee of money that there is makes the numbers too large.
    let rich = member(2_100_000_000_000_000, 400_000, 0);
    check(&[rich, rich, rich], Part::Whole);
    let (most, least) = (member(i64::MAX, u64::MAX, 0), member(i64::MIN, u64::MAX, 0));
    assert_eq!(part(&[least, least, least], &[1, 2, 4], 0b111, most.rate), Part::Unknown);
}

proptest! {
    #[test]
    fn it_finds_a_part_if_and_only_if_there_is_one(
        raw in proptest::collection::vec((0i64..30, 1u64..20, any::<u64>(), any::<u64>()), 1..11),
    ) {
        let members: Vec<Member> = raw.iter().enumerate().map(|(place, (fee_sat, size, a, b))| {
            member(*fee_sat, *size, a & b & bit(place).wrapping_sub(1))
        }).collect();
        let (sets, all) = (ancestors(&members), bit(members.len()).wrapping_sub(1));
        let whole = rate_of(&members, all);
        let is_closed = |set: Set| ones(set).all(|place| sets[place] & !set == 0);
        let pays_more = |set: Set| rate_of(&members, set).compare(whole).is_gt();
        let exists = (1..all).any(|set| is_closed(set) && pays_more(set));
        match part(&members, &sets, all, whole) {
            Part::Whole => prop_assert!(!exists),
            Part::Better(set) => prop_assert!(is_closed(set) && pays_more(set) && set & !all == 0),
            Part::Unknown => prop_assert!(false, "it is small"),
        }
    }
}
