"""Encrypted column files as files that DuckDB reads: an fsspec file system over `PieceReader`.

A file is known by a made-up name, `pieces://FILE_ID.parquet` (no `=` in it), to which `PieceFiles`
holds path and key; nothing else can be opened through it and nothing can be written. DuckDB reads
from several threads through one handle as `seek` then `read`, so the position of a handle is kept
for each thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fsspec import AbstractFileSystem

from indelible.base.errors import Damaged
from indelible.store.pieces import Expected, HeaderValue, PieceCache, PieceReader

PROTOCOL = "pieces"
_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)


class PieceHandle:
    """One open file as DuckDB and pyarrow use it: seek, read, tell, with a position a thread."""

    mode = "rb"

    def __init__(
        self, reader: PieceReader, failed: Callable[[Damaged], None] | None = None
    ) -> None:
        self._reader = reader
        self._failed = failed
        self._local = threading.local()
        self.closed = False
        self.size = reader.size

    def seek(self, offset: int, whence: int = 0) -> int:
        """Set this thread's position."""
        base = (0, self.tell(), self._reader.size)[whence]
        self._local.at = base + offset
        return base + offset

    def tell(self) -> int:
        """This thread's position."""
        return getattr(self._local, "at", 0)

    def read(self, length: int = -1) -> bytes:
        """The next `length` bytes (all that is left when negative)."""
        at = self.tell()
        try:
            data = self._reader.read_at(at, self._reader.size if length < 0 else length)
        except Damaged as error:
            if self._failed is not None:
                self._failed(error)
            raise
        self._local.at = at + len(data)
        return data

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def writable(self) -> bool:
        """Never."""
        return False

    def flush(self) -> None:
        """Nothing is ever written."""

    def close(self) -> None:
        """The handle is done; the reader stays open for the next one."""
        self.closed = True


class PieceFiles(AbstractFileSystem):  # type: ignore[misc]
    """The file system handed to `duckdb.register_filesystem`.

    `add` makes a file known (and opens it: from here on it may be unlinked); `keep` forgets others.
    Readers stay open between queries and share one cache of decrypted pieces.
    """

    protocol = PROTOCOL
    cachable = False

    def __init__(self, cache_bytes: int = 32 << 20) -> None:
        super().__init__()
        self._cache = PieceCache(cache_bytes)
        self._lock = threading.Lock()
        self._readers: dict[str, PieceReader] = {}
        self._failure: Damaged | None = None

    def failure(self) -> Damaged | None:
        """The last damage a read met, once: DuckDB passes on only the text of an error."""
        failure, self._failure = self._failure, None
        return failure

    def _remember(self, error: Damaged) -> None:
        self._failure = error

    def add(
        self, file_id: str, path: Path, key: bytes, expected: Mapping[str, Expected] | None
    ) -> str:
        """The name DuckDB reads the file by. Raises `Damaged` when it is not as written."""
        name = f"{file_id}.parquet"
        with self._lock:
            if name not in self._readers:
                self._readers[name] = PieceReader(path, key, expected, self._cache)
        return f"{PROTOCOL}://{name}"

    def header(self, file_id: str) -> Mapping[str, HeaderValue]:
        """The header of a file that `add` made known."""
        return self._reader(f"{file_id}.parquet").header

    def keep(self, file_ids: set[str]) -> None:
        """Forget every file that is not among `file_ids`; it closes with its last handle."""
        with self._lock:
            for name in [n for n in self._readers if n.removesuffix(".parquet") not in file_ids]:
                del self._readers[name]

    def _reader(self, path: str) -> PieceReader:
        with self._lock:
            found = self._readers.get(path.removeprefix(f"{PROTOCOL}://"))
        if found is None:
            raise FileNotFoundError(path)
        return found

    def open(self, path: str, mode: str = "rb", **_options: Any) -> PieceHandle:
        """A handle on a known file."""
        return PieceHandle(self._reader(path), self._remember)

    def info(self, path: str, **_options: Any) -> dict[str, Any]:
        """Name, size and type."""
        return {"name": path, "size": self._reader(path).size, "type": "file"}

    def exists(self, path: str, **_options: Any) -> bool:
        """Is the name known?"""
        return path.removeprefix(f"{PROTOCOL}://") in self._readers

    def isfile(self, path: str) -> bool:
        """Is the name known? There are no folders."""
        return self.exists(path)

    def glob(self, path: str, **_options: Any) -> list[str]:
        """The file itself: names hold no wildcards."""
        return [path.removeprefix(f"{PROTOCOL}://")] if self.exists(path) else []

    def modified(self, path: str) -> Any:
        """Files never change: the same moment for all."""
        return _ALWAYS
