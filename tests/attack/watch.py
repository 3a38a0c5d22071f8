#!/usr/bin/env python3
"""watch.py PID PORT TLS PERIOD: scrapes from 127.0.0.9 and looks at the process, in a process of its own, so that what the
attackers do in theirs does not slow it down. Until its standard input ends; then it prints what it saw as JSON.

A line on standard input begins the count anew (`mark`); what was seen until then is printed.
"""
import json
import os
import socket
import ssl
import sys
import threading
import time

import login

SOURCE = "127.0.0.9"
GIVE_UP = 10


class Seen:
    def __init__(self):
        self.lock = threading.Lock()
        self.clear()

    def clear(self):
        self.seconds, self.misses, self.bytes = [], [], 0
        self.resident, self.descriptors = 0, 0

    def take(self):
        with self.lock:
            result = {"seconds": self.seconds, "misses": self.misses, "bytes": self.bytes,
                      "resident": self.resident, "descriptors": self.descriptors}
            self.clear()
            return result


def resident(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def look(pid, seen):
    while True:
        try:
            memory, descriptors = resident(pid), len(os.listdir(f"/proc/{pid}/fd"))
        except (OSError, IndexError):
            return
        with seen.lock:
            seen.resident, seen.descriptors = max(seen.resident, memory), max(seen.descriptors, descriptors)
        time.sleep(0.02)


def scrape(port, context):
    """The size of one whole page, or an error."""
    begin = time.monotonic()
    link = socket.socket()
    try:
        link.bind((SOURCE, 0))
        link.settimeout(GIVE_UP)
        link.connect(("127.0.0.1", port))
        if context:
            link = context.wrap_socket(link)
        link.sendall(login.page())
        parts, size, wanted = [], 0, None
        while part := link.recv(1 << 20):
            if wanted is None:
                parts.append(part)
                head, found, body = b"".join(parts).partition(b"\r\n\r\n")
                if not found:
                    continue
                lines = head.split(b"\r\n")
                if lines[0].split(b" ")[1] != b"200":
                    raise OSError(lines[0].decode("latin-1"))
                fields = dict(line.lower().split(b": ", 1) for line in lines[1:])
                wanted, size = int(fields[b"content-length"]), len(body)
            else:
                size += len(part)
            if time.monotonic() - begin > GIVE_UP:
                raise OSError("too slow")
        if wanted is None or size != wanted:
            raise OSError(f"{size} of {wanted} bytes")
        return size
    finally:
        link.close()


def follow(port, context, period, seen):
    while True:
        begin = time.monotonic()
        size, miss = 0, None
        try:
            size = scrape(port, context)
        except (OSError, ValueError, KeyError, IndexError) as error:
            miss = f"{type(error).__name__}: {error}"
        took = time.monotonic() - begin
        with seen.lock:
            seen.seconds.append(took)
            seen.bytes = max(seen.bytes, size)
            if miss:
                seen.misses.append(miss)
        time.sleep(max(period - took, period / 4))


def main():
    pid, port, tls, period = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "tls", float(sys.argv[4])
    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    seen = Seen()
    for work in ((look, pid, seen), (follow, port, context, period, seen)):
        threading.Thread(target=work[0], args=work[1:], daemon=True).start()
    while True:
        line = sys.stdin.readline()
        print(json.dumps(seen.take()), flush=True)
        if not line:
            os._exit(0)


if __name__ == "__main__":
    main()
