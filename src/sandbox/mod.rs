//! Takes away from this process what it no longer needs once it has started: capabilities, new privileges,
//! files, TCP ports and system calls. A program that was taken over can then do little more than the exporter
//! itself does.
//!
//! All parts but one hold for the calling thread and for the threads that it starts later. So [`enter`] is
//! called before any other thread runs that outlives the start.

mod calls;
mod capabilities;
mod files;
mod lack;
mod plan;
mod processes;
mod report;

pub use lack::Lack;
pub use plan::Plan;
pub use report::{Part, Report};

/// Puts in force what the kernel has. This can't be undone.
#[must_use]
pub fn enter(plan: &Plan) -> Report {
    let no_new_privs = rustix::thread::set_no_new_privs(true).map_err(|errno| Lack::of(&errno.into()));
    let landlock = if plan.traces || processes::would_be_hidden(&plan.proc) {
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
