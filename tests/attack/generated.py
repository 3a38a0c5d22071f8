"""Generated requests: raw bytes of HTTP/1 and frames of HTTP/2, thousands of them, the same for the same seed."""
import itertools
import random
import select
import socket
import ssl
import struct
import time

import h2
from verdict import Failed

SOURCES = ["127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"]
# Four addresses, each below a quarter of the exporter's connections.
BATCH = 64
# For an answer to a batch; most come at once, and those that never come would be waited for by all.
PATIENCE = 0.15

# -------------------------------------------------------------------------------------------------------------- HTTP/1 bytes

TARGETS = ["", "/", "/metrics", "*", "localhost", "localhost:12096", "http://a", "http://a/", "https://a/metrics", "http://a?x",
           "http://", "http:///", "//", "//a/b", "/%00", "/\xff", "?x", "#", "/#x", "a/../..", ":80", "[::1]:80", "http://[::1",
           "http://a:99999/", "http://a@b", "*/", " /metrics", "/\x00", "/healthz?" + "q" * 3000, "/" + "a" * 8000, "x" * 20000,
           "/" + "a" * 70000, "urn:x", "mailto:a@b", "http://a/metrics", "/debug/containers", "/readyz/", "a:", "%", "\\", "http:a"]
METHODS = ["GET", "HEAD", "POST", "CONNECT", "OPTIONS", "TRACE", "PRI", "get", "", "G" * 300, "GET\x00", "\xff", "BREW", "PUT", "G T"]
VERSIONS = ["HTTP/1.1", "HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/3", "HTTP/1.2", "", "HTTP/", "http/1.1", "HTTP/1.1.1", "HTTP/9" * 50]
ENDS = ["\r\n", "\n", "\r", "", "\n\r", "\r\n\r\n"]
BODIES = ["", "0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n", "FFFFFFFFFFFFFFFF\r\nx", "-1\r\n", "zz\r\n", "5;ext=" + "e" * 20000 + "\r\nhello\r\n",
          "0\r\nTrailer: x\r\n" * 50, "1\r\nab\r\n", "\r\n", "x" * 70000, "5\nhello\n0\n\n"]


def header(rng):
    choice = rng.random()
    if choice < 0.3:
        return "Host: " + rng.choice(["x", "", "a:b", "\xff", "x" * 9000, "x\r\nHost: y", "[::1", "a b"])
    if choice < 0.45:
        length = rng.choice(["0", "5", "-1", "1e9", "99999999999999999999999", "5, 5", "0x5", "+5", " 5 ", "", "18446744073709551615"])
        return "Content-Length: " + length
    if choice < 0.6:
        return "Transfer-Encoding: " + rng.choice(["chunked", "identity", "chunked, chunked", "xchunked", "gzip, chunked", "chunked ", ""])
    if choice < 0.7:
        return "Connection: " + rng.choice(["close", "keep-alive", "upgrade", "Upgrade, HTTP2-Settings", "close, keep-alive", "\x01"])
    if choice < 0.75:
        return rng.choice(["Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__", "Expect: 100-continue", "Expect: x", "Range: bytes=0-"])
    if choice < 0.9:
        value = rng.choice(["*/*;q=0", ";" * 4000, "," * 8000, "text/plain;version=0.0.4;q=9", "application/openmetrics-text",
                            "gzip;q=0, *", "GZIP", "q=", "a/b;c=\"", "zstd;q=1.0000", "gzip;q=\xe4", "identity;q=0,*;q=0"])
        return rng.choice(["Accept", "accept-encoding"]) + ": " + value
    return rng.choice(["NoColon", ": empty", " folded: x", "X: \x00", "X\x00: y", "\xe4: \xff", "X: " + "y" * 20000, "x" * 20000 + ": y",
                       "X:y\n folded", "\t: x", "A B: c"])


