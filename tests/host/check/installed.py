"""Does it run in every way that the README names?"""
import os
import re
import time

from . import exporter
from .host import BINARY, HERE, RUNNING, eventually, get, sh
from .page import NETWORK, Page


def everything_is_there(page, reference):
    """Every series that the exporter shows as root is shown here too."""
    series = lambda page: {(name, tuple(sorted(have.items()))) for name, have, _ in page.samples
                           if name.startswith("container_") and have.get("name") in RUNNING}
    missing = series(reference) - series(page)
    assert not missing, sorted(missing)[:5]


def as_a_systemd_unit():
    """Installed as a package, hardened: everything that root sees; upgraded; purged without a trace."""
    package = os.path.join(HERE, "docker-stat-prom.deb")
    if not os.path.exists(package):
        print("    SKIPPED: no package was built (cargo deb)")
        return "skipped"
    reference = Page()
    exporter.stop()
    print("    " + sh(f"dpkg -I {package} | grep -E '^ (Version|Installed-Size|Depends)' | paste -sd ' '") + f", {os.path.getsize(package)} bytes")
    sh(f"dpkg -i {package}")
    eventually("the unit is ready", lambda: get("/readyz") == "ready\n")
    assert sh("systemctl is-active docker-stat-prom") == "active"
    version = int(sh("systemctl --version | head -1").split()[1])
    assert sh("systemctl show -P Type docker-stat-prom") == ("notify-reload" if version >= 253 else "notify")
    user = sh("ps -o user= -p $(systemctl show -P MainPID docker-stat-prom)")
    assert user != "root", user
    page = eventually("all are named", lambda: (lambda page: page if set(RUNNING) <= page.names() else None)(Page()))
    eventually("everything is there", lambda: everything_is_there(Page(), reference) is None)
    assert page.value("docker_stat_prom_up") == 1
    score = sh("systemd-analyze security --no-pager docker-stat-prom | tail -1")
    print("    " + score.strip("\u2192 "))
    assert float(re.search(r"level for \S+ (\d+\.\d+)|: (\d+\.\d+)", score).group(0).split()[-1].lstrip(":")) < 2.5
    sh("systemd-analyze verify --man=no /lib/systemd/system/docker-stat-prom.service")
    assert os.path.exists("/usr/share/man/man1/docker-stat-prom.1.gz")
    sh("echo DOCKER_STAT_PROM_METRICS=core >> /etc/default/docker-stat-prom; systemctl restart docker-stat-prom")
    eventually("its settings are read", lambda: Page().has("container_memory_usage_bytes") and not Page().has("container_memory_rss"))
    sh(f"dpkg -i --force-confold {package}")
    assert "METRICS=core" in open("/etc/default/docker-stat-prom", encoding="ascii").read(), "kept over an upgrade"
    eventually("it runs after the upgrade", lambda: get("/readyz") == "ready\n")
    a_reload_is_done_when_it_returns(version)
    with_the_socket_unit(reference)
    sh("dpkg --purge docker-stat-prom")
    assert get("/healthz") == "" and not os.path.exists("/etc/default/docker-stat-prom")
    exporter.start()
    eventually("all are shown", lambda: set(RUNNING) <= Page().names())


def a_reload_is_done_when_it_returns(version):
    """systemctl reload comes back when the new token is the one that opens, and no other does."""
    token, settings = "/etc/docker-stat-prom/token", "/etc/default/docker-stat-prom"
    opens = lambda word: sh(f"curl -s -o /dev/null -w '%{{http_code}}' -H 'Authorization: Bearer {word}' "
                            "http://127.0.0.1:12096/metrics", check=False) == "200"
    sh(f"mkdir -p $(dirname {token}); echo first-token-for-a-test > {token}; chmod 644 {token}")
    sh(f"echo DOCKER_STAT_PROM_AUTH_TOKEN_FILE={token} >> {settings}; systemctl restart docker-stat-prom")
    eventually("the first token opens", lambda: opens("first-token-for-a-test"))
    assert not opens("second-token-for-a-test")
    sh(f"echo second-token-for-a-test > {token}")
    if version >= 253:
        sh("systemctl reload docker-stat-prom")
        assert opens("second-token-for-a-test"), "when the reload has returned"
    else:
        sh("systemctl kill -s HUP docker-stat-prom")
        eventually("the second token opens", lambda: opens("second-token-for-a-test"))
    assert not opens("first-token-for-a-test")
    sh(f"sed -i /TOKEN_FILE/d {settings}; rm -r $(dirname {token}); systemctl restart docker-stat-prom")
    eventually("it is open again", lambda: get("/readyz") == "ready\n")


def with_the_socket_unit(reference):
    """systemd has the port, and the exporter has no network: everything is there all the same."""
    share, etc = "/usr/share/docker-stat-prom", "/etc/systemd/system"
    sh("sed -i /METRICS=core/d /etc/default/docker-stat-prom; systemctl stop docker-stat-prom")
    sh(f"mkdir -p {etc}/docker-stat-prom.service.d && cp {share}/no-network.conf {etc}/docker-stat-prom.service.d/")
    sh(f"cp {share}/docker-stat-prom.socket {etc}/ && systemctl daemon-reload && systemctl enable --now docker-stat-prom.socket")
    # The first connection starts it.
    eventually("it is ready", lambda: get("/readyz") == "ready\n")
    eventually("everything is there", lambda: everything_is_there(Page(), reference) is None)
    pid = sh("systemctl show -P MainPID docker-stat-prom")
    assert os.readlink(f"/proc/{pid}/ns/net") != os.readlink("/proc/1/ns/net")
    score = sh("systemd-analyze security --no-pager docker-stat-prom | tail -1")
    print("    with the socket unit: " + score.strip("\u2192 "))
    assert float(re.search(r"\.service: (\d+\.\d+)", score).group(1)) <= 1.0
    sh("systemctl disable --now docker-stat-prom.socket; systemctl stop docker-stat-prom")
    sh(f"rm -r {etc}/docker-stat-prom.socket {etc}/docker-stat-prom.service.d; systemctl daemon-reload")
    sh("systemctl start docker-stat-prom")
    eventually("it has its own port again", lambda: get("/readyz") == "ready\n")


