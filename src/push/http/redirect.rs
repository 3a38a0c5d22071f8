//! Origins, and where a redirect leads.

use hyper::Uri;
use std::fmt;

/// Scheme, host and port of a URL: who gets our credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) is_secure: bool,
    /// Without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
}

impl Origin {
    /// # Errors
    /// If the URL has no host, or another scheme than `http` and `https`.
    pub(super) fn of(url: &Uri) -> Result<Self, String> {
        let is_secure = match url.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("the URL must begin with http:// or https://".into()),
        };
        let host = url.host().filter(|host| !host.is_empty()).ok_or("the URL has no host")?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let port = url.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        Ok(Self { is_secure, host, port })
    }

    /// `HOST:PORT`, for `CONNECT`.
    pub(super) fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The value of the header `Host`, without a port that the scheme implies.
    pub(super) fn authority(&self) -> String {
        let address = self.address();
        let implied = if self.is_secure { ":443" } else { ":80" };
        address.strip_suffix(implied).unwrap_or(&address).to_owned()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.is_secure { "https" } else { "http" }, self.authority())
    }
}

/// Where `Location` leads from a URL: an absolute URL, or a path on the same origin.
pub(super) fn destination(from: &Uri, location: &str) -> Option<Uri> {
    let location = location.split('#').next().unwrap_or_default().trim();
    let origin = Origin::of(from).ok()?;
    let absolute = if location.contains("://") {
        location.to_owned()
    } else if let Some(rest) = location.strip_prefix("//") {
        format!("{}://{rest}", from.scheme_str()?)
    } else if location.starts_with('/') {
        format!("{origin}{location}")
    } else {
        let folder = from.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{origin}{folder}/{location}")
    };
    let url: Uri = absolute.parse().ok()?;
    // User and password of somebody else's choice are not sent.
    let is_plain = url.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    (is_plain && Origin::of(&url).is_ok()).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_a_url_or_a_path() {
        let from: Uri = "https://a.example/api/write?x=1".parse().unwrap();
        for (location, expected) in [
            ("https://b.example:8/w", Some("https://b.example:8/w")),
            ("//b.example/w#top", Some("https://b.example/w")),
            ("/w?y=2", Some("https://a.example/w?y=2")),
            ("v2", Some("https://a.example/api/v2")),
            ("ftp://b.example/", None),
            ("https://user:word@b.example/", None),
            ("https://", None),
            ("http://[::1", None),
        ] {
            let url = destination(&from, location).map(|url| url.to_string());
            assert_eq!(url.as_deref(), expected, "{location}");
        }
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let origin = |url: &str| Origin::of(&url.parse().unwrap()).unwrap();
        assert_eq!(origin("http://A.example/x"), origin("http://a.example:80/y"));
        assert_ne!(origin("http://a.example/"), origin("https://a.example/"));
        assert_ne!(origin("http://a.example/"), origin("http://a.example:8080/"));
        assert_eq!(origin("https://[::1]/").address(), "[::1]:443");
        assert_eq!(origin("https://[::1]:9/").authority(), "[::1]:9");
        assert_eq!(origin("https://a.example:443/").to_string(), "https://a.example");
        assert_eq!(origin("http://a.example:443/").authority(), "a.example:443");
    }
}
