// One line of the table: a container, a project or the host. On a narrow screen the same cells are a card.

import { element, mark, text, write } from "./dom.js";
import { UNKNOWN, count, duration, memory, rate, share } from "./format.js";
import { draw, sparkline } from "./spark.js";

const ALMOST_FULL = 0.8, FULL = 0.95;

/** A value that may be full, against what it may reach: number, limit, bar and sparkline. */
class Gauge {
  constructor(kind, label) {
    this.value = text();
    this.of = text();
    this.fill = element("span", { class: "fill" });
    this.bar = element("span", { class: "bar" }, this.fill);
    this.spark = sparkline();
    this.note = element("span", { class: "of" }, this.of);
    this.cell = element("div", { class: `gauge ${kind}`, role: "cell" },
      element("span", { class: "value", "data-label": label }, this.value), this.note, this.spark.svg, this.bar);
  }

  paint(value, most, shown, of, isBad) {
    write(this.value, shown);
    write(this.of, of);
    mark(this.cell, "data-plain", of === "" ? "" : undefined);
    const ratio = most > 0 && value >= 0 ? Math.min(value / most, 1) : NaN;
    const filled = Number.isNaN(ratio) ? 0 : Math.round(ratio * 500) / 500;
    if (this.filled !== filled) {
      this.filled = filled;
      this.fill.style.transform = `scaleX(${filled})`;
    }
    const level = ratio >= FULL ? "full" : ratio >= ALMOST_FULL ? "almost" : undefined;
    mark(this.bar, "data-level", level);
    mark(this.bar, "data-unknown", Number.isNaN(ratio) ? "" : undefined);
    mark(this.note, "data-bad", isBad ? "" : undefined);
  }
}

/** One or two numbers under each other, with what they are called on a card. */
class Numbers {
  constructor(kind, labels) {
    this.texts = labels.map(() => text());
    this.cell = element("div", { class: `numbers ${kind}`, role: "cell" },
      ...labels.map((label, at) => element("span", { class: "value", "data-label": label }, this.texts[at])));
  }

  paint(...values) { values.forEach((value, at) => write(this.texts[at], value)); }

  mark(level) { mark(this.cell, "data-level", level); }
}

export class Row {
  constructor() {
    this.name = text();
    this.image = text();
    this.link = element("a", { class: "name" }, this.name);
    this.below = element("span", { class: "image" }, this.image);
    this.condition = text();
    this.health = text();
    this.sick = element("span", { class: "health" }, this.health);
    this.cpu = new Gauge("cpu", "CPU");
    this.memory = new Gauge("memory", "Mem");
    this.network = new Numbers("network", ["In", "Out"]);
    this.block = new Numbers("block", ["Read", "Written"]);
    this.waits = new Numbers("waits", ["CPU wait", "Mem wait", "I/O wait"]);
    this.pids = new Numbers("pids", ["PIDs"]);
    this.uptime = new Numbers("uptime", ["Up"]);
    this.restarts = new Numbers("restarts", ["Restarts"]);
    this.oom = new Numbers("oom", ["OOM kills"]);
    this.node = element("div", { class: "row", role: "row" },
      element("div", { class: "title", role: "rowheader" }, this.link, this.below),
      element("div", { class: "state", role: "cell" }, element("span", { class: "condition" }, this.condition), this.sick),
      ...[this.cpu, this.memory, this.network, this.block, this.waits, this.pids, this.uptime, this.restarts, this.oom]
        .map(({ cell }) => cell));
  }

  /** Shows an item as it is now. Sparklines are drawn again only when `moved` is another one than before. */
  paint(item, moved, isOpen) {
    if (this.key !== item.key) {
      this.key = item.key;
      this.moved = undefined;
      this.node.dataset.key = item.key;
      this.node.dataset.kind = item.kind;
    }
    const { link } = this;
    write(this.name, item.name);
    write(this.image, item.image);
    mark(link, "title", item.name);
    mark(this.below, "title", item.image || undefined);
    if (item.kind === "container") {
      mark(link, "href", `#${item.id}`);
      mark(link, "role", undefined);
    } else {
      mark(link, "href", item.kind === "group" ? "#" : undefined);
      mark(link, "role", item.kind === "group" ? "button" : undefined);
    }
    mark(link, "aria-expanded", item.kind === "group" ? String(isOpen) : undefined);
    mark(this.node, "data-live", item.live ? "" : undefined);
    mark(this.node, "data-health", item.health || undefined);
    mark(this.node, "data-state", item.kind === "container" ? item.condition : undefined);
    write(this.condition, item.ending ?? item.condition);
    write(this.health, this.remark(item));
    this.gauges(item);
    this.network.paint(rate(item.netIn), rate(item.netOut));
    this.block.paint(rate(item.read), rate(item.written));
    this.waits.paint(share(item.waitCpu), share(item.waitMemory), share(item.waitIo));
    this.pids.paint(count(item.pids));
    this.uptime.paint(duration(item.uptime));
    this.restarts.paint(count(item.restarts));
    this.oom.paint(count(item.oom));
    this.restarts.mark(item.restarts > 0 ? "some" : undefined);
    this.oom.mark(item.oom > 0 ? "bad" : undefined);
    if (this.moved !== moved) {
      this.moved = moved;
      // A hundredth of what there is looks like nothing, whatever its shape.
      draw(this.cpu.spark, item.cpuHistory, item.cpuMost * 10000 * 0.04);
      draw(this.memory.spark, item.memoryHistory, (item.memoryMost / 1024) * 0.04);
    }
  }

  gauges(item) {
    const isThrottled = item.throttled >= 0.05;
    const cpuOf = isThrottled ? `throttled ${share(item.throttled)}` : item.hasQuota || item.kind === "host" ? `of ${percent(item.cpuMost)}` : "";
    this.cpu.paint(item.cpu, item.cpuMost, percent(item.cpu), cpuOf, isThrottled);
    const memoryOf = item.hasLimit || item.kind === "host" ? `of ${memory(item.memoryMost)}` : "";
    this.memory.paint(item.memory, item.memoryMost, memory(item.memory), memoryOf, false);
  }

  remark(item) {
    if (item.kind !== "container") return item.health;
    if (item.told.hidden) return item.told.hidden;
    if (!item.live && item.told.ended) return `${duration(item.state_.time() - item.told.ended)} ago`;
    return item.live ? item.health : "";
  }
}

/** CPU as docker stats writes it: 100% is one logical CPU. */
export function percent(cores) {
  return Number.isNaN(cores) ? UNKNOWN : share(cores);
}
