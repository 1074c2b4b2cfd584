"""Where things are, and the three settings of a test run.

KMD_BIN   folder of the programs under test (a sanitizer build has its own)
KMD_LOAD  factor on rates and amounts: 0.1 with sanitizers
PATIENCE  factor on every time-out, for slow machines
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
BUILD = TOP / "build"
BIN = Path(os.environ.get("KMD_BIN") or BUILD / "bin").resolve()
KAFKA_HOME = BUILD / "kafka"
SIM_HOME = TOP / "tests" / "sim"
FIXTURES = TOP.parent / "shared" / "fixtures"

LOAD = float(os.environ.get("KMD_LOAD", "1"))
PATIENCE = float(os.environ.get("PATIENCE", "1"))


def program(name: str) -> str:
    """Path of one of our programs in the build under test."""
    return str(BIN / name)


def postgres_bin() -> Path:
    """Folder of initdb and postgres: the newest that Debian's packages left, else the one in PATH."""
    versions = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "postgres").exists()]
    if versions:
        return max(versions, key=lambda path: float(path.parent.name))
    found = shutil.which("postgres")
    if not found:
        raise FileNotFoundError("postgres: not installed; scripts/setup.sh run installs it")
    return Path(found).resolve().parent
