"""Transactions become events: who, what, on which row, from what to what."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from indelible.base import limits
from indelible.event.model import Event
from indelible.event.strict import compact
from indelible.ingest.parsed import Parsed
from indelible.ingest.protocols.pgoutput import Relation, decode
from indelible.ingest.protocols.postgres_capture_events import (
    START,
    At,
    Place,
    Translator,
    key_of,
)
from indelible.ingest.protocols.postgres_capture_person import PREFIX
from support import pgoutput as made

SERVER = "7713069031415292387"
LSN = 0x16B3748
COLUMNS = [("id", 20, True), ("email", 25, False), ("balance", 1700, False), ("bio", 25, False)]
FULL = made.relation(COLUMNS)
DEFAULT = made.relation(COLUMNS, identity="d")
JANE = {"actor": {"type": "user", "id": "jsmith", "name": "Jane Smith"}}


def translated(
    *messages: bytes, key: Sequence[str] = ("id",), after: At = START
) -> tuple[Translator, list[Parsed]]:
    translator = Translator(Place(SERVER, "app"), after)
    found = []
    for message in messages:
        if message[:1] == b"R":
            relation = decode(message)
            assert isinstance(relation, Relation)
            translator.relate(relation, key_of(relation) or key)
            continue
        event = translator.take(message)
        if event is not None:
            assert compact(event.content, "") == event.content, "content is strict JSON"
            if event.kind == "event":
                msgspec.json.decode(event.content, type=Event)
            found.append(event)
    return translator, found


def events(*messages: bytes, key: Sequence[str] = ("id",)) -> list[dict[str, Any]]:
    found = translated(made.begin(LSN), *messages, made.commit(LSN), key=key)[1]
    return [{**json.loads(one.content), "flags": list(one.flags), "kind": one.kind}
            for one in found]


def event(*messages: bytes, key: Sequence[str] = ("id",)) -> dict[str, Any]:
    [found] = events(*messages, key=key)
    return found


def told(found: dict[str, Any]) -> dict[str, tuple[object, object]]:
    return {one["path"]: (one.get("before"), one.get("after")) for one in found["changes"]}


# --- what


def test_an_insert_tells_every_value_that_is_not_null() -> None:
    found = event(FULL, made.insert([7, "a@example.org", "1.50", None]))
    assert found["action"] == "postgresql.row.insert"
    assert found["operation"] == "create"
    assert found["outcome"] == "success"
    assert found["time"] == "2026-06-01T00:00:00.123456Z"
    assert found["changes"] == [
        {"path": "id", "op": "add", "after": 7},
        {"path": "email", "op": "add", "after": "a@example.org"},
        {"path": "balance", "op": "add", "after": 1.5},
    ]
    assert found["labels"] == {"database": "app"}
    assert found["data"]["vendor_action"] == "INSERT"
    assert found["data"]["xid"] == 731


def test_an_update_tells_before_and_after_of_what_differs_and_nothing_else() -> None:
    found = event(
        FULL, made.update([7, None, "2.50", "x"], [7, "a@example.org", "1.50", "x"])
    )
    assert found["operation"] == "update"
    assert found["changes"] == [
        {"path": "email", "op": "replace", "before": "a@example.org", "after": None},
        {"path": "balance", "op": "replace", "before": 1.5, "after": 2.5},
    ]
    assert "before" not in found["data"]


def test_an_update_that_changes_nothing_is_an_event_without_changes() -> None:
    found = event(FULL, made.update([7, "a", "1", "x"], [7, "a", "1", "x"]))
    assert "changes" not in found


def test_a_delete_tells_what_is_gone() -> None:
    found = event(FULL, made.delete([7, "a", "1", None]))
    assert found["operation"] == "delete"
    assert {one["op"] for one in found["changes"]} == {"remove"}
    assert told(found) == {"id": (7, None), "email": ("a", None), "balance": (1, None)}


def test_a_long_value_that_the_update_left_alone_is_no_change() -> None:
    found = event(FULL, made.update([7, "b", "1", ...], [7, "a", "1", "long"]))
    assert told(found) == {"email": ("a", "b")}
    assert found["data"]["unchanged"] == ["bio"]


def test_a_long_value_that_changed_is_told_whole() -> None:
    found = event(FULL, made.update([7, "a", "1", "y" * 9000], [7, "a", "1", "x" * 9000]))
    assert told(found) == {"bio": ("x" * 9000, "y" * 9000)}


def test_without_the_full_row_nobody_says_what_was_before() -> None:
    found = event(DEFAULT, made.update([7, "b", "1", ...]))
    assert [one for one in found["changes"] if "op" in one or "before" in one] == []
    assert told(found) == {"id": (None, 7), "email": (None, "b"), "balance": (None, 1)}
    assert found["data"]["before"] == "unknown"
    gone = event(DEFAULT, made.delete([7, None, None, None], "K"))
    assert told(gone) == {"id": (7, None)}
    assert gone["data"]["before"] == "key"


def test_a_key_that_changed_names_both_rows() -> None:
    found = event(DEFAULT, made.update([8, "b", "1", None], [7, None, None, None], "K"))
    rows = [one["id"] for one in found["targets"] if one["type"] == "postgresql_row"]
    assert rows == ["app.public.account/8", "app.public.account/7"]
    assert {"path": "id", "op": "replace", "before": 7, "after": 8} in found["changes"]


def test_a_truncate_is_one_event_of_all_its_tables() -> None:
    orders = made.relation(COLUMNS, oid=16390, name="orders")
    found = event(FULL, orders, made.truncate(16384, 16390, options=3))
    assert found["action"] == "postgresql.table.truncate"
    assert found["operation"] == "delete"
    assert [one["id"] for one in found["targets"]] == ["public.account", "public.orders"]
    assert found["data"]["cascade"] is True
    assert found["data"]["restart_identity"] is True
    assert "changes" not in found


# --- on which row


def test_a_row_is_called_by_its_table_and_key_and_stands_in_its_table() -> None:
    found = event(FULL, made.insert([7, "a", "1", None]))
    assert found["targets"] == [
        {"type": "postgresql_row", "id": "app.public.account/7", "parent": "app.public.account"},
        {"type": "postgresql_table", "id": "public.account", "parent": "app"},
    ]


def test_a_key_of_several_columns_is_called_by_all_of_them() -> None:
    found = event(FULL, made.insert([7, "a,b=c%", "1", None]), key=("email", "id"))
    assert found["targets"][0]["id"] == "app.public.account/email=a%2Cb%3Dc%25,id=7"


@pytest.mark.parametrize(
    ("key", "values"),
    [((), [7, "a", "1", None]), (("gone",), [7, "a", "1", None]), (("bio",), [7, "a", "1", None]),
     (("email",), [7, "x" * 1024, "1", None]), (("email",), [7, "", "1", None])],
)
def test_a_row_without_a_name_is_told_by_its_table_alone(
    key: tuple[str, ...], values: list[object]
) -> None:
    found = event(FULL, made.insert(values), key=key)
    assert [one["type"] for one in found["targets"]] == ["postgresql_table"]


def test_a_table_that_changes_its_columns_is_read_by_the_newer_description() -> None:
    wider = made.relation([*COLUMNS, ("phone", 25, False)])
    narrower = made.relation([COLUMNS[0], COLUMNS[2]])
    found = events(
        FULL, made.insert([1, "a", "1", None]), wider, made.insert([2, "b", "2", None, "555"]),
        narrower, made.update([2, "3"], [2, "2"]),
    )
    assert told(found[1])["phone"] == (None, "555")
    assert told(found[2]) == {"balance": (2, 3)}


# --- who


def test_the_person_an_application_named_did_the_changes_after_it() -> None:
    said = made.message(json.dumps({
        **JANE, "request_id": "r-1", "origin": {"ip": "203.0.113.9", "service": "shop"},
        "why": {"ticket": "HR-1"}, "labels": {"env": "prod"}, "subjects": ["c-9"],
    }))
    before, after = events(
        FULL, made.insert([1, "a", "1", None]), said, made.insert([2, "b", "2", None])
    )
    assert before["actor"] == {"type": "system", "id": "app"}
    assert before["flags"] == ["guessed"]
    assert before["data"]["guessed"] == ["actor"]
    assert after["actor"] == JANE["actor"]
    assert after["flags"] == []
    assert after["origin"] == {"ip": "203.0.113.9", "service": "shop", "request_id": "r-1"}
    assert after["labels"] == {"env": "prod", "database": "app"}
    assert after["why"] == {"ticket": "HR-1"}
    assert after["subjects"] == ["c-9"]
    assert "guessed" not in after["data"]


def test_a_person_is_named_for_one_transaction_only() -> None:
    said = made.message(json.dumps(JANE))
    found = translated(
        made.begin(1), said, FULL, made.insert([1, "a", "1", None]), made.commit(1),
        made.begin(99), made.insert([2, "a", "1", None]), made.commit(99),
    )[1]
    assert [json.loads(one.content)["actor"]["id"] for one in found] == ["jsmith", "app"]


def test_whoever_is_named_last_did_what_follows() -> None:
    bob = made.message('{"actor":{"type":"user","id":"bob"}}')
    row = made.insert([1, "a", "1", None])
    found = events(FULL, made.message(json.dumps(JANE)), row, bob, row)
    assert [one["actor"]["id"] for one in found] == ["jsmith", "bob"]


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("", "not an object of JSON"), ("[]", "not an object of JSON"), ("{", "not an object"),
        ('{"actor":"jsmith"}', "actor"), ('{"actor":{"type":"user","id":""}}', "actor.id"),
        ('{"actor":{"type":"person","id":"x"}}', "actor.type"), ('{"user":"x"}', "user: there is"),
        ('{"actor":{"type":"user","id":"x"},"action":"a.b"}', "action: there is"),
        ('{"origin":{"ip":"example.org"}}', "origin.ip"), ('{"request_id":7}', "request_id"),
        ('{"origin":"x","request_id":"r"}', "not an object"),
        ('{"actor":{"type":"user","id":"x"},"actor":{"type":"user","id":"y"}}', "twice"),
        ('{"labels":{"a":1}}', "labels"), ('{"actor":{"type":"user","id":"%s"}}' % ("x" * 1025),
                                          "actor.id"),
        ('{"subjects":["%s"]}' % ("x" * limits.CAPTURE_SAID_BYTES), "bytes, more than"),
    ],
)
def test_what_cannot_be_read_names_nobody_and_says_so(said: str, problem: str) -> None:
    row = made.insert([1, "a", "1", None])
    first, found = events(
        FULL, made.message(json.dumps(JANE)), row, made.message(said), row
    )
    assert first["actor"]["id"] == "jsmith"
    assert found["actor"] == {"type": "system", "id": "app"}, "not the person named before"
    assert found["flags"] == ["guessed"]
    assert problem in found["data"]["actor_problem"]


def test_messages_of_others_and_outside_of_transactions_name_nobody() -> None:
    said = json.dumps(JANE)
    translator, found = translated(
        made.message(said, inside=False), made.begin(), FULL, made.message(said, prefix="other"),
        made.message(said, prefix=f"{PREFIX} "), made.insert([1, "a", "1", None]), made.commit(),
    )
    assert json.loads(found[0].content)["actor"]["id"] == "app"
    assert translator.outside == 1


def test_an_origin_without_a_person_is_kept_all_the_same() -> None:
    found = event(FULL, made.message('{"request_id":"r-2"}'), made.insert([1, "a", "1", None]))
    assert found["origin"] == {"request_id": "r-2"}
    assert found["flags"] == ["guessed"]


def test_what_another_node_sent_says_so() -> None:
    found = event(made.origin("node_b"), FULL, made.insert([1, "a", "1", None]))
    assert found["data"]["replicated_from"] == "node_b"


# --- ids


def test_an_id_is_the_server_the_commit_and_the_position_in_the_transaction() -> None:
    row = made.insert([1, "a", "1", None])
    found = translated(made.begin(LSN), FULL, row, row, made.commit(LSN))[1]
    assert [one.id for one in found] == [f"{SERVER}/0/16B3748/1", f"{SERVER}/0/16B3748/2"]
    assert found[0].idempotent == row


def test_a_stream_that_is_read_again_gives_the_same_and_passes_over_what_is_durable() -> None:
    row = made.insert([1, "a", "1", None])
    stream = [made.begin(1), FULL, row, row, made.commit(1, 40), made.begin(40), row, row,
              made.truncate(16384), made.commit(40, 90), made.begin(90), row, made.commit(90, 99)]
    whole = translated(*stream)[1]
    assert whole == translated(*stream)[1]
    places = ((At(1, 1), 5), (At(40, 0), 4), (At(40, 2), 2), (At(90, 0), 1), (At(99, 0), 0))
    for after, left in places:
        translator, found = translated(*stream, after=after)
        assert found == whole[len(whole) - left :], after
        assert translator.passed == 99


# --- what is kept


def test_the_message_is_kept_in_postgresqls_own_words() -> None:
    found = event(FULL, made.update([7, "b", "1.50", ...], [7, "a", "1.50", None]))
    assert json.loads(found["raw"]) == {
        "pgoutput": "U", "relation": "public.account",
        "old": {"id": "7", "email": "a", "balance": "1.50", "bio": None},
        "new": {"email": "b"}, "unchanged": ["bio"],
    }
    gone = event(DEFAULT, made.delete([7, None, None, None], "K"))
    assert json.loads(gone["raw"]) == {
        "pgoutput": "D", "relation": "public.account", "key": {"id": "7"}
    }


@pytest.mark.parametrize("size", [300_000, 700_000, 3_000_000])
def test_a_row_too_large_for_an_event_is_told_by_what_identifies_its_values(size: int) -> None:
    found = event(FULL, made.update([7, "b", "1", "y" * size], [7, "a", "1", "x" * size]))
    assert found["flags"] == ["guessed", "truncated"]
    assert told(found)["email"] == ("a", "b"), "what is short stays"
    assert {"path": "bio"} in found["changes"]
    assert json.loads(found["raw"])["new"]["bio"]["bytes"] == size


def test_a_row_of_very_many_long_names_still_fits() -> None:
    columns = [(f"{n:04d}" + "\u0001" * 59, 25, False) for n in range(limits.CAPTURE_COLUMNS)]
    wide = made.relation(columns, oid=9)
    values = ["x" * 2000] * len(columns)
    found = event(wide, made.insert(values, oid=9))
    assert len(json.dumps(found)) < limits.BODY_BYTES
    assert "truncated" in found["flags"]


def test_a_change_that_the_server_cut_off_says_what_there_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "CAPTURE_CHANGE_BYTES", 60)
    whole = made.update([7, "b", "1", "y" * 90], [7, "a", "1", "x"])
    found = event(FULL, whole[:60])
    assert told(found)["email"] == ("a", "b")
    assert found["flags"] == ["guessed", "truncated"]
    assert json.loads(found["raw"])["cut"] == ["bio"]


@pytest.mark.parametrize(
    "bad",
    [b"I\0\0@\0N\0\1x", made.insert([1, "a"]), made.insert([1, "a", "1", None], oid=5),
     made.truncate(16384, 5), b"Z", b""],
)
def test_what_cannot_be_read_is_kept_as_it_came(bad: bytes) -> None:
    first, found, last = events(
        FULL, made.insert([1, "a", "1", None]), bad, made.insert([2, "a", "1", None])
    )
    assert found["kind"] == "unparsed"
    assert base64.b64decode(found["raw"]) == bad
    assert found["raw_type"] == "application/vnd.postgresql.pgoutput"
    assert found["reason"]["code"] in ("malformed", "unknown_table")
    assert (first["kind"], last["kind"]) == ("event", "event"), "its neighbours are understood"
    assert len({first["id"], found["id"], last["id"]}) == 3


def test_a_row_outside_of_a_transaction_is_kept_unread() -> None:
    [found] = translated(FULL, made.insert([1, "a", "1", None]))[1]
    assert found.kind == "unparsed"
