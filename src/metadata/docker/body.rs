//! The body of an answer that bollard does not read, in pieces as they arrive.

use super::problem::Problem;
use hyper::body::{Body as _, Bytes, Incoming};
use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

/// A connection, which must be polled together with the body that it carries.
type Connection = Pin<Box<dyn Future<Output = Result<(), hyper::Error>>>>;

pub(super) struct Body {
    body: Incoming,
    connection: Option<Connection>,
}

impl Body {
    pub(super) fn new(
        body: Incoming,
        connection: impl Future<Output = Result<(), hyper::Error>> + 'static,
    ) -> Self {
        Self { body, connection: Some(Box::pin(connection)) }
    }

    /// The next piece; `None` at the end. Cancel safe: may be dropped at any time and called again.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, Problem> {
        poll_fn(|context| self.poll_chunk(context)).await
    }

    /// The beginning of a body, to be quoted in a message.
    pub(super) async fn begin(mut self, length: usize) -> Vec<u8> {
        let mut text = Vec::new();
        while text.len() < length {
            let Ok(Some(chunk)) = self.chunk().await else { break };
            text.extend_from_slice(&chunk);
        }
        text
    }

    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Problem>> {
        loop {
            if let Some(connection) = &mut self.connection {
                if connection.as_mut().poll(context).is_ready() {
                    self.connection = None;
                }
            }
            return match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => Poll::Ready(Ok(Some(data))),
                    Err(_trailers) => continue,
                },
                Poll::Ready(Some(Err(error))) => Poll::Ready(Err(error.into())),
                Poll::Ready(None) => Poll::Ready(Ok(None)),
                Poll::Pending => Poll::Pending,
            };
        }
    }
}
