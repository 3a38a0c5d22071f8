//! Requests to the daemon. Each has its own connection, a deadline for the whole exchange and a limit on the
//! size of the answer.

use super::{
    body::Body,
    events::Events,
    problem::{Problem, short},
    rows::Splitter,
    size_row,
    time::http_date,
    tolerant::{Inspection, List, read_info, read_inspection, read_version},
    transport::{MAX_OBJECTS, Transport},
};
use crate::{
    metadata::{DiskUse, DockerHost, told::Row},
    parse::ContainerId,
};
use bollard::{
    API_DEFAULT_VERSION, BollardRequest, ClientVersion,
    errors::Error,
    models::{ContainerSummary, SystemInfo},
    query_parameters::InspectContainerOptions,
};
use futures_util::future::{Either, select};
use hyper::{
    HeaderMap, Request, StatusCode, Uri,
    client::conn::http1,
    header::{DATE, HOST, HeaderValue},
};
use hyper_util::rt::TokioIo;
use std::{
    cell::{Cell, RefCell},
    io,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::timeout;

/// The first request of a session. A daemon that is starting queues it and answers when it is up. If we gave
/// up earlier, the retry would only queue behind it.
const FIRST: Limits = Limits { wait: Duration::from_secs(10), bytes: 4 << 20 };
/// A daemon that takes longer than this for an inspection is treated as absent. The size limit is far above
/// the usual size.
const SMALL: Limits = Limits { wait: Duration::from_secs(5), bytes: 4 << 20 };
/// A list needs about 2 KiB per container.
const LIST: Limits = Limits { wait: Duration::from_secs(10), bytes: 64 << 20 };
/// For a list with sizes, dockerd walks through the files of every container. Busy hosts have been seen to
/// take five minutes. dockerd does not always stop when we give up, so giving up early and asking again would
/// only add to its work.
pub(super) const SIZES: Limits = Limits { wait: Duration::from_secs(600), bytes: 64 << 20 };
/// An event stream has no end; its lines are limited one by one.
const STREAM: Limits = Limits { wait: Duration::from_secs(10), bytes: u64::MAX };
/// The largest head of an answer. The daemon's own is small; proxies add to it.
const HEAD_BYTES: usize = 64 << 10;

/// The API version to try if nothing tells one: old enough for every daemon since 2024, and not too old for
/// current daemons.
const GUESS: ClientVersion = ClientVersion { major_version: 1, minor_version: 44 };

/// The events that change what is shown. Others, such as the `exec_create` of every healthcheck, are not
/// requested.
const EVENTS: [&str; 10] =
    ["create", "start", "die", "destroy", "rename", "pause", "unpause", "oom", "health_status", "update"];

pub(super) struct Limits {
    pub(super) wait: Duration,
    bytes: u64,
}

/// The requests to one daemon.
pub(super) struct Client {
    transport: Transport,
    /// The API version in every path; `None` until it has been negotiated.
    version: RefCell<Option<ClientVersion>>,
    /// The `Date` header of the last answer, in Unix seconds: the clock of the daemon or of its proxy.
    date: Cell<Option<f64>>,
    /// The daemon's own version, if it has told it.
    engine: RefCell<Option<String>>,
}

impl Client {
    pub(super) fn new(host: &DockerHost) -> io::Result<Self> {
        Ok(Self {
            transport: Transport::new(host)?,
            version: RefCell::default(),
            date: Cell::default(),
            engine: RefCell::default(),
        })
    }

    /// The daemon's own version, known after the negotiation.
    pub(super) fn engine(&self) -> Option<String> {
        self.engine.borrow().clone()
    }

    /// `Date` of the last answer.
    pub(super) fn date(&self) -> Option<f64> {
        self.date.get()
    }

    /// Finds the API version to use: the daemon's, but at most bollard's own and at least the daemon's
    /// minimum. A proxy may allow only some paths, or only paths with a version, so each way of asking is
    /// tried in turn.
    pub(super) async fn negotiate(&self) -> Result<(), Problem> {
        for attempt in [None, Some(GUESS)] {
            *self.version.borrow_mut() = attempt;
            let (head, answer) =
                self.ask(&FIRST, read_version, |docker| async move { docker.version().await }).await;
            if let Ok(version) = &answer {
                self.engine.borrow_mut().clone_from(&version.version);
            }
            let told = match answer {
                Ok(version) => version.api_version.as_deref().and_then(parse_version).map(|daemons| {
                    let least = version.min_api_version.as_deref().and_then(parse_version);
                    let ours = smaller(daemons, *API_DEFAULT_VERSION);
                    least.map_or(ours, |least| larger(ours, least))
                }),
                Err(problem) if problem.is_silence() => return Err(problem),
                Err(Problem::Refused { message, .. }) => version_in(&message),
                Err(_) => None,
            };
            let told = told.or_else(|| head.as_ref().and_then(spoken));
            let told = match told {
                None if attempt.is_none() => self.version_of_ping().await?,
                told => told,
            };
            if told.is_some() {
                *self.version.borrow_mut() = told;
                return Ok(());
            }
        }
        Ok(())
    }

    async fn version_of_ping(&self) -> Result<Option<ClientVersion>, Problem> {
        let (head, answer) = self.ask(&FIRST, as_it_is, |docker| async move { docker.ping().await }).await;
        match answer {
            Err(problem) if problem.is_silence() => Err(problem),
            _ => Ok(head.as_ref().and_then(spoken)),
        }
    }

    /// The daemon's information about itself.
    pub(super) async fn info(&self) -> Result<SystemInfo, Problem> {
        let question = |docker: bollard::Docker| async move { docker.info().await };
        match self.ask(&SMALL, read_info, question).await.1 {
            Err(problem) if self.is_corrected(&problem) => self.ask(&SMALL, read_info, question).await.1,
            other => other,
        }
    }

    /// All containers. The list is not read by bollard, which would keep the text and the decoded list in
    /// memory at once.
    pub(super) async fn list(&self, row: impl Fn(&ContainerSummary) -> Option<Row>) -> Result<List, Problem> {
        match self.list_once(&row).await {
            Err(problem) if self.is_corrected(&problem) => self.list_once(&row).await,
            other => other,
        }
    }

    async fn list_once(&self, row: &impl Fn(&ContainerSummary) -> Option<Row>) -> Result<List, Problem> {
        let exchange = async {
            let mut body = self.get("/containers/json?all=true&size=false", &LIST).await?;
            let mut splitter = Splitter::new();
            let mut list = List::default();
            while let Some(chunk) = body.chunk().await? {
                splitter.take(&chunk, &mut |text| list.take(text, row))?;
            }
            splitter.end().map(|()| list)
        };
        timeout(LIST.wait, exchange).await.unwrap_or(Err(Problem::Late(LIST.wait)))
    }

    /// The sizes of all containers.
    pub(super) async fn sizes(&self) -> Result<Vec<(ContainerId, DiskUse)>, Problem> {
        match self.sizes_once().await {
            Err(problem) if self.is_corrected(&problem) => self.sizes_once().await,
            other => other,
        }
    }

    async fn sizes_once(&self) -> Result<Vec<(ContainerId, DiskUse)>, Problem> {
        let exchange = async {
            let mut body = self.get("/containers/json?all=1&size=1", &SIZES).await?;
            let (mut splitter, mut sizes) = (Splitter::new(), Vec::new());
            while let Some(chunk) = body.chunk().await? {
                splitter.take(&chunk, &mut |text| size_row::take(&mut sizes, text))?;
            }
            splitter.end().map(|()| sizes)
        };
        timeout(SIZES.wait, exchange).await.unwrap_or(Err(Problem::Late(SIZES.wait)))
    }

    /// Replaces the guessed version if the daemon's refusal names a better one.
    fn is_corrected(&self, problem: &Problem) -> bool {
        let Problem::Refused { status: 400, message } = problem else { return false };
        let better = version_in(message);
        if better.is_some() {
            *self.version.borrow_mut() = better;
        }
        better.is_some()
    }

    pub(super) async fn inspect(&self, id: &ContainerId) -> Result<Inspection, Problem> {
        let question = |docker: bollard::Docker| async move {
            docker.inspect_container(id.as_str(), None::<InspectContainerOptions>).await
        };
        self.ask(&SMALL, read_inspection, question).await.1
    }

    /// Checks that the daemon is alive. Any HTTP status is a sign of life.
    pub(super) async fn ping(&self) -> Result<(), Problem> {
        let (_, answer) = self.ask(&SMALL, as_it_is, |docker| async move { docker.ping().await }).await;
        match answer {
            Err(problem) if problem.is_silence() => Err(problem),
            _ => Ok(()),
        }
    }

    /// The event stream. It is not read by bollard, whose stream ends after one event that it does not
    /// understand.
    pub(super) async fn events(&self, since: f64) -> Result<Events, Problem> {
        match self.open_events(since).await {
            Err(problem) if self.is_corrected(&problem) => self.open_events(since).await,
            other => other,
        }
    }

    async fn open_events(&self, since: f64) -> Result<Events, Problem> {
        let events = EVENTS.map(|event| format!("\"{event}\"")).join(",");
        let filters = percent(&format!("{{\"event\":[{events}],\"type\":[\"container\"]}}"));
        let path = format!("/events?since={since:.9}&filters={filters}");
        Ok(Events::new(self.get(&path, &STREAM).await?))
    }

    /// Starts a request whose answer bollard does not read, over its own connection.
    async fn get(&self, path: &str, limits: &Limits) -> Result<Body, Problem> {
        let version = self.version.borrow().as_ref().map(ToString::to_string);
        let path = versioned(version.as_deref(), path);
        let stream = self.transport.open(limits.bytes, u64::MAX).await?;
        let exchange = async {
            let (mut sender, connection) = http().handshake(TokioIo::new(stream)).await?;
            let request = Request::get(path).header(HOST, self.transport.host()).body(String::new());
            let request = request.map_err(|error| Problem::Odd(error.to_string()))?;
            let mut connection = Box::pin(connection);
            let answer = match select(pin!(sender.send_request(request)), &mut connection).await {
                Either::Left((answer, _)) => answer?,
                Either::Right((_, answer)) => answer.await?,
            };
            self.take_head(answer.headers());
            let status = answer.status();
            let body = Body::new(answer.into_body(), connection);
            // Other statuses have no body, a partial one, or one that is not the daemon's.
            if status == StatusCode::OK {
                return Ok(body);
            }
            let message = body.begin(HEAD_BYTES).await;
            let message = short(&String::from_utf8_lossy(&message));
            Err(Problem::Refused { status: status.as_u16(), message })
        };
        timeout(limits.wait, exchange).await.unwrap_or(Err(Problem::Late(limits.wait)))
    }

    /// Sends one request over one connection. Connection and request are polled as one future, so dropping
    /// the request closes its connection at once.
    async fn ask<T, U, Asked: Future<Output = Result<T, Error>>>(
        &self,
        limits: &Limits,
        read: fn(Result<T, Error>) -> Result<U, Problem>,
        question: impl FnOnce(bollard::Docker) -> Asked,
    ) -> (Option<HeaderMap>, Result<U, Problem>) {
        // Opening a connection has its own deadline.
        let stream = match self.transport.open(limits.bytes, MAX_OBJECTS as u64).await {
            Ok(stream) => stream,
            Err(error) => return (None, Err(error.into())),
        };
        let head = Arc::new(Mutex::new(None));
        let exchange = async {
            let (sender, connection) = http().handshake(TokioIo::new(stream)).await?;
            let sender = Mutex::new(sender);
            let version = self.version.borrow().as_ref().map(ToString::to_string);
            let host = HeaderValue::from_str(self.transport.host()).map_err(io::Error::other)?;
            let seen = Arc::clone(&head);
            let transport = move |mut request: BollardRequest| {
                let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
                let path = versioned(version.as_deref(), path);
                request.headers_mut().insert(HOST, host.clone());
                let answer = path.parse::<Uri>().map(|uri| {
                    *request.uri_mut() = uri;
                    sender.lock().unwrap_or_else(PoisonError::into_inner).send_request(request)
                });
                let seen = Arc::clone(&seen);
                async move {
                    let answer = answer.map_err(io::Error::other)?.await?;
                    *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer.headers().clone());
                    Ok(answer)
                }
            };
            let docker = bollard::Docker::connect_with_custom_transport(
                transport,
                Some("http://docker"),
                // The deadline below covers the whole exchange; bollard's covers only the head.
                limits.wait.as_secs() + 1,
                API_DEFAULT_VERSION,
            )?;
            match select(pin!(question(docker)), pin!(connection)).await {
                Either::Left((answer, _)) => answer,
                // The connection has been read to its end, but its buffers may not be empty yet.
                Either::Right((_, question)) => question.await,
            }
        };
        let answer = match timeout(limits.wait, exchange).await {
            Ok(answer) => read(answer),
            Err(_) => Err(Problem::Late(limits.wait)),
        };
        let head = head.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(head) = &head {
            self.take_head(head);
        }
        (head, answer)
    }

    fn take_head(&self, head: &HeaderMap) {
        let date = head.get(DATE).and_then(|date| http_date(date.to_str().ok()?));
        self.date.set(date.or(self.date.get()));
    }
}

