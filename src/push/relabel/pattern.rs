//! Regular expressions as Prometheus means them: RE2's syntax, and the whole text must match.

use regex_lite::{Regex, RegexBuilder};

/// How much memory a compiled expression may take.
const MAX_COMPILED: usize = 1 << 20;
/// The longest expression.
const MAX_PATTERN: usize = 16 * 1024;

/// An expression, with what most rules need done without an engine.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    quick: Option<Quick>,
    regex: Regex,
}

#[derive(Debug, Clone)]
enum Quick {
    /// `.*` and `(.*)`
    Anything,
    /// `.+` and `(.+)`
    Something,
    /// `a|b|c`
    OneOf(Vec<String>),
    /// `a.*`
    Begin(String),
}

/// What the groups of an expression matched.
pub(super) enum Groups<'a> {
    /// Nothing was captured but the whole text.
    Whole(&'a str),
    /// Group 1 is the whole text.
    First(&'a str),
    /// As the engine found them.
    Found(regex_lite::Captures<'a>),
}

impl Groups<'_> {
    /// What a group matched; empty if it matched nothing or there is no such group.
    pub(super) fn get(&self, group: usize) -> &str {
        match (self, group) {
            (Self::Whole(text), 0) | (Self::First(text), 0 | 1) => text,
            (Self::Whole(_) | Self::First(_), _) => "",
            (Self::Found(captures), _) => captures.get(group).map_or("", |found| found.as_str()),
        }
    }
}

impl Pattern {
    /// Compiles an expression.
    pub(super) fn new(pattern: &str) -> Result<Self, String> {
        if pattern.len() > MAX_PATTERN {
            return Err(format!("it is longer than {MAX_PATTERN} bytes"));
        }
        let regex = RegexBuilder::new(&format!("^(?s:{})$", from_re2(pattern)?))
            .size_limit(MAX_COMPILED)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { quick: Quick::new(pattern), regex })
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        match &self.quick {
            Some(quick) => quick.is_match(text),
            None => self.regex.is_match(text),
        }
    }

    /// What the groups matched, if the expression matches.
    pub(super) fn groups<'a>(&self, text: &'a str) -> Option<Groups<'a>> {
        match &self.quick {
            Some(quick) if !quick.is_match(text) => None,
            Some(Quick::Anything | Quick::Something) => Some(match self.regex.captures_len() {
                1 => Groups::Whole(text),
                _ => Groups::First(text),
            }),
            Some(Quick::OneOf(_) | Quick::Begin(_)) => Some(Groups::Whole(text)),
            None => self.regex.captures(text).map(Groups::Found),
        }
    }

    /// The number of a group that is named in a template: by a number, or by its name.
    pub(super) fn group(&self, name: &str) -> Option<usize> {
        let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
        // Go takes a number with a zero before it for a name.
        if is_number && (name == "0" || !name.starts_with('0')) {
            return name.parse().ok();
        }
        self.regex.capture_names().position(|known| known == Some(name))
    }
}

impl Quick {
    fn new(pattern: &str) -> Option<Self> {
        let is_plain =
            |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "_:;/-@ ,=%&#~'\"<>!".contains(c));
        match pattern {
            ".*" | "(.*)" => Some(Self::Anything),
            ".+" | "(.+)" => Some(Self::Something),
            _ => match pattern.strip_suffix(".*") {
                Some(begin) if is_plain(begin) => Some(Self::Begin(begin.to_owned())),
                _ if pattern.split('|').all(is_plain) => {
                    Some(Self::OneOf(pattern.split('|').map(str::to_owned).collect()))
                }
                _ => None,
            },
        }
    }

    fn is_match(&self, text: &str) -> bool {
        match self {
            Self::Anything => true,
            Self::Something => !text.is_empty(),
            Self::OneOf(words) => words.iter().any(|word| word == text),
            Self::Begin(begin) => text.starts_with(begin.as_str()),
        }
    }
}

/// Writes an expression of RE2 as our engine has it, where the same text would mean something else. What our
/// engine refuses needs no writing.
fn from_re2(pattern: &str) -> Result<String, String> {
    if !pattern.is_ascii() && ignores_case(pattern) {
        return Err("upper and lower case of letters beyond ASCII are not supported: leave out (?i)".into());
    }
    let mut written = String::with_capacity(pattern.len());
    let mut rest = pattern.chars().peekable();
    let mut in_class = false;
    // A `]` at the begin of a class does not end it.
    let mut at_begin = false;
    while let Some(c) = rest.next() {
        let was_at_begin = std::mem::take(&mut at_begin);
        match c {
            '\\' => match rest.next() {
                Some('Q') if !in_class => quoted(&mut rest, &mut written),
                // The engine's own `\s` has the vertical tab too, and its `\<` and `\>` match no character.
                Some('s') if in_class => written.push_str(r"\t\n\f\r "),
                Some('s') => written.push_str(r"[\t\n\f\r ]"),
                Some('S') if !in_class => written.push_str(r"[^\t\n\f\r ]"),
                Some(angle @ ('<' | '>')) => written.push(angle),
                Some(escaped) => written.extend(['\\', escaped]),
                None => written.push('\\'),
            },
            '[' if !in_class => {
                in_class = true;
                at_begin = true;
                written.push('[');
                if rest.next_if_eq(&'^').is_some() {
                    written.push('^');
                }
            }
            '[' if rest.peek() != Some(&':') => written.push_str(r"\["),
            '[' => named_class(&mut rest, &mut written),
            ']' if in_class && was_at_begin => written.push_str(r"\]"),
            ']' => {
                in_class = false;
                written.push(']');
            }
            '&' | '~' if in_class => written.extend(['\\', c]),
            _ => written.push(c),
        }
    }
    Ok(written)
}

/// Whether a group of flags with `i` is in the expression.
fn ignores_case(pattern: &str) -> bool {
    pattern.split("(?").skip(1).any(|rest| {
        let flags = rest.split([':', ')', '<', 'P']).next().unwrap_or_default();
        flags.split('-').next().is_some_and(|on| on.contains('i'))
    })
}

/// The text up to `\E`, each character as itself.
fn quoted(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, written: &mut String) {
    while let Some(c) = rest.next() {
        if c == '\\' && rest.next_if_eq(&'E').is_some() {
            return;
        }
        written.push_str(&regex_lite::escape(c.encode_utf8(&mut [0; 4])));
    }
}

/// `[:alpha:]`, whose end does not end the class around it.
fn named_class(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, written: &mut String) {
    written.push('[');
    let mut last = ' ';
    for c in rest.by_ref() {
        written.push(c);
        if last == ':' && c == ']' {
            return;
        }
        last = c;
    }
}
