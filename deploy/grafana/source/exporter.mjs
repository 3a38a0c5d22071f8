// The row about the exporter itself, per host.
import { hosts } from "./expressions.mjs";
import { range, thresholds, zeroIsGood, yesNo, colored, exporterLines, table } from "./panels.mjs";

const ours = `and on (instance, job) docker_stat_prom_build_info{${hosts}}`;
const quiet = `or on (instance) 0 * max by (instance) (docker_stat_prom_up{${hosts}})`;
const own = (family, labels = "") => `docker_stat_prom_${family}{${hosts}${labels && ","}${labels}}`;
const perHost = (expression) => `max by (instance) (${expression})`;

export const exporter = [
  "The exporter itself",
  true,
  [
    table(
      6,
      "Exporters",
      "One row per host.",
      [
        ["instance", "Host", { "custom.width": 190 }],
        ["version", "Version"],
        ["revision", "Revision"],
      ],
      [
        ["", `max by (instance, version, revision) (docker_stat_prom_build_info{${hosts}})`],
        ["All files read", perHost(own("up")), "none", { mappings: yesNo, ...colored }],
        ["Docker answers", perHost(own("docker_up")), "none", { mappings: yesNo, ...colored }],
        ["Containers", perHost(own("containers", 'state="discovered"')), "short"],
        [
          "Without a name",
          perHost(own("containers", 'state="unnamed"')),
          "short",
          { thresholds: zeroIsGood, ...colored },
        ],
        ["Up for", `time() - ${perHost(`process_start_time_seconds{${hosts}} ${ours}`)}`, "s"],
        [
          "Certificate ends in",
          `${perHost(own("tls_certificate_expiry_timestamp_seconds"))} - time()`,
          "s",
          { thresholds: thresholds(["red"], ["green", 14 * 86400]), ...colored },
        ],
      ],
      "Containers",
    ),
    exporterLines(
      "Time of a scrape",
      "The slowest of a hundred, and the mean.",
      [
        range(
          `histogram_quantile(0.99, sum by (instance, le) (rate(${own("scrape_duration_seconds_bucket")}[$__rate_interval])))`,
          "{{instance}} 99%",
        ),
        range(
          `sum by (instance) (rate(${own("scrape_duration_seconds_sum")}[$__rate_interval])) / sum by (instance) (rate(${own("scrape_duration_seconds_count")}[$__rate_interval]))`,
          "{{instance}} mean",
        ),
      ],
      "s",
    ),
    exporterLines(
      "What could not be read",
      "Files that were there and could not be used, and rows of them. The log names them.",
      [
        range(
          `sum by (instance, file, reason) (rate(${own("read_failures_total")}[$__rate_interval])) ${quiet}`,
          "{{instance}} files {{file}} {{reason}}",
        ),
        range(
          `sum by (instance, file) (rate(${own("skipped_rows_total")}[$__rate_interval])) ${quiet}`,
          "{{instance}} rows {{file}}",
        ),
      ],
      "ops",
    ),
    exporterLines(
      "Docker lost and found, and scans",
      "Connections to Docker after the first; scans of the whole cgroup tree.",
      [
        range(
          `sum by (instance) (rate(${own("docker_reconnects_total")}[$__rate_interval]))`,
          "{{instance}} reconnects",
        ),
        range(
          `sum by (instance) (rate(${own("discovery_resyncs_total")}[$__rate_interval]))`,
          "{{instance}} scans",
        ),
      ],
      "ops",
    ),
    exporterLines(
      "CPU",
      "100% is one CPU.",
      [
        range(
          `sum by (instance) (rate(process_cpu_seconds_total{${hosts}}[$__rate_interval]) ${ours})`,
          "{{instance}}",
        ),
      ],
      "percentunit",
    ),
    exporterLines(
      "Memory",
      "Resident.",
      [range(perHost(`process_resident_memory_bytes{${hosts}} ${ours}`), "{{instance}}")],
      "bytes",
    ),
    exporterLines(
      "Open descriptors",
      "Of those that it may open.",
      [range(perHost(`process_open_fds{${hosts}} / process_max_fds ${ours}`), "{{instance}}")],
      "percentunit",
    ),
    exporterLines(
      "Requests",
      "By status.",
      [
        range(
          `sum by (instance, code) (rate(${own("http_requests_total")}[$__rate_interval]))`,
          "{{instance}} {{code}}",
        ),
      ],
      "reqps",
    ),
  ],
];
