"""Folders that earlier releases left behind: they open, verify, answer, prove and go on."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from indelible.app import fsck_folder, reindex_folder, verify_folder
from indelible.app.local import LocalLedger
from indelible.ledger.seal import column_file_of
from indelible.store.column_file import ColumnFile, merge_column_files, read_column_tables
from indelible.store.columns import hash_of

RELEASES = sorted((Path(__file__).parent.parent / "fixtures").glob("release-*.tar.gz"))

LATER_TABLES = (
    "source_settings", "source_tally", "position", "audit_policy", "unstated", "rolled_ids",
)
"""What migrations after the one that binds tokens have made."""


@pytest.fixture(params=RELEASES, ids=lambda path: str(path.name))
def release(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The kept folder, unpacked."""
    with tarfile.open(request.param) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


def expected(release: Path) -> dict[str, Any]:
    """What the release knew of itself when it was packed."""
    found: dict[str, Any] = msgspec.json.decode((release / "expected.json").read_bytes())
    return found


def client(ledger: LocalLedger, token: str) -> httpx2.AsyncClient:
    """An HTTP client of the opened folder."""
    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=ledger.app), base_url="http://local",
        headers={"authorization": f"Bearer {token}"},
    )


def test_there_is_a_kept_release() -> None:
    assert RELEASES
    assert all(path.stat().st_size < 200_000 for path in RELEASES)


def test_it_verifies_as_it_was_left(release: Path) -> None:
    known = expected(release)
    report = verify_folder(release / "data")
    assert (report.exit, report.problems) == (0, [])
    assert (report.size, report.root) == (known["size"], known["root"])
    checked = fsck_folder(release / "data", columns=True)
    assert (checked.exit, checked.problems) == (0, [])


def test_every_body_is_what_it_was(release: Path) -> None:
    known = expected(release)

    async def bodies() -> list[str]:
        async with LocalLedger(release / "data") as ledger:
            found = ledger.core.ledger.reader.many(range(known["size"]))
            assert ledger.core.ledger.reader.sealed_end >= known["sealed"]
            return [one.body.decode() for one in found]

    assert asyncio.run(bodies()) == known["bodies"]


def test_searches_answer_and_old_ids_are_known(release: Path) -> None:
    known = expected(release)
    native = [
        body for body in map(msgspec.json.decode, known["bodies"])
        if body["kind"] == "event" and body["source"]["id"] == "app"
    ]

    async def life() -> None:
        async with LocalLedger(release / "data") as ledger:
            async with client(ledger, known["tokens"]["reader"]) as reader:

                async def count(query: str) -> int:
                    answer = await reader.get("/v1/search", params={"q": query, "limit": 1000})
                    assert answer.status_code == 200, answer.text
                    return len(answer.json()["events"])

                assert await count("actor:u3 kind:event source:app") == sum(
                    body["actor"]["id"] == "u3" for body in native
                )
                name = native[0]["targets"][0]["id"]
                touching = sum(name in [t["id"] for t in body["targets"]] for body in native)
                only = "kind:event source:app"
                assert await count(f"target:{name} {only}") == touching > 0
                assert await count(f"-target:{name} {only}") == len(native) - touching
                assert await count("flag:id_conflict") == len(known["conflicts"])
                assert await count("source:cloudtrail kind:event") == 1
            async with client(ledger, known["tokens"]["writer"]) as writer:
                size = ledger.core.ledger.tree.size
                again = await writer.post("/v1/events", content=known["bodies"][0].encode())
                assert again.status_code in (207, 422)  # a body is not an event: reserved members
                ids = [body["id"] for body in (native[0], native[-2])]
                for body, event_id in zip((native[0], native[-2]), ids, strict=True):
                    sent = {
                        name: value for name, value in body.items()
                        if name not in ("kind", "received", "source", "via", "flags", "conflict")
                    }
                    answer = await writer.post("/v1/events", json=sent)
                    assert answer.status_code == 200, answer.text
                    duplicates = answer.json()["duplicates"]
                    assert [body["id"] for body in (msgspec.json.decode(
                        known["bodies"][duplicates[0]["index"]]),)] == [event_id]
                assert ledger.core.ledger.tree.size >= size

    asyncio.run(life())


