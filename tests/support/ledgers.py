"""Looking into a stopped ledger's files, past every index."""

from __future__ import annotations

import os
from collections import Counter

import msgspec

from indelible.app.place import Place as LedgerPlace
from indelible.event.model import read_body
from indelible.ledger.open import Ledger
from indelible.store.records import read_header
from support.served import Place


def ledger_place(place: Place) -> LedgerPlace:
    """The folder as the product sees it."""
    return LedgerPlace.at(place.data)


def all_bodies(place: Place) -> list[bytes]:
    """Every body, read from evidence and journals in index order."""
    ledger: Ledger = ledger_place(place).open()
    try:
        spans = ledger.reader.spans(0, ledger.tree.size)
        return [body for _, bodies, _ in spans for body in bodies]
    finally:
        ledger.close()


def ids_in_ledger(place: Place) -> Counter[str]:
    """How often each sender's id is stored."""
    found: Counter[str] = Counter()
    for body in all_bodies(place):
        event = read_body(body)
        if event.id:
            found[event.id] += 1
    return found


def key_users(place: Place) -> dict[str, set[str]]:
    """Key id to the names of the files that are encrypted under it."""
    users: dict[str, set[str]] = {}
    root = place.data / "ledger"
    for folder, kind in (("journal", "indelible-journal/1"), ("evidence", "indelible-evidence/1")):
        for path in (root / folder).iterdir():
            if path.name.startswith("."):
                continue
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_size < 64:
                    continue
                header, _ = read_header(file, kind, place.origin)
            users.setdefault(header.key, set()).add(path.name)
            if header.salt_key:
                users.setdefault(header.salt_key, set()).add(path.name)
    return users


def decoded(body: bytes) -> dict[str, object]:
    """A body as plain JSON."""
    value: dict[str, object] = msgspec.json.decode(body)
    return value
