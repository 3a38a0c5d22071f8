#!/usr/bin/env python3
"""differential.py HOST PAGE [--metrics LIST …]: every series of a recorded host, computed a second time.

Reads the files below HOST as the dictionary of metrics says, not as the program does, and compares the result with PAGE (the
text format, from `--once`): a series too many, a series missing or another value is a difference. Needs only Python.
"""
import datetime
import fnmatch
import glob
import json
import os
import re
import sys
import time

host, page_path = sys.argv[1:3]
LABELS = sys.argv[3:] or """com.docker.compose.project com.docker.compose.service com.docker.compose.project.working_dir
com.docker.swarm.service.name com.docker.swarm.task.name com.docker.stack.namespace com.docker.swarm.node.id""".split()
# What the machine decides on which this runs: its file system, and the time.
OURS = ("container_last_seen", "container_scrape_error", "container_fs_usage_bytes", "container_fs_limit_bytes", "container_fs_size_age_seconds")
EXCLUDED = "lo veth* docker* nerdctl* br-* cni* virbr*".split()
CGROUP = os.path.join(host, "sys/fs/cgroup")
BYTES = """anon file kernel kernel_stack pagetables sec_pagetables percpu sock vmalloc shmem zswap zswapped file_mapped file_dirty
file_writeback swapcached anon_thp file_thp shmem_thp inactive_anon active_anon inactive_file active_file unevictable
slab_reclaimable slab_unreclaimable slab hugetlb""".split()
expected = {}


def text(*path):
    try:
        with open(os.path.join(*path), encoding="utf-8") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None


def number(word):
    return int(word) if word is not None and re.fullmatch(r"\d+", word) else None


def single(*path):
    content = text(*path)
    return None if content is None else number(content.strip())


def limit(*path):
    """(whether there is a file, the number or None for max)"""
    content = text(*path)
    if content is None:
        return None
    return "max" if content.strip() == "max" else number(content.strip())


def keyed(*path, must=(), known=None):
    """A flat-keyed file; {} when it is not there or not as it should be."""
    content = text(*path)
    if content is None:
        return {}
    found = {}
    for line in content.splitlines():
        key, _, value = line.partition(" ")
        if number(value) is None:
            if known is None or key in known:
                return {}
            continue
        found[key] = int(value)
    return found if all(key in found for key in must) else {}


def unix(stamp):
    if not stamp or stamp.startswith("0001"):
        return None
    whole, _, fraction = re.fullmatch(r"([^.Z]*)(\.?)(\d*)Z", stamp).groups()
    moment = datetime.datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=datetime.timezone.utc)
    return moment.timestamp() + (int(fraction) / 10 ** len(fraction) if fraction else 0)


def put(name, labels, value, **extra):
    if value is not None:
        series = (name, tuple(sorted({**labels, **{key.rstrip("_"): item for key, item in extra.items()}}.items())))
        assert series not in expected, series
        expected[series] = value


def scopes():
    for path, directories, _ in os.walk(CGROUP):
        found = [re.fullmatch(r"(?:docker-)?([0-9a-f]{64})(?:\.scope)?", name) for name in directories]
        for match in filter(None, found):
            directories.remove(match[0])
            yield match[1], os.path.join(path, match[0])


def all_pids(directory):
    """The scope's own PIDs, and those below it."""
    own = [int(pid) for pid in (text(directory, "cgroup.procs") or "").split()]
    below = []
    for path in glob.glob(directory + "/**/cgroup.procs", recursive=True):
        if os.path.dirname(path) != directory:
            below += [int(pid) for pid in text(path).split()]
    return own, below


def namespace(pid):
    try:
        return os.readlink(os.path.join(host, "proc", str(pid), "ns/net"))
    except OSError:
        return None


def process_of(cid, own, below, inspect):
    listed = own or below
    state_pid = inspect["State"].get("Pid") or 0
    order = ([state_pid] if state_pid and (state_pid in listed or 0 in listed) else []) + [pid for pid in listed if pid]
    for pid in order:
        cgroup = text(host, "proc", str(pid), "cgroup")
        if os.path.isdir(os.path.join(host, "proc", str(pid))) and (cgroup is None or cid in cgroup):
            return pid
    return None


