"""The command line. Exit codes: 0 stopped cleanly, 64 bad usage, 78 bad settings."""

import argparse
import asyncio
import dataclasses
import re
import sys
from pathlib import Path
from typing import Any, NoReturn

import orjson

from kmd_sim import VERSION, auth
from kmd_sim.actions import FAULTS
from kmd_sim.settings import Settings

EX_USAGE = 64
EX_CONFIG = 78
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "": 1.0}


class SettingsError(Exception):
    """One line for stderr; exit 78."""


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"{self.prog}: {message} (see --help)\n")
        sys.exit(EX_USAGE)


def duration(raw: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|)", raw)
    if match is None:
        raise argparse.ArgumentTypeError(f"not a duration: {raw!r}")
    return float(match[1]) * UNITS[match[2]]


def address(raw: str) -> tuple[str, int]:
    host, sep, port = raw.rpartition(":")
    if not sep or not port.isdecimal() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"not HOST:PORT: {raw!r}")
    return host.strip("[]"), int(port)


def number(raw: str) -> float:
    value = float(raw)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"not a number of at least 0: {raw!r}")
    return value


def whole(raw: str) -> int:
    if not raw.isdecimal():
        raise argparse.ArgumentTypeError(f"not a whole number: {raw!r}")
    return int(raw)


