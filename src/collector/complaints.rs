//! What went wrong in a pass: counted, and each cause said once.

use super::Collector;
use crate::advice;

impl Collector {
    /// Counts what the last pass met, and says each cause once.
    pub(super) fn account(&mut self) {
        let metrics = &self.handle.metrics;
        for failure in &self.pass.report.failures {
            let reason = failure.reason.label();
            metrics.read_failures.with_label_values(&[failure.file, &reason]).inc();
            if self.complaints.insert(format!("{} {reason}", failure.file)) {
                let hint = advice::failed_file(&failure.reason);
                tracing::warn!("{}{hint} (said once; counted in read_failures_total)", failure.message);
            }
        }
        for (file, rows) in &self.pass.report.skipped_rows {
            let rows = crate::table::own::float(*rows);
            metrics.skipped_rows.with_label_values(&[file]).inc_by(rows);
            if self.complaints.insert(format!("{file} rows")) {
                tracing::warn!(
                    "{file} of a container has rows that can't be used, and its sums are unknown as long \
                     as it has (said once; counted in skipped_rows_total)"
                );
            }
        }
        self.pass.report.clear();
        if let Some(unread) = self.containers.look_for_unread() {
            tracing::warn!("{unread}");
        }
        for complaint in self.containers.complaints(&self.config.roots) {
            if !self.complained_of.contains(&complaint) {
                tracing::warn!("{complaint}");
                self.complained_of.push(complaint);
            }
        }
    }
}
