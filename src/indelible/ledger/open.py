"""Opening a ledger: what is on disk is read back, compared with the register, and taken over.

The ledger refuses, says why and changes nothing when the register is ahead of the data (rolled
back or truncated), holds another root for a size the data have (forked or tampered), or when a
file does not read. Only a torn tail (one incomplete record at the very end of the newest journal
file, at or above the register's size) is moved to `quarantine/`: nobody was answered for it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec

from indelible.base.clock import Clock, wall_us
from indelible.base.errors import Damaged
from indelible.base.files import (
    FolderLock,
    fsync_folder,
    remove_durably,
    sweep_temporary,
)
from indelible.ledger.journal import (
    MARK,
    JournalReader,
    TornTail,
    first_of,
    header_bytes,
    journal_files,
)
from indelible.ledger.kernel import SaltStream, heads_of, leaves_of, received_of_head
from indelible.ledger.paths import LedgerPaths
from indelible.ledger.publish import LogKeys, Publisher, check_note
from indelible.ledger.quarantine import set_aside
from indelible.ledger.reader import LedgerReader
from indelible.ledger.register import Register
from indelible.ledger.seen import Seen, sweep_unsealed
from indelible.ledger.tree_state import LogTree
from indelible.ledger.writer import Writer
from indelible.store.keyring import JOURNAL, SEEN, Keyring
from indelible.store.manifest import Manifest

_NO_MARK = bytes(16)


class RolledBack(Damaged):
    """The register knows a later state than the data hold."""

    code = "rolled_back"
    remedy = (
        "The folder is older than its register, or its end is gone: bring the newer copy back."
        " If it is lost for good, `indelible restore` closes this log and begins the next."
    )


class Forked(Damaged):
    """The data and the register hold different histories of one size."""

    code = "forked"
    remedy = "Run `indelible verify --data DIR`; one of the two was altered or is another copy."


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """What opening found."""

    sealed: int
    size: int
    last_received_us: int


class Ledger:
    """An open ledger with its writer. Close it; it holds the folder's lock."""

    def __init__(
        self, paths: LedgerPaths, origin: str, keyring: Keyring, register: Register
    ) -> None:
        self.paths, self.origin, self.keyring, self.register = paths, origin, keyring, register
        paths.make()
        self.lock = FolderLock(paths.lock)
        try:
            self._open()
        except BaseException:
            self.lock.release()
            raise

    def _open(self) -> None:
        paths = self.paths
        for folder in paths.folders():
            sweep_temporary(folder)
        made = paths.manifest.exists() and paths.manifest.stat().st_size
        if not made and (paths.checkpoint.exists() or self.register.read().size):
            raise Damaged(
                "the manifest is gone",
                remedy="Run `indelible reindex --data DIR`: it is made again from evidence.",
            )
        self.manifest = Manifest(paths.manifest)
        self.reader = LedgerReader(paths, self.origin, self.keyring, self.manifest)
        self.tree = LogTree(self.reader.tile_leaves)
        self.tree.load(paths.tiles, self.reader.sealed_end)
        seen = Seen(paths.ids, self.keyring.newest(SEEN))
        if seen.sealed_end < self.reader.sealed_end:
            raise Damaged(
                f"the id index ends at {seen.sealed_end}, evidence at {self.reader.sealed_end}",
                remedy="Run `indelible reindex --data DIR`: it is made again from evidence.",
            )
        self._mends: list[Callable[[], object]] = [
            partial(sweep_unsealed, paths.ids, self.reader.sealed_end), seen.reload
        ]
        self.recovered = self._replay(seen)
        self._compare_with_register()
        self.keys = LogKeys(self.origin, self.keyring)
        self._compare_with_checkpoint()
        for mend in self._mends:  # only now: a start that is refused changes nothing
            mend()
        self.fence = self.register.take()
        self.publisher = Publisher(paths, self.origin, self.keys, self.register, self.fence)
        self.clock = Clock(self.recovered.last_received_us)
        self.writer = Writer(
            paths, self.origin, self.keyring, clock=self.clock, tree=self.tree, seen=seen
        )
        self._drop_sealed_journals()

    def _replay(self, seen: Seen) -> Recovered:
        """Read every journal file from the sealed size on into tree and id index."""
        sealed = self.reader.sealed_end
        last = self._last_sealed_received(sealed)
        files = journal_files(self.paths.journal)
        for position, path in enumerate(files):
            newest = position == len(files) - 1
            try:
                journal = JournalReader(path, self.origin, self.keyring)
            except Damaged:
                if newest and self._headless(path, sealed):
                    self._mends.append(partial(remove_durably, path))
                    continue
                raise
            try:
                if journal.header.first > self.tree.size:
                    raise Damaged(
                        f"indexes {self.tree.size}..{journal.header.first - 1} are missing:"
                        f" no journal file holds them"
                    )
                last = self._replay_file(journal, seen, last)
                if journal.next == journal.header.first:  # two files must not begin at one index
                    self._mends.append(partial(remove_durably, journal.path))
            except TornTail as torn:
                if not newest or self.register.read().size > torn.index:
                    raise Damaged(
                        f"{torn.message}; indexes from {torn.index} on are damaged"
                    ) from torn
                if journal.whole_record_after(torn.offset):
                    raise Damaged(f"{torn.message}, and whole records follow it") from torn
                self._mends.append(partial(set_aside, self.paths, torn))
                if torn.index == journal.header.first:
                    self._mends.append(partial(remove_durably, journal.path))
            finally:
                journal.close()
        return Recovered(sealed=sealed, size=self.tree.size, last_received_us=last)

    def _headless(self, path: Path, sealed: int) -> bool:
        """A crash between creating a journal file and its header leaves less than a header.

        Decided by the file's size alone: what stands in a damaged header says nothing.
        """
        whole = header_bytes(self.origin, path)
        return path.stat().st_size < whole and first_of(path) >= sealed

    def _last_sealed_received(self, sealed: int) -> int:
        return self.reader.segments[-1].received_max if sealed else 0

    def _replay_file(self, journal: JournalReader, seen: Seen, last: int) -> int:
        salts = SaltStream(self.keyring.get(journal.header.salt_key))
        for batch in journal.read():
            skip = max(0, self.tree.size - batch.first)
            if skip >= len(batch.bodies):
                continue
            bodies, first = batch.bodies[skip:], batch.first + skip
            heads = heads_of(bodies)
            self.tree.append(leaves_of(bodies, heads, salts.salts(first, len(bodies))))
            for position in range(len(bodies)):
                at = (skip + position) * MARK
                mark = batch.marks[at : at + MARK]
                if mark[:16] != _NO_MARK:
                    seen.commit(mark[:16], mark[16:], first + position)
            received = received_of_head(heads[-1])
            if received < last:
                raise Damaged(f"{journal.path.name}: received times go back at {first}")
            last = received
        return last

    def _compare_with_register(self) -> None:
        signed = self.register.read()
        if signed.closed:
            raise Damaged(
                f"the log {self.origin!r} was closed by a restore; it takes nothing more",
                remedy="Read it with --unrecorded; use the ledger that continues it.",
            )
        if signed.size > self.tree.size:
            raise RolledBack(
                f"the register knows size {signed.size}, the data end at {self.tree.size}"
            )
        if self.tree.root(signed.size) != signed.root:
            raise Forked(
                f"at size {signed.size} the register holds root {signed.root.hex()},"
                f" the data give {self.tree.root(signed.size).hex()}"
            )

    def _compare_with_checkpoint(self) -> None:
        """The newest stored checkpoint must be of this log's keys and of these data."""
        path = self.paths.checkpoint
        if not path.exists():
            return
        head = check_note(path.read_bytes(), self.keys.verifier_keys(), self.origin, path)
        if head.size > self.tree.size:
            raise RolledBack(
                f"the checkpoint here is of size {head.size}, the data end at {self.tree.size}"
            )
        if self.tree.root(head.size) != head.root:
            raise Forked(f"the checkpoint of size {head.size} does not fit the data")

    def _drop_sealed_journals(self) -> None:
        """Journal files that a crash left behind their segment go now, with their data keys."""
        drop_sealed_journals(self.paths, self.origin, self.keyring, self.reader.sealed_end)

    def idle_us(self) -> int:
        """How long ago the last event was received."""
        last = self.recovered.last_received_us
        return wall_us() - last if last else 0

    def close(self) -> None:
        """Write the closing record and give the folder back."""
        try:
            self.writer.close()
        finally:
            self.reader.close()
            self.manifest.close()
            self.register.close()
            self.lock.release()


