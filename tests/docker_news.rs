//! What Docker tells, in odd order, half, twice, too long or not at all: nothing is made up, and nothing lost
//! for it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "tests")]

mod support;

use docker_stat_prom::{
    metadata::{Docker, DockerHost, Filter, Health, Labels, News, State},
    parse::ContainerId,
};
use serde_json::json;
use std::time::Duration;
use support::{
    dockerd::{Fault, HOST, Setting},
    eventually, fixture,
    following::Following,
    throughout,
};

const WEB: &str = "13d53898ca900ddddd308d959ad664b7b9486a3fe172b376a925c3f1b935eaa4";
const DEAD: &str = "635f799ab65985c2c41b7574ff46008eaeeb85c24e608d54c51b5f7da0b7ec21";
const CONTAINERS: usize = 14;

fn id(text: &str) -> ContainerId {
    ContainerId::new(text).unwrap()
}

fn oom_events(following: &Following) -> usize {
    following.count(|news| matches!(news, News::Oom { .. }))
}

#[test]
fn events_are_taken_as_they_come_whatever_the_clock_says() {
    let setting = Setting::new();
    let following = Following::start(setting.host());
    following.connected(1);
    let now = 1_795_478_000_000_000_000;
    let hour = 3_600_000_000_000;
    let state = |state| following.eventually(WEB, "its state follows", |web| web.state == Some(state));
    setting.dockerd.event_at(WEB, "pause", &json!({}), now);
    state(State::Paused);
    // The clock was set back.
    setting.dockerd.event_at(WEB, "unpause", &json!({}), now - hour);
    state(State::Running);
    // An absurd time, and a sane one after it.
    setting.dockerd.event_at(WEB, "pause", &json!({}), i64::MAX);
    state(State::Paused);
    setting.dockerd.event_at(WEB, "unpause", &json!({}), now + 1);
    state(State::Running);
    // Two that overtook each other, also on another stream.
    setting.dockerd.hang_up();
    following.connected(2);
    setting.dockerd.event_at(WEB, "oom", &json!({}), now + 20);
    setting.dockerd.event_at(WEB, "oom", &json!({}), now + 10);
    eventually("both kills are told", || (oom_events(&following) == 2).then_some(()));
}

#[test]
fn what_a_new_stream_repeats_is_taken_once() {
    let setting = Setting::new();
    let following = Following::start(setting.host());
    following.connected(1);
    let now = 1_795_478_000_000_000_000;
    setting.dockerd.event_at(WEB, "oom", &json!({}), now);
    setting.dockerd.event_at(WEB, "oom", &json!({}), now + 1);
    eventually("both kills are told", || (oom_events(&following) == 2).then_some(()));
    setting.dockerd.hang_up();
    following.connected(2);
    // The daemon's memory: both, in another order, and one that happened in between.
    for time in [now + 1, now + 2, now] {
        setting.dockerd.event_at(WEB, "oom", &json!({}), time);
    }
    setting.dockerd.event_at(WEB, "pause", &json!({}), now + 3);
    following.eventually(WEB, "all have been read", |web| web.state == Some(State::Paused));
    assert_eq!(oom_events(&following), 3);
    // A new stream begins where the last one did, so that none is missed.
    let since: Vec<_> = setting
        .dockerd
        .requests()
        .iter()
        .filter_map(|request| Some(request.split("since=").nth(1)?.split('&').next()?.to_owned()))
        .collect();
    assert_eq!(since.len(), 2);
    assert_eq!(since[0], since[1]);
}

