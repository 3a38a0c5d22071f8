// What tests/grafana/run checks. Arguments: the addresses of Prometheus, of two demo hosts and of a host without containers, and
// when the made-up history ends.
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { annotate, ask, data, interpolate, known, names, show, values } from "./grafana.mjs";
import * as history from "./history.mjs";

const [prometheus, first, second, quiet, historyEnd] = process.argv.slice(2);
const here = new URL(".", import.meta.url).pathname;
const folder = path.join(here, "../../deploy/grafana");
const file = process.env.DSP_DASHBOARD ?? path.join(folder, "docker-stat-prom.json");
const text = fs.readFileSync(file, "utf8");
const dashboard = JSON.parse(text);
const panels = dashboard.panels.flatMap((panel) => [panel, ...(panel.panels ?? [])]);
const shown = panels.filter(({ type }) => type !== "row");
const ofType = (...types) => shown.filter(({ type }) => types.includes(type));
const titled = (type, title) => shown.find((panel) => panel.type === type && panel.title === title);

let passed = 0;
let failed = 0;
async function check(what, run) {
  const faults = [];
  const must = (right, fault) => right || faults.push(fault);
  try {
    await run(must);
  } catch (error) {
    faults.push(error.stack);
  }
  if (faults.length === 0) passed += 1;
  else failed += 1;
  console.log(`${faults.length === 0 ? "passed" : "failed"} ${what}`);
  for (const fault of faults) console.log(`  ${fault}`);
}

const variables = Object.fromEntries(dashboard.templating.list.map((variable) => [variable.name, variable]));
const everything = Object.fromEntries(
  ["instance", "project", "name"].map((name) => [name, { all: variables[name]?.allValue ?? ".*" }]),
);
const view = (chosen = {}, to = Date.now(), minutes = 10, step = 5) => ({
  chosen: { ...everything, ...chosen },
  from: to - minutes * 60000,
  to,
  step,
});
const instant = async (expression) => (await ask(prometheus, "query", { query: expression })).result;
const pairs = async (expression, at) =>
  [
    ...new Set(
      (await ask(prometheus, "query", { query: expression, time: String(at / 1000) })).result.map(({ metric: { instance, name } }) => `${instance} ${name}`),
    ),
  ].sort();
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
const column = (frame, title) =>
  frame.fields.find((field) => data.getFieldDisplayName(field, frame) === title);
const sums = (frames) => {
  const found = {};
  for (const {
    fields: [, value],
  } of frames) {
    const sum = value.values.reduce((total, one) => total + one, 0);
    if (sum !== 0) found[value.labels.name] = sum;
  }
  return Object.fromEntries(Object.entries(found).sort());
};

// Enough scrapes of every host for each rate.
for (const deadline = Date.now() + 120000; ; await new Promise((done) => setTimeout(done, 300))) {
  const seen = await instant("count_over_time(docker_stat_prom_up[10m]) >= 12").catch(() => []);
  if (seen.length >= 3) break;
  if (Date.now() > deadline) throw new Error("Prometheus has not scraped three hosts within two minutes");
}

await check("the JSON is what dashboard.mjs writes", (must) => {
  const written = execFileSync(process.execPath, [path.join(folder, "dashboard.mjs")], {
    encoding: "utf8",
    maxBuffer: 1 << 24,
  });
  must(written === text, "run: node deploy/grafana/dashboard.mjs > deploy/grafana/docker-stat-prom.json");
});

await check("the JSON has the shape that @grafana/schema describes", (must) => {
  const work = fs.mkdtempSync(path.join(here, "node_modules/.shape-"));
  try {
    execFileSync(process.execPath, [path.join(here, "shape.mjs"), file, work]);
    const flags = [
      "--noEmit",
      "--strict",
      "--skipLibCheck",
      "--target",
      "es2022",
      "--module",
      "esnext",
      "--moduleResolution",
      "bundler",
    ];
    const tsc = spawnSync(
      process.execPath,
      [path.join(here, "node_modules/typescript/bin/tsc"), ...flags, path.join(work, "dashboard.ts")],
      { encoding: "utf8" },
    );
    must(tsc.status === 0, tsc.stdout);
  } finally {
    fs.rmSync(work, { recursive: true });
  }
});

await check("panels have their own numbers and places, and do not overlap", (must) => {
  must(new Set(panels.map(({ id }) => id)).size === panels.length, "an id stands twice");
  const taken = new Map();
  for (const {
    title,
    gridPos: { x, y, w, h },
  } of panels) {
    must(x + w <= 24, `${title} is too wide`);
    for (let at = 0; at < w * h; at++) {
      const cell = `${x + (at % w)},${y + Math.floor(at / w)}`;
      must(!taken.has(cell), `${title} lies on ${taken.get(cell)}`);
      taken.set(cell, title);
    }
  }
});

