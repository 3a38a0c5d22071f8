"""The exporter that is being checked: at most one at a time, since there is one port."""
import signal
import subprocess

from .host import BINARY, PATIENCE, eventually, get


class Exporter:
    """The binary as it is, as root."""

    def __init__(self, *arguments):
        self.log = open("/tmp/exporter.log", "a+", encoding="utf-8")
        self.process = subprocess.Popen([BINARY, "-b", "127.0.0.1:12096", "-v", *arguments], stderr=self.log)
        eventually("it is ready", lambda: get("/readyz") == "ready\n")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=PATIENCE) == 0


EXPORTER = None


def start(*arguments):
    global EXPORTER
    EXPORTER = Exporter(*arguments)


def stop():
    EXPORTER.stop()


def runs():
    return EXPORTER.process.poll() is None
