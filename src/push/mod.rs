//! Sends series to receivers: remote write, OTLP, Pushgateway.

mod config;
pub mod relabel;

pub use config::{
    Authorization, Config, Endpoint, Otlp, Pem, Protocol, Proxy, Queue, Secret, Spool, Target, Tls, Version,
};
pub use relabel::Rule;
