// What the exporter has told over /live. Values are kept in its compact units (CPU in 1/10000 core, memory in KiB) and handed out
// in base units: cores, bytes, shares of 1. NaN is what is not known.

import { UNKNOWN } from "./format.js";

const CPU = 0, MEMORY = 1, NET_IN = 2, NET_OUT = 3, READ = 4, WRITTEN = 5;
const COLUMNS = ["c", "m", "nr", "nt", "br", "bw"];
const MOST_EVENTS = 200;

const orNaN = (value) => (typeof value === "number" ? value : NaN);
const scaled = (value, factor) => orNaN(value) * factor;

/** A container, with the same getters as the host and a group have, so that a row can show any of them. */
class Container {
  constructor(told, state) {
    this.state_ = state;
    this.kind = "container";
    const { hc, hm, ...rest } = told;
    this.told = rest;
    this.now = new Float64Array(6).fill(NaN);
    this.setNow(told.now);
    const length = state.steps.length;
    const history = (values) => {
      const all = new Float64Array(state.kept).fill(NaN);
      const known = (values ?? []).slice(-length);
      known.forEach((value, at) => { all[state.kept - known.length + at] = orNaN(value); });
      return all;
    };
    this.history = [history(hc), history(hm)];
    this.sums = [0, 0];
    this.counts = [0, 0];
    this.search = searchable(rest);
  }

  setNow(values) {
    for (let at = 0; at < 6; at += 1) this.now[at] = orNaN(values?.[at]);
  }

  change(changed) {
    const { now, i: _index, ...rest } = changed;
    if (now !== undefined) this.setNow(now);
    Object.assign(this.told, rest);
    if (SEARCHED.some((key) => key in rest)) this.search = searchable(this.told);
  }

  get id() { return this.told.id; }
  get key() { return this.told.id; }
  get name() { return this.told.name ?? ""; }
  get image() { return this.told.image ?? ""; }
  get project() { return this.told.project ?? ""; }
  get live() { return this.told.live === true; }
  get condition() { return this.told.state ?? (this.live ? "running" : "not running"); }
  /** As `docker ps` says it: "exited (1)". */
  get ending() { return ending(this.told.state, this.told.code); }
  get health() { return this.told.health ?? ""; }
  get cpu() { return this.now[CPU] / 10000; }
  get cpuMost() { return orNaN(this.told.cores ?? this.state_.host?.cores); }
  get hasQuota() { return typeof this.told.cores === "number"; }
  get throttled() { return scaled(this.told.throttled, 0.0001); }
  get memory() { return this.now[MEMORY] * 1024; }
  get memoryMost() { return scaled(this.told.limit ?? this.state_.host?.memory, 1024); }
  get hasLimit() { return typeof this.told.limit === "number"; }
  get netIn() { return this.now[NET_IN]; }
  get netOut() { return this.now[NET_OUT]; }
  get read() { return this.now[READ]; }
  get written() { return this.now[WRITTEN]; }
  get waitCpu() { return scaled(this.told.pressure?.[0], 0.0001); }
  get waitMemory() { return scaled(this.told.pressure?.[1], 0.0001); }
  get waitIo() { return scaled(this.told.pressure?.[2], 0.0001); }
  get pids() { return orNaN(this.told.pids); }
  get restarts() { return orNaN(this.told.restarts); }
  get oom() { return orNaN(this.told.oom); }
  get uptime() { return this.live ? this.state_.time() - orNaN(this.told.started) : NaN; }
  get cpuHistory() { return this.history[0]; }
  get memoryHistory() { return this.history[1]; }
}

/** What the filter looks at. With any of them a row may belong elsewhere. */
const SEARCHED = ["name", "image", "project", "service", "state", "health", "live"];

function searchable({ name, image, project, service, state, health, id }) {
  return [name, image, project, service, state, health, id?.slice(0, 12)].filter(Boolean).join("\n").toLowerCase();
}

const SUMMED = ["cpu", "memory", "netIn", "netOut", "read", "written", "pids", "restarts", "oom"];
const WORST = ["waitCpu", "waitMemory", "waitIo"];

/** The containers of a compose project, with their sums. Of pressure it shows the highest: shares of time can't be added. */
export class Group {
  constructor(project, members, state) {
    this.kind = "group";
    this.key = `project ${project}`;
    this.project = project;
    this.name = project || "No project";
    this.members = members;
    this.state_ = state;
    this.add();
  }

