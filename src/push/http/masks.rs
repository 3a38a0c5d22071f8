//! Secrets that were sent with a request, and how they are kept out of what is shown. A receiver or a proxy
//! may repeat them, also in the spelling of URLs, JSON or HTML.

use std::{fmt, sync::Arc};

/// The longest text from outside that is repeated in the log.
const LINE_CHARS: usize = 200;
/// How much of a text is looked at for that line.
const LOOK_BYTES: usize = 1 << 10;

/// What stands in place of a secret.
const MASK: &str = "<secret>";
/// A shorter secret is part of too many words: with it, a text is not shown at all.
pub(super) const FINDABLE_BYTES: usize = 4;
const NOT_SHOWN: &str = "(not shown: a secret of less than 4 characters could be in it)";

/// No way to write one character is longer: two escapes of JSON, or a number in HTML.
const SPELLING_BYTES: usize = 12;
/// How many ways to read a text are followed. More than two come only from rows of `\` or `%25`.
const PLACES: usize = 8;
/// The names of HTML. It can also write each character as a number.
const NAMES: [(char, &str); 5] =
    [('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('"', "&quot;"), ('\'', "&apos;")];

/// Secrets that were sent with a request.
#[derive(Clone, Default)]
pub(in crate::push) struct Masks(Arc<[String]>);

impl Masks {
    pub(super) fn new(mut secrets: Vec<String>) -> Self {
        secrets.retain(|secret| !secret.is_empty());
        secrets.sort_unstable();
        secrets.dedup();
        Self(secrets.into())
    }

    /// The first line of a text from outside, without secrets. The only way for such a text to be shown.
    ///
    /// If the text `is_cut`, a secret may begin at its end.
    pub(super) fn line(&self, text: &[u8], is_cut: bool) -> String {
        let is_cut = is_cut || text.len() > LOOK_BYTES;
        let text = String::from_utf8_lossy(text.get(..LOOK_BYTES).unwrap_or(text));
        let text = if is_cut { text.trim_end_matches(char::REPLACEMENT_CHARACTER) } else { &text };
        first_line(&self.hide(text, is_cut))
    }

    fn hide(&self, text: &str, is_cut: bool) -> String {
        let mut is_hidden = vec![false; text.len()];
        for secret in self.0.iter() {
            for from in 0..text.len() {
                let rest = text.as_bytes().get(from..).unwrap_or_default();
                let Some(length) = length_at(rest, secret, is_cut) else { continue };
                if secret.len() < FINDABLE_BYTES {
                    return NOT_SHOWN.to_owned();
                }
                is_hidden.iter_mut().skip(from).take(length).for_each(|hidden| *hidden = true);
            }
        }
        let mut shown = String::with_capacity(text.len());
        let mut was_hidden = false;
        for ((at, character), is_hidden) in
            text.char_indices().map(|(at, character)| ((at, character), is_hidden.get(at) == Some(&true)))
        {
            match (is_hidden, was_hidden && at > 0) {
                (true, true) => {}
                (true, false) => shown.push_str(MASK),
                (false, _) => shown.push(character),
            }
            was_hidden = is_hidden;
        }
        shown
    }
}

impl fmt::Debug for Masks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// How long the secret with which a text begins is there. At the end of a text that is cut, its beginning is
/// enough.
fn length_at(text: &[u8], secret: &str, is_cut: bool) -> Option<usize> {
    // Most texts begin with another letter.
    if !is_cut || text.len() >= SPELLING_BYTES {
        spellings(text, secret.chars().next()?).next()?;
    }
    // A character can be spelled in several ways, so there can be several places to go on from.
    let mut places = vec![0];
    for (number, character) in secret.chars().enumerate() {
        let mut next = Vec::new();
        for place in places {
            let rest = text.get(place..).unwrap_or_default();
            let may_go_on = rest.len() < SPELLING_BYTES && matches!(rest.first(), Some(b'%' | b'\\' | b'&'));
            if is_cut && number > 0 && (rest.is_empty() || may_go_on) {
                return Some(text.len());
            }
            next.extend(spellings(rest, character).map(|length| place + length));
        }
        if next.is_empty() {
            return None;
        }
        next.sort_unstable();
        next.dedup();
        next.truncate(PLACES);
        places = next;
    }
    places.pop()
}

/// How long a character is in each of the spellings in which a text can begin with it. Small letters are
/// large ones too, because the names of hosts lose the difference.
fn spellings(text: &[u8], character: char) -> impl Iterator<Item = usize> {
    let mut buffer = [0; 4];
    let bytes: &[u8] = character.encode_utf8(&mut buffer).as_bytes();
    let is_it =
        |found: u32| char::from_u32(found).is_some_and(|found| found.eq_ignore_ascii_case(&character));
    let begins = |text: &[u8]| text.get(..bytes.len()).is_some_and(|text| text.eq_ignore_ascii_case(bytes));
    let is_plain = begins(text) || (character == ' ' && text.first() == Some(&b'+'));
    let is_escaped = text.first() == Some(&b'\\') && text.get(1..).is_some_and(begins);
    let name = NAMES.iter().find(|(of, name)| *of == character && text.starts_with(name.as_bytes()));
    let found = [
        is_plain.then_some(bytes.len()),
        in_url(text, bytes),
        is_escaped.then_some(bytes.len() + 1),
        in_json(text).filter(|(found, _)| is_it(*found)).map(|(_, length)| length),
        name.map(|(_, name)| name.len()),
        in_html(text).filter(|(found, _)| is_it(*found)).map(|(_, length)| length),
    ];
    found.into_iter().flatten()
}

/// How long these bytes are in a URL, which writes each as `%41` or, beyond ASCII, sometimes as it is.
fn in_url(text: &[u8], bytes: &[u8]) -> Option<usize> {
    let mut length = 0;
    for byte in bytes {
        let rest = text.get(length..)?;
        let is_hex = |rest: &[u8]| {
            let found = number(rest.get(..2)?, 16)?;
            u8::try_from(found).ok().filter(|found| found.eq_ignore_ascii_case(byte))
        };
        length += match rest.split_first()? {
            (b'%', rest) if is_hex(rest).is_some() => 3,
            (first, _) if first == byte && !byte.is_ascii() => 1,
            _ => return None,
        };
    }
    Some(length)
}

/// The character that a text begins with as JSON escapes it, `\u0041`, and how long that is. Two of them can
/// be one character.
fn in_json(text: &[u8]) -> Option<(u32, usize)> {
    let unit = |text: &[u8]| u16::try_from(number(text.strip_prefix(br"\u")?.get(..4)?, 16)?).ok();
    let first = unit(text)?;
    let second = text.get(6..).and_then(unit);
    let both = char::decode_utf16([Some(first), second].into_iter().flatten()).next()?.ok()?;
    Some((u32::from(both), 6 * both.len_utf16()))
}

/// The character that a text begins with as HTML numbers it, `&#65;` or `&#x41;`, and how long that is.
fn in_html(text: &[u8]) -> Option<(u32, usize)> {
    let digits = text.strip_prefix(b"&#")?;
    let hex = digits.strip_prefix(b"x").or_else(|| digits.strip_prefix(b"X"));
    let (digits, radix) = hex.map_or((digits, 10), |digits| (digits, 16));
    let end = digits.iter().take(SPELLING_BYTES).position(|byte| *byte == b';')?;
    let (digits, rest) = digits.split_at_checked(end)?;
    Some((number(digits, radix)?, text.len() - rest.len() + 1))
}

/// A number of digits only.
fn number(digits: &[u8], radix: u32) -> Option<u32> {
    let mut digits = digits.iter().map(|digit| char::from(*digit).to_digit(radix)).peekable();
    digits.peek()?;
    digits.try_fold(0_u32, |value, digit| value.checked_mul(radix)?.checked_add(digit?))
}

/// The first line of a text that can have any content and length, fit for a log line.
pub(in crate::push) fn first_line(text: &str) -> String {
    let line = text.trim_start().lines().next().unwrap_or_default().trim_end();
    let mut shown: String = line
        .chars()
        .take(LINE_CHARS)
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .collect();
    if line.chars().nth(LINE_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masks(secrets: &[&str]) -> Masks {
        Masks::new(secrets.iter().map(|secret| (*secret).to_owned()).collect())
    }

    #[test]
    fn a_secret_is_hidden_in_every_spelling() {
        let masks = masks(&["s3cr@t&\"pw ü", "tpw100%"]);
        for text in [
            "bad s3cr@t&\"pw ü!",
            "bad s3cr%40t%26%22pw+%C3%BC!",
            "bad s3cr%40t%26%22pw%20%c3%bc!",
            "bad s3cr%40t&\"pw ü!",
            "bad S3CR@T&\"PW ü!",
            r#"bad s3cr@t\u0026\"pw ü!"#,
            "bad s3cr@t&amp;&#34;pw ü!",
            "bad s3cr@t&amp;&quot;pw ü!",
            // As Python, PHP and others write it.
            r#"bad s3cr@t\u0026\"pw \u00fc!"#,
            r#"bad s3cr@t\u0026\"pw \u00FC!"#,
            "bad s3cr@t&#x26;&#034;pw&#32;&#xfc;!",
            "bad s3cr@t&#X26;&#0034;pw &#252;!",
            "bad tpw100%!",
            "bad tpw100%25!",
        ] {
            assert_eq!(masks.line(text.as_bytes(), false), "bad <secret>!", "{text}");
        }
        assert_eq!(masks.line(b"bad s3cr@t&pw", false), "bad s3cr@t&pw");
        let masks = self::masks(&["a\u{1f600}b'cd"]);
        for text in
            ["a\u{1f600}b&#39;cd", r"a\ud83d\ude00b\u0027cd", "a%F0%9F%98%80b%27cd", "a&#x1f600;b&apos;cd"]
        {
            assert_eq!(masks.line(text.as_bytes(), false), "<secret>", "{text}");
        }
        // What is no spelling of it.
        for text in
            [r"a\ud83db'cd", "a&#;b'cd", "a&#x;b'cd", "a&#99999999999;b'cd", r"a\u+83db'cd", "a%F0%9Fb'cd"]
        {
            assert_eq!(masks.line(text.as_bytes(), false), text);
        }
    }

    #[test]
    fn secrets_that_overlap_are_hidden_as_a_whole() {
        let masks = masks(&["hunter2", "r2d2c3po", "user:hunter2"]);
        assert_eq!(masks.line(b"a user:hunter2d2c3po and hunter2", false), "a <secret> and <secret>");
    }

    #[test]
    fn a_secret_that_is_cut_off_is_hidden_too() {
        let masks = masks(&["s3cr@tüpw"]);
        let secret = "s3cr%40tüpw".as_bytes();
        for length in 1..secret.len() {
            let text = [b"bad ", &secret[..length]].concat();
            assert_eq!(masks.line(&text, true), "bad <secret>", "{length}");
        }
        let padded = [&b" ".repeat(LOOK_BYTES - 4)[..], b"s3cr@t"].concat();
        assert_eq!(masks.line(&padded, false), "<secret>");
        assert_eq!(masks.line(b"no such words", false), "no such words");
    }

    #[test]
    fn a_text_with_a_short_secret_is_not_shown() {
        let masks = masks(&["abc", "longer"]);
        for text in ["user uu:abc", "user uu:%61bc", "longer abc"] {
            assert_eq!(masks.line(text.as_bytes(), false), NOT_SHOWN, "{text}");
        }
        assert_eq!(masks.line(b"no longer", false), "no <secret>");
        assert_eq!(super::Masks::new(vec![String::new()]).line(b"text", false), "text");
    }

    #[test]
    fn many_ways_to_read_a_text_do_not_take_long() {
        let masks = masks(&["%25".repeat(100).as_str(), "\\".repeat(300).as_str()]);
        for text in ["%25".repeat(3000), "\\".repeat(9000), "%".repeat(9000)] {
            assert!(masks.line(text.as_bytes(), true).len() < 1000);
        }
    }

    #[test]
    fn a_text_from_outside_becomes_one_short_line() {
        assert_eq!(first_line("\n \x1b[31mred\r\nmore"), "\u{fffd}[31mred");
        assert_eq!(first_line(&"é".repeat(1000)).chars().count(), LINE_CHARS + 1);
    }
}
