//! The shipped binary, serving.

use crate::{
    client::Client,
    world::{binary, fixtures, writable_cgroup2},
};
use docker_stat_prom::sample::Roots;
use std::{
    fs,
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};

/// The shipped binary, serving.
pub(super) struct Served {
    pub(super) child: Child,
    address: String,
    tls: Option<Arc<ClientConfig>>,
    pub(super) start: Duration,
    pub(super) charged: Option<Charged>,
}

/// A separate memory cgroup, to measure what the kernel holds for a process. Removed when dropped.
pub(super) struct Charged {
    directory: PathBuf,
}

impl Charged {
    /// `None` unless there is a usable memory controller, of either version.
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
    pub(super) fn kernel(&self) -> u64 {
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
    pub(super) fn start(roots: &Roots, tls: bool) -> Self {
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

    /// Where it listens.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn client(&self) -> Client {
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

    /// A line of /proc/<pid>/status, in KiB.
    pub(super) fn status(&self, key: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// The CPU time of all its threads so far, in seconds. `/proc/<pid>/stat` counts only hundredths.
    pub(super) fn cpu_seconds(&self) -> f64 {
        let threads = fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let nanoseconds = threads.map(|thread| {
            let text = fs::read_to_string(thread.unwrap().path().join("schedstat")).unwrap();
            text.split(' ').next().unwrap().parse::<f64>().unwrap()
        });
        nanoseconds.sum::<f64>() / 1e9
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
