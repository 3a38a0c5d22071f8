//! Small hosts that a test creates, and a collector for them without a server.

use super::{exporter::NO_DOCKER, fixture, value};
use docker_stat_prom::{
    collector::{Body, Collector, Config, Handle, Message},
    discovery::{ScopeEvent, resync},
    encode::Format,
    metadata::{Filter, Metadata, MetadataEvent, News, Source},
    parse::ContainerId,
    sample::{Interfaces, Keep, KernelFile, Roots},
    table::{Selection, SelfMetrics},
};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, mpsc},
    time::Duration,
};

pub const ALL: Keep = Keep { directory: true, files: KernelFile::COUNT };

pub fn scope(digit: &str) -> String {
    ContainerId::new(&digit.repeat(64)).unwrap().scope_name()
}

pub fn no_docker(command: &mut Command) -> &mut Command {
    command.args(NO_DOCKER).args(["-i", "100"])
}

pub fn copy_of(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    super::copy(&fixture(name), folder.path());
    folder
}

/// A host with one empty slice.
pub fn empty_host() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("sys/fs/cgroup/lab.slice")).unwrap();
    fs::write(folder.path().join("sys/fs/cgroup/cgroup.controllers"), "cpu\n").unwrap();
    fs::create_dir(folder.path().join("proc")).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

pub fn add_container(host: &Path, name: &str) -> PathBuf {
    let directory = host.join("sys/fs/cgroup/lab.slice").join(name);
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("cpu.stat"), "usage_usec 1000000\n").unwrap();
    fs::write(directory.join("memory.current"), "77\n").unwrap();
    directory
}

pub fn fifo(path: &Path) -> bool {
    let _none = fs::remove_file(path);
    Command::new("mkfifo").arg(path).status().is_ok_and(|status| status.success())
}

pub fn failures(page: &str, file: &str) -> f64 {
    value(page, "docker_stat_prom_read_failures_total", &[&format!("file=\"{file}\"")]).unwrap_or(0.0)
}

pub fn up(page: &str) -> Option<f64> {
    value(page, "docker_stat_prom_up", &[])
}

/// The collector without its thread: the test runs its steps.
pub struct Driven {
    pub collector: Collector,
    pub handle: Handle,
}

impl Driven {
    /// A collector that knows the containers of a host, and that no Docker will name them.
    pub fn new(host: &Path, selection: Selection) -> Self {
        Self::with(config(host, selection))
    }

    /// One that serves peaks and keeps a history. The test still runs its ticks, but for the first, which
    /// comes with the first scan.
    pub fn polling(host: &Path, selection: Selection, interval: Duration, history: Duration) -> Self {
        let polling_interval = Some(interval);
        Self::with(Config { polling_interval, history, ..config(host, selection) })
    }

    fn with(config: Config) -> Self {
        let scopes = resync(&config.roots.cgroup);
        let (sender, _nobody_takes) = mpsc::channel();
        let (lookups, _nobody_looks_up) = tokio::sync::mpsc::unbounded_channel();
        let handle = Handle::new(sender, SelfMetrics::new().unwrap());
        let mut collector = Collector::new(config, handle.clone(), 1024, lookups);
        collector.take(Message::Scope(scopes));
        let news = News::Disconnected;
        collector.take(Message::Metadata(MetadataEvent { source: Source::default(), news }));
        Self { collector, handle }
    }

    /// Looks for cgroups again.
    pub fn rescan(&mut self, host: &Path) {
        self.collector.take(Message::Scope(resync(&host.join("sys/fs/cgroup"))));
    }

    /// Docker tells the name of a container.
    pub fn name(&mut self, id: &ContainerId, name: &str) {
        self.tell(Metadata { name: name.into(), ..Metadata::new(id.clone()) });
    }

    /// Docker tells the name and image of a container.
    pub fn image(&mut self, id: &ContainerId, name: &str, image: &str) {
        let image = Some(image.into());
        self.tell(Metadata { name: name.into(), image, ..Metadata::new(id.clone()) });
    }

    /// Docker tells what it knows of a container.
    pub fn tell(&mut self, metadata: Metadata) {
        let news = News::Changed(Arc::new(metadata));
        self.collector.take(Message::Metadata(MetadataEvent { source: Source::default(), news }));
    }

    /// The answer to a scrape.
    pub fn answered(&mut self, format: Format) -> Arc<Body> {
        let (reply, mut answer) = tokio::sync::oneshot::channel();
        self.collector.take(Message::Scrape(format, reply));
        self.collector.answer();
        answer.try_recv().unwrap()
    }

    pub fn page(&mut self, format: Format) -> String {
        String::from_utf8(self.answered(format).text().to_vec()).unwrap()
    }
}

pub fn roots(host: &Path) -> Roots {
    Roots { cgroup: host.join("sys/fs/cgroup"), proc: host.join("proc"), sys: host.join("sys") }
}

fn config(host: &Path, selection: Selection) -> Config {
    Config {
        roots: roots(host),
        selection,
        filter: Filter::default(),
        polling_interval: None,
        peak_window: Duration::from_secs(60),
        history: Duration::ZERO,
        created_lines: false,
        fd_budget: 1000,
        interfaces: Interfaces::default(),
        show_unnamed: false,
    }
}

/// The collector without a server. The test sends it the ticks and the discovery events.
pub struct Direct {
    pub handle: Handle,
    runtime: tokio::runtime::Runtime,
}

impl Direct {
    pub fn new(host: &Path) -> Self {
        let config = config(host, Selection::default());
        let root = config.roots.cgroup.clone();
        let (sender, receiver) = mpsc::channel();
        let (lookups, wanted) = tokio::sync::mpsc::unbounded_channel();
        let handle = Handle::new(sender, SelfMetrics::new().unwrap());
        let collector = Collector::new(config, handle.clone(), 1024, lookups);
        std::thread::spawn(move || {
            let _nobody_looks_up = wanted;
            collector.run(&receiver);
        });
        let direct = Self { handle, runtime: tokio::runtime::Builder::new_current_thread().build().unwrap() };
        direct.tell(resync(&root));
        let news = News::Disconnected;
        direct.handle.send(Message::Metadata(MetadataEvent { source: Source::default(), news }));
        direct
    }

    pub fn tell(&self, event: ScopeEvent) {
        assert!(self.handle.send(Message::Scope(event)) && self.handle.wait_until_taken());
    }

    pub fn tick(&self) {
        self.runtime.block_on(self.handle.tick()).unwrap();
    }

    pub fn page(&self) -> String {
        let body = self.runtime.block_on(self.handle.scrape(Format::Text)).unwrap();
        String::from_utf8(body.text().to_vec()).unwrap()
    }
}

impl Drop for Direct {
    fn drop(&mut self) {
        self.handle.send(Message::Shutdown);
    }
}
