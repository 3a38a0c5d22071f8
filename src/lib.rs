//! A Prometheus exporter that shows what every Docker container on a Linux host uses, by reading cgroup v2
//! files and `/proc` directly. Docker is asked only for names, labels and events.
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
//! A number's life: kernel text, an integer in the *kernel's* unit, an integer with an owner, a sample of a
//! row (labels and a value in *Prometheus'* unit, in no format), the bytes of one format, a response.
//!
//! - Names and units change in [`table`]: each row's getter says what its number is worth in the row's unit.
//!   Only the rates of [`model`] are computed before, from two readings.
//! - Labels: [`metadata`] chooses Docker's labels and gives them their Prometheus names, [`model`] joins them
//!   to the samples, [`table::BaseLabels`] puts them in order, and [`encode`] escapes them.
//! - Sockets: [`app`] opens the one to listen on and [`server`] accepts; `metadata/docker/` connects to
//!   Docker, `server/healthcheck.rs` to the exporter itself and [`systemd`] to the service manager. [`demo`]
//!   listens as a Docker daemon.
//! - Errors climb back, each layer adding one fact: [`parse`] knows the line, [`sample`] the path,
//!   [`collector`] the count, `main` the exit code.
//!
//! # Where things are
//!
//! - [`parse`]: pure functions from bytes to values, one file per kernel file.
//! - [`sample`]: descriptors and reads; [`sample::ScopeReader`] and [`sample::NetReader`] per container.
//! - [`discovery`]: which containers there are, by inotify.
//! - [`metadata`]: what Docker knows, on a thread of its own; `metadata/docker/` is the only place that knows
//!   bollard, and owns the connections under it, since bollard bounds neither time nor size of a whole
//!   answer.
//! - [`model`]: samples and metadata joined; rates, OOM kills, who may claim a network namespace.
//! - [`table`]: what is served, in no format. [`table::families::FAMILIES`] is the one table behind every
//!   output, `--metrics` and the README: a file per set, each row with its getter. [`table::feed()`] gives a
//!   pass over it to a sink.
//! - [`encode`]: how it is written, a sink per output. The table never imports it.
//! - [`collector`]: one OS thread owns all mutable state and takes messages. No mutex. Its handle offers
//!   pages, a pass shown to a visitor (push), and what each polling tick finds (a live page).
//! - [`server`]: routes, connections, TLS.
//! - [`demo`]: a recorded host, unpacked and set in motion.
//! - [`advice`]: what operators are told to do about something, in words; the rooms below return enums.
//! - [`log`] and [`systemd`]: what is told to people and to the service manager, neither of whom can stop the
//!   rest.
//! - [`cli`]: arguments and environment. [`settings`]: the same as typed values, and every usage error.
//! - [`app`]: puts the parts together.
//!
//! # What always holds
//!
//! - Counters are read at the scrape; the polling tick reads only what the rate gauges need. Settings
//!   (limits, weights) are read when somebody has written to the container's cgroup, which inotify tells.
//! - A container is (ID, cgroup inode): the same ID with a new inode is a new run, whose rates start over.
//! - A directory's name does not make it a container: an empty cgroup is not one that runs, what Docker
//!   answers 404 for is not Docker's, and of several directories with one ID one is read
//!   (`collector/containers/candidates.rs` says which).
//! - Each fact about a container knows the Docker daemon that told it; no daemon removes what another one
//!   told.
//! - A file or key that the kernel does not offer gives no series, never a made-up 0.
//! - A part is not the whole: a sum over rows is unknown while one of them could not be read ([`sample`]),
//!   and each device and interface has its own rate window ([`model`]).
//! - A refusal is not absence: a file that went is not the end of its container, and what is below a
//!   directory that can't be listed is unknown, which is counted and lowers `docker_stat_prom_up`. Only a
//!   directory that is gone ends a container.
//! - Descriptors are left for everything else: above the limit the files of containers are opened anew at
//!   each reading.
//! - Docker stands between no number and its scrape.
//! - Whoever waits for the collector waits with a deadline, and is told why there is no answer.
//! - Reading known containers, rendering them, and the polling tick allocate nothing
//!   (`tests/allocations.rs`). What does: gathering the exporter's own series, once per scrape, and the
//!   answer; looking for processes and the machine's size again now and then; containers with cgroups of
//!   their own; what is new, has failed or is told by Docker.
//! - Rooms import only what is below them, the files of a room form no circle, and each external crate has
//!   its place (`tests/layering.rs`).
//!
//! # Where this departs from the first design
//!
//! - A scrape does not read *every* file: a limit that nobody has written to is the one that was read before.
//!   That saves a quarter of the files; without a watch (descriptors or watches ran out) they are read at
//!   each scrape.
//! - The collector has no `Tick` message of its own making: its thread waits for messages until the next tick
//!   is due.
//! - bollard asks and decodes, but over connections of `metadata/docker/`, and does not read lists and event
//!   streams: it keeps a list whole in memory, and its event stream ends with the first event that it does
//!   not understand.
//! - The log's queue is our own (`log`), not `tracing-appender`: that crate needs a version of `time` with an
//!   open advisory for Rust 1.85, and escaping and masking would be ours in any case. So is the service
//!   manager's protocol (`systemd`), since `sd-notify` blocks when the manager does not read.
//! - The binary's allocator is mimalloc: glibc's keeps most of what a large page or list needed, for ever.
//! - The `demo` room serves recorded Docker answers with warp, so bollard is in the demo's pipeline too.

#![forbid(unsafe_code)]

pub mod advice;
pub mod app;
pub mod cli;
pub mod collector;
pub mod demo;
pub mod discovery;
pub mod encode;
pub mod log;
pub mod metadata;
pub mod model;
pub mod parse;
pub mod sample;
pub mod server;
pub mod settings;
pub mod systemd;
pub mod table;
