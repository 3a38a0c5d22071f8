// Charts with axes over the same time. A shared cursor (pointer or arrow keys) shows what was at a moment; a gap is where nothing is
// known. Everything is drawn with SVG, whose colours come from the style sheet.

import { drawing, element, mark, text, write } from "./dom.js";
import { UNKNOWN, clock } from "./format.js";

const HEIGHT = 150, LEFT = 62, RIGHT = 10, TOP = 8, BOTTOM = 22;
const TIME_STEPS = [10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];
/** A limit belongs into the chart if the values reach this share of it. */
const LIMIT_IN_SIGHT = 0.3;

/** Round numbers from zero on, at most five of them. `base` is what units are powers of: 1000 or 1024. */
export function levels(most, base) {
  if (!(most > 0)) return [0];
  const unit = most >= 1 ? base ** Math.floor(Math.log(most) / Math.log(base)) : 1;
  const decade = 10 ** Math.floor(Math.log10(most / unit / 4));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * decade * unit).find((size) => most / size <= 4.0001);
  return Array.from({ length: Math.floor(most / step + 0.0001) + 1 }, (_, at) => at * step);
}

/** The moment that all charts of a page show. */
export class Cursor {
  constructor() { this.charts = []; }

  set(time) {
    if (this.time === time) return;
    this.time = time;
    for (const chart of this.charts) chart.point();
  }
}

