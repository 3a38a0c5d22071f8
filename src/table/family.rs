//! One family of the table, and how a row of it is written.

pub use super::heading::{Heading, MetricType, Unit};

use super::{
    Label, Row, Sink,
    group::{Group, Set},
};
use crate::sample::{FileSet, KernelFile, Machine};

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
/// const IDLE: Family = CPU
///     .counter("container_cpu_idle_seconds_total", "CPU time not used")
///     .get(|_row, _out| ());
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