#[test]
fn a_replay_of_more_than_is_remembered_counts_no_kill_again() {
    let setting = Setting::new();
    let following = Following::start(setting.host());
    following.connected(1);
    // The daemon's clock, see `DATE`.
    let now = 1_795_476_958_000_000_000;
    let send = |times: std::ops::Range<i64>| {
        for time in times {
            setting.dockerd.event_at(WEB, "oom", &json!({}), now + time * 1_000_000);
        }
    };
    send(0..1500);
    eventually("all kills are told", || (oom_events(&following) == 1500).then_some(()));
    setting.dockerd.hang_up();
    following.connected(2);
    // All of them, whatever was asked for, and some that happened in between.
    send(0..1503);
    setting.dockerd.event_at(WEB, "pause", &json!({}), now + 2_000_000_000);
    following.eventually(WEB, "all have been read", |web| web.state == Some(State::Paused));
    assert_eq!(oom_events(&following), 1503);
}

#[test]
fn an_odd_event_is_skipped_and_the_next_ones_are_taken() {
    let setting = Setting::new();
    let following = Following::start(setting.host());
    following.connected(1);
    for odd in [
        "not json\n".to_owned(),
        "7\n[]\nnull\n\n{}\n".to_owned(),
        format!("{{\"Type\":\"galaxy\",\"Action\":\"oom\",\"Actor\":{{\"ID\":\"{WEB}\"}}}}\n"),
        format!("{{\"Type\":\"container\",\"Action\":7,\"Actor\":{{\"ID\":\"{WEB}\"}}}}\n"),
        "{\"Type\":\"container\",\"Action\":\"oom\",\"Actor\":{\"ID\":\"short\"}}\n".to_owned(),
        format!("{}\n", "x".repeat(3 << 20)),
    ] {
        setting.dockerd.send(&odd);
    }
    setting.dockerd.event(WEB, "pause", &json!({}));
    following.eventually(WEB, "it is paused", |web| web.state == Some(State::Paused));
    // The type is not what tells whom it is about.
    assert_eq!(oom_events(&following), 1);
    assert_eq!(following.count(|news| matches!(news, News::Disconnected)), 0, "the stream has not ended");
}

#[test]
fn an_event_without_an_end_ends_the_stream_and_nothing_else() {
    let setting = Setting::new();
    let following = Following::start(setting.host());
    following.connected(1);
    let mebibyte = "x".repeat(1 << 20);
    eventually("the stream is given up", || {
        setting.dockerd.send(&mebibyte);
        (following.count(|news| matches!(news, News::Disconnected)) == 1).then_some(())
    });
    following.connected(2);
}

#[test]
fn a_stream_that_flaps_inspects_nothing_and_lists_ever_more_rarely() {
    let setting = Setting::new();
    let following = Following::start(setting.host());
    following.connected(1);
    eventually("all are inspected", || (setting.dockerd.inspections() == CONTAINERS).then_some(()));
    for times in 2..=4 {
        setting.dockerd.hang_up();
        following.connected(times);
    }
    assert_eq!(setting.dockerd.inspections(), CONTAINERS);
    setting.dockerd.hang_up();
    let begin = std::time::Instant::now();
    following.connected(5);
    assert!(begin.elapsed() > Duration::from_secs(1), "{:?}", begin.elapsed());
}

#[test]
fn a_new_list_inspects_only_what_it_changes() {
    let setting = Setting::new();
    let following = Following::start(setting.host());
    following.connected(1);
    let before = setting.dockerd.inspections();
    let mut list = setting.dockerd.list();
    let web = list.iter().position(|row| row["Id"] == WEB).unwrap();
    list[web]["State"] = json!("paused");
    let mut inspect = setting.dockerd.inspect(WEB);
    inspect["State"]["Status"] = json!("paused");
    setting.dockerd.set(&format!("/containers/{WEB}/json"), 200, inspect.to_string());
    setting.list(&list);
    setting.dockerd.hang_up();
    following.eventually(WEB, "it is paused", |web| web.state == Some(State::Paused));
    assert_eq!(setting.dockerd.inspections(), before + 1);
    // A restart shows only in how long it is up.
    list[web]["Status"] = json!("Up 2 seconds (Paused)");
    inspect["State"]["StartedAt"] = json!("2026-11-23T23:35:57Z");
    setting.dockerd.set(&format!("/containers/{WEB}/json"), 200, inspect.to_string());
    setting.list(&list);
    setting.dockerd.hang_up();
    following.eventually(WEB, "the restart is seen", |web| web.restarts == Some(1));
    assert_eq!(setting.dockerd.inspections(), before + 2);
}

