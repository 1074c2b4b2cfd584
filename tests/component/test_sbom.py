"""The bill of materials: valid by CycloneDX's own schema, and true of the programs it speaks of."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from support.paths import BIN, TOP, program
from support.process import run

PROGRAMS = ("kmd-ingest", "kmd-enricher", "kmd-sink")


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("sbom") / "sbom.json"
    run([str(TOP / "scripts" / "sbom.py"), str(BIN), str(path)], timeout=120)
    return path.read_text()


def test_it_is_what_the_schema_says(text: str) -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None


def test_it_is_true(text: str) -> None:
    bill = json.loads(text)
    components: dict[str, Any] = {one["bom-ref"]: one for one in bill["components"]}
    depends = {one["ref"]: one["dependsOn"] for one in bill["dependencies"]}
    for name in PROGRAMS:
        path = Path(program(name))
        assert components[name]["hashes"] == [{"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}]
        assert components[name]["version"] == run([str(path), "--version"]).stdout.split()[1]
        needed = re.findall(r"\(NEEDED\).*\[(.*)\]", run(["readelf", "-dW", str(path)]).stdout)
        assert needed and set(depends[name]) == set(needed) - {"ld-linux-x86-64.so.2"}
    rdkafka = next(one for name, one in components.items() if name.startswith("librdkafka"))
    assert rdkafka["hashes"]
    if Path("/var/lib/dpkg/status").exists():
        assert re.match(r"\d+\.\d+", rdkafka["version"]) and rdkafka["licenses"] == [{"license": {"id": "BSD-2-Clause"}}]
        assert rdkafka["purl"].startswith("pkg:deb/")