def test_its_tokens_are_bound_to_its_keyring_once(release: Path) -> None:
    known, data = expected(release), release / "data"

    async def answered() -> dict[str, int]:
        async with LocalLedger(data) as ledger:
            found = {}
            for name, token in known["tokens"].items():
                async with client(ledger, token) as holder:
                    found[name] = (await holder.get("/v1/search")).status_code
            return found

    assert asyncio.run(answered()) == {"reader": 200, "trail": 403, "writer": 403}
    with closing(sqlite3.connect(data / "meta.sqlite", isolation_level=None)) as link:
        link.execute("UPDATE token SET role = 'auditor', source = '' WHERE name = 'trail'")
        link.execute("ALTER TABLE token DROP COLUMN mac")
        link.execute("DELETE FROM migration WHERE number >= 3")
        for table in LATER_TABLES:
            link.execute(f"DROP TABLE {table}")
    assert set(asyncio.run(answered()).values()) == {401}
    problems = fsck_folder(data, columns=False).problems
    assert [problem.area for problem in problems] == ["meta"] * 3


def test_every_event_is_proven_to_an_outsider(release: Path) -> None:
    known = expected(release)

    async def bundle() -> bytes:
        async with LocalLedger(release / "data") as ledger:
            async with client(ledger, known["tokens"]["reader"]) as reader:
                answer = await reader.post("/v1/bundle", json={"from": 0, "to": known["size"] - 1})
                assert answer.status_code == 200, answer.text
                content: bytes = answer.content
                return content

    (release / "bundle.zip").write_bytes(asyncio.run(bundle()))
    keys = [word for name in ("vkey", "vkey.mldsa44")
            for word in ("--key", str(release / "data" / name))]
    done = subprocess.run(
        [sys.executable, "-m", "indelible_verify", str(release / "bundle.zip"), *keys],
        capture_output=True, timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_goes_on_and_still_fits_its_oldest_checkpoint(release: Path) -> None:
    known, data = expected(release), release / "data"
    oldest = min((data / "ledger" / "checkpoints").iterdir())
    kept = release / "old.ckpt"
    kept.write_bytes(oldest.read_bytes())

    async def life() -> None:
        async with LocalLedger(data) as ledger:
            async with client(ledger, known["tokens"]["writer"]) as writer:
                event = {"action": "user.login", "actor": {"type": "user", "id": "new"}}
                answer = await writer.post("/v1/events", json=[event] * 40)
                assert answer.status_code == 200, answer.text
            await ledger.rooms.seal()

    asyncio.run(life())
    reindex_folder(data)
    report = verify_folder(data, against=kept)
    assert (report.exit, report.problems) == (0, [])
    assert report.size > known["size"]
    assert fsck_folder(data, columns=True).exit == 0


def test_its_column_files_merge_with_new_ones(release: Path) -> None:
    data = release / "data"
    known = expected(release)

    async def life() -> list[ColumnFile]:
        async with LocalLedger(data) as ledger:
            async with client(ledger, known["tokens"]["writer"]) as writer:
                event = {"action": "user.login", "actor": {"type": "user", "id": "new"},
                         "targets": [{"type": "host", "id": "h1"}]}  # fmt: skip
                assert (await writer.post("/v1/events", json=event)).status_code == 200
            await ledger.rooms.seal()
            own = ledger.core.ledger
            rows = own.manifest.columns()
            return [column_file_of(own.paths, row, own.keyring) for row in rows]

    files = asyncio.run(life())
    merged = merge_column_files(
        files, release / "merged", key=bytes(32), file_id="m", origin="old.example/log"
    )
    rows = [row for table in read_column_tables(merged) for row in table.to_pylist()]
    assert [row["index"] for row in rows] == list(range(files[-1].end))
    assert "h1" in {row["target_id"] for row in rows}
    for row in rows:
        name = row["target_id"]
        assert row["target_hash"] == (None if name is None else hash_of(name))
