// What happened, newest first.

import { element } from "./dom.js";
import { clock } from "./format.js";
import { gravity, happened } from "./state.js";

/** A list of events. With names if it is not the list of one container. */
export function eventList(events, withNames) {
  if (events.length === 0) return element("p", { class: "nothing" }, "Nothing has happened yet");
  return element("ol", { class: "events", tabindex: withNames ? undefined : "0" }, ...[...events].reverse().map((event) => element("li", { "data-gravity": gravity(event) || undefined },
    element("time", { datetime: new Date(event.at * 1000).toISOString() }, clock(event.at)),
    ...(withNames ? [element("a", { class: "name", href: `#${event.id}`, title: event.name }, event.name)] : []),
    element("span", { class: "what" }, happened(event)))));
}

/** The strip above the table: the last event, and all of them when it is opened. */
export class Events {
  constructor(place) {
    this.last = element("span", { class: "last" });
    this.list = element("div", { class: "list", tabindex: "0", role: "region", "aria-label": "Events" });
    this.node = element("details", {}, element("summary", {}, element("span", { class: "word" }, "Events"), this.last), this.list);
    this.node.addEventListener("toggle", () => this.paint());
    place.replaceChildren(this.node);
    this.place = place;
  }

  show(events) {
    // An event that is told again, with more, is another object.
    if (this.events && this.events.length === events.length && events.at(-1) === this.events.at(-1) && !this.node.open) return;
    this.events = [...events];
    this.place.hidden = events.length === 0;
    this.paint();
  }

  paint() {
    const last = this.events?.at(-1);
    if (!last) return;
    this.last.replaceChildren(element("time", {}, clock(last.at)), " ", element("b", { class: "name" }, last.name), " ", happened(last));
    const key = this.node.open ? JSON.stringify(this.events.map(({ n, code }) => [n, code])) : "";
    if (key === this.painted) return;
    this.painted = key;
    this.list.replaceChildren(...(this.node.open ? [eventList(this.events, true)] : []));
  }
}
