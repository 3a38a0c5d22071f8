//! The names of labels, and their values.

use crate::{
    metadata::{Chosen, Origin},
    model::Container,
    parse::Name,
};

macro_rules! labels {
    ($($variant:ident = $name:literal,)*) => {
        /// The name of a label that only some series of a container have. The column `labels` of a row and
        /// its getter use the same constants.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Label { $(#[doc = concat!("`", $name, "`")] $variant),* }

        impl Label {
            /// All labels, in order.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The number of labels.
            pub const COUNT: usize = Self::ALL.len();

            /// The Prometheus name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }
    };
}

labels! {
    BootId = "boot_id",
    Code = "code",
    ContainerId = "container_id",
    Cpu = "cpu",
    Device = "device",
    Event = "event",
    FailureType = "failure_type",
    File = "file",
    Flags = "flags",
    ImageId = "image_id",
    Interface = "interface",
    Key = "key",
    Kind = "kind",
    MachineId = "machine_id",
    Major = "major",
    Minor = "minor",
    NetworkMode = "network_mode",
    Operation = "operation",
    Pagesize = "pagesize",
    Part = "part",
    Reason = "reason",
    Result = "result",
    Resource = "resource",
    Revision = "revision",
    Rustc = "rustc",
    Scope = "scope",
    State = "state",
    Status = "status",
    SystemUuid = "system_uuid",
    Target = "target",
    Ulimit = "ulimit",
    Version = "version",
    Window = "window",
}

/// The value of a label that only some series of a container have.
#[derive(Debug, Clone, Copy)]
pub enum LabelValue<'a> {
    /// A short text, which knows whether it is plain ASCII.
    Name(&'a Name),
    /// Any text.
    Text(&'a str),
}

impl<'a> LabelValue<'a> {
    /// The value as text.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        match self {
            Self::Name(name) => name.as_str(),
            Self::Text(text) => text,
        }
    }
}

/// The labels that every series of one container has. An encoder may keep them in its own form between
/// passes: they change only when the container's cgroup or its metadata changes.
#[derive(Debug, Clone, Copy)]
pub struct BaseLabels<'a> {
    container: &'a Container,
    core_only: bool,
}

impl<'a> BaseLabels<'a> {
    /// The labels of a container: all of them, or only `id` and `name` if only the set `core` is served.
    #[must_use]
    pub fn of(container: &'a Container, core_only: bool) -> Self {
        Self { container, core_only }
    }

    /// The container's ID; `None` for the host.
    #[must_use]
    pub fn container_id(self) -> Option<&'a str> {
        (!self.container.is_host()).then(|| self.container.id.as_str())
    }

    /// When the counters of the container's present run began, or the host was booted, in Unix seconds; see
    /// [`super::family::Heading::counts_from_start`].
    #[must_use]
    pub fn began(self) -> Option<f64> {
        self.container.started()
    }

    /// Name and value of each, in the order of the page: `id`, `name`, `image`, then the chosen labels and
    /// environment variables. The host has only `id`.
    pub fn pairs(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let Self { container, core_only } = self;
        let metadata = container.metadata.as_ref().filter(|_| !core_only);
        let image = metadata.and_then(|metadata| metadata.image.as_deref()).map(|image| ("image", image));
        let name = (!container.is_host()).then(|| ("name", container.name()));
        std::iter::once(("id", container.cgroup.as_str()))
            .chain(name)
            .chain(image)
            .chain(self.chosen().map(|chosen| (chosen.name.as_str(), chosen.value.as_str())))
    }

    /// The chosen labels and environment variables among them: the Prometheus name of each, and its name in
    /// OpenTelemetry. The semantic conventions have `container.label.<key>`, with the key as Docker has it,
    /// and none for environment variables, which are named in the same way.
    pub fn attributes(self) -> impl Iterator<Item = (&'a str, String)> {
        self.chosen().map(|Chosen { name, origin, key, .. }| {
            let begin = match origin {
                Origin::Label => "container.label.",
                Origin::Environment => "container.env.",
            };
            (name.as_str(), format!("{begin}{key}"))
        })
    }

    fn chosen(self) -> impl Iterator<Item = &'a Chosen> {
        let metadata = self.container.metadata.as_ref().filter(|_| !self.core_only);
        metadata.into_iter().flat_map(|metadata| &metadata.labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{metadata::Metadata, parse::ContainerId};
    use std::sync::Arc;

    #[test]
    fn a_container_has_what_docker_knows_unless_only_core_is_served() {
        let id = ContainerId::new(&"1".repeat(64)).unwrap();
        let mut container = Container::new(id.clone(), "/a");
        let pairs = |container: &Container, core_only| -> Vec<_> {
            let pairs = BaseLabels::of(container, core_only).pairs();
            pairs.map(|(name, value)| format!("{name}={value}")).collect()
        };
        assert_eq!(pairs(&container, false), ["id=/a", "name=111111111111"]);
        container.metadata = Some(Arc::new(Metadata {
            name: "web".into(),
            image: Some("nginx".into()),
            labels: vec![Chosen::new(Origin::Label, "x-y", "1")],
            ..Metadata::new(id)
        }));
        assert_eq!(pairs(&container, false), ["id=/a", "name=web", "image=nginx", "container_label_x_y=1"]);
        assert_eq!(pairs(&container, true), ["id=/a", "name=web"]);
        let attributes: Vec<_> = BaseLabels::of(&container, false).attributes().collect();
        assert_eq!(attributes, [("container_label_x_y", "container.label.x-y".to_owned())]);
        assert_eq!(BaseLabels::of(&container, true).attributes().count(), 0);
        for core_only in [false, true] {
            assert_eq!(pairs(&Container::host(), core_only), ["id=/"]);
        }
    }
}
