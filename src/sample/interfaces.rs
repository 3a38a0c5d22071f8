//! Which interfaces of a container are counted.

use glob::Pattern;
use std::sync::Arc;

/// The loopback, and the interfaces through which Docker or another runtime inside the container passes the
/// same bytes a second time.
pub const DEFAULT_EXCLUDE: &str = "lo,veth*,docker*,nerdctl*,br-*,cni*,virbr*";

/// Not a glob.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a glob")]
pub struct BadGlob(String);

/// The interfaces that are left out of sums and series, by their names. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Interfaces {
    excluded: Arc<[Name]>,
}

/// Most globs are a plain name, or a name and a star. These are compared directly, without a search.
#[derive(Debug)]
enum Name {
    Exactly(Box<[u8]>),
    BeginsWith(Box<[u8]>),
    Glob(Pattern),
}

impl Default for Interfaces {
    fn default() -> Self {
        Self::excluding(DEFAULT_EXCLUDE.split(',')).unwrap_or_else(|_| Self { excluded: Arc::default() })
    }
}

impl Interfaces {
    /// All interfaces except those whose names match one of the globs.
    ///
    /// # Errors
    /// A bad glob.
    pub fn excluding<'a>(globs: impl IntoIterator<Item = &'a str>) -> Result<Self, BadGlob> {
        let globs = globs.into_iter().map(str::trim).filter(|glob| !glob.is_empty());
        Ok(Self { excluded: globs.map(Name::parse).collect::<Result<_, _>>()? })
    }

    /// Whether an interface is left out.
    #[inline]
    #[must_use]
    pub fn excludes(&self, interface: &[u8]) -> bool {
        self.excluded.iter().any(|name| name.matches(interface))
    }
}

impl Name {
    fn parse(glob: &str) -> Result<Self, BadGlob> {
        let is_plain = |text: &str| !text.contains(['*', '?', '[', ']']);
        let bytes = |text: &str| text.as_bytes().into();
        Ok(match glob.strip_suffix('*') {
            _ if is_plain(glob) => Self::Exactly(bytes(glob)),
            Some(beginning) if is_plain(beginning) => Self::BeginsWith(bytes(beginning)),
            _ => Self::Glob(Pattern::new(glob).map_err(|_| BadGlob(glob.to_owned()))?),
        })
    }

    #[inline]
    fn matches(&self, interface: &[u8]) -> bool {
        match self {
            Self::Exactly(name) => **name == *interface,
            Self::BeginsWith(beginning) => interface.starts_with(beginning),
            Self::Glob(glob) => std::str::from_utf8(interface).is_ok_and(|name| glob.matches(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_docker_inside_makes_is_left_out() {
        let interfaces = Interfaces::default();
        for name in ["lo", "veth0a1b", "docker0", "docker_gwbridge", "nerdctl0", "br-0a1b", "cni0", "virbr0"]
        {
            assert!(interfaces.excludes(name.as_bytes()), "{name}");
        }
        for name in ["eth0", "lo0", "br0", "xveth", "wg0", "eno1", ""] {
            assert!(!interfaces.excludes(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn the_list_is_the_users() {
        let excludes = |globs: &str, name: &str| {
            Interfaces::excluding(globs.split(',')).map(|interfaces| interfaces.excludes(name.as_bytes()))
        };
        assert_eq!(excludes("", "lo"), Ok(false));
        assert_eq!(excludes("eth[1-3], *.100", "eth2"), Ok(true));
        assert_eq!(excludes("eth[1-3], *.100", "bond0.100"), Ok(true));
        assert_eq!(excludes("eth[1-3], *.100", "lo"), Ok(false));
        assert_eq!(excludes("*", "anything"), Ok(true));
        assert_eq!(excludes("eth[", "x"), Err(BadGlob("eth[".to_owned())));
        assert!(!Interfaces::excluding(["?*x"]).unwrap().excludes(b"\xffx"));
    }
}
