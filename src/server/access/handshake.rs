//! The server side of TLS, from what the web config says.

use super::{
    certificates::Material,
    clients::{Any, Clients},
    config::TlsSection,
    names::{ClientAuth, OF_TLS13, Version},
    sources::{LoadError, Reader},
};
use crate::server::tls::{Pem, TlsError, expiry};
use std::{sync::Arc, time::Duration};
use tokio_rustls::rustls::{
    RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::TrustAnchor,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};

/// TLS that can be spoken.
#[derive(Debug, Clone)]
pub(super) struct Handshake {
    pub(super) config: Arc<ServerConfig>,
    /// When the certificate expires, as time since 1970, if it says so.
    pub(super) expiry: Option<Duration>,
    /// What is asked of clients' certificates.
    pub(super) asked: Asked,
}

/// What is asked of clients' certificates. If two of these are equal, the same clients are let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    auth: ClientAuth,
    names: Option<Vec<String>>,
    authorities: Vec<TrustAnchor<'static>>,
}

/// Reads certificates and key.
///
/// # Errors
/// If a file can't be read, or what it has can't be used.
pub(super) fn build(section: &TlsSection, http2: bool, reader: &mut Reader) -> Result<Handshake, LoadError> {
    let certificate = section.certificate.read(reader)?;
    let chain = certificate.certificates()?;
    let expiry = chain.first().and_then(expiry);
    let key = section.key.read(reader)?;
    let private = key.key()?;
    let refused = |error| LoadError::from(certificate.refused(&key, error));
    let mut provider = ring::default_provider();
    if let Some(suites) = &section.suites {
        // Go uses those of TLS 1.3 whatever is listed.
        let older = suites.iter().filter(|suite| suite.tls13().is_none()).copied();
        provider.cipher_suites = OF_TLS13.into_iter().chain(older).collect();
    }
    if let Some(curves) = &section.curves {
        provider.kx_groups.clone_from(curves);
    }
    let provider = Arc::new(provider);
    let (least, most) = section.versions;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&Version::between(least, most))
        .map_err(refused)?;
    let clients = clients(section, &provider, reader)?;
    let names = section.allowed_sans.clone();
    let authorities = clients.as_ref().map(|clients| clients.authorities.clone()).unwrap_or_default();
    let asked = Asked { auth: section.client_auth, names, authorities };
    let builder = match (clients, chain.first()) {
        (Some(Verifier { signed, is_mandatory: mandatory, .. }), Some(own)) => {
            let allowed = section.allowed_sans.clone();
            // Without a certificate there is no name that could be allowed.
            let mandatory = mandatory || allowed.is_some();
            let own = own.clone();
            builder.with_client_cert_verifier(Arc::new(Clients { signed, mandatory, allowed, own }))
        }
        _ => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(chain, private).map_err(refused)?;
    config.ignore_client_order = section.has_own_order;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    if http2 {
        config.alpn_protocols.insert(0, b"h2".to_vec());
    }
    Ok(Handshake { config: Arc::new(config), expiry, asked })
}

/// Who checks the signatures on clients' certificates.
struct Verifier {
    signed: Arc<dyn ClientCertVerifier>,
    /// Whether there must be a certificate.
    is_mandatory: bool,
    /// Who may have signed it; empty if anybody may.
    authorities: Vec<TrustAnchor<'static>>,
}

/// Who checks the signatures on clients' certificates; `None` if nobody does.
fn clients(
    section: &TlsSection,
    provider: &Arc<CryptoProvider>,
    reader: &mut Reader,
) -> Result<Option<Verifier>, LoadError> {
    let is_mandatory = match section.client_auth {
        ClientAuth::None => return Ok(None),
        ClientAuth::Request | ClientAuth::RequireAny => {
            // It must be readable all the same.
            section
                .client_ca
                .as_ref()
                .map(|ca| ca.read(reader)?.certificates().map_err(LoadError::from))
                .transpose()?;
            let is_mandatory = section.client_auth == ClientAuth::RequireAny;
            let signed = Arc::new(Any { provider: Arc::clone(provider) });
            return Ok(Some(Verifier { signed, is_mandatory, authorities: Vec::new() }));
        }
        ClientAuth::VerifyIfGiven => false,
        ClientAuth::RequireAndVerify => true,
    };
    let (name, roots) = roots(section.client_ca.as_ref(), reader)?;
    let wrong = |problem: String| LoadError::from(TlsError::File { path: name.clone(), problem });
    let authorities = roots.roots.clone();
    let signed = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| wrong(format!("expected CA certificates that can be used: {error}")))?;
    Ok(Some(Verifier { signed, is_mandatory, authorities }))
}

/// The authorities that may sign for clients. Without a file they are the system's, as in Go.
fn roots(ca: Option<&Material>, reader: &mut Reader) -> Result<(String, RootCertStore), LoadError> {
    let mut roots = RootCertStore::empty();
    let Some(ca) = ca else {
        let name = "the system's CA certificates";
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            let problem = "expected some, since no client_ca_file is given; found none";
            return Err(LoadError::System(format!("{name}: {problem}")));
        }
        return Ok((name.to_owned(), roots));
    };
    let pem: Pem = ca.read(reader)?;
    for certificate in pem.certificates()? {
        roots.add(certificate).map_err(|_| {
            let problem = "expected X.509 certificates, found one that is damaged".to_owned();
            LoadError::from(TlsError::File { path: pem.name.clone(), problem })
        })?;
    }
    Ok((pem.name, roots))
}
