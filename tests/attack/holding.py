"""Clients that hold what they were given: pages they do not read, connections they do not use."""
import os
import subprocess
import threading
import time

import h2
import login
from verdict import Failed

ATTACKERS = [f"127.0.0.{number}" for number in range(2, 8)]
LIVE = "127.0.0.8"
LIVE_RATE = 200_000


class Live:
    """A reader that takes 200 kB each second and must get its whole page."""

    def __init__(self, exporter):
        self.exporter, self.result = exporter, None
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        begin, size, wanted = time.monotonic(), 0, None
        try:
            with self.exporter.open(LIVE, 30) as link:
                link.sendall(login.page())
                head = b""
                while b"\r\n\r\n" not in head:
                    part = link.recv(4096)
                    if not part:
                        raise OSError("no answer")
                    head += part
                head, _, body = head.partition(b"\r\n\r\n")
                lines = head.lower().split(b"\r\n")
                wanted = int(next(line.split(b": ")[1] for line in lines if line.startswith(b"content-length")))
                size = len(body)
                while size < wanted and (part := link.recv(20_000)):
                    size += len(part)
                    time.sleep(max(0, begin + size / LIVE_RATE - time.monotonic()))
        except (OSError, StopIteration) as error:
            self.result = f"a live reader was cut at {size} of {wanted} bytes after {time.monotonic() - begin:.0f} s: {error}"
            return
        self.result = size == wanted or f"a live reader was cut at {size} of {wanted} bytes after {time.monotonic() - begin:.0f} s"
        self.note = f"a live reader got {size / 1e6:.1f} MB in {time.monotonic() - begin:.0f} s"

    def verdict(self):
        self.thread.join(180)
        if self.result is not True:
            raise Failed(self.result or "a live reader was still reading after three minutes")
        return self.note


def hold_h2(exporter, source, end, paths=("/metrics",), pause=0.0, streams=16):
    """One HTTP/2 connection with a window of 0 on which everything is asked for and nothing read; anew when it is closed.

    With a pause between them the requests do not share what was made for one of them.
    """
    while time.monotonic() < end and exporter.alive():
        try:
            one = h2.Connection(exporter, source, window=0)
            for number in range(streams):
                one.ask(paths[number % len(paths)])
                if pause:
                    one.frames(pause)
        except OSError:
            time.sleep(0.2)
            continue
        while not one.dead and time.monotonic() < end:
            one.frames(0.5)
            one.send(h2.frame(h2.PING, 0, 0, b"stillhre"))
        one.close()


def pages_held(target, seconds, sources):
    """Pages that are asked for and never read, each connection answering and sending PINGs, beside a live reader."""
    live, end = Live(target.exporter), time.monotonic() + seconds
    h2.crowd([lambda source=source: hold_h2(target.exporter, source, end, pause=0.5) for source in sources for _ in range(8)])
    return live.verdict()


def read_slowly(exporter, source, end):
    while time.monotonic() < end and exporter.alive():
        try:
            with exporter.open(source, 3, receive=2048) as link:
                link.sendall(login.page(close=False))
                while time.monotonic() < end and link.recv(1):
                    time.sleep(1)
        except OSError:
            pass
        time.sleep(0.1)


def slow_readers(target, seconds):
    """Thirty readers of a byte a second from one address, beside a live one."""
    live, end = Live(target.exporter), time.monotonic() + seconds
    h2.crowd([lambda: read_slowly(target.exporter, ATTACKERS[0], end)] * 30)
    return live.verdict()


# ------------------------------------------------------------------------------------------------------- silent connections

def keep(exporter, source, end, work):
    """A connection on which `work` is done, anew whenever it is closed."""
    opened = 0
    while time.monotonic() < end and exporter.alive():
        try:
            with exporter.connect(source, 3) as link:
                opened += 1
                work(link, end)
        except OSError:
            pass
        time.sleep(0.2)
    return opened


def until_closed(link, end, data=b"", pause=1.0):
    """Sends a byte per `pause` (none where there are none) until the peer closes."""
    rest = list(data)
    while time.monotonic() < end:
        if rest:
            link.sendall(bytes([rest.pop(0)]))
        link.settimeout(min(pause, max(end - time.monotonic(), 0.01)))
        try:
            if not link.recv(4096):
                return
        except TimeoutError:
            pass


def pinging(link, end):
    """HTTP/2 without a stream, and a PING each second."""
    link.sendall(h2.PREFACE + h2.settings())
    while time.monotonic() < end:
        link.sendall(h2.frame(h2.SETTINGS, h2.ACK) + h2.frame(h2.PING, 0, 0, b"12345678"))
        link.settimeout(1)
        try:
            if not link.recv(65536):
                return
        except TimeoutError:
            pass


HELLO = bytes.fromhex("16030100c8010000c40303") + os.urandom(32) + b"\x00" * 80
SILENT = {
    "nothing sent": lambda link, end: until_closed(link, end),
    "a request's byte per 2 s": lambda link, end: until_closed(link, end, b"GET /metrics HTTP/1.1\r\nHost: " + b"x" * 500, 2),
    "the h2 preface's byte per 2 s": lambda link, end: until_closed(link, end, h2.PREFACE, 2),
    "h2 without streams, with PINGs": pinging,
    "a TLS hello's byte per 2 s": lambda link, end: until_closed(link, end, HELLO, 2),
    "half a TLS hello": lambda link, end: (link.sendall(HELLO[:60]), until_closed(link, end)),
}


def silent(target, seconds, works, each=40):
    """As many connections as there are twice over, from six addresses, while --healthcheck runs from loopback."""
    exporter, end = target.exporter, time.monotonic() + seconds
    failed, checks = [], 0
    works = [SILENT[name] for name in works]
    threads = [threading.Thread(target=keep, args=(exporter, source, end, works[number % len(works)]), daemon=True)
               for source in ATTACKERS for number in range(each)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    while time.monotonic() < end - 1 and exporter.alive():
        checks += 1
        try:
            code = exporter.healthcheck()
        except subprocess.TimeoutExpired:
            code = "no answer"
        failed += [code] if code != 0 else []
        time.sleep(0.7)
    for thread in threads:
        thread.join(10)
    if failed:
        raise Failed(f"{len(failed)} of {checks} health checks failed")
    return f"{checks} health checks passed"
