//! `--healthcheck`: asks a running exporter whether it is ready. For container runtimes that run a command as
//! a health check.

use super::{
    access::{Identity, Reach},
    tls::SPEAKS_HTTPS,
};
use crate::advice::Mismatch;
use anyhow::{Context, Result, anyhow, bail};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        self, ClientConfig, DigitallySignedStruct, SignatureScheme,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
        pki_types::{CertificateDer, ServerName, UnixTime},
    },
};

const PATIENCE: Duration = Duration::from_secs(4);

/// The first bytes of a TLS server's answer to plain HTTP: the content type, and the major version.
const TLS_ALERT: &[u8] = &[0x15, 0x03];

/// Which exporter to ask, and how.
#[derive(Debug)]
pub struct Probe {
    /// Address or name of the server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What the server shows, and what it wants to see.
    pub reach: Reach,
}

/// Asks `/readyz`.
///
/// # Errors
/// If there is no answer in time, or an answer other than 200.
pub async fn check(probe: &Probe) -> Result<()> {
    let asked = async {
        let socket = TcpStream::connect((probe.host.as_str(), probe.port)).await?;
        let authorization = probe.reach.authorization.as_deref();
        if let Some(identity) = &probe.reach.tls {
            let connector = TlsConnector::from(Arc::new(client(identity)?));
            let name = ServerName::try_from("localhost")?;
            let stream = connector.connect(name, socket).await.map_err(|error| {
                if is_no_tls(&error) { anyhow!("{}", Mismatch::ServerSpeaksHttp) } else { error.into() }
            })?;
            ask(stream, authorization).await
        } else {
            ask(socket, authorization).await
        }
    };
    timeout(PATIENCE, asked)
        .await
        .map_err(|_| anyhow!("no answer within {PATIENCE:?}"))
        .and_then(|answer| answer)
        .with_context(|| match probe.host.contains(':') {
            true => format!("[{}]:{}", probe.host, probe.port),
            false => format!("{}:{}", probe.host, probe.port),
        })
}

async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, authorization: Option<&str>) -> Result<()> {
    let credentials = authorization.map(|value| format!("Authorization: {value}\r\n")).unwrap_or_default();
    let head = "GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
    stream.write_all(format!("{head}{credentials}\r\n").as_bytes()).await?;
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
    if status.split(' ').nth(1) != Some("200") {
        let reason = answer.split("\r\n\r\n").nth(1).unwrap_or_default().trim();
        bail!("expected 200, found \"{status}\": {reason}");
    }
    Ok(())
}

/// Whether the answer to the TLS handshake was not TLS at all.
fn is_no_tls(error: &std::io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    matches!(cause, Some(rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)))
}

fn client(identity: &Identity) -> Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let expected = identity.chain.first().cloned().ok_or_else(|| anyhow!("there is no certificate"))?;
    let verifier = Arc::new(TheVeryCertificate { expected, provider: Arc::clone(&provider) });
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    Ok(match &identity.key {
        Some(key) => builder.with_client_auth_cert(identity.chain.clone(), key.clone_key())?,
        None => builder.with_no_client_auth(),
    })
}

/// Trusts exactly one certificate: the one that the exporter serves. Its names do not matter on loopback.
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
        if *end_entity == self.expected {
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
