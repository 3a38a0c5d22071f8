//! The host itself, read like a container: the root cgroup, and what procfs says where the root cgroup has no
//! such file.

use super::{
    Errno, FileSet, Keep, KernelFile, MachineReader, OpenError, Pass, Reason, Roots, ScopeReader,
    ScopeSample, machine::Pressed, stat_file::open_regular, vantage::net_dev_of_host,
};
use crate::parse::{Limit, MemoryStat, memory_stat::Key, net_dev::parse_net_dev};
use nix::fcntl::AT_FDCWD;
use std::path::PathBuf;

/// The file with the interface counters, as failures name it.
const NET_DEV: &str = "net/dev";

/// The files that the root cgroup has too.
const OF_ROOT: FileSet = FileSet::of(&[
    KernelFile::CpuStat,
    KernelFile::IoStat,
    KernelFile::MemoryStat,
    KernelFile::CpuPressure,
    KernelFile::MemoryPressure,
    KernelFile::IoPressure,
]);
/// The files of a container that `/proc/meminfo` stands for.
const OF_MEMORY: FileSet = FileSet::of(&[
    KernelFile::MemoryCurrent,
    KernelFile::MemoryStat,
    KernelFile::MemoryMax,
    KernelFile::MemorySwapCurrent,
    KernelFile::MemorySwapMax,
]);

/// Reads the host into a [`ScopeSample`].
#[derive(Debug)]
pub struct HostReader {
    roots: Roots,
    wanted: FileSet,
    reads_network: bool,
    keep: Keep,
    /// The root cgroup; `None` if it can't be opened or is not the top of the hierarchy. In a container with
    /// its own cgroup namespace, the root is the container's cgroup.
    cgroup: Option<ScopeReader>,
    /// The interface counters of the host's network namespace, if it is known which one that is.
    net_dev: Option<PathBuf>,
    /// Whether the two above were looked for.
    is_settled: bool,
}

impl HostReader {
    /// A reader of the host that these roots show. `wanted` names the files of a container that hold what is
    /// served. At most `keep_files` of the root cgroup's files stay open.
    #[must_use]
    pub fn new(roots: &Roots, wanted: FileSet, reads_network: bool, keep_files: usize) -> Self {
        Self {
            roots: roots.clone(),
            wanted,
            reads_network,
            keep: Keep { directory: keep_files > 0, files: keep_files },
            cgroup: None,
            net_dev: None,
            is_settled: false,
        }
    }

    /// Reads the host now. A part that can't be read is `None`, and its failure is reported.
    pub fn sample(&mut self, machine: &MachineReader, pass: &mut Pass, sample: &mut ScopeSample) {
        if pass.recheck_absent || !self.is_settled {
            self.settle(pass, sample);
        }
        let read = self
            .cgroup
            .as_mut()
            .map(|cgroup| cgroup.sample(self.wanted.intersection(OF_ROOT), self.keep, pass, sample));
        if read == Some(false) {
            self.cgroup = None;
            *sample = ScopeSample::default();
        }
        self.add_memory(machine, pass, sample);
        self.add_pressure(machine, pass, sample);
        self.read_network(pass, sample);
    }

    /// Looks for the root cgroup and the host's network namespace.
    fn settle(&mut self, pass: &mut Pass, sample: &mut ScopeSample) {
        self.is_settled = true;
        self.net_dev = if self.reads_network { net_dev_of_host(&self.roots.proc) } else { None };
        let is_top = self.roots.is_top();
        if !is_top && self.cgroup.take().is_some() {
            *sample = ScopeSample::default();
        }
        if is_top && self.cgroup.is_none() {
            match ScopeReader::open(&self.roots.cgroup) {
                Ok(reader) => self.cgroup = Some(reader),
                Err(OpenError::Gone) => {}
                Err(OpenError::Failed(errno)) => pass.report.failed_directory(&self.roots.cgroup, errno),
            }
        }
    }

    /// Whether the root cgroup does not offer a file. A file that could not be read is offered.
    fn lacks(&self, file: KernelFile) -> bool {
        self.cgroup.as_ref().is_none_or(|cgroup| cgroup.is_absent(file))
    }

    fn add_memory(&self, machine: &MachineReader, pass: &mut Pass, sample: &mut ScopeSample) {
        if self.wanted.intersection(OF_MEMORY).is_empty() {
            return;
        }
        let meminfo = machine.meminfo(&mut pass.scratch, &mut pass.report);
        sample.memory_current = meminfo.used();
        sample.memory_max = meminfo.mem_total.map(Limit::Value);
        sample.swap_current = meminfo.swap_used();
        sample.swap_max = meminfo.swap_total.map(Limit::Value);
        if self.lacks(KernelFile::MemoryStat) {
            sample.memory_stat = Some(MemoryStat::of(&[
                (Key::Anon, meminfo.anon_pages),
                (Key::File, meminfo.page_cache()),
                (Key::FileMapped, meminfo.mapped),
                (Key::InactiveFile, meminfo.inactive_file),
            ]));
        }
    }

    fn add_pressure(&self, machine: &MachineReader, pass: &mut Pass, sample: &mut ScopeSample) {
        for (file, pressed, slot) in [
            (KernelFile::CpuPressure, Pressed::Cpu, &mut sample.cpu_pressure),
            (KernelFile::MemoryPressure, Pressed::Memory, &mut sample.memory_pressure),
            (KernelFile::IoPressure, Pressed::Io, &mut sample.io_pressure),
        ] {
            if self.wanted.contains(file) && self.lacks(file) {
                *slot = machine.pressure(pressed, &mut pass.scratch, &mut pass.report);
            }
        }
    }

    fn read_network(&self, pass: &mut Pass, sample: &mut ScopeSample) {
        let net = &mut sample.net;
        net.read = false;
        let Some(path) = &self.net_dev else { return };
        let read = open_regular(AT_FDCWD, path).and_then(|file| {
            let text = pass.scratch.read_records(&file).map_err(Reason::Errno)?;
            Ok(parse_net_dev(text, &mut net.rows, |name| pass.interfaces.excludes(name)))
        });
        match read {
            Ok(skipped) => {
                pass.report.skipped(NET_DEV, skipped);
                net.read = true;
            }
            Err(Reason::Errno(Errno::ENOENT | Errno::ESRCH)) => {}
            Err(reason) => pass.report.failed(&self.roots.proc, NET_DEV, reason),
        }
    }
}
