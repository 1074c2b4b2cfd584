"""Who the broker is, is looked at: what is refused is named, tried again for ever, and costs nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from component.ingest_bench import EXCHANGE_WIDE, Bench, exchange, ingest_key
from component.ingest_exchange import Exchange

from support import certs, keys
from support.kafka import Kafka, Listener
from support.ports import free_port
from support.process import wait_until
from support.secured import PASSWORD, Secured
from support.services import Service, StartService
from support.shared import make_folder

__all__ = ["exchange", "ingest_key"]

REFUSED = {
    "the wrong host": ("ELSEWHERE", "the broker's certificate is refused: it is for another host name"),
    "an expired one": ("EXPIRED", "the broker's certificate is refused: it has expired"),
    "an unknown authority": ("TLS", "the broker's certificate is refused: its authority is not trusted"),
    "no authority": ("TLS", "the broker's certificate is refused: its authority is not trusted"),
    "no certificate of ours": ("MUTUAL", "alert"),
    "a strange certificate of ours": ("MUTUAL", "alert certificate unknown"),
    "a wrong password": ("SASL", "Authentication failed"),
}


@pytest.fixture(scope="module")
def secured() -> Iterator[Secured]:
    folder = make_folder("kmd-tls-")
    made = Secured(folder).start()
    yield made
    made.kafka.kill()
    shutil.rmtree(folder, ignore_errors=True)


def settings_of(what: str, secured: Secured) -> dict[str, str]:
    settings = {
        "an unknown authority": secured.tls(ca=secured.stranger.ca),
        "no certificate of ours": secured.tls("MUTUAL"),
        "a strange certificate of ours": secured.mutual(known=False),
        "a wrong password": secured.sasl(password=PASSWORD + "-not"),
    }.get(what, secured.tls(REFUSED[what][0]))
    if what == "no authority":
        del settings["KAFKA_SSL_CA_LOCATION"]
    return settings


def own_settings(name: str, key: keys.KeyPair) -> dict[str, str]:
    """The rest of what the program needs; nobody listens there."""
    if name == "sink":
        return {"PGHOST": "127.0.0.1", "PGPORT": str(free_port())}
    return {
        "KALSHI_WS_URL": f"ws://127.0.0.1:{free_port()}/ws",
        "KALSHI_REST_BASE_URL": f"http://127.0.0.1:{free_port()}/v2",
        "KALSHI_API_KEY_ID": "key-1",
        "KALSHI_PRIVATE_KEY_FILE": str(key.private),
    }


def why(one: Service) -> str:
    return str(one.ready()[1].get("conditions", {}).get("kafka", {}).get("why", ""))


def wait_named(one: Service, text: str) -> None:
    wait_until(f"/readyz of {one.label} says {text!r}", lambda: text in why(one), timeout=60)
    wait_until("the log says it", lambda: any(text in line.get("why", "") for line in one.log_lines()), timeout=60)
    assert one.live() == 200


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what: str, secured: Secured, ingest_key: keys.KeyPair, service: StartService) -> None:
    one = service("sink", {**own_settings("sink", ingest_key), **settings_of(what, secured)})
    wait_named(one, REFUSED[what][1])
    assert PASSWORD not in one.process.output()


@pytest.mark.parametrize("name", ["ingest", "enricher"])
def test_refused_by_the_others_too(name: str, secured: Secured, ingest_key: keys.KeyPair, service: StartService) -> None:
    one = service(name, {**own_settings(name, ingest_key), **settings_of("an expired one", secured)})
    wait_named(one, REFUSED["an expired one"][1])


def test_a_certificate_that_expires_and_is_renewed_costs_nothing(
    folder: Path, service: StartService, exchange: Exchange, ingest_key: keys.KeyPair
) -> None:
    authority = certs.Authority(folder / "ca")
    good, expired = authority.server("good"), authority.server("expired", days=-1)
    listener = Listener(good)
    kafka = Kafka(folder / "kafka", listeners={"TLS": listener})
    kafka.start()
    secure: dict[str, Any] = {
        "KAFKA_BOOTSTRAP_SERVERS": listener.address,
        "KAFKA_SECURITY_PROTOCOL": "ssl",
        "KAFKA_SSL_CA_LOCATION": str(authority.ca),
    }
    try:
        bench = Bench(service, kafka.bootstrap, "k.", exchange, ingest_key)
        one, connection = bench.connect(*EXCHANGE_WIDE, KMD_INGEST_STALE_AFTER="10m", **secure)
        connection.trade(count=5)
        bench.wait_frames(len(connection.sent))
        kafka.stop()
        listener.certificate = expired
        kafka.start()
        connection.trade(count=20)
        wait_named(one, "the broker's certificate is refused: it has expired")
        kafka.stop()
        listener.certificate = good
        kafka.start()
        found = bench.wait_frames(len(connection.sent), timeout=60)
        assert [r.value for r in found] == [s for s in connection.sent]
        one.wait_ready()
        assert len(exchange.connections) == 1
        assert one.stop() == 0
    finally:
        kafka.kill()
