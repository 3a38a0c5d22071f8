//! Sends what waits for one target, the oldest first.

use super::{
    backoff::Backoff,
    compress::{snappy, unsnappy},
    config::Queue,
    http::{Answer, Client, Failure, Request, first_line},
    record::{Kind, Record},
    said::Said,
    store::{Store, age},
    verdict::{Dialect, FOR_A_PERSON, Proof, Verdict, judge, partial_message},
};
use crate::advice::push as advice;
use hyper::StatusCode;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout_at},
};

/// How much of an answer is read: the beginning of an error, or a whole message of OTLP.
const LINE_BYTES: usize = 1 << 10;
const MESSAGE_BYTES: usize = 4 << 20;

/// What has waited is sent at most this many times as fast as it arose, so that a receiver that was away is
/// not overrun by all its senders at once; but at least this often, so that it does not take for ever.
const CATCH_UP: u32 = 10;
const LONGEST_GAP: Duration = Duration::from_millis(100);

/// After so many answers in a row that do not say how many samples were written, a receiver that has said it
/// before is taken for an older one.
const SILENT_ANSWERS: u32 = 3;

/// Whether the exporter ends, and when the last attempts must be over.
pub(super) type End = watch::Receiver<Option<Instant>>;

/// Whether a receiver of remote write is sent 1.0.
#[derive(Debug, Clone, Default)]
pub(super) struct IsV1(Arc<AtomicBool>);

impl IsV1 {
    pub(super) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What became of one record.
enum Outcome {
    Taken,
    Refused(String),
    Again(Duration, String),
}

/// The sending side of one target.
pub(super) struct Delivery {
    pub(super) client: Client,
    pub(super) store: Arc<Store>,
    pub(super) is_v1: IsV1,
    pub(super) dialect: Dialect,
    pub(super) v2_to_v1: fn(&[u8]) -> Option<Vec<u8>>,
    /// How long one push is from the next.
    pub(super) interval: Duration,
    backoff: Backoff,
    age_limit: Option<Duration>,
    said: Said,
    /// How many of the last answers to remote write 2.0 did not say how many samples were written.
    silent_answers: u32,
    /// Whether the receiver has taken something before.
    has_taken: bool,
    /// Whether whoever asks for the push is told why a request was refused.
    is_asked: bool,
    last_request: Option<Instant>,
    /// The push of the last request that was taken or refused.
    push: Sent,
}

/// A push of which requests were taken or refused.
#[derive(Debug, Default)]
struct Sent {
    timestamp: i64,
    requests: u32,
    /// How many requests the push before had.
    before: u32,
}

impl Sent {
    fn count(&mut self, timestamp: i64) {
        if timestamp != self.timestamp {
            *self = Self { timestamp, requests: 0, before: self.requests };
        }
        self.requests = self.requests.saturating_add(1);
    }
}

impl Delivery {
    pub(super) fn new(
        client: Client,
        store: Arc<Store>,
        dialect: Dialect,
        queue: &Queue,
        interval: Duration,
        v2_to_v1: fn(&[u8]) -> Option<Vec<u8>>,
    ) -> Self {
        Self {
            client,
            store,
            is_v1: IsV1::default(),
            dialect,
            v2_to_v1,
            interval,
            backoff: Backoff::new(queue.min_backoff, queue.max_backoff),
            age_limit: queue.sample_age_limit,
            said: Said::default(),
            silent_answers: 0,
            has_taken: false,
            is_asked: false,
            last_request: None,
            push: Sent::default(),
        }
    }

    /// Sends until the exporter ends. Then everything that waits is tried once more, up to the first failure.
    pub(super) async fn run(mut self, mut end: End) {
        loop {
            let deadline = *end.borrow_and_update();
            let Some((ticket, record)) = self.store.front().await else {
                if deadline.is_some() {
                    return;
                }
                tokio::select! {
                    () = self.store.arrival() => {}
                    _ = end.changed() => {}
                }
                continue;
            };
            if deadline.is_none() {
                let gap = self.gap(&record).await;
                pause(gap, &mut end).await;
            }
            let timestamp = record.timestamp;
            let outcome = match deadline {
                None => {
                    // The end shortens an attempt that is under way.
                    let mut attempt = std::pin::pin!(self.deliver(record));
                    tokio::select! {
                        outcome = &mut attempt => outcome,
                        deadline = has_ended(&mut end) => match timeout_at(deadline, attempt).await {
                            Ok(outcome) => outcome,
                            Err(_) => return,
                        },
                    }
                }
                Some(deadline) => match timeout_at(deadline, self.deliver(record)).await {
                    Ok(outcome) => outcome,
                    Err(_) => return,
                },
            };
            match outcome {
                Outcome::Taken | Outcome::Refused(_) => {
                    self.push.count(timestamp);
                    self.store.done(ticket).await;
                }
                Outcome::Again(..) if deadline.is_some() => return,
                Outcome::Again(wait, _) => pause(wait, &mut end).await,
            }
        }
    }

