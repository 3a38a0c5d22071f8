//! The machine: its size, what it is called, and how much of its memory is used.

use super::{
    Errno, PassReport, Reason, Roots,
    identity::{Identity, Topology},
    stat_file::{Scratch, open_regular},
};
use crate::parse::{
    Meminfo, Pressure,
    meminfo::parse_meminfo,
    pressure::parse_pressure,
    proc_stat::{boot_time, count_cpus},
};
use nix::{
    fcntl::AT_FDCWD,
    sys::statfs::{FUSE_SUPER_MAGIC, fstatfs},
};
use std::{
    fs::File,
    path::Path,
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    thread,
    time::{Duration, Instant},
};

const MEMINFO: &str = "meminfo";
const STAT: &str = "stat";

/// How long the caller waits for a reading: everything else waits too. A replacement for procfs (lxcfs) that
/// takes longer hangs, as it does when its server is stuck.
const PATIENCE: Duration = Duration::from_millis(250);
/// The same for the first reading, before which nothing is known.
const FIRST_PATIENCE: Duration = Duration::from_secs(2);
/// For how long what is known of the machine is good while the kernel's own procfs is read: that can't hang,
/// but it is slow on a machine that has no time for anything.
const SLOW: Duration = Duration::from_secs(10);

/// The machine, from procfs and sysfs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Machine {
    /// `meminfo`
    pub meminfo: Meminfo,
    /// Number of `cpuN` lines in `stat`
    pub cpu_cores: Option<u64>,
    /// When it was booted, in Unix seconds: `btime` in `stat`
    pub boot_time: Option<u64>,
    /// Its cores and sockets
    pub topology: Topology,
    /// What it is called
    pub identity: Identity,
}

/// A resource whose pressure `/proc/pressure` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "named after what they are")]
pub enum Pressed {
    Cpu,
    Memory,
    Io,
}

impl Pressed {
    const ALL: [Self; 3] = [Self::Cpu, Self::Memory, Self::Io];

    /// Its file below procfs.
    const fn file(self) -> &'static str {
        match self {
            Self::Cpu => "pressure/cpu",
            Self::Memory => "pressure/memory",
            Self::Io => "pressure/io",
        }
    }
}

/// Files of procfs that are kept open, so that they can be read at each pass. None of them can hang.
#[derive(Debug, Default)]
struct Kept {
    meminfo: Option<File>,
    pressure: [Option<File>; 3],
}

impl Kept {
    fn open(proc_root: &Path) -> Self {
        let open = |file| {
            let file = open_regular(AT_FDCWD, &proc_root.join(file)).ok()?;
            // A file of lxcfs hangs when its server is stuck.
            fstatfs(&file).is_ok_and(|found| found.filesystem_type() != FUSE_SUPER_MAGIC).then_some(file)
        };
        Self { meminfo: open(MEMINFO), pressure: Pressed::ALL.map(|pressed| open(pressed.file())) }
    }
}

impl Machine {
    /// Reads what these roots offer; `ProcSubset=pid` hides most of it. Blocks if their files block.
    #[must_use]
    pub fn read(roots: &Roots) -> Self {
        Self::read_into(roots, &Self::default(), &mut PassReport::default())
    }

    /// What `before` knew of the processor is kept while the number of logical CPUs is the same: there may be
    /// hundreds of files to read.
    fn read_into(roots: &Roots, before: &Self, report: &mut PassReport) -> Self {
        let mut scratch = Scratch::default();
        let mut machine = Self::default();
        let mut failed = |file, reason| {
            if !matches!(reason, Reason::Errno(Errno::ENOENT)) {
                report.failed(&roots.proc, file, reason);
            }
        };
        match scratch.read_path(&roots.proc.join(MEMINFO)) {
            Ok(file) => {
                let (meminfo, problem) = parse_meminfo(file);
                machine.meminfo = meminfo;
                problem.into_iter().for_each(|error| failed(MEMINFO, Reason::Parse(error)));
            }
            Err(reason) => failed(MEMINFO, reason),
        }
        match scratch.read_path(&roots.proc.join(STAT)) {
            Ok(file) => {
                machine.boot_time = boot_time(file);
                match count_cpus(file) {
                    Ok(cores) => machine.cpu_cores = Some(cores),
                    Err(error) => failed(STAT, Reason::Parse(error)),
                }
            }
            Err(reason) => failed(STAT, reason),
        }
        let is_known = before.topology != Topology::default() && before.cpu_cores == machine.cpu_cores;
        machine.topology = if is_known { before.topology } else { Topology::read(&roots.sys, &mut scratch) };
        machine.identity = Identity::read(roots, &mut scratch);
        machine
    }
}

