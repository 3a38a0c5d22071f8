//! Where this process stands: whether what it sees of processes and files is the host's.

use super::stat_file::Scratch;
use crate::parse::proc_cgroup::unified_path;
use std::path::{Path, PathBuf};

/// The number of the first PID namespace, the same on every machine.
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";
/// The length of a container's ID. Runtimes name a container's cgroup after it.
const ID_DIGITS: usize = 64;

/// What is known of a procfs and of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Vantage {
    /// Whether PID 1 of the procfs is the host's. If the procfs is that of a container with its own PID
    /// namespace, it is not.
    pub(super) first_process_is_hosts: bool,
    /// Whether this process runs outside all containers, so that its own files and its network namespace are
    /// the host's. `false` if that is not known.
    pub(super) is_on_host: bool,
}

impl Vantage {
    /// Looks at this process in the procfs at `proc_root`. A recording has no such process: it is taken as
    /// the host's, and this process does not run on that host.
    pub(super) fn of(proc_root: &Path) -> Self {
        let own = proc_root.join("self");
        let Ok(pid) = std::fs::read_link(&own) else {
            return Self { first_process_is_hosts: true, is_on_host: false };
        };
        let namespace = std::fs::read_link(own.join("ns/pid"));
        let is_first = namespace.is_ok_and(|link| link == Path::new(FIRST_PID_NAMESPACE));
        // Another number than our own PID: the procfs is that of a namespace around ours.
        let is_outer = pid != Path::new(&std::process::id().to_string());
        let in_container = is_in_container(&own.join("cgroup"));
        Self {
            first_process_is_hosts: is_first || is_outer,
            is_on_host: is_first && in_container == Some(false),
        }
    }
}

/// Whether a process is in a container, by the path of its cgroup; `None` if that is not known. A container
/// with its own cgroup namespace sees only `/`, as does a process of a host without systemd.
fn is_in_container(cgroup: &Path) -> Option<bool> {
    let mut scratch = Scratch::small();
    let path = unified_path(scratch.read_path(cgroup).ok()?)?;
    if path == b"/" {
        return None;
    }
    Some(path.split(|byte| !byte.is_ascii_hexdigit()).any(|word| word.len() == ID_DIGITS))
}

/// The interface counters of the host's network namespace; `None` if it is not known which namespace that is.
pub(super) fn net_dev_of_host(proc_root: &Path) -> Option<PathBuf> {
    let vantage = Vantage::of(proc_root);
    let first = proc_root.join("1/net/dev");
    let is_to_be_read = vantage.first_process_is_hosts && (!vantage.is_on_host || first.exists());
    if is_to_be_read {
        return Some(first);
    }
    // Other users' processes may be hidden from us (`hidepid`).
    vantage.is_on_host.then(|| proc_root.join("self/net/dev"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// A procfs that shows this process under a PID, in a PID namespace and in a cgroup.
    fn procfs(pid: u32, namespace: &str, cgroup: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let own = root.path().join(pid.to_string());
        std::fs::create_dir_all(own.join("ns")).unwrap();
        std::fs::create_dir_all(own.join("net")).unwrap();
        std::fs::write(own.join("net/dev"), "").unwrap();
        std::fs::write(own.join("cgroup"), format!("0::{cgroup}\n")).unwrap();
        symlink(namespace, own.join("ns/pid")).unwrap();
        symlink(pid.to_string(), root.path().join("self")).unwrap();
        root
    }

    #[test]
    fn a_container_is_never_taken_for_the_host() {
        let own = std::process::id();
        let scope = format!("/system.slice/docker-{}.scope", "ab".repeat(32));
        let service = "/system.slice/docker-stat-prom.service";
        let inner = "pid:[4026532777]";
        for (pid, namespace, cgroup, first_process_is_hosts, is_on_host) in [
            (own, FIRST_PID_NAMESPACE, service, true, true),
            // --pid host, with and without the host's cgroup namespace.
            (own, FIRST_PID_NAMESPACE, scope.as_str(), true, false),
            (own, FIRST_PID_NAMESPACE, "/", true, false),
            (own, inner, "/", false, false),
            (own, inner, service, false, false),
            // The host's procfs is mounted into a container.
            (own + 1, inner, "/", true, false),
        ] {
            let root = procfs(pid, namespace, cgroup);
            assert_eq!(
                Vantage::of(root.path()),
                Vantage { first_process_is_hosts, is_on_host },
                "{pid} {namespace} {cgroup}"
            );
            let own = is_on_host.then(|| root.path().join("self/net/dev"));
            let first = root.path().join("1/net/dev");
            let without = own.or_else(|| first_process_is_hosts.then(|| first.clone()));
            assert_eq!(net_dev_of_host(root.path()), without, "{namespace} {cgroup}");
            std::fs::create_dir_all(first.parent().unwrap()).unwrap();
            std::fs::write(&first, "").unwrap();
            assert_eq!(net_dev_of_host(root.path()), first_process_is_hosts.then_some(first));
        }
        let recording = tempfile::tempdir().unwrap();
        assert_eq!(
            Vantage::of(recording.path()),
            Vantage { first_process_is_hosts: true, is_on_host: false }
        );
    }
}
