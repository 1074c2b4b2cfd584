#!/usr/bin/env python3
"""
psycopg_sink.py plain|staged BOOTSTRAP TOPIC GROUP CONNINFO COUNT

The sink that one writes in an afternoon with confluent-kafka and psycopg: batches from consume(), json.loads, rows by
psycopg's COPY, then the offsets are committed to Kafka. plain: COPY into the table; what is read twice after a crash fails on
the key. staged: COPY into a temporary table and INSERT ... ON CONFLICT DO NOTHING, so a repetition does no harm.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime, timezone

import confluent_kafka
import psycopg

BATCH = 10_000
COLUMNS = (
    "ts", "lineage", "n", "seq", "recv_ns", "mono_ns", "kafka_offset", "kafka_partition", "sid", "trade_date", "is_block_trade",
    "trade_id", "market_ticker", "yes_price", "no_price", "count", "taker_side", "taker_book_side", "source",
)  # fmt: skip


def row(message: confluent_kafka.Message) -> tuple[object, ...]:
    frame = json.loads(message.value())
    msg = frame["msg"]
    headers = {name: value.decode() for name, value in message.headers()}
    ts = datetime.fromtimestamp(msg["ts_ms"] / 1000, timezone.utc)
    return (
        ts, headers["lineage"], headers["n"], frame.get("seq"), headers["recv_ns"], headers["mono_ns"], message.offset(),
        message.partition(), frame.get("sid"), ts.date(), msg.get("is_block_trade"), msg["trade_id"], msg["market_ticker"],
        msg["yes_price_dollars"], msg["no_price_dollars"], msg["count_fp"], msg["taker_outcome_side"], msg["taker_book_side"],
        headers["source"],
    )  # fmt: skip


def main() -> None:
    mode, bootstrap, topic, group, conninfo, count = sys.argv[1:]
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False,
            "partition.assignment.strategy": "cooperative-sticky",
        }
    )  # fmt: skip
    consumer.subscribe([topic])
    columns = ", ".join(COLUMNS)
    target = "staging" if mode == "staged" else "kalshi.trades"
    done = 0
    with psycopg.connect(conninfo) as connection, connection.cursor() as cursor:
        if mode == "staged":
            cursor.execute("CREATE TEMPORARY TABLE staging (LIKE kalshi.trades) ON COMMIT DELETE ROWS")
            connection.commit()
        while done < int(count):
            messages = [m for m in consumer.consume(BATCH, 0.2) if m.error() is None]
            if not messages:
                continue
            with cursor.copy(f"COPY {target} ({columns}) FROM STDIN") as copy:
                for message in messages:
                    copy.write_row(row(message))
            if mode == "staged":
                cursor.execute(f"INSERT INTO kalshi.trades ({columns}) SELECT {columns} FROM staging ON CONFLICT DO NOTHING")
            connection.commit()
            consumer.commit(asynchronous=False)
            done += len(messages)
    consumer.close()


main()
