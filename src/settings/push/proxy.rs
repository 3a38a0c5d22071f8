//! Which receivers are reached through a proxy.

use super::url::Address;
use crate::push::Proxy;
use hyper::Uri;
use std::net::IpAddr;

/// The proxy that the environment has for a URL, by the rules of curl and Go.
///
/// # Errors
/// If the variable, which is named, has no proxy's URL.
pub(super) fn from_environment(
    url: &Uri,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<Proxy>, String> {
    let names = if url.scheme_str() == Some("https") {
        ["HTTPS_PROXY", "https_proxy"]
    } else {
        ["HTTP_PROXY", "http_proxy"]
    };
    let Some((name, text)) = names.into_iter().find_map(|name| Some((name, variable(name)?))) else {
        return Ok(None);
    };
    let not_through = variable("NO_PROXY").or_else(|| variable("no_proxy")).unwrap_or_default();
    if is_direct(url, &not_through) {
        return Ok(None);
    }
    parse(&text).map(Some).map_err(|problem| format!("{name}: {problem}"))
}

/// Reads a proxy's URL.
pub(super) fn parse(text: &str) -> Result<Proxy, String> {
    // In variables the scheme is often left out.
    let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let address = Address::parse(&full).map_err(|error| error.to_string())?;
    if address.url.scheme_str() != Some("http") {
        return Err("expected a proxy that is reached over http://".to_owned());
    }
    let basic = address.basic.and_then(|(user, password)| match user {
        crate::push::Secret::Text(user) => Some((user, password)),
        crate::push::Secret::File(_) => None,
    });
    Ok(Proxy { url: address.url, basic })
}

/// Whether a list of hosts, domains and networks says that a URL is reached without the proxy. This machine
/// always is.
pub(super) fn is_direct(url: &Uri, list: &str) -> bool {
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']).to_ascii_lowercase();
    let host = host.trim_end_matches('.');
    let address: Option<IpAddr> = host.parse().ok();
    if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
        return true;
    }
    let port = url.port_u16().unwrap_or(if url.scheme_str() == Some("https") { 443 } else { 80 });
    list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        let entry = entry.to_ascii_lowercase();
        if entry == "*" {
            return true;
        }
        if let Some(address) = address {
            if let Some((network, bits)) = entry.split_once('/') {
                return network.parse().is_ok_and(|network| is_in(address, network, bits));
            }
        }
        let (name, of_port) = match entry.rsplit_once(':') {
            Some((name, port)) if !name.contains(':') || name.ends_with(']') => (name, Some(port)),
            _ => (entry.as_str(), None),
        };
        if of_port.is_some_and(|of_port| of_port != port.to_string()) {
            return false;
        }
        let name = name.trim_matches(['[', ']']);
        if let Some(address) = address {
            return name.parse() == Ok(address);
        }
        let name = name.trim_start_matches('*');
        match name.strip_prefix('.') {
            Some(domain) => host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')),
            None => host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
        }
    })
}

/// Whether an address is in a network.
fn is_in(address: IpAddr, network: IpAddr, bits: &str) -> bool {
    let bits_of = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let ((address, width), (network, of_network)) = (bits_of(address), bits_of(network));
    let Some(bits) = bits.parse::<u32>().ok().filter(|bits| *bits <= width && width == of_network) else {
        return false;
    };
    let difference = address ^ network;
    bits == 0 || difference >> (128 - bits) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_hosts_are_reached_without_the_proxy() {
        for (url, list, is_without) in [
            ("http://a.example/", "", false),
            ("http://localhost:9/", "", true),
            ("http://127.0.0.1/", "", true),
            ("http://[::1]/", "", true),
            ("http://a.example/", "example", true),
            ("http://a.example/", "EXAMPLE, b", true),
            ("http://a.example/", ".example", true),
            ("http://example/", ".example", false),
            ("http://example/", "example", true),
            ("http://notexample/", "example", false),
            ("http://a.example/", "*.example", true),
            ("http://a.example/", "*", true),
            ("http://a.example:9090/", "a.example:9090", true),
            ("http://a.example/", "a.example:9090", false),
            ("https://a.example/", "a.example:443", true),
            ("http://10.1.2.3/", "10.0.0.0/8", true),
            ("http://11.1.2.3/", "10.0.0.0/8", false),
            ("http://10.1.2.3/", "10.1.2.3", true),
            ("http://10.1.2.3/", "1.2.3", false),
            ("http://[fd00::1]/", "fd00::/8", true),
            ("http://[fd00::1]/", "10.0.0.0/0", false),
            ("http://10.1.2.3/", "0.0.0.0/0", true),
        ] {
            assert_eq!(is_direct(&url.parse().unwrap(), list), is_without, "{url} and {list}");
        }
    }

    #[test]
    fn the_environment_has_a_proxy_for_each_scheme() {
        let variables = |name: &str| match name {
            "HTTPS_PROXY" => Some("http://u:p@proxy:3128".to_owned()),
            "http_proxy" => Some("plain:8080".to_owned()),
            "no_proxy" => Some("direct".to_owned()),
            _ => None,
        };
        let proxy = |url: &str| {
            from_environment(&url.parse().unwrap(), &variables).unwrap().map(|proxy| proxy.url.to_string())
        };
        assert_eq!(proxy("https://h/"), Some("http://proxy:3128/".to_owned()));
        assert_eq!(proxy("http://h/"), Some("http://plain:8080/".to_owned()));
        assert_eq!(proxy("http://direct/"), None);
        let https = |_: &str| Some("https://u:hunter2@proxy".to_owned());
        let problem = from_environment(&"http://h/".parse().unwrap(), &https).unwrap_err();
        assert_eq!(problem, "HTTP_PROXY: expected a proxy that is reached over http://");
    }
}
