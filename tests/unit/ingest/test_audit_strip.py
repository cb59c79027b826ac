"""An event without its bodies: what goes, what stays, and what stands in its place."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import msgspec
import pytest

from indelible.event.model import StoredEvent
from indelible.ingest.audit_policy.rules import parse_rules
from indelible.ingest.audit_policy.strip import stripped
from indelible.ingest.parsed import Parsed
from indelible.ingest.parsers.contract import Given
from indelible.ingest.parsers.finish import parse_message
from indelible.ingest.parsers.native import parse_native
from indelible.ingest.parsers.table import parser_named
from indelible.ledger.incoming import other_identity, stripped_identity
from support.labelled import Case, cases

(RULE,) = parse_rules('[[rule]]\nwhen = "source:*"\nthen = "strip"\n')
(NAMING,) = parse_rules('[[rule]]\nwhen = "source:*"\nthen = "strip"\nmembers = ["form"]\n')


def native(**data: Any) -> Parsed:
    said = {"action": "doc.read", "actor": {"type": "user", "id": "ann"},
            "target": {"type": "doc", "id": "d"}, **({"data": data} if data else {})}
    (event,), refused = parse_native(json.dumps(said).encode())
    assert not refused
    return event


@pytest.mark.parametrize("case", [case for case in cases() if "event" in case.label],
                         ids=lambda case: f"{case.format}-{case.number}")
def test_of_a_foreign_message_everything_stays_but_the_message_and_bodies(case: Case) -> None:
    whole = case.parsed()
    bare = stripped(whole, RULE, 7)
    before, after = json.loads(whole.content), json.loads(bare.content)
    said = after.pop("stripped")
    assert said["sha256"] == sha256(case.raw).hexdigest()
    assert (said["bytes"], said["version"], said["rule"]) == (len(case.raw), 7, 1)
    assert "raw" in said["members"]
    for name in ("raw", "raw_type"):
        before.pop(name, None)
    for member in said["members"]:
        if member.startswith("data."):
            del before["data"][member.removeprefix("data.")]
    assert after == {name: value for name, value in before.items() if value != {}}
    assert bare.flags == (*whole.flags, "stripped")
    assert (bare.id, bare.time_us, bare.seq, bare.keep_repeats) == (
        whole.id, whole.time_us, whole.seq, whole.keep_repeats)


@pytest.mark.parametrize("name", [
    "request", "response", "requestParameters", "response_elements", "RequestBody", "payload",
    "request-body", "statement", "parameters",
])
def test_members_that_hold_bodies_go_however_they_are_written(name: str) -> None:
    bare = stripped(native(**{name: {"secret": 1}, "note": "stays"}), RULE, 1)
    assert json.loads(bare.content)["data"] == {"note": "stays"}
    assert b"secret" not in bare.content


def test_what_merely_sounds_alike_stays() -> None:
    event = native(request_id="r-1", requester="ann", bodyguard="bob", form="T-12")
    assert stripped(event, RULE, 1) is event


def test_a_rule_may_name_more_members() -> None:
    bare = stripped(native(form="T-12", note="stays"), NAMING, 1)
    assert json.loads(bare.content)["data"] == {"note": "stays"}
    assert json.loads(bare.content)["stripped"]["members"] == ["data.form"]


def test_data_that_would_be_empty_is_absent() -> None:
    assert "data" not in json.loads(stripped(native(body="x"), RULE, 1).content)


def test_changes_and_numbers_stay_to_the_digit() -> None:
    line = (b'{"action":"a.update","actor":{"type":"user","id":"u"},"target":{"type":"t","id":"1"},'
            b'"changes":[{"path":"p","before":1.10,"after":{"request":9007199254740993}}],'
            b'"data":{"n":1e2,"request":{}}}')
    (event,), _ = parse_native(line)
    bare = stripped(event, RULE, 1)
    assert b'"before":1.10,"after":{"request":9007199254740993}' in bare.content
    assert b'"n":1e2' in bare.content


def test_without_bodies_an_event_is_as_it_was() -> None:
    event = native()
    assert stripped(event, RULE, 1) is event


def test_the_whole_and_the_stripped_event_know_each_other() -> None:
    raw = b'{"action":"x.read","who":"ann"}'
    whole = parse_message(parser_named("json"), raw, Given(now_us=1), message_id="m/1")
    whole = msgspec.structs.replace(whole, kind="event")
    bare = stripped(whole, RULE, 1)
    assert bare.idempotent == stripped_identity(sha256(raw).digest())
    assert other_identity(bare) == whole.idempotent
    assert other_identity(whole) == bare.idempotent


def test_a_stripped_body_reads_back() -> None:
    bare = stripped(native(request=1), RULE, 3)
    body = bare.content[:-1] + b',"kind":"event","received":"","source":{"id":"s","number":1}}'
    found = msgspec.json.decode(body, type=StoredEvent).stripped
    assert not isinstance(found, msgspec.UnsetType)
    assert (found.members, found.version) == (["data.request"], 3)
