"""The CloudTrail parser on recorded attacks: who, what, when, where, on what, with which outcome.

The data lie outside the project (`../shared/data`); without them these tests are skipped.
"""

from __future__ import annotations

import gzip
import io
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from indelible.event.model import read_body
from indelible.event.sentence import sentence
from indelible.ingest.importer import iter_batches, parse_import
from indelible.ingest.parsed import Parsed
from support.parsing import GIVEN, parse_file, parse_one

DATA = Path(__file__).parents[4] / "shared" / "data"
INVICTUS = DATA / "cloudtrail-invictus" / "events.ndjson.gz"
STRATUS = DATA / "cloudtrail-stratus"
pytestmark = pytest.mark.skipif(not INVICTUS.exists(), reason=f"no recorded data in {DATA}")
OWN = (b',"kind":"event","received":"2026-01-01T00:00:00.000000Z",'
       b'"source":{"id":"aws","number":1},"via":{}}')


@pytest.fixture(scope="module")
def parsed() -> list[Parsed]:
    accepted, refused = parse_file("cloudtrail", gzip.decompress(INVICTUS.read_bytes()))
    for path in sorted(STRATUS.glob("*.json")):
        more, others = parse_file("cloudtrail", path.read_bytes())
        accepted, refused = accepted + more, refused + others
    assert not refused
    return accepted


@pytest.fixture(scope="module")
def events(parsed: list[Parsed]) -> list[dict[str, Any]]:
    return [json.loads(one.content) for one in parsed]


def test_every_record_is_an_event_with_action_actor_and_time(
    parsed: list[Parsed], events: list[dict[str, Any]]
) -> None:
    assert Counter(one.kind for one in parsed) == {"event": 2983}
    assert len({one.id for one in parsed}) == 2983
    for one, event in zip(parsed, events, strict=True):
        assert event["action"].count(".") == 2
        assert event["actor"]["id"]
        assert one.time_us is not None
        assert event["data"]["vendor_action"] in event["raw"]
        assert event["raw"].encode() == one.idempotent
        assert b"\n" not in one.content


def test_the_counts_are_those_of_the_data(events: list[dict[str, Any]]) -> None:
    assert Counter(event["operation"] for event in events) == {
        "read": 2094, "execute": 245, "delete": 240, "update": 99, "create": 176, "login": 58,
        "grant": 34, "configure": 20, "revoke": 16, "other": 1,
    }
    assert Counter(event.get("outcome") for event in events) == {
        "success": 2608, "failure": 240, "denied": 93, None: 42,
    }
    actors = Counter((event["actor"]["type"], event["actor"]["id"]) for event in events)
    assert actors[("user", "bert-jan")] == 2553
    assert actors[("user", "benjamin")] == 93
    assert actors[("service", "secretsmanager.amazonaws.com")] == 116
    behind = Counter(
        other["id"] for event in events for other in event["actor"].get("on_behalf_of", [])
    )
    assert behind["bert-jan"] == 89
    origins = Counter(
        next(iter(event["origin"].keys() & {"ip", "service"}), None) for event in events
    )
    assert origins == {"ip": 2618, "service": 353, None: 12}
    assert sum("targets" in event for event in events) == 2132
    assert sum("changes" in event for event in events) == 46


def test_outcomes_follow_the_error_codes(events: list[dict[str, Any]]) -> None:
    for event in events:
        code = json.loads(event["raw"]).get("errorCode")
        if code in ("AccessDenied", "Client.UnauthorizedOperation"):
            assert event["outcome"] == "denied"
        elif code:
            assert event["outcome"] == "failure"
        if code:
            assert event["reason"]["code"] == code


def test_where_is_an_address_or_a_service_and_never_both(events: list[dict[str, Any]]) -> None:
    for event in events:
        address = json.loads(event["raw"])["sourceIPAddress"]
        origin = event["origin"]
        if address == "AWS Internal" or address.endswith(".amazonaws.com"):
            assert (origin["service"], "ip" in origin) == (address, False)
        elif "ip" in origin:
            assert (origin["ip"], "service" in origin) == (address, False)
        else:
            assert event["data"]["source_address"] == address


def leaves(value: Any, path: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, dict):
        return [leaf for key, part in value.items() for leaf in leaves(part, f"{path}.{key}")]
    if isinstance(value, list):
        return [leaf for part in value for leaf in leaves(part, path)]
    return [(path, value)]


DERIVED = {".action", ".operation", ".outcome", ".time", ".raw", ".actor.type",
           ".actor.on_behalf_of.type", ".targets.type", ".actor.auth.mfa",
           ".actor.on_behalf_of.auth.mfa", ".changes.path", ".changes.op"}


def test_no_field_is_invented(events: list[dict[str, Any]]) -> None:
    """Every value of an event, but for names of classes, stands in the record's own text."""
    for event in events:
        for path, value in leaves(event):
            if path not in DERIVED:
                said = value if isinstance(value, str) else json.dumps(value)
                assert said in event["raw"], (path, value)


