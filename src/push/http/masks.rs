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

/// The longest way to write one character, `\u0026`.
const SPELLING_BYTES: usize = 6;
/// How many ways to read a text are followed. More than two come only from rows of `\` or `%25`.
const PLACES: usize = 8;
const HTML: [(u8, &[u8]); 7] = [
    (b'&', b"&amp;"),
    (b'<', b"&lt;"),
    (b'>', b"&gt;"),
    (b'"', b"&#34;"),
    (b'"', b"&quot;"),
    (b'\'', b"&#39;"),
    (b'\'', b"&apos;"),
];

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
                let Some(length) = length_at(rest, secret.as_bytes(), is_cut) else { continue };
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
fn length_at(text: &[u8], secret: &[u8], is_cut: bool) -> Option<usize> {
    // Most texts begin with another letter.
    if !is_cut || text.len() >= SPELLING_BYTES {
        let first = secret.first()?;
        spellings(text, *first).next()?;
    }
    // A byte can be spelled in several ways, so there can be several places to go on from.
    let mut places = vec![0];
    for (number, byte) in secret.iter().enumerate() {
        let mut next = Vec::new();
        for place in places {
            let rest = text.get(place..).unwrap_or_default();
            let may_go_on = rest.len() < SPELLING_BYTES && matches!(rest.first(), Some(b'%' | b'\\' | b'&'));
            if is_cut && number > 0 && (rest.is_empty() || may_go_on) {
                return Some(text.len());
            }
            next.extend(spellings(rest, *byte).map(|length| place + length));
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

/// How long a byte is in each of the spellings in which a text can begin with it. Small letters are large
/// ones too, because the names of hosts lose the difference.
fn spellings(text: &[u8], byte: u8) -> impl Iterator<Item = usize> {
    let is_it = |found: Option<u8>| found.is_some_and(|found| found.eq_ignore_ascii_case(&byte));
    let hex = |from: usize| {
        let digits = text.get(from..from + 2).and_then(|digits| std::str::from_utf8(digits).ok())?;
        u8::from_str_radix(digits, 16).ok()
    };
    let first = text.first().copied();
    let is_plain = is_it(first) || (byte == b' ' && first == Some(b'+'));
    let is_url = first == Some(b'%') && is_it(hex(1));
    let is_escaped = first == Some(b'\\') && is_it(text.get(1).copied());
    let is_json = text.starts_with(br"\u00") && is_it(hex(4));
    let html = HTML.iter().find(|(of, spelling)| *of == byte && text.starts_with(spelling));
    let found = [
        is_plain.then_some(1),
        is_url.then_some(3),
        is_escaped.then_some(2),
        is_json.then_some(6),
        html.map(|(_, spelling)| spelling.len()),
    ];
    found.into_iter().flatten()
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
            "bad tpw100%!",
            "bad tpw100%25!",
        ] {
            assert_eq!(masks.line(text.as_bytes(), false), "bad <secret>!", "{text}");
        }
        assert_eq!(masks.line(b"bad s3cr@t&pw", false), "bad s3cr@t&pw");
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
