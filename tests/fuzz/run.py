"""
Runs fuzz targets, and says what of the sources they reach.

    cd tests && ../build/venv/bin/python -m fuzz.run [--seconds N] [--jobs N] [TARGET...]     fuzz, then coverage
    cd tests && ../build/venv/bin/python -m fuzz.run --coverage [TARGET...]                   coverage alone

A run begins with corpus/TARGET. What reached new code is kept in build/fuzz/corpus for the next time; what failed is in
build/fuzz/found, one file an input, and the run ends with 1 when all targets had their time. Coverage is that of a build
of its own, build/coverage, in which both corpora are replayed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[1]
WORK = TOP / "build" / "fuzz"
COVERAGE = TOP / "build" / "coverage"
ENV = {
    **os.environ,
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
}


def targets() -> list[str]:
    return re.findall(r"^kmd_fuzz\((\w+) ", (HERE / "CMakeLists.txt").read_text(), re.MULTILINE)


def quiet(argv: Sequence[str | Path], **more: str) -> str:
    """Its output; raises with the end of it when it fails."""
    done = subprocess.run([str(a) for a in argv], cwd=TOP, env={**ENV, **more}, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        raise SystemExit(f"{argv[0]} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}")
    return done.stdout


def build(preset: str, names: Sequence[str]) -> None:
    quiet(("cmake", "--preset", preset, "--log-level=WARNING"))
    quiet(("cmake", "--build", "--preset", preset, "--target", *[f"fuzz_{name}" for name in names]))


@dataclass(frozen=True)
class Run:
    target: str
    clean: bool
    inputs: int
    tail: str  # of its log, when it is not


def fuzz_one(target: str, seconds: int) -> Run:
    own, log = WORK / "corpus" / target, WORK / "log" / target
    for folder in (own, WORK / "found", log.parent):
        folder.mkdir(parents=True, exist_ok=True)
    # An input may take a minute, because a busy machine needs seconds to make the keys of target `key`.
    limits = (f"-max_total_time={seconds}", "-timeout=60", "-rss_limit_mb=2048", "-max_len=4096")
    output = (f"-dict={HERE / 'json.dict'}", f"-artifact_prefix={WORK / 'found' / target}-", "-verbosity=0", "-print_final_stats=1")
    argv = (str(WORK / "tests" / "fuzz" / f"fuzz_{target}"), *limits, *output, str(own), str(HERE / "corpus" / target))
    with log.open("w") as out:
        rc = subprocess.run(argv, cwd=TOP, env=ENV, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT).returncode
    text = log.read_text(errors="replace")
    inputs = re.search(r"^stat::number_of_executed_units: *(\d+)", text, re.MULTILINE)
    return Run(target, rc == 0, int(inputs[1]) if inputs else 0, "" if rc == 0 else text[-4000:])


def fuzz(names: Sequence[str], seconds: int, jobs: int, say: Callable[[str], None]) -> list[Run]:
    """@jobs targets at a time; a line for each to @say when it is over."""
    build("fuzz", names)

    def one(target: str) -> Run:
        run = fuzz_one(target, seconds)
        say(f"{'ok    ' if run.clean else 'FAILED'} {target:<12} {seconds:4d} s {run.inputs:10d} inputs")
        if not run.clean:
            say(run.tail)
        return run

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(one, names))


# -- coverage ---------------------------------------------------------------------------------------------------------


@dataclass
class Share:
    """Of lines and of regions (a region is what runs as one, between two branches)."""

    lines: int = 0
    lines_of: int = 0
    regions: int = 0
    regions_of: int = 0

    def add(self, other: Share) -> None:
        self.lines += other.lines
        self.lines_of += other.lines_of
        self.regions += other.regions
        self.regions_of += other.regions_of

    def __str__(self) -> str:
        return f"{percent(self.lines, self.lines_of):>5} % of {self.lines_of:5d} lines {percent(self.regions, self.regions_of):>5} % of {self.regions_of:5d} regions"


def percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}" if whole else "0.0"


@dataclass
class Coverage:
    """The source files that a target reaches, by their path from libcommon or services."""

    files: dict[str, Share] = field(default_factory=dict)

    @property
    def total(self) -> Share:
        total = Share()
        for share in self.files.values():
            total.add(share)
        return total


def llvm(tool: str) -> str:
    version = quiet(("clang", "-dumpversion")).split(".")[0]
    return f"/usr/lib/llvm-{version}/bin/{tool}" if Path(f"/usr/lib/llvm-{version}/bin/{tool}").exists() else tool


def binary(target: str) -> Path:
    return COVERAGE / "tests" / "fuzz" / f"fuzz_{target}"


def read_export(text: str) -> Coverage:
    found = Coverage()
    for one in json.loads(text)["data"][0]["files"]:
        path = re.search(r"/((?:libcommon|services)/.*)", one["filename"])
        lines, regions = one["summary"]["lines"], one["summary"]["regions"]
        if path and regions["covered"] > 0:
            found.files[path[1]] = Share(lines["covered"], lines["count"], regions["covered"], regions["count"])
    return found


def replay(target: str) -> Path:
    """Returns the profile of its corpora."""
    raw, profile = COVERAGE / f"{target}.profraw", COVERAGE / f"{target}.profdata"
    folders = [HERE / "corpus" / target, WORK / "corpus" / target]
    quiet((binary(target), *[f for f in folders if f.is_dir()]), LLVM_PROFILE_FILE=str(raw))
    quiet((llvm("llvm-profdata"), "merge", "-sparse", "-o", profile, raw))
    raw.unlink()
    return profile


def export(names: Sequence[str], profile: Path) -> Coverage:
    objects = [arg for name in names[1:] for arg in ("-object", str(binary(name)))]
    return read_export(quiet((llvm("llvm-cov"), "export", "-summary-only", f"-instr-profile={profile}", binary(names[0]), *objects)))


def measure(names: Sequence[str]) -> tuple[dict[str, Coverage], Coverage]:
    """Of each target, and of all together."""
    build("coverage", names)
    profiles = [replay(name) for name in names]
    everything = COVERAGE / "all.profdata"
    quiet((llvm("llvm-profdata"), "merge", "-sparse", "-o", everything, *profiles))
    each = {name: export([name], profile) for name, profile in zip(names, profiles, strict=True)}
    return each, export(names, everything)


def report(each: dict[str, Coverage], together: Coverage) -> str:
    lines = []
    for target, coverage in each.items():
        lines += ["", f"{target:<44} {coverage.total}"]
        lines += [f"  {path:<42} {share}" for path, share in sorted(coverage.files.items())]
    lines += ["", f"{'all targets together':<44} {together.total}"]
    lines += [f"  {path:<42} {share}" for path, share in sorted(together.files.items())]
    return "\n".join(lines) + "\n"


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("targets", nargs="*", help="without: all of them")
    p.add_argument("--seconds", type=int, default=120, help="of each target")
    p.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="targets at a time")
    p.add_argument("--coverage", action="store_true", help="nothing is fuzzed")
    options = p.parse_args()
    names = options.targets or targets()
    failed: list[str] = []
    if not options.coverage:
        runs = fuzz(names, options.seconds, options.jobs, lambda line: print(line, flush=True))
        failed = [run.target for run in runs if not run.clean]
    if failed:
        print(f"failed: {' '.join(failed)}; the inputs are in {(WORK / 'found').relative_to(TOP)}")
        return 1
    print(report(*measure(names)), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
