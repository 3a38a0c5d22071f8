//! What OpenMetrics 1.0 writes differently: names and types of families, the unit, and the end of the page.

use super::{label_block::escaped, line::Text};
use crate::table::family::{Family, Heading, MetricType, Unit};

pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
pub(super) const END: &[u8] = b"# EOF\n";

/// The end of a counter's name, which its family's name does not have.
pub(super) const TOTAL: &str = "_total";
/// The end of the name of the line that says when a counter began.
pub(super) const CREATED: &str = "_created";

/// The lines before the samples of a family. `served` are the families of the page that could have its name.
pub(super) fn push_head(heading: &Heading, served: &[&Family], out: &mut Text) {
    let (name, metric_type) = name_and_type(heading, served);
    let mut line = |word: &str, text: &str| {
        for part in ["# ", word, " ", name, " "] {
            out.push(part.as_bytes());
        }
        escaped(text, true, |piece| out.push(piece));
        out.push(b"\n");
    };
    line("TYPE", metric_type);
    if let Some(unit) = unit(name, heading.unit) {
        line("UNIT", unit);
    }
    line("HELP", heading.help);
}

/// Whether lines say when the samples of a family began.
pub(super) fn has_created(heading: &Heading, served: &[&Family]) -> bool {
    heading.counts_from_start && name_and_type(heading, served).1 != UNKNOWN
}

const UNKNOWN: &str = "unknown";

/// A family's name and type. The name of a counter's family has no `_total`. If the shortened name belongs to
/// another family of the page, or the counter has no `_total`, the type is `unknown` and the name stays.
fn name_and_type(heading: &Heading, served: &[&Family]) -> (&'static str, &'static str) {
    if heading.metric_type != MetricType::Counter {
        return (heading.name, heading.metric_type.name());
    }
    let stem = heading.name.strip_suffix(TOTAL);
    match stem.filter(|stem| served.iter().all(|other| other.name() != *stem)) {
        Some(stem) => (stem, heading.metric_type.name()),
        None => (heading.name, UNKNOWN),
    }
}

/// The unit, which must be the end of the family's name.
pub(super) fn unit(name: &str, unit: Unit) -> Option<&'static str> {
    // Only these two units: a UNIT line for `_ratio` would change the served output.
    let word = matches!(unit, Unit::Seconds | Unit::Bytes).then(|| unit.name())?;
    name.strip_suffix(word).is_some_and(|rest| rest.ends_with('_')).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Selection;

    #[test]
    fn the_name_of_a_family_is_the_counters_unless_the_page_has_another_of_that_name() {
        let found = |metrics: &str, name: &str| {
            let selection = Selection::parse(metrics).unwrap();
            let served = selection.families();
            let family = served.iter().find(|family| family.name() == name).unwrap();
            let (name, metric_type) = name_and_type(&family.heading, served);
            (name, metric_type, has_created(&family.heading, served))
        };
        for (name, stem) in [
            ("container_network_receive_bytes_total", "container_network_receive_bytes"),
            ("container_network_transmit_bytes_total", "container_network_transmit_bytes"),
        ] {
            assert_eq!(found("", name), (name, "unknown", false));
            assert_eq!(found("-core", name), (stem, "counter", true));
        }
        for metrics in ["", "-core"] {
            let cpu = ("container_cpu_usage_seconds", "counter", true);
            assert_eq!(found(metrics, "container_cpu_usage_seconds_total"), cpu);
            let failcnt = "container_memory_failcnt";
            assert_eq!(found(metrics, failcnt), (failcnt, "unknown", false));
            // Added up over the runs of a container.
            let kills = ("container_oom_events", "counter", false);
            assert_eq!(found(metrics, "container_oom_events_total"), kills);
            let rss = "container_memory_rss";
            assert_eq!(found(metrics, rss), (rss, "gauge", false));
        }
    }
}
