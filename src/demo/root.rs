//! The root cgroup of the demo's host, and its `/proc/meminfo`. The root cgroup was not recorded. Its numbers
//! are those of all containers together, and a made-up little for the rest of the host.

use super::{
    recording::{Entry, Recording},
    rewritten::Rewritten,
    roles::whole,
};
use crate::sample::KernelFile;
use anyhow::{Context, Result};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

const CPU: &str = KernelFile::CpuStat.name();
const IO: &str = KernelFile::IoStat.name();
const MEMORY: &str = KernelFile::MemoryStat.name();
const CURRENT: &str = KernelFile::MemoryCurrent.name();
const PRESSURES: [&str; 3] =
    [KernelFile::CpuPressure.name(), KernelFile::MemoryPressure.name(), KernelFile::IoPressure.name()];
const MEMINFO: &str = "proc/meminfo";

/// What the rest of the host uses each second: processor time in microseconds, and bytes and requests on each
/// device.
const OWN_CPU: [(&str, f64); 3] =
    [("usage_usec", 22_000.0), ("user_usec", 12_000.0), ("system_usec", 10_000.0)];
const OWN_IO: [(&str, f64); 4] = [("rbytes", 4096.0), ("wbytes", 40_960.0), ("rios", 0.2), ("wios", 2.0)];

/// The keys of `io.stat`, in the kernel's order.
const IO_KEYS: [&str; 6] = ["rbytes", "wbytes", "rios", "wios", "dbytes", "dios"];

/// The amounts in the root's `memory.stat`, with the lines of `/proc/meminfo` that they are the sum of.
const AMOUNTS: [(&str, &[&str]); 19] = [
    ("anon", &["AnonPages"]),
    ("file", &["Cached", "Buffers", "SwapCached"]),
    ("kernel", &["KernelStack", "PageTables", "Percpu", "Slab"]),
    ("kernel_stack", &["KernelStack"]),
    ("pagetables", &["PageTables"]),
    ("percpu", &["Percpu"]),
    ("shmem", &["Shmem"]),
    ("file_mapped", &["Mapped"]),
    ("file_dirty", &["Dirty"]),
    ("file_writeback", &["Writeback"]),
    ("swapcached", &["SwapCached"]),
    ("inactive_anon", &["Inactive(anon)"]),
    ("active_anon", &["Active(anon)"]),
    ("inactive_file", &["Inactive(file)"]),
    ("active_file", &["Active(file)"]),
    ("unevictable", &["Unevictable"]),
    ("slab_reclaimable", &["SReclaimable"]),
    ("slab_unreclaimable", &["SUnreclaim"]),
    ("slab", &["Slab"]),
];

/// The lines of `/proc/meminfo` that follow the containers: what they have taken is missing from the first
/// two, and is added to the others. Of cgroup files, `""` is all memory of a container.
const FOLLOWING: [(&str, i64, &[&str]); 10] = [
    ("MemFree", -1, &[""]),
    ("MemAvailable", -1, &["anon"]),
    ("Cached", 1, &["file"]),
    ("AnonPages", 1, &["anon"]),
    ("Mapped", 1, &["file_mapped"]),
    ("Shmem", 1, &["shmem"]),
    ("Active", 1, &["anon", "active_file"]),
    ("Active(anon)", 1, &["anon"]),
    ("Active(file)", 1, &["active_file"]),
    ("Inactive(file)", 1, &["inactive_file"]),
];

