"""The rules of monitoring/prometheus in fast motion: every time in them divided by one factor. Pure."""

from __future__ import annotations

import copy
import re
from typing import Any

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
DURATION = re.compile(r"(\d+)([smhd])")
# Ages that grow with time while something is wrong. Other thresholds (counts, latencies, clocks) stay as they are.
AGES = {"kmd_ingest_silence_seconds > 330": 330, "kmd_enricher_settlement_wait_seconds > 1800": 1800}


def shorter(duration: str, by: float) -> str:
    number, unit = DURATION.fullmatch(duration).groups()  # type: ignore[union-attr]
    return f"{max(1, round(int(number) * UNITS[unit] * 1000 / by))}ms"


def expression(text: str, by: float) -> str:
    for age, seconds in AGES.items():
        text = text.replace(age, f"{age.rpartition(' ')[0]} {seconds / by:g}")
    return re.sub(r"\[(\w+)\]", lambda found: f"[{shorter(found[1], by)}]", text)


def scaled(rules: dict[str, Any], by: float) -> dict[str, Any]:
    """`for:`, the windows of expressions and the thresholds of AGES divided by @by; groups evaluated at Prometheus's own interval."""
    made = copy.deepcopy(rules)
    for group in made["groups"]:
        group.pop("interval", None)
        for rule in group["rules"]:
            rule["expr"] = expression(rule["expr"], by)
            if "for" in rule:
                rule["for"] = shorter(rule["for"], by)
    texts = "".join(rule["expr"] for group in rules["groups"] for rule in group["rules"])
    assert all(age in texts for age in AGES), "a threshold has another number now"
    return made
