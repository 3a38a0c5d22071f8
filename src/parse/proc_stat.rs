//! `/proc/stat`.

use super::{
    ParseError,
    scan::{lines, number, words},
};

/// How many processors `/proc/stat` lists: its lines `cpu0`, `cpu1`… The line `cpu` is their sum.
///
/// # Errors
/// If there is none, or the last line has no newline: a part of the file may list fewer of them.
pub fn count_cpus(file: &[u8]) -> Result<u64, ParseError> {
    let is_cpu = |word: &[u8]| {
        word.strip_prefix(b"cpu")
            .is_some_and(|number| !number.is_empty() && number.iter().all(u8::is_ascii_digit))
    };
    if let Some(line) = lines(file).find(|line| !line.ended) {
        return Err(ParseError::new(line.number, "a newline at the end", line.text));
    }
    match lines(file).filter(|line| words(line.text).next().is_some_and(is_cpu)).count() {
        0 => Err(ParseError::new(1, "a line cpu0", file)),
        many => Ok(many as u64),
    }
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
        assert_eq!(count_cpus(b"cpu  1 2\ncpu0 1 2\ncpu1 1 2\nintr 5\n"), Ok(2));
        let odd = b"odd\r\ncpu  1\r\ncpu0 1\r\ncpu0x 1\r\ncpufreq 1\r\n\xff\n cpu1\t7\n";
        assert_eq!(count_cpus(odd), Ok(2));
        for none in ["", "cpu  1 2\n", "cpu  1 2\ncpu0 1 2\ncpu1 1", "cpu  1 2\ncpu0 1 2\nin"] {
            assert!(count_cpus(none.as_bytes()).is_err(), "{none:?}");
        }
    }

    #[test]
    fn a_boot_time_is_a_whole_line() {
        assert_eq!(boot_time(b"cpu 1\nbtime 1795476467\nprocesses 9710\n"), Some(1_795_476_467));
        for none in ["", "btime 0\n", "btime\n", "btime x\n", "btime -1\n", "btime 17954", "xbtime 5\n"] {
            assert_eq!(boot_time(none.as_bytes()), None, "{none:?}");
        }
    }
}
