//! The one file that knows bollard: GET requests to the Docker API, and its event stream.

use super::{
    Filter, Health, Labels, Metadata, MetadataEvent, News, Resolver, Source, State, resolver::Action,
};
use crate::parse::ContainerId;
use bollard::{
    API_DEFAULT_VERSION,
    errors::Error,
    models::{
        ContainerInspectResponse, ContainerStateStatusEnum, ContainerSummary, ContainerSummaryStateEnum,
        EventMessage, HealthStatusEnum, SystemInfo, SystemInfoCgroupDriverEnum,
    },
    query_parameters::{EventsOptionsBuilder, InspectContainerOptions, ListContainersOptionsBuilder},
};
use futures_util::{
    Stream, StreamExt,
    future::BoxFuture,
    stream::{self, FuturesUnordered},
};
use std::{
    collections::HashMap,
    fmt,
    path::{Path, PathBuf},
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

/// Where the Docker API is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DockerHost {
    /// A unix socket.
    Unix(PathBuf),
    /// Plain HTTP: `host:port`.
    Http(String),
    /// TLS with a client certificate.
    Tls {
        /// `host:port`
        address: String,
        /// The directory with `ca.pem`, `cert.pem` and `key.pem`.
        certificates: PathBuf,
    },
}

/// A Docker host that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected unix://PATH, tcp://HOST:PORT, http://HOST:PORT or https://HOST:PORT, found \"{0}\"")]
pub struct HostError(String);

impl DockerHost {
    /// Reads a host as the docker CLI does: `tcp://` is TLS when `DOCKER_TLS_VERIFY` is set to anything but nothing,
    /// `https://` always; the certificates are in `DOCKER_CERT_PATH`.
    ///
    /// # Errors
    /// Any other scheme, or no address.
    pub fn parse(host: &str, tls_verify: bool, certificates: &Path) -> Result<Self, HostError> {
        let error = || HostError(host.to_owned());
        let (scheme, address) = host.split_once("://").ok_or_else(error)?;
        let address = address.trim_end_matches('/');
        if address.is_empty() || (scheme != "unix" && address.contains('/')) {
            return Err(error());
        }
        let with_port = |port: u16| {
            let bare = address.rsplit(':').next().is_none_or(|end| end.parse::<u16>().is_err());
            if bare { format!("{address}:{port}") } else { address.to_owned() }
        };
        match scheme {
            "unix" => Ok(Self::Unix(address.into())),
            "tcp" | "https" if scheme == "https" || tls_verify => {
                Ok(Self::Tls { address: with_port(2376), certificates: certificates.into() })
            }
            "tcp" => Ok(Self::Http(with_port(2375))),
            "http" => Ok(Self::Http(with_port(80))),
            _ => Err(error()),
        }
    }
}

impl fmt::Display for DockerHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Http(address) => write!(f, "http://{address}"),
            Self::Tls { address, .. } => write!(f, "https://{address}"),
        }
    }
}

/// The client, and what it is to look for.
#[derive(Debug)]
pub struct Docker {
    host: DockerHost,
    labels: Labels,
    filter: Filter,
}

