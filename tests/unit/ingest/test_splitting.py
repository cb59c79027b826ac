"""Files taken apart: documents of vendors, joined lines, event logs; ids that stay the same."""

from __future__ import annotations

import gzip
import io
import json

import pytest

from indelible.base.errors import BadRequest
from indelible.ingest.splitting import Message, messages


def split(data: bytes, parser: str = "auto") -> list[Message]:
    return list(messages(io.BytesIO(data), "file", parser))


ITEMS = [{"id": "1", "a": {"b": ["]", "}"]}}, {"id": "2"}]


@pytest.mark.parametrize(
    "document",
    [
        {"Records": ITEMS},
        {"records": ITEMS},
        {"@odata.context": 'https://x/"$"', "value": ITEMS, "@odata.nextLink": "https://y"},
        {"kind": "admin#reports", "etag": '"x"', "items": ITEMS, "nextPageToken": "A:1"},
    ],
    ids=["cloudtrail", "azure monitor", "graph", "google"],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_a_vendors_document_is_its_items(document: dict[str, object], indent: int | None) -> None:
    text = json.dumps(document, indent=indent).encode()
    found = split(text)
    assert [json.loads(one.raw) for one in found] == ITEMS
    twice = split(text + b"\n" + text)
    assert [json.loads(one.raw) for one in twice] == ITEMS * 2
    assert len({one.id for one in twice}) == 4
    assert [one.id for one in twice[:2]] == [one.id for one in found]


def test_an_object_with_a_list_among_other_members_is_one_message() -> None:
    text = json.dumps({"user": "ann", "items": ITEMS}).encode()
    assert [one.raw for one in split(text)] == [text]


AUDIT = b"""type=SYSCALL msg=audit(1700000000.1:7): syscall=257 success=yes auid=1000 uid=0
type=USER_LOGIN msg=audit(1700000001.1:8): pid=1 uid=0 auid=1 msg='op=login acct="a" res=success'
type=PATH msg=audit(1700000000.1:7): item=0 name="/etc/passwd" nametype=NORMAL
type=PROCTITLE msg=audit(1700000000.1:7): proctitle="cat"
"""


def test_records_of_one_audit_event_are_one_message_with_the_id_of_the_last() -> None:
    login, read = sorted(split(AUDIT, "auditd"), key=lambda one: len(one.raw))
    assert read.raw.count(b"\n") == 2
    assert (read.line, login.line) == (1, 2)
    packed = split(gzip.compress(AUDIT), "auditd")
    assert {one.id for one in packed} == {read.id, login.id}


def test_continued_lines_of_postgresql_are_one_message() -> None:
    text = (
        b"2026-05-01 10:00:00.000 UTC [7] ann@shop LOG:  statement: select 1,\n"
        b"\t  2\n"
        b"2026-05-01 10:00:01.000 UTC [7] ann@shop LOG:  disconnection: session time: 0:00:01\n"
    )
    first, second = split(text, "postgresql")
    assert first.raw.endswith(b"select 1,\n\t  2")
    assert (first.line, second.line) == (1, 3)


def test_a_binary_event_log_needs_its_library_and_says_which() -> None:
    with pytest.raises(BadRequest) as refused:
        split(b"ElfFile\0" + bytes(200))
    assert "event log" in refused.value.message


@pytest.mark.parametrize("text", [b'{"Records":[', b"[", b'{"value": [ '])
def test_a_document_that_ends_where_its_list_begins_is_told(text: bytes) -> None:
    [one] = split(text)
    assert (one.code, one.line) == ("bad_json", 1)