def make_parser() -> Parser:
    d = Settings()
    p = Parser(prog="kmd-sim", description="An exchange for development and tests, on loopback: WebSocket and REST.")
    p.add_argument("--version", action="version", version=f"kmd-sim {VERSION}")
    p.add_argument("--check", action="store_true", help="validate the settings and stop")
    p.add_argument("--print", action="store_true", help="print the effective settings and stop")

    g = p.add_argument_group("server")
    g.add_argument(
        "--listen", type=address, default=("127.0.0.1", 0), metavar="HOST:PORT", help="port 0: a free one (default)"
    )
    g.add_argument("--port-file", type=Path, metavar="FILE", help="also write the line of readiness here")
    g.add_argument("--cert", type=Path, metavar="PEM", help="TLS certificate chain")
    g.add_argument("--key", type=Path, metavar="PEM", help="TLS key")
    g.add_argument("--duration", type=duration, metavar="TIME", help="stop after so long")

    g = p.add_argument_group("world")
    g.add_argument("--seed", type=int, default=d.seed)
    g.add_argument(
        "--markets",
        type=whole,
        default=d.markets,
        metavar="N",
        help="live markets apart from combinations (%(default)s)",
    )
    g.add_argument(
        "--mve", type=whole, metavar="N", help="live combination markets, KXMVE* (default: a tenth of --markets)"
    )
    g.add_argument(
        "--history",
        type=whole,
        default=d.history,
        metavar="N",
        help="markets settled before the start, half of them archived (%(default)s)",
    )
    g.add_argument(
        "--rate",
        type=number,
        default=d.rate,
        metavar="N",
        help="frames a second in all, as one full subscriber sees them (%(default)s)",
    )
    g.add_argument(
        "--determinations-per-minute",
        type=number,
        metavar="N",
        help=f"markets that end ({d.determinations_per_minute})",
    )
    g.add_argument(
        "--determinations",
        type=whole,
        metavar="N",
        help="at most so many in all; with --duration alone spread over its first 70 %%",
    )
    g.add_argument(
        "--churn",
        type=number,
        default=d.churn_per_minute,
        metavar="N",
        help="other lifecycle changes a minute (%(default)s)",
    )
    g.add_argument(
        "--time-scale", type=number, default=d.time_scale, metavar="X", help="lives run X times as fast (%(default)s)"
    )
    g.add_argument(
        "--redetermine-share",
        type=number,
        default=d.redetermine_share,
        metavar="P",
        help="determined twice (%(default)s)",
    )
    g.add_argument("--paused", action="store_true", help="begin paused (POST /sim/resume)")

    g = p.add_argument_group("keys")
    g.add_argument("--key-id", action="append", default=[], metavar="ID", help="repeatable, in pairs with --public-key")
    g.add_argument("--public-key", action="append", default=[], type=Path, metavar="PEM", help="RSA or Ed25519")
    g.add_argument(
        "--require-auth", action=argparse.BooleanOptionalAction, default=True, help="refuse and count unsigned calls"
    )
    g.add_argument(
        "--auth-window",
        type=duration,
        default=d.auth_window_s,
        metavar="TIME",
        help="timestamps off by more expire (5s)",
    )

    g = p.add_argument_group("REST")
    g.add_argument(
        "--rest-rate",
        type=number,
        default=d.rest_rate,
        metavar="N",
        help="requests a second before 429, 0 no limit (%(default)s)",
    )
    g.add_argument(
        "--rest-lag",
        type=duration,
        default=d.rest_lag_s,
        metavar="TIME",
        help="about how long REST lacks a result (1.5s)",
    )
    g.add_argument(
        "--created-404",
        type=duration,
        default=d.created_404_s,
        metavar="TIME",
        help="404 for so long after created (500ms)",
    )
    g.add_argument(
        "--trades-lag", type=duration, default=d.trades_lag_s, metavar="TIME", help="REST trades appear so late (0s)"
    )
    g.add_argument(
        "--archive-after", type=duration, metavar="TIME", help="settled markets move to the historical tier (60d)"
    )
    g.add_argument(
        "--rest-dir", type=Path, metavar="DIR", help="serve DIR/markets/T.json verbatim for .../markets/T, and so on"
    )
    g.add_argument(
        "--body",
        action="append",
        default=[],
        metavar="PATH=FILE[@STATUS]",
        help="serve FILE verbatim at PATH; repeatable",
    )

    g = p.add_argument_group("WebSocket")
    g.add_argument(
        "--max-markets-per-sub",
        type=whole,
        default=d.max_markets_per_sub,
        metavar="N",
        help="beyond: error 26 (%(default)s)",
    )
    g.add_argument(
        "--max-commands-per-s",
        type=whole,
        default=d.max_commands_per_s,
        metavar="N",
        help="per subscription, beyond: error 27 (%(default)s)",
    )
    g.add_argument(
        "--reply-jitter-ms",
        type=number,
        default=d.reply_jitter_ms,
        metavar="MS",
        help="commands are handled in any order within so long (%(default)s)",
    )
    g.add_argument(
        "--send-buffer",
        type=whole,
        default=d.send_buffer_bytes,
        metavar="BYTES",
        help="unread bytes before error 25 (64 MiB)",
    )
    g.add_argument("--ping-every", type=duration, default=d.ping_every_s, metavar="TIME", help="(10s)")

    g = p.add_argument_group("ledger, replay, faults")
    g.add_argument(
        "--ledger",
        type=Path,
        metavar="FILE",
        help="every frame sent, JSON lines (without it the last --keep-frames in memory)",
    )
    g.add_argument("--keep-frames", type=whole, default=d.keep_frames, metavar="N")
    g.add_argument("--keep-trades", type=whole, default=d.keep_trades, metavar="N")
    g.add_argument(
        "--replay", type=Path, metavar="FILE", help="recorded frames, one a line, sent as they are on their channel"
    )
    g.add_argument("--renumber", action="store_true", help="replay under live sids and seqs")
    g.add_argument(
        "--replay-rate", type=number, default=d.replay_rate, metavar="N", help="frames a second (%(default)s)"
    )
    g.add_argument(
        "--fault", action="append", default=[], metavar="JSON", help='as POST /sim/fault, with "at_s"; repeatable'
    )
    return p


