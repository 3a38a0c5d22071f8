#!/usr/bin/env python3
"""Inside the host: starts the exporter in every way and checks what it shows against the kernel's files and docker stats.

Prints a line per check, and `N passed, N failed, N skipped` at the end.
"""
import json
import os
import re
import signal
import subprocess
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
BINARY = os.path.join(HERE, "docker-stat-prom")
PORT = 12096
PATIENCE = 90
SAMPLE = re.compile(r'^([a-z_0-9]+)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([a-zA-Z_0-9]+)="((?:[^"\\]|\\.)*)"')


def sh(command, check=True):
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    if check and done.returncode != 0:
        raise AssertionError(f"{command}: exit {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout.strip()


def get(path, port=PORT):
    # Debian's python3-minimal has no HTTP client.
    return subprocess.run(["curl", "-sf", "--max-time", "30", f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True).stdout


class Page:
    """One scrape."""

    def __init__(self, port=PORT):
        self.samples = []
        for line in get("/metrics", port).splitlines():
            found = SAMPLE.match(line)
            if found:
                self.samples.append((found[1], dict(LABEL.findall(found[2] or "")), float(found[3])))

    def all(self, family, /, **labels):
        return [(have, value) for name, have, value in self.samples
                if name == family and all(have.get(key) == want for key, want in labels.items())]

    def value(self, family, /, **labels):
        found = self.all(family, **labels)
        assert len(found) == 1, f"{family} {labels}: {len(found)} series"
        return found[0][1]

    def has(self, family, /, **labels):
        return bool(self.all(family, **labels))

    def names(self):
        return {have["name"] for have, _ in self.all("container_last_seen")}


def eventually(what, look, patience=PATIENCE):
    end, problem = time.time() + patience, None
    while time.time() < end:
        try:
            found = look()
            if found:
                return found
        except (AssertionError, OSError) as error:
            problem = error
        time.sleep(0.2)
    raise AssertionError(f"never: {what} ({problem})")


class Exporter:
    """The binary as it is, as root."""

    def __init__(self, *arguments):
        self.log = open("/tmp/exporter.log", "a+", encoding="utf-8")
        self.process = subprocess.Popen([BINARY, "-b", "127.0.0.1:12096", "-v", *arguments], stderr=self.log)
        eventually("it is ready", lambda: get("/readyz") == "ready\n")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=PATIENCE) == 0


def scope(name):
    """A running container's cgroup directory."""
    cid = sh(f"docker inspect -f '{{{{.Id}}}}' {name}")
    return next(path for path, _, _ in os.walk("/sys/fs/cgroup") if path.endswith((f"docker-{cid}.scope", cid)))


def read(name, file, key=None):
    with open(os.path.join(scope(name), file), encoding="ascii") as text:
        content = text.read()
    if key is None:
        return content.strip()
    return next(int(line.split()[1]) for line in content.splitlines() if line.split()[0] == key)


def net(name):
    pid = sh(f"docker inspect -f '{{{{.State.Pid}}}}' {name}")
    rows = open(f"/proc/{pid}/net/dev", encoding="ascii").read().splitlines()[2:]
    rows = [row.replace(":", " ").split() for row in rows if not row.strip().startswith("lo:")]
    return sum(int(row[1]) for row in rows), sum(int(row[9]) for row in rows)


def io(name):
    content = read(name, "io.stat")
    total = lambda key: sum(int(number) for number in re.findall(rf"\b{key}=(\d+)", content))
    return total("rbytes"), total("wbytes")


RUNNING = ["limited", "writer", "shares", "hostnet", "nonet", "guest", "twonets", "pinger", "paused", "inslice", "nested", "health"]


def values_agree_with_the_files():
    """Each number lies between two readings of its file, before and after the scrape."""
    sources = {
        "container_cpu_usage_seconds_total": lambda name: read(name, "cpu.stat", "usage_usec") / 1e6,
        "container_memory_usage_bytes": lambda name: int(read(name, "memory.current")),
        "container_memory_rss": lambda name: read(name, "memory.stat", "anon"),
        "container_network_receive_bytes": lambda name: net(name)[0],
        "container_network_transmit_bytes": lambda name: net(name)[1],
        "container_blkio_receive_bytes": lambda name: io(name)[0],
        "container_blkio_transmit_bytes": lambda name: io(name)[1],
    }
    # What goes up and down may have been elsewhere in between: a container that forks is some pages off.
    slack = {"container_memory_usage_bytes": 8 << 20, "container_memory_rss": 4 << 20}
    sleeping = {"shares", "hostnet", "nonet", "guest", "paused", "inslice", "nested"}
    for name in RUNNING:
        before = {metric: source(name) for metric, source in sources.items()}
        page = Page()
        after = {metric: source(name) for metric, source in sources.items()}
        shown = []
        for metric in sources:
            if "network" in metric and name in ("hostnet", "guest"):
                assert not page.has(metric, name=name), f"{name} has {metric}"
                shown.append("-")
                continue
            value = page.value(metric, name=name)
            allowed = 0 if name in sleeping else slack.get(metric, 0)
            low, high = sorted((before[metric], after[metric]))
            assert low - allowed <= value <= high + allowed, f"{name} {metric}: {value}, file {low}..{high}"
            shown.append(f"{value:g}")
        print(f"    {name:9} {' '.join(f'{item:>12}' for item in shown)}")


def bytes_of(text):
    number, unit = re.match(r"([\d.]+)\s*(\w+)", text).groups()
    factor = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}[unit]
    digits = len(number.partition(".")[2])
    return float(number) * factor, factor / 10 ** digits


