"""One look at a slot: its changes as they come, in batches to the ledger, and how far it got."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, NamedTuple

from indelible.base.clock import monotonic
from indelible.base.errors import IndelibleError
from indelible.base.limits import (
    CAPTURE_BATCH_BYTES,
    CAPTURE_BATCHES,
    CAPTURE_CHANGE_BYTES,
    CAPTURE_KEEP_SECONDS,
    CAPTURE_RELATIONS,
    COLLECT_BATCH_EVENTS,
)
from indelible.ingest.parsed import Parsed
from indelible.ingest.protocols.pgoutput import Malformed, Relation, decode
from indelible.ingest.protocols.postgres_capture_checks import quoted
from indelible.ingest.protocols.postgres_capture_events import At, Translator, key_of
from indelible.ingest.protocols.postgres_capture_facts import key_columns
from indelible.ingest.protocols.postgres_capture_settings import Options, driver

if TYPE_CHECKING:
    from psycopg.sql import Composed

    from indelible.ingest.protocols.postgres_capture_facts import Connection

Deliver = Callable[[list[Parsed]], Awaitable[object]]
Keep = Callable[[At], Awaitable[None]]

_SIGNATURE: Final = b"PGCOPY\n\xff\r\n\0"
_BEFORE_ROWS: Final = len(_SIGNATURE) + 8
_ROW: Final = b"\0\1"  # of one column
_TRAILER: Final = b"\xff\xff"
_PEEK: Final = """
COPY (SELECT substring(data FROM 1 FOR {most})
      FROM pg_logical_slot_peek_binary_changes({slot}, NULL, {changes},
           'proto_version', '1', 'publication_names', {names}, 'messages', 'true'))
TO STDOUT (FORMAT BINARY)"""


class Looked(NamedTuple):
    """What came of a look. `end`: everything that committed before this LSN is durable, 0 where
    nothing was whole. `whole`: it gave all that there was. `began` is how many seconds the server
    read before it gave anything, `lasted` how many the whole look took."""

    messages: int
    events: int
    end: int
    whole: bool
    began: float
    lasted: float


class Look:
    """Reads one look's changes and delivers them. Used once."""

    def __init__(
        self, asking: Connection, translator: Translator, deliver: Deliver, keep: Keep
    ) -> None:
        """`asking` is another session than the one that reads: it is asked for primary keys."""
        self._asking, self._translator = asking, translator
        self._deliver, self._keep = deliver, keep
        self._keys: dict[int, tuple[str, ...]] = {}
        self._batch: list[Parsed] = []
        self._size = 0
        self._under_way: deque[tuple[asyncio.Future[object], At]] = deque()
        self._kept = monotonic()
        self._events = 0

    async def run(self, reading: Connection, options: Options, changes: int) -> Looked:
        """Look at no fewer than `changes` messages, if there are so many; a transaction is whole.

        Returns when every event is durable. Raises psycopg's errors.
        """
        try:
            return await self._run(reading, options, changes)
        finally:
            left = [task for task, _ in self._under_way]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def _run(self, reading: Connection, options: Options, changes: int) -> Looked:
        since = monotonic()
        began, count = 0.0, 0
        translator = self._translator
        async with reading.cursor() as cursor, cursor.copy(_statement(options, changes)) as copy:
            async for block in copy:
                data = _datum(bytes(block))
                if data is None:
                    continue
                if not count:
                    began = monotonic() - since
                count += 1
                if data[:1] == b"R":
                    await self._relate(data)
                    continue
                event = translator.take(data)
                if event is not None:
                    await self._add(event)
                if not count % COLLECT_BATCH_EVENTS:
                    await asyncio.sleep(0)  # others live in this loop, too
        await self._send()
        while self._under_way:
            await self._oldest()
        lasted = monotonic() - since
        return Looked(count, self._events, translator.passed, count < changes, began or lasted,
                      lasted)

    async def _relate(self, data: bytes) -> None:
        """A table's description; what it does not say of the key, the catalogue does."""
        try:
            relation = decode(data)
            assert isinstance(relation, Relation)
        except Malformed:
            event = self._translator.take(data)
            if event is not None:
                await self._add(event)
            return
        key = key_of(relation)
        if not key and relation.identity in "fn":
            if relation.oid not in self._keys:
                if len(self._keys) >= CAPTURE_RELATIONS:
                    self._keys.clear()
                self._keys[relation.oid] = await key_columns(self._asking, relation.oid)
            key = self._keys[relation.oid]
        self._translator.relate(relation, key)

    async def _add(self, event: Parsed) -> None:
        self._batch.append(event)
        self._size += len(event.content)
        if len(self._batch) >= COLLECT_BATCH_EVENTS or self._size >= CAPTURE_BATCH_BYTES:
            await self._send()

    async def _send(self) -> None:
        if not self._batch:
            return
        if len(self._under_way) >= CAPTURE_BATCHES:
            await self._oldest()
        batch, self._batch, self._size = self._batch, [], 0
        self._events += len(batch)
        task = asyncio.ensure_future(self._deliver(batch))
        self._under_way.append((task, self._translator.at))

    async def _oldest(self) -> None:
        """Wait for the oldest batch; everything before it is durable too."""
        task, at = self._under_way[0]
        await task
        self._under_way.popleft()
        if monotonic() - self._kept > CAPTURE_KEEP_SECONDS:
            await self._keep(at)
            self._kept = monotonic()


def _statement(options: Options, changes: int) -> Composed:
    sql = driver().sql
    names = ",".join([quoted(name) for name in options.publications])
    made: Composed = sql.SQL(_PEEK).format(
        most=sql.Literal(CAPTURE_CHANGE_BYTES), slot=sql.Literal(options.slot),
        changes=sql.Literal(changes), names=sql.Literal(names),
    )
    return made


def _datum(block: bytes) -> bytes | None:
    """The one column of a row of COPY's binary form; None before and behind the rows."""
    if block[:2] != _ROW:
        if block.startswith(_SIGNATURE):
            block = block[_BEFORE_ROWS:]
        if not block or block == _TRAILER:
            return None
    if block[:2] != _ROW or int.from_bytes(block[2:6], "big") != len(block) - 6:
        raise IndelibleError("PostgreSQL answered COPY in another form than it documents")
    return block[6:]