def settings_of(a: argparse.Namespace) -> Settings:
    """SettingsError for what does not fit together or cannot be read."""
    if len(a.key_id) != len(a.public_key):
        raise SettingsError("--key-id and --public-key must come in pairs")
    if a.require_auth and not a.key_id:
        raise SettingsError("no --key-id and --public-key given (or --no-require-auth)")
    if (a.cert is None) != (a.key is None):
        raise SettingsError("--cert and --key must be given together")
    if a.time_scale <= 0:
        raise SettingsError("--time-scale must be above 0")
    if a.markets == 0 and a.mve:
        raise SettingsError("--mve needs --markets")
    per_minute = a.determinations_per_minute
    if per_minute is None:
        per_minute = Settings().determinations_per_minute
        if a.determinations is not None and a.duration:
            per_minute = a.determinations / (a.duration * 0.7) * 60
    return Settings(
        host=a.listen[0], port=a.listen[1], port_file=a.port_file, cert=a.cert, key=a.key, rate=a.rate,
        markets=a.markets, mve=a.mve if a.mve is not None else (a.markets + 9) // 10, history=a.history, seed=a.seed,
        determinations_per_minute=per_minute, determinations=a.determinations, churn_per_minute=a.churn,
        time_scale=a.time_scale, redetermine_share=a.redetermine_share, duration_s=a.duration, start_paused=a.paused,
        keys=tuple(zip(a.key_id, a.public_key, strict=True)), require_auth=a.require_auth,
        auth_window_s=a.auth_window, rest_rate=a.rest_rate, rest_lag_s=a.rest_lag, created_404_s=a.created_404,
        trades_lag_s=a.trades_lag, archive_after_s=a.archive_after, max_markets_per_sub=a.max_markets_per_sub,
        max_commands_per_s=a.max_commands_per_s, reply_jitter_ms=a.reply_jitter_ms, send_buffer_bytes=a.send_buffer,
        ping_every_s=a.ping_every, ledger=a.ledger, keep_frames=a.keep_frames, keep_trades=a.keep_trades,
        replay=a.replay, renumber=a.renumber, replay_rate=a.replay_rate, rest_dir=a.rest_dir,
        bodies=tuple(body_of(raw) for raw in a.body), faults=tuple(a.fault),
    )  # fmt: skip


def body_of(raw: str) -> tuple[str, int, Path]:
    path, sep, rest = raw.rpartition("=")
    if not sep:
        raise SettingsError(f"--body wants PATH=FILE: {raw!r}")
    file, at, status = rest.rpartition("@")
    if at and status.isdecimal():
        return path, int(status), Path(file)
    return path, 200, Path(rest)


def check_files(s: Settings) -> None:
    for key_id, path in s.keys:
        try:
            auth.load_public_key(path.read_bytes())
        except (OSError, ValueError) as e:
            raise SettingsError(f"--public-key of {key_id}: {e}") from None
    for file in (s.cert, s.key, s.replay, *(b[2] for b in s.bodies)):
        if file is not None and not file.is_file():
            raise SettingsError(f"no such file: {file}")
    if s.rest_dir is not None and not s.rest_dir.is_dir():
        raise SettingsError(f"no such folder: {s.rest_dir}")
    if s.ledger is not None and not s.ledger.parent.is_dir():
        raise SettingsError(f"no such folder: {s.ledger.parent}")
    for raw in s.faults:
        try:
            spec = orjson.loads(raw)
        except orjson.JSONDecodeError as e:
            raise SettingsError(f"--fault is not JSON: {e}") from None
        if not isinstance(spec, dict) or spec.get("kind") not in FAULTS:
            raise SettingsError(f"--fault must be an object with a kind of {', '.join(FAULTS)}")


def print_settings(s: Settings) -> None:
    def plain(value: Any) -> Any:
        return str(value)

    for f in dataclasses.fields(s):
        print(f"{f.name}={orjson.dumps(getattr(s, f.name), default=plain).decode()}")


def main(argv: list[str] | None = None) -> int:
    args = make_parser().parse_args(argv)
    try:
        settings = settings_of(args)
        check_files(settings)
    except SettingsError as e:
        sys.stderr.write(f"kmd-sim: {e}\n")
        return EX_CONFIG
    if args.print:
        print_settings(settings)
    if args.print or args.check:
        return 0
    from kmd_sim.server import serve

    try:
        asyncio.run(serve(settings))
    except OSError as e:
        sys.stderr.write(f"kmd-sim: {e}\n")
        return EX_CONFIG
    return 0
