"""The topics, and the tables that hold a row for each record that is one."""

from __future__ import annotations

FRAME_TOPICS = ("trades", "orderbook", "tickers", "lifecycle", "control", "other")
KEPT_TOPICS = (*FRAME_TOPICS, "feed", "settlements", "dlq")
COMPACTED_TOPICS = ("markets", "events", "series")
TOPICS = (*KEPT_TOPICS, *COMPACTED_TOPICS)
TABLES = {
    "trades": ("trades",),
    "orderbook": ("orderbook_snapshots", "orderbook_deltas"),
    "tickers": ("tickers",),
    "lifecycle": ("lifecycle_events",),
    "control": ("control_frames",),
    "other": ("other_frames",),
    "feed": ("feed_events",),
    "settlements": ("settlement_revisions",),
    "dlq": (),
}
