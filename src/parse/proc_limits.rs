//! `/proc/<pid>/limits`.

use super::{
    Limit, ParseError,
    scan::{lines, number, words},
};

/// The soft limit on open files: the first number of the line `Max open files`. `None` if there is no such
/// line.
///
/// # Errors
/// If that line has no number there.
pub fn max_open_files(file: &[u8]) -> Result<Option<Limit>, ParseError> {
    for line in lines(file) {
        let Some(rest) = line.text.strip_prefix(b"Max open files ") else { continue };
        let soft = words(rest).next().unwrap_or_default();
        let limit = if soft == b"unlimited" { Some(Limit::Max) } else { number(soft).map(Limit::Value) };
        return limit.map(Some).ok_or_else(|| ParseError::new(line.number, "a limit on open files", rest));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: &str = "\
Limit                     Soft Limit           Hard Limit           Units     
Max cpu time              unlimited            unlimited            seconds   
Max open files            1024                 524288               files     
Max locked memory         8388608              8388608              bytes     
";

    #[test]
    fn the_soft_limit_on_open_files_is_found_by_its_name() {
        assert_eq!(max_open_files(LIMITS.as_bytes()), Ok(Some(Limit::Value(1024))));
        let unlimited = LIMITS.replace("1024 ", "unlimited ");
        assert_eq!(max_open_files(unlimited.as_bytes()), Ok(Some(Limit::Max)));
        assert_eq!(max_open_files(b"Max cpu time  unlimited\n"), Ok(None));
        assert_eq!(max_open_files(b""), Ok(None));
        for odd in [
            "Max open files \n",
            "Max open files   -1  5 files\n",
            "Max open files   99999999999999999999999 5\n",
        ] {
            assert!(max_open_files(odd.as_bytes()).is_err(), "{odd}");
        }
    }
}