/// Where new containers' cgroups go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CgroupDriver {
    Systemd,
    Cgroupfs,
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

    fn metadata(&self, inspect: ContainerInspectResponse, driver: CgroupDriver) -> Option<Metadata> {
        let id = ContainerId::new(inspect.id.as_deref()?)?;
        let config = inspect.config.unwrap_or_default();
        let host_config = inspect.host_config.unwrap_or_default();
        let state = inspect.state.unwrap_or_default();
        let labels = config.labels.unwrap_or_default();
        let name = plain_name(inspect.name.as_deref(), &id);
        let restart_count = inspect.restart_count.and_then(positive).or(Some(0));
        Some(Metadata {
            labels: self.labels.choose(
                labels.iter().map(|(key, value)| (key.as_str(), value.as_str())),
                config.env.iter().flatten().map(String::as_str),
            ),
            included: self.included(&name, config.image.as_deref(), &labels),
            name,
            image: config.image.filter(|image| !image.is_empty()),
            image_id: inspect.image.filter(|image| !image.is_empty()),
            network_mode: host_config.network_mode,
            main_pid: state.pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid != 0),
            cpu_shares: host_config.cpu_shares.and_then(positive),
            exit_code: state.exit_code,
            created: inspect.created.as_deref().and_then(unix_seconds),
            started: state.started_at.as_deref().and_then(unix_seconds),
            finished: state.finished_at.as_deref().and_then(unix_seconds),
            restart_count,
            restarts: restart_count,
            oom_killed: state.oom_killed.or(Some(false)),
            health: Some(state.health.and_then(|health| health.status).map_or(Health::None, health)),
            state: state.status.and_then(inspected_state),
            cgroup: expected_cgroup(driver, host_config.cgroup_parent.as_deref(), &id),
            id,
        })
    }

    /// What the `create` or `start` event of a container tells: enough for a name while inspect waits for the daemon, which
    /// holds the container's lock until it runs.
    fn metadata_of_event(&self, event: &EventMessage, driver: CgroupDriver) -> Option<Metadata> {
        let actor = event.actor.as_ref()?;
        let attributes = actor.attributes.as_ref()?;
        let summary = ContainerSummary {
            id: actor.id.clone(),
            names: Some(vec![attributes.get("name")?.clone()]),
            image: attributes.get("image").cloned(),
            // The container's labels stand among the attributes.
            labels: Some(attributes.clone()),
            ..ContainerSummary::default()
        };
        self.metadata_of_summary(&summary, driver)
    }

    /// What a list tells, for a container whose inspection could not be understood.
    fn metadata_of_summary(&self, summary: &ContainerSummary, driver: CgroupDriver) -> Option<Metadata> {
        let id = ContainerId::new(summary.id.as_deref()?)?;
        let none = HashMap::new();
        let labels = summary.labels.as_ref().unwrap_or(&none);
        let name = summary.names.as_ref().and_then(|names| names.first()).map(String::as_str);
        let name = plain_name(name, &id);
        Some(Metadata {
            labels: self
                .labels
                .choose(labels.iter().map(|(key, value)| (key.as_str(), value.as_str())), std::iter::empty()),
            included: self.included(&name, summary.image.as_deref(), labels),
            name,
            image: summary.image.clone(),
            image_id: summary.image_id.clone(),
            network_mode: summary.host_config.as_ref().and_then(|host| host.network_mode.clone()),
            state: summary.state.and_then(listed_state),
            cgroup: expected_cgroup(driver, None, &id),
            ..Metadata::new(id)
        })
    }

    fn included(&self, name: &str, image: Option<&str>, labels: &HashMap<String, String>) -> bool {
        self.filter.lets_through(name, image.unwrap_or_default(), &|key| labels.get(key).cloned())
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
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => {
                (self.send)(News::Unknown(id.clone()));
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

/// The answer to an inspection.
type Answer = Result<Box<ContainerInspectResponse>, Error>;

/// Whether asking again would bring the same: not Docker's, gone again, or beyond bollard.
fn is_final(error: &Error) -> bool {
    matches!(
        error,
        Error::DockerResponseServerError { .. } | Error::JsonDataError { .. } | Error::JsonSerdeError { .. }
    )
}

/// Inspections under way: one per container, so that no old answer overtakes a new one, and none that holds up the events.
struct Inspections<'c> {
    client: &'c bollard::Docker,
    under_way: FuturesUnordered<BoxFuture<'c, (ContainerId, Answer)>>,
    /// Containers under way, and whether something happened to them since they were asked for.
    asked: HashMap<ContainerId, bool>,
}

impl<'c> Inspections<'c> {
    fn new(client: &'c bollard::Docker) -> Self {
        Self { client, under_way: FuturesUnordered::new(), asked: HashMap::new() }
    }

    fn ask(&mut self, id: Option<ContainerId>) {
        if let Some(id) = id {
            self.start(id, Duration::ZERO);
        }
    }

    fn ask_later(&mut self, id: ContainerId) {
        self.start(id, AFTER_TIMEOUT);
    }

    fn start(&mut self, id: ContainerId, wait: Duration) {
        if let Some(again) = self.asked.get_mut(&id) {
            *again = true;
            return;
        }
        self.asked.insert(id.clone(), false);
        let client = self.client;
        self.under_way.push(Box::pin(async move {
            sleep(wait).await;
            let answer = client.inspect_container(id.as_str(), None::<InspectContainerOptions>).await;
            (id, answer.map(Box::new))
        }));
    }

    /// The next answer; waits for ever while nothing is asked.
    async fn next(&mut self) -> (ContainerId, Answer) {
        match self.under_way.next().await {
            Some((id, answer)) => {
                if self.asked.remove(&id) == Some(true) {
                    self.ask(Some(id.clone()));
                }
                (id, answer)
            }
            None => std::future::pending().await,
        }
    }
}

fn events(client: &bollard::Docker, since: f64) -> impl Stream<Item = Result<EventMessage, Error>> {
    let filters = HashMap::from([("type", vec!["container"]), ("event", EVENTS.to_vec())]);
    let options = EventsOptionsBuilder::new().since(&format!("{since:.9}")).filters(&filters);
    client.events(Some(options.build()))
}

fn understood(event: &EventMessage) -> Option<(ContainerId, Action)> {
    let actor = event.actor.as_ref()?;
    let id = ContainerId::new(actor.id.as_deref()?)?;
    let action = match event.action.as_deref()? {
        "create" | "start" | "die" | "update" => Action::Inspect,
        "destroy" => Action::Destroy,
        "pause" => Action::Pause,
        "unpause" => Action::Unpause,
        "oom" => Action::Oom,
        "rename" => {
            Action::Rename(plain_name(actor.attributes.as_ref()?.get("name").map(String::as_str), &id))
        }
        other => match other.strip_prefix("health_status: ")? {
            "healthy" => Action::Health(Health::Healthy),
            _ => Action::Health(Health::NotHealthy),
        },
    };
    Some((id, action))
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

fn plain_name(name: Option<&str>, id: &ContainerId) -> String {
    let name = name.map(|name| name.trim_start_matches('/')).filter(|name| !name.is_empty());
    name.unwrap_or_else(|| id.short()).to_owned()
}

fn positive(number: i64) -> Option<u64> {
    u64::try_from(number).ok()
}

fn health(status: HealthStatusEnum) -> Health {
    match status {
        HealthStatusEnum::EMPTY | HealthStatusEnum::NONE => Health::None,
        HealthStatusEnum::STARTING | HealthStatusEnum::UNHEALTHY => Health::NotHealthy,
        HealthStatusEnum::HEALTHY => Health::Healthy,
    }
}

fn inspected_state(status: ContainerStateStatusEnum) -> Option<State> {
    Some(match status {
        ContainerStateStatusEnum::EMPTY => return None,
        ContainerStateStatusEnum::CREATED => State::Created,
        ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::STOPPING => State::Running,
        ContainerStateStatusEnum::PAUSED => State::Paused,
        ContainerStateStatusEnum::RESTARTING => State::Restarting,
        ContainerStateStatusEnum::REMOVING => State::Removing,
        ContainerStateStatusEnum::EXITED => State::Exited,
        ContainerStateStatusEnum::DEAD => State::Dead,
    })
}

fn listed_state(state: ContainerSummaryStateEnum) -> Option<State> {
    Some(match state {
        ContainerSummaryStateEnum::EMPTY => return None,
        ContainerSummaryStateEnum::CREATED => State::Created,
        ContainerSummaryStateEnum::RUNNING | ContainerSummaryStateEnum::STOPPING => State::Running,
        ContainerSummaryStateEnum::PAUSED => State::Paused,
        ContainerSummaryStateEnum::RESTARTING => State::Restarting,
        ContainerSummaryStateEnum::REMOVING => State::Removing,
        ContainerSummaryStateEnum::EXITED => State::Exited,
        ContainerSummaryStateEnum::DEAD => State::Dead,
    })
}

/// Seconds since 1970 of an RFC 3339 time; `None` for Docker's "never", the year 1.
fn unix_seconds(text: &str) -> Option<f64> {
    let time = chrono::DateTime::parse_from_rfc3339(text).ok()?;
    let nanos = time.timestamp_nanos_opt().filter(|nanos| *nanos > 0)?;
    Some(Duration::from_nanos(u64::try_from(nanos).ok()?).as_secs_f64())
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// Where runc puts a container's cgroup (systemd.slice(5): `tenant-a.slice` is inside `tenant.slice`).
fn expected_cgroup(driver: CgroupDriver, parent: Option<&str>, id: &ContainerId) -> String {
    let parent = parent.map(|parent| parent.trim_matches('/')).filter(|parent| !parent.is_empty());
    match driver {
        CgroupDriver::Cgroupfs => format!("/{}/{id}", parent.unwrap_or("docker")),
        CgroupDriver::Systemd => {
            let slice = parent.unwrap_or("system.slice");
            let name = slice.strip_suffix(".slice").unwrap_or(slice);
            let mut path = String::new();
            for (at, _) in name.match_indices('-').filter(|(at, _)| *at > 0) {
                path.extend(["/", name.get(..at).unwrap_or(name), ".slice"]);
            }
            if name != "-" {
                path.extend(["/", slice]);
            }
            format!("{path}/docker-{id}.scope")
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_read_as_the_docker_cli_does() {
        let certs = Path::new("/certs");
        let parse = |host: &str, verify| DockerHost::parse(host, verify, certs);
        let tls = |address: &str| DockerHost::Tls { address: address.into(), certificates: certs.into() };
        assert_eq!(
            parse("unix:///var/run/docker.sock", true),
            Ok(DockerHost::Unix("/var/run/docker.sock".into()))
        );
        assert_eq!(parse("tcp://h:1", false), Ok(DockerHost::Http("h:1".into())));
        assert_eq!(parse("tcp://h", false), Ok(DockerHost::Http("h:2375".into())));
        assert_eq!(parse("http://h:1/", true), Ok(DockerHost::Http("h:1".into())));
        assert_eq!(parse("tcp://h:1", true), Ok(tls("h:1")));
        assert_eq!(parse("https://[::1]", false), Ok(tls("[::1]:2376")));
        for wrong in
            ["/var/run/docker.sock", "ssh://h", "fd://", "npipe://x", "unix://", "tcp://", "tcp://h/path", ""]
        {
            let error = parse(wrong, false).unwrap_err().to_string();
            assert!(error.contains("expected unix://") && error.contains(wrong), "{error}");
        }
    }

    #[test]
    fn a_stopped_containers_cgroup_is_where_it_would_be() {
        let id = ContainerId::new(&"1".repeat(64)).unwrap();
        for (driver, parent, expected) in [
            (CgroupDriver::Systemd, None, format!("/system.slice/docker-{id}.scope")),
            (CgroupDriver::Systemd, Some("lab.slice"), format!("/lab.slice/docker-{id}.scope")),
            (CgroupDriver::Systemd, Some("-.slice"), format!("/docker-{id}.scope")),
            (
                CgroupDriver::Systemd,
                Some("tenant-a-b.slice"),
                format!("/tenant.slice/tenant-a.slice/tenant-a-b.slice/docker-{id}.scope"),
            ),
            (CgroupDriver::Cgroupfs, None, format!("/docker/{id}")),
            (CgroupDriver::Cgroupfs, Some("/custom/x"), format!("/custom/x/{id}")),
        ] {
            assert_eq!(expected_cgroup(driver, parent, &id), expected);
        }
    }

    #[test]
    fn the_year_one_is_never() {
        assert_eq!(unix_seconds("0001-01-01T00:00:00Z"), None);
        assert_eq!(unix_seconds("2026-11-23T23:50:18.5Z"), Some(1_795_477_818.5));
        assert_eq!(unix_seconds("2026-11-24T01:50:18+02:00"), Some(1_795_477_818.0));
        assert_eq!(unix_seconds("yesterday"), None);
    }

    #[test]
    fn events_are_understood_in_dockers_words() {
        let id = "2".repeat(64);
        let event = |action: &str| {
            let json = format!(
                r#"{{"Type":"container","Action":"{action}","Actor":{{"ID":"{id}","Attributes":{{"name":"new","oldName":"/old"}}}}}}"#
            );
            understood(&serde_json::from_str(&json).unwrap()).map(|(_, action)| action)
        };
        assert_eq!(event("start"), Some(Action::Inspect));
        assert_eq!(event("rename"), Some(Action::Rename("new".into())));
        assert_eq!(event("health_status: healthy"), Some(Action::Health(Health::Healthy)));
        assert_eq!(event("health_status: unhealthy"), Some(Action::Health(Health::NotHealthy)));
        assert_eq!(event("exec_die"), None);
    }
}
