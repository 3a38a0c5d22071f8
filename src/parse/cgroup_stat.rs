//! `cgroup.stat`.

use super::{
    ParseError,
    scan::{lines, number, strip},
};

/// `cgroup.stat` (cgroup-v2.rst, "Core Interface Files").
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CgroupStat {
    /// Cgroups below this one.
    pub nr_descendants: Option<u64>,
    /// Cgroups below this one that were removed and still hold resources.
    pub nr_dying_descendants: Option<u64>,
}

/// Parses `cgroup.stat`.
///
/// # Errors
/// If the value of a known key is not a number, if its line has no newline, or if there is no
/// `nr_descendants`, which every kernel prints.
pub fn parse_cgroup_stat(file: &[u8]) -> Result<CgroupStat, ParseError> {
    let mut stat = CgroupStat::default();
    // Since Linux 6.12 there are also lines per controller, which are skipped.
    for line in lines(file) {
        let value = |text| match number(text) {
            None => Err(ParseError::new(line.number, "a number", text)),
            // A number that is cut off is still a number.
            Some(_) if !line.ended => Err(ParseError::new(line.number, "a newline at the end", line.text)),
            value => Ok(value),
        };
        if let Some(text) = strip(line.text, b"nr_descendants ") {
            stat.nr_descendants = value(text)?;
        } else if let Some(text) = strip(line.text, b"nr_dying_descendants ") {
            stat.nr_dying_descendants = value(text)?;
        }
        if stat.nr_descendants.is_some() && stat.nr_dying_descendants.is_some() {
            break;
        }
    }
    if stat.nr_descendants.is_none() {
        return Err(ParseError::new(lines(file).count() + 1, "nr_descendants", b"end of file"));
    }
    Ok(stat)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_counts_are_found_between_those_of_controllers() {
        let stat = |nr_descendants, nr_dying_descendants| CgroupStat { nr_descendants, nr_dying_descendants };
        for (file, expected) in [
            ("nr_descendants 2\nnr_dying_descendants 1\n", stat(Some(2), Some(1))),
            (
                "nr_descendants 2\nnr_subsys_new 9\nnr_subsys_io 3\nnr_dying_descendants 1\n",
                stat(Some(2), Some(1)),
            ),
            ("nr_dying_descendants 1\nnr_descendants 2\n", stat(Some(2), Some(1))),
        ] {
            assert_eq!(parse_cgroup_stat(file.as_bytes()), Ok(expected), "{file:?}");
        }
        for file in [
            "nr_descendants many\n",
            "nr_subsys_io 1\n",
            "",
            "nr_descendants 2\nnr_dying_descendants 3",
            "nr_descendants 1",
        ] {
            assert!(parse_cgroup_stat(file.as_bytes()).is_err(), "{file:?}");
        }
    }
}
