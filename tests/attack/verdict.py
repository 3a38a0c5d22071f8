"""What is held against the exporter: idle before, peaks during, and how long until everything is as before."""
import json
import subprocess
import sys
import os
import time

from host import HERE

MB = 1024 * 1024
# The bars of the README.
MEMORY = 64 * MB
ANSWER = 2.0
BACK = 60.0
# Idle is not one number: an allocator keeps some pages, a daemon that is looked for takes a descriptor.
IDLE_MEMORY = 8 * MB
IDLE_DESCRIPTORS = 6


class Failed(Exception):
    """An attack has seen by itself that something is wrong."""


class Watcher:
    """watch.py beside one exporter."""

    def __init__(self, exporter, period):
        command = [sys.executable, os.path.join(HERE, "watch.py"), str(exporter.pid), str(exporter.port),
                   "tls" if exporter.tls else "plain", str(period)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def take(self):
        """What was seen since the last time."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Meter:
    """One exporter, with a scraper beside it. `begin()`, an attack, `end()`: a row of the table."""

    def __init__(self, exporter, period=0.25, warm=2.0):
        self.exporter = exporter
        self.watcher = Watcher(exporter, period)
        for path in ("/", "/debug/containers", "/metrics"):
            exporter.ask(path, timeout=20)
        time.sleep(warm / 2)
        self.watcher.take()
        time.sleep(max(warm, 4 * period))
        seen = self.watcher.take()
        self.memory, self.descriptors, self.page = seen["resident"], seen["descriptors"], seen["bytes"]

    def begin(self):
        try:
            self.exporter.reset_peak()
            self.exact = True
        except OSError:
            self.exact = False
        self.watcher.take()

    def is_idle(self):
        return (self.exporter.resident() <= self.memory + IDLE_MEMORY
                and self.exporter.descriptors() <= self.descriptors + IDLE_DESCRIPTORS)

    def end(self, name, note, failures, also=lambda: True, judge_scrape=True):
        """Waits until everything is idle again (and `also` is true), and judges."""
        seen, begin, back = self.watcher.take(), time.monotonic(), None
        peak = max(seen["resident"], self.exporter.peak() if self.exact else 0)
        while self.exporter.alive() and time.monotonic() - begin < BACK:
            if self.is_idle() and also():
                back = time.monotonic() - begin
                break
            time.sleep(0.1)
        later = self.watcher.take()
        failures = list(failures)
        seconds, misses = sorted(seen["seconds"] + later["seconds"]), seen["misses"] + later["misses"]
        over = max(peak - self.memory, 0)
        if not self.exporter.alive():
            failures.insert(0, f"ended with {self.exporter.process.poll()}: {' / '.join(list(self.exporter.log)[-2:])}")
            misses = []
        elif back is None:
            left = (self.exporter.resident() - self.memory) / MB
            failures.append(f"not idle after {BACK:.0f} s: {left:+.0f} MB, "
                            f"{self.exporter.descriptors() - self.descriptors:+d} descriptors, as it should be: {also()}")
        if over > MEMORY:
            failures.append("memory")
        if judge_scrape and misses:
            failures.append(f"{len(misses)} of {len(seconds)} scrapes failed ({misses[0]})")
        if judge_scrape and seconds and seconds[-1] > ANSWER:
            failures.append(f"a scrape took {seconds[-1]:.1f} s")
        return {
            "attack": name, "over": over, "fds": max(seen["descriptors"] - self.descriptors, 0), "scrapes": len(seconds),
            "p99": seconds[min(int(len(seconds) * 0.99), len(seconds) - 1)] if seconds else float("nan"),
            "max": seconds[-1] if seconds else float("nan"), "back": back, "note": note, "failures": failures,
        }

    def stop(self):
        self.watcher.stop()
        self.exporter.stop()


HEAD = ["attack", "memory over idle", "descriptors over idle", "scrape p99", "scrape max", "back to idle", "verdict", "what was held"]


def cells(row):
    failures = row["failures"]
    return [row["attack"], f"{row['over'] / MB:.1f} MB", str(row["fds"]), f"{row['p99'] * 1000:.0f} ms", f"{row['max'] * 1000:.0f} ms",
            "never" if row["back"] is None else f"{row['back']:.1f} s", "FAIL" if failures else "PASS",
            "; ".join(filter(None, [row["note"], *failures]))]


def table(rows):
    """As Markdown, for the README."""
    lines = ["| " + " | ".join(HEAD) + " |", "|---|--:|--:|--:|--:|--:|---|---|"]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in cells(row)) + " |" for row in rows]
    return "\n".join(lines)