await check("every panel and every column has a unit that Grafana knows", (must) => {
  const units = new Set(data.getValueFormats().flatMap(({ submenu }) => submenu.map(({ value }) => value)));
  const right = (unit) => units.has(unit) || /^(suffix|prefix):./.test(unit ?? "");
  for (const { title, fieldConfig } of shown) {
    must(right(fieldConfig.defaults.unit), `${title}: ${fieldConfig.defaults.unit}`);
    for (const { properties } of fieldConfig.overrides) {
      for (const { id, value } of properties) {
        if (id === "unit") must(right(value), `${title}: ${value}`);
        must(known.includes(id) || id.startsWith("custom."), `${title}: no such property: ${id}`);
      }
    }
  }
});

await check("tables ask for the present as tables, graphs for a range", (must) => {
  for (const { type, title, targets } of shown) {
    for (const { refId, range, instant, format } of targets) {
      must(range !== instant, `${title} ${refId}: both or none of range and instant`);
      must((type === "table") === (format === "table"), `${title} ${refId}: format ${format}`);
      if (type === "table" || type === "bargauge") must(instant, `${title} ${refId} is not instant`);
      if (type === "timeseries" || type === "state-timeline") must(range, `${title} ${refId} is not a range`);
    }
  }
});

// Containers of the demo end and are started again, so that a table and what is expected of it are of the same moment.
const expectedAt = async (at) => ({
  Containers: await pairs(
    `{__name__=~"container_last_seen|container_state",name!="",instance!="${history.instance}"}`,
    at,
  ),
  Limits: await pairs('container_last_seen{name!=""}', at),
  "Stopped containers and their exit codes": await pairs("container_exit_code", at),
  Exporters: [first, second, quiet].sort().map((instance) => `${instance} undefined`),
});
// What no host of this test has.
const neverHere = ["Certificate ends in"];
await check("tables have one row per container and named columns with values", async (must) => {
  const now = view();
  const expected = await expectedAt(now.to);
  must(expected.Containers.length >= 40, `the demo has ${expected.Containers.length} containers`);
  must(ofType("table").length >= 1, "there is no table");
  for (const panel of ofType("table")) {
    const frames = await show(prometheus, panel, now);
    must(frames.length === 1, `${panel.title}: ${frames.length} frames`);
    const [frame] = frames;
    const cell = (title, row) => column(frame, title)?.values[row];
    const rows = Array.from(
      { length: frame.length },
      (_, row) => `${cell("Host", row)} ${cell("Container", row)}`,
    ).sort();
    must(same(rows, expected[panel.title]), `${panel.title}: rows ${rows}, not ${expected[panel.title]}`);
    for (const field of frame.fields) {
      const title = data.getFieldDisplayName(field, frame, frames);
      must(!/^(Value|Time)\b/.test(title), `${panel.title}: a column named ${title}`);
      const texts = field.values.map((value) => data.formattedValueToString(field.display(value)));
      must(
        neverHere.includes(title) || texts.some((text) => text !== "" && text !== "–"),
        `${panel.title}: nothing in ${title}`,
      );
      if (field.type === "number") {
        const own = panel.fieldConfig.overrides.find(({ matcher }) => matcher.options === title);
        must(
          own?.properties.some(({ id }) => id === "unit"),
          `${panel.title}: ${title} has no unit of its own`,
        );
      }
    }
  }
});

await check("a cell is what Prometheus answers for that container", async (must) => {
  const panel = titled("table", "Containers");
  const now = view();
  const [frame] = await show(prometheus, panel, now);
  const [memory, state] = [column(frame, "Memory"), column(frame, "State")];
  for (let row = 0; row < frame.length; row++) {
    const of = `instance="${column(frame, "Host").values[row]}",name="${column(frame, "Container").values[row]}"`;
    const ask1 = async (expression) =>
      (await ask(prometheus, "query", { query: expression, time: String(now.to / 1000) })).result[0];
    const bytes = (await ask1(`container_memory_working_set_bytes{${of}}`))?.value[1];
    must(
      String(memory.values[row] ?? undefined) === String(bytes),
      `${of}: ${memory.values[row]}, not ${bytes}`,
    );
    must(
      state.values[row] === (await ask1(`container_state{${of}} == 1`)).metric.state,
      `${of}: ${state.values[row]}`,
    );
  }
});

