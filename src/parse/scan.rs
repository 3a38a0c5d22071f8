//! The few moves that every kernel file format is made of.

use super::ParseError;
use memchr::memchr;

/// The lines of a file, each with its number (from 1) and whether a newline ended it.
#[derive(Debug, Clone)]
pub struct Lines<'a> {
    rest: &'a [u8],
    number: usize,
}

/// One line without its newline.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// Counted from 1.
    pub number: usize,
    /// The text before the newline.
    pub text: &'a [u8],
    /// `false` for a last line that was cut off before its newline.
    pub ended: bool,
}

/// Splits a file into lines; an empty rest after the last newline is not a line.
#[must_use]
pub fn lines(file: &[u8]) -> Lines<'_> {
    Lines { rest: file, number: 0 }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    #[inline]
    fn next(&mut self) -> Option<Line<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        self.number += 1;
        let (text, rest, ended) = match memchr(b'\n', self.rest) {
            Some(at) => {
                let (text, rest) = self.rest.split_at(at);
                (text, rest.get(1..).unwrap_or_default(), true)
            }
            None => (self.rest, [].as_slice(), false),
        };
        self.rest = rest;
        Some(Line { number: self.number, text, ended })
    }
}

/// A decimal number made of digits only; `None` for anything else, an overflow or nothing at all.
#[inline]
#[must_use]
pub fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let mut value: u64 = 0;
    if text.len() < 20 {
        // Nineteen digits always fit: nearly every number, at half the instructions.
        for &byte in text {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        }
        return Some(value);
    }
    for &byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(value)
}

/// Takes the next number off a row of numbers with blanks before them; `None` at its end or at anything else.
#[inline]
pub fn next_number(row: &mut &[u8]) -> Option<u64> {
    let start = row.iter().position(|&byte| byte != b' ')?;
    let rest = row.get(start..)?;
    let end = memchr(b' ', rest).unwrap_or(rest.len());
    let (word, after) = rest.split_at(end);
    *row = after;
    number(word)
}

/// Splits at the first `separator`; `None` where there is none.
#[inline]
#[must_use]
pub fn split_once(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = memchr(separator, text)?;
    let (before, after) = text.split_at(at);
    Some((before, after.get(1..).unwrap_or_default()))
}

/// The words of a line, runs of blanks between them folded.
pub fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty())
}

/// Text without blanks and newlines around it.
#[must_use]
pub fn trim(text: &[u8]) -> &[u8] {
    text.trim_ascii()
}

/// One line `key value` of a flat-keyed file (cgroup-v2.rst, "Interface Files").
#[inline]
#[must_use]
pub fn key_value<'a>(line: &Line<'a>) -> Option<(&'a [u8], &'a [u8])> {
    split_once(line.text, b' ')
}

/// The value of a known key, or the error that names its line.
#[inline]
pub(crate) fn value_of(line: &Line<'_>, value: &[u8]) -> Result<u64, ParseError> {
    number(value).ok_or_else(|| ParseError::new(line.number, "a number", value))
}

/// Looks one key up in a flat-keyed file, such as `frozen` in `cgroup.events`.
///
/// # Errors
/// When the key is there with a value that is not a number.
pub fn flat_keyed_value(file: &[u8], key: &[u8]) -> Result<Option<u64>, ParseError> {
    for line in lines(file) {
        if let Some((name, value)) = key_value(&line)
            && name == key
        {
            return value_of(&line, value).map(Some);
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_digits_only_and_never_wraps() {
        for (text, expected) in [
            ("0", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("12 ", None),
            ("0x10", None),
        ] {
            assert_eq!(number(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn a_last_line_without_newline_is_told_apart() {
        let seen: Vec<_> = lines(b"a 1\n\nb").map(|line| (line.number, line.text, line.ended)).collect();
        assert_eq!(seen, [(1, &b"a 1"[..], true), (2, &b""[..], true), (3, &b"b"[..], false)]);
        assert_eq!(lines(b"").count(), 0);
    }

    #[test]
    fn a_key_is_found_by_its_whole_name() {
        let file = b"populated 1\nfrozen 0\n";
        assert_eq!(flat_keyed_value(file, b"frozen"), Ok(Some(0)));
        assert_eq!(flat_keyed_value(file, b"froze"), Ok(None));
        let error = flat_keyed_value(b"populated 1\nfrozen x\n", b"frozen").unwrap_err();
        assert_eq!(error.to_string(), "2: expected a number, found \"x\"");
    }
}
