"""Free ports that stay ours: a lock file for each keeps runs that go side by side apart, also while a server restarts."""

from __future__ import annotations

import fcntl
import os
import random
import socket
from pathlib import Path

# Below the range that the kernel takes outgoing connections from, so that none of them sits on a port of ours.
_FIRST, _LAST = 18000, 32000
_held: dict[int, int] = {}


def free_port() -> int:
    """A port on loopback that nobody listens on, reserved until this process ends."""
    folder = _lock_folder()
    for _ in range(1000):
        port = random.randint(_FIRST, _LAST)
        if port not in _held and _lock(folder, port):
            return port
    raise RuntimeError("no free port")


def _lock_folder() -> Path:
    # Not below TMPDIR: runs with different ones must see each other's locks.
    folder = Path("/tmp") / f"kmd-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _lock(folder: Path, port: int) -> bool:
    fd = os.open(folder / str(port), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _bind(port)
    except OSError:
        os.close(fd)
        return False
    _held[port] = fd
    return True


def _bind(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))


def answers(port: int, host: str = "127.0.0.1") -> bool:
    """Does somebody accept connections there?"""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False
