//! The targets at work.

use super::{
    config::{Config, Endpoint, Protocol, Target, Version},
    encoder::{Encoder, Pass, Protocols},
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

/// One target: what makes its requests, and where they go.
pub(super) struct Line {
    encoder: Box<dyn Encoder>,
    is_v1: IsV1,
    pub(super) store: Arc<Store>,
}

impl Line {
    fn encode(&mut self, pass: &Pass) -> Vec<Record> {
        self.encoder.encode(pass, self.is_v1.get())
    }

    /// Puts the requests of a pass into the queue.
    pub(super) async fn put(&mut self, pass: &Pass) {
        let records = self.encode(pass);
        self.store.put(records).await;
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
        for (line, sender, _) in &mut *lines {
            let records = line.encode(&pass);
            hand_over(line, sender, records);
        }
        free = Some(pass);
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
