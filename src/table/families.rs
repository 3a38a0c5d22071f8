//! THE table: every family of containers and of the machine.

use super::{cadvisor, core, family::Family, lifecycle, peaks, v2};

/// The files of rows, in the order of the page.
const PARTS: &[&[Family]] = &[
    core::FAMILIES,
    cadvisor::state::TIMES,
    cadvisor::cpu::FAMILIES,
    cadvisor::memory::FAMILIES,
    cadvisor::pressure::FAMILIES,
    cadvisor::io::FAMILIES,
    cadvisor::disk::FAMILIES,
    cadvisor::network::FAMILIES,
    cadvisor::pids::FAMILIES,
    cadvisor::state::HEALTH,
    cadvisor::machine::FAMILIES,
    v2::FAMILIES,
    peaks::FAMILIES,
    lifecycle::FAMILIES,
];

const COUNT: usize = {
    let (mut count, mut rest) = (0, PARTS);
    while let [first, others @ ..] = rest {
        count += first.len();
        rest = others;
    }
    count
};

#[expect(clippy::indexing_slicing, reason = "in a constant: the compiler looks")]
const fn joined() -> [Family; COUNT] {
    let mut all = [PARTS[0][0]; COUNT];
    let (mut count, mut parts) = (0, PARTS);
    while let [part, others @ ..] = parts {
        let mut rest = *part;
        while let [family, after @ ..] = rest {
            all[count] = *family;
            count += 1;
            rest = after;
        }
        parts = others;
    }
    all
}

static ALL: [Family; COUNT] = joined();

/// Every family, in the order of the page.
pub static FAMILIES: &[Family] = &ALL;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        sample::KernelFile,
        table::family::{MetricType, Unit},
    };
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_legal() {
        let mut seen = HashSet::new();
        for family in FAMILIES {
            assert!(seen.insert(family.name()), "{} stands twice", family.name());
            assert!(
                family.name().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte == b'2'),
                "{}",
                family.name()
            );
            for label in family.labels {
                assert!(!matches!(label.name(), "id" | "name" | "image"), "{} {label:?}", family.name());
            }
        }
    }

    #[test]
    fn a_unit_in_a_name_is_the_unit() {
        for family in FAMILIES {
            for (part, unit) in [("_seconds", Unit::Seconds), ("_bytes", Unit::Bytes)] {
                if family.name().contains(part) {
                    assert_eq!(family.heading.unit, unit, "{}", family.name());
                }
            }
        }
    }

    #[test]
    fn counters_end_in_total_but_for_the_names_of_others() {
        for family in FAMILIES {
            let total = family.name().ends_with("_total") || family.name().ends_with("_failcnt");
            assert_eq!(family.heading.metric_type == MetricType::Counter, total, "{}", family.name());
        }
    }

    #[test]
    fn a_kernel_file_that_is_named_is_read() {
        for family in FAMILIES {
            for file in KernelFile::ALL.iter().filter(|file| family.needs.files.contains(**file)) {
                let named = family.origin.contains(file.name())
                    || family.origin.contains(file.name().trim_end_matches(".pressure"))
                    || matches!(file, KernelFile::CpuMax | KernelFile::CgroupStat);
                assert!(named, "{} reads {}", family.name(), file.name());
            }
        }
    }
}
