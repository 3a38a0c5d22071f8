//! `cpuset.cpus.effective` and other CPU lists (`0-3,8`).

use super::{
    ParseError,
    scan::{number, split_once},
    single_value::whole_line,
};

/// How many CPUs a list names (cpuset(7), "List format"). An empty list is 0.
///
/// # Errors
/// If a range is not two ascending numbers.
pub fn parse_cpu_list(file: &[u8]) -> Result<u64, ParseError> {
    let text = whole_line(file)?;
    if text.is_empty() {
        return Ok(0);
    }
    let mut count: u64 = 0;
    for range in text.split(|&byte| byte == b',') {
        let (first, last) = split_once(range, b'-').unwrap_or((range, range));
        let width =
            number(last).zip(number(first)).and_then(|(last, first)| last.checked_sub(first)?.checked_add(1));
        let total = width.and_then(|width| count.checked_add(width));
        count = total.ok_or_else(|| ParseError::new(1, "a list of CPUs", range))?;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_and_single_cpus_are_counted() {
        assert_eq!(parse_cpu_list(b"0-1\n"), Ok(2));
        assert_eq!(parse_cpu_list(b"0\n"), Ok(1));
        assert_eq!(parse_cpu_list(b"0-3,8,10-11\n"), Ok(7));
        assert_eq!(parse_cpu_list(b"\n"), Ok(0));
        assert!(parse_cpu_list(b"3-1\n").is_err());
        assert!(parse_cpu_list(b"0-18446744073709551615\n").is_err());
    }
}
