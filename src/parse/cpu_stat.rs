//! `cpu.stat` and `cpu.stat.local`.

use super::{
    ParseError,
    scan::{FlatKey, flat_keyed},
};

/// `cpu.stat` (cgroup-v2.rst, "CPU Interface Files"). Times in µs.
///
/// The `nr_*`, `throttled_usec` and `burst_usec` keys exist only where the cpu controller is enabled;
/// `nice_usec` since Linux 6.12.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CpuStat {
    /// CPU time used, µs.
    pub usage_usec: u64,
    /// Of that, in user mode, µs.
    pub user_usec: Option<u64>,
    /// Of that, in the kernel, µs.
    pub system_usec: Option<u64>,
    /// Of the user time, by niced processes, µs.
    pub nice_usec: Option<u64>,
    /// Quota periods that have passed.
    pub nr_periods: Option<u64>,
    /// Of those, the ones in which the group was throttled.
    pub nr_throttled: Option<u64>,
    /// Time spent throttled, µs.
    pub throttled_usec: Option<u64>,
    /// Periods in which a burst was used.
    pub nr_bursts: Option<u64>,
    /// CPU time used above the quota in bursts, µs.
    pub burst_usec: Option<u64>,
}

const KEYS: [FlatKey; 9] = FlatKey::all([
    "usage_usec ",
    "user_usec ",
    "system_usec ",
    "nice_usec ",
    "nr_periods ",
    "nr_throttled ",
    "throttled_usec ",
    "nr_bursts ",
    "burst_usec ",
]);

/// Parses `cpu.stat`.
///
/// # Errors
/// If the value of a known key is not a number, or if there is no `usage_usec`, which every kernel prints.
pub fn parse_cpu_stat(file: &[u8]) -> Result<CpuStat, ParseError> {
    let mut values = [None; KEYS.len()];
    let lines = flat_keyed(file, &KEYS, |index, value| {
        if let Some(slot) = values.get_mut(index) {
            *slot = Some(value);
        }
        true
    })?;
    let [
        usage_usec,
        user_usec,
        system_usec,
        nice_usec,
        nr_periods,
        nr_throttled,
        throttled_usec,
        nr_bursts,
        burst_usec,
    ] = values;
    if file.last().is_some_and(|last| *last != b'\n') {
        // Cut off within a key: those that follow are not absent.
        let end = file.get(file.len().saturating_sub(16)..).unwrap_or_default();
        return Err(ParseError::new(lines, "a newline at the end", end));
    }
    let usage_usec = usage_usec.ok_or_else(|| ParseError::new(lines + 1, "usage_usec", b"end of file"))?;
    Ok(CpuStat {
        usage_usec,
        user_usec,
        system_usec,
        nice_usec,
        nr_periods,
        nr_throttled,
        throttled_usec,
        nr_bursts,
        burst_usec,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_and_go_with_kernel_and_controller() {
        let stat = parse_cpu_stat(b"usage_usec 7\nuser_usec 3\nsystem_usec 4\n").unwrap();
        assert_eq!((stat.usage_usec, stat.user_usec, stat.nr_periods), (7, Some(3), None));
        let stat = parse_cpu_stat(b"system_usec 4\nnew_key 1.5\nusage_usec 7\nnr_periods 2\n").unwrap();
        assert_eq!((stat.usage_usec, stat.nr_periods, stat.nice_usec), (7, Some(2), None));
    }

    #[test]
    fn a_bad_value_and_a_missing_key_name_their_line() {
        let error = parse_cpu_stat(b"usage_usec 7\nuser_usec x9\n").unwrap_err();
        assert_eq!(error.to_string(), "2: expected a number, found \"x9\"");
        let error = parse_cpu_stat(b"system_usec 1\nusage_usec 7").unwrap_err();
        assert_eq!(error.to_string(), "2: expected a newline at the end, found \"usage_usec 7\"");
        let error = parse_cpu_stat(b"usage_usec 7\nuser_us").unwrap_err();
        assert_eq!(error.to_string(), "2: expected a newline at the end, found \"e_usec 7?user_us\"");
        let error = parse_cpu_stat(b"user_usec 1\n").unwrap_err();
        assert_eq!(error.to_string(), "2: expected usage_usec, found \"end of file\"");
    }
}