def values_agree_with_docker_stats():
    """docker stats, printed between two scrapes, lies between what they show."""
    before = Page()
    stats = [json.loads(line) for line in sh("docker stats --no-stream --format '{{json .}}'").splitlines()]
    after = Page()
    compared = 0
    print(f"    {'name':9} {'memory':>22} {'limit':>10} {'network':>22} {'block':>18}   (docker stats; ours before and after)")
    for line in stats:
        name = line["Name"]
        if name not in RUNNING:
            continue
        pairs = [("container_memory_working_set_bytes", line["MemUsage"].split(" / ")[0], 8 << 20),
                 ("container_memory_limit_bytes", line["MemUsage"].split(" / ")[1], 0),
                 ("container_blkio_receive_bytes", line["BlockIO"].split(" / ")[0], 0),
                 ("container_blkio_transmit_bytes", line["BlockIO"].split(" / ")[1], 0)]
        if name not in ("hostnet", "guest"):
            pairs += [("container_network_receive_bytes", line["NetIO"].split(" / ")[0], 0),
                      ("container_network_transmit_bytes", line["NetIO"].split(" / ")[1], 0)]
        for metric, text, slack in pairs:
            value, digit = bytes_of(text)
            slack = 0 if name in ("shares", "hostnet", "nonet", "guest", "paused", "inslice") else slack
            low, high = sorted((before.value(metric, name=name), after.value(metric, name=name)))
            assert low - slack - digit <= value <= high + slack + digit, f"{name} {metric}: {text}, ours {low}..{high}"
        of = lambda metric: after.value(metric, name=name) if after.has(metric, name=name) else float("nan")
        print(f"    {name:9} {line['MemUsage']:>22} {line['NetIO']:>18} {line['BlockIO']:>18} | "
              f"{of('container_memory_working_set_bytes'):.0f} {of('container_memory_limit_bytes'):.0f} "
              f"{of('container_network_receive_bytes'):.0f} {of('container_network_transmit_bytes'):.0f} "
              f"{of('container_blkio_receive_bytes'):.0f} {of('container_blkio_transmit_bytes'):.0f}")
        compared += 1
    assert compared == len(RUNNING), compared


