//! What the machine as a whole has.

use procfs::{FromRead, Meminfo};
use std::path::Path;

/// Size of the machine, from `/proc/meminfo` and `/proc/stat`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Machine {
    /// `MemTotal`, bytes
    pub memory_bytes: Option<u64>,
    /// `SwapTotal`, bytes
    pub swap_bytes: Option<u64>,
    /// Number of `cpuN` lines in `stat`
    pub cpu_cores: Option<u64>,
}

impl Machine {
    /// Reads what the procfs at `proc_root` offers; `ProcSubset=pid` hides all of it.
    #[must_use]
    pub fn read(proc_root: &Path) -> Self {
        let meminfo = Meminfo::from_file(proc_root.join("meminfo")).ok();
        let stat = std::fs::read(proc_root.join("stat")).ok();
        Self {
            memory_bytes: meminfo.as_ref().map(|meminfo| meminfo.mem_total),
            swap_bytes: meminfo.as_ref().map(|meminfo| meminfo.swap_total),
            cpu_cores: stat.as_deref().map(count_cpus).filter(|count| *count > 0),
        }
    }
}

fn count_cpus(stat: &[u8]) -> u64 {
    stat.split(|&byte| byte == b'\n')
        .filter_map(|line| line.strip_prefix(b"cpu")?.first())
        .filter(|digit| digit.is_ascii_digit())
        .count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_line_is_no_cpu() {
        assert_eq!(count_cpus(b"cpu  1 2\ncpu0 1 2\ncpu1 1 2\nintr 5\n"), 2);
    }

    #[test]
    fn a_hidden_proc_gives_nothing() {
        assert_eq!(Machine::read(Path::new("/nonexistent")), Machine::default());
    }
}
