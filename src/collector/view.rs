//! The result of a full pass, for code that makes something other than a page from it.

use super::{
    containers::Containers,
    host::{Host, shown},
};
use crate::{
    encode::{Format, LabelBlock, Renderer, Text},
    model::Container,
    parse::ContainerId,
    table::{ContainerSink, OwnSeries, Page, Selection, Shown, feed},
};
use std::fmt;
use tokio::sync::oneshot;

/// All that one full pass has read: the machine, every container that is shown, and the exporter's own
/// series.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The families that are served.
    pub selection: &'a Selection,
    /// What does not belong to one container, such as the machine's size.
    pub page: Page<'a>,
    /// The exporter's own series.
    pub own: &'a OwnSeries,
    pub(super) renderer: &'a Renderer,
    pub(super) host: &'a Option<Host>,
    pub(super) containers: &'a Containers,
}

impl<'a> View<'a> {
    /// The host, if it is served.
    pub fn host(&self) -> Option<&'a Container> {
        self.host.as_ref().map(Host::container)
    }

    /// The containers that are shown.
    pub fn containers(&self) -> impl Iterator<Item = Shown<'a, &'a LabelBlock>> + Clone + use<'a> {
        self.containers.shown()
    }

    /// Feeds every family of the host and every container to a sink, and then the exporter's own.
    pub fn feed(&self, sink: &mut impl ContainerSink<&'a LabelBlock>) {
        feed(self.selection, shown(self.host, self.containers), &self.page, sink);
        self.own.feed(sink);
    }

    /// Writes the families of one container in the same form as a scrape gets them, and those of the machine;
    /// without those of the host and the exporter.
    pub fn render_one(&self, id: &ContainerId, format: Format, out: &mut Text) {
        let one = self.containers().filter(|shown| shown.container.id == *id);
        self.renderer.render(format, one, &self.page, out);
    }

    /// Writes all of it in the same form as a scrape gets it.
    pub fn render(&self, format: Format, out: &mut Text) {
        self.renderer.render(format, shown(self.host, self.containers), &self.page, out);
        self.renderer.render_own(self.own, format, out);
    }
}

/// Gets the result of a full pass, for example to push it elsewhere. See [`super::Handle::feed`].
pub trait Visitor: Send {
    /// Called once, after a full pass, on the collector's thread. Scrapes and ticks wait until it returns: it
    /// may encode into memory, but must not wait for anything.
    fn visit(&mut self, view: &View<'_>);
}

/// A visitor in a message to the collector.
pub struct Feed(Box<dyn Errand>);

impl Feed {
    /// A message for the collector, and the channel on which the visitor comes back. If the collector has
    /// stopped, the visitor is lost.
    #[must_use]
    pub fn new<V: Visitor + 'static>(visitor: V) -> (Self, oneshot::Receiver<V>) {
        let (reply, answer) = oneshot::channel();
        (Self(Box::new(Trip { visitor, reply })), answer)
    }

    /// Whether the caller no longer waits for the visitor.
    pub(super) fn is_unwanted(&self) -> bool {
        self.0.is_unwanted()
    }

    /// Shows a pass to the visitor and sends it back.
    pub(super) fn show(self, view: &View<'_>) {
        self.0.show(view);
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").finish_non_exhaustive()
    }
}

/// A visitor of any type, with the channel that returns it.
trait Errand: Send {
    fn is_unwanted(&self) -> bool;
    fn show(self: Box<Self>, view: &View<'_>);
}

struct Trip<V> {
    visitor: V,
    reply: oneshot::Sender<V>,
}

impl<V: Visitor> Errand for Trip<V> {
    fn is_unwanted(&self) -> bool {
        self.reply.is_closed()
    }

    fn show(mut self: Box<Self>, view: &View<'_>) {
        self.visitor.visit(view);
        let _nobody_waits = self.reply.send(self.visitor);
    }
}
