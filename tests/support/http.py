"""A few lines over urllib: one request, its status and body."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any


def request(method: str, url: str, body: Any = None, timeout: float = 10.0) -> tuple[int, bytes]:
    """Status and body; OSError when nobody answers. @body goes as JSON."""
    data = json.dumps(body).encode() if body is not None else None
    call = urllib.request.Request(url, data=data, method=method)
    if data is not None:
        call.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(call, timeout=timeout) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read()


def get(url: str, timeout: float = 10.0) -> tuple[int, bytes]:
    return request("GET", url, timeout=timeout)
