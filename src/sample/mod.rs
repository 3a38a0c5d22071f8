//! Reading: file descriptors in, [`ScopeSample`]s in the kernel's units out.
//!
//! Everything that opens a file of the host is in this room, behind the three roots of [`Roots`], so that the
//! same code reads a recorded tree and a live one. I/O errors are distinguished by errno, never by
//! `ErrorKind`, because ENODEV, ESRCH and EMFILE have no kind of their own.

mod below;
mod changes;
pub mod descriptors;
pub mod devices;
mod failure;
mod file_system;
mod host;
mod host_name;
mod hugetlb;
mod identity;
pub mod interfaces;
pub mod limits;
pub mod machine;
pub mod netns;
pub mod own_process;
mod pass;
pub mod process;
pub mod roots;
pub mod samples;
pub mod scope_reader;
mod slot;
pub mod stat_file;
mod tally;
mod vantage;

pub use changes::Changes;
pub use descriptors::{DescriptorProblem, Processes};
pub use devices::DeviceNames;
pub use failure::{Failure, PassReport, Reason};
pub use file_system::{FileSystem, file_system_of};
pub use host::HostReader;
pub use host_name::{host_name, host_names, is_name_of_container, machine_name};
pub use identity::{Identity, Topology, machine_id_files};
pub use interfaces::{BadGlob, Interfaces};
pub use machine::{Machine, MachineReader};
pub use netns::{NetProblem, NetReader, Netns};
pub use nix::errno::Errno;
pub use pass::{Pass, Visited};
pub use roots::{RootError, RootProblem, Roots, Seclusion, Tree};
pub use samples::{Descriptors, NetTable, ScopeSample};
pub use scope_reader::{Keep, OpenError, ScopeReader};
pub use stat_file::{FileSet, KernelFile, errno_of};