def interfaces(pid):
    """The interfaces that count, and whether each row could be read."""
    rows, whole = {}, True
    for line in text(host, "proc", str(pid), "net/dev").splitlines(keepends=True):
        if "|" in line:
            continue
        name, _, columns = line.rpartition(":")
        name, columns = name.strip(), columns.split()
        if any(fnmatch.fnmatchcase(name, glob) for glob in EXCLUDED):
            continue
        if line.endswith("\n") and name and name not in rows and len(columns) >= 16 and all(map(str.isdigit, columns[:16])):
            rows[name] = [int(column) for column in columns[:16]]
        else:
            whole = False
    return rows, whole


def devices(directory):
    """The devices, and whether each row could be read; a device without counters is one that was not used."""
    content = text(directory, "io.stat")
    if content is None:
        return None, False
    rows, whole = {}, True
    for line in content.splitlines(keepends=True):
        words = line.split()
        plain = [word for word in words if "=" not in word]
        keys = dict(word.split("=") for word in words if "=" in word)
        keys = {key: value for key, value in keys.items() if key in ("rbytes", "wbytes", "rios", "wios", "dbytes", "dios")}
        if plain and not keys and re.fullmatch(r"\d+:\d+", plain[-1]):
            continue
        if not line.endswith("\n") or not plain or not re.fullmatch(r"\d+:\d+", plain[-1]) or not all(map(str.isdigit, keys.values())):
            whole = False
            continue
        whole = whole and plain[-1] not in rows and "rbytes" in keys and "wbytes" in keys
        rows.setdefault(plain[-1], {key: int(value) for key, value in keys.items()})
    return rows, whole


def device_name(device):
    uevent = text(host, "sys/dev/block", device, "uevent") or ""
    found = re.search(r"^DEVNAME=(.*)$", uevent, re.M)
    return "/dev/" + found[1] if found else device


def cpus(content):
    if content is None:
        return None
    count = 0
    for part in filter(None, content.strip().split(",")):
        first, _, last = part.partition("-")
        count += int(last or first) - int(first) + 1
    return count


def pressure(directory, resource):
    content = text(directory, resource + ".pressure")
    return {line.split()[0]: dict(word.split("=") for word in line.split()[1:]) for line in (content or "").splitlines()}


def machine():
    meminfo = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in text(host, "proc/meminfo").splitlines() if "kB" in line}
    cores = len(re.findall(r"^cpu\d+ ", text(host, "proc/stat"), re.M))
    identity = {"machine_id": text(host, "etc/machine-id"), "boot_id": text(host, "proc/sys/kernel/random/boot_id"),
                "system_uuid": text(host, "sys/class/dmi/id/product_uuid")}
    labels = {name: value.strip() for name, value in identity.items() if value}
    put("machine_cpu_cores", labels, cores)
    put("machine_memory_bytes", labels, meminfo["MemTotal"])
    put("machine_swap_bytes", labels, meminfo["SwapTotal"])
    places = []
    for folder in glob.glob(os.path.join(host, "sys/devices/system/cpu/cpu[0-9]*/topology")):
        places.append([single(folder, file) for file in ("physical_package_id", "die_id", "core_id")])
    if places:
        put("machine_cpu_physical_cores", labels, len(set(map(tuple, places))))
        put("machine_cpu_sockets", labels, len({socket for socket, _, _ in places}))
    return meminfo


