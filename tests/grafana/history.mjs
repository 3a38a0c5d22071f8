// Prints an hour of two hosts, one sample a minute, up to the time given (unix seconds), in OpenMetrics: what the dashboard has
// to find in it is known. Containers: "leaky" is killed twice, "born" comes with a kill and is gone later, "old" is renamed to
// "new", "loop" is restarted three times, "calm" does nothing. "unseen" is killed while its host can't be scraped. "early" was killed before
// its host had this exporter; node_exporter, under the same instance, was there before.
export const instance = "history:1";
export const away = "away:1";
export const late = "late";
const gone = (m) => m >= 20 && m < 35;
const minutes = 60;
/** Value by minute; undefined where the series does not exist. */
const series = {
  up: [
    [{}, () => 1],
    [{ instance: away }, (m) => (gone(m) ? 0 : 1)],
    [{ instance: late, job: "node" }, () => 1],
  ],
  docker_stat_prom_up: [
    [{}, () => 1],
    [{ instance: away }, (m) => (gone(m) ? undefined : 1)],
    [{ instance: late, job: "docker" }, (m) => (m < 30 ? undefined : 1)],
  ],
  container_oom_events: [
    [{ id: "/leaky", name: "leaky" }, (m) => (m < 20 ? 4 : m < 40 ? 5 : 6)],
    [{ id: "/born", name: "born" }, (m) => (m < 30 || m >= 50 ? undefined : 1)],
    [{ id: "/old", name: "old" }, (m) => (m < 30 ? 3 : undefined)],
    [{ id: "/old", name: "new" }, (m) => (m < 30 ? undefined : 3)],
    [{ id: "/calm", name: "calm" }, () => 0],
    [{ instance: late, job: "docker", id: "/early", name: "early" }, (m) => (m < 30 ? undefined : 5)],
    [{ instance: away, id: "/unseen", name: "unseen" }, (m) => (gone(m) ? undefined : m < 20 ? 2 : 3)],
  ],
  container_restarts: [
    [{ id: "/loop", name: "loop" }, (m) => (m < 10 ? 1 : m < 25 ? 2 : m < 26 ? 3 : 4)],
    [{ id: "/calm", name: "calm" }, () => 0],
  ],
};
if (process.argv[1] === new URL(import.meta.url).pathname) {
  const last = Number(process.argv[2]);
  for (const [family, list] of Object.entries(series)) {
    const counter = !family.endsWith("up");
    console.log(`# TYPE ${family} ${counter ? "counter" : "gauge"}`);
    for (const [labels, value] of list) {
      const text = Object.entries({ instance, ...labels })
        .map(([key, text]) => `${key}="${text}"`)
        .join(",");
      for (let minute = 0; minute <= minutes; minute++) {
        const at = value(minute);
        if (at !== undefined)
          console.log(`${family}${counter ? "_total" : ""}{${text}} ${at} ${last - (minutes - minute) * 60}`);
      }
    }
  }
  console.log("# EOF");
}
