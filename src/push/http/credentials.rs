//! Headers and TLS material of one request, read from their files if they are in files.

use super::answer::Masks;
use crate::{
    files::Files,
    push::config::{Authorization, Endpoint, Pem, Secret},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use hyper::header::{HeaderName, HeaderValue};
use std::sync::Arc;

/// All that a request needs and that may have changed since the last one.
#[derive(Debug, Clone)]
pub(super) struct Credentials {
    /// The user's own headers.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) authorization: Option<HeaderValue>,
    pub(super) proxy: Option<HeaderValue>,
    pub(super) pem: TlsPem,
    pub(super) masks: Masks,
}

/// Text in PEM.
type PemText = Arc<[u8]>;

/// Certificates and key of the client side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TlsPem {
    pub(super) ca: Option<PemText>,
    pub(super) identity: Option<(PemText, PemText)>,
}

/// Reads everything. Blocks while files are read.
///
/// # Errors
/// Words without any secret.
pub(super) fn read(endpoint: &Endpoint, files: &mut Files) -> Result<Credentials, String> {
    let mut masks = Vec::new();
    let mut secret = |text: &Secret, files: &mut Files| -> Result<String, String> {
        let text = self::secret(text, files)?;
        masks.push(text.clone());
        Ok(text)
    };
    let mut headers = Vec::with_capacity(endpoint.headers.len());
    for (name, value) in &endpoint.headers {
        let parsed = HeaderName::try_from(name.as_str()).map_err(|_| format!("\"{name}\" is no header"))?;
        headers.push((parsed, header(&secret(value, files)?, &format!("header {name}"))?));
    }
    let authorization = match &endpoint.authorization {
        None => None,
        Some(Authorization::Basic { username, password }) => {
            Some(basic(&secret(username, files)?, &secret(password, files)?)?)
        }
        Some(Authorization::Scheme { scheme, credentials }) => {
            let credentials = secret(credentials, files)?;
            Some(header(&format!("{scheme} {credentials}"), "authorization")?)
        }
    };
    let proxy = match endpoint.proxy.as_ref().and_then(|proxy| proxy.basic.as_ref()) {
        None => None,
        Some((username, password)) => Some(basic(username, &secret(password, files)?)?),
    };
    let identity = match &endpoint.tls.identity {
        None => None,
        Some((certificate, key)) => Some((pem(certificate, files)?, pem(key, files)?)),
    };
    let ca = endpoint.tls.ca.as_ref().map(|ca| pem(ca, files)).transpose()?;
    for value in [&authorization, &proxy].into_iter().flatten() {
        // What follows the scheme is as good as the password.
        let encoded = value.to_str().ok().and_then(|value| value.split_once(' '));
        masks.extend(encoded.map(|(_, encoded)| encoded.to_owned()));
    }
    let masks = Masks::new(masks);
    Ok(Credentials { headers, authorization, proxy, pem: TlsPem { ca, identity }, masks })
}

fn secret(secret: &Secret, files: &mut Files) -> Result<String, String> {
    match secret {
        Secret::Text(text) => Ok(text.clone()),
        Secret::File(path) => {
            let content = files.read(path)?;
            let text = std::str::from_utf8(&content).map_err(|_| format!("{}: not UTF-8", path.display()))?;
            Ok(text.trim_end().to_owned())
        }
    }
}

fn pem(pem: &Pem, files: &mut Files) -> Result<Arc<[u8]>, String> {
    match pem {
        Pem::Text(text) => Ok(Arc::from(secret(text, files)?.into_bytes())),
        Pem::File(path) => files.read(path),
    }
}

fn basic(username: &str, password: &str) -> Result<HeaderValue, String> {
    let encoded = STANDARD.encode(format!("{username}:{password}"));
    header(&format!("Basic {encoded}"), "user and password")
}

/// A value that is never shown in debug output.
fn header(value: &str, what: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_bytes(value.as_bytes())
        .map_err(|_| format!("the secret for {what} has a character that no header can have"))?;
    value.set_sensitive(true);
    Ok(value)
}
