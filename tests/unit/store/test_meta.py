"""The meta database."""

from __future__ import annotations

import sqlite3
import stat
import threading

import pytest

from indelible.base.errors import BadRequest, Damaged, DiskFull, NotFound, TooLarge
from indelible.store import meta as module
from indelible.store.meta import Meta, secret_hash
from support.token_keys import token_keyring


@pytest.fixture
def path(tmp_path):
    return tmp_path / "meta.sqlite"


@pytest.fixture
def meta(path):
    found = Meta(path, keyring=token_keyring())
    yield found
    found.close()


def test_the_file_is_private_and_every_table_strict(meta, path):
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with sqlite3.connect(path) as db:
        tables = db.execute("SELECT name, strict FROM pragma_table_list WHERE schema = 'main'")
        found = {name: strict for name, strict in tables if not name.startswith("sqlite_")}
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert set(found) == {
        "migration", "token", "source", "witness", "verification", "value",
        "source_settings", "source_tally", "position", "audit_policy", "unstated", "rolled_ids",
    }
    assert set(found.values()) == {1}


def test_a_secret_is_shown_once_and_only_its_hash_is_kept(meta, path):
    row, secret = meta.create_token("app", "writer", source="app", tenant="acme")
    assert row.hash == secret_hash(secret)
    assert (row.source, row.tenant, row.role, row.revoked_us) == ("app", "acme", "writer", None)
    assert meta.tokens() == [row]
    meta.close()
    everything = b"".join(p.read_bytes() for p in path.parent.iterdir())
    assert secret.encode() not in everything
    assert secret.rsplit("_", 1)[1].encode() not in everything


def test_two_secrets_are_never_the_same(meta):
    secrets = {meta.create_token(f"t{n}", "reader")[1] for n in range(50)}
    assert len(secrets) == 50


def test_a_revoked_token_is_listed_but_not_live_and_frees_its_name(meta):
    row, _ = meta.create_token("app", "reader")
    revoked = meta.revoke_token(row.id)
    assert revoked.revoked_us is not None
    assert meta.tokens(live_only=True) == []
    assert [token.id for token in meta.tokens()] == [row.id]
    meta.create_token("app", "reader")
    with pytest.raises(NotFound):
        meta.revoke_token(row.id)


def test_a_live_name_is_taken(meta):
    meta.create_token("app", "reader")
    with pytest.raises(BadRequest) as caught:
        meta.create_token("app", "admin")
    assert caught.value.field == "name"


def test_live_tokens_are_bounded(meta, monkeypatch):
    monkeypatch.setattr(module, "TOKENS", 2)
    meta.create_token("a", "reader")
    meta.create_token("b", "reader")
    with pytest.raises(TooLarge):
        meta.create_token("c", "reader")


def test_a_source_is_remembered_once_and_a_contradiction_is_refused(meta):
    meta.add_source(0, "indelible")
    meta.add_source(1, "app", "acme")
    meta.add_source(1, "app", "acme")
    assert [(s.number, s.id, s.tenant) for s in meta.sources()] == [
        (0, "indelible", ""),
        (1, "app", "acme"),
    ]
    for number, name, tenant in ((1, "other", ""), (2, "app", "acme"), (1, "app", "")):
        with pytest.raises(Damaged):
            meta.add_source(number, name, tenant)
    meta.add_source(2, "app", "other tenant")
    meta.add_source(3, "app", "")
    assert len(meta.sources()) == 4


def test_witnesses_are_added_once_and_removed(meta):
    meta.add_witness("w", "https://w.example", "w+1+BA")
    with pytest.raises(BadRequest):
        meta.add_witness("w", "https://x.example", "x+1+BA")
    assert [(w.name, w.url, w.vkey) for w in meta.witnesses()] == [
        ("w", "https://w.example", "w+1+BA")
    ]
    meta.remove_witness("w")
    assert meta.witnesses() == []
    with pytest.raises(NotFound):
        meta.remove_witness("w")


def test_a_verification_runs_and_ends(meta):
    run = meta.start_verification("request", 10)
    assert meta.verification(run).finished_us is None
    meta.progress_verification(run, 5, 10)
    assert (meta.verification(run).done, meta.verification(run).ok) == (5, None)
    meta.finish_verification(run, ok=False, verdict="tampered", report=b'{"first":7}')
    row = meta.verification(run)
    assert (row.ok, row.verdict, bytes(row.report)) == (False, "tampered", b'{"first":7}')
    assert row.finished_us is not None
    with pytest.raises(NotFound):
        meta.verification("nope")


