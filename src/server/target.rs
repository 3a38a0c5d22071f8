//! Lets only request targets with a path through to the routes. warp panics on others, and a panic ends the
//! process.

use hyper::http::{Method, Uri, uri::PathAndQuery};

/// The target reduced to path and query, or `None` if it has no path: `CONNECT host:port`, `OPTIONS *`, a
/// host without a scheme, HTTP/2 without `:path`.
///
/// `GET http://host/path` is a target with a path (RFC 9112, 3.2.2): its scheme and host are dropped.
pub(super) fn with_path(method: &Method, target: &Uri) -> Option<Uri> {
    let path = target.path_and_query().filter(|path| path.as_str().starts_with('/'))?;
    (method != Method::CONNECT).then(|| Uri::from(PathAndQuery::clone(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_targets_with_a_path_get_through() {
        let get =
            |target: &str| with_path(&Method::GET, &target.parse().unwrap()).map(|target| target.to_string());
        for (target, expected) in [
            ("/metrics", Some("/metrics")),
            ("/metrics?a=b", Some("/metrics?a=b")),
            ("http://localhost:1/metrics", Some("/metrics")),
            ("http://localhost", Some("/")),
            ("http://localhost?a", None),
            ("localhost", None),
            ("localhost:443", None),
            ("*", None),
        ] {
            assert_eq!(get(target).as_deref(), expected, "{target}");
        }
        assert_eq!(get("//metrics").as_deref(), Some("//metrics"));
        assert!(with_path(&Method::GET, &Uri::default()).is_some());
        assert!(with_path(&Method::CONNECT, &"/metrics".parse().unwrap()).is_none());
    }
}