    /// Sends all that waits, and tries again until the deadline.
    ///
    /// # Errors
    /// Why the receiver has not taken all of it.
    pub(super) async fn once(&mut self, deadline: Instant) -> Result<(), String> {
        self.is_asked = true;
        let mut refused = None;
        let begin = Instant::now();
        let mut last = None;
        while let Some((ticket, record)) = self.store.front().await {
            let Ok(outcome) = timeout_at(deadline, self.deliver(record)).await else {
                // The patience was counted from a little earlier on.
                let seconds = deadline.saturating_duration_since(begin).as_secs_f64().round();
                return Err(last.unwrap_or_else(|| format!("no answer within {seconds} s")));
            };
            match outcome {
                Outcome::Taken => self.store.done(ticket).await,
                Outcome::Refused(said) => {
                    refused.get_or_insert(said);
                    self.store.done(ticket).await;
                }
                Outcome::Again(wait, said) => {
                    if Instant::now() + wait > deadline {
                        return Err(said);
                    }
                    last = Some(said);
                    sleep(wait).await;
                }
            }
        }
        refused.map_or(Ok(()), Err)
    }

    /// How long to wait before a record is sent. Only older pushes are held up.
    async fn gap(&self, record: &Record) -> Duration {
        // After a restart, all is old until the first push.
        let is_newest = self.store.newest().await.is_some_and(|newest| record.timestamp >= newest);
        let Some(last) = self.last_request.filter(|_| !is_newest) else { return Duration::ZERO };
        let requests = self.push.before.max(self.push.requests);
        let gap = (self.interval / requests.saturating_mul(CATCH_UP).max(1)).min(LONGEST_GAP);
        (last + gap).saturating_duration_since(Instant::now())
    }

    /// Sends one record and does everything that its answer demands, but for removing it.
    async fn deliver(&mut self, record: Record) -> Outcome {
        let counts = self.store.counts.clone();
        let samples = u64::from(record.samples);
        if self.age_limit.is_some_and(|limit| age(record.timestamp) > limit) {
            counts.dropped("too_old", samples);
            return Outcome::Refused("the samples are too old".into());
        }
        let mut record = record;
        if record.kind == Kind::WriteV2 && self.is_v1.get() {
            match self.as_v1(&record) {
                Some(converted) => record = converted,
                None => return self.drop_damaged(samples),
            }
        }
        let answer = match self.send(&record).await {
            Ok(answer) => answer,
            Err(failure) => return self.failed(&failure),
        };
        let verdict = judge(record.kind, samples, self.dialect, &answer);
        match verdict {
            Verdict::NotV2(proof) => self.fall_back(record, proof, answer).await,
            verdict => self.conclude(verdict, record.kind, samples, &answer),
        }
    }

    async fn send(&mut self, record: &Record) -> Result<Answer, Failure> {
        let keep = match record.kind {
            Kind::Otlp | Kind::OtlpGzip => MESSAGE_BYTES,
            _ => LINE_BYTES,
        };
        let request = Request {
            method: record.kind.method(),
            headers: record.kind.headers(),
            body: record.body.clone(),
            keep,
        };
        self.last_request = Some(Instant::now());
        self.store.counts.request();
        self.client.send(&request).await
    }

    /// Sends a request of remote write 2.0 as one of 1.0.
    async fn fall_back(&mut self, record: Record, proof: Proof, first: Answer) -> Outcome {
        let samples = u64::from(record.samples);
        let Some(converted) = self.as_v1(&record) else { return self.drop_damaged(samples) };
        match proof {
            Proof::Enough => self.speak_v1(&first),
            Proof::IfV1Works => self.store.counts.failed(first.status.as_str(), &first.said()),
            Proof::IfRepeated => {
                self.silent_answers += 1;
                if self.silent_answers >= SILENT_ANSWERS {
                    self.speak_v1(&first);
                } else {
                    let said = unproved(&first);
                    self.store.counts.failed(first.status.as_str(), &said);
                    self.say("silent", &format!("{said}; they are sent again as remote write 1.0"));
                }
            }
        }
        let answer = match self.send(&converted).await {
            Ok(answer) => answer,
            Err(failure) => return self.failed(&failure),
        };
        let verdict = judge(Kind::WriteV1, samples, Dialect::Fixed, &answer);
        if proof == Proof::IfV1Works {
            match verdict {
                Verdict::Taken { .. } => self.speak_v1(&first),
                // It was not the version.
                Verdict::Refused { .. } => self.dialect = Dialect::Confirmed,
                _ => {}
            }
        }
        self.conclude(verdict, Kind::WriteV1, samples, &answer)
    }

    fn speak_v1(&mut self, answer: &Answer) {
        self.is_v1.set();
        let name = &self.store.counts.name;
        self.store
            .counts
            .board
            .change(self.store.counts.number, |status| status.protocol = "remote write 1.0");
        let said = if answer.status.is_success() {
            "it does not say how many samples it has written".to_owned()
        } else {
            answer.said()
        };
        let known = if self.dialect == Dialect::Confirmed { "no longer" } else { "not" };
        tracing::info!(
            "push to {name}: remote write 1.0 from now on, since 2.0 is {known} known there ({said})"
        );
    }

