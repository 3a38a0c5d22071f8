// One container: charts, memory by kind, what is missing, events, and its series.

import { Chart, Cursor } from "./chart.js";
import { element, mark, text, write } from "./dom.js";
import { eventList } from "./events.js";
import { clock, cores, count, duration, memory, rate, share, UNKNOWN } from "./format.js";
import { queries } from "./query.js";
import { percent } from "./row.js";
import { ending } from "./state.js";

/** How often the whole is fetched again, in ms. */
const REFRESH = 10000;
/** Which of a tick's numbers belongs to which quantity, and its unit in base units. */
const POLLED = [
  ["cpu_ratio", 1 / 10000], ["memory_current_bytes", 1024], ["network_receive_byteps", 1], ["network_transmit_byteps", 1],
  ["blkio_receive_byteps", 1], ["blkio_transmit_byteps", 1],
];
const KINDS = {
  anon: "programs (anonymous)", file: "page cache", kernel: "kernel", shmem: "shared memory", slab: "kernel objects (slab)", sock: "sockets",
  kernel_stack: "kernel stacks", pagetables: "page tables", percpu: "per CPU", vmalloc: "vmalloc", file_mapped: "mapped files", file_dirty: "waiting to be written",
  file_writeback: "being written", swapcached: "swap cache", anon_thp: "huge pages (anonymous)", inactive_anon: "programs, unused for a while",
  active_anon: "programs, in use", inactive_file: "page cache, unused for a while", active_file: "page cache, in use", unevictable: "locked", zswap: "compressed swap",
};

const numbers = (values) => (values ?? []).map((value) => (typeof value === "number" ? value : NaN));

/** The history of a container as the exporter told it, continued by the ticks that came since. */
class Track {
  constructor(told) {
    this.told = told;
    this.step = told?.step ?? 10;
    this.steps = told?.steps ?? [];
    this.ticks = [...(told?.ticks ?? [])];
    this.values = new Map(POLLED.map(([name]) => [name, numbers(told?.quantities?.[name]?.ticks)]));
  }

  /** Adds a tick. */
  add(time, now) {
    if (this.ticks.length > 0 && time <= this.ticks.at(-1)) return;
    this.ticks.push(time);
    POLLED.forEach(([name, unit], at) => this.values.get(name).push(now[at] * unit));
  }

  /** One line: the steps, and from where ticks are known, the ticks. */
  series(name, label, interval) {
    const told = this.told?.quantities?.[name];
    const ticks = this.values.get(name) ?? numbers(told?.ticks);
    const begin = ticks.length > 0 ? this.ticks[0] : Infinity;
    const [means, mins, maxes] = [told?.mean, told?.min, told?.max].map(numbers);
    const all = { name: label, times: [], values: [], longest: this.step * 2.5 };
    const isSpread = mins.length === means.length && maxes.length === means.length && means.length > 0;
    const [lows, highs] = [[], []];
    this.steps.forEach((step, at) => {
      const middle = step + this.step / 2;
      // The last step is not over. Where ticks are known, they tell more.
      if (step + this.step > begin || (at === this.steps.length - 1 && ticks.length > 0)) return;
      all.times.push(at === this.steps.length - 1 ? step : middle);
      all.values.push(means[at] ?? NaN);
      lows.push(mins[at] ?? NaN);
      highs.push(maxes[at] ?? NaN);
    });
    ticks.forEach((value, at) => {
      all.times.push(this.ticks[at]);
      all.values.push(value);
      lows.push(value);
      highs.push(value);
    });
    if (isSpread) Object.assign(all, { lows, highs });
    all.longest = Math.max(all.longest, interval * 3);
    return all;
  }
}

