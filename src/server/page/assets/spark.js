// Sparklines: the shape of the last minutes, without an axis.

import { drawing, mark } from "./dom.js";

const WIDTH = 100, HEIGHT = 24;

/** An empty sparkline. Numbers stand beside it, so it is hidden from screen readers. */
export function sparkline() {
  const area = drawing("path", { class: "area" });
  const line = drawing("path", { class: "line" });
  const svg = drawing("svg", {
    class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true", focusable: "false",
  }, area, line);
  return { svg, area, line };
}

/** Draws values from zero to their highest, or to `least` if all are lower. A gap stays where one is not known. */
export function draw({ area, line }, values, least) {
  let most = least > 0 ? least : 0;
  for (const value of values) if (value > most) most = value;
  let lines = "", areas = "";
  const step = WIDTH / Math.max(1, values.length - 1);
  const flush = (from, to) => {
    if (from < 0) return;
    let path = "";
    for (let at = from; at < to; at += 1) {
      const y = most > 0 ? HEIGHT - 1 - (values[at] / most) * (HEIGHT - 2) : HEIGHT - 1;
      path += `${path ? "L" : ""}${(at * step).toFixed(1)} ${y.toFixed(1)}`;
    }
    const [first, last] = [(from * step).toFixed(1), ((to - 1) * step).toFixed(1)];
    // A single value is a short dash.
    lines += `M${path}${to - from === 1 ? "h1" : ""}`;
    areas += `M${first} ${HEIGHT}L${path}L${last} ${HEIGHT}Z`;
  };
  let from = -1;
  values.forEach((value, at) => {
    if (Number.isNaN(value)) {
      flush(from, at);
      from = -1;
    } else if (from < 0) {
      from = at;
    }
  });
  flush(from, values.length);
  mark(line, "d", lines);
  mark(area, "d", areas);
}
