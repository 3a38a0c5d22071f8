//! The border between a pass and the requests that are made of it.

use super::{
    config::{Config, Protocol, Target},
    record::Record,
};
use crate::{
    collector::{View, Visitor},
    encode::{Format, Readings, Text, unix_millis},
};
use std::{path::Path, time::Duration};

/// What the encoders of all targets need of one pass. It is filled on the collector's thread, and read on the
/// thread of push.
#[derive(Debug, Default)]
pub struct Pass {
    /// The wall clock at the pass, in Unix milliseconds.
    pub timestamp: i64,
    /// The page in Prometheus' text format, if a target needs it.
    pub text: Option<Text>,
    /// All series by container, and which have ended, if a target needs them.
    pub readings: Option<Readings>,
    /// When the exporter was started, in Unix seconds.
    exporter_began: f64,
}

impl Pass {
    /// A pass that has yet to be filled.
    pub(super) fn new(targets: &[Target], exporter_began: f64) -> Self {
        let needs_text = targets.iter().any(|target| target.protocol == Protocol::Pushgateway);
        let needs_readings = targets.iter().any(|target| target.protocol != Protocol::Pushgateway);
        Self {
            timestamp: 0,
            text: needs_text.then(Text::default),
            readings: needs_readings.then(Readings::new),
            exporter_began,
        }
    }

    /// Makes it the last one, in which all series have ended.
    pub(super) fn end(&mut self, now: Duration) {
        self.timestamp = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
        if let Some(readings) = &mut self.readings {
            readings.end(now.as_secs_f64());
        }
    }
}

impl Visitor for Pass {
    fn visit(&mut self, view: &View<'_>) {
        self.timestamp = unix_millis(view.page.now);
        if let Some(text) = self.text.take() {
            let mut text = text.cleared();
            view.render(Format::Text, &mut text);
            self.text = Some(text);
        }
        if let Some(readings) = &mut self.readings {
            readings.take(view.page.now, self.exporter_began, |sink| view.feed(sink));
        }
    }
}

/// Some of the requests of a pass.
#[derive(Debug, Default)]
pub struct Part {
    /// The requests, in the order in which they are to be sent, with compressed bodies.
    pub records: Vec<Record>,
    /// Where the next part begins. `None` if this is the last one.
    pub next: Option<usize>,
}

impl Part {
    /// The requests of all parts. `make` makes the part that begins there.
    pub(super) fn all(mut make: impl FnMut(usize) -> Self) -> Vec<Record> {
        let mut records = Vec::new();
        let mut next = Some(0);
        while let Some(from) = next {
            let part = make(from);
            records.extend(part.records);
            next = part.next;
        }
        records
    }
}

/// Makes the requests of one target.
pub trait Encoder: Send {
    /// The next few requests of a pass: one part can be sent before the next is made. `from` is 0 for the
    /// first part, and for the others what the part before says. `is_v1` is `true` once a receiver of remote
    /// write has shown that it does not know 2.0.
    fn encode(&mut self, pass: &Pass, is_v1: bool, from: usize) -> Part;

    /// All requests of the last pass, at an orderly end of the exporter: that all series end. In this pass
    /// there is nothing but series that have ended.
    fn end(&mut self, pass: &Pass, is_v1: bool) -> Vec<Record>;
}

/// How requests are made.
#[derive(Debug, Clone, Copy)]
pub struct Protocols {
    /// The encoder of a target. In the directory, if there is one, it may keep what it must know after a
    /// restart; file names that begin with `state` are its own.
    pub encoder: fn(&Target, &Config, Option<&Path>) -> Box<dyn Encoder>,
    /// An uncompressed request of remote write 2.0 as one of 1.0. `None` if it is not understood.
    pub v2_to_v1: fn(&[u8]) -> Option<Vec<u8>>,
}
