"""Are the tables of a small database those that Indelible makes?

Who can write the file can also take a constraint away, or add a trigger that changes what others
write: no check of single rows shows that.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from indelible.ledger.register import Register
from indelible.store.keyring import Keyring
from indelible.store.manifest import Manifest
from indelible.store.meta import Meta
from indelible.store.meta_schema import MIGRATIONS
from indelible.store.sqlite import connect

Shape = dict[tuple[str, str], str]


@cache
def _due() -> dict[str, Shape]:
    """The shape of each database, by area: read from new ones, which are thrown away."""
    with tempfile.TemporaryDirectory(prefix="indelible-") as name:
        folder = Path(name)
        Manifest(folder / "manifest").close()
        Meta(folder / "meta").close()
        Register.create(folder, "x", 0, bytes(32)).close()
        Keyring.create(folder, "x")[0].close()
        places = {
            "manifest": "manifest", "meta": "meta", "register": "register.sqlite",
            "keyring": "keyring.sqlite",
        }
        found = {}
        for area, place in places.items():
            link = connect(folder / place)
            found[area] = _shape(link)
            link.close()
        return found


def _shape(link: sqlite3.Connection) -> Shape:
    rows = link.execute("SELECT type, name, sql FROM sqlite_master").fetchall()
    return {(str(kind), str(name)): " ".join(str(sql).split()) for kind, name, sql in rows}


def strange_tables(link: sqlite3.Connection, area: str) -> Iterator[str]:
    """What is not as Indelible makes it in the database of an area."""
    due, found = _due()[area], _shape(link)
    for kind, name in sorted(due.keys() | found.keys()):
        if (kind, name) not in found:
            yield f"the {kind} {name} is missing"
        elif (kind, name) not in due:
            yield f"it has a {kind} {name}, which Indelible does not make"
        elif found[kind, name] != due[kind, name]:
            yield f"the {kind} {name} is not as Indelible makes it"


def strange_meta(path: Path) -> list[str]:
    """The same of the metadata, which an earlier release may have written."""
    immutable = "" if path.with_name(f"{path.name}-wal").exists() else "&immutable=1"
    link = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro{immutable}", uri=True)
    try:
        applied = link.execute("SELECT count(*) FROM migration").fetchone()[0]
        strange = list(strange_tables(link, "meta"))
    finally:
        link.close()
    if applied >= len(MIGRATIONS):
        return strange
    return [] if strange else ["its migrations are not those that made its tables"]
