//! One request to a receiver: over TCP or TLS, through a proxy, after redirects, with a deadline.

mod answer;
mod blocking;
mod client;
mod connect;
mod credentials;
mod redirect;
mod tls;

pub(super) use answer::{Answer, Failure, first_line};
pub(super) use client::{Client, Request};