#[test]
fn an_odd_row_costs_no_other_container_anything() {
    let setting = Setting::new();
    let mut list = setting.dockerd.list();
    let odd = list.iter().position(|row| row["Id"] == DEAD).unwrap();
    list[odd]["Ports"] = json!([{"PrivatePort": 80, "Type": "quic"}]);
    list[odd]["HostConfig"] = json!(["odd"]);
    setting.list(&list);
    let following = Following::start(setting.host());
    following.connected(1);
    assert_eq!(following.listed().unwrap().len(), CONTAINERS);
    for row in &list {
        let told = following.last(row["Id"].as_str().unwrap()).unwrap();
        assert!(told.state.is_some() && told.restarts.is_some(), "{told:?}");
    }
}

#[test]
fn nothing_is_removed_by_a_list_with_an_unreadable_row() {
    let setting = Setting::new();
    let following = Following::start(setting.host());
    following.connected(1);
    // Two are missing, and one row can't be read: it may be one of them.
    let mut list = setting.dockerd.list();
    list.retain(|row| row["Id"] != DEAD && row["Id"] != WEB);
    list.push(json!({"Id": 7, "Names": ["/odd"]}));
    setting.list(&list);
    setting.dockerd.hang_up();
    following.connected(2);
    assert_eq!(following.count(|news| matches!(news, News::Listed(_))), 1);
    // It is still known: a pause and a rename are no news of a stranger.
    let before = setting.dockerd.inspections();
    setting.dockerd.event(WEB, "rename", &json!({"name": "shop", "oldName": "/web"}));
    following.eventually(WEB, "it is renamed", |web| web.name == "shop" && web.restarts.is_some());
    setting.dockerd.event(WEB, "pause", &json!({}));
    following.eventually(WEB, "it is paused", |web| web.state == Some(State::Paused));
    assert_eq!(setting.dockerd.inspections(), before);
    // And a list that is none at all changes nothing.
    setting.dockerd.set("/containers/json", 200, "{\"Id\": 1}");
    setting.dockerd.hang_up();
    eventually("it is noticed", || {
        (following.count(|news| matches!(news, News::Disconnected)) == 2).then_some(())
    });
    assert!(following.last(WEB).is_some());
}

#[test]
fn a_list_that_is_refused_later_takes_nothing_away() {
    let setting = Setting::new();
    setting.dockerd.set("/events", 403, "no");
    let following = Following::start(setting.host());
    following.connected(1);
    setting.dockerd.set("/containers/json", 500, "{\"message\":\"oh no\"}");
    let lists = || setting.dockerd.count("GET /containers/json");
    eventually("it is listed again", || (lists() == 2).then_some(()));
    let mut list = setting.dockerd.list();
    list.retain(|row| row["Id"] != WEB);
    setting.list(&list);
    eventually("it goes on", || (following.listed()?.len() == CONTAINERS - 1).then_some(()));
    assert_eq!(following.count(|news| matches!(news, News::Disconnected)), 0);
    assert_eq!(setting.dockerd.inspections(), CONTAINERS);
}

#[test]
fn an_odd_word_in_an_inspection_costs_only_itself() {
    let setting = Setting::new();
    let mut inspect = setting.dockerd.inspect(WEB);
    inspect["State"]["Health"] = json!({"Status": "dizzy"});
    inspect["HostConfig"]["CgroupnsMode"] = json!("cosmic");
    inspect["RestartCount"] = json!(5);
    setting.dockerd.set(&format!("/containers/{WEB}/json"), 200, inspect.to_string());
    let following = Following::start(setting.host());
    following.connected(1);
    let web = following.last(WEB).unwrap();
    assert_eq!((web.restarts, web.health, web.state), (Some(5), None, Some(State::Running)));
    assert!(web.main_pid.is_some() && web.started.is_some());
}

