//! `cgroup.stat`.

use super::{
    ParseError,
    scan::{FlatKey, flat_keyed},
};

/// `cgroup.stat` (cgroup-v2.rst, "Core Interface Files").
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CgroupStat {
    /// Cgroups below this one.
    pub nr_descendants: Option<u64>,
    /// Cgroups below this one that were removed and still hold resources.
    pub nr_dying_descendants: Option<u64>,
}

/// Linux 6.12 counts each controller's groups too.
const KEYS: [FlatKey; 13] = FlatKey::all([
    "nr_descendants ",
    "nr_subsys_cpuset ",
    "nr_subsys_cpu ",
    "nr_subsys_io ",
    "nr_subsys_memory ",
    "nr_subsys_perf_event ",
    "nr_subsys_hugetlb ",
    "nr_subsys_pids ",
    "nr_subsys_rdma ",
    "nr_subsys_misc ",
    "nr_subsys_dmem ",
    "nr_subsys_freezer ",
    "nr_dying_descendants ",
]);

/// Parses `cgroup.stat`.
///
/// # Errors
/// A known key whose value is not a number.
pub fn parse_cgroup_stat(file: &[u8]) -> Result<CgroupStat, ParseError> {
    let mut stat = CgroupStat::default();
    flat_keyed(file, &KEYS, |index, value| {
        match index {
            0 => stat.nr_descendants = Some(value),
            index if index + 1 == KEYS.len() => stat.nr_dying_descendants = Some(value),
            _ => {}
        }
        stat.nr_descendants.is_none() || stat.nr_dying_descendants.is_none()
    })?;
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
            ("nr_dying_descendants 1\nnr_descendants 2", stat(Some(2), Some(1))),
            ("nr_subsys_io 1\n", stat(None, None)),
        ] {
            assert_eq!(parse_cgroup_stat(file.as_bytes()), Ok(expected), "{file:?}");
        }
        assert!(parse_cgroup_stat(b"nr_descendants many\n").is_err());
    }
}
