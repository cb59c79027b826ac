"""What opening refuses, and that a refused start leaves every file as it was."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from indelible.base.errors import Damaged
from indelible.ledger.open import Ledger
from indelible.ledger.register import Register, RegisterMissing
from support.opened import ORIGIN, create, open_ledger, work


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A ledger whose register knows three events."""
    create(tmp_path)
    ledger: Ledger = open_ledger(tmp_path)
    ledger.writer.append([work(0, 3)])
    ledger.register.advance(ledger.fence, 0, 3, ledger.tree.root(3))
    ledger.close()
    return tmp_path


def files(folder: Path) -> dict[Path, bytes]:
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != "lock"}


@pytest.mark.parametrize("drop", ["segments", "about", None])
def test_a_start_without_the_manifest_or_a_table_of_it_makes_none(
    root: Path, drop: str | None
) -> None:
    manifest = root / "data" / "ledger" / "manifest.sqlite"
    if drop is None:
        manifest.unlink()
    else:
        with closing(sqlite3.connect(manifest)) as link:
            link.execute(f"DROP TABLE {drop}")
    before = files(root / "data")
    with pytest.raises(Damaged, match="manifest"):
        open_ledger(root)
    assert files(root / "data") == before


@pytest.mark.parametrize("column", ["size", "fence"])
def test_a_register_with_text_for_a_number_is_damaged(root: Path, column: str) -> None:
    with closing(sqlite3.connect(root / "state" / "register.sqlite")) as link:
        link.execute("CREATE TABLE loose AS SELECT * FROM register")
        link.execute("DROP TABLE register")
        link.execute("ALTER TABLE loose RENAME TO register")
        link.execute(f"UPDATE register SET {column}='x'")
        link.commit()
    with pytest.raises(RegisterMissing, match="damaged"):
        Register(root / "state", ORIGIN)
