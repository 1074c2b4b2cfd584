"""
The three services under valgrind's memcheck: a short load, a clean stop, then what valgrind has to say.

    cd tests && ../build/venv/bin/python -m faults.valgrind_run [--seconds 20] [--rate 50]

No error and no definite leak are allowed, of ours or of a library: no suppression was needed yet.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from faults.place import place
from support.process import Failure, wait_until
from support.rig import Rig
from support.services import Service

# What a service twenty times as slow needs of time.
PATIENT = {"KMD_SHUTDOWN_TIMEOUT": "2m", "KAFKA_SESSION_TIMEOUT_MS": "45000", "KMD_INGEST_STALE_AFTER": "60s"}


@dataclass(frozen=True)
class Verdict:
    errors: int
    definite_bytes: int
    suppressed: int


def under_valgrind(one: Service, folder: Path) -> Path:
    """The service's next life is valgrind's; the file where it reports."""
    report = folder / f"valgrind-{one.name}.log"
    one.process.argv = ["valgrind", "--tool=memcheck", "--leak-check=full", "--show-leak-kinds=definite", "--errors-for-leak-kinds=definite",
        "--num-callers=30", "--child-silent-after-fork=yes", f"--log-file={report}",
        *one.process.argv]  # fmt: skip
    return report


def read(report: Path) -> Verdict:
    text = report.read_text()
    summary = re.findall(r"ERROR SUMMARY: ([\d,]+) errors .*suppressed: ([\d,]+) from", text)
    if not summary:
        raise Failure(f"{report.name}: valgrind did not come to its end\n{text[-2000:]}")
    lost = re.findall(r"definitely lost: ([\d,]+) bytes", text)
    number = [int(found.replace(",", "")) for found in (*summary[-1], lost[-1] if lost else "0")]
    return Verdict(number[0], number[2], number[1])


def first_finding(report: Path) -> str:
    """The first block of valgrind's report that is one of its complaints."""
    lines = [re.sub(r"^==\d+== ?", "", line) for line in report.read_text().splitlines()]
    blocks = "\n".join(lines).split("\n\n")
    return next((b for b in blocks if "   at 0x" in b), "")


def live(rig: Rig, seconds: float) -> int:
    """Load for a while, everything stored, a stop with exit code 0; frames received."""
    rig.migrate()
    reports = {one.name: under_valgrind(one, rig.folder) for one in rig.services}
    rig.sim.start()
    for one in rig.services:
        one.start()
    for one in rig.services:
        one.wait_ready(timeout=300)
    rig.ingest.wait_metric("kmd_ingest_markets_subscribed", 1, timeout=120)
    time.sleep(seconds)
    wait_until("frames, calls and rows", lambda: busy(rig), timeout=180, every=1.0)
    rig.drain(timeout=300)
    frames = int(rig.ingest.metric("kmd_ingest_frames_total"))
    for one in (rig.ingest, rig.enricher, rig.sink):
        code = one.stop(timeout=300)
        if code != 0:
            raise Failure(f"{one.name} ended with {code}\n{one.process.tail()}\n{first_finding(reports[one.name])}")
    return frames


def busy(rig: Rig) -> bool:
    return (
        rig.ingest.metric("kmd_ingest_frames_total") > 100
        and rig.enricher.metric("kmd_enricher_records_total", topic="settlements") > 0
        and rig.sink.metric("kmd_sink_rows_total") > 100
    )


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--seconds", type=float, default=20)
    p.add_argument("--rate", type=float, default=50)
    options = p.parse_args()
    world = {"rate": options.rate, "markets": 20, "determinations": 5, "determinations_per_minute": 20, "time_scale": 20}
    with place("10 valgrind") as at:
        spool = {"KMD_INGEST_SPOOL_DIR": str(at.folder / "spool")}
        rig = at.rig(world, settings=PATIENT, ingest=spool, enricher={"KMD_ENRICHER_SETTLEMENT_RETRY": "2s"})
        at.start_servers()
        at.database()
        frames = live(rig, options.seconds)
        reports = {one.name: at.folder / f"valgrind-{one.name}.log" for one in (rig.ingest, rig.enricher, rig.sink)}
        verdicts = {name: read(report) for name, report in reports.items()}
        good = all(v.errors == 0 and v.definite_bytes == 0 for v in verdicts.values())
        if not good:
            print("\n".join(first_finding(report) for report in reports.values()), file=sys.stderr)
        figures = ", ".join(f"{n} {v.errors} errors {v.definite_bytes} bytes lost ({v.suppressed} suppressed)" for n, v in verdicts.items())
        at.tell(f"{frames} frames through all three, {figures}; 0 and 0 allowed", good)
    return at.code


if __name__ == "__main__":
    sys.exit(main())