def host_itself(meminfo):
    """The host as id="/": the root cgroup, and /proc where the root cgroup has no such file."""
    labels = {"id": "/"}
    boot = re.search(r"^btime (\d+)$", text(host, "proc/stat"), re.M)
    put("container_start_time_seconds", labels, int(boot[1]) if boot else None)
    cpu = keyed(CGROUP, "cpu.stat", must=["usage_usec"])
    if cpu:
        put("container_cpu_usage_seconds_total", labels, cpu["usage_usec"] / 1e6, cpu="total")
        put("container_cpu_user_seconds_total", labels, cpu["user_usec"] / 1e6)
        put("container_cpu_system_seconds_total", labels, cpu["system_usec"] / 1e6)
    used = meminfo["MemTotal"] - meminfo["MemFree"]
    put("container_memory_usage_bytes", labels, used)
    put("container_memory_swap", labels, meminfo["SwapTotal"] - meminfo["SwapFree"])
    put("container_spec_memory_limit_bytes", labels, meminfo["MemTotal"])
    put("container_spec_memory_swap_limit_bytes", labels, meminfo["SwapTotal"])
    assert text(CGROUP, "memory.stat") is None, "no recorded root has it yet"
    put("container_memory_rss", labels, meminfo.get("AnonPages"))
    put("container_memory_cache", labels, meminfo["Cached"] + meminfo["Buffers"])
    put("container_memory_mapped_file", labels, meminfo.get("Mapped"))
    if "Inactive(file)" in meminfo:
        put("container_memory_working_set_bytes", labels, used - meminfo["Inactive(file)"])
    for resource in ("cpu", "memory", "io"):
        content = text(CGROUP, resource + ".pressure") or text(host, "proc/pressure", resource) or ""
        for line in content.splitlines():
            name = {"some": "waiting", "full": "stalled"}[line.split()[0]]
            put(f"container_pressure_{resource}_{name}_seconds_total", labels, int(line.rpartition("total=")[2]) / 1e6)
    for device, row in (devices(CGROUP)[0] or {}).items():
        for metric, key in (("reads_bytes", "rbytes"), ("writes_bytes", "wbytes"), ("reads", "rios"), ("writes", "wios")):
            put(f"container_fs_{metric}_total", labels, row.get(key), device=device_name(device))
    for name, row in interfaces(1)[0].items():
        for direction, first in (("receive", 0), ("transmit", 8)):
            for offset, what in enumerate(("bytes", "packets", "errors", "packets_dropped")):
                put(f"container_network_{direction}_{what}_total", labels, row[first + offset], interface=name)


