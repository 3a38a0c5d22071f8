//! `--metrics`: which families are served, and therefore which files are read.

use super::{
    families::FAMILIES,
    family::{Family, Needs},
    group::{Group, Set},
};
use crate::sample::FileSet;

/// A name that is neither a set nor a group, or a choice that is not possible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected sets (core, cadvisor, v2, lifecycle) and groups with + or - ({groups}), found \
    \"{word}\"", groups = groups())]
pub struct UnknownMetrics {
    word: String,
}

fn groups() -> String {
    let names: Vec<_> = Group::ALL.iter().map(|group| group.name()).collect();
    names.join(", ")
}

/// The families that are served.
#[derive(Debug, Clone)]
pub struct Selection {
    families: Vec<&'static Family>,
    /// The groups that were added by name.
    added: Vec<Group>,
    needs: Needs,
    core_only: bool,
    lifecycle: bool,
    host: bool,
    polled: bool,
}

impl Default for Selection {
    fn default() -> Self {
        Self::of(&[Set::Core, Set::Cadvisor, Set::V2, Set::Lifecycle], &[], &[])
    }
}

impl Selection {
    /// Reads a list such as `core,cadvisor`, `+hugetlb` or `core,v2,-network`. Sets named without a sign
    /// replace the default; `+` and `-` add and remove sets and groups. `core` is on unless it is removed.
    /// Then no group brings it back: the names of other families would clash with its own.
    ///
    /// # Errors
    /// For an unknown name.
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
                ("-", Some(set), _) => removed_sets.push(set),
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
        let serves_core = sets.contains(&Set::Core);
        let is_on = |family: &Family| {
            let set = if serves_core { family.set } else { family.also_in.unwrap_or(family.set) };
            let asked = added.contains(&family.group) && (serves_core || set != Set::Core);
            // Without core nothing is polled, unless somebody asks for peaks.
            let is_default = family.group.is_default() && (serves_core || family.group != Group::Peaks);
            let by_default = sets.contains(&set) && is_default;
            let is_removed = removed.contains(&family.group);
            let is_also_removed = family.also.is_some_and(|group| removed.contains(&group));
            (asked || by_default) && !is_removed && !is_also_removed
        };
        let host = added.contains(&Group::Host) || sets.contains(&Set::Cadvisor);
        let families: Vec<_> = FAMILIES.iter().filter(|family| is_on(family)).collect();
        Self {
            needs: families.iter().fold(Needs::default(), |needs, family| needs.union(family.needs)),
            core_only: serves_core && families.iter().all(|family| family.set == Set::Core),
            polled: families.iter().any(|family| family.is_polled),
            lifecycle: families.iter().any(|family| family.of_stopped),
            host: host && !removed.contains(&Group::Host),
            added: added.to_vec(),
            families,
        }
    }

    /// The families, in the order of the page.
    #[must_use]
    pub fn families(&self) -> &[&'static Family] {
        &self.families
    }

    /// The cgroup files that the families need.
    #[must_use]
    pub fn files(&self) -> FileSet {
        self.needs.files
    }

    /// Whether `net/dev` is needed.
    #[must_use]
    pub fn reads_network(&self) -> bool {
        self.needs.net_dev
    }

    /// Whether `hugetlb.*` is needed.
    #[must_use]
    pub fn reads_hugetlb(&self) -> bool {
        self.needs.hugetlb
    }

    /// Whether the highest polling windows are served.
    #[must_use]
    pub fn has_peaks(&self) -> bool {
        self.families.iter().any(|family| family.group == Group::Peaks)
    }

    /// Whether peaks were asked for by name.
    #[must_use]
    pub fn asks_for_peaks(&self) -> bool {
        self.added.contains(&Group::Peaks)
    }

    /// Whether Docker must measure the files of containers.
    #[must_use]
    pub fn shows_disk(&self) -> bool {
        self.needs.disk
    }

    /// Whether `fd` and `limits` of processes are needed.
    #[must_use]
    pub fn reads_descriptors(&self) -> bool {
        self.needs.descriptors
    }

    /// Whether only the set `core` is served, whose only labels are `id` and `name`.
    #[must_use]
    pub fn is_core_only(&self) -> bool {
        self.core_only
    }

    /// What must be read of the host, in the same terms as of a container; `None` if nothing is served for
    /// it.
    #[must_use]
    pub fn needs_of_host(&self) -> Option<Needs> {
        let mut families = self.families.iter().filter(|family| self.host && family.of_host).peekable();
        families.peek()?;
        Some(families.fold(Needs::default(), |needs, family| needs.union(family.needs)))
    }

    /// Whether any family needs the polling tick.
    #[must_use]
    pub fn is_polled(&self) -> bool {
        self.polled
    }

    /// The families that need no polling tick.
    #[must_use]
    pub fn without_polled(self) -> Self {
        let families: Vec<_> = self.families.into_iter().filter(|family| !family.is_polled).collect();
        Self {
            needs: families.iter().fold(Needs::default(), |needs, family| needs.union(family.needs)),
            polled: false,
            families,
            ..self
        }
    }

    /// Whether any family is served for containers that do not run.
    #[must_use]
    pub fn serves_stopped(&self) -> bool {
        self.lifecycle
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<&'static str> {
        Selection::parse(text).unwrap().families.iter().map(|family| family.name()).collect()
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
        assert!(!names("-cpu").contains(&"container_cpu_usage_ratios_peak"));
        assert!(names("-cpu").contains(&"container_memory_usage_bytes_peak"));
        assert!(!names("-peaks").iter().any(|name| name.contains("ratios_peak")));
        assert!(names("v2").contains(&"container_cpu_usage_ratios"));
        assert!(!names("v2").contains(&"container_memory_rss"));
        assert!(!names("-v2").contains(&"container_pids_peak"));
    }

    #[test]
    fn the_host_is_part_of_cadvisors_set_and_a_group() {
        let has_host = |text: &str| Selection::parse(text).unwrap().needs_of_host().is_some();
        for with in ["", "cadvisor", "core,+host", "core,v2,cadvisor", "-network,-memory"] {
            assert!(has_host(with), "{with}");
        }
        for without in ["core", "core,v2", "-host", "-cadvisor", "core,lifecycle,+host,-host"] {
            assert!(!has_host(without), "{without}");
        }
        let needs = Selection::parse("-network").unwrap().needs_of_host().unwrap();
        assert!(!needs.net_dev && needs.files.contains(crate::sample::KernelFile::CpuStat));
    }

    #[test]
    fn core_can_be_left_out_and_no_group_brings_it_back() {
        let core = names("core");
        for text in ["-core", "cadvisor,-core", "-core,+network", "-core,+memory", "core,cadvisor,-core"] {
            let selection = Selection::parse(text).unwrap();
            let found = names(text);
            let of_core: Vec<_> = core.iter().filter(|name| found.contains(name)).collect();
            // cAdvisor has it too.
            assert_eq!(of_core, [&"container_memory_usage_bytes"], "{text}");
            assert!(!selection.is_core_only() && !selection.is_polled(), "{text}");
            assert!(found.contains(&"container_network_receive_bytes_total"), "{text}");
        }
        assert_eq!(names("v2,-core").iter().filter(|name| core.contains(name)).count(), 0);
        assert!(!names("-core,-memory").contains(&"container_memory_usage_bytes"));
        let memory = Selection::parse("cadvisor,-core,-cpu,-network,-io,-pressure,-pids,-state,-machine");
        assert!(!memory.unwrap().is_core_only());
        assert!(names("core,-core").is_empty());
        // Only these sets have the family: what others ask for stays as it is.
        assert_eq!(names("core,-network").len(), 7);
    }

    #[test]
    fn only_rates_and_peaks_need_the_polling_tick() {
        for (text, polled) in [
            ("", true),
            ("core,-cpu,-network", true),
            ("core,-cpu,-network,-io", false),
            ("-core", false),
            ("-core,+peaks", true),
        ] {
            assert_eq!(Selection::parse(text).unwrap().is_polled(), polled, "{text}");
        }
        for family in FAMILIES {
            let is_of_a_window = family.origin.ends_with("per window") || family.group == Group::Peaks;
            assert_eq!(family.is_polled, is_of_a_window, "{}", family.name());
        }
    }

    #[test]
    fn without_what_is_polled_the_rest_stays_as_it_is() {
        let all = Selection::default();
        let others = all.clone().without_polled();
        assert!(!others.is_polled() && !others.has_peaks());
        let polled: Vec<_> = all.families().iter().filter(|family| family.is_polled).collect();
        assert!(polled.len() > 6 && others.families().len() == all.families().len() - polled.len());
        assert_eq!(others.files(), all.files(), "the totals need the same files");
        assert_eq!(others.serves_stopped(), all.serves_stopped());
    }

    #[test]
    fn unknown_words_are_refused() {
        for wrong in ["everything", "core,+", "-", "-nothing", "cadvisor,nothing"] {
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
        assert!(Selection::parse("+hugetlb").unwrap().reads_hugetlb());
    }
}
