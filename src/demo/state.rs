//! What the demo's Docker says about a container: the recorded answers, with what has happened since.

use super::{
    recording::Recording,
    roles::{Role, whole},
};
use anyhow::{Context, Result};
use chrono::{DateTime, SecondsFormat};
use serde_json::{Map, Value, json};

/// A container as Docker describes it. All times are in Unix seconds.
#[derive(Debug)]
pub(super) struct State {
    pub(super) id: String,
    name: &'static str,
    /// Its row in the list.
    row: Value,
    inspection: Value,
    /// The bytes of its image's files.
    image_bytes: u64,
    /// The bytes of its own files when the demo began, and how many are added each second.
    own_bytes: (u64, u64),
    /// When the demo began.
    began: f64,
    status: String,
    /// When it was started, or ended.
    since: f64,
    exit_code: i64,
    health: Option<&'static str>,
}

impl State {
    /// A container as it was recorded, for a demo that begins at `began`.
    pub(super) fn new(role: &Role, recording: &Recording, rows: &[Value], began: f64) -> Result<Self> {
        let named = |row: &&Value| {
            row.pointer("/Names/0").and_then(Value::as_str).map(|name| name.trim_start_matches('/'))
                == Some(role.answers_of)
        };
        let row = rows.iter().find(named).with_context(|| format!("{} is not recorded", role.answers_of))?;
        let recorded_id = row.get("Id").and_then(Value::as_str).context("a container has no ID")?;
        let path = format!("docker/inspect/{recorded_id}.json");
        let id = if role.is_added() { id_of(role.name) } else { recorded_id.to_owned() };
        let own = |text: &str| serde_json::from_str(&text.replace(recorded_id, &id));
        let (row, inspection) = (own(&row.to_string())?, own(recording.text(&path)?)?);
        let mut state = Self {
            name: role.name,
            id,
            row,
            inspection,
            image_bytes: 0,
            own_bytes: (0, 0),
            began,
            status: String::new(),
            since: began,
            exit_code: 0,
            health: None,
        };
        state.take_role(role);
        state.make_up_sizes();
        state.shift(began - recording.at);
        Ok(state)
    }

    fn take_role(&mut self, role: &Role) {
        self.put("/Name", json!(format!("/{}", role.name)));
        put(&mut self.row, "/Names", json!([format!("/{}", role.name)]));
        if let Some(image) = role.image {
            let digest = format!("sha256:{}", id_of(image));
            self.put("/Config/Image", json!(image));
            self.put("/Image", json!(digest));
            put(&mut self.row, "/Image", json!(image));
            put(&mut self.row, "/ImageID", json!(digest));
        }
        if let Some((project, service)) = role.compose {
            let labels = json!({
                "com.docker.compose.project": project,
                "com.docker.compose.service": service,
                "com.docker.compose.container-number": "1",
            });
            self.put("/Config/Labels", labels.clone());
            put(&mut self.row, "/Labels", labels);
        }
        if let Some(limit) = role.shows.memory_limit() {
            self.put("/HostConfig/Memory", json!(limit));
        }
        if role.shows.is_restarted() {
            self.put("/HostConfig/RestartPolicy/Name", json!("always"));
        }
        let text = |pointer: &str| self.inspection.pointer(pointer).and_then(Value::as_str);
        self.status = text("/State/Status").unwrap_or_default().to_owned();
        self.health = text("/State/Health/Status").map(|_| "healthy");
        self.exit_code =
            self.inspection.pointer("/State/ExitCode").and_then(Value::as_i64).unwrap_or_default();
    }

    /// The sizes of its files were not recorded.
    fn make_up_sizes(&mut self) {
        let image = self.row.get("Image").and_then(Value::as_str).unwrap_or_default();
        self.image_bytes = (40 << 20) + hash_of(image) % (400 << 20);
        let hash = hash_of(self.name);
        self.own_bytes = (hash % (20 << 20), (hash >> 32) % 4 * 2000);
    }

    /// Moves all times, as if the host had been recorded when the demo began.
    fn shift(&mut self, seconds: f64) {
        let mut times = Vec::new();
        for pointer in ["/Created", "/State/StartedAt", "/State/FinishedAt"] {
            let text = self.inspection.pointer(pointer).and_then(Value::as_str);
            let Some(time) = text.and_then(unix_seconds) else { continue };
            times.push(time + seconds);
            self.put(pointer, json!(rfc3339(time + seconds)));
        }
        if let Some(created) = times.first() {
            put(&mut self.row, "/Created", json!(whole(*created)));
        }
        // The last time of a running container is that of its start, otherwise that of its end.
        self.since = times.last().copied().unwrap_or(self.since);
    }

