use super::*;

#[test]
fn every_row_is_on_one_page() {
    let rows: Vec<u64> = (0..25).rev().collect();
    for max in [1, 7, 24, 25, 26, 0, u32::MAX] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let (part, next) = page(rows.clone(), |row| *row, after.as_ref(), max);
            assert!(!part.is_empty() && (max == 0 || part.len() as u64 <= u64::from(max)), "{max}");
            found.extend(part);
            after = next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, (0..25).collect::<Vec<_>>(), "{max}");
    }
    let many: Vec<usize> = (0..ROWS_MAX + 1).collect();
    let (part, next) = page(many.clone(), |row| *row, None, 0);
    assert_eq!((part.len(), next), (ROWS_MAX, Some(ROWS_MAX - 1)));
    assert_eq!(page(many, |row| *row, next.as_ref(), u32::MAX), (vec![ROWS_MAX], None));
}

#[test]
fn a_page_that_was_asked_for_is_the_page_of_all() {
    let rows: Vec<u64> = (0..25).collect();
    for max in [1, 7, 24, 25, 26, 0, u32::MAX] {
        for after in [None, Some(0), Some(11), Some(23), Some(24)] {
            let behind = rows.iter().copied().filter(|row| after.is_none_or(|after| *row > after));
            let asked: Vec<u64> = behind.take(wanted(max)).collect();
            let all = page(rows.clone(), |row| *row, after.as_ref(), max);
            assert_eq!(cut(asked, |row| *row, max), all, "{max} {after:?}");
        }
    }
}
