//! Connections to the daemon: one per request, each with a limit on what is read from it.

use crate::metadata::DockerHost;
use std::{
    fs, io,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    },
};

/// How long connecting may take. After that, a packet was probably lost, and a retry is more likely to
/// succeed.
const CONNECT: Duration = Duration::from_secs(10);

/// How the daemon is reached.
pub(super) enum Transport {
    Unix(PathBuf),
    Tcp(String),
    Tls { address: String, name: ServerName<'static>, connector: TlsConnector },
}

/// A connection of any kind.
trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

impl Transport {
    /// Reads the certificates, if there are any.
    pub(super) fn new(host: &DockerHost) -> io::Result<Self> {
        Ok(match host {
            DockerHost::Unix(path) => Self::Unix(path.clone()),
            DockerHost::Http(address) => Self::Tcp(address.clone()),
            DockerHost::Tls { address, certificates } => {
                let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
                let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
                Self::Tls {
                    name: ServerName::try_from(host).map_err(io::Error::other)?,
                    connector: TlsConnector::from(Arc::new(tls(certificates)?)),
                    address: address.clone(),
                }
            }
        })
    }

    /// The value of the `Host` header.
    pub(super) fn host(&self) -> &str {
        match self {
            Self::Unix(_) => "localhost",
            Self::Tcp(address) | Self::Tls { address, .. } => address,
        }
    }

    /// A new connection, from which at most this many bytes and opening braces can be read.
    pub(super) async fn open(&self, bytes: u64, objects: u64) -> io::Result<Limited> {
        let stream = timeout(CONNECT, self.connect()).await.map_err(|_| {
            io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {} s", CONNECT.as_secs()))
        })??;
        Ok(Limited { stream, bytes, objects })
    }

    async fn connect(&self) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Unix(path) => Box::new(UnixStream::connect(path).await?),
            Self::Tcp(address) => Box::new(TcpStream::connect(address).await?),
            Self::Tls { address, name, connector } => {
                let stream = TcpStream::connect(address).await?;
                Box::new(connector.connect(name.clone(), stream).await?)
            }
        })
    }
}

/// Checks that the certificates for a daemon can be read, if it needs any.
///
/// # Errors
/// If one is missing or is none. The error names its path.
pub fn check_certificates(host: &DockerHost) -> io::Result<()> {
    match host {
        DockerHost::Tls { certificates, .. } => tls(certificates).map(|_| ()),
        DockerHost::Unix(_) | DockerHost::Http(_) => Ok(()),
    }
}

/// Trusts exactly `ca.pem`, as the docker CLI does, and presents `cert.pem` if it exists.
fn tls(directory: &Path) -> io::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&directory.join("ca.pem"))? {
        roots.add(certificate).map_err(|error| said_of(&directory.join("ca.pem"), &error))?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots);
    let (certificate, key) = (directory.join("cert.pem"), directory.join("key.pem"));
    if !certificate.exists() && !key.exists() {
        return Ok(builder.with_no_client_auth());
    }
    let chain = certificates(&certificate)?;
    let parsed = PrivateKeyDer::from_pem_slice(&read(&key)?).map_err(|error| said_of(&key, &error))?;
    builder.with_client_auth_cert(chain, parsed).map_err(|error| said_of(&key, &error))
}

fn certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<_, _>>()
        .map_err(|error| said_of(path, &error))?;
    if chain.is_empty() { Err(said_of(path, &"no certificate in it")) } else { Ok(chain) }
}

/// Only regular files are read: reading a pipe could wait for ever.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path).map_err(|error| said_of(path, &error))?.is_file() {
        return Err(said_of(path, &"not a regular file"));
    }
    fs::read(path).map_err(|error| said_of(path, &error))
}

fn said_of(path: &Path, problem: &dyn std::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {problem}", path.display()))
}

/// How many JSON objects one answer, or one row of a list, may have: far above the usual. A decoded object
/// can need hundreds of bytes for two bytes of text.
pub(super) const MAX_OBJECTS: usize = 20_000;

/// A connection that fails once more than its limits has been read from it.
pub(super) struct Limited {
    stream: Box<dyn Stream>,
    bytes: u64,
    objects: u64,
}

impl AsyncRead for Limited {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let read = buffer.filled().get(before..).unwrap_or_default();
        let objects = memchr::memchr_iter(b'{', read).count();
        let left = |limit: u64, used: usize| limit.checked_sub(u64::try_from(used).ok()?);
        match (left(self.bytes, read.len()), left(self.objects, objects)) {
            (Some(bytes), Some(objects)) => {
                (self.bytes, self.objects) = (bytes, objects);
                Poll::Ready(Ok(()))
            }
            _ => Poll::Ready(Err(io::Error::other("the answer is too long"))),
        }
    }
}

impl AsyncWrite for Limited {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
