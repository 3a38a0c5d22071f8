// PromQL for a series: what it is now, and what it does over time.

import { quoted } from "./format.js";

/** The labels of an exposed series, such as {name="web",le="+Inf"}, as pairs. */
export function parseLabels(labels) {
  const pairs = [];
  for (const [, name, value] of labels.matchAll(/([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g)) {
    pairs.push([name, value.replace(/\\(.)/g, (_, escaped) => (escaped === "n" ? "\n" : escaped))]);
  }
  return pairs;
}

/** An expression for each series of a container. Of the labels that all of them have, only the one that names the container stays. */
export function queries(series) {
  const parsed = series.map(({ labels }) => parseLabels(labels));
  const counts = new Map();
  for (const pair of parsed.flat()) counts.set(pair.join("\n"), (counts.get(pair.join("\n")) ?? 0) + 1);
  const isShared = (pair) => counts.get(pair.join("\n")) === series.length;
  const naming = (pairs) => (pairs.find(([name, value]) => name === "name" && value !== "") ? "name" : "id");
  return series.map(({ name, type }, at) => {
    const pairs = parsed[at];
    const by = naming(pairs);
    const kept = pairs.filter((pair) => pair[0] === by || (series.length > 1 && !isShared(pair) && pair[1] !== ""));
    const selector = `${name}{${kept.map(([label, value]) => `${label}=${quoted(value)}`).join(",")}}`;
    const isRate = type === "counter" || (type === "histogram" && /_(bucket|count|sum)$/.test(name));
    return isRate ? `rate(${selector}[5m])` : selector;
  });
}
