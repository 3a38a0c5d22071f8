//! A real Prometheus that scrapes one target.

use super::{eventually, skip};
use serde_json::{Value, json};
use std::{
    fs,
    net::TcpListener,
    process::{Child, Command, Stdio},
};

pub struct Prometheus {
    child: Child,
    address: String,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    /// Starts it. `None`, said aloud, if this machine lacks it or curl, with which it is asked.
    pub fn start(target: &str) -> Option<Self> {
        if Command::new("curl").arg("--version").output().is_err() {
            skip("a real Prometheus", "there is no curl");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("prometheus.yml");
        let scrape = format!(
            "global: {{scrape_interval: 500ms, scrape_timeout: 500ms}}\nscrape_configs:\n  - job_name: \
             docker\n    static_configs: [{{targets: ['{target}']}}]\n"
        );
        fs::write(&config, scrape).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match child {
            Ok(child) => Some(Self { child, address, _folder: folder }),
            Err(error) => {
                skip("a real Prometheus", &error.to_string());
                None
            }
        }
    }

    /// The samples of an expression now; `None` while it does not answer.
    pub fn query(&self, expression: &str) -> Option<Vec<Value>> {
        let output = Command::new("curl")
            .args(["-s", "--max-time", "10", "--data-urlencode", &format!("query={expression}")])
            .arg(format!("http://{}/api/v1/query", self.address))
            .output()
            .unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout).ok()?;
        assert_ne!(answer["status"], "error", "{expression}: {answer}");
        let data = &answer["data"];
        match data["resultType"].as_str()? {
            "scalar" => Some(vec![json!({"metric": {}, "value": data["result"]})]),
            _ => data["result"].as_array().cloned(),
        }
    }

    /// Waits until there are enough scrapes for rates.
    pub fn wait_for_scrapes(&self) {
        eventually("three scrapes are in", || {
            let count = self.query("count_over_time(machine_cpu_cores[5m])")?.first()?["value"][1]
                .as_str()?
                .to_owned();
            (count.parse::<u32>().ok()? >= 3).then_some(())
        });
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _already_ended = self.child.kill();
        let _already_waited_for = self.child.wait();
    }
}