    /// The PID of its main process; 0 if there is none.
    pub(super) fn pid(&self) -> u32 {
        let pid = self.inspection.pointer("/State/Pid").and_then(Value::as_u64);
        pid.and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0)
    }

    pub(super) fn start(&mut self, now: f64, pid: u32) {
        if self.status == "restarting" {
            self.count_restart();
        }
        self.become_status("running", now);
        self.exit_code = 0;
        self.put("/State/Pid", json!(pid));
        self.put("/State/OOMKilled", json!(false));
        self.put("/State/ExitCode", json!(0));
        self.put("/State/StartedAt", json!(rfc3339(now)));
    }

    pub(super) fn end(&mut self, now: f64, exit_code: i64, oom: bool, is_restarted: bool) {
        self.become_status(if is_restarted { "restarting" } else { "exited" }, now);
        self.exit_code = exit_code;
        self.put("/State/Pid", json!(0));
        self.put("/State/OOMKilled", json!(oom));
        self.put("/State/ExitCode", json!(exit_code));
        self.put("/State/FinishedAt", json!(rfc3339(now)));
    }

    pub(super) fn become_health(&mut self, health: &'static str) {
        self.health = Some(health);
        self.put("/State/Health/Status", json!(health));
        self.put("/State/Health/FailingStreak", json!(if health == "healthy" { 0 } else { 3 }));
    }

    /// Gives it this process from the beginning of the demo.
    pub(super) fn has_process(&mut self, pid: u32) {
        self.put("/State/Pid", json!(pid));
    }

    fn count_restart(&mut self) {
        let count = self.inspection.get("RestartCount").and_then(Value::as_i64).unwrap_or(0);
        self.put("/RestartCount", json!(count + 1));
    }

    fn become_status(&mut self, status: &str, now: f64) {
        status.clone_into(&mut self.status);
        self.since = now;
        self.put("/State/Status", json!(status));
        // As in dockerd, a container that will be started again counts as running.
        self.put("/State/Running", json!(status != "exited"));
        self.put("/State/Restarting", json!(status == "restarting"));
    }

    fn put(&mut self, pointer: &str, value: Value) {
        put(&mut self.inspection, pointer, value);
    }

    pub(super) fn inspection(&self) -> &Value {
        &self.inspection
    }

    /// Its row in a list with sizes at this time.
    pub(super) fn row(&self, now: f64) -> Value {
        let mut row = self.row.clone();
        let age = age(whole(now - self.since));
        let status = match self.status.as_str() {
            "exited" => format!("Exited ({}) {age} ago", self.exit_code),
            "restarting" => format!("Restarting ({}) {age} ago", self.exit_code),
            "paused" => format!("Up {age} (Paused)"),
            _ => self.health.map_or_else(|| format!("Up {age}"), |health| format!("Up {age} ({health})")),
        };
        put(&mut row, "/State", json!(self.status));
        put(&mut row, "/Status", json!(status));
        if let Some(row) = row.as_object_mut() {
            let (at_first, each_second) = self.own_bytes;
            let own = at_first + each_second * whole(now - self.began);
            row.insert("SizeRw".into(), json!(own));
            row.insert("SizeRootFs".into(), json!(self.image_bytes + own));
        }
        row
    }

    /// An event as a line of the event stream.
    pub(super) fn event(&self, action: &str, now: f64) -> String {
        let mut attributes = Map::new();
        if let Some(labels) = self.row.get("Labels").and_then(Value::as_object) {
            attributes.clone_from(labels);
        }
        let image = self.row.get("Image").cloned().unwrap_or_default();
        attributes.insert("name".into(), json!(self.name));
        attributes.insert("image".into(), image.clone());
        if action == "die" {
            attributes.insert("exitCode".into(), json!(self.exit_code.to_string()));
        }
        let event = json!({
            "status": action, "id": self.id, "from": image, "Type": "container", "Action": action,
            "Actor": {"ID": self.id, "Attributes": attributes},
            "scope": "local", "time": whole(now), "timeNano": whole(now * 1e6) * 1000,
        });
        format!("{event}\n")
    }
}

fn put(into: &mut Value, pointer: &str, value: Value) {
    if let Some(slot) = into.pointer_mut(pointer) {
        *slot = value;
    }
}

/// An ID of 64 digits for a name: repeated FNV-1a hashes.
fn id_of(name: &str) -> String {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut id = String::new();
    for round in 0..4_u8 {
        for byte in name.bytes().chain([round]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        id.push_str(&format!("{hash:016x}"));
    }
    id
}

/// A number that depends on a name.
fn hash_of(name: &str) -> u64 {
    u64::from_str_radix(id_of(name).get(..16).unwrap_or_default(), 16).unwrap_or_default()
}

fn unix_seconds(text: &str) -> Option<f64> {
    let time = DateTime::parse_from_rfc3339(text).ok()?;
    // For Docker, the year 1 means "never".
    let seconds = u32::try_from(time.timestamp()).ok().filter(|seconds| *seconds > 0)?;
    Some(f64::from(seconds) + f64::from(time.timestamp_subsec_nanos()) / 1e9)
}

pub(super) fn rfc3339(time: f64) -> String {
    let micros = i64::try_from(whole(time * 1e6)).unwrap_or_default();
    DateTime::from_timestamp_micros(micros).unwrap_or_default().to_rfc3339_opts(SecondsFormat::Nanos, true)
}

/// An age as `docker ps` words it.
fn age(seconds: u64) -> String {
    match seconds {
        0 => "Less than a second".into(),
        1 => "1 second".into(),
        2..60 => format!("{seconds} seconds"),
        60..120 => "About a minute".into(),
        120..3600 => format!("{} minutes", seconds / 60),
        3600..7200 => "About an hour".into(),
        7200..172_800 => format!("{} hours", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_as_docker_tells_them() {
        for (seconds, words) in [
            (0, "Less than a second"),
            (59, "59 seconds"),
            (61, "About a minute"),
            (185, "3 minutes"),
            (3700, "About an hour"),
            (90_000, "25 hours"),
            (200_000, "2 days"),
        ] {
            assert_eq!(age(seconds), words);
        }
    }

    #[test]
    fn times_are_what_they_were() {
        let time = unix_seconds("2026-11-23T23:34:30.826114668Z").unwrap();
        assert_eq!(rfc3339(time), "2026-11-23T23:34:30.826114000Z");
        assert_eq!(unix_seconds("0001-01-01T00:00:00Z"), None);
    }

    #[test]
    fn names_have_ids_of_their_own() {
        let (one, other) = (id_of("api"), id_of("cache"));
        assert!(one.len() == 64 && one != other && one.get(..12) != other.get(..12));
    }
}
