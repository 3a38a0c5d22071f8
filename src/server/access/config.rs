//! The web config: exporter-toolkit's format.

use super::{
    certificates::Material,
    names::{ClientAuth, Named, Version, curve, suite},
    rate::{Rate, interval},
    users::Hash,
};
use crate::yaml::{Keys, Mistake, Node, Section};
use hyper::header::{
    CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS, X_XSS_PROTECTION,
};
use std::{collections::BTreeMap, path::Path};
use tokio_rustls::rustls::{SupportedCipherSuite, crypto::SupportedKxGroup};

const TOP: Keys = Keys {
    name: "the file",
    known: &["tls_server_config", "http_server_config", "basic_auth_users", "rate_limit"],
    no_effect: &[],
    not_supported: &[],
};
const TLS: Keys = Keys {
    name: "tls_server_config",
    known: &[
        "cert",
        "cert_file",
        "key",
        "key_file",
        "client_ca",
        "client_ca_file",
        "client_auth_type",
        "client_allowed_sans",
        "min_version",
        "max_version",
        "cipher_suites",
        "curve_preferences",
        "prefer_server_cipher_suites",
    ],
    no_effect: &[],
    not_supported: &[],
};
const HTTP: Keys =
    Keys { name: "http_server_config", known: &["http2", "headers"], no_effect: &[], not_supported: &[] };
const RATE: Keys =
    Keys { name: "rate_limit", known: &["interval", "burst"], no_effect: &[], not_supported: &[] };

/// The headers that may be set, with the values that they may have, if there are few.
const HEADERS: [(&str, HeaderName, &[&str]); 5] = [
    ("Strict-Transport-Security", STRICT_TRANSPORT_SECURITY, &[]),
    ("X-Content-Type-Options", X_CONTENT_TYPE_OPTIONS, &["nosniff"]),
    ("X-Frame-Options", X_FRAME_OPTIONS, &["deny", "sameorigin"]),
    ("X-XSS-Protection", X_XSS_PROTECTION, &[]),
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY, &[]),
];

/// What the file says.
#[derive(Debug)]
pub(super) struct WebConfig {
    /// `None`: plain HTTP.
    pub(super) tls: Option<TlsSection>,
    pub(super) http2: bool,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) users: BTreeMap<String, Hash>,
    pub(super) rate: Option<Rate>,
}

/// How TLS is spoken.
#[derive(Debug, Clone)]
pub(super) struct TlsSection {
    pub(super) certificate: Material,
    pub(super) key: Material,
    pub(super) client_ca: Option<Material>,
    pub(super) client_auth: ClientAuth,
    pub(super) allowed_sans: Option<Vec<String>>,
    pub(super) versions: (Version, Version),
    pub(super) suites: Option<Vec<SupportedCipherSuite>>,
    pub(super) curves: Option<Vec<&'static dyn SupportedKxGroup>>,
    /// Whether the order of the suites here counts, and not the client's.
    pub(super) has_own_order: bool,
}

impl TlsSection {
    /// That of `-s`.
    pub(super) fn of_files(certificate: &Path, key: &Path) -> Self {
        Self {
            certificate: Material::of_flag(certificate),
            key: Material::of_flag(key),
            client_ca: None,
            client_auth: ClientAuth::None,
            allowed_sans: None,
            versions: (Version::Tls12, Version::Tls13),
            suites: None,
            curves: None,
            has_own_order: false,
        }
    }
}

/// Reads the text of the file at `path`.
///
/// # Errors
/// The first mistake. It shows no value that could be a secret.
pub(super) fn parse(text: &str, path: &Path) -> Result<WebConfig, Mistake> {
    let root = Node::read(text)?;
    let top = root.section(&TOP)?;
    let tls = top.get("tls_server_config").map(|node| tls(node, path)).transpose()?.flatten();
    let (http2, headers) = match top.get("http_server_config") {
        Some(node) => http(&node.section(&HTTP)?)?,
        None => (true, Vec::new()),
    };
    let users = top.get("basic_auth_users").map(users).transpose()?.unwrap_or_default();
    let rate = top.get("rate_limit").map(|node| rate(&node.section(&RATE)?)).transpose()?.flatten();
    Ok(WebConfig { tls, http2, headers, users, rate })
}

