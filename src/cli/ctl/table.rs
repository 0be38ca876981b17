//! Aligned columns, and numbers as people read them.

/// Which side a column is flush with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// Rows under a heading, each column as wide as its widest cell.
pub(super) struct Table {
    columns: Vec<(&'static str, Side)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(columns: &[(&'static str, Side)]) -> Table {
        Table { columns: columns.to_vec(), rows: Vec::new() }
    }

    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// The table, or `empty` where it has no rows. No line ends with a blank or a line's end.
    pub(super) fn render(&self, empty: &str) -> String {
        if self.rows.is_empty() {
            return empty.to_owned();
        }
        let heading: Vec<String> = self.columns.iter().map(|(name, _)| (*name).to_owned()).collect();
        let widths: Vec<usize> = (0..self.columns.len()).map(|i| self.width(i)).collect();
        let line = |cells: &Vec<String>| {
            let cells = cells.iter().zip(&widths).zip(&self.columns);
            let padded: Vec<String> =
                cells.map(|((cell, width), (_, side))| pad(cell, *width, *side)).collect();
            padded.join("  ").trim_end().to_owned()
        };
        let lines: Vec<String> = std::iter::once(&heading).chain(&self.rows).map(line).collect();
        lines.join("\n")
    }

    fn width(&self, column: usize) -> usize {
        let heading = self.columns.get(column).map_or(0, |(name, _)| name.chars().count());
        let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.fold(heading, usize::max)
    }
}

fn pad(cell: &str, width: usize, side: Side) -> String {
    match side {
        Side::Left => format!("{cell:<width$}"),
        Side::Right => format!("{cell:>width$}"),
    }
}

/// Names beside their values, the values flush.
pub(super) fn pairs(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).fold(0, usize::max);
    let lines: Vec<String> =
        rows.iter().map(|(name, value)| format!("{name:<width$}  {value}").trim_end().to_owned()).collect();
    lines.join("\n")
}

/// Satoshis as bitcoin with eight decimals.
pub(crate) fn btc(sat: i64) -> String {
    let sign = if sat < 0 { "-" } else { "" };
    let sat = sat.unsigned_abs();
    format!("{sign}{}.{:08}", sat / 100_000_000, sat % 100_000_000)
}

/// Hashes a second with a prefix and two decimals, rounded down.
pub(crate) fn hashrate(per_second: u64) -> String {
    const UNITS: [(u64, &str); 6] = [
        (1_000_000_000_000_000_000, "EH/s"),
        (1_000_000_000_000_000, "PH/s"),
        (1_000_000_000_000, "TH/s"),
        (1_000_000_000, "GH/s"),
        (1_000_000, "MH/s"),
        (1_000, "kH/s"),
    ];
    match UNITS.iter().find(|(unit, _)| per_second >= *unit) {
        Some((unit, name)) => {
            format!("{}.{:02} {name}", per_second / unit, per_second % unit / (unit / 100))
        }
        None => format!("{per_second} H/s"),
    }
}

/// A span of time in its two largest units.
pub(super) fn span(ms: u64) -> String {
    let s = ms / 1000;
    match (s / 86_400, s / 3600 % 24, s / 60 % 60, s % 60) {
        (0, 0, 0, s) => format!("{s}s"),
        (0, 0, m, s) => format!("{m}m {s}s"),
        (0, h, m, _) => format!("{h}h {m}m"),
        (d, h, _, _) => format!("{d}d {h}h"),
    }
}

/// Bytes with a binary prefix, rounded down.
pub(super) fn bytes(n: u64) -> String {
    match n {
        0..1024 => format!("{n} B"),
        1024..1_048_576 => format!("{} KiB", n >> 10),
        1_048_576..1_073_741_824 => format!("{} MiB", n >> 20),
        _ => format!("{} GiB", n >> 30),
    }
}

/// A difficulty from steps of 2^-32: three decimals from 1 on, whole from 1000 on, ten below 1; rounded down.
pub(super) fn difficulty(raw: u64) -> String {
    let (whole, rest) = (raw >> 32, u128::from(raw & 0xFFFF_FFFF));
    match whole {
        0 => format!("0.{:010}", (rest * 10_000_000_000) >> 32),
        1..1000 => format!("{whole}.{:03}", (rest * 1000) >> 32),
        _ => whole.to_string(),
    }
}
