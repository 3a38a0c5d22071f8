// Kinds of panels, with the units, colours, texts and links that they share.
import { states } from "./expressions.mjs";

export const prometheus = { type: "prometheus", uid: "${datasource}" };

export const legend = "{{name}} @ {{instance}}";
const letter = (at) => String.fromCharCode(65 + at);
export const range = (expr, legendFormat = legend) => ({ expr, legendFormat, range: true, instant: false });
export const instant = (expr, legendFormat = legend) => ({ expr, legendFormat, range: false, instant: true });
const cells = (expr) => ({ expr, legendFormat: "", range: false, instant: true, format: "table" });
const targets = (list) =>
  list.map((target, at) => ({ datasource: prometheus, refId: letter(at), editorMode: "code", ...target }));

export const thresholds = (...steps) => ({
  mode: "absolute",
  steps: steps.map(([color, value]) => ({ color, value: value ?? null })),
});
export const zeroIsGood = thresholds(["green"], ["red", 1]);
export const full = thresholds(["green"], ["orange", 0.8], ["red", 0.95]);
/** Texts for values: `{value: [text, color]}`. */
export const texts = (map) => [
  {
    type: "value",
    options: Object.fromEntries(
      Object.entries(map).map(([value, [text, color]], index) => [value, { text, color, index }]),
    ),
  },
];
const colors = ["blue", "green", "yellow", "orange", "purple", "red", "dark-red"];
export const stateTexts = (key) =>
  texts(Object.fromEntries(states.map((name, at) => [key === "name" ? name : at + 1, [name, colors[at]]])));
export const healthTexts = texts({
  "-1": ["no check", "text"],
  0: ["not healthy", "red"],
  1: ["healthy", "green"],
});
export const yesNo = texts({ 0: ["no", "red"], 1: ["yes", "green"] });
export const exitTexts = texts({
  0: ["0", "green"],
  130: ["130 (SIGINT)", "yellow"],
  137: ["137 (SIGKILL)", "red"],
  139: ["139 (SIGSEGV)", "red"],
  143: ["143 (SIGTERM)", "yellow"],
});

const view = "/d/docker-stat-prom?${datasource:queryparam}&${__url_time_range}&var-project=All";
const rowLink = {
  title: "Only this container",
  url: `${view}&var-instance=\${__data.fields.instance}&var-name=\${__data.fields.name}`,
};
const seriesLink = {
  title: "Only this container",
  url: `${view}&var-instance=\${__field.labels.instance}&var-name=\${__field.labels.name}`,
};

const reduce = { values: false, calcs: ["lastNotNull"], fields: "" };
export const panel = (
  type,
  title,
  description,
  w,
  h,
  list,
  defaults,
  options,
  { overrides = [], ...more } = {},
) => ({
  type,
  title,
  description,
  size: { w, h },
  datasource: prometheus,
  targets: targets(list),
  fieldConfig: { defaults, overrides },
  options,
  ...more,
});

/** A number; on a coloured ground if its steps say what is good and what is not. */
export const stat = (title, description, target, unit, steps, graphMode = "none") => {
  const defaults = { unit, thresholds: steps ?? thresholds(["text"]), color: { mode: "thresholds" } };
  return panel("stat", title, description, 3, 4, [target], defaults, {
    reduceOptions: reduce,
    colorMode: steps && graphMode === "none" ? "background" : "value",
    graphMode,
    justifyMode: "auto",
    textMode: "auto",
    orientation: "auto",
    wideLayout: true,
    showPercentChange: false,
    percentChangeColorMode: "standard",
  });
};

export const top = (title, description, expression, unit) => {
  const color = { mode: "continuous-BlPu" };
  const defaults = { unit, min: 0, color, links: [seriesLink], noValue: "None" };
  return panel("bargauge", title, description, 6, 8, [instant(`topk(10, ${expression})`)], defaults, {
    reduceOptions: reduce,
    displayMode: "basic",
    orientation: "horizontal",
    namePlacement: "left",
    valueMode: "text",
    showUnfilled: true,
    sizing: "manual",
    minVizWidth: 8,
    minVizHeight: 16,
    maxVizHeight: 24,
    legend: { showLegend: false, displayMode: "list", placement: "bottom", calcs: [] },
  });
};

