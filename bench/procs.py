"""Processes as the kernel sees them: CPU seconds, peak memory, cores they are bound to."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from support.process import Failure, Process

_TICKS = os.sysconf("SC_CLK_TCK")

CORES = sorted(os.sched_getaffinity(0))
# The database has one core and everything else the other; on one core alone there is nothing to bind.
DATABASE_CORE = CORES[0]
OTHER_CORE = CORES[-1]


def pinned(core: int, argv: Sequence[str]) -> list[str]:
    return ["taskset", "-c", str(core), *argv]


def pin(process: Process, core: int) -> None:
    """Before its start."""
    process.argv = pinned(core, process.argv)


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def cpu_s(pid: int) -> float:
    """User and system of all its threads; 0 for one that is gone."""
    try:
        stat = _stat(pid)
    except OSError:
        return 0.0
    return (int(stat[11]) + int(stat[12])) / _TICKS


def family_cpu_s(pid: int) -> float:
    """That of @pid, of its children that live, and of those that ended: a postmaster with its backends."""
    while True:
        before = _stat(pid)
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        living = sum(cpu_s(int(child)) for child in children)
        # Nobody ended meanwhile, who would be counted twice or not at all.
        if _stat(pid)[13:15] == before[13:15]:
            return sum(map(int, before[11:15])) / _TICKS + living


def peak_rss_mib(pid: int) -> float:
    return _status_mib(pid, "VmHWM")


def rss_mib(pid: int) -> float:
    return _status_mib(pid, "VmRSS")


def _status_mib(pid: int, name: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) / 1024
    raise Failure(f"process {pid} has no {name}")


@dataclass
class Ended:
    """A program that ran to its end."""

    output: str
    wall_s: float
    cpu_s: float
    rss_mib: float  # peak


def run_to_end(argv: Sequence[str], core: int | None = None, env: Mapping[str, str] | None = None, stdin: int | None = None) -> Ended:
    """Failure unless it ends with 0. Its standard output is told, its standard error goes through."""
    began = time.monotonic()
    child = subprocess.Popen(
        pinned(core, argv) if core is not None else list(argv),
        env=dict(env) if env is not None else None, stdin=stdin, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout is not None
    output = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise Failure(f"{argv[0]} ended with {child.returncode}\n{output}")
    return Ended(output, time.monotonic() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
