//! `memory.events`, `memory.swap.events`, `pids.events`, `hugetlb.<size>.events`: counters by name.

use super::{
    Name, ParseError,
    scan::{key_value, lines, value_of},
};

/// The most events a file may have. `memory.events` of Linux 6.12 has six; twice as many and more
/// leaves room for kernels to come without an allocation per container.
const CAPACITY: usize = 14;

/// Event counters of one file, in the kernel's order, under the kernel's own keys.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Events {
    items: [Option<(Name, u64)>; CAPACITY],
}

impl Events {
    /// The counters in the kernel's order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.items.iter().flatten().map(|(name, value)| (name.as_str(), *value))
    }

    /// One counter by its key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<u64> {
        self.iter().find(|(name, _)| *name == key).map(|(_, value)| value)
    }
}

/// Parses an events file.
///
/// # Errors
/// A counter that is not a number: here every key is known, since every key is shown.
pub fn parse_events(file: &[u8]) -> Result<Events, ParseError> {
    let mut events = Events::default();
    let mut slots = events.items.iter_mut();
    for line in lines(file) {
        let Some((key, value)) = key_value(&line) else { continue };
        let value = value_of(&line, value)?;
        if let Some(name) = Name::new(key)
            && let Some(slot) = slots.next()
        {
            *slot = Some((name, value));
        }
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_the_kernel_prints_is_kept() {
        let events = parse_events(b"low 0\noom_kill 3\nsock_throttled 9\n").unwrap();
        let all: Vec<_> = events.iter().collect();
        assert_eq!(all, [("low", 0), ("oom_kill", 3), ("sock_throttled", 9)]);
        assert_eq!(events.get("oom_kill"), Some(3));
        assert_eq!(events.get("oom"), None);
        assert!(parse_events(b"low none\n").is_err());
    }
}
