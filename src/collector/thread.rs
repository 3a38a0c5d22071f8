//! The collector's loop: it takes messages, runs passes when they are due or requested, and sends answers.

use super::{Collector, Message, Report, View, history::Recorder};
use crate::{encode::Format, table::OwnSeries};
use std::{
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

/// The longest wait for a message. Even an idle collector starts a round this often, so a collector that does
/// not is known to hang.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// However many messages come, ticks and scrapes wait no longer than this for their turn.
const TURN: Duration = Duration::from_millis(50);

impl Collector {
    /// Takes messages until [`Message::Shutdown`], or until all senders are gone.
    pub fn run(mut self, receiver: &Receiver<Message>) {
        let mut next_tick = None;
        loop {
            self.rest_if_due();
            next_tick = self.polling().map(|interval| next_tick.unwrap_or_else(|| Instant::now() + interval));
            self.handle.pulse.beat();
            let until_tick = next_tick.map(|at| at.saturating_duration_since(Instant::now()));
            let first = receiver.recv_timeout(until_tick.unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT));
            self.handle.pulse.beat();
            match first {
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
                // Other waiting messages are taken too, so that all scrapes that wait now share one pass.
                Ok(message) => {
                    let turn = Instant::now() + TURN;
                    let mut next = Some(message);
                    while let Some(message) = next {
                        if matches!(message, Message::Shutdown) {
                            return;
                        }
                        self.take(message);
                        next = if Instant::now() < turn { receiver.try_recv().ok() } else { None };
                    }
                }
            }
            self.containers.release_ended(&mut self.pass.changes);
            self.containers.ask_about_contradictions();
            self.update_readiness();
            if next_tick.is_some_and(|at| at <= Instant::now()) {
                self.tick();
                // After a delay, the missed ticks are not made up for: the next one is due a full interval
                // from now.
                next_tick = None;
            }
            self.slow_if_due();
            self.answer();
        }
    }

    /// Handles one message. Requests that need a pass are answered by the next [`Self::answer`]. A shutdown
    /// ends [`Self::run`]; here it does nothing.
    pub fn take(&mut self, message: Message) {
        let asks = matches!(
            message,
            Message::Scrape(..) | Message::Feed(_) | Message::Subscribe(_) | Message::History(_)
        );
        if asks {
            self.asked();
        }
        match message {
            Message::Shutdown => {}
            Message::Scrape(format, reply) => self.waiting.pages.push((format, reply)),
            Message::Feed(feed) => self.waiting.feeds.push(feed),
            Message::Subscribe(reply) => {
                if self.config.polling_interval.is_some() && self.polling().is_none() {
                    // Ticks begin now. This one opens the window that the subscriber's first tick ends.
                    self.tick();
                }
                let _nobody_waits = reply.send(self.subscribers.add());
            }
            Message::Report(reply) => self.waiting.reports.push(reply),
            Message::History(reply) => {
                if !reply.is_closed() {
                    let history = self.recorder.as_mut().map(Recorder::snapshot);
                    let _nobody_waits = reply.send(history.unwrap_or_default());
                }
            }
            Message::Tick(done) => {
                self.tick();
                let _nobody_waits = done.send(());
            }
            Message::Ping(reply) => {
                self.update_readiness();
                let _nobody_waits = reply.send(self.handle.is_ready());
            }
            Message::Scope(event) => self.take_scope(event),
            Message::Metadata(event) => self.take_metadata(event),
            Message::Barrier(taken) => {
                let _nobody_waits = taken.send(());
            }
        }
        self.update_readiness();
    }

    /// Answers all waiting requests. One full pass serves all pages, rendered once per format, and all
    /// visitors.
    pub fn answer(&mut self) {
        self.waiting.forget_gone();
        if !(self.waiting.pages.is_empty() && self.waiting.feeds.is_empty()) {
            self.pass();
        }
        if !self.waiting.reports.is_empty() {
            let report = Report { containers: self.containers.report(), missing: self.missing };
            let report = Arc::new(report);
            for reply in self.waiting.reports.drain(..) {
                let _nobody_waits = reply.send(Arc::clone(&report));
            }
        }
    }

    fn pass(&mut self) {
        let begin = Instant::now();
        self.read();
        let mut own = None;
        let mut pages = std::mem::take(&mut self.waiting.pages);
        for format in [Format::Text, Format::OpenMetrics] {
            if !pages.iter().any(|(asked, _)| *asked == format) {
                continue;
            }
            let mut text = self.bodies.take_buffer();
            self.render(format, &mut text);
            let own = own.get_or_insert_with(|| self.own_series(begin));
            self.renderer.render_own(own, format, &mut text);
            let body = self.bodies.keep(text);
            let (answered, others): (Vec<_>, Vec<_>) =
                pages.into_iter().partition(|(asked, _)| *asked == format);
            pages = others;
            for (_, reply) in answered {
                let _nobody_waits = reply.send(Arc::clone(&body));
            }
        }
        let feeds = std::mem::take(&mut self.waiting.feeds);
        if !feeds.is_empty() {
            let own = own.get_or_insert_with(|| self.own_series(begin));
            let (page, selection) = (self.page(), &self.config.selection);
            let (renderer, host, containers) = (&self.renderer, &self.host, &self.containers);
            let view = View { selection, page, own, renderer, host, containers };
            feeds.into_iter().for_each(|feed| feed.show(&view));
        }
    }

    /// The exporter's own series, gathered once per pass. They include how long the pass took, up to the
    /// first page.
    fn own_series(&self, begin: Instant) -> OwnSeries {
        self.handle.metrics.scrape_duration.observe(begin.elapsed().as_secs_f64());
        self.handle.metrics.gather()
    }
}
