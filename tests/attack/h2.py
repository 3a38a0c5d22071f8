"""HTTP/2 frames written by hand (RFC 9113), and header blocks without a dynamic table (RFC 7541), right and wrong."""
import socket
import struct
import threading
import time

import login

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY_FLAG = 1, 1, 4, 8, 0x20
INITIAL_WINDOW, MAX_FRAME = 4, 5


def frame(kind, flags=0, stream=0, payload=b"", length=None):
    size = len(payload) if length is None else length
    return struct.pack(">I", size & 0xFFFFFF)[1:] + struct.pack(">BBI", kind, flags, stream & 0xFFFFFFFF) + payload


def settings(*pairs):
    return frame(SETTINGS, payload=b"".join(struct.pack(">HI", key, value) for key, value in pairs))


def rst(stream, code=8):
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def window_update(stream, size):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", size & 0xFFFFFFFF))


def integer(value, bits, first=0):
    limit = (1 << bits) - 1
    if value < limit:
        return bytes([first | value])
    result, value = bytearray([first | limit]), value - limit
    while value >= 128:
        result.append(value & 127 | 128)
        value >>= 7
    return bytes([*result, value])


def text(value):
    value = value if isinstance(value, bytes) else value.encode()
    return integer(len(value), 7) + value


def field(name, value, first=0x00):
    """A literal field with a literal name: 0x00 without indexing, 0x40 into the dynamic table, 0x10 never indexed."""
    return bytes([first]) + text(name) + text(value)


GET, SCHEME = b"\x82", b"\x86"


def request(path="/metrics", authority="x"):
    opens = field("authorization", f"Bearer {login.token()}") if login.token() else b""
    return GET + SCHEME + field(":path", path) + field(":authority", authority) + opens


def get(stream, path="/metrics"):
    return frame(HEADERS, END_STREAM | END_HEADERS, stream, request(path))


class Connection:
    """A client that speaks HTTP/2 as it should, apart from what it is told to do."""

    def __init__(self, exporter, source, window=65535, timeout=5):
        self.link = exporter.open(source, timeout, h2=True)
        self.link.sendall(PREFACE + settings((INITIAL_WINDOW, window)))
        self.rest, self.stream, self.dead = b"", 1, False

    def ask(self, path="/metrics"):
        stream, self.stream = self.stream, self.stream + 2
        self.link.sendall(get(stream, path))
        return stream

    def frames(self, patience):
        """What came within so many seconds: (kind, flags, stream, payload); settings and pings are answered."""
        self.link.settimeout(max(patience, 0.001))
        try:
            part = self.link.recv(1 << 18)
            self.dead |= not part
            self.rest += part
        except (TimeoutError, socket.timeout):
            pass
        except OSError:
            self.dead = True
        found = []
        while len(self.rest) >= 9:
            size = int.from_bytes(self.rest[:3], "big")
            if len(self.rest) < 9 + size:
                break
            kind, flags = self.rest[3], self.rest[4]
            stream, payload = int.from_bytes(self.rest[5:9], "big"), self.rest[9:9 + size]
            self.rest = self.rest[9 + size:]
            found.append((kind, flags, stream, payload))
            if kind in (SETTINGS, PING) and not flags & ACK:
                self.send(frame(kind, ACK, 0, payload if kind == PING else b""))
            self.dead |= kind == GOAWAY
        return found

    def send(self, data):
        try:
            self.link.settimeout(5)
            self.link.sendall(data)
        except OSError:
            self.dead = True

    def close(self):
        self.link.close()


def status(payload):
    """The status in a header block, as hyper writes it: a static index or a literal of three digits."""
    index = payload[0] if payload else 0
    known = {0x88: 200, 0x89: 204, 0x8A: 206, 0x8B: 304, 0x8C: 400, 0x8D: 404, 0x8E: 500}
    if index in known:
        return known[index]
    if index == 0x48 and payload[1] == 3:
        return int(payload[2:5])
    # Huffman: three digits in two bytes.
    return -1 if index == 0x48 else 0


def serves(exporter, source="127.0.0.8", path="/readyz", patience=2):
    """Whether a well-behaved HTTP/2 client gets its 200."""
    try:
        one = Connection(exporter, source, timeout=patience)
    except OSError:
        return False
    try:
        stream, end = one.ask(path), time.monotonic() + patience
        while not one.dead and time.monotonic() < end:
            for kind, _, of, payload in one.frames(0.2):
                if kind == HEADERS and of == stream:
                    return status(payload) == 200
        return False
    finally:
        one.close()


def crowd(works):
    """Runs functions beside each other and waits for them."""
    threads = [threading.Thread(target=work, daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
