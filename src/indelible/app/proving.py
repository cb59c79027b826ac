"""Proofs and bundles: tree, evidence and checkpoint put together. Blocking; run in a thread."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from indelible.base.errors import Busy, NotFound, TooLarge
from indelible.base.limits import BUNDLE_BYTES, PROVING_EVENTS, TILE_EVENTS
from indelible.ledger.publish import Publisher
from indelible.ledger.reader import LedgerReader, Stored
from indelible.ledger.tree_state import LogTree
from indelible.proof.bundle import Item, write_bundle
from indelible.proof.multi import multiproof
from indelible.proof.path import inclusion_proof
from indelible.proof.receipt import encode as encode_receipt
from indelible.proof.tile import parse_path, tile_width


class Prover:
    """Everything the log shows of itself, at the last published size."""

    def __init__(
        self, origin: str, tree: LogTree, reader: LedgerReader, publisher: Publisher
    ) -> None:
        self._origin, self._tree, self._reader = origin, tree, reader
        self._publisher = publisher

    def _published(self, index: int) -> tuple[int, bytes]:
        """Size and note to prove `index` with: cosigned by witnesses where theirs reach so far."""
        if index >= self._tree.size:
            raise NotFound(f"there is no event {index}")
        head, note = self._publisher.shown(index, self._tree.root)
        if index >= head.size:
            raise Busy(f"event {index} is not under a checkpoint yet", remedy="Ask in a second.")
        return head.size, note

    def cosigned(self) -> bytes:
        """The newest note that a witness cosigned; the newest of all where none has."""
        return self._publisher.shown(-1, self._tree.root)[1]

    def proof(self, index: int) -> str:
        """The C2SP tlog-proof of one event."""
        size, note = self._published(index)
        stored = self._reader.one(index)
        path = inclusion_proof(index, size, self._tree.subtree)
        return encode_receipt(index, stored.entry, stored.salt, path, note).decode()

    def bundle(self, indexes: Sequence[int], whole: tuple[int, int] | None) -> Path:
        """A bundle of some events or of a whole range, as a temporary file."""
        size, note = self._published(indexes[-1])
        items = [self._item(stored) for stored in self._stored(indexes, whole)]
        hashes = multiproof(indexes, size, self._tree.subtree)
        handle, name = tempfile.mkstemp(prefix="indelible-", suffix=".zip")
        try:
            with open(handle, "wb") as file:
                write_bundle(file, self._origin, note, items, hashes, whole)
        except BaseException:  # it holds events in clear
            Path(name).unlink(missing_ok=True)
            raise
        return Path(name)

    def _stored(self, indexes: Sequence[int], whole: tuple[int, int] | None) -> list[Stored]:
        found: list[Stored] = []
        size = 0
        for some in self._pieces(indexes, whole):
            found += some
            size += sum(len(one.body) for one in some)
            if size > BUNDLE_BYTES:
                raise TooLarge(
                    f"a bundle holds {BUNDLE_BYTES} bytes of events; {len(found)} of the "
                    f"{len(indexes)} that were asked for have more",
                    remedy="Ask for fewer events; a log is given whole by `export tlog`.",
                )
        return found

    def _pieces(
        self, indexes: Sequence[int], whole: tuple[int, int] | None
    ) -> Iterator[list[Stored]]:
        if whole is None:
            for at in range(0, len(indexes), PROVING_EVENTS):
                yield self._reader.many(indexes[at : at + PROVING_EVENTS])
            return
        for first, bodies, salts in self._reader.spans(whole[0], whole[1] + 1):
            yield [
                Stored(first + at, body, salts[at * 32 : at * 32 + 32])
                for at, body in enumerate(bodies)
            ]

    @staticmethod
    def _item(stored: Stored) -> Item:
        return (stored.index, stored.entry, stored.salt, stored.body)

    def tile(self, path: str) -> bytes | None:
        """A tile or entry bundle below the published size, by its path."""
        level, number, width = parse_path(path)
        size = self._publisher.size
        due = tile_width(0 if level == "entries" else level, number, size)
        if not 0 < width <= due:
            return None
        if level != "entries":
            return self._tree.tile(level, number, width)
        first = number * TILE_EVENTS
        out = []
        for start, bodies, salts in self._reader.spans(first, first + width):
            for at, body in enumerate(bodies):
                entry = Stored(start + at, body, salts[at * 32 : at * 32 + 32]).entry
                out.append(len(entry).to_bytes(2, "big") + entry)
        return b"".join(out)
