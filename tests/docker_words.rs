//! What Docker says of a container's name, labels and life, and what stays where it does not say it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod support;

use docker_stat_prom::metadata::{Filter, Metadata, News, State};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use support::{
    dockerd::{Fault, HOST, Setting},
    eventually,
    exporter::{self, Exporter},
    fixture,
    following::Following,
    value,
};

const WEB: &str = "13d53898ca900ddddd308d959ad664b7b9486a3fe172b376a925c3f1b935eaa4";
const DEAD: &str = "635f799ab65985c2c41b7574ff46008eaeeb85c24e608d54c51b5f7da0b7ec21";

#[test]
fn the_own_name_is_taken_and_not_that_of_a_link() {
    let setting = Setting::new();
    setting.refuse_inspections();
    let mut list = setting.dockerd.list();
    for row in &mut list {
        if row["Id"] == WEB {
            row["Names"] = json!(["/shop/db-alias", "/worker/mysql", "/web"]);
        }
    }
    setting.list(&list);
    let following = Following::start(setting.host());
    following.connected(1);
    assert_eq!(following.last(WEB).unwrap().name, "web");
}

#[test]
fn a_renamed_container_is_filtered_by_its_new_name() {
    let setting = Setting::new();
    let filter = Filter::new(&[], &["name=shop".to_owned()]).unwrap();
    let following = Following::filtered(setting.host(), filter, &[]);
    following.connected(1);
    assert!(following.last(WEB).unwrap().included);
    setting.dockerd.event(WEB, "rename", &json!({"name": "shop", "oldName": "/web"}));
    following.eventually(WEB, "it is left out", |web| web.name == "shop" && !web.included);
    setting.dockerd.event(WEB, "rename", &json!({"name": "web", "oldName": "/shop"}));
    following.eventually(WEB, "it is back", |web| web.name == "web" && web.included);
}

#[test]
fn what_is_too_long_for_a_label_is_cut_and_counted() {
    let setting = Setting::new();
    let mut inspect = setting.dockerd.inspect(WEB);
    // The limit is in the middle of a character.
    inspect["Config"]["Labels"] = json!({
        "long": format!("x{}", "ä".repeat(600_000)), "short": "y", "n".repeat(2000): "left out"
    });
    inspect["Config"]["Env"] = json!([format!("TIER={}", "g".repeat(2000)), "OTHER=1"]);
    inspect["Config"]["Image"] = json!("i".repeat(1024));
    inspect["Name"] = json!(format!("/{}", "w".repeat(5000)));
    setting.dockerd.set(&format!("/containers/{WEB}/json"), 200, inspect.to_string());
    let following = Following::start(setting.host());
    following.connected(1);
    let web = following.last(WEB).unwrap();
    let length =
        |label: &str| web.labels.iter().find(|chosen| chosen.name == label).map(|chosen| chosen.value.len());
    assert_eq!(length("container_label_long"), Some(1023));
    assert_eq!(length("container_label_short"), Some(1));
    assert_eq!(length("container_env_TIER"), Some(1024));
    assert_eq!(web.labels.len(), 3);
    assert_eq!((web.image.as_ref().unwrap().len(), web.name.len()), (1024, 1024));
    assert_eq!(following.cut(), 4);
    setting.dockerd.event(WEB, "rename", &json!({"name": "v".repeat(3000), "oldName": "/web"}));
    following.eventually(WEB, "it is renamed", |web| web.name == "v".repeat(1024));
    assert_eq!(following.cut(), 5);
}

#[test]
fn a_container_with_labels_without_end_has_only_so_many() {
    let setting = Setting::new();
    let mut inspect = setting.dockerd.inspect(WEB);
    for number in 0..50_000 {
        inspect["Config"]["Labels"][format!("label{number:05}")] = json!("x");
    }
    setting.dockerd.set(&format!("/containers/{WEB}/json"), 200, inspect.to_string());
    let following = Following::start(setting.host());
    following.connected(1);
    let web = following.last(WEB).unwrap();
    let bytes: usize = web.labels.iter().map(|chosen| chosen.name.len() + chosen.value.len()).sum();
    assert!(bytes <= 16 << 10 && web.labels.len() > 100, "{bytes}");
    assert!(following.cut() > 49_000);
}

/// All that was told of a container.
fn told(following: &Following, id: &str) -> Vec<Arc<Metadata>> {
    let about = |news| match news {
        News::Changed(told) if told.id.as_str() == id => Some(told),
        _ => None,
    };
    following.news().into_iter().filter_map(about).collect()
}

