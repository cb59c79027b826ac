"""Who has a token may be hostile, too: readers, auditors and administrators, by what they ask."""

from __future__ import annotations

import stat
from pathlib import Path

import httpx2
import pytest

from support.hostile import error_code, ready, verified
from support.served import Server

# --- readers

QUERIES = [
    "(" * 4_000, "a " * 257, "a" * 8_193, "index:>99999999999999999999", "time:>1e400", "a)(b",
    "since:999999999999999999999d", "ip:::ffff:1.2.3.4/999", '"""""', "data.a'||(select 1):x",
]


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_that_means_nothing_is_refused_at_its_place(
    reader: httpx2.Client, query: str
) -> None:
    answer = reader.get("/v1/search", params={"q": query})
    assert (answer.status_code, error_code(answer)) == (400, "bad_query")


INJECTIONS = [
    ("/v1/search", {"q": "actor:\"'; DROP TABLE tail;--\""}, 200),
    ("/v1/search", {"columns": "data.x' OR 1=1--"}, 200),
    ("/v1/search", {"columns": "index); SELECT 1"}, 400),
    ("/v1/search", {"sort": "time;drop"}, 400),
    ("/v1/search", {"cursor": "A" * 5_000}, 400),
    ("/v1/search", {"limit": "1001"}, 400),
    ("/v1/search", {"size": "9223372036854775807"}, 400),
    ("/v1/search/facets", {"field": "x';--"}, 400),
    ("/v1/search/facets", {"field": "data.a'\"])"}, 200),
    ("/v1/search/facets", {"field": "label.a'\""}, 200),
    ("/v1/search/histogram", {"by": "x') FROM tail"}, 400),
    ("/v1/search/histogram", {"interval": "0s"}, 400),
    ("/v1/actors/%00/timeline", {}, 200),
    ("/v1/actors/'%3B--/timeline", {}, 200),
    ("/v1/events/%ff", {}, 400),
    ("/v1/events/9223372036854775808", {}, 404),
]


@pytest.mark.parametrize(("path", "parameters", "status"), INJECTIONS)
def test_no_parameter_reaches_the_engine_as_code(
    reader: httpx2.Client, path: str, parameters: dict[str, str], status: int
) -> None:
    answer = reader.get(path, params=parameters)
    assert answer.status_code == status, answer.text
    assert "duckdb" not in answer.text.lower()


# --- auditors and administrators

AGAINST = ["garbage", "\0", "test.example/log\n1\nAAAA\n\n\u2014 test.example/log AAAA\n"]


@pytest.mark.parametrize("against", AGAINST)
def test_a_checkpoint_that_is_none_makes_no_damage(server: Server, against: str) -> None:
    with server.client("auditor") as auditor:
        run = auditor.post("/v1/verify", json={"against": against}).json()["id"]
        account = {"state": "running"}
        while account["state"] == "running":
            account = auditor.get("/v1/verify", params={"run": run}).json()
        assert (account["state"], account["ok"]) == ("finished", False)
        assert auditor.get("/v1/status").json()["damage"] == []
    assert ready(server)


def test_a_backup_goes_nowhere_near_the_ledger(server: Server) -> None:
    place = server.place
    with server.client("admin") as admin:
        for folder in (
            place.data / "copy", place.keys / "copy", place.state / "copy", place.data,
            Path("/tmp/../tmp/copy"), Path("relative"),
        ):
            answer = admin.post("/v1/backup", json={"to": str(folder)})
            assert not answer.is_success, folder
        mixed = {"to": str(place.root / "one"), "keys_to": str(place.root / "one" / "keys")}
        assert admin.post("/v1/backup", json=mixed).status_code == 400
    assert not (place.root / "one").exists()
    assert ready(server)


NAMES: list[dict[str, str]] = [
    {"name": "a\x1b[31m", "role": "reader"}, {"name": "x\u202ey", "role": "reader"},
    {"name": "", "role": "reader"}, {"name": "n1", "role": "owner"},
    {"name": "n2", "role": "writer"}, {"name": "n3", "role": "writer", "source": "indelible"},
    {"name": "n4", "role": "reader", "source": "app"}, {"name": "reader", "role": "admin"},
]


@pytest.mark.parametrize("asked", NAMES)
def test_a_token_has_an_honest_name_and_role(server: Server, asked: dict[str, str]) -> None:
    with server.client("admin") as admin:
        assert admin.post("/v1/tokens", json=asked).status_code in (400, 403)


def test_no_secret_stands_in_arguments_or_environment(server: Server) -> None:
    looked = 0
    for role in ("writer", "sealer", "query"):
        for pid in server.pids(role):
            shown = (Path("/proc") / str(pid) / "cmdline").read_bytes()
            shown += (Path("/proc") / str(pid) / "environ").read_bytes()
            for secret in server.place.tokens.values():
                assert secret.encode() not in shown
            looked += 1
    assert looked >= 3


def test_every_folder_and_secret_file_is_the_owners_alone(server: Server) -> None:
    place = server.place
    public = {"vkey", "vkey.mldsa44"}
    for root in (place.data, place.keys, place.state, place.root / "run"):
        for path in (root, *root.rglob("*")):
            try:
                mode = path.lstat().st_mode
            except FileNotFoundError:
                continue
            sheltered = path.suffix == ".sock" or path.name.endswith("-journal")
            if path.name not in public and not sheltered:
                assert stat.S_IMODE(mode) & 0o077 == 0, path


def test_after_all_of_this_the_ledger_is_whole(server: Server) -> None:
    assert verified(server) == ("proven", True)
    assert ready(server)