def live(cid, directory, labels, inspect, claims, memory_total, extras):
    at = lambda file: os.path.join(directory, file)
    cpu_keys = ("usage_usec", "user_usec", "system_usec", "nice_usec", "nr_periods", "nr_throttled", "throttled_usec", "nr_bursts", "burst_usec")
    cpu = keyed(at("cpu.stat"), must=["usage_usec"], known=cpu_keys)
    seconds = lambda source, key: source[key] / 1e6 if key in source else None
    if cpu:
        put("container_cpu_usage_ratios", labels, 0)
    put("container_cpu_usage_seconds_total", labels, seconds(cpu, "usage_usec"), cpu="total")
    put("container_cpu_user_seconds_total", labels, seconds(cpu, "user_usec"))
    put("container_cpu_system_seconds_total", labels, seconds(cpu, "system_usec"))
    put("container_cpu_nice_seconds_total", labels, seconds(cpu, "nice_usec"))
    quota, period = (text(at("cpu.max")) or "  ").split(" ")[:2]
    put("container_spec_cpu_period", labels, number(period.strip()))
    if number(quota) is not None:
        put("container_spec_cpu_quota", labels, int(quota))
        put("container_cpu_cfs_periods_total", labels, cpu.get("nr_periods"))
        put("container_cpu_cfs_throttled_periods_total", labels, cpu.get("nr_throttled"))
        put("container_cpu_cfs_throttled_seconds_total", labels, seconds(cpu, "throttled_usec"))
        put("container_cpu_cfs_burst_periods_total", labels, cpu.get("nr_bursts"))
        put("container_cpu_cfs_burst_seconds_total", labels, seconds(cpu, "burst_usec"))
    put("container_cpu_throttled_local_seconds_total", labels, seconds(keyed(at("cpu.stat.local")), "throttled_usec"))
    put("container_cpu_weight", labels, single(at("cpu.weight")))
    put("container_cpus_effective", labels, cpus(text(at("cpuset.cpus.effective"))))
    put("container_start_time_seconds", labels, unix(inspect["State"]["StartedAt"]))
    put("container_creation_time_seconds", labels, unix(inspect["Created"]))
    put("container_spec_cpu_shares", labels, inspect["HostConfig"]["CpuShares"] or 1024)
    health = (inspect["State"].get("Health") or {}).get("Status", "none")
    put("container_health_state", labels, {"healthy": 1, "none": -1}.get(health, 0))
    put("container_health_status", labels, 1, status=health)
    if health != "none":
        log = inspect["State"]["Health"].get("Log")
        interval = (inspect["Config"].get("Healthcheck") or {}).get("Interval") or 30e9
        probed = unix(log[-1]["End"] if log else inspect["State"]["StartedAt"])
        if time.time() < probed + interval / 1e9:
            put("container_health_failing_streak", labels, inspect["State"]["Health"]["FailingStreak"])

    current = single(at("memory.current"))
    put("container_memory_usage_bytes", labels, current)
    maximum = limit(at("memory.max"))
    if maximum is not None:
        put("container_memory_limit_bytes", labels, memory_total if maximum == "max" else min(maximum, memory_total))
        put("container_spec_memory_limit_bytes", labels, 0 if maximum == "max" else maximum)
    counts = ["pgfault", "pgmajfault", "pgscan", "pgsteal", "workingset_refault_file", "workingset_refault_anon"]
    stat = keyed(at("memory.stat"), known=BYTES + counts)
    if current is not None and "inactive_file" in stat:
        put("container_memory_working_set_bytes", labels, max(0, current - stat["inactive_file"]))
    for name, key in {
        "rss": "anon", "cache": "file", "mapped_file": "file_mapped", "kernel_usage": "kernel",
        "total_active_file_bytes": "active_file", "total_inactive_file_bytes": "inactive_file",
        "file_dirty_bytes": "file_dirty", "file_writeback_bytes": "file_writeback", "pgscan_total": "pgscan",
        "pgsteal_total": "pgsteal", "workingset_refault_file_total": "workingset_refault_file",
        "workingset_refault_anon_total": "workingset_refault_anon", "slab_bytes": "slab", "sock_bytes": "sock",
        "pagetables_bytes": "pagetables", "shmem_bytes": "shmem", "kernel_stack_bytes": "kernel_stack", "percpu_bytes": "percpu",
    }.items():
        put("container_memory_" + name, labels, stat.get(key))
    for fault in ("pgfault", "pgmajfault"):
        put("container_memory_failures_total", labels, stat.get(fault), failure_type=fault, scope="container")
    put("container_memory_swap", labels, single(at("memory.swap.current")))
    put("container_memory_max_usage_bytes", labels, single(at("memory.peak")))
    put("container_memory_swap_peak_bytes", labels, single(at("memory.swap.peak")))
    put("container_memory_zswap_bytes", labels, single(at("memory.zswap.current")))
    swap = limit(at("memory.swap.max"))
    if swap is not None:
        put("container_spec_memory_swap_limit_bytes", labels, 0 if swap == "max" else swap)
        put("container_memory_swap_limit_bytes", labels, None if swap == "max" else swap)
    low = limit(at("memory.low"))
    if low is not None:
        put("container_spec_memory_reservation_limit_bytes", labels, 0 if low == "max" else low)
    for kind in ("min", "low", "high"):
        boundary = limit(at("memory." + kind))
        put("container_memory_protection_bytes", labels, None if boundary == "max" else boundary, kind=kind)
    events = keyed(at("memory.events"))
    put("container_memory_failcnt", labels, events.get("max"))
    put("container_memory_events_high_total", labels, events.get("high"))
    put("container_memory_events_max_total", labels, events.get("max"))
    put("container_oom_events_total", labels, events.get("oom_kill"))
    for name, file in (("memory_events", "memory.events"), ("memory_swap_events", "memory.swap.events"), ("pids_events", "pids.events")):
        for event, count in keyed(at(file)).items():
            put(f"container_{name}_total", labels, count, event=event)

    for resource in ("cpu", "memory", "io"):
        stalls = pressure(directory, resource)
        for kind, name in (("some", "waiting"), ("full", "stalled")):
            if kind in stalls:
                put(f"container_pressure_{resource}_{name}_seconds_total", labels, int(stalls[kind]["total"]) / 1e6)
    if extras:
        for resource in ("cpu", "memory", "io", "irq"):
            for kind, values in pressure(directory, resource).items():
                for window in ("10", "60", "300"):
                    put("container_pressure_ratio", labels, round(float(values["avg" + window]) / 100, 4), resource=resource, kind=kind, window=window + "s")
        for key in BYTES:
            put("container_memory_stat_bytes", labels, stat.get(key), key=key)
        for file in glob.glob(at("hugetlb.*.current")):
            size = os.path.basename(file).split(".")[1]
            if ".rsvd." not in file:
                put("container_hugetlb_usage_bytes", labels, single(file), pagesize=size)
                put("container_hugetlb_failcnt", labels, keyed(at(f"hugetlb.{size}.events")).get("max"), pagesize=size)

    rows, whole = devices(directory)
    if rows is not None:
        total = lambda key: sum(row.get(key, 0) for row in rows.values()) if whole else None
        put("container_blkio_receive_bytes", labels, total("rbytes"))
        put("container_blkio_transmit_bytes", labels, total("wbytes"))
        put("container_blkio_receive_byteps", labels, 0 if whole else None)
        put("container_blkio_transmit_byteps", labels, 0 if whole else None)
        for device, row in rows.items():
            name = device_name(device)
            for metric, key in (("reads_bytes", "rbytes"), ("writes_bytes", "wbytes"), ("reads", "rios"), ("writes", "wios"),
                                ("discard_bytes", "dbytes"), ("discards", "dios")):
                put(f"container_fs_{metric}_total", labels, row.get(key), device=name)
            major, minor = device.split(":")
            for operation, key in (("Read", "rbytes"), ("Write", "wbytes")):
                put("container_blkio_device_usage_total", labels, row.get(key), device=name, major=major, minor=minor, operation=operation)

    if claims is not None:
        rows, whole = interfaces(claims)
        for direction, first in (("receive", 0), ("transmit", 8)):
            put(f"container_network_{direction}_bytes", labels, sum(row[first] for row in rows.values()) if whole else None)
            put(f"container_network_{direction}_bps", labels, 0 if whole else None)
            for name, row in rows.items():
                for offset, what in enumerate(("bytes", "packets", "errors", "packets_dropped")):
                    put(f"container_network_{direction}_{what}_total", labels, row[first + offset], interface=name)

    own, below = all_pids(directory)
    if text(at("cgroup.procs")) is not None:
        put("container_processes", labels, len(own) + len(below))
    descriptors = [os.path.join(host, "proc", str(pid), "fd") for pid in [*own, *below]]
    if extras and descriptors and all(map(os.path.isdir, descriptors)):
        targets = [os.readlink(os.path.join(fds, fd)) for fds in descriptors for fd in os.listdir(fds)]
        put("container_file_descriptors", labels, len(targets))
        put("container_sockets", labels, sum(target.startswith("socket:[") for target in targets))
        limits = text(os.path.dirname(descriptors[0]), "limits")
        put("container_ulimits_soft", labels, int(re.search(r"Max open files +(\d+)", limits)[1]), ulimit="max_open_files")
    put("container_threads", labels, single(at("pids.current")))
    threads = limit(at("pids.max"))
    put("container_threads_max", labels, 0 if threads == "max" else threads)
    put("container_pids_peak", labels, single(at("pids.peak")))
    put("container_cgroup_frozen", labels, keyed(at("cgroup.events")).get("frozen"))
    group = keyed(at("cgroup.stat"))
    put("container_cgroup_descendants", labels, group.get("nr_descendants"), state="live")
    put("container_cgroup_descendants", labels, group.get("nr_dying_descendants"), state="dying")


