"""monitoring/: rules, alerts and dashboards against what the programs really expose."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import yaml
from component.test_settings import PROGRAMS, good, key, patient

from monitoring.scaled import scaled
from support import http
from support.paths import BUILD, PATIENCE, TOP
from support.services import StartService

__all__ = ["key"]

MONITORING = TOP / "monitoring"
RULES = MONITORING / "prometheus" / "kmd.rules.yaml"
NAME = re.compile(r"\bkmd[_:][a-z0-9_:]*[a-z0-9]")

PROMTOOL = BUILD / "prometheus" / "usr" / "bin" / "promtool"


def promtool(*arguments: str, text: str | None = None) -> None:
    done = subprocess.run([str(PROMTOOL), *arguments], input=text, capture_output=True, text=True, timeout=120 * PATIENCE, check=False)
    assert done.returncode == 0 and not done.stderr.strip(), f"promtool {' '.join(arguments)}:\n{done.stdout}{done.stderr}"


def rules() -> Iterator[dict[str, str]]:
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        yield from group["rules"]


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_dashboards", MONITORING / "grafana" / "make_dashboards.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def dashboard_expressions() -> list[str]:
    found = []
    for path in sorted((MONITORING / "grafana" / "dashboards").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            found += [t["expr"] for t in panel.get("targets", [])]
    assert len(found) > 40
    return [e.replace("$__rate_interval", "5m").replace("$job", ".*").replace("$instance", ".*") for e in found]


def test_alerts_fire_when_they_should_and_only_then() -> None:
    promtool("test", "rules", str(RULES.with_name("kmd.rules.test.yaml")))


def test_rules_in_fast_motion_are_rules(tmp_path: Path) -> None:
    """What tests/monitoring/alerts.py lives through."""
    made = scaled(yaml.safe_load(RULES.read_text()), 10)
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(made))
    promtool("check", "rules", str(tmp_path / "rules.yaml"))
    by_name = {r["alert"]: r for group in made["groups"] for r in group["rules"] if "alert" in r}
    assert by_name["KmdSettlementOverdue"]["expr"] == "kmd_enricher_settlement_wait_seconds > 180"
    assert "[60000ms]" in by_name["KmdFeedFrozen"]["expr"] and by_name["KmdFeedFrozen"]["for"] == "3000ms"


def test_every_alert_is_tested_both_ways() -> None:
    tests = yaml.safe_load(RULES.with_name("kmd.rules.test.yaml").read_text())["tests"]
    asked = [t for one in tests for t in one["alert_rule_test"]]
    for alert in [r["alert"] for r in rules() if "alert" in r]:
        expected = {bool(t.get("exp_alerts")) for t in asked if t["alertname"] == alert}
        assert expected == {True, False}, alert


def test_every_alert_has_its_runbook_entry() -> None:
    entries = re.findall(r"^## (Kmd\w+)$", (TOP / "docs" / "runbook.md").read_text(), re.MULTILINE)
    alerts = {r["alert"]: r for r in rules() if "alert" in r}
    assert sorted(entries) == sorted(alerts)
    for name, rule in alerts.items():
        assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{name.lower()}"  # type: ignore[index]


def test_dashboards_are_what_their_source_says_and_parse(tmp_path: Path) -> None:
    module = generator()
    written = {p.stem: p.read_text() for p in (MONITORING / "grafana" / "dashboards").glob("*.json")}
    assert written == {name: module.text(name) for name in module.DASHBOARDS}
    group = [{"record": f"x{i}", "expr": e} for i, e in enumerate(dashboard_expressions())]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "d", "rules": group}]}))
    promtool("check", "rules", "--lint=none", str(tmp_path / "rules.yaml"))


def test_dashboards_have_the_shape_that_grafana_reads() -> None:
    """No Grafana is here to load them: names that must be unique are, panels lie beside each other, variables that are used exist."""
    found = [json.loads(p.read_text()) for p in sorted((MONITORING / "grafana" / "dashboards").glob("*.json"))]
    assert len({d["uid"] for d in found}) == len({d["title"] for d in found}) == len(found) == 4
    for d in found:
        variables = {v["name"] for v in d["templating"]["list"]}
        used = set(re.findall(r"\$\{?(\w+)", json.dumps(d["panels"]) + json.dumps(d["templating"])))
        assert used - {"__rate_interval", "__all"} <= variables, d["uid"]
        assert len({p["id"] for p in d["panels"]}) == len(d["panels"])
        cells = set()
        for p in d["panels"]:
            at = p["gridPos"]
            own = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            assert own and not own & cells and all(x < 24 for x, _ in own), f"{d['uid']}: {p['title']}"
            cells |= own
            assert p["type"] == "row" or (p["targets"] and p["description"] and p["fieldConfig"]["defaults"]["unit"]), p["title"]
            assert len({t["refId"] for t in p.get("targets", [])}) == len(p.get("targets", []))


def test_what_the_programs_expose_is_well_named_and_all_that_is_asked_for(key: Path, service: StartService) -> None:
    """Before they have any server: all series are there from the start."""
    there = set()
    running = [service(name, good(name, key)) for name in PROGRAMS]
    for one in running:
        patient(one, "kafka")
        text = http.get(one.url("/metrics"))[1].decode()
        promtool("check", "metrics", text=text)
        helps = [line.split(" ", 3)[3] for line in text.splitlines() if line.startswith("# HELP")]
        assert [h for h in helps if not (h[0].isupper() and h.endswith("."))] == []
        there |= {re.split("[{ ]", line)[0] for line in text.splitlines() if line and line[0] != "#"}
    recorded = {r["record"] for r in rules() if "record" in r}
    asked = {n for e in [r["expr"] for r in rules()] + dashboard_expressions() for n in NAME.findall(e)}
    assert len(asked) > 40
    assert {n for n in asked if ":" in n} <= recorded
    assert {n for n in asked if ":" not in n} <= there
