#!/usr/bin/env python3
"""Inside the host: starts the exporter in every way and checks what it shows against the kernel's files and docker stats.

Prints a line per check, and `N passed, N failed, N skipped` at the end.
"""
import functools
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


@functools.lru_cache(None)
def scope(name):
    """A running container's cgroup directory; forgotten when a check begins."""
    cid = sh(f"docker inspect -f '{{{{.Id}}}}' {name}")
    return next(path for path, _, _ in os.walk("/sys/fs/cgroup") if path.endswith((f"docker-{cid}.scope", cid)))


def read(name, file, key=None):
    with open(os.path.join(scope(name), file), encoding="ascii") as text:
        content = text.read()
    if key is None:
        return content.strip()
    return next(int(line.split()[1]) for line in content.splitlines() if line.split()[0] == key)


@functools.lru_cache(None)
def main_pid(name):
    return sh(f"docker inspect -f '{{{{.State.Pid}}}}' {name}")


def net(name):
    rows = open(f"/proc/{main_pid(name)}/net/dev", encoding="ascii").read().splitlines()[2:]
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
    assert "fresh" not in Page().names(), "its numbers are gone at once"
    eventually("its lifecycle is gone with Docker's word", lambda: not Page().has("container_state", name="fresh"), 15)


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
    # The emulated processor is for the new ones alone.
    sh("docker pause limited writer pinger; docker stop -t 0 oomer health")
    try:
        before = eventually("all is quiet", lambda: (
            lambda page: page if page.has("container_state", name="health", state="exited") else None)(Page()))
        runs = subprocess.Popen(f"seq {count} | xargs -P 2 -I {{}} docker run --rm --network none test/busybox:1 true || echo failed",
                                shell=True, stdout=subprocess.PIPE, text=True)
        scrapes = 0
        while runs.poll() is None:
            for have, value in Page().all("container_cpu_usage_ratios"):
                assert 0 <= value < 4, (have, value)
            scrapes += 1
            time.sleep(1)
        assert runs.stdout.read() == ""
        eventually("only the old ones are left", lambda: Page().names() == before.names())
        after = eventually("descriptors are given back", lambda: (
            lambda page: page if page.value("process_open_fds") <= before.value("process_open_fds") + 5 else None)(Page()))
        assert not after.has("docker_stat_prom_read_failures_total"), after.all("docker_stat_prom_read_failures_total")
        print(f"    {count} containers, {scrapes} scrapes; resident {before.value('process_resident_memory_bytes'):.0f} -> "
              f"{after.value('process_resident_memory_bytes'):.0f} bytes, descriptors {after.value('process_open_fds'):.0f}")
    finally:
        sh("docker unpause limited writer pinger; docker start oomer health", check=False)


def numbers_go_on_without_docker():
    """The daemon hangs, is stopped and comes back; with live restore its containers run on."""
    live_restore(True)
    usage = lambda: Page().value("container_cpu_usage_seconds_total", name="limited")
    up = lambda: Page().value("docker_stat_prom_docker_up")
    pid = sh("systemctl show -P MainPID docker")
    os.kill(int(pid), signal.SIGSTOP)
    first = usage()
    eventually("it goes on beside a daemon that hangs", lambda: usage() > first, 15)
    os.kill(int(pid), signal.SIGCONT)
    sh("systemctl stop docker.socket docker")
    eventually("the daemon's absence is seen", lambda: up() == 0)
    first = usage()
    eventually("it goes on without a daemon", lambda: usage() > first, 15)
    assert get("/healthz") == "ok\n" and set(RUNNING) <= Page().names()
    sh("systemctl start docker.socket docker")
    eventually("it is back", lambda: up() == 1)
    assert Page().value("docker_stat_prom_docker_reconnects_total") >= 1
    eventually("all are shown", lambda: set(RUNNING) <= Page().names())
    # A swarm can not be with live restore.
    live_restore(False)
    os.remove("/etc/docker/daemon.json")


def live_restore(wanted):
    """Said, not left out: a daemon that reads its settings again keeps those that are no longer there."""
    with open("/etc/docker/daemon.json", "w", encoding="ascii") as file:
        json.dump({"live-restore": wanted}, file)
    sh("systemctl reload docker")
    eventually("the daemon has read it", lambda: sh("docker info -f '{{.LiveRestoreEnabled}}'") == str(wanted).lower())


