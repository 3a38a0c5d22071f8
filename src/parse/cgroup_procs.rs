//! `cgroup.procs`.

use super::scan::{lines, number};

/// The PIDs of a `cgroup.procs` as the reader's PID namespace sees them; `0` is a process outside it.
pub fn pids(file: &[u8]) -> impl Iterator<Item = u32> {
    lines(file).filter_map(|line| number(line.text).and_then(|pid| u32::try_from(pid).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_processes_read_as_zero() {
        assert_eq!(pids(b"1286\n0\n9631\n").collect::<Vec<_>>(), [1286, 0, 9631]);
        assert_eq!(pids(b"").count(), 0);
    }
}
