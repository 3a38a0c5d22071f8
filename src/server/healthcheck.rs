//! `--healthcheck`: asks a running exporter whether it is ready. For container runtimes that run a command as
//! a health check.

use super::{
    access::{Identity, Reach},
    tls::{SPEAKS_HTTPS, is_renewed},
};
use crate::advice::{Mismatch, listening::Guarded};
use anyhow::{Context, Result, anyhow, bail};
use std::{fmt, path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixStream},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        self, AlertDescription, ClientConfig, DigitallySignedStruct, SignatureScheme,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
        pki_types::{CertificateDer, ServerName, UnixTime},
    },
};

const PATIENCE: Duration = Duration::from_secs(4);

/// The first bytes of a TLS server's answer to plain HTTP: the content type, and the major version.
const TLS_ALERT: &[u8] = &[0x15, 0x03];

/// The status of an answer to somebody who is not known, and to somebody who asks too often.
const UNAUTHORIZED: &str = "401";
const TOO_MANY_REQUESTS: &str = "429";

/// Which exporter to ask, and how.
#[derive(Debug)]
pub struct Probe {
    /// Where it serves. All are asked at the same time, and one answer is enough.
    pub places: Vec<Place>,
    /// What the server shows, and what it wants to see.
    pub reach: Reach,
}

/// A place to ask at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Address or name of the server, and its port.
    Tcp(String, u16),
    /// A socket file.
    Unix(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The result of a health check that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// The exporter is ready.
    Ready,
    /// The exporter answers, but not to us. A failure would make a container runtime restart one that works.
    Guarded(Guarded),
}

/// Asks `/readyz`.
///
/// # Errors
/// If there is no answer in time at any place, or an answer that says that the exporter is not ready.
pub async fn check(probe: &Probe) -> Result<Health> {
    let config = probe.reach.tls.as_ref().map(client).transpose()?;
    let connector = config.map(|config| TlsConnector::from(Arc::new(config)));
    let head = head(probe.reach.authorization.as_deref());
    let mut asked = JoinSet::new();
    for place in probe.places.clone() {
        let (connector, head) = (connector.clone(), head.clone());
        asked.spawn(async move {
            let answer = timeout(PATIENCE, ask_at(&place, connector, &head)).await;
            let answer =
                answer.map_err(|_| anyhow!("no answer within {PATIENCE:?}")).and_then(|answer| answer);
            answer.with_context(|| place.to_string())
        });
    }
    let (mut guarded, mut problems) = (None, Vec::new());
    while let Some(answer) = asked.join_next().await {
        match answer? {
            Ok(Health::Ready) => return Ok(Health::Ready),
            Ok(other) => guarded = Some(other),
            Err(problem) => problems.push(format!("{problem:#}")),
        }
    }
    problems.sort_unstable();
    guarded.ok_or_else(|| anyhow!("{}", problems.join("; ")))
}

/// The request.
fn head(authorization: Option<&str>) -> String {
    let credentials = authorization.map(|value| format!("Authorization: {value}\r\n")).unwrap_or_default();
    format!("GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{credentials}\r\n")
}

async fn ask_at(place: &Place, connector: Option<TlsConnector>, head: &str) -> Result<Health> {
    match place {
        Place::Tcp(host, port) => {
            ask_over(TcpStream::connect((host.as_str(), *port)).await?, connector, head).await
        }
        Place::Unix(path) => ask_over(UnixStream::connect(path).await?, connector, head).await,
    }
}

async fn ask_over(
    socket: impl AsyncRead + AsyncWrite + Unpin,
    connector: Option<TlsConnector>,
    head: &str,
) -> Result<Health> {
    let Some(connector) = connector else { return ask(socket, head).await };
    let answer = match connector.connect(ServerName::try_from("localhost")?, socket).await {
        Ok(stream) => ask(stream, head).await,
        Err(error) if is_no_tls(&error) => bail!("{}", Mismatch::ServerSpeaksHttp),
        Err(error) => Err(error.into()),
    };
    // In TLS 1.3 the client learns only after the handshake that its certificate is missing.
    let wants_certificate =
        answer.as_ref().err().and_then(|error| error.downcast_ref()).is_some_and(wants_ours);
    if wants_certificate { Ok(Health::Guarded(Guarded::Certificate)) } else { answer }
}

async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, head: &str) -> Result<Health> {
    stream.write_all(head.as_bytes()).await?;
    let mut answer = Vec::new();
    // Only the status line is needed.
    let end = stream.take(4096).read_to_end(&mut answer).await;
    // An error after the status line does not matter: the server may reset the connection.
    if answer.starts_with(TLS_ALERT) {
        bail!("{}", Mismatch::ServerSpeaksTls);
    }
    end?;
    let answer = String::from_utf8_lossy(&answer);
    if answer.ends_with(SPEAKS_HTTPS) {
        bail!("{}", Mismatch::ServerSpeaksTls);
    }
    let status = answer.lines().next().unwrap_or_default();
    match status.split(' ').nth(1) {
        Some("200") => Ok(Health::Ready),
        Some(UNAUTHORIZED) => Ok(Health::Guarded(Guarded::Password)),
        Some(TOO_MANY_REQUESTS) => Ok(Health::Guarded(Guarded::Rate)),
        _ => {
            let reason = answer.split("\r\n\r\n").nth(1).unwrap_or_default().trim();
            bail!("expected 200, found \"{status}\": {reason}");
        }
    }
}

/// What TLS says is the reason of an error.
fn cause(error: &std::io::Error) -> Option<&rustls::Error> {
    error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>())
}

/// Whether the server has shown its certificate and now wants ours.
fn wants_ours(error: &std::io::Error) -> bool {
    let Some(rustls::Error::AlertReceived(alert)) = cause(error) else { return false };
    // Another one than ours may be in force, just after a renewal.
    matches!(
        alert,
        AlertDescription::CertificateRequired
            | AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::AccessDenied
    )
}

/// Whether the answer to the TLS handshake was not TLS at all.
fn is_no_tls(error: &std::io::Error) -> bool {
    matches!(cause(error), Some(rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)))
}

fn client(identity: &Identity) -> Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let expected = identity.chain.first().cloned().ok_or_else(|| anyhow!("there is no certificate"))?;
    let verifier = Arc::new(TheVeryCertificate { expected, provider: Arc::clone(&provider) });
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    // Just after a renewal, the key may not be that of the certificate.
    let ours = identity
        .key
        .as_ref()
        .and_then(|key| builder.clone().with_client_auth_cert(identity.chain.clone(), key.clone_key()).ok());
    Ok(ours.unwrap_or_else(|| builder.with_no_client_auth()))
}

/// Trusts exactly one certificate: the one that the exporter serves. Its names do not matter on loopback. The
/// file may have been renewed while the exporter still serves the certificate from before, so that one is
/// trusted too. Nothing secret is sent to whoever has it.
#[derive(Debug)]
struct TheVeryCertificate {
    expected: CertificateDer<'static>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for TheVeryCertificate {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if *end_entity == self.expected || is_renewed(end_entity, &self.expected) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(rustls::Error::General("the server's certificate is not that of --tls_cert".into()))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
