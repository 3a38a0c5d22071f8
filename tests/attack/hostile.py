"""What a hostile daemon does: MODES answer a request, WORK goes on beside them for as long as the mode lasts.

A mode is called as `mode(daemon, link, kind, path)` for the kinds of request that the order names (`of`), or for all.
"""
import json
import random
import time

AS_USUAL = object()
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nApi-Version: 1.45\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
BLOCK = 64 * 1024


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def hold(daemon, link, beat=None):
    """Keeps the connection for as long as the mode lasts and the client wants it."""
    mode = daemon.options
    link.settimeout(0.2)
    while daemon.options is mode:
        try:
            if beat:
                link.sendall(beat)
                time.sleep(1)
            elif not link.recv(4096):
                return
        except TimeoutError:
            pass


def send_for_ever(daemon, link, block):
    mode = daemon.options
    link.settimeout(1)
    while daemon.options is mode:
        try:
            link.sendall(block)
        except TimeoutError:
            # A client that does not take it: a part may have gone out, which does not matter here.
            pass


def stall(daemon, link, kind, path):
    """The head and a part of the body, then nothing."""
    body = daemon.recorded(kind, path) or b'{"status":"start"'
    link.sendall(CHUNKED + chunk(body[:max(1, len(body) // 2)]))
    hold(daemon, link)


def stall_head(daemon, link, _kind, _path):
    link.sendall(HEAD)
    hold(daemon, link)


def drip(daemon, link, _kind, _path):
    """A byte of white space a second: never silent, never done."""
    link.sendall(CHUNKED)
    hold(daemon, link, chunk(b" "))


def silent(daemon, link, _kind, _path):
    hold(daemon, link)


def refuse(daemon, link, _kind, _path):
    body = b"<html>forbidden</html>"
    status = daemon.options.get("status", "403 Forbidden").encode()
    link.sendall(b"HTTP/1.1 %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(body), body))


ENDLESS = {
    "list": (b'[{"Id":"', b"a"), "inspect": (b'{"Id":"', b"a"), "info": (b'{"Name":"', b"a"),
    "version": (b'{"ApiVersion":"', b"1"), "ping": (b"O", b"K"), "events": (b'{"status":"', b"a"), "other": (b"", b"a"),
}


def endless(daemon, link, kind, _path):
    """A body that never ends: one string, one run of blanks, or rows without end."""
    start, byte = ENDLESS[kind]
    block = byte * BLOCK
    if daemon.options.get("as") == "blanks":
        start, block = b"", b" " * BLOCK
    if daemon.options.get("as") == "rows":
        line = json.dumps({"Id": "f" * 64, "Names": ["/x"], "Labels": {"a": "b"}, "State": "running"}).encode() + b","
        start, block = b"[", line * (BLOCK // len(line))
    link.sendall(CHUNKED + chunk(start))
    send_for_ever(daemon, link, chunk(block))


def endless_head(daemon, link, _kind, _path):
    link.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    send_for_ever(daemon, link, b"a" * BLOCK)


def endless_informational(daemon, link, _kind, _path):
    send_for_ever(daemon, link, b"HTTP/1.1 100 Continue\r\n\r\n" * 500)


def endless_trailers(daemon, link, _kind, _path):
    link.sendall(CHUNKED + b"0\r\n")
    send_for_ever(daemon, link, b"X: " + b"a" * 1000 + b"\r\n")


def bad_framing(daemon, link, kind, path):
    body = daemon.recorded(kind, path) or b"{}"
    odd = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n" + body,
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + body,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n" + body,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + body,
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 9\r\n\r\n" + body,
        b"HTTP/0.9 999 \xff\xfe\r\n\r\n", b"\x00" * 100, b"\x16\x03\x01\x02\x00", b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: tcp\r\n\r\n" + body, b"HTTP/1.1 301 X\r\nLocation: http://x/\r\n\r\n",
        HEAD + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08",
        HEAD + b"Date: Thu, 99 Foo 9999999 99:99:99 GMT\r\nApi-Version: \xff\r\nContent-Length: 2\r\n\r\n{}",
    ]
    link.sendall(odd[daemon.next() % len(odd)])


def deep(daemon, link, kind, _path):
    """Nesting without end, bare and inside of a field that is looked at."""
    depth = 200_000
    shape = daemon.next() % 3
    if kind == "list" and shape == 1:
        body = b'[{"Id":' + b"[" * depth + b"]" * depth + b"}]"
    elif shape == 2:
        body = b'{"a":' * depth + b"1" + b"}" * depth
    else:
        body = b"[" * depth
    link.sendall(HEAD + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)


def huge_labels(daemon, link, kind, path):
    """1 MB in every label and name."""
    body = daemon.recorded(kind, path)
    if kind not in ("list", "inspect") or body is None:
        return AS_USUAL
    huge = "\u00e4" * (512 * 1024)
    labels = {"com.docker.compose.project": huge, "com.docker.compose.service": huge}
    answer = json.loads(body)
    if kind == "list":
        for row in answer[:daemon.options.get("rows", 6)]:
            row["Labels"] = labels
    else:
        answer["Config"]["Labels"] = labels
    body = json.dumps(answer, ensure_ascii=False).encode()
    link.sendall(HEAD + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
    return None


def flap(_daemon, link, _kind, _path):
    """The head of an event stream, and its end."""
    link.sendall(CHUNKED + b"0\r\n\r\n")


# ------------------------------------------------------------------------------------------------------- changed answers

ODD = [None, True, -1, 0, 10**400, 1.5, "", "x", "\ud800", [], {}, [None], {"a": None}, "unheard-of", "9" * 5000]


def places(value, path=()):
    """Every place of a JSON value."""
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*path, key))
    elif isinstance(value, list):
        for index, one in enumerate(value[:3]):
            yield from places(one, (*path, index))


def put(value, path, new):
    if not path:
        return new
    target = value
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = new
    return value


def changed(daemon, body):
    """A recorded answer with one place replaced: each place by each odd value in turn, in an order that a prime decides."""
    answer = json.loads(body)
    all_places = list(places(answer))
    number = daemon.next() * 7919
    place, odd = all_places[number % len(all_places)], ODD[number // len(all_places) % len(ODD)]
    with daemon.lock:
        daemon.seen["mutations"] += 1
    return json.dumps(put(answer, place, odd)).encode("utf-8", "surrogatepass")


def wrong_types(daemon, link, kind, path):
    body = daemon.recorded(kind, path)
    if body is None or kind in ("ping", "events"):
        return AS_USUAL
    body = changed(daemon, body)
    link.sendall(HEAD + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
    return None


def damaged(daemon, link, kind, path):
    """A recorded answer with bytes replaced: text that is not UTF-8 or not JSON."""
    body = daemon.recorded(kind, path)
    if body is None or kind in ("ping", "events"):
        return AS_USUAL
    rng, body = random.Random(daemon.next()), bytearray(body)
    for _ in range(rng.choice([1, 3, 30])):
        body[rng.randrange(len(body))] = rng.choice([0, 0xff, 0x80, ord('"'), ord("\\"), rng.randrange(256)])
    link.sendall(HEAD + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + bytes(body))
    return None


MODES = {
    "stall": stall, "stall_head": stall_head, "drip": drip, "silent": silent, "refuse": refuse, "endless": endless,
    "endless_head": endless_head, "endless_informational": endless_informational, "endless_trailers": endless_trailers,
    "bad_framing": bad_framing, "deep": deep, "huge_labels": huge_labels, "flap": flap, "wrong_types": wrong_types,
    "damaged": damaged, "flood_stalled": stall,
}


# ------------------------------------------------------------------------------------------------------------ event floods

def listened_to(daemon, options):
    while daemon.options is options and not daemon.listeners:
        time.sleep(0.02)
    return daemon.options is options


def known(daemon):
    return [row["Id"] for row in json.loads(daemon.file("containers.json") or b"[]")]


def start_flood(daemon, options):
    """20,000 starts of containers that nobody has heard of."""
    if listened_to(daemon, options):
        rng = random.Random(20_000)
        for _ in range(options.get("count", 20_000)):
            if daemon.options is not options:
                return
            daemon.event(f"{rng.getrandbits(256):064x}", "start", {"name": "flood", "image": "x"})


def update_flood(daemon, options):
    """Updates of known containers, each of which asks for an inspection."""
    while listened_to(daemon, options):
        for identity in known(daemon):
            daemon.event(identity, "update")
        time.sleep(options.get("pause", 0.1))


def odd_events(daemon, options):
    """Events with one place replaced, times of all ages, and lines that are no JSON."""
    rng, identities = random.Random(5), known(daemon)
    actions = ["create", "start", "die", "destroy", "rename", "pause", "unpause", "oom", "health_status: healthy",
               "health_status: ", "update", "exec_die", "", "unheard-of"]
    while listened_to(daemon, options):
        time_nano = rng.choice([0, -1, time.time_ns(), 2**63 - 1, -(2**63), 10**400, time.time_ns() - 3600 * 10**9])
        actor = {"ID": rng.choice(identities), "Attributes": {"name": "x", "image": "y"}}
        event = {"Type": "container", "Action": rng.choice(actions), "Actor": actor, "time": 1, "timeNano": time_nano}
        if rng.random() < 0.6:
            event = put(event, rng.choice(list(places(event))), rng.choice(ODD))
        line = json.dumps(event).encode("utf-8", "surrogatepass") + b"\n"
        if rng.random() < 0.2:
            line = rng.choice([b"\n", b"\xff\xfe\n", b"{\n", b"]\n", b"null\n", line[:-2] + b"\n", b"[" * 5000 + b"\n"])
        daemon.line(line)
        time.sleep(0.005)


def event_storm(daemon, options):
    """Events that need no inspection, as fast as they are taken."""
    while listened_to(daemon, options):
        for identity in known(daemon):
            daemon.event(identity, "pause")
            daemon.event(identity, "unpause")


WORK = {"start_flood": start_flood, "update_flood": update_flood, "wrong_types": update_flood, "damaged": update_flood,
        "odd_events": odd_events, "event_storm": event_storm, "flood_stalled": start_flood}
