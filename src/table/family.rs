//! THE table: every family that is served of containers and the machine, and how a row of it is written.

use super::{
    Label, Row, Sink, cadvisor, core,
    group::{Group, Set},
    lifecycle, v2,
};
use crate::sample::{FileSet, KernelFile, Machine};

/// The type of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricType {
    /// Goes up and down.
    Gauge,
    /// Only goes up, until the container starts anew.
    Counter,
    /// Counts observations in buckets. Only the exporter's own.
    Histogram,
}

impl MetricType {
    /// Its name in Prometheus' words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::Histogram => "histogram",
        }
    }
}

/// The unit of a family's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "named after what they are")]
pub enum Unit {
    /// A number of things, a state or a time that is no number of seconds.
    None,
    Bytes,
    BytesPerSecond,
    BitsPerSecond,
    Cpus,
    Microseconds,
    Pages,
    Ratio,
    Seconds,
}

impl Unit {
    /// Its name in Prometheus' words; empty for [`Self::None`].
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Bytes => "bytes",
            Self::BytesPerSecond => "bytes per second",
            Self::BitsPerSecond => "bits per second",
            Self::Cpus => "CPUs",
            Self::Microseconds => "microseconds",
            Self::Pages => "pages",
            Self::Ratio => "ratio",
            Self::Seconds => "seconds",
        }
    }
}

/// What every output says of a family.
#[derive(Debug, Clone, Copy)]
pub struct Heading {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub metric_type: MetricType,
    /// Its unit.
    pub unit: Unit,
    /// What it means, in one sentence.
    pub help: &'static str,
}

impl Heading {
    /// The longest name that a family may have, in bytes: encoders copy names of this fixed length.
    pub const LONGEST_NAME: usize = 64;

    /// A heading. A name that is too long does not compile where the heading is a constant, as all of them are.
    pub(super) const fn new(
        name: &'static str,
        metric_type: MetricType,
        unit: Unit,
        help: &'static str,
    ) -> Self {
        assert!(name.len() <= Self::LONGEST_NAME, "the name of a family is too long: encoders would cut it");
        Self { name, metric_type, unit, help }
    }
}

/// What must be read for a family. What it does not name is not read on its behalf.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// Files of the cgroup.
    pub files: FileSet,
    /// `net/dev` of the container's network namespace.
    pub net_dev: bool,
    /// `hugetlb.<size>.*` of the cgroup, whose names depend on the machine.
    pub hugetlb: bool,
}

impl Needs {
    /// What either of two needs.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self {
            files: self.files.union(other.files),
            net_dev: self.net_dev || other.net_dev,
            hugetlb: self.hugetlb || other.hugetlb,
        }
    }
}

/// How a family gets its samples.
#[derive(Debug, Clone, Copy)]
pub enum Getter {
    /// From each container.
    Container(fn(Row<'_>, &mut dyn Sink)),
    /// From the machine, once.
    Machine(fn(&Machine) -> Option<u64>),
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Family {
    /// Name, type, unit and help.
    pub heading: Heading,
    /// Its set.
    pub set: Set,
    /// Its group.
    pub group: Group,
    /// Labels besides those of the container.
    pub labels: &'static [Label],
    /// Where the number comes from, as it can be checked by hand.
    pub origin: &'static str,
    /// What must be read for it.
    pub needs: Needs,
    /// Whether it is served of containers that do not run.
    pub of_stopped: bool,
    /// Its getter.
    pub getter: Getter,
}

impl Family {
    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.heading.name
    }
}

/// A set and a group, with which the rows about one thing begin.
///
/// A row names its family, says what must be read for it, and ends with the getter:
///
/// ```
/// use docker_stat_prom::{
///     sample::KernelFile::CpuStat,
///     table::{
///         family::{Family, Topic, Unit::Seconds},
///         group::{Group, Set},
///     },
/// };
/// const CPU: Topic = Topic::new(Set::V2, Group::Cpu);
/// const IDLE: Family = CPU
///     .counter("container_cpu_idle_in_sixty_four_bytes_xxxxxxxxxxx_seconds_total", "CPU time not used")
///     .unit(Seconds)
///     .from(&[CpuStat], "cpu.stat idle_usec")
///     .get(|_row, _out| ());
/// assert_eq!(IDLE.name().len(), 64);
/// ```
///
/// A name of one byte more does not compile, since encoders would cut it:
///
/// ```compile_fail
/// use docker_stat_prom::{
///     sample::KernelFile::CpuStat,
///     table::{
///         family::{Family, Topic, Unit::Seconds},
///         group::{Group, Set},
///     },
/// };
/// const CPU: Topic = Topic::new(Set::V2, Group::Cpu);
/// const IDLE: Family = CPU
///     .counter("container_cpu_idle_in_sixty_five_bytes_xxxxxxxxxxxx_seconds_total", "CPU time not used")
///     .unit(Seconds)
///     .from(&[CpuStat], "cpu.stat idle_usec")
///     .get(|_row, _out| ());
/// assert_eq!(IDLE.name().len(), 65);
/// ```
///
/// Nor does a row that does not say where its numbers come from:
///
/// ```compile_fail
/// use docker_stat_prom::table::{
///     family::{Family, Topic},
///     group::{Group, Set},
/// };
/// const CPU: Topic = Topic::new(Set::V2, Group::Cpu);
/// const IDLE: Family = CPU.counter("container_cpu_idle_seconds_total", "CPU time not used").get(|_row, _out| ());
/// assert_eq!(IDLE.name().len(), 32);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Topic {
    set: Set,
    group: Group,
}

impl Topic {
    /// The families of a set that are about one thing.
    #[must_use]
    pub const fn new(set: Set, group: Group) -> Self {
        Self { set, group }
    }

