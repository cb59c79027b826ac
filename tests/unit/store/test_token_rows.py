"""Token rows are bound to the keyring: what the table says alone opens nothing."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from indelible.base.errors import Damaged, NotFound
from indelible.base.invariant import InvariantViolated
from indelible.store.keyring import Keyring
from indelible.store.meta import Meta
from indelible.store.token_rows import COLUMNS, TokenRow, token_mac

ORIGIN = "tokens.example/log"
ROW = TokenRow(
    id="i", name="n", role="writer", source="s", tenant="t", hash=b"h" * 32, created_us=1
)


LATER_TABLES = (
    "source_settings", "source_tally", "position", "audit_policy", "unstated", "rolled_ids",
)
"""What migrations after the one that binds tokens have made."""


class Bound:
    """A meta database and its keyring, closed and opened again as often as a test likes."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "meta.sqlite"
        self.ring = Keyring.create(folder / "keys", ORIGIN)[0]

    def open(self, *, read_only: bool = False) -> Meta:
        return Meta(self.path, keyring=self.ring, read_only=read_only)

    def sql(self, text: str, *values: object) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self.path, isolation_level=None)) as link:
            return link.execute(text, values).fetchall()

    def live(self) -> list[str]:
        with closing(self.open()) as meta:
            return [row.name for row in meta.tokens(live_only=True)]

    def strange(self) -> list[str]:
        with closing(self.open(read_only=True)) as meta:
            return [row.id for row in meta.judged_tokens().strange]

    def unbind(self) -> None:
        """The keyring as release 0.1.0 made it, and the rows too."""
        with closing(sqlite3.connect(self.ring.folder / "keyring.sqlite")) as link, link:
            link.execute("DELETE FROM about WHERE name='tokens' OR name GLOB 'revoked:*'")
        self.sql("ALTER TABLE token DROP COLUMN mac")
        self.sql("DELETE FROM migration WHERE number >= 3")
        for table in LATER_TABLES:
            self.sql(f"DROP TABLE {table}")


@pytest.fixture
def bound(tmp_path: Path) -> Bound:
    found = Bound(tmp_path)
    with closing(found.open()) as meta:
        meta.create_token("app", "writer", "app", "acme")
        meta.create_token("ann", "reader")
        meta.revoke_token(meta.create_token("gone", "auditor")[0].id)
    return found


@pytest.mark.parametrize("column", COLUMNS)
def test_every_field_of_a_row_is_under_its_mac(column: str) -> None:
    key = b"k" * 32
    values = dict(zip(COLUMNS, ("x", "x", "reader", "x", "x", b"x" * 32, 2, 2), strict=True))
    assert token_mac(key, replace(ROW, **{column: values[column]})) != token_mac(key, ROW)
    assert token_mac(b"l" * 32, ROW) != token_mac(key, ROW) == token_mac(key, replace(ROW))


def test_fields_cannot_flow_into_each_other() -> None:
    one, two = replace(ROW, source='a","b', tenant="c"), replace(ROW, source="a", tenant='b","c')
    assert token_mac(b"k" * 32, one) != token_mac(b"k" * 32, two)


@pytest.mark.parametrize(
    ("column", "value"),
    [("id", "other"), ("name", "other"), ("role", "admin"), ("source", "hr"), ("tenant", ""),
     ("hash", b"h" * 32), ("created_us", 5), ("revoked_us", 5), ("mac", None), ("mac", b""),
     ("mac", b"m" * 32)],
)
def test_an_altered_row_is_no_credential_and_its_neighbours_are(
    bound: Bound, column: str, value: object
) -> None:
    bound.sql(f"UPDATE token SET {column} = ? WHERE name = 'app'", value)
    assert bound.live() == ["ann"]
    assert len(bound.strange()) == 1


