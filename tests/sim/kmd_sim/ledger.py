"""All that was sent, per connection, as tests compare against it.

Counts are kept for ever; the frames themselves in the file of --ledger (JSON lines), else the last `keep` in memory.
A line: {"conn","n","t_ns","type","channel","sid","seq","len","data"}; data is base64 of the exact bytes of the message.
"""

from base64 import b64encode
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kmd_sim.session import Out

CHUNK = 1 << 20


@dataclass(slots=True)
class ConnLog:
    conn: int
    key_id: str
    opened_ns: int
    closed_ns: int | None = None
    reason: str = ""
    frames: int = 0
    bytes: int = 0
    types: Counter[str] = field(default_factory=Counter)
    sids: dict[int, dict[str, Any]] = field(default_factory=dict)
    lost: list[dict[str, Any]] = field(default_factory=list)

    def sid_entry(self, sid: int, channel: str) -> dict[str, Any]:
        entry = self.sids.get(sid)
        if entry is None:
            entry = self.sids[sid] = {"channel": channel, "frames": 0, "last_seq": None}
        return entry

    def as_dict(self) -> dict[str, Any]:
        return {
            "conn": self.conn,
            "key_id": self.key_id,
            "opened_ns": self.opened_ns,
            "closed_ns": self.closed_ns,
            "reason": self.reason,
            "frames": self.frames,
            "bytes": self.bytes,
            "types": dict(self.types),
            "sids": {str(k): v for k, v in self.sids.items()},
            "lost": len(self.lost),
        }


class Ledger:
    def __init__(self, path: Path | None, keep: int) -> None:
        self.path = path
        self.conns: dict[int, ConnLog] = {}
        self.frames = 0
        self._memory: deque[bytes] = deque(maxlen=keep)
        self._file = path.open("wb", buffering=CHUNK) if path else None

    def opened(self, conn: int, key_id: str, t_ns: int) -> ConnLog:
        log = self.conns[conn] = ConnLog(conn, key_id, t_ns)
        return log

    def closed(self, conn: int, t_ns: int, reason: str) -> None:
        log = self.conns[conn]
        if log.closed_ns is None:
            log.closed_ns, log.reason = t_ns, reason

    def sent(self, log: ConnLog, frames: list[Out], t_ns: int) -> None:
        lines = []
        for f in frames:
            log.frames += 1
            log.bytes += len(f.data)
            log.types[f.type] += 1
            sid, seq = f.sid, f.seq
            if sid is not None:
                entry = log.sid_entry(sid, f.channel)
                entry["frames"] += 1
                if seq is not None:
                    entry["last_seq"] = seq
            lines.append(
                b'{"conn":%d,"n":%d,"t_ns":%d,"type":"%s","channel":"%s","sid":%s,"seq":%s,"len":%d,"data":"%s"}\n'
                % (
                    log.conn, log.frames, t_ns, f.type.encode(), f.channel.encode(),
                    b"null" if sid is None else b"%d" % sid, b"null" if seq is None else b"%d" % seq,
                    len(f.data), b64encode(f.data),
                )
            )  # fmt: skip
        self.frames += len(frames)
        if self._file is not None:
            self._file.write(b"".join(lines))
        else:
            self._memory.extend(lines)

    def lost(self, log: ConnLog, f: Out, t_ns: int, why: str) -> None:
        """Numbered but never sent: a hole that the receiver must see (or, without seq, cannot)."""
        log.lost.append(
            {"t_ns": t_ns, "why": why, "type": f.type, "channel": f.channel, "sid": f.sid, "seq": f.seq,
             "data": b64encode(f.data).decode()}
        )  # fmt: skip

    def lines(self, conn: int | None) -> Iterator[bytes]:
        head = b"" if conn is None else b'{"conn":%d,' % conn
        if self.path is None:
            yield from (line for line in list(self._memory) if line.startswith(head))
            return
        self.flush()
        with self.path.open("rb") as file:
            yield from (line for line in file if line.startswith(head))

    def describe(self) -> dict[str, Any]:
        """`kept` below `frames`: the oldest are gone from memory; use --ledger to keep all."""
        return {
            "file": str(self.path) if self.path else None,
            "frames": self.frames,
            "kept": self.frames if self.path else len(self._memory),
        }

    def flush(self) -> None:
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
