//! The flags about what is kept of the polls.

use super::values::{history, peak_window};
use clap::{Args, ValueHint, builder::BoolishValueParser};
use std::time::Duration;

/// How long polls are kept, and what for.
#[derive(Debug, Clone, Copy, Args)]
#[command(rename_all = "snake_case")]
pub struct Kept {
    /// Serve no rate gauges and no peaks, so that nothing is polled unless somebody watches the live page
    #[arg(
        long,
        alias = "no-poll",
        env = "DOCKER_STAT_PROM_NO_POLL",
        value_parser = BoolishValueParser::new()
    )]
    pub no_poll: bool,

    /// How long a poll counts for the metrics that end in _peak: 60s, 5m; from 1s to 1h
    ///
    /// These metrics are the highest window between two polls (for memory: the highest poll) of this time.
    /// Use at least the time between two scrapes: each burst of two polling intervals or more is then seen
    /// by a scrape. A longer time shows a burst for longer.
    #[arg(
        long, alias = "peak-window",
        env = "DOCKER_STAT_PROM_PEAK_WINDOW",
        value_hint = ValueHint::Other, value_name = "TIME",
        default_value = "60s",
        value_parser = peak_window
    )]
    pub peak_window: Duration,

    /// How much of the polls to keep in memory: 10m, 1h; from 10s to 24h; 0 keeps nothing
    ///
    /// The page at / shows it. The last minute is kept poll by poll, what is older in steps of 10 s (longer
    /// ones above an hour). With 10m that is some 8 KB of memory per container. Containers that have ended
    /// are kept as long, but not more than 500 of them.
    #[arg(
        long,
        env = "DOCKER_STAT_PROM_HISTORY",
        value_hint = ValueHint::Other, value_name = "TIME",
        default_value = "10m",
        value_parser = history
    )]
    pub history: Duration,
}