/// What one reading gives.
type Answer = (Machine, Kept, PassReport);

/// Reads the machine on its own thread, so that a file that hangs blocks nothing else.
#[derive(Debug)]
pub struct MachineReader {
    roots: Roots,
    /// The reading in progress, and when it began. There is never a second one.
    under_way: Option<(Instant, Receiver<Answer>)>,
    /// Whether anything was ever read.
    was_read: bool,
    /// The last reading; nothing while a file hangs.
    machine: Machine,
    kept: Kept,
}

impl MachineReader {
    /// A reader of the machine that these roots show.
    #[must_use]
    pub fn new(roots: &Roots) -> Self {
        Self {
            roots: roots.clone(),
            under_way: None,
            was_read: false,
            machine: Machine::default(),
            kept: Kept::default(),
        }
    }

    /// The machine as it was last read.
    #[must_use]
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Reads the machine. Failures go to `report`. While a file hangs, nothing is known.
    pub fn read(&mut self, report: &mut PassReport) {
        let patience = match &self.under_way {
            Some(_) => Duration::ZERO,
            None if self.was_read => PATIENCE,
            None => FIRST_PATIENCE,
        };
        let Some((since, answer)) = self.under_way.take().or_else(|| self.start(report)) else {
            return self.forget();
        };
        match answer.recv_timeout(patience) {
            Ok((machine, kept, failures)) => {
                report.failures.extend(failures.failures);
                (self.machine, self.kept, self.was_read) = (machine, kept, true);
            }
            Err(RecvTimeoutError::Timeout) => {
                let is_only_slow = self.kept.meminfo.is_some() && since.elapsed() < SLOW;
                if !is_only_slow {
                    report.failed(&self.roots.proc, MEMINFO, Reason::Hangs);
                    self.forget();
                }
                self.under_way = Some((since, answer));
            }
            Err(RecvTimeoutError::Disconnected) => self.forget(),
        }
    }

    /// What was read last is not known to be true any more.
    fn forget(&mut self) {
        (self.machine, self.kept) = (Machine::default(), Kept::default());
    }

    fn start(&self, report: &mut PassReport) -> Option<(Instant, Receiver<Answer>)> {
        let (sender, receiver) = sync_channel(1);
        let (roots, before) = (self.roots.clone(), self.machine.clone());
        let thread = thread::Builder::new().name("machine".into()).spawn(move || {
            let mut report = PassReport::default();
            let machine = Machine::read_into(&roots, &before, &mut report);
            let _nobody_waits = sender.send((machine, Kept::open(&roots.proc), report));
        });
        match thread {
            Ok(_) => Some((Instant::now(), receiver)),
            Err(error) => {
                report.failed(&self.roots.proc, MEMINFO, Reason::Errno(super::errno_of(&error)));
                None
            }
        }
    }

    /// The machine's memory now. If `meminfo` may hang, as the last reading of the machine found it.
    pub(super) fn meminfo(&self, scratch: &mut Scratch, report: &mut PassReport) -> Meminfo {
        let Some(file) = &self.kept.meminfo else { return self.machine.meminfo };
        let (meminfo, problem) = match scratch.read_records(file) {
            Ok(text) => parse_meminfo(text),
            Err(errno) => {
                report.failed(&self.roots.proc, MEMINFO, Reason::Errno(errno));
                return Meminfo::default();
            }
        };
        if let Some(error) = problem {
            report.failed(&self.roots.proc, MEMINFO, Reason::Parse(error));
        }
        meminfo
    }

