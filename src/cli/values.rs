//! The values of flags that are more than text or a number.

use clap::{
    ValueEnum,
    builder::{PossibleValue, StringValueParser, TypedValueParser},
};
use std::time::Duration;

/// The words that `--metrics` knows, as completions offer them: groups with the sign that changes something.
pub const METRICS: [&str; 17] = [
    "core",
    "cadvisor",
    "v2",
    "lifecycle",
    "+memory_stat",
    "+pressure_averages",
    "+hugetlb",
    "-cpu",
    "-memory",
    "-network",
    "-io",
    "-pressure",
    "-pids",
    "-cgroup",
    "-state",
    "-machine",
    "-peaks",
];

/// Takes any text, and names those words to shells. What a list means is not known here.
#[derive(Debug, Clone, Copy)]
pub(super) struct AnyList;

impl TypedValueParser for AnyList {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue>>> {
        Some(Box::new(METRICS.into_iter().map(PossibleValue::new)))
    }
}

/// Reads a time: milliseconds, or a number with a unit.
pub(super) fn interval(text: &str) -> Result<Duration, String> {
    time(text)
        .filter(|time| (Duration::from_millis(1)..=24 * HOUR).contains(time))
        .ok_or_else(|| "expected milliseconds, or a number with ms, s, m or h, from 1ms to 24h".to_owned())
}

const HOUR: Duration = Duration::from_secs(3600);

/// Reads the time for which polls count for the peaks.
pub(super) fn peak_window(text: &str) -> Result<Duration, String> {
    time(text)
        .filter(|time| (Duration::from_secs(1)..=HOUR).contains(time))
        .ok_or_else(|| "expected milliseconds, or a number with ms, s, m or h, from 1s to 1h".to_owned())
}

/// Reads the time for which polls are kept; 0 for none.
pub(super) fn history(text: &str) -> Result<Duration, String> {
    time(text)
        .filter(|time| time.is_zero() || (Duration::from_secs(10)..=24 * HOUR).contains(time))
        .ok_or_else(|| {
            "expected milliseconds, or a number with ms, s, m or h, from 10s to 24h, or 0".to_owned()
        })
}

fn time(text: &str) -> Option<Duration> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let factor = match unit {
        "" | "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60 * 1000),
        "h" => Some(60 * 60 * 1000),
        _ => None,
    };
    factor.and_then(|factor| number.parse::<u64>().ok()?.checked_mul(factor)).map(Duration::from_millis)
}

/// How important a line of the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Errors that end or block the exporter.
    Error,
    /// Missing or unexpected data.
    Warn,
    /// Start, end, and when Docker answers again.
    Info,
    /// What the exporter does.
    Debug,
    /// As debug, and what the libraries do.
    Trace,
}

/// What `--once` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// The metrics, as a scrape gets them.
    Metrics,
    /// A table for people.
    Table,
    /// JSON for scripts.
    Json,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_milliseconds_or_has_a_unit() {
        for (text, milliseconds) in
            [("1", 1), ("500", 500), ("500ms", 500), ("5s", 5000), ("2m", 120_000), ("24h", 86_400_000)]
        {
            assert_eq!(interval(text), Ok(Duration::from_millis(milliseconds)));
        }
        for text in
            ["", "0", "0s", "s", "-1", "1.5s", "5 s", "5d", "25h", "86400001", "99999999999999999999h"]
        {
            assert!(interval(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_kept_of_the_polls_is_bounded() {
        let seconds = |seconds| Ok(Duration::from_secs(seconds));
        for (text, expected) in [("60s", 60), ("1000", 1), ("1h", 3600)] {
            assert_eq!(peak_window(text), seconds(expected));
        }
        for text in ["0", "999", "61m", "", "x", "-1s"] {
            assert!(peak_window(text).is_err(), "{text}");
        }
        for (text, expected) in [("0", 0), ("0s", 0), ("10s", 10), ("10m", 600), ("24h", 86_400)] {
            assert_eq!(history(text), seconds(expected));
        }
        for text in ["9s", "1", "25h", "", "off"] {
            assert!(history(text).is_err(), "{text}");
        }
    }
}
