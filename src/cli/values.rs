//! The values of flags that are more than text or a number.

use clap::{
    ValueEnum,
    builder::{PossibleValue, StringValueParser, TypedValueParser},
};
use std::time::Duration;

/// The words that `--metrics` knows, as completions offer them: groups with the sign that changes something.
pub const METRICS: [&str; 21] = [
    "core",
    "cadvisor",
    "v2",
    "lifecycle",
    "+memory_stat",
    "+pressure_averages",
    "+hugetlb",
    "-core",
    "+disk",
    "+process",
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
    "-host",
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

/// The most descriptors that `--fd_budget` takes.
const MOST_FILES: u64 = 10_000_000;

/// How many files of containers may be kept open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FdBudget {
    /// So many.
    Count(u64),
    /// As many as the memory allows that this process may use.
    Auto,
}

/// Reads a number of files, or `auto`.
pub(super) fn count(text: &str) -> Result<FdBudget, String> {
    if text == "auto" {
        return Ok(FdBudget::Auto);
    }
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| is_number && *number <= MOST_FILES);
    number.map(FdBudget::Count).ok_or_else(|| format!("expected a number from 0 to {MOST_FILES}, or auto"))
}

/// Reads the time between two pushes: as [`interval`], but no shorter than 1 s.
pub(super) fn push_interval(text: &str) -> Result<Duration, String> {
    let second = Duration::from_secs(1);
    let read = interval(text).ok().filter(|interval| *interval >= second);
    read.ok_or_else(|| "expected a number with s, m or h, or milliseconds, from 1s to 24h".to_owned())
}

/// The smallest spool. One request of a large host takes some 100 KiB.
const LEAST_BYTES: u64 = 1 << 20;

/// Reads a number of bytes: plain, or with a unit of 1000 (kB, MB, GB, TB) or of 1024 (KiB, MiB, GiB, TiB).
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    const UNITS: [&str; 10] = ["", "b", "kb", "mb", "gb", "tb", "kib", "mib", "gib", "tib"];
    const FACTORS: [u64; 10] =
        [1, 1, 1000, 1_000_000, 1_000_000_000, 1_000_000_000_000, 1 << 10, 1 << 20, 1 << 30, 1 << 40];
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let unit = unit.to_ascii_lowercase();
    let factor = UNITS.iter().zip(FACTORS).find(|(name, _)| **name == unit).map(|(_, factor)| factor);
    let bytes = factor.and_then(|factor| number.parse::<u64>().ok()?.checked_mul(factor));
    bytes
        .filter(|bytes| (LEAST_BYTES..=1 << 50).contains(bytes))
        .ok_or_else(|| "expected bytes, or a number with kB, MB, GB, KiB, MiB or GiB, from 1MiB".to_owned())
}

/// Reads a time of at least one second.
pub(super) fn long_interval(text: &str) -> Result<Duration, String> {
    let long = interval(text).ok().filter(|time| *time >= Duration::from_secs(1));
    long.ok_or_else(|| "expected milliseconds, or a number with ms, s, m or h, from 1s to 24h".to_owned())
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
    fn a_push_is_a_second_or_more_after_the_last() {
        assert_eq!(push_interval("15s"), Ok(Duration::from_secs(15)));
        assert_eq!(push_interval("1000"), Ok(Duration::from_secs(1)));
        for text in ["999ms", "0", "25h", "1.5s", ""] {
            assert!(push_interval(text).is_err(), "{text}");
        }
    }

    #[test]
    fn bytes_are_plain_or_have_a_unit() {
        for (text, expected) in [
            ("1048576", 1 << 20),
            ("1048576B", 1 << 20),
            ("2048KiB", 2 << 20),
            ("256MiB", 256 << 20),
            ("256mib", 256 << 20),
            ("1GB", 1_000_000_000),
            ("2GiB", 2 << 30),
            ("5000kB", 5_000_000),
        ] {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            "0",
            "1048575",
            "MiB",
            "1 GB",
            "1.5GB",
            "-1",
            "1G",
            "1PiB",
            "99999999999999999999",
            "9999999TB",
        ] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_interval_is_milliseconds_or_has_a_unit() {
        for (text, milliseconds) in
            [("1", 1), ("500", 500), ("500ms", 500), ("5s", 5000), ("2m", 120_000), ("24h", 86_400_000)]
        {
            assert_eq!(interval(text), Ok(Duration::from_millis(milliseconds)));
        }
        assert_eq!(long_interval("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(long_interval("1000"), Ok(Duration::from_secs(1)));
        assert!(long_interval("999").is_err() && long_interval("25h").is_err());
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
