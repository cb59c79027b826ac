"""The id index: was (source, id) seen before, and with which content?

A key is a keyed 128-bit fingerprint of source number and id, its value the keyed 64-bit digest of
the content and the event's index, so the index tells nothing without its secret, and still
decides when a body has been erased. Ids above the sealed range are in memory, all others in a few
sorted runs (`seen_run`). Two processes share a folder:

- the **writer** asks `Seen.decide`, then `Seen.commit`s what it stored, and calls `Seen.reload`
  and `Seen.forget_below` when the sealer says so;
- the **sealer** writes runs with `seal_run` and merges them with `compact`; what a merge replaced
  is removed by `sweep`, which is called only after the writer has reloaded.

Same id, other content: the event is stored as a conflict, under a key of its own made from
fingerprint and digest (`Fingerprints.variant`), so that a retry of it is recognised too.

Crash windows: a run is durable before the manifest names its segment; what an interrupted seal
left there is removed by `sweep_unsealed`, since the next seal may end elsewhere. A merged run is
durable before what it replaces goes: two files cover one range, the wider one counts, and `sweep`
removes the other.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from math import comb
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from indelible.base.errors import Damaged
from indelible.base.files import fsync_folder, make_folder, sweep_temporary
from indelible.base.invariant import invariant
from indelible.base.limits import FORGET_IDS, ID_RUNS
from indelible.ledger.seen_run import (
    SUFFIX,
    Column,
    Run,
    RunHeader,
    bloom_mask,
    columns_of,
    cut,
    key_id,
    merge_runs,
    partition_bounds,
    run_path,
    sorted_columns,
    words_for,
    write_run,
)

RECORD_BYTES: Final = 32
_U32: Final = np.uint64(32)


class Found(msgspec.Struct, frozen=True, gc=False):
    """An earlier event of the same source and id.

    `index` is the event's index or, when it stands earlier in the same batch, `-1 - position`.
    `same` says whether the content is the same too; if not, `index` is the first bearer's.
    """

    index: int
    same: bool


class Fingerprints:
    """The keyed hashes of the index under its 32-byte secret."""

    def __init__(self, secret: bytes) -> None:
        invariant(len(secret) == 32, "the id index needs a secret of 32 bytes")
        self._id = hashlib.blake2b(digest_size=16, key=secret, person=b"seen-id")
        self._content = hashlib.blake2b(digest_size=8, key=secret, person=b"seen-content")
        self._stripped = hashlib.blake2b(digest_size=8, key=secret, person=b"seen-stripped")
        self._message = hashlib.blake2b(digest_size=16, key=secret, person=b"seen-message")
        self._variant = hashlib.blake2b(digest_size=16, key=secret, person=b"seen-variant")

    def fingerprint(self, source: int, event_id: str) -> bytes:
        """16 bytes for (source, id)."""
        hasher = self._id.copy()
        hasher.update(source.to_bytes(4, "big") + event_id.encode())
        return hasher.digest()

    def message_fingerprint(self, source: int, message: bytes) -> bytes:
        """16 bytes for a message without an id, so that its repetition is recognised."""
        hasher = self._message.copy()
        hasher.update(source.to_bytes(4, "big") + message)
        return hasher.digest()

    def digest(self, content: bytes, *, stripped: bool = False) -> bytes:
        """8 bytes for the content that is compared.

        Of a stripped event that is `incoming.stripped_identity`, under a hash of its own: nobody
        can send a message that would pass for another one's stripped form.
        """
        hasher = (self._stripped if stripped else self._content).copy()
        hasher.update(content)
        return hasher.digest()

    def variant(self, fingerprint: bytes, digest: bytes) -> bytes:
        """The key of an event whose id was taken: 16 bytes for (source, id, content)."""
        hasher = self._variant.copy()
        hasher.update(fingerprint + digest)
        return hasher.digest()


def record(fingerprint: bytes, digest: bytes, index: int) -> bytes:
    """A record as `seal_run` takes it; of a conflict the fingerprint is its `variant`."""
    return fingerprint + digest + index.to_bytes(8, "big")


class Seen(Fingerprints):
    """The writer's view. Not for several threads at once."""

    def __init__(self, folder: Path, secret: bytes) -> None:
        """Open the runs in `folder`; raises `Damaged` when one is not sound or missing."""
        super().__init__(secret)
        self._folder = folder
        self._secret = secret
        self._unsealed: dict[bytes, bytes] = {}
        self._order: deque[bytes] = deque()
        self._bound = 0
        self._runs: list[Run] = []
        self.reload()

    @property
    def sealed_end(self) -> int:
        """The runs cover every index below this."""
        return self._runs[-1].header.end if self._runs else 0

    @property
    def unsealed(self) -> int:
        """How many ids are in memory."""
        return len(self._unsealed)

    @property
    def stored(self) -> int:
        """How many ids are in runs."""
        return sum(run.header.count for run in self._runs)

    @property
    def run_count(self) -> int:
        """How many runs a lookup goes through."""
        return len(self._runs)

    def reload(self) -> None:
        """Take up the runs as they are on disk now."""
        held = {run.path: run for run in self._runs}
        self._runs = open_runs(self._folder, self._secret, held)

    def forget_below(self, index: int) -> None:
        """Let go of the ids below `index`, which runs cover; `commit` does it step by step."""
        invariant(index <= self.sealed_end, "ids may leave memory only once a run holds them")
        self._bound = max(self._bound, index)
        self._forget(FORGET_IDS)

    def _forget(self, steps: int) -> None:
        order, unsealed = self._order, self._unsealed
        while steps and order and int.from_bytes(unsealed[order[0]][8:], "big") < self._bound:
            del unsealed[order.popleft()]
            steps -= 1

    def lookup(self, fingerprints: Sequence[bytes]) -> list[bytes | None]:
        """For each fingerprint digest || u64 index, or None."""
        get = self._unsealed.get
        found = [get(fingerprint) for fingerprint in fingerprints]
        if not self._runs or not found:
            return found
        table = np.frombuffer(b"".join(fingerprints), dtype=">u8").reshape(-1, 2)
        high = table[:, 0].astype(np.uint64)
        low = table[:, 1].astype(np.uint64)
        top, mask = high >> _U32, bloom_mask(low)
        for run in reversed(self._runs):
            positions, values = run.find(high, top, low, mask)
            for at, position in enumerate(positions):
                found[position] = values[16 * at : 16 * at + 16]
        return found

    def decide(
        self, fingerprints: Sequence[bytes], digests: Sequence[bytes],
        other: Callable[[int], bytes] | None = None,
    ) -> list[Found | None]:
        """For each event of a batch, in order: None when its id is new, else what bore it first.

        An event may repeat one of the same batch: see `Found.index`. `other` gives the digest of
        the event at a position in its other form (`incoming.other_identity`), which is the same
        content too; it is asked only of events whose id is known and whose digest differs.
        """
        known = self.lookup(fingerprints)
        out: list[Found | None] = [None] * len(known)
        batch: dict[bytes, int] = {}
        for position, fingerprint in enumerate(fingerprints):
            batch.setdefault(fingerprint, position)
        if len(batch) == len(known) and not any(known):
            return out
        variants: dict[bytes, int] = {}
        for position, (fingerprint, digest, value) in enumerate(
            zip(fingerprints, digests, known, strict=True)
        ):
            first = batch[fingerprint]
            if value is None and first == position:
                continue
            if value is not None:
                same, index = value[:8] == digest, int.from_bytes(value[8:], "big")
            else:
                same, index = digests[first] == digest, -1 - first
            forms = [digest]
            if not same and other is not None:
                forms.append(other(position))
                same = forms[1] == (digests[first] if value is None else value[:8])
            if not same:
                keys = [self.variant(fingerprint, form) for form in forms]
                earlier = next((found for found in self.lookup(keys) if found is not None), None)
                before = next((variants[key] for key in keys if key in variants), None)
                if earlier is not None:
                    same, index = True, int.from_bytes(earlier[8:], "big")
                elif before is not None:
                    same, index = True, -1 - before
                else:
                    variants[keys[0]] = position
            out[position] = Found(index, same)
        return out

    def commit(self, fingerprint: bytes, digest: bytes, index: int, conflict: bool = False) -> None:
        """Remember an event that is durable; indexes come in increasing order."""
        key = self.variant(fingerprint, digest) if conflict else fingerprint
        if key not in self._unsealed:
            self._unsealed[key] = digest + index.to_bytes(8, "big")
            self._order.append(key)
        if self._bound:
            self._forget(2)


