"""Effective settings of a run; cli.py makes one."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    host: str = "127.0.0.1"
    port: int = 0
    port_file: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    rate: float = 50.0
    markets: int = 50
    mve: int = 5
    history: int = 10
    seed: int = 1
    determinations_per_minute: float = 6.0
    determinations: int | None = None
    churn_per_minute: float = 6.0
    time_scale: float = 1.0
    redetermine_share: float = 0.08
    duration_s: float | None = None
    start_paused: bool = False
    keys: tuple[tuple[str, Path], ...] = ()
    require_auth: bool = True
    auth_window_s: float = 5.0
    rest_rate: float = 20.0
    rest_lag_s: float = 1.5
    created_404_s: float = 0.5
    trades_lag_s: float = 0.0
    archive_after_s: float | None = None
    max_markets_per_sub: int = 500_000
    max_commands_per_s: int = 10_000
    reply_jitter_ms: float = 3.0
    send_buffer_bytes: int = 64 << 20
    ping_every_s: float = 10.0
    ledger: Path | None = None
    keep_frames: int = 200_000
    keep_trades: int = 1_000_000
    replay: Path | None = None
    renumber: bool = False
    replay_rate: float = 500.0
    rest_dir: Path | None = None
    bodies: tuple[tuple[str, int, Path], ...] = ()
    faults: tuple[str, ...] = field(default_factory=tuple)