def lifecycle(cid, labels, inspect):
    state = inspect["State"]
    put("container_info", labels, 1, container_id=cid, image_id=inspect["Image"], network_mode=inspect["HostConfig"]["NetworkMode"])
    put("container_state", labels, 1, state=state["Status"])
    if state["Status"] in ("exited", "dead", "restarting"):
        put("container_exit_code", labels, state["ExitCode"])
    put("container_created_time_seconds", labels, unix(inspect["Created"]))
    put("container_finished_time_seconds", labels, unix(state["FinishedAt"]))
    put("container_restarts_total", labels, inspect["RestartCount"])
    put("container_oom_killed", labels, int(state["OOMKilled"]))


def compute():
    meminfo = machine()
    memory_total = meminfo["MemTotal"]
    host_itself(meminfo)
    extras = "hugetlb" in (text(host, "ARGS") or "")
    directories = dict(scopes())
    inspects = {}
    for path in glob.glob(os.path.join(host, "docker/inspect/*.json")):
        inspect = json.loads(text(path))
        inspects[inspect["Id"]] = inspect
    assert set(directories) <= set(inspects)
    taken = {namespace(1)}
    claims = {}
    for cid, directory in directories.items():
        mode = inspects[cid]["HostConfig"]["NetworkMode"]
        pid = process_of(cid, *all_pids(directory), inspects[cid])
        if pid and mode != "host" and not mode.startswith("container:") and namespace(pid) not in taken:
            taken.add(namespace(pid))
            claims[cid] = pid
    sizes = {row["Id"]: row for row in json.loads(text(host, "docker/containers.json")) if "SizeRootFs" in row}
    for cid, inspect in inspects.items():
        directory = directories.get(cid)
        cgroup = directory[len(CGROUP):] if directory else f"/system.slice/docker-{cid}.scope"
        labels = {"id": cgroup, "name": inspect["Name"].lstrip("/"), "image": inspect["Config"]["Image"]}
        have = inspect["Config"].get("Labels") or {}
        for key in sorted(have):
            wanted = any(re.fullmatch(re.escape(glob_).replace(r"\*", ".*"), key) for glob_ in LABELS)
            label = "container_label_" + re.sub("[^a-zA-Z0-9_]", "_", key)
            if wanted and have[key]:
                labels.setdefault(label, have[key])
        for variable in inspect["Config"].get("Env") or []:
            if extras and variable.startswith("TIER="):
                labels["container_env_TIER"] = variable[5:]
        if directory:
            live(cid, directory, labels, inspect, claims.get(cid), memory_total, extras)
        elif inspect["State"]["OOMKilled"]:
            # Docker's word for a kill that could not be read any more.
            put("container_oom_events_total", labels, 1)
        lifecycle(cid, labels, inspect)
        if extras and cid in sizes:
            put("container_fs_rw_layer_bytes", labels, sizes[cid].get("SizeRw", 0))
            put("container_fs_root_bytes", labels, sizes[cid]["SizeRootFs"])