fn tls(node: &Node, path: &Path) -> Result<Option<TlsSection>, Mistake> {
    let section = node.section(&TLS)?;
    let certificate = material(&section, "cert", "cert_file", path)?;
    let key = material(&section, "key", "key_file", path)?;
    let client_ca = material(&section, "client_ca", "client_ca_file", path)?;
    let expected = "NoClientCert, RequestClientCert, RequireAnyClientCert, VerifyClientCertIfGiven or \
                    RequireAndVerifyClientCert";
    let client_auth = section.of("client_auth_type", expected, ClientAuth::parse)?;
    let allowed_sans = section.get("client_allowed_sans").map(names).transpose()?;
    let version = |key, default| {
        let version = section.of(key, "TLS10, TLS11, TLS12 or TLS13", Version::parse)?;
        Ok::<_, Mistake>(version.unwrap_or(default))
    };
    let versions = (version("min_version", Version::Tls12)?, version("max_version", Version::Tls13)?);
    let suites = section.get("cipher_suites").map(|node| each(node, "cipher_suites", suite)).transpose()?;
    let curves =
        section.get("curve_preferences").map(|node| each(node, "curve_preferences", curve)).transpose()?;
    let has_own_order = section.flag("prefer_server_cipher_suites")?.unwrap_or(true);
    let is_meant = certificate.is_some() || key.is_some() || client_ca.is_some() || client_auth.is_some();
    let client_auth = client_auth.unwrap_or(ClientAuth::None);
    let wrong = |key: &str, problem: &str| {
        let line = section.get(key).map_or(section.line, |node| node.line);
        Mistake::new(line, problem)
    };
    if client_auth == ClientAuth::None && allowed_sans.is_some() {
        return Err(wrong(
            "client_allowed_sans",
            "client_allowed_sans needs client_auth_type: RequireAndVerifyClientCert",
        ));
    }
    if !is_meant {
        return Ok(None);
    }
    let certificate = certificate.ok_or_else(|| wrong("cert_file", "cert or cert_file is missing"))?;
    let key = key.ok_or_else(|| wrong("key_file", "key or key_file is missing"))?;
    if client_ca.is_some() && client_auth == ClientAuth::None {
        let key = if section.get("client_ca_file").is_some() { "client_ca_file" } else { "client_ca" };
        return Err(wrong(
            key,
            "a CA of clients needs a client_auth_type, such as RequireAndVerifyClientCert",
        ));
    }
    if Version::between(versions.0, versions.1).is_empty() {
        let key = if section.get("max_version").is_some() { "max_version" } else { "min_version" };
        let problem = "there is TLS12 and TLS13 only, and none is between min_version and max_version";
        return Err(wrong(key, problem));
    }
    Ok(Some(TlsSection {
        certificate,
        key,
        client_ca,
        client_auth,
        allowed_sans,
        versions,
        suites: suites.filter(|suites| !suites.is_empty()),
        curves: curves.filter(|curves| !curves.is_empty()),
        has_own_order,
    }))
}

