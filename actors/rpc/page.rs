//! Long lists, a page at a time.

/// Rows of a page at most: some two megabytes of workers, whatever their names.
pub(super) const ROWS_MAX: usize = 10_000;

/// The rows behind the one whose key is `after`, in the order of their keys, and the key to go on behind; none at the end.
pub(super) fn page<T, K: Ord>(
    mut rows: Vec<T>,
    key: impl Fn(&T) -> K,
    after: Option<&K>,
    rows_max: u32,
) -> (Vec<T>, Option<K>) {
    let max = usize::try_from(rows_max).unwrap_or(ROWS_MAX);
    let max = if max == 0 { ROWS_MAX } else { max.min(ROWS_MAX) };
    rows.retain(|row| after.is_none_or(|after| key(row) > *after));
    rows.sort_unstable_by_key(&key);
    let is_cut = rows.len() > max;
    rows.truncate(max);
    let next = rows.last().filter(|_| is_cut).map(key);
    (rows, next)
}

#[cfg(test)]
#[path = "page/tests.rs"]
mod tests;