def shown():
    found = {}
    unescape = lambda value: re.sub(r"\\(.)", lambda match: "\n" if match[1] == "n" else match[1], value)
    with open(page_path, encoding="utf-8", newline="\n") as lines:
        for line in lines:
            match = re.fullmatch(r'([a-z0-9_]+)(?:\{(.*)\})? (\S+)\n', line)
            if line.startswith("#") or match[1].startswith(("docker_stat_prom_", "process_")) or match[1] in OURS:
                continue
            labels = {key: unescape(value) for key, value in re.findall(r'([a-zA-Z0-9_]+)="((?:[^"\\]|\\.)*)"', match[2] or "")}
            series = (match[1], tuple(sorted(labels.items())))
            assert series not in found, f"twice: {series}"
            found[series] = float(match[3])
    return found


compute()
page = shown()
differences = [f"missing: {series}" for series in expected.keys() - page.keys()]
differences += [f"too many: {series} {page[series]}" for series in page.keys() - expected.keys()]
differences += [f"{series}: computed {value}, shown {page[series]}" for series, value in expected.items()
                if series in page and abs(page[series] - value) > 1e-9 * max(1, abs(value))]
for difference in sorted(differences)[:40]:
    print(difference)
print(f"{os.path.basename(os.path.abspath(host))}: {len(expected)} series computed, {len(page)} shown, {len(differences)} differences")
sys.exit(1 if differences or len(expected) < 100 else 0)
