#!/usr/bin/env python3
"""
The dashboards as code: writes dashboards/*.json from the lists below. The JSON is committed, because that is what Grafana and the
Kubernetes overlays read; a test writes it again and compares.

    python3 monitoring/grafana/make_dashboards.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
WIDTH, HEIGHT = 8, 8  # of a panel; a row of the grid is 24 wide

# A panel: title, unit, [(expression, legend), ...], what it answers. `$by` is every variable that narrows a dashboard down.
Panel = tuple[str, str, list[tuple[str, str]], str]


def p99(name: str, by: str = "instance") -> str:
    return f"histogram_quantile(0.99, sum by ({by}, le) (rate({name}_bucket{{$by}}[$__rate_interval])))"


def rate(name: str, by: str, where: str = "") -> str:
    return f"sum by ({by}) (rate({name}{{$by{where}}}[$__rate_interval]))"


KAFKA: list[Panel] = [
    ("Kafka: time to answer", "s", [("kmd_kafka_rtt_p99_seconds{$by}", "{{instance}} {{client}}")],
     "Slow here and slow everywhere: Kafka is the cause. 99th percentile of the slowest broker."),
    ("Kafka: requests in flight and waiting", "short",
     [("kmd_kafka_requests_in_flight{$by}", "{{instance}} {{client}} in flight"), ("kmd_kafka_requests_waiting{$by}", "{{instance}} {{client}} waiting")],
     "Waiting requests pile up when brokers are slower than we are."),
    ("Kafka: trouble", "cps",
     [(rate("kmd_kafka_request_timeouts_total", "instance, client"), "{{instance}} {{client}} timeouts"),
      (rate("kmd_kafka_request_retries_total", "instance, client"), "{{instance}} {{client}} retries"),
      (rate("kmd_kafka_disconnects_total", "instance, client"), "{{instance}} {{client}} disconnects"),
      (rate("kmd_kafka_rebalances_total", "instance, client"), "{{instance}} {{client}} rebalances")],
     "All zero on a quiet day, but for idle connections that brokers close."),
]  # fmt: skip

DASHBOARDS: dict[str, tuple[str, str, list[tuple[str, list[Panel]]]]] = {
    "overview": ("Kalshi market data: overview", "kmd-.*", [
        ("Is all well?", [
            ("Not ready", "short", [('sum by (job, condition) (1 - kmd_ready{$by})', "{{job}} {{condition}}")], "Zero everywhere is well; /readyz of the instance says why not."),
            ("Alerts", "short", [('sum by (alertname) (ALERTS{alertstate="firing", alertname=~"Kmd.*"})', "{{alertname}}")], "What docs/runbook.md has an entry for."),
            ("Versions", "short", [("count by (job, version) (kmd_build_info{$by})", "{{job}} {{version}}")], "Two versions of one job: a rollout is under way."),
        ]),
        ("Flow", [
            ("Frames received", "cps", [("sum by (type) (kmd:ingest_frames:rate1m{$by})", "{{type}}")], "Two groups that capture the same count twice."),
            ("Rows stored", "cps", [("sum by (table) (kmd:sink_rows:rate1m)", "{{table}}")], "What is committed to Postgres."),
            ("Behind: records in Kafka and not in Postgres", "short", [("kmd:sink_lag_messages:sum", "{{topic}}")], "Returns to near zero after each disturbance."),
            ("Exchange to receipt, p99", "s", [("kmd:ingest_exchange_age_seconds:p99_5m{$by}", "{{instance}}")], "Network and clocks."),
            ("Receipt to row, p99", "s", [("kmd:sink_latency_seconds:p99_5m", "all sinks")], "About KMD_SINK_BATCH_AGE and a commit on a quiet day."),
            ("Settlement waits", "s", [("max(kmd_enricher_settlement_wait_seconds{$by})", "oldest")], "Age of the oldest frame without its settlement."),
        ]),
        ("What is missing", [
            ("Sequence gaps", "short", [("sum by (channel) (increase(kmd_ingest_gaps_total{$by}[1h]))", "{{channel}} in the last hour")], "Each is a record in topic feed."),
            ("Books expected and not held", "short", [("sum(kmd_ingest_markets_expected{$by}) - sum(kmd_ingest_markets_subscribed{$by})", "difference")], "Zero, but for seconds."),
            ("Spooled to disk", "bytes", [("kmd_ingest_spool_bytes{$by}", "{{instance}}")], "Kafka does not take what comes."),
            ("Dead letters", "short", [("sum by (reason) (increase(kmd_sink_dead_letters_total{$by}[1h]))", "{{reason}} in the last hour")], "Whole in kalshi.dead_letters."),
        ]),
    ]),
    "ingest": ("Kalshi market data: ingest", "kmd-ingest", [
        ("Exchange", [
            ("Frames received", "cps", [(rate("kmd_ingest_frames_total", "type"), "{{type}}")], "By type of frame; other: what is of no known type."),
            ("Exchange to receipt", "s", [(p99("kmd_ingest_exchange_age_seconds"), "{{instance}} p99")], "The exchange's own stamp against our clock."),
            ("Silence", "s", [("kmd_ingest_silence_seconds{$by}", "{{instance}}")], "Of the connection that is silent longest; replaced at KMD_INGEST_STALE_AFTER."),
            ("Connections", "short", [("increase(kmd_ingest_connections_total{$by}[1h])", "{{instance}} opened in the last hour"), ("increase(kmd_ingest_stale_total{$by}[1h])", "{{instance}} replaced for silence")], "A few an hour are normal."),
        ]),
        ("Sequence and books", [
            ("Gaps", "short", [("sum by (channel) (increase(kmd_ingest_gaps_total{$by}[10m]))", "{{channel}} in 10 min")], "Jumps of seq within a subscription."),
            ("Books", "short", [("kmd_ingest_markets_expected{$by}", "{{instance}} expected"), ("kmd_ingest_markets_subscribed{$by}", "{{instance}} held")], "The two lines lie on each other."),
            ("Suspect books", "short", [("kmd_ingest_books_suspect{$by}", "{{instance}}")], "After a gap, until the snapshot comes."),
            ("Oddities", "cps", [(rate("kmd_ingest_repeated_seq_total", "instance"), "{{instance}} repeated seq"), (rate("kmd_ingest_unknown_sid_total", "instance"), "{{instance}} unknown sid")], "Kept and counted; they change nothing."),
        ]),
        ("To Kafka", [
            ("Acknowledged", "cps", [(rate("kmd_ingest_delivered_total", "topic"), "{{topic}}")], "As many as came in."),
            ("Received and not acknowledged", "bytes", [("kmd_ingest_queue_bytes{$by}", "{{instance}}")], "Grows when Kafka is slow; at its bound the socket waits or the spool opens."),
            ("Spool", "bytes", [("kmd_ingest_spool_bytes{$by}", "{{instance}} used"), ("kmd_ingest_spool_max_bytes{$by}", "{{instance}} may use")], "Zero but for an outage of Kafka."),
            ("Refused for good", "short", [("sum by (instance, reason) (increase(kmd_ingest_refused_total{$by}[1h]))", "{{instance}} {{reason}}")], "In feed_events, kind refused."),
            *KAFKA,
        ]),
    ]),
    "enricher": ("Kalshi market data: enricher", "kmd-enricher", [
        ("REST", [
            ("Answers", "cps", [(rate("kmd_enricher_requests_total", "code"), "{{code}}")], "By HTTP status; none: no answer at all."),
            ("Calls", "cps", [(rate("kmd_enricher_requests_total", "endpoint"), "{{endpoint}}")], "Together at most KMD_ENRICHER_RATE."),
            ("Under way", "short", [("kmd_enricher_in_flight{$by}", "{{instance}}")], "At most KMD_ENRICHER_MAX_IN_FLIGHT."),
            ("Clock", "s", [("kmd_enricher_clock_offset_seconds{$by}", "{{instance}}")], "The exchange's clock minus ours."),
        ]),
        ("Work", [
            ("Oldest settlement that waits", "s", [("kmd_enricher_settlement_wait_seconds{$by}", "{{instance}}")], "Seconds on a quiet day."),
            ("Pending", "short", [("kmd_enricher_pending{$by}", "{{instance}}")], "Settlements, windows, lookups and lists that wait for their call."),
            ("Open records", "short", [("kmd_enricher_open_records{$by}", "{{instance}}")], "Frames whose offsets cannot be committed yet."),
            ("Empty results", "cps", [(rate("kmd_enricher_empty_results_total", "instance"), "{{instance}}")], "Asked before there was a result; asked again."),
            ("Records published", "cps", [(rate("kmd_enricher_records_total", "topic"), "{{topic}}")], "trades: repaired ones; dlq: what could not be used."),
            ("Refused by Kafka", "short", [("sum by (instance, topic) (increase(kmd_enricher_refused_total{$by}[1h]))", "{{instance}} {{topic}}")], "Nothing is committed past such a record."),
        ]),
        ("Kafka", KAFKA),
    ]),
    "sink": ("Kalshi market data: sink", "kmd-sink", [
        ("Flow", [
            ("Rows", "cps", [(rate("kmd_sink_rows_total", "table"), "{{table}}")], "Committed."),
            ("Receipt to commit", "s", [(p99("kmd_sink_latency_seconds"), "{{instance}} p99")], "Of frames, by their recv_ns."),
            ("Lag", "short", [("sum by (topic) (kmd_sink_lag_messages{$by})", "{{topic}}")], "Records of assigned partitions that are not committed."),
            ("Time to write a batch", "s", [(p99("kmd_sink_batch_seconds"), "{{instance}} p99")], "Postgres, seen from here."),
            ("Held", "bytes", [("kmd_sink_held_bytes{$by}", "{{instance}}")], "Handed to writers and not committed; bounded."),
            ("Duplicates", "cps", [(rate("kmd_sink_duplicates_total", "table"), "{{table}}")], "Dropped by (lineage, n) or by the trade's key."),
        ]),
        ("Trouble", [
            ("Dead letters", "short", [("sum by (reason) (increase(kmd_sink_dead_letters_total{$by}[1h]))", "{{reason}} in the last hour")], "In kalshi.dead_letters, whole."),
            ("Retries", "cps", [(rate("kmd_sink_retries_total", "instance"), "{{instance}}")], "Transactions tried again after trouble with Postgres."),
            ("Fenced", "short", [("increase(kmd_sink_fenced_total{$by}[1h])", "{{instance}} in the last hour")], "Claims that another instance had taken over."),
            ("Expired before they were read", "short", [("sum by (topic) (increase(kmd_sink_expired_records_total{$by}[1h]))", "{{topic}}")], "Lost to Postgres by Kafka's retention. Zero."),
            ("Partitions of tables ahead", "s", [("kmd_sink_partitions_end_timestamp_seconds{$by} - time()", "{{instance}}")], "KMD_SINK_PARTITION_AHEAD days and what is left of today."),
            ("Stopped partitions of topics", "short", [("kmd_sink_stopped_partitions{$by}", "{{instance}}")], "They wait for --accept-topic."),
            ("Narrowed and deduplicated batches", "cps", [(rate("kmd_sink_narrowed_total", "instance"), "{{instance}} narrowed"), (rate("kmd_sink_deduplicated_batches_total", "instance"), "{{instance}} deduplicated")], "Slower ways of writing a batch."),
        ]),
        ("Kafka", KAFKA),
    ]),
}  # fmt: skip


def target(expression: str, legend: str, ref: str) -> dict[str, Any]:
    narrowed = expression.replace("$by", 'job=~"$job", instance=~"$instance"')
    return {"refId": ref, "datasource": SOURCE, "expr": narrowed, "legendFormat": legend, "editorMode": "code", "range": True}


def panel(number: int, spec: Panel, x: int, y: int) -> dict[str, Any]:
    title, unit, targets, description = spec
    return {
        "id": number,
        "type": "timeseries",
        "title": title,
        "description": description,
        "datasource": SOURCE,
        "gridPos": {"x": x, "y": y, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {
            "defaults": {"unit": unit, "min": 0 if unit != "s" else None, "custom": {"fillOpacity": 8, "showPoints": "never"}},
            "overrides": [],
        },
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}},
        "targets": [target(e, legend, chr(ord("A") + i)) for i, (e, legend) in enumerate(targets)],
    }


def layout(rows: list[tuple[str, list[Panel]]]) -> list[dict[str, Any]]:
    panels: list[dict[str, Any]] = []
    y = 0
    for title, specs in rows:
        panels.append({"id": len(panels) + 1, "type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": {"x": 0, "y": y, "w": 24, "h": 1}})
        y += 1
        for i, spec in enumerate(specs):
            panels.append(panel(len(panels) + 1, spec, i % 3 * WIDTH, y + i // 3 * HEIGHT))
        y += (len(specs) + 2) // 3 * HEIGHT
    return panels


def variable(name: str, query: str, regex: str = "") -> dict[str, Any]:
    return {
        "name": name,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "regex": regex,
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "current": {"text": "All", "value": "$__all"},
    }


def dashboard(name: str) -> dict[str, Any]:
    title, jobs, rows = DASHBOARDS[name]
    return {
        "uid": f"kmd-{name}",
        "title": title,
        "tags": ["kmd"],
        "schemaVersion": 39,
        "editable": False,
        "timezone": "utc",
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "links": [{"type": "dashboards", "tags": ["kmd"], "title": "kmd", "asDropdown": False, "keepTime": True}],
        "templating": {
            "list": [
                {"name": "datasource", "type": "datasource", "query": "prometheus", "current": {}},
                variable("job", "label_values(kmd_build_info, job)", f"/^{jobs}$/"),
                variable("instance", 'label_values(kmd_build_info{job=~"$job"}, instance)'),
            ]
        },
        "panels": layout(rows),
    }


def text(name: str) -> str:
    return json.dumps(dashboard(name), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    for name in DASHBOARDS:
        (HERE / "dashboards" / f"{name}.json").write_text(text(name))


if __name__ == "__main__":
    main()