/// Lets a container be inspected, with an answer that `change` made odd, and waits for what is told of it.
fn inspected(
    setting: &Setting,
    following: &Following,
    mark: u64,
    change: impl Fn(&mut Value),
) -> Arc<Metadata> {
    let mut inspect = setting.dockerd.inspect(WEB);
    inspect["Config"]["Labels"] = json!({"team": "a"});
    inspect["HostConfig"]["CpuShares"] = json!(mark);
    change(&mut inspect);
    setting.inspection(WEB, &inspect);
    setting.dockerd.event(WEB, "update", &json!({}));
    following.eventually(WEB, "it is inspected", |web| web.cpu_shares == Some(mark))
}

#[test]
fn an_answer_older_than_events_does_not_undo_them() {
    let setting = Setting::new();
    let following = Following::start(setting.host());
    following.connected(1);
    let path = format!("/containers/{WEB}/json");
    let asked = || setting.dockerd.count(&format!("GET {path}"));
    let before = asked();
    let mut inspect = setting.dockerd.inspect(WEB);
    inspect["State"]["StartedAt"] = json!("2026-11-23T23:35:57Z");
    inspect["State"]["Health"] = json!({"Status": "healthy"});
    setting.inspection(WEB, &inspect);
    setting.dockerd.delay(Duration::from_secs(2));
    setting.dockerd.event(WEB, "update", &json!({}));
    eventually("it is asked about", || (asked() == before + 1).then_some(()));
    // What is asked after this has no answer.
    setting.dockerd.fault(&path, Some(Fault::Hangs));
    setting.dockerd.event(WEB, "rename", &json!({"name": "shop", "oldName": "/web"}));
    setting.dockerd.event(WEB, "health_status: unhealthy", &json!({}));
    setting.dockerd.event(WEB, "pause", &json!({}));
    following.eventually(WEB, "it is paused", |web| web.state == Some(State::Paused));
    eventually("it is asked about again", || (asked() == before + 2).then_some(()));
    let web = following.last(WEB).unwrap();
    assert_eq!((web.name.as_str(), web.state), ("shop", Some(State::Paused)));
    assert_eq!(web.health, Some(docker_stat_prom::metadata::Health::Unhealthy));
    // What no event said is in the answer all the same: somebody could tell of events for ever.
    assert_eq!(web.restarts, Some(1));
}

#[test]
fn each_word_for_health_is_shown_and_the_streak_only_while_it_holds() {
    let setting = Setting::new();
    let mut inspect = setting.dockerd.inspect(WEB);
    inspect["Config"]["Healthcheck"] = json!({"Test": ["CMD", "false"], "Interval": 3_600_000_000_000_i64});
    let probed = |at: &str| json!([{"Start": at, "End": at, "ExitCode": 1}]);
    let now = "2099-01-01T00:00:00Z";
    let health = |status: &str, streak: i64, at: &str| {
        let log = probed(at);
        json!({"Status": status, "FailingStreak": streak, "Log": log})
    };
    inspect["State"]["Health"] = health("healthy", 2, now);
    setting.inspection(WEB, &inspect);
    let mut command = exporter::on_host(&fixture(HOST));
    command.args(["-H", &setting.dockerd.url()]);
    let exporter = Exporter::ready(&mut command);
    let shown =
        |name: &str, parts: &[&str]| value(&exporter.metrics(), name, &[&["name=\"web\""], parts].concat());
    let streak = || shown("container_health_failing_streak", &[]);
    let status = |word: &str| {
        eventually(word, || {
            shown("container_health_status", &[&format!("status=\"{word}\"")]).filter(|one| *one == 1.0)
        });
        let all = exporter.metrics();
        let its = all
            .lines()
            .filter(|line| line.starts_with("container_health_status{") && line.contains("\"web\""));
        assert_eq!(its.count(), 1, "{all}");
    };
    status("healthy");
    assert_eq!(streak(), Some(2.0));
    // The event says nothing of the streak, so it is asked for.
    inspect["State"]["Health"] = health("unhealthy", 3, now);
    setting.inspection(WEB, &inspect);
    setting.dockerd.event(WEB, "health_status: unhealthy", &json!({}));
    status("unhealthy");
    eventually("the streak", || streak().filter(|streak| *streak == 3.0));
    assert_eq!(shown("container_health_state", &[]), Some(0.0));
    setting.dockerd.event(WEB, "health_status: healthy", &json!({}));
    status("healthy");
    assert_eq!(streak(), None, "a probe has passed since");
    // The next probe was due long ago.
    inspect["State"]["Health"] = health("starting", 1, "2026-01-01T00:00:00Z");
    setting.inspection(WEB, &inspect);
    setting.dockerd.event(WEB, "update", &json!({}));
    status("starting");
    assert_eq!((streak(), shown("container_health_state", &[])), (None, Some(0.0)));
    inspect["State"].as_object_mut().unwrap().remove("Health");
    setting.inspection(WEB, &inspect);
    setting.dockerd.event(WEB, "update", &json!({}));
    status("none");
    assert_eq!((streak(), shown("container_health_state", &[])), (None, Some(-1.0)));
}

