//! What the exporter costs, side by side with the floor: a reader that keeps every descriptor, `pread`s the same files and throws
//! the bytes away. Nothing can read them for less.
//!
//! ```text
//! cargo bench --bench cost                    N = 10, 100, 500, 1000, 5000 (as root: makes real cgroups)
//! cargo bench --bench cost -- 10 100          other numbers
//! cargo bench --bench cost -- growth          10,000 scrapes while 1,000 containers are replaced ten times
//! cargo bench --bench cost -- passes K TREE   K full passes over a tree, for valgrind and strace (counts.py)
//! ```
//!
//! On another machine, such as the virtual one of tests/host: copy the built bench, the binary and fixtures/tls there, and set
//! `DSP_BINARY` and `DSP_FIXTURES`.
//!
//! Where no cgroup2 mount may be written to, a recorded tree is replicated on tmpfs instead, and the output says so.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a measurement: it prints, and ends when something is wrong"
)]

use docker_stat_prom::{
    collector::{Collector, Config, Handle, Message},
    discovery::{Scope, ScopeEvent, scan, watch},
    encode::{Format, Text},
    metadata::{Filter, MetadataEvent, News, Source},
    sample::{FileSet, Interfaces, KernelFile, Roots, limits::raise_open_files},
    table::{Selection, SelfMetrics},
};
use nix::sys::resource::{UsageWho, getrusage};
use std::{
    fs::{self, File},
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::{FileExt, MetadataExt, symlink},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};

fn main() {
    // The floor keeps every file: more than most hard limits allow at 5,000 containers.
    let wanted = 1_000_000;
    let _as_far_as_it_goes =
        nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, wanted, wanted);
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["passes", count, tree] => passes(count.parse().unwrap(), Path::new(tree)),
        ["tree", count, to] => replicate(count.parse().unwrap(), Path::new(to)),
        ["growth"] => growth(),
        [] => cost(&[10, 100, 500, 1000, 5000]),
        numbers => cost(&numbers.iter().map(|number| number.parse().unwrap()).collect::<Vec<_>>()),
    }
}

// ---------------------------------------------------------------------------------------------- a host to measure on

/// Many containers: real cgroups with sleeping processes, or a recorded tree many times over. Gone when dropped.
struct World {
    roots: Roots,
    slice: PathBuf,
    processes: Vec<Child>,
    real: bool,
}

/// The exporter that is measured.
fn binary() -> PathBuf {
    std::env::var_os("DSP_BINARY")
        .map_or_else(|| env!("CARGO_BIN_EXE_docker-stat-prom").into(), PathBuf::from)
}

fn fixtures() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    std::env::var_os("DSP_FIXTURES").map_or(here, PathBuf::from)
}

/// One in ten containers has a network namespace of its own, and no more than this many: making one takes milliseconds.
const NAMESPACES: usize = 200;

impl World {
    fn new(containers: usize) -> Self {
        match writable_cgroup2() {
            Some(mount) => {
                let slice = mount.join(format!("dspbench{}.slice", std::process::id()));
                fs::create_dir(&slice).unwrap();
                enable_controllers(&mount);
                enable_controllers(&slice);
                let roots = Roots { cgroup: mount, proc: "/proc".into(), sys: "/sys".into() };
                let mut world = Self { roots, slice, processes: Vec::new(), real: true };
                for number in 0..containers {
                    world.add(number, 0);
                }
                world
            }
            None => {
                let root = PathBuf::from(format!("/dev/shm/dspbench{}", std::process::id()));
                replicate(containers, &root);
                let roots = Roots {
                    cgroup: root.join("sys/fs/cgroup"),
                    proc: root.join("proc"),
                    sys: root.join("sys"),
                };
                Self { roots, slice: root, processes: Vec::new(), real: false }
            }
        }
    }