def situations_show_what_they_are():
    page = Page()
    hostnet = page.all("container_info", name="hostnet")
    assert hostnet[0][0]["network_mode"] == "host"
    assert not page.has("container_network_receive_bytes_total", name="hostnet")
    assert not page.has("container_network_receive_bytes_total", name="guest")
    assert page.value("container_network_receive_bytes", name="nonet") == 0
    assert not page.has("container_network_receive_bytes_total", name="nonet")
    interfaces = {have["interface"] for have, _ in page.all("container_network_receive_bytes_total", name="twonets")}
    assert interfaces == {"eth0", "eth1"}, interfaces
    assert page.value("container_state", name="paused", state="paused") == 1
    assert page.value("container_cgroup_frozen", name="paused") == 1
    assert page.all("container_last_seen", name="inslice")[0][0]["id"].startswith("/tenant.slice/tenant-a.slice/docker-")
    assert page.value("container_processes", name="nested") >= 1
    assert page.value("container_cgroup_descendants", name="nested", state="live") >= 1
    assert page.has("container_network_receive_bytes_total", name="nested")
    assert page.value("container_state", name="failed", state="exited") == 1
    assert page.value("container_exit_code", name="failed") == 1
    assert page.value("container_state", name="created", state="created") == 1
    assert not page.has("container_exit_code", name="created")
    assert not page.has("container_memory_usage_bytes", name="failed")
    assert page.value("container_health_state", name="health") == 1
    assert page.value("container_health_state", name="nonet") == -1
    assert page.value("container_spec_cpu_shares", name="shares") == 512
    assert page.value("container_cpus_effective", name="shares") == 1
    limited = lambda metric: page.value(metric, name="limited")
    assert limited("container_spec_memory_limit_bytes") == 64 << 20 == limited("container_memory_limit_bytes")
    assert limited("container_spec_memory_reservation_limit_bytes") == 32 << 20
    assert limited("container_spec_memory_swap_limit_bytes") == 32 << 20
    assert limited("container_spec_cpu_quota") == 20000 and limited("container_spec_cpu_period") == 100000
    assert limited("container_threads_max") == 64
    assert limited("container_cpu_cfs_throttled_periods_total") > 0
    assert not page.has("container_cpu_cfs_periods_total", name="shares")
    assert page.all("container_last_seen", name="limited")[0][0]["container_label_com_docker_compose_service"] == "web"
    assert page.value("container_memory_limit_bytes", name="shares") == page.value("machine_memory_bytes")
    devices = {have["device"] for have, _ in page.all("container_fs_writes_bytes_total", name="writer")}
    assert devices == {"/dev/vda"}, devices
    assert page.value("docker_stat_prom_up") == 1 and not page.has("docker_stat_prom_read_failures_total")


def oom_kills_add_up_over_restarts():
    kills = lambda: Page().value("container_oom_events_total", name="oomer")
    restarts = lambda: Page().value("container_restarts_total", name="oomer")
    first, first_restarts = kills(), restarts()
    assert first >= 1
    sh("docker restart -t 0 oomer")
    eventually("it was killed again", lambda: kills() > first and restarts() > first_restarts)
    sh("docker stop -t 0 oomer")
    eventually("it is stopped", lambda: Page().has("container_state", name="oomer", state="exited"))
    assert kills() > first, "kept for the stopped container"


def containers_come_and_go_within_a_scrape():
    sh("docker run -d --name fresh test/busybox:1")
    eventually("it is shown", lambda: "fresh" in Page().names(), 15)
    sh("docker rm -f fresh")
    page = Page()
    assert "fresh" not in page.names() and not page.has("container_state", name="fresh"), "gone at once"


def a_new_container_is_never_shown_without_its_name():
    known, odd = Page().names(), set()
    for number in range(5):
        running = subprocess.Popen(f"docker run -d --name named{number} test/busybox:1", shell=True, stdout=subprocess.DEVNULL)
        while running.poll() is None:
            odd |= {name for name in Page().names() - known if not name.startswith("named")}
    eventually("all are shown", lambda: all(f"named{number}" in Page().names() for number in range(5)))
    assert not odd, odd
    sh("docker rm -f named0 named1 named2 named3 named4")


def restart_rename_and_update_are_followed():
    sh("docker run -d --name old test/busybox:1")
    eventually("it is shown", lambda: "old" in Page().names())
    sh("docker rename old new")
    eventually("it is renamed", lambda: "new" in Page().names() and "old" not in Page().names(), 15)
    started = Page().value("container_start_time_seconds", name="new")
    sh("docker restart -t 0 new")
    eventually("it was restarted", lambda: Page().value("container_restarts_total", name="new") == 1)
    assert Page().value("container_start_time_seconds", name="new") > started
    for _, ratio in Page().all("container_cpu_usage_ratios"):
        assert 0 <= ratio < 4, ratio
    sh("docker update -m 32m --memory-swap 32m new")
    assert Page().value("container_spec_memory_limit_bytes", name="new") == 32 << 20
    sh("docker pause new")
    eventually("it is paused", lambda: Page().has("container_state", name="new", state="paused"), 15)
    sh("docker unpause new; docker stop -t 0 new")
    eventually("it is stopped", lambda: Page().has("container_state", name="new", state="exited"), 15)
    assert not Page().has("container_memory_usage_bytes", name="new")
    sh("docker rm new")
    eventually("it is gone", lambda: not Page().has("container_state", name="new"), 15)


