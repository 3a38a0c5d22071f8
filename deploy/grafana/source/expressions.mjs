// Expressions of the dashboard in PromQL.

export const hosts = `instance=~"$instance"`;
export const chosen = `${hosts},name=~"$name",container_label_com_docker_compose_project=~"$project"`;
/** The chosen containers' series of one family. */
export const of = (family, labels = "") => `${family}{${chosen}${labels && ","}${labels}}`;
export const by = (expression, ...labels) =>
  `sum by (${["instance", "name", ...labels].join(", ")}) (${expression})`;
export const now = (family, labels) => by(of(family, labels));
export const rate = (family, labels, ...more) => by(`rate(${of(family, labels)}[$__rate_interval])`, ...more);
/** 0 where nothing is there to be counted: a quiet host has no series to add up. */
export const orZero = (expression) => `(${expression}) or vector(0)`;

/** After "and": of hosts that the exporter watches. Other jobs may have the same instance, so this is not about `up`. */
const watched = `on (job, instance) docker_stat_prom_up{${hosts}}`;

/**
 * How much a counter grew in each step: whole numbers, whose sum over the graph is what happened.
 * What grew while a host could not be scraped, for up to an hour, counts in the step in which it is back. A container that
 * came in this step with a count above 0 counts too, if its host was watched before; a new name of an old one does not.
 */
export const steps = (family) => {
  const series = of(family);
  const before = `last_over_time(${series}[1h] offset $__interval)`;
  return by(
    `clamp_min(${series} - ${before}, 0)` +
      ` or (${series} unless on (job, instance, id) ${before})` +
      ` and ${watched} offset $__interval`,
  );
};

/** The same for the whole time range, with containers that are gone. */
export const inRange = (family) => {
  const series = of(family);
  const part = (name, expression) => `label_replace(${expression}, "part", "${name}", "", "")`;
  return (
    `${part("growth", `round(increase(${series}[$__range]))`)} or ` +
    part(
      "new",
      `min_over_time(${series}[$__range]) unless on (job, instance, id) ${series} offset $__range` +
        ` and ${watched} offset $__range`,
    )
  );
};

const memoryLimit = `(${of("container_spec_memory_limit_bytes")} > 0)`;
export const cpuQuota = `(${of("container_spec_cpu_quota")} / ${of("container_spec_cpu_period")})`;
export const cpu = rate("container_cpu_usage_seconds_total");
export const ofMemoryLimit = `${now("container_memory_working_set_bytes")} / ${by(memoryLimit)}`;
export const ofCpuQuota = `${cpu} / ${by(cpuQuota)}`;
export const ofTaskLimit = `${now("container_threads")} / ${by(`(${of("container_threads_max")} > 0)`)}`;
export const both = (first, second) => `${rate(first)} + ${rate(second)}`;

/** Docker's states, in the order of their numbers on the graph, from 1. */
export const states = ["created", "running", "paused", "restarting", "removing", "exited", "dead"];
export const state = states
  .map((name, at) => `${at + 1} * ${of("container_state", `state="${name}"`)}`)
  .join(" or ");
