"""A token row that this ledger did not write opens nothing, and is named."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import httpx2
import pytest

from attack.conftest import Layout
from attack.lab import copy_ledger
from attack.token_rows import SECRET, TOKEN_ROWS, sql
from attack.tools import run_sql
from indelible.app.fscking import fsck_folder
from indelible.app.local import LocalLedger
from indelible.app.place import Place
from indelible.store.meta import Meta

UNLIKE = "a token row that this ledger did not write"
OWN = {"token-row-brought-back"}


async def status_of(ledger: LocalLedger, token: str) -> int:
    """What a search with this token is answered."""
    client = httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=ledger.app), base_url="http://local"
    )
    async with client:
        answer = await client.get("/v1/search", headers={"authorization": f"Bearer {token}"})
        return answer.status_code


def fsck(place: Place) -> list[str]:
    """What `fsck` says of the metadata."""
    report = fsck_folder(place.data, columns=False, progress=lambda _done, _total: None)
    return [problem.message for problem in report.problems if problem.area == "meta"]


def prepared(layout: Layout, folder: Path) -> tuple[Place, dict[str, str]]:
    """A copy whose holders' secrets the test knows: payroll, ann, leaver."""
    place = copy_ledger(layout.now, folder)
    run_sql(place.paths.meta, "DELETE FROM token")
    meta = Meta(place.paths.meta, keyring=place.keyring())
    secrets = {
        "payroll": meta.create_token("payroll", "writer", "payroll", "acme")[1],
        "ann": meta.create_token("ann", "reader")[1],
    }
    row, secrets["leaver"] = meta.create_token("leaver", "auditor")
    meta.revoke_token(row.id)
    meta.close()
    return place, secrets


@pytest.mark.parametrize("name", sorted(TOKEN_ROWS))
def test_row_that_this_ledger_did_not_write_is_no_credential_and_is_said(
    layout: Layout, tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    place, secrets = prepared(layout, tmp_path / "copy")
    TOKEN_ROWS[name](place)
    damaged = 3 if name == "tokens-as-of-an-earlier-release" else 0
    said = fsck(place)
    assert len(said) == damaged + 1
    word = "which was revoked" if name in OWN else UNLIKE
    assert all(word in text for text in said)

    async def life() -> None:
        async with LocalLedger(place.data) as ledger:
            for token in (SECRET, secrets["leaver"], secrets["payroll"]):
                assert await status_of(ledger, token) in (401, 403)
            assert await status_of(ledger, SECRET) == 401
            assert await status_of(ledger, secrets["leaver"]) == 401
            untouched = name not in ("token-hash-changed", "tokens-as-of-an-earlier-release")
            assert await status_of(ledger, secrets["ann"]) == (200 if untouched else 401)
            shown = [text for text in ledger.rooms.status().damage if UNLIKE in text]
            assert len(shown) == (0 if name in OWN else len(said))
            assert set(shown) <= set(ledger.rooms.readiness().reasons)

    with caplog.at_level(logging.ERROR, "indelible.store.meta"):
        asyncio.run(life())
    logged = [record.getMessage() for record in caplog.records]
    assert [text for text in logged if word in text] == said  # each once


def test_forged_row_is_not_believed_by_a_server_that_reads_its_tokens_again(
    layout: Layout, tmp_path: Path
) -> None:
    place, secrets = prepared(layout, tmp_path / "copy")

    async def life() -> None:
        async with LocalLedger(place.data) as ledger:
            TOKEN_ROWS["token-forged"](place)
            TOKEN_ROWS["token-role-changed"](place)
            await headed(ledger, "POST", "/v1/tokens", {"name": "new", "role": "reader"})
            assert await status_of(ledger, SECRET) == 401
            assert await status_of(ledger, secrets["payroll"]) == 401
            assert await status_of(ledger, secrets["ann"]) == 200
            assert len(ledger.rooms.status().damage) == 2

    asyncio.run(life())


async def headed(ledger: LocalLedger, method: str, path: str, content: object = None) -> None:
    """An order of the folder's holder, which must be carried out."""
    token = ledger.app.context.tokens.local()
    client = httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=ledger.app), base_url="http://local"
    )
    async with client:
        answer = await client.request(
            method, path, json=content, headers={"authorization": f"Bearer {token}"}
        )
        assert answer.status_code in (200, 201), answer.text


@pytest.mark.parametrize("name", ["token-forged", "token-role-changed"])
def test_strange_row_is_gone_when_it_is_revoked_and_its_older_copy_opens_nothing(
    layout: Layout, tmp_path: Path, name: str
) -> None:
    place, secrets = prepared(layout, tmp_path / "copy")
    before = place.paths.meta.read_bytes()
    TOKEN_ROWS[name](place)

    async def life() -> None:
        async with LocalLedger(place.data) as ledger:
            (row,) = ledger.core.meta.judged_tokens().strange
            await headed(ledger, "DELETE", f"/v1/tokens/{row.id}")
            assert ledger.rooms.status().damage == ()

    asyncio.run(life())
    assert fsck(place) == []
    place.paths.meta.write_bytes(before)

    async def again() -> None:
        async with LocalLedger(place.data) as ledger:
            live = name == "token-forged"
            assert await status_of(ledger, secrets["payroll"]) == (403 if live else 401)

    asyncio.run(again())


def test_the_tokens_of_a_ledger_lie_under_the_keyring_not_under_the_version_of_the_file(
    layout: Layout, tmp_path: Path
) -> None:
    """A ledger that never had a token believes no row without a MAC either."""
    place = copy_ledger(layout.now, tmp_path / "copy")
    run_sql(place.paths.meta, "DELETE FROM token")
    TOKEN_ROWS["tokens-as-of-an-earlier-release"](place)
    sql("UPDATE token SET tenant='acme'")(place)

    async def life() -> None:
        async with LocalLedger(place.data) as ledger:
            assert await status_of(ledger, SECRET) == 401
            assert ledger.core.meta.tokens() == []

    asyncio.run(life())
