// Grafana without Grafana: what its Prometheus data source does with an answer, as data frames of @grafana/data.
import { GlobalRegistrator } from "@happy-dom/global-registrator";
import { createRequire } from "node:module";
import { lastValueFrom } from "rxjs";

// @grafana/data expects a browser when it is loaded. Its ES modules don't load in node, its CommonJS does.
const { fetch } = globalThis;
GlobalRegistrator.register({ url: "http://grafana.invalid/d/docker-stat-prom" });
export const data = createRequire(import.meta.url)("@grafana/data");
const { standardTransformers, standardTransformersRegistry } = data;

// As Grafana's start does: the transformations and the properties of fields that it knows.
const transformations = new Map(Object.values(standardTransformers).map((one) => [one.id, one]));
standardTransformersRegistry.setInit(() =>
  [...transformations.values()].map((transformation) => ({
    id: transformation.id,
    name: transformation.name,
    transformation,
    editor: () => null,
  })),
);
const property = (id) => ({
  id,
  path: id.replace("custom.", ""),
  isCustom: id.startsWith("custom."),
  name: id,
  process: (value) => value,
  shouldApply: () => true,
  override: () => null,
  editor: () => null,
});
export const known = Object.values(data.FieldConfigProperty);
const custom = ["align", "cellOptions", "filterable", "width", "fillOpacity", "lineWidth"];
const registry = new data.FieldConfigOptionsRegistry(() =>
  [...known, ...custom.map((name) => `custom.${name}`)].map(property),
);

/** Fills in the variables: those of the dashboard by `chosen`, those of time by the range. */
export function interpolate(text, { chosen, from, to, step }) {
  const seconds = Math.round((to - from) / 1000);
  const scrape = 1;
  const builtin = {
    __interval: `${step}s`,
    __rate_interval: `${Math.max(step + scrape, 4 * scrape)}s`,
    __range: `${seconds}s`,
  };
  const escaped = Object.fromEntries(Object.entries(chosen).map(([name, value]) => [name, regex(value)]));
  return text.replace(/\$(\w+)/g, (whole, name) => ({ ...builtin, ...escaped })[name] ?? whole);
}
/** A value, or several, in a =~ matcher inside double quotes. `{all}` is what the variable sets for "All". */
function regex(value) {
  if (value.all) return value.all;
  const quoted = [value].flat().map((one) => one.replace(/[.*+?^${}()|[\]\\]/g, (c) => `\\\\${c}`));
  return quoted.length > 1 ? `(${quoted.join("|")})` : quoted[0];
}

export async function ask(address, path, parameters) {
  const answer = await fetch(`http://${address}/api/v1/${path}?${new URLSearchParams(parameters)}`);
  const { status, data: result, error } = await answer.json();
  if (status !== "success") throw new Error(`${parameters.query ?? path}: ${error}`);
  return result;
}

/** One target, asked as it says (range or instant), as the frames that the data source's backend makes. */
export async function query(address, target, view) {
  const expr = interpolate(target.expr, view);
  const { from, to, step } = view;
  const time = (ms) => String(ms / 1000);
  const { resultType, result } = target.instant
    ? await ask(address, "query", { query: expr, time: time(to) })
    : await ask(address, "query_range", { query: expr, start: time(from), end: time(to), step: `${step}s` });
  const frames = (resultType === "scalar" ? [{ metric: {}, value: result }] : result).map((series) => {
    const { metric: labels, values = [series.value] } = series;
    const name = legend(target.legendFormat, labels);
    return data.toDataFrame({
      refId: target.refId,
      fields: [
        {
          name: "Time",
          type: "time",
          values: values.map(([at]) => at * 1000),
          config: { interval: step * 1000 },
        },
        {
          name: "Value",
          type: "number",
          labels,
          values: values.map(([, value]) => Number(value)),
          config: { displayNameFromDS: name },
        },
      ],
    });
  });
  // Also an answer without series is a frame, one without fields.
  return frames.length > 0 ? frames : [data.toDataFrame({ refId: target.refId, fields: [] })];
}
/** As the backend does it: a label that the series lacks leaves nothing. */
const legend = (format, labels) =>
  format ? format.replace(/\{\{\s*(.+?)\s*\}\}/g, (_, label) => labels[label] ?? "") : JSON.stringify(labels);

