//! `memory.events`, `memory.swap.events`, `pids.events`, `hugetlb.<size>.events`: counters by name.

use super::{
    Name, ParseError,
    scan::{number, push_tight, split_once, take_number},
};

/// How many keys are read: far more than any kernel prints. Each key is a series.
const MAX_KEYS: usize = 32;

/// Event counters of one file, in the kernel's order, under the kernel's own keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Events {
    items: Vec<(Name, u64)>,
}

impl Events {
    /// The counters in the kernel's order.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, u64)> {
        self.items.iter().map(|(name, value)| (name, *value))
    }

    /// One counter by its key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<u64> {
        self.iter().find(|(name, _)| name.as_bytes() == key.as_bytes()).map(|(_, value)| value)
    }

    /// Parses an events file into the result of an earlier one: usually the keys are the same and only the
    /// counts differ.
    ///
    /// # Errors
    /// If a counter is not a number. Every key counts as known here, because every key is shown.
    pub fn parse(&mut self, file: &[u8]) -> Result<(), ParseError> {
        let mut count = 0;
        let mut line = 0;
        let mut rest = file;
        while !rest.is_empty() {
            line += 1;
            let known = self.items.get_mut(count);
            let as_before = known.and_then(|(name, value)| {
                let text = rest.strip_prefix(name.as_bytes()).and_then(|text| text.strip_prefix(b" "))?;
                match take_number(text)? {
                    (number, [b'\n', after @ ..]) => Some((value, number, after)),
                    _ => None,
                }
            });
            if let Some((value, number, after)) = as_before {
                *value = number;
                count += 1;
                rest = after;
                continue;
            }
            self.items.truncate(count);
            // A last line without a newline may be cut off in its number, which would still look like a
            // number.
            let Some((text, after)) = split_once(rest, b'\n') else {
                return Err(ParseError::new(line, "a whole line", rest));
            };
            rest = after;
            let Some((key, value)) = split_once(text, b' ') else { continue };
            let value = number(value).ok_or_else(|| ParseError::new(line, "a number", value))?;
            let Some(name) = Name::new(key) else { continue };
            if count == MAX_KEYS || self.items.iter().any(|(other, _)| *other == name) {
                return Err(ParseError::new(line, "each event once, and few of them", key));
            }
            push_tight(&mut self.items, (name, value));
            count += 1;
        }
        self.items.truncate(count);
        if count == 0 { Err(ParseError::new(line + 1, "an event", b"end of file")) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(events: &Events) -> Vec<(&str, u64)> {
        events.iter().map(|(name, value)| (name.as_str(), value)).collect()
    }

    #[test]
    fn every_key_the_kernel_prints_is_kept() {
        let mut events = Events::default();
        events.parse(b"low 0\noom_kill 3\nsock_throttled 9\n").unwrap();
        assert_eq!(all(&events), [("low", 0), ("oom_kill", 3), ("sock_throttled", 9)]);
        assert_eq!(events.get("oom_kill"), Some(3));
        assert_eq!(events.get("oom"), None);
        assert_eq!(
            events.parse(b"low none\n").unwrap_err().to_string(),
            "1: expected a number, found \"none\""
        );
    }

    #[test]
    fn nothing_is_left_of_an_earlier_file() {
        let mut events = Events::default();
        let mut check = |file: &str, expected: &[(&str, u64)]| {
            events.parse(file.as_bytes()).unwrap();
            assert_eq!(all(&events), expected);
        };
        check("low 1\noom 2\noom_kill 3\n", &[("low", 1), ("oom", 2), ("oom_kill", 3)]);
        check("low 4\noom 5\noom_kill 6\n", &[("low", 4), ("oom", 5), ("oom_kill", 6)]);
        check("lower 1\noom_kill 7\n", &[("lower", 1), ("oom_kill", 7)]);
        check("low 8\n\nmax 9\n", &[("low", 8), ("max", 9)]);
        check("low\nmax 1\n", &[("max", 1)]);
    }

    #[test]
    fn a_part_of_a_file_and_a_key_twice_are_refused() {
        let many: String = (0..33).map(|number| format!("key{number} 1\n")).collect();
        for file in ["", "\n", "low 1\nmax 9", "low 1\nlow 2\n", "low 1\nmax 1\nlow 2\n", &many] {
            let mut events = Events::default();
            assert!(events.parse(file.as_bytes()).is_err(), "{file:?}");
            events.parse(b"low 1\nmax 2\n").unwrap();
            assert!(events.parse(file.as_bytes()).is_err(), "over an earlier one: {file:?}");
        }
    }
}
