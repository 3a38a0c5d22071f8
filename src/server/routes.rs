//! What is served where.

use super::{
    encoding::encode,
    landing,
    negotiate::{self, Encoding},
};
use crate::collector::{ContainerReport, Handle, Stopped};
use bytes::Bytes;
use std::{sync::Arc, time::Duration};
use tokio::{sync::Semaphore, time::timeout};
use warp::{
    Filter, Reply,
    filters::BoxedFilter,
    http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header},
};

/// Pages on their way at once. Each slow client holds the page it asked for; this bounds what they hold together.
const PAGES: usize = 16;

/// A pass over thousands of containers takes a fraction of this: without an answer by then, readiness is no longer so.
/// Shorter than the patience of `--healthcheck`, so that it can tell why.
const PROMPT: Duration = Duration::from_secs(2);
/// A collector that has not turned a round for so long hangs in a file, and may be restarted.
const HUNG: Duration = Duration::from_secs(30);
/// No scraper waits longer for a page.
const PATIENCE: Duration = Duration::from_secs(30);

/// Everything that is served.
#[must_use]
pub fn routes(handle: Handle) -> BoxedFilter<(Response<Bytes>,)> {
    let site = Arc::new(Site { handle, pages: Arc::new(Semaphore::new(PAGES)) });
    warp::method()
        .and(warp::path::full())
        .and(warp::header::headers_cloned())
        .then(move |method: Method, path: warp::path::FullPath, headers: HeaderMap| {
            let site = Arc::clone(&site);
            async move { site.answer(&method, path.as_str(), &headers).await }
        })
        .boxed()
}

struct Site {
    handle: Handle,
    pages: Arc<Semaphore>,
}

type Answer = Response<Bytes>;

impl Site {
    async fn answer(&self, method: &Method, path: &str, headers: &HeaderMap) -> Answer {
        let mut answer = self.route(method, path, headers).await;
        answer.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        let code = answer.status();
        self.handle.metrics().http_requests.with_label_values(&[code.as_str()]).inc();
        answer
    }

    async fn route(&self, method: &Method, path: &str, headers: &HeaderMap) -> Answer {
        if !matches!(path, "/" | "/metrics" | "/healthz" | "/readyz" | "/debug/containers") {
            return text(StatusCode::NOT_FOUND, "not found: try /metrics\n");
        }
        if !matches!(*method, Method::GET | Method::HEAD) {
            let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
            answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return answer;
        }
        match path {
            "/metrics" => self.metrics(headers).await,
            "/healthz" => self.health(),
            "/readyz" => self.readiness().await,
            _ => match self.within(PATIENCE, self.handle.report()).await {
                Ok(containers) if path == "/" => page(&containers),
                Ok(containers) => json(&containers),
                Err(no_answer) => no_answer,
            },
        }
    }

    /// Whether the collector lives, without asking it: a pass may take longer than a supervisor wants to wait.
    fn health(&self) -> Answer {
        let silence = self.handle.silence();
        if silence > HUNG {
            let silence = silence.as_secs();
            let problem = format!("the collector has been in one pass for {silence} s: a file may hang\n");
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

    /// The collector's answer if it comes in time, else the one to give instead.
    async fn within<T>(
        &self,
        patience: Duration,
        answer: impl Future<Output = Result<T, Stopped>>,
    ) -> Result<T, Answer> {
        // A collector that is known to hang is asked nothing: it would pile up.
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

    async fn metrics(&self, headers: &HeaderMap) -> Answer {
        let Ok(permit) = Arc::clone(&self.pages).try_acquire_owned() else {
            let mut answer = text(StatusCode::SERVICE_UNAVAILABLE, "too many scrapes at once\n");
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            return answer;
        };
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
        let (body, encoding) = encode(page, asked, permit).await;
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

fn page(containers: &[ContainerReport]) -> Answer {
    let mut answer = respond(StatusCode::OK, "text/html; charset=utf-8", landing::html(containers));
    // Names and images are whatever somebody called them: nothing of theirs may run or load.
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    answer
}

fn json(containers: &[ContainerReport]) -> Answer {
    let containers: Vec<_> = containers
        .iter()
        .map(|container| {
            serde_json::json!({
                "id": container.id,
                "name": container.name,
                "named": container.named,
                "image": container.image,
                "state": container.state,
                "cgroup": container.cgroup,
                "live": container.live,
                "pid": container.pid,
                "network": container.network,
                "missing_files": container.missing_files,
                "hidden": container.hidden,
            })
        })
        .collect();
    let body = serde_json::json!({ "containers": containers }).to_string();
    respond(StatusCode::OK, "application/json", body)
}

/// The filter as a service's answer; keeps warp's reply type out of the rest.
#[must_use]
pub(super) fn service_of(
    routes: BoxedFilter<(Answer,)>,
) -> impl Filter<Extract = (impl Reply,), Error = std::convert::Infallible> + Clone {
    routes.recover(|_rejection| async {
        Ok::<_, std::convert::Infallible>(text(StatusCode::BAD_REQUEST, "bad request\n"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{collector::Message, exposition::SelfMetrics};
    use std::sync::mpsc::{Receiver, channel};

    /// A site whose collector takes no message, and has not for a while.
    fn hung(silence: u64) -> (Site, Receiver<Message>) {
        let (sender, receiver) = channel();
        let metrics = SelfMetrics::new().unwrap();
        let handle = Handle::silent_for(sender, metrics, Duration::from_secs(silence)).unwrap();
        (Site { handle, pages: Arc::new(Semaphore::new(PAGES)) }, receiver)
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
        for path in ["/metrics", "/readyz", "/", "/debug/containers"] {
            assert_eq!(said(&wait(site.answer(&Method::GET, path, &headers))).0, 503, "{path}");
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
