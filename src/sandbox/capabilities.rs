//! Capabilities: all are given up, except those without which something that the user named can't be used.
//!
//! Numbers need none, not even as root: cgroup files, `/proc/<pid>/cgroup` and `/proc/<pid>/net/dev` are
//! readable by everybody, and Docker's socket belongs to root. But the socket of a rootless Docker, or the
//! key of another user, can be used by root only because root may ignore permissions. So a thread without
//! capabilities tries all that is named.

use super::{lack::Lack, plan::Plan};
use nix::{
    errno::Errno,
    unistd::{AccessFlags, access, geteuid},
};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, set_capabilities,
};
use std::{fs, os::unix::fs::MetadataExt, path::Path, thread};

/// The capabilities that may be kept.
const KEPT: [(CapabilitySet, &str); 3] = [
    (CapabilitySet::DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH"),
    (CapabilitySet::DAC_OVERRIDE, "CAP_DAC_OVERRIDE"),
    (CapabilitySet::SYS_PTRACE, "CAP_SYS_PTRACE"),
];

/// Whether this process may trace processes of others.
pub(super) fn may_trace() -> bool {
    capabilities(None).is_ok_and(|own| own.effective.contains(CapabilitySet::SYS_PTRACE))
}

/// Gives up all capabilities that the plan does not need, and names those that are kept.
pub(super) fn give_up(plan: &Plan, traces: bool) -> Result<Vec<&'static str>, Lack> {
    let own = capabilities(None).map_err(|errno| Lack::of(&errno.into()))?;
    let mut kept = CapabilitySet::empty();
    if !own.permitted.is_empty() {
        kept = needed(plan)? & own.permitted;
        if traces {
            kept |= CapabilitySet::SYS_PTRACE & own.permitted;
        }
        // Programs that are executed could inherit them.
        let _not_in_old_kernels = clear_ambient_capability_set();
        only(kept)?;
    }
    Ok(KEPT.iter().filter(|(capability, _)| kept.contains(*capability)).map(|(_, name)| *name).collect())
}

fn only(kept: CapabilitySet) -> Result<(), Lack> {
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    set_capabilities(None, sets).map_err(|errno| Lack::of(&errno.into()))
}

/// What the plan needs, found out by a thread that has given up everything.
fn needed(plan: &Plan) -> Result<CapabilitySet, Lack> {
    let failed = |_| Lack::Failed("a thread can't be started".to_owned());
    thread::scope(|scope| {
        let tries = thread::Builder::new().spawn_scoped(scope, || {
            only(CapabilitySet::empty())?;
            let mut needed = CapabilitySet::empty();
            let is_refused = |path: &Path, flags| access(path, flags) == Err(Errno::EACCES);
            if plan.read.iter().chain(&plan.files).any(|path| is_refused(path, AccessFlags::R_OK)) {
                needed |= CapabilitySet::DAC_READ_SEARCH;
            }
            let mut written = plan.written.iter().chain(&plan.temporary);
            if written.any(|path| is_refused(path, AccessFlags::W_OK | AccessFlags::X_OK))
                || plan.sockets.iter().any(|socket| is_closed(socket))
            {
                needed |= CapabilitySet::DAC_OVERRIDE;
            }
            Ok(needed)
        });
        tries.map_err(failed)?.join().map_err(|_| Lack::Failed("a thread has died".to_owned()))?
    })
}

/// Whether a socket, or the one that will be made there, can't be written to. A daemon that makes its socket
/// later is the owner of the directory.
fn is_closed(socket: &Path) -> bool {
    match access(socket, AccessFlags::W_OK) {
        Ok(()) => false,
        Err(Errno::ENOENT) => {
            let directory = socket.ancestors().skip(1).find_map(|path| fs::metadata(path).ok());
            directory.is_some_and(|directory| directory.uid() != geteuid().as_raw())
        }
        Err(errno) => errno == Errno::EACCES,
    }
}
