"""A Prometheus as a child: scrapes what it is told to, with rules; asked by its API."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from support import http
from support.paths import BUILD
from support.ports import free_port
from support.process import Failure, Process, wait_until

BIN = BUILD / "prometheus" / "usr" / "bin" / "prometheus"


class Prometheus:
    def __init__(self, folder: Path, targets: Mapping[str, str], rules: Mapping[str, Any], every: str = "1s") -> None:
        """@targets: job -> host:port. @every: time between two scrapes, and between two evaluations."""
        folder.mkdir(parents=True)
        self.port = free_port()
        jobs = [{"job_name": job, "static_configs": [{"targets": [target]}]} for job, target in targets.items()]
        times = {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every}
        (folder / "rules.yaml").write_text(yaml.safe_dump(dict(rules), sort_keys=False))
        (folder / "prometheus.yaml").write_text(yaml.safe_dump({"global": times, "rule_files": ["rules.yaml"], "scrape_configs": jobs}))
        argv = [str(BIN), f"--config.file={folder}/prometheus.yaml", f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{self.port}"]
        self.process = Process(argv, folder / "prometheus.log")

    def start(self) -> Prometheus:
        self.process.start()

        def ready() -> bool:
            if not self.process.alive():
                raise Failure(f"prometheus ended with {self.process.exit_code}\n{self.process.tail()}")
            try:
                return http.get(f"http://127.0.0.1:{self.port}/-/ready")[0] == 200
            except OSError:
                return False

        wait_until("Prometheus is ready", ready)
        return self

    def ask(self, what: str, **parameters: str) -> Any:
        """`data` of the answer of /api/v1/@what."""
        query = f"?{urllib.parse.urlencode(parameters)}" if parameters else ""
        status, body = http.get(f"http://127.0.0.1:{self.port}/api/v1/{what}{query}")
        if status != 200:
            raise Failure(f"prometheus answers {status} to {what}{query}: {body.decode('utf-8', 'replace')[:300]}")
        return json.loads(body)["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series that it gives now."""
        return list(self.ask("query", query=expression)["result"])

    def names(self) -> set[str]:
        """Of all metrics that it has."""
        return set(self.ask("label/__name__/values"))

    def firing(self) -> list[dict[str, str]]:
        """The labels of each alert that fires now."""
        return [dict(a["labels"]) for a in self.ask("alerts")["alerts"] if a["state"] == "firing"]

    def pending(self) -> list[dict[str, str]]:
        return [dict(a["labels"]) for a in self.ask("alerts")["alerts"] if a["state"] == "pending"]

    def sick_rules(self) -> list[str]:
        """Names of rules that could not be evaluated."""
        return [f"{r['name']}: {r.get('lastError')}" for g in self.ask("rules")["groups"] for r in g["rules"] if r["health"] != "ok"]