def http1(rng):
    if rng.random() < 0.05:
        return rng.randbytes(rng.choice([1, 24, 500, 20000]))
    version, end = (rng.choice(VERSIONS[:2]), "\r\n") if rng.random() < 0.7 else (rng.choice(VERSIONS), rng.choice(ENDS))
    method = rng.choice(METHODS[:6]) if rng.random() < 0.7 else rng.choice(METHODS)
    headers = [header(rng) for _ in range(rng.choice([0, 1, 1, 2, 3, 5, 63, 64, 65, 300]))]
    if rng.random() < 0.5:
        headers.insert(0, "Host: x")
    blank = rng.choice([" ", " ", " ", " ", "  ", "\t", ""])
    lines = [method + blank + rng.choice(TARGETS) + blank + version, *headers, ""]
    data = (rng.choice(["", "", "", "\r\n", "\n\n"]) + end.join(lines) + end + rng.choice(BODIES)).encode("latin-1")
    choice = rng.random()
    if choice < 0.1:
        data = data[:rng.randrange(len(data) + 1)]
    elif choice < 0.2:
        changed = bytearray(data)
        for _ in range(rng.choice([1, 2, 8])):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        data = bytes(changed)
    elif choice < 0.35:
        data = data * rng.choice([2, 3, 40]) if len(data) < 2000 else data + data
    return data


def http1_all():
    """Every target with every method and version, each well-formed otherwise."""
    for method, target, version in itertools.product(METHODS, TARGETS, VERSIONS):
        yield f"{method} {target} {version}\r\nHost: x\r\nConnection: close\r\n\r\n".encode("latin-1")


# ------------------------------------------------------------------------------------------------------------ HTTP/2 frames

PATHS = ["", "/", "/metrics", "*", "metrics", "http://a/", "//", "?", "#", "/\x00", "/\xff", "/" + "a" * 9000, " ", "a:b", "/%"]
PSEUDO = {
    ":method": ["GET", "CONNECT", "", "get", "POST", "\x00", "G" * 5000, "OPTIONS"],
    ":scheme": ["http", "https", "", "ftp", "\xff", "h" * 3000],
    ":path": PATHS,
    ":authority": ["x", "", "a:b:c", "[::1", "a b", "\xff", "x" * 9000, "u:p@h"],
    ":protocol": ["websocket", ""],
    ":status": ["200"],
}
FIELDS = [("connection", "close"), ("te", "x"), ("host", "y"), ("Upper", "x"), ("", ""), ("x", "\x00"), ("content-length", "5"),
          ("content-length", "-1"), ("transfer-encoding", "chunked"), ("x" * 9000, "y"), ("cookie", "c" * 9000), ("accept", "," * 9000),
          ("x", "\r\nGET / HTTP/1.1"), ("accept-encoding", "gzip;q=0, *"), (":late", "x"), ("\xe4", "\xff")]
RAW = [b"\x00", b"\xff" * 20, b"\x80", b"\x7f\xff\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x3f\xe1\xff\xff\xff\x0f", b"\x20", b"\xbe", b"\xfe",
       b"\x40\x7f\xff\xff\xff\xff\x0f", b"\x00\x85\xff\xff\xff\xff\xff\x01x"]


def block(rng):
    """A header block: the four pseudo-headers, some missing, doubled, empty or odd, and others."""
    if rng.random() < 0.2:
        return h2.request(rng.choice(["/", "/metrics", "/healthz", "/debug/containers"]))
    # Few are odd at a time: the first oddity ends the stream, and what is behind it is not looked at.
    names = [":method", ":scheme", ":path", ":authority"]
    odd, result = set(rng.sample(names, rng.choice([0, 1, 1, 2]))), []
    for name in names:
        for _ in range(rng.choice([0, 1, 1, 1, 2]) if name in odd else 1):
            result.append((name, rng.choice(PSEUDO[name]) if name in odd else PSEUDO[name][0 if name != ":path" else 2]))
    if rng.random() < 0.1:
        name = rng.choice([":protocol", ":status"])
        result.append((name, PSEUDO[name][0]))
    result += [rng.choice(FIELDS) for _ in range(rng.choice([0, 0, 0, 0, 0, 0, 1, 3, 80]))]
    if rng.random() < 0.1:
        rng.shuffle(result)
    literal = lambda name, value: h2.field(name.encode("latin-1"), value.encode("latin-1"), rng.choice([0, 0, 0, 0x10, 0x40]))  # noqa: E731
    data = b"".join(literal(name, value) for name, value in result)
    if rng.random() < 0.1:
        data += rng.choice(RAW)
    return data


