//! `cgroup.procs`.

use super::{
    ParseError,
    scan::{lines, number},
};

/// The PIDs in a `cgroup.procs`, in the reader's PID namespace; `0` is a process outside it.
pub fn pids(file: &[u8]) -> impl Iterator<Item = u32> {
    lines(file).filter_map(|line| pid(line.text))
}

/// How many processes a `cgroup.procs` lists.
///
/// # Errors
/// If a line is not a PID, or the last line has no newline: a part of the list does not give the number of
/// processes.
pub fn count_pids(file: &[u8]) -> Result<u64, ParseError> {
    let mut count = 0;
    for line in lines(file) {
        if pid(line.text).is_none() || !line.ended {
            return Err(ParseError::new(line.number, "a process ID", line.text));
        }
        count += 1;
    }
    Ok(count)
}

fn pid(text: &[u8]) -> Option<u32> {
    number(text).and_then(|pid| u32::try_from(pid).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_processes_read_as_zero() {
        assert_eq!(pids(b"1286\n0\n9631\n").collect::<Vec<_>>(), [1286, 0, 9631]);
        assert_eq!(pids(b"").count(), 0);
    }

    #[test]
    fn a_part_of_the_list_is_not_counted() {
        assert_eq!(count_pids(b"1286\n0\n9631\n"), Ok(3));
        assert_eq!(count_pids(b""), Ok(0));
        for odd in ["zz\n", "1\n-5\n", "1\n99999999999999999999999\n", "1\r\n", "1286\n96"] {
            assert!(count_pids(odd.as_bytes()).is_err(), "{odd:?}");
        }
    }
}
