"""The exporter under attack: a copied host, a fake dockerd in a process of its own, and the shipped binary between them."""
import atexit
import collections
import json
import os
import re
import resource
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

import login

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
FIXTURES = os.path.join(TOP, "fixtures")
FIXTURE = os.path.join(FIXTURES, "debian13-docker26.1-linux6.12")
# The container of the fixture that has everything, its process, and the recorded answer to its inspection.
MODEL = "75de56ace1668c8d0ef137edd20e9a1a4ff7ab7f27a928b04eeca5c618b55ed4"
MODEL_PID = "1382"
CLEAN = {"HOME": "/nonexistent", "PATH": os.environ.get("PATH", "/usr/bin:/bin")}
PATIENCE = 20


def more_descriptors():
    """Attackers hold many sockets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    return soft


def eventually(what, condition, patience=PATIENCE):
    end = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {patience} s: {what}")
        time.sleep(0.02)


def build():
    """The release binary of this tree."""
    subprocess.run(["cargo", "build", "--release", "--locked"], cwd=TOP, check=True)
    return os.path.join(TOP, "target/release/docker-stat-prom")


# ------------------------------------------------------------------------------------------------------------------ hosts

def copied(to):
    """The recorded host."""
    shutil.copytree(FIXTURE, to, symlinks=True, dirs_exist_ok=True)
    return to


def empty(to):
    """The recorded machine without its containers."""
    for path in ("sys/dev", "proc/1"):
        shutil.copytree(os.path.join(FIXTURE, path), os.path.join(to, path), symlinks=True)
    for path in ("proc/stat", "proc/meminfo", "sys/fs/cgroup/cgroup.controllers", "docker/version.json", "docker/info.json"):
        os.makedirs(os.path.dirname(os.path.join(to, path)), exist_ok=True)
        shutil.copy(os.path.join(FIXTURE, path), os.path.join(to, path))
    return to


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def inspection(identity, name, pid=0):
    """The model's inspection under another ID."""
    answer = json.loads(read(os.path.join(FIXTURE, f"docker/inspect/{MODEL}.json")))
    answer.update(Id=identity, Name="/" + name)
    answer["State"]["Pid"] = pid
    return answer


def row(identity, name):
    """The model's row in a list under another ID."""
    rows = json.loads(read(os.path.join(FIXTURE, "docker/containers.json")))
    answer = next(one for one in rows if one["Id"] == MODEL)
    answer.update(Id=identity, Names=["/" + name])
    return answer


def many(to, containers, interfaces=1, files=None):
    """A host of many containers: copies of one, each under an ID, a process and a network of its own."""
    empty(to)
    scope = os.path.join(FIXTURE, f"sys/fs/cgroup/system.slice/docker-{MODEL}.scope")
    headings = read(os.path.join(FIXTURE, f"proc/{MODEL_PID}/net/dev")).splitlines()[:2]
    numbers = " ".join("1234567890123" for _ in range(16))
    net = "\n".join(headings + [f"  net{index}: {numbers}" for index in range(interfaces)]) + "\n"
    rows = []
    for number in range(containers):
        identity, pid, name = f"{number:064x}", 1000 + number, f"container-{number}"
        target = os.path.join(to, f"sys/fs/cgroup/system.slice/docker-{identity}.scope")
        os.makedirs(target)
        for file in files or os.listdir(scope):
            shutil.copy(os.path.join(scope, file), target)
        write(os.path.join(target, "cgroup.procs"), f"{pid}\n")
        process = os.path.join(to, f"proc/{pid}")
        write(os.path.join(process, "net/dev"), net)
        write(os.path.join(process, "cgroup"), f"0::/system.slice/docker-{identity}.scope\n")
        os.makedirs(os.path.join(process, "ns"))
        os.symlink(f"net:[{4_100_000_000 + number}]", os.path.join(process, "ns/net"))
        rows.append(row(identity, name))
        write(os.path.join(to, f"docker/inspect/{identity}.json"), json.dumps(inspection(identity, name, pid)))
    write(os.path.join(to, "docker/containers.json"), json.dumps(rows))
    return to


def fat(to):
    """A page of some 14 MB from 43 containers: each has 120 interfaces."""
    return many(to, 43, interfaces=120)


def plump(to):
    """A page of some 6 MB."""
    return many(to, 18, interfaces=120)


def wide(to):
    """Many containers with little in each: long tables at `/` and `/debug/containers`."""
    return many(to, 1000, files=["cgroup.events", "cpu.stat", "memory.current"])


HOSTS = {"copied": copied, "fat": fat, "plump": plump, "wide": wide}


# --------------------------------------------------------------------------------------------------------------- processes

STARTED = []


@atexit.register
def end_all():
    """Nothing that was started outlives the harness, whatever ends it (`run` turns SIGTERM into an exit)."""
    for process in STARTED:
        process.kill()
        process.wait()


class Dockerd:
    """dockerd.py in a process of its own, told what to do by lines of JSON."""

    def __init__(self, folder, host):
        self.socket = os.path.join(folder, "docker.sock")
        command = [sys.executable, os.path.join(HERE, "dockerd.py"), self.socket, host]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        STARTED.append(self.process)
        assert self.process.stdout.readline() == "ready\n"

    def tell(self, **order):
        """Gives an order and returns what the fake daemon has seen since the last one."""
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def stop(self):
        self.process.kill()
        self.process.wait()
        STARTED.remove(self.process)
        self.process.stdin.close()
        self.process.stdout.close()


