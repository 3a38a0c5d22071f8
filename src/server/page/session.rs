//! What viewers have been told, and what is new since then.

use super::{
    compact::{self, Numbers, container, millis, number, numbers, parts, push_numbers},
    snapshot::{Host, Row, Snapshot},
};
use crate::{
    collector::{ContainerHistory, Event, History, Quantity, Tick},
    metadata::Metadata,
    model::Rates,
    parse::ContainerId,
};
use serde_json::{Map, Value, json};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

/// What does not change while the exporter runs.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// Whether the numbers are made up.
    pub(super) demo: bool,
    /// Whether PIDs and cgroup paths are shown.
    pub(super) debug_pages: bool,
    /// The time between two ticks.
    pub(super) interval: Duration,
    /// The name of the machine, if it is known.
    pub(super) host_name: Option<Arc<str>>,
}

/// What all viewers know. They refer to a container by its index, which another one may get after it is gone.
#[derive(Debug)]
pub(super) struct Session {
    host: Host,
    docker_answers: bool,
    slots: Vec<Option<Slot>>,
    places: HashMap<ContainerId, usize>,
    events: Arc<[Event]>,
    /// How long a container that has ended is shown.
    span: Duration,
    /// The last snapshot, without its rows.
    last: Snapshot,
    /// Whether something happened that only a snapshot explains.
    is_curious: bool,
}

#[derive(Debug)]
struct Slot {
    row: Row,
    metadata: Option<Arc<Metadata>>,
    /// The numbers that were told last.
    told: Numbers,
    /// Whether the last tick had it.
    is_ticking: bool,
    /// Whether the last snapshot had it.
    is_known: bool,
}

/// What is new besides the numbers of a tick.
#[derive(Debug, Default)]
struct Change(Map<String, Value>);

impl Change {
    fn add(&mut self, key: &str, value: Value) {
        if let Value::Array(list) = self.0.entry(key).or_insert_with(|| json!([])) {
            list.push(value);
        }
    }

    /// The message; `None` if nothing is new.
    fn message(mut self, now: f64) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        self.0.insert("t".to_owned(), json!(millis(now)));
        Some(compact::message("change", &Value::Object(self.0).to_string()))
    }
}

impl Session {
    pub(super) fn new(snapshot: Snapshot, history: &History, docker_answers: bool) -> Self {
        let mut session = Self {
            host: Host::default(),
            docker_answers,
            slots: Vec::new(),
            places: HashMap::new(),
            events: Arc::clone(&history.events),
            span: history.span,
            last: Snapshot::default(),
            is_curious: false,
        };
        // Nobody has been told anything.
        let _nobody_waits = session.refresh(snapshot, docker_answers);
        for ended in history.containers.iter().filter(|container| container.ended.is_some()) {
            match session.places.get(&ended.id).and_then(|at| session.slots.get_mut(*at)?.as_mut()) {
                Some(slot) if !slot.row.live => slot.row.ended = slot.row.ended.or(ended.ended),
                Some(_) => {}
                None => drop(session.seat(Row::of_history(ended))),
            }
        }
        session
    }

    /// Whether a snapshot would explain what has happened.
    pub(super) fn is_curious(&self) -> bool {
        self.is_curious
    }

