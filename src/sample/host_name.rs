//! The names of this host.

use std::{fs::File, io::Read};

/// The largest `/etc/hosts` that is read.
const HOSTS_BYTES: u64 = 64 * 1024;
const LOCAL: &str = "localhost";

/// The host's name, or that of our own container if it has one.
#[must_use]
pub fn host_name() -> String {
    node_name().unwrap_or_else(|| LOCAL.to_owned())
}

/// The name of the machine, if it is known: what Docker calls our own container is none, and neither is what
/// every machine is called.
#[must_use]
pub fn machine_name() -> Option<String> {
    node_name().filter(|name| !is_name_of_container(name) && name != LOCAL)
}

/// Whether a host's name is one that Docker gives to a container.
#[must_use]
pub fn is_name_of_container(host: &str) -> bool {
    host.len() == 12 && host.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn node_name() -> Option<String> {
    let name = nix::sys::utsname::uname().ok()?.nodename().to_string_lossy().into_owned();
    Some(name).filter(|name| !name.is_empty())
}

/// The host's name, and the names that `/etc/hosts` has for the same host.
#[must_use]
pub fn host_names() -> Vec<String> {
    let name = host_name();
    let mut text = Vec::new();
    let _none = File::open("/etc/hosts").and_then(|file| file.take(HOSTS_BYTES).read_to_end(&mut text));
    let mut names = names_in(&String::from_utf8_lossy(&text), &name);
    names.push(name);
    names
}

/// The names in those lines of `/etc/hosts` that have the name among them.
fn names_in(hosts: &str, name: &str) -> Vec<String> {
    let lines = hosts.lines().map(|line| line.split('#').next().unwrap_or_default());
    let lines = lines.map(|line| line.split_whitespace().skip(1).collect::<Vec<_>>());
    lines.filter(|names| names.contains(&name)).flatten().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_docker_calls_a_container_is_no_name_of_the_machine() {
        assert!(is_name_of_container("0123456789ab"));
        assert!(!is_name_of_container("web-1") && !is_name_of_container("0123456789ag"));
        assert!(machine_name().is_none_or(|name| name == host_name() && name != LOCAL));
    }

    #[test]
    fn a_line_of_hosts_has_all_names_of_a_host() {
        let hosts = "127.0.0.1\tlocalhost\n# 127.0.0.1 node1 commented.example\n\
                     127.0.1.1 node1.example.com node1 # node1 remark.example\n192.0.2.1 node2.example.com\n";
        assert_eq!(names_in(hosts, "node1"), ["node1.example.com", "node1"]);
        assert_eq!(names_in(hosts, "node3"), [""; 0]);
        assert!(host_names().contains(&host_name()));
    }
}