def odd_frame(rng, stream):
    """Any frame with any flags on any stream."""
    kind = rng.choice([*range(10), 10, 16, 255])
    payload = rng.choice([b"", b"\x00" * 4, b"\xff" * 4, b"\x00" * 8, rng.randbytes(rng.choice([1, 5, 6, 9, 300, 16384, 20000]))])
    length = None if rng.random() < 0.9 else rng.choice([0, 1, 16385, 0xFFFFFF])
    of = rng.choice([0, 1, stream, stream, 2, 0x7FFFFFFF, 0xFFFFFFFF])
    return h2.frame(kind, rng.choice([0, 1, 4, 5, 8, 0x20, 0xFF]), of, payload, length)


def headers(rng, stream):
    data, end = block(rng), rng.choice([h2.END_STREAM, h2.END_STREAM, 0])
    if rng.random() < 0.8:
        return h2.frame(h2.HEADERS, end | h2.END_HEADERS, stream, data)
    if rng.random() < 0.3:
        return h2.frame(h2.HEADERS, end | h2.END_HEADERS | rng.choice([h2.PADDED, h2.PRIORITY_FLAG]), stream, rng.randbytes(5) + data)
    cut = rng.randrange(len(data) + 1)
    more = [h2.frame(h2.CONTINUATION, 0, stream) for _ in range(rng.choice([0, 1, 300]))]
    last = h2.frame(h2.CONTINUATION, h2.END_HEADERS, stream, data[cut:])
    return b"".join([h2.frame(h2.HEADERS, end, stream, data[:cut]), *more, last])


def setting(rng):
    pair = lambda: (rng.choice([1, 2, 3, 4, 5, 6, 8, 99]), rng.choice([0, 1, 65535, 16384, 0x7FFFFFFF, 0xFFFFFFFF]))  # noqa: E731
    return h2.settings(*[pair() for _ in range(rng.choice([0, 1, 6, 500]))])


def http2(rng):
    preface = h2.PREFACE
    if rng.random() < 0.1:
        preface = rng.choice([preface[:rng.randrange(24)], preface.lower(), preface * 2, preface[:18], preface.replace(b"SM", b"XX")])
    parts = [preface, h2.settings() if rng.random() < 0.9 else setting(rng)]
    stream = 1
    for _ in range(rng.choice([1, 1, 2, 5, 30])):
        choice = rng.random()
        if choice < 0.85:
            parts.append(headers(rng, stream))
            if rng.random() < 0.3:
                parts.append(rng.choice([h2.rst(stream), h2.window_update(stream, rng.choice([0, 1, 0x7FFFFFFF])),
                                         h2.frame(h2.DATA, 1, stream, b"x" * rng.choice([0, 1, 9000]))]))
            stream += 2
        elif choice < 0.88:
            parts.append(setting(rng))
        elif choice < 0.93:
            window = h2.window_update(0, rng.choice([0, 1, 0x7FFFFFFF]))
            goaway = h2.frame(h2.GOAWAY, 0, 0, struct.pack(">II", 0, 0))
            parts.append(rng.choice([h2.frame(h2.PING, 0, 0, b"12345678"), window, goaway]))
        else:
            parts.append(odd_frame(rng, stream))
    return b"".join(parts)


