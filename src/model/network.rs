//! Decides which container may claim the counters of a network namespace.

use crate::{metadata::Metadata, parse::ContainerId, sample::Netns};
use std::{cmp::Ordering, collections::HashSet};

/// What decides whether a container has a claim.
#[derive(Debug, Clone, Copy)]
pub struct Claimant<'a> {
    /// The container.
    pub id: &'a ContainerId,
    /// The namespace that it is in, if that is known.
    pub netns: Option<Netns>,
    /// What Docker says about it.
    pub metadata: Option<&'a Metadata>,
    /// When its cgroup was created, in Unix seconds.
    pub created: Option<f64>,
}

/// For each claimant, whether the namespace's counters are its own. If it is the host's namespace, no
/// container owns them. If it is shared, only its owner does. A container that uses another container's
/// namespace, according to Docker, never owns them.
#[must_use]
pub fn claims(claimants: &[Claimant<'_>], host: Option<Netns>) -> Vec<bool> {
    let mut verdicts: Vec<bool> = claimants.iter().map(|claimant| may_claim(claimant, host)).collect();
    let mut order: Vec<usize> = (0..claimants.len()).collect();
    order.sort_by(|one, two| match (claimants.get(*one), claimants.get(*two)) {
        (Some(one), Some(two)) => seniority(one, two),
        _ => Ordering::Equal,
    });
    let by_link = claimants.iter().all(|claimant| claimant.netns.is_none_or(Netns::has_link));
    let mut taken = HashSet::new();
    for index in order {
        let netns = claimants.get(index).and_then(|claimant| claimant.netns);
        let Some((verdict, netns)) = verdicts.get_mut(index).zip(netns) else { continue };
        *verdict = *verdict && taken.insert(netns.number(by_link));
    }
    verdicts
}

fn may_claim(claimant: &Claimant<'_>, host: Option<Netns>) -> bool {
    let Some(netns) = claimant.netns else { return false };
    let is_hosts = host.is_some_and(|host| host.is(&netns));
    let by_docker =
        claimant.metadata.is_some_and(|metadata| metadata.is_host_network() || metadata.borrows_network());
    !is_hosts && !by_docker
}

/// Puts owners according to Docker first, then the oldest.
fn seniority(one: &Claimant<'_>, two: &Claimant<'_>) -> Ordering {
    let key = |claimant: &Claimant<'_>| claimant.metadata.is_none();
    key(one)
        .cmp(&key(two))
        .then_with(|| {
            let age = |claimant: &Claimant<'_>| claimant.created.unwrap_or(f64::INFINITY);
            age(one).total_cmp(&age(two))
        })
        .then_with(|| one.id.cmp(two.id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::State;
    use std::path::Path;

    fn netns(root: &Path, number: u64) -> Netns {
        let process = root.join(number.to_string());
        std::fs::create_dir_all(process.join("ns")).unwrap();
        std::fs::write(process.join("ns/net"), format!("net:[{number}]")).unwrap();
        Netns::of(&process).unwrap()
    }

    fn id(digit: &str) -> ContainerId {
        ContainerId::new(&digit.repeat(64)).unwrap()
    }

    fn metadata(network_mode: &str) -> Metadata {
        Metadata {
            network_mode: Some(network_mode.to_owned()),
            state: Some(State::Running),
            ..Metadata::new(id("1"))
        }
    }

    #[test]
    fn a_namespace_has_one_claimant_and_the_hosts_has_none() {
        let root = tempfile::tempdir().unwrap();
        let ns = |number| Some(netns(root.path(), number));
        let (bridge, shared, host) = (metadata("bridge"), metadata("container:x"), metadata("host"));
        let ids = ["1", "2", "3", "4", "5", "6", "7"].map(id);
        let claimant = |index: usize, netns, metadata, created| Claimant {
            id: &ids[index],
            netns,
            metadata,
            created: Some(created),
        };
        let verdicts = claims(
            &[
                claimant(0, ns(7), Some(&shared), 1.0),
                claimant(1, ns(7), Some(&bridge), 2.0),
                claimant(2, ns(9), None, 9.0),
                claimant(3, ns(9), None, 8.0),
                claimant(4, ns(1), None, 1.0),
                claimant(5, ns(8), Some(&host), 1.0),
                claimant(6, None, Some(&bridge), 1.0),
            ],
            ns(1),
        );
        assert_eq!(verdicts, [false, true, false, true, false, false, false]);
    }
}
