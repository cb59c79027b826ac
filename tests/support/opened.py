"""A ledger opened in the test's own process, without server or command line."""

from __future__ import annotations

import hashlib
from pathlib import Path

from indelible.event.model import Via
from indelible.ledger.incoming import Own, Source, Work
from indelible.ledger.open import Ledger
from indelible.ledger.paths import LedgerPaths
from indelible.ledger.register import Register
from indelible.store.keyring import Keyring

ORIGIN = "test.example/opened"
EMPTY = hashlib.sha256(b"").digest()
APP = Source(1, "app")
VIA = Via(protocol="http", parser="native/1")


def create(root: Path) -> None:
    """Keyring and register of a new ledger under `root`."""
    Keyring.create(root / "keys", ORIGIN)[0].close()
    Register.create(root / "state", ORIGIN, 0, EMPTY).close()


def open_ledger(root: Path) -> Ledger:
    """Open the ledger under `root`; the caller closes it."""
    keyring = Keyring(root / "keys", ORIGIN)
    register = Register(root / "state", ORIGIN)
    return Ledger(LedgerPaths(root / "data"), ORIGIN, keyring, register)


def incoming(number: int, *, event_id: str = "", content: bytes = b"") -> Own:
    """An event ready to be written."""
    body = content or b'{"action":"t.read","actor":{"type":"user","id":"u%d"}}' % number
    return Own(content=body, idempotent=body, id=event_id, time_us=None)


def work(first: int, count: int, *, ids: bool = False) -> Work:
    """`count` events of one source."""
    events = [
        incoming(n, event_id=f"e{n}" if ids else "") for n in range(first, first + count)
    ]
    return Work(APP, VIA, events)
