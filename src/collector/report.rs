//! What is known of each container, for the landing page and `/debug/containers`.

use crate::{
    advice::{Hidden, Missing, NetworkCounters},
    parse::CgroupPath,
};

/// What is known, for people to read.
#[derive(Debug, Clone)]
pub struct Report {
    /// All containers except those that were excluded.
    pub containers: Vec<ContainerReport>,
    /// The part of the host that the exporter can't see.
    pub missing: Option<Missing>,
}

/// One container, for people to read.
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
    /// Its state according to Docker.
    pub state: Option<&'static str>,
    /// Its cgroup.
    pub cgroup: CgroupPath,
    /// Whether its cgroup is read.
    pub live: bool,
    /// Whether it is not read although it runs or may run.
    pub set_aside: bool,
    /// The process through which its network counters are read.
    pub pid: Option<u32>,
    /// Whether its network counters are shown, and if not, why.
    pub network: NetworkCounters,
    /// Files that the kernel does not offer.
    pub missing_files: Vec<&'static str>,
    /// Why its numbers are not shown, if that needs an explanation.
    pub hidden: Option<Hidden>,
}
