"""Hostile daemons: each for some seconds beside an exporter that was well until then, and then a good one again."""
from concurrent.futures import ThreadPoolExecutor
import time

from host import eventually
from verdict import Meter

UP = "docker_stat_prom_docker_up 1"
ASKED_AGAIN = 10
QUESTIONS = ("ping", "version", "info", "list", "inspect", "events")


def modes(short):
    """Name, order and seconds of each."""
    seconds = 4 if short else 12
    result = []

    def add(name, also_short=True, longer=1, **order):
        if also_short or not short:
            result.append((f"daemon: {name}", order, seconds * longer))

    for question in QUESTIONS:
        add(f"a body that stalls, {question}", question in ("list", "inspect"), mode="stall", of=question)
    for question in ("version", "list", "events"):
        add(f"a head that stalls, {question}", False, mode="stall_head", of=question)
    add("a blank each second, list", False, mode="drip", of="list")
    for question in QUESTIONS[1:]:
        add(f"an endless body, {question}", question in ("list", "events"), mode="endless", of=question)
    add("an endless body of blanks, list", False, mode="endless", of="list", **{"as": "blanks"})
    add("an endless body of rows, list", True, mode="endless", of="list", **{"as": "rows"})
    add("an endless body of blanks, events", False, mode="endless", of="events", **{"as": "blanks"})
    add("an endless head", False, mode="endless_head")
    add("endless 100 Continue", False, mode="endless_informational")
    add("endless trailers", False, mode="endless_trailers", of="list")
    add("20,000 start events", longer=2, mode="start_flood")
    add("20,000 start events, inspections stall", longer=2, mode="flood_stalled", of="inspect")
    add("a storm of events", False, mode="event_storm")
    add("updates without end", False, mode="update_flood", pause=0)
    add("an event stream that flaps", mode="flap", of="events")
    add("403 to everything", mode="refuse")
    add("500 to everything", False, mode="refuse", status="500 Oh")
    add("301 to everything", False, mode="refuse", status="301 Moved\r\nLocation: http://x/")
    add("accepts and is silent", False, mode="silent")
    add("labels of 1 MB", mode="huge_labels")
    add("labels of 1 MB on every container", False, mode="huge_labels", rows=1000)
    add("nesting without end", mode="deep")
    add("odd framing", mode="bad_framing")
    add("wrong types for every field", longer=3, mode="wrong_types")
    add("text that is not UTF-8 or not JSON", longer=2, mode="damaged")
    add("odd events", longer=2, mode="odd_events")
    return result


def names(short):
    return [name for name, _, _ in modes(short)]


def lines(exporter):
    """How many containers are named, and whether Docker answers, on a page."""
    page = exporter.ask("/metrics")[1].decode("utf-8", "replace").splitlines()
    return {line for line in page if line.startswith(("docker_stat_prom_containers{", UP[:-1]))}


def one(options, make_target, mode):
    """One mode against one exporter that was well until then."""
    name, order, seconds = mode
    target = make_target(options, "copied", (), False)
    before = eventually("all are named", lambda: lines(target.exporter) if UP in lines(target.exporter) else None)
    meter = Meter(target.exporter, warm=1.0)
    meter.begin()
    target.dockerd.tell(**order)
    seen, failures = {"requests": 0, "peak": 0, "mutations": 0}, []

    def look():
        now = target.dockerd.tell()
        seen["peak"] = max(seen["peak"], now["peak"])
        for key in ("requests", "mutations"):
            seen[key] += now[key]
        return seen["requests"] or not target.exporter.alive()

    try:
        # The daemon's streams have ended: it must be asked again.
        eventually("docker is asked again", look, ASKED_AGAIN)
    except AssertionError as error:
        failures.append(str(error))
    end = time.monotonic() + seconds
    while time.monotonic() < end and target.exporter.alive():
        time.sleep(0.25)
        look()
    target.dockerd.tell(mode="good")
    note = f"{seen['requests']} requests, {seen['peak']} at once"
    note += f", {seen['mutations']} changed answers" if seen["mutations"] else ""
    row = meter.end(name, note, failures, also=lambda: lines(target.exporter) == before)
    meter.stop()
    target.close()
    return row


def run(options, make_target, short):
    """A row per mode; three at a time, since most of it is waiting."""
    wanted = [mode for mode in modes(short) if options.only in mode[0]]
    with ThreadPoolExecutor(3) as pool:
        yield from pool.map(lambda mode: one(options, make_target, mode), wanted)
