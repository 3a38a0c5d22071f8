//! The tables of the README, generated from the same table as the page.

use super::{Label, families::FAMILIES, group::Set, own::OWN_FAMILIES};
use std::fmt::Write;

/// All families as Markdown, one table per set.
#[must_use]
pub fn markdown() -> String {
    let mut text = String::new();
    for set in Set::ALL {
        let _infallible = write!(
            text,
            "\n#### `{}`\n\n| name | type | labels | unit | from |\n|---|---|---|---|---|\n",
            set.name()
        );
        for family in FAMILIES.iter().filter(|family| family.set == set) {
            let group = match (family.group.is_default(), family.of_host) {
                (true, false) => String::new(),
                (true, true) => " (and host)".to_owned(),
                (false, _) => format!(" (with `+{}`)", family.group.name()),
            };
            let _infallible = writeln!(
                text,
                "| `{}`{group} | {} | {} | {} | {} |",
                family.name(),
                family.heading.metric_type.name(),
                labels(family.labels),
                family.heading.unit.name(),
                family.origin
            );
        }
    }
    text.push_str("\n#### the exporter's own\n\n| name | type | labels | meaning |\n|---|---|---|---|\n");
    for family in OWN_FAMILIES {
        let _infallible = writeln!(
            text,
            "| `{}` | {} | {} | {} |",
            family.heading.name,
            family.heading.metric_type.name(),
            labels(family.labels),
            family.heading.help
        );
    }
    text
}

fn labels(labels: &[Label]) -> String {
    labels.iter().map(|label| format!("`{}`", label.name())).collect::<Vec<_>>().join(", ")
}