#[test]
fn a_late_pause_revives_no_container_that_has_ended() {
    let setting = Setting::new();
    let following = Following::start(setting.host());
    following.connected(1);
    for event in ["unpause", "pause"] {
        let asked = || setting.dockerd.count(&format!("GET /containers/{DEAD}/json"));
        let before = asked();
        setting.dockerd.event(DEAD, event, &json!({}));
        eventually("it is asked about", || (asked() > before).then_some(()));
    }
    assert!(told(&following, DEAD).iter().all(|told| told.state == Some(State::Exited)));
}

#[test]
fn a_rename_without_a_name_takes_no_name_away() {
    let setting = Setting::new();
    let following = Following::start(setting.host());
    following.connected(1);
    for attributes in [json!({}), json!({"name": ""}), json!({"name": "/"}), json!({"name": 7}), json!(null)]
    {
        let before = setting.dockerd.inspections();
        setting.dockerd.event(WEB, "rename", &attributes);
        eventually("its name is asked for", || (setting.dockerd.inspections() > before).then_some(()));
    }
    assert!(told(&following, WEB).iter().all(|told| told.name == "web"));
    for (mark, name) in (7..).zip([json!(null), json!(7), json!(""), json!("/"), json!(["web"])]) {
        let web = inspected(&setting, &following, mark, |inspect| inspect["Name"] = name.clone());
        assert_eq!(web.name, "web", "{name}");
    }
}

#[test]
fn a_list_without_a_name_takes_no_name_away() {
    let setting = Setting::new();
    let following = Following::start(setting.host());
    following.connected(1);
    let list = setting.dockerd.list();
    let odd = [
        json!(null),
        json!([]),
        json!(["", ""]),
        json!(["/"]),
        json!([7]),
        json!("web"),
        json!({}),
        // A link's name of it, and not its own.
        json!(["/other/alias"]),
    ];
    let rows: Vec<_> = list.iter().zip(odd.iter().cycle()).collect();
    setting.refuse_inspections();
    let changed = rows.iter().map(|(row, names)| {
        let mut row = (*row).clone();
        row["Names"] = (*names).clone();
        row["State"] = json!("removing");
        row
    });
    setting.list(&changed.collect::<Vec<_>>());
    let before = list.iter().map(|row| following.last(row["Id"].as_str().unwrap()).unwrap());
    let before: Vec<_> = before.collect();
    setting.dockerd.hang_up();
    for (before, (_, names)) in before.iter().zip(&rows) {
        let is_new = |told: &Metadata| told.state == Some(State::Removing);
        let after = following.eventually(before.id.as_str(), "it is told", is_new);
        assert_eq!(after.name, before.name, "{names}");
    }
}

#[test]
fn labels_that_an_answer_does_not_tell_filter_as_before() {
    let team = ["label=team".to_owned()];
    for (filter, is_shown) in
        [(Filter::new(&team, &[]).unwrap(), true), (Filter::new(&[], &team).unwrap(), false)]
    {
        let setting = Setting::new();
        let following = Following::filtered(setting.host(), filter, &["*"]);
        following.connected(1);
        let good =
            inspected(&setting, &following, 7, |inspect| inspect["Config"]["Env"] = json!(["TIER=gold"]));
        assert_eq!(good.included, is_shown);
        assert_eq!(good.labels.len(), 2);
        let changes: [fn(&mut Value); 8] = [
            |inspect| inspect["Config"] = json!(null),
            |inspect| inspect["Config"] = json!("odd"),
            |inspect| inspect["Config"] = json!({}),
            |inspect| inspect["Config"]["Labels"] = json!(null),
            |inspect| inspect["Config"]["Labels"] = json!("odd"),
            |inspect| inspect["Config"]["Labels"] = json!(["team"]),
            |inspect| inspect["Config"]["Labels"] = json!({"team": 7, "other": "b"}),
            |inspect| inspect["Config"]["Env"] = json!([7]),
        ];
        for (mark, change) in (100..).zip(changes) {
            let web = inspected(&setting, &following, mark, change);
            assert_eq!((web.included, &web.labels), (is_shown, &good.labels), "{mark}");
            assert_eq!(web.image, good.image, "{mark}");
        }
        let mut list = setting.dockerd.list();
        for row in &mut list {
            (row["Labels"], row["State"]) = (json!(null), json!("removing"));
        }
        setting.refuse_inspections();
        setting.list(&list);
        setting.dockerd.hang_up();
        let web = following.eventually(WEB, "it is told", |web| web.state == Some(State::Removing));
        assert_eq!((web.included, &web.labels), (is_shown, &good.labels));
    }
}