    fn add(&mut self, number: usize, generation: usize) {
        let scope = self.slice.join(format!("docker-{generation:08x}{number:056x}.scope"));
        fs::create_dir(&scope).unwrap();
        let own_namespace = number % 10 == 0 && number / 10 < NAMESPACES;
        let mut command = if own_namespace { Command::new("unshare") } else { Command::new("sleep") };
        if own_namespace {
            command.args(["-n", "sleep"]);
        }
        let process = command.arg("infinity").stdin(Stdio::null()).spawn().unwrap();
        fs::write(scope.join("cgroup.procs"), process.id().to_string()).unwrap();
        self.processes.push(process);
    }

    fn clear(&mut self) {
        for mut process in self.processes.drain(..) {
            process.kill().unwrap();
            process.wait().unwrap();
        }
        for entry in fs::read_dir(&self.slice).unwrap().flatten() {
            // A cgroup can be removed a moment after its last process has ended.
            while entry.path().is_dir() && fs::remove_dir(entry.path()).is_err() {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if self.real {
            self.clear();
            let _left_to_the_user = fs::remove_dir(&self.slice);
        } else {
            let _left_to_the_user = fs::remove_dir_all(&self.slice);
        }
    }
}

fn writable_cgroup2() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let mounts = mounts.lines().filter_map(|line| {
        let words: Vec<_> = line.split(' ').collect();
        (words[2] == "cgroup2").then(|| PathBuf::from(words[1]))
    });
    mounts.into_iter().find(|mount| {
        let probe = mount.join(format!("dspprobe{}", std::process::id()));
        fs::create_dir(&probe).is_ok_and(|()| fs::remove_dir(&probe).is_ok())
    })
}

fn enable_controllers(cgroup: &Path) {
    for controller in
        fs::read_to_string(cgroup.join("cgroup.controllers")).unwrap_or_default().split_whitespace()
    {
        let _not_every_one_can_be =
            fs::write(cgroup.join("cgroup.subtree_control"), format!("+{controller}"));
    }
}

/// A recorded host with its containers many times over, each under an ID and a process of its own.
fn replicate(containers: usize, to: &Path) {
    let host = fixtures().join("debian13-docker26.1-linux6.12");
    copy(&host.join("sys/dev"), &to.join("sys/dev"));
    for file in ["proc/stat", "proc/meminfo", "sys/fs/cgroup/cgroup.controllers"] {
        fs::create_dir_all(to.join(file).parent().unwrap()).unwrap();
        fs::copy(host.join(file), to.join(file)).unwrap();
    }
    copy(&host.join("proc/1"), &to.join("proc/1"));
    // The one that writes to a disk and has a network: as many series as a container can have.
    let id = "75de56ace1668c8d0ef137edd20e9a1a4ff7ab7f27a928b04eeca5c618b55ed4";
    let scope = host.join(format!("sys/fs/cgroup/system.slice/docker-{id}.scope"));
    for number in 0..containers {
        let new = format!("{number:064x}");
        let target = to.join(format!("sys/fs/cgroup/system.slice/docker-{new}.scope"));
        copy(&scope, &target);
        let process = to.join(format!("proc/{}", 1000 + number));
        copy(&host.join("proc/1382/net"), &process.join("net"));
        fs::create_dir(process.join("ns")).unwrap();
        symlink(format!("net:[{}]", 4_100_000_000 + number), process.join("ns/net")).unwrap();
        fs::write(process.join("cgroup"), format!("0::/system.slice/docker-{new}.scope\n")).unwrap();
        fs::write(target.join("cgroup.procs"), format!("{}\n", 1000 + number)).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => copy(&entry.path(), &target),
            kind if kind.is_symlink() => symlink(fs::read_link(entry.path()).unwrap(), target).unwrap(),
            _ => fs::copy(entry.path(), target).map(|_| ()).unwrap(),
        }
    }
}

// ------------------------------------------------------------------------------------------------------- measurements

/// User and system time of this process so far, and the wall clock.
#[derive(Clone, Copy)]
struct Clock(Duration, Duration, Instant);

impl Clock {
    fn now() -> Self {
        let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
        let time = |time: nix::sys::time::TimeVal| {
            Duration::from_micros(time.tv_sec() as u64 * 1_000_000 + time.tv_usec() as u64)
        };
        Self(time(usage.user_time()), time(usage.system_time()), Instant::now())
    }
}

