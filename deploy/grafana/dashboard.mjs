// The source of docker-stat-prom.json, for Grafana 12. Needs node, and nothing else:
//   node deploy/grafana/dashboard.mjs > deploy/grafana/docker-stat-prom.json
// Its panels are in source/. tests/grafana/run fails when the JSON is older than its source, and tries every panel with
// Grafana's own packages.
import { hosts, steps } from "./source/expressions.mjs";
import { prometheus } from "./source/panels.mjs";
import { rows } from "./source/rows.mjs";

/** Gives every panel its number and its place: from left to right, in rows of 24. */
function place(rows) {
  const placed = [];
  let id = 0;
  let y = 0;
  for (const [title, collapsed, panels] of rows) {
    const row = {
      id: ++id,
      type: "row",
      title,
      collapsed,
      gridPos: { x: 0, y: y++, w: 24, h: 1 },
      panels: [],
    };
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
  name,
  label,
  type: "query",
  datasource: prometheus,
  query: { query, refId: name },
  definition: query,
  refresh: 2,
  includeAll: true,
  multi: true,
  current: { text: "All", value: "$__all" },
  sort: 1,
  ...more,
});
const anyContainer = `{__name__=~"container_last_seen|container_state",${hosts}}`;
const anyOfProject = anyContainer.replace("}", `,container_label_com_docker_compose_project=~"$project"}`);
const annotation = (name, iconColor, family) => ({
  name,
  enable: true,
  iconColor,
  datasource: prometheus,
  titleFormat: name,
  textFormat: "{{name}} on {{instance}}",
  tagKeys: "instance,name",
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
      type: "link",
      title: "All containers",
      icon: "dashboard",
      tooltip: "Back to all containers of all hosts",
      tags: [],
      asDropdown: false,
      url: "/d/docker-stat-prom?var-instance=All&var-project=All&var-name=All",
      targetBlank: false,
      includeVars: false,
      keepTime: true,
    },
  ],
  templating: {
    list: [
      {
        name: "datasource",
        label: "Data source",
        type: "datasource",
        query: "prometheus",
        hide: 0,
      },
      variable("instance", "Host", "label_values(docker_stat_prom_build_info, instance)", { allValue: ".*" }),
      variable(
        "project",
        "Compose project",
        `label_values(${anyContainer}, container_label_com_docker_compose_project)`,
        { allValue: ".*" },
      ),
      // Not ".*": the host itself (id="/") has no name, and is not a container.
      variable("name", "Container", `label_values(${anyOfProject}, name)`, { allValue: ".+" }),
    ],
  },
  annotations: {
    list: [
      {
        builtIn: 1,
        name: "Annotations & Alerts",
        type: "dashboard",
        datasource: { type: "grafana", uid: "-- Grafana --" },
        enable: true,
        hide: true,
        iconColor: "rgba(0, 211, 255, 1)",
      },
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
    : Object.entries(value)
        .filter(([, item]) => item !== undefined)
        .map(([key, item]) => `${JSON.stringify(key)}: ${tidy(item, deeper)}`);
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  return `${open}\n${items.map((item) => deeper + item).join(",\n")}\n${indent}${close}`;
}
process.stdout.write(`${tidy(dashboard)}\n`);
