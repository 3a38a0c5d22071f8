//! `cpu.max`.

use super::{
    Limit, ParseError,
    scan::{number, skip_blanks, split_once},
    single_value::whole_line,
};

/// `cpu.max`: `$MAX $PERIOD`, both in µs (cgroup-v2.rst, "CPU Interface Files").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuMax {
    /// CPU time allowed per period, µs; `Max` without a quota.
    pub quota_usec: Limit,
    /// Length of a period, µs.
    pub period_usec: u64,
}

/// Parses `cpu.max`.
///
/// # Errors
/// For anything except `max` or a number, followed by a number.
pub fn parse_cpu_max(file: &[u8]) -> Result<CpuMax, ParseError> {
    let text = whole_line(file)?;
    split_once(text, b' ')
        .and_then(|(quota, period)| Limit::parse(quota).zip(number(skip_blanks(period))))
        .map(|(quota_usec, period_usec)| CpuMax { quota_usec, period_usec })
        .ok_or_else(|| ParseError::new(1, "a quota and a period", text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_a_number_or_max() {
        assert_eq!(
            parse_cpu_max(b"max 100000\n"),
            Ok(CpuMax { quota_usec: Limit::Max, period_usec: 100_000 })
        );
        assert_eq!(
            parse_cpu_max(b"50000 100000\n"),
            Ok(CpuMax { quota_usec: Limit::Value(50_000), period_usec: 100_000 })
        );
        assert!(parse_cpu_max(b"50000\n").is_err());
        assert!(parse_cpu_max(b"").is_err() && parse_cpu_max(b"max 100").is_err());
    }
}
