"""Are the numbers right?"""
import json
import re

from .host import RUNNING, sh
from .kernel import io, net, read
from .page import Page


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


def the_host_is_what_the_kernel_says():
    """id="/" against the root cgroup and /proc."""
    def cpu():
        with open("/sys/fs/cgroup/cpu.stat", encoding="ascii") as file:
            return int(re.search(r"^usage_usec (\d+)$", file.read(), re.M)[1])

    def proc(file, line):
        with open("/proc/" + file, encoding="ascii") as text:
            return int(re.search(rf"^{line}\s+(\d+)", text.read(), re.M)[1])

    before = cpu()
    page = Page()
    after = cpu()
    host = lambda family: page.value(family, id="/")
    usage = host("container_cpu_usage_seconds_total") * 1e6
    assert before - 1 <= usage <= after + 1, f"{usage}, file {before}..{after}"
    total = proc("meminfo", "MemTotal:") * 1024
    assert host("container_spec_memory_limit_bytes") == total == page.value("machine_memory_bytes")
    assert total > host("container_memory_usage_bytes") > host("container_memory_rss") > 0
    assert total > host("container_memory_working_set_bytes") > 0
    assert abs(host("container_start_time_seconds") - proc("stat", "btime")) <= 1
    assert page.has("container_pressure_cpu_waiting_seconds_total", id="/")
    assert page.has("container_fs_writes_bytes_total", id="/")
    of_host = [have for _, have, _ in page.samples if have.get("id") == "/"]
    assert not any("name" in have or "image" in have for have in of_host)
    interfaces = {have["interface"] for have in of_host if "interface" in have}
    assert interfaces and not any(re.match("lo$|veth|docker|br-", name) for name in interfaces), interfaces
    with open("/etc/machine-id", encoding="ascii") as file:
        assert page.all("machine_cpu_cores")[0][0]["machine_id"] == file.read().strip()
    print(f"    {len(of_host)} series, interfaces {' '.join(sorted(interfaces))}")


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
