//! One accept loop for plain and TLS connections. No client can delay another one.

use super::{
    access::{Access, Changes},
    admission::{Admission, Place},
    client::End,
    hosts::AllowedHosts,
    listen::Listener,
    page::{Live, Page, PageShown},
    peer::Origin,
    refusals::{Reason, Refusals},
    routes,
    service::Requests,
    targets::Targets,
    tls::SPEAKS_HTTPS,
    wire::Wire,
};
use crate::collector::Handle;
use hyper::StatusCode;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use std::{
    future::poll_fn,
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::Poll,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::watch,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

/// The largest request head. A scraper's head is far smaller.
const HEAD_BYTES: usize = 16 * 1024;
const HEAD_BYTES_H2: u32 = 16 * 1024;
const HEADERS: usize = 64;
const STREAMS: u32 = 16;
/// The largest request body. None is needed, but HTTP/2 does not let a server accept less than this.
const REQUEST_BODIES: u32 = 64 * 1024 - 1;
/// How long requests that are being answered at a shutdown may still take.
const DRAIN: Duration = Duration::from_secs(5);
/// The pause after a failed accept. Accepting fails when descriptors run out; an immediate retry would only
/// burn CPU.
const AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(100);
/// How long a client has to read that it should have spoken TLS.
const AFTER_REFUSAL: Duration = Duration::from_secs(1);

pub(super) trait Stream: AsyncRead + AsyncWrite + Send {}
impl<S: AsyncRead + AsyncWrite + Send> Stream for S {}

type Error = Box<dyn std::error::Error + Send + Sync>;

/// What is shown to whom.
#[derive(Debug, Clone)]
pub struct Audience {
    /// Which host names requests may be for.
    pub hosts: AllowedHosts,
    /// Whether `/debug/containers` is served, and cgroup paths are shown.
    pub debug_pages: bool,
    /// What is on the page at `/`.
    pub page: PageShown,
}

/// Serves the collector behind `handle`, and shows the receivers of push, until `shutdown` resolves. Then
/// waits for open requests, for `DRAIN` at most.
pub async fn serve(
    listeners: Vec<Listener>,
    access: Arc<Access>,
    handle: Handle,
    targets: Targets,
    audience: Audience,
    shutdown: impl Future<Output = ()>,
) {
    let refusals = Refusals::new(handle.metrics().clone());
    let admission = Admission::new(Arc::clone(&refusals));
    let server = Server::new(access, handle, targets, audience, Arc::clone(&refusals));
    let (stop, stopped) = watch::channel(false);
    let mut shutdown = pin!(shutdown);
    let mut turn = 0;
    loop {
        turn += 1;
        let accepted = tokio::select! {
            accepted = accept(&listeners, turn) => accepted,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((socket, peer)) => {
                if let Some(place) = admission.admit(peer) {
                    tokio::spawn(Arc::clone(&server).take(socket, peer, place, stopped.clone()));
                }
            }
            Err(error) => {
                refusals.accept_failed(&error);
                sleep(AFTER_ACCEPT_ERROR).await;
            }
        }
    }
    drop((listeners, stopped));
    stop.send_replace(true);
    // They would go on for ever.
    server.viewers.end();
    // This resolves when every connection has dropped its receiver.
    if timeout(DRAIN, stop.closed()).await.is_err() {
        tracing::debug!("connections were still open after {DRAIN:?}");
    }
}

/// The next connection on any of the listeners. Each turn begins with another one, so that a flood on one
/// delays no other.
async fn accept(listeners: &[Listener], turn: usize) -> io::Result<(Wire, Origin)> {
    poll_fn(|context| {
        let (before, from) = listeners.split_at(turn.checked_rem(listeners.len()).unwrap_or_default());
        let mut ready = from.iter().chain(before).map(|listener| listener.poll_accept(context));
        ready.find(Poll::is_ready).unwrap_or(Poll::Pending)
    })
    .await
}

/// State that all connections share.
pub(super) struct Server {
    builder: Builder<TokioExecutor>,
    without_http2: Builder<TokioExecutor>,
    access: Arc<Access>,
    routes: routes::Routes,
    viewers: Arc<Live>,
    hosts: Arc<AllowedHosts>,
    refusals: Arc<Refusals>,
}

impl Server {
    pub(super) fn new(
        access: Arc<Access>,
        handle: Handle,
        targets: Targets,
        audience: Audience,
        refusals: Arc<Refusals>,
    ) -> Arc<Self> {
        let shown = (audience.page, audience.debug_pages);
        let page = Page::new(handle.clone(), targets, shown, Arc::clone(&refusals));
        let viewers = page.live();
        let routes = routes::routes(handle, &refusals, page);
        let without_http2 = builder().http1_only();
        let hosts = Arc::new(audience.hosts);
        Arc::new(Self { builder: builder(), without_http2, access, routes, viewers, hosts, refusals })
    }

    async fn take(self: Arc<Self>, socket: Wire, peer: Origin, place: Place, stopped: watch::Receiver<bool>) {
        socket.hurry();
        // Another certificate of ours counts for the next connection. If others are asked of clients, this
        // one ends.
        let changes = self.access.changes();
        let rules = self.access.rules();
        let stream = match rules.tls() {
            None => Box::pin(socket) as Pin<Box<dyn Stream>>,
            Some(tls) => match self.handshake(tls, socket, peer, &place, stopped.clone()).await {
                Some(stream) => stream,
                None => return,
            },
        };
        if let Err(error) = self.serve(stream, peer, place, (stopped, changes)).await {
            tracing::debug!(%peer, "{error}");
        }
    }

    async fn handshake(
        &self,
        tls: &Arc<ServerConfig>,
        mut socket: Wire,
        peer: Origin,
        place: &Place,
        mut stopped: watch::Receiver<bool>,
    ) -> Option<Pin<Box<dyn Stream>>> {
        let handshake = async {
            let mut first = [0];
            // A client that only checks whether the port is open has not failed a handshake.
            if socket.peek(&mut first).await? == 0 {
                return Ok(None);
            }
            // The first byte of a request's method, which is none of TLS.
            if first.iter().all(u8::is_ascii_uppercase) {
                refuse_plain(&mut socket).await?;
                return Err(io::Error::other("plain HTTP, answered with 400"));
            }
            TlsAcceptor::from(Arc::clone(tls)).accept(socket).await.map(Some)
        };
        let result: io::Result<_> = tokio::select! {
            result = handshake => result,
            end = place.client().ended() => {
                self.count(end, peer);
                let problem = if end == End::PushedOut { "its place was needed" } else { "not done in time" };
                Err(io::Error::new(io::ErrorKind::TimedOut, problem))
            }
            _ = stopped.changed() => return None,
        };
        match result {
            Ok(stream) => stream.map(|stream| Box::pin(stream) as Pin<Box<dyn Stream>>),
            Err(error) => {
                self.refusals.handshake_failed(peer, &error);
                None
            }
        }
    }

    /// Serves one connection until its client or [`super::client::Client`] ends it.
    pub(super) async fn serve(
        &self,
        stream: Pin<Box<dyn Stream>>,
        peer: Origin,
        place: Place,
        (mut stopped, mut changes): (watch::Receiver<bool>, Changes),
    ) -> Result<(), Error> {
        let client = place.client();
        let service = Requests {
            inner: TowerToHyperService::new(warp::service(self.routes.clone())),
            client: Arc::clone(client),
            origin: peer,
            hosts: Arc::clone(&self.hosts),
            refusals: Arc::clone(&self.refusals),
            access: Arc::clone(&self.access),
        };
        let has_http2 = self.access.rules().has_http2();
        let builder = if has_http2 { &self.builder } else { &self.without_http2 };
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service).into_owned());
        let mut leaving = false;
        loop {
            tokio::select! {
                result = connection.as_mut() => return result.inspect_err(|error| self.blame(error, peer)),
                // Dropping the connection also drops its answers, wherever they wait.
                end = client.ended() => match end {
                    End::Idle if !leaving => {
                        leaving = true;
                        client.leave();
                        connection.as_mut().graceful_shutdown();
                    }
                    end => {
                        self.count(end, peer);
                        return Ok(());
                    }
                },
                // An error means that the exporter is already ending.
                _ = stopped.changed(), if !leaving => {
                    leaving = true;
                    client.leave();
                    connection.as_mut().graceful_shutdown();
                }
                () = changes.of_certificates(), if !leaving => {
                    leaving = true;
                    client.leave();
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }

    fn count(&self, end: End, peer: Origin) {
        match end {
            End::NoRequest => self.refusals.refuse(Reason::NoRequest, peer),
            End::Slow => self.refusals.refuse(Reason::Slow, peer),
            // The code that needed the place has counted this.
            End::PushedOut => {}
            End::Idle => tracing::debug!(%peer, "closed: idle"),
        }
    }

    /// Counts what hyper itself refuses in HTTP/1 before there is a request, and what it has answered. In
    /// HTTP/2 it answers a head that is too large without telling anybody.
    fn blame(&self, error: &Error, peer: Origin) {
        let Some(error) = error.downcast_ref::<hyper::Error>().filter(|error| error.is_parse()) else {
            return;
        };
        let (reason, status) = if error.is_parse_too_large() {
            (Reason::Head, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
        } else {
            (Reason::Malformed, StatusCode::BAD_REQUEST)
        };
        self.refusals.refuse(reason, peer);
        // The beginning of HTTP/2 where it is not spoken gets no answer.
        if !error.is_parse_version_h2() {
            self.refusals.audit().refused(status, format_args!("{peer}: {error}"));
            self.refusals.metrics().http_requests.with_label_values(&[status.as_str()]).inc();
        }
    }
}

/// Answers a plain request on the port of HTTPS.
async fn refuse_plain(socket: &mut Wire) -> io::Result<()> {
    let head = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n";
    let answer = format!("{head}Content-Length: {}\r\n\r\n{SPEAKS_HTTPS}", SPEAKS_HTTPS.len());
    socket.write_all(answer.as_bytes()).await?;
    socket.shutdown().await?;
    // The kernel would throw the answer away with what was not read.
    let rest = async {
        let mut buffer = [0; 1024];
        for _ in 0..HEAD_BYTES / buffer.len() {
            if socket.read(&mut buffer).await? == 0 {
                break;
            }
        }
        Ok(())
    };
    timeout(AFTER_REFUSAL, rest).await.unwrap_or(Ok(()))
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    // hyper's own timers are not used: `Client` has deadlines for whole requests and answers, the same for
    // HTTP/1 and HTTP/2.
    builder.http1().max_buf_size(HEAD_BYTES).max_headers(HEADERS);
    builder
        .http2()
        .initial_stream_window_size(REQUEST_BODIES)
        .initial_connection_window_size(REQUEST_BODIES)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEAD_BYTES_H2);
    builder
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        collector::{Body, Message},
        server::access::Sources,
        table::SelfMetrics,
    };
    use std::sync::{Weak, mpsc};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
        time::Instant,
    };

    const PAGE: usize = 14_000_000;
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    /// A SETTINGS frame with a window of 0 for each stream.
    const NO_WINDOW: &[u8] = b"\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\0\0";
    const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0\0\0\0\0\0\0\0\0";
    /// A HEADERS frame: GET, http, /metrics, on stream 1.
    const GET_METRICS: &[u8] = b"\0\0\x0c\x01\x05\0\0\0\x01\x82\x86\x04\x08/metrics";

    /// The client's end of a connection to a server whose collector answers with one page; and that page.
    fn connect() -> (DuplexStream, Weak<Body>) {
        let (sender, receiver) = mpsc::channel();
        let handle = Handle::new(sender, SelfMetrics::new().unwrap());
        let page = Arc::new(Body::of(PAGE));
        let seen = Arc::downgrade(&page);
        tokio::spawn(async move {
            let mut page = Some(page);
            loop {
                while let Ok(message) = receiver.try_recv() {
                    if let Message::Scrape(_, reply) = message {
                        reply.send(page.take().unwrap()).unwrap();
                    }
                }
                sleep(Duration::from_millis(1)).await;
            }
        });
        let refusals = Refusals::new(handle.metrics().clone());
        let admission = Admission::new(Arc::clone(&refusals));
        let access = Access::load(Sources::default(), handle.metrics().clone()).unwrap();
        let page = PageShown { is_on: true, demo: false, interval: Duration::from_secs(2), host_name: None };
        let audience = Audience { hosts: AllowedHosts::new(&[], &[]), debug_pages: false, page };
        let server = Server::new(access, handle, Targets::default(), audience, refusals);
        let peer = Origin::between(([127, 0, 0, 2], 1).into(), [127, 0, 0, 2].into());
        let place = admission.admit(peer).unwrap();
        let (client, stream) = duplex(64 * 1024);
        tokio::spawn(async move {
            let (_stop, stopped) = watch::channel(false);
            let changes = server.access.changes();
            server.serve(Box::pin(stream), peer, place, (stopped, changes)).await
        });
        (client, seen)
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_but_live_client_gets_its_page_whole() {
        let (mut client, _) = connect();
        client.write_all(b"GET /metrics HTTP/1.1\r\nConnection: close\r\n\r\n").await.unwrap();
        let (mut received, mut buffer) = (0, vec![0; 20_000]);
        let begin = Instant::now();
        loop {
            sleep(Duration::from_millis(100)).await;
            match client.read(&mut buffer).await.unwrap() {
                0 => break,
                count => received += count,
            }
        }
        assert!(received > PAGE, "{received} after {:?}", begin.elapsed());
        assert!(begin.elapsed() > Duration::from_secs(60));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_bytes_only_now_and_then_is_not_cut_before_its_deadline() {
        let (mut client, page) = connect();
        client.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").await.unwrap();
        let begin = Instant::now();
        let mut buffer = vec![0; 64 * 1024];
        while client.read(&mut buffer).await.unwrap() > 0 {
            sleep(Duration::from_secs(20)).await;
        }
        // The page's size at 64 KiB/s, plus 30 s. After that the page is not held any longer.
        assert!((240..=290).contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());
        assert!(page.upgrade().is_none());
    }

    /// Sends PINGs until the other side closes.
    async fn ping_until_closed(client: &mut DuplexStream) {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            if client.write_all(PING).await.is_err()
                || matches!(client.read(&mut buffer).await, Ok(0) | Err(_))
            {
                return;
            }
            sleep(Duration::from_millis(500)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_shut_window_with_pings_frees_the_page_at_the_deadline() {
        let (mut client, page) = connect();
        client.write_all(&[PREFACE, NO_WINDOW, GET_METRICS].concat()).await.unwrap();
        let begin = Instant::now();
        ping_until_closed(&mut client).await;
        assert!((240..=250).contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());
        tokio::task::yield_now().await;
        assert!(page.upgrade().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn pings_are_no_request() {
        let (mut client, _) = connect();
        client.write_all(&[PREFACE, NO_WINDOW].concat()).await.unwrap();
        let begin = Instant::now();
        ping_until_closed(&mut client).await;
        assert!((10..=11).contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());
        let (mut client, _) = connect();
        let not_found = b"\0\0\x06\x01\x05\0\0\0\x01\x82\x86\x04\x02/x";
        let open = b"\0\0\x06\x04\0\0\0\0\0\0\x04\0\0\xff\xff";
        client.write_all(&[PREFACE, open, not_found].concat()).await.unwrap();
        let begin = Instant::now();
        ping_until_closed(&mut client).await;
        assert!((60..=66).contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn an_unfinished_second_head_does_not_hold_a_connection() {
        let (mut client, _) = connect();
        client.write_all(b"GET /healthz HTTP/1.1\r\n\r\nGET /healthz HT").await.unwrap();
        let begin = Instant::now();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 200 OK"));
        assert!((60..=66).contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());
    }
}
