"""What every check needs of the host: its shell, the exporter's port, and patience."""
import os
import subprocess
import time

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BINARY = os.path.join(HERE, "docker-stat-prom")
PORT = 12096
PATIENCE = 90
RUNNING = ["limited", "writer", "shares", "hostnet", "nonet", "guest", "twonets", "pinger", "paused", "inslice", "nested", "health"]


def sh(command, check=True):
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    if check and done.returncode != 0:
        raise AssertionError(f"{command}: exit {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout.strip()


def get(path, port=PORT):
    return subprocess.run(["curl", "-sf", "--max-time", "30", f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True).stdout


def eventually(what, look, patience=PATIENCE):
    end, problem = time.time() + patience, None
    while time.time() < end:
        try:
            found = look()
            if found:
                return found
        except (AssertionError, OSError) as error:
            problem = error
        time.sleep(0.2)
    raise AssertionError(f"never: {what} ({problem})")
