"""Faults on demand. Pure state: what the sockets and the REST side ask before they act."""

from dataclasses import dataclass, field
from random import Random
from typing import Any

from kmd_sim.auth import BODIES, Verdict

HANDSHAKE_BODIES = {
    401: b'{"code":"token_authentication_failure"}',
    403: b'{"error":{"code":"forbidden","message":"forbidden"}}',
    429: b'{"error":"too many requests"}',
    502: b"<html><body><h1>502 Bad Gateway</h1></body></html>",
    503: b'{"error":{"code":"service_unavailable","message":"service unavailable"}}',
}
REST_BODIES = {
    401: BODIES[Verdict.BAD_SIGNATURE],
    403: b'{"error":{"code":"forbidden","message":"forbidden"}}',
    404: b'{"error":{"code":"not_found","message":"not found"}}',
    429: b'{"error":"too many requests"}',
    500: b'{"error":{"code":"internal_server_error","message":"internal server error"}}',
    503: b'{"code":"service_unavailable","message":"service unavailable","details":""}',
    504: b'{"msg":"upstream request timeout"}',
}
REST_MODES = ("status", "garbage", "truncated", "slow", "timeout", "reset", "empty")


@dataclass(slots=True)
class RestFault:
    mode: str = "status"
    endpoint: str = "*"
    market: str | None = None
    status: int = 500
    count: int | None = None
    share: float = 1.0
    delay_s: float = 1.0
    body: str | None = None
    hits: int = 0

    def matches(self, endpoint: str, market: str | None) -> bool:
        return self.endpoint in ("*", endpoint) and (self.market is None or self.market == market)


@dataclass(slots=True)
class HandshakeFault:
    status: int
    count: int
    body: bytes


@dataclass(slots=True)
class Faults:
    rng: Random
    skew_s: float = 0.0
    pings: bool = True
    handshake: list[HandshakeFault] = field(default_factory=list)
    rest: list[RestFault] = field(default_factory=list)
    denied: set[str] = field(default_factory=set)

    def next_handshake(self) -> HandshakeFault | None:
        while self.handshake and self.handshake[0].count <= 0:
            self.handshake.pop(0)
        if not self.handshake:
            return None
        self.handshake[0].count -= 1
        return self.handshake[0]

    def next_rest(self, endpoint: str, market: str | None) -> RestFault | None:
        for fault in self.rest:
            if not fault.matches(endpoint, market) or fault.count == 0:
                continue
            if fault.share < 1.0 and self.rng.random() >= fault.share:
                continue
            if fault.count is not None:
                fault.count -= 1
            fault.hits += 1
            return fault
        return None

    def add_handshake(self, spec: dict[str, Any]) -> None:
        status = int(spec.get("status", 502))
        body = spec.get("body")
        self.handshake.append(
            HandshakeFault(
                status, int(spec.get("count", 1)), body.encode() if body else HANDSHAKE_BODIES.get(status, b"{}")
            )
        )

    def add_rest(self, spec: dict[str, Any]) -> None:
        """ValueError for what is not known."""
        names = set(RestFault.__dataclass_fields__) - {"hits"}
        unknown = set(spec) - names
        if unknown:
            raise ValueError(f"unknown members {sorted(unknown)}")
        fault = RestFault(**spec)
        if fault.mode not in REST_MODES:
            raise ValueError(f"unknown mode {fault.mode!r}")
        if fault.count is None and fault.share >= 1.0 and "share" not in spec:
            fault.count = 1
        self.rest.append(fault)

    def clear(self) -> None:
        self.handshake.clear()
        self.rest.clear()
        self.denied.clear()
        self.skew_s = 0.0
        self.pings = True