    fn as_v1(&self, record: &Record) -> Option<Record> {
        let body = (self.v2_to_v1)(&unsnappy(&record.body).ok()?)?;
        Some(Record { kind: Kind::WriteV1, body: snappy(&body).ok()?.into(), ..record.clone() })
    }

    fn drop_damaged(&self, samples: u64) -> Outcome {
        self.store.counts.dropped("damaged", samples);
        Outcome::Refused("a request of remote write 2.0 can't be made one of 1.0".into())
    }

    fn failed(&mut self, failure: &Failure) -> Outcome {
        let said = first_line(&failure.to_string());
        self.store.counts.failed(failure.label(), &said);
        self.say(failure.label(), &format!("{said}; it is tried again"));
        let wish = if failure.needs_a_person() { FOR_A_PERSON } else { Duration::ZERO };
        Outcome::Again(self.backoff.pause(wish), said)
    }

    fn conclude(&mut self, verdict: Verdict, kind: Kind, samples: u64, answer: &Answer) -> Outcome {
        let counts = self.store.counts.clone();
        match verdict {
            Verdict::Taken { refused } => {
                self.backoff.succeeded();
                if kind == Kind::WriteV2 && samples > 0 {
                    self.silent_answers = 0;
                    if self.dialect == Dialect::Guessed {
                        self.dialect = Dialect::Confirmed;
                    }
                }
                if refused == 0 && kind != Kind::Delete {
                    let is_over = self.said.success();
                    if !std::mem::replace(&mut self.has_taken, true) {
                        tracing::info!("push to {} works", counts.name);
                    } else if is_over {
                        tracing::info!("push to {} works again", counts.name);
                    }
                }
                counts.taken(samples.saturating_sub(refused));
                self.store.recovered();
                if refused > 0 {
                    counts.dropped("refused", refused);
                    let why = match kind {
                        Kind::Otlp | Kind::OtlpGzip => partial_message(&answer.body).unwrap_or_default(),
                        _ => String::new(),
                    };
                    let why = answer.shown(&why);
                    self.say("partial", &format!("{refused} of {samples} samples are refused: {why}"));
                }
                Outcome::Taken
            }
            Verdict::Again { pause } => {
                let said = answer.said();
                counts.failed(answer.status.as_str(), &said);
                self.say(answer.status.as_str(), &format!("{said}; it is tried again"));
                Outcome::Again(self.backoff.pause(pause), said)
            }
            Verdict::Stranger => {
                let found = answer.shown(answer.content_type.as_deref().unwrap_or_default());
                let said = format!("an answer in {found}, which no receiver gives ({})", answer.said());
                counts.failed(answer.status.as_str(), &said);
                self.say("stranger", &format!("{said}; it is tried again"));
                Outcome::Again(self.backoff.pause(FOR_A_PERSON), said)
            }
            Verdict::Refused { .. } | Verdict::NotV2(_) => {
                let taken = if let Verdict::Refused { taken } = verdict { taken } else { 0 };
                let said = refusal(kind, answer, self.has_taken);
                // The receiver answers, so there is no reason to wait.
                self.backoff.succeeded();
                if taken > 0 {
                    counts.taken(taken);
                }
                counts.failed(answer.status.as_str(), &said);
                counts.dropped("refused", samples.saturating_sub(taken));
                if !self.is_asked {
                    self.say(answer.status.as_str(), &format!("{said}; these samples are dropped"));
                }
                Outcome::Refused(said)
            }
        }
    }

    fn say(&mut self, kind: &str, said: &str) {
        if self.said.trouble(kind) {
            tracing::warn!("push to {}: {said}", self.store.counts.name);
        }
    }
}

/// Why a receiver has refused a request, in words.
fn refusal(kind: Kind, answer: &Answer, has_taken: bool) -> String {
    match (kind, answer.status) {
        (Kind::WriteV2, status) if status.is_success() && has_taken => unproved(answer),
        (Kind::WriteV2, status) if status.is_success() || status == StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            let known = if has_taken { "no longer" } else { "not" };
            format!("remote write 2.0 is {known} known there ({})", answer.said())
        }
        (Kind::Otlp | Kind::OtlpGzip, StatusCode::NOT_FOUND) => {
            format!("{} ({})", answer.said(), advice::otlp_path())
        }
        _ => answer.said(),
    }
}

/// What is wrong with a success of a receiver that knows remote write 2.0.
fn unproved(answer: &Answer) -> String {
    format!("the answer ({}) does not say how many samples were written", answer.status)
}

/// Waits, but not beyond the moment at which the exporter begins to end.
async fn pause(wait: Duration, end: &mut End) {
    if wait.is_zero() {
        return;
    }
    tokio::select! {
        () = sleep(wait) => {}
        _ = has_ended(end) => {}
    }
}

/// Resolves when the exporter begins to end, with the deadline of the last attempts.
async fn has_ended(end: &mut End) -> Instant {
    match end.wait_for(Option::is_some).await {
        Ok(deadline) => deadline.unwrap_or_else(Instant::now),
        // Nobody is there to tell: the runtime is ending.
        Err(_) => Instant::now(),
    }
}
