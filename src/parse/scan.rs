//! The few operations that the parsers of all kernel files share.

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

/// Splits a file into lines. An empty rest after the last newline is not a line.
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

/// A decimal number of digits only; `None` for anything else, for an overflow and for an empty text.
#[inline]
#[must_use]
pub fn number(text: &[u8]) -> Option<u64> {
    take_number(text).and_then(|(value, rest)| rest.is_empty().then_some(value))
}

/// Takes a decimal number from the front: its value and the text after it; `None` if there is no digit, or on
/// overflow.
#[expect(
    clippy::inline_always,
    reason = "the innermost loop of every parser; a call is as long as most numbers"
)]
#[inline(always)]
pub fn take_number(text: &[u8]) -> Option<(u64, &[u8])> {
    let mut value: u64 = 0;
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        let digit = u64::from(*byte).wrapping_sub(u64::from(b'0'));
        if digit > 9 {
            break;
        }
        value = value.wrapping_mul(10).wrapping_add(digit);
        rest = after;
    }
    match text.len() - rest.len() {
        0 => None,
        // Nineteen digits always fit, so nearly all numbers need no check per digit.
        1..20 => Some((value, rest)),
        digits => Some((checked(text.get(..digits)?)?, rest)),
    }
}

/// The value of many digits.
#[cold]
fn checked(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |value, byte| value.checked_mul(10)?.checked_add(u64::from(byte & 0x0f)))
}

/// Text without the blanks before it.
#[inline]
pub(super) fn skip_blanks(text: &[u8]) -> &[u8] {
    let mut rest = text;
    while let [b' ', after @ ..] = rest {
        rest = after;
    }
    rest
}

/// Splits at the first `separator`; `None` if there is none.
#[inline]
#[must_use]
pub fn split_once(text: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    // Keys are short, so a loop is faster than memchr.
    let at = text.iter().position(|&byte| byte == separator)?;
    let (before, after) = text.split_at_checked(at)?;
    Some((before, after.get(1..).unwrap_or_default()))
}

/// The text after `prefix`, if the text begins with it. The length is a constant, so the comparison needs no
/// call.
#[inline]
#[must_use]
pub fn strip<'a, const N: usize>(text: &'a [u8], prefix: &[u8; N]) -> Option<&'a [u8]> {
    let (first, rest) = text.split_first_chunk::<N>()?;
    if first == prefix { Some(rest) } else { None }
}

/// The words of a line, which are separated by one or more blanks.
pub fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty())
}

/// Text without blanks and newlines around it.
#[inline]
#[must_use]
pub fn trim(text: &[u8]) -> &[u8] {
    text.trim_ascii()
}

/// Reads a flat-keyed file: one line `key value` each (cgroup-v2.rst, "Interface Files"). Calls `take` for
/// each of `keys` that is present, with its index and its value. Ends early, without an error, if `take`
/// returns `false`.
///
/// `keys` should be in the order in which the kernel prints them, and include keys that are not used. Then
/// each line needs only a comparison with the next key, and no search for the ends of key and line, which
/// would cost much. Another order, and keys of the file that are not in `keys`, only cost time.
///
/// # Errors
/// If the value of one of `keys` is not a number, or its line has no newline: a number that is cut off is
/// still a number. Otherwise returns the number of lines read.
#[inline]
pub(super) fn flat_keyed(
    file: &[u8],
    keys: &[FlatKey],
    mut take: impl FnMut(usize, u64) -> bool,
) -> Result<usize, ParseError> {
    let mut rest = file;
    let mut line = 0;
    let mut next = 0;
    while !rest.is_empty() {
        line += 1;
        let expected = keys.get(next).and_then(|key| key.strip_from(rest));
        let expected = expected.map(|value| (next, value)).or_else(|| strip_ahead(keys, next + 1, rest));
        let expected = expected.and_then(|(index, value)| Some((index, take_number(value)?)));
        let (index, value, after) = match expected {
            Some((index, (value, [b'\n', after @ ..]))) => (index, value, after),
            _ => {
                let end = memchr(b'\n', rest).unwrap_or(rest.len());
                let (text, after) = rest.split_at(end);
                rest = after.get(1..).unwrap_or_default();
                let blank = text.iter().position(|&byte| byte == b' ').unwrap_or(text.len());
                let Some((key, value)) = text.split_at_checked(blank + 1) else { continue };
                let Some(index) = index_from(keys, next, key) else { continue };
                let value = number(value).ok_or_else(|| ParseError::new(line, "a number", value))?;
                if after.is_empty() {
                    return Err(ParseError::new(line, "a newline at the end", text));
                }
                (index, value, rest)
            }
        };
        rest = after;
        next = index + 1;
        if !take(index, value) {
            break;
        }
    }
    Ok(line)
}

