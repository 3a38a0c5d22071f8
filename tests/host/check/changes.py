"""Are containers followed that come, change and go?"""
import os
import subprocess
import time

from .host import eventually, sh
from .page import Page


def oom_kills_add_up_over_restarts():
    kills = lambda: Page().value("container_oom_events_total", name="oomer")
    restarts = lambda: Page().value("container_restarts_total", name="oomer")
    # It is killed again and again, at most a minute apart. An exporter that has just started waits for the next time.
    eventually("it is killed", lambda: (kills() or 0) >= 1)
    first, first_restarts = kills(), restarts()
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
