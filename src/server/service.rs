//! The service that hyper calls for each request. It passes to the routes what warp can handle, and follows
//! the answer until the kernel has its last byte.

use super::{
    access::Access,
    audit::Asked,
    client::{Answering, Client},
    headers::protect,
    hosts::AllowedHosts,
    peer::Origin,
    refusals::{Reason, Refusals},
    target,
};
use bytes::Bytes;
use hyper::{
    Method, Request, Response, StatusCode, Version,
    body::{Body, Frame, Incoming, SizeHint},
    header,
    service::Service,
};
use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// Bodies are sent in pieces of this size, so that it shows when a client takes nothing.
const PIECE: usize = 64 * 1024;

/// Handles the requests of one connection with the routes in `inner`, which find the [`Client`] in a
/// request's extensions.
#[derive(Debug)]
pub(super) struct Requests<S> {
    pub(super) inner: S,
    pub(super) client: Arc<Client>,
    pub(super) origin: Origin,
    pub(super) hosts: Arc<AllowedHosts>,
    pub(super) refusals: Arc<Refusals>,
    pub(super) access: Arc<Access>,
}

type Future<B> = Pin<Box<dyn std::future::Future<Output = Result<Response<Outgoing<B>>, Infallible>> + Send>>;

impl<S, B> Service<Request<Incoming>> for Requests<S>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + From<Bytes> + Send,
{
    type Response = Response<Outgoing<B>>;
    type Error = Infallible;
    type Future = Future<B>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        // hyper leaves out the body of an answer to HEAD in HTTP/1, but not in HTTP/2.
        let is_head_only = request.method() == Method::HEAD && request.version() == Version::HTTP_2;
        let answering = Arc::new(self.client.begin());
        let refusals = Arc::clone(&self.refusals);
        let (access, peer) = (Arc::clone(&self.access), self.client.peer());
        let asked = Asked::of(&request, self.origin);
        let answer = match target::with_path(request.method(), request.uri()) {
            None => Err(Reason::Target),
            Some(_) if !self.hosts.allow(request.uri(), request.headers()) => Err(Reason::Host),
            Some(target) => {
                *request.uri_mut() = target;
                request.extensions_mut().insert(Arc::clone(&self.client));
                let credentials = request.headers().get(header::AUTHORIZATION).cloned();
                let path = request.uri().path().to_owned();
                // Nothing is done before this is polled.
                Ok((path, credentials, self.inner.call(request)))
            }
        };
        if let Err(reason) = &answer {
            refusals.refuse(*reason, self.client.peer());
        }
        Box::pin(async move {
            let changes = access.changes();
            let mut response = match answer {
                Ok((path, credentials, answer)) => match access.admit(&path, credentials, peer).await {
                    Ok(()) => answer.await?,
                    Err(denied) => {
                        refusals.refuse(denied.reason(), peer);
                        denied.response()
                    }
                },
                Err(Reason::Host) => refusal(StatusCode::MISDIRECTED_REQUEST, OTHER_HOST),
                Err(_) => refusal(StatusCode::BAD_REQUEST, NO_PATH),
            };
            for (name, value) in access.rules().headers() {
                response.headers_mut().insert(name, value.clone());
            }
            protect(response.headers_mut());
            if response.status().is_client_error() {
                refusals.audit().refused(response.status(), &asked);
            }
            refusals.metrics().http_requests.with_label_values(&[response.status().as_str()]).inc();
            let size = response.body().size_hint();
            if let Some(length) = size.exact().filter(|_| is_head_only) {
                response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
            }
            answering.ready(if is_head_only { 0 } else { size.lower() });
            let is_endless = size.upper().is_none();
            let rest = Bytes::new();
            // Whoever takes an answer without an end must be somebody who may ask for it, all the time.
            let withdrawn = is_endless.then(|| Box::pin(changes.any()) as Change);
            Ok(response.map(|inner| Outgoing { inner, rest, is_head_only, withdrawn, answering }))
        })
    }
}

const NO_PATH: &str = "bad request: expected a path such as /metrics\n";
const OTHER_HOST: &str = "this server does not answer under that host name: --allowed_hosts adds it\n";

fn refusal<B: From<Bytes>>(status: StatusCode, text: &'static str) -> Response<B> {
    let mut response = Response::new(B::from(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    let plain = header::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response
}

/// Resolves when the rules of who may ask have changed.
type Change = Pin<Box<dyn std::future::Future<Output = ()> + Send>>;

/// A body in pieces. Each piece keeps its request alive until it is written.
pub(super) struct Outgoing<B> {
    inner: B,
    rest: Bytes,
    /// Whether nothing of the body is sent.
    is_head_only: bool,
    /// What ends it, if it goes on for as long as the client takes it.
    withdrawn: Option<Change>,
    answering: Arc<Answering>,
}

struct Piece {
    bytes: Bytes,
    _until_written: Arc<Answering>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Outgoing<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.is_head_only {
            return Poll::Ready(None);
        }
        if self.withdrawn.as_mut().is_some_and(|change| change.as_mut().poll(cx).is_ready()) {
            (self.rest, self.withdrawn) = (Bytes::new(), None);
            return Poll::Ready(None);
        }
        while self.rest.is_empty() {
            match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                end => return Poll::Ready(end),
            }
        }
        if self.withdrawn.is_some() {
            self.answering.goes_on(u64::try_from(self.rest.len()).unwrap_or(u64::MAX));
        } else {
            self.answering.taken();
        }
        let length = self.rest.len().min(PIECE);
        let bytes = self.rest.split_to(length);
        let piece = Piece { bytes, _until_written: Arc::clone(&self.answering) };
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_owner(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.is_head_only || (self.rest.is_empty() && self.inner.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_head_only {
            return SizeHint::with_exact(0);
        }
        let mut hint = self.inner.size_hint();
        let rest = u64::try_from(self.rest.len()).unwrap_or(u64::MAX);
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint.set_lower(hint.lower().saturating_add(rest));
        hint
    }
}