#[test]
fn at_most_eight_inspections_are_under_way_and_one_per_container() {
    let setting = Setting::new();
    let row = setting.dockerd.list()[0].clone();
    let inspect = setting.dockerd.inspect(row["Id"].as_str().unwrap());
    let ids: Vec<_> = (0..200).map(|number| format!("{number:064x}")).collect();
    let rows: Vec<_> = ids
        .iter()
        .map(|id| {
            let (mut row, mut inspect) = (row.clone(), inspect.clone());
            (row["Id"], row["Names"]) = (json!(id), json!([format!("/{id}")]));
            (inspect["Id"], inspect["Name"]) = (json!(id), json!(format!("/{id}")));
            setting.dockerd.set(&format!("/containers/{id}/json"), 200, inspect.to_string());
            row
        })
        .collect();
    setting.list(&rows);
    setting.dockerd.delay(Duration::from_millis(20));
    let following = Following::start(setting.host());
    // The reader finds them all at the same time.
    for id in &ids {
        following.lookups.send(ContainerId::new(id).unwrap()).unwrap();
    }
    following.connected(1);
    eventually("all are inspected", || {
        ids.iter().all(|id| following.last(id).is_some_and(|told| told.restarts.is_some())).then_some(())
    });
    assert_eq!(setting.dockerd.inspections(), 200);
    // A storm of starts of a few containers.
    for _ in 0..1000 {
        for id in &ids[..5] {
            setting.dockerd.event(id, "start", &json!({"name": id}));
        }
    }
    setting.dockerd.event(&ids[9], "pause", &json!({}));
    following.eventually(&ids[9], "the storm is over", |told| told.state == Some(State::Paused));
    assert!(setting.dockerd.inspections() < 1000, "{}", setting.dockerd.inspections());
    assert!(setting.dockerd.most_inspections() <= 8, "{}", setting.dockerd.most_inspections());
}

#[test]
fn a_container_destroyed_while_it_is_inspected_stays_gone() {
    let setting = Setting::new();
    let short_lived = "e".repeat(64);
    let path = format!("/containers/{short_lived}/json");
    let mut inspect = setting.dockerd.inspect(WEB);
    inspect["Id"] = json!(short_lived);
    let following = Following::start(setting.host());
    following.connected(1);
    setting.dockerd.set(&path, 200, inspect.to_string());
    setting.dockerd.delay(Duration::from_millis(500));
    setting.dockerd.event(&short_lived, "start", &json!({"name": "short", "image": "img:1"}));
    let asked = |times| {
        let question = format!("GET {path}");
        eventually("it is asked about", || (setting.dockerd.count(&question) == times).then_some(()));
    };
    asked(1);
    // What is on its way was true when it was asked.
    setting.dockerd.set(&path, 404, format!("{{\"message\":\"No such container: {short_lived}\"}}"));
    setting.dockerd.event(&short_lived, "destroy", &json!({}));
    asked(2);
    let is_gone = || {
        let about = |news: &News| match news {
            News::Changed(told) => (told.id == id(&short_lived)).then_some(false),
            News::Removed(gone) | News::Unknown(gone) => (*gone == id(&short_lived)).then_some(true),
            _ => None,
        };
        following.news().iter().filter_map(about).next_back() == Some(true)
    };
    eventually("it is gone", || is_gone().then_some(()));
}