def locked(folder):
    """Flags that lock everything: certificates and a password from a web config, a token, and all of the sandbox."""
    certificate, key = (os.path.join(FIXTURES, "tls", name) for name in ("rsa.crt", "rsa-pkcs8.key"))
    web, token = (os.path.join(folder, name) for name in ("web.yml", "token"))
    # bcrypt of "right", cost 12.
    write(web, f"tls_server_config:\n  cert_file: {certificate}\n  key_file: {key}\nbasic_auth_users:\n"
               "  alice: $2b$12$YJ6cTQySuoz6fKGqsJigauCwXWIAQSnVPBPstnuWn2jE/jq46BO3q\n")
    write(token, login.token() + "\n")
    os.chmod(token, 0o600)
    return ["--web_config", web, "--auth_token_file", token, "--sandbox", "on"]


class Exporter:
    """The binary, serving on a free port of 127.0.0.1."""

    def __init__(self, binary, host=None, dockerd=None, flags=(), tls=False):
        command = [binary, "-b", "127.0.0.1:0", "--debug_pages", *flags]
        if host:
            for flag, path in (("--cgroup_root", "sys/fs/cgroup"), ("--proc_root", "proc"), ("--sys_root", "sys")):
                command += [flag, os.path.join(host, path)]
            url = dockerd.socket if dockerd else "/nonexistent/docker.sock"
            command += ["-H", "unix://" + url]
        self.tls_flags, self.folder = [], None
        if login.token():
            self.folder, tls = tempfile.TemporaryDirectory(prefix="attack"), True
            self.tls_flags = locked(self.folder.name)
        elif tls:
            self.tls_flags = ["-s", "--tls_cert", os.path.join(FIXTURES, "tls/rsa.crt"), "--tls_key",
                              os.path.join(FIXTURES, "tls/rsa-pkcs8.key")]
        self.binary, self.tls, self.port = binary, tls, None
        self.log = collections.deque(maxlen=200)
        self.process = subprocess.Popen(command + self.tls_flags, env=CLEAN, stdin=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE)
        self.pid = self.process.pid
        STARTED.append(self.process)
        # A faulty one can take all memory there is: then it goes first.
        write(f"/proc/{self.pid}/oom_score_adj", "1000")
        for line in self.process.stderr:
            self.log.append(line.decode("utf-8", "replace").rstrip())
            found = re.search(r"serving https?://127\.0\.0\.1:(\d+)/", self.log[-1])
            if found:
                self.port = int(found[1])
                break
        assert self.port, "it did not start: " + "\n".join(self.log)
        threading.Thread(target=self._drain, daemon=True).start()
        eventually("it is ready", lambda: self.ask("/readyz")[0] == 200)

    def _drain(self):
        for line in self.process.stderr:
            self.log.append(line.decode("utf-8", "replace").rstrip())

    def alive(self):
        return self.process.poll() is None

    def status(self, key):
        """A line of /proc/<pid>/status in bytes."""
        try:
            text = read(f"/proc/{self.pid}/status")
        except OSError:
            return 0
        found = re.search(rf"^{key}:\s+(\d+) kB$", text, re.M)
        return int(found[1]) * 1024 if found else 0

    def resident(self):
        return self.status("VmRSS")

    def peak(self):
        """The highest resident memory since reset_peak()."""
        return self.status("VmHWM")

    def reset_peak(self):
        write(f"/proc/{self.pid}/clear_refs", "5")

    def descriptors(self):
        try:
            return len(os.listdir(f"/proc/{self.pid}/fd"))
        except OSError:
            return 0

    def connect(self, source="127.0.0.2", timeout=5, receive=None):
        """A plain socket from an address of one's own."""
        link = socket.socket()
        try:
            if receive:
                link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
            link.settimeout(timeout)
            link.bind((source, 0))
            link.connect(("127.0.0.1", self.port))
        except OSError:
            link.close()
            raise
        return link

    def open(self, source="127.0.0.2", timeout=5, h2=False, receive=None):
        """A connection on which HTTP can be spoken: TLS where it serves TLS."""
        link = self.connect(source, timeout, receive)
        if not self.tls:
            return link
        try:
            return tls_context(h2).wrap_socket(link)
        except OSError:
            link.close()
            raise

    def ask(self, path, source="127.0.0.8", timeout=5):
        """Status and body of one request; 0 where there was no answer."""
        answer = b""
        try:
            with self.open(source, timeout) as link:
                link.sendall(login.page(path))
                while part := link.recv(1 << 20):
                    answer += part
        except OSError:
            pass
        head, _, body = answer.partition(b"\r\n\r\n")
        found = re.match(rb"HTTP/1\.1 (\d{3}) ", head)
        return (int(found[1]) if found else 0), body

    def healthcheck(self):
        """The exit code of --healthcheck."""
        command = [self.binary, "--healthcheck", "-b", f"127.0.0.1:{self.port}", *self.tls_flags]
        return subprocess.run(command, env=CLEAN, capture_output=True, timeout=30, check=False).returncode

    def stop(self):
        self.process.kill()
        self.process.wait()
        STARTED.remove(self.process)


def tls_context(h2=False):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if h2:
        context.set_alpn_protocols(["h2"])
    return context
