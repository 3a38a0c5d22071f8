"""What the exporter takes of the host's memory."""
from . import exporter
from .page import Page

HUGE_PAGES = "/sys/kernel/mm/transparent_hugepage/enabled"


def it_takes_no_huge_pages():
    """Where they are always used, as on Debian, the first few bytes of each 2 MiB would cost all of them."""
    with open(HUGE_PAGES, encoding="ascii") as mode:
        assert "[always]" in mode.read(), "this host can't show it"
    assert Page().samples
    with open(f"/proc/{exporter.EXPORTER.process.pid}/smaps_rollup", encoding="ascii") as file:
        sizes = {line.split(":")[0]: int(line.split()[1]) for line in file if line.endswith("kB\n")}
    print(f"    {sizes['Pss']} kB, {sizes['Anonymous']} kB of it its own")
    assert sizes["AnonHugePages"] == 0, sizes
