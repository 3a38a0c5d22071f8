//! The host of these tests, and what is looked for on its pages.

use crate::support::{
    self,
    dockerd::FakeDockerd,
    eventually,
    exporter::{self, Exporter},
    fixture, value,
};
use std::{fs, path::PathBuf, time::Duration};

/// `web` of `cases/leaked-cgroups`: live in `/docker/<id>`, its only process is 101.
pub(crate) const WEB: &str = "0101010101010101010101010101010101010101010101010101010101010101";

/// One of the leaked.
pub(crate) const LEAKED: &str = "0202020202020202020202020202020202020202020202020202020202020202";

/// Longer than a container waits for its name, seconds.
pub(crate) const UNNAMED: u64 = 3;

pub(crate) struct Host {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) dockerd: FakeDockerd,
}

impl Host {
    pub(crate) fn new(case: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        support::copy(&fixture("cases").join(case), folder.path());
        let dockerd = FakeDockerd::start(&folder.path().join("docker.sock"), folder.path());
        Self { folder, dockerd }
    }

    /// Another directory like that of `web`.
    pub(crate) fn twin(&self, cgroup: &str, files: &[(&str, &str)]) -> PathBuf {
        let twin = self.cgroup(cgroup);
        support::copy(&self.cgroup(&format!("docker/{WEB}")), &twin);
        for (file, text) in files {
            fs::write(twin.join(file), text).unwrap();
        }
        twin
    }

    pub(crate) fn cgroup(&self, cgroup: &str) -> PathBuf {
        self.folder.path().join("sys/fs/cgroup").join(cgroup)
    }

    pub(crate) fn exporter(&self, arguments: &[&str]) -> Exporter {
        let mut command = exporter::on_host(self.folder.path());
        Exporter::ready(
            command.arg("-H").arg(self.dockerd.url()).args(["-i", "100", "--debug_pages"]).args(arguments),
        )
    }

    pub(crate) fn asked_about(&self, id: &str) -> usize {
        let requests = self.dockerd.requests();
        requests.iter().filter(|request| request.contains(&format!("/containers/{id}/json"))).count()
    }
}

/// The containers that run. The host has no name.
pub(crate) fn live(page: &str) -> Vec<&str> {
    page.lines().filter(|line| line.starts_with("container_last_seen{") && line.contains("name=")).collect()
}

pub(crate) fn hidden(exporter: &Exporter, id: &str) -> Option<String> {
    let report: serde_json::Value = serde_json::from_slice(&exporter.get("/debug/containers").body).unwrap();
    let all = report["containers"].as_array().unwrap();
    let one = all.iter().find(|container| container["id"] == id)?;
    one["hidden"].as_str().map(str::to_owned)
}

/// Scrapes for a while: what never happens can only be waited for.
pub(crate) fn for_a_while(exporter: &Exporter, seconds: u64, mut check: impl FnMut(&str)) {
    crate::support::throughout(Duration::from_secs(seconds), || check(&exporter.metrics()));
}

pub(crate) fn settled(exporter: &Exporter) {
    eventually("web is shown", || value(&exporter.metrics(), "container_last_seen", &["name=\"web\""]));
}

/// The `id` of every series of `web`.
pub(crate) fn ids_of_web(page: &str) -> Vec<&str> {
    let of_web = page.lines().filter(|line| line.contains("name=\"web\""));
    let mut ids: Vec<_> = of_web
        .filter_map(|line| line.split_once("{id=\"").or_else(|| line.split_once(",id=\"")))
        .filter_map(|(_, rest)| rest.split('"').next())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}