/// A PEM text in the file itself, or in a file that is named relative to it.
fn material(
    section: &Section<'_>,
    inline: &str,
    file: &str,
    path: &Path,
) -> Result<Option<Material>, Mistake> {
    match (section.text(inline)?, section.text(file)?) {
        (Some(_), Some(_)) => {
            let line = section.get(file).map_or(section.line, |node| node.line);
            Err(Mistake::new(line, format!("expected {inline} or {file}, found both")))
        }
        (Some(text), None) => {
            let line = section.get(inline).map_or(section.line, |node| node.line);
            let name = format!("{}:{line}: {inline}", path.display());
            Ok(Some(Material::Inline { name, text: text.to_owned() }))
        }
        (None, Some(name)) => {
            let line = section.get(file).map_or(section.line, |node| node.line);
            let of = path.parent().unwrap_or(Path::new("")).join(name);
            let name = format!("{}:{line}: {file}: {}", path.display(), of.display());
            Ok(Some(Material::File { name, path: of }))
        }
        (None, None) => Ok(None),
    }
}

fn names(node: &Node) -> Result<Vec<String>, Mistake> {
    let list = node.list("client_allowed_sans")?;
    list.iter().map(|name| name.text("client_allowed_sans").map(str::to_owned)).collect()
}

/// The values of a list, by Go's names.
fn each<T>(node: &Node, key: &str, read: impl Fn(&str) -> Named<T>) -> Result<Vec<T>, Mistake> {
    let one = |node: &Node| {
        let name = node.text(key)?;
        match read(name) {
            Named::Known(value) => Ok(value),
            Named::NotHere => Err(Mistake::new(node.line, format!("{key}: {name} is not supported"))),
            Named::Unknown => Err(Mistake::new(node.line, format!("{key}: \"{name}\" is not known"))),
        }
    };
    node.list(key)?.iter().map(one).collect()
}

fn http(section: &Section<'_>) -> Result<(bool, Vec<(HeaderName, HeaderValue)>), Mistake> {
    let http2 = section.flag("http2")?.unwrap_or(true);
    let Some(node) = section.get("headers") else { return Ok((http2, Vec::new())) };
    let mut headers = Vec::new();
    for (name, node) in node.pairs("headers")? {
        let Some((_, header, values)) = HEADERS.iter().find(|(known, ..)| *known == name) else {
            let known = HEADERS.map(|(known, ..)| known).join(", ");
            // What can't be a name may be a whole line, with a secret.
            let is_name = HeaderName::from_bytes(name.as_bytes()).is_ok();
            let shown = if is_name { format!("header \"{name}\"") } else { "this header".to_owned() };
            return Err(Mistake::new(node.line, format!("{shown} can't be set, only {known}")));
        };
        let text = node.text("headers")?;
        if !values.is_empty() && !values.contains(&text) {
            let expected = values.join(" or ");
            return Err(Mistake::new(node.line, format!("{name}: expected {expected}, found \"{text}\"")));
        }
        let value = HeaderValue::from_str(text)
            .map_err(|_| Mistake::new(node.line, format!("{name}: no header can have this value")))?;
        // A header without a value is not sent.
        if !text.is_empty() {
            headers.push((header.clone(), value));
        }
    }
    Ok((http2, headers))
}

fn users(node: &Node) -> Result<BTreeMap<String, Hash>, Mistake> {
    let user = |(name, node): (&str, &Node)| {
        let hash = Hash::parse(node.text("basic_auth_users")?);
        let hash = hash.map_err(|problem| Mistake::new(node.line, format!("basic_auth_users: {problem}")))?;
        Ok((name.to_owned(), hash))
    };
    node.pairs("basic_auth_users")?.into_iter().map(user).collect()
}

fn rate(section: &Section<'_>) -> Result<Option<Rate>, Mistake> {
    let time = section.of("interval", "a time such as 1s or 20ms", interval)?.unwrap_or_default();
    let burst = section.of("burst", "a number", |text| text.parse::<u32>().ok())?;
    if time.is_zero() {
        return Ok(None);
    }
    let burst = burst.filter(|burst| *burst > 0).ok_or_else(|| {
        let line = section.get("burst").map_or(section.line, |node| node.line);
        Mistake::new(line, "burst: expected a number from 1 on: without it no request is allowed")
    })?;
    Ok(Some(Rate { interval: time, burst }))
}

#[cfg(test)]
mod tests;
