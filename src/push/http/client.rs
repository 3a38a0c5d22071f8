//! Requests to one receiver, over a connection that is kept.

use super::{
    answer::{Answer, Failure},
    blocking::Blocking,
    connect::{Stream, Way, connect},
    credentials::{Credentials, TlsPem, read},
    masks::Masks,
    redirect::{Origin, destination},
    tls::client_config,
};
use crate::{files::Files, push::config::Endpoint};
use hyper::{
    Method, StatusCode, Uri,
    body::{Body, Bytes, Frame, Incoming, SizeHint},
    client::conn::http1::{self, SendRequest},
    header::{
        AUTHORIZATION, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION, PROXY_AUTHORIZATION, USER_AGENT,
    },
};
use hyper_util::rt::TokioIo;
use std::{
    convert::Infallible,
    error::Error,
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
};
use tokio::{task::AbortHandle, time::timeout};
use tokio_rustls::rustls::ClientConfig;

const AGENT: &str = concat!("docker-stat-prom/", env!("CARGO_PKG_VERSION"));
/// How many redirects are followed.
const REDIRECTS: usize = 10;
/// The largest head of an answer.
const HEAD_BYTES: usize = 64 << 10;

/// A request, but for what all requests to the receiver have.
#[derive(Debug, Clone)]
pub(in crate::push) struct Request {
    pub(in crate::push) method: Method,
    pub(in crate::push) headers: &'static [(&'static str, &'static str)],
    pub(in crate::push) body: Bytes,
    /// How much of the answer's body is read. If it is longer, only its beginning is used.
    pub(in crate::push) keep: usize,
}

/// A connection that can take another request.
struct Kept {
    origin: Origin,
    sender: SendRequest<Whole>,
    driver: AbortHandle,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Sends requests to one receiver, one after the other.
pub(in crate::push) struct Client {
    endpoint: Arc<Endpoint>,
    proxy: Option<Origin>,
    kept: Option<Kept>,
    files: Arc<Mutex<Files>>,
    /// The settings of TLS, and what they were made of.
    tls: Option<(TlsPem, Arc<ClientConfig>)>,
    blocking: Blocking,
}

impl Client {
    pub(in crate::push) fn new(endpoint: Endpoint) -> Self {
        let proxy = endpoint.proxy.as_ref().and_then(|proxy| Origin::of(&proxy.url).ok());
        Self {
            endpoint: Arc::new(endpoint),
            proxy,
            kept: None,
            files: Arc::default(),
            tls: None,
            blocking: Blocking::default(),
        }
    }

    /// Sends a request and waits for the whole answer, but not longer than the receiver's timeout. May be
    /// dropped at any time.
    ///
    /// # Errors
    /// If there is no whole answer. No error has a secret in its text.
    pub(in crate::push) async fn send(&mut self, request: &Request) -> Result<Answer, Failure> {
        let limit = self.endpoint.timeout;
        let mut masks = Masks::default();
        let answer = timeout(limit, self.follow(request, &mut masks)).await;
        // The only way out: no failure is shown with what a proxy or a receiver said as it said it.
        let answer = answer.unwrap_or(Err(Failure::Late(limit))).map_err(|failure| failure.hidden(&masks));
        if answer.is_err() {
            self.kept = None;
        }
        if matches!(answer, Err(Failure::Tls(_))) {
            // The certificates of the system may be newer at the next attempt.
            self.tls = None;
        }
        answer
    }

    /// Sends a request where its redirects lead.
    async fn follow(&mut self, request: &Request, masks: &mut Masks) -> Result<Answer, Failure> {
        let credentials = self.credentials().await?;
        masks.clone_from(&credentials.masks);
        let home = Origin::of(&self.endpoint.url).map_err(Failure::Connect)?;
        let mut url = self.endpoint.url.clone();
        for _ in 0..=REDIRECTS {
            let (status, head, body) = self.exchange(request, &url, &home, &credentials).await?;
            let location = head.get(LOCATION).and_then(|location| location.to_str().ok());
            let Some(location) = location.filter(|_| status.is_redirection()) else {
                let is_cut = body.len() >= request.keep;
                return Ok(Answer::new(status, &head, (body, is_cut), credentials.masks));
            };
            url = self.next(status, &url, location)?;
        }
        Err(Failure::Redirect(format!("more than {REDIRECTS} redirects")))
    }

    /// The URL to go on with after a redirect.
    fn next(&self, status: StatusCode, from: &Uri, location: &str) -> Result<Uri, Failure> {
        let refuse = |why: &str| Err(Failure::Redirect(format!("{status}{why}")));
        let Some(url) = destination(from, location) else {
            return refuse(" to a URL that can't be used");
        };
        // Neither path nor query is told: both can have secrets in them.
        let target = Origin::of(&url).map(|origin| origin.to_string()).unwrap_or_default();
        if !self.endpoint.follow_redirects {
            return refuse(&format!(" to {target}, and redirects are not followed"));
        }
        if from.scheme_str() == Some("https") && url.scheme_str() == Some("http") {
            return refuse(&format!(" from https to {target}, which is not followed"));
        }
        match status {
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => Ok(url),
            // These turn a POST into a GET: what is pushed would be lost, and the page there may answer 200.
            _ => refuse(&format!(" to {target}: set the URL to where it leads")),
        }
    }

    /// One request and its answer. A kept connection that turns out to be closed is replaced once.
    async fn exchange(
        &mut self,
        request: &Request,
        url: &Uri,
        home: &Origin,
        credentials: &Credentials,
    ) -> Result<(StatusCode, HeaderMap, Bytes), Failure> {
        let origin = Origin::of(url).map_err(Failure::Connect)?;
        let is_proxied = self.proxy.is_some();
        let make = || message(request, url, &origin, origin == *home, is_proxied, credentials);
        if let Some(mut kept) = self.kept.take().filter(|kept| kept.origin == origin) {
            if kept.sender.ready().await.is_ok() {
                if let Ok(answer) = self.ask(kept, make()?, request.keep).await {
                    return Ok(answer);
                }
            }
        }
        let message = make()?;
        let kept = self.open(&origin, home, credentials).await?;
        self.ask(kept, message, request.keep).await
    }