def a_stopped_exporter_says_goodbye_and_a_new_one_sees_the_same():
    global EXPORTER
    before = Page()
    EXPORTER.stop()
    EXPORTER = Exporter()
    eventually("the same containers", lambda: Page().names() >= set(RUNNING))
    same = lambda page: page.value("container_start_time_seconds", name="limited")
    assert same(before) == same(Page())


NETWORK = "container_network_receive_bytes"


def everything_is_there(page, reference):
    """Every series that the exporter shows as root is shown here too."""
    series = lambda page: {(name, tuple(sorted(have.items()))) for name, have, _ in page.samples
                           if name.startswith("container_") and have.get("name") in RUNNING}
    missing = series(reference) - series(page)
    assert not missing, sorted(missing)[:5]


def as_a_systemd_unit():
    """Installed as a package, hardened: everything that root sees; upgraded; purged without a trace."""
    global EXPORTER
    package = os.path.join(HERE, "docker-stat-prom.deb")
    if not os.path.exists(package):
        print("    SKIPPED: no package was built (cargo deb)")
        return "skipped"
    reference = Page()
    EXPORTER.stop()
    print("    " + sh(f"dpkg -I {package} | grep -E '^ (Version|Installed-Size|Depends)' | paste -sd ' '") + f", {os.path.getsize(package)} bytes")
    sh(f"dpkg -i {package}")
    eventually("the unit is ready", lambda: get("/readyz") == "ready\n")
    assert sh("systemctl is-active docker-stat-prom") == "active"
    assert sh("systemctl show -P Type docker-stat-prom") == "notify"
    user = sh("ps -o user= -p $(systemctl show -P MainPID docker-stat-prom)")
    assert user != "root", user
    page = eventually("all are named", lambda: (lambda page: page if set(RUNNING) <= page.names() else None)(Page()))
    eventually("everything is there", lambda: everything_is_there(Page(), reference) is None)
    assert page.value("docker_stat_prom_up") == 1
    score = sh("systemd-analyze security --no-pager docker-stat-prom | tail -1")
    print("    " + score.strip("\u2192 "))
    assert float(re.search(r"level for \S+ (\d+\.\d+)|: (\d+\.\d+)", score).group(0).split()[-1].lstrip(":")) < 2.5
    sh("systemd-analyze verify --man=no /lib/systemd/system/docker-stat-prom.service")
    assert os.path.exists("/usr/share/man/man1/docker-stat-prom.1.gz")
    sh("echo DOCKER_STAT_PROM_METRICS=core >> /etc/default/docker-stat-prom; systemctl restart docker-stat-prom")
    eventually("its settings are read", lambda: Page().has("container_memory_usage_bytes") and not Page().has("container_memory_rss"))
    sh(f"dpkg -i --force-confold {package}")
    assert "METRICS=core" in open("/etc/default/docker-stat-prom", encoding="ascii").read(), "kept over an upgrade"
    eventually("it runs after the upgrade", lambda: get("/readyz") == "ready\n")
    sh("dpkg --purge docker-stat-prom")
    assert get("/healthz") == "" and not os.path.exists("/etc/default/docker-stat-prom")
    EXPORTER = Exporter()
    eventually("all are shown", lambda: set(RUNNING) <= Page().names())


