import sys
import time
import traceback

from . import exporter
from .bursts import a_burst_is_on_every_scrape_of_its_minute
from .changes import (a_new_container_is_never_shown_without_its_name, containers_come_and_go_within_a_scrape,
                      many_short_lives_leave_nothing, oom_kills_add_up_over_restarts, restart_rename_and_update_are_followed)
from .dockers import rootless, with_the_cgroupfs_driver
from .installed import as_a_compose_service, as_a_swarm_service, as_a_systemd_unit, in_a_container
from .kernel import main_pid, scope
from .memory import it_takes_no_huge_pages
from .outages import a_stopped_exporter_says_goodbye_and_a_new_one_sees_the_same, numbers_go_on_without_docker
from .sandbox import the_sandbox_holds
from .socket_only import started_with_the_socket_only
from .values import (
    situations_show_what_they_are,
    the_host_is_what_the_kernel_says,
    values_agree_with_docker_stats,
    values_agree_with_the_files,
)

CHECKS = [
    values_agree_with_the_files,
    values_agree_with_docker_stats,
    situations_show_what_they_are,
    the_host_is_what_the_kernel_says,
    a_burst_is_on_every_scrape_of_its_minute,
    oom_kills_add_up_over_restarts,
    containers_come_and_go_within_a_scrape,
    a_new_container_is_never_shown_without_its_name,
    restart_rename_and_update_are_followed,
    many_short_lives_leave_nothing,
    numbers_go_on_without_docker,
    a_stopped_exporter_says_goodbye_and_a_new_one_sees_the_same,
    it_takes_no_huge_pages,
    the_sandbox_holds,
    as_a_systemd_unit,
    in_a_container,
    started_with_the_socket_only,
    as_a_compose_service,
    as_a_swarm_service,
    with_the_cgroupfs_driver,
    rootless,
]


def main():
    wanted = sys.argv[1:]
    unknown = set(wanted) - {check.__name__ for check in CHECKS}
    if unknown:
        sys.exit(f"no such check: {', '.join(sorted(unknown))}")
    results = {"passed": 0, "failed": 0, "skipped": 0}
    exporter.start()
    for check in CHECKS:
        if wanted and check.__name__ not in wanted:
            continue
        begin = time.time()
        scope.cache_clear()
        main_pid.cache_clear()
        try:
            outcome = check() or "passed"
        except Exception:  # pylint: disable=broad-except
            outcome = "failed"
            traceback.print_exc(limit=-3, file=sys.stdout)
            # One that stopped the exporter takes only itself down.
            if not exporter.runs():
                exporter.start()
        results[outcome] += 1
        print(f"{outcome} {check.__name__} ({time.time() - begin:.0f} s)", flush=True)
    exporter.stop()
    print(", ".join(f"{count} {outcome}" for outcome, count in results.items()))
    sys.exit(1 if results["failed"] else 0)


if __name__ == "__main__":
    main()
