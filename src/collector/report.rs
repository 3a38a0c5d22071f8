//! What is known of each container, for the landing page and `/debug/containers`.

use crate::{
    advice::{Hidden, Missing, NetworkCounters},
    parse::CgroupPath,
};

/// What is told to people.
#[derive(Debug, Clone)]
pub struct Report {
    /// All containers but those that were excluded.
    pub containers: Vec<ContainerReport>,
    /// What of the host is out of sight.
    pub missing: Option<Missing>,
}

/// One container, for people.
#[derive(Debug, Clone)]
pub struct ContainerReport {
    /// Its ID.
    pub id: String,
    /// Its name, or short ID.
    pub name: String,
    /// Whether Docker named it.
    pub named: bool,
    /// Its image.
    pub image: Option<String>,
    /// Its state as Docker has it.
    pub state: Option<&'static str>,
    /// Its cgroup.
    pub cgroup: CgroupPath,
    /// Whether its cgroup is read.
    pub live: bool,
    /// Whether it is not read although it runs, or may run.
    pub set_aside: bool,
    /// The process that its network counters are read through.
    pub pid: Option<u32>,
    /// What became of its network counters, and why.
    pub network: NetworkCounters,
    /// Files that its kernel does not offer.
    pub missing_files: Vec<&'static str>,
    /// Why its numbers are not shown, where that takes an explanation.
    pub hidden: Option<Hidden>,
}
