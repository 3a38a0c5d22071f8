//! The routes: what is served at which path.

use super::{
    client::Client,
    encoding::{Compressor, keep},
    negotiate::{self, Encoding},
    page::{Document, Page, Served, Wanted},
    pages::Pages,
    refusals::Refusals,
};
use crate::collector::{Handle, Stopped};
use bytes::Bytes;
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;
use warp::{
    Filter,
    filters::BoxedFilter,
    http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header},
};

type Answer = Response<Bytes>;

/// How long a readiness check waits for the collector. Even a pass over thousands of containers takes a
/// fraction of this. It is shorter than the timeout of `--healthcheck`, so that the answer can say why.
const PROMPT: Duration = Duration::from_secs(2);
/// A collector that has been silent for this long hangs while reading a file, and may be restarted.
const HUNG: Duration = Duration::from_secs(30);
/// The longest wait for a page.
const PATIENCE: Duration = Duration::from_secs(30);

const NO_ID: &str = "not found: expected the ID of a container, 64 hexadecimal digits in lower case: \
    /api/v1/containers lists them\n";
const NO_CONTAINER: &str = "not found: no container has this ID: /api/v1/containers lists them\n";

/// All routes. A request must have a path, and its [`Client`] among its extensions.
pub(super) type Routes = BoxedFilter<(Served,)>;

/// The routes that serve the collector behind `handle`.
pub(super) fn routes(handle: Handle, refusals: &Arc<Refusals>, page: Page) -> Routes {
    let pages = Pages::new(Arc::clone(refusals));
    let site = Arc::new(Site { handle, pages, page, compressor: Compressor::start() });
    warp::method()
        .and(warp::path::full())
        .and(warp::header::headers_cloned())
        .and(warp::ext::get::<Arc<Client>>())
        .then(move |method: Method, path: warp::path::FullPath, headers: HeaderMap, client: Arc<Client>| {
            let site = Arc::clone(&site);
            async move { site.route(&method, path.as_str(), &headers, &client).await }
        })
        .boxed()
}

struct Site {
    handle: Handle,
    pages: Arc<Pages>,
    page: Page,
    compressor: Compressor,
}

impl Site {
    async fn route(&self, method: &Method, path: &str, headers: &HeaderMap, client: &Arc<Client>) -> Served {
        let wanted = Wanted::at(path);
        if let Some(wanted) = wanted.as_ref().filter(|wanted| !self.page.has(wanted)) {
            let flag = if *wanted == Wanted::Debug { "--debug_pages" } else { "--page on" };
            let problem = format!("not found: {flag} turns it on\n");
            return Served::Whole(text(StatusCode::NOT_FOUND, problem));
        }
        if wanted.is_none() && !matches!(path, "/metrics" | "/healthz" | "/readyz") {
            return Served::Whole(text(StatusCode::NOT_FOUND, "not found: try /metrics\n"));
        }
        if !matches!(*method, Method::GET | Method::HEAD) {
            let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
            answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return Served::Whole(answer);
        }
        Served::Whole(match (path, wanted) {
            (_, Some(Wanted::Live)) => match self.within(PATIENCE, async { Ok(()) }).await {
                Ok(()) if *method == Method::HEAD => self.page.would_join(client),
                Ok(()) => return self.page.join(client),
                Err(hangs) => hangs,
            },
            (_, Some(Wanted::Asset(name))) => self
                .page
                .asset(&name, headers)
                .unwrap_or_else(|| text(StatusCode::NOT_FOUND, "not found: the page has no such file\n")),
            (_, Some(Wanted::NoId)) => text(StatusCode::NOT_FOUND, NO_ID),
            (_, Some(wanted)) => self.document(&wanted, client).await,
            ("/metrics", _) => self.metrics(headers, client).await,
            ("/healthz", _) => self.health(),
            _ => self.readiness().await,
        })
    }

    /// Whether the collector is alive. It is not asked, because a pass may take longer than a supervisor
    /// waits.
    fn health(&self) -> Answer {
        let silence = self.handle.silence();
        if silence > HUNG {
            let silence = silence.as_secs();
            let problem =
                format!("the collector has been in one pass for {silence} s: reading a file may hang\n");
            return text(StatusCode::SERVICE_UNAVAILABLE, problem);
        }
        text(StatusCode::OK, "ok\n")
    }

    async fn readiness(&self) -> Answer {
        match self.within(PROMPT, self.handle.ping()).await {
            Ok(true) => text(StatusCode::OK, "ready\n"),
            Ok(false) => text(StatusCode::SERVICE_UNAVAILABLE, "not ready: still looking for containers\n"),
            Err(no_answer) => no_answer,
        }
    }

