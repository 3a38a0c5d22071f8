//! The flags of what is served where, and to whom.

use clap::{
    Args, ValueEnum, ValueHint,
    builder::{BoolishValueParser, NonEmptyStringValueParser},
};

/// Where the exporter listens and what it shows, as the user said it.
#[derive(Debug, Clone, Args)]
#[command(rename_all = "snake_case")]
pub struct Listening {
    /// Where to serve: ADDRESS:PORT, :PORT (all IPv4 addresses), [::]:PORT (all), unix:/PATH, or none
    ///
    /// Can be given several times; in the variable, several are separated by spaces or commas. A socket file
    /// gets the mode 0660, or the one after its path: unix:/run/docker-stat-prom.sock:0666. It is removed at
    /// the end. A socket file that is left over, and that nobody answers on, is replaced. Sockets that
    /// systemd passes (socket activation) are served instead of the default address, and beside addresses
    /// that are given.
    #[allow(rustdoc::broken_intra_doc_links, reason = "the brackets of an IPv6 address, in a help text")]
    #[arg(
        short,
        long,
        env = "DOCKER_STAT_PROM_BIND",
        value_hint = ValueHint::Other, value_name = "ADDRESS",
        default_value = "0.0.0.0:12096",
        value_parser = NonEmptyStringValueParser::new()
    )]
    pub bind: Vec<String>,

    /// Host names that requests may be for, separated by commas; * for any
    ///
    /// This protects against web sites that make a visitor's browser read the metrics (DNS rebinding). IP
    /// addresses, names without a dot (localhost, docker-stat-prom) and this machine's own names are always
    /// allowed. Requests for other names are refused with 421: those of browsers by default, and all of them
    /// once this flag is given.
    #[arg(
        long,
        alias = "allowed-hosts",
        env = "DOCKER_STAT_PROM_ALLOWED_HOSTS",
        value_hint = ValueHint::Other, value_name = "NAMES",
        value_delimiter = ','
    )]
    pub allowed_hosts: Vec<String>,

    /// Serve /debug/containers, and show cgroup paths on /
    ///
    /// These pages show PIDs and cgroup paths to everybody who may connect.
    #[arg(
        long, alias = "debug-pages", env = "DOCKER_STAT_PROM_DEBUG_PAGES",
        value_parser = BoolishValueParser::new()
    )]
    pub debug_pages: bool,

    /// Whether / shows the containers and what they use, live
    ///
    /// With off, / has only links, and there is no /live. /metrics and /api/v1/containers stay.
    #[arg(long, env = "DOCKER_STAT_PROM_PAGE", value_name = "MODE", default_value = "on")]
    pub page: PageMode,
}

/// Whether there is a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PageMode {
    /// There is.
    On,
    /// There is not.
    Off,
}
