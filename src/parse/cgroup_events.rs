//! `cgroup.events`: whether there are processes, and whether they are frozen.

use super::{
    ParseError,
    scan::{FlatKey, flat_keyed, strip, take_number},
};

/// The content of `cgroup.events`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CgroupEvents {
    /// 0 if neither the cgroup nor one below it has a process.
    pub populated: u64,
    /// 1 if it is frozen; `None` before Linux 5.2.
    pub frozen: Option<u64>,
}

/// Parses `cgroup.events`.
///
/// # Errors
/// If a value is not a number, or if there is no `populated`, which every kernel prints.
pub fn parse_cgroup_events(file: &[u8]) -> Result<CgroupEvents, ParseError> {
    if let Some(events) = as_printed_today(file) {
        return Ok(events);
    }
    let (mut populated, mut frozen) = (None, None);
    let lines = flat_keyed(file, const { &FlatKey::all(["populated ", "frozen "]) }, |index, value| {
        *(if index == 0 { &mut populated } else { &mut frozen }) = Some(value);
        true
    })?;
    let populated = populated.ok_or_else(|| ParseError::new(lines + 1, "populated", b"end of file"))?;
    Ok(CgroupEvents { populated, frozen })
}

/// The whole file, if it is exactly those two lines. This is the usual case, and needs no search.
fn as_printed_today(file: &[u8]) -> Option<CgroupEvents> {
    let (populated, rest) = take_number(strip(file, b"populated ")?)?;
    let (frozen, rest) = take_number(strip(rest, b"\nfrozen ")?)?;
    (rest == b"\n").then_some(CgroupEvents { populated, frozen: Some(frozen) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_keys_are_found_in_any_order_and_frozen_may_lack() {
        let parsed = |file: &str| parse_cgroup_events(file.as_bytes()).map_err(|error| error.to_string());
        let events = |populated, frozen| Ok(CgroupEvents { populated, frozen });
        assert_eq!(parsed("populated 1\nfrozen 0\n"), events(1, Some(0)));
        assert_eq!(parsed("populated 0\n"), events(0, None));
        assert_eq!(parsed("frozen 1\nnew 7\npopulated 1\n"), events(1, Some(1)));
        assert_eq!(parsed("populated 1\nfrozen 0\nnew 7\n"), events(1, Some(0)));
        for file in ["", "frozen 0\n", "populate 1\n"] {
            assert!(parsed(file).unwrap_err().contains("expected populated"), "{file:?}");
        }
        for file in ["populated x\nfrozen 0\n", "populated 1\nfrozen\u{20}\n", "populated 1\nfrozen 0x\n"] {
            assert!(parsed(file).unwrap_err().contains("expected a number"), "{file:?}");
        }
        for file in ["populated 1\nfrozen 0", "populated 1"] {
            assert!(parsed(file).unwrap_err().contains("expected a newline at the end"), "{file:?}");
        }
    }
}