def drop_sealed_journals(
    paths: LedgerPaths, origin: str, keyring: Keyring, sealed_end: int, *,
    before: int | None = None,
) -> list[str]:
    """Remove journal files wholly below `sealed_end`; their data keys go too.

    Beside a writer only files that begin `before` its own: one that it makes meanwhile is empty at
    first, and looks as sealed as any. Reads the files whole, so not on the journal's thread.
    The file goes first, durably; a crash before the key is destroyed leaves a key without a file.
    Salt keys stay: evidence needs them. The key goes only when a record opened under it, and with
    the end that the records give: names and an empty file's header are anybody's who can write
    the folder, but no header can be changed above a record. A file that does not read stays.
    """
    gone: list[str] = []
    files = journal_files(paths.journal)
    for position, path in enumerate(files):
        beyond = position + 1 < len(files) and first_of(files[position + 1]) > sealed_end
        if beyond or (before is not None and first_of(path) >= before):
            continue
        journal = JournalReader(path, origin, keyring)
        try:
            end = _end_of(journal)
        except Damaged:
            continue
        finally:
            journal.close()
        if end <= sealed_end:
            path.unlink()
            fsync_folder(paths.journal)
            if end > journal.header.first:
                keyring.destroy(JOURNAL, [journal.header.file])
            gone.append(path.name)
    return gone


def _end_of(journal: JournalReader) -> int:
    for _ in journal.read():
        pass
    return journal.next