#[test]
fn a_container_that_docker_does_not_know_is_said_to_be_unknown() {
    let setting = Setting::new();
    let stranger = "f".repeat(64);
    let following = Following::start(setting.host());
    following.connected(1);
    following.lookups.send(id(&stranger)).unwrap();
    eventually("it is unknown", || {
        (following.count(|news| matches!(news, News::Unknown(unknown) if *unknown == id(&stranger))) == 1)
            .then_some(())
    });
    // One that Docker knows is told of anew, whatever was believed.
    let before = following.count(|news| matches!(news, News::Changed(told) if told.id == id(WEB)));
    following.lookups.send(id(WEB)).unwrap();
    eventually("it is told of", || {
        let now = following.count(|news| matches!(news, News::Changed(told) if told.id == id(WEB)));
        (now == before + 1).then_some(())
    });
    // With inspections refused, the list knows who is there.
    setting.dockerd.set(&format!("/containers/{stranger}/json"), 403, "no");
    following.lookups.send(id(&stranger)).unwrap();
    eventually("it is unknown", || {
        (following.count(|news| matches!(news, News::Unknown(unknown) if *unknown == id(&stranger))) == 2)
            .then_some(())
    });
}

#[test]
fn without_inspections_only_what_the_list_tells_is_told() {
    let setting = Setting::new();
    setting.refuse_inspections();
    let mut list = setting.dockerd.list();
    for row in &mut list {
        if row["Id"] == WEB {
            row["Health"] = json!({"Status": "healthy", "FailingStreak": 0});
        }
    }
    setting.list(&list);
    let following = Following::start(setting.host());
    following.connected(1);
    let web = following.last(WEB).unwrap();
    assert_eq!((web.name.as_str(), web.state), ("web", Some(State::Running)));
    assert_eq!((web.restarts, web.restart_count, web.oom_killed, web.started), (None, None, None, None));
    assert_eq!((web.health, web.created.is_some()), (Some(Health::Healthy), true));
    let dead = following.last(DEAD).unwrap();
    assert_eq!((dead.state, dead.exit_code, dead.health), (Some(State::Exited), Some(1), None));
    // A stop is seen in the next list.
    for row in &mut list {
        if row["Id"] == WEB {
            row["State"] = json!("exited");
            row["Status"] = json!("Exited (143) 1 second ago");
        }
    }
    setting.list(&list);
    setting.dockerd.event(WEB, "die", &json!({"name": "web", "exitCode": "143"}));
    let web = following.eventually(WEB, "it has ended", |web| web.state == Some(State::Exited));
    assert_eq!(web.exit_code, Some(143));
}

#[test]
fn an_inspection_that_stalls_leaves_the_list_and_the_others_alone() {
    let setting = Setting::new();
    setting.dockerd.fault(&format!("/containers/{WEB}/json"), Some(Fault::Stalls));
    let following = Following::start(setting.host());
    following.connected(1);
    let web = following.last(WEB).unwrap();
    assert_eq!((web.name.as_str(), web.restarts), ("web", None));
    assert!(following.last(DEAD).unwrap().restarts.is_some());
    setting.dockerd.fault(&format!("/containers/{WEB}/json"), None);
    following.eventually(WEB, "it is asked for again", |web| web.restarts.is_some());
}

#[test]
fn a_death_whose_inspection_stalls_is_seen_in_the_list() {
    let setting = Setting::new();
    let following = Following::start(setting.host());
    following.connected(1);
    following.eventually(WEB, "it is inspected", |web| web.restarts.is_some());
    setting.dockerd.fault(&format!("/containers/{WEB}/json"), Some(Fault::Hangs));
    let ended = setting.dockerd.list().into_iter().map(|mut row| {
        if row["Id"] == WEB {
            row["State"] = json!("exited");
            row["Status"] = json!("Exited (137) 1 second ago");
        }
        row
    });
    setting.list(&ended.collect::<Vec<_>>());
    setting.dockerd.event(WEB, "die", &json!({"name": "web", "exitCode": "137"}));
    let web = following.eventually(WEB, "it has ended", |web| web.state == Some(State::Exited));
    assert_eq!(web.exit_code, Some(137));
    // It is started while the next question is put off.
    let lists = || setting.dockerd.count("GET /containers/json");
    let before = lists();
    setting.list(&setting.dockerd.list());
    setting.dockerd.event(WEB, "start", &json!({"name": "web"}));
    following.eventually(WEB, "it runs again", |web| web.state == Some(State::Running));
    // Questions that have no answer are no reason to ask for lists for ever.
    throughout(Duration::from_secs(10), || assert!(lists() <= before + 2, "{}", lists()));
    setting.dockerd.fault(&format!("/containers/{WEB}/json"), None);
    let asked = setting.dockerd.inspections();
    eventually("it is asked again", || (setting.dockerd.inspections() > asked).then_some(()));
    assert_eq!(following.count(|news| matches!(news, News::Disconnected)), 0);
}

