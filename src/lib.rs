//! A Prometheus exporter that shows what every Docker container on a Linux host uses. It reads cgroup v2
//! files and `/proc` directly. Docker is asked only for names, labels and events,
//! and, if that is wanted, for the sizes of containers on disk.
//!
//! # From the kernel to the page
//!
//! ```text
//!  inotify ──ScopeEvent──┐               ┌── names, labels, events ── dockerd (bollard)
//!                        ├─► collector ◄─┘                             ▲
//!                        │       └────────────── look-ups ─────────────┘
//!                        ▼
//!  /sys/fs/cgroup, /proc ─pread─► parse ─► sample ─► model (join) ─► table ─► encode (a sink each) ─► server
//! ```
//!
//! A number passes through these forms: kernel text; an integer in the *kernel's* unit; that integer with the
//! container it belongs to; a sample of a table row (labels and a value in *Prometheus'* unit, in no output
//! format); bytes in one output format; an HTTP response.
//!
//! - Names and units change in [`table`]: each row's getter converts its number to the row's unit. Only the
//!   rates of [`model`] are computed earlier, from two readings.
//! - Labels: [`metadata`] chooses Docker's labels and gives them their Prometheus names. [`model`] joins them
//!   to the samples, [`table::BaseLabels`] puts them in order, and [`encode`] escapes them.
//! - Sockets: [`server`] opens the listening sockets when [`app`] asks for it, or takes those that
//!   [`systemd`] was passed, and accepts connections. `metadata/docker/` connects to Docker, `push/http/` to
//!   receivers, `server/healthcheck.rs` to a running exporter, and [`systemd`] to the service manager.
//!   [`demo`] listens as a Docker daemon.
//! - Errors go up, and each layer adds one fact: [`parse`] knows the line, [`sample`] the path, [`collector`]
//!   the count, and `main` the exit code.
//!
//! # Where things are
//!
//! - [`parse`]: pure functions from bytes to values, one file per kernel file.
//! - [`sample`]: file descriptors and reads. Each container has a [`sample::ScopeReader`] and a
//!   [`sample::NetReader`].
//! - [`discovery`]: finds containers with inotify.
//! - [`metadata`]: what Docker knows, fetched on its own thread. Only `metadata/docker/` uses bollard. It
//!   also owns the connections that bollard uses, because bollard limits neither the time nor the size of a
//!   whole answer.
//! - [`model`]: joins samples and metadata; computes rates, counts OOM kills, and decides which container may
//!   claim a network namespace.
//! - [`table`]: what is served, in no output format. [`table::families::FAMILIES`] is the one table behind
//!   every output, `--metrics` and the README. It has one file per set of rows, and each row has a getter.
//!   [`table::feed()`] feeds the table's samples to a sink.
//! - [`encode`]: how samples are written, with one sink per output format. The table never imports it.
//! - [`collector`]: one OS thread that owns everything known about containers and takes messages, so it needs
//!   no mutex. Its handle offers pages, a pass shown to a visitor (for push), and the result of each polling
//!   tick and a short history of them (for a live page).
//! - [`server`]: routes, connections, TLS.
//! - [`push`]: sends series to receivers, on its own thread. Each target has an encoder, a queue in memory or
//!   on disk, and a connection.
//! - [`demo`]: a recorded host that is unpacked and set in motion.
//! - [`advice`]: all advice to operators, in words. The rooms that use it return enums.
//! - [`files`] and [`yaml`]: files that are read again when they change, and the language of those with
//!   settings.
//! - [`log`] and [`systemd`]: messages to people and to the service manager, and sockets from it. Neither
//!   receiver can block the rest of the program.
//! - [`sandbox`]: gives up what the process does not need after its start, before any thread runs.
//! - [`cli`]: arguments and environment variables. [`settings`]: the same as typed values, and every usage
//!   error.
//! - [`terminal`]: what `--once` prints besides the metrics: a table or JSON of what runs now.
//! - [`app`]: puts the parts together.
//!
//! # What always holds
//!
//! - Counters are read at the scrape. The polling tick reads only what the rate gauges need, and
//!   `memory.current` for the peaks, the history and subscribers to ticks. Without any of these there is no
//!   tick, except that the history alone causes none.
//! - Settings (limits, weights) are read again when inotify reports a write to a file in the container's
//!   cgroup.
//! - A container's run is identified by (ID, cgroup inode). The same ID with a new inode is a new run, and
//!   its rates and peaks start over.
//! - A directory with the right name is not always a container. A cgroup without processes is not a running
//!   container. A container for which Docker answers 404 does not belong to Docker. If several directories
//!   have the same ID, only one is read (`collector/containers/candidates.rs` says which).
//! - The host (`id="/"`) is read and rendered like a container, by the same getters, but counts as none.
//!   Nothing of the exporter's own container is shown as the host's.
//! - Each fact about a container is stored with the Docker daemon that reported it. No daemon removes what
//!   another daemon reported.
//! - A file or key that the kernel does not offer gives no series, never an invented 0.
//! - A sum over rows is unknown while one of the rows could not be read ([`sample`]). Each device and each
//!   interface has its own rate window ([`model`]).
//! - A failure to open or list something does not mean that it is gone. Only a missing directory ends a
//!   container; a missing file does not. What is below a directory that can't be listed is unknown. Such a
//!   directory is counted as a failure and sets `docker_stat_prom_up` to 0.
//! - Sizes on disk are requested rarely, one request at a time. They are stored with the time of the request,
//!   which is shown as their age, and dropped when several requests have failed.
//! - What events don't report is shown only as long as it can't have changed: the failing streak of a
//!   healthcheck is unknown from the time on when another probe may have ended.
//! - A count over processes is unknown unless each of them could be looked at. A descriptor kept on its
//!   `/proc/<pid>` shows that a process was still there, and in the container, after it was counted.
//! - Some file descriptors are always left for everything else. If there are too few, container files are
//!   opened and closed at each reading.
//! - Serving a number never waits for Docker.
//! - Everything that waits for the collector has a deadline. If there is no answer, the caller learns why.
//! - Each thread that outlives the start is in the sandbox: [`app`] enters it before it starts the first, the
//!   log's. What is opened after that must be in the plan (`app/confinement.rs`).
//! - Reading known containers, rendering them, and the polling tick allocate nothing
//!   (`tests/allocations.rs`). These do allocate: collecting the exporter's own series, once per scrape;
//!   building the answer; looking for processes and reading the machine's size, both now and then; containers
//!   with child cgroups; counting descriptors (group `process`); and anything new, failed or reported by
//!   Docker.
//! - Rooms import only rooms below them, the files of a room form no circle, and each external crate has its
//!   place (`tests/layering/`).
//!
//! # Where this departs from the first design
//!
//! - A scrape does not read *every* file. A limit that was not written to still has the value that was read
//!   before. Without a watch (when descriptors or watches ran out), these files are read at each scrape.
//! - The collector sends itself no `Tick` messages: its thread waits for messages until the next tick is due.
//! - bollard sends requests and decodes answers, but over the connections of `metadata/docker/`. It does not
//!   read lists and event streams: it would keep a whole list in memory, and its event stream ends at the
//!   first event that it does not understand.
//! - The log's queue is our own (`log`), not `tracing-appender`. That crate needs a version of `time` that
//!   has an open advisory for Rust 1.85, and escaping and masking would be our own code in any case. The
//!   service manager's protocol (`systemd`) is our own too, because `sd-notify` blocks when the manager does
//!   not read.
//! - The prefixes `container_label_` and `container_env_` are added in `metadata`, not in `table`: labels are
//!   sorted and bounded under the names that they are served with.
//! - The binary's allocator is mimalloc. glibc's allocator never returns most of the memory that a large page
//!   or list needed.
//! - The `demo` room serves recorded Docker answers with warp, so the demo also runs bollard.

#![forbid(unsafe_code)]

pub mod advice;
pub mod app;
pub mod cli;
pub mod collector;
pub mod demo;
pub mod discovery;
pub mod encode;
pub mod files;
pub mod log;
pub mod metadata;
pub mod model;
pub mod parse;
pub mod push;
pub mod sample;
pub mod sandbox;
pub mod server;
pub mod settings;
pub mod systemd;
pub mod table;
pub mod terminal;
pub mod yaml;
