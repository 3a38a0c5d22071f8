//! The values of flags that are more than text or a number.

use clap::{
    ValueEnum,
    builder::{PossibleValue, StringValueParser, TypedValueParser},
};
use std::time::Duration;

/// The words that `--metrics` knows, as completions offer them: groups with the sign that changes something.
pub const METRICS: [&str; 16] = [
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
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let factor = match unit {
        "" | "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60 * 1000),
        "h" => Some(60 * 60 * 1000),
        _ => None,
    };
    let milliseconds = factor.and_then(|factor| number.parse::<u64>().ok()?.checked_mul(factor));
    milliseconds
        .filter(|milliseconds| (1..=86_400_000).contains(milliseconds))
        .map(Duration::from_millis)
        .ok_or_else(|| "expected milliseconds, or a number with ms, s, m or h, from 1ms to 24h".to_owned())
}

/// Whether the exporter limits itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SandboxMode {
    /// As far as the kernel can.
    Auto,
    /// In full, or not start.
    On,
    /// Not at all.
    Off,
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
}