  /** Adds up again what the members use now. */
  add() {
    const { members } = this;
    this.live = members.some((member) => member.live);
    for (const field of SUMMED) this[field] = sum(members, field);
    for (const field of WORST) this[field] = highest(members, field);
  }

  get image() { return ""; }
  get condition() {
    const running = this.members.filter((member) => member.live).length;
    return `${running} of ${this.members.length} running`;
  }
  get health() { return this.members.some((member) => member.health === "unhealthy" && member.live) ? "unhealthy" : ""; }
  get cpuMost() { return orNaN(this.state_.host?.cores); }
  get memoryMost() { return scaled(this.state_.host?.memory, 1024); }
  get throttled() { return NaN; }
  get uptime() { return NaN; }
  get cpuHistory() { return sumOfHistories(this.members, 0, this.state_); }
  get memoryHistory() { return sumOfHistories(this.members, 1, this.state_); }
}

/** The state with the exit code, if there is one. */
export const ending = (state, code) => typeof code === "number" ? `${state} (${code})` : undefined;

/** NaN if nothing is known of any. */
function sum(members, field) {
  let total = NaN;
  for (const member of members) {
    const value = member[field];
    if (!Number.isNaN(value)) total = (Number.isNaN(total) ? 0 : total) + value;
  }
  return total;
}

function highest(members, field) {
  let most = NaN;
  for (const member of members) {
    const value = member[field];
    if (!(value <= most) && !Number.isNaN(value)) most = value;
  }
  return most;
}

function sumOfHistories(members, which, state) {
  const total = new Float64Array(state.kept).fill(NaN);
  for (const member of members) {
    member.history[which].forEach((value, at) => {
      if (!Number.isNaN(value)) total[at] = (Number.isNaN(total[at]) ? 0 : total[at]) + value;
    });
  }
  return total;
}

/** The machine. What belongs to containers only is not known of it. */
class Host {
  constructor(state) {
    this.kind = "host";
    this.key = "host";
    this.state_ = state;
    this.live = true;
    this.history = [0, 1].map(() => new Float64Array(state.kept).fill(NaN));
    this.sums = [0, 0];
    this.counts = [0, 0];
    for (const field of ["netIn", "netOut", "read", "written", "pids", "restarts", "oom", "throttled", "uptime"]) this[field] = NaN;
  }

  get told() { return this.state_.host ?? {}; }
  get name() { return this.state_.hostname ? `Host ${this.state_.hostname}` : "Host"; }
  get image() {
    const { cores } = this.told;
    return typeof cores === "number" ? `${cores} logical CPU${cores === 1 ? "" : "s"}` : "";
  }
  get condition() {
    let running = 0;
    for (const container of this.state_.containers.values()) running += container.live ? 1 : 0;
    return `${running} running`;
  }
  get health() { return ""; }
  get cpu() { return scaled(this.told.cpu, 0.0001); }
  get cpuMost() { return orNaN(this.told.cores); }
  get memory() { return (orNaN(this.told.memory) - orNaN(this.told.available)) * 1024; }
  get memoryMost() { return scaled(this.told.memory, 1024); }
  get waitCpu() { return scaled(this.told.pressure?.[0], 0.0001); }
  get waitMemory() { return scaled(this.told.pressure?.[1], 0.0001); }
  get waitIo() { return scaled(this.told.pressure?.[2], 0.0001); }
  get cpuHistory() { return this.history[0]; }
  get memoryHistory() { return this.history[1]; }
  // In the units of a container's `now`, for the history.
  get now() { return [this.cpu * 10000, this.memory / 1024]; }
}

