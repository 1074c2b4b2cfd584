"""Schemas for kubeconform from what a live API server says of its kinds (/openapi/v2), those of CRDs included: strict, so that a misspelt
name is an error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TEMPLATE = "{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json"
# What the document calls a string although numbers are taken too.
EITHER = {"oneOf": [{"type": "string"}, {"type": "number"}]}


def strict(node: Any) -> Any:
    """A schema in which an object has the members it names and no others."""
    if isinstance(node, list):
        return [strict(one) for one in node]
    if not isinstance(node, dict):
        return node
    if node.get("format") == "int-or-string" or node.get("x-kubernetes-int-or-string"):
        return EITHER
    made = {name: strict(value) for name, value in node.items()}
    if "properties" in node and not node.get("x-kubernetes-preserve-unknown-fields"):
        made.setdefault("additionalProperties", False)
    return made


def write(openapi: dict[str, Any], folder: Path) -> int:
    """A file a kind, each whole in itself; how many."""
    definitions = {name: strict(one) for name, one in openapi["definitions"].items()}
    definitions = {name: EITHER if name.endswith("api.resource.Quantity") else one for name, one in definitions.items()}
    count = 0
    for name, one in openapi["definitions"].items():
        kinds = one.get("x-kubernetes-group-version-kind", [])
        for kind in kinds if len(kinds) == 1 else []:
            path = folder / (kind["group"] or kind["version"]) / f"{kind['kind'].lower()}_{kind['version']}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"definitions": reachable(definitions, name), "$ref": f"#/definitions/{name}"}))
            count += 1
    return count


def reachable(definitions: dict[str, Any], start: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    left = [start]
    while left:
        name = left.pop()
        if name not in found:
            found[name] = definitions[name]
            left += references(definitions[name])
    return found


def references(node: Any) -> list[str]:
    if isinstance(node, list):
        return [name for one in node for name in references(one)]
    if not isinstance(node, dict):
        return []
    own = [node["$ref"].rpartition("/")[2]] if isinstance(node.get("$ref"), str) else []
    return own + [name for one in node.values() for name in references(one)]
