"""Topics read whole, and made or filled by hand."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic

from support.paths import PATIENCE
from support.process import Failure

_QUIET = {"log_level": 2}


@dataclass(frozen=True)
class Record:
    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]

    def header(self, name: str) -> str | None:
        """The header's text; None where there is none. The last one of a name that stands twice."""
        for key, value in reversed(self.headers):
            if key == name:
                return value.decode() if value is not None else None
        return None


def watermarks(bootstrap: str, topic: str) -> dict[int, tuple[int, int]]:
    """partition -> (first offset there is, offset after the last); empty for a topic that is not there."""
    consumer = _consumer(bootstrap)
    try:
        found = consumer.list_topics(topic, timeout=30 * PATIENCE).topics[topic]
        if found.error is not None:
            return {}
        return {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=30) for p in found.partitions}
    finally:
        consumer.close()


def partitions(bootstrap: str, topic: str) -> int:
    """How many the topic has; 0 for one that is not there."""
    admin = AdminClient({"bootstrap.servers": bootstrap, **_QUIET})
    return len(admin.list_topics(topic, timeout=30 * PATIENCE).topics[topic].partitions)


def ends(bootstrap: str, topics: Iterable[str]) -> dict[str, int]:
    """topic -> offsets after the last record, summed over its partitions; 0 for a topic that is not there."""
    consumer = _consumer(bootstrap)
    try:
        known = consumer.list_topics(timeout=30 * PATIENCE).topics
        return {topic: sum(_high(consumer, topic, p) for p in known[topic].partitions) if topic in known else 0 for topic in topics}
    finally:
        consumer.close()


def _high(consumer: Consumer, topic: str, partition: int) -> int:
    """A broker that is short of time calls itself no leader for a moment."""
    for _ in range(20):
        try:
            return int(consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30 * PATIENCE)[1])
        except KafkaException as refused:
            if refused.args[0].code() != KafkaError.NOT_LEADER_FOR_PARTITION:
                raise
            time.sleep(PATIENCE / 2)
    raise Failure(f"{topic}-{partition} has no leader")


def count(bootstrap: str, topic: str) -> int:
    """Records in the topic, by its offsets (compaction and markers aside)."""
    return sum(high - low for low, high in watermarks(bootstrap, topic).values())


def committed(bootstrap: str, group: str, topic: str) -> int:
    """Offsets that the group committed, summed over the partitions."""
    names = [TopicPartition(topic, p) for p in watermarks(bootstrap, topic)]
    member = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    try:
        return sum(max(0, tp.offset) for tp in member.committed(names, timeout=10 * PATIENCE))
    finally:
        member.close()


def read_topic(
    bootstrap: str, topic: str, since: Mapping[int, int] | None = None, timeout: float = 60.0
) -> list[Record]:
    """Every record from the first (or from @since, by partition) to those there at the call, by partition and offset."""
    ends = watermarks(bootstrap, topic)
    starts = {p: max(low, (since or {}).get(p, low)) for p, (low, _) in ends.items()}
    left = {p for p, (_, high) in ends.items() if starts[p] < high}
    consumer = _consumer(bootstrap)
    records: list[Record] = []
    deadline = time.monotonic() + timeout * PATIENCE
    try:
        consumer.assign([TopicPartition(topic, p, starts[p]) for p in left])
        while left:
            if time.monotonic() > deadline:
                raise Failure(f"{topic}: partitions {sorted(left)} not read to their end after {timeout} s")
            for message in consumer.consume(10000, timeout=0.2):
                if message.error() is None:
                    records.append(_record(message))
            positions = consumer.position([TopicPartition(topic, p) for p in left])
            left -= {at.partition for at in positions if at.offset >= ends[at.partition][1]}
    finally:
        consumer.close()
    # What came after the call is left out, so that two readings can be compared.
    records = [r for r in records if r.offset < ends[r.partition][1]]
    return sorted(records, key=lambda r: (r.partition, r.offset))


def create_topic(bootstrap: str, topic: str, partitions: int = 4, config: Mapping[str, str] | None = None) -> None:
    """Made and known to the broker on return."""
    admin = AdminClient({"bootstrap.servers": bootstrap, **_QUIET})
    made = admin.create_topics([NewTopic(topic, partitions, 1, config=dict(config or {}))])
    made[topic].result(30 * PATIENCE)


def alter_topic(bootstrap: str, topic: str, config: Mapping[str, str]) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap, **_QUIET})
    entries = [ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in config.items()]
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=entries)
    admin.incremental_alter_configs([resource])[resource].result(30 * PATIENCE)


def delete_topic(bootstrap: str, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap, **_QUIET})
    admin.delete_topics([topic])[topic].result(30 * PATIENCE)


@dataclass(frozen=True)
class Outgoing:
    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    partition: int = -1  # by key
    timestamp_ms: int = 0  # now


def produce(bootstrap: str, topic: str, records: Iterable[Outgoing]) -> None:
    """All of them acknowledged on return, in order."""
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5, **_QUIET})
    failed: list[str] = []

    def delivered(error: object, _message: object) -> None:
        if error is not None:
            failed.append(str(error))

    for record in records:
        while True:
            try:
                producer.produce(
                    topic,
                    record.value,
                    record.key,
                    record.partition,
                    delivered,
                    timestamp=record.timestamp_ms,
                    headers=list(record.headers),
                )
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    if producer.flush(60 * PATIENCE) or failed:
        raise Failure(f"{topic}: not everything was produced: {failed[:3]}")


def _consumer(bootstrap: str) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "tests",  # never committed, never subscribed
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "fetch.wait.max.ms": 50,
            **_QUIET,
        }
    )


def _record(message: Message) -> Record:
    return Record(
        message.topic(),
        message.partition(),
        message.offset(),
        message.timestamp()[1],
        message.key(),
        message.value(),
        tuple(message.headers() or ()),
    )