    async fn ask(
        &mut self,
        mut kept: Kept,
        message: hyper::Request<Whole>,
        keep: usize,
    ) -> Result<(StatusCode, HeaderMap, Bytes), Failure> {
        let closed = |error: hyper::Error| Failure::Closed(with_causes(&error));
        let answer = kept.sender.send_request(message).await.map_err(closed)?;
        let (status, head) = (answer.status(), answer.headers().clone());
        let (body, is_whole) = beginning(answer.into_body(), keep).await.map_err(closed)?;
        if is_whole {
            self.kept = Some(kept);
        }
        Ok((status, head, body))
    }

    async fn open(
        &mut self,
        origin: &Origin,
        home: &Origin,
        credentials: &Credentials,
    ) -> Result<Kept, Failure> {
        let tls = if origin.is_secure { Some(self.tls(&credentials.pem).await?) } else { None };
        // Where a redirect leads has a name of its own.
        let name = self.endpoint.tls.server_name.as_deref().filter(|_| origin == home);
        let way = Way {
            origin,
            proxy: self.proxy.as_ref().map(|proxy| (proxy, credentials.proxy.as_ref())),
            tls: tls.map(|config| (config, name)),
            patience: self.endpoint.timeout,
        };
        let stream: Box<dyn Stream> = connect(&way, &mut self.blocking).await?;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(HEAD_BYTES).max_header_size(HEAD_BYTES);
        let (sender, connection) = builder
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Failure::Closed(with_causes(&error)))?;
        let driver = tokio::spawn(async move {
            // The request learns of its error too.
            let _told_to_the_request = connection.await;
        });
        Ok(Kept { origin: origin.clone(), sender, driver: driver.abort_handle() })
    }

    async fn credentials(&mut self) -> Result<Credentials, Failure> {
        let (endpoint, files) = (Arc::clone(&self.endpoint), Arc::clone(&self.files));
        let found = self
            .blocking
            .call(move || read(&endpoint, &mut files.lock().unwrap_or_else(PoisonError::into_inner)))
            .await;
        let credentials = found.unwrap_or_else(|| Err("the program is ending".into()));
        let credentials = credentials.map_err(Failure::Credentials)?;
        if self.tls.as_ref().is_some_and(|(pem, _)| *pem != credentials.pem) {
            // Also the connection: it was made with what was replaced.
            (self.tls, self.kept) = (None, None);
        }
        Ok(credentials)
    }

    async fn tls(&mut self, pem: &TlsPem) -> Result<Arc<ClientConfig>, Failure> {
        if let Some((_, config)) = &self.tls {
            return Ok(Arc::clone(config));
        }
        let (endpoint, material) = (Arc::clone(&self.endpoint), pem.clone());
        let made = self.blocking.call(move || client_config(&endpoint.tls, &material)).await;
        let config =
            made.unwrap_or_else(|| Err("the program is ending".into())).map_err(Failure::Credentials)?;
        self.tls = Some((pem.clone(), Arc::clone(&config)));
        Ok(config)
    }
}

/// The request as it is sent. Only its home origin gets credentials and the user's headers.
fn message(
    request: &Request,
    url: &Uri,
    origin: &Origin,
    is_home: bool,
    is_proxied: bool,
    credentials: &Credentials,
) -> Result<hyper::Request<Whole>, Failure> {
    let odd = |_| Failure::Connect("the URL can't be asked for".into());
    let is_plain_proxy = is_proxied && !origin.is_secure;
    let mut message = hyper::Request::new(Whole(Some(request.body.clone()).filter(|body| !body.is_empty())));
    *message.method_mut() = request.method.clone();
    *message.uri_mut() = if is_plain_proxy {
        url.clone()
    } else {
        let path = url.path_and_query().map_or("/", |path| path.as_str());
        path.parse().map_err(|error: hyper::http::uri::InvalidUri| odd(error.to_string()))?
    };
    let headers = message.headers_mut();
    if is_home {
        headers.extend(credentials.headers.iter().cloned());
        if let Some(value) = &credentials.authorization {
            headers.insert(AUTHORIZATION, value.clone());
        }
    }
    if let Some(value) = credentials.proxy.as_ref().filter(|_| is_plain_proxy) {
        headers.insert(PROXY_AUTHORIZATION, value.clone());
    }
    // A user may choose another agent, but not what belongs to the protocol.
    headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
    let host = HeaderValue::try_from(origin.authority());
    headers.insert(HOST, host.map_err(|error| odd(error.to_string()))?);
    for (name, value) in request.headers {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    Ok(message)
}

/// The beginning of a body, and whether that is all of it.
async fn beginning(mut body: Incoming, keep: usize) -> Result<(Bytes, bool), hyper::Error> {
    let mut text = Vec::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        if let Ok(data) = frame?.into_data() {
            text.extend_from_slice(&data);
            if text.len() > keep {
                text.truncate(keep);
                return Ok((text.into(), false));
            }
        }
    }
    Ok((text.into(), true))
}

/// An error with its causes, because hyper's errors have the reason only there.
fn with_causes(error: &dyn Error) -> String {
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        said += &format!(": {error}");
        cause = error.source();
    }
    said
}

/// A body that is there as a whole.
struct Whole(Option<Bytes>);

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|body| Ok(Frame::data(body))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |body| body.len() as u64))
    }
}
