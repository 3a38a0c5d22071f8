//! What is in force.

use super::{files::Limits, lack::Lack};
use std::fmt;

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

/// What is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub(super) landlock: Result<Limits, Lack>,
    pub(super) seccomp: Result<(), Lack>,
    pub(super) capabilities: Result<Vec<&'static str>, Lack>,
    pub(super) no_new_privs: Result<(), Lack>,
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
        let words = match part {
            Part::Landlock => self.landlock.as_ref().map(ToString::to_string),
            Part::Capabilities => self.capabilities.as_ref().map(|kept| match kept.as_slice() {
                [] => "no capabilities".to_owned(),
                kept => format!("only capabilities {}", kept.join(" ")),
            }),
            Part::Seccomp => self.seccomp.as_ref().map(|()| part.name().to_owned()),
            Part::NoNewPrivs => self.no_new_privs.as_ref().map(|()| part.name().to_owned()),
        };
        words.unwrap_or_else(|lack| format!("without {} ({lack})", part.name()))
    }
}

/// Such as `landlock ABI 7, seccomp, no capabilities, no_new_privs`.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Part::ALL.map(|part| self.in_words(part)).join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Errno;

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
