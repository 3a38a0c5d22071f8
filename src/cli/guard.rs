//! The flags that say who may ask.

use clap::{Args, ValueHint, builder::BoolishValueParser};
use std::path::PathBuf;

/// Who may ask, as the user said it.
#[derive(Debug, Clone, Args)]
#[command(rename_all = "snake_case")]
pub struct Guard {
    /// TLS, client certificates, users, headers and a rate limit, in exporter-toolkit's format
    ///
    /// The same file serves all Prometheus exporters of a host. Relative paths in it are relative to its
    /// folder. It is read again when it or a file that it names changes, and on SIGHUP.
    #[arg(
        long, alias = "web-config", env = "DOCKER_STAT_PROM_WEB_CONFIG", value_hint = ValueHint::FilePath,
        value_name = "FILE"
    )]
    pub web_config: Option<PathBuf>,

    /// Answer only requests with one of the bearer tokens in this file, one per line
    ///
    /// With users in --web_config as well, a token or a password is enough. A token has at least 16
    /// characters. The file is read again when it changes, and on SIGHUP.
    #[arg(
        long, alias = "auth-token-file", env = "DOCKER_STAT_PROM_AUTH_TOKEN_FILE",
        value_hint = ValueHint::FilePath, value_name = "FILE"
    )]
    pub auth_token_file: Option<PathBuf>,

    /// Answer /healthz and /readyz without password or token, and whatever the rate
    ///
    /// A client certificate is needed all the same, if --web_config demands one.
    #[arg(
        long, alias = "open-health", env = "DOCKER_STAT_PROM_OPEN_HEALTH",
        value_parser = BoolishValueParser::new()
    )]
    pub open_health: bool,
}
