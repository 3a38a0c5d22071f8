//! `/proc/meminfo`.

use super::{
    ParseError,
    scan::{lines, take_number, trim},
};

/// The two lines of `/proc/meminfo` that are used, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Meminfo {
    /// `MemTotal`
    pub mem_total: Option<u64>,
    /// `SwapTotal`
    pub swap_total: Option<u64>,
}

/// Parses `/proc/meminfo`. Lines are found by name, and all others are ignored: kernels, and replacements for
/// the file in containers, add, omit and change lines. If one of the two lines is odd, only that line is
/// lost, and the error is returned.
pub fn parse_meminfo(file: &[u8]) -> (Meminfo, Option<ParseError>) {
    let mut meminfo = Meminfo::default();
    let mut problem = None;
    for line in lines(file) {
        let text = trim(line.text);
        let (slot, value) = if let Some(value) = value_of(text, b"MemTotal") {
            (&mut meminfo.mem_total, value)
        } else if let Some(value) = value_of(text, b"SwapTotal") {
            (&mut meminfo.swap_total, value)
        } else {
            continue;
        };
        match bytes(value).filter(|_| line.ended) {
            Some(bytes) => *slot = slot.or(Some(bytes)),
            None => problem = problem.or(Some(ParseError::new(line.number, "a number of kB", value))),
        }
    }
    if meminfo.mem_total.is_none() {
        problem =
            problem.or_else(|| Some(ParseError::new(lines(file).count() + 1, "MemTotal", b"end of file")));
    }
    (meminfo, problem)
}

fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    trim(line.strip_prefix(name)?).strip_prefix(b":").map(trim)
}

fn bytes(value: &[u8]) -> Option<u64> {
    let (number, unit) = take_number(value)?;
    if trim(unit).eq_ignore_ascii_case(b"kB") { number.checked_mul(1024) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: &str, mem_total: Option<u64>, swap_total: Option<u64>, odd: bool) {
        let (meminfo, problem) = parse_meminfo(file.as_bytes());
        assert_eq!(meminfo, Meminfo { mem_total, swap_total }, "{file:?}");
        assert_eq!(problem.is_some(), odd, "{file:?}");
    }

    #[test]
    fn two_lines_are_found_by_name_whatever_stands_around_them() {
        let head = "        total:    used:    free:  shared: buffers:  cached:\nMem:  260579328 136073216 \
            124506112        0  4915200 94064640\nSwap:        0        0        0\n";
        check(
            &format!("{head}MemTotal:  4 kB\nMemFree: 3 kB\nSwapTotal: 0 kB\n"),
            Some(4096),
            Some(0),
            false,
        );
        check("SwapTotal:2 kB\nMemTotal:4kB\n", Some(4096), Some(2048), false);
        check("MemTotal:\t4 KB\r\nOdd\n\nNew: x y z\r\nSwapTotal :  1 kB\r\n", Some(4096), Some(1024), false);
        check("MemTotalPlus: 9 kB\nXMemTotal: 9 kB\n", None, None, true);
        check("MemTotal: 4 kB\n", Some(4096), None, false);
        check("", None, None, true);
    }

    #[test]
    fn an_odd_line_costs_only_itself() {
        check("MemTotal: many kB\nSwapTotal: 1 kB\n", None, Some(1024), true);
        check("MemTotal: 4 MB\nSwapTotal: 1\n", None, None, true);
        check("MemTotal: 18446744073709551615 kB\n", None, None, true);
        check("MemTotal: 4 kB\nSwapTotal: 12", Some(4096), None, true);
        check("MemTotal: -4 kB\nMemTotal: 4 kB\n", Some(4096), None, true);
    }
}
