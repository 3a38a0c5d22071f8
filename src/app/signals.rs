//! Signals that end the program, and signals that daemons get for other reasons.

use crate::advice;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals that end the program, and signals that daemons get for other reasons.
pub(super) struct Signals {
    ends: [Signal; 3],
}

impl Signals {
    /// Catches signals that would end the program at once and leave the demo's folder behind. Must be called
    /// inside a Tokio runtime.
    pub(super) fn catch() -> std::io::Result<Self> {
        for (kind, name) in [
            (SignalKind::hangup(), "SIGHUP"),
            (SignalKind::user_defined1(), "SIGUSR1"),
            (SignalKind::user_defined2(), "SIGUSR2"),
        ] {
            let mut ignored = signal(kind)?;
            tokio::spawn(async move {
                while ignored.recv().await.is_some() {
                    tracing::info!("{name} is ignored: {}", advice::ignored_signal());
                }
            });
        }
        let ends = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::quit()];
        let [terminate, interrupt, quit] = ends.map(signal);
        Ok(Self { ends: [terminate?, interrupt?, quit?] })
    }

    /// Resolves when the program is told to end.
    pub(super) async fn end(&mut self) {
        let [terminate, interrupt, quit] = &mut self.ends;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = quit.recv() => {}
        }
    }
}