/** What the data source makes of `format: table`: one frame per target, with a column per label. */
function asTables(frames) {
  const targets = [...new Set(frames.map((frame) => frame.refId))];
  return targets.map((refId) => {
    const series = frames.filter((frame) => frame.refId === refId && frame.fields.length > 0);
    const labels = [...new Set(series.flatMap((frame) => Object.keys(frame.fields[1].labels).sort()))];
    const column = (of) => series.flatMap((frame) => frame.fields[0].values.map((_, row) => of(frame, row)));
    return data.toDataFrame({
      refId,
      fields: [
        { name: "Time", type: "time", values: column((frame, row) => frame.fields[0].values[row]) },
        ...labels.map((label) => ({
          name: label,
          type: "string",
          config: { filterable: true },
          values: column((frame) => frame.fields[1].labels[label] ?? ""),
        })),
        {
          name: targets.length > 1 ? `Value #${refId}` : "Value",
          type: "number",
          values: column((frame, row) => frame.fields[1].values[row]),
        },
      ],
    });
  });
}

/** What a panel has to show: queried, transformed, and with its fields' settings. */
export async function show(address, panel, view) {
  const all = (await Promise.all(panel.targets.map((target) => query(address, target, view)))).flat();
  const isTable = (frame) => panel.targets.find(({ refId }) => refId === frame.refId).format === "table";
  const frames = [...all.filter((frame) => !isTable(frame)), ...asTables(all.filter(isTable))];
  const transformed = await lastValueFrom(data.transformDataFrame(panel.transformations ?? [], frames));
  return data.applyFieldOverrides({
    data: transformed,
    fieldConfig: panel.fieldConfig,
    fieldConfigRegistry: registry,
    replaceVariables: (text, scoped) => links(text, scoped, view),
    theme: data.createTheme(),
    timeZone: "utc",
  });
}

/** The variables of a link, as Grafana fills them in. */
function links(text, scoped, view) {
  const context = scoped.__dataContext?.value;
  return text.replace(/\$\{([^}]+)\}/g, (whole, name) => {
    const [path, format] = name.split(":");
    if (path === "__url_time_range") return `from=${view.from}&to=${view.to}`;
    if (format === "queryparam") return `var-${path}=prom`;
    const [root, ...rest] = path.split(".");
    if (root === "__data") {
      const values = data.getFieldDisplayValuesProxy({ frame: context.frame, rowIndex: context.rowIndex });
      return encodeURIComponent(String(values[rest[1]]));
    }
    if (root === "__field") return encodeURIComponent(context.field.labels?.[rest[1]] ?? "");
    return whole;
  });
}

/** What a stat or a bar gauge writes. */
export function values(panel, frames, view) {
  return data
    .getFieldDisplayValues({
      fieldConfig: panel.fieldConfig,
      reduceOptions: panel.options.reduceOptions,
      data: frames,
      replaceVariables: (text, scoped) => links(text, scoped ?? {}, view),
      theme: data.createTheme(),
      timeZone: "utc",
    })
    .map(({ display }) => ({
      name: display.title,
      number: display.numeric,
      text: data.formattedValueToString(display),
    }));
}
export const names = (frames) =>
  frames.flatMap((frame) =>
    frame.fields
      .filter(({ type }) => type !== "time")
      .map((field) => data.getFieldDisplayName(field, frame, frames)),
  );

/** The events that the data source makes of an annotation's query: stretches of steps with a value above 0. */
export async function annotate(address, annotation, view) {
  const frames = await query(address, { ...annotation.target, range: true }, view);
  return frames
    .filter((frame) => frame.fields.length > 0)
    .flatMap(({ fields: [time, value] }) => {
      const events = [];
      value.values.forEach((amount, at) => {
        if (!(amount > 0)) return;
        const last = events.at(-1);
        if (last && last.timeEnd + view.step * 1000 >= time.values[at]) last.timeEnd = time.values[at];
        else
          events.push({
            time: time.values[at],
            timeEnd: time.values[at],
            text: legend(annotation.textFormat, value.labels),
          });
      });
      return events;
    });
}