def in_a_container():
    """Each row of the README's table of permissions."""
    sh(f"mkdir -p /tmp/context && cp {BINARY} /tmp/context/")
    with open("/tmp/context/Dockerfile", "w", encoding="ascii") as file:
        # The last stage of the project's Dockerfile.
        file.write("FROM scratch\nCOPY docker-stat-prom /docker-stat-prom\nUSER 65534:65534\n"
                   'HEALTHCHECK --interval=2s CMD ["/docker-stat-prom", "--healthcheck"]\nENTRYPOINT ["/docker-stat-prom"]\n')
    sh("docker build -q -t docker-stat-prom -t docker-stat-prom:0.1.0 /tmp/context")
    print("    image " + sh("docker image inspect -f '{{.Size}}' docker-stat-prom") + " bytes")
    group = sh("stat -c %g /var/run/docker.sock")
    cgroup = "-v /sys/fs/cgroup:/sys/fs/cgroup:ro"
    socket = f"-v /var/run/docker.sock:/var/run/docker.sock:ro --group-add {group}"
    locked = "--cap-drop ALL --security-opt no-new-privileges --read-only --user 65534"
    rows = {  # flags: containers seen, named, with network
        f"{locked} --pid host {cgroup} {socket}": (True, True, True),
        f"{locked} --pid host --cgroupns host {socket}": (True, True, True),
        f"--privileged --user 0 --pid host {cgroup} {socket}": (True, True, True),
        f"{locked} {cgroup} {socket}": (True, True, False),
        f"{locked} {cgroup} {socket} -v /proc:/host/proc:ro -e DOCKER_STAT_PROM_PROC_ROOT=/host/proc": (True, True, True),
        f"{locked} --pid host {cgroup}": (True, False, True),
        f"{locked} --pid host {socket}": (False, None, None),
    }
    for flags, (seen, named, network) in rows.items():
        sh("docker rm -f exporter", check=False)
        sh(f"docker run -d --name exporter -p 127.0.0.1:12097:12096 {flags} docker-stat-prom")
        eventually("it is ready", lambda: get("/readyz", 12097) == "ready\n")
        short = sh("docker inspect -f '{{.Id}}' writer")[:12]
        look = lambda: Page(12097)
        name = "writer" if named else short
        if seen:
            eventually("it sees the containers", lambda: look().has("container_memory_usage_bytes", name=name))
            if network:
                eventually("it sees the network", lambda: look().has(NETWORK, name=name))
            else:
                assert not look().has(NETWORK, name=name)
                assert "--pid=host" in sh("docker logs exporter 2>&1")
        else:
            time.sleep(5)
            assert not look().has("container_memory_usage_bytes", name="writer")
            assert "--cgroupns=host" in sh("docker logs exporter 2>&1"), sh("docker logs exporter 2>&1")
        if named and network:
            eventually("everything is there", lambda: everything_is_there(look(), Page()) is None)
        if seen and named:
            eventually("Docker finds it healthy", lambda: sh("docker inspect -f '{{.State.Health.Status}}' exporter") == "healthy")
        shown = lambda what: {True: "yes", False: "no", None: "-"}[what]
        print(f"    seen {shown(seen):3} named {shown(named):3} network {shown(network):3} | {flags}")
    sh("docker rm -f exporter")


def as_a_compose_service():
    """The exporter of deploy/compose.yaml; what its other two services are is not to be had here, but the file is checked whole."""
    if sh("docker compose version", check=False) == "":
        print("    SKIPPED: this Debian has no docker compose")
        return "skipped"
    global EXPORTER
    EXPORTER.stop()
    compose = f"DOCKER_GID=$(stat -c %g /var/run/docker.sock) GRAFANA_PASSWORD=x docker compose -f {HERE}/deploy/compose.yaml"
    services = sh(f"{compose} config --services").split()
    assert sorted(services) == ["docker-stat-prom", "grafana", "prometheus"], services
    sh(f"{compose} up -d --no-build --no-deps docker-stat-prom")
    everything_is_shown_and_named()
    sh(f"{compose} down")
    EXPORTER = Exporter()
    print("    " + sh("docker compose version --short"))


def as_a_swarm_service():
    """deploy/swarm.yaml on a swarm of one."""
    global EXPORTER
    EXPORTER.stop()
    sh("docker swarm init --advertise-addr 127.0.0.1")
    sh(f"docker stack deploy --resolve-image never -c {HERE}/deploy/swarm.yaml monitoring")
    everything_is_shown_and_named()
    sh("docker stack rm monitoring && docker swarm leave --force")
    eventually("the port is free", lambda: get("/healthz") == "")
    EXPORTER = Exporter()


def everything_is_shown_and_named():
    eventually("it is ready", lambda: get("/readyz") == "ready\n")
    eventually("all are named", lambda: set(RUNNING) <= Page().names())
    eventually("it sees the network", lambda: Page().has(NETWORK, name="writer"))


def with_the_cgroupfs_driver():
    with open("/etc/docker/daemon.json", "w", encoding="ascii") as file:
        json.dump({"exec-opts": ["native.cgroupdriver=cgroupfs"]}, file)
    sh("systemctl restart docker")
    assert sh("docker info -f '{{.CgroupDriver}}'") == "cgroupfs"
    sh("docker run -d --name plain test/busybox:1; docker run -d --name custom --cgroup-parent /batch/jobs test/busybox:1")
    page = eventually("both are shown", lambda: (lambda page: page if {"plain", "custom"} <= page.names() else None)(Page()))
    where = lambda name: page.all("container_last_seen", name=name)[0][0]["id"]
    assert re.fullmatch("/docker/[0-9a-f]{64}", where("plain")), where("plain")
    assert re.fullmatch("/batch/jobs/[0-9a-f]{64}", where("custom")), where("custom")
    assert page.value("container_memory_usage_bytes", name="plain") > 0 and page.has(NETWORK, name="plain")
    sh("docker rm -f plain custom; rm /etc/docker/daemon.json; systemctl restart docker")
    eventually("Docker is back", lambda: Page().value("docker_stat_prom_docker_up") == 1)