#[test]
fn what_an_inspection_does_not_tell_stays_as_it_was() {
    let setting = Setting::new();
    let following = Following::start(setting.host());
    following.connected(1);
    let good = inspected(&setting, &following, 7, |inspect| {
        inspect["State"]["Health"] = json!({"Status": "healthy"});
        inspect["HostConfig"]["CgroupParent"] = json!("lab.slice");
    });
    assert!(good.started.is_some() && good.created.is_some() && good.main_pid.is_some());
    let changes: [fn(&mut Value); 9] = [
        |inspect| inspect["State"] = json!(null),
        |inspect| inspect["State"] = json!("odd"),
        |inspect| inspect["State"] = json!({}),
        |inspect| inspect["State"]["StartedAt"] = json!("yesterday"),
        |inspect| inspect["State"]["StartedAt"] = json!("0001-01-01T00:00:00Z"),
        |inspect| inspect["State"]["Health"] = json!("odd"),
        |inspect| inspect["State"]["Pid"] = json!("odd"),
        |inspect| inspect["Created"] = json!(7),
        |inspect| {
            inspect["RestartCount"] = json!(null);
            inspect["HostConfig"]["NetworkMode"] = json!(null);
            inspect["Image"] = json!(null);
        },
    ];
    for (mark, change) in (100..).zip(changes) {
        let web = inspected(&setting, &following, mark, |inspect| {
            inspect["State"]["Health"] = json!({"Status": "healthy"});
            inspect["HostConfig"]["CgroupParent"] = json!("lab.slice");
            change(inspect);
        });
        assert_eq!(*web, Metadata { cpu_shares: Some(mark), ..Metadata::clone(&good) }, "{mark}");
    }
    // Without a HostConfig the mark is not told either.
    let told = told(&following, WEB).len();
    let mut inspect = setting.dockerd.inspect(WEB);
    inspect["HostConfig"] = json!(null);
    inspect["State"]["Health"] = json!({"Status": "unhealthy"});
    setting.inspection(WEB, &inspect);
    setting.dockerd.event(WEB, "update", &json!({}));
    let web = eventually("it is inspected", || following.last(WEB).filter(|web| web.health != good.health));
    assert_eq!((&web.cgroup, &web.network_mode), (&good.cgroup, &good.network_mode), "{told}");
}

#[test]
fn labels_that_would_be_one_are_warned_of_once() {
    let setting = Setting::new();
    let mut inspect = setting.dockerd.inspect(WEB);
    inspect["Config"]["Labels"] = json!({"a.b": "1", "a-b": "2"});
    setting.inspection(WEB, &inspect);
    let mut command = exporter::on_host(&fixture(HOST));
    command.args(["-H", &setting.dockerd.url(), "--container_labels", "*"]);
    let exporter = Exporter::start(&mut command);
    eventually("it is named", || {
        value(&exporter.metrics(), "container_memory_usage_bytes", &["name=\"web\""])
    });
    // Others are asked about all the time.
    let asked = || setting.dockerd.count(&format!("GET /containers/{WEB}/json"));
    for _ in 0..3 {
        let before = asked();
        setting.dockerd.event(WEB, "update", &json!({}));
        eventually("it is asked about", || (asked() > before).then_some(()));
    }
    let attributes = json!({"name": "x", "image": "i", "a.b": "1", "a-b": "2"});
    setting.dockerd.event(&"e".repeat(64), "create", &attributes);
    setting.dockerd.event(WEB, "rename", &json!({"name": "shop"}));
    eventually("it is renamed", || {
        value(&exporter.metrics(), "container_memory_usage_bytes", &["name=\"shop\""])
    });
    assert_eq!(exporter.log().matches("would both be").count(), 1, "{}", exporter.log());
}