/** A series is `{ name, times, values, lows, highs, longest }`: `longest` is how far apart two values may be that a line joins. */
export class Chart {
  /** `format` writes a value. `most` is where the axis ends at least; `whole` is its end if it may not be higher. */
  constructor(title, { format, base = 1000, least = 0, whole, cursor, note = "" }) {
    Object.assign(this, { title, format, base, least, whole, cursor });
    cursor.charts.push(this);
    this.series = [];
    this.readout = element("span", { class: "readout" });
    this.note = text(note);
    this.grid = drawing("g", { class: "grid" });
    this.lines = drawing("g");
    this.limit = drawing("g", { class: "limit" });
    this.pointer = drawing("line", { class: "pointer", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
    this.dots = drawing("g");
    this.svg = drawing("svg", { "aria-hidden": "true", focusable: "false", height: HEIGHT }, this.grid, this.limit, this.lines, this.pointer, this.dots);
    this.plot = element("div", {
      class: "plot", tabindex: "0", role: "slider", "aria-label": `${title}, over time`, "aria-orientation": "horizontal",
    }, this.svg);
    this.node = element("figure", { class: "card chart" },
      element("figcaption", {}, element("h3", {}, title), element("span", { class: "note" }, this.note), this.readout), this.plot);
    this.plot.addEventListener("pointermove", (event) => this.follow(event));
    this.plot.addEventListener("pointerdown", (event) => this.follow(event));
    this.plot.addEventListener("pointerleave", () => cursor.set(undefined));
    this.plot.addEventListener("blur", () => cursor.set(undefined));
    this.plot.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(([{ contentRect: { width } }]) => {
      if (width > 0 && width !== this.width) {
        this.width = width;
        this.draw();
      }
    }).observe(this.plot);
  }

  /** Shows these series from one time to another. */
  show(series, from, to, limit, note) {
    Object.assign(this, { series, from, to, limitAt: limit });
    if (note !== undefined) write(this.note, note);
    this.draw();
  }

  x(time) { return LEFT + ((time - this.from) / (this.to - this.from)) * (this.width - LEFT - RIGHT); }
  y(value) { return HEIGHT - BOTTOM - (value / this.top) * (HEIGHT - TOP - BOTTOM); }

  draw() {
    if (!this.width || this.to === undefined) return;
    mark(this.svg, "width", String(this.width));
    mark(this.svg, "viewBox", `0 0 ${this.width} ${HEIGHT}`);
    let most = 0;
    for (const { times, values, highs } of this.series) {
      (highs ?? values).forEach((value, at) => { if (value > most && times[at] >= this.from) most = value; });
    }
    const isLimitShown = this.limitAt > 0 && most >= this.limitAt * LIMIT_IN_SIGHT;
    this.top = Math.max(most, isLimitShown ? this.limitAt : 0, this.least) * 1.06 || 1;
    if (this.whole !== undefined) this.top = Math.min(this.top, this.whole);
    this.drawGrid();
    this.limit.replaceChildren(...(isLimitShown ? this.drawLimit() : []));
    this.drawLines();
    this.point();
  }

  drawGrid() {
    const parts = [];
    for (const level of levels(this.top, this.base)) {
      const y = Math.round(this.y(level)) + 0.5;
      parts.push(drawing("line", { x1: LEFT, x2: this.width - RIGHT, y1: y, y2: y }),
        drawing("text", { x: LEFT - 8, y: y + 4, "text-anchor": "end" }, this.format(level)));
    }
    const room = (this.width - LEFT - RIGHT) / 70;
    const step = TIME_STEPS.find((size) => (this.to - this.from) / size <= room) ?? 86400;
    // Full hours and days are those of the viewer's clock.
    const offset = new Date(this.to * 1000).getTimezoneOffset() * 60;
    for (let time = Math.ceil((this.from - offset) / step) * step + offset; time <= this.to; time += step) {
      const x = Math.round(this.x(time)) + 0.5;
      parts.push(drawing("line", { class: "tick", x1: x, x2: x, y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM + 4 }));
      if (x > LEFT + 12 && x < this.width - 20) {
        parts.push(drawing("text", { x, y: HEIGHT - 5, "text-anchor": "middle" }, clock(time, step < 60)));
      }
    }
    this.grid.replaceChildren(...parts);
  }

  drawLimit() {
    const y = Math.round(this.y(this.limitAt)) + 0.5;
    return [drawing("line", { x1: LEFT, x2: this.width - RIGHT, y1: y, y2: y })];
  }

  drawLines() {
    this.lines.replaceChildren(...this.series.flatMap((series, at) => {
      const { values, lows, highs } = series;
      const parts = [];
      if (lows && highs) parts.push(drawing("path", { class: `band s${at}`, d: this.band(series) }));
      parts.push(drawing("path", { class: `line s${at}`, d: this.pieces(series).map((piece) => this.path(series, values, piece)).join("") }));
      return parts;
    }));
  }

  /** The runs of values between gaps: pairs of the first index and the one after the last. */
  pieces({ times, values, longest }) {
    const pieces = [];
    let from = -1;
    for (let at = 0; at <= times.length; at += 1) {
      const isKnown = at < times.length && Number.isFinite(values[at]) && times[at] >= this.from - longest;
      if (from >= 0 && (!isKnown || times[at] - times[at - 1] > longest)) {
        pieces.push([from, at]);
        from = -1;
      }
      if (isKnown && from < 0) from = at;
    }
    return pieces;
  }

  path({ times }, values, [from, to]) {
    let path = "";
    for (let at = from; at < to; at += 1) {
      path += `${at === from ? "M" : "L"}${Math.max(this.x(times[at]), LEFT).toFixed(1)} ${this.y(values[at]).toFixed(1)}`;
    }
    return to - from === 1 ? `${path}h1.5` : path;
  }

  band(series) {
    const { times, lows, highs } = series;
    return this.pieces(series).map(([from, to]) => {
      const corner = (at, value) => `${Math.max(this.x(times[at]), LEFT).toFixed(1)} ${this.y(value).toFixed(1)}`;
      const above = [], below = [];
      for (let at = from; at < to; at += 1) {
        above.push(corner(at, highs[at]));
        below.push(corner(at, lows[at]));
      }
      return `M${above.join("L")}L${below.reverse().join("L")}Z`;
    }).join("");
  }

  /** The index of the value nearest to a time, if there is one near it. */
  nearest({ times, values, longest }, time) {
    let best = -1;
    for (let at = 0; at < times.length; at += 1) {
      if (best < 0 || Math.abs(times[at] - time) < Math.abs(times[best] - time)) best = at;
    }
    return best >= 0 && Math.abs(times[best] - time) <= longest && Number.isFinite(values[best]) ? best : -1;
  }

  /** What the cursor shows, or the last values. */
  point() {
    if (!this.width || this.to === undefined) return;
    const { time } = this.cursor;
    const shown = this.series.map((series, at) => {
      const index = this.nearest(series, time ?? this.to);
      const value = index < 0 ? UNKNOWN : this.format(series.values[index]);
      return { ...series, at, index, text: value };
    });
    const when = time === undefined ? "" : clock(time);
    this.readout.replaceChildren(
      ...(when ? [element("time", {}, when)] : []),
      ...shown.map(({ name, at, text: value }) => element("span", { class: `s${at}` }, `${name} `, element("b", {}, value))));
    mark(this.pointer, "visibility", time === undefined ? "hidden" : "visible");
    if (time === undefined) {
      this.dots.replaceChildren();
    } else {
      const x = this.x(time).toFixed(1);
      mark(this.pointer, "x1", x);
      mark(this.pointer, "x2", x);
      this.dots.replaceChildren(...shown.filter(({ index }) => index >= 0).map(({ at, index, times, values }) =>
        drawing("circle", { class: `s${at}`, cx: this.x(times[index]).toFixed(1), cy: this.y(values[index]).toFixed(1), r: 3 })));
    }
    // While it has the focus, only the reader's own steps are read out.
    if (document.activeElement !== this.plot || time !== undefined) {
      mark(this.plot, "aria-valuemin", "0");
      mark(this.plot, "aria-valuemax", String(Math.round(this.to - this.from)));
      mark(this.plot, "aria-valuenow", String(Math.round((time ?? this.to) - this.from)));
      mark(this.plot, "aria-valuetext", `${when || "now"}: ${shown.map(({ name, text: value }) => `${name} ${value}`).join(", ")}`);
    }
  }

  follow(event) {
    const x = event.clientX - this.plot.getBoundingClientRect().left;
    const time = this.from + ((x - LEFT) / (this.width - LEFT - RIGHT)) * (this.to - this.from);
    this.cursor.set(Math.min(Math.max(time, this.from), this.to));
  }

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const times = this.series[0]?.times.filter((time) => time >= this.from && time <= this.to) ?? [];
    if (times.length === 0) return;
    const now = this.cursor.time ?? this.to;
    const earlier = times.findLast((time) => time < now - 0.001) ?? times[0];
    const later = times.find((time) => time > now + 0.001) ?? times.at(-1);
    const far = (time) => times.reduce((best, other) => (Math.abs(other - time) < Math.abs(best - time) ? other : best));
    const to = {
      ArrowLeft: earlier, ArrowDown: earlier, ArrowRight: later, ArrowUp: later, Home: times[0], End: times.at(-1),
      PageUp: far(now + 60), PageDown: far(now - 60),
    }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      this.cursor.set(to);
    } else if (event.key === "Escape" && this.cursor.time !== undefined) {
      event.stopPropagation();
      this.cursor.set(undefined);
    }
  }
}
