//! Landlock: which files and TCP ports can be used.
//!
//! A rule holds for an inode and everything below it, not for a path. So a rule for one process below
//! `/proc` would be lost as soon as the kernel forgets that inode, and a rule for a file is of no use once
//! another file has taken its name. This is why the roots are allowed as a whole, and files with their
//! directories.

use super::{lack::Lack, plan::Plan};
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, NetPort, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use nix::unistd::geteuid;
use std::{
    env, fmt, fs,
    path::{Path, PathBuf},
};

/// The newest version of Landlock whose rights are used. Later ones add rights for unix sockets and for UDP,
/// which have not been tried.
const NEWEST: ABI = ABI::V6;
/// The first version with rules for TCP ports.
const WITH_PORTS: u8 = 4;

/// What resolving host names reads: the resolver's files, and the libraries that glibc loads for it. The
/// links in `/etc` lead to the directories in `/run`.
const RESOLVER: [&str; 18] = [
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
    "/etc/ld.so.cache",
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/run/NetworkManager",
    "/run/nscd",
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/nix/store",
];
const DNS: u16 = 53;

/// What is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    abi: u8,
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports = if self.abi < WITH_PORTS { " (no limits on TCP ports)" } else { "" };
        write!(f, "landlock ABI {}{ports}", self.abi)
    }
}

/// Allows what the plan says and nothing else, for this thread and those that it starts.
pub(super) fn restrict(plan: &Plan) -> Result<Limits, Lack> {
    let status = rules(plan).and_then(RulesetCreated::restrict_self);
    let status = status.map_err(|error| Lack::Failed(error.to_string()))?;
    match status.landlock {
        LandlockStatus::NotImplemented => Err(Lack::Missing),
        LandlockStatus::NotEnabled => Err(Lack::TurnedOff),
        LandlockStatus::Available { .. } if status.ruleset == RulesetStatus::NotEnforced => {
            Err(Lack::Failed("not enforced".to_owned()))
        }
        LandlockStatus::Available { effective_abi, .. } => Ok(Limits { abi: effective_abi as u8 }),
    }
}

fn rules(plan: &Plan) -> Result<RulesetCreated, RulesetError> {
    let (read, write) = (read(), write());
    let mut scope: BitFlags<Scope> = Scope::Signal.into();
    if !plan.abstract_sockets {
        scope |= Scope::AbstractUnixSocket;
    }
    // What an older kernel does not know is left out.
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::BindTcp | AccessNet::ConnectTcp)?
        .scope(scope)?
        .create()?;
    for path in plan.read.iter().cloned().chain(beside(&plan.files)).chain(always()) {
        rules = allow(rules, &path, read)?;
    }
    if plan.names {
        for path in RESOLVER {
            rules = allow(rules, Path::new(path), read)?;
        }
        // The files are replaced while the exporter runs. Nobody but root has secrets of root's there.
        if !geteuid().is_root() {
            rules = allow(rules, Path::new("/etc"), read)?;
        }
    }
    for path in plan.written.iter().chain(&plan.temporary) {
        rules = allow(rules, path, read | write)?;
    }
    for directory in plan.removed.iter().filter_map(|file| file.parent()) {
        if !is_wide(directory, None) {
            rules = allow(rules, directory, AccessFs::RemoveFile.into())?;
        }
    }
    if let Some(parent) = plan.temporary.as_deref().and_then(Path::parent) {
        rules = allow(rules, parent, AccessFs::RemoveDir.into())?;
    }
    let dns = plan.names.then_some(DNS);
    for port in plan.ports.iter().copied().chain(dns) {
        rules = rules.add_rule(NetPort::new(port, AccessNet::ConnectTcp))?;
    }
    Ok(rules)
}

fn read() -> BitFlags<AccessFs> {
    AccessFs::ReadFile | AccessFs::ReadDir
}

fn write() -> BitFlags<AccessFs> {
    AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::Refer
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::MakeSym
        | AccessFs::MakeSock
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir
}

/// What every run reads about itself and its machine. `/proc` is allowed as a whole (see above); Landlock
/// hides most of what other processes have there, since they can't be traced.
fn always() -> impl Iterator<Item = PathBuf> {
    ["/proc", "/sys/devices/system/cpu"].into_iter().map(PathBuf::from)
}

/// Adds a rule; does nothing for a path that does not exist.
fn allow(
    rules: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    let Ok(opened) = PathFd::new(path) else { return Ok(rules) };
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(NEWEST) };
    rules.add_rule(PathBeneath::new(opened, access))
}

/// What is allowed for files that are read again later: their directories, also of those that links lead to.
/// A file in a directory that has much else is allowed alone.
fn beside(files: &[PathBuf]) -> Vec<PathBuf> {
    let home = env::var_os("HOME").and_then(|home| fs::canonicalize(home).ok());
    let targets = files.iter().filter_map(|file| file.canonicalize().ok());
    let places = files.iter().cloned().chain(targets).map(|place| {
        let directory = match place.parent() {
            Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
            Some(parent) => parent,
            None => return place,
        };
        let directory = directory.canonicalize().ok();
        directory.filter(|directory| !is_wide(directory, home.as_deref())).unwrap_or(place)
    });
    places.collect()
}

/// Whether a directory has much more than what belongs to one program.
fn is_wide(directory: &Path, home: Option<&Path>) -> bool {
    const WIDE: [&str; 18] = [
        "/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/media", "/mnt", "/opt", "/proc", "/root",
        "/run", "/srv", "/sys", "/tmp", "/usr", "/var",
    ];
    let is_home = home == Some(directory) || directory.parent() == Some(Path::new("/home"));
    is_home || WIDE.iter().any(|wide| Path::new(wide) == directory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_file_is_allowed_with_its_directory_unless_that_is_wide() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let (live, archive) = (folder.join("live"), folder.join("archive"));
        for directory in [&live, &archive] {
            fs::create_dir(directory).unwrap();
        }
        fs::write(archive.join("1.pem"), "").unwrap();
        symlink("../archive/1.pem", live.join("now.pem")).unwrap();
        assert_eq!(beside(&[live.join("now.pem")]), [live, archive]);
        let wide = PathBuf::from("/etc/passwd");
        assert!(beside(std::slice::from_ref(&wide)).iter().all(|path| *path == wide));
        for wide in ["/", "/run", "/home/me", "/users/me"] {
            assert!(is_wide(Path::new(wide), Some(Path::new("/users/me"))), "{wide}");
        }
        for narrow in ["/etc/ssl", "/certs", "/home/me/tls"] {
            assert!(!is_wide(Path::new(narrow), Some(Path::new("/users/me"))), "{narrow}");
        }
    }
}
