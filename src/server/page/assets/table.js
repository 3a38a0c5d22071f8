// The table: filter, order, projects, and only as many rows in the document as can be seen.

import { element, mark, text, write } from "./dom.js";
import { Row } from "./row.js";
import { Group } from "./state.js";

/** Columns as they stand in the heading: two names share a cell where two lines share one. */
const HEADINGS = [
  ["title", ["name", "Name"], ["image", "Image"]],
  ["state", ["condition", "State"], ["health", "Health"]],
  ["cpu", ["cpu", "CPU"]],
  ["memory", ["memory", "Memory"]],
  ["network", ["netIn", "Net in"], ["netOut", "Net out"]],
  ["block", ["read", "Disk read"], ["written", "Written"]],
  ["waits", ["waitCpu", "CPU"], ["waitMemory", "Mem"], ["waitIo", "I/O"]],
  ["pids", ["pids", "PIDs"]],
  ["uptime", ["uptime", "Up"]],
  ["restarts", ["restarts", "Restarts"]],
  ["oom", ["oom", "OOM"]],
];
const LONG_NAMES = {
  netIn: "network in", netOut: "network out", read: "disk read", written: "disk written", waitCpu: "waiting for CPU",
  waitMemory: "waiting for memory", waitIo: "waiting for I/O", uptime: "uptime", oom: "OOM kills", pids: "PIDs", cpu: "CPU", waits: "waiting",
};
const KEYS = HEADINGS.flatMap(([, ...names]) => names);
const TEXTS = new Set(["name", "image", "condition", "health"]);
/** How long rows stay where they are, in ms, and how long after the pointer was moved over them. */
const ORDER_STAYS = 5000, POINTER_STAYS = 4000;
/** How many rows above and below the visible ones are in the document. */
const SPARE = 6;
const STORED = "docker-stat-prom.table";

const longName = ([key, name]) => LONG_NAMES[key] ?? name.toLowerCase();

/** What is not known comes last, whichever way it is sorted. */
function compare(key, descending) {
  const turn = descending ? -1 : 1;
  if (TEXTS.has(key)) return (a, b) => (a[key] === "") - (b[key] === "") || turn * order(a[key], b[key]) || order(a.name, b.name);
  return (a, b) => Number.isNaN(a[key]) - Number.isNaN(b[key]) || (Number.isNaN(a[key]) ? 0 : turn * (a[key] - b[key])) || order(a.name, b.name);
}

const order = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

export class Table {
  /** `controls` gets the filter and its companions, `place` the table. */
  constructor(controls, place) {
    this.sort = { key: "cpu", descending: true };
    this.grouped = false;
    this.folded = new Set();
    this.words = [];
    this.items = [];
    this.rows = new Map();
    this.spare = [];
    this.recall();
    this.buildControls(controls);
    this.build(place);
    this.wanted = true;
  }

  recall() {
    try {
      const kept = JSON.parse(localStorage.getItem(STORED) ?? "{}");
      if (KEYS.some(([key]) => key === kept.key)) this.sort = { key: kept.key, descending: kept.descending === true };
      this.grouped = kept.grouped === true;
    } catch { /* Nothing may be stored here: the defaults serve as well. */ }
  }

  remember() {
    try {
      localStorage.setItem(STORED, JSON.stringify({ ...this.sort, grouped: this.grouped }));
    } catch { /* See above. */ }
  }

