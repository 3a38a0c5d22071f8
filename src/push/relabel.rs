//! Relabelling, as Prometheus does it.

/// One rule.
#[derive(Debug, Clone)]
pub struct Rule {}
