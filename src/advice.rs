//! Advice to operators, in words. Other parts of the program say with an enum what is wrong; what that means
//! to whoever runs the exporter, and what can be done about it, stands here and nowhere else.

pub mod access;
pub mod docker;
mod doubt;
pub mod listening;
pub mod push;

pub use doubt::Doubt;

use crate::sample::{DescriptorProblem, Errno, NetProblem, Reason, RootError, RootProblem, Tree};
use std::{
    fmt,
    path::{Path, PathBuf},
};

const OPEN_FILES: &str = "raise it (ulimit -n, LimitNOFILE=)";
/// What shows a program in a container the cgroups of the host.
const SEE_THE_HOST: &str = "run with -v /sys/fs/cgroup:/sys/fs/cgroup:ro or --cgroupns=host";

/// How much of a user's text an error shows.
const SHOWN_CHARS: usize = 100;

/// A text of the user, as far as an error shows it: it can be of any length.
#[must_use]
pub fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_CHARS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

// At the start.

/// After wrong usage.
#[must_use]
pub fn usage() -> &'static str {
    "see docker-stat-prom --help"
}

/// After a root that can't be used.
#[must_use]
pub fn root(error: &RootError) -> String {
    let (mount, flag) = match error.tree {
        Tree::Cgroup => ("/sys/fs/cgroup", "--cgroup_root"),
        Tree::Proc => ("/proc", "--proc_root"),
        Tree::Sys => ("/sys", "--sys_root"),
    };
    match &error.problem {
        RootProblem::Unreadable(errno) => resources(*errno).map_or_else(
            || format!("mount the host's {mount} there, or give its path with {flag}"),
            str::to_owned,
        ),
        RootProblem::CgroupV1 | RootProblem::Hybrid => {
            "boot the host with systemd.unified_cgroup_hierarchy=1: only cgroup v2 is supported".to_owned()
        }
        RootProblem::NotCgroup2(_) => {
            format!("mount the host's {mount} there, or give the path of cgroup v2 with {flag}")
        }
    }
}

/// After a certificate or a key that can't be used.
#[must_use]
pub fn certificate() -> &'static str {
    "name a certificate and its key with --tls_cert and --tls_key, both in PEM"
}

/// What to do with a key that is encrypted.
#[must_use]
pub fn encrypted_key() -> &'static str {
    "its passphrase can't be entered: save the key without one (openssl pkey -in KEY -out NEW)"
}

/// After an error for want of something that the system limits. `None` after any other.
#[must_use]
pub fn resources(errno: Errno) -> Option<&'static str> {
    match errno {
        Errno::EMFILE => Some("raise the limit on open files (ulimit -n, LimitNOFILE=)"),
        Errno::ENFILE => Some("raise the host's limit on open files (fs.file-max)"),
        Errno::EAGAIN => Some("raise the limit on processes and threads (ulimit -u, TasksMax=, pids.max)"),
        Errno::ENOMEM => Some("raise the limit on memory (ulimit -v, MemoryMax=, memory.max)"),
        _ => None,
    }
}

/// After a sandbox that can't be had, although `--sandbox on` asks for it.
#[must_use]
pub fn sandbox(hides_processes: bool) -> &'static str {
    if hides_processes {
        "mount a procfs without hidepid= and give its path with --proc_root, or use --sandbox auto"
    } else {
        "use --sandbox auto, or a kernel with seccomp and Landlock (5.13 or newer, named in lsm= at boot) \
         and no filter of Docker or systemd that forbids them"
    }
}

/// What is said of a signal that has no effect.
#[must_use]
pub fn ignored_signal() -> &'static str {
    "there is nothing to reload; restart the exporter to change settings"
}

/// What one side of `--healthcheck` speaks and the other does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mismatch {
    /// The server speaks TLS, and was asked without.
    ServerSpeaksTls,
    /// The server speaks plain HTTP, and was asked with TLS.
    ServerSpeaksHttp,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ServerSpeaksTls => "the server speaks TLS: add -s, or set DOCKER_STAT_PROM_SECURE=1",
            Self::ServerSpeaksHttp => "the server does not speak TLS: leave out -s (DOCKER_STAT_PROM_SECURE)",
        })
    }
}

// While it runs.

