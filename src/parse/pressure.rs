//! `cpu.pressure`, `memory.pressure`, `io.pressure`, `irq.pressure`.

use super::{
    ParseError,
    scan::{Line, lines, take_number},
};

/// One line of a pressure file (accounting/psi.rst).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stall {
    /// Share of the last 10, 60 and 300 s, in hundredths of a percent.
    pub averages: [u64; 3],
    /// Time stalled, µs.
    pub total_usec: u64,
}

/// A pressure file. `irq.pressure` has only `full`; `cpu.pressure` before Linux 5.13 only `some`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pressure {
    /// At least one task waited.
    pub some: Option<Stall>,
    /// No task could run.
    pub full: Option<Stall>,
}

/// Parses a pressure file.
///
/// # Errors
/// A `some` or `full` line without its four values, or neither of the two.
pub fn parse_pressure(file: &[u8]) -> Result<Pressure, ParseError> {
    let mut pressure = Pressure::default();
    let mut last = 0;
    for line in lines(file) {
        last = line.number;
        if let Some(stall) = line.text.strip_prefix(b"some ") {
            pressure.some = Some(parse_stall(&line, stall)?);
        } else if let Some(stall) = line.text.strip_prefix(b"full ") {
            pressure.full = Some(parse_stall(&line, stall)?);
        }
    }
    if pressure == Pressure::default() {
        return Err(ParseError::new(last + 1, "some or full", b"end of file"));
    }
    Ok(pressure)
}

/// A line of a cgroup in which nobody waited for minutes: one comparison instead of three searches and numbers.
const CALM: &[u8] = b"avg10=0.00 avg60=0.00 avg300=0.00 total=";

fn parse_stall(line: &Line<'_>, text: &[u8]) -> Result<Stall, ParseError> {
    if let Some((total_usec, [])) = text.strip_prefix(CALM).and_then(take_number) {
        return Ok(Stall { averages: [0; 3], total_usec });
    }
    let mut rest = text;
    let averages = [
        take_value(line, text, &mut rest, b"avg10=", take_hundredths)?.unwrap_or(0),
        take_value(line, text, &mut rest, b"avg60=", take_hundredths)?.unwrap_or(0),
        take_value(line, text, &mut rest, b"avg300=", take_hundredths)?.unwrap_or(0),
    ];
    let total = take_value(line, text, &mut rest, b"total=", take_number)?;
    let total_usec = total.ok_or_else(|| ParseError::new(line.number, "total=", text))?;
    Ok(Stall { averages, total_usec })
}

/// The value of a key: here and now as the kernel prints them, which takes no search, else wherever it is in the line.
#[inline]
fn take_value<'a, const N: usize>(
    line: &Line<'_>,
    text: &'a [u8],
    rest: &mut &'a [u8],
    key: &[u8; N],
    take: impl Fn(&'a [u8]) -> Option<(u64, &'a [u8])>,
) -> Result<Option<u64>, ParseError> {
    let elsewhere = || text.split(|&byte| byte == b' ').find_map(|word| word.strip_prefix(key));
    let Some(value) = rest.strip_prefix(key).or_else(elsewhere) else { return Ok(None) };
    match take(value) {
        Some((number, after @ ([] | [b' ', ..]))) => {
            *rest = after.get(1..).unwrap_or_default();
            Ok(Some(number))
        }
        _ => Err(ParseError::new(line.number, "a number", value)),
    }
}

/// `12.34` as 1234: the kernel prints two digits behind the point.
#[inline]
fn take_hundredths(text: &[u8]) -> Option<(u64, &[u8])> {
    match take_number(text)? {
        (whole, [b'.', tenths @ b'0'..=b'9', hundredths @ b'0'..=b'9', rest @ ..]) => {
            let fraction = u64::from(tenths & 0x0f) * 10 + u64::from(hundredths & 0x0f);
            Some((whole.checked_mul(100)?.checked_add(fraction)?, rest))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lines_are_read() {
        let file = b"some avg10=1.50 avg60=0.01 avg300=100.00 total=520534\nfull avg10=0.00 avg60=0.01 avg300=0.06 total=429011\n";
        let pressure = parse_pressure(file).unwrap();
        assert_eq!(pressure.some, Some(Stall { averages: [150, 1, 10_000], total_usec: 520_534 }));
        assert_eq!(pressure.full.map(|stall| stall.total_usec), Some(429_011));
    }

    #[test]
    fn a_calm_line_has_a_total_all_the_same() {
        let some = Some(Stall { averages: [0; 3], total_usec: 7 });
        for end in ["7", "7 new=1"] {
            let line = format!("some avg10=0.00 avg60=0.00 avg300=0.00 total={end}\n");
            assert_eq!(parse_pressure(line.as_bytes()).unwrap().some, some);
        }
        assert!(parse_pressure(b"some avg10=0.00 avg60=0.00 avg300=0.00 total=7x\n").is_err());
    }

    #[test]
    fn one_of_the_two_is_enough() {
        let pressure = parse_pressure(b"full avg10=0.00 avg60=0.00 avg300=0.00 total=1\n").unwrap();
        assert!(pressure.some.is_none() && pressure.full.is_some());
        assert!(parse_pressure(b"").is_err());
        assert!(parse_pressure(b"some avg10=0.00\n").is_err());
    }
}
