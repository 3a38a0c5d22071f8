//! Takes away from this process what it no longer needs once it has started: capabilities, new privileges,
//! files, TCP ports and system calls. A program that was taken over can then do little more than the exporter
//! itself does.
//!
//! All parts but one hold for the calling thread and for the threads that it starts later. So [`enter`] is
//! called before any other thread runs that outlives the start.

mod calls;
mod capabilities;
mod files;
mod processes;

use crate::sample::{Errno, errno_of};
use std::{fmt, path::PathBuf};

/// What a run opens and connects to after its start. Everything else is refused.
///
/// A directory stands for everything below it. It must exist when the sandbox is entered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Where the host's procfs is.
    pub proc: PathBuf,
    /// Directories that are read.
    pub read: Vec<PathBuf>,
    /// Files that are read again later, such as certificates. Their directories are read too, because a file
    /// that is replaced is another file.
    pub files: Vec<PathBuf>,
    /// Directories that are written to.
    pub written: Vec<PathBuf>,
    /// A directory that is written to, and removed at the end.
    pub temporary: Option<PathBuf>,
    /// Unix sockets that are connected to.
    pub sockets: Vec<PathBuf>,
    /// TCP ports that are connected to.
    pub ports: Vec<u16>,
    /// Whether host names are resolved.
    pub names: bool,
    /// Whether the service manager listens on an abstract socket.
    pub abstract_sockets: bool,
}

impl Plan {
    fn writes(&self) -> bool {
        !self.written.is_empty() || self.temporary.is_some()
    }

    fn uses_tcp(&self) -> bool {
        !self.ports.is_empty() || self.names
    }
}

/// A part of the sandbox. Each can be missing without the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Which files and TCP ports can be used.
    Landlock,
    /// Which system calls can be made.
    Seccomp,
    /// All capabilities are given up, except those without which a named file or socket can't be used.
    Capabilities,
    /// No program that is executed gets more rights.
    NoNewPrivs,
}

impl Part {
    /// All parts.
    pub const ALL: [Self; 4] = [Self::Landlock, Self::Seccomp, Self::Capabilities, Self::NoNewPrivs];

    /// The name in messages and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
            Self::Capabilities => "capabilities",
            Self::NoNewPrivs => "no_new_privs",
        }
    }
}

/// Why a part is not in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// The kernel does not have it.
    Missing,
    /// The kernel has it and it is turned off.
    TurnedOff,
    /// The kernel, or a sandbox around this process, refuses it.
    Refused(Errno),
    /// With Landlock, processes that procfs hides could not be seen, whatever the capabilities.
    HiddenProcesses,
    /// It could not be set up.
    Failed(String),
}

impl Lack {
    fn of(error: &std::io::Error) -> Self {
        match errno_of(error) {
            Errno::ENOSYS => Self::Missing,
            errno => Self::Refused(errno),
        }
    }
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("not in this kernel"),
            Self::TurnedOff => f.write_str("turned off in this kernel"),
            Self::Refused(errno) => write!(f, "refused: {}", errno.desc()),
            Self::HiddenProcesses => f.write_str("it would hide the processes of containers"),
            Self::Failed(problem) => f.write_str(problem),
        }
    }
}

/// What is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    landlock: Result<files::Limits, Lack>,
    seccomp: Result<(), Lack>,
    capabilities: Result<Vec<&'static str>, Lack>,
    no_new_privs: Result<(), Lack>,
}

impl Report {
    /// Why a part is not in force; `None` if it is.
    #[must_use]
    pub fn lack(&self, part: Part) -> Option<&Lack> {
        match part {
            Part::Landlock => self.landlock.as_ref().err(),
            Part::Seccomp => self.seccomp.as_ref().err(),
            Part::Capabilities => self.capabilities.as_ref().err(),
            Part::NoNewPrivs => self.no_new_privs.as_ref().err(),
        }
    }

    /// The first part that is not in force, and why.
    #[must_use]
    pub fn first_lack(&self) -> Option<(Part, &Lack)> {
        Part::ALL.into_iter().find_map(|part| Some((part, self.lack(part)?)))
    }

    fn in_words(&self, part: Part) -> String {
        if let Some(lack) = self.lack(part) {
            return format!("without {} ({lack})", part.name());
        }
        match part {
            Part::Landlock => self.landlock.as_ref().map(ToString::to_string).unwrap_or_default(),
            Part::Capabilities => match self.capabilities.as_deref() {
                Ok([_, ..]) => {
                    format!(
                        "only capabilities {}",
                        self.capabilities.as_deref().unwrap_or_default().join(" ")
                    )
                }
                _ => "no capabilities".to_owned(),
            },
            Part::Seccomp | Part::NoNewPrivs => part.name().to_owned(),
        }
    }
}

/// Such as `landlock ABI 7, seccomp, no capabilities, no_new_privs`.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Part::ALL.map(|part| self.in_words(part)).join(", "))
    }
}

/// Puts in force what the kernel has. This can't be undone.
#[must_use]
pub fn enter(plan: &Plan) -> Report {
    let no_new_privs = rustix::thread::set_no_new_privs(true).map_err(|errno| Lack::of(&errno.into()));
    let landlock = if processes::would_be_hidden(&plan.proc) {
        Err(Lack::HiddenProcesses)
    } else {
        files::restrict(plan)
    };
    // Under Landlock the capability is of no use: other processes can't be traced with it either.
    let traces = landlock == Err(Lack::HiddenProcesses);
    let capabilities = capabilities::give_up(plan, traces);
    // Last, since it refuses the calls that the other parts make.
    let seccomp = calls::restrict(plan);
    Report { landlock, seccomp, capabilities, no_new_privs }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_told_whether_it_is_there_or_not() {
        let report = Report {
            landlock: Err(Lack::TurnedOff),
            seccomp: Ok(()),
            capabilities: Ok(Vec::new()),
            no_new_privs: Ok(()),
        };
        assert_eq!(
            report.to_string(),
            "without landlock (turned off in this kernel), seccomp, no capabilities, no_new_privs"
        );
        assert_eq!(report.first_lack(), Some((Part::Landlock, &Lack::TurnedOff)));
        let report = Report {
            landlock: Err(Lack::HiddenProcesses),
            seccomp: Err(Lack::Refused(Errno::EPERM)),
            capabilities: Ok(vec!["CAP_SYS_PTRACE"]),
            no_new_privs: Ok(()),
        };
        let text = report.to_string();
        assert!(text.contains("without seccomp (refused: Operation not permitted)"), "{text}");
        assert!(text.contains("only capabilities CAP_SYS_PTRACE"), "{text}");
    }
}