    /// The machine's pressure now; `None` if the kernel does not offer it, or it could not be read.
    pub(super) fn pressure(
        &self,
        pressed: Pressed,
        scratch: &mut Scratch,
        report: &mut PassReport,
    ) -> Option<Pressure> {
        let file = self.kept.pressure.get(pressed as usize)?.as_ref()?;
        let read = scratch.read_records(file).map_err(Reason::Errno);
        match read.and_then(|text| parse_pressure(text).map_err(Reason::Parse)) {
            Ok(pressure) => Some(pressure),
            // Pressure is compiled in, and switched off.
            Err(Reason::Errno(Errno::EOPNOTSUPP)) => None,
            Err(reason) => {
                report.failed(&self.roots.proc, pressed.file(), reason);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roots(proc: &Path) -> Roots {
        Roots { cgroup: "/nonexistent".into(), proc: proc.into(), sys: "/nonexistent".into() }
    }

    #[test]
    fn a_hidden_proc_gives_nothing_and_is_no_failure() {
        let mut report = PassReport::default();
        let mut reader = MachineReader::new(&roots(Path::new("/nonexistent")));
        reader.read(&mut report);
        assert_eq!(reader.machine(), &Machine::default());
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
        let mut reader = MachineReader::new(&roots(proc.path()));
        reader.read(&mut report);
        assert_eq!(reader.machine(), &Machine { cpu_cores: Some(1), ..Machine::default() });
        let failures: Vec<_> = report.failures.iter().map(|failure| (failure.file, failure.reason)).collect();
        assert_eq!(failures, [("meminfo", Reason::NotRegular)]);
    }

    #[test]
    fn a_reading_that_hangs_is_waited_for_once_and_taken_when_it_comes() {
        let (sender, receiver) = sync_channel(1);
        let mut reader = MachineReader {
            under_way: Some((Instant::now(), receiver)),
            machine: Machine { boot_time: Some(5), ..Machine::default() },
            ..MachineReader::new(&roots(Path::new("/proc")))
        };
        let mut report = PassReport::default();
        for _ in 0..2 {
            reader.read(&mut report);
            assert_eq!(reader.machine(), &Machine::default());
            assert_eq!(reader.meminfo(&mut Scratch::default(), &mut report), Meminfo::default());
        }
        assert_eq!(report.failures.len(), 2);
        let machine = Machine { boot_time: Some(7), ..Machine::default() };
        sender.send((machine.clone(), Kept::default(), PassReport::default())).unwrap();
        reader.read(&mut report);
        assert_eq!(reader.machine(), &machine);
        assert!(reader.under_way.is_none());
    }

    #[test]
    fn a_slow_machine_is_not_one_that_hangs() {
        let kept = |proc: &str| Kept { meminfo: File::open(proc).ok(), ..Kept::default() };
        let known = Machine { boot_time: Some(5), ..Machine::default() };
        let (_sender, receiver) = sync_channel(1);
        let mut reader = MachineReader {
            under_way: Some((Instant::now(), receiver)),
            machine: known.clone(),
            kept: kept("/proc/meminfo"),
            ..MachineReader::new(&roots(Path::new("/proc")))
        };
        let mut report = PassReport::default();
        reader.read(&mut report);
        assert_eq!(reader.machine(), &known);
        assert!(reader.meminfo(&mut Scratch::default(), &mut report).mem_total.is_some());
        assert!(report.failures.is_empty());
        // It must end all the same.
        let (since, _) = reader.under_way.as_mut().unwrap();
        *since = since.checked_sub(SLOW).unwrap();
        reader.read(&mut report);
        assert_eq!(reader.machine(), &Machine::default());
        assert_eq!(report.failures.len(), 1);
    }
}
