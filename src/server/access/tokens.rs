//! Bearer tokens: one per line of a file.

use super::digest::{Digest, Key};

/// How many tokens a file may have.
const MAX: usize = 1000;
/// The shortest token: 16 characters can't be guessed, if they are random.
const SHORTEST: usize = 16;

/// The tokens of a file. Only their digests are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tokens(Vec<Digest>);

/// The lines with tokens, each with its number. Lines that are empty or begin with `#` have none.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

impl Tokens {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// A line and what is wrong with it, without the token.
    pub(super) fn parse(text: &str, key: &Key) -> Result<Self, (usize, String)> {
        let mut digests = Vec::new();
        for (line, token) in lines(text) {
            // What may be a bearer token: RFC 6750, 2.1.
            let is_legal = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
            if !token.chars().all(is_legal) {
                let problem = "a token has letters, digits and -._~+/= only, and each line has one token";
                return Err((line, problem.to_owned()));
            }
            if token.len() < SHORTEST {
                return Err((line, format!("a token has {SHORTEST} characters or more")));
            }
            if digests.len() == MAX {
                return Err((line, format!("more than {MAX} tokens")));
            }
            digests.push(key.digest(&[token.as_bytes()]));
        }
        if digests.is_empty() { Err((1, "there is no token".to_owned())) } else { Ok(Self(digests)) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a token is one of these. All are looked at, so that the time is always the same.
    pub(super) fn has(&self, token: &[u8], key: &Key) -> bool {
        let digest = key.digest(&[token]);
        self.0.iter().fold(false, |found, known| found | (*known == digest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_a_token() {
        let key = Key::random().unwrap();
        let tokens =
            Tokens::parse("# of Prometheus\n\n  0123456789abcdef \r\nABCDEFGHIJKLMNOP+/==", &key).unwrap();
        for (token, is_right) in [
            (&b"0123456789abcdef"[..], true),
            (b"ABCDEFGHIJKLMNOP+/==", true),
            (b"0123456789abcdeF", false),
            (b"0123456789abcde", false),
            (b"# of Prometheus", false),
            (b"", false),
        ] {
            assert_eq!(tokens.has(token, &key), is_right, "{token:?}");
        }
    }

    #[test]
    fn a_line_that_is_no_token_is_told_without_it() {
        let key = Key::random().unwrap();
        for (text, line, words) in [
            ("", 1, "no token"),
            ("# nothing\n", 1, "no token"),
            ("0123456789abcdef\nhunter2", 2, "16 characters"),
            ("0123456789abcdef hunter2hunter2", 1, "one token"),
            ("0123456789äbcdef", 1, "letters"),
        ] {
            let (at, problem) = Tokens::parse(text, &key).unwrap_err();
            assert!(
                at == line && problem.contains(words) && !problem.contains("hunter2"),
                "{text}: {problem}"
            );
        }
        let many = "0123456789abcdef\n".repeat(MAX + 1);
        assert_eq!(Tokens::parse(&many, &key).unwrap_err(), (MAX + 1, "more than 1000 tokens".to_owned()));
    }
}
