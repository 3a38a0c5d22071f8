"""What opens the exporter's doors in a locked run: a bearer token, in the environment of every process of the attack."""
import os

VARIABLE = "DSP_ATTACK_TOKEN"


def token():
    """The token of a locked run; None in another one."""
    return os.environ.get(VARIABLE)


def line():
    """The line of a request's head that opens."""
    return f"Authorization: Bearer {token()}\r\n".encode() if token() else b""


def page(path="/metrics", close=True):
    """A whole request of HTTP/1.1."""
    end = b"Connection: close\r\n" if close else b""
    return b"GET " + path.encode() + b" HTTP/1.1\r\nHost: x\r\n" + line() + end + b"\r\n"
