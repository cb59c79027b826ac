"""The writer: gives indexes, writes bodies, and knows the tree. One for a ledger, never two.

`prepare` is the one step that gives an index: it decides whether (source, id) was seen before,
encodes bodies and computes nothing that could fail later. `store` makes a prepared batch durable.
`commit` makes it part of the tree and of the id index. The caller keeps the order
prepare, store, commit for each batch, one batch at a time; `append` does all three.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from indelible.base.clock import MICROS, Clock, rfc3339
from indelible.base.errors import LedgerStopped
from indelible.base.invariant import invariant
from indelible.base.limits import (
    AHEAD_SECONDS,
    BATCH_BYTES,
    BATCH_EVENTS,
    BODY_BYTES,
    LATE_SECONDS,
    SEGMENT_BYTES,
    SEGMENT_EVENTS,
)
from indelible.event.model import Via
from indelible.ledger.incoming import (
    UNWATCHED,
    Durable,
    Incoming,
    Source,
    Work,
    Written,
    other_identity,
)
from indelible.ledger.journal import MARK, JournalWriter, NewJournal
from indelible.ledger.kernel import SaltStream, entry_head, leaves_of
from indelible.ledger.paths import LedgerPaths
from indelible.ledger.seen import Seen
from indelible.ledger.tree_state import LogTree
from indelible.proof.commitment import KINDS
from indelible.store.keyring import Keyring

_NO_MARK = bytes(MARK)


def other_digest(seen: Seen, event: Incoming) -> bytes:
    """The digest of an event in the form that it does not have now: whole, or stripped."""
    return seen.digest(other_identity(event), stripped=not event.original)


class _Verdict(NamedTuple):
    """What is known of one event's id: `mark` is its record in the id index, without the index."""

    mark: bytes
    before: int | None
    duplicate: bool
    repeat: bool = False


_WITHOUT_ID = _Verdict(_NO_MARK, None, False)


class Prepared(NamedTuple):
    """A batch with indexes, not yet durable."""

    first: int
    bodies: list[bytes]
    heads: list[bytes]
    marks: list[bytes]
    answers: list[Written]


