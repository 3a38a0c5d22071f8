//! Signals that end the program, and signals that daemons get for other reasons.

use crate::advice;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals that end the program, and signals that daemons get for other reasons.
pub(super) struct Signals {
    ends: [Signal; 3],
    hangup: Option<Signal>,
}

impl Signals {
    /// Catches signals that would end the program at once and leave the demo's folder behind. Must be called
    /// inside a Tokio runtime.
    pub(super) fn catch() -> std::io::Result<Self> {
        for (kind, name) in
            [(SignalKind::user_defined1(), "SIGUSR1"), (SignalKind::user_defined2(), "SIGUSR2")]
        {
            tokio::spawn(ignore(signal(kind)?, name));
        }
        let ends = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::quit()];
        let [terminate, interrupt, quit] = ends.map(signal);
        let hangup = Some(signal(SignalKind::hangup())?);
        Ok(Self { ends: [terminate?, interrupt?, quit?], hangup })
    }

    /// Hands out the signal that asks to read files again. It can be had once.
    pub(super) fn hangup(&mut self) -> Option<Signal> {
        self.hangup.take()
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

/// Says of each signal that it has no effect.
pub(super) async fn ignore(mut signal: Signal, name: &str) {
    while signal.recv().await.is_some() {
        tracing::info!("{name} is ignored: {}", advice::ignored_signal());
    }
}
