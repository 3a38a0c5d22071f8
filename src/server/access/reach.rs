//! How a program on the same machine reaches the exporter, whatever the exporter asks of clients. Whoever can
//! read the exporter's own files can do that, and nobody else.

use super::{
    config::TlsSection,
    rules::{Document, of_health},
    sources::{LoadError, Reader, Sources},
    tokens,
    users::Users,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What a request to the exporter's `/readyz` needs.
#[derive(Debug)]
pub struct Reach {
    /// The server's certificate and key, if it speaks TLS.
    pub tls: Option<Identity>,
    /// The value of the header `Authorization`, if one is needed. It is a secret.
    pub authorization: Option<String>,
}

/// The server's certificate and key. The server takes them from a client too, if it asks clients for a
/// certificate.
#[derive(Debug)]
pub struct Identity {
    /// The chain. The server must show the first one.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its key.
    pub key: PrivateKeyDer<'static>,
}

/// Reads from the exporter's own files how to reach it.
///
/// # Errors
/// If a file can't be read or is wrong.
pub fn reach(sources: &Sources) -> Result<Reach, LoadError> {
    let mut reader = Reader::default();
    let Document { web, tls } = Document::read(sources, &mut reader)?;
    let of_flags = sources.identity.as_ref().map(|(certificate, key)| TlsSection::of_files(certificate, key));
    let tls = match of_flags.or(tls) {
        None => None,
        Some(section) => {
            let chain = section.certificate.read(&mut reader)?.certificates()?;
            Some(Identity { chain, key: section.key.read(&mut reader)?.key()? })
        }
    };
    let token = match &sources.tokens {
        Some(path) => tokens::lines(&reader.text(path)?).next().map(|(_, token)| token.to_owned()),
        None => of_health(&Users::new(web.users)),
    };
    Ok(Reach { tls, authorization: token.map(|token| format!("Bearer {token}")) })
}
