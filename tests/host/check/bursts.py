"""Does a scrape show what happened since the last one?"""
import os
import time

from . import exporter
from .host import eventually, sh
from .kernel import read
from .page import Page

PEAK = "container_cpu_usage_ratios_peak"
BURST, PAUSE, SCRAPE = 3, 37, 15


def a_burst_is_on_every_scrape_of_its_minute():
    """3 s of a whole CPU every 40 s: rate() hardly shows it, the peak does. $DSP_BURST_MINUTES is how long (3)."""
    minutes = float(os.environ.get("DSP_BURST_MINUTES", "3"))
    exporter.stop()
    exporter.start("-i", "1000")
    burn = f"while :; do timeout {BURST} sh -c 'while :; do :; done'; sleep {PAUSE}; done"
    sh(f'docker run -d --name bursts test/busybox:1 sh -c "{burn}"')
    try:
        eventually("it is shown", lambda: Page().has(PEAK, name="bursts"))
        peaks, rates, given = watch(60 * minutes)
    finally:
        sh("docker rm -f bursts")
        exporter.stop()
        exporter.start()
    print(f"    {len(peaks)} scrapes in {minutes:g} minutes: peaks {min(peaks):.3f} to {max(peaks):.3f}, at most {max(rates):.3f} between two "
          f"scrapes; the container had {given:.3f} of a CPU in its best second")
    # Other containers use the host too, and so a burst may get less than a whole CPU.
    assert min(peaks) >= min(0.95, 0.9 * given), peaks
    assert max(rates) < 0.35 < min(peaks), (rates, peaks)


def watch(seconds):
    """The peaks of all scrapes, the rates between two of them, and the most that the kernel gave in a second."""
    usage = lambda: (time.monotonic(), read("bursts", "cpu.stat", "usage_usec") / 1e6)
    page_usage = lambda: (time.monotonic(), Page().value("container_cpu_usage_seconds_total", name="bursts"))
    peaks, rates, given = [], [], 0
    # The first minute may be before the first whole burst.
    begin = time.monotonic()
    warm, end = begin + BURST + PAUSE + SCRAPE, begin + seconds
    last, before, due = usage(), None, begin + SCRAPE
    while time.monotonic() < end:
        time.sleep(0.2)
        now = usage()
        if now[0] - last[0] >= 1:
            given, last = max(given, (now[1] - last[1]) / (now[0] - last[0])), now
        if now[0] < due:
            continue
        due += SCRAPE
        if now[0] >= warm:
            peaks.append(Page().value(PEAK, name="bursts"))
        at = page_usage()
        if before:
            rates.append((at[1] - before[1]) / (at[0] - before[0]))
        before = at
    return peaks, rates, given
