"""A query worker process: opens sealed files read-only, is fed the tail, answers questions."""

from __future__ import annotations

import gc
import logging
import os
import socket
import threading
from functools import partial
from pathlib import Path

import pyarrow as pa

from indelible.app import wire
from indelible.app.audit_preview import OPERATION as PREVIEW
from indelible.app.audit_preview import preview
from indelible.app.corpus import LiveCorpus, service_over
from indelible.app.place import Place
from indelible.base.errors import Busy, IndelibleError
from indelible.base.limits import (
    PROCESS_START_SECONDS,
    QUERY_FRESH_SECONDS,
    QUERY_QUEUE,
    QUERY_WHOLE_SECONDS,
)
from indelible.ledger.tail import Chunk
from indelible.query.service import raise_if_error
from indelible.query.session import GONE
from indelible.store.manifest import Manifest

_log = logging.getLogger(__name__)


class WorkerProcess:
    """Answers on `query-N.sock` until the writer's side of the folder is gone."""

    def __init__(self, place: Place, run: Path, number: int) -> None:
        self._feed = wire.Link.await_connection(run / "tail.sock", PROCESS_START_SECONDS)
        self._feed.socket.settimeout(None)
        keyring = place.keyring()
        manifest = Manifest(place.paths.manifest)
        reader = place.reader(keyring, manifest)
        self._corpus = LiveCorpus(place.paths, keyring, manifest, reader)
        self._service = service_over(self._corpus, place.settings)
        self._preview = partial(preview, reader, manifest)
        self._run = run
        self._feed_lock = threading.Lock()
        path = run / f"query-{number}.sock"
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(QUERY_QUEUE)

    def run(self) -> None:
        """Until the sealer hangs up."""
        threading.Thread(target=self._serve, daemon=True, name="serve").start()
        gc.freeze()
        while True:
            message = self._feed.receive()
            match message:
                case None:
                    return
                case wire.ChunkOf(first=first, end=end, columns=columns):
                    with pa.ipc.open_stream(columns) as stream:
                        self._corpus.put(Chunk(first, end, stream.read_all()))
                case wire.Sealed() | wire.ColumnsMoved():
                    self._corpus.reload()
                case _:
                    pass

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                os._exit(1)
            link = wire.Link(connection)
            threading.Thread(target=self._talk, args=(link,), daemon=True).start()

    def _talk(self, link: wire.Link) -> None:
        """One connection: a question, its answer, the next question."""
        while True:
            message = link.receive()
            if not isinstance(message, wire.Ask):
                link.close()
                return
            GONE.set(link.hung_up)
            try:
                self._answer(link, message)
            except OSError:
                link.close()
                return

    def _answer(self, link: wire.Link, ask: wire.Ask) -> None:
        try:
            if self._corpus.size < ask.size:
                with self._feed_lock:
                    self._feed.send(wire.Flush(ask.size))
                whole = ask.op == "export"  # other answers say which size they are true for
                seconds = QUERY_WHOLE_SECONDS if whole else QUERY_FRESH_SECONDS
                fresh = self._corpus.wait_for(ask.size, seconds)
                if whole and not fresh:
                    raise Busy("the newest events cannot be exported yet")
            if ask.op == "export":
                for piece in self._service.export(ask.payload):
                    link.send(wire.Answer(piece, more=True))
                link.send(wire.Answer(b""))
            elif ask.op == PREVIEW:
                link.send(wire.Answer(self._preview(ask.size, ask.payload)))
            else:
                behind = max(0, ask.size - self._corpus.size)
                answer = self._service.dispatch(ask.op, ask.payload, behind)
                link.send(wire.Answer(raise_if_error(answer)))
        except OSError:
            raise
        except IndelibleError as error:
            link.send(wire.refused(error))
        except Exception as error:  # noqa: BLE001 - silence would be waited for
            _log.exception("a question failed")
            link.send(wire.refused(IndelibleError(f"the query failed: {error!r}")))
