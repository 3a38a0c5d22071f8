//! Failures of a pass: each one is counted, and each cause is logged once.

use super::Collector;
use crate::advice::{self, Missing};

impl Collector {
    /// Counts the failures of the last pass, and logs each cause once.
    pub(super) fn account(&mut self) {
        let metrics = &self.handle.metrics;
        for failure in &self.pass.report.failures {
            let reason = failure.reason.label();
            metrics.read_failures.with_label_values(&[failure.file, &reason]).inc();
            if self.complaints.insert(format!("{} {reason}", failure.file)) {
                let hint = advice::failed_file(&failure.reason);
                tracing::warn!(
                    "{}{hint} (said once; counted in docker_stat_prom_read_failures_total)",
                    failure.message
                );
            }
        }
        for (file, rows) in &self.pass.report.skipped_rows {
            let rows = crate::table::own::float(*rows);
            metrics.skipped_rows.with_label_values(&[file]).inc_by(rows);
            if self.complaints.insert(format!("{file} rows")) {
                tracing::warn!(
                    "{file} of a container has rows that can't be used: its sums are missing while such \
                     rows are there (said once; counted in docker_stat_prom_skipped_rows_total)"
                );
            }
        }
        self.pass.report.clear();
        self.tell_missing();
        let unread = self.containers.look_for_unread();
        // If the exporter can't see any container, the warning about that covers all of them.
        if let Some(unread) = unread.filter(|_| self.missing.is_none()) {
            tracing::warn!("{unread}");
        }
        for complaint in self.containers.complaints(&self.config.roots) {
            if !self.complained_of.contains(&complaint) {
                tracing::warn!("{complaint}");
                self.complained_of.push(complaint);
            }
        }
    }

    /// Logs once which part of the host the exporter can't see, and shows it as a metric as long as that
    /// lasts.
    fn tell_missing(&mut self) {
        let missing = self.containers.missing(&self.config.roots);
        if missing == self.missing {
            return;
        }
        self.missing = missing;
        let metric = &self.handle.metrics.missing_flags;
        metric.reset();
        let Some(missing) = missing else { return };
        metric.with_label_values(&[missing.flags()]).set(1.0);
        // Missing processes are reported by a `Complaint`, which also knows another remedy.
        if missing != Missing::Processes && self.complaints.insert(missing.to_string()) {
            tracing::warn!("{missing}");
        }
    }
}