/// CPU and wall time of one of many repetitions, µs.
#[derive(Default)]
struct Cost {
    user: f64,
    system: f64,
    wall: f64,
}

impl Cost {
    /// Of as many repetitions as fit into some seconds, and no fewer than five.
    fn of(mut work: impl FnMut()) -> Self {
        Self::of_both(&mut work, || ()).0
    }

    /// Of two kinds of work by turns: what one leaves in the processor's caches, the other drives out, as everything else that
    /// a host does between two scrapes.
    fn of_both(mut one: impl FnMut(), mut other: impl FnMut()) -> (Self, Self) {
        one();
        other();
        let begin = Instant::now();
        let (mut first, mut second) = (Self::default(), Self::default());
        let mut repetitions = 0.0;
        while repetitions < 5.0 || (repetitions < 2000.0 && begin.elapsed() < Duration::from_secs(5)) {
            let before = Clock::now();
            one();
            let between = Clock::now();
            other();
            let after = Clock::now();
            first.add(before, between);
            second.add(between, after);
            repetitions += 1.0;
        }
        (first.over(repetitions), second.over(repetitions))
    }

    fn add(&mut self, from: Clock, to: Clock) {
        self.user += (to.0 - from.0).as_secs_f64() * 1e6;
        self.system += (to.1 - from.1).as_secs_f64() * 1e6;
        self.wall += (to.2 - from.2).as_secs_f64() * 1e6;
    }

    fn over(&self, repetitions: f64) -> Self {
        Self {
            user: self.user / repetitions,
            system: self.system / repetitions,
            wall: self.wall / repetitions,
        }
    }

    fn cpu(&self) -> f64 {
        self.user + self.system
    }
}

/// The floor: the same files through descriptors that are all kept, read and thrown away. `net/dev` is opened for each reading, as
/// it must be: a kept one would pin a dead container's namespace.
struct Floor {
    files: Vec<File>,
    net: Vec<PathBuf>,
    buffer: Vec<u8>,
}

impl Floor {
    fn new(roots: &Roots, files: FileSet, network: bool) -> Self {
        let mut floor = Self { files: Vec::new(), net: Vec::new(), buffer: vec![0; 64 * 1024] };
        for scope in scan(&roots.cgroup) {
            let directory = roots.cgroup.join(&scope.cgroup[1..]);
            let wanted = KernelFile::ALL.iter().filter(|file| files.contains(**file));
            let open = wanted.filter_map(|file| File::open(directory.join(file.name())).ok());
            // A pressure file opens, and refuses to be read, where PSI is off.
            floor.files.extend(open.filter(|file| file.read_at(&mut [0; 16], 0).is_ok()));
            let pid = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
            let process = roots.proc.join(pid.lines().next().unwrap_or("none"));
            // The inode of net/dev is one per namespace; a recorded tree has only the links.
            let namespace = |process: &Path| match fs::read_link(process.join("ns/net")) {
                Ok(link) if roots.proc != Path::new("/proc") => link.to_string_lossy().into_owned(),
                _ => fs::metadata(process.join("net/dev"))
                    .map(|file| file.ino().to_string())
                    .unwrap_or_default(),
            };
            if network && namespace(&process) != namespace(&roots.proc.join("1")) {
                floor.net.push(process.join("net/dev"));
            }
        }
        floor
    }

    /// How many files are read.
    fn len(&self) -> usize {
        self.files.len() + self.net.len()
    }

    fn read(&mut self) {
        for file in &self.files {
            std::hint::black_box(file.read_at(&mut self.buffer, 0).unwrap());
        }
        for path in &self.net {
            let mut file = File::open(path).unwrap();
            std::hint::black_box(file.read(&mut self.buffer).unwrap());
        }
    }
}

fn config(roots: &Roots, fd_budget: usize) -> Config {
    Config {
        roots: roots.clone(),
        selection: Selection::default(),
        filter: Filter::default(),
        polling_interval: None,
        fd_budget,
        interfaces: Interfaces::default(),
        show_unnamed: false,
    }
}

