//! `io.stat`.

use super::scan::{FlatKey, push_tight, skip_blanks, split_once, take_number};
use std::collections::HashSet;

/// The I/O of a cgroup on one block device (cgroup-v2.rst, "IO Interface Files").
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct IoRow {
    /// Device number, major.
    pub major: u32,
    /// Device number, minor.
    pub minor: u32,
    /// Bytes read.
    pub rbytes: Option<u64>,
    /// Bytes written.
    pub wbytes: Option<u64>,
    /// Read operations.
    pub rios: Option<u64>,
    /// Write operations.
    pub wios: Option<u64>,
    /// Bytes discarded.
    pub dbytes: Option<u64>,
    /// Discard operations.
    pub dios: Option<u64>,
}

/// The number of lines of one `io.stat` that gave no row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NoRows {
    /// Lines that could not be understood, or that name a device for the second time.
    pub odd: u64,
    /// Lines of a device without counters. A device that the cgroup has not used yet looks like this, and so
    /// does the rest of a torn line. The devices of the last reading show which of the two it is.
    pub bare: u64,
}

/// Parses `io.stat` into `rows` and returns how many lines gave no row.
///
/// Odd lines do occur, and only they are lost: several devices on one line (the keys belong to the last),
/// `(unknown)` for a device, a device without keys, a torn last line. The file as a whole is never an error.
/// `rows` holds the result of the last file. A device at the same position as before is not searched for
/// among the others, so the cost grows only linearly with the number of devices.
pub fn parse_io_stat(file: &[u8], rows: &mut Vec<IoRow>) -> NoRows {
    let mut none = NoRows::default();
    let mut devices = Devices::AsBefore;
    let mut count = 0;
    for line in super::scan::lines(file) {
        match parse_row(line.text) {
            // Older kernels cut this file at one page: a number that is cut off is still a number.
            Line::Row(row) if line.ended => {
                if devices.take(rows, count, &row) {
                    count += 1;
                } else {
                    none.odd += 1;
                }
            }
            Line::Bare => none.bare += 1,
            Line::Empty => {}
            Line::Row(_) | Line::Odd => none.odd += 1,
        }
    }
    rows.truncate(count);
    none
}

/// The devices seen so far in a file. Each may occur once.
enum Devices {
    /// The same as in the last file, in the same order.
    AsBefore,
    /// Others, few of them.
    Few,
    /// Others, and many.
    Many(HashSet<(u32, u32)>),
}

/// Up to this many devices, comparing one by one is faster than a look-up.
const FEW: usize = 16;

impl Devices {
    /// Stores a row at position `count`; `false` if its device was seen before.
    #[inline]
    fn take(&mut self, rows: &mut Vec<IoRow>, count: usize, row: &IoRow) -> bool {
        if matches!(self, Self::AsBefore) {
            match rows.get_mut(count) {
                Some(place) if place.device() == row.device() => {
                    *place = *row;
                    return true;
                }
                _ => {
                    rows.truncate(count);
                    *self = Self::Few;
                }
            }
        }
        if !self.is_new(rows, row) {
            return false;
        }
        push_tight(rows, *row);
        true
    }

    fn is_new(&mut self, rows: &[IoRow], row: &IoRow) -> bool {
        if let Self::Many(seen) = self {
            return seen.insert(row.device());
        }
        if rows.len() >= FEW {
            let mut seen: HashSet<_> = rows.iter().map(IoRow::device).collect();
            let is_new = seen.insert(row.device());
            *self = Self::Many(seen);
            return is_new;
        }
        rows.iter().all(|other| other.device() != row.device())
    }
}

impl IoRow {
    /// The device's number, major and minor.
    #[inline]
    #[must_use]
    pub fn device(&self) -> (u32, u32) {
        (self.major, self.minor)
    }
}

/// The result of a line.
enum Line {
    Empty,
    Row(IoRow),
    Bare,
    Odd,
}

/// In the kernel's order: each key is first searched for at its usual place.
const KEYS: [FlatKey; 6] = FlatKey::all(["rbytes=", "wbytes=", "rios=", "wios=", "dbytes=", "dios="]);

fn parse_row(line: &[u8]) -> Line {
    match parse_counters(line) {
        _ if line.is_empty() => Line::Empty,
        None => Line::Odd,
        Some((_, values)) if values.iter().all(Option::is_none) => Line::Bare,
        Some(((major, minor), [rbytes, wbytes, rios, wios, dbytes, dios])) => {
            Line::Row(IoRow { major, minor, rbytes, wbytes, rios, wios, dbytes, dios })
        }
    }
}

