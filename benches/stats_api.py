#!/usr/bin/env python3
"""stats_api.py BINARY [N …]: what eleven gauges every 2 s cost the host, read by us and through the Docker stats API.

Run as root on a Docker host with the image test/busybox:1 (tests/host makes one). For each N it starts N sleeping containers and
measures, one after the other over the same time, CPU of dockerd, containerd and the reader: nobody asking, asking
/containers/<id>/stats?one-shot of each container every 2 s, and the exporter with `--metrics core -i 2000`, scraped every 2 s. The first
is what the daemons do anyway, and taken off the other two.
"""
import json
import os
import socket
import subprocess
import sys
import time

SECONDS = 30


def ask(path):
    """One request to Docker; the answer is read and parsed, as a client of the API would."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect("/var/run/docker.sock")
        connection.sendall(f"GET {path} HTTP/1.0\r\nHost: docker\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    return json.loads(answer.partition(b"\r\n\r\n")[2])


def daemons():
    """CPU seconds of dockerd and containerd, shims included."""
    total = 0
    for unit in ("docker.service", "containerd.service"):
        with open(f"/sys/fs/cgroup/system.slice/{unit}/cpu.stat", encoding="ascii") as stat:
            total += int(stat.readline().split()[1]) / 1e6
    return total


def of_process(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def every_two_seconds(work):
    end = time.time() + SECONDS
    rounds = 0
    while time.time() < end:
        begin = time.time()
        work()
        rounds += 1
        time.sleep(max(0, 2 - (time.time() - begin)))
    return rounds


def scrape():
    with socket.create_connection(("127.0.0.1", 12098)) as connection:
        connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        while connection.recv(1 << 16):
            pass


def main():
    binary, *numbers = sys.argv[1:]
    print(f"CPU seconds in {SECONDS} s\n\n| containers | daemons alone | stats API: rounds, in all, added | ours: rounds, in all, added (exporter, scraper, daemons) | added, ratio |\n|---|---|---|---|---|")
    for number in map(int, numbers or ["10", "50"]):
        ids = [subprocess.run(["docker", "run", "-d", "--network", "none", "test/busybox:1"], check=True, capture_output=True,
                              text=True).stdout.strip() for _ in range(number)]
        time.sleep(5)
        try:
            before = daemons()
            time.sleep(SECONDS)
            idle = daemons() - before
            before, own = daemons(), time.process_time()
            api_rounds = every_two_seconds(lambda: [ask(f"/containers/{cid}/stats?stream=false&one-shot=true") for cid in ids])
            api = daemons() - before + time.process_time() - own
            exporter = subprocess.Popen([binary, "-b", "127.0.0.1:12098", "--metrics", "core", "-i", "2000"], stderr=subprocess.DEVNULL)
            time.sleep(15)
            before, own, start = daemons(), time.process_time(), of_process(exporter.pid)
            rounds = every_two_seconds(scrape)
            reader, itself = time.process_time() - own, of_process(exporter.pid) - start
            asked = daemons() - before
            ours = asked + reader + itself
            exporter.terminate()
            exporter.wait()
            added_by_api, added_by_us = api - idle, reader + itself + max(0.0, asked - idle)
            print(f"| {number} | {idle:.2f} | {api_rounds}, {api:.2f}, {added_by_api:.2f} | {rounds}, {ours:.2f}, {added_by_us:.2f} ({itself:.2f}, {reader:.2f}, {asked - idle:+.2f}) "
                  f"| {added_by_api / api_rounds / (added_by_us / rounds):.0f} |", flush=True)
        finally:
            subprocess.run(["docker", "rm", "-f", *ids], check=True, capture_output=True)


main()
