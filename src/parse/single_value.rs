//! Files that hold one value: `memory.current`, `memory.max`, `pids.max`, `cpu.weight`…

use super::{
    ParseError,
    scan::{number, trim},
};

/// A limit: a number, or `max` for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// The kernel printed `max`.
    Max,
    /// The kernel printed a number, in the unit of its file (bytes, µs, tasks).
    Value(u64),
}

impl Limit {
    /// `max` or a number.
    #[inline]
    pub(crate) fn parse(word: &[u8]) -> Option<Self> {
        if word == b"max" { Some(Self::Max) } else { number(word).map(Self::Value) }
    }

    /// The number, if there is one.
    #[must_use]
    pub fn value(self) -> Option<u64> {
        match self {
            Self::Max => None,
            Self::Value(value) => Some(value),
        }
    }

    /// The number, or what the machine has where there is none or it is larger.
    #[must_use]
    pub fn within(self, machine: Option<u64>) -> Option<u64> {
        match self {
            Self::Max => machine,
            Self::Value(limit) => Some(machine.map_or(limit, |machine| limit.min(machine))),
        }
    }
}

/// The text of a file's only line. A line without a newline may be cut off in its number, which would still
/// look like a number.
#[inline]
pub(super) fn whole_line(file: &[u8]) -> Result<&[u8], ParseError> {
    if file.ends_with(b"\n") { Ok(trim(file)) } else { Err(ParseError::new(1, "a whole line", file)) }
}

/// Parses a file with one number.
///
/// # Errors
/// For anything except a number.
pub fn parse_single_value(file: &[u8]) -> Result<u64, ParseError> {
    let text = whole_line(file)?;
    number(text).ok_or_else(|| ParseError::new(1, "a number", text))
}

/// Parses a file with one limit.
///
/// # Errors
/// For anything except a number or `max`.
pub fn parse_limit(file: &[u8]) -> Result<Limit, ParseError> {
    let text = whole_line(file)?;
    Limit::parse(text).ok_or_else(|| ParseError::new(1, "a number or max", text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn max_is_no_number() {
        assert_eq!(parse_limit(b"max\n"), Ok(Limit::Max));
        assert_eq!(parse_limit(b"67108864\n"), Ok(Limit::Value(67_108_864)));
        assert!(parse_limit(b"-1\n").is_err());
        assert!(parse_single_value(b"max\n").is_err());
        assert_eq!(parse_single_value(b"\n").unwrap_err().to_string(), "1: expected a number, found \"\"");
    }

    #[test]
    fn half_a_number_is_none() {
        assert_eq!(
            parse_single_value(b"91").unwrap_err().to_string(),
            "1: expected a whole line, found \"91\""
        );
        assert!(
            parse_single_value(b"").is_err() && parse_limit(b"ma").is_err() && parse_limit(b"6").is_err()
        );
    }
}