  buildControls(place) {
    this.filter = element("input", {
      type: "search", id: "filter", placeholder: "Filter: name, image, project, state", "aria-label": "Filter containers",
      autocomplete: "off", spellcheck: "false",
    });
    this.filter.addEventListener("input", () => {
      this.words = this.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      this.changed();
    });
    this.filter.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown") { event.preventDefault(); this.focus(0); }
    });
    this.grouping = element("input", { type: "checkbox", id: "grouping" });
    this.grouping.checked = this.grouped;
    this.grouping.addEventListener("change", () => {
      this.grouped = this.grouping.checked;
      this.remember();
      this.changed();
    });
    this.choice = element("select", { id: "sorting", "aria-label": "Sort by" },
      ...KEYS.map((name) => element("option", { value: name[0] }, longName(name))));
    this.choice.addEventListener("change", () => this.sortBy(this.choice.value, !TEXTS.has(this.choice.value)));
    this.turn = element("button", { type: "button", class: "turn" });
    this.turn.addEventListener("click", () => this.sortBy(this.sort.key, !this.sort.descending));
    this.found = text();
    place.append(this.filter,
      element("label", { class: "check" }, this.grouping, " Group by project"),
      element("span", { class: "sorting" }, this.choice, this.turn),
      element("output", { class: "found", for: "filter" }, this.found));
  }

  build(place) {
    this.columns = HEADINGS.map(([kind, ...names]) => {
      const buttons = names.map((name) => {
        const [key, shown] = name;
        const button = element("button", { type: "button", "data-sort": key, title: `Sort by ${longName(name)}` }, shown);
        button.addEventListener("click", () => {
          const again = this.sort.key === key;
          this.sortBy(key, again ? !this.sort.descending : !TEXTS.has(key));
        });
        return button;
      });
      const above = kind === "waits" ? [element("span", { class: "over" }, "Waiting for (PSI)")] : [];
      return element("div", { class: `heading ${kind}`, role: "columnheader" }, ...above, ...buttons);
    });
    this.host = new Row();
    this.host.node.classList.add("host");
    this.top = element("div", { class: "pinned", role: "rowgroup" },
      element("div", { class: "headings", role: "row" }, ...this.columns), this.host.node);
    this.body = element("div", { class: "rows", role: "rowgroup" });
    this.nothing = element("p", { class: "nothing", hidden: true });
    this.node = element("div", { id: "containers", class: "table", role: "table", "aria-label": "Containers" }, this.top, this.body);
    // Until there are numbers, the exporter's own table stays.
    this.place = place;
    this.showSort();
    this.body.addEventListener("click", (event) => this.click(event));
    this.body.addEventListener("keydown", (event) => this.key(event));
    this.body.addEventListener("focusin", (event) => {
      const key = event.target.closest(".row")?.dataset.key;
      if (key !== undefined) this.current = key;
    });
    this.body.addEventListener("pointermove", () => { this.pointed = performance.now(); });
    this.body.addEventListener("pointerleave", () => { this.pointed = undefined; });
    window.addEventListener("scroll", () => this.request(), { passive: true });
    window.addEventListener("resize", () => { this.heights = undefined; this.request(); });
  }

  sortBy(key, descending) {
    this.sort = { key, descending };
    this.remember();
    this.showSort();
    this.changed();
  }

  showSort() {
    const { key, descending } = this.sort;
    HEADINGS.forEach(([, ...names], at) => {
      const column = this.columns[at];
      const isSorted = names.some(([name]) => name === key);
      mark(column, "aria-sort", isSorted ? (descending ? "descending" : "ascending") : undefined);
      for (const button of column.querySelectorAll("button")) {
        mark(button, "data-sorted", button.dataset.sort === key ? (descending ? "down" : "up") : undefined);
      }
    });
    this.choice.value = key;
    this.turn.textContent = descending ? "↓" : "↑";
    mark(this.turn, "aria-label", descending ? "Descending: change to ascending" : "Ascending: change to descending");
  }

  /** A new connection: everything is new. */
  show(state) {
    this.place?.replaceWith(this.node, this.nothing);
    this.place = undefined;
    this.state = state;
    this.changed();
  }

  changed() {
    this.wanted = true;
    this.request();
  }

  /** Paints with the next frame. */
  request() {
    if (this.frame !== undefined || !this.state || this.node.hidden) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = undefined;
      if (!this.node.hidden) this.paint();
    });
  }

  isHeld(now) {
    const isPointed = this.pointed !== undefined && now - this.pointed < POINTER_STAYS;
    return isPointed || this.body.contains(document.activeElement);
  }

  arrange() {
    const now = performance.now();
    const hasCome = this.membership !== this.state.membership;
    const isOld = this.arranged === undefined || now - this.arranged > ORDER_STAYS;
    if (!this.wanted && !hasCome && (!isOld || this.isHeld(now))) {
      // A project's sums are new with every tick, but its place is not.
      for (const item of this.items) if (item.kind === "group") item.add();
      return;
    }
    const mayMove = this.wanted || (isOld && !this.isHeld(now));
    const all = [...this.state.containers.values()];
    const found = this.words.length === 0 ? all : all.filter(({ search }) => this.words.every((word) => search.includes(word)));
    const sorted = mayMove ? compare(this.sort.key, this.sort.descending) : this.asBefore();
    this.items = this.grouped ? this.inGroups(found, sorted) : found.sort(sorted);
    if (mayMove) this.arranged = now;
    this.wanted = false;
    this.membership = this.state.membership;
    write(this.found, `${found.length === all.length ? "" : `${found.length} of `}${all.length} container${all.length === 1 ? "" : "s"}`);
    this.nothing.hidden = found.length > 0;
    this.nothing.textContent = all.length === 0 ? "No containers" : "No container matches";
    this.measured = undefined;
  }

  /** Keeps every item where it is. What is new comes last. */
  asBefore() {
    const places = new Map(this.items.map(({ key }, at) => [key, at]));
    for (const [at, { members }] of this.items.entries()) members?.forEach((member, within) => { if (!places.has(member.key)) places.set(member.key, at + within); });
    return (a, b) => (places.get(a.key) ?? Infinity) - (places.get(b.key) ?? Infinity) || order(a.name, b.name);
  }

  inGroups(found, sorted) {
    const projects = new Map();
    for (const container of found) {
      const members = projects.get(container.project);
      if (members) members.push(container);
      else projects.set(container.project, [container]);
    }
    const groups = [...projects].map(([project, members]) => new Group(project, members.sort(sorted), this.state));
    // Those of no project come last.
    groups.sort((a, b) => (a.project === "") - (b.project === "") || sorted(a, b));
    return groups.flatMap((group) => (this.folded.has(group.key) ? [group] : [group, ...group.members]));
  }

  /** Where each row begins. Rows of a kind are of the same height, which the style decides. */
  measure() {
    if (!this.heights) {
      const style = getComputedStyle(this.node);
      const size = parseFloat(getComputedStyle(document.documentElement).fontSize);
      const height = (name) => Math.round(parseFloat(style.getPropertyValue(name)) * size);
      this.heights = { container: height("--row"), group: height("--group") };
      this.body.style.setProperty("--row-height", `${this.heights.container}px`);
      this.body.style.setProperty("--group-height", `${this.heights.group}px`);
      this.measured = undefined;
    }
    if (this.measured) return;
    this.measured = new Float64Array(this.items.length + 1);
    this.items.forEach(({ kind }, at) => { this.measured[at + 1] = this.measured[at] + this.heights[kind]; });
  }

  /** The first item that ends below this height. */
  itemAt(height) {
    let low = 0, high = this.items.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.measured[middle + 1] <= height) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  paint() {
    this.arrange();
    this.measure();
    // Read first, then write: so the browser lays out once.
    const top = this.body.getBoundingClientRect().top;
    const { measured, items } = this;
    const first = Math.max(0, this.itemAt(-top) - SPARE);
    const last = Math.min(items.length, this.itemAt(window.innerHeight - top) + 1 + SPARE);
    const { moved } = this.state;
    this.host.paint(this.state.machine, moved, false);
    const shown = items.slice(first, last);
    const keys = new Set(shown.map(({ key }) => key));
    const focused = document.activeElement;
    for (const [key, row] of this.rows) {
      if (keys.has(key)) continue;
      this.rows.delete(key);
      row.node.remove();
      this.spare.push(row);
    }
    let before = this.body.firstElementChild;
    const current = keys.has(this.current) ? this.current : items[this.itemAt(Math.max(0, -top))]?.key;
    shown.forEach((item, at) => {
      let row = this.rows.get(item.key);
      if (!row) {
        row = this.spare.pop() ?? new Row();
        this.rows.set(item.key, row);
      }
      if (row.node === before) before = before.nextElementSibling;
      else this.body.insertBefore(row.node, before);
      row.paint(item, item.kind === "group" ? `${moved} ${item.members.length}` : moved, item.kind === "group" && !this.folded.has(item.key));
      mark(row.node, "aria-rowindex", String(first + at + 3));
      mark(row.link, "tabindex", item.key === current ? "0" : "-1");
    });
    mark(this.node, "aria-rowcount", String(items.length + 2));
    const pad = (side, height) => {
      if (this[side] === height) return;
      this[side] = height;
      this.body.style[side] = `${height}px`;
    };
    pad("paddingTop", measured[first] ?? 0);
    pad("paddingBottom", measured[items.length] - measured[last]);
    // A row that was moved has lost it.
    if (focused !== document.activeElement && this.body.contains(focused)) focused.focus({ preventScroll: true });
  }

  click(event) {
    const row = event.target.closest(".row");
    if (!row || event.defaultPrevented) return;
    const item = this.items.find(({ key }) => key === row.dataset.key);
    if (item?.kind === "group") {
      event.preventDefault();
      if (!this.folded.delete(item.key)) this.folded.add(item.key);
      this.changed();
    } else if (item && !event.target.closest("a") && String(getSelection()) === "") {
      location.hash = item.id;
    }
  }

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const at = this.items.findIndex(({ key }) => key === this.current);
    const page = Math.max(1, Math.floor(window.innerHeight / this.heights.container) - 3);
    const last = this.items.length - 1;
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: last }[event.key];
    if (event.key === "/") {
      event.preventDefault();
      this.filter.focus();
    } else if (event.key === " " && event.target.getAttribute("role") === "button") {
      event.preventDefault();
      event.target.click();
    } else if (to !== undefined) {
      event.preventDefault();
      if (to < 0 && event.key === "ArrowUp") this.filter.focus();
      else this.focus(Math.min(Math.max(to, 0), last));
    }
  }

  /** Brings an item into view and gives it the focus. */
  focus(at) {
    const item = this.items[at];
    if (!item) return;
    this.current = item.key;
    this.measure();
    const pinned = getComputedStyle(this.top).position === "sticky" ? this.top.offsetHeight : 0;
    const top = this.body.getBoundingClientRect().top + this.measured[at];
    const bottom = top + this.heights[item.kind];
    if (top < pinned) window.scrollBy({ top: top - pinned, behavior: "instant" });
    else if (bottom > window.innerHeight) window.scrollBy({ top: bottom - window.innerHeight, behavior: "instant" });
    this.paint();
    this.rows.get(item.key)?.link.focus({ preventScroll: true });
  }

  /** Shows or hides the table. When it comes back, the row that was opened has the focus. */
  hide(isHidden) {
    if (this.node.hidden === isHidden) return;
    this.node.hidden = isHidden;
    if (isHidden) this.scrolled = window.scrollY;
    else {
      this.pointed = undefined;
      this.changed();
      requestAnimationFrame(() => {
        window.scrollTo({ top: this.scrolled ?? 0, behavior: "instant" });
        const at = this.items.findIndex(({ key }) => key === this.current);
        if (at >= 0) this.focus(at);
      });
    }
  }
}
