use super::*;

#[test]
fn every_row_is_on_one_page() {
    let rows: Vec<u64> = (0..25).collect();
    for max in [1, 7, 24, 25, 26, 0, u32::MAX] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let behind = rows.iter().copied().filter(|row| after.is_none_or(|after| *row > after));
            let (part, next) = cut(behind.take(wanted(max)).collect(), |row| *row, max);
            assert!(!part.is_empty() && (max == 0 || part.len() as u64 <= u64::from(max)), "{max}");
            found.extend(part);
            after = next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, rows, "{max}");
    }
    let many: Vec<usize> = (0..ROWS_MAX + 1).collect();
    let (part, next) = cut(many, |row| *row, 0);
    assert_eq!((part.len(), next), (ROWS_MAX, Some(ROWS_MAX - 1)));
    assert_eq!(cut(vec![ROWS_MAX], |row| *row, u32::MAX), (vec![ROWS_MAX], None));
}
