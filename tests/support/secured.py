"""A broker with every way in that needs a certificate or a password, and the settings that open each of them."""

from __future__ import annotations

import os
from pathlib import Path

from support import certs
from support.kafka import Kafka, Listener
from support.paths import BIN, BUILD
from support.process import run

USER, PASSWORD = "kmd", "hunter2-kafka"
SCRAM_USER, SCRAM_PASSWORD = "kmd-scram", "hunter2-scram"


class Secured:
    """The broker, its authority, one that nobody trusts, and KAFKA_ settings by way."""

    def __init__(self, folder: Path) -> None:
        self.authority = certs.Authority(folder / "ca")
        self.stranger = certs.Authority(folder / "stranger", "nobody's authority")
        good = self.authority.server("broker")
        self.kafka = Kafka(
            folder / "kafka",
            listeners={
                "TLS": Listener(good),
                "MUTUAL": Listener(good, ca=self.authority.ca),
                "SASL": Listener(good, users={USER: PASSWORD}, scram=True),
                "ELSEWHERE": Listener(self.authority.server("elsewhere", hosts=("broker.example.org",))),
                "EXPIRED": Listener(self.authority.server("expired", days=-1)),
            },
        )
        self._client = self.authority.client("kmd")
        self._unknown_client = self.stranger.client("kmd")

    def start(self) -> Secured:
        self.kafka.start()
        self.kafka.add_scram_user(SCRAM_USER, SCRAM_PASSWORD)
        return self

    def tls(self, listener: str = "TLS", ca: Path | None = None) -> dict[str, str]:
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.listeners[listener].address,
            "KAFKA_SECURITY_PROTOCOL": "ssl",
            "KAFKA_SSL_CA_LOCATION": str(ca or self.authority.ca),
        }

    def mutual(self, known: bool = True) -> dict[str, str]:
        client = self._client if known else self._unknown_client
        return {
            **self.tls("MUTUAL"),
            "KAFKA_SSL_CERTIFICATE_LOCATION": str(client.cert),
            "KAFKA_SSL_KEY_LOCATION": str(client.key),
        }

    def sasl(self, mechanism: str = "PLAIN", password: str | None = None) -> dict[str, str]:
        user, right = (USER, PASSWORD) if mechanism == "PLAIN" else (SCRAM_USER, SCRAM_PASSWORD)
        return {
            **self.tls("SASL"),
            "KAFKA_SECURITY_PROTOCOL": "sasl_ssl",
            "KAFKA_SASL_MECHANISM": mechanism,
            "KAFKA_SASL_USERNAME": user,
            "KAFKA_SASL_PASSWORD": password or right,
        }


def newer_bin() -> Path | None:
    """
    Folder of programs whose librdkafka can do SCRAM against Kafka 4 and knows topic ids: those under test, else the ones that
    scripts/test.sh built against a newer librdkafka; None where there are none.
    """
    settings = {"PATH": os.environ["PATH"], "PGHOST": "127.0.0.1", "KAFKA_SECURITY_PROTOCOL": "sasl_plaintext",
        "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512", "KAFKA_SASL_USERNAME": "u", "KAFKA_SASL_PASSWORD": "p"}  # fmt: skip
    for folder in (BIN, BUILD / "clang" / "bin"):
        sink = folder / "kmd-sink"
        if sink.exists() and run([str(sink), "--check"], settings, check=False).returncode == 0:
            return folder
    return None