#[inline]
#[expect(clippy::type_complexity, reason = "the parts of one row, for the function above")]
fn parse_counters(line: &[u8]) -> Option<((u32, u32), [Option<u64>; KEYS.len()])> {
    let mut device = None;
    let mut values = [None; KEYS.len()];
    let mut next = 0;
    let mut rest = skip_blanks(line);
    while !rest.is_empty() {
        if let Some((major, [b':', after @ ..])) = take_number(rest) {
            let (minor, after) = take_number(after).filter(|(_, after)| ends_word(after))?;
            device = Some((u32::try_from(major).ok()?, u32::try_from(minor).ok()?));
            rest = skip_blanks(after);
            continue;
        }
        let strip = |index: usize| Some((index, KEYS.get(index)?.strip_from(rest)?));
        let Some((index, value)) = strip(next).or_else(|| (0..KEYS.len()).find_map(strip)) else {
            // Other keys, such as `cost.vrate=100.00` from an io controller.
            let (_, value) = split_once(rest, b'=').filter(|(key, _)| !key.contains(&b' '))?;
            rest = split_once(value, b' ').map_or(&[][..], |(_, after)| skip_blanks(after));
            continue;
        };
        let (value, after) = take_number(value).filter(|(_, after)| ends_word(after))?;
        *values.get_mut(index)? = Some(value);
        next = index + 1;
        rest = skip_blanks(after);
    }
    Some((device?, values))
}

fn ends_word(rest: &[u8]) -> bool {
    matches!(rest, [] | [b' ', ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: &str, expected: &[(u32, u32, Option<u64>, Option<u64>)], odd: u64) {
        let mut rows = vec![IoRow::default()];
        assert_eq!(parse_io_stat(file.as_bytes(), &mut rows).odd, odd, "{file:?}");
        let seen: Vec<_> = rows.iter().map(|row| (row.major, row.minor, row.rbytes, row.wios)).collect();
        assert_eq!(seen, expected, "{file:?}");
    }

    #[test]
    fn rows_are_read_by_key() {
        check(
            "254:0 rbytes=5 wbytes=6 rios=7 wios=8 dbytes=9 dios=10\n8:16 wios=1 rbytes=2\n",
            &[(254, 0, Some(5), Some(8)), (8, 16, Some(2), Some(1))],
            0,
        );
        check("", &[], 0);
    }

    #[test]
    fn keys_belong_to_the_last_device_of_a_line() {
        check("7:7 7:6 7:5 rbytes=28672 wios=0\n", &[(7, 5, Some(28_672), Some(0))], 0);
    }

    #[test]
    fn an_odd_row_costs_only_itself() {
        let good = "8:0 rbytes=1 wios=2\n";
        let rest: &[_] = &[(8, 0, Some(1), Some(2))];
        check(&format!("{good}(unknown) rbytes=3\n"), rest, 1);
        check(&format!("{good}252:0 rbytes=12"), rest, 1);
        check(&format!("{good}252:0 rbytes=1x\n"), rest, 1);
        check(&format!("{good}8:0 rbytes=9 wios=9\n"), rest, 1);
        check("8:0 rbytes=1 wios=2 cost.vrate=100.00 cost.usage=7\n", rest, 0);
    }

    #[test]
    fn a_device_without_counters_is_not_odd() {
        for file in ["252:0 ", "252:0 \n", "252:0\n", "252:0 cost.usage=5\n", "7:7 252:0\n"] {
            let mut rows = Vec::new();
            let good = "8:0 rbytes=1 wios=2\n";
            let none = parse_io_stat(format!("{good}{file}").as_bytes(), &mut rows);
            assert_eq!((none, rows.len()), (NoRows { odd: 0, bare: 1 }, 1), "{file:?}");
        }
    }

    #[test]
    fn a_device_is_met_once_whatever_came_before() {
        let file = |devices: &[u32]| -> Vec<u8> {
            devices
                .iter()
                .flat_map(|minor| format!("8:{minor} rbytes={minor} wios=1\n").into_bytes())
                .collect()
        };
        let many: Vec<u32> = (0..40).collect();
        let mut twice = many.clone();
        twice.extend([3, 39, 40]);
        let mut turned = many.clone();
        turned.reverse();
        let mut rows = Vec::new();
        for (devices, odd) in
            [(&many, 0), (&twice, 2), (&many, 0), (&turned, 0), (&vec![1, 1, 2], 1), (&many, 0), (&vec![], 0)]
        {
            let none = parse_io_stat(&file(devices), &mut rows);
            assert_eq!(none.odd, odd, "{devices:?}");
            let mut seen: Vec<_> = rows.iter().map(|row| (row.minor, row.rbytes)).collect();
            seen.sort_unstable();
            let mut expected: Vec<_> =
                devices.iter().map(|minor| (*minor, Some(u64::from(*minor)))).collect();
            expected.sort_unstable();
            expected.dedup();
            assert_eq!(seen, expected);
        }
    }
}