    /// A family that goes up and down.
    pub const fn gauge(self, name: &'static str, help: &'static str) -> Draft {
        self.draft(name, MetricType::Gauge, help)
    }

    /// A family that only goes up.
    pub const fn counter(self, name: &'static str, help: &'static str) -> Draft {
        self.draft(name, MetricType::Counter, help)
    }

    const fn draft(self, name: &'static str, metric_type: MetricType, help: &'static str) -> Draft {
        Draft(Family {
            heading: Heading::new(name, metric_type, Unit::None, help),
            set: self.set,
            group: self.group,
            labels: &[],
            origin: "",
            needs: Needs { files: FileSet::of(&[]), net_dev: false, hugetlb: false },
            of_stopped: false,
            getter: Getter::Container(|_row, _out| ()),
        })
    }
}

/// A row that has no getter yet.
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct Draft(Family);

impl Draft {
    /// The unit of the values, if they have one.
    pub const fn unit(mut self, unit: Unit) -> Self {
        self.0.heading.unit = unit;
        self
    }

    /// The cgroup files that must be read, and where in them the number is.
    pub const fn from(mut self, files: &[KernelFile], origin: &'static str) -> Self {
        self.0.needs.files = FileSet::of(files);
        self.0.origin = origin;
        self
    }

    /// The number is in `net/dev`, and where.
    pub const fn net_dev(mut self, origin: &'static str) -> Self {
        self.0.needs.net_dev = true;
        self.0.origin = origin;
        self
    }

    /// The number is in the files of huge pages, and where.
    pub const fn hugetlb(mut self, origin: &'static str) -> Self {
        self.0.needs.hugetlb = true;
        self.0.origin = origin;
        self
    }

    /// No file of the container must be read: the number is Docker's, or known without asking.
    pub const fn unread(mut self, origin: &'static str) -> Self {
        self.0.origin = origin;
        self
    }

    /// The labels that the getter gives, besides those of the container.
    pub const fn labels(mut self, labels: &'static [Label]) -> Self {
        self.0.labels = labels;
        self
    }

    /// It is served of containers that do not run, too.
    pub const fn of_stopped(mut self) -> Self {
        self.0.of_stopped = true;
        self
    }

    /// What gives its samples of one container.
    #[must_use]
    pub const fn get(self, getter: fn(Row<'_>, &mut dyn Sink)) -> Family {
        self.done(Getter::Container(getter))
    }

    /// What gives its one sample of the machine.
    #[must_use]
    pub const fn get_of_machine(self, getter: fn(&Machine) -> Option<u64>) -> Family {
        self.done(Getter::Machine(getter))
    }

    const fn done(self, getter: Getter) -> Family {
        assert!(!self.0.origin.is_empty(), "a family must say where its numbers come from");
        Family { getter, ..self.0 }
    }
}

/// The files of rows, in the order of the page.
const PARTS: &[&[Family]] = &[
    core::FAMILIES,
    cadvisor::state::TIMES,
    cadvisor::cpu::FAMILIES,
    cadvisor::memory::FAMILIES,
    cadvisor::pressure::FAMILIES,
    cadvisor::io::FAMILIES,
    cadvisor::network::FAMILIES,
    cadvisor::pids::FAMILIES,
    cadvisor::state::HEALTH,
    cadvisor::machine::FAMILIES,
    v2::FAMILIES,
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
