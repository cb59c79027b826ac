"""Settings of sources in the database: bound to the keyring, secrets sealed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from indelible.store.meta import Meta
from indelible.store.source_rows import SettingsRow, opened_row, sealed_row
from support.token_keys import token_keyring

KEY = bytes(range(32))
ROW = SettingsRow(id="web", tenant="acme", settings=b'{"id":"web"}', secret=b"whsec_hidden")


def test_a_row_opens_under_its_key_and_no_other() -> None:
    stored = sealed_row(KEY, ROW)
    assert opened_row(KEY, stored) == ROW
    assert opened_row(bytes(32), stored) is None


@pytest.mark.parametrize("place", range(5))
def test_a_row_that_was_altered_anywhere_is_none(place: int) -> None:
    stored = list(sealed_row(KEY, ROW))
    value = stored[place]
    stored[place] = value + "x" if isinstance(value, str) else value[:-1] + bytes([value[-1] ^ 1])
    assert opened_row(KEY, tuple(stored)) is None


def test_a_secret_stands_nowhere_in_clear_and_is_sealed_anew_each_time() -> None:
    one, two = sealed_row(KEY, ROW), sealed_row(KEY, ROW)
    assert b"hidden" not in b"".join(part for part in one if isinstance(part, bytes))
    assert one[3] != two[3]


def test_a_secret_cannot_be_lent_to_another_source() -> None:
    other = sealed_row(KEY, SettingsRow(id="db", tenant="", settings=b"{}"))
    stored = (*other[:3], sealed_row(KEY, ROW)[3], other[4])
    assert opened_row(KEY, stored) is None


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    return tmp_path / "meta.sqlite"


def test_settings_and_positions_and_counts_are_kept(path: Path) -> None:
    with closing(Meta(path, keyring=token_keyring())) as meta:
        meta.of_sources.put_settings([ROW])
        meta.of_sources.put_positions("web", "acme", {"a": b"1", "b": b"2"})
        meta.of_sources.put_positions("web", "acme", {"a": b"", "b": b"3"})
        meta.of_sources.put_tallies({7: b"{}"}, "upto", b"1")
    with closing(Meta(path, keyring=token_keyring())) as meta:
        assert meta.of_sources.settings() == [ROW]
        assert meta.of_sources.positions("web", "acme") == {"b": b"3"}
        assert meta.of_sources.positions("web", "") == {}
        assert meta.of_sources.tallies() == {7: b"{}"}


def test_a_row_that_somebody_else_wrote_is_no_source(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(Meta(path, keyring=token_keyring())) as meta:
        meta.of_sources.put_settings([ROW])
    with closing(sqlite3.connect(path)) as link, link:
        link.execute("UPDATE source_settings SET settings = ?", (b'{"id":"web","peers":["::/0"]}',))
    with closing(Meta(path, keyring=token_keyring())) as meta:
        assert meta.of_sources.settings() == []
    assert "were not written by this ledger" in caplog.text
