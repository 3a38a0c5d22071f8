"""What one scrape shows."""
import re

from .host import PORT, get

SAMPLE = re.compile(r'^([a-z_0-9]+)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([a-zA-Z_0-9]+)="((?:[^"\\]|\\.)*)"')
NETWORK = "container_network_receive_bytes"


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
        """The containers that run. The host itself has no name."""
        return {have["name"] for have, _ in self.all("container_last_seen") if "name" in have}
