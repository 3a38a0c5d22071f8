//! What is served where.

use super::{
    client::Client,
    encoding::{Compressor, keep},
    landing,
    negotiate::{self, Encoding},
    pages::{Pages, Permit},
    refusals::Refusals,
};
use crate::collector::{ContainerReport, Handle};
use bytes::Bytes;
use std::sync::Arc;
use warp::{
    Filter,
    filters::BoxedFilter,
    http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header},
};

type Answer = Response<Bytes>;

/// Everything that is served. A request must have a path, and its [`Client`] among its extensions.
pub(super) type Routes = BoxedFilter<(Answer,)>;

/// The routes for what `handle` tells.
pub(super) fn routes(handle: Handle, refusals: &Arc<Refusals>) -> Routes {
    let pages = Pages::new(Arc::clone(refusals));
    let site = Arc::new(Site { handle, pages, compressor: Compressor::start() });
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
    compressor: Compressor,
}

impl Site {
    async fn route(&self, method: &Method, path: &str, headers: &HeaderMap, client: &Arc<Client>) -> Answer {
        if !matches!(path, "/" | "/metrics" | "/healthz" | "/readyz" | "/debug/containers") {
            return text(StatusCode::NOT_FOUND, "not found: try /metrics\n");
        }
        if !matches!(*method, Method::GET | Method::HEAD) {
            let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
            answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return answer;
        }
        match path {
            "/metrics" => self.metrics(headers, client).await,
            "/healthz" => text(StatusCode::OK, "ok\n"),
            "/readyz" if self.handle.is_ready() => text(StatusCode::OK, "ready\n"),
            "/readyz" => text(StatusCode::SERVICE_UNAVAILABLE, "not ready: still looking for containers\n"),
            path => self.report(path, client).await,
        }
    }

    async fn report(&self, path: &str, client: &Arc<Client>) -> Answer {
        let Some(permit) = self.pages.acquire(client).await else { return busy() };
        match self.handle.report().await {
            Ok(containers) if path == "/" => page(&containers, permit),
            Ok(containers) => json(&containers, permit),
            Err(stopped) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{stopped}\n")),
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
        let page = match self.handle.scrape(format).await {
            Ok(page) => page,
            Err(stopped) => return text(StatusCode::SERVICE_UNAVAILABLE, format!("{stopped}\n")),
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

fn page(containers: &[ContainerReport], permit: Permit) -> Answer {
    let body = keep(landing::html(containers), permit);
    let mut answer = respond(StatusCode::OK, "text/html; charset=utf-8", body);
    // Names and images are whatever somebody called them: nothing of theirs may run or load.
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    answer
}

fn json(containers: &[ContainerReport], permit: Permit) -> Answer {
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
            })
        })
        .collect();
    let body = serde_json::json!({ "containers": containers }).to_string();
    respond(StatusCode::OK, "application/json", keep(body, permit))
}
