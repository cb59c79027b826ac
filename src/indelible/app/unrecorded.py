"""A folder that takes nothing, opened for reading without a record of it (`--unrecorded`).

It lies on read-only media, or its register is closed: a backup, or a log that a restore closed. The
only way to read a ledger without the read becoming an event in it: there is nothing to write to.
Nothing is locked, made or signed; the newest checkpoint is the one on the medium.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

from indelible.app.audit_policy import AuditPolicies
from indelible.app.core import Core
from indelible.app.corpus import LiveCorpus
from indelible.app.local import EmbeddedEngine
from indelible.app.place import Place
from indelible.app.proving import Prover
from indelible.app.rooms import LiveRooms
from indelible.app.sourcing import Sourcing
from indelible.base.clock import Clock, wall_us
from indelible.base.errors import IndelibleError
from indelible.base.limits import ROOM_THREADS
from indelible.ledger.incoming import Incoming, Own, Source, Written
from indelible.ledger.journal import journal_files
from indelible.ledger.publish import LogKeys, Publisher, check_note
from indelible.ledger.tail import Tail
from indelible.ledger.tree_state import LogTree
from indelible.proof.checkpoint import Checkpoint
from indelible.server.application import Application, build_app
from indelible.store.manifest import Manifest
from indelible.store.meta import Meta


class ReadOnly(IndelibleError):
    """Something was asked that would write."""

    code = "read_only"
    status = 405
    exit_code = 3
    remedy = "The folder is read-only; copy it, or bring it back with `indelible restore`."


class _Sequencer:
    """Stands where the sequencer would: nothing waits, nothing is written."""

    held: str | None = None
    queued_events = 0

    def full(self) -> str:
        """Nothing is written, so nothing lacks room."""
        return ""


class _Writer:
    stopped: str | None = "the folder is read-only"


class UnrecordedLedger:
    """The parts of an open ledger that reading needs."""

    def __init__(self, place: Place) -> None:
        self.paths, self.origin = place.paths, place.settings.origin
        self.keyring = place.keyring(read_only=True)
        self.manifest = Manifest(place.paths.manifest, read_only=True)
        self.reader = place.reader(self.keyring, self.manifest)
        self.keys = LogKeys(self.origin, self.keyring)
        tree = LogTree(self.reader.tile_leaves)
        tree.load(place.paths.tiles, self.reader.sealed_end)
        self.tail = Tail(place.paths, self.origin, self.keyring, tree)
        self.tree = tree
        self.writer = _Writer()
        self.clock = Clock()
        for path in journal_files(place.paths.journal):
            self.tail.follow_file(path)

    def close(self) -> None:
        """Close every file."""
        self.reader.close()
        self.manifest.close()
        self.keyring.close()


class _Note(Publisher):
    """The checkpoint on the medium; signs nothing."""

    def __init__(self, place: Place, keys: LogKeys) -> None:
        self.origin, self.keys = place.settings.origin, keys
        self._cosigned = None
        path = place.paths.checkpoint
        self.published = (Checkpoint(self.origin, 0, b""), b"")
        if path.exists():
            content = path.read_bytes()
            head = check_note(content, keys.verifier_keys(), self.origin, path)
            self.published = (head, content)


class UnrecordedCore(Core):
    """A `Core` that records nothing, because it cannot."""

    def __init__(self, place: Place) -> None:
        ledger = UnrecordedLedger(place)
        self.place = place
        self.ledger = ledger  # type: ignore[assignment]
        self.meta = Meta(place.paths.meta, keyring=ledger.keyring, read_only=True)
        self.sourcing = Sourcing(self.meta)
        self._sources = {
            (row.id, row.tenant): Source(row.number, row.id) for row in self.meta.sources()
        }
        self.sequencer = _Sequencer()  # type: ignore[assignment]
        self.publisher = _Note(place, ledger.keys)
        self.prover = Prover(ledger.origin, ledger.tree, ledger.reader, self.publisher)
        self.threads = ThreadPoolExecutor(ROOM_THREADS, "rooms")
        self.started_us = wall_us()
        self.damage = []
        self.witnessed = {}
        self.not_ready = list
        self.committed = asyncio.Condition()
        self.audit_policy = AuditPolicies(self)

    async def own(self, record: Own) -> int:
        """Reads report themselves here, where the report has nowhere to go."""
        if record.kind != "event":
            raise ReadOnly("the ledger's own records cannot be written here")
        return -1

    async def write(self, source: Source, via: object, events: Sequence[Incoming]) -> Written:
        """Refuse events."""
        raise ReadOnly("events cannot be written here")

    async def source(self, name: str, tenant: str) -> Source:
        """Refuse new sources."""
        raise ReadOnly("events cannot be written here")

    def close(self) -> None:
        """Close every file."""
        self.threads.shutdown(wait=True)
        self.meta.close()
        self.ledger.close()


class _Engine(EmbeddedEngine):
    """Queries over what is on the medium."""

    def __init__(self, core: UnrecordedCore) -> None:
        ledger = core.ledger
        super().__init__(core)
        self._corpus = LiveCorpus(ledger.paths, ledger.keyring, ledger.manifest, ledger.reader)
        tail: Tail = ledger.tail  # type: ignore[attr-defined]
        for chunk in tail.build_chunks(partial=True):
            self._corpus.put(chunk)

    def _catch_up(self) -> LiveCorpus:
        assert self._corpus is not None
        return self._corpus

    async def seal(self, end: int) -> int:
        """Refuse."""
        raise ReadOnly("nothing can be sealed here")


class UnrecordedFolder:
    """What the command line enters for `--unrecorded`."""

    def __init__(self, place: Place) -> None:
        self._place = place

    async def __aenter__(self) -> tuple[Application, str]:
        self._core = UnrecordedCore(self._place)
        app = build_app(LiveRooms(self._core, _Engine(self._core)), self._place.settings)
        return app, app.context.tokens.local()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._core.close()


