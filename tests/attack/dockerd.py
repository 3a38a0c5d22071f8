#!/usr/bin/env python3
"""dockerd.py SOCKET HOST: a Docker daemon with the recorded answers of a host, that can be told to be hostile.

Orders come on standard input, a JSON object a line; each is answered with a line of what was seen since the last one:
`{"mode": "stall", "of": "list"}` changes what it does and ends all streams and connections, `{"event": {…}}` sends an event,
`{"add": {…}, "remove": […]}` changes containers and sends their events, `{}` only asks. The modes are in hostile.py.
"""
import json
import os
import re
import socket
import sys
import threading
import time

import hostile

JSON = "Content-Type: application/json\r\n"


def endpoint(target):
    """The path of a request without its version and query, and which of the five questions it is."""
    path = re.sub(r"^/v1\.\d+(?=/)", "", target.split("?")[0])
    names = {"/_ping": "ping", "/version": "version", "/info": "info", "/events": "events", "/containers/json": "list"}
    return path, names.get(path, "inspect" if re.fullmatch(r"/containers/[^/]+/json", path) else "other")


def answer(body, status="200 OK"):
    body = body if isinstance(body, bytes) else body.encode()
    head = f"HTTP/1.1 {status}\r\n{JSON}Api-Version: 1.45\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + body


CHUNKED = f"HTTP/1.1 200 OK\r\n{JSON}Api-Version: 1.45\r\nTransfer-Encoding: chunked\r\n\r\n".encode()


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


class Dockerd:
    def __init__(self, path, host):
        self.answers = os.path.join(host, "docker")
        self.mode, self.of, self.options = "good", None, {}
        self.lock = threading.RLock()
        self.open, self.listeners = set(), []
        self.extra = {}
        self.seen = {"requests": 0, "peak": 0, "kinds": {}, "mutations": 0}
        self.counter = 0
        self.listener = socket.socket(socket.AF_UNIX)
        if os.path.exists(path):
            os.unlink(path)
        self.listener.bind(path)
        self.listener.listen(4096)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            link, _ = self.listener.accept()
            with self.lock:
                self.open.add(link)
                self.seen["peak"] = max(self.seen["peak"], len(self.open))
            threading.Thread(target=self.serve, args=(link,), daemon=True).start()

    def next(self):
        """A number that is another at each call."""
        with self.lock:
            self.counter += 1
            return self.counter

    def serve(self, link):
        try:
            text, mode = b"", self.mode
            while mode == self.mode and b"\r\n\r\n" not in text:
                part = link.recv(65536)
                if not part:
                    return
                text += part
            target = text.split(b" ")[1].decode("latin-1")
            path, kind = endpoint(target)
            with self.lock:
                self.seen["requests"] += 1
                self.seen["kinds"][kind] = self.seen["kinds"].get(kind, 0) + 1
            hostility = hostile.MODES.get(self.mode)
            if hostility and (self.of in (None, kind)):
                if hostility(self, link, kind, path) is not hostile.AS_USUAL:
                    return
            self.usual(link, kind, path)
        except (OSError, IndexError, ValueError):
            pass
        finally:
            with self.lock:
                self.open.discard(link)
                listening = link in self.listeners
            if not listening:
                link.close()

    def recorded(self, kind, path):
        """The recorded body, or None for 404."""
        with self.lock:
            if kind == "list":
                rows = json.loads(self.file("containers.json") or b"[]")
                return json.dumps(rows + [one["row"] for one in self.extra.values()]).encode()
            if kind == "inspect":
                identity = path.split("/")[2]
                extra = self.extra.get(identity)
                return json.dumps(extra["inspect"]).encode() if extra else self.file(f"inspect/{identity}.json")
        return self.file({"version": "version.json", "info": "info.json"}.get(kind, "none"))

    def file(self, name):
        try:
            with open(os.path.join(self.answers, name), "rb") as file:
                return file.read()
        except OSError:
            return None

    def usual(self, link, kind, path):
        if kind == "ping":
            link.sendall(answer("OK"))
        elif kind == "events":
            self.listen(link)
        else:
            body = self.recorded(kind, path)
            link.sendall(answer(body) if body is not None else answer('{"message":"No such container"}', "404 Not Found"))

    def listen(self, link):
        link.sendall(CHUNKED)
        with self.lock:
            self.listeners.append(link)

    def event(self, identity, action, attributes=None):
        now = time.time_ns()
        actor = {"ID": identity, "Attributes": attributes or {}}
        line = {"Type": "container", "Action": action, "Actor": actor, "time": now // 10**9, "timeNano": now}
        self.line(json.dumps(line).encode() + b"\n")

    def line(self, data):
        """Sends bytes to all who listen to events; those who do not take them in time are forgotten."""
        with self.lock:
            listeners = list(self.listeners)
        for link in listeners:
            try:
                link.settimeout(2)
                link.sendall(chunk(data))
            except OSError:
                self.forget(link)

    def forget(self, link):
        with self.lock:
            if link in self.listeners:
                self.listeners.remove(link)
        link.close()

    def obey(self, order):
        if "mode" in order:
            with self.lock:
                self.mode, self.of, self.options = order["mode"], order.get("of"), order
                links, self.listeners = list(self.open) + self.listeners, []
            for link in links:
                try:
                    link.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
            work = hostile.WORK.get(self.mode)
            if work:
                threading.Thread(target=work, args=(self, self.options), daemon=True).start()
        for identity, one in order.get("add", {}).items():
            with self.lock:
                self.extra[identity] = one
            for action in ("create", "start"):
                self.event(identity, action, {"name": one["name"], "image": "x"})
        for identity in order.get("remove", []):
            with self.lock:
                self.extra.pop(identity, None)
            for action in ("die", "destroy"):
                self.event(identity, action)
        with self.lock:
            seen = self.seen | {"open": len(self.open) + len(self.listeners)}
            self.seen = {"requests": 0, "peak": len(self.open), "kinds": {}, "mutations": 0}
        return seen


def main():
    daemon = Dockerd(sys.argv[1], sys.argv[2])
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(daemon.obey(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
