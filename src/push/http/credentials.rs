//! Headers and TLS material of one request, read from their files if they are in files.

use super::masks::{FINDABLE_BYTES, Masks};
use crate::{
    files::Files,
    push::config::{Authorization, Endpoint, Pem, Secret, percent_decoded},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use hyper::{
    Uri,
    header::{AUTHORIZATION, HeaderName, HeaderValue},
};
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
    let mut masks = of_query(&endpoint.url);
    let mut headers = Vec::with_capacity(endpoint.headers.len());
    for (name, value) in &endpoint.headers {
        // It can be a whole line, with the secret.
        let name = HeaderName::try_from(name.as_str()).map_err(|_| "a header's name is none".to_owned())?;
        let value = secret(value, files)?;
        if name == AUTHORIZATION {
            masks.extend(of_authorization(&value));
        }
        masks.extend(Some(value.clone()).filter(|value| name == AUTHORIZATION || is_findable(value)));
        let parsed = header(&value, &format!("header {name}"))?;
        headers.push((name, parsed));
    }
    let authorization = match &endpoint.authorization {
        None => None,
        Some(Authorization::Basic { username, password }) => {
            let (username, password) = (secret(username, files)?, secret(password, files)?);
            let value = basic(&username, &password)?;
            masks.extend(Some(username).filter(|name| is_findable(name)));
            masks.push(password);
            Some(value)
        }
        Some(Authorization::Scheme { scheme, credentials }) => {
            let credentials = secret(credentials, files)?;
            let value = header(&format!("{scheme} {credentials}"), "authorization")?;
            masks.push(credentials);
            Some(value)
        }
    };
    let proxy = match endpoint.proxy.as_ref().and_then(|proxy| proxy.basic.as_ref()) {
        None => None,
        Some((username, password)) => {
            let password = secret(password, files)?;
            let value = basic(username, &password)?;
            masks.push(password);
            Some(value)
        }
    };
    let identity = match &endpoint.tls.identity {
        None => None,
        Some((certificate, key)) => Some((pem(certificate, files)?, pem(key, files)?)),
    };
    let ca = endpoint.tls.ca.as_ref().map(|ca| pem(ca, files)).transpose()?;
    for value in [&authorization, &proxy].into_iter().flatten() {
        masks.extend(value.to_str().map(of_authorization).unwrap_or_default());
    }
    let masks = Masks::new(masks);
    Ok(Credentials { headers, authorization, proxy, pem: TlsPem { ca, identity }, masks })
}

/// Whether a text is hidden that is secret only sometimes: a user's name, a tenant, a part of a query. Short
/// ones are parts of too many words.
fn is_findable(text: &str) -> bool {
    text.len() >= FINDABLE_BYTES
}

/// What a value of the header `Authorization` has to hide: what follows the scheme is as good as the
/// password, and can be the password in base64.
fn of_authorization(value: &str) -> Vec<String> {
    let Some((scheme, credentials)) = value.split_once(' ') else { return Vec::new() };
    let mut found = vec![credentials.trim().to_owned()];
    if scheme.eq_ignore_ascii_case("basic") {
        let decoded = STANDARD.decode(credentials.trim()).ok().and_then(|text| String::from_utf8(text).ok());
        let password = decoded.as_deref().and_then(|text| text.split_once(':'));
        found.extend(password.map(|(_, password)| password.to_owned()));
    }
    found
}

/// What the query of a URL has to hide.
fn of_query(url: &Uri) -> Vec<String> {
    let query = url.query().unwrap_or_default();
    let values = query.split('&').filter_map(|pair| pair.split_once('=')).map(|(_, value)| value);
    let texts = values.chain([query]).filter(|text| is_findable(text));
    texts.flat_map(|text| [Some(text.to_owned()), percent_decoded(text)]).flatten().collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_with_a_password_hides_it_in_each_form() {
        assert_eq!(of_authorization("Bearer abc"), ["abc"]);
        assert_eq!(of_authorization("Basic dTpwdw=="), ["dTpwdw==", "pw"]);
        assert!(of_authorization("abc").is_empty());
    }

    #[test]
    fn the_query_of_a_url_is_hidden() {
        let of = |url: &str| of_query(&url.parse().unwrap());
        let found = ["token=s3cr%40t&v=1", "s3cr%40t"].map(|text| text.to_owned());
        let hidden = of("http://h/w?token=s3cr%40t&v=1");
        assert!(found.iter().all(|text| hidden.contains(text)), "{hidden:?}");
        assert!(hidden.contains(&"s3cr@t".to_owned()) && !hidden.contains(&"1".to_owned()), "{hidden:?}");
        assert!(of("http://h/w").is_empty());
    }
}