/// The numbers in the files of a cgroup, by file and key: `usage_usec`, `254:0 rbytes`, `some total`.
#[derive(Debug, Default, Clone)]
pub(super) struct Numbers(BTreeMap<(&'static str, String), u64>);

impl Numbers {
    /// Adds the numbers of a file. Other files than those that the root cgroup is made from are ignored.
    pub(super) fn read(&mut self, file: &str, text: &str) {
        let known = [CPU, IO, MEMORY, CURRENT].into_iter().chain(PRESSURES).find(|known| *known == file);
        let Some(file) = known else { return };
        for line in text.lines() {
            let mut words = line.split(' ');
            let first = words.next().unwrap_or_default();
            if let Ok(number) = first.parse() {
                self.more(file, String::new(), number);
            }
            for word in words {
                let (key, number) = match word.split_once('=') {
                    Some((key, number)) => (format!("{first} {key}"), number),
                    None => (first.to_owned(), word),
                };
                // Shares of time have two decimals; here they are hundredths.
                if let Ok(number) = number.replace('.', "").parse() {
                    self.more(file, key, number);
                }
            }
        }
    }

    /// Adds what rises in others. What goes up and down, such as memory, ends with a container's run.
    pub(super) fn add_counters(&mut self, others: &Self) {
        for ((file, key), number) in others.0.iter().filter(|((file, key), _)| counts(file, key)) {
            self.more(file, key.clone(), *number);
        }
    }

    fn more(&mut self, file: &'static str, key: String, number: u64) {
        let sum = self.0.entry((file, key)).or_default();
        *sum = sum.saturating_add(number);
    }

    fn get(&self, file: &'static str, key: &str) -> u64 {
        self.0.get(&(file, key.to_owned())).copied().unwrap_or_default()
    }

    /// The numbers of all: their sum, but of the time that they waited the longest. When two containers wait
    /// at the same time, the host has waited once.
    fn of_all(all: impl Iterator<Item = Self>) -> Self {
        let mut sum = Self::default();
        for ((file, key), number) in all.flat_map(|numbers| numbers.0) {
            if PRESSURES.contains(&file) {
                let longest = sum.0.entry((file, key)).or_default();
                *longest = number.max(*longest);
            } else {
                sum.more(file, key, number);
            }
        }
        sum
    }
}

/// Whether a number only rises.
fn counts(file: &str, key: &str) -> bool {
    match file {
        CPU | IO => true,
        MEMORY => ["pg", "workingset", "thp_", "swp", "numa_"].iter().any(|start| key.starts_with(start)),
        CURRENT => false,
        _ => key.ends_with("total"),
    }
}

/// The files of the root cgroup, and `/proc/meminfo`.
#[derive(Debug)]
pub(super) struct RootCgroup {
    files: BTreeMap<&'static str, Rewritten>,
    meminfo: Rewritten,
    /// `/proc/meminfo` as it was recorded, and the containers' memory then.
    recorded: String,
    then: Numbers,
    /// How many seconds the host had been running when the demo began.
    uptime: f64,
}

impl RootCgroup {
    /// Creates the files below the folder of the demo's host.
    pub(super) fn new(root: &Path, recording: &Recording) -> Result<Self> {
        let cgroup = root.join("sys/fs/cgroup");
        let mut files = BTreeMap::new();
        for name in [CPU, IO, MEMORY].into_iter().chain(PRESSURES) {
            let path = cgroup.join(name);
            fs::write(&path, "")?;
            files.insert(name, Rewritten::open(&path, "")?);
        }
        let mut then = Numbers::default();
        for (path, entry) in recording.below("sys/") {
            let in_scope = path.split_once("/docker-").and_then(|(_, rest)| rest.split_once(".scope/"));
            if let (Some((_, name)), Entry::File(text, _)) = (in_scope, entry) {
                then.read(name, text);
            }
        }
        let recorded = recording.text(MEMINFO)?.to_owned();
        let meminfo = Rewritten::open(&root.join(MEMINFO), &recorded)?;
        let uptime = recording.at - boot_time(recording.text("proc/stat")?)?;
        Ok(Self { files, meminfo, recorded, then, uptime })
    }

    /// Writes the numbers for this second of the demo. `containers` has those of each container.
    pub(super) fn write(&mut self, second: f64, containers: impl Iterator<Item = Numbers>) -> Result<()> {
        let now = Numbers::of_all(containers);
        let meminfo = meminfo(&self.recorded, &self.then, &now);
        let seconds = self.uptime + second;
        for (name, file) in &mut self.files {
            let text = match *name {
                CPU => cpu(&now, seconds),
                IO => io(&now, seconds),
                MEMORY => memory(&now, &meminfo),
                pressure => waits(&now, pressure),
            };
            file.put(text)?;
        }
        self.meminfo.put(meminfo)
    }
}

/// When the host was booted, as `/proc/stat` says.
fn boot_time(stat: &str) -> Result<f64> {
    let time = stat.lines().find_map(|line| line.strip_prefix("btime "));
    time.and_then(|time| time.parse().ok()).context("proc/stat has no btime")
}

/// `/proc/stat` of a host that was booted so many seconds later, and has twice as many processors: more
/// containers run on it than on the recorded one.
pub(super) fn shifted_stat(stat: &str, seconds: f64) -> Result<String> {
    let boot_time = boot_time(stat)? + seconds;
    let cpus: Vec<&str> =
        stat.lines().filter(|line| line.starts_with("cpu") && !line.starts_with("cpu ")).collect();
    let mut text = String::new();
    for line in stat.lines() {
        match line.split_once(' ') {
            Some(("btime", _)) => text.push_str(&format!("btime {}\n", whole(boot_time))),
            _ => text.push_str(&format!("{line}\n")),
        }
        if cpus.last() == Some(&line) {
            for (number, cpu) in (cpus.len()..).zip(&cpus) {
                let (_, times) = cpu.split_once(' ').unwrap_or_default();
                text.push_str(&format!("cpu{number} {times}\n"));
            }
        }
    }
    Ok(text)
}

fn cpu(now: &Numbers, seconds: f64) -> String {
    let line = |(key, own): (&str, f64)| format!("{key} {}\n", now.get(CPU, key) + whole(own * seconds));
    OWN_CPU.into_iter().map(line).chain(["nice_usec 0\n".to_owned()]).collect()
}

fn io(now: &Numbers, seconds: f64) -> String {
    let of_io = now.0.keys().filter(|(file, _)| *file == IO);
    let devices: BTreeSet<&str> = of_io.filter_map(|(_, key)| Some(key.split_once(' ')?.0)).collect();
    let number = |device: &str, key: &str| {
        let own = OWN_IO.iter().find(|(own, _)| *own == key).map_or(0.0, |(_, own)| *own);
        format!(" {key}={}", now.get(IO, &format!("{device} {key}")) + whole(own * seconds))
    };
    let line = |device: &str| {
        let numbers: String = IO_KEYS.iter().map(|key| number(device, key)).collect();
        format!("{device}{numbers}\n")
    };
    devices.into_iter().map(line).collect()
}

fn memory(now: &Numbers, meminfo: &str) -> String {
    let amount = |(key, lines): (&str, &[&str])| {
        let sum: u64 = lines.iter().filter_map(|line| kibibytes(meminfo, line)).sum();
        format!("{key} {}\n", sum * 1024)
    };
    let counted = now.0.iter().filter(|((file, key), _)| *file == MEMORY && counts(file, key));
    let counted = counted.map(|((_, key), number)| format!("{key} {number}\n"));
    AMOUNTS.into_iter().map(amount).chain(counted).collect()
}

fn kibibytes(meminfo: &str, wanted: &str) -> Option<u64> {
    let mut lines = meminfo.lines().filter_map(|line| line.split_once(':'));
    lines.find(|(name, _)| *name == wanted)?.1.trim().strip_suffix(" kB")?.parse().ok()
}

/// `/proc/meminfo` with the containers' memory as it is now.
fn meminfo(recorded: &str, then: &Numbers, now: &Numbers) -> String {
    let of = |numbers: &Numbers, key: &str| {
        let file = if key.is_empty() { CURRENT } else { MEMORY };
        i64::try_from(numbers.get(file, key) / 1024).unwrap_or_default()
    };
    let line = |line: &str| {
        let (name, _) = line.split_once(':')?;
        let (_, sign, keys) = FOLLOWING.iter().find(|(following, ..)| *following == name)?;
        let more: i64 = keys.iter().map(|key| of(now, key) - of(then, key)).sum();
        let number = kibibytes(recorded, name)?.saturating_add_signed(sign * more);
        Some(format!("{:<16}{number:>8} kB\n", format!("{name}:")))
    };
    recorded.split_inclusive('\n').map(|text| line(text).unwrap_or_else(|| text.to_owned())).collect()
}

/// A pressure file of the host. All its tasks wait at once only a tenth of the time in which some do, and
/// never for a processor.
fn waits(now: &Numbers, file: &'static str) -> String {
    let full = if file == KernelFile::CpuPressure.name() { None } else { Some(10) };
    let line = |kind: &str, part: Option<u64>| {
        let number = |key: &str| part.map_or(0, |part| now.get(file, &format!("some {key}")) / part);
        let share = |key: &str| {
            let hundredths = number(key);
            format!(" {key}={}.{:02}", hundredths / 100, hundredths % 100)
        };
        let shares: String = ["avg10", "avg60", "avg300"].into_iter().map(share).collect();
        format!("{kind}{shares} total={}\n", number("total"))
    };
    line("some", Some(1)) + &line("full", full)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(files: &[(&str, &str)]) -> Numbers {
        let mut numbers = Numbers::default();
        files.iter().for_each(|(file, text)| numbers.read(file, text));
        numbers
    }

    #[test]
    fn the_host_has_used_what_its_containers_have_used_and_a_little_more() {
        let one = [
            (CPU, "usage_usec 5\nuser_usec 3\nsystem_usec 2\n"),
            (IO, "254:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n"),
            ("io.pressure", "some avg10=1.50 avg60=0.02 avg300=0.00 total=70\nfull avg10=0.00 total=7\n"),
        ];
        let other = [(CPU, "usage_usec 7\n"), ("io.pressure", "some avg10=0.75 total=90\n")];
        let now = Numbers::of_all([numbers(&one), numbers(&other)].into_iter());
        assert_eq!(cpu(&now, 0.0), "usage_usec 12\nuser_usec 3\nsystem_usec 2\nnice_usec 0\n");
        assert_eq!(cpu(&now, 1.0), "usage_usec 22012\nuser_usec 12003\nsystem_usec 10002\nnice_usec 0\n");
        assert_eq!(io(&now, 0.0), "254:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n");
        assert_eq!(
            waits(&now, "io.pressure"),
            "some avg10=1.50 avg60=0.02 avg300=0.00 total=90\nfull avg10=0.15 avg60=0.00 avg300=0.00 \
             total=9\n"
        );
    }

    #[test]
    fn what_a_run_has_counted_stays_and_its_memory_goes() {
        let run = numbers(&[(CPU, "usage_usec 5\n"), (CURRENT, "4096\n"), (MEMORY, "anon 7\npgfault 8\n")]);
        let mut ended = Numbers::default();
        ended.add_counters(&run);
        ended.add_counters(&run);
        assert_eq!((ended.get(CPU, "usage_usec"), ended.get(MEMORY, "pgfault")), (10, 16));
        assert_eq!((ended.get(CURRENT, ""), ended.get(MEMORY, "anon")), (0, 0));
    }

    #[test]
    fn memory_that_a_container_takes_is_missing_from_the_host() {
        let recorded = "MemTotal:        4015556 kB\nMemFree:            1000 kB\n\
            Buffers:              10 kB\nCached:              100 kB\nAnonPages:           200 kB\n";
        let at = |current: &str, stat: &str| numbers(&[(CURRENT, current), (MEMORY, stat)]);
        let then = at("102400\n", "anon 102400\n");
        assert_eq!(meminfo(recorded, &then, &then), recorded);
        let now = at("204800\n", "anon 153600\nfile 51200\n");
        let moved = meminfo(recorded, &then, &now);
        let lines: Vec<_> =
            ["MemTotal", "MemFree", "Cached", "AnonPages"].map(|line| kibibytes(&moved, line)).into();
        assert_eq!(lines, [Some(4_015_556), Some(900), Some(150), Some(250)]);
        assert!(memory(&now, &moved).starts_with("anon 256000\nfile 163840\n"));
    }

    #[test]
    fn the_host_is_booted_before_the_demo_and_has_a_processor_for_each_twice() {
        let stat = "cpu  1 2\ncpu0 1 2\ncpu1 3 4\nintr 7\nbtime 1000\n";
        assert_eq!(
            shifted_stat(stat, 50.5).unwrap(),
            "cpu  1 2\ncpu0 1 2\ncpu1 3 4\ncpu2 1 2\ncpu3 3 4\nintr 7\nbtime 1050\n"
        );
        assert!(shifted_stat("cpu 1\n", 1.0).is_err());
    }
}