def _chain(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """(the files that count, those that a wider one replaces); raises `Damaged` on a hole."""
    ranges: list[tuple[int, int, Path]] = []
    for path in paths:
        low, dash, high = path.name.removesuffix(SUFFIX).partition("-")
        if not (dash and low.isdigit() and high.isdigit()):
            raise Damaged(f"{path.name} is not a name of a run of the id index")
        ranges.append((int(low), -int(high), path))
    chain: list[Path] = []
    covered: list[Path] = []
    at = 0
    for first, minus_end, path in sorted(ranges):
        if -minus_end <= at and chain:
            covered.append(path)
        elif first == at:
            chain.append(path)
            at = -minus_end
        elif first > at:
            raise Damaged(f"the id index misses its run of the indexes {at} to {first - 1}")
        else:
            raise Damaged(f"two runs of the id index overlap at {first}: {path.name}")
    return chain, covered


def open_runs(folder: Path, secret: bytes, held: dict[Path, Run] | None = None) -> list[Run]:
    """The runs that count, oldest first; those in `held` are not opened again."""
    held = held or {}
    while True:
        chain, _ = _chain(list(folder.glob(f"[!.]*{SUFFIX}")))
        try:
            return [held.get(path) or Run(path, secret) for path in chain]
        except FileNotFoundError:
            continue  # the sealer swept between listing and opening: list again


def seal_run(folder: Path, secret: bytes, first: int, end: int, records: bytes) -> Path:
    """Write durably the run of [first, end) from concatenated `record`s in any order."""
    make_folder(folder)
    columns = sorted_columns([columns_of(records)])
    count = len(columns.high)
    header = RunHeader(
        key=key_id(secret), first=first, end=end, count=count, words=words_for(count), seals=1
    )
    path = run_path(folder, first, end)
    edges = cut(columns, partition_bounds(count))
    parts = [columns.slice(*edge) for edge in pairwise(edges)]
    write_run(path, secret, header, parts)
    return path


def _wanted(seals: int) -> list[int]:
    """How `seals` seals are spread over at most `ID_RUNS` runs, oldest first.

    The combinatorial number system: of all ways to keep ID_RUNS runs it rewrites least.
    """
    out = []
    for level in range(ID_RUNS, 0, -1):
        top = level - 1
        while comb(top + 1, level) <= seals:
            top += 1
        if comb(top, level):
            out.append(comb(top, level))
            seals -= out[-1]
    return out


def compact(folder: Path, secret: bytes) -> Path | None:
    """Merge the newest runs when there are more than wanted; the new run, or None.

    Replaced files stay until `sweep`. Call it after each `seal_run`.
    """
    runs = open_runs(folder, secret)
    sizes = [run.header.seals for run in runs]
    wanted = _wanted(sum(sizes))
    keep = 0
    while keep < min(len(sizes), len(wanted)) and sizes[keep] == wanted[keep]:
        keep += 1
    if len(runs) - keep < 2 or len(runs) <= len(wanted):
        return None
    return merge_runs(folder, secret, runs[keep:])


def sweep(folder: Path) -> int:
    """Remove replaced runs and unfinished files; only after the writer has reloaded."""
    _, covered = _chain(list(folder.glob(f"[!.]*{SUFFIX}")))
    for path in covered:
        path.unlink(missing_ok=True)
    count = sweep_temporary(folder) + len(covered)
    if count:
        fsync_folder(folder)
    return count


def sweep_unsealed(folder: Path, sealed_end: int) -> int:
    """Remove runs that begin at or above the sealed size; returns how many.

    No segment stands behind them: an interrupted seal left them, or a copy that is not of one
    moment, and then they would answer for events that nobody holds. Merged runs never reach up
    there. Raises `Damaged` for one that begins below and does.
    """
    above: list[Path] = []
    for path in folder.glob(f"[!.]*{SUFFIX}"):
        first, _, end = path.name.removesuffix(SUFFIX).partition("-")
        if int(first) < sealed_end < int(end):
            raise Damaged(
                f"{path.name}: the id index goes beyond the evidence, which ends at {sealed_end}",
                remedy="Run `indelible reindex --data DIR`: it is made again from evidence.",
            )
        if int(first) >= sealed_end:
            above.append(path)
    for path in above:
        path.unlink(missing_ok=True)
    if above:
        fsync_folder(folder)
    return len(above)


def problems(folder: Path, secret: bytes, sealed_end: int) -> Iterator[str]:
    """What is wrong with the index as far as it can be seen without the evidence."""
    try:
        runs = open_runs(folder, secret)
    except Damaged as error:
        yield error.message
        return
    end = runs[-1].header.end if runs else 0
    if end < sealed_end:
        yield f"the id index ends at {end}, the evidence at {sealed_end}"
    for run in runs:
        if run.header.key != key_id(secret):
            yield f"{run.path.name}: made under another secret"
        yield from run.problems()


def differences(seen: Seen, records: Sequence[bytes]) -> Iterator[tuple[str, int]]:
    """What the index says otherwise than `records`, made from evidence; and of which event."""
    for made, value in zip(records, seen.lookup([r[:16] for r in records]), strict=True):
        index = int.from_bytes(made[24:], "big")
        if value is None:
            yield f"the id of event {index} is not in the id index", index
        elif value != made[16:]:
            told = int.from_bytes(value[8:], "big")
            text = f"the id of event {index} is told as event {told}'s, or with other content"
            yield text, index


def held_records(folder: Path, secret: bytes, indexes: Column) -> bytes:
    """The records of `indexes`, as the present runs hold them: for bodies that are erased."""
    out = []
    for run in open_runs(folder, secret):
        rows = np.flatnonzero(np.isin(run.columns.index, indexes))
        table = np.stack([column[rows] for column in run.columns.all()], axis=1)
        out.append(table.astype(">u8").tobytes())
    return b"".join(out)
