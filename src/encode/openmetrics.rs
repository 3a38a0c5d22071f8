//! What OpenMetrics 1.0 writes differently: names and types of families, the unit, and the end of the page.

use super::{label_block::escaped, line::Text};
use crate::table::{
    families::FAMILIES,
    family::{Heading, MetricType, Unit},
};

pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
pub(super) const END: &[u8] = b"# EOF\n";

/// The lines before the samples of a family.
pub(super) fn push_head(heading: &Heading, out: &mut Text) {
    let (name, metric_type) = name_and_type(heading);
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

/// A family's name and type. The name of a counter's family has no `_total`. If the shortened name belongs to
/// another family, or the counter has no `_total`, the type is `unknown` and the name stays.
fn name_and_type(heading: &Heading) -> (&'static str, &'static str) {
    if heading.metric_type != MetricType::Counter {
        return (heading.name, heading.metric_type.name());
    }
    let stem = heading.name.strip_suffix("_total");
    match stem.filter(|stem| FAMILIES.iter().all(|other| other.name() != *stem)) {
        Some(stem) => (stem, "counter"),
        None => (heading.name, "unknown"),
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

    #[test]
    fn openmetrics_names_do_not_clash() {
        let found = |name: &str| {
            name_and_type(&FAMILIES.iter().find(|family| family.name() == name).unwrap().heading)
        };
        assert_eq!(
            found("container_network_receive_bytes_total"),
            ("container_network_receive_bytes_total", "unknown")
        );
        assert_eq!(found("container_cpu_usage_seconds_total"), ("container_cpu_usage_seconds", "counter"));
        assert_eq!(found("container_memory_failcnt"), ("container_memory_failcnt", "unknown"));
    }
}