/// What keeps numbers from being shown and can be mended: of any container, or of all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Complaint {
    /// The processes of containers are outside our PID namespace.
    ForeignPids,
    /// The processes of containers are hidden from our procfs.
    HiddenProcesses,
    /// The proc root is no procfs, so no process is in it.
    NoProcfs {
        /// The proc root.
        root: PathBuf,
        /// What file system is there.
        found: String,
    },
    /// Descriptors can't be counted, because the processes are outside our PID namespace.
    ForeignDescriptors,
    /// Descriptors can't be counted, because we may not look at all processes.
    UnreadableDescriptors,
    /// No container has `memory.current`.
    NoMemoryController,
    /// No container has `cpu.pressure`.
    NoPressure,
}

impl Complaint {
    /// What is to be done about network counters that can't be read; `None` if nothing is wrong.
    #[must_use]
    pub fn of_network(problem: NetProblem) -> Option<Self> {
        match problem {
            NetProblem::NoProcess => None,
            NetProblem::ForeignPids => Some(Self::ForeignPids),
            NetProblem::Hidden => Some(Self::HiddenProcesses),
        }
    }

    /// What is to be done about descriptors that can't be counted.
    #[must_use]
    pub fn of_descriptors(problem: DescriptorProblem) -> Self {
        match problem {
            DescriptorProblem::ForeignPids => Self::ForeignDescriptors,
            DescriptorProblem::NotAllowed => Self::UnreadableDescriptors,
        }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoProcfs { root, found } => {
                return write!(
                    f,
                    "network counters can't be read: {} is not a procfs: expected a procfs, found {found}: \
                     mount the host's /proc there, or give its path with --proc_root",
                    root.display()
                );
            }
            Self::ForeignPids => {
                "network counters can't be read: run this container with --pid=host, or mount the host's \
                 /proc and give its path with --proc_root"
            }
            Self::HiddenProcesses => {
                "network counters can't be read: processes of containers are hidden from /proc: remove \
                 ProtectProc= or hidepid=, or grant CAP_SYS_PTRACE"
            }
            Self::ForeignDescriptors => {
                "file descriptors of containers can't be counted: run this container with --pid=host, or \
                 mount the host's /proc and give its path with --proc_root"
            }
            Self::UnreadableDescriptors => {
                "file descriptors of some containers can't be counted: run as root with CAP_SYS_PTRACE (in a \
                 container: --user 0 --cap-add SYS_PTRACE)"
            }
            Self::NoMemoryController => {
                "no container has memory.current: the memory controller is off: boot with \
                 cgroup_enable=memory"
            }
            Self::NoPressure => {
                "no container has cpu.pressure: pressure stall information is off: boot with psi=1"
            }
        })
    }
}

/// What of its host the exporter does not see, for want of flags that its container should have been started
/// with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// All cgroups but its own, and so all containers.
    Cgroups,
    /// All cgroups and processes but its own.
    CgroupsAndProcesses,
    /// The processes of containers, and so their network counters.
    Processes,
}

impl Missing {
    /// The flags of `docker run` that would show it.
    #[must_use]
    pub fn flags(self) -> &'static str {
        match self {
            Self::Cgroups => "-v /sys/fs/cgroup:/sys/fs/cgroup:ro",
            Self::CgroupsAndProcesses => "--pid host -v /sys/fs/cgroup:/sys/fs/cgroup:ro",
            Self::Processes => "--pid host",
        }
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = self.flags();
        match self {
            Self::Processes => {
                write!(f, "network counters can't be read: start the exporter's container with {flags}")
            }
            Self::Cgroups | Self::CgroupsAndProcesses => write!(
                f,
                "no container can be seen, since the cgroup root is not the host's: start the exporter's \
                 container with {flags} (--cgroupns=host also works instead of -v)"
            ),
        }
    }
}

/// What is said of a container that runs, as Docker says, and is not read, and of so many others.
#[must_use]
pub fn unread(name: &str, others: u64, expected: &Path, why: Hidden) -> String {
    let more = if others > 0 { format!(" (and {others} more)") } else { String::new() };
    let hint = if why == Hidden::NoCgroup { format!("; {SEE_THE_HOST}") } else { String::new() };
    format!(
        "Docker says that container {name}{more} runs, but it is not read: {} (expected at {}){hint} (said \
         once; counted in docker_stat_prom_containers)",
        why.as_str(),
        expected.display()
    )
}

