//! The names of cAdvisor, one file per group.

pub(super) mod cpu;
pub(super) mod disk;
pub(super) mod io;
pub(super) mod machine;
pub(super) mod memory;
pub(super) mod network;
pub(super) mod pids;
pub(super) mod pressure;
pub(super) mod state;
