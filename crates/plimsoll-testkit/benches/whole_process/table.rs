//! The table at the end, and how figures are written in it.

use std::fmt;

/// Rows of what was measured, beside the bar it is held to. Written as Markdown, so that it can be quoted.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<[String; 3]>,
}

impl Table {
    pub(crate) fn row(&mut self, what: &str, measured: String, bar: Bar) {
        self.rows.push([what.to_owned(), measured, bar.0]);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| what | measured | bar |\n|---|---|---|")?;
        self.rows.iter().try_for_each(|[what, measured, bar]| writeln!(f, "| {what} | {measured} | {bar} |"))
    }
}

/// What a figure is held to, and whether it keeps it.
#[derive(Debug)]
pub(crate) struct Bar(String);

impl Bar {
    pub(crate) fn none() -> Self {
        Self(String::new())
    }

    /// `measured` should not be more than `bar`, which is written as `text`.
    pub(crate) fn below(measured: f64, text: &str, bar: f64) -> Self {
        Self(format!("≤ {text}: {}", if measured <= bar { "ok" } else { "over" }))
    }
}

/// Several measurements of one thing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    least: f64,
    pub(crate) median: f64,
    most: f64,
}

impl Spread {
    pub(crate) fn of(measured: &[f64]) -> Self {
        let mut sorted = measured.to_vec();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median = if sorted.len().is_multiple_of(2) {
            (sorted[middle - 1] + sorted[middle]) / 2.0
        } else {
            sorted[middle]
        };
        Self { least: sorted[0], median, most: sorted[sorted.len() - 1] }
    }

    pub(crate) fn show(self, write: fn(f64) -> String) -> String {
        format!("{} median, {} to {}", write(self.median), write(self.least), write(self.most))
    }
}

/// Seconds as microseconds.
pub(crate) fn micros(seconds: f64) -> String {
    format!("{:.1} µs", seconds * 1e6)
}

/// Seconds as milliseconds.
pub(crate) fn millis(seconds: f64) -> String {
    format!("{:.1} ms", seconds * 1e3)
}