fn no_docker() -> Message {
    Message::Metadata(MetadataEvent { source: Source::default(), news: News::Disconnected })
}

/// The program's own collector on its thread, without a server.
struct Ours {
    handle: Handle,
    runtime: tokio::runtime::Runtime,
}

impl Ours {
    fn new(roots: &Roots, fd_budget: usize, max_open_files: u64) -> Self {
        let (sender, receiver) = mpsc::channel();
        let (lookups, wanted) = tokio::sync::mpsc::unbounded_channel();
        let config = config(roots, fd_budget);
        let handle = Handle::new(sender, SelfMetrics::new().unwrap());
        let collector = Collector::new(config, handle.clone(), max_open_files, lookups);
        std::thread::spawn(move || {
            let _nobody_looks_up = wanted;
            collector.run(&receiver);
        });
        let (events, root) = (handle.clone(), roots.cgroup.clone());
        std::thread::spawn(move || {
            watch(&root, Duration::from_secs(3600), &mut |event| events.send(Message::Scope(event))).unwrap();
        });
        handle.send(no_docker());
        Self { handle, runtime: tokio::runtime::Builder::new_current_thread().build().unwrap() }
    }

    fn scrape(&self) -> usize {
        self.runtime.block_on(self.handle.scrape(Format::Text)).unwrap().text().len()
    }

    fn tick(&self) {
        self.runtime.block_on(self.handle.tick()).unwrap();
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        self.handle.send(Message::Shutdown);
    }
}

/// The shipped binary, serving.
struct Served {
    child: Child,
    address: String,
    tls: Option<Arc<ClientConfig>>,
    start: Duration,
    charged: Option<Charged>,
}

/// A memory cgroup of its own, for what the kernel holds on a process's behalf. Gone when dropped.
struct Charged {
    directory: PathBuf,
}

impl Charged {
    /// Where there is a memory controller, of either version, that may be used.
    fn new(process: u32) -> Option<Self> {
        let v2 = writable_cgroup2().filter(|mount| mount.join("memory.stat").exists());
        let v1 =
            Some(PathBuf::from("/sys/fs/cgroup/memory")).filter(|mount| mount.join("memory.stat").exists());
        let directory = v2.or(v1)?.join(format!("dspserved{process}"));
        fs::create_dir(&directory).ok()?;
        let charged = Self { directory };
        fs::write(charged.directory.join("cgroup.procs"), process.to_string()).ok()?;
        Some(charged)
    }

    /// KiB.
    fn kernel(&self) -> u64 {
        let v1 = fs::read_to_string(self.directory.join("memory.kmem.usage_in_bytes"));
        let bytes = v1.unwrap_or_else(|_| {
            let stat = fs::read_to_string(self.directory.join("memory.stat")).unwrap();
            stat.lines().find_map(|line| line.strip_prefix("kernel ")).unwrap_or("0").to_owned()
        });
        bytes.trim().parse::<u64>().unwrap() / 1024
    }
}

impl Drop for Charged {
    fn drop(&mut self) {
        let _left_to_the_user = fs::remove_dir(&self.directory);
    }
}

