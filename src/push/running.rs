//! The targets at work.

use super::{
    config::{Config, Endpoint, Protocol, Target, Version},
    encoder::{Encoder, Part, Pass, Protocols},
    http::Client,
    pushgateway::group_url,
    queue::Queue,
    record::{Loss, Record},
    schedule::Schedule,
    spool::{Directory, Spool},
    status::Board,
    store::{Counts, Store, since_1970},
    target::{Delivery, IsV1},
    verdict::Dialect,
};
use crate::{
    collector::{Handle, Stopped},
    table::SelfMetrics,
};
use futures_util::future::join_all;
use std::{io, path::PathBuf, pin::Pin, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::{JoinError, JoinHandle, spawn_blocking},
    time::{Instant, error::Elapsed, sleep_until, timeout, timeout_at},
};

/// How many pushes may wait for a disk that hangs.
const ARRIVING: usize = 4;
/// How long opening what waits on disk may take.
const OPENING: Duration = Duration::from_secs(30);
/// How long the requests of a pass may wait for a receiver before they are made all the same. At most a tenth
/// of the interval, and less than the end of push may be late.
const PATIENCE: Duration = Duration::from_millis(250);

/// One target: what makes its requests, and where they go.
pub(super) struct Line {
    encoder: Box<dyn Encoder>,
    is_v1: IsV1,
    pub(super) store: Arc<Store>,
}

impl Line {
    /// Makes the requests of a pass and puts them into the queue, which must be in memory. Each part is made
    /// when the one before has been sent, so that a quick receiver leaves little in memory. A slow one is
    /// waited for no longer than this in all.
    pub(super) async fn put(&mut self, pass: &Pass, mut patience: Duration) {
        let mut next = Some(0);
        while let Some(from) = next {
            let part = self.encoder.encode(pass, self.is_v1.get(), from);
            self.store.put(part.records).await;
            next = part.next;
            if next.is_some() {
                let begin = Instant::now();
                let _it_is_slow = timeout(patience, self.store.emptied()).await;
                patience = patience.saturating_sub(begin.elapsed());
            }
        }
    }

    /// All requests of a pass.
    fn encode(&mut self, pass: &Pass) -> Vec<Record> {
        Part::all(|from| self.encoder.encode(pass, self.is_v1.get(), from))
    }
}

/// The names and protocols of all targets, for the board.
pub(super) fn board(config: &Config) -> Board {
    let protocol = |target: &Target| match target.protocol {
        Protocol::RemoteWrite(Version::V1) => "remote write 1.0",
        Protocol::RemoteWrite(_) => "remote write 2.0",
        Protocol::Otlp(_) => "OTLP",
        Protocol::Pushgateway => "Pushgateway",
    };
    Board::new(config.targets.iter().map(|target| (target.name.clone(), protocol(target))))
}

/// How a target is reached.
///
/// # Errors
/// If its URL can't be used.
pub(super) fn endpoint(target: &Target, config: &Config) -> Result<Endpoint, String> {
    let mut endpoint = target.endpoint.clone();
    if target.protocol == Protocol::Pushgateway {
        endpoint.url = group_url(target, config)?;
    }
    Ok(endpoint)
}

/// Makes everything for one target.
pub(super) fn prepare(
    config: &Config,
    number: usize,
    target: &Target,
    spool: Option<Spool>,
    protocols: Protocols,
    (metrics, board): (&SelfMetrics, &Board),
) -> Option<(Line, Delivery)> {
    let counts =
        Counts { name: target.name.as_str().into(), number, metrics: metrics.clone(), board: board.clone() };
    counts.begin();
    let folder: Option<PathBuf> = spool.as_ref().map(|spool| spool.folder().to_owned());
    let is_on_disk = spool.is_some();
    let only_newest = target.protocol == Protocol::Pushgateway;
    let queue = Queue::new(config.memory_bytes, spool, only_newest);
    let store = Arc::new(Store::new(queue, is_on_disk, counts));
    let dialect = match target.protocol {
        Protocol::RemoteWrite(Version::Negotiated) => Dialect::Guessed,
        _ => Dialect::Fixed,
    };
    let delivery = Delivery::new(
        Client::new(endpoint(target, config).ok()?),
        Arc::clone(&store),
        dialect,
        &target.queue,
        config.interval,
        protocols.v2_to_v1,
    );
    if target.protocol == Protocol::RemoteWrite(Version::V1) {
        delivery.is_v1.set();
    }
    let encoder = (protocols.encoder)(target, config, folder.as_deref());
    Some((Line { encoder, is_v1: delivery.is_v1.clone(), store }, delivery))
}

