//! The one place that knows bollard: GET requests to the Docker API, and its event stream.

mod convert;
mod inspections;

use super::{
    DockerHost, Filter, Health, Labels, Metadata, MetadataEvent, News, Resolver, Source, State,
    resolver::Action,
};
use crate::parse::ContainerId;
use bollard::{
    API_DEFAULT_VERSION,
    errors::Error,
    models::{ContainerSummary, EventMessage, SystemInfo, SystemInfoCgroupDriverEnum},
    query_parameters::{EventsOptionsBuilder, InspectContainerOptions, ListContainersOptionsBuilder},
};
use convert::{CgroupDriver, understood, unix_seconds};
use futures_util::{Stream, StreamExt, stream};
use inspections::{Answer, Inspections, is_final};
use std::{
    collections::HashMap,
    fmt,
    pin::pin,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{
    sync::mpsc::UnboundedReceiver,
    time::{Instant, interval_at, sleep},
};

/// bollard's own default is two minutes. A daemon that takes longer than this for a list is as good as absent.
const TIMEOUT_SECONDS: u64 = 5;
/// A daemon that is too busy for an inspection is left alone for a moment.
const AFTER_TIMEOUT: Duration = Duration::from_secs(2);
/// Inspections of a list under way at once: the daemon takes a lock per container, and a start-up is no hurry.
const INSPECTIONS: usize = 8;
/// How often a silent daemon is asked for a sign of life: an event stream whose peer hangs says nothing.
const PING: Duration = Duration::from_secs(30);
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LAST_BACKOFF: Duration = Duration::from_secs(30);

/// The events that change what is shown. Others (`exec_create` of every healthcheck…) are not asked for.
const EVENTS: [&str; 10] =
    ["create", "start", "die", "destroy", "rename", "pause", "unpause", "oom", "health_status", "update"];

/// The client, and what it is to look for.
#[derive(Debug)]
pub struct Docker {
    host: DockerHost,
    labels: Labels,
    filter: Filter,
}

type Send<'a> = &'a (dyn Fn(News) + Sync);

impl Docker {
    /// A client that has not connected yet.
    #[must_use]
    pub fn new(host: DockerHost, labels: Labels, filter: Filter) -> Self {
        Self { host, labels, filter }
    }

    /// Follows the daemon for ever: connects, lists, listens, and connects again when it goes away. `lookups` are
    /// containers that the reader found and Docker has not told of.
    pub async fn follow(
        self,
        mut lookups: UnboundedReceiver<ContainerId>,
        tell: &(dyn Fn(MetadataEvent) + Sync),
    ) {
        let send: Send<'_> = &|news| tell(MetadataEvent { source: Source::default(), news });
        let mut resolver = Resolver::default();
        let mut backoff = FIRST_BACKOFF;
        let mut reported = false;
        let mut last_event = 0;
        loop {
            let mut session = Session {
                docker: &self,
                resolver: &mut resolver,
                send,
                driver: CgroupDriver::Systemd,
                last_event: &mut last_event,
            };
            let mut was_up = false;
            let mut connected = || {
                was_up = true;
                if std::mem::take(&mut reported) {
                    tracing::info!("docker at {} answers again", self.host);
                }
            };
            let error = session.run(&mut lookups, &mut connected).await;
            send(News::Disconnected);
            if was_up {
                backoff = FIRST_BACKOFF;
            }
            if !std::mem::replace(&mut reported, true) {
                tracing::warn!(
                    "docker at {} does not answer ({}): numbers keep coming, names stay as they are; trying again",
                    self.host,
                    Chain(&error)
                );
            } else {
                tracing::debug!("docker at {}: {}", self.host, Chain(&error));
            }
            sleep(backoff).await;
            backoff = (backoff * 2).min(LAST_BACKOFF);
        }
    }

    fn connect(&self) -> Result<bollard::Docker, Error> {
        match &self.host {
            DockerHost::Unix(path) => bollard::Docker::connect_with_unix(
                &path.to_string_lossy(),
                TIMEOUT_SECONDS,
                API_DEFAULT_VERSION,
            ),
            DockerHost::Http(address) => bollard::Docker::connect_with_http(
                &format!("http://{address}"),
                TIMEOUT_SECONDS,
                API_DEFAULT_VERSION,
            ),
            DockerHost::Tls { address, certificates } => bollard::Docker::connect_with_ssl(
                &format!("https://{address}"),
                &certificates.join("key.pem"),
                &certificates.join("cert.pem"),
                &certificates.join("ca.pem"),
                TIMEOUT_SECONDS,
                API_DEFAULT_VERSION,
            ),
        }
    }
}

/// One connection, from the first answer to the last.
struct Session<'a> {
    docker: &'a Docker,
    resolver: &'a mut Resolver,
    send: Send<'a>,
    driver: CgroupDriver,
    /// `timeNano` of the last event taken in: a new stream begins a little before the old one ended.
    last_event: &'a mut i64,
}