/** Everything that is known now. */
export class State {
  constructor(told) {
    this.interval = told.interval;
    this.span = told.span;
    this.step = told.step;
    this.demo = told.demo;
    this.hostname = told.hostname;
    this.docker = told.docker;
    this.host = told.host;
    this.steps = told.steps ?? [];
    // One more than the span holds: the last step is not over.
    this.kept = this.span > 0 && this.step > 0 ? Math.ceil(this.span / this.step) + 1 : 0;
    this.setTime(told.now);
    this.containers = new Map();
    this.machine = new Host(this);
    for (const container of told.containers) this.containers.set(container.i, new Container(container, this));
    this.stepBegan = this.steps.at(-1) ?? told.now;
    // The step that is not over is continued from its mean so far.
    for (const container of this.containers.values()) {
      container.history.forEach((history, which) => {
        const last = history[this.kept - 1];
        const ticks = Math.max(1, Math.round((told.now - this.stepBegan) / this.interval));
        if (!Number.isNaN(last)) [container.sums[which], container.counts[which]] = [last * ticks, ticks];
      });
    }
    this.events = [];
    this.addEvents(told.events ?? []);
    // Changes whenever containers came, went or got another name or project, and whenever sparklines moved.
    this.membership = 0;
    this.moved = 0;
  }

  setTime(now) {
    this.told = now;
    this.toldAt = performance.now();
  }

  /** The exporter's clock now, in Unix seconds. */
  time() { return this.told + (performance.now() - this.toldAt) / 1000; }

  /** How old the numbers are, in seconds. */
  age() { return (performance.now() - this.toldAt) / 1000; }

  byId(id) {
    for (const container of this.containers.values()) if (container.id === id) return container;
    return undefined;
  }

  tick(told) {
    this.setTime(told.t);
    const indices = told.i ?? [];
    for (let row = 0; row < indices.length; row += 1) {
      const container = this.containers.get(indices[row]);
      if (!container) continue;
      for (let column = 0; column < 6; column += 1) container.now[column] = orNaN(told[COLUMNS[column]]?.[row]);
    }
    this.keep();
  }

  change(told) {
    if (told.host) this.host = told.host;
    if (typeof told.docker === "boolean") this.docker = told.docker;
    for (const index of told.gone ?? []) this.containers.delete(index);
    for (const container of told.came ?? []) this.containers.set(container.i, new Container(container, this));
    for (const changed of told.changed ?? []) this.containers.get(changed.i)?.change(changed);
    this.addEvents(told.events ?? []);
    const isMember = (changed) => SEARCHED.some((key) => key in changed);
    if (told.came?.length > 0 || told.gone?.length > 0 || told.changed?.some(isMember)) this.membership += 1;
  }

  addEvents(events) {
    for (const event of events) {
      const known = this.events.findIndex(({ n }) => n === event.n);
      if (known >= 0) this.events[known] = event;
      else this.events.push(event);
    }
    this.events.splice(0, Math.max(0, this.events.length - MOST_EVENTS));
  }

  /** Adds the present values to the history: the mean of each step, the last of which is not over. */
  keep() {
    if (this.kept === 0) return;
    const passed = Math.floor((this.told - this.stepBegan) / this.step);
    const begun = Math.min(Math.max(passed, 0), this.kept);
    if (passed > 0) {
      this.stepBegan += passed * this.step;
      this.moved += 1;
    }
    const last = this.kept - 1;
    const keep = (item) => {
      const now = item.now;
      for (let which = 0; which < 2; which += 1) {
        const history = item.history[which];
        if (begun > 0) {
          history.copyWithin(0, begun);
          history.fill(NaN, this.kept - begun);
          item.sums[which] = 0;
          item.counts[which] = 0;
        }
        if (Number.isNaN(now[which])) continue;
        item.sums[which] += now[which];
        item.counts[which] += 1;
        history[last] = item.sums[which] / item.counts[which];
      }
    };
    for (const container of this.containers.values()) keep(container);
    keep(this.machine);
  }
}

/** What happened, in words. */
export function happened(event) {
  switch (event.what) {
    case "started": return "started";
    case "died": return typeof event.code === "number" ? `ended with exit code ${event.code}` : "ended";
    case "oom_killed": return event.kills === 1 ? "a process was killed: out of memory" : `${event.kills} processes were killed: out of memory`;
    case "health": return `is ${event.health}`;
    case "throttled": return `throttled in ${Math.round(event.share * 100)}% of its CPU periods`;
    case "renamed": return `renamed, was ${event.from}`;
    case "removed": return "removed";
    default: return String(event.what ?? UNKNOWN);
  }
}

/** Whether an event deserves attention: "bad", "warn" or "". */
export function gravity(event) {
  if (event.what === "oom_killed" || event.health === "unhealthy") return "bad";
  if (event.what === "died" && event.code !== 0) return "bad";
  return event.what === "throttled" ? "warn" : "";
}
