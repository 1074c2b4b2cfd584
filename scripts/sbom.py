#!/usr/bin/env python3
"""
The bill of materials of the programs, CycloneDX 1.6 in JSON: each program with its hash, and every shared library that the
loader brings in for it, with the package, version and licence that dpkg knows. Who needs whom stands in `dependencies`.

    scripts/sbom.py FOLDER_OF_PROGRAMS OUTPUT
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import json
import os
import re
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

PROGRAMS = ("kmd-ingest", "kmd-enricher", "kmd-sink")
# Debian's short names of licences where SPDX has another one.
SPDX = {
    "BSD-2-clause": "BSD-2-Clause", "BSD-3-clause": "BSD-3-Clause", "Expat": "MIT", "Apache-2.0": "Apache-2.0", "curl": "curl",
    "PostgreSQL": "PostgreSQL", "Zlib": "Zlib", "ISC": "ISC", "GPL-2+": "GPL-2.0-or-later", "GPL-3+": "GPL-3.0-or-later",
    "LGPL-2.1+": "LGPL-2.1-or-later", "LGPL-3+": "LGPL-3.0-or-later", "OpenLDAP-2.8": "OLDAP-2.8",
}  # fmt: skip


def output(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else ""


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def needed(path: Path) -> list[str]:
    """Names of the libraries that the file itself asks for."""
    return re.findall(r"\(NEEDED\).*\[(.*)\]", output("readelf", "-dW", str(path)))


def loaded(program: Path) -> dict[str, Path]:
    """name -> file of everything that the loader brings in."""
    return {name: Path(path) for name, path in re.findall(r"^\s*(\S+) => (/\S+)", output("ldd", str(program)), re.MULTILINE)}


@functools.cache
def package_of(path: Path) -> dict[str, str]:
    """package, version, arch, source of the file; {} where dpkg has none."""
    real = str(path.resolve())
    # With a merged /usr dpkg may know either spelling.
    for spelling in (real, real.removeprefix("/usr"), f"/usr{real}"):
        owner = output("dpkg-query", "-S", spelling).partition(": ")[0]
        if owner:
            form = "${binary:Package}\t${Version}\t${Architecture}\t${source:Package}"
            fields = output("dpkg-query", "-W", f"-f={form}", owner).split("\t")
            return dict(zip(("package", "version", "arch", "source"), fields, strict=True))
    return {}


def licences(package: str) -> list[str]:
    """What the package's copyright file says of its files as a whole, else of all its parts."""
    try:
        text = Path(f"/usr/share/doc/{package.partition(':')[0]}/copyright").read_text("utf-8", "replace")
    except OSError:
        return []
    whole = re.search(r"^Files: \*\n(?:.*\n)*?License: *(.+)$", text, re.MULTILINE)
    names = [whole.group(1)] if whole else re.findall(r"^License: *(.+)$", text, re.MULTILINE)
    if not names:
        names = sorted(set(re.findall(r"common-licenses/((?:L?GPL|Apache)[\w.-]*\w)", text)))
    return list(dict.fromkeys(name.strip() for name in names))


def licence_entry(name: str) -> dict[str, Any]:
    return {"license": {"id": SPDX[name]} if name in SPDX else {"name": name}}


def distribution() -> tuple[str, str]:
    values = dict(re.findall(r'^(\w+)="?([^"\n]*)', Path("/etc/os-release").read_text(), re.MULTILINE))
    return values.get("ID", "linux"), values.get("VERSION_ID", "")


def library(name: str, path: Path) -> dict[str, Any]:
    """One component. Its name is the library's, which is what a program asks for; the package stands in the purl."""
    own = package_of(path)
    component: dict[str, Any] = {"type": "library", "bom-ref": name, "name": name,
        "hashes": [{"alg": "SHA-256", "content": sha256(path)}]}  # fmt: skip
    if own:
        distro, release = distribution()
        bare = own["package"].partition(":")[0]
        component["version"] = own["version"]
        component["purl"] = f"pkg:deb/{distro}/{bare}@{own['version'].replace(':', '%3A').replace('+', '%2B')}?arch={own['arch']}&distro={distro}-{release}"
        component["properties"] = [{"name": "kmd:package", "value": bare}, {"name": "kmd:source", "value": own["source"]}]
        component["licenses"] = [licence_entry(one) for one in licences(own["package"])]
    return component


def program_entry(path: Path) -> dict[str, Any]:
    return {"type": "application", "bom-ref": path.name, "name": path.name, "version": output(str(path), "--version").split()[-1],
        "hashes": [{"alg": "SHA-256", "content": sha256(path)}], "licenses": [licence_entry("Apache-2.0")]}  # fmt: skip


def time_of_making() -> str:
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    now = datetime.datetime.fromtimestamp(int(epoch), datetime.UTC) if epoch else datetime.datetime.now(datetime.UTC)
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


def bill(folder: Path) -> dict[str, Any]:
    programs = [program_entry(folder / name) for name in PROGRAMS]
    files = {name: path for program in PROGRAMS for name, path in loaded(folder / program).items()}
    depends = {name: needed(path) for name, path in [(p, folder / p) for p in PROGRAMS] + sorted(files.items())}
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        # The same programs have the same number.
        "serialNumber": uuid.uuid5(uuid.NAMESPACE_OID, "".join(p["hashes"][0]["content"] for p in programs)).urn,
        "version": 1,
        "metadata": {
            "timestamp": time_of_making(),
            "component": {"type": "application", "bom-ref": "kmd", "name": "kmd", "version": programs[0]["version"],
                "licenses": [licence_entry("Apache-2.0")]},
        },
        "components": programs + [library(name, path) for name, path in sorted(files.items())],
        "dependencies": [{"ref": "kmd", "dependsOn": list(PROGRAMS)}]
        + [{"ref": ref, "dependsOn": sorted({n for n in names if n in files})} for ref, names in depends.items()],
    }  # fmt: skip


def main() -> int:
    if len(sys.argv) != 3:
        print("usage: scripts/sbom.py FOLDER_OF_PROGRAMS OUTPUT", file=sys.stderr)
        return 64
    made = bill(Path(sys.argv[1]))
    Path(sys.argv[2]).write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    print(f"{sys.argv[2]}: {len(PROGRAMS)} programs, {len(made['components']) - len(PROGRAMS)} libraries")
    return 0


if __name__ == "__main__":
    sys.exit(main())
