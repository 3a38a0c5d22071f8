"""What could a program do that has taken over the exporter?"""
import errno
import os
import re

from . import exporter
from .host import RUNNING, eventually, get
from .inside import Inside
from .page import Page

AT_FDCWD = -100
READ, WRITE = os.O_RDONLY, os.O_WRONLY
OPENAT, EXECVE, SOCKET, KILL, SETUID, CLOSE = 257, 59, 41, 62, 105, 3
REFUSED = (-errno.EACCES, -errno.EPERM, -errno.ENOSYS)


def refuses(inside, sandboxed):
    """Each of these works for root, and not in the sandbox."""
    tries = {
        "read /etc/shadow": (OPENAT, AT_FDCWD, b"/etc/shadow\0", READ, 0),
        "read a private key": (OPENAT, AT_FDCWD, b"/root/.ssh/authorized_keys\0", READ, 0),
        "write a file": (OPENAT, AT_FDCWD, b"/etc/hostname\0", WRITE, 0),
        "write to a cgroup": (OPENAT, AT_FDCWD, b"/sys/fs/cgroup/cgroup.procs\0", WRITE, 0),
        "open a socket": (SOCKET, 2, 1, 0),
        "send a signal": (KILL, 1, 0),
    }
    for what, call in tries.items():
        result = inside.call(*call)
        if sandboxed:
            assert result in REFUSED, f"{what}: {result}"
        else:
            assert result >= 0, f"{what} outside of the sandbox: {result}"
            if call[0] in (OPENAT, SOCKET):
                inside.call(CLOSE, result)
    if sandboxed:
        # Whoever could do this without the sandbox would replace the exporter.
        result = inside.call(EXECVE, b"/bin/true\0", 0, 0)
        assert result in REFUSED, f"run a program: {result}"
        assert inside.call(OPENAT, AT_FDCWD, b"/sys/fs/cgroup/cgroup.controllers\0", READ, 0) >= 0


def the_sandbox_holds():
    """From inside each thread of the running exporter: nothing else is read, written, run or reached."""
    moving = re.compile("docker_stat_prom_|process_")
    families = lambda page: {name for name, _, _ in page.samples if not moving.match(name)}
    # Docker is asked about one container after the other.
    inspected = lambda page: all(page.has("container_spec_cpu_shares", name=name) for name in RUNNING)
    named = lambda: eventually("all are named", lambda: (lambda page: page if inspected(page) else None)(Page()))
    with_all = families(named())
    for mode, sandboxed in (("off", False), ("auto", True)):
        exporter.stop()
        exporter.start("--sandbox", mode)
        page = named()
        in_force = {labels["part"]: value for labels, value in page.all("docker_stat_prom_sandbox")}
        print(f"    --sandbox {mode}: {in_force}")
        assert all(value == sandboxed for value in in_force.values()), in_force
        pid = exporter.EXPORTER.process.pid
        threads = [int(thread) for thread in os.listdir(f"/proc/{pid}/task")]
        for thread in threads:
            with Inside(pid, thread) as inside:
                refuses(inside, sandboxed)
            if not sandboxed:
                break
        assert get("/readyz") == "ready\n" and exporter.runs(), "it goes on afterwards"
        if sandboxed:
            print(f"    {len(threads)} threads")
            now = families(named())
            assert now == with_all, f"missing {sorted(with_all - now)}, more {sorted(now - with_all)}"