/// This kernel may lack some keys, so the key that it does print is not far.
#[inline(never)]
fn strip_ahead<'a>(keys: &[FlatKey], start: usize, text: &'a [u8]) -> Option<(usize, &'a [u8])> {
    let ahead = keys.get(start..)?.iter().take(6);
    ahead.zip(start..).find_map(|(key, index)| Some((index, key.strip_from(text)?)))
}

/// The index of a key, searched from `start` on.
fn index_from(keys: &[FlatKey], start: usize, key: &[u8]) -> Option<usize> {
    let (before, after) = keys.split_at_checked(start)?;
    let found = after.iter().position(|known| known.name == key).map(|at| start + at);
    found.or_else(|| before.iter().position(|known| known.name == key))
}

/// A key of a flat-keyed file with the blank after it. Its layout allows comparing the beginning of a line
/// with it in a few instructions, without a call.
#[derive(Debug, Clone, Copy)]
pub struct FlatKey {
    name: &'static [u8],
    words: [u128; 2],
    masks: [u128; 2],
}

impl FlatKey {
    /// The key, with the blank after it; more than 32 bytes do not compile.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "in a constant: the compiler looks")]
    pub const fn new(name: &'static str) -> Self {
        let name = name.as_bytes();
        let (mut words, mut masks) = ([[0; 16]; 2], [[0; 16]; 2]);
        let mut at = 0;
        while at < name.len() {
            words[at / 16][at % 16] = name[at];
            masks[at / 16][at % 16] = 0xff;
            at += 1;
        }
        let word = u128::from_ne_bytes;
        Self { name, words: [word(words[0]), word(words[1])], masks: [word(masks[0]), word(masks[1])] }
    }

    /// Keys in the kernel's order.
    #[expect(clippy::indexing_slicing, reason = "in a constant: the compiler looks")]
    pub(super) const fn all<const N: usize>(names: [&'static str; N]) -> [Self; N] {
        let mut keys = [Self::new(""); N];
        let mut at = 0;
        while at < N {
            keys[at] = Self::new(names[at]);
            at += 1;
        }
        keys
    }

    /// The text after the key, if a line at this position of the text begins with the key.
    #[inline]
    pub(super) fn strip_line<'a>(&self, text: &'a [u8], at: usize) -> Option<&'a [u8]> {
        let begins = at == 0 || text.get(at - 1) == Some(&b'\n');
        if begins { self.strip_from(text.get(at..)?) } else { None }
    }

    /// The text after the key, if the text begins with the key.
    #[inline]
    pub(super) fn strip_from<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        let Some((first, rest)) = text.split_first_chunk() else { return text.strip_prefix(self.name) };
        let Some(second) = rest.first_chunk() else { return text.strip_prefix(self.name) };
        // One by one, because a `map` over both compiles to a loop.
        let (first, second) = (u128::from_ne_bytes(*first), u128::from_ne_bytes(*second));
        let ([first_word, second_word], [first_mask, second_mask]) = (self.words, self.masks);
        let differs = (first ^ first_word) & first_mask | (second ^ second_word) & second_mask;
        if differs == 0 { text.get(self.name.len()..) } else { None }
    }
}

