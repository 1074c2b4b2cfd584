"""
Each pair of programs with each fault of the way between them, with the time-outs that the services have by default.

    ingest, enricher, sink ──► toxiproxy ──► exchange, REST, Kafka, Postgres

    cd tests && ../build/venv/bin/python -m faults.proxied [--rounds 3] [PAIR ...]

One line a pair on stdout. Exit code 1 when something does not hold: lost, twice, not well again by itself.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from component import proxied
from component.proxied import Pair, walk
from support.kafka import Kafka
from support.postgres import Postgres
from support.proxy import TOXICS, ProxiedKafka, Toxiproxy
from support.services import Service, stop_all
from support.shared import Database, make_folder


class Bench:
    """The servers of one pair, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.made = folder, []
        self.toxiproxy = Toxiproxy(folder).start()
        self._kill: list[Callable[[], None]] = [self.toxiproxy.kill]

    def start(self, name: str, settings: dict[str, str], label: str | None = None) -> Service:
        self.made.append(Service(name, settings, self.folder, label))
        return self.made[-1].start()

    def kafka(self, behind_a_proxy: bool = False) -> Kafka:
        broker = ProxiedKafka(self.folder / "kafka", self.toxiproxy) if behind_a_proxy else Kafka(self.folder / "kafka")
        self._kill.append(broker.kill)
        broker.start()
        return broker

    def database(self) -> Database:
        server = Postgres(self.folder / "postgres")
        self._kill.append(server.kill)
        server.start()
        server.create_database("kmd")
        return Database(server, "kmd")

    def close(self) -> None:
        for one in self.made:
            one.kill()
        for kill in self._kill:
            kill()


PAIRS: dict[str, Callable[[Bench], Pair]] = {
    "exchange-ingest": lambda b: proxied.ExchangeIngest(b.start, b.kafka(), b.toxiproxy, b.folder),
    "rest-enricher": lambda b: proxied.RestEnricher(b.start, b.kafka(), b.toxiproxy, b.folder),
    "kafka-ingest": lambda b: proxied.KafkaIngest(b.start, b.kafka(True), b.folder),
    "kafka-ingest-spool": lambda b: proxied.KafkaIngest(b.start, b.kafka(True), b.folder, KMD_INGEST_SPOOL_DIR=str(b.folder / "spool")),
    "kafka-enricher": lambda b: proxied.KafkaEnricher(b.start, b.kafka(True), b.folder),
    "kafka-sink": lambda b: proxied.KafkaSink(b.start, b.kafka(True), b.database()),
    "postgres-sink": lambda b: proxied.PostgresSink(b.start, b.kafka(), b.toxiproxy, b.database()),
}


@contextlib.contextmanager
def bench() -> Iterator[Bench]:
    made = Bench(make_folder("kmd-f-"))
    try:
        yield made
    finally:
        made.close()
    shutil.rmtree(made.folder, ignore_errors=True)


def live_through(name: str, rounds: int) -> str:
    with bench() as b:
        pair = PAIRS[name](b)
        took = {}
        for toxic in TOXICS:
            took[toxic] = walk(pair, toxic, rounds)
            print(f"{name}: {toxic} x {rounds}, well {took[toxic]:.1f} s after its end", file=sys.stderr)
        pair.check()
        stop_all(b.made)
    return ", ".join(f"{toxic} {seconds:.1f} s" for toxic, seconds in took.items())


def main() -> int:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--rounds", type=int, default=3, help="times that each fault comes and goes")
    p.add_argument("pairs", nargs="*", metavar="PAIR", help=", ".join(PAIRS))
    options = p.parse_args()
    good = True
    for name in options.pairs or PAIRS:
        try:
            text, well = f"nothing lost, nothing twice; well again after {live_through(name, options.rounds)}", True
        except AssertionError as wrong:
            text, well = str(wrong).splitlines()[0], False
        good = good and well
        print(f"proxy {name}: {text}: {'ok' if well else 'FAIL'}", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