await check("tables keep one row per container where a column has nothing at all", async (must) => {
  for (const name of ["inslice", "dead", ["inslice", "dead", "nonet"]]) {
    const [frame] = await show(prometheus, titled("table", "Containers"), view({ name }));
    must(frame.length === 2 * [name].flat().length, `${name} on two hosts: ${frame.length} rows`);
  }
  for (const panel of ofType("table")) {
    const [frame] = await show(prometheus, panel, view({ instance: quiet }));
    must(
      frame.length === (panel.title === "Exporters" ? 1 : 0),
      `${panel.title} without containers: ${frame.length} rows`,
    );
  }
});

await check("every stat has one value, also on a host without containers", async (must) => {
  for (const panel of ofType("stat")) {
    for (const chosen of [{}, { instance: quiet }, { instance: first, name: "web" }]) {
      const now = view(chosen);
      const frames = await show(prometheus, panel, now);
      const found = values(panel, frames, now);
      // An answer without series has a number here too: 0, shown as "No data".
      const real =
        frames.some((frame) => frame.length > 0) && found.length === 1 && Number.isFinite(found[0].number);
      must(
        real && !/no data/i.test(found[0].text),
        `${panel.title} ${JSON.stringify(chosen)}: ${JSON.stringify(found)}`,
      );
      if (chosen.instance === quiet)
        must(found[0]?.number === 0, `${panel.title} on a quiet host: ${found[0]?.text}`);
    }
  }
});

