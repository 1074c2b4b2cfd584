"""Recorded REST bodies, served verbatim at the paths they were asked for."""

from pathlib import Path
from urllib.parse import quote

PREFIX = "/trade-api/v2/"


class Recorded:
    """A path with a query is matched whole; one without, whatever the query."""

    def __init__(self, rest_dir: Path | None, files: tuple[tuple[str, int, Path], ...]) -> None:
        self._dir = rest_dir
        self._by_path: dict[str, tuple[int, bytes]] = {}
        for path, status, file in files:
            self.add(path, status, file.read_bytes())

    def add(self, path: str, status: int, body: bytes) -> None:
        if not path.startswith("/"):
            path = PREFIX + path
        self._by_path[path] = (status, body)

    def clear(self) -> None:
        self._by_path.clear()

    def find(self, path: str, query: str) -> tuple[int, bytes] | None:
        if query and (found := self._by_path.get(f"{path}?{query}")):
            return found
        found = self._by_path.get(path)
        if found or self._dir is None:
            return found
        parts = [quote(part, safe=" :@+,=") for part in path.removeprefix(PREFIX).split("/")]
        if ".." in parts or "" in parts:
            return None
        file = self._dir.joinpath(*parts).with_name(parts[-1] + ".json")
        return (200, file.read_bytes()) if file.is_file() else None
