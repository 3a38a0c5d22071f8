//! A new connection to an origin, through a proxy if there is one.

use super::{answer::Failure, blocking::Blocking, redirect::Origin};
use hyper::header::HeaderValue;
use std::{
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, pki_types::ServerName},
};

/// How many addresses of a name are tried.
const ADDRESSES: usize = 8;
/// The longest head of a proxy's answer.
const PROXY_HEAD: usize = 16 << 10;

/// A connection of any kind.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// How to connect.
pub(super) struct Way<'a> {
    pub(super) origin: &'a Origin,
    /// The proxy, and what tells it who we are.
    pub(super) proxy: Option<(&'a Origin, Option<&'a HeaderValue>)>,
    /// For `https`: the settings, and the name that the certificate must have, if it is not the host.
    pub(super) tls: Option<(Arc<ClientConfig>, Option<&'a str>)>,
    /// How long all of it may take. The addresses of a name share it.
    pub(super) patience: Duration,
}

/// Connects. The caller bounds the time.
pub(super) async fn connect(way: &Way<'_>, lookups: &mut Blocking) -> Result<Box<dyn Stream>, Failure> {
    let next = way.proxy.map_or(way.origin, |(proxy, _)| proxy);
    let addresses = resolve(next, lookups).await?;
    let mut stream = connect_to_any(&addresses, way.patience).await.map_err(|error| match way.proxy {
        Some(_) => Failure::Proxy(error.to_string()),
        None => Failure::Connect(error.to_string()),
    })?;
    // Requests are written as a whole.
    let _works_without = stream.set_nodelay(true);
    let Some((config, name)) = &way.tls else {
        // A proxy takes plain requests as they are, with the whole URL.
        return Ok(Box::new(stream));
    };
    if let Some((_, authorization)) = way.proxy {
        tunnel(&mut stream, way.origin, authorization).await?;
    }
    let name = name.unwrap_or(&way.origin.host).to_owned();
    let name = ServerName::try_from(name).map_err(|error| Failure::Tls(error.to_string()))?;
    let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await;
    Ok(Box::new(stream.map_err(|error| Failure::Tls(error.to_string()))?))
}

async fn resolve(origin: &Origin, lookups: &mut Blocking) -> Result<Vec<SocketAddr>, Failure> {
    if let Ok(address) = origin.host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, origin.port)]);
    }
    let name = (origin.host.clone(), origin.port);
    let found = lookups
        .call(move || -> io::Result<Vec<SocketAddr>> {
            Ok((name.0.as_str(), name.1).to_socket_addrs()?.take(ADDRESSES).collect())
        })
        .await;
    match found {
        None => Err(Failure::Resolve("the program is ending".into())),
        Some(Err(error)) => Err(Failure::Resolve(error.to_string())),
        Some(Ok(addresses)) if addresses.is_empty() => Err(Failure::Resolve("it has no address".into())),
        Some(Ok(addresses)) => Ok(addresses),
    }
}

/// Tries one address after the other. Each may take only its share of the time, because packets to an address
/// that is gone get no answer at all.
async fn connect_to_any(addresses: &[SocketAddr], patience: Duration) -> io::Result<TcpStream> {
    let others = u32::try_from(addresses.len()).unwrap_or(u32::MAX).saturating_add(1);
    let mut last = io::Error::from_raw_os_error(0);
    for address in addresses {
        match timeout(patience / others, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = io::Error::other(format!("{address}: {error}")),
            Err(_) => last = io::Error::other(format!("{address}: no answer")),
        }
    }
    Err(last)
}

/// Asks a proxy for a connection to an origin.
async fn tunnel(
    stream: &mut TcpStream,
    origin: &Origin,
    authorization: Option<&HeaderValue>,
) -> Result<(), Failure> {
    let odd = |error: io::Error| Failure::Proxy(error.to_string());
    let address = origin.address();
    let mut request = format!("CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n").into_bytes();
    if let Some(value) = authorization {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(value.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    stream.write_all(&request).await.map_err(odd)?;
    let mut head = Vec::new();
    // Byte by byte: what follows the head is for TLS.
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= PROXY_HEAD {
            return Err(Failure::Proxy("its answer is too long".into()));
        }
        head.push(stream.read_u8().await.map_err(odd)?);
    }
    let head = String::from_utf8_lossy(&head);
    let status = head.lines().next().unwrap_or_default();
    match status.split(' ').nth(1).filter(|_| status.starts_with("HTTP/1.")) {
        Some(code) if code.starts_with('2') => Ok(()),
        Some("401" | "403" | "407") => Err(Failure::Denied(status.to_owned())),
        _ => Err(Failure::Proxy(status.to_owned())),
    }
}
