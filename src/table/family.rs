//! One family of the table, and the builder for its row.

pub use super::heading::{Heading, Instrument, MetricType, Semantic, Unit};

use super::{
    Label, Page, Row, Sink,
    group::{Group, Set},
};
use crate::sample::{FileSet, KernelFile, Machine};

/// What must be read for a family. Anything that is not named here is not read for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// Files of the cgroup.
    pub files: FileSet,
    /// `net/dev` of the container's network namespace.
    pub net_dev: bool,
    /// `hugetlb.<size>.*` of the cgroup: the file names depend on the machine.
    pub hugetlb: bool,
    /// The sizes of the container's files, which Docker measures.
    pub disk: bool,
    /// `fd` and `limits` of the container's processes.
    pub descriptors: bool,
}

impl Needs {
    /// The union of two needs.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self {
            files: self.files.union(other.files),
            net_dev: self.net_dev || other.net_dev,
            hugetlb: self.hugetlb || other.hugetlb,
            disk: self.disk || other.disk,
            descriptors: self.descriptors || other.descriptors,
        }
    }
}

/// The needs of a family that has not named any.
const NOTHING: Needs =
    Needs { files: FileSet::of(&[]), net_dev: false, hugetlb: false, disk: false, descriptors: false };

/// How a family gets its samples.
#[derive(Debug, Clone, Copy)]
pub enum Getter {
    /// From each container.
    Container(fn(Row<'_>, &mut dyn Sink)),
    /// From the machine, once.
    Machine(fn(&Machine) -> Option<u64>),
    /// From the pass, once.
    Page(fn(&Page<'_>) -> u64),
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
    /// Another group that it belongs to. It is not served if either is taken away.
    pub also: Option<Group>,
    /// Labels besides those of the container.
    pub labels: &'static [Label],
    /// Where the number comes from, so that it can be checked by hand.
    pub origin: &'static str,
    /// What must be read for it.
    pub needs: Needs,
    /// Whether it is also served for containers that do not run.
    pub of_stopped: bool,
    /// Whether it is also served for the host, from the host's own files.
    pub of_host: bool,
    /// Whether its numbers are of a polling window, so that it needs the polling tick.
    pub is_polled: bool,
    /// The other set that it belongs to: it is served with that set when its own is left out.
    pub also_in: Option<Set>,
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

/// A set and a group: the beginning of each row about one topic.
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
/// A name that is one byte longer does not compile, because encoders would cut it:
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
/// A row that does not say where its numbers come from does not compile either:
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
    /// The families of a set about one topic.
    #[must_use]
    pub const fn new(set: Set, group: Group) -> Self {
        Self { set, group }
    }

    /// A family whose values go up and down.
    pub const fn gauge(self, name: &'static str, help: &'static str) -> Draft {
        self.draft(name, MetricType::Gauge, help)
    }

    /// A family whose values only go up.
    pub const fn counter(self, name: &'static str, help: &'static str) -> Draft {
        self.draft(name, MetricType::Counter, help)
    }

    const fn draft(self, name: &'static str, metric_type: MetricType, help: &'static str) -> Draft {
        Draft(Family {
            heading: Heading::new(name, metric_type, Unit::None, help),
            set: self.set,
            group: self.group,
            also: None,
            labels: &[],
            origin: "",
            needs: NOTHING,
            of_stopped: false,
            of_host: false,
            is_polled: false,
            also_in: None,
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

    /// `net/dev` must be read; `origin` says where in it the number is.
    pub const fn net_dev(mut self, origin: &'static str) -> Self {
        self.0.needs.net_dev = true;
        self.0.origin = origin;
        self
    }

    /// The huge page files must be read; `origin` says where in them the number is.
    pub const fn hugetlb(mut self, origin: &'static str) -> Self {
        self.0.needs.hugetlb = true;
        self.0.origin = origin;
        self
    }

    /// Docker must measure the container's files; `origin` says where in its answer the number is.
    pub const fn disk(mut self, origin: &'static str) -> Self {
        self.0.needs.disk = true;
        self.0.origin = origin;
        self
    }

    /// The `/proc` entries of the container's processes must be read; `origin` says where in them the number
    /// is.
    pub const fn descriptors(mut self, origin: &'static str) -> Self {
        self.0.needs.descriptors = true;
        // It says whether there are child cgroups.
        self.0.needs.files = FileSet::of(&[KernelFile::CgroupStat]);
        self.0.origin = origin;
        self
    }

    /// No file of the container must be read: the number comes from Docker, or is known anyway.
    pub const fn unread(mut self, origin: &'static str) -> Self {
        self.0.origin = origin;
        self
    }

    /// It belongs to this group too.
    pub const fn also(mut self, group: Group) -> Self {
        self.0.also = Some(group);
        self
    }

    /// The labels that the getter gives, besides those of the container.
    pub const fn labels(mut self, labels: &'static [Label]) -> Self {
        self.0.labels = labels;
        self
    }

    /// What it is in OpenTelemetry's semantic conventions; the last argument tells this family's points from
    /// those of other families of the same metric.
    pub const fn semantic(
        mut self,
        name: &'static str,
        unit: &'static str,
        instrument: Instrument,
        attributes: &'static [(&'static str, &'static str)],
    ) -> Self {
        self.0.heading.semantic = Some(Semantic { name, unit, instrument, attributes, time_since: None });
        self
    }

    /// The time since its value is a metric of OpenTelemetry's semantic conventions, in seconds.
    pub const fn semantic_time_since(mut self, name: &'static str, help: &'static str) -> Self {
        let instrument = Instrument::Gauge;
        self.0.heading.semantic =
            Some(Semantic { name, unit: "s", instrument, attributes: &[], time_since: Some(help) });
        self
    }

    /// It is also served for containers that do not run.
    pub const fn of_stopped(mut self) -> Self {
        self.0.of_stopped = true;
        self
    }

    /// It is also served for the host, by the same getter.
    pub const fn of_host(mut self) -> Self {
        self.0.of_host = true;
        self
    }

    /// Its numbers are of a polling window.
    pub const fn polled(mut self) -> Self {
        self.0.is_polled = true;
        self
    }

    /// It belongs to another set too.
    pub const fn also_in(mut self, set: Set) -> Self {
        self.0.also_in = Some(set);
        self
    }

    /// Sets the getter of the samples of one container.
    #[must_use]
    pub const fn get(self, getter: fn(Row<'_>, &mut dyn Sink)) -> Family {
        self.done(Getter::Container(getter))
    }

    /// Sets the getter of the one sample of the machine.
    #[must_use]
    pub const fn get_of_machine(self, getter: fn(&Machine) -> Option<u64>) -> Family {
        self.done(Getter::Machine(getter))
    }

    /// Sets the getter of the one sample of the pass.
    #[must_use]
    pub const fn get_of_page(self, getter: fn(&Page<'_>) -> u64) -> Family {
        self.done(Getter::Page(getter))
    }

    const fn done(self, getter: Getter) -> Family {
        assert!(!self.0.origin.is_empty(), "a family must say where its numbers come from");
        let mut family = Family { getter, ..self.0 };
        // What is served for stopped containers is added up over the runs of a container.
        family.heading.counts_from_start =
            matches!(family.heading.metric_type, MetricType::Counter) && !family.of_stopped;
        family
    }
}
