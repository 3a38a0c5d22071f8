//! `/proc/<pid>/net/dev`: the interfaces of the network namespace that a process is in.

use super::{
    Name,
    scan::{lines, push_tight, skip_blanks, take_number},
};

use memchr::memrchr;

/// How many interfaces per namespace are kept. A container with `NET_ADMIN` can create any number; this
/// limits the memory and the series that they cost.
const MAX_INTERFACES: usize = 128;

/// One interface (proc_pid_net(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterfaceRow {
    /// Name of the interface.
    pub name: Name,
    /// What it received.
    pub receive: Direction,
    /// What it sent.
    pub transmit: Direction,
}

/// Counters of one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Direction {
    /// Bytes.
    pub bytes: u64,
    /// Packets.
    pub packets: u64,
    /// Packets with errors.
    pub errs: u64,
    /// Packets dropped.
    pub drop: u64,
}

/// Parses `net/dev` into `rows`, without the interfaces that are `left_out`, and returns how many lines were
/// skipped.
pub fn parse_net_dev(file: &[u8], rows: &mut Vec<InterfaceRow>, left_out: impl Fn(&[u8]) -> bool) -> u64 {
    rows.clear();
    let mut skipped = 0;
    let mut headings = 0;
    for line in lines(file) {
        // Split at the last colon: an alias (`eth0:1:`) has a colon in its name, and old kernels write no
        // blank after the colon.
        let Some((name, columns)) = memrchr(b':', line.text).and_then(|at| line.text.split_at_checked(at))
        else {
            // The two heading lines have bars instead of a colon.
            let is_heading = line.text.contains(&b'|');
            headings += u64::from(is_heading);
            skipped += u64::from(!line.text.is_empty() && !is_heading);
            continue;
        };
        let name = name.trim_ascii();
        if left_out(name) {
            continue;
        }
        match parse_row(name, columns.get(1..).unwrap_or_default()) {
            Some(row)
                if line.ended
                    && rows.len() < MAX_INTERFACES
                    && !rows.iter().any(|other| other.name == row.name) =>
            {
                push_tight(rows, row);
            }
            _ => skipped += 1,
        }
    }
    // A namespace without interfaces still has the headings. A file without headings is not complete.
    skipped + u64::from(headings == 0)
}

fn parse_row(name: &[u8], mut columns: &[u8]) -> Option<InterfaceRow> {
    let mut direction = || {
        let mut column = || {
            let (value, rest) = take_number(skip_blanks(columns))?;
            columns = rest;
            matches!(rest, [] | [b' ', ..]).then_some(value)
        };
        let direction = Direction { bytes: column()?, packets: column()?, errs: column()?, drop: column()? };
        // fifo, frame (colls), compressed (carrier), multicast (compressed)
        for _ in 0..4 {
            column()?;
        }
        Some(direction)
    };
    let receive = direction()?;
    let transmit = direction()?;
    Some(InterfaceRow { name: Name::new(name)?, receive, transmit })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "Inter-|   Receive                                                |  Transmit\n face \
        |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls \
        carrier compressed\n";

    fn check(rows: &str, expected: &[(&str, u64, u64)], skipped: u64) {
        let mut seen = Vec::new();
        assert_eq!(
            parse_net_dev(format!("{HEAD}{rows}").as_bytes(), &mut seen, |name| name == b"lo"),
            skipped,
            "{rows}"
        );
        let seen: Vec<_> = seen
            .iter()
            .map(|row| (row.name.as_str().to_owned(), row.receive.bytes, row.transmit.drop))
            .collect();
        let expected: Vec<_> = expected.iter().map(|(name, rx, tx)| ((*name).to_owned(), *rx, *tx)).collect();
        assert_eq!(seen, expected, "{rows}");
    }

    #[test]
    fn what_is_left_out_is_no_row() {
        check(
            "    lo: 9 9 0 0 0 0 0 0 9 9 0 0 0 0 0 0\n  eth0:  796 10 1 2 0 0 0 0 5 6 7 8 0 0 0 0\n",
            &[("eth0", 796, 8)],
            0,
        );
    }

    #[test]
    fn an_alias_is_split_at_its_last_colon() {
        check("eth0:1: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n", &[("eth0:1", 1, 8)], 0);
        check("eth0:1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n", &[("eth0", 1, 8)], 0);
    }

    #[test]
    fn a_file_without_its_headings_is_not_whole() {
        for file in ["", "eth0: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n"] {
            assert_eq!(parse_net_dev(file.as_bytes(), &mut Vec::new(), |_| false), 1, "{file:?}");
        }
        check("", &[], 0);
    }

    #[test]
    fn an_odd_row_costs_only_itself() {
        let good = "eth0: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 0\n";
        let rest: &[_] = &[("eth0", 1, 8)];
        check(&format!("{good}eth1: 1 2 3\n"), rest, 1);
        check(&format!("{good}eth1: 1 2 3 4 0 0 0 0 5 6 7 x 0 0 0 0\n"), rest, 1);
        check(&format!("{good}no colon here\n"), rest, 1);
        check(&format!("{good}{good}"), rest, 1);
        check(&format!("{good}eth1: 1 2 3 4 0 0 0 0 5 6 7 8 0 0 0 12"), rest, 1);
    }
}