export const line = {
  drawStyle: "line",
  lineWidth: 1,
  fillOpacity: 10,
  showPoints: "auto",
  spanNulls: false,
};
/** A graph per container. `noValue` is what it says when there is nothing to draw. */
export const lines = (
  w,
  title,
  description,
  list,
  unit,
  noValue = "No running container is chosen",
  more = {},
) => {
  const {
    defaults = {},
    custom = line,
    calcs = ["lastNotNull", "max"],
    sortBy = "Max",
    links = [seriesLink],
  } = more;
  const placement = w > 8 ? "right" : "bottom";
  return panel(
    "timeseries",
    title,
    description,
    w,
    8,
    list,
    { unit, min: 0, noValue, links, custom, ...defaults },
    {
      legend: { showLegend: true, displayMode: "table", placement, calcs, sortBy, sortDesc: true },
      tooltip: { mode: "multi", sort: "desc" },
    },
  );
};
/** The same per host, of the exporter. */
export const exporterLines = (title, description, list, unit) =>
  lines(8, title, description, list, unit, "No exporter is chosen", { links: [] });
/** What happened, as bars that add up. */
export const bars = (title, description, list) =>
  lines(12, title, description, list, "short", "No container is chosen", {
    defaults: { decimals: 0 },
    custom: {
      drawStyle: "bars",
      fillOpacity: 80,
      lineWidth: 1,
      showPoints: "never",
      stacking: { mode: "normal", group: "A" },
    },
    calcs: ["sum"],
    sortBy: "Total",
  });

/**
 * A table of instant queries, joined by the labels they share. A key: [label, title, more of its field]; a column: [title,
 * expression, unit, more of its field]. A column without a title is asked for its labels alone.
 */
export const table = (h, title, description, keys, columns, sortBy) => {
  const value = (at) => `Value #${letter(at)}`;
  const titled = columns.map((column, at) => [value(at), ...column]).filter(([, title]) => title);
  const untitled = columns.map(([title], at) => [value(at), title]).filter(([, title]) => !title);
  const order = [...keys, ...titled].map(([field], at) => [field, at]);
  const organize = {
    excludeByName: Object.fromEntries([["Time", true], ...untitled.map(([field]) => [field, true])]),
    includeByName: {},
    indexByName: Object.fromEntries(order),
    renameByName: Object.fromEntries([...keys, ...titled].map(([field, title]) => [field, title])),
  };
  const defaults = {
    unit: "short",
    noValue: "–",
    custom: { align: "auto", cellOptions: { type: "auto" }, filterable: true },
  };
  const options = {
    showHeader: true,
    cellHeight: "sm",
    frameIndex: 0,
    footer: { show: false, countRows: false, reducer: ["sum"] },
    sortBy: [{ displayName: sortBy, desc: true }],
  };
  const targets = columns.map(([, expression]) => cells(expression));
  return panel("table", title, description, 24, h, targets, { ...defaults }, options, {
    overrides: [
      ...keys.filter(([, , more]) => more).map(([, title, more]) => override(title, more)),
      ...titled.map(([, title, , unit, more]) => override(title, { unit, ...more })),
    ],
    transformations: [
      { id: "merge", options: {} },
      { id: "organize", options: organize },
    ],
  });
};
const override = (name, properties) => ({
  matcher: { id: "byName", options: name },
  properties: Object.entries(properties).map(([id, value]) => ({ id, value })),
});
export const gauge = {
  min: 0,
  max: 1,
  thresholds: full,
  "custom.cellOptions": { type: "gauge", mode: "basic", valueDisplayMode: "text" },
};
export const colored = { "custom.cellOptions": { type: "color-text" } };
export const hostAndContainer = [
  ["name", "Container", { links: [rowLink], "custom.width": 190 }],
  ["instance", "Host", { "custom.width": 190 }],
];
export const noLimit = { mappings: texts({ 0: ["none", "text"] }) };

export const timeline = (title, description, expression, mappings, noValue) => {
  const custom = { fillOpacity: 80, lineWidth: 0 };
  const defaults = {
    unit: "short",
    mappings,
    noValue,
    color: { mode: "thresholds" },
    links: [seriesLink],
    custom,
  };
  return panel("state-timeline", title, description, 12, 10, [range(expression)], defaults, {
    mergeValues: true,
    showValue: "never",
    alignValue: "left",
    rowHeight: 0.9,
    perPage: 20,
    legend: { showLegend: true, displayMode: "list", placement: "bottom", calcs: [] },
    tooltip: { mode: "single", sort: "none" },
  });
};