impl Served {
    fn start(roots: &Roots, tls: bool) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let mut command = Command::new(binary());
        command.arg("--cgroup_root").arg(&roots.cgroup).arg("--proc_root").arg(&roots.proc);
        command.args(["-b", &address, "-H", "unix:///nonexistent/docker.sock"]);
        let fixtures = fixtures().join("tls");
        if tls {
            command.arg("-s").arg("--tls_cert").arg(fixtures.join("ec-chain.crt"));
            command.arg("--tls_key").arg(fixtures.join("ec-sec1.key"));
        }
        let client = tls.then(|| {
            let mut trusted = RootCertStore::empty();
            trusted.add(CertificateDer::from_pem_file(fixtures.join("ca.crt")).unwrap()).unwrap();
            Arc::new(ClientConfig::builder().with_root_certificates(trusted).with_no_client_auth())
        });
        let begin = Instant::now();
        let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let charged = Charged::new(child.id());
        let mut served = Self { child, address, tls: client, start: Duration::ZERO, charged };
        while !(TcpStream::connect(&served.address).is_ok()
            && served.client().get("/readyz", "identity").is_some_and(|(status, _)| status == 200))
        {
            std::thread::sleep(Duration::from_micros(500));
        }
        served.client().get("/metrics", "identity").unwrap();
        served.start = begin.elapsed();
        served
    }

    fn client(&self) -> Client {
        let socket = TcpStream::connect(&self.address).unwrap();
        socket.set_nodelay(true).unwrap();
        Client(match &self.tls {
            None => Box::new(socket),
            Some(config) => {
                let name = ServerName::try_from("localhost").unwrap();
                Box::new(StreamOwned::new(ClientConnection::new(Arc::clone(config), name).unwrap(), socket))
            }
        })
    }

    /// A line of /proc/<pid>/status, KiB.
    fn status(&self, key: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// User and system time so far, s.
    fn cpu_seconds(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

/// One kept connection, as Prometheus has it.
struct Client(Box<dyn Stream>);

impl Client {
    fn get(&mut self, path: &str, encoding: &str) -> Option<(u16, usize)> {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: {encoding}\r\n\r\n");
        self.0.write_all(request.as_bytes()).ok()?;
        let mut answer = Vec::new();
        let mut buffer = vec![0; 256 * 1024];
        loop {
            let read = self.0.read(&mut buffer).ok().filter(|read| *read > 0)?;
            answer.extend_from_slice(&buffer[..read]);
            if let Some(end) = answer.windows(4).take(4096).position(|window| window == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
                let length: usize =
                    head.split("content-length: ").nth(1)?.split("\r\n").next()?.parse().ok()?;
                let mut have = answer.len() - end - 4;
                while have < length {
                    have += self.0.read(&mut buffer).ok().filter(|read| *read > 0)?;
                }
                return Some((head.split(' ').nth(1)?.parse().ok()?, length));
            }
        }
    }
}

/// The middle and the 99th percentile of some times, ms.
fn percentiles(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    (at(0.5), at(0.99))
}

fn latencies(served: &Served, clients: usize, scrapes: usize) -> (f64, f64) {
    let times = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..clients)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = served.client();
                    (0..scrapes)
                        .map(|_| {
                            let begin = Instant::now();
                            assert_eq!(client.get("/metrics", "identity").unwrap().0, 200);
                            begin.elapsed()
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    percentiles(times)
}

/// How long `/healthz` takes while scrapes go on without a break: the slowest of all.
fn health_under_load(served: &Served) -> f64 {
    std::thread::scope(|scope| {
        let (stop, stopped) = mpsc::channel::<()>();
        scope.spawn(move || {
            let mut client = served.client();
            while stopped.try_recv().is_err() {
                client.get("/metrics", "identity").unwrap();
            }
        });
        let mut client = served.client();
        let slowest = (0..100)
            .map(|_| {
                let begin = Instant::now();
                assert_eq!(client.get("/healthz", "identity").unwrap().0, 200);
                let took = begin.elapsed();
                std::thread::sleep(Duration::from_millis(3));
                took
            })
            .max()
            .unwrap();
        stop.send(()).unwrap();
        slowest.as_secs_f64() * 1e3
    })
}

fn cost(numbers: &[usize]) {
    println!("kernel {}", fs::read_to_string("/proc/sys/kernel/osrelease").unwrap().trim());
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap();
    let model =
        cpu.lines().find_map(|line| line.strip_prefix("model name\t: ")).unwrap_or("unknown").to_owned();
    println!("cpu {model}, {} logical", std::thread::available_parallelism().unwrap());
    let size = fs::metadata(binary()).unwrap().len();
    println!("binary {size} bytes (with line tables when built by cargo bench)");
    let mut first = true;
    let mut served_table = vec![
        "| N | start ms | HTTP p50/p99 ms | 8 clients | HTTPS p50/p99 ms | 8 clients | slowest /healthz ms | plain | gzip | RSS KiB | kernel KiB | CPU of 2 s polling |".to_owned(),
    ];
    served_table.push("|---|---|---|---|---|---|---|---|---|---|---|---|".into());
    for number in numbers {
        let world = World::new(*number);
        if std::mem::take(&mut first) {
            println!(
                "{}",
                if world.real { "real cgroups" } else { "NOT real cgroups: a recorded tree on tmpfs" }
            );
            missing(&world.roots);
            println!(
                "\n| N | pass | files | user µs | system µs | CPU µs | wall µs | floor µs | ÷ floor | again and again, µs | floor µs | ÷ floor |"
            );
            println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
        }
        let files = Selection::default().files();
        let rates = FileSet::RATES.intersection(files);
        let present = present(&world.roots).len();
        let limit = raise_open_files().unwrap();
        // Both keep theirs at once; the budget is for the files only, and each container has two directories.
        let all = number * (2 * present + 2) + 500 < limit as usize;
        // Whatever the number of containers, the same per container: shows how the cost grows.
        let one_each = 256 + 3 * *number as u64;
        for (name, budget, limit) in [
            ("default fd budget", 3000, limit),
            ("one fd kept each", 3000, one_each),
            ("all fds kept", 10_000_000, limit),
        ] {
            if budget > 3000 && !all {
                continue;
            }
            let ours = Ours::new(&world.roots, budget, limit);
            // For its first ten seconds a container's process is looked for again and again.
            ours.scrape();
            std::thread::sleep(Duration::from_secs(11));
            let scrape = || assert!(ours.scrape() > 0);
            println!("{}", row(*number, &format!("scrape, {name}"), &world, all.then_some(files), scrape));
            if limit != one_each && budget == 3000 {
                println!("{}", row(*number, "tick", &world, all.then_some(rates), || ours.tick()));
            }
        }
        served_table.push(serve(&world, *number));
    }
    println!("\n{}", served_table.join("\n"));
}

/// One kind of pass by turns with its floor, then each of them again and again; without the floor where there are not enough
/// descriptors for both.
fn row(number: usize, name: &str, world: &World, files: Option<FileSet>, mut pass: impl FnMut()) -> String {
    let Some(files) = files else {
        let cost = Cost::of(&mut pass);
        let Cost { user, system, wall } = cost;
        return format!(
            "| {number} | {name} | | {user:.0} | {system:.0} | - | {wall:.0} | - | - | {:.0} | - | - |",
            cost.cpu()
        );
    };
    let mut floor = Floor::new(&world.roots, files, true);
    let (bottom, cost) = Cost::of_both(|| floor.read(), &mut pass);
    let alone = Cost::of(&mut pass).cpu();
    let bottom_alone = Cost::of(|| floor.read()).cpu();
    let Cost { user, system, wall } = cost;
    format!(
        "| {number} | {name} | {} | {user:.0} | {system:.0} | {:.0} | {wall:.0} | {:.0} | {:.2} | {alone:.0} | {bottom_alone:.0} | {:.2} |",
        floor.len(),
        cost.cpu(),
        bottom.cpu(),
        cost.cpu() / bottom.cpu(),
        alone / bottom_alone
    )
}

fn serve(world: &World, number: usize) -> String {
    let scrapes = (20_000 / number).clamp(10, 200);
    let plain = Served::start(&world.roots, false);
    let start = plain.start.as_secs_f64() * 1e3;
    let alone = latencies(&plain, 1, scrapes);
    let eight = latencies(&plain, 8, scrapes.div_ceil(4));
    let health = health_under_load(&plain);
    let (_, size) = plain.client().get("/metrics", "identity").unwrap();
    let (_, gzip) = plain.client().get("/metrics", "gzip").unwrap();
    let resident = plain.status("VmRSS");
    let kernel =
        plain.charged.as_ref().map_or_else(|| "-".to_owned(), |charged| charged.kernel().to_string());
    let before = plain.cpu_seconds();
    let begin = Instant::now();
    std::thread::sleep(Duration::from_secs(20));
    let polling = (plain.cpu_seconds() - before) / begin.elapsed().as_secs_f64();
    drop(plain);
    let secure = Served::start(&world.roots, true);
    let tls_alone = latencies(&secure, 1, scrapes);
    let tls_eight = latencies(&secure, 8, scrapes.div_ceil(4));
    format!(
        "| {number} | {start:.1} | {:.2} / {:.2} | {:.2} / {:.2} | {:.2} / {:.2} | {:.2} / {:.2} | {health:.2} | {size} | {gzip} | {resident} | {kernel} | {:.2} % |",
        alone.0,
        alone.1,
        eight.0,
        eight.1,
        tls_alone.0,
        tls_alone.1,
        tls_eight.0,
        tls_eight.1,
        polling * 100.0
    )
}

/// The wanted files that this machine's cgroups have.
fn present(roots: &Roots) -> Vec<KernelFile> {
    let scope = scan(&roots.cgroup).into_iter().next().unwrap();
    let directory = roots.cgroup.join(&scope.cgroup[1..]);
    let wanted = KernelFile::ALL.iter().filter(|file| Selection::default().files().contains(**file));
    wanted.copied().filter(|file| directory.join(file.name()).exists()).collect()
}

/// Says which files this machine's cgroups do not have.
fn missing(roots: &Roots) {
    let present = present(roots);
    let wanted = KernelFile::ALL.iter().filter(|file| Selection::default().files().contains(**file));
    let absent: Vec<_> = wanted.filter(|file| !present.contains(file)).map(|file| file.name()).collect();
    println!("not there: {}", if absent.is_empty() { "nothing".to_owned() } else { absent.join(", ") });
}

fn growth() {
    let mut world = World::new(1000);
    assert!(world.real, "growth needs a cgroup2 mount that may be written to");
    let served = Served::start(&world.roots, false);
    println!("| scrapes | containers so far | RSS KiB | open descriptors |\n|---|---|---|---|");
    let mut client = served.client();
    for generation in 1..=10 {
        for _ in 0..1000 {
            assert_eq!(client.get("/metrics", "identity").unwrap().0, 200);
        }
        let open = fs::read_dir(format!("/proc/{}/fd", served.child.id())).unwrap().count();
        println!("| {} | {} | {} | {open} |", generation * 1000, generation * 1000, served.status("VmRSS"));
        world.clear();
        for number in 0..1000 {
            world.add(number, generation);
        }
    }
}

/// For its first ten seconds a container's process is looked for again and again.
const SETTLING: Duration = Duration::from_secs(11);

fn passes(count: usize, tree: &Path) {
    let roots = Roots { cgroup: tree.join("sys/fs/cgroup"), proc: tree.join("proc"), sys: tree.join("sys") };
    // As if inotify watched them: settings are read again only after somebody wrote to one, and nobody does
    // here.
    let scopes = scan(&roots.cgroup).into_iter().map(|scope| Scope { watched: true, ..scope }).collect();
    let (sender, _nobody_takes) = mpsc::channel();
    let (lookups, _nobody_looks_up) = tokio::sync::mpsc::unbounded_channel();
    let handle = Handle::new(sender, SelfMetrics::new().unwrap());
    let config = config(&roots, 10_000_000);
    let mut collector = Collector::new(config, handle.clone(), 1_000_000, lookups);
    collector.take(Message::Scope(ScopeEvent::Resync { scopes, unlisted: vec![] }));
    collector.take(no_docker());
    collector.read();
    std::thread::sleep(SETTLING);
    let mut text = Text::default();
    for _ in 0..count {
        collector.read();
        text = text.cleared();
        collector.render(Format::Text, &mut text);
    }
    let series = text
        .as_bytes()
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty() && line[0] != b'#')
        .count();
    let containers = handle.metrics().containers.with_label_values(&["discovered"]).get() as usize;
    // Each has its directory and that of a process open besides.
    let files = handle.metrics().kept_fds.get() as usize - 2 * containers;
    println!(
        "{{\"containers\": {containers}, \"kept_files\": {files}, \"series\": {series}, \"bytes\": {}}}",
        text.len()
    );
}
