//! `cpu.pressure`, `memory.pressure`, `io.pressure`, `irq.pressure`.

use super::{
    ParseError,
    scan::{split_once, strip, take_number, words},
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
/// If a `some` or `full` line lacks one of its four values, or if there is neither of the two lines.
pub fn parse_pressure(file: &[u8]) -> Result<Pressure, ParseError> {
    // A number that is cut off is still a number.
    if !file.ends_with(b"\n") {
        return Err(ParseError::new(1, "a newline at the end", file));
    }
    let mut pressure = Pressure::default();
    let mut number = 0;
    let mut rest = file;
    while !rest.is_empty() {
        number += 1;
        let (slot, text) = match (strip(rest, b"some "), strip(rest, b"full ")) {
            (Some(text), _) => (&mut pressure.some, text),
            (_, Some(text)) => (&mut pressure.full, text),
            _ => {
                rest = split_once(rest, b'\n').map_or(&[], |(_, after)| after);
                continue;
            }
        };
        if let Some((stall, after)) = take_stall(text) {
            *slot = Some(stall);
            rest = after;
        } else {
            let (line, after) = split_once(text, b'\n').unwrap_or((text, &[]));
            *slot = Some(parse_stall(number, line)?);
            rest = after;
        }
    }
    if pressure == Pressure::default() {
        return Err(ParseError::new(number + 1, "some or full", b"end of file"));
    }
    Ok(pressure)
}

/// The line of a cgroup without waits for minutes: one comparison instead of parsing three numbers.
const CALM: &[u8; 40] = b"avg10=0.00 avg60=0.00 avg300=0.00 total=";

/// A line as all current kernels print it, and the text after it. Needs no search for the end of a line or
/// word.
fn take_stall(text: &[u8]) -> Option<(Stall, &[u8])> {
    let (averages, rest) = match strip(text, CALM) {
        Some(rest) => ([0; 3], rest),
        None => {
            let (avg10, rest) = take_hundredths(strip(text, b"avg10=")?)?;
            let (avg60, rest) = take_hundredths(strip(rest, b" avg60=")?)?;
            let (avg300, rest) = take_hundredths(strip(rest, b" avg300=")?)?;
            ([avg10, avg60, avg300], strip(rest, b" total=")?)
        }
    };
    let (total_usec, rest) = take_number(rest)?;
    Some((Stall { averages, total_usec }, strip(rest, b"\n")?))
}

/// Takes a number from the front.
type Take = fn(&[u8]) -> Option<(u64, &[u8])>;

/// A line with its keys in any order, and with other keys between them.
#[cold]
fn parse_stall(line: usize, text: &[u8]) -> Result<Stall, ParseError> {
    let value = |key: &[u8], take: Take| {
        let Some(value) = words(text).find_map(|word| word.strip_prefix(key)) else { return Ok(None) };
        match take(value) {
            Some((number, [])) => Ok(Some(number)),
            _ => Err(ParseError::new(line, "a number", value)),
        }
    };
    let averages = [
        value(b"avg10=", take_hundredths)?.unwrap_or(0),
        value(b"avg60=", take_hundredths)?.unwrap_or(0),
        value(b"avg300=", take_hundredths)?.unwrap_or(0),
    ];
    let total_usec = value(b"total=", take_number)?;
    Ok(Stall { averages, total_usec: total_usec.ok_or_else(|| ParseError::new(line, "total=", text))? })
}

/// `12.34` as 1234: the kernel prints two digits after the point.
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
        let file = b"some avg10=1.50 avg60=0.01 avg300=100.00 total=520534\nfull avg10=0.00 avg60=0.01 \
            avg300=0.06 total=429011\n";
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
    fn any_order_is_read_and_a_bad_value_knows_its_line() {
        let expected = parse_pressure(b"some avg10=1.50 avg60=0.01 avg300=100.00 total=520534\n").unwrap();
        for file in [
            "some total=520534 avg300=100.00 avg60=0.01 avg10=1.50\n",
            "new avg10=9.99\nsome avg10=1.50  avg30=7.00 avg60=0.01 avg300=100.00 total=520534 more=1\n",
            "some avg10=1.50 avg60=0.01 avg300=100.00 total=520534\n",
        ] {
            assert_eq!(parse_pressure(file.as_bytes()), Ok(expected), "{file}");
        }
        let file = b"some avg10=0.00 avg60=0.00 avg300=0.00 total=1\nfull avg10=0.x0 avg60=0.00 avg300=0.00 \
            total=1\n";
        assert_eq!(parse_pressure(file).unwrap_err().to_string(), "2: expected a number, found \"0.x0\"");
        assert!(parse_pressure(b"some avg10=1.50 avg60=0.01 avg300=100.00 total=5205").is_err());
    }

    #[test]
    fn one_of_the_two_is_enough() {
        let pressure = parse_pressure(b"full avg10=0.00 avg60=0.00 avg300=0.00 total=1\n").unwrap();
        assert!(pressure.some.is_none() && pressure.full.is_some());
        assert!(parse_pressure(b"").is_err());
        assert!(parse_pressure(b"some avg10=0.00\n").is_err());
    }
}
