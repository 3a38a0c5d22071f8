"""Started as before, with Docker's socket and nothing else: does it say what is missing, and is that enough?"""
from .host import BINARY, RUNNING, eventually, get, sh
from .installed import everything_is_there
from .page import Page

OLD = "docker run -d --name exporter -p 127.0.0.1:12097:12096 {} -v /var/run/docker.sock:/var/run/docker.sock --restart unless-stopped --log-driver local cts/docker-stat-prom:latest"
CGROUPS = "-v /sys/fs/cgroup:/sys/fs/cgroup:ro"
METRIC = "docker_stat_prom_missing_flags"


def start(flags):
    sh("docker rm -f exporter", check=False)
    sh(OLD.format(flags))
    eventually("it is ready", lambda: get("/readyz", 12097) == "ready\n")


def says(flags):
    """The metric, `/` and the log say it, the log once."""
    eventually("the metric says it", lambda: [have["flags"] for have, _ in Page(12097).all(METRIC)] == [flags])
    lines = [line for line in sh("docker logs exporter 2>&1").splitlines() if "no container can be seen" in line]
    assert len(lines) == 1 and f"with {flags} (" in lines[0], lines
    page = [line for line in get("/", 12097).splitlines() if "no container can be seen" in line]
    assert len(page) == 1 and f"with {flags} (" in page[0], page


def started_with_the_socket_only():
    """The command of earlier versions, then with one more of what it says each time."""
    sh(f"mkdir -p /tmp/old && cp {BINARY} /tmp/old/")
    with open("/tmp/old/Dockerfile", "w", encoding="ascii") as file:
        file.write('FROM scratch\nCOPY docker-stat-prom /docker-stat-prom\nUSER 65534:65534\nENTRYPOINT ["/docker-stat-prom"]\n')
    sh("docker build -q -t cts/docker-stat-prom:latest /tmp/old")
    group = sh("stat -c %g /var/run/docker.sock")
    start("")
    says(f"--pid host {CGROUPS}")
    denied = [line for line in sh("docker logs exporter 2>&1").splitlines() if "can't connect to docker" in line]
    assert len(denied) == 1 and f"--group-add {group} or --user 0" in denied[0], denied
    print("    " + denied[0])
    start("--user 0")
    says(f"--pid host {CGROUPS}")
    assert Page(12097).value("docker_stat_prom_docker_up") == 1
    print("    " + next(line for line in sh("docker logs exporter 2>&1").splitlines() if "no container can be seen" in line))
    start("--user 0 --pid host")
    says(CGROUPS)
    for user in ["--user 0", f"--group-add {group}"]:
        start(f"{user} --pid host {CGROUPS}")
        eventually("all are named", lambda: set(RUNNING) <= Page(12097).names())
        eventually("everything is there", lambda: everything_is_there(Page(12097), Page()) is None)
        assert not Page(12097).has(METRIC) and "no container can be seen" not in sh("docker logs exporter 2>&1")
    sh("docker rm -f exporter")