def http2_all():
    """Every two of method, path and authority with each other, and each pseudo-header missing."""
    methods, authorities = PSEUDO[":method"], PSEUDO[":authority"]
    pairs = [*itertools.product(methods, PATHS, ["x"]), *itertools.product(["GET"], PATHS, authorities),
             *itertools.product(methods, ["/metrics"], authorities)]
    for method, path, authority in pairs:
        fields = [(":method", method), (":scheme", "http"), (":path", path), (":authority", authority)]
        for missing in ((), (1,), (2,), (3,), (1, 2), (1, 2, 3)):
            left = [one for number, one in enumerate(fields) if number not in missing]
            data = b"".join(h2.field(name, value.encode("latin-1")) for name, value in left)
            yield h2.PREFACE + h2.settings() + h2.frame(h2.HEADERS, 5, 1, data)


# ------------------------------------------------------------------------------------------------------------------ batches

def is_answer(data, h2_wanted):
    """Whether there is the head of an answer in what came back."""
    if not h2_wanted:
        return data.startswith(b"HTTP/1.")
    while len(data) >= 9:
        if data[3] == h2.HEADERS:
            return True
        data = data[9 + int.from_bytes(data[:3], "big"):]
    return False


def answers(exporter, payloads, h2_wanted):
    """Sends each on a connection of its own, all at once, and counts those that were answered.

    What comes back is read until the end: a socket closed with something unread is reset, and the exporter would not see what it
    was sent.
    """
    open_links, received, poller = {}, {}, select.poll()
    for number, data in enumerate(payloads):
        try:
            link = exporter.open(SOURCES[number % len(SOURCES)], 2, h2=h2_wanted)
        except OSError:
            continue
        open_links[link.fileno()], received[link.fileno()] = link, b""
        poller.register(link, select.POLLIN)
        try:
            link.settimeout(0.3)
            link.sendall(data)
            if number % 3 == 0 and not exporter.tls:
                link.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        link.setblocking(False)
    end, links = time.monotonic() + PATIENCE, list(open_links.values())
    while open_links and (left := end - time.monotonic()) > 0:
        for number, _ in poller.poll(left * 1000):
            try:
                part = open_links[number].recv(1 << 20)
                received[number] = (received[number] + part)[:65536]
            except (BlockingIOError, ssl.SSLWantReadError):
                continue
            except OSError:
                part = b""
            if not part:
                poller.unregister(number)
                del open_links[number]
    for link in links:
        link.close()
    return sum(is_answer(data, h2_wanted) for data in received.values())


def killer(fresh, payloads, h2_wanted):
    """Which of a batch ends the process."""
    for data in payloads:
        exporter = fresh()
        try:
            answers(exporter, [data], h2_wanted)
            # An abort takes a moment; one that answers has survived.
            if exporter.ask("/healthz")[0] != 200 and not exporter.alive():
                return data[:200]
        finally:
            exporter.stop()
    return b"none of them alone"


def run(target, count, kind):
    """`count` requests of one kind ("http1" or "http2"): first all combinations in an order of chance, then generated ones."""
    exporter, h2_wanted = target.exporter, kind == "http2"
    every, make = (http2_all, http2) if h2_wanted else (http1_all, http1)
    rng = random.Random(f"{target.seed}/{kind}")
    combined = list(every())
    rng.shuffle(combined)
    sent = answered = 0
    while sent < count:
        payloads = [combined.pop() if combined and number % 2 else make(rng) for number in range(BATCH)]
        answered += answers(exporter, payloads, h2_wanted)
        sent += len(payloads)
        if exporter.ask("/healthz")[0] != 200 or sent // BATCH % 10 == 0 and not h2.serves(exporter):
            time.sleep(0.5)
            if not exporter.alive():
                raise Failed(f"ended after {sent} requests by {killer(target.fresh, payloads, h2_wanted)!r}")
            if exporter.ask("/healthz")[0] != 200 or not h2.serves(exporter):
                raise Failed(f"not serving after {sent} requests")
    return f"{sent} requests, {answered} answered"
