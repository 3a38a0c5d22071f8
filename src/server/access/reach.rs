//! How `--healthcheck` reaches the exporter, whatever the exporter asks of clients. Whoever can read the
//! exporter's own files can do that, and nobody else.

use super::{
    config::TlsSection,
    rules::{Document, of_health},
    sources::{LoadError, Reader, Sources},
    users::Users,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What a request to the exporter's `/readyz` needs.
#[derive(Debug, Default)]
pub struct Reach {
    /// The server's certificate and key, if it speaks TLS.
    pub tls: Option<Identity>,
    /// The value of the header `Authorization`, if one is needed. It is good for `/healthz` and `/readyz`.
    pub authorization: Option<String>,
}

/// The server's certificate and key. The server takes them from a client too, if it asks clients for a
/// certificate.
#[derive(Debug)]
pub struct Identity {
    /// The chain. The server must show the first one.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its key, if it can be read. It is needed only if the server asks clients for a certificate.
    pub key: Option<PrivateKeyDer<'static>>,
}

/// Reads from the exporter's own files how to reach it.
///
/// # Errors
/// If a file can't be read or is wrong.
pub fn reach(sources: &Sources) -> Result<Reach, LoadError> {
    let mut reader = Reader::default();
    let Document { web, tls, tokens } = Document::read(sources, &mut reader)?;
    let of_flags = sources.identity.as_ref().map(|(certificate, key)| TlsSection::of_files(certificate, key));
    let tls = match of_flags.or(tls) {
        None => None,
        Some(section) => {
            let chain = section.certificate.read(&mut reader)?.certificates()?;
            let key = section.key.read(&mut reader).ok().and_then(|key| key.key().ok());
            Some(Identity { chain, key })
        }
    };
    let token = of_health(&Users::new(web.users), &tokens);
    Ok(Reach { tls, authorization: token.map(|token| format!("Bearer {token}")) })
}
