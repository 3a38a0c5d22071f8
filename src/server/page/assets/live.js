// The connection to /live: begins again by itself, waits longer after each failure, and rests while nobody looks.

const FIRST_WAIT = 1000;
const LONGEST_WAIT = 30000;
// The exporter ends streams that work, too: when passwords or tokens change. It is asked again this soon, and only if there is no
// stream by then, that is said.
const SOON = 200;
const UNSAID = 2000;
// The exporter says something more often than this.
const SILENCE = 40000;
// A page in the background is left without numbers after this time.
const UNSEEN = 60000;
// How long to wait for the answer that says why there is no stream.
const PATIENCE = 2000;

const around = (time) => time * (0.75 + Math.random() / 2);

export class Live {
  /**
   * `on.state`, `on.tick` and `on.change` get messages; `on.connection` gets "live", "resting" or "offline", and for the last what
   * the exporter answers, if it does: `{ ok, status, isFull }`.
   */
  constructor(url, on) {
    this.url = url;
    this.on = on;
    this.wait = FIRST_WAIT;
    document.addEventListener("visibilitychange", () => this.seen());
    window.addEventListener("online", () => this.retry());
    if (document.hidden) this.rest();
    else this.connect();
  }

  connect() {
    this.close();
    const source = new EventSource(this.url);
    this.source = source;
    this.heard();
    const hear = (type, handler) => source.addEventListener(type, (event) => {
      if (this.source !== source) return;
      this.heard();
      handler(JSON.parse(event.data));
    });
    hear("state", (message) => {
      clearTimeout(this.unsaid);
      this.wait = FIRST_WAIT;
      this.retryAt = undefined;
      this.isLive = true;
      this.on.state(message);
      this.on.connection("live");
    });
    hear("tick", this.on.tick);
    hear("change", this.on.change);
    hear("alive", () => {});
    source.onerror = () => { if (this.source === source) this.ended(); };
  }

  close() {
    clearTimeout(this.silence);
    clearTimeout(this.again);
    this.source?.close();
    this.source = undefined;
  }

  heard() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.lost(), SILENCE);
  }

  /** The stream has ended, or there was none. */
  ended() {
    if (!this.isLive) {
      this.lost();
      return;
    }
    this.isLive = false;
    this.close();
    this.again = setTimeout(() => this.connect(), around(SOON));
    this.unsaid = setTimeout(() => this.on.connection("offline"), UNSAID);
  }

  lost() {
    this.isLive = false;
    this.close();
    clearTimeout(this.unsaid);
    // Not all pages of an exporter that was restarted come back in the same moment.
    const wait = around(this.wait);
    this.wait = Math.min(this.wait * 2, LONGEST_WAIT);
    this.retryAt = performance.now() + wait;
    this.again = setTimeout(() => this.connect(), wait);
    this.explain(this.again);
  }

  /** Says why there is no stream. An EventSource is not told the status, so the exporter is asked for it. */
  async explain(again) {
    let why;
    try {
      const answer = await fetch(this.url, { method: "HEAD", cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
      why = { ok: answer.ok, status: answer.status, isFull: answer.headers.get("x-live") === "full" };
    } catch {
      // It does not answer.
    }
    // Something else may have happened meanwhile.
    if (this.again === again && !this.isLive && !this.rests) this.on.connection("offline", why);
  }

  /** Tries at once. */
  retry() {
    if (this.retryAt === undefined || this.rests) return;
    this.wait = FIRST_WAIT;
    this.connect();
  }

  /** Seconds until the next try. */
  waits() { return Math.max(0, (this.retryAt - performance.now()) / 1000); }

  rest() {
    this.close();
    clearTimeout(this.unsaid);
    this.rests = true;
    this.isLive = false;
    this.on.connection("resting");
  }

  seen() {
    clearTimeout(this.unseen);
    if (document.hidden) {
      if (!this.rests) this.unseen = setTimeout(() => this.rest(), UNSEEN);
    } else if (this.rests) {
      this.rests = false;
      this.connect();
    } else {
      this.retry();
    }
  }
}