def many_short_lives_leave_nothing():
    count = int(os.environ.get("DSP_SHORT_LIVES", "200"))
    before = Page()
    runs = subprocess.Popen(f"for i in $(seq {count}); do docker run --rm --network none test/busybox:1 true || echo failed; done",
                            shell=True, stdout=subprocess.PIPE, text=True)
    scrapes = 0
    while runs.poll() is None:
        page = Page()
        for metric in ("container_cpu_usage_ratios",):
            for have, value in page.all(metric):
                assert 0 <= value < 4, (have, value)
        scrapes += 1
        time.sleep(0.5)
    assert runs.stdout.read() == ""
    eventually("only the old ones are left", lambda: Page().names() == before.names())
    after = eventually("descriptors are given back", lambda: (
        lambda page: page if page.value("process_open_fds") <= before.value("process_open_fds") + 5 else None)(Page()))
    assert not after.has("docker_stat_prom_read_failures_total"), after.all("docker_stat_prom_read_failures_total")
    print(f"    {count} containers, {scrapes} scrapes; resident {before.value('process_resident_memory_bytes'):.0f} -> "
          f"{after.value('process_resident_memory_bytes'):.0f} bytes, descriptors {after.value('process_open_fds'):.0f}")


def numbers_go_on_without_docker():
    usage = lambda: Page().value("container_cpu_usage_seconds_total", name="limited")
    # Live restore keeps containers running; without it stopping the daemon would stop them.
    pid = sh("systemctl show -P MainPID docker")
    os.kill(int(pid), signal.SIGSTOP)
    first = usage()
    eventually("it goes on", lambda: usage() > first, 15)
    os.kill(int(pid), signal.SIGCONT)
    sh("systemctl stop docker.socket docker")
    eventually("the daemon's absence is seen", lambda: Page().value("docker_stat_prom_docker_up") == 0)
    assert get("/healthz") == "ok\n"
    sh("systemctl start docker.socket docker")
    eventually("it is back", lambda: Page().value("docker_stat_prom_docker_up") == 1)
    assert Page().value("docker_stat_prom_docker_reconnects_total") >= 1
    eventually("the restarted containers are shown", lambda: "limited" in Page().names())
    sh("docker start writer shares hostnet nonet guest twonets pinger paused inslice nested health; docker pause paused")
    eventually("all are shown", lambda: set(RUNNING) <= Page().names())


def a_stopped_exporter_says_goodbye_and_a_new_one_sees_the_same():
    global EXPORTER
    before = Page()
    EXPORTER.stop()
    EXPORTER = Exporter()
    eventually("the same containers", lambda: Page().names() >= set(RUNNING))
    same = lambda page: page.value("container_start_time_seconds", name="limited")
    assert same(before) == same(Page())


EXPORTER = None
CHECKS = [
    values_agree_with_the_files,
    values_agree_with_docker_stats,
    situations_show_what_they_are,
    oom_kills_add_up_over_restarts,
    containers_come_and_go_within_a_scrape,
    a_new_container_is_never_shown_without_its_name,
    restart_rename_and_update_are_followed,
    many_short_lives_leave_nothing,
    numbers_go_on_without_docker,
    a_stopped_exporter_says_goodbye_and_a_new_one_sees_the_same,
]


def main():
    global EXPORTER
    wanted = sys.argv[1:]
    results = {"passed": 0, "failed": 0, "skipped": 0}
    EXPORTER = Exporter()
    for check in CHECKS:
        if wanted and check.__name__ not in wanted:
            continue
        begin = time.time()
        try:
            outcome = check() or "passed"
        except Exception:  # pylint: disable=broad-except
            outcome = "failed"
            traceback.print_exc(limit=-3, file=sys.stdout)
        results[outcome] += 1
        print(f"{outcome} {check.__name__} ({time.time() - begin:.0f} s)", flush=True)
    EXPORTER.stop()
    print(", ".join(f"{count} {outcome}" for outcome, count in results.items()))
    sys.exit(1 if results["failed"] else 0)


main()
