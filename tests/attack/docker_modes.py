"""Hostile daemons, one after the other beside one exporter: each for some seconds, then a good one again."""
import time

from host import eventually
from verdict import Meter

UP = "docker_stat_prom_docker_up 1"
QUESTIONS = ("ping", "version", "info", "list", "inspect", "events")


def modes(short):
    """Name, order and seconds of each."""
    seconds = 4 if short else 8
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


def run(options, make_target, short):
    """A row per mode."""
    wanted = [mode for mode in modes(short) if options.only in mode[0]]
    if not wanted:
        return
    target = make_target(options, "copied", (), False)
    meter = Meter(target.exporter)

    def lines():
        page = target.exporter.ask("/metrics")[1].decode("utf-8", "replace").splitlines()
        return {line for line in page if line.startswith(("docker_stat_prom_containers{", "docker_stat_prom_docker_up "))}

    def named():
        """Docker answers, and every container has its name again."""
        return lines() == before

    before, row = eventually("all are named", lambda: lines() if UP in lines() else None), None
    for name, order, seconds in wanted:
        # What one has left behind must not count against the next.
        if row and row["back"] is None:
            meter.stop()
            target.exporter = target.fresh()
            meter = Meter(target.exporter)
        meter.begin()
        target.dockerd.tell(**order)
        end, seen = time.monotonic() + seconds, {"requests": 0, "peak": 0, "mutations": 0}
        while time.monotonic() < end and target.exporter.alive():
            time.sleep(0.25)
            now = target.dockerd.tell()
            seen["peak"] = max(seen["peak"], now["peak"])
            for key in ("requests", "mutations"):
                seen[key] += now[key]
        target.dockerd.tell(mode="good")
        note = f"{seen['requests']} requests, {seen['peak']} at once"
        note += f", {seen['mutations']} changed answers" if seen["mutations"] else ""
        row = meter.end(name, note, [], also=named)
        yield row
    meter.stop()
    target.close()
