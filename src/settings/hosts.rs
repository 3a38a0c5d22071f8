//! `--allowed_hosts`: names that requests may be for.

/// A name that no request can be for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected host names without port, separated by commas, or *, found \"{0}\"")]
pub(super) struct HostNameError(String);

/// Checks the values of `--allowed_hosts`.
///
/// # Errors
/// If one is neither `*` nor a host name.
pub(super) fn check(names: &[String]) -> Result<(), HostNameError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let is_name = |name: &str| name == "*" || name.chars().all(is_plain) && !name.starts_with(['.', '-']);
    match names.iter().find(|name| !is_name(name)) {
        Some(name) => Err(HostNameError(name.clone())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_no_port_and_no_wildcard() {
        let check = |name: &str| check(&[name.to_owned()]);
        for name in ["*", "node1.example.com", "Metrics.Example.", "my_host", "192.0.2.1"] {
            assert_eq!(check(name), Ok(()));
        }
        for name in ["node1:12096", "*.example.com", "http://node1", ".example.com", "a b", "[::1]", "ü"] {
            assert_eq!(check(name), Err(HostNameError(name.to_owned())));
        }
    }
}
