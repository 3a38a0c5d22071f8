//! `/proc/meminfo`.

use super::{
    ParseError,
    scan::{lines, split_once, take_number, trim},
};

/// The lines of `/proc/meminfo` that are used, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Meminfo {
    /// `MemTotal`
    pub mem_total: Option<u64>,
    /// `MemFree`
    pub mem_free: Option<u64>,
    /// `Buffers`: page cache of block devices
    pub buffers: Option<u64>,
    /// `Cached`: the rest of the page cache, tmpfs and shared memory included
    pub cached: Option<u64>,
    /// `Inactive(file)`
    pub inactive_file: Option<u64>,
    /// `SwapTotal`
    pub swap_total: Option<u64>,
    /// `SwapFree`
    pub swap_free: Option<u64>,
    /// `AnonPages`
    pub anon_pages: Option<u64>,
    /// `Mapped`
    pub mapped: Option<u64>,
}

impl Meminfo {
    fn slot(&mut self, name: &[u8]) -> Option<&mut Option<u64>> {
        Some(match name {
            b"MemTotal" => &mut self.mem_total,
            b"MemFree" => &mut self.mem_free,
            b"Buffers" => &mut self.buffers,
            b"Cached" => &mut self.cached,
            b"Inactive(file)" => &mut self.inactive_file,
            b"SwapTotal" => &mut self.swap_total,
            b"SwapFree" => &mut self.swap_free,
            b"AnonPages" => &mut self.anon_pages,
            b"Mapped" => &mut self.mapped,
            _ => return None,
        })
    }

    /// Memory that is not free, page cache included.
    #[must_use]
    pub fn used(&self) -> Option<u64> {
        self.mem_total?.checked_sub(self.mem_free?)
    }

    /// Swap that is not free.
    #[must_use]
    pub fn swap_used(&self) -> Option<u64> {
        self.swap_total?.checked_sub(self.swap_free?)
    }

    /// The page cache. Block devices' is included, as in `file` of `memory.stat`.
    #[must_use]
    pub fn page_cache(&self) -> Option<u64> {
        self.cached?.checked_add(self.buffers?)
    }
}

/// Parses `/proc/meminfo`. Lines are found by name, and all others are ignored: kernels, and replacements for
/// the file in containers, add, omit and change lines. If a line that is used is odd, only that line is lost,
/// and the first such error is returned.
pub fn parse_meminfo(file: &[u8]) -> (Meminfo, Option<ParseError>) {
    let mut meminfo = Meminfo::default();
    let mut problem = None;
    for line in lines(file) {
        let Some((name, value)) = split_once(line.text, b':') else { continue };
        let Some(slot) = meminfo.slot(trim(name)) else { continue };
        let value = trim(value);
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

fn bytes(value: &[u8]) -> Option<u64> {
    let (number, unit) = take_number(value)?;
    if trim(unit).eq_ignore_ascii_case(b"kB") { number.checked_mul(1024) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: &str, mem_total: Option<u64>, swap_total: Option<u64>, odd: bool) {
        let (meminfo, problem) = parse_meminfo(file.as_bytes());
        assert_eq!((meminfo.mem_total, meminfo.swap_total), (mem_total, swap_total), "{file:?}");
        assert_eq!(problem.is_some(), odd, "{file:?}");
    }

    #[test]
    fn lines_are_found_by_name_whatever_stands_around_them() {
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

    #[test]
    fn what_is_used_is_known_only_if_both_of_its_lines_are() {
        let whole =
            "MemTotal: 10 kB\nMemFree: 4 kB\nBuffers: 1 kB\nCached: 2 kB\nSwapTotal: 8 kB\nSwapFree: 8 kB\n";
        let used = |file: &str| {
            let (meminfo, _) = parse_meminfo(file.as_bytes());
            (meminfo.used(), meminfo.page_cache(), meminfo.swap_used())
        };
        assert_eq!(used(whole), (Some(6 * 1024), Some(3 * 1024), Some(0)));
        for line in whole.lines().filter(|line| !line.starts_with("MemTotal")) {
            let without = used(&whole.replace(&format!("{line}\n"), ""));
            let unknown = [without.0, without.1, without.2].iter().filter(|value| value.is_none()).count();
            assert_eq!(unknown, 1, "{line}");
        }
        assert_eq!(used(&whole.replace("MemFree: 4", "MemFree: 11")).0, None, "more free than there is");
    }
}
