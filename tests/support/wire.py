"""A client of the exchange for tests: signed dials and calls. It shares nothing with the programs under test."""

from __future__ import annotations

import asyncio
import base64
import ssl
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from support.paths import PATIENCE
from support.sim import KEY_ID, Sim

WS_PATH = "/trade-api/ws/v2"
REST_PATH = "/trade-api/v2"


class Caller:
    """Signs as a client does."""

    def __init__(self, private: Path, key_id: str = KEY_ID) -> None:
        self.key = serialization.load_pem_private_key(private.read_bytes(), None)
        self.key_id = key_id

    def headers(self, path: str, skew_s: float = 0.0, salt: int = 32) -> dict[str, str]:
        stamp = str(int((time.time() + skew_s) * 1000))
        message = f"{stamp}GET{path}".encode()
        if isinstance(self.key, rsa.RSAPrivateKey):
            raw = self.key.sign(message, padding.PSS(padding.MGF1(hashes.SHA256()), salt), hashes.SHA256())
        else:
            raw = self.key.sign(message)  # type: ignore[union-attr,call-arg]
        return {
            "KALSHI-ACCESS-KEY": self.key_id,
            "KALSHI-ACCESS-TIMESTAMP": stamp,
            "KALSHI-ACCESS-SIGNATURE": base64.b64encode(raw).decode(),
        }


class Wire:
    """One WebSocket connection; what came is in `frames`, byte for byte."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.frames: list[bytes] = []
        self.pings: list[bytes] = []
        self.closed = asyncio.Event()
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for message in self.ws:
            if message.type is aiohttp.WSMsgType.PING:
                self.pings.append(message.data)
                await self.ws.pong(message.data)
            elif message.type is aiohttp.WSMsgType.TEXT:
                self.frames.append(message.data.encode())
            elif message.type is aiohttp.WSMsgType.BINARY:
                self.frames.append(message.data)
        self.closed.set()

    async def say(self, cmd: str, id_: int, **params: Any) -> None:
        await self.ws.send_str(orjson.dumps({"id": id_, "cmd": cmd, "params": params}).decode())

    async def subscribe(self, *channels: str, id_: int = 1, **params: Any) -> list[dict[str, Any]]:
        """The `subscribed` replies, once all are there."""
        await self.say("subscribe", id_, channels=list(channels), **params)
        return await until(
            lambda: len(found := [f for f in self.of("subscribed") if f["id"] == id_]) == len(channels) and found
        )

    def parsed(self) -> list[dict[str, Any]]:
        """Those that are JSON objects."""
        return [orjson.loads(f) for f in self.frames if f.startswith(b"{")]

    def of(self, *types: str) -> list[dict[str, Any]]:
        return [f for f in self.parsed() if f.get("type") in types]

    def seqs(self, sid: int) -> list[int]:
        return [f["seq"] for f in self.parsed() if f.get("sid") == sid and "seq" in f]


class Client:
    def __init__(self, sim: Sim, caller: Caller | None = None) -> None:
        self.sim = sim
        self.caller = caller or Caller(sim.key.private)
        self.http: aiohttp.ClientSession

    async def get(self, path: str, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        if headers is None:
            headers = self.caller.headers(REST_PATH + path.partition("?")[0])
        async with self.http.get(self.sim.rest_url + path, headers=headers) as r:
            return r.status, orjson.loads(await r.read())

    async def pages(self, path: str, member: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            status, body = await self.get(path + (f"&cursor={cursor}" if cursor else ""))
            assert status == 200, body
            found += body[member]
            cursor = body["cursor"]
            if not cursor:
                return found

    async def dial(self, headers: dict[str, str] | None = None) -> Wire:
        return Wire(
            await self.http.ws_connect(
                self.sim.ws_url,
                headers=self.caller.headers(WS_PATH) if headers is None else headers,
                max_msg_size=0,
                autoping=False,
                ssl=self._ssl(),
            )
        )

    def _ssl(self) -> Any:
        return ssl.create_default_context(cafile=str(self.sim.tls.ca)) if self.sim.tls else True


async def until(ready: Callable[[], Any], seconds: float = 10.0) -> Any:
    """What `ready` gives, once it is true."""
    deadline = time.monotonic() + seconds * PATIENCE
    while time.monotonic() < deadline:
        value = ready()
        if value:
            return value
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come")


def run(client: Client, body: Callable[[Client], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with aiohttp.ClientSession() as client.http:
            await body(client)

    asyncio.run(asyncio.wait_for(whole(), 60 * PATIENCE))
