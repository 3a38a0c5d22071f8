//! The host's own block of series.

use super::containers::Containers;
use crate::{
    collector::config::Config,
    encode::LabelBlock,
    model::Container,
    sample::{HostReader, MachineReader, Pass},
    table::Shown,
};

/// The host, shown like a container.
#[derive(Debug)]
pub(super) struct Host {
    container: Container,
    labels: LabelBlock,
    reader: HostReader,
}

impl Host {
    /// The host, or `None` if nothing is served for it.
    pub(super) fn new(config: &Config) -> Option<Self> {
        let needs = config.selection.needs_of_host()?;
        let container = Container::host();
        Some(Self {
            labels: LabelBlock::new(&container, config.selection.is_core_only()),
            container,
            reader: HostReader::new(&config.roots, needs.files, needs.net_dev, config.fd_budget),
        })
    }

    /// Reads it for the page.
    pub(super) fn sample(&mut self, machine: &MachineReader, pass: &mut Pass) {
        self.reader.sample(machine, pass, &mut self.container.sample);
        self.container.scope_created = machine.machine().boot_time.map(crate::table::own::float);
    }

    pub(super) fn container(&self) -> &Container {
        &self.container
    }

    fn shown(&self) -> Shown<'_, &LabelBlock> {
        Shown { container: &self.container, is_live: true, kept: &self.labels }
    }
}

/// Whatever is shown: the host, if it is served, and the containers.
pub(super) fn shown<'a>(
    host: &'a Option<Host>,
    containers: &'a Containers,
) -> impl Iterator<Item = Shown<'a, &'a LabelBlock>> + Clone {
    host.iter().map(Host::shown).chain(containers.shown())
}
