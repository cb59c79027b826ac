"""The sealer process: re-reads the journal, vouches for roots, makes columns, seals, compacts.

One loop answers sockets between short units of work; sealing and compaction run in one thread
beside it. When the writer goes, the sealer goes.
"""

from __future__ import annotations

import gc
import selectors
import socket
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa

from indelible.app import wire
from indelible.app.place import Place
from indelible.base.clock import MICROS, monotonic, wall_us
from indelible.base.errors import Damaged
from indelible.base.limits import (
    CHUNK_SECONDS,
    COMPACT_FILES,
    COMPACT_SECONDS,
    LINK_SECONDS,
    PROCESS_START_SECONDS,
    SEALER_TELL_SECONDS,
)
from indelible.ledger.incoming import Durable
from indelible.ledger.keeper import Keeper, sealing_turn
from indelible.ledger.seal import Segment
from indelible.ledger.tail import Chunk
from indelible.store.manifest import Manifest, SegmentRow


class SealerProcess:
    """The loop of the sealer."""

    def __init__(self, place: Place, run: Path) -> None:
        # The writer listens once it holds the folder's lock: nothing may be touched before.
        self._writer = wire.Link.await_connection(run / "ledger.sock", PROCESS_START_SECONDS)
        self._turn = sealing_turn(place.paths)
        keyring = place.keyring()
        manifest = Manifest(place.paths.manifest)
        self._keeper = Keeper(
            place.paths, place.settings.origin, keyring, manifest, place.reader(keyring, manifest)
        )
        self._workers: dict[socket.socket, wire.Link] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._writer.socket, selectors.EVENT_READ)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        path = run / "tail.sock"
        path.unlink(missing_ok=True)
        self._listener.bind(str(path))
        self._listener.listen(16)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._durable = Durable(self._keeper.tail.end, "", 0)
        self._told, self._told_at = -1, 0.0
        self._partial_at = self._sealed_at = 0.0
        self._flush = False
        self._seal_to: int | None = None
        self._thread = ThreadPoolExecutor(1, "seal")
        self._sealing: Future[SegmentRow] | None = None
        self._compacting: Future[object] | None = None
        self._compact_due = True
        self._ids_replaced = False
        self._gone = False
        self._seal_age_us = place.settings.seal_age * MICROS
        if self._keeper.sealed_end:  # an earlier sealer may have ended before it could say so
            self._writer.send(wire.Sealed(0, self._keeper.sealed_end))

    def run(self) -> None:
        """Until the writer hangs up."""
        gc.freeze()
        while not self._gone:
            busy = self._work()
            for key, _ in self._selector.select(0 if busy else 0.1):
                self._ready(key.fileobj)
        self._thread.shutdown(wait=True)

    def _ready(self, which: object) -> None:
        if which is self._listener:
            connection, _ = self._listener.accept()
            connection.settimeout(LINK_SECONDS)
            link = wire.Link(connection)
            self._workers[connection] = link
            self._selector.register(connection, selectors.EVENT_READ)
            self._keeper.chunks(partial=True)
            self._broadcast(self._keeper.tail.chunks, [link])
        elif which is self._writer.socket:
            messages = self._writer.available()
            if messages is None:
                self._gone = True
            for message in messages or []:
                self._from_writer(message)
        elif isinstance(which, socket.socket) and which in self._workers:
            asked = self._workers[which].available()
            if asked is None:
                self._drop_worker(which)
            elif asked:
                self._flush = True

    def _from_writer(self, message: wire.Message) -> None:
        match message:
            case wire.Progress(size=size, file=file, offset=offset):
                self._durable = Durable(size, file, offset)
            case wire.SealNow(end=end):
                self._seal_to = max(end, self._seal_to or 0)
            case wire.Reloaded():
                if self._ids_replaced and self._sealing is None:
                    self._keeper.sweep_ids()
                    self._ids_replaced = False
            case _:
                pass

    def _drop_worker(self, connection: socket.socket) -> None:
        self._selector.unregister(connection)
        self._workers.pop(connection).close()

    # --- units of work

    def _work(self) -> bool:
        """One unit; True when more is waiting."""
        behind = self._follow()
        try:
            self._columns(behind)
            if not behind:
                self._tell()
            self._seal_or_compact(behind)
        except Damaged as error:
            self._writer.send(wire.Trouble(error.code, error.message))
            raise
        return behind

    def _follow(self) -> bool:
        """Read on; True when more is waiting."""
        try:
            return not self._keeper.follow(self._durable)
        except Damaged as error:
            self._writer.send(wire.Trouble(error.code, error.message, stops=True))
            raise

    def _tell(self) -> None:
        size, now = self._keeper.tail.end, monotonic()
        if size != self._told and now - self._told_at >= SEALER_TELL_SECONDS:
            self._told, self._told_at = size, now
            self._writer.send(wire.Checked(*self._keeper.checked()))

    def _columns(self, behind: bool) -> None:
        now = monotonic()
        due = now - self._partial_at >= CHUNK_SECONDS
        partial = due or (self._flush and not behind)
        made = self._keeper.chunks(partial=partial)
        if partial:
            self._partial_at = now
            self._flush = self._flush and behind
        self._broadcast(made, list(self._workers.values()))

    def _broadcast(self, chunks: list[Chunk], links: list[wire.Link]) -> None:
        for chunk in chunks if links else []:
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, chunk.table.schema) as stream:
                stream.write_table(chunk.table)
            columns = sink.getvalue().to_pybytes()
            self._send_all(wire.ChunkOf(chunk.first, chunk.end, columns), links)

    def _send_all(self, message: wire.Message, links: list[wire.Link]) -> None:
        for link in links:
            try:
                link.send(message)
            except OSError:
                if link.socket in self._workers:
                    self._drop_worker(link.socket)

    def _seal_or_compact(self, behind: bool) -> None:
        if self._sealing is not None:
            if self._sealing.done():
                self._sealed(self._sealing.result())
            return
        if self._compacting is not None:
            if not self._compacting.done():
                return
            done, self._compacting = self._compacting, None
            self._compacted(done)
        segment = self._next_segment(behind)
        if segment is not None:
            self._sealing = self._thread.submit(self._keeper.seal, segment)
        elif self._compact_due and not self._in_a_burst():
            self._compact_due = False
            self._compacting = self._thread.submit(self._tidy)

    def _compacted(self, done: Future[object]) -> None:
        """A damaged column file can be made again from evidence: that must not end the sealing."""
        try:
            merged = done.result() is not None
        except Damaged as error:
            self._writer.send(wire.Trouble(error.code, error.message))
            return
        if merged:
            self._compact_due = True
            self._send_all(wire.ColumnsMoved(), list(self._workers.values()))

    def _in_a_burst(self) -> bool:
        """Segments follow each other: what may wait leaves the processors to what must not."""
        return (
            monotonic() - self._sealed_at < COMPACT_SECONDS
            and self._keeper.small_files() <= COMPACT_FILES
        )

    def _tidy(self) -> object:
        self._keeper.remove_obsolete()
        return self._keeper.compact()

    def _next_segment(self, behind: bool) -> Segment | None:
        end = self._keeper.due()
        if end is None and self._seal_to is not None:
            if self._keeper.tail.start < self._seal_to <= self._keeper.tail.end:
                end = self._seal_to
            elif self._keeper.tail.start >= self._seal_to:
                self._writer.send(wire.Sealed(self._seal_to, self._keeper.tail.start))
                self._seal_to = None
        if end is None and not behind:
            end = self._keeper.overdue(wall_us(), self._seal_age_us)
        if end is None:
            return None
        segment = self._keeper.take(end)
        self._broadcast(self._keeper.tail.chunks[-1:], list(self._workers.values()))
        return segment

    def _sealed(self, row: SegmentRow) -> None:
        self._sealing = None
        self._sealed_at = monotonic()
        self._compact_due = True
        self._ids_replaced = True
        self._keeper.drop(row.end)
        message = wire.Sealed(row.first, row.end)
        self._send_all(message, list(self._workers.values()))
        self._writer.send(message)
        if self._seal_to is not None and row.end >= self._seal_to:
            self._seal_to = None