def rootless():
    """A user's own dockerd: its containers are found in the user's slice, and named when its socket is named."""
    script = sh("command -v dockerd-rootless.sh || ls /usr/share/docker.io/contrib/dockerd-rootless.sh", check=False)
    if not script or not sh("command -v rootlesskit", check=False):
        print("    SKIPPED: this Debian has no rootlesskit or dockerd-rootless.sh")
        return "skipped"
    sh("id alice 2>/dev/null || useradd -m -s /bin/bash alice; grep -q alice /etc/subuid || usermod --add-subuids 200000-265535 --add-subgids 200000-265535 alice")
    uid = sh("id -u alice")
    sh("loginctl enable-linger alice")
    eventually("the user's manager runs", lambda: os.path.exists(f"/run/user/{uid}/bus"))
    sh("sysctl -q kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0 2>/dev/null", check=False)
    sh("mkdir -p /etc/systemd/system/user@.service.d; printf '[Service]\\nDelegate=cpu cpuset io memory pids\\n' > /etc/systemd/system/user@.service.d/delegate.conf; "
       f"systemctl daemon-reload; systemctl restart user@{uid}")
    as_alice = f"runuser -u alice -- env XDG_RUNTIME_DIR=/run/user/{uid} DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/{uid}/bus PATH=/usr/bin:/usr/sbin:/bin:/sbin"
    sh(f"{as_alice} systemd-run --user --unit dockerd -p Delegate=yes --setenv PATH=/usr/bin:/usr/sbin:/bin:/sbin {script} --iptables=false --storage-driver vfs")
    docker = f"{as_alice} docker -H unix:///run/user/{uid}/docker.sock"
    eventually("the user's dockerd answers", lambda: sh(f"{docker} info >/dev/null 2>&1 && echo up", check=False))
    sh(f"docker save test/busybox:1 | {docker} load; {docker} run -d --name ours test/busybox:1")
    global EXPORTER
    EXPORTER.stop()
    EXPORTER = Exporter("-H", f"unix:///run/user/{uid}/docker.sock")
    page = eventually("it is shown", lambda: (lambda page: page if "ours" in page.names() else None)(Page()))
    where = page.all("container_last_seen", name="ours")[0][0]["id"]
    assert where.startswith(f"/user.slice/user-{uid}.slice/user@{uid}.service/"), where
    assert page.value("container_memory_usage_bytes", name="ours") > 0 and page.has(NETWORK, name="ours")
    print("    " + where)
    EXPORTER.stop()
    sh(f"{docker} rm -f ours; {as_alice} systemctl --user stop dockerd")
    EXPORTER = Exporter()


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
    as_a_systemd_unit,
    in_a_container,
    as_a_compose_service,
    as_a_swarm_service,
    with_the_cgroupfs_driver,
    rootless,
]


def main():
    global EXPORTER
    wanted = sys.argv[1:]
    unknown = set(wanted) - {check.__name__ for check in CHECKS}
    if unknown:
        sys.exit(f"no such check: {', '.join(sorted(unknown))}")
    results = {"passed": 0, "failed": 0, "skipped": 0}
    EXPORTER = Exporter()
    for check in CHECKS:
        if wanted and check.__name__ not in wanted:
            continue
        begin = time.time()
        scope.cache_clear()
        main_pid.cache_clear()
        try:
            outcome = check() or "passed"
        except Exception:  # pylint: disable=broad-except
            outcome = "failed"
            traceback.print_exc(limit=-3, file=sys.stdout)
            # One that stopped the exporter takes only itself down.
            if EXPORTER.process.poll() is not None:
                EXPORTER = Exporter()
        results[outcome] += 1
        print(f"{outcome} {check.__name__} ({time.time() - begin:.0f} s)", flush=True)
    EXPORTER.stop()
    print(", ".join(f"{count} {outcome}" for outcome, count in results.items()))
    sys.exit(1 if results["failed"] else 0)


main()