/// After a file that could not be used; empty where there is nothing to be done.
#[must_use]
pub fn failed_file(reason: &Reason) -> String {
    match reason {
        Reason::Errno(Errno::EMFILE | Errno::ENFILE) => format!(": {OPEN_FILES}"),
        _ => String::new(),
    }
}

/// What is said when no file of a container can stay open.
#[must_use]
pub fn few_open_files(limit: u64, containers: usize) -> String {
    format!(
        "the limit of {limit} open files is too low to keep any open for {containers} containers: they are \
         opened again at each reading, which takes three times as long; {OPEN_FILES}"
    )
}

/// After inotify that can't be had.
#[must_use]
pub fn inotify() -> &'static str {
    "raise fs.inotify.max_user_watches or max_user_instances"
}

// Of one container, on the pages for people.

/// What became of a container's network counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkCounters {
    /// They are shown.
    Own,
    /// It has no process to read them through.
    NoProcess,
    /// Its processes are outside our PID namespace.
    ForeignPids,
    /// Its processes are not in our procfs.
    Hidden,
    /// It is in the network namespace of another container.
    Borrowed,
    /// It is in the host's network namespace.
    Host,
    /// One of the two; Docker has not told which.
    HostOrBorrowed,
    /// The container does not run.
    NotRunning,
    /// The container is not read although it runs, or may run.
    SetAside,
}

impl NetworkCounters {
    /// What is to be done if they should be shown and are not.
    #[must_use]
    pub fn complaint(self) -> Option<Complaint> {
        match self {
            Self::ForeignPids => Some(Complaint::ForeignPids),
            Self::Hidden => Some(Complaint::HiddenProcesses),
            _ => None,
        }
    }

    /// In words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::NoProcess => "no process",
            Self::ForeignPids => "processes are outside our PID namespace: --pid=host is missing",
            Self::Hidden => "processes are hidden from /proc",
            Self::Borrowed => "shared: counted for its owner",
            Self::Host => "the host's",
            Self::HostOrBorrowed => "the host's, or counted for another container",
            Self::NotRunning => "not running",
            Self::SetAside => "hidden",
        }
    }
}

/// Why a container's numbers are not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hidden {
    /// Docker was asked about it and does not know it.
    UnknownToDocker,
    /// Its cgroup has no process.
    Empty,
    /// Its cgroup can't be opened.
    Unopened,
    /// A user made the cgroup, and Docker's container is not in it.
    Foreign,
    /// Docker says that it runs, and no cgroup has its ID.
    NoCgroup,
    /// It is new, and Docker has not told its name so far.
    AwaitsName,
}

impl Hidden {
    /// In words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownToDocker => "not known to Docker",
            Self::Empty => "its cgroup has no process",
            Self::Unopened => "its cgroup can't be opened",
            Self::Foreign => "Docker's container is not in this cgroup",
            Self::NoCgroup => "its cgroup was not found",
            Self::AwaitsName => "waiting for its name from Docker",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_limits_is_named_as_what_it_is() {
        for (errno, words) in [
            (Errno::EMFILE, "open files"),
            (Errno::ENFILE, "fs.file-max"),
            (Errno::EAGAIN, "threads"),
            (Errno::ENOMEM, "memory"),
        ] {
            assert!(resources(errno).unwrap().contains(words), "{errno}");
        }
        assert_eq!(resources(Errno::ENOENT), None);
        assert!(listening::address(&Errno::EMFILE.into()).contains("open files"));
    }

    #[test]
    fn a_root_that_is_missing_and_one_for_which_there_is_no_descriptor_need_different_things() {
        let error = |errno| RootError {
            tree: Tree::Proc,
            path: "/x".into(),
            problem: RootProblem::Unreadable(errno),
        };
        assert!(root(&error(Errno::ENOENT)).contains("--proc_root"));
        assert!(root(&error(Errno::EMFILE)).contains("ulimit -n"));
    }

    #[test]
    fn a_container_without_processes_is_nothing_to_complain_of() {
        assert_eq!(Complaint::of_network(NetProblem::NoProcess), None);
        let complaint = Complaint::of_network(NetProblem::ForeignPids).unwrap();
        assert!(complaint.to_string().contains("--pid=host"));
    }
}
