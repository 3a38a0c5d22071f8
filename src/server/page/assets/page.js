// The live page: what the exporter tells over /live goes into the table, or into the container that is open. Without this script
// the table that the exporter has written stays.

import { Detail } from "./detail.js";
import { element, mark, text, write } from "./dom.js";
import { Events } from "./events.js";
import { duration } from "./format.js";
import { Live } from "./live.js";
import { State } from "./state.js";
import { Table } from "./table.js";

const at = (id) => document.getElementById(id);

/** Why there is no stream, in words. */
function refused(why) {
  if (why === undefined || why.ok) return "Offline: trying again by itself";
  if (why.status === 401) return "Login needed: the exporter does not take this password or token";
  if (why.isFull) return "No place left: too many viewers, trying again by itself";
  return `Refused with status ${why.status}: trying again by itself`;
}

/** Says whether the numbers are live, and how old they are if not. */
class Status {
  constructor(place) {
    this.place = place;
    this.word = text();
    this.age = text();
    this.again = element("button", { type: "button", hidden: true }, "Try now");
    place.replaceChildren(element("span", { class: "lamp" }), element("span", {}, this.word));
    // The age is not part of what is read out: it changes each second.
    at("top").append(element("div", { class: "connection" }, place, element("span", { class: "age" }, this.age), this.again));
    this.set("connecting");
  }

  /** `why`: what the exporter answered, if it is offline and yet answers. */
  set(connection, why) {
    this.connection = connection;
    const words = { connecting: "Connecting", live: "Live", offline: refused(why), resting: "Paused while nobody looks" };
    write(this.word, words[connection]);
    mark(document.documentElement, "data-connection", connection);
    this.again.hidden = connection !== "offline";
  }

  /** Once a second. */
  paint(state, live) {
    const age = state?.age();
    if (this.connection === "live" && age > Math.max(10, state.interval * 4)) {
      write(this.age, `last numbers ${duration(age)} ago`);
    } else if (this.connection === "live") {
      write(this.age, `every ${state.interval < 1 ? `${Math.round(state.interval * 1000)} ms` : duration(state.interval)}`);
    } else if (this.connection === "offline") {
      const next = Math.ceil(live.waits());
      write(this.age, [state && `numbers are ${duration(age)} old`, next > 0 ? `next try in ${next}s` : "trying now"].filter(Boolean).join(", "));
    } else {
      write(this.age, "");
    }
  }
}

function start() {
  let state, live;
  const status = new Status(at("status"));
  const table = new Table(at("controls"), at("containers"));
  // They show something once there are numbers. If there are none, the exporter's own table does.
  at("controls").hidden = true;
  at("containers").hidden = true;
  const main = document.querySelector("main");
  main.prepend(...["demo", "outage", "missing", "controls"].map(at).filter(Boolean));
  const overview = ["controls", "events", "reading", "push"].map(at).filter(Boolean);
  at("containers").before(at("events"));
  const events = new Events(at("events"));
  const title = document.title;
  const detail = new Detail(at("detail"), () => { if (location.hash.length > 1) history.pushState(null, "", "#"); route(); });

  /** The part after # is the ID of the container that is open. */
  function route() {
    if (!state) return;
    const id = /^#[0-9a-f]{64}$/.test(location.hash) ? location.hash.slice(1) : undefined;
    const wasOpen = detail.id;
    if (wasOpen === id) return;
    for (const node of overview) node.hidden = id !== undefined;
    table.hide(id !== undefined);
    detail.open(id, state);
    events.show(state.events);
    if (id !== undefined) window.scrollTo({ top: 0, behavior: "instant" });
    name();
  }

  function name() {
    const open = detail.id && (state.byId(detail.id)?.name ?? detail.id.slice(0, 12));
    const wanted = open ? `${open} · ${title}` : title;
    if (document.title !== wanted) document.title = wanted;
  }

  function note(id, words) {
    let node = at(id);
    if (!words) node?.remove();
    else if (!node) {
      node = element("p", { id, role: "note" }, words);
      main.prepend(node);
    }
  }

  /** Something was told. */
  function told() {
    note("outage", state.docker === false && "Docker does not answer: names and states are missing or out of date.");
    table.request();
    if (detail.id === undefined) events.show(state.events);
    detail.tick(state);
    name();
    status.paint(state, live);
  }

  live = new Live("live", {
    state: (message) => {
      if (!state) {
        at("none")?.remove();
        at("controls").hidden = false;
      }
      state = new State(message);
      table.show(state);
      route();
      told();
    },
    tick: (message) => { state.tick(message); told(); },
    change: (message) => { state.change(message); told(); },
    connection: (connection, why) => {
      if (!state && connection !== "live") at("containers").hidden = false;
      status.set(connection, why); status.paint(state, live);
    },
  });
  status.again.addEventListener("click", () => live.retry());
  setInterval(() => status.paint(state, live), 1000);
  window.addEventListener("hashchange", route);
  window.addEventListener("popstate", route);
}

start();
