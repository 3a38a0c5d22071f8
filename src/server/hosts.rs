//! Which host names requests may be for: protection against DNS rebinding.
//!
//! A web site can make its own name mean the exporter's address, after a visitor's browser has loaded the
//! site. The browser then takes the exporter for the site, and lets the site's scripts read the metrics. But
//! the request still names the site as its host.
//!
//! No site can do this with an IP address, because no name is looked up then. Nor with a name without a dot,
//! such as `localhost` or that of a container: sites have names with dots. So these are always allowed, and
//! so are the names of this machine.
//!
//! Other names can be the machine's without the exporter knowing them. Prometheus often asks for them, and it
//! runs no scripts of web sites. So without `--allowed_hosts`, only browsers are refused under other names.

use hyper::{
    Uri,
    header::{self, HeaderMap},
};
use std::net::{IpAddr, Ipv6Addr};

/// The host names that requests may be for.
#[derive(Debug, Clone)]
pub struct AllowedHosts {
    /// Lower case, without a final dot.
    names: Vec<String>,
    /// Whether every name is allowed.
    any: bool,
    /// Whether not only browsers are refused.
    strict: bool,
}

impl AllowedHosts {
    /// Allows the names that the user `chose` and those of this `machine`. Among the former, `*` is any name.
    #[must_use]
    pub fn new(chosen: &[String], machine: &[String]) -> Self {
        let names = chosen.iter().chain(machine).map(|name| plain(name)).collect();
        Self { names, any: chosen.iter().any(|name| name == "*"), strict: !chosen.is_empty() }
    }

    /// Whether a request is answered: by its target, if that names a host, and by its `Host` headers. A
    /// request that names none is answered, since it comes from no browser.
    pub(super) fn allow(&self, target: &Uri, headers: &HeaderMap) -> bool {
        if self.any || (!self.strict && !is_of_browser(headers)) {
            return true;
        }
        let of_headers = headers.get_all(header::HOST).iter().map(|host| host.to_str().ok());
        let of_target = target.authority().map(|authority| Some(authority.as_str()));
        // A header that is not text names no host of ours.
        of_target.into_iter().chain(of_headers).all(|host| host.is_some_and(|host| self.has(host)))
    }

    /// Whether a host, with or without a port, is allowed.
    fn has(&self, host: &str) -> bool {
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        if let Some((address, _)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            return address.parse::<Ipv6Addr>().is_ok();
        }
        let name = plain(host.split_once(':').map_or(host, |(name, _)| name));
        !name.contains('.')
            || name.ends_with(".localhost")
            || name.parse::<IpAddr>().is_ok()
            || self.names.contains(&name)
    }
}

/// Without what does not matter in a name.
fn plain(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// Whether a request may come from a browser. A script can change `User-Agent` in some browsers, but it can't
/// leave out `Accept-Language`. Over plain HTTP to a name, browsers do not send `Sec-Fetch-Site`.
fn is_of_browser(headers: &HeaderMap) -> bool {
    let names =
        ["accept-language", "origin", "sec-fetch-site", "sec-fetch-mode", "upgrade-insecure-requests"];
    names.iter().any(|name| headers.contains_key(*name))
        || headers.get_all(header::USER_AGENT).iter().any(|agent| agent.as_bytes().starts_with(b"Mozilla/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::{HeaderName, HeaderValue};

    fn hosts(chosen: &[&str]) -> AllowedHosts {
        let chosen: Vec<_> = chosen.iter().map(|name| (*name).to_owned()).collect();
        AllowedHosts::new(&chosen, &["Node1.example.com.".to_owned()])
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        headers
    }

    fn allows(hosts: &AllowedHosts, target: &str, pairs: &[(&'static str, &'static str)]) -> bool {
        hosts.allow(&target.parse().unwrap(), &headers(pairs))
    }

    const BROWSER: (&str, &str) = ("accept-language", "en");

    #[test]
    fn no_site_has_an_address_or_a_name_without_a_dot() {
        for host in [
            "127.0.0.1",
            "192.0.2.1:12096",
            "[::1]",
            "[2001:db8::1]:12096",
            "localhost:12096",
            "LocalHost.",
            "docker-stat-prom:12096",
            "app.localhost",
            "node1.example.com:12096",
            "NODE1.EXAMPLE.COM",
            "",
        ] {
            assert!(hosts(&[]).has(host), "{host}");
        }
        for host in [
            "evil.example",
            "node1.example.com.evil.example",
            "127.0.0.1.evil.example:12096",
            "localhost.evil.example",
            "[evil.example]",
            "127.0.0.1@evil.example",
            "evil.example.",
            "192.0.2.1.nip.io",
        ] {
            assert!(!hosts(&[]).has(host), "{host}");
        }
    }

    #[test]
    fn without_a_list_only_browsers_are_refused() {
        let by_default = hosts(&[]);
        assert!(allows(&by_default, "/metrics", &[("host", "exporter.example.com:12096")]));
        assert!(allows(&by_default, "/metrics", &[("user-agent", "Prometheus/3.5.0"), ("host", "a.b")]));
        for sign in [
            BROWSER,
            ("origin", "http://evil.example"),
            ("sec-fetch-site", "same-origin"),
            ("user-agent", "Mozilla/5.0"),
        ] {
            assert!(!allows(&by_default, "/metrics", &[("host", "evil.example"), sign]), "{sign:?}");
            assert!(allows(&by_default, "/metrics", &[("host", "127.0.0.1:12096"), sign]), "{sign:?}");
        }
    }

    #[test]
    fn with_a_list_everybody_else_is_refused() {
        let listed = hosts(&["Metrics.example."]);
        assert!(allows(&listed, "/metrics", &[("host", "metrics.example:12096"), BROWSER]));
        assert!(!allows(&listed, "/metrics", &[("host", "exporter.example.com")]));
        assert!(allows(&listed, "/metrics", &[]), "a request without a host");
        assert!(allows(&hosts(&["*"]), "/metrics", &[("host", "evil.example"), BROWSER]));
    }

    #[test]
    fn each_name_in_a_request_counts() {
        let listed = hosts(&["metrics.example"]);
        let good = ("host", "metrics.example");
        assert!(!allows(&listed, "http://evil.example/metrics", &[good]));
        assert!(!allows(&listed, "/metrics", &[good, ("host", "evil.example")]));
        assert!(!allows(&listed, "http://metrics.example/", &[("host", "evil.example")]));
        assert!(allows(&listed, "http://metrics.example/", &[good]));
    }
}
