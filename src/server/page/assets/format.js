// How numbers and times are written. What is not known is a dash, never zero.

export const UNKNOWN = "–";

const isKnown = (value) => typeof value === "number" && Number.isFinite(value);

/** Three significant digits, without an exponent: 0.042, 1.25, 12.5, 125, 1250. */
function digits(value) {
  const size = Math.abs(value);
  if (size >= 100) return value.toFixed(0);
  if (size >= 10) return value.toFixed(1);
  return value.toFixed(2);
}

function scaled(value, base, units) {
  let at = 0;
  // 999.5 would be written as 1000.
  while (Math.abs(value) >= base - 0.5 && at + 1 < units.length) {
    value /= base;
    at += 1;
  }
  return `${at === 0 ? Math.round(value) : digits(value)} ${units[at]}`;
}

/** Memory, as docker stats writes it: powers of 1024. */
export function memory(bytes) {
  return isKnown(bytes) ? scaled(bytes, 1024, ["B", "KiB", "MiB", "GiB", "TiB"]) : UNKNOWN;
}

/** Bytes per second: powers of 1000. */
export function rate(bytes) {
  return isKnown(bytes) ? scaled(bytes, 1000, ["B/s", "kB/s", "MB/s", "GB/s"]) : UNKNOWN;
}

/** CPUs that are busy; 1 is one logical CPU. */
export function cores(value) {
  if (!isKnown(value)) return UNKNOWN;
  if (value > 0 && value < 0.005) return "<0.01";
  return digits(value);
}

/** A share between 0 and 1, as a percentage. */
export function share(value) {
  if (!isKnown(value)) return UNKNOWN;
  const percent = value * 100;
  if (percent > 0 && percent < 0.1) return "<0.1%";
  return percent === 0 || percent >= 9.95 ? `${percent.toFixed(0)}%` : `${percent.toFixed(1)}%`;
}

/** A number of things. */
export function count(value) {
  return isKnown(value) ? Math.round(value).toLocaleString("en") : UNKNOWN;
}

/** A length of time in its two largest units: 42s, 3m 20s, 5h 2m, 12d 4h. */
export function duration(seconds) {
  if (!isKnown(seconds)) return UNKNOWN;
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole}s`;
  const parts = [
    [Math.floor(whole / 86400), "d"],
    [Math.floor(whole / 3600) % 24, "h"],
    [Math.floor(whole / 60) % 60, "m"],
    [whole % 60, "s"],
  ];
  const first = parts.findIndex(([number]) => number > 0);
  const shown = parts.slice(first, first + 2).filter(([number]) => number > 0);
  return shown.map(([number, unit]) => `${number}${unit}`).join(" ");
}

/** A time of day on the viewer's clock: 14:03:20. */
export function clock(unix, withSeconds = true) {
  if (!isKnown(unix)) return UNKNOWN;
  const time = new Date(unix * 1000);
  const two = (number) => String(number).padStart(2, "0");
  const minutes = `${two(time.getHours())}:${two(time.getMinutes())}`;
  return withSeconds ? `${minutes}:${two(time.getSeconds())}` : minutes;
}

/** A label's value as PromQL writes it. */
export function quoted(text) {
  return `"${text.replace(/\\/g, "\\\\").replace(/\n/g, "\\n").replace(/"/g, '\\"')}"`;
}
