"""A private Kafka broker: one KRaft node, all of it in one folder, on loopback ports of its own.

`python -m support.kafka FOLDER` (called by scripts/setup.sh once the jars are in FOLDER/lib) makes what lets brokers
start fast: a formatted log folder to copy, and an archive of the classes that a start loads.
"""

from __future__ import annotations

import base64
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from support import certs
from support.paths import KAFKA_HOME, TOP
from support.ports import answers, free_port
from support.process import Failure, Process, wait_until

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}{more_listeners}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}{more_listeners}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT{more_protocols}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=2
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=2
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
num.network.threads=2
num.io.threads=4
num.recovery.threads.per.data.dir=2
log.cleaner.dedupe.buffer.size=8388608
log.index.size.max.bytes=2097152
broker.session.timeout.ms=6000
broker.heartbeat.interval.ms=1000
"""


@dataclass
class Listener:
    """One more way in, by TLS: with `ca` only for clients with a certificate of it, with `users` (SASL/PLAIN) or `scram` by password."""

    certificate: certs.Certificate
    ca: Path | None = None
    users: Mapping[str, str] = field(default_factory=dict)
    scram: bool = False  # SCRAM-SHA-512 too; its users are made by Kafka.add_scram_user
    port: int = field(default_factory=free_port)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def protocol(self) -> str:
        return "SASL_SSL" if self.users or self.scram else "SSL"

    def properties(self, name: str) -> list[str]:
        """Those of listener @name. The key store is a file of its own, so that a restart takes what stands there then."""
        lines = ["ssl.keystore.type=PEM", f"ssl.keystore.location={self.certificate.both}"]
        if self.ca is not None:
            lines += ["ssl.client.auth=required", "ssl.truststore.type=PEM", f"ssl.truststore.location={self.ca}"]
        mechanisms = (["PLAIN"] if self.users else []) + (["SCRAM-SHA-512"] if self.scram else [])
        if mechanisms:
            lines.append(f"sasl.enabled.mechanisms={','.join(mechanisms)}")
        if self.users:
            known = " ".join(f'user_{user}="{password}"' for user, password in self.users.items())
            lines.append(f"plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required {known};")
        if self.scram:
            lines.append("scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;")
        return [f"listener.name.{name.lower()}.{line}" for line in lines]


class Kafka:
    """
    start, stop, kill and start again: same ports, same data. The cluster id is new for each object. Everybody on
    loopback may do everything; @listeners (by name) are further ways in.
    """

    def __init__(
        self,
        folder: Path,
        home: Path = KAFKA_HOME,
        heap: str = "384m",
        port: int | None = None,
        listeners: Mapping[str, Listener] | None = None,
    ) -> None:
        self.folder = folder
        self.listeners = dict(listeners or {})
        self.home = home
        self.port = port or free_port()
        self.controller = free_port()
        self.cluster_id = _random_id()
        self.process = Process(self._argv(heap), folder / "kafka.log", death_signal="KILL")

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self, wait: bool = True) -> None:
        if not (self.folder / "data").exists():
            self._lay_out()
        # Anew for each start: a listener's certificate may have been replaced.
        _write_properties(self.folder / "server.properties", self.port, self.controller, self.folder / "data", self.listeners)
        self.process.start()
        if wait:
            self.wait_ready()

    def wait_ready(self) -> None:
        self.process.wait_output("Kafka Server started", timeout=90)
        wait_until("the broker accepts connections", lambda: answers(self.port))

    def stop(self) -> None:
        """SIGTERM: a clean end, with controlled shutdown. A broker that hangs in it is killed."""
        try:
            self.process.stop(timeout=30)
        except Failure:
            print(f"kafka at {self.bootstrap} had to be killed", file=sys.stderr)

    def kill(self) -> None:
        self.process.kill()

    def restart(self) -> None:
        self.stop()
        self.start()

    def add_scram_user(self, user: str, password: str) -> None:
        """For SCRAM-SHA-512; known to the broker on return."""
        from confluent_kafka import admin  # not needed to prepare servers

        client = admin.AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 2})
        info = admin.ScramCredentialInfo(admin.ScramMechanism.SCRAM_SHA_512, 4096)
        upsert = admin.UserScramCredentialUpsertion(user, info, password.encode())
        client.alter_user_scram_credentials([upsert])[user].result(30)

    def _argv(self, heap: str) -> list[str]:
        archive = self.home / "broker.jsa"
        return [
            "java",
            f"-Xmx{heap}",
            "-Xms64m",
            # One small node on few cores: quick to start matters more than the last percent of throughput.
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-XX:-UsePerfData",
            "-XX:+ExitOnOutOfMemoryError",
            *([f"-XX:SharedArchiveFile={archive}", "-Xshare:auto", "-Xlog:disable"] if archive.exists() else []),
            "-Djava.net.preferIPv4Stack=true",
            f"-Dlog4j2.configurationFile={TOP / 'scripts' / 'kafka' / 'log4j2.properties'}",
            "-cp",
            _class_path(self.home),
            "kafka.Kafka",
            str(self.folder / "server.properties"),
        ]

    def _lay_out(self) -> None:
        """A fresh node: the formatted folder of the template with an id of its own, which saves a start of the JVM."""
        data = self.folder / "data"
        self.folder.mkdir(parents=True, exist_ok=True)
        shutil.copytree(self.home / "template", data)
        meta = data / "meta.properties"
        meta.write_text(
            f"version=1\ncluster.id={self.cluster_id}\nnode.id=1\ndirectory.id={_random_id()}\n", encoding="ascii"
        )


def _random_id() -> str:
    """An id as Kafka writes them: 22 characters of URL-safe base64, not beginning with a dash."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text


def _class_path(home: Path) -> str:
    # In a fixed order: the archive of classes is bound to it.
    return ":".join(str(jar) for jar in sorted((home / "lib").glob("*.jar")))


def _write_properties(path: Path, port: int, controller: int, data: Path, listeners: Mapping[str, Listener]) -> None:
    text = _PROPERTIES.format(
        port=port,
        controller=controller,
        data=data,
        more_listeners="".join(f",{name}://{one.address}" for name, one in listeners.items()),
        more_protocols="".join(f",{name}:{one.protocol()}" for name, one in listeners.items()),
    )
    lines = [line for name, one in listeners.items() for line in one.properties(name)]
    path.write_text(text + "".join(f"{line}\n" for line in lines), encoding="utf-8")


def _format_template(home: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        properties, data = Path(scratch) / "server.properties", Path(scratch) / "data"
        _write_properties(properties, 9092, 9093, data, {})
        subprocess.run(
            ["java", "-Xmx128m", "-cp", _class_path(home), "kafka.tools.StorageTool", "format"]
            + ["-t", _random_id(), "-c", str(properties)],
            check=True,
        )
        shutil.rmtree(home / "template", ignore_errors=True)
        shutil.copytree(data, home / "template")


def _archive_classes(home: Path) -> None:
    """One start and stop that leaves the classes it loaded in an archive. Without it brokers work too, a little later."""
    archive = home / "broker.jsa"
    archive.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        kafka = Kafka(Path(scratch), home)
        kafka.process.argv.insert(1, f"-XX:ArchiveClassesAtExit={archive}.new")
        kafka.start()
        kafka.stop()
    made = Path(f"{archive}.new")
    if made.exists():
        made.replace(archive)


if __name__ == "__main__":
    _format_template(Path(sys.argv[1]))
    _archive_classes(Path(sys.argv[1]))
