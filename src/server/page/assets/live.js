// The connection to /live: begins again by itself, waits longer after each failure, and rests while nobody looks.

const FIRST_WAIT = 1000;
const LONGEST_WAIT = 30000;
// The exporter says something more often than this.
const SILENCE = 40000;
// A page in the background is left without numbers after this time.
const UNSEEN = 60000;

export class Live {
  /** `on.state`, `on.tick` and `on.change` get messages; `on.connection` gets "live", "resting" or "offline". */
  constructor(url, on) {
    this.url = url;
    this.on = on;
    this.wait = FIRST_WAIT;
    document.addEventListener("visibilitychange", () => this.seen());
    window.addEventListener("online", () => this.retry());
    this.connect();
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
      this.wait = FIRST_WAIT;
      this.retryAt = undefined;
      this.on.state(message);
      this.on.connection("live");
    });
    hear("tick", this.on.tick);
    hear("change", this.on.change);
    hear("alive", () => {});
    source.onerror = () => { if (this.source === source) this.lost(); };
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

  lost() {
    this.close();
    // Not all pages of an exporter that was restarted come back in the same moment.
    const wait = this.wait * (0.75 + Math.random() / 2);
    this.wait = Math.min(this.wait * 2, LONGEST_WAIT);
    this.retryAt = performance.now() + wait;
    this.again = setTimeout(() => this.connect(), wait);
    this.on.connection("offline");
  }

  /** Tries at once. */
  retry() {
    if (this.retryAt === undefined) return;
    this.wait = FIRST_WAIT;
    this.connect();
  }

  /** Seconds until the next try. */
  waits() { return Math.max(0, (this.retryAt - performance.now()) / 1000); }

  seen() {
    clearTimeout(this.unseen);
    if (document.hidden) {
      this.unseen = setTimeout(() => {
        this.close();
        this.rests = true;
        this.on.connection("resting");
      }, UNSEEN);
    } else if (this.rests) {
      this.rests = false;
      this.connect();
    } else {
      this.retry();
    }
  }
}