class Writer:
    """Appends to one ledger. Not safe between threads: one caller."""

    def __init__(
        self, paths: LedgerPaths, origin: str, keyring: Keyring, *,
        clock: Clock, tree: LogTree, seen: Seen,
    ) -> None:
        self._paths, self._origin, self._keyring = paths, origin, keyring
        self.clock, self.tree, self.seen = clock, tree, seen
        self._journal: JournalWriter | None = None
        self._salts = SaltStream(bytes(32))
        self._pieces: list[tuple[int, int, SaltStream]] = []
        self._spare: NewJournal | None = None
        self.stopped: str | None = None

    @property
    def size(self) -> int:
        """Events that are durable and in the tree."""
        return self.tree.size

    # --- the three steps

    def prepare(self, works: Sequence[Work]) -> Prepared:
        """Give indexes to every event of `works` that is new and encode its body."""
        if self.stopped is not None:
            raise LedgerStopped(self.stopped)
        now = self.clock.now_us()
        batch = _Encoder(self.size, now)
        decided = self._decide(works)
        answers: list[Written] = []
        for work, verdicts in zip(works, decided, strict=True):
            answers.append(batch.add(work, verdicts))
        return Prepared(batch.first, batch.bodies, batch.heads, batch.marks, answers)

    def _decide(self, works: Sequence[Work]) -> list[list[_Verdict]]:
        """For each event: its mark, and what the id index says of it."""
        seen = self.seen
        fps: list[bytes] = []
        digests: list[bytes] = []
        asked: list[Incoming] = []
        for work in works:
            number = work.source.number
            for event in work.events:
                if event.id:
                    fps.append(seen.fingerprint(number, event.id))
                elif event.keep_repeats and work.via.protocol != UNWATCHED:
                    fps.append(seen.message_fingerprint(number, event.idempotent))
                else:
                    continue
                digests.append(seen.digest(event.idempotent, stripped=bool(event.original)))
                asked.append(event)
        found = seen.decide(fps, digests, lambda at: other_digest(seen, asked[at])) if fps else []
        given: list[int] = []  # the index each event with an id got, by its place in `fps`
        index, place = self.size, 0
        out: list[list[_Verdict]] = []
        for work in works:
            verdicts: list[_Verdict] = []
            for event in work.events:
                if not event.id and not (
                    event.keep_repeats and work.via.protocol != UNWATCHED
                ):
                    verdicts.append(_WITHOUT_ID)
                    index += 1
                    continue
                before = found[place]
                mark = fps[place] + digests[place]
                if before is None:
                    verdicts.append(_Verdict(mark, None, False))
                else:
                    first = before.index if before.index >= 0 else given[-1 - before.index]
                    if not event.id:  # a message without an id is stored however often it comes
                        verdicts.append(_Verdict(_NO_MARK, first, False, before.same))
                        given.append(index)
                        index += 1
                        place += 1
                        continue
                    if not before.same:
                        variant = seen.variant(fps[place], digests[place])
                        mark = variant + digests[place]
                    verdicts.append(_Verdict(mark, first, before.same))
                if before is not None and before.same:
                    given.append(first)
                else:
                    given.append(index)
                    index += 1
                place += 1
            out.append(verdicts)
        return out

    def store(self, prepared: Prepared) -> Durable:
        """Make the batch durable; blocks for the disk, may run in another thread.

        Raises `DiskFull` or `LedgerStopped`; the writer is stopped from then on.
        """
        done, total = 0, len(prepared.bodies)
        self._pieces = []
        try:
            while done < total:
                first = prepared.first + done
                journal = self._journal_for(first)
                count = self._fitting(prepared.bodies, done, first)
                part = slice(done, done + count)
                journal.append(prepared.bodies[part], b"".join(prepared.marks[part]))
                self._pieces.append((first, count, self._salts))
                done += count
        except Exception as error:
            self.stopped = f"the journal could not be written: {error}"
            raise
        return self.where(prepared.first + total)

    def _fitting(self, bodies: list[bytes], start: int, first: int) -> int:
        count = min(len(bodies) - start, SEGMENT_EVENTS - first % SEGMENT_EVENTS, BATCH_EVENTS)
        room = BATCH_BYTES
        for position in range(count):
            room -= len(bodies[start + position])
            if room < 0:
                return max(1, position)
        return count

    def _journal_for(self, index: int) -> JournalWriter:
        """The journal file that takes `index`: a new one at every boundary, or when full."""
        journal = self._journal
        if (
            journal is not None and journal.offset < SEGMENT_BYTES
            and journal.first // SEGMENT_EVENTS == index // SEGMENT_EVENTS
        ):
            return journal
        if journal is not None:
            journal.close()
        keys = self._spare or NewJournal.prepare(self._keyring)
        self._spare = None
        self._journal = JournalWriter(self._paths.journal, self._origin, index, keys)
        self._salts = SaltStream(keys.salt_key)
        return self._journal

    def spare(self) -> None:
        """Make the keys of the next journal file ahead of need; blocks for the disk."""
        if self._spare is None:
            self._spare = NewJournal.prepare(self._keyring)

    def compute_leaves(self, prepared: Prepared) -> bytes:
        """Leaves of the batch that `store` has just made durable."""
        out, done = [], 0
        for first, count, stream in self._pieces:
            part = slice(done, done + count)
            salts = stream.salts(first, count)
            out.append(leaves_of(prepared.bodies[part], prepared.heads[part], salts))
            done += count
        invariant(done == len(prepared.bodies), "leaves of a batch that was not stored")
        return b"".join(out)

    def commit(self, prepared: Prepared, leaves: bytes) -> None:
        """The batch is durable: it becomes part of the tree and of the id index."""
        invariant(self.tree.size == prepared.first, "batches out of order")
        self.tree.append(leaves)
        add = self.seen.commit
        for position, mark in enumerate(prepared.marks):
            if mark is not _NO_MARK:
                add(mark[:16], mark[16:], prepared.first + position)

    def append(self, works: Sequence[Work]) -> tuple[list[Written], Durable]:
        """Prepare, store and commit, blocking."""
        prepared = self.prepare(works)
        durable = self.store(prepared)
        self.commit(prepared, self.compute_leaves(prepared))
        return prepared.answers, durable

    def roll(self) -> None:
        """Close the journal file, so that the next event opens a new one (used by `seal`)."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    @property
    def writing_from(self) -> int:
        """Nothing is appended any more to journal files that begin below this index."""
        journal = self._journal
        return self.size if journal is None else journal.first

    def where(self, size: int | None = None) -> Durable:
        """How far a follower may read now."""
        size = self.size if size is None else size
        if self._journal is None:
            return Durable(size, "", 0)
        return Durable(size, self._journal.path.name, self._journal.offset)

    def close(self) -> None:
        """Write the closing record; the writer takes nothing more."""
        self.stopped = self.stopped or "the ledger is closed"
        if self._journal is not None:
            journal, self._journal = self._journal, None
            journal.close()


class _Encoder:
    """Builds the bodies of one batch."""

    def __init__(self, first: int, now_us: int) -> None:
        self.first = first
        self.bodies: list[bytes] = []
        self.heads: list[bytes] = []
        self.marks: list[bytes] = []
        self._tails: dict[tuple[Source, int], bytes] = {}
        self._vias: dict[tuple[Via, str], Via] = {}
        self._now = now_us
        self._received = rfc3339(now_us)
        self._ahead = now_us + AHEAD_SECONDS * MICROS
        self._late = now_us - LATE_SECONDS * MICROS

    def add(self, work: Work, verdicts: list[_Verdict]) -> Written:
        """Encode the new events of one submission."""
        indexes: list[int] = []
        duplicates: list[int] = []
        conflicts: dict[int, int] = {}
        repeats: dict[int, int] = {}
        plain = self._plain(work.source, work.via)
        head = entry_head(KINDS["event"], 0, work.source.number, 0, self._now)
        late = 0 if work.via.backfill else self._late
        bodies, heads, marks = self.bodies, self.heads, self.marks
        for position, (event, verdict) in enumerate(zip(work.events, verdicts, strict=True)):
            if verdict.duplicate:
                assert verdict.before is not None
                indexes.append(verdict.before)
                duplicates.append(position)
                continue
            indexes.append(self.first + len(bodies))
            time_us = event.time_us
            if (
                verdict.before is None and time_us is not None and late <= time_us <= self._ahead
                and not event.flags and not event.seq and not event.boot and event.kind == "event"
            ):
                tail = plain
                if event.parser:
                    tail = self._plain(work.source, self._read_by(work.via, event.parser))
                bodies.append(event.content[:-1] + tail)
                heads.append(head)
            else:
                if verdict.before is not None:
                    (repeats if verdict.repeat else conflicts)[position] = verdict.before
                self._special(work, event, verdict, late)
            marks.append(verdict.mark)
        return Written(indexes, duplicates, conflicts, repeats)

    def _read_by(self, via: Via, parser: str) -> Via:
        """`via` with the parser of one event; one object for each, as `_plain` tells them apart."""
        found = self._vias.get((via, parser))
        if found is None:
            found = self._vias[(via, parser)] = replace(via, parser=parser)
        return found

    def _special(self, work: Work, event: Incoming, verdict: _Verdict, late: int) -> None:
        flags = list(event.flags)
        if event.time_us is None:
            if work.source.number:  # what the ledger itself records happens as it is received
                flags.append("time_absent")
        elif event.time_us > self._ahead:
            flags.append("ahead")
        elif event.time_us < late:
            flags.append("late")
        earlier: dict[str, int] = {}
        if verdict.before is not None:
            flags.append("probable_repeat" if verdict.repeat else "id_conflict")
            earlier["repeat" if verdict.repeat else "conflict"] = verdict.before
        via = self._read_by(work.via, event.parser) if event.parser else work.via
        tail = self._tail(
            work.source, via, event.kind, event.seq, event.boot, tuple(flags), earlier
        )
        body = event.content[:-1] + tail
        invariant(b"\n" not in body and len(body) <= BODY_BYTES, "a body breaks its form")
        self.bodies.append(body)
        self.heads.append(
            entry_head(KINDS[event.kind], 0, work.source.number, event.seq, self._now)
        )

    def _plain(self, source: Source, via: Via) -> bytes:
        """What ends the body of an event without peculiarities; the same for a whole batch."""
        found = self._tails.get((source, id(via)))
        if found is None:
            found = self._tail(source, via, "event", 0, "", (), {})
            self._tails[(source, id(via))] = found
        return found

    def _tail(
        self, source: Source, via: Via, kind: str, seq: int, boot: str,
        flags: tuple[str, ...], earlier: dict[str, int],
    ) -> bytes:
        where: dict[str, object] = {"id": source.id, "number": source.number}
        if seq:
            where["seq"] = seq
        if boot:
            where["boot"] = boot
        tail: dict[str, object] = {
            "kind": kind, "received": self._received, "source": where, "via": via,
        }
        if flags:
            tail["flags"] = flags
        tail.update(earlier)
        return b"," + msgspec.json.encode(tail)[1:]
