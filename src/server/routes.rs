//! What is served where.

use super::{
    encoding::encode,
    landing,
    negotiate::{self, Encoding},
};
use crate::collector::{ContainerReport, Handle};
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::Semaphore;
use warp::{
    Filter, Reply,
    filters::BoxedFilter,
    http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header},
};

/// Pages on their way at once. Each slow client holds the page it asked for; this bounds what they hold together.
const PAGES: usize = 16;

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
            "/healthz" => text(StatusCode::OK, "ok\n"),
            "/readyz" if self.handle.is_ready() => text(StatusCode::OK, "ready\n"),
            "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, "not ready: still looking for containers\n"),
            _ => match self.handle.report().await {
                Ok(containers) if path == "/" => page(&containers),
                Ok(containers) => json(&containers),
                Err(stopped) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{stopped}\n")),
            },
        }
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
        let page = match self.handle.scrape(format).await {
            Ok(page) => page,
            Err(stopped) => return text(StatusCode::SERVICE_UNAVAILABLE, format!("{stopped}\n")),
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
