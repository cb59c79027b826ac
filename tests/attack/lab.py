"""A small ledger that is built once, and copies of it that are attacked."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from indelible.app.place import Place
from indelible.app.setup import init_ledger
from indelible.base.settings import FILE_NAME, load, write_initial
from indelible.event.model import Via
from indelible.ingest.parsers.native import parse_native
from indelible.ledger.incoming import SELF, Source, Work, own_record
from indelible.ledger.keeper import Keeper
from indelible.ledger.open import Ledger, drop_sealed_journals
from indelible.store.meta import Meta

ORIGIN = "attack.example/log"
SOURCE = Source(1, "hr")
VIA = Via(protocol="http", parser="native/1", peer="127.0.0.1")


def lines(first: int, count: int, seed: int = 0) -> bytes:
    """NDJSON of `count` events that tell their number and all differ."""
    rng = random.Random(f"{seed}/{first}")
    form = (
        '{"action":"record.update","actor":{"type":"user","id":"u%d","name":"User %d"},'
        '"targets":[{"type":"record","id":"r%d"}],"id":"id-%d-%d","outcome":"success",'
        '"origin":{"ip":"10.0.%d.%d"},"data":{"n":%d,"note":"%x"}}'
    )
    return "\n".join(
        form % (n % 17, n % 17, rng.randrange(999), seed, n, n % 250, n % 199, n,
                rng.getrandbits(256))
        for n in range(first, first + count)
    ).encode()


class Driven:
    """An open ledger driven step by step."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.ledger: Ledger = place.open()
        ledger = self.ledger
        self.keeper = Keeper(
            ledger.paths, ledger.origin, ledger.keyring, ledger.manifest, ledger.reader
        )
        self.made = 0

    @property
    def size(self) -> int:
        return self.ledger.tree.size

    def append(self, count: int, batch: int = 100, seed: int = 0) -> None:
        """So many new events, `batch` to a journal record."""
        while count:
            part = min(batch, count)
            parsed, refused = parse_native(lines(self.size, part, seed))
            assert not refused
            self.ledger.writer.append([Work(SOURCE, VIA, parsed)])
            count -= part

    def register(self) -> None:
        """The source, as the first event of a new one registers it: in the log and beside it."""
        data: dict[str, object] = {"number": SOURCE.number, "id": SOURCE.id}
        record = own_record("source", "ledger.source.register", data, "create")
        self.ledger.writer.append([Work(SELF, Via(protocol="internal"), [record])])
        meta = Meta(self.place.paths.meta)
        meta.add_source(SOURCE.number, SOURCE.id)
        meta.close()

    def publish(self, *, keep: bool = False) -> bytes:
        """Read back and sign what is there; the note."""
        ledger = self.ledger
        self.keeper.follow(ledger.writer.where(), 1 << 62)
        size, root = self.keeper.checked()
        note = ledger.publisher.publish(size, root, ledger.clock.now_us())
        if keep:
            ledger.publisher.keep()
        return note

    def seal(self) -> None:
        """Seal everything that is there."""
        ledger, keeper = self.ledger, self.keeper
        ledger.writer.roll()
        keeper.follow(ledger.writer.where(), 1 << 62)
        while keeper.tail.start < keeper.tail.end:
            end = min(keeper.due() or keeper.tail.end, keeper.tail.end)
            keeper.seal(keeper.take(end))
            keeper.drop(end)
            ledger.reader.refresh()
            ledger.tree.drop_below(end)
            ledger.writer.seen.reload()
            ledger.writer.seen.forget_below(end)
            keeper.sweep_ids()
            drop_sealed_journals(ledger.paths, ledger.origin, ledger.keyring, end)

    def close(self) -> None:
        self.ledger.close()


@contextmanager
def driven(place: Place) -> Iterator[Driven]:
    """An open ledger, closed at the end."""
    found = Driven(place)
    try:
        yield found
    finally:
        found.close()


def place_at(folder: Path) -> Place:
    """The ledger in `folder` (data, keys and state beside each other)."""
    return Place(folder / "data", load(folder / "data", {}, {}))


def new_ledger(folder: Path, origin: str = ORIGIN) -> Place:
    """A new ledger in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    init_ledger(folder / "data", origin, folder / "keys", folder / "state")
    return place_at(folder)


def with_tokens(place: Place) -> None:
    """A writer `payroll` of the tenant `acme`, a reader `ann`, and `leaver`, who was revoked."""
    keyring = place.keyring()
    meta = Meta(place.paths.meta, keyring=keyring)
    meta.create_token("payroll", "writer", "payroll", "acme")
    meta.create_token("ann", "reader")
    meta.revoke_token(meta.create_token("leaver", "auditor")[0].id)
    meta.close()
    keyring.close()


def copy_ledger(source: Path, to: Path) -> Place:
    """Everything of a ledger copied, with its settings pointing at the copy."""
    shutil.copytree(source, to)
    settings = to / "data" / FILE_NAME
    os.unlink(settings)
    origin = place_at(source).settings.origin
    write_initial(settings, origin=origin, keys=to / "keys", state=to / "state")
    return place_at(to)
