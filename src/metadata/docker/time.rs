//! Times and numbers as Docker writes them.

use std::time::Duration;

pub(super) fn positive(number: i64) -> Option<u64> {
    u64::try_from(number).ok()
}

/// Seconds since 1970 of an RFC 3339 time; `None` for Docker's "never", the year 1.
pub(super) fn unix_seconds(text: &str) -> Option<f64> {
    let time = chrono::DateTime::parse_from_rfc3339(text).ok()?;
    let nanos = time.timestamp_nanos_opt().filter(|nanos| *nanos > 0)?;
    Some(Duration::from_nanos(u64::try_from(nanos).ok()?).as_secs_f64())
}

/// The time of a `Date` header, unix s.
pub(super) fn http_date(text: &str) -> Option<f64> {
    let seconds = chrono::DateTime::parse_from_rfc2822(text).ok()?.timestamp();
    Some(Duration::from_secs(positive(seconds)?).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_year_one_is_never() {
        assert_eq!(unix_seconds("0001-01-01T00:00:00Z"), None);
        assert_eq!(unix_seconds("2026-11-23T23:50:18.5Z"), Some(1_795_477_818.5));
        assert_eq!(unix_seconds("2026-11-24T01:50:18+02:00"), Some(1_795_477_818.0));
        assert_eq!(unix_seconds("yesterday"), None);
    }

    #[test]
    fn a_date_header_is_a_time() {
        assert_eq!(http_date("Mon, 23 Nov 2026 23:50:18 GMT"), Some(1_795_477_818.0));
        assert_eq!(http_date("soon"), None);
    }
}