def test_old_verifications_are_dropped_and_the_newest_come_first(meta, monkeypatch):
    monkeypatch.setattr(module, "VERIFICATION_RUNS", 3)
    runs = [meta.start_verification("beat") for _ in range(5)]
    assert [row.id for row in meta.verifications()] == runs[:1:-1]


def test_values_are_replaced(meta):
    assert meta.get("k") is None
    meta.put("k", b"1")
    meta.put("k", b"\x00\xff")
    assert meta.get("k") == b"\x00\xff"


def test_everything_is_there_again_after_a_restart(path):
    first = Meta(path, keyring=token_keyring())
    _, secret = first.create_token("app", "reader")
    first.put("k", b"v")
    first.close()
    second = Meta(path, keyring=token_keyring())
    assert [row.hash for row in second.tokens()] == [secret_hash(secret)]
    assert second.get("k") == b"v"
    assert second.integrity() == []
    second.close()


def test_a_database_of_another_release_is_refused(path):
    Meta(path).close()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE migration SET checksum = 'other'")
    with pytest.raises(Damaged, match="later or an altered release"):
        Meta(path)


def test_a_new_migration_is_applied_to_an_old_file(path, monkeypatch):
    first = Meta(path)
    first.put("k", b"v")
    first.close()
    more = (*module.MIGRATIONS, "CREATE TABLE later (id INTEGER PRIMARY KEY) STRICT")
    monkeypatch.setattr(module, "MIGRATIONS", more)
    second = Meta(path)
    assert second.get("k") == b"v"
    second.close()
    monkeypatch.setattr(module, "MIGRATIONS", more[:1])
    with pytest.raises(Damaged):
        Meta(path)


def test_sources_of_the_first_release_are_kept_when_tenants_come_into_their_key(path, monkeypatch):
    with monkeypatch.context() as then:
        then.setattr(module, "MIGRATIONS", module.MIGRATIONS[:1])
        old = Meta(path)
        old.add_source(1, "app", "acme")
        old.close()
    now = Meta(path)
    now.add_source(2, "app", "other")
    assert [(row.number, row.id, row.tenant) for row in now.sources()] == [
        (1, "app", "acme"), (2, "app", "other")
    ]
    now.close()


def test_bytes_that_are_no_database_are_named_damaged(path):
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(Damaged):
        Meta(path)


def test_a_read_only_open_changes_nothing(path):
    Meta(path).close()
    before = path.read_bytes()
    found = Meta(path, keyring=token_keyring(), read_only=True)
    assert found.tokens() == []
    with pytest.raises(sqlite3.OperationalError):
        found.put("k", b"v")
    found.close()
    assert path.read_bytes() == before


def test_a_backup_is_a_whole_private_database(meta, tmp_path):
    meta.put("k", b"v")
    copy = tmp_path / "copy.sqlite"
    meta.backup(copy)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    other = Meta(copy)
    assert other.get("k") == b"v"
    other.close()


def test_a_failed_change_leaves_nothing_behind(meta):
    meta.add_source(1, "app")
    with pytest.raises(Damaged):
        meta.add_source(1, "other")
    meta.add_source(2, "other")
    assert len(meta.sources()) == 2


def test_threads_may_share_it(meta):
    errors = []

    def work(number):
        try:
            for turn in range(20):
                meta.put(f"k{number}", str(turn).encode())
                meta.create_token(f"t{number}-{turn}", "reader")
                meta.tokens()
        except Exception as error:  # noqa: BLE001 - shown by the assertion below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(meta.tokens()) == 80


def test_a_full_disk_is_said_as_such_and_nothing_is_half_done(meta):
    pages = meta._db.execute("PRAGMA page_count").fetchone()[0]
    meta._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(DiskFull):
        meta.put("k", bytes(1 << 20))
    assert meta.get("k") is None
    meta._db.execute(f"PRAGMA max_page_count = {pages + 1000}")
    meta.put("k", b"v")
    assert meta.get("k") == b"v"


@pytest.mark.parametrize(
    ("change", "said"),
    [("DELETE FROM migration", "which migrations"), ("DROP TABLE migration", "which migrations"),
     ("DROP TABLE source", "no table source"), ("DROP TABLE token", "no table token")],
)
def test_tables_and_migrations_that_do_not_fit_are_damage(meta, path, change, said):
    meta.close()
    with sqlite3.connect(path) as db:
        db.execute(change)
    with pytest.raises(Damaged, match=said):
        Meta(path)
