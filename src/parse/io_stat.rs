//! `io.stat`.

use super::scan::{FlatKey, push_tight, skip_blanks, split_once, take_number};

/// What one block device did for a cgroup (cgroup-v2.rst, "IO Interface Files").
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

/// Parses `io.stat` into `rows` and says how many lines were skipped.
///
/// Odd lines are real and cost only themselves: several devices on one line (the keys belong to the
/// last), `(unknown)` for a device, a device without keys, a torn last line. The file as a whole is
/// never wrong.
pub fn parse_io_stat(file: &[u8], rows: &mut Vec<IoRow>) -> u64 {
    rows.clear();
    let mut skipped = 0;
    for line in super::scan::lines(file) {
        match parse_row(line.text) {
            // The kernel cut older versions of this file at one page: half a number is still a number.
            Some(row) if line.ended && !has_device(rows, &row) => push_tight(rows, row),
            _ if line.text.is_empty() => {}
            _ => skipped += 1,
        }
    }
    skipped
}

fn has_device(rows: &[IoRow], row: &IoRow) -> bool {
    rows.iter().any(|other| (other.major, other.minor) == (row.major, row.minor))
}

/// In the kernel's order, in which each is looked for first.
const KEYS: [FlatKey; 6] = FlatKey::all(["rbytes=", "wbytes=", "rios=", "wios=", "dbytes=", "dios="]);

fn parse_row(line: &[u8]) -> Option<IoRow> {
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
            // `cost.vrate=100.00` and whatever else io controllers add.
            let (_, value) = split_once(rest, b'=').filter(|(key, _)| !key.contains(&b' '))?;
            rest = split_once(value, b' ').map_or(&[][..], |(_, after)| skip_blanks(after));
            continue;
        };
        let (value, after) = take_number(value).filter(|(_, after)| ends_word(after))?;
        *values.get_mut(index)? = Some(value);
        next = index + 1;
        rest = skip_blanks(after);
    }
    let (major, minor) = device?;
    let [rbytes, wbytes, rios, wios, dbytes, dios] = values;
    let row = IoRow { major, minor, rbytes, wbytes, rios, wios, dbytes, dios };
    values.iter().any(Option::is_some).then_some(row)
}

fn ends_word(rest: &[u8]) -> bool {
    matches!(rest, [] | [b' ', ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: &str, expected: &[(u32, u32, Option<u64>, Option<u64>)], skipped: u64) {
        let mut rows = vec![IoRow::default()];
        assert_eq!(parse_io_stat(file.as_bytes(), &mut rows), skipped, "{file:?}");
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
        check(&format!("{good}252:0 "), rest, 1);
        check(&format!("{good}252:0 \n"), rest, 1);
        check(&format!("{good}252:0 rbytes=12"), rest, 1);
        check(&format!("{good}252:0 rbytes=1x\n"), rest, 1);
        check(&format!("{good}8:0 rbytes=9 wios=9\n"), rest, 1);
        check("8:0 rbytes=1 wios=2 cost.vrate=100.00 cost.usage=7\n", rest, 0);
    }
}
