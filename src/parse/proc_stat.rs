//! `/proc/stat`.

use super::scan::{lines, number, words};

/// How many processors `/proc/stat` lists: its lines `cpu0`, `cpu1`… The line `cpu` is their sum.
#[must_use]
pub fn count_cpus(file: &[u8]) -> u64 {
    let is_cpu = |word: &[u8]| {
        word.strip_prefix(b"cpu")
            .is_some_and(|number| !number.is_empty() && number.iter().all(u8::is_ascii_digit))
    };
    lines(file).filter(|line| words(line.text).next().is_some_and(is_cpu)).count() as u64
}

/// When the machine was booted, in Unix seconds: the line `btime`. `None` if there is none, or an odd one.
#[must_use]
pub fn boot_time(file: &[u8]) -> Option<u64> {
    let mut found = lines(file).filter(|line| line.ended).filter_map(|line| {
        let mut words = words(line.text);
        (words.next()? == b"btime").then(|| number(words.next()?))?
    });
    found.next().filter(|time| *time > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_line_is_no_cpu_and_nor_is_another_word() {
        assert_eq!(count_cpus(b"cpu  1 2\ncpu0 1 2\ncpu1 1 2\nintr 5\n"), 2);
        assert_eq!(count_cpus(b"odd\r\ncpu  1\r\ncpu0 1\r\ncpu0x 1\r\ncpufreq 1\r\n\xff\n cpu1\t7\n"), 2);
        assert_eq!(count_cpus(b""), 0);
    }

    #[test]
    fn a_boot_time_is_a_whole_line() {
        assert_eq!(boot_time(b"cpu 1\nbtime 1795476467\nprocesses 9710\n"), Some(1_795_476_467));
        for none in ["", "btime 0\n", "btime\n", "btime x\n", "btime -1\n", "btime 17954", "xbtime 5\n"] {
            assert_eq!(boot_time(none.as_bytes()), None, "{none:?}");
        }
    }
}