def test_a_revoked_row_lives_again_neither_by_its_flag_nor_by_an_older_copy(
    bound: Bound, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(bound.open()) as meta:
        row, _ = meta.create_token("bob", "auditor")
        (mac,) = bound.sql("SELECT mac FROM token WHERE name = 'bob'")[0]
        meta.revoke_token(row.id)
        bound.sql("UPDATE token SET revoked_us = NULL, mac = ? WHERE name = 'bob'", mac)
        assert [one.name for one in meta.tokens(live_only=True)] == ["app", "ann"]
        assert [one.id for one in meta.judged_tokens().undone] == [row.id]
        assert row.id in meta.strange[0]
    caplog.clear()
    with caplog.at_level(logging.ERROR):
        assert bound.live() == ["app", "ann"]
    assert len(caplog.records) == 1
    assert bound.sql("SELECT revoked_us IS NULL FROM token WHERE name = 'bob'") == [(0,)]
    caplog.clear()
    assert bound.live() == ["app", "ann"]
    assert caplog.records == []  # the row says it again


def test_an_older_copy_can_be_revoked_while_it_stands(bound: Bound) -> None:
    with closing(bound.open()) as meta:
        row, _ = meta.create_token("bob", "auditor")
        (mac,) = bound.sql("SELECT mac FROM token WHERE name = 'bob'")[0]
        meta.revoke_token(row.id)
        bound.sql("UPDATE token SET revoked_us = NULL, mac = ? WHERE name = 'bob'", mac)
        assert meta.revoke_token(row.id).revoked_us
        assert meta.judged_tokens().undone == []
        with pytest.raises(NotFound):
            meta.revoke_token(row.id)


def test_a_strange_row_is_removed_when_it_is_revoked(bound: Bound) -> None:
    bound.sql("UPDATE token SET role = 'admin' WHERE name = 'app'")
    (token,) = bound.strange()
    with closing(bound.open()) as meta:
        assert meta.strange
        meta.revoke_token(token)
        assert [row.name for row in meta.tokens()] == ["ann", "gone"]
        assert meta.strange == ()


def test_each_strange_row_is_logged_once(bound: Bound, caplog: pytest.LogCaptureFixture) -> None:
    bound.sql("UPDATE token SET role = 'admin' WHERE name = 'app'")
    with caplog.at_level(logging.ERROR), closing(bound.open()) as meta:
        for _ in range(3):
            meta.tokens()
    assert len(caplog.records) == 1
    assert "a token row that this ledger did not write" in caplog.text


def test_rows_of_an_earlier_release_are_bound_once(
    bound: Bound, caplog: pytest.LogCaptureFixture
) -> None:
    bound.unbind()
    with closing(bound.open(read_only=True)) as meta:
        assert meta.judged_tokens() == ([], [], [])
    with caplog.at_level(logging.WARNING):
        assert bound.live() == ["app", "ann"]
    assert "3 tokens of an earlier release are bound to the keyring" in caplog.text
    assert list(bound.ring.revoked_tokens() or {}) == [
        row[0] for row in bound.sql("SELECT id FROM token WHERE revoked_us IS NOT NULL")
    ]
    bound.sql("ALTER TABLE token DROP COLUMN mac")
    bound.sql("DELETE FROM migration WHERE number >= 3")
    for table in LATER_TABLES:
        bound.sql(f"DROP TABLE {table}")
    assert len(bound.strange()) == 3  # also to who only reads
    assert bound.live() == []
    assert len(bound.strange()) == 3


def test_a_crash_before_the_keyring_knows_binds_the_rows_again(
    bound: Bound, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound.unbind()

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as then:
        then.setattr(Keyring, "bind_tokens", dies)
        with pytest.raises(KeyboardInterrupt):
            bound.open()
    assert bound.ring.revoked_tokens() is None
    assert bound.live() == ["app", "ann"]


def test_a_revocation_that_the_keyring_cannot_keep_does_not_stand_half_done(
    bound: Bound, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise OSError

    with closing(bound.open()) as meta:
        (row, *_) = meta.tokens()
        with monkeypatch.context() as then:
            then.setattr(Keyring, "bind_tokens", fails)
            with pytest.raises(OSError):
                meta.revoke_token(row.id)
        assert meta.tokens(live_only=True)[0] == row
        assert meta.revoke_token(row.id).revoked_us


def test_rows_of_another_keyring_are_strange(bound: Bound, tmp_path: Path) -> None:
    bound.ring = Keyring.create(tmp_path / "other", ORIGIN)[0]
    assert bound.live() == []
    assert len(bound.strange()) == 3


def test_the_key_outlives_a_rotation_and_a_copy_of_the_keyring(
    bound: Bound, tmp_path: Path
) -> None:
    key, revoked = bound.ring.token_key(), bound.ring.revoked_tokens()
    assert len(revoked or {}) == 1
    bound.ring.rotate_master(lambda _secret: None)
    assert bound.ring.token_key() == key
    bound.ring.copy_sealed(tmp_path / "copy")
    (tmp_path / "copy" / "master.key").write_bytes(
        (bound.ring.folder / "master.key").read_bytes()
    )
    copied = Keyring(tmp_path / "copy", ORIGIN)
    assert (copied.token_key(), copied.revoked_tokens()) == (key, revoked)


def test_tokens_are_not_read_without_the_keyring(bound: Bound) -> None:
    with closing(Meta(bound.path)) as meta:
        for ask in (meta.tokens, lambda: meta.create_token("x", "reader"),
                    lambda: meta.revoke_token("x")):
            with pytest.raises(InvariantViolated):
                ask()


def test_a_table_made_again_without_its_types_is_named_damaged(bound: Bound) -> None:
    bound.sql("CREATE TABLE other AS SELECT * FROM token")
    bound.sql("DROP TABLE token")
    bound.sql("ALTER TABLE other RENAME TO token")
    bound.sql("UPDATE token SET hash = 5 WHERE name = 'app'")
    with pytest.raises(Damaged, match="was altered"):
        bound.open()