    /// Takes a row, and returns its index.
    fn seat(&mut self, row: Row) -> usize {
        let at = self.slots.iter().position(Option::is_none).unwrap_or(self.slots.len());
        if at == self.slots.len() {
            self.slots.push(None);
        }
        self.places.insert(row.id.clone(), at);
        let told = numbers(&row);
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = Some(Slot { row, metadata: None, told, is_ticking: false, is_known: false });
        }
        at
    }

    fn slot(&mut self, at: usize) -> Option<&mut Slot> {
        self.slots.get_mut(at)?.as_mut()
    }

    /// Takes a tick. Returns the messages that tell what is new.
    pub(super) fn tick(&mut self, tick: &Tick) -> Vec<String> {
        let mut change = Change::default();
        self.end_absent(tick, &mut change);
        let mut changed = Vec::new();
        for of in &tick.containers {
            let known = self.places.get(&of.id).copied();
            let at = known.unwrap_or_else(|| self.seat(Row::new(of.id.clone())));
            let host = self.host;
            let Some(slot) = self.slot(at) else { continue };
            let is_new = known.is_none() || !slot.row.live;
            let is_described = match (&slot.metadata, &of.metadata) {
                (Some(known), Some(told)) => Arc::ptr_eq(known, told),
                (known, told) => known.is_none() && told.is_none(),
            };
            if is_new || !is_described || slot.row.hidden.is_some() {
                let mut row = Row { live: true, hidden: None, ..slot.row.clone() };
                row.describe(of.metadata.as_deref());
                row.ended = row.ended.filter(|_| !is_new);
                slot.metadata.clone_from(&of.metadata);
                slot.tell(at, row, &host, known.is_some(), &mut change);
            }
            slot.is_ticking = true;
            (slot.row.rates, slot.row.memory) = (of.rates, of.memory_current);
            let now = numbers(&slot.row);
            if known.is_none() {
                slot.told = now;
                change.add("came", container(at, &slot.row, &host).into());
            } else if slot.told != now {
                slot.told = now;
                changed.push((at, now));
            }
            self.is_curious |= is_new;
        }
        self.take_events(&tick.events, &mut change);
        self.forget_old(tick.now, &mut change);
        let numbers = (!changed.is_empty()).then(|| compact::tick(tick.now, &changed));
        change.message(tick.now).into_iter().chain(numbers).collect()
    }

    /// Containers that the last tick had and this one has not have ended.
    fn end_absent(&mut self, tick: &Tick, change: &mut Change) {
        let present: HashSet<&ContainerId> = tick.containers.iter().map(|of| &of.id).collect();
        for (at, slot) in self.slots.iter_mut().enumerate() {
            let Some(slot) = slot.as_mut().filter(|slot| slot.is_ticking) else { continue };
            if present.contains(&slot.row.id) {
                continue;
            }
            slot.is_ticking = false;
            let row = Row {
                live: false,
                ended: Some(tick.now),
                rates: Rates::default(),
                memory: None,
                working_set: None,
                pids: None,
                throttled: None,
                pressure: [None; 3],
                ..slot.row.clone()
            };
            slot.tell(at, row, &self.host, true, change);
            self.is_curious = true;
        }
    }

    fn take_events(&mut self, events: &Arc<[Event]>, change: &mut Change) {
        if Arc::ptr_eq(&self.events, events) {
            return;
        }
        for event in events.iter() {
            let known = self.events.binary_search_by_key(&event.number, |known| known.number);
            if known.ok().and_then(|at| self.events.get(at)) != Some(event) {
                change.add("events", compact::event(event));
                self.is_curious = true;
            }
        }
        self.events = Arc::clone(events);
    }

    /// Containers whose history has run out, and which Docker does not know any more.
    fn forget_old(&mut self, now: f64, change: &mut Change) {
        for (at, slot) in self.slots.iter_mut().enumerate() {
            let span = self.span.as_secs_f64();
            let is_old = |slot: &mut Slot| {
                let row = &slot.row;
                !slot.is_ticking && !slot.is_known && row.ended.is_none_or(|ended| ended + span < now)
            };
            if let Some(slot) = slot.take_if(is_old) {
                self.places.remove(&slot.row.id);
                change.add("gone", json!(at));
            }
        }
    }

    /// Takes a snapshot. Returns the message that tells what is new.
    pub(super) fn refresh(&mut self, mut snapshot: Snapshot, docker_answers: bool) -> Option<String> {
        let mut change = Change::default();
        self.is_curious = false;
        snapshot.compare(&self.last);
        for slot in self.slots.iter_mut().flatten() {
            slot.is_known = false;
        }
        if std::mem::replace(&mut self.docker_answers, docker_answers) != docker_answers {
            change.0.insert("docker".to_owned(), json!(docker_answers));
        }
        let now = snapshot.now;
        for row in std::mem::take(&mut snapshot.rows) {
            self.take_row(row, &snapshot.host, &mut change);
        }
        let host = compact::host(&snapshot.host);
        if compact::host(&self.host) != host {
            change.0.insert("host".to_owned(), host);
        }
        self.host = snapshot.host;
        self.last = snapshot;
        self.forget_old(now, &mut change);
        change.message(now)
    }

    fn take_row(&mut self, mut row: Row, host: &Host, change: &mut Change) {
        let known = self.places.get(&row.id).copied();
        let at = known.unwrap_or_else(|| self.seat(row.clone()));
        let Some(slot) = self.slot(at) else { return };
        slot.is_known = true;
        if known.is_none() {
            return change.add("came", container(at, &row, host).into());
        }
        row.compare(&slot.row);
        if row.live && slot.is_ticking {
            // Ticks tell these.
            (row.rates, row.memory) = (slot.row.rates, slot.row.memory);
        } else {
            slot.is_ticking = false;
        }
        if !row.live {
            row.ended = row.ended.or(slot.row.ended);
        }
        slot.tell(at, row, host, true, change);
    }

    /// Everything, for a viewer who knows nothing.
    pub(super) fn state(&self, history: &History, facts: &Facts) -> String {
        let mut slots: Vec<_> =
            self.slots.iter().enumerate().filter_map(|(at, slot)| Some((at, slot.as_ref()?))).collect();
        slots.sort_by(|(_, one), (_, other)| one.row.name.cmp(&other.row.name));
        let mut data = json!({
            "version": compact::VERSION,
            "now": millis(history.now),
            "interval": facts.interval.as_secs_f64(),
            "span": history.span.as_secs(),
            "demo": facts.demo,
            "debug": facts.debug_pages,
            "hostname": facts.host_name.as_deref(),
            "host": compact::host(&self.host),
            "docker": self.docker_answers,
            "steps": history.steps.iter().copied().map(millis).collect::<Vec<_>>(),
            "step": history.step.as_secs_f64(),
            "events": self.events.iter().map(compact::event).collect::<Vec<_>>(),
        })
        .to_string();
        data.pop();
        data.push_str(",\"containers\":[");
        for (count, (at, slot)) in slots.into_iter().enumerate() {
            if count > 0 {
                data.push(',');
            }
            let mut told = container(at, &slot.row, &self.host);
            told.insert("now".to_owned(), json!(slot.told.map(number)));
            data.push_str(&Value::Object(told).to_string());
            let found = history.containers.binary_search_by(|kept| kept.id.cmp(&slot.row.id));
            if let Some(kept) = found.ok().and_then(|at| history.containers.get(at)) {
                data.pop();
                data.push_str(",\"hc\":");
                push_numbers(&mut data, means(kept, Quantity::Cpu).map(parts));
                data.push_str(",\"hm\":");
                let kib = |bytes: Option<f64>| bytes.map(|bytes| (bytes / 1024.0).round());
                push_numbers(&mut data, means(kept, Quantity::Memory).map(kib));
                data.push('}');
            }
        }
        data.push_str("]}");
        format!("retry: 3000\n{}", compact::message("state", &data))
    }
}

