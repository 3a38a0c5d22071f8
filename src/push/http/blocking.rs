//! Calls that may block, such as a look-up of a host's name.

use tokio::{
    sync::oneshot,
    task::{JoinHandle, spawn_blocking},
};

/// Makes calls that may block, at most one at a time. A call that hangs keeps one thread busy, so the next
/// call of the same owner waits for it. Other owners do not.
#[derive(Debug, Default)]
pub(super) struct Blocking {
    running: Option<JoinHandle<()>>,
}

impl Blocking {
    /// Makes a call. `None` if the runtime is ending. May be dropped at any time; the call itself goes on.
    pub(super) async fn call<T: Send + 'static>(
        &mut self,
        f: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        if let Some(running) = &mut self.running {
            let _it_has_ended = running.await;
        }
        let (reply, answer) = oneshot::channel();
        self.running = Some(spawn_blocking(move || {
            let _nobody_waits = reply.send(f());
        }));
        let answer = answer.await.ok();
        self.running = None;
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::mpsc, time::Duration};
    use tokio::time::timeout;

    #[tokio::test]
    async fn a_call_that_hangs_holds_up_only_its_owner() {
        let (release, hangs) = mpsc::channel::<()>();
        let (mut owner, mut other) = (Blocking::default(), Blocking::default());
        let short = Duration::from_millis(20);
        assert!(timeout(short, owner.call(move || hangs.recv())).await.is_err());
        for _ in 0..100 {
            assert!(timeout(Duration::from_millis(1), owner.call(|| 1)).await.is_err());
        }
        assert_eq!(other.call(|| 2).await, Some(2));
        release.send(()).unwrap();
        assert_eq!(owner.call(|| 3).await, Some(3));
    }
}
