"""Puts the parts on one port and runs them until told to stop."""

import asyncio
import signal
import ssl
import sys
import weakref

import orjson
from aiohttp import WSCloseCode, web

from kmd_sim import auth
from kmd_sim.actions import set_fault
from kmd_sim.bucket import Bucket
from kmd_sim.control import Control
from kmd_sim.exchange import Exchange
from kmd_sim.recorded import Recorded
from kmd_sim.replay import Replay
from kmd_sim.rest import Rest, handle_rest
from kmd_sim.settings import Settings
from kmd_sim.ws import WS_PATH, handle_ws

TICK_S = 0.01


def make_app(settings: Settings, exchange: Exchange) -> web.Application:
    app = web.Application(client_max_size=64 << 20)
    app["exchange"] = exchange
    keys = {key_id: auth.load_public_key(path.read_bytes()) for key_id, path in settings.keys}
    app["verifier"] = auth.Verifier(keys, settings.auth_window_s) if keys else None
    app["bucket"] = Bucket(settings.rest_rate, exchange.now_us())
    app["rest"] = Rest(exchange)
    app["recorded"] = Recorded(settings.rest_dir, settings.bodies)
    app["replay"] = (
        Replay(exchange, settings.replay, settings.renumber, settings.replay_rate) if settings.replay else None
    )
    app["sockets"] = weakref.WeakSet()
    app.router.add_get(WS_PATH, handle_ws)
    app.router.add_get("/trade-api/v2/{tail:.*}", handle_rest)
    app.router.add_routes(Control(exchange).routes())
    return app


def plan_faults(settings: Settings, exchange: Exchange) -> None:
    """--fault: each at its at_s after the start, or now."""
    loop = asyncio.get_running_loop()
    for raw in settings.faults:
        spec = orjson.loads(raw)
        loop.call_later(float(spec.get("at_s", 0)), set_fault, exchange, spec)


def announce(settings: Settings, port: int) -> None:
    tls = "s" if settings.cert else ""
    base = f"{settings.host}:{port}"
    line = {
        "port": port,
        "ws_url": f"ws{tls}://{base}{WS_PATH}",
        "rest_url": f"http{tls}://{base}/trade-api/v2",
        "sim_url": f"http{tls}://{base}/sim",
    }
    if settings.port_file:
        part = settings.port_file.with_name(settings.port_file.name + ".part")
        part.write_bytes(orjson.dumps(line) + b"\n")
        part.replace(settings.port_file)
    sys.stdout.write(orjson.dumps(line).decode() + "\n")
    sys.stdout.flush()


async def turn_forever(app: web.Application, stop: asyncio.Event, duration_s: float | None) -> None:
    loop = asyncio.get_running_loop()
    exchange: Exchange = app["exchange"]
    replay: Replay | None = app["replay"]
    end = None if duration_s is None else loop.time() + duration_s
    while not stop.is_set() and (end is None or loop.time() < end):
        began = loop.time()
        if replay is not None:
            replay.turn()
        exchange.tick()
        await asyncio.sleep(max(0.001, began + TICK_S - loop.time()))


async def close_sockets(app: web.Application) -> None:
    closing = [ws.close(code=WSCloseCode.GOING_AWAY, message=b"going away") for ws in list(app["sockets"])]
    if closing:
        await asyncio.wait([asyncio.ensure_future(c) for c in closing], timeout=1.0)


async def serve(settings: Settings) -> None:
    exchange = Exchange(settings)
    app = make_app(settings, exchange)
    context = None
    if settings.cert:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(settings.cert, settings.key)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, settings.host, settings.port, ssl_context=context, backlog=1024)
    await site.start()
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    announce(settings, runner.addresses[0][1])
    plan_faults(settings, exchange)
    try:
        await turn_forever(app, stop, settings.duration_s)
    finally:
        await close_sockets(app)
        await runner.cleanup()
        exchange.ledger.close()
