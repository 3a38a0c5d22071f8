//! Where a receiver is: a URL, with user and password apart.

use crate::push::{Secret, percent_decoded};
use hyper::Uri;

/// A URL without user and password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) url: Uri,
    /// User and password, if the URL has them.
    pub(super) basic: Option<(Secret, Secret)>,
}

/// Why a text is no URL of a receiver. It shows neither user, password nor query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected http://HOST:PORT/PATH or https://HOST:PORT/PATH, found \"{0}\"")]
pub(super) struct UrlError(String);

/// The longest part of a wrong URL that is shown.
const SHOWN: usize = 100;

impl Address {
    /// Reads a URL.
    pub(super) fn parse(text: &str) -> Result<Self, UrlError> {
        Self::read(text).ok_or_else(|| UrlError(shown(text)))
    }

    fn read(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        if !matches!(scheme.as_str(), "http" | "https") || rest.contains(|c: char| c.is_whitespace()) {
            return None;
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        let path = path.split('#').next().unwrap_or_default();
        let url: Uri = format!("{scheme}://{host}{path}").parse().ok()?;
        let authority = url.authority()?;
        // A colon without a port after it, and a port beyond 65535, pass the parser.
        let after_host = authority.as_str().get(authority.host().len()..)?;
        if authority.host().is_empty() || (!after_host.is_empty() && url.port_u16().is_none()) {
            return None;
        }
        let basic = match user {
            None => None,
            Some(user) => {
                let (user, password) = user.split_once(':').unwrap_or((user, ""));
                Some((Secret::Text(percent_decoded(user)?), Secret::Text(percent_decoded(password)?)))
            }
        };
        Some(Self { url, basic })
    }

    /// The URL without its query, which may be secret.
    pub(super) fn name(&self) -> String {
        let scheme = self.url.scheme_str().unwrap_or_default();
        let authority = self.url.authority().map_or("", |authority| authority.as_str());
        let path = self.url.path();
        format!("{scheme}://{authority}{}", if path == "/" { "" } else { path })
    }

    /// Whether the URL has no path.
    pub(super) fn is_bare(&self) -> bool {
        self.url.path() == "/" && self.url.query().is_none()
    }

    /// The same with a path in place of none.
    pub(super) fn or_path(mut self, path: &'static str) -> Self {
        if self.is_bare() {
            let mut parts = self.url.clone().into_parts();
            parts.path_and_query = Some(hyper::http::uri::PathAndQuery::from_static(path));
            self.url = Uri::from_parts(parts).unwrap_or(self.url);
        }
        self
    }
}

/// Several URLs in one text, separated by spaces or commas. A comma inside a URL separates nothing.
pub(super) fn split(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut begin = 0;
    let is_separator = |c: char| c == ',' || c.is_whitespace();
    for (at, _) in text.match_indices(is_separator) {
        let after = text.get(at..).unwrap_or_default().trim_start_matches(is_separator);
        if after.is_empty() || after.starts_with("http://") || after.starts_with("https://") {
            found.push(text.get(begin..at).unwrap_or_default());
            begin = text.len() - after.len();
        }
    }
    found.push(text.get(begin..).unwrap_or_default());
    found.retain(|url| !url.trim_matches(is_separator).is_empty());
    found
}

/// A text that may be a URL, without what may be secret: all up to an `@`, and a query.
fn shown(text: &str) -> String {
    let scheme = text.split_once("://").map_or("", |(scheme, _)| scheme);
    let is_scheme = !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric());
    let without_user = match text.rsplit_once('@') {
        Some((_, host)) if is_scheme => format!("{scheme}://***@{host}"),
        Some((_, host)) => format!("***@{host}"),
        None => text.to_owned(),
    };
    let without_query = match without_user.split_once('?') {
        Some((url, _)) => format!("{url}?***"),
        None => without_user,
    };
    without_query.chars().take(SHOWN).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_an_address_and_perhaps_user_and_password() {
        for (text, url, name, basic) in [
            ("http://h", "http://h/", "http://h", None),
            ("http://h:1/a/b", "http://h:1/a/b", "http://h:1/a/b", None),
            ("HTTPS://h/a?token=x#y", "https://h/a?token=x", "https://h/a", None),
            ("http://[::1]:9090/w", "http://[::1]:9090/w", "http://[::1]:9090/w", None),
            ("https://u:p@h/w", "https://h/w", "https://h/w", Some(("u", "p"))),
            ("https://u@h/w", "https://h/w", "https://h/w", Some(("u", ""))),
            ("https://u%40x:p%2Fq:r@h/w", "https://h/w", "https://h/w", Some(("u@x", "p/q:r"))),
            ("https://u:p@ss@h/w", "https://h/w", "https://h/w", Some(("u", "p@ss"))),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!((address.url.to_string().as_str(), address.name().as_str()), (url, name));
            let secret = |text: &str| Secret::Text(text.to_owned());
            assert_eq!(
                address.basic,
                basic.map(|(user, password)| (secret(user), secret(password))),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_url_is_shown_without_secrets() {
        for (text, found) in [
            ("", ""),
            ("h:9090", "h:9090"),
            ("ftp://h", "ftp://h"),
            ("http://", "http://"),
            ("http:///x", "http:///x"),
            ("http://h:99999/", "http://h:99999/"),
            ("http://h:/", "http://h:/"),
            ("http://h x/", "http://h x/"),
            ("http://u:hunter2@/x", "http://***@/x"),
            ("http://u:hun/ter2@h/x", "http://***@h/x"),
            ("u:hunter2@h", "***@h"),
            ("grpc://h/?token=hunter2", "grpc://h/?***"),
            ("http://u:%zz@h", "http://***@h"),
        ] {
            assert_eq!(Address::parse(text), Err(UrlError(found.to_owned())), "{text}");
        }
    }

    #[test]
    fn several_urls_are_separated_by_spaces_or_commas() {
        for (text, urls) in [
            ("http://a", &["http://a"][..]),
            ("http://a,https://b", &["http://a", "https://b"]),
            ("http://a  http://b, http://c ", &["http://a", "http://b", "http://c"]),
            ("http://u:a,b@h/x,y", &["http://u:a,b@h/x,y"]),
            ("http://a,b", &["http://a,b"]),
            (" , ", &[]),
        ] {
            assert_eq!(split(text), urls, "{text}");
        }
    }

    #[test]
    fn a_path_takes_the_place_of_none() {
        let with = |text: &str| Address::parse(text).unwrap().or_path("/v1/metrics").url.to_string();
        assert_eq!(with("http://h:4318"), "http://h:4318/v1/metrics");
        assert_eq!(with("http://h:4318/"), "http://h:4318/v1/metrics");
        assert_eq!(with("http://h/otlp"), "http://h/otlp");
    }
}
