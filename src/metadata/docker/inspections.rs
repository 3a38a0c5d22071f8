//! Inspections under way.

use super::AFTER_TIMEOUT;
use crate::parse::ContainerId;
use bollard::{errors::Error, models::ContainerInspectResponse, query_parameters::InspectContainerOptions};
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use std::{collections::HashMap, time::Duration};
use tokio::time::sleep;

/// The answer to an inspection.
pub(super) type Answer = Result<Box<ContainerInspectResponse>, Error>;

/// Whether asking again would bring the same: not Docker's, gone again, or beyond bollard.
pub(super) fn is_final(error: &Error) -> bool {
    matches!(
        error,
        Error::DockerResponseServerError { .. } | Error::JsonDataError { .. } | Error::JsonSerdeError { .. }
    )
}

/// Inspections under way: one per container, so that no old answer overtakes a new one, and none that holds up the events.
pub(super) struct Inspections<'c> {
    client: &'c bollard::Docker,
    under_way: FuturesUnordered<BoxFuture<'c, (ContainerId, Answer)>>,
    /// Containers under way, and whether something happened to them since they were asked for.
    asked: HashMap<ContainerId, bool>,
}

impl<'c> Inspections<'c> {
    pub(super) fn new(client: &'c bollard::Docker) -> Self {
        Self { client, under_way: FuturesUnordered::new(), asked: HashMap::new() }
    }

    pub(super) fn ask(&mut self, id: Option<ContainerId>) {
        if let Some(id) = id {
            self.start(id, Duration::ZERO);
        }
    }

    pub(super) fn ask_later(&mut self, id: ContainerId) {
        self.start(id, AFTER_TIMEOUT);
    }

    pub(super) fn start(&mut self, id: ContainerId, wait: Duration) {
        if let Some(again) = self.asked.get_mut(&id) {
            *again = true;
            return;
        }
        self.asked.insert(id.clone(), false);
        let client = self.client;
        self.under_way.push(Box::pin(async move {
            sleep(wait).await;
            let answer = client.inspect_container(id.as_str(), None::<InspectContainerOptions>).await;
            (id, answer.map(Box::new))
        }));
    }

    /// The next answer; waits for ever while nothing is asked.
    pub(super) async fn next(&mut self) -> (ContainerId, Answer) {
        match self.under_way.next().await {
            Some((id, answer)) => {
                if self.asked.remove(&id) == Some(true) {
                    self.ask(Some(id.clone()));
                }
                (id, answer)
            }
            None => std::future::pending().await,
        }
    }
}
