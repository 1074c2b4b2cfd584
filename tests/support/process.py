"""One program as a child: its output in a file, its end looked at, and no child that outlives its parent."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from support.paths import PATIENCE

T = TypeVar("T")

# What a sanitizer, the allocator or the C library says when a program is wrong.
SANITIZER = re.compile(
    r"(ERROR|WARNING): (Address|Leak|Thread|Memory|UndefinedBehavior)Sanitizer|runtime error: |"
    r"\*\*\* (stack smashing|buffer overflow)|Assertion .* failed|(double free|corrupted|invalid pointer)"
)


class Failure(AssertionError):
    """Something that was waited for, or a program, did not do what it should."""


def wait_until(what: str, check: Callable[[], T], timeout: float = 30.0, every: float = 0.1) -> T:
    """Calls @check until it returns something true, and returns that; raises Failure naming @what when time is up."""
    deadline = time.monotonic() + timeout * PATIENCE
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise Failure(f"waited {timeout * PATIENCE:.0f} s in vain: {what}; last seen: {value!r}")
        time.sleep(every)


def running(pid: int) -> bool:
    """Is there such a process, not counting one that only waits for its parent to read its exit code?"""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def descendants(pid: int) -> set[int]:
    """Every process below @pid, by parentage."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = {int(child) for task in tasks for child in (task / "children").read_text().split()}
    except OSError:
        return set()
    return children.union(*(descendants(child) for child in children)) if children else set()


class Process:
    """A child with its standard output and error appended to one log file; can be started again after its end."""

    def __init__(
        self,
        argv: Sequence[str],
        log: Path,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        death_signal: str = "KILL",
        cwd: Path | None = None,
    ) -> None:
        self.argv = list(argv)
        self.name = Path(argv[0]).name
        self.log = log
        self.env = dict(env) if env is not None else None
        self.user = user
        self.death_signal = death_signal
        self.cwd = cwd
        self.child: subprocess.Popen[bytes] | None = None
        self.log_start = 0  # where the log of the present life begins

    def start(self) -> None:
        """The kernel sends the child death_signal when the thread that calls this ends, however it ends."""
        assert not self.alive(), f"{self.name} runs already"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log_start = self.log.stat().st_size if self.log.exists() else 0
        launcher = ["setpriv", "--pdeathsig", self.death_signal]
        if self.user:
            launcher += ["--reuid", self.user, "--regid", self.user, "--init-groups"]
        with open(self.log, "ab") as out:
            self.child = subprocess.Popen(
                [*launcher, *self.argv],
                env=self.env,
                cwd=self.cwd,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,  # Ctrl-C on the terminal is for the parent alone, which stops things in order
            )

    @property
    def pid(self) -> int:
        assert self.child is not None, f"{self.name} was never started"
        return self.child.pid

    def alive(self) -> bool:
        return self.child is not None and self.child.poll() is None

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self.child.poll() if self.child else None

    def send(self, number: int) -> None:
        if self.alive():
            os.kill(self.pid, number)

    def wait(self, timeout: float = 30.0) -> int:
        """Its exit code; Failure when it still runs after @timeout."""
        assert self.child is not None, f"{self.name} was never started"
        try:
            return self.child.wait(timeout * PATIENCE)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.name} still runs after {timeout * PATIENCE:.0f} s\n{self.tail()}") from None

    def stop(self, number: int = signal.SIGTERM, timeout: float = 30.0) -> int:
        """Asks it to end and returns its exit code; one that does not is killed and is a Failure."""
        self.send(number)
        try:
            return self.wait(timeout)
        except Failure:
            self.kill()
            raise

    def kill(self) -> None:
        """SIGKILL, and gone on return. Nothing happens if it is gone already."""
        if self.child is not None:
            if self.alive():
                self.child.kill()
            self.child.wait()

    def freeze(self) -> None:
        self.send(signal.SIGSTOP)

    def thaw(self) -> None:
        self.send(signal.SIGCONT)

    def output(self, whole: bool = False) -> str:
        """What it wrote in its present life; @whole: in all its lives."""
        if not self.log.exists():
            return ""
        with open(self.log, "rb") as file:
            file.seek(0 if whole else self.log_start)
            return file.read().decode("utf-8", "replace")

    def tail(self, lines: int = 20) -> str:
        return "\n".join(f"  {self.name}| {line}" for line in self.output().splitlines()[-lines:])

    def wait_output(self, pattern: str, timeout: float = 30.0) -> re.Match[str]:
        """Waits for a line that matches; a Failure at once when the program ends before it."""

        def look() -> re.Match[str] | None:
            ended = not self.alive()
            found = re.search(pattern, self.output(), re.MULTILINE)
            if not found and ended:
                raise Failure(f"{self.name} ended with {self.exit_code} before it said {pattern!r}\n{self.tail()}")
            return found

        found = wait_until(f"{self.name} says {pattern!r}", look, timeout)
        assert found is not None
        return found

    def check_clean(self) -> None:
        """Failure when any life of it left the words of a sanitizer or of a crash."""
        found = SANITIZER.search(self.output(whole=True))
        if found:
            text = self.output(whole=True)
            raise Failure(f"{self.name}: {found.group(0)}\n{text[max(0, found.start() - 500) : found.start() + 3000]}")


def run(
    argv: Sequence[str], env: Mapping[str, str] | None = None, timeout: float = 60.0, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """A command to its end, with its output as text; a non-zero exit is a Failure that shows it unless not @check."""
    try:
        done = subprocess.run(
            list(argv),
            env=dict(env) if env is not None else None,
            timeout=timeout * PATIENCE,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as late:
        raise Failure(f"{' '.join(argv)}: still runs after {late.timeout:.0f} s") from None
    if check and done.returncode != 0:
        raise Failure(f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done
