//! `--metrics`: which families are served, and so which files are read.

use super::family::{FAMILIES, Family, Group, Kind, Set};
use crate::{
    encode::{Format, Text, head, unit_of},
    sample::FileSet,
};

/// A name that is neither a set nor a group, or a choice that can't be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected sets (core, cadvisor, v2, lifecycle) and groups with + or - ({groups}), found \"{word}\"", groups = groups())]
pub struct UnknownMetrics {
    word: String,
}

fn groups() -> String {
    let names: Vec<_> = Group::ALL.iter().map(|group| group.name()).collect();
    names.join(", ")
}

/// A family that is served, with what is the same on every page.
#[derive(Debug, Clone)]
pub(crate) struct Chosen {
    pub(crate) family: &'static Family,
    /// The family's name with padding behind it.
    padded_name: [u8; Self::NAME],
    name_len: usize,
    text_head: Box<[u8]>,
    openmetrics_head: Box<[u8]>,
}

/// The families that are served.
#[derive(Debug, Clone)]
pub struct Selection {
    chosen: Vec<Chosen>,
    files: FileSet,
    network: bool,
    core_only: bool,
    lifecycle: bool,
}

impl Default for Selection {
    fn default() -> Self {
        Self::of(&[Set::Core, Set::Cadvisor, Set::V2, Set::Lifecycle], &[], &[])
    }
}

impl Selection {
    /// Reads a list such as `core,cadvisor`, `+hugetlb` or `core,v2,-network`. Sets named without a sign replace the
    /// default; `+` and `-` add and remove sets and groups. `core` is always on, but its groups can be removed.
    ///
    /// # Errors
    /// An unknown name, or `-core`.
    pub fn parse(text: &str) -> Result<Self, UnknownMetrics> {
        let mut sets = Vec::new();
        let (mut added, mut removed) = (Vec::new(), Vec::new());
        let (mut added_sets, mut removed_sets) = (Vec::new(), Vec::new());
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let error = || UnknownMetrics { word: word.to_owned() };
            let (sign, name) = match word.split_at_checked(1) {
                Some((sign @ ("+" | "-"), name)) => (sign, name),
                _ => ("", word),
            };
            let set = Set::ALL.into_iter().find(|set| set.name() == name);
            let group = Group::ALL.into_iter().find(|group| group.name() == name);
            match (sign, set, group) {
                ("", Some(set), _) => sets.push(set),
                ("+", Some(set), _) => added_sets.push(set),
                ("-", Some(set), _) if set != Set::Core => removed_sets.push(set),
                ("" | "+", None, Some(group)) => added.push(group),
                ("-", None, Some(group)) => removed.push(group),
                _ => return Err(error()),
            }
        }
        if sets.is_empty() {
            sets = Set::ALL.to_vec();
        }
        sets.push(Set::Core);
        sets.extend(added_sets);
        sets.retain(|set| !removed_sets.contains(set));
        Ok(Self::of(&sets, &added, &removed))
    }

    fn of(sets: &[Set], added: &[Group], removed: &[Group]) -> Self {
        let is_on = |family: &Family| {
            let asked = added.contains(&family.group);
            let by_default = sets.contains(&family.set) && family.group.is_default();
            (asked || by_default) && !removed.contains(&family.group)
        };
        let chosen: Vec<_> = FAMILIES.iter().filter(|family| is_on(family)).map(Chosen::new).collect();
        let files = chosen.iter().fold(FileSet::default(), |files, chosen| files.union(chosen.family.files));
        Self {
            files,
            network: chosen.iter().any(|chosen| chosen.family.group == Group::Network),
            core_only: chosen.iter().all(|chosen| chosen.family.set == Set::Core),
            lifecycle: chosen.iter().any(|chosen| chosen.family.of_stopped),
            chosen,
        }
    }

    /// The cgroup files that the families need.
    #[must_use]
    pub fn files(&self) -> FileSet {
        self.files
    }

    /// Whether `net/dev` is needed.
    #[must_use]
    pub fn reads_network(&self) -> bool {
        self.network
    }

    /// Whether `hugetlb.*` is needed.
    #[must_use]
    pub fn reads_hugetlb(&self) -> bool {
        self.chosen.iter().any(|chosen| chosen.family.group == Group::Hugetlb)
    }

    /// Whether only set 1 is served, whose labels are `id` and `name` and no others.
    #[must_use]
    pub fn is_core_only(&self) -> bool {
        self.core_only
    }

    /// Whether anything is served of containers that do not run.
    #[must_use]
    pub fn serves_stopped(&self) -> bool {
        self.lifecycle
    }

    pub(crate) fn chosen(&self) -> &[Chosen] {
        &self.chosen
    }
}

