//! Certificates and keys, read once at start.

use std::{path::Path, sync::Arc, time::Duration};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};
use x509_cert::{Certificate, der::Decode};

/// Why HTTPS can't be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file could not be read, or has no PEM of its kind.
    #[error("{path}: {problem}")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The key is not the certificate's, or one of them is of a kind that is not supported.
    #[error("{certificate} and {key} can't be used together: {problem}")]
    Pair {
        /// The certificate's file.
        certificate: String,
        /// The key's file.
        key: String,
        /// What is wrong.
        problem: rustls::Error,
    },
}

/// A server's side of TLS.
#[derive(Clone)]
pub struct Tls {
    /// Does handshakes.
    pub acceptor: TlsAcceptor,
    /// When the certificate ends, since 1970, if it says so.
    pub expiry: Option<Duration>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("expiry", &self.expiry).finish_non_exhaustive()
    }
}

/// Loads a certificate chain and its key, in PKCS#8, PKCS#1 or SEC1: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1.
///
/// # Errors
/// A file that can't be read or has no PEM of its kind; a key that is another certificate's.
pub fn load_tls(certificate: &Path, key: &Path) -> Result<Tls, TlsError> {
    let file_error =
        |path: &Path, problem: String| TlsError::File { path: path.display().to_string(), problem };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| file_error(certificate, pem_problem(&error)))?;
    // An empty file is an empty list, and no error.
    let Some(first) = chain.first() else {
        return Err(file_error(certificate, "expected a certificate in PEM, found none".into()));
    };
    let expiry = Certificate::from_der(first)
        .ok()
        .map(|parsed| parsed.tbs_certificate().validity().not_after.to_unix_duration());
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| file_error(key, pem_problem(&error)))?;
    let pair_error = |problem| TlsError::Pair {
        certificate: certificate.display().to_string(),
        key: key.display().to_string(),
        problem,
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(pair_error)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(pair_error)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Tls { acceptor: TlsAcceptor::from(Arc::new(config)), expiry })
}

fn pem_problem(error: &rustls::pki_types::pem::Error) -> String {
    match error {
        rustls::pki_types::pem::Error::Io(error) => error.to_string(),
        rustls::pki_types::pem::Error::NoItemsFound => "expected a private key in PEM, found none".into(),
        other => other.to_string(),
    }
}
