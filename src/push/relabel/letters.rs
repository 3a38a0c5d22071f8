//! Upper and lower case as Go has it: each character by itself, and one for one. Rust's own gives several
//! where the language wants it, such as SS for ß.

/// The lower case of a character; itself if it has none.
pub(super) fn lower(c: char) -> char {
    match c {
        '\u{130}' => 'i',
        _ => one(c.to_lowercase()).unwrap_or(c),
    }
}

/// The upper case of a character; itself if it has none.
pub(super) fn upper(c: char) -> char {
    match c {
        // Greek with an iota below, whose capitals have it beside.
        '\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}' => shifted(c, 8),
        '\u{1fb3}' | '\u{1fc3}' | '\u{1ff3}' => shifted(c, 9),
        _ => one(c.to_uppercase()).unwrap_or(c),
    }
}

fn shifted(c: char, by: u32) -> char {
    char::from_u32(u32::from(c) + by).unwrap_or(c)
}

fn one(mut other: impl Iterator<Item = char>) -> Option<char> {
    other.next().filter(|_| other.next().is_none())
}
