//! Long lists, a page at a time.

/// Rows of a page at most: some two megabytes of workers, whatever their names.
pub(super) const ROWS_MAX: usize = 10_000;

/// Rows of a page of which so many are wanted; 0: as many as there may be.
fn size(rows_max: u32) -> usize {
    let max = usize::try_from(rows_max).unwrap_or(ROWS_MAX);
    if max == 0 { ROWS_MAX } else { max.min(ROWS_MAX) }
}

/// How many rows to ask for: one more than the page has says that there are more.
pub(super) fn wanted(rows_max: u32) -> usize {
    size(rows_max).saturating_add(1)
}

/// The page that begins with these rows, which are in the order of their keys, and the key to go on behind; none at the end.
pub(super) fn cut<T, K>(mut rows: Vec<T>, key: impl Fn(&T) -> K, rows_max: u32) -> (Vec<T>, Option<K>) {
    let is_cut = rows.len() > size(rows_max);
    rows.truncate(size(rows_max));
    let next = rows.last().filter(|_| is_cut).map(key);
    (rows, next)
}

#[cfg(test)]
#[path = "page/tests.rs"]
mod tests;