def find(events: list[dict[str, Any]], event_id: str) -> dict[str, Any]:
    found = [event for event in events if event["id"] == event_id]
    assert len(found) == 1
    return {key: value for key, value in found[0].items() if key not in ("raw", "labels")}


def test_a_service_acting_for_a_person_is_told(events: list[dict[str, Any]]) -> None:
    found = find(events, "c6ebc8b7-572c-4123-92bf-9d94933724ca")
    assert found["action"] == "kms.key.decrypt"
    assert found["actor"] == {
        "type": "service", "id": "secretsmanager.amazonaws.com",
        "on_behalf_of": [{"type": "user", "id": "bert-jan", "session": "ASIATFQR7NSC6V3LY3GE",
                          "auth": {"mfa": False}}],
    }
    assert [(one["type"], one["id"]) for one in found["targets"]] == [
        ("kms_key", "dad21b23-9915-42bd-981b-2a9f3c8f20c8"),
        ("secretsmanager_secret", "stratus-red-team-retrieve-secret-14"),
    ]


def test_a_role_that_was_denied_is_told(events: list[dict[str, Any]]) -> None:
    found = find(events, "be7f89b5-d456-4423-b3e6-0fb0b19bad7c")
    assert (found["action"], found["outcome"]) == ("organizations.organization.leave", "denied")
    assert found["actor"]["id"] == "stratus-red-team-leave-org-role"
    assert found["actor"]["on_behalf_of"] == [
        {"type": "service", "id": "aws-go-sdk-1688990515440126480"}
    ]
    assert "targets" not in found


def test_sign_ins_tell_whether_mfa_was_used(events: list[dict[str, Any]]) -> None:
    without = find(events, "70e5932e-9022-4b38-837e-ca10dad94eb7")
    assert without["actor"]["auth"] == {"mfa": False}
    assert (without["operation"], without["outcome"]) == ("login", "success")
    assert find(events, "8feee4c2-5e27-4857-8475-bfa7e7b6d791")["actor"]["auth"] == {"mfa": True}


def test_an_event_of_a_service_has_no_outcome_and_its_own_target(
    events: list[dict[str, Any]],
) -> None:
    found = find(events, "895dc875-cb08-45a5-b8c2-9158838741c0")
    assert "outcome" not in found
    assert found["actor"] == {"type": "service", "id": "ec2.amazonaws.com"}
    assert found["targets"] == [{"type": "ec2_snapshot", "id": "snap-0e83092ae538da583"}]
    assert found["data"]["event_type"] == "AwsServiceEvent"


def test_an_iam_users_history_runs_from_creation_to_deletion(
    events: list[dict[str, Any]],
) -> None:
    user = {("iam_user", "malicious-iam-user")}
    history = [
        event["action"] for event in sorted(events[:2900], key=lambda event: event["time"])
        if event.get("outcome") == "success" and event["operation"] != "read"
        and user & {(one["type"], one["id"]) for one in event.get("targets", [])}
    ]
    assert Counter(history) == {
        "iam.user.create": 1, "iam.user_policy.attach": 1, "iam.access_key.create": 1,
        "iam.access_key.delete": 1, "iam.user_policy.detach": 1, "iam.user.delete": 1,
    }
    assert (history[0], history[-1]) == ("iam.user.create", "iam.user.delete")


def test_every_event_has_a_readable_sentence(parsed: list[Parsed]) -> None:
    said = {sentence(read_body(one.content[:-1] + OWN)) for one in parsed}
    assert "bert-jan created iam user malicious-iam-user" in said
    refused = "bert-jan tried to assume iam role stratus-red-team-get-usr-data-role and was denied"
    assert refused in said
    deleted = {line for line in said if " deleted " in line and "iam user" in line}
    assert not [line for line in deleted if " and iam user" in line]
    assert all(line.isprintable() and len(line) < 400 for line in said)


def test_the_files_as_delivered_add_nothing() -> None:
    known: dict[str, bytes] = {}
    for batch in iter_batches([str(INVICTUS)], "cloudtrail"):
        accepted, refused = parse_import(batch.body, "cloudtrail", GIVEN)
        assert not refused
        known |= {one.id: one.idempotent for one in accepted}
    assert len(known) == 2900
    files = sorted(str(path) for path in (INVICTUS.parent / "delivery").iterdir())
    count = 0
    for batch in iter_batches(files, "cloudtrail", io.BytesIO()):
        for one in parse_import(batch.body, "cloudtrail", GIVEN)[0]:
            assert known[one.id] == one.idempotent
            count += 1
    assert count == 621


def test_a_record_reads_alike_however_its_members_are_ordered(parsed: list[Parsed]) -> None:
    for one in parsed[::97]:
        record = json.loads(one.idempotent)
        again = json.loads(parse_one("cloudtrail", json.dumps(record, indent=1).encode()).content)
        first = json.loads(one.content)
        assert {**again, "raw": ""} == {**first, "raw": ""}
