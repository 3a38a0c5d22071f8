//! HTTP and HTTPS: requests in, answers of the collector out. Knows nothing of containers.

mod connection;
mod encoding;
pub mod healthcheck;
mod landing;
mod negotiate;
mod routes;
pub mod tls;

pub use connection::serve;
pub use routes::routes;
