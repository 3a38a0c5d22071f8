//! What a machine is called, and how its processor is built.

use super::{Errno, Roots, errno_of, stat_file::Scratch, vantage::Vantage};
use crate::parse::{identifier, scan};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// How many processors are looked at. A directory with more of them is no machine's.
const MAX_CPUS: usize = 16 * 1024;

/// Identifiers of the machine, as far as they can be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// `/etc/machine-id` of the host
    pub machine_id: Option<String>,
    /// `/proc/sys/kernel/random/boot_id`
    pub boot_id: Option<String>,
    /// `/sys/class/dmi/id/product_uuid`, which only root may read
    pub system_uuid: Option<String>,
}

impl Identity {
    pub(super) fn read(roots: &Roots, scratch: &mut Scratch) -> Self {
        let mut read = |path: &Path, parse: fn(&[u8]) -> Option<&str>| {
            scratch.read_path(path).ok().and_then(parse).map(str::to_owned)
        };
        let machine_id = machine_id_files(roots).find_map(|path| read(&path, identifier::machine_id));
        Self {
            machine_id,
            boot_id: read(&roots.proc.join("sys/kernel/random/boot_id"), identifier::uuid),
            system_uuid: read(&roots.sys.join("class/dmi/id/product_uuid"), identifier::uuid),
        }
    }
}

/// Where the host's `machine-id` can be.
pub fn machine_id_files(roots: &Roots) -> impl Iterator<Item = PathBuf> {
    let vantage = Vantage::of(&roots.proc);
    let of_first = vantage.first_process_is_hosts.then(|| roots.proc.join("1/root"));
    // `/host/proc` is below the host's root. Our own root is the host's only outside of containers.
    let around = roots.proc.parent().filter(|root| *root != Path::new("/") || vantage.is_on_host);
    let hosts = of_first.into_iter().chain(around.map(Path::to_owned));
    hosts.map(|root| root.join("etc/machine-id"))
}

/// How many cores and sockets there are; `None` if one of the online processors does not say where it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Topology {
    /// Cores, each with one or more logical CPUs
    pub cores: Option<u64>,
    /// Sockets
    pub sockets: Option<u64>,
}

impl Topology {
    /// Reads the sysfs at `sys_root`.
    pub(super) fn read(sys_root: &Path, scratch: &mut Scratch) -> Self {
        Self::of(&sys_root.join("devices/system/cpu"), scratch).unwrap_or_default()
    }

    fn of(cpus: &Path, scratch: &mut Scratch) -> Option<Self> {
        let mut places = BTreeSet::new();
        for entry in std::fs::read_dir(cpus).ok()?.take(MAX_CPUS) {
            let name = entry.ok()?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix("cpu"));
            if number.is_none_or(|number| scan::number(number.as_bytes()).is_none()) {
                continue;
            }
            let topology = cpus.join(name).join("topology");
            if let Err(error) = std::fs::metadata(&topology) {
                if errno_of(&error) == Errno::ENOENT {
                    // It is offline.
                    continue;
                }
                return None;
            }
            // A number that is not known is printed as -1.
            let mut number = |file| {
                let text = scratch.read_path(&topology.join(file)).ok()?;
                scan::number(text.trim_ascii())
            };
            let (socket, core) = (number("physical_package_id"), number("core_id"));
            places.insert((socket, number("die_id"), core));
        }
        let count = |known: bool, count: usize| (known && count > 0).then_some(count as u64);
        let sockets: BTreeSet<_> = places.iter().map(|(socket, ..)| socket).collect();
        let are_known = places.iter().all(|(socket, ..)| socket.is_some());
        let all_known = are_known && places.iter().all(|(.., core)| core.is_some());
        Some(Self { cores: count(all_known, places.len()), sockets: count(are_known, sockets.len()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn cores_are_counted_once_and_not_guessed() {
        let sys = tempfile::tempdir().unwrap();
        let read = || Topology::read(sys.path(), &mut Scratch::default());
        assert_eq!(read(), Topology::default());
        let cpu = |number: u32, file: &str, text: &str| {
            write(&sys.path().join(format!("devices/system/cpu/cpu{number}/topology/{file}")), text);
        };
        // Two sockets with two cores of two threads each.
        for number in 0..8 {
            cpu(number, "physical_package_id", &format!("{}\n", number / 4));
            cpu(number, "core_id", &format!("{}\n", number / 2 % 2));
        }
        // Offline; and what is no processor.
        for other in ["cpu8/online", "cpufreq/topology/core_id", "cpuidle/x"] {
            write(&sys.path().join("devices/system/cpu").join(other), "7\n");
        }
        assert_eq!(read(), Topology { cores: Some(4), sockets: Some(2) });
        cpu(3, "core_id", "-1\n");
        assert_eq!(read(), Topology { cores: None, sockets: Some(2) });
        cpu(3, "physical_package_id", "-1\n");
        assert_eq!(read(), Topology::default());
    }

    #[test]
    fn identifiers_are_the_hosts_and_whole() {
        let host = tempfile::tempdir().unwrap();
        let roots = Roots {
            cgroup: host.path().join("sys/fs/cgroup"),
            proc: host.path().join("proc"),
            sys: host.path().join("sys"),
        };
        let read = || Identity::read(&roots, &mut Scratch::default());
        assert_eq!(read(), Identity::default());
        let (id, uuid) = ("0123456789abcdef0123456789abcdef", "03000200-0400-0500-0006-000700080009");
        write(&host.path().join("etc/machine-id"), &format!("{id}\n"));
        write(&roots.proc.join("sys/kernel/random/boot_id"), &format!("{uuid}\n"));
        write(&roots.sys.join("class/dmi/id/product_uuid"), "Not Settable\n");
        let known = Identity { machine_id: Some(id.into()), boot_id: Some(uuid.into()), system_uuid: None };
        assert_eq!(read(), known);
        // What the host's first process sees comes before what is around.
        write(&roots.proc.join("1/root/etc/machine-id"), &format!("{}\n", id.replace('0', "f")));
        assert_eq!(read().machine_id, Some(id.replace('0', "f")));
    }
}