export class Detail {
  constructor(place, onClose) {
    this.place = place;
    this.onClose = onClose;
    place.hidden = true;
    place.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !event.defaultPrevented) onClose();
    });
  }

  /** Shows a container, or nothing. */
  open(id, state) {
    if (this.id === id) return;
    this.id = id;
    clearTimeout(this.again);
    this.asked?.abort();
    this.track = undefined;
    this.state = state;
    this.place.hidden = id === undefined;
    this.place.replaceChildren();
    if (id === undefined) return;
    this.build();
    this.tick(state);
    this.fetch();
    this.back.focus({ preventScroll: true });
  }

  build() {
    this.cursor = new Cursor();
    const of = { cursor: this.cursor };
    this.charts = {
      cpu: new Chart("CPU", { ...of, format: percent, least: 0.01 }),
      throttled: new Chart("CPU throttled", { ...of, format: share, least: 0.1, whole: 1, note: "share of its quota periods" }),
      memory: new Chart("Memory", { ...of, format: memory, base: 1024, least: 1 << 20 }),
      network: new Chart("Network", { ...of, format: rate, least: 1000 }),
      block: new Chart("Block I/O", { ...of, format: rate, least: 1000 }),
      pressure: new Chart("Waiting (PSI)", { ...of, format: share, least: 0.05, whole: 1, note: "share of the time" }),
      pids: new Chart("Tasks", { ...of, format: count, least: 4 }),
    };
    this.back = element("a", { class: "back", href: "#" }, "← All containers");
    this.back.addEventListener("click", (event) => { event.preventDefault(); this.onClose(); });
    this.name = text();
    this.condition = text();
    this.badge = element("span", { class: "badge" }, this.condition);
    this.facts = element("dl", { class: "facts" });
    this.problem = element("p", { class: "problem", role: "alert", hidden: true });
    this.missing = element("section", { class: "missing", hidden: true });
    this.kinds = element("section", { class: "card kinds", hidden: true });
    this.events = element("section", { class: "card happened" });
    this.all = element("section", { class: "series", hidden: true });
    this.place.replaceChildren(
      element("div", { class: "bar-of-detail" }, this.back),
      element("div", { class: "head" }, element("h2", {}, this.name), this.badge), this.facts, this.problem, this.missing,
      element("div", { class: "charts" }, ...Object.values(this.charts).map(({ node }) => node), this.kinds, this.events), this.all);
  }

  async fetch() {
    const { id } = this;
    this.asked = new AbortController();
    let problem;
    try {
      const answer = await fetch(`api/v1/containers/${id}`, { signal: this.asked.signal, cache: "no-store" });
      if (answer.status === 404) problem = "The exporter does not know this container any more.";
      else if (!answer.ok) problem = `The exporter answered ${answer.status}: trying again.`;
      else {
        const told = await answer.json();
        if (this.id !== id) return;
        this.told = told;
        this.track = new Track(told.history);
        this.paintTold();
      }
    } catch (error) {
      if (error.name === "AbortError") return;
      problem = "The exporter does not answer: trying again.";
    }
    if (this.id !== id) return;
    this.problem.hidden = !problem;
    this.problem.textContent = problem ?? "";
    this.paint();
    this.again = setTimeout(() => this.fetch(), REFRESH);
  }

  /** A tick or a change came. */
  tick(state) {
    this.state = state;
    if (this.id === undefined) return;
    this.container = state?.byId(this.id);
    if (this.container?.live) this.track?.add(state.told, this.container.now);
    if (this.frame !== undefined) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = undefined;
      if (this.id !== undefined) this.paint();
    });
  }

  paint() {
    const { container, state, track } = this;
    const known = container?.told ?? this.told?.container;
    write(this.name, known?.name ?? this.id.slice(0, 12));
    const condition = container?.condition ?? known?.state ?? "";
    const said = ending(known?.state, known?.code ?? known?.exit_code) ?? condition;
    write(this.condition, [said, known?.health].filter(Boolean).join(", "));
    this.badge.hidden = condition === "";
    mark(this.badge, "data-state", condition || undefined);
    mark(this.badge, "data-health", known?.health || undefined);
    this.paintFacts(known);
    if (!track || !state) return;
    const to = state.told;
    const from = to - (state.span || 60);
    const { interval } = state;
    const line = (name, label) => track.series(name, label, interval);
    const { charts } = this;
    const cpuMost = container?.hasQuota ? container.cpuMost : NaN;
    charts.cpu.show([line("cpu_ratio", "used")], from, to, cpuMost, Number.isNaN(cpuMost) ? "100% is one logical CPU" : `quota ${percent(cpuMost)}`);
    const throttled = line("throttled_ratio", "throttled");
    charts.throttled.node.hidden = !throttled.values.some((value) => Number.isFinite(value));
    if (!charts.throttled.node.hidden) charts.throttled.show([throttled], from, to);
    const memoryMost = container?.hasLimit ? container.memoryMost : NaN;
    charts.memory.show([line("memory_current_bytes", "used"), line("memory_working_set_bytes", "working set")], from, to, memoryMost,
      Number.isNaN(memoryMost) ? "no limit" : `limit ${memory(memoryMost)}`);
    charts.network.show([line("network_receive_byteps", "in"), line("network_transmit_byteps", "out")], from, to);
    charts.block.show([line("blkio_receive_byteps", "read"), line("blkio_transmit_byteps", "written")], from, to);
    charts.pressure.show([line("cpu_pressure_ratio", "CPU"), line("memory_pressure_ratio", "memory"), line("io_pressure_ratio", "I/O")], from, to);
    charts.pids.show([line("pids", "tasks")], from, to);
  }

  paintFacts(known) {
    if (!known) return;
    const { container } = this;
    const debug = this.told?.debug;
    const facts = [
      ["Image", known.image], ["ID", this.id.slice(0, 12)], ["Project", known.project], ["Service", known.service],
      ["Started", typeof known.started === "number" ? `${new Date(known.started * 1000).toLocaleDateString("en-CA")} ${clock(known.started)}` : undefined],
      ["Up", container?.live ? duration(container.uptime) : undefined],
      ["CPU quota", container?.hasQuota ? `${cores(container.cpuMost)} cores` : "none"],
      ["Memory limit", container?.hasLimit ? memory(container.memoryMost) : "none"],
      ["Restarts", count(container?.restarts ?? known.restarts)], ["OOM kills", count(container?.oom ?? known.oom_kills)],
      ["Cgroup", debug?.cgroup], ["PID", debug?.pid],
    ].filter(([, value]) => value !== undefined && value !== null && value !== "");
    const key = JSON.stringify(facts.map(([name]) => name));
    if (this.factNames !== key || this.factTexts?.[0].parentNode?.isConnected !== true) {
      this.factNames = key;
      this.factTexts = facts.map(() => text());
      this.facts.replaceChildren(...facts.map(([name], at) => element("div", {}, element("dt", {}, name), element("dd", {}, this.factTexts[at]))));
    }
    facts.forEach(([, value], at) => write(this.factTexts[at], String(value)));
  }

  /** What only the fetched answer has. */
  paintTold() {
    const { missing, memory: kinds, events, series } = this.told;
    this.missing.hidden = !(missing?.length > 0);
    this.missing.replaceChildren(element("h3", {}, "What is missing"), element("ul", {}, ...(missing ?? []).map(({ what, why, cure }) =>
      element("li", {}, element("b", {}, what), `: ${why}`, ...(cure ? [element("span", { class: "cure" }, cure)] : [])))));
    this.paintKinds(kinds);
    const newest = JSON.stringify(events ?? []);
    if (this.eventsTold !== newest || this.events.childElementCount === 0) {
      this.eventsTold = newest;
      this.events.replaceChildren(element("h3", {}, "Events"), eventList(events ?? [], false));
    }
    this.paintSeries(series ?? []);
  }

  paintKinds(kinds) {
    const known = Object.entries(kinds ?? {}).filter(([, bytes]) => bytes > 0).sort((a, b) => b[1] - a[1]);
    this.kinds.hidden = known.length === 0;
    const most = known[0]?.[1] ?? 1;
    this.kinds.replaceChildren(element("h3", {}, "Memory by kind"), element("ul", {}, ...known.map(([kind, bytes]) => {
      const fill = element("span", { class: "fill" });
      fill.style.transform = `scaleX(${bytes / most})`;
      return element("li", {}, element("span", { title: kind }, KINDS[kind] ?? kind), element("b", {}, memory(bytes)), element("span", { class: "bar" }, fill));
    })));
  }

  paintSeries(series) {
    this.all.hidden = series.length === 0;
    const key = series.map(({ name, labels }) => name + labels).join("\n");
    if (this.seriesKey !== key || this.all.childElementCount === 0) {
      this.seriesKey = key;
      const expressions = queries(series);
      this.values = series.map(() => text());
      this.all.replaceChildren(
        element("h3", {}, `Series (${series.length})`),
        element("p", { class: "note" }, "As /metrics has them now, with an expression for Prometheus."),
        element("ul", {}, ...series.map(({ name, labels, help }, at) => element("li", {},
          element("code", { class: "metric", title: [labels, help].filter(Boolean).join("\n") }, name),
          element("b", {}, this.values[at]),
          element("code", { class: "expression" }, expressions[at]),
          this.copier(expressions[at], name)))));
    }
    series.forEach(({ value }, at) => write(this.values[at], value ?? UNKNOWN));
  }

  copier(expression, name) {
    const word = text("Copy");
    const button = element("button", { type: "button", class: "copy" }, word, element("span", { class: "unseen" }, ` the expression for ${name}`));
    button.addEventListener("click", async () => {
      write(word, (await copied(expression, button)) ? "Copied" : "Select it and press Ctrl+C");
      setTimeout(() => write(word, "Copy"), 2000);
    });
    return button;
  }
}

/** Puts a text on the clipboard. Over plain HTTP only the old way works, which copies what is selected. */
async function copied(words, button) {
  try {
    if (navigator.clipboard) {
      await navigator.clipboard.writeText(words);
      return true;
    }
  } catch { /* Not allowed: then the old way. */ }
  const area = element("textarea", { readonly: true, class: "offscreen" });
  area.value = words;
  button.after(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  button.focus();
  return done;
}
