"""One object read: streamed, taken apart, hashed. Blocking, a batch at a time, in a thread."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from io import RawIOBase
from typing import BinaryIO, NamedTuple, cast

from indelible.base.errors import BadRequest
from indelible.base.limits import IMPORT_BATCH_BYTES, IMPORT_BATCH_EVENTS, S3_OBJECT_BYTES
from indelible.ingest.decompress import plain_chunks
from indelible.ingest.parsed import Parsed
from indelible.ingest.parsers.contract import Given, Parser
from indelible.ingest.parsers.finish import parse_message
from indelible.ingest.protocols.s3_keys import message_id
from indelible.ingest.protocols.s3_store import Opened
from indelible.ingest.splitting import messages


class Problem(NamedTuple):
    """Something of an object that could not be read: which message of it, and why."""

    line: int
    code: str
    why: str


class Batch(NamedTuple):
    """Some events of an object, and what between them could not be read."""

    events: list[Parsed]
    problems: list[Problem]


class Content(RawIOBase):
    """The content of an object, unpacked, as a file that is read once, hashed as it passes.

    Raises `BadRequest` (`damaged`, `too_large`) where the content ends too early or is too long.
    """

    def __init__(self, opened: Opened, name: str, most: int = S3_OBJECT_BYTES) -> None:
        super().__init__()
        self._chunks = plain_chunks(cast(BinaryIO, opened.body), name)
        self._name, self._most = name, most
        self._rest = b""
        self._hash = hashlib.sha256()
        self.size = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes; none at the end."""
        if not self._rest:
            self._rest = self._next()
        if size < 0:
            size = len(self._rest)
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken

    def finish(self) -> bytes:
        """The SHA-256 of the whole content, after what is left of it."""
        while self._next():
            pass
        return self._hash.digest()

    def _next(self) -> bytes:
        try:
            chunk = next(self._chunks, b"")
        except BadRequest as error:
            raise BadRequest(error.message, code="damaged") from error
        self._hash.update(chunk)
        self.size += len(chunk)
        if self.size > self._most:
            raise BadRequest(
                f"{self._name}: more than {self._most} bytes, unpacked", code="too_large"
            )
        return chunk


class Reading:
    """An object on its way into the ledger. `sha256` is that of its content, after the last batch.

    It stays empty where the content could not be unpacked to its end.
    """

    def __init__(self, opened: Opened, bucket: str, parser: Parser, given: Given, name: str):
        self._opened, self._bucket, self._parser, self._given = opened, bucket, parser, given
        self._content = Content(opened, name)
        self._batches = self._read(name)
        self.sha256 = b""

    def step(self) -> Batch | None:
        """The next batch, or None at the end; raises `Unreachable` when the connection breaks."""
        return next(self._batches, None)

    def close(self) -> None:
        """Let go of the connection."""
        self._opened.close()

    def _read(self, name: str) -> Iterator[Batch]:
        events: list[Parsed] = []
        problems: list[Problem] = []
        size, what = 0, self._opened.object
        try:
            for message in messages(cast(BinaryIO, self._content), name, self._parser.name):
                full = max(len(events), len(problems)) >= IMPORT_BATCH_EVENTS
                if full or (events and size + len(message.raw) > IMPORT_BATCH_BYTES):
                    yield Batch(events, problems)
                    events, problems, size = [], [], 0
                if message.code:
                    problems.append(Problem(message.line, message.code, message.problem))
                    continue
                ident = message_id(self._bucket, what.key, what.etag, message.line)
                events.append(parse_message(
                    self._parser, message.raw, self._given, line=message.line, message_id=ident,
                    flags=("truncated",) if message.cut else (),
                ))
                size += len(message.raw)
            self.sha256 = self._content.finish()
        except BadRequest as error:
            problems.append(Problem(0, error.code, error.message))
        yield Batch(events, problems)
