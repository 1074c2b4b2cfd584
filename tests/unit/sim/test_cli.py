"""Words and exit codes of the command line."""

import json
import subprocess
from pathlib import Path

import pytest

from support import keys
from support.paths import TOP


def kmd_sim(*args: str, timeout: float = 30) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(TOP / "scripts" / "kmd-sim"), *args], capture_output=True, text=True, timeout=timeout)


def test_help_and_version() -> None:
    assert "--determinations" in kmd_sim("--help").stdout
    assert kmd_sim("--version").stdout.startswith("kmd-sim ")


@pytest.mark.parametrize(
    "bad", [["--nope"], ["--listen", "here"], ["--rate", "-1"], ["--markets", "x"], ["--duration", "3w"]]
)
def test_bad_usage(bad: list[str]) -> None:
    done = kmd_sim(*bad)
    assert done.returncode == 64
    assert len(done.stderr.splitlines()) == 1 and bad[0] in done.stderr


@pytest.mark.parametrize(
    "bad",
    [
        [],
        ["--key-id", "a"],
        ["--key-id", "a", "--public-key", "/nonexistent"],
        ["--no-require-auth", "--cert", "/nonexistent"],
        ["--no-require-auth", "--replay", "/nonexistent"],
        ["--no-require-auth", "--fault", "{"],
        ["--no-require-auth", "--fault", '{"kind":"dance"}'],
        ["--no-require-auth", "--time-scale", "0"],
    ],
)
def test_bad_settings(bad: list[str]) -> None:
    done = kmd_sim("--check", *bad)
    assert done.returncode == 78
    assert len(done.stderr.splitlines()) == 1


def test_check_and_print(folder: Path) -> None:
    key = keys.rsa_key(folder)
    good = ["--key-id", "a", "--public-key", str(key.public), "--markets", "70"]
    assert kmd_sim("--check", *good).returncode == 0
    printed = kmd_sim("--print", *good)
    assert printed.returncode == 0 and "markets=70\nmve=7\n" in printed.stdout


def test_ready_line_port_file_and_end(folder: Path) -> None:
    file, ledger = folder / "port", folder / "ledger"
    done = kmd_sim(
        "--no-require-auth", "--duration", "300ms", "--port-file", str(file), "--ledger", str(ledger), "--markets", "3"
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ready = json.loads(done.stdout)
    assert ready == json.loads(file.read_text())
    assert ready["ws_url"] == f"ws://127.0.0.1:{ready['port']}/trade-api/ws/v2"
    assert ready["rest_url"] == f"http://127.0.0.1:{ready['port']}/trade-api/v2"
    assert ledger.exists()
