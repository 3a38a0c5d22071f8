"""Does it go on when Docker or the exporter itself stops?"""
import json
import os
import signal

from . import exporter
from .host import RUNNING, eventually, get, sh
from .page import Page


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
    before = Page()
    exporter.stop()
    exporter.start()
    eventually("the same containers", lambda: Page().names() >= set(RUNNING))
    same = lambda page: page.value("container_start_time_seconds", name="limited")
    assert same(before) == same(Page())