def in_a_container():
    """Each row of the README's table of permissions."""
    sh(f"mkdir -p /tmp/context && cp {BINARY} /tmp/context/")
    with open("/tmp/context/Dockerfile", "w", encoding="ascii") as file:
        # The last stage of the project's Dockerfile.
        file.write("FROM scratch\nCOPY docker-stat-prom /docker-stat-prom\nUSER 65534:65534\n"
                   'HEALTHCHECK --interval=2s CMD ["/docker-stat-prom", "--healthcheck"]\nENTRYPOINT ["/docker-stat-prom"]\n')
    sh("docker build -q -t docker-stat-prom -t docker-stat-prom:0.1.0 /tmp/context")
    print("    image " + sh("docker image inspect -f '{{.Size}}' docker-stat-prom") + " bytes")
    group = sh("stat -c %g /var/run/docker.sock")
    cgroup = "-v /sys/fs/cgroup:/sys/fs/cgroup:ro"
    socket = f"-v /var/run/docker.sock:/var/run/docker.sock:ro --group-add {group}"
    locked = "--cap-drop ALL --security-opt no-new-privileges --read-only --user 65534"
    rows = {  # flags: containers seen, named, with network
        f"{locked} --pid host {cgroup} {socket}": (True, True, True),
        f"{locked} --pid host --cgroupns host {socket}": (True, True, True),
        f"--privileged --user 0 --pid host {cgroup} {socket}": (True, True, True),
        f"{locked} {cgroup} {socket}": (True, True, False),
        f"{locked} {cgroup} {socket} -v /proc:/host/proc:ro -e DOCKER_STAT_PROM_PROC_ROOT=/host/proc": (True, True, True),
        f"{locked} --pid host {cgroup}": (True, False, True),
        f"{locked} --pid host {socket}": (False, None, None),
    }
    for flags, (seen, named, network) in rows.items():
        sh("docker rm -f exporter", check=False)
        sh(f"docker run -d --name exporter -p 127.0.0.1:12097:12096 {flags} docker-stat-prom")
        eventually("it is ready", lambda: get("/readyz", 12097) == "ready\n")
        short = sh("docker inspect -f '{{.Id}}' writer")[:12]
        look = lambda: Page(12097)
        name = "writer" if named else short
        if seen:
            eventually("it sees the containers", lambda: look().has("container_memory_usage_bytes", name=name))
            if network:
                eventually("it sees the network", lambda: look().has(NETWORK, name=name))
            else:
                assert not look().has(NETWORK, name=name)
                assert "--pid=host" in sh("docker logs exporter 2>&1")
        else:
            time.sleep(5)
            assert not look().has("container_memory_usage_bytes", name="writer")
            assert "--cgroupns=host" in sh("docker logs exporter 2>&1"), sh("docker logs exporter 2>&1")
        if named and network:
            eventually("everything is there", lambda: everything_is_there(look(), Page()) is None)
        if seen and named:
            eventually("Docker finds it healthy", lambda: sh("docker inspect -f '{{.State.Health.Status}}' exporter") == "healthy")
        shown = lambda what: {True: "yes", False: "no", None: "-"}[what]
        print(f"    seen {shown(seen):3} named {shown(named):3} network {shown(network):3} | {flags}")
    sh("docker rm -f exporter")


def as_a_compose_service():
    """The exporter of deploy/compose.yaml; what its other two services are is not to be had here, but the file is checked whole."""
    if sh("docker compose version", check=False) == "":
        print("    SKIPPED: this Debian has no docker compose")
        return "skipped"
    exporter.stop()
    compose = f"DOCKER_GID=$(stat -c %g /var/run/docker.sock) GRAFANA_PASSWORD=x docker compose -f {HERE}/deploy/compose.yaml"
    services = sh(f"{compose} config --services").split()
    assert sorted(services) == ["docker-stat-prom", "grafana", "prometheus"], services
    sh(f"{compose} up -d --no-build --no-deps docker-stat-prom")
    everything_is_shown_and_named()
    sh(f"{compose} down")
    exporter.start()
    print("    " + sh("docker compose version --short"))


def as_a_swarm_service():
    """deploy/swarm.yaml on a swarm of one."""
    exporter.stop()
    sh("docker swarm init --advertise-addr 127.0.0.1")
    sh(f"docker stack deploy --resolve-image never -c {HERE}/deploy/swarm.yaml monitoring")
    everything_is_shown_and_named()
    sh("docker stack rm monitoring && docker swarm leave --force")
    eventually("the port is free", lambda: get("/healthz") == "")
    exporter.start()


def everything_is_shown_and_named():
    eventually("it is ready", lambda: get("/readyz") == "ready\n")
    eventually("all are named", lambda: set(RUNNING) <= Page().names())
    eventually("it sees the network", lambda: Page().has(NETWORK, name="writer"))
