"""Does it find the containers of a Docker that is set up in another way?"""
import json
import os
import re

from . import exporter
from .host import eventually, sh
from .page import NETWORK, Page


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
    exporter.stop()
    exporter.start("-H", f"unix:///run/user/{uid}/docker.sock")
    page = eventually("it is shown", lambda: (lambda page: page if "ours" in page.names() else None)(Page()))
    where = page.all("container_last_seen", name="ours")[0][0]["id"]
    assert where.startswith(f"/user.slice/user-{uid}.slice/user@{uid}.service/"), where
    assert page.value("container_memory_usage_bytes", name="ours") > 0 and page.has(NETWORK, name="ours")
    print("    " + where)
    exporter.stop()
    sh(f"{docker} rm -f ours; {as_alice} systemctl --user stop dockerd")
    exporter.start()