impl Chosen {
    /// The longest name of a family.
    pub(super) const NAME: usize = 64;

    fn new(family: &'static Family) -> Self {
        let mut padded_name = [0; Self::NAME];
        for (to, from) in padded_name.iter_mut().zip(family.name.bytes()) {
            *to = from;
        }
        let lines = |format, name: &str, kind: &str, unit: Option<&str>| {
            let mut out = Text::default();
            head(&mut out, format, name, kind, unit, family.help);
            out.as_bytes().into()
        };
        let text_kind = match family.kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
        };
        let (name, kind) = in_openmetrics(family);
        let name_len = family.name.len().min(Self::NAME);
        Self {
            family,
            padded_name,
            name_len,
            text_head: lines(Format::Text, family.name, text_kind, None),
            openmetrics_head: lines(Format::OpenMetrics, name, kind, unit_of(name)),
        }
    }

    /// The lines before the family's samples.
    pub(crate) fn head(&self, format: Format) -> &[u8] {
        match format {
            Format::Text => &self.text_head,
            Format::OpenMetrics => &self.openmetrics_head,
        }
    }

    /// The family's name for a copy of fixed length, and its true length.
    pub(crate) fn padded_name(&self) -> (&[u8; Self::NAME], usize) {
        (&self.padded_name, self.name_len)
    }
}

/// A family's name and type in OpenMetrics, where a counter's family has no `_total`. Where that would be another family's name, or
/// the counter has no `_total` to drop, it is of type `unknown` under its own name.
fn in_openmetrics(family: &Family) -> (&'static str, &'static str) {
    let stem = family.name.strip_suffix("_total");
    match (family.kind, stem.filter(|stem| FAMILIES.iter().all(|other| other.name != *stem))) {
        (Kind::Gauge, _) => (family.name, "gauge"),
        (Kind::Counter, Some(stem)) => (stem, "counter"),
        (Kind::Counter, None) => (family.name, "unknown"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<&'static str> {
        Selection::parse(text).unwrap().chosen.iter().map(|chosen| chosen.family.name).collect()
    }

    #[test]
    fn sets_replace_and_signs_change() {
        let core = names("core");
        assert_eq!(core.len(), 11);
        assert!(Selection::parse("core").unwrap().is_core_only());
        let all = names("");
        assert!(all.contains(&"container_pids_peak") && !all.contains(&"container_hugetlb_failcnt"));
        assert!(names("+hugetlb").contains(&"container_hugetlb_failcnt"));
        assert!(!names("-network").iter().any(|name| name.contains("network")));
        assert!(!names("-network,+hugetlb").contains(&"container_network_receive_bps"));
        assert!(names("v2").contains(&"container_cpu_usage_ratios"));
        assert!(!names("v2").contains(&"container_memory_rss"));
        assert!(!names("-v2").contains(&"container_pids_peak"));
    }

    #[test]
    fn unknown_words_are_refused() {
        for wrong in ["everything", "-core", "core,+", "cadvisor,nothing"] {
            let error = Selection::parse(wrong).unwrap_err().to_string();
            assert!(error.contains("cadvisor") && error.contains("hugetlb"), "{error}");
        }
    }

    #[test]
    fn what_is_not_served_is_not_read() {
        let core = Selection::parse("core").unwrap();
        assert_eq!(core.files().len(), 4);
        assert!(core.reads_network() && !core.reads_hugetlb());
        assert!(!Selection::parse("core,-network").unwrap().reads_network());
    }

    #[test]
    fn openmetrics_names_do_not_clash() {
        let kind = |name: &str| in_openmetrics(FAMILIES.iter().find(|family| family.name == name).unwrap());
        assert_eq!(
            kind("container_network_receive_bytes_total"),
            ("container_network_receive_bytes_total", "unknown")
        );
        assert_eq!(kind("container_cpu_usage_seconds_total"), ("container_cpu_usage_seconds", "counter"));
        assert_eq!(kind("container_memory_failcnt"), ("container_memory_failcnt", "unknown"));
    }
}
