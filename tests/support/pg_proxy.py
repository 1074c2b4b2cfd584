"""
A proxy in front of Postgres that knows enough of its protocol to cut a connection inside COMMIT:

    BEFORE   the server never hears of it: rolled back
    RACED    the server has been told, nobody waits for it
    AFTER    the server has answered that it is committed, the client never hears of it
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections import Counter
from enum import Enum

from support.ports import free_port

_HEAD = struct.Struct("!BI")
_NO_MESSAGE = (80877103, 80877104)  # asks for TLS or GSSAPI; another untyped message follows
_COMMIT = b"COMMIT\x00"


class Cut(Enum):
    BEFORE = "before"
    RACED = "raced"
    AFTER = "after"


class PgProxy:
    """127.0.0.1:port -> 127.0.0.1:@upstream, in clear text. cut() arms one cut for the next COMMIT of anybody."""

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream
        self.port = free_port()
        self.done: Counter[Cut] = Counter()
        self._lock = threading.Lock()
        self._happened = threading.Condition(self._lock)
        self._armed: Cut | None = None
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._connections: set[_Connection] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, kind: Cut, timeout: float = 60.0) -> None:
        """Returns when a connection has been cut so."""
        with self._happened:
            before = self.done[kind]
            self._armed = kind
            if not self._happened.wait_for(lambda: self.done[kind] > before, timeout):
                raise AssertionError(f"no COMMIT came in {timeout} s")

    def close(self) -> None:
        self._listener.close()
        with self._lock:
            left = list(self._connections)
        for one in left:
            one.close()

    def take(self) -> Cut | None:
        """A COMMIT is here: the cut that is armed, if any."""
        with self._lock:
            kind, self._armed = self._armed, None
            return kind

    def tell(self, kind: Cut) -> None:
        with self._happened:
            self.done[kind] += 1
            self._happened.notify_all()

    def forget(self, connection: _Connection) -> None:
        with self._lock:
            self._connections.discard(connection)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.upstream), timeout=10)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            one = _Connection(self, client, server)
            with self._lock:
                self._connections.add(one)
            one.start()


def is_commit(message: bytes) -> bool:
    """As a simple query, or as the text of a Parse."""
    texts = message[5:].split(b"\x00", 2)
    return (message[:1] == b"Q" and texts[0] == b"COMMIT") or (message[:1] == b"P" and texts[1] == b"COMMIT")


class _Connection:
    def __init__(self, proxy: PgProxy, client: socket.socket, server: socket.socket) -> None:
        self.proxy, self.client, self.server = proxy, client, server
        self.await_answer = threading.Event()  # AFTER: the next COMMIT that the server reports goes no further

    def start(self) -> None:
        for pump in (self._from_client, self._from_server):
            threading.Thread(target=self._run, args=(pump,), daemon=True).start()

    def close(self) -> None:
        for one in (self.client, self.server):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self.proxy.forget(self)

    def _run(self, pump: object) -> None:
        with contextlib.suppress(OSError):
            pump()  # type: ignore[operator]
        self.close()

    def _from_client(self) -> None:
        """Whole messages, so that COMMIT is seen as one; the first ones have no type."""
        buffer, typed = b"", False
        while data := self.client.recv(65536):
            buffer += data
            whole = 0
            while (size := self._size(buffer, whole, typed)) and len(buffer) - whole >= size:
                message = buffer[whole : whole + size]
                if not typed:
                    typed = struct.unpack_from("!I", message, 4)[0] not in _NO_MESSAGE
                elif is_commit(message) and self._commit(buffer, whole):
                    return
                whole += size
            self.server.sendall(buffer[:whole])
            buffer = buffer[whole:]

    def _size(self, buffer: bytes, at: int, typed: bool) -> int:
        """Of the message at @at; 0 while its head is not here."""
        if typed:
            return 1 + int(_HEAD.unpack_from(buffer, at)[1]) if len(buffer) - at >= 5 else 0
        return int(struct.unpack_from("!I", buffer, at)[0]) if len(buffer) - at >= 4 else 0

    def _commit(self, buffer: bytes, at: int) -> bool:
        """True: the connection ends here."""
        kind = self.proxy.take()
        if kind is Cut.AFTER:
            self.await_answer.set()
            return False
        if kind is None:
            return False
        if kind is Cut.RACED:
            self.server.sendall(buffer)  # with Bind, Execute and Sync, which libpq sends in one go
        else:
            self.server.sendall(buffer[:at])
        self.close()
        self.proxy.tell(kind)
        return True

    def _from_server(self) -> None:
        while data := self.server.recv(65536):
            if self.await_answer.is_set() and _COMMIT in data:
                self.close()
                self.proxy.tell(Cut.AFTER)
                return
            self.client.sendall(data)