fn means(kept: &ContainerHistory, quantity: Quantity) -> impl Iterator<Item = Option<f64>> {
    kept.steps(quantity).map(|step| (!step.mean.is_nan()).then(|| f64::from(step.mean)))
}

impl Slot {
    /// Replaces the row, and tells what is new in it if anybody knows the old one.
    fn tell(&mut self, at: usize, row: Row, host: &Host, is_known: bool, change: &mut Change) {
        if self.row == row {
            return;
        }
        let (before, now) = (container(at, &self.row, host), container(at, &row, host));
        self.row = row;
        if !is_known {
            return;
        }
        let mut news: Map<_, _> =
            now.into_iter().filter(|(key, value)| before.get(key) != Some(value)).collect();
        if news.is_empty() {
            return;
        }
        if news.contains_key("now") {
            self.told = numbers(&self.row);
        }
        news.insert("i".to_owned(), json!(at));
        change.add("changed", news.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collector::{Happening, TickRow};

    fn id(digit: &str) -> ContainerId {
        ContainerId::new(&digit.repeat(64)).unwrap()
    }

    fn row(digit: &str) -> TickRow {
        TickRow {
            id: id(digit),
            metadata: None,
            rates: Rates { cpu_ratio: Some(0.5), ..Rates::default() },
            memory_current: Some(4096),
        }
    }

    fn told(now: f64, containers: &[TickRow]) -> Tick {
        Tick { now, containers: containers.to_vec(), events: Arc::default() }
    }

    fn session() -> Session {
        let history = History { span: Duration::from_secs(60), ..History::default() };
        Session::new(Snapshot { now: 1000.0, ..Snapshot::default() }, &history, true)
    }

    /// The event and the data of each message.
    fn said(messages: &[String]) -> Vec<(String, Value)> {
        let one = |message: &String| {
            let (event, data) = message.strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap();
            assert_eq!(data.trim_end().lines().count(), 1);
            (event.to_owned(), serde_json::from_str(data).unwrap())
        };
        messages.iter().map(one).collect()
    }

    #[test]
    fn only_what_has_changed_is_told() {
        let mut session = session();
        let first = said(&session.tick(&told(1001.0, &[row("a"), row("b")])));
        assert_eq!((first.len(), first[0].0.as_str()), (1, "change"));
        assert_eq!(first[0].1["came"][1]["now"], json!([5000, 4, null, null, null, null]));
        assert!(session.tick(&told(1002.0, &[row("a"), row("b")])).is_empty());
        let busier = TickRow { memory_current: Some(8192), ..row("b") };
        let second = said(&session.tick(&told(1003.0, &[row("a"), busier])));
        assert_eq!((second.len(), second[0].0.as_str()), (1, "tick"));
        assert_eq!((&second[0].1["i"], &second[0].1["m"]), (&json!([1]), &json!([8])));
    }

    #[test]
    fn a_new_name_is_told_and_nothing_else_of_the_container() {
        let mut session = session();
        session.tick(&told(1001.0, &[row("a")]));
        let metadata = Metadata { name: "web".to_owned(), ..Metadata::new(id("a")) };
        let named = TickRow { metadata: Some(metadata.into()), ..row("a") };
        let news = said(&session.tick(&told(1002.0, &[named])));
        assert_eq!(news[0].1["changed"], json!([{ "i": 0, "name": "web", "named": true }]));
    }

    #[test]
    fn an_index_is_free_again_once_the_history_has_run_out() {
        let mut session = session();
        session.tick(&told(1001.0, &[row("a"), row("b")]));
        let ended = said(&session.tick(&told(1002.0, &[row("b")])));
        let numbers = json!([null, null, null, null, null, null]);
        let expected = json!([{ "i": 0, "live": false, "ended": 1002.0, "now": numbers }]);
        assert_eq!(ended[0].1["changed"], expected);
        assert!(session.tick(&told(1062.0, &[row("b")])).is_empty());
        let gone = said(&session.tick(&told(1062.5, &[row("b")])));
        assert_eq!(gone[0].1["gone"], json!([0]));
        let came = said(&session.tick(&told(1063.0, &[row("b"), row("c")])));
        assert_eq!(came[0].1["came"][0]["i"], 0);
    }

    #[test]
    fn a_container_that_docker_still_knows_stays_after_its_end() {
        let mut session = session();
        session.tick(&told(1001.0, &[row("a")]));
        let stopped = Row { named: true, state: Some("exited"), exit_code: Some(7), ..Row::new(id("a")) };
        let snapshot = Snapshot { now: 1002.0, rows: vec![stopped], ..Snapshot::default() };
        let news = said(&session.refresh(snapshot, false).into_iter().collect::<Vec<_>>());
        assert_eq!(
            (&news[0].1["docker"], &news[0].1["changed"][0]["state"]),
            (&json!(false), &json!("exited"))
        );
        assert_eq!(news[0].1["changed"][0]["code"], 7);
        session.tick(&told(2000.0, &[]));
        assert!(session.places.contains_key(&id("a")));
        session.refresh(Snapshot { now: 2001.0, ..Snapshot::default() }, true);
        assert!(session.places.is_empty() && session.slots.iter().all(Option::is_none));
    }

    #[test]
    fn an_event_is_told_once_and_again_when_its_exit_code_is_known() {
        let mut session = session();
        let died = |code| {
            let what = Happening::Died(code);
            [Event { number: 7, at: 1001.0, id: id("a"), name: "web".to_owned(), what }]
        };
        let mut tell = |events: &Arc<[Event]>| {
            said(&session.tick(&Tick { events: Arc::clone(events), ..told(1002.0, &[]) }))
        };
        let first: Arc<[Event]> = Arc::new(died(None));
        assert_eq!(tell(&first)[0].1["events"][0]["code"], Value::Null);
        assert!(tell(&first).is_empty());
        let second = tell(&(Arc::new(died(Some(137))) as Arc<[Event]>));
        assert_eq!(
            (&second[0].1["events"][0]["n"], &second[0].1["events"][0]["code"]),
            (&json!(7), &json!(137))
        );
    }
}
