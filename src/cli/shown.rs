//! The flags that choose what is shown.

use super::values::{AnyList, long_interval};
use clap::{Args, ValueHint, builder::BoolishValueParser};
use std::time::Duration;

/// What compose and swarm say of a container: its project, service, stack, task and node.
const DEFAULT_LABELS: &str = "com.docker.compose.project,com.docker.compose.service,\
    com.docker.compose.project.working_dir,com.docker.swarm.service.name,com.docker.swarm.task.name,\
    com.docker.stack.namespace,com.docker.swarm.node.id";

/// What is shown, as the user said it.
#[derive(Debug, Clone, Args)]
#[command(rename_all = "snake_case")]
pub struct Shown {
    /// What to serve: sets (core, cadvisor, v2, lifecycle), and groups with + or -
    ///
    /// Sets named without a sign replace the default, which is all four. Groups: cpu, memory, network, io,
    /// pressure, pids, cgroup, state, machine, peaks, host (the host's own numbers as id="/", with cadvisor);
    /// and, off unless added: memory_stat, pressure_averages, hugetlb, disk, process. core is on unless it
    /// is left out with -core; with core alone the labels are id and name only. A file is read only if a
    /// selected metric needs it. Example: core,v2,+hugetlb,-network
    ///
    /// Without core, container_network_receive_bytes_total and container_network_transmit_bytes_total are
    /// counters in OpenMetrics too, and nothing is polled between scrapes unless +peaks is given.
    #[arg(
        long,
        env = "DOCKER_STAT_PROM_METRICS",
        value_name = "LIST",
        default_value = "core,cadvisor,v2,lifecycle",
        allow_hyphen_values = true,
        value_parser = AnyList,
        hide_possible_values = true
    )]
    pub metrics: String,

    /// In OpenMetrics, say when each counter began (lines ending in _created)
    ///
    /// They are written for counters that began with the container's present run, or with the exporter. A
    /// Prometheus that does not use them stores them as series of their own, one for each counter. The text
    /// format never has them.
    #[arg(
        long, alias = "created-lines", env = "DOCKER_STAT_PROM_CREATED_LINES",
        value_parser = BoolishValueParser::new()
    )]
    pub created_lines: bool,

    /// Pause between two requests for the sizes of containers, which +disk shows: such as 10m
    ///
    /// Docker walks through the files of every container for this, which can take minutes on a large host.
    /// There is never more than one such request, and the pause begins with its end.
    /// container_fs_size_age_seconds shows how old the sizes are. Units as with -i; at least 1 s.
    #[arg(
        long,
        alias = "disk-interval",
        env = "DOCKER_STAT_PROM_DISK_INTERVAL",
        value_hint = ValueHint::Other, value_name = "TIME",
        default_value = "10m",
        value_parser = long_interval
    )]
    pub disk_interval: Duration,

    /// Container labels to show, as container_label_…: globs, separated by commas
    ///
    /// A container without one of them goes without it. '*' shows every label. Per container, at most 16 KiB
    /// of labels are shown, and 1 KiB of each value.
    #[arg(
        long,
        alias = "container-labels",
        env = "DOCKER_STAT_PROM_CONTAINER_LABELS",
        value_hint = ValueHint::Other, value_name = "GLOBS",
        value_delimiter = ',',
        default_value = DEFAULT_LABELS
    )]
    pub container_labels: Vec<String>,

    /// Environment variables to show, as container_env_…: exact names, separated by commas
    #[arg(
        long,
        alias = "container-env",
        env = "DOCKER_STAT_PROM_CONTAINER_ENV",
        value_hint = ValueHint::Other, value_name = "NAMES",
        value_delimiter = ','
    )]
    pub container_env: Vec<String>,

    /// Read only containers that match one of these: name=GLOB, image=GLOB, label=KEY[=GLOB]
    ///
    /// A term without = is a glob of names: com.foo means name=com.foo, not a label.
    #[arg(
        long, env = "DOCKER_STAT_PROM_INCLUDE", value_hint = ValueHint::Other, value_name = "TERMS",
        value_delimiter = ','
    )]
    pub include: Vec<String>,

    /// Do not read containers that match one of these; wins over --include
    #[arg(
        long, env = "DOCKER_STAT_PROM_EXCLUDE", value_hint = ValueHint::Other, value_name = "TERMS",
        value_delimiter = ','
    )]
    pub exclude: Vec<String>,

    /// Network interfaces of containers to leave out: globs of their names, separated by commas
    ///
    /// They are not in the network sums and have no series. The default leaves out the interfaces of a Docker
    /// inside a container, since the same bytes pass through them a second time. The list replaces the
    /// default. An empty list leaves out nothing, not even lo; give it as a flag (--network_exclude ''),
    /// since an empty variable counts as not set.
    #[arg(
        long,
        alias = "network-exclude",
        env = "DOCKER_STAT_PROM_NETWORK_EXCLUDE",
        value_hint = ValueHint::Other, value_name = "GLOBS",
        value_delimiter = ',',
        default_value = "lo,veth*,docker*,nerdctl*,br-*,cni*,virbr*"
    )]
    pub network_exclude: Vec<String>,

    /// Show containers that Docker does not know, under their short IDs
    ///
    /// Other runtimes name their cgroups as Docker does. Without this flag, a container is left out if Docker
    /// was asked about it and does not know it. While Docker does not answer, all containers are shown under
    /// their short IDs, with or without this flag.
    #[arg(
        long, alias = "show-unnamed", env = "DOCKER_STAT_PROM_SHOW_UNNAMED",
        value_parser = BoolishValueParser::new()
    )]
    pub show_unnamed: bool,
}
