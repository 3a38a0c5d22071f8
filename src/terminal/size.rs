//! Numbers of bytes as Docker's command line writes them.

/// Memory: four digits, and units that are powers of 1024.
#[must_use]
pub fn binary(bytes: u64) -> String {
    scaled(bytes, 1024.0, 4, &["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"])
}

/// Traffic: three digits, and units that are powers of 1000.
#[must_use]
pub fn decimal(bytes: u64) -> String {
    scaled(bytes, 1000.0, 3, &["B", "kB", "MB", "GB", "TB", "PB", "EB"])
}

fn scaled(bytes: u64, base: f64, digits: usize, units: &[&str]) -> String {
    let mut value = float(bytes);
    let mut unit = "";
    for next in units {
        unit = next;
        if value < base {
            break;
        }
        if Some(next) != units.last() {
            value /= base;
        }
    }
    let whole = format!("{value:.0}").len();
    let text = format!("{value:.*}", digits.saturating_sub(whole));
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{unit}")
}

/// Exact up to 2⁵³, which is far more than is shown.
#[expect(clippy::cast_precision_loss, reason = "a few digits are shown")]
pub(super) fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_as_docker_writes_them() {
        for (bytes, expected) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1KiB"),
            (1_905_492, "1.817MiB"),
            (67_108_864, "64MiB"),
            (2_087_354_368, "1.944GiB"),
            (u64::MAX, "16EiB"),
        ] {
            assert_eq!(binary(bytes), expected);
        }
        for (bytes, expected) in
            [(0, "0B"), (726, "726B"), (1_450, "1.45kB"), (41_200_000, "41.2MB"), (12_000_000_000, "12GB")]
        {
            assert_eq!(decimal(bytes), expected);
        }
    }
}
