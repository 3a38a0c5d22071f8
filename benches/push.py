#!/usr/bin/env python3
"""What a push costs the shipped binary in memory, and how many bytes a sample has, next to what Prometheus in
agent mode sends for the same page.

    cargo bench --bench cost -- tree 1000 /dev/shm/tree      1,000 recorded containers
    python3 benches/push.py target/release/docker-stat-prom /dev/shm/tree [PROMETHEUS]

PROMETHEUS is a Prometheus 3: tests/peers/build makes one. Everything listens on 127.0.0.1 only.
"""
import contextlib
import http.server
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

SECONDS = 40
INTERVAL = 2


class Receiver(http.server.BaseHTTPRequestHandler):
    """Takes everything, and counts the bytes of bodies."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        version = self.headers.get("x-prometheus-remote-write-version", "")
        if version.startswith("2") and not self.server.knows_v2:
            self.answer(415)
            return
        self.server.bytes += len(body)
        self.answer(200, version.startswith("2"))

    def answer(self, status, says_written=False):
        self.send_response(status)
        if says_written:
            # Nobody decodes the body; more than were sent are taken for all.
            self.send_header("X-Prometheus-Remote-Write-Samples-Written", "1000000")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


def receiver(knows_v2):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.bytes, server.knows_v2 = 0, knows_v2
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(port, path, encoding="gzip"):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Accept-Encoding": encoding})
    return urllib.request.urlopen(request, timeout=30).read()


def wait_for(port, path):
    for _ in range(600):
        try:
            return get(port, path)
        except OSError:
            time.sleep(0.1)
    sys.exit(f"nothing answers at {port}{path}")


def value(page, name):
    found = re.findall(rf"^{name}(?:{{.*}})? (.+)$", page, re.MULTILINE)
    return sum(float(number) for number in found)


@contextlib.contextmanager
def running(command):
    """A process that ends with the block, whatever happens in it."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def exporter(binary, tree, *more):
    port = free_port()
    command = [binary, "--cgroup_root", f"{tree}/sys/fs/cgroup", "--proc_root", f"{tree}/proc"]
    command += ["-b", f"127.0.0.1:{port}", "-H", "unix:///nonexistent/docker.sock", *more]
    with running(command) as process:
        wait_for(port, "/readyz")
        yield process, port


def resident(process):
    """KiB: the least and the most of the last half of the time, since pages that were freed go back late."""
    with open(f"/proc/{process.pid}/status", encoding="utf-8") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])


def ours(binary, tree, what):
    """Scrapes every five seconds, and pushes every two if `what` says so."""
    server = receiver(knows_v2=what == "2.0")
    base = f"http://127.0.0.1:{server.server_address[1]}"
    flag = {"1.0": ["--remote_write", f"{base}/api/v1/write"], "OTLP": ["--otlp", base]}
    flag["2.0"] = flag["1.0"]
    more = [*flag[what], "--push_interval", f"{INTERVAL}s"] if what else []
    seen = []
    with exporter(binary, tree, *more) as (process, port):
        for second in range(SECONDS):
            time.sleep(1)
            if second % 5 == 0:
                get(port, "/metrics")
            elif second > SECONDS / 2:
                seen.append(resident(process))
        page = get(port, "/metrics", "identity").decode()
        samples = value(page, "docker_stat_prom_push_samples_total")
    server.shutdown()
    per_sample = f"{server.bytes / samples:.1f}" if samples else ""
    print(f"| {what or 'only scraped'} | {min(seen)} | {sorted(seen)[len(seen) // 2]} | {max(seen)} | {per_sample} |")


def agent(prometheus, port, message):
    """What Prometheus in agent mode sends of our page, by its own count and by that of the receiver."""
    server = receiver(knows_v2=True)
    own = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = os.path.join(folder, "prometheus.yml")
        with open(config, "w", encoding="utf-8") as out:
            out.write(
                f"global: {{scrape_interval: {INTERVAL}s}}\n"
                f"scrape_configs: [{{job_name: docker-stat-prom, static_configs: [{{targets: ['127.0.0.1:{port}']}}]}}]\n"
                f"remote_write: [{{url: 'http://127.0.0.1:{server.server_address[1]}/w', protobuf_message: {message}, "
                "metadata_config: {send: false}}]\n"
            )
        command = [prometheus, "--agent", f"--config.file={config}", f"--web.listen-address=127.0.0.1:{own}"]
        command += [f"--storage.agent.path={folder}/data"]
        with running(command):
            wait_for(own, "/-/ready")
            time.sleep(SECONDS)
            page = get(own, "/metrics", "identity").decode()
    server.shutdown()
    samples = value(page, "prometheus_remote_storage_samples_total")
    bytes_sent = value(page, "prometheus_remote_storage_bytes_total")
    print(f"| {message} | {samples:.0f} | {bytes_sent / max(samples, 1):.1f} | {server.bytes} |")


def main():
    binary, tree, *rest = sys.argv[1:]
    # So that children end if this is told to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print("| | least KiB | median | most | bytes per sample |\n|---|---|---|---|---|")
    for what in ["", "1.0", "2.0", "OTLP"]:
        ours(binary, tree, what)
    for prometheus in rest:
        with exporter(binary, tree) as (_, port):
            print("\n| Prometheus, agent | samples | bytes per sample | bytes received |\n|---|---|---|---|")
            for message in ["prometheus.WriteRequest", "io.prometheus.write.v2.Request"]:
                agent(prometheus, port, message)


if __name__ == "__main__":
    main()