#[test]
fn what_an_earlier_run_left_is_not_told_of_the_next_one() {
    let setting = Setting::new();
    let mut inspect = setting.dockerd.inspect(WEB);
    inspect["State"]["FinishedAt"] = json!("2026-11-23T20:00:00Z");
    inspect["State"]["OOMKilled"] = json!(true);
    setting.inspection(WEB, &inspect);
    let following = Following::start(setting.host());
    following.connected(1);
    let web = following.eventually(WEB, "it is inspected", |web| web.finished.is_some());
    assert_eq!((web.oom_killed, web.restarts), (Some(true), Some(0)));
    setting.refuse_inspections();
    let listed = |state: &str, status: &str| {
        let mut list = setting.dockerd.list();
        for row in &mut list {
            if row["Id"] == WEB {
                (row["State"], row["Status"]) = (json!(state), json!(status));
            }
        }
        setting.list(&list);
    };
    listed("exited", "Exited (137) 1 second ago");
    setting.dockerd.event(WEB, "die", &json!({"name": "web", "exitCode": "137"}));
    let web = following.eventually(WEB, "it has ended", |web| web.state == Some(State::Exited));
    assert_eq!((web.finished, web.oom_killed, web.health), (None, None, None));
    assert_eq!((web.exit_code, web.restarts, web.started.is_some()), (Some(137), Some(0), true));
    listed("running", "Up 1 second");
    setting.dockerd.event(WEB, "start", &json!({"name": "web"}));
    let web = following.eventually(WEB, "it runs again", |web| web.state == Some(State::Running));
    assert_eq!((web.finished, web.oom_killed, web.health, web.main_pid), (None, None, None, None));
    assert_eq!((web.started, web.restarts, web.image.is_some()), (None, Some(1), true));
}

/// Changes single bytes, cuts, and looks whether anything is said to be more than it is.
#[test]
fn whatever_the_bytes_are_they_are_read_without_harm() {
    let labels = Labels::new(&["*".to_owned()], &["PATH".to_owned()]).unwrap();
    let docker = Docker::new(DockerHost::Unix("/nowhere".into()), labels, Filter::default(), || {});
    let folder = fixture(HOST).join("docker");
    let event = json!({
        "Type": "container", "Action": "start", "timeNano": 5,
        "Actor": {"ID": WEB, "Attributes": {"name": "web", "image": "i", "a": "b"}},
    });
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let texts =
        [read("containers.json"), read(&format!("inspect/{WEB}.json")), event.to_string().into_bytes()];
    assert_eq!(texts.each_ref().map(|text| docker.understand(text)), [CONTAINERS, 1, 1]);
    for text in texts {
        // A prime step comes to every kind of place.
        for at in (0..text.len()).step_by(997) {
            assert_eq!(docker.understand(&text[..at]), 0, "a part is not the whole");
            for byte in [b'"', b'{', b'}', b'[', b']', b',', b':', b'\\', b'0', b'-', 0, 0xff, b'\n'] {
                let mut changed = text.clone();
                changed[at] = byte;
                assert!(docker.understand(&changed) <= CONTAINERS + 2);
            }
        }
    }
}