fn as_it_is<T>(answer: Result<T, Error>) -> Result<T, Problem> {
    Ok(answer?)
}

fn http() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_BYTES).max_header_size(HEAD_BYTES);
    builder
}

/// bollard 0.21 leaves the version out of its paths; later releases include it.
fn versioned(version: Option<&str>, path: &str) -> String {
    match version {
        Some(version) if !path.starts_with("/v1.") => format!("/v{version}{path}"),
        _ => path.to_owned(),
    }
}

/// A daemon names its API version in the head of every answer, even of a refusal.
fn spoken(head: &HeaderMap) -> Option<ClientVersion> {
    let daemons = parse_version(head.get("Api-Version")?.to_str().ok()?)?;
    Some(smaller(daemons, *API_DEFAULT_VERSION))
}

fn parse_version(text: &str) -> Option<ClientVersion> {
    let (major, minor) = text.split_once('.')?;
    Some(ClientVersion { major_version: major.parse().ok()?, minor_version: minor.parse().ok()? })
}

/// The version in a message such as "client version 1.53 is too new. Maximum supported API version is 1.41".
/// For a client that is too old, the message names a minimum.
fn version_in(message: &str) -> Option<ClientVersion> {
    let after = message.split_once("supported API version is ")?.1;
    let end = after.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(after.len());
    parse_version(after.get(..end)?.trim_end_matches('.'))
}

fn smaller(a: ClientVersion, b: ClientVersion) -> ClientVersion {
    if a < b { a } else { b }
}

fn larger(a: ClientVersion, b: ClientVersion) -> ClientVersion {
    if a < b { b } else { a }
}

/// Percent-encodes a text for a query.
fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded += &format!("%{byte:02X}");
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_names_the_version_that_it_wants() {
        let version = |minor_version| Some(ClientVersion { major_version: 1, minor_version });
        assert_eq!(
            version_in("client version 1.53 is too new. Maximum supported API version is 1.41"),
            version(41)
        );
        let old = "client version 1.41 is too old. Minimum supported API version is 1.44, please upgrade \
            your client";
        assert_eq!(version_in(old), version(44));
        assert_eq!(version_in("no such container"), None);
        assert_eq!(version_in("supported API version is ."), None);
    }

    #[test]
    fn a_path_has_one_version() {
        assert_eq!(versioned(Some("1.44"), "/info?x=1"), "/v1.44/info?x=1");
        assert_eq!(versioned(Some("1.44"), "/v1.53/info"), "/v1.53/info");
        assert_eq!(versioned(None, "/version"), "/version");
    }
}