/// One key of a flat-keyed file: `frozen` in `cgroup.events`.
///
/// # Errors
/// If the key is present with a value that is not a number, or its line has no newline.
pub fn flat_keyed_value(file: &[u8], key: FlatKey) -> Result<Option<u64>, ParseError> {
    let mut found = None;
    flat_keyed(file, &[key], |_, value| {
        found = Some(value);
        false
    })?;
    Ok(found)
}

/// Appends a row, and grows by half. Most containers have one device, one interface and a few events, for
/// which the default growth of `Vec` reserves too much.
pub(super) fn push_tight<T>(rows: &mut Vec<T>, row: T) {
    if rows.len() == rows.capacity() {
        rows.reserve_exact((rows.len() / 2).max(1));
    }
    rows.push(row);
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
            ("00000000000000000000000000000001", Some(1)),
            ("1234567/", None),
            ("1234567:", None),
            ("12\u{e9}45678", None),
        ] {
            assert_eq!(number(text.as_bytes()), expected, "{text:?}");
        }
        // All lengths of numbers, with all lengths of text after them, which must not change the number.
        for text in (1..20).map(|count| &"9081726354433221100"[..count]) {
            for rest in [
                "",
                "\n",
                " 7",
                ".00 avg60=0.00",
                "\n8888888888",
                "/0000000",
                ":9999999",
                "\u{ff}\u{ff}\u{ff}\u{ff}",
            ] {
                let all = format!("{text}{rest}");
                let taken = take_number(all.as_bytes());
                assert_eq!(taken, Some((text.parse().unwrap(), rest.as_bytes())), "{all:?}");
            }
        }
    }

    #[test]
    fn a_last_line_without_newline_is_told_apart() {
        let seen: Vec<_> = lines(b"a 1\n\nb").map(|line| (line.number, line.text, line.ended)).collect();
        assert_eq!(seen, [(1, &b"a 1"[..], true), (2, &b""[..], true), (3, &b"b"[..], false)]);
        assert_eq!(lines(b"").count(), 0);
    }

    #[test]
    fn keys_are_found_in_any_order_with_others_between_them() {
        let keys = FlatKey::all(["a ", "ab ", "c ", "d "]);
        for (file, expected) in [
            ("a 1\nab 2\nc 3\nd 4\n", &[(0, 1), (1, 2), (2, 3), (3, 4)][..]),
            ("d 4\nnew x\na 1\nab 2\n", &[(3, 4), (0, 1), (1, 2)]),
            ("d 4\nnew x\na 1\nab 2", &[(3, 4), (0, 1)]),
            ("a 1\nnew 2", &[(0, 1)]),
            ("ab 2\n\nabc 7\nd 4\n", &[(1, 2), (3, 4)]),
            ("c\nc  3\n", &[]),
        ] {
            let mut seen = Vec::new();
            let result = flat_keyed(file.as_bytes(), &keys, |index, value| {
                seen.push((index, value));
                true
            });
            let wrong = file.contains("  ") || file.ends_with("ab 2");
            assert_eq!((seen.as_slice(), result.is_err()), (expected, wrong), "{file:?}");
        }
    }

    #[test]
    fn a_key_is_found_by_its_whole_name() {
        let file = b"populated 1\nfrozen 0\n";
        let (frozen, froze) = (FlatKey::new("frozen "), FlatKey::new("froze "));
        assert_eq!(flat_keyed_value(file, frozen), Ok(Some(0)));
        assert_eq!(flat_keyed_value(file, froze), Ok(None));
        let error = flat_keyed_value(b"frozen 1", frozen).unwrap_err();
        assert_eq!(error.to_string(), "1: expected a newline at the end, found \"frozen 1\"");
        // Longer than the bytes that are compared at once.
        let long = b"frozen 1\npopulated 1\nand another key which is long 7\n";
        assert_eq!(flat_keyed_value(long, frozen), Ok(Some(1)));
        assert_eq!(flat_keyed_value(long, froze), Ok(None));
        let error = flat_keyed_value(b"populated 1\nfrozen x\n", frozen).unwrap_err();
        assert_eq!(error.to_string(), "2: expected a number, found \"x\"");
    }
}
