//! Sends series to receivers: remote write, OTLP, Pushgateway.

mod config;
mod http;
mod queue;
mod record;
mod relabel;
mod spool;

pub use config::{
    Authorization, Config, Endpoint, Otlp, Pem, Protocol, Proxy, Queue, Secret, Spool, Target, Tls, Version,
};
pub use record::{Kind, Record};
pub use relabel::Rule;
