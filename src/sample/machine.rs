//! The size of the machine.

use super::{Errno, PassReport, Reason, stat_file::Scratch};
use crate::parse::{ParseError, meminfo::parse_meminfo, proc_stat::count_cpus};
use std::{
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    thread,
    time::Duration,
};

const MEMINFO: &str = "meminfo";

/// How long the caller waits for a reading. A reading that takes longer hangs: a replacement for procfs
/// (lxcfs) can do this when its server is stuck. Everything else waits for this long, once.
const PATIENCE: Duration = Duration::from_millis(250);

/// Size of the machine, from `/proc/meminfo` and `/proc/stat`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Machine {
    /// `MemTotal`, bytes
    pub memory_bytes: Option<u64>,
    /// `SwapTotal`, bytes
    pub swap_bytes: Option<u64>,
    /// Number of `cpuN` lines in `stat`
    pub cpu_cores: Option<u64>,
}

impl Machine {
    /// Reads what the procfs at `proc_root` offers; `ProcSubset=pid` hides all of it. Blocks if its files
    /// block.
    #[must_use]
    pub fn read(proc_root: &Path) -> Self {
        Self::read_into(proc_root, &mut PassReport::default())
    }

    fn read_into(proc_root: &Path, report: &mut PassReport) -> Self {
        let mut scratch = Scratch::default();
        let mut machine = Self::default();
        let mut failed = |file, reason| {
            if !matches!(reason, Reason::Errno(Errno::ENOENT)) {
                report.failed(proc_root, file, reason);
            }
        };
        match scratch.read_path(&proc_root.join(MEMINFO)) {
            Ok(file) => {
                let (meminfo, problem) = parse_meminfo(file);
                machine.memory_bytes = meminfo.mem_total;
                machine.swap_bytes = meminfo.swap_total;
                problem.into_iter().for_each(|error| failed(MEMINFO, Reason::Parse(error)));
            }
            Err(reason) => failed(MEMINFO, reason),
        }
        match scratch.read_path(&proc_root.join("stat")) {
            Ok(file) => match count_cpus(file) {
                0 => failed("stat", Reason::Parse(ParseError::new(1, "a line cpu0", file))),
                cores => machine.cpu_cores = Some(cores),
            },
            Err(reason) => failed("stat", reason),
        }
        machine
    }
}

/// Reads the machine's size on its own thread, so that a file that hangs blocks nothing else.
#[derive(Debug)]
pub struct MachineReader {
    proc_root: PathBuf,
    /// The reading in progress. There is never a second one.
    under_way: Option<Receiver<(Machine, PassReport)>>,
}

impl MachineReader {
    /// A reader of the procfs at `proc_root`.
    #[must_use]
    pub fn new(proc_root: &Path) -> Self {
        Self { proc_root: proc_root.to_owned(), under_way: None }
    }

    /// The machine's size. Failures go to `report`. While a file hangs, nothing is known.
    pub fn read(&mut self, report: &mut PassReport) -> Machine {
        let patience = if self.under_way.is_some() { Duration::ZERO } else { PATIENCE };
        let answer = self.under_way.take().or_else(|| self.start(report));
        let Some(answer) = answer else { return Machine::default() };
        match answer.recv_timeout(patience) {
            Ok((machine, failures)) => {
                report.failures.extend(failures.failures);
                machine
            }
            Err(RecvTimeoutError::Timeout) => {
                report.failed(&self.proc_root, MEMINFO, Reason::Hangs);
                self.under_way = Some(answer);
                Machine::default()
            }
            Err(RecvTimeoutError::Disconnected) => Machine::default(),
        }
    }

    fn start(&self, report: &mut PassReport) -> Option<Receiver<(Machine, PassReport)>> {
        let (sender, receiver) = sync_channel(1);
        let proc_root = self.proc_root.clone();
        let thread = thread::Builder::new().name("machine".into()).spawn(move || {
            let mut report = PassReport::default();
            let machine = Machine::read_into(&proc_root, &mut report);
            let _nobody_waits = sender.send((machine, report));
        });
        match thread {
            Ok(_) => Some(receiver),
            Err(error) => {
                report.failed(&self.proc_root, MEMINFO, Reason::Errno(super::errno_of(&error)));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hidden_proc_gives_nothing_and_is_no_failure() {
        let mut report = PassReport::default();
        assert_eq!(MachineReader::new(Path::new("/nonexistent")).read(&mut report), Machine::default());
        assert!(report.failures.is_empty());
    }

    #[test]
    fn what_is_not_a_file_costs_only_itself() {
        let proc = tempfile::tempdir().unwrap();
        let fifo = std::process::Command::new("mkfifo").arg(proc.path().join("meminfo")).status();
        if !fifo.is_ok_and(|status| status.success()) {
            return;
        }
        std::fs::write(proc.path().join("stat"), "cpu 1\ncpu0 1\n").unwrap();
        let mut report = PassReport::default();
        let machine = MachineReader::new(proc.path()).read(&mut report);
        assert_eq!(machine, Machine { cpu_cores: Some(1), ..Machine::default() });
        let failures: Vec<_> = report.failures.iter().map(|failure| (failure.file, failure.reason)).collect();
        assert_eq!(failures, [("meminfo", Reason::NotRegular)]);
    }

    #[test]
    fn a_reading_that_hangs_is_waited_for_once_and_taken_when_it_comes() {
        let (sender, receiver) = sync_channel(1);
        let mut reader =
            MachineReader { under_way: Some(receiver), ..MachineReader::new(Path::new("/proc")) };
        let mut report = PassReport::default();
        for _ in 0..2 {
            assert_eq!(reader.read(&mut report), Machine::default());
        }
        assert_eq!(report.failures.len(), 2);
        let machine = Machine { memory_bytes: Some(7), ..Machine::default() };
        sender.send((machine, PassReport::default())).unwrap();
        assert_eq!(reader.read(&mut report), machine);
        assert!(reader.under_way.is_none());
    }
}