impl Session<'_> {
    /// Runs until the daemon goes away, and says how.
    async fn run(
        &mut self,
        lookups: &mut UnboundedReceiver<ContainerId>,
        connected: &mut (dyn FnMut() + std::marker::Send),
    ) -> Error {
        let client = match self.docker.connect() {
            Ok(client) => client,
            Err(error) => return error,
        };
        let client = match client.negotiate_version().await {
            Ok(client) => client,
            Err(error) => return error,
        };
        let info = match client.info().await {
            Ok(info) => info,
            Err(Error::JsonDataError { .. } | Error::JsonSerdeError { .. }) => SystemInfo::default(),
            Err(error) => return error,
        };
        if info.cgroup_driver == Some(SystemInfoCgroupDriverEnum::CGROUPFS) {
            self.driver = CgroupDriver::Cgroupfs;
        }
        // The stream replays from before the list, by the daemon's own clock, so that nothing falls between.
        let since = info.system_time.as_deref().and_then(unix_seconds).unwrap_or_else(now);
        let mut events = pin!(events(&client, since));
        let mut inspections = Inspections::new(&client);
        if let Err(error) = self.list(&client, &mut inspections).await {
            return error;
        }
        (self.send)(News::Connected);
        connected();
        let mut ping = interval_at(Instant::now() + PING, PING);
        loop {
            let result = tokio::select! {
                event = events.next() => match event {
                    Some(Ok(event)) => {
                        inspections.ask(self.event(event));
                        Ok(())
                    }
                    // One event that bollard does not understand is not the end of the stream.
                    Some(Err(Error::JsonDataError { .. } | Error::JsonSerdeError { .. })) => Ok(()),
                    Some(Err(error)) => Err(error),
                    None => Err(Error::IOError { err: std::io::ErrorKind::ConnectionReset.into() }),
                },
                Some(id) = lookups.recv() => {
                    inspections.ask(Some(id));
                    Ok(())
                }
                (id, answer) = inspections.next() => {
                    self.inspected(&id, answer, &mut inspections);
                    Ok(())
                }
                _ = ping.tick() => client.ping().await.map(|_| ()),
            };
            if let Err(error) = result {
                return error;
            }
        }
    }

    async fn list<'c>(
        &mut self,
        client: &'c bollard::Docker,
        later: &mut Inspections<'c>,
    ) -> Result<(), Error> {
        let summaries = list(client).await?;
        let ids: Vec<_> =
            summaries.iter().filter_map(|summary| ContainerId::new(summary.id.as_deref()?)).collect();
        let answers = stream::iter(summaries.into_iter().map(|summary| async move {
            let id = summary.id.clone().unwrap_or_default();
            let answer = client.inspect_container(&id, None::<InspectContainerOptions>).await;
            (summary, answer)
        }));
        let mut answers = answers.buffer_unordered(INSPECTIONS);
        while let Some((summary, answer)) = answers.next().await {
            let metadata = match answer {
                Ok(inspect) => self.docker.metadata(inspect, self.driver),
                // Removed since the list.
                Err(Error::DockerResponseServerError { status_code: 404, .. }) => None,
                Err(error) => {
                    tracing::debug!("inspect of {:?}: {}", summary.names, Chain(&error));
                    if !is_final(&error) {
                        later.ask(summary.id.as_deref().and_then(ContainerId::new));
                    }
                    self.docker.metadata_of_summary(&summary, self.driver)
                }
            };
            if let Some(metadata) = metadata {
                (self.send)(self.resolver.learn(metadata));
            }
        }
        (self.send)(self.resolver.listed(ids));
        Ok(())
    }

    fn inspected(&mut self, id: &ContainerId, answer: Answer, inspections: &mut Inspections<'_>) {
        match answer {
            Ok(inspect) => {
                if let Some(metadata) = self.docker.metadata(*inspect, self.driver) {
                    (self.send)(self.resolver.learn(metadata));
                }
            }
            Err(error) => {
                tracing::debug!("inspect of {id:?}: {}", Chain(&error));
                if !is_final(&error) {
                    inspections.ask_later(id.clone());
                }
            }
        }
    }

    /// Takes in an event; the container is returned if only inspect knows the rest.
    fn event(&mut self, event: EventMessage) -> Option<ContainerId> {
        let time = event.time_nano.unwrap_or(i64::MAX);
        if time <= *self.last_event {
            return None;
        }
        if event.time_nano.is_some() {
            *self.last_event = time;
        }
        let (id, action) = understood(&event)?;
        if action != Action::Inspect {
            if let Some(event) = self.resolver.apply(&id, action) {
                (self.send)(event);
            }
            return None;
        }
        if !self.resolver.knows(&id) {
            if let Some(metadata) = self.docker.metadata_of_event(&event, self.driver) {
                (self.send)(self.resolver.learn(metadata));
            }
        }
        Some(id)
    }
}

fn events(client: &bollard::Docker, since: f64) -> impl Stream<Item = Result<EventMessage, Error>> {
    let filters = HashMap::from([("type", vec!["container"]), ("event", EVENTS.to_vec())]);
    let options = EventsOptionsBuilder::new().since(&format!("{since:.9}")).filters(&filters);
    client.events(Some(options.build()))
}

/// The whole list. One state that bollard does not know fails a whole answer; then each state it does know is asked for
/// by itself, and a container in the unknown one is left to its event or a look-up.
async fn list(client: &bollard::Docker) -> Result<Vec<ContainerSummary>, Error> {
    let all = ListContainersOptionsBuilder::new().all(true);
    match client.list_containers(Some(all.build())).await {
        Err(error @ (Error::JsonDataError { .. } | Error::JsonSerdeError { .. })) => {
            tracing::warn!("docker's list has something unknown ({}), asking by state", Chain(&error));
        }
        other => return other,
    }
    let mut summaries = Vec::new();
    for state in ["running", "paused", "restarting", "created", "removing", "exited", "dead"] {
        let filters = HashMap::from([("status", vec![state])]);
        let one = ListContainersOptionsBuilder::new().all(true).filters(&filters);
        match client.list_containers(Some(one.build())).await {
            Ok(found) => summaries.extend(found),
            Err(Error::JsonDataError { .. } | Error::JsonSerdeError { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(summaries)
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// An error with its causes, since those of HTTP clients keep the reason to themselves.
struct Chain<'a>(&'a dyn std::error::Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
