"""
Mutants: deliberate bugs, each a patch NN-name.patch beside this file, and the test that has to notice it.

    cd tests && ../build/venv/bin/python -m mutants.run [--jobs N] [NAME...]

Each patch is applied to a copy of the tree in build/mutants, what its test needs is built there, and the test must fail
there as the patch says it does, and pass without the patch. A patch begins with lines that run.py reads:

    # Bug: what is wrong, in plain words
    # Kind: what kind of bug that is
    # Test: ctest NAME | histories MODE FROM:COUNT | pytest NODE
    # Says: a piece of what the failed test prints

`--table` prints what README.md shows of them.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[1]
WORK = TOP / "build" / "mutants"
TREE = WORK / "tree"
BUILD = WORK / "build"
HISTORIES = BUILD / "tests" / "simulation" / "kmd-histories"
PATIENCE = float(os.environ.get("PATIENCE", "1"))
TEST_S, BUILD_S = 300 * PATIENCE, 1800 * PATIENCE

# As the programs are built, but quicker to compile, and a mutant may leave a variable unused.
CONFIGURE = ("-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_C_FLAGS_DEBUG=-O1 -DNDEBUG", "-DKMD_WERROR=OFF")


class Escaped(Exception):
    """A mutant that is not caught, and why."""


@dataclass(frozen=True)
class Mutant:
    path: Path
    bug: str
    kind: str
    test: str
    says: str

    @property
    def name(self) -> str:
        return self.path.stem


@dataclass(frozen=True)
class Outcome:
    passed: bool
    failed: bool  # it ran, and what it asserts did not hold
    output: str


def read(path: Path) -> Mutant:
    told = dict(re.findall(r"^# (\w+): (.*)$", path.read_text().split("\n--- ")[0], re.MULTILINE))
    return Mutant(path, told["Bug"], told["Kind"], told["Test"], told["Says"])


def load(names: Sequence[str] = ()) -> list[Mutant]:
    """Those whose name has one of @names in it; all without."""
    mutants = [read(path) for path in sorted(HERE.glob("*.patch"))]
    found = [m for m in mutants if not names or any(name in m.name for name in names)]
    missing = [name for name in names if not any(name in m.name for m in found)]
    if missing:
        raise SystemExit(f"no mutant is called {', '.join(missing)}")
    return found


def table(mutants: Sequence[Mutant]) -> str:
    rows = [f"| {m.name} | {m.bug} | {m.kind} | `{m.test}` |" for m in mutants]
    return "\n".join(["| mutant | bug | kind | caught by |", "|---|---|---|---|", *rows]) + "\n"


# -- the copy ---------------------------------------------------------------------------------------------------------


@contextmanager
def alone() -> Iterator[None]:
    """One run at a time has the copy."""
    WORK.mkdir(parents=True, exist_ok=True)
    with (WORK / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run(argv: Sequence[str | Path], cwd: Path = TREE, env: dict[str, str] | None = None, timeout: float = TEST_S) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(a) for a in argv],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=timeout,
    )


def copy_tree() -> None:
    """The sources as they are now. A file that did not change keeps its time, so that nothing is compiled in vain."""
    listed = run(("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"), cwd=TOP).stdout.split("\0")
    wanted = {name for name in listed if name and (TOP / name).is_file()}
    for old in [p for p in TREE.rglob("*") if p.is_file() and str(p.relative_to(TREE)) not in wanted]:
        old.unlink()
    for name in wanted:
        source, target = TOP / name, TREE / name
        if not target.exists() or target.read_bytes() != source.read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            shutil.copymode(source, target)


def build(targets: Sequence[str]) -> None:
    done = run(("cmake", "--build", BUILD, "--target", *targets), timeout=BUILD_S)
    if done.returncode != 0:
        raise Escaped(f"does not build:\n{done.stdout[-2000:]}")


@contextmanager
def patched(mutant: Mutant) -> Iterator[None]:
    # Outside of a repository git apply looks at nothing but the files.
    apply = ("git", "apply", "--whitespace=nowarn")
    alone_env = {"GIT_CEILING_DIRECTORIES": str(WORK)}
    done = run((*apply, mutant.path), env=alone_env)
    if done.returncode != 0:
        raise Escaped(f"the patch does not apply:\n{done.stdout}")
    try:
        yield
    finally:
        run((*apply, "--reverse", mutant.path), env=alone_env).check_returncode()


# -- the tests --------------------------------------------------------------------------------------------------------


def targets_of(test: str) -> list[str]:
    kind, *rest = test.split()
    if kind == "histories":
        return ["kmd-histories"]
    if kind == "pytest":
        return ["kmd-ingest", "kmd-enricher", "kmd-sink"]
    return [rest[0] if rest[0].startswith("fuzz_") else f"test_{rest[0]}"]


def run_test(test: str, jobs: int) -> Outcome:
    try:
        return run_kind(test.split(), jobs)
    except subprocess.TimeoutExpired as late:
        return Outcome(False, False, f"{late}\n")


def run_kind(test: Sequence[str], jobs: int) -> Outcome:
    kind, *rest = test
    if kind == "ctest":
        done = run(("ctest", "--test-dir", BUILD, "--no-tests=error", "--output-on-failure", "-R", f"^{rest[0]}$"))
        failed = "***Failed" in done.stdout
    elif kind == "histories":
        done = run((HISTORIES, "--mode", rest[0], "--seeds", rest[1], "--jobs", str(jobs)))
        failed = done.returncode == 1
    else:
        pytest = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *rest)
        done = run(pytest, cwd=TOP / "tests", env={"KMD_BIN": str(BUILD / "bin")})
        failed = done.returncode == 1 and re.search(r"^ERROR ", done.stdout, re.MULTILINE) is None
    return Outcome(done.returncode == 0, failed, done.stdout)


def hunt(mutant: Mutant, jobs: int) -> None:
    """Returns when the test of @mutant noticed it."""
    with patched(mutant):
        build(targets_of(mutant.test))
        outcome = run_test(mutant.test, jobs)
    for folder in re.findall(r"^logs of the failed test: (\S+)$", outcome.output, re.MULTILINE):
        shutil.rmtree(folder, ignore_errors=True)
    if outcome.passed:
        raise Escaped(f"`{mutant.test}` passes")
    if not outcome.failed or mutant.says not in outcome.output:
        raise Escaped(f"`{mutant.test}` fails, but not with `{mutant.says}`:\n{outcome.output[-3000:]}")


def prepare(tests: Sequence[str], jobs: int) -> dict[str, str]:
    """The copy, built. Returns the tests that fail in it as it is, and what they print."""
    copy_tree()
    done = run(("cmake", "-S", TREE, "-B", BUILD, *CONFIGURE))
    if done.returncode != 0:
        raise Escaped(f"the tree as it is cannot be configured:\n{done.stdout[-2000:]}")
    build(sorted({target for test in tests for target in targets_of(test)}))
    outcomes = {test: run_test(test, jobs) for test in tests}
    return {test: outcome.output[-3000:] for test, outcome in outcomes.items() if not outcome.passed}


def run_all(mutants: Sequence[Mutant], jobs: int, say: TextIO = sys.stdout) -> tuple[int, float]:
    """How many are caught, and the seconds that took. One line a mutant to @say; what went wrong to stderr."""
    began, caught = time.monotonic(), 0
    with alone():
        try:
            broken = prepare(list(dict.fromkeys(m.test for m in mutants)), jobs)
        except Escaped as why:
            print(f"mutants: {why}", file=sys.stderr)
            return 0, time.monotonic() - began
        for mutant in mutants:
            start, verdict = time.monotonic(), "caught"
            try:
                if mutant.test in broken:
                    raise Escaped(f"`{mutant.test}` fails without it:\n{broken[mutant.test]}")
                hunt(mutant, jobs)
                caught += 1
            except Escaped as why:
                verdict = "ESCAPED"
                print(f"{mutant.name}: {why}", file=sys.stderr)
            print(f"{mutant.name:<34} {verdict} by {mutant.test}, {time.monotonic() - start:.1f} s", file=say, flush=True)
    return caught, time.monotonic() - began


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("names", nargs="*", help="mutants whose names have this in them; all without")
    p.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes of the simulation")
    p.add_argument("--table", action="store_true", help="what README.md shows of them")
    options = p.parse_args()
    mutants = load(options.names)
    if options.table:
        print(table(mutants), end="")
        return 0
    if not options.names and table(mutants) not in (HERE / "README.md").read_text():
        print("tests/mutants/README.md shows other mutants: put `run.py --table` there", file=sys.stderr)
        return 1
    caught, _ = run_all(mutants, options.jobs)
    ok = caught == len(mutants)
    print(f"9 mutants: {caught} of {len(mutants)} caught: {'ok' if ok else 'FAIL'}")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
