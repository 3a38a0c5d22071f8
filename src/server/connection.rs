//! One accept loop for plain and TLS connections, whose clients can't delay each other.

use super::{routes::service_of, tls::Tls};
use bytes::Bytes;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto::Builder,
        graceful::{GracefulShutdown, Watcher},
    },
    service::TowerToHyperService,
};
use std::{pin::Pin, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_io_timeout::TimeoutStream;
use warp::{filters::BoxedFilter, http::Response};

/// Connections at once. A scraper needs one; what comes above this is closed at once.
const CONNECTIONS: usize = 128;
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Time for the head of a request, and for an idle connection to send its next one.
const REQUEST_HEAD: Duration = Duration::from_secs(30);
/// Time without a byte read before a connection is closed: more than the usual minute between scrapes.
const SILENCE: Duration = Duration::from_secs(150);
/// Time without a byte taken by a client that was sent something.
const NOT_READING: Duration = Duration::from_secs(10);
/// Heads of requests: a scraper's has some 500 bytes.
const HEAD_BYTES: usize = 16 * 1024;
const HEAD_BYTES_H2: u32 = 16 * 1024;
const HEADERS: usize = 64;
const STREAMS: u32 = 16;
/// What is under way at a shutdown may go on for so long.
const DRAIN: Duration = Duration::from_secs(5);
/// Accepting fails when descriptors run out; trying again at once would only burn CPU.
const AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(100);

trait Stream: AsyncRead + AsyncWrite + Send {}
impl<S: AsyncRead + AsyncWrite + Send> Stream for S {}

/// Serves until `shutdown` resolves, then lets what is under way end, for 5 s at the most.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Tls>,
    routes: BoxedFilter<(Response<Bytes>,)>,
    shutdown: impl Future<Output = ()>,
) {
    let service = warp::service(service_of(routes));
    let builder = Arc::new(builder());
    let connections = Arc::new(Semaphore::new(CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!("accept: {error}");
                sleep(AFTER_ACCEPT_ERROR).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&connections).try_acquire_owned() else {
            tracing::debug!(%peer, "closed: {CONNECTIONS} connections are open");
            continue;
        };
        let service = TowerToHyperService::new(service.clone());
        let (builder, tls, watcher) = (Arc::clone(&builder), tls.clone(), graceful.watcher());
        tokio::spawn(async move {
            let _permit = permit;
            if let Err(error) = connection(socket, tls, &builder, service, watcher).await {
                tracing::debug!(%peer, "{error}");
            }
        });
    }
    drop(listener);
    if timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::debug!("connections were still open after {DRAIN:?}");
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_HEAD)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEAD_BYTES_H2)
        .keep_alive_interval(REQUEST_HEAD);
    builder
}

type Error = Box<dyn std::error::Error + Send + Sync>;

async fn connection<S>(
    socket: TcpStream,
    tls: Option<Tls>,
    builder: &Builder<TokioExecutor>,
    service: S,
    watcher: Watcher,
) -> Result<(), Error>
where
    S: hyper::service::Service<
            hyper::Request<hyper::body::Incoming>,
            Response = warp::reply::Response,
            Error = std::convert::Infallible,
        > + Send
        + 'static,
    S::Future: Send + 'static,
{
    // A page goes out in large writes; waiting to fill packets would only delay the last one.
    socket.set_nodelay(true)?;
    let mut stream = TimeoutStream::new(socket);
    stream.set_read_timeout(Some(SILENCE));
    stream.set_write_timeout(Some(NOT_READING));
    let stream = Box::pin(stream);
    let stream: Pin<Box<dyn Stream>> = match tls {
        None => stream,
        Some(tls) => Box::pin(timeout(HANDSHAKE, tls.acceptor.accept(stream)).await??),
    };
    let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
    watcher.watch(connection).await
}
