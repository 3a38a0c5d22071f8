//! Sends series to receivers: remote write, OTLP, Pushgateway.
//!
//! ```text
//!            every interval                              one task each
//!  schedule ──► pass (collector) ──► encoder of a target ──► queue (memory, spool) ──► target ──► receiver
//! ```
//!
//! - One pass per interval is shared by all targets. Encoding and sending happen on a thread of their own.
//! - A request is made when the one before has been sent, so that few are in memory. A receiver that is slow
//!   is waited for only a moment. Then the rest is made and waits in its queue.
//! - Each target has its own queue, its own connection and its own pauses. A target that is slow or away
//!   costs the others nothing.
//! - A request is removed from its queue once the receiver has taken it, or has refused it for good.
//! - A pass that takes longer than an interval is counted, and the one after it is late; there is never more
//!   than one.

mod backoff;
mod compress;
mod config;
mod encoder;
mod http;
mod otlp;
mod protocols;
mod pushgateway;
mod queue;
mod record;
pub mod relabel;
mod remote_write;
mod running;
mod said;
mod schedule;
mod spool;
mod start;
mod status;
mod store;
mod target;
mod verdict;

pub use compress::{Snappy, gzip, snappy};
pub use config::{
    Authorization, Config, Endpoint, Otlp, Pem, Protocol, Proxy, Queue, Secret, Spool, Target, Tls, Version,
    percent_decoded,
};
pub use encoder::{Encoder, Part, Pass, Protocols};
pub use protocols::PROTOCOLS;
pub use record::{Kind, Record};
pub use relabel::Rule;
pub use start::{Push, make_spool, once, start};
pub use status::{Board, TargetStatus};