/// Opens what waits on disk for each target. A disk that hangs is waited for only once.
async fn open_spools(config: &Config, directory: Option<Arc<Directory>>) -> Vec<Option<Spool>> {
    let mut opening = Vec::new();
    for target in &config.targets {
        opening.push(match (&directory, &config.spool) {
            // Only the newest page of a Pushgateway matters.
            (Some(directory), Some(spool)) if target.protocol != Protocol::Pushgateway => {
                let (directory, name, bytes) = (Arc::clone(directory), target.name.clone(), spool.bytes);
                Some(spawn_blocking(move || Spool::open(&directory, &name, bytes)))
            }
            _ => None,
        });
    }
    let deadline = Instant::now() + OPENING;
    let mut spools = Vec::new();
    for (target, opening) in config.targets.iter().zip(opening) {
        spools.push(match opening {
            Some(opening) => opened(&target.name, timeout_at(deadline, opening).await),
            None => None,
        });
    }
    spools
}

type Opened = Result<Result<io::Result<(Spool, Vec<String>)>, JoinError>, Elapsed>;

fn opened(name: &str, result: Opened) -> Option<Spool> {
    let why = match result {
        Ok(Ok(Ok((spool, said)))) => {
            for said in said {
                tracing::warn!("push to {name}: {said}");
            }
            if spool.bytes() > 0 {
                tracing::info!(
                    "push to {name}: {} samples of before are in the spool ({} bytes)",
                    spool.samples(),
                    spool.bytes()
                );
            }
            return Some(spool);
        }
        Ok(Ok(Err(error))) => error.to_string(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("not opened within {OPENING:?}"),
    };
    tracing::warn!("push to {name}: the spool can't be used ({why}), so requests wait in memory");
    None
}

/// Reads all series again and again, and hands them to the targets, until it is told to end.
pub(super) async fn run(
    config: Config,
    handle: Handle,
    protocols: Protocols,
    directory: Option<Arc<Directory>>,
    board: Board,
    mut stop: oneshot::Receiver<Duration>,
) {
    let (end, has_ended) = watch::channel(None);
    let (mut lines, mut deliveries) = (Vec::new(), Vec::new());
    let spools = open_spools(&config, directory).await;
    for ((number, target), spool) in config.targets.iter().enumerate().zip(spools) {
        let metrics = (handle.metrics(), &board);
        let prepared = prepare(&config, number, target, spool, protocols, metrics);
        let Some((line, delivery)) = prepared else { continue };
        let (sender, arriving) = mpsc::channel(ARRIVING);
        let store = Arc::clone(&line.store);
        let filling = tokio::spawn(async move { store.fill(arriving).await });
        deliveries.push(tokio::spawn(delivery.run(has_ended.clone())));
        lines.push((line, sender, filling));
    }
    let (wait, pass) = tell_passes(&config, &handle, &mut lines, &mut stop).await;
    let deadline = Instant::now() + wait;
    end_lines(lines, pass, &end, deliveries, deadline).await;
}

type Filled = (Line, mpsc::Sender<Vec<Record>>, JoinHandle<()>);

/// Returns how long the end may take, and the last pass.
async fn tell_passes(
    config: &Config,
    handle: &Handle,
    lines: &mut [Filled],
    stop: &mut oneshot::Receiver<Duration>,
) -> (Duration, Option<Pass>) {
    type Reading = Pin<Box<dyn Future<Output = Result<Pass, Stopped>> + Send>>;
    let instance = config.external_labels.iter().find(|(name, _)| name == "instance");
    let schedule = Schedule::new(config.interval, instance.map_or("", |(_, host)| host));
    let began = handle.metrics().start_time.get();
    let mut free = Some(Pass::new(&config.targets, began));
    let mut reading: Option<Reading> = None;
    let mut due = Instant::now() + schedule.wait(since_1970(), None);
    loop {
        let result = tokio::select! {
            biased;
            wait = &mut *stop => {
                let wait = wait.unwrap_or_default();
                let last = match reading {
                    None => free,
                    // It ends soon, or the collector hangs.
                    Some(reading) => timeout(wait, reading).await.ok().and_then(Result::ok),
                };
                return (wait, last);
            }
            Some(result) = async { Some(reading.as_mut()?.await) } => result,
            () = sleep_until(due) => {
                due = Instant::now() + schedule.wait(since_1970(), Some(Duration::ZERO));
                lines.iter().for_each(|(line, ..)| line.store.show_lag());
                match free.take() {
                    // Names would be missing, and series with other labels would follow.
                    Some(pass) if !handle.is_ready() => free = Some(pass),
                    Some(pass) => {
                        let handle = handle.clone();
                        reading = Some(Box::pin(async move { handle.feed(pass).await }));
                    }
                    None => handle.metrics().push_skipped_passes.with_label_values::<&str>(&[]).inc(),
                }
                continue;
            }
        };
        reading = None;
        // The collector ends only with the program.
        let Ok(pass) = result else { return (stop.await.unwrap_or_default(), None) };
        let patience = PATIENCE.min(config.interval / 10);
        join_all(lines.iter_mut().map(|(line, sender, _)| tell(line, sender, &pass, patience))).await;
        free = Some(pass);
    }
}

async fn tell(line: &mut Line, sender: &mpsc::Sender<Vec<Record>>, pass: &Pass, patience: Duration) {
    if line.store.is_on_disk() {
        // What is handed over at once is written through to the disk at once.
        let records = line.encode(pass);
        hand_over(line, sender, records);
    } else {
        line.put(pass, patience).await;
    }
}

fn hand_over(line: &Line, sender: &mpsc::Sender<Vec<Record>>, records: Vec<Record>) {
    if records.is_empty() {
        return;
    }
    if let Err(error) = sender.try_send(records) {
        let records = error.into_inner();
        let samples = records.iter().map(|record| u64::from(record.samples)).sum();
        line.store.lose(Loss { reason: "spool_hangs", samples });
    }
}

/// Adds the last requests, tries everything once more, and says what is left.
async fn end_lines(
    lines: Vec<Filled>,
    last: Option<Pass>,
    end: &watch::Sender<Option<Instant>>,
    deliveries: Vec<JoinHandle<()>>,
    deadline: Instant,
) {
    let mut last = last.unwrap_or_else(|| Pass::new(&[], 0.0));
    last.end(since_1970());
    let (mut stores, mut filling) = (Vec::new(), Vec::new());
    for (mut line, sender, filled) in lines {
        let records = line.encoder.end(&last, line.is_v1.get());
        hand_over(&line, &sender, records);
        stores.push(line.store);
        filling.push(filled);
    }
    // All senders are gone, so all is put into the queues.
    for filled in filling {
        let _hangs = timeout_at(deadline, filled).await;
    }
    end.send_replace(Some(deadline));
    for delivery in deliveries {
        let _hangs = timeout_at(deadline, delivery).await;
    }
    for store in stores {
        let left = timeout_at(deadline + Duration::from_millis(100), store.samples_in_memory()).await;
        let (left, counts) = (left.unwrap_or(0), &store.counts);
        if left > 0 {
            counts.dropped("end", left);
            tracing::warn!(
                "push to {}: {left} samples are lost, because they were not taken in time",
                counts.name
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push::Kind;
    use futures_util::FutureExt;
    use std::sync::Mutex;

    const PARTS: usize = 5;

    /// Makes parts of one sample each, and notes how many samples waited before each.
    struct InParts {
        store: Arc<Store>,
        waited: Arc<Mutex<Vec<u64>>>,
    }

    impl Encoder for InParts {
        fn encode(&mut self, _pass: &Pass, _is_v1: bool, from: usize) -> Part {
            self.waited.lock().unwrap().push(self.store.samples_in_memory().now_or_never().unwrap());
            let timestamp = i64::try_from(from).unwrap();
            let record = Record { kind: Kind::WriteV2, samples: 1, timestamp, body: "part".into() };
            Part { records: vec![record], next: Some(from + 1).filter(|next| *next < PARTS) }
        }

        fn end(&mut self, _pass: &Pass, _is_v1: bool) -> Vec<Record> {
            Vec::new()
        }
    }

    fn line() -> (Line, Arc<Mutex<Vec<u64>>>) {
        let metrics = SelfMetrics::new().unwrap();
        let board = Board::new([("to".to_owned(), "remote write 2.0")].into_iter());
        let counts = Counts { name: "to".into(), number: 0, metrics, board };
        let store = Arc::new(Store::new(Queue::new(1 << 20, None, false), false, counts));
        let waited = Arc::default();
        let encoder = Box::new(InParts { store: Arc::clone(&store), waited: Arc::clone(&waited) });
        (Line { encoder, is_v1: IsV1::default(), store }, waited)
    }

    /// Takes what waits, and returns the times of the records once there are so many.
    async fn take(store: Arc<Store>) -> Vec<i64> {
        let mut taken = Vec::new();
        while taken.len() < PARTS {
            match store.front().await {
                Some((ticket, record)) => {
                    taken.push(record.timestamp);
                    store.done(ticket).await;
                }
                None => store.arrival().await,
            }
        }
        taken
    }

    #[tokio::test]
    async fn a_quick_receiver_has_taken_each_part_before_the_next_is_made() {
        let (mut line, waited) = line();
        let receiver = tokio::spawn(take(Arc::clone(&line.store)));
        line.put(&Pass::new(&[], 0.0), Duration::from_secs(60)).await;
        assert_eq!(receiver.await.unwrap(), [0, 1, 2, 3, 4]);
        assert_eq!(*waited.lock().unwrap(), [0; PARTS]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_receiver_that_takes_nothing_is_waited_for_once_and_no_part_is_lost() {
        let (mut line, waited) = line();
        let begin = Instant::now();
        line.put(&Pass::new(&[], 0.0), PATIENCE).await;
        assert!(begin.elapsed() < PATIENCE + Duration::from_millis(10), "{:?}", begin.elapsed());
        assert_eq!(*waited.lock().unwrap(), [0, 1, 2, 3, 4]);
        assert_eq!(take(line.store).await, [0, 1, 2, 3, 4]);
    }
}