const perContainer = (panel) => panel.targets.some(({ expr }) => /by \(instance, name/.test(expr));
await check("graphs have data, and names that tell series, containers and hosts apart", async (must) => {
  for (const panel of ofType("timeseries", "bargauge", "state-timeline")) {
    const now = view();
    const frames = await show(prometheus, panel, now);
    const titles =
      panel.type === "bargauge" ? values(panel, frames, now).map(({ name }) => name) : names(frames);
    must(titles.length > 0 && frames.some((frame) => frame.length > 0), `${panel.title}: no data`);
    must(new Set(titles).size === titles.length, `${panel.title}: a name stands twice: ${titles}`);
    const series = frames.flatMap(({ fields: [, value] }) => (value ? [value.labels] : []));
    series.forEach(({ instance, name }, at) => {
      must(
        instance && titles[at].includes(instance),
        `${panel.title}: ${titles[at]} does not name ${instance}`,
      );
      if (perContainer(panel))
        must(titles[at].includes(name), `${panel.title}: ${titles[at]} does not name ${name}`);
    });
  }
});

await check("what has no data says why, and legends are sorted by a column they have", (must) => {
  for (const { type, title, fieldConfig, options } of shown) {
    must(type === "stat" || fieldConfig.defaults.noValue, `${title} says "No data"`);
    const { calcs = [], sortBy } = options.legend ?? {};
    const titles = calcs.map((id) => data.fieldReducers.get(id).name);
    must(!sortBy || titles.includes(sortBy), `${title} is sorted by ${sortBy}, of ${titles}`);
  }
});

await check("the packages are those of the Grafana that compose.yaml starts", (must) => {
  const compose = fs.readFileSync(path.join(folder, "../compose.yaml"), "utf8");
  const [, version] = compose.match(/image: grafana\/grafana:(\S+)/);
  const { devDependencies } = JSON.parse(fs.readFileSync(path.join(here, "package.json"), "utf8"));
  for (const name of ["@grafana/data", "@grafana/schema"]) {
    must(devDependencies[name] === version, `${name} is ${devDependencies[name]}, Grafana ${version}`);
  }
});

await check("links lead from a container to its own view", async (must) => {
  let seen = 0;
  for (const panel of shown.filter((panel) => perContainer(panel) && panel.type !== "stat")) {
    const now = view();
    for (const frame of await show(prometheus, panel, now)) {
      const field = panel.type === "table" ? column(frame, "Container") : frame.fields[1];
      for (let row = 0; row < (panel.type === "table" ? frame.length : 1); row++) {
        const labels =
          panel.type === "table"
            ? { name: field.values[row], instance: column(frame, "Host").values[row] }
            : field.labels;
        const [link] = field.getLinks({ valueRowIndex: row });
        must(link, `${panel.title}: no link`);
        if (!link) break;
        const url = new URL(link.href, "http://grafana.invalid");
        const parameter = (name) => url.searchParams.get(name);
        const right =
          url.pathname === `/d/${dashboard.uid}` &&
          parameter("var-name") === labels.name &&
          parameter("var-instance") === labels.instance;
        must(
          right &&
            parameter("from") === String(now.from) &&
            parameter("var-datasource") &&
            !/\$/.test(link.href),
          `${panel.title}: ${link.href}`,
        );
        seen += 1;
      }
    }
  }
  must(seen > 100, `${seen} links`);
  const [frame] = await show(
    prometheus,
    titled("table", "Containers"),
    view({ instance: second, name: "pinger" }),
  );
  must(
    frame.length === 1 && column(frame, "Container").values[0] === "pinger",
    "the view of one container shows that one",
  );
});

await check("variables offer the hosts, the projects and every container, stopped ones too", async (must) => {
  const offered = async (name) => {
    const [, match, label] = interpolate(variables[name].query.query, view()).match(
      /^label_values\((.*), (\w+)\)$/,
    );
    return ask(prometheus, `label/${label}/values`, { "match[]": match });
  };
  must(same(await offered("instance"), [first, second, quiet].sort()), `${await offered("instance")}`);
  must(same(await offered("project"), ["photos", "shop"]), `${await offered("project")}`);
  const containers = await offered("name");
  must(
    ["dead", "oomer", "web"].every((name) => containers.includes(name)),
    `${containers}`,
  );
  must(
    !new RegExp(`^(?:${variables.name.allValue})$`).test(""),
    "All means the host itself (id=/, no name) too",
  );
});

await check("an hour with four OOM kills and three restarts is shown as that", async (must) => {
  const past = view({ instance: [history.instance, history.away, history.late] }, Number(historyEnd) * 1000, 60, 60);
  const restless = { "OOM kills": ["oomer"], Restarts: ["backup", "importer", "oomer"] };
  const kills = { born: 1, leaky: 2, unseen: 1 };
  const restarts = { loop: 3 };
  for (const [title, expected] of [
    ["OOM kills", kills],
    ["Restarts", restarts],
  ]) {
    const graph = sums(await show(prometheus, titled("timeseries", title), past));
    must(same(graph, expected), `the graph ${title}: ${JSON.stringify(graph)}`);
    const panel = titled("stat", title);
    const [{ number }] = values(panel, await show(prometheus, panel, past), past);
    must(
      number === Object.values(expected).reduce((total, one) => total + one),
      `the stat ${title}: ${number}`,
    );
    // Nothing happens to most of the demo's containers; their counters are above 0.
    const busy = sums(await show(prometheus, titled("timeseries", title), view()));
    must(
      Object.keys(busy).every((name) => restless[title].includes(name)),
      `the graph ${title} of the demo: ${JSON.stringify(busy)}`,
    );
  }
  const events = async (name) =>
    annotate(
      prometheus,
      dashboard.annotations.list.find((one) => one.name === name),
      past,
    );
  const minutes = (list) => list.map(({ time, text }) => `${(time - past.from) / 60000} ${text}`).sort();
  const oom = minutes(await events("OOM kill"));
  const happened = [
    `20 leaky on ${history.instance}`,
    `30 born on ${history.instance}`,
    `35 unseen on ${history.away}`,
    `40 leaky on ${history.instance}`,
  ];
  must(same(oom, happened), `annotations: ${oom}`);
  const restarted = minutes(await events("Restart"));
  must(
    same(restarted, [`10 loop on ${history.instance}`, `25 loop on ${history.instance}`]),
    `annotations: ${restarted}`,
  );
  for (const annotation of dashboard.annotations.list.filter(({ builtIn }) => !builtIn)) {
    const told = (await annotate(prometheus, annotation, view())).map(({ text }) => text);
    const names = restless[{ "OOM kill": "OOM kills", Restart: "Restarts" }[annotation.name]];
    must(
      annotation.enable && told.every((text) => names.some((name) => text.startsWith(`${name} on `))),
      `${annotation.name} in the demo: ${told}`,
    );
  }
});

await check("what an operator looks for has a panel", (must) => {
  const all = shown.flatMap(({ targets }) => targets.map(({ expr }) => expr)).join("\n");
  const families = [
    "container_state",
    "container_exit_code",
    "container_network_receive_errors_total",
    "container_network_transmit_packets_dropped_total",
    "container_pressure_cpu_waiting_seconds_total",
    "container_pressure_memory_stalled_seconds_total",
    "container_pressure_io_stalled_seconds_total",
    "container_spec_memory_limit_bytes",
    "container_spec_cpu_quota",
    "container_threads_max",
    "docker_stat_prom_scrape_duration_seconds",
    "docker_stat_prom_read_failures_total",
  ];
  for (const family of families) must(all.includes(family), family);
});

console.log(`${passed} passed, ${failed} failed, 0 skipped`);
process.exit(failed === 0 ? 0 : 1);
