//! What people and their programs look at: the page at `/`, which also works without JavaScript, its files,
//! the stream of what is new (`/live`), and the numbers as JSON (`/api/v1/containers`).

mod api;
mod assets;
mod compact;
mod html;
mod live;
mod session;
mod snapshot;

pub(super) use live::Live;

use super::{client::Client, refusals::Refusals, targets::Targets};
use crate::{
    collector::{Handle, Report, Stopped, Visitor},
    parse::ContainerId,
};
use api::Detail;
use bytes::Bytes;
use html::Shown;
use hyper::{
    Response, StatusCode,
    header::{self, HeaderMap, HeaderName, HeaderValue},
};
use live::{Closed, Viewer};
use session::Facts;
use snapshot::Snapshot;
use std::{sync::Arc, time::Duration};
use warp::Reply;

/// What is on the page.
#[derive(Debug, Clone)]
pub struct PageShown {
    /// Whether there is a page with numbers, and a stream of them; if not, `/` has only links.
    pub is_on: bool,
    /// Whether all numbers are made up.
    pub demo: bool,
    /// The time between two polling ticks.
    pub interval: Duration,
    /// The name of the machine, if it is known.
    pub host_name: Option<Arc<str>>,
}

/// An answer that is whole, or one that goes on for as long as somebody looks.
#[derive(Debug)]
pub(super) enum Served {
    Whole(Response<Bytes>),
    Live(Viewer),
}

impl Reply for Served {
    fn into_response(self) -> warp::reply::Response {
        match self {
            Self::Whole(answer) => answer.into_response(),
            Self::Live(viewer) => {
                let mut answer = warp::reply::stream(viewer).into_response();
                stream_headers(answer.headers_mut());
                answer
            }
        }
    }
}

impl Closed {
    fn answer(self) -> Response<Bytes> {
        let (text, reason) = match self {
            Self::Full => ("too many viewers\n", "full"),
            Self::Ending => ("the exporter ends\n", "ending"),
        };
        let mut answer = Response::new(Bytes::from_static(text.as_bytes()));
        *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
        // The page asks with HEAD, whose answer has no text.
        headers.insert(HeaderName::from_static("x-live"), HeaderValue::from_static(reason));
        answer
    }
}

fn stream_headers(headers: &mut HeaderMap) {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    // nginx would keep what is sent until it has more of it.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
}

/// Something of the page that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    Page,
    Live,
    Asset(String),
    List,
    One(ContainerId),
    /// What should be a container's ID is none.
    NoId,
    Debug,
}

impl Wanted {
    /// What is at a path; `None` if it is nothing of the page.
    pub(super) fn at(path: &str) -> Option<Self> {
        match path {
            "/" => Some(Self::Page),
            "/live" => Some(Self::Live),
            "/api/v1/containers" => Some(Self::List),
            "/debug/containers" => Some(Self::Debug),
            _ => match path.strip_prefix("/assets/") {
                Some(name) => Some(Self::Asset(name.to_owned())),
                None => {
                    let id = path.strip_prefix("/api/v1/containers/")?;
                    Some(ContainerId::new(id).map_or(Self::NoId, Self::One))
                }
            },
        }
    }

    /// Whether it is there only as long as the page is on.
    pub(super) fn is_of_page(&self) -> bool {
        matches!(self, Self::Live | Self::Asset(_))
    }
}

/// A text with its type.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) content_type: &'static str,
    pub(super) text: String,
}

const HTML: &str = "text/html; charset=utf-8";
/// Users choose names and images freely, so nothing in them may run or load. The page loads its own files.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src \
    'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

impl Document {
    fn json(text: String) -> Self {
        Self { content_type: "application/json", text }
    }

    fn html(text: String) -> Self {
        Self { content_type: HTML, text }
    }

    /// Headers that only a page needs.
    pub(super) fn policy(content_type: &str) -> Option<(HeaderName, HeaderValue)> {
        let policy = (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        (content_type == HTML).then_some(policy)
    }
}

/// Makes what is shown.
#[derive(Debug)]
pub(super) struct Page {
    handle: Handle,
    targets: Targets,
    shown: PageShown,
    /// Whether PIDs and cgroup paths are shown.
    debug_pages: bool,
    live: Arc<Live>,
}

impl Page {
    pub(super) fn new(
        handle: Handle,
        targets: Targets,
        (shown, debug_pages): (PageShown, bool),
        refusals: Arc<Refusals>,
    ) -> Self {
        let host_name = shown.host_name.clone();
        let facts = Facts { demo: shown.demo, debug_pages, interval: shown.interval, host_name };
        let live = Live::new(handle.clone(), facts, refusals);
        Self { handle, targets, shown, debug_pages, live }
    }

    /// The viewers, to end their streams.
    pub(super) fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live)
    }

    /// Whether it is served.
    pub(super) fn has(&self, wanted: &Wanted) -> bool {
        match wanted {
            Wanted::Debug => self.debug_pages,
            wanted => self.shown.is_on || !wanted.is_of_page(),
        }
    }

    /// A file of the page.
    pub(super) fn asset(&self, name: &str, asked: &HeaderMap) -> Option<Response<Bytes>> {
        assets::answer(name, asked)
    }

    /// Lets a viewer in, unless there are too many.
    pub(super) fn join(&self, client: &Arc<Client>) -> Served {
        match self.live.join(client) {
            Ok(viewer) => Served::Live(viewer),
            Err(closed) => Served::Whole(closed.answer()),
        }
    }

    /// What [`Self::join`] would answer, without letting anybody in.
    pub(super) fn would_join(&self, client: &Client) -> Response<Bytes> {
        if let Err(closed) = self.live.has_place(client.peer()) {
            return closed.answer();
        }
        let mut answer = Response::new(Bytes::new());
        stream_headers(answer.headers_mut());
        answer
    }

    /// What is asked for; `None` if there is no such container.
    pub(super) async fn document(&self, wanted: &Wanted) -> Result<Option<Document>, Stopped> {
        if let Wanted::One(id) = wanted {
            let (detail, report) = self.read(Detail::of(id.clone())).await?;
            let history = self.handle.history().await?;
            return Ok(detail.document(&report, &history, self.debug_pages).map(Document::json));
        }
        if *wanted == Wanted::Page && !self.shown.is_on {
            return Ok(Some(Document::html(html::links(self.debug_pages))));
        }
        let (mut snapshot, report) = self.read(Snapshot::default()).await?;
        snapshot.join(&report);
        let targets = self.targets.now();
        Ok(Some(match wanted {
            Wanted::List => Document::json(api::list(&snapshot)),
            Wanted::Debug => Document::json(api::debug(&report, &snapshot, &targets)),
            _ => Document::html(html::html(&Shown {
                report: &report,
                snapshot: &snapshot,
                docker_answers: self.handle.metrics().docker_up.get() > 0.0,
                targets: &targets,
                debug_pages: self.debug_pages,
                demo: self.shown.demo,
                host_name: self.shown.host_name.as_deref(),
            })),
        }))
    }

    /// Shows a full pass to a visitor, and what else is known.
    async fn read<V: Visitor + 'static>(&self, visitor: V) -> Result<(V, Arc<Report>), Stopped> {
        Ok((self.handle.feed(visitor).await?, self.handle.report().await?))
    }
}
