// The source of docker-stat-prom.json, for Grafana 12. Needs node, and nothing else:
//   node deploy/grafana/dashboard.mjs > deploy/grafana/docker-stat-prom.json
// tests/grafana/run fails when the two differ, and tries every panel with Grafana's own packages.
const prometheus = { type: "prometheus", uid: "${datasource}" };

// ---- Expressions

const hosts = `instance=~"$instance"`;
const chosen = `${hosts},name=~"$name",container_label_com_docker_compose_project=~"$project"`;
/** The chosen containers' series of one family. */
const of = (family, labels = "") => `${family}{${chosen}${labels && ","}${labels}}`;
const by = (expression, ...labels) => `sum by (${["instance", "name", ...labels].join(", ")}) (${expression})`;
const now = (family, labels) => by(of(family, labels));
const rate = (family, labels, ...more) => by(`rate(${of(family, labels)}[$__rate_interval])`, ...more);
/** 0 where nothing is there to be counted: a quiet host has no series to add up. */
const orZero = (expression) => `(${expression}) or vector(0)`;

/**
 * How much a counter grew in each step: whole numbers, whose sum over the graph is what happened.
 * A container that came in this step with a count above 0 counts too, if its host was watched before; a new name does not.
 */
const steps = (family) => {
  const series = of(family);
  return by(
    `clamp_min(${series} - ${series} offset $__interval, 0)` +
      ` or (${series} unless on (instance, id) ${series} offset $__interval)` +
      ` and on (instance) up{${hosts}} offset $__interval == 1`,
  );
};

/** The same for the whole time range, with containers that are gone. */
const inRange = (family) => {
  const series = of(family);
  const part = (name, expression) => `label_replace(${expression}, "part", "${name}", "", "")`;
  return (
    `${part("growth", `round(increase(${series}[$__range]))`)} or ` +
    part(
      "new",
      `min_over_time(${series}[$__range]) unless on (instance, id) ${series} offset $__range` +
        ` and on (instance) up{${hosts}} offset $__range == 1`,
    )
  );
};

const memoryLimit = `(${of("container_spec_memory_limit_bytes")} > 0)`;
const cpuQuota = `(${of("container_spec_cpu_quota")} / ${of("container_spec_cpu_period")})`;
const cpu = rate("container_cpu_usage_seconds_total");
const ofMemoryLimit = `${now("container_memory_working_set_bytes")} / ${by(memoryLimit)}`;
const ofCpuQuota = `${cpu} / ${by(cpuQuota)}`;
const ofTaskLimit = `${now("container_threads")} / ${by(`(${of("container_threads_max")} > 0)`)}`;
const both = (first, second) => `${rate(first)} + ${rate(second)}`;

const states = ["created", "running", "paused", "restarting", "removing", "exited", "dead"];
const colors = ["blue", "green", "yellow", "orange", "purple", "red", "dark-red"];
const state = states.map((name, at) => `${at + 1} * ${of("container_state", `state="${name}"`)}`).join(" or ");

// ---- Parts of panels

const legend = "{{name}} @ {{instance}}";
const letter = (at) => String.fromCharCode(65 + at);
const range = (expr, legendFormat = legend) => ({ expr, legendFormat, range: true, instant: false });
const instant = (expr, legendFormat = legend) => ({ expr, legendFormat, range: false, instant: true });
const cells = (expr) => ({ expr, legendFormat: "", range: false, instant: true, format: "table" });
const targets = (list) =>
  list.map((target, at) => ({ datasource: prometheus, refId: letter(at), editorMode: "code", ...target }));

const thresholds = (...steps) => ({
  mode: "absolute",
  steps: steps.map(([color, value]) => ({ color, value: value ?? null })),
});
const zeroIsGood = thresholds(["green"], ["red", 1]);
const oneIsGood = thresholds(["red"], ["green", 1]);
const full = thresholds(["green"], ["orange", 0.8], ["red", 0.95]);
/** Texts for values: `{value: [text, color]}`. */
const texts = (map) => [
  {
    type: "value",
    options: Object.fromEntries(
      Object.entries(map).map(([value, [text, color]], index) => [value, { text, color, index }]),
    ),
  },
];
const stateTexts = (key) =>
  texts(Object.fromEntries(states.map((name, at) => [key === "name" ? name : at + 1, [name, colors[at]]])));
