//! `--healthcheck`: asks a running exporter whether it is ready, for container runtimes that want a command.

use super::tls::first_certificate;
use crate::{advice::Mismatch, cli::Config};
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

/// How the answer of a TLS server to plain HTTP begins: the content type, and the major version.
const TLS_ALERT: &[u8] = &[0x15, 0x03];

/// Asks `/readyz` at the address that `--bind` names, over HTTPS with `--secure`.
///
/// # Errors
/// When nobody answers in time, or not with 200.
pub async fn check(config: &Config) -> Result<()> {
    let address = address(&config.bind);
    let asked = async {
        let socket = TcpStream::connect(&address).await?;
        if config.secure {
            let connector = TlsConnector::from(Arc::new(client(config)?));
            let name = ServerName::try_from("localhost")?;
            let stream = connector.connect(name, socket).await.map_err(|error| {
                if is_no_tls(&error) { anyhow!("{}", Mismatch::ServerSpeaksHttp) } else { error.into() }
            })?;
            ask(stream).await
        } else {
            ask(socket).await
        }
    };
    timeout(PATIENCE, asked)
        .await
        .map_err(|_| anyhow!("no answer in {PATIENCE:?}"))
        .and_then(|answer| answer)
        .with_context(|| address.clone())
}

/// An address to connect to: what listens on all addresses is reached on loopback.
fn address(bind: &str) -> String {
    let (host, port) = bind.rsplit_once(':').unwrap_or((bind, "12096"));
    match host {
        "" | "0.0.0.0" => format!("127.0.0.1:{port}"),
        "[::]" => format!("[::1]:{port}"),
        host => format!("{host}:{port}"),
    }
}

async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<()> {
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await?;
    let mut answer = Vec::new();
    // More than the status line is of no interest.
    let end = stream.take(4096).read_to_end(&mut answer).await;
    // The connection may be reset after it.
    if answer.starts_with(TLS_ALERT) {
        bail!("{}", Mismatch::ServerSpeaksTls);
    }
    end?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        let reason = answer.split("\r\n\r\n").nth(1).unwrap_or_default().trim();
        bail!("expected 200, found \"{status}\": {reason}");
    }
    Ok(())
}

/// Whether what came instead of a handshake was not TLS at all.
fn is_no_tls(error: &std::io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    matches!(cause, Some(rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)))
}

fn client(config: &Config) -> Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let expected = first_certificate(&config.tls_cert)
        .map_err(|problem| anyhow!("{}: {problem}", config.tls_cert.display()))?;
    let verifier = Arc::new(TheVeryCertificate { expected, provider: Arc::clone(&provider) });
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

/// Trusts one certificate: the one that the exporter was told to serve. Its names are of no matter on loopback.
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
            Err(rustls::Error::General("another certificate is served than --tls_cert names".into()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_listens_everywhere_is_asked_on_loopback() {
        for (bind, expected) in [
            ("0.0.0.0:12096", "127.0.0.1:12096"),
            (":1", "127.0.0.1:1"),
            ("[::]:2", "[::1]:2"),
            ("192.0.2.1:3", "192.0.2.1:3"),
        ] {
            assert_eq!(address(bind), expected);
        }
    }
}
