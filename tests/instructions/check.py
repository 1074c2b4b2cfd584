#!/usr/bin/env python3
"""
check.py PROGRAM NAME COMPILER [LIBRARY ...] [--record]

Instructions per record of PROGRAM's input NAME, counted by callgrind within its function measured(). More than 5 % above
or below what recorded.tsv has fails, where compiler, C library, the named libraries (pkg-config names) and the
processor's vector unit are those of the record; elsewhere the count is told and nothing is judged, because other compilers
write other instructions. --record writes the count down: do that when it changed for a reason, and say it in the
commit. 77 (skipped) without valgrind. PROFILE=FILE leaves callgrind's output there.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

RECORDED = Path(__file__).with_name("recorded.tsv")
TOLERANCE = 0.05


def count(program: str, name: str) -> float:
    with tempfile.TemporaryDirectory() as scratch:
        out = os.environ.get("PROFILE") or f"{scratch}/out"
        argv = ["valgrind", "--tool=callgrind", "--toggle-collect=measured", f"--callgrind-out-file={out}", program, name]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or not found or int(found.group(1)) == 0:
        sys.exit(f"{program} {name} under callgrind: {done.returncode}\n{done.stderr[-2000:]}")
    return int(found.group(1)) / int(done.stdout)


def built_with(compiler: str, libraries: list[str]) -> str:
    flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    versions = [compiler, " ".join(platform.libc_ver()), "avx2" if " avx2 " in flags else "no avx2", platform.machine()]
    for library in libraries:
        version = subprocess.run(["pkgconf", "--modversion", library], capture_output=True, text=True, check=False).stdout.strip()
        versions.append(f"{library} {version}")
    return ", ".join(versions)


def records() -> dict[str, tuple[float, str]]:
    lines = RECORDED.read_text(encoding="utf-8").splitlines() if RECORDED.exists() else []
    fields = [line.split("\t") for line in lines if not line.startswith("#")]
    return {name: (float(number), versions) for name, number, versions in fields}


def write(known: dict[str, tuple[float, str]]) -> None:
    lines = ["# name\tinstructions per record\tbuilt with"]
    lines += [f"{name}\t{number:.0f}\t{versions}" for name, (number, versions) in sorted(known.items())]
    RECORDED.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> int:
    record = "--record" in sys.argv
    program, name, compiler, *libraries = [a for a in sys.argv[1:] if a != "--record"]
    if not shutil.which("valgrind"):
        print(f"{name}: not counted, valgrind is not installed")
        return 77
    found, versions = count(program, name), built_with(compiler, libraries)
    if record:
        write({**records(), name: (found, versions)})
    if name not in records():
        print(f"{name}: {found:.0f} instructions per record; nothing is recorded")
        return 1
    wanted, by = records()[name]
    change = found / wanted - 1
    print(f"{name}: {found:.0f} instructions per record, recorded {wanted:.0f} ({change:+.1%})")
    if by != versions:
        print(f"not judged: built with {versions}; recorded with {by}")
        return 0
    return 1 if abs(change) > TOLERANCE else 0


sys.exit(main())