    /// The collector's answer if it comes in time, otherwise the replacement.
    async fn within<T>(
        &self,
        patience: Duration,
        answer: impl Future<Output = Result<T, Stopped>>,
    ) -> Result<T, Answer> {
        // A collector that is known to hang gets no questions: they would pile up.
        let asked = async { if self.handle.silence() > patience { None } else { Some(answer.await) } };
        let problem = match timeout(patience, asked).await {
            Ok(Some(Ok(answer))) => return Ok(answer),
            Ok(Some(Err(stopped))) => format!("{stopped}\n"),
            Ok(None) | Err(_) => {
                let silence = self.handle.silence().as_secs();
                format!("the collector does not answer: it has been in one pass for {silence} s\n")
            }
        };
        Err(text(StatusCode::SERVICE_UNAVAILABLE, problem))
    }

    async fn document(&self, wanted: &Wanted, client: &Arc<Client>) -> Answer {
        let Some(permit) = self.pages.acquire(client).await else { return busy() };
        match self.within(PATIENCE, self.page.document(wanted)).await {
            Ok(Some(Document { content_type, text })) => {
                let mut answer = respond(StatusCode::OK, content_type, keep(text, permit));
                answer.headers_mut().extend(Document::policy(content_type));
                answer
            }
            Ok(None) => text(StatusCode::NOT_FOUND, NO_CONTAINER),
            Err(no_answer) => no_answer,
        }
    }

    async fn metrics(&self, headers: &HeaderMap, client: &Arc<Client>) -> Answer {
        let Some(permit) = self.pages.acquire(client).await else { return busy() };
        let wish = |name| {
            let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
            values.collect::<Vec<_>>().join(",")
        };
        let format = negotiate::format(&wish(header::ACCEPT));
        let asked = negotiate::encoding(&wish(header::ACCEPT_ENCODING));
        let page = match self.within(PATIENCE, self.handle.scrape(format)).await {
            Ok(page) => page,
            Err(no_answer) => return no_answer,
        };
        let (body, encoding) = self.compressor.encode(page, asked, permit).await;
        let mut answer = Response::new(body);
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
        headers.insert(header::VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match encoding {
            Encoding::Identity => None,
            Encoding::Gzip => headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip")),
            Encoding::Zstd => headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("zstd")),
        };
        answer
    }
}

fn respond(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    respond(status, "text/plain; charset=utf-8", body)
}

fn busy() -> Answer {
    let mut answer = text(StatusCode::SERVICE_UNAVAILABLE, "too many scrapes at once\n");
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        collector::Message,
        server::{page::PageShown, peer::Peer, targets::Targets},
        table::SelfMetrics,
    };
    use std::sync::mpsc::{Receiver, channel};

    /// A site whose collector takes no messages and has been silent for a while.
    fn hung(silence: u64) -> (Site, Receiver<Message>) {
        let (sender, receiver) = channel();
        let metrics = SelfMetrics::new().unwrap();
        let handle = Handle::silent_for(sender, metrics, Duration::from_secs(silence)).unwrap();
        let refusals = Refusals::new(handle.metrics().clone());
        let pages = Pages::new(Arc::clone(&refusals));
        let shown = PageShown { is_on: true, demo: false, interval: Duration::from_secs(2), host_name: None };
        let page = Page::new(handle.clone(), Targets::default(), (shown, true), refusals);
        (Site { handle, pages, page, compressor: Compressor::start() }, receiver)
    }

    fn wait<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    fn said(answer: &Answer) -> (u16, String) {
        (answer.status().as_u16(), String::from_utf8(answer.body().to_vec()).unwrap())
    }

    #[test]
    fn a_collector_that_hangs_is_neither_ready_nor_healthy() {
        let (site, _collector) = hung(31);
        let (status, text) = said(&site.health());
        assert_eq!(status, 503);
        assert!(text.contains("in one pass for 31 s"), "{text}");
        let (status, text) = said(&wait(site.readiness()));
        assert_eq!(status, 503);
        assert!(text.contains("does not answer"), "{text}");
        let (site, _collector) = hung(20);
        assert_eq!(said(&site.health()).0, 200);
        let (site, _collector) = hung(0);
        assert_eq!(said(&wait(site.readiness())).0, 503);
    }

    #[test]
    fn nothing_piles_up_before_a_collector_that_hangs() {
        let (site, collector) = hung(31);
        let headers = HeaderMap::new();
        let client = Client::new(Peer::of([127, 0, 0, 2].into()), site.handle.metrics().clone());
        let one = format!("/api/v1/containers/{}", "a".repeat(64));
        for path in ["/metrics", "/readyz", "/", "/debug/containers", "/live", "/api/v1/containers", &one] {
            let Served::Whole(answer) = wait(site.route(&Method::GET, path, &headers, &client)) else {
                panic!("{path}");
            };
            assert_eq!(said(&answer).0, 503, "{path}");
        }
        assert!(collector.try_recv().is_err());
    }

    #[test]
    fn a_scrape_does_not_wait_for_ever() {
        let (site, _collector) = hung(0);
        let scrape = site.handle.scrape(negotiate::format(""));
        let answer = wait(site.within(Duration::from_millis(10), scrape)).unwrap_err();
        assert_eq!(said(&answer).0, 503);
        let (site, collector) = hung(0);
        drop(collector);
        let (status, text) = said(&wait(site.readiness()));
        assert_eq!((status, text.as_str()), (503, "the collector has stopped\n"));
    }
}