const healthTexts = texts({ "-1": ["no check", "text"], 0: ["not healthy", "red"], 1: ["healthy", "green"] });
const yesNo = texts({ 0: ["no", "red"], 1: ["yes", "green"] });
const exitTexts = texts({
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
const panel = (type, title, description, w, h, list, defaults, options, more = {}) => ({
  type,
  title,
  description,
  size: { w, h },
  datasource: prometheus,
  targets: targets(list),
  fieldConfig: { defaults, overrides: [] },
  options,
  ...more,
});

const stat = (title, description, target, unit, steps, graphMode = "none") =>
  panel("stat", title, description, 3, 4, [target], { unit, thresholds: steps, color: { mode: "thresholds" } }, {
    reduceOptions: reduce,
    colorMode: graphMode === "none" ? "background" : "value",
    graphMode,
    justifyMode: "auto",
    textMode: "auto",
    orientation: "auto",
    wideLayout: true,
    showPercentChange: false,
    percentChangeColorMode: "standard",
  });

const top = (title, description, expression, unit) =>
  panel("bargauge", title, description, 6, 8, [instant(`topk(10, ${expression})`)],
    { unit, min: 0, color: { mode: "continuous-BlPu" }, links: [seriesLink] }, {
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

const lines = (w, title, description, list, unit, { defaults = {}, custom = {}, calcs = ["lastNotNull", "max"], links = [seriesLink] } = {}) =>
  panel("timeseries", title, description, w, 8, list, {
    unit,
    min: 0,
    links,
    custom: { drawStyle: "line", lineWidth: 1, fillOpacity: 10, showPoints: "auto", spanNulls: false, ...custom },
    ...defaults,
  }, {
    legend: { showLegend: true, displayMode: "table", placement: w > 8 ? "right" : "bottom", calcs, sortBy: "Max", sortDesc: true },
    tooltip: { mode: "multi", sort: "desc" },
  });
const exporterLines = (title, description, list, unit, more = {}) =>
  lines(8, title, description, list, unit, { links: [], ...more });
const bars = (title, description, list) =>
  lines(12, title, description, list, "short", {
    defaults: { decimals: 0 },
    custom: { drawStyle: "bars", fillOpacity: 80, showPoints: "never", stacking: { mode: "normal", group: "A" } },
    calcs: ["sum"],
  });

/** A table of instant queries, joined by the labels they share. A column: [name, expression, unit, more of its field]. */
const table = (h, title, description, keys, columns, sortBy, noValue) => {
  const shown = columns.filter(([name]) => name);
  const field = ([, , , more = {}]) => more;
  const names = [...keys.map(([label]) => label), ...columns.map(([name], at) => `Value #${letter(at)}`)];
  return panel("table", title, description, 24, h, columns.map(([, expression]) => cells(expression)),
    { unit: "short", noValue: noValue ?? "–", custom: { align: "auto", cellOptions: { type: "auto" }, filterable: true } }, {
      showHeader: true,
      cellHeight: "sm",
      frameIndex: 0,
      footer: { show: false, countRows: false, reducer: ["sum"] },
      sortBy: [{ displayName: sortBy, desc: true }],
    }, {
      transformations: [
        { id: "merge", options: {} },
        {
          id: "organize",
          options: {
            excludeByName: Object.fromEntries([
              ["Time", true],
              ...columns.flatMap(([name], at) => (name ? [] : [[`Value #${letter(at)}`, true]])),
            ]),
            includeByName: {},
            indexByName: Object.fromEntries(names.map((name, at) => [name, at])),
            renameByName: Object.fromEntries([
              ...keys.map(([label, name]) => [label, name]),
              ...columns.flatMap(([name], at) => (name ? [[`Value #${letter(at)}`, name]] : [])),
            ]),
          },
        },
      ],
      fieldConfig: {
        defaults: { unit: "short", noValue: noValue ?? "–", custom: { align: "auto", cellOptions: { type: "auto" }, filterable: true } },
        overrides: [
          ...keys.filter(([, , more]) => more).map(([, name, more]) => override(name, more)),
          ...shown.map((column) => override(column[0], { unit: column[2], ...field(column) })),
        ],
      },
    });
};
const override = (name, properties) => ({
  matcher: { id: "byName", options: name },
  properties: Object.entries(properties).map(([id, value]) => ({ id, value })),
});
const gauge = { min: 0, max: 1, thresholds: full, "custom.cellOptions": { type: "gauge", mode: "basic", valueDisplayMode: "text" } };
const colored = { "custom.cellOptions": { type: "color-text" } };
const hostAndContainer = [
  ["name", "Container", { links: [rowLink], "custom.width": 190 }],
  ["instance", "Host", { "custom.width": 190 }],
];
const noLimit = { mappings: texts({ 0: ["none", "text"] }) };

const timeline = (title, description, expression, mappings, noValue) =>
  panel("state-timeline", title, description, 12, 10, [range(expression)],
    { unit: "short", mappings, noValue, color: { mode: "thresholds" }, links: [seriesLink], custom: { fillOpacity: 80, lineWidth: 0 } }, {
      mergeValues: true,
      showValue: "never",
      alignValue: "left",
      rowHeight: 0.9,
      perPage: 20,
      legend: { showLegend: true, displayMode: "list", placement: "bottom", calcs: [] },
      tooltip: { mode: "single", sort: "none" },
    });

// ---- The dashboard, row by row

const ours = `and on (instance, job) docker_stat_prom_build_info{${hosts}}`;
const quiet = `or on (instance) 0 * max by (instance) (docker_stat_prom_up{${hosts}})`;
const own = (family, labels = "") => `docker_stat_prom_${family}{${hosts}${labels && ","}${labels}}`;
const perHost = (expression) => `max by (instance) (${expression})`;

const rows = [
  ["Overview", false, [
    stat("Running", "Containers with a cgroup, paused ones too.", instant(orZero(`count(${of("container_last_seen")})`), "Running"), "short", thresholds(["blue"])),
    stat("Stopped", "Containers that Docker knows and that do not run: created, exited or dead.", instant(orZero(`count(${of("container_state", 'state=~"created|exited|dead"')} == 1)`), "Stopped"), "short", thresholds(["blue"])),
    stat("Not healthy", "Containers whose own health check fails, or has not passed yet.", instant(orZero(`count(${of("container_health_state")} == 0)`), "Not healthy"), "short", zeroIsGood),
    stat("OOM kills", "Processes killed for want of memory in the time range.", instant(orZero(`sum(${inRange("container_oom_events_total")})`), "OOM kills"), "short", zeroIsGood),
    stat("Restarts", "Starts after a container's first in the time range.", instant(orZero(`sum(${inRange("container_restarts_total")})`), "Restarts"), "short", thresholds(["green"], ["orange", 1], ["red", 10])),
    stat("Hosts that do not answer", "Exporters that answered Prometheus within the last day and do not now. Nothing is known of their containers.", instant(orZero(`count(up{${hosts}} == 0 and on (instance) last_over_time(docker_stat_prom_up[1d]))`), "Hosts"), "short", zeroIsGood),
    stat("CPU of the hosts", "What the chosen containers use of all CPUs of the chosen hosts.", range(`(${orZero(`sum(rate(${of("container_cpu_usage_seconds_total")}[$__rate_interval]))`)}) / sum(machine_cpu_cores{${hosts}})`, "CPU"), "percentunit", full, "area"),
    stat("Memory of the hosts", "Working set of the chosen containers, of all memory of the chosen hosts.", range(`(${orZero(`sum(${of("container_memory_working_set_bytes")})`)}) / sum(machine_memory_bytes{${hosts}})`, "Memory"), "percentunit", full, "area"),
    table(12, "Containers", "One row per container; stopped ones have no use. Click a name for that container alone. CPU: 100% is one CPU.",
      [...hostAndContainer, ["image", "Image", { "custom.width": 150 }], ["state", "State", { mappings: stateTexts("name"), ...colored, "custom.width": 90 }]], [
        ["", `max by (instance, name, image, state) (${of("container_state")} == 1)`],
        ["Health", `max by (instance, name) (${of("container_health_state")})`, "short", { mappings: healthTexts, ...colored }],
        ["CPU", cpu, "percentunit"],
        ["Memory", now("container_memory_working_set_bytes"), "bytes"],
        ["Of memory limit", ofMemoryLimit, "percentunit", gauge],
        ["Received", rate("container_network_receive_bytes_total"), "Bps"],
        ["Sent", rate("container_network_transmit_bytes_total"), "Bps"],
        ["Read", rate("container_fs_reads_bytes_total"), "Bps"],
        ["Written", rate("container_fs_writes_bytes_total"), "Bps"],
        ["Tasks", now("container_threads"), "short"],
        ["Up for", `time() - max by (instance, name) (${of("container_start_time_seconds")})`, "s"],
        ["Restarts", by(inRange("container_restarts_total")), "short", { thresholds: zeroIsGood, ...colored, decimals: 0 }],
        ["OOM kills", by(inRange("container_oom_events_total")), "short", { thresholds: zeroIsGood, ...colored, decimals: 0 }],
      ], "CPU"),
    top("Most CPU", "100% is one CPU.", cpu, "percentunit"),
    top("Most memory", "Working set: memory that can't simply be given back.", now("container_memory_working_set_bytes"), "bytes"),
    top("Most network", "Received and sent.", both("container_network_receive_bytes_total", "container_network_transmit_bytes_total"), "Bps"),
    top("Most disk", "Read and written.", both("container_fs_reads_bytes_total", "container_fs_writes_bytes_total"), "Bps"),
  ]],
  ["CPU", false, [
    lines(12, "CPU", "100% is one CPU.", [range(cpu)], "percentunit"),
    lines(12, "Throttled", "Share of quota periods in which the container used up its quota and had to wait.", [
      range(`${rate("container_cpu_cfs_throttled_periods_total")} / ${rate("container_cpu_cfs_periods_total")}`)], "percentunit",
      { defaults: { noValue: "No container has a CPU quota" } }),
  ]],
  ["Memory", false, [
    lines(12, "Working set", "Memory that can't simply be given back. The row \"Limits\" has it as a share of the limit.", [range(now("container_memory_working_set_bytes"))], "bytes"),
    lines(12, "Anonymous, cache and swap", "What the memory is.", [
      range(now("container_memory_rss"), `${legend} anonymous`), range(now("container_memory_cache"), `${legend} cache`),
      range(now("container_memory_swap"), `${legend} swap`)], "bytes"),
    lines(12, "Stopped at a limit", "How often the container met memory.high (slowed down) or memory.max (reclaim, or an OOM kill).", [
      range(rate("container_memory_events_total", 'event=~"high|max"', "event"), `${legend} {{event}}`)], "ops"),
    lines(12, "Page faults that read from disk", "Many of them with memory near its limit: the container thrashes.", [
      range(rate("container_memory_failures_total", 'failure_type="pgmajfault"'))], "ops"),
  ]],
  ["Pressure: share of time in which tasks had to wait", false, ["cpu", "memory", "io"].map((resource) =>
    lines(8, `Waiting for ${{ cpu: "CPU", memory: "memory", io: "I/O" }[resource]}`, "some: at least one task waited; all: every task that had something to do waited.", [
      range(rate(`container_pressure_${resource}_waiting_seconds_total`), `${legend} some`),
      range(rate(`container_pressure_${resource}_stalled_seconds_total`), `${legend} all`)], "percentunit",
      { defaults: { noValue: "The kernel offers no pressure files (psi=1 turns them on)" } }))],
  ["Network", false, [
    lines(12, "Received", "Of the container's own network namespace.", [range(rate("container_network_receive_bytes_total"))], "Bps"),
    lines(12, "Sent", "Of the container's own network namespace.", [range(rate("container_network_transmit_bytes_total"))], "Bps"),
    lines(12, "Errors", "Packets that could not be received or sent.", [
      range(rate("container_network_receive_errors_total"), `${legend} received`), range(rate("container_network_transmit_errors_total"), `${legend} sent`)], "pps"),
    lines(12, "Dropped", "Packets thrown away, for want of room or because nobody wanted them.", [
      range(rate("container_network_receive_packets_dropped_total"), `${legend} received`),
      range(rate("container_network_transmit_packets_dropped_total"), `${legend} sent`)], "pps"),
  ]],
  ["Disk", false, [
    lines(8, "Read", "Per device.", [range(rate("container_fs_reads_bytes_total", "", "device"), `${legend} {{device}}`)], "Bps"),
    lines(8, "Written", "Per device.", [range(rate("container_fs_writes_bytes_total", "", "device"), `${legend} {{device}}`)], "Bps"),
    lines(8, "Operations", "Reads and writes, all devices.", [
      range(rate("container_fs_reads_total"), `${legend} reads`), range(rate("container_fs_writes_total"), `${legend} writes`)], "iops"),
  ]],
  ["Limits", false, [
    table(10, "Limits", "What each running container may use, and how much of that it does.", hostAndContainer, [
      ["Memory limit", now("container_spec_memory_limit_bytes"), "bytes", noLimit],
      ["Of memory", ofMemoryLimit, "percentunit", gauge],
      ["Memory reserved", now("container_spec_memory_reservation_limit_bytes"), "bytes", noLimit],
      ["Swap limit", now("container_spec_memory_swap_limit_bytes"), "bytes", noLimit],
      ["CPU quota", by(cpuQuota), "suffix:CPUs"],
      ["Of CPU", ofCpuQuota, "percentunit", gauge],
      ["CPU weight", now("container_cpu_weight"), "short"],
      ["Task limit", now("container_threads_max"), "short", noLimit],
      ["Of tasks", ofTaskLimit, "percentunit", gauge],
    ], "Of memory"),
    lines(8, "Memory, of its limit", "Working set.", [range(ofMemoryLimit)], "percentunit", { defaults: { noValue: "No container has a memory limit" } }),
    lines(8, "CPU, of its quota", "", [range(ofCpuQuota)], "percentunit", { defaults: { noValue: "No container has a CPU quota" } }),
    lines(8, "Tasks, of their limit", "Processes and threads.", [range(ofTaskLimit)], "percentunit", { defaults: { noValue: "No container has a task limit" } }),
  ]],
  ["Lifecycle", false, [
    timeline("State", "As Docker tells it.", `max by (instance, name) (${state})`, stateTexts("number"), "Docker has not told of any container"),
    timeline("Health", "Of containers with a health check.", `max by (instance, name) (${of("container_health_state")} >= 0)`, healthTexts, "No container has a health check"),
    bars("OOM kills", "Processes killed for want of memory, when it happened.", [range(steps("container_oom_events_total"))]),
    bars("Restarts", "Starts after a container's first, when they happened.", [range(steps("container_restarts_total"))]),
    table(8, "Stopped containers and their exit codes", "Above 128 it is 128 and the number of a signal. 137 with \"OOM killed\" is want of memory.",
      [...hostAndContainer, ["state", "State", { mappings: stateTexts("name"), ...colored }]], [
        ["", `max by (instance, name, state) (${of("container_state", 'state=~"exited|dead|restarting"')} == 1)`],
        ["Exit code", `max by (instance, name) (${of("container_exit_code")})`, "none", { mappings: exitTexts, thresholds: zeroIsGood, ...colored }],
        ["OOM killed", `max by (instance, name) (${of("container_oom_killed")} and on (instance, id) ${of("container_exit_code")})`, "none", { mappings: texts({ 0: ["no", "text"], 1: ["yes", "red"] }), ...colored }],
        ["Ended before", `time() - max by (instance, name) (${of("container_finished_time_seconds")} and on (instance, id) ${of("container_exit_code")})`, "s"],
        ["Restarts, all", `max by (instance, name) (${of("container_restarts_total")} and on (instance, id) ${of("container_exit_code")})`, "short"],
      ], "Ended before"),
  ]],
  ["The exporter itself", true, [
    table(6, "Exporters", "One row per host.", [["instance", "Host", { "custom.width": 190 }], ["version", "Version"], ["revision", "Revision"]], [
      ["", `max by (instance, version, revision) (docker_stat_prom_build_info{${hosts}})`],
      ["All files read", perHost(own("up")), "none", { mappings: yesNo, ...colored }],
      ["Docker answers", perHost(own("docker_up")), "none", { mappings: yesNo, ...colored }],
      ["Containers", perHost(own("containers", 'state="discovered"')), "short"],
      ["Without a name", perHost(own("containers", 'state="unnamed"')), "short", { thresholds: zeroIsGood, ...colored }],
      ["Up for", `time() - ${perHost(`process_start_time_seconds{${hosts}} ${ours}`)}`, "s"],
      ["Certificate ends in", `${perHost(own("tls_certificate_expiry_timestamp_seconds"))} - time()`, "s", { thresholds: thresholds(["red"], ["green", 14 * 86400]), ...colored }],
    ], "Containers"),
    exporterLines("Time of a scrape", "The slowest of a hundred, and the mean.", [
      range(`histogram_quantile(0.99, sum by (instance, le) (rate(${own("scrape_duration_seconds_bucket")}[$__rate_interval])))`, "{{instance}} 99%"),
      range(`sum by (instance) (rate(${own("scrape_duration_seconds_sum")}[$__rate_interval])) / sum by (instance) (rate(${own("scrape_duration_seconds_count")}[$__rate_interval]))`, "{{instance}} mean")], "s"),
    exporterLines("What could not be read", "Files that were there and could not be used, and rows of them. The log names them.", [
      range(`sum by (instance, file, reason) (rate(${own("read_failures_total")}[$__rate_interval])) ${quiet}`, "{{instance}} files {{file}} {{reason}}"),
      range(`sum by (instance, file) (rate(${own("skipped_rows_total")}[$__rate_interval])) ${quiet}`, "{{instance}} rows {{file}}")], "ops"),
    exporterLines("Docker lost and found, and scans", "Connections to Docker after the first; scans of the whole cgroup tree.", [
      range(`sum by (instance) (rate(${own("docker_reconnects_total")}[$__rate_interval]))`, "{{instance}} reconnects"),
      range(`sum by (instance) (rate(${own("discovery_resyncs_total")}[$__rate_interval]))`, "{{instance}} scans")], "ops"),
    exporterLines("CPU", "100% is one CPU.", [range(`sum by (instance) (rate(process_cpu_seconds_total{${hosts}}[$__rate_interval]) ${ours})`, "{{instance}}")], "percentunit"),
    exporterLines("Memory", "Resident.", [range(perHost(`process_resident_memory_bytes{${hosts}} ${ours}`), "{{instance}}")], "bytes"),
    exporterLines("Open descriptors", "Of those that it may open.", [range(perHost(`process_open_fds{${hosts}} / process_max_fds ${ours}`), "{{instance}}")], "percentunit"),
    exporterLines("Requests", "By status.", [range(`sum by (instance, code) (rate(${own("http_requests_total")}[$__rate_interval]))`, "{{instance}} {{code}}")], "reqps"),
  ]],
];

/** Gives every panel its number and its place: from left to right, in rows of 24. */
function place(rows) {
  const placed = [];
  let id = 0;
  let y = 0;
  for (const [title, collapsed, panels] of rows) {
    const row = { id: ++id, type: "row", title, collapsed, gridPos: { x: 0, y: y++, w: 24, h: 1 }, panels: [] };
    placed.push(row);
    let x = 0;
    let height = 0;
    for (const { size, ...panel } of panels) {
      if (x + size.w > 24) {
        y += height;
        x = height = 0;
      }
      (collapsed ? row.panels : placed).push({ id: ++id, ...panel, gridPos: { x, y, ...size } });
      x += size.w;
      height = Math.max(height, size.h);
    }
    y += height;
  }
  return placed;
}

const variable = (name, label, query, more) => ({
  name, label, type: "query", datasource: prometheus, query: { query, refId: name }, definition: query,
  refresh: 2, includeAll: true, multi: true, current: { text: "All", value: "$__all" }, sort: 1, ...more,
});
const anyContainer = `{__name__=~"container_last_seen|container_state",${hosts}}`;
const anyOfProject = anyContainer.replace("}", `,container_label_com_docker_compose_project=~"$project"}`);
const annotation = (name, iconColor, family) => ({
  name, enable: true, iconColor, datasource: prometheus, titleFormat: name, textFormat: "{{name}} on {{instance}}", tagKeys: "instance,name",
  target: { refId: "Anno", expr: steps(family), interval: "" },
});

const dashboard = {
  uid: "docker-stat-prom",
  title: "Docker containers (docker-stat-prom)",
  description: "What every Docker container uses, from cgroup v2",
  tags: ["docker", "containers"],
  schemaVersion: 41,
  version: 2,
  editable: true,
  graphTooltip: 1,
  refresh: "30s",
  time: { from: "now-1h", to: "now" },
  timezone: "browser",
  links: [
    {
      type: "link", title: "All containers", icon: "dashboard", tooltip: "Back to all containers of all hosts", tags: [], asDropdown: false,
      url: "/d/docker-stat-prom?var-instance=All&var-project=All&var-name=All", targetBlank: false, includeVars: false, keepTime: true,
    },
  ],
  templating: {
    list: [
      { name: "datasource", label: "Data source", type: "datasource", query: "prometheus", current: { text: "", value: "" }, hide: 0 },
      variable("instance", "Host", "label_values(docker_stat_prom_build_info, instance)", { allValue: ".*" }),
      variable("project", "Compose project", `label_values(${anyContainer}, container_label_com_docker_compose_project)`, { allValue: ".*" }),
      // Not ".*": the host itself (id="/") has no name, and is not a container.
      variable("name", "Container", `label_values(${anyOfProject}, name)`, { allValue: ".+" }),
    ],
  },
  annotations: {
    list: [
      { builtIn: 1, name: "Annotations & Alerts", type: "dashboard", datasource: { type: "grafana", uid: "-- Grafana --" }, enable: true, hide: true, iconColor: "rgba(0, 211, 255, 1)" },
      annotation("OOM kill", "red", "container_oom_events_total"),
      annotation("Restart", "orange", "container_restarts_total"),
    ],
  },
  panels: place(rows),
};

/** JSON in which what fits into a line is on one. */
function tidy(value, indent = "") {
  const line = JSON.stringify(value);
  if (typeof value !== "object" || value === null || indent.length + line.length <= 110) return line;
  const deeper = `${indent}  `;
  const items = Array.isArray(value)
    ? value.map((item) => tidy(item, deeper))
    : Object.entries(value).filter(([, item]) => item !== undefined).map(([key, item]) => `${JSON.stringify(key)}: ${tidy(item, deeper)}`);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  return `${open}\n${items.map((item) => deeper + item).join(",\n")}\n${indent}${close}`;
}
process.stdout.write(`${tidy(dashboard)}\n`);
