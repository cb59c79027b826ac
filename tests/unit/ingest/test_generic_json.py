"""JSON that nobody listed: what is taken for who, what, when and where, and what is not."""

from __future__ import annotations

import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from indelible.ingest.parsers.contract import Given, NotUnderstood
from indelible.ingest.parsers.finish import understand
from indelible.ingest.parsers.table import parser_named
from support.parsing import GIVEN, parse_one

BASE = {"user": "ann", "action": "document.delete", "time": "2026-03-03T09:14:07Z"}


def event(record: dict[str, Any], given: Given = GIVEN) -> dict[str, Any]:
    """The event of a record, with its flags."""
    parsed = parse_one("json", json.dumps(record).encode(), given=given)
    assert parsed.kind == "event", parsed.content
    found: dict[str, Any] = json.loads(parsed.content)
    return {**found, "flags": parsed.flags}


@pytest.mark.parametrize(
    "who",
    [
        {"user": "ann"}, {"userName": "ann"}, {"actor": {"login": "ann"}}, {"performedBy": "ann"},
        {"performed_by": {"id": 7, "username": "ann"}}, {"initiator": {"user": {"name": "ann"}}},
        {"modified_by": "ann"}, {"createdBy": "ann"}, {"principal": "ann"}, {"admin": "ann"},
        {"payload": {"actor": {"name": "ann"}}}, {"actors": [{"login": "ann"}]},
        {"details": [{"Name": "Actor", "Value": "ann"}]}, {"user_id": 9, "user_login": "ann"},
        {"details": [["Actor", "ann"], ["File", "a.txt"]]}, {"unlocked_by": "ann"},
        {"actor": {"unauthenticated_email_address": "ann"}}, {"actor_details": {"login": "ann"}},
        {"user": "https://id.example.org/7", "admin": "ann"},
        {"caller": "hmac-sha256:5f1b2c", "login": "ann"},
        {"caller": "auth/site.go:132", "user": "ann"}, {"createdByUser": {"id": "ann"}},
        {"caller": "log/log.go:94$log.(*log).write", "user": "ann"},
        {"changedByAssociate": "ann"}, {"auditEventUser": {"fullName": "ann"}}, {"bind_dn": "ann"},
        {"action_initiated_by": "ann"}, {"actor_key_label": "ann"},
        {"actor": {"id": "", "pretty": "ann"}}, {"editUser": "ann"},
        {"agent": [{"who": {"display": "ann"}}]}, {"agent": {"altId": "ann"}},
        {"rbac_user_name": "ann", "rbac_user_id": "u7"}, {"reqUser": "ann"}, {"ssoUsername": "ann"},
        {"new_user": "bob", "audit_effective_user": "ann"}, {"initiator": "ann/203.0.113.9"},
        {"actor": "ann@203.0.113.9"}, {"message": "deleted by user 'ann'"},
        {"systemAccount": "ann"}, {"runAs": "ann"}, {"audit_user_s": "ann"}, {"cs-userdn": "ann"},
        {"object": {"createdBy": "ann"}},
        {"entry": [{"changes": [{"value": {"actor_id": "ann"}}]}]},
        {"actor": "ann", "object": {"createdBy": "bob"}},
    ],
    ids=str,
)
def test_who_acted_is_found_under_its_many_names(who: dict[str, Any]) -> None:
    assert event({"action": "document.delete", **who})["actor"]["id"] == "ann"


def test_an_actor_has_the_name_people_use_and_the_vendors_id_beside_it() -> None:
    found = event({**BASE, "user": {"id": "u-7", "email": "ann@example.org", "name": "Ann Lee"}})
    assert found["actor"] == {
        "type": "user", "id": "ann@example.org", "name": "Ann Lee", "email": "ann@example.org"}
    assert found["data"]["actor_id"] == "u-7"


def test_whom_it_was_done_to_is_not_who_did_it() -> None:
    found = event({"action": "user.delete", "target": {"user": {"email": "bob@example.org"}},
                   "actor": {"email": "ann@example.org"}})
    assert found["actor"]["id"] == "ann@example.org"
    assert [one["id"] for one in found["targets"]] == ["bob@example.org"]


@pytest.mark.parametrize(
    ("action", "who"),
    [("program.run", "ann"), ("request.approve", "bob"), ("RequestApproved", "bob")],
)
def test_who_approved_acted_only_where_an_approval_is_told(action: str, who: str) -> None:
    found = event({"action": action, "user": "ann", "approvedBy": "bob"})
    assert found["actor"]["id"] == who


@pytest.mark.parametrize(
    ("action", "message", "who"),
    [
        ("Login attempt", "Authenticating domain user 'ann'.", "ann"),
        ("user.delete", "Deleted the user 'bob'", None),
        ("user.delete", "'bob' deleted by 'ann'", "ann"),
        ("user.delete", "deleted by ann's colleague 'x y'", None),
    ],
)
def test_a_sentence_tells_who_acted_where_no_member_does(
    action: str, message: str, who: str | None
) -> None:
    record = {"action": action, "message": message, "time": 1772529247}
    parsed = parse_one("json", json.dumps(record).encode())
    content = json.loads(parsed.content)
    assert (content["actor"]["id"] if parsed.kind == "event" else None) == who


def test_an_address_of_a_user_tells_more_than_the_way_in_which_a_thing_was_changed() -> None:
    found = event({"action": "policy.modify", "changedBy": "Portal", "user": "ann@example.org"})
    assert found["actor"]["id"] == "ann@example.org"


def test_who_wrote_the_record_acted_whatever_it_tells() -> None:
    found = event({"action": "role.assign", "user": "ann", "createdBy": "bob"})
    assert found["actor"]["id"] == "bob"


def test_whoever_stands_behind_is_in_the_chain() -> None:
    found = event({**BASE, "impersonator": {"email": "eve@example.org"}})
    assert found["actor"]["id"] == "ann"
    assert [one["id"] for one in found["actor"]["on_behalf_of"]] == ["eve@example.org"]


@pytest.mark.parametrize(
    ("name", "action", "operation"),
    [
        ("user.login", "user.login", "login"), ("UserLoggedIn", "user.login", "login"),
        ("DELETE_PROJECT", "project.delete", "delete"),
        ("api_key.created", "api_key.create", "create"),
        ("Updated the retention settings", "retention_setting.update", "update"),
        ("org.example.event.AdminLoginEvent", "admin.login", "login"),
        ("role granted", "role.grant", "grant"), ("members.export", "member.export", "export"),
    ],
)
def test_the_verb_is_found_in_a_vendors_name(name: str, action: str, operation: str) -> None:
    found = event({"user": "ann", "eventType": name})
    assert (found["action"], found["operation"]) == (action, operation)
    assert found["data"]["vendor_action"] == name


def test_a_sentence_tells_the_action_where_no_name_does() -> None:
    found = event({"user": "ann", "time": 1772529247,
                   "message": "User ann deleted the project Alpha from the workspace"})
    assert found["operation"] == "delete"


@pytest.mark.parametrize(
    "when",
    [
        1772529247, 1772529247.0, 1772529247000, 1772529247000000, 1772529247000000000,
        "1772529247", "2026-03-03T09:14:07Z", "2026-03-03T10:14:07+01:00",
        "2026-03-03 09:14:07 UTC",
        "Tue, 03 Mar 2026 09:14:07 GMT", "03/Mar/2026:09:14:07 +0000", "2026/03/03 09:14:07 Z",
        "2026-03-03T09:14:07.000+0000", "20260303091407", "20260303091407.000", "20260303091407000",
        20260303091407, "20260303T091407Z", "20260303111407+0200", "/Date(1772529247000)/",
        {"epochSecond": 1772529247}, {"seconds": 1772529247, "nanos": 0},
        134170028470000000, 639081260470000000, "2026-03-03 09:14:07 AM",
        "3/3/2026, 09:14:07:000 AM",
        "03/03/2026 09:14:07 AM (+0000)", "03.03.2026 09:14:07", "03-03-2026 09:14:07",
        "3 Mar 2026, 09:14:07", "03-MAR-26 09.14.07.000000 AM", "2026-03-03-09.14.07.000000",
        "2026-03-03T11:14:07.000+02:00[Europe/Athens]", "2026-03-03T09:14:07Z[UTC]",
        "2026-03-03 09:14:07.000000000 +0000 UTC m=+0.5", "Tue, 03 Mar 2026 11:14:07 +0200 (EET)",
    ],
)
@pytest.mark.parametrize("name", ["@timestamp", "created_at", "eventTime", "ts", "occurredAt"])
def test_times_are_read_in_any_form_and_unit(name: str, when: object) -> None:
    found = event({"user": "ann", "action": "file.read", name: when})
    assert found["time"] == "2026-03-03T09:14:07Z"


def test_the_time_of_the_event_comes_before_those_of_its_processing() -> None:
    found = event({**BASE, "time": None, "ingested_at": "2026-03-04T00:00:00Z",
                   "expires_at": "2027-01-01T00:00:00Z", "event_time": "2026-03-03T09:14:07Z"})
    assert found["time"] == "2026-03-03T09:14:07Z"


@pytest.mark.parametrize(
    ("told", "time"),
    [
        ({"time": {"seconds": 1772529247, "nanos": 5_000_000}}, "2026-03-03T09:14:07.005000Z"),
        ({"time": {"seconds": 1772529247, "nanos": -5}}, "2026-03-03T09:14:07Z"),
        ({"requestTime": "2026-03-03T11:14:07", "requestTimeUTC": "2026-03-03T09:14:07"},
         "2026-03-03T09:14:07Z"),
        ({"date": "2026-03-03", "time": "09:14:07"}, "2026-03-03T09:14:07Z"),
        ({"date": "2026-03-03", "time": "09:14:07", "tz": "+0200"}, "2026-03-03T07:14:07Z"),
        ({"date": "2026-03-03", "time": "09:14:07", "tz": "nowhere"}, "2026-03-03T09:14:07Z"),
        ({"log": {"date": "2026-03-03"}, "time": "09:14:07"}, None),
        ({"time": "09:14:07"}, None), ({"date": "2026-03-03"}, None),
        ({"received": "2026-03-03T09:14:07Z"}, "2026-03-03T09:14:07Z"),
        ({"event_time_t": "2026-03-03T09:14:07Z", "time": "2026-03-04T00:00:00Z"},
         "2026-03-03T09:14:07Z"),
        ({"local_time": "2026-03-03 10:14:07", "log_timestamp": "2026-03-03 09:14:07"},
         "2026-03-03T09:14:07Z"),
        ({"when": "25/03/2026 09:14 PM"}, "2026-03-25T21:14:00Z"),
        ({"when": "03/25/26 09:14:07"}, "2026-03-25T09:14:07Z"),
        ({"when": "04/05/2026 09:14:07"}, None),  # read in June: 4 May or 5 April
        ({"when": "07/05/2026 09:14:07"}, "2026-05-07T09:14:07Z"),  # 5 July is to come
        ({"when": "05/07/2026 09:14:07"}, "2026-05-07T09:14:07Z"),
        ({"when": "04.05.2026 09:14:07"}, "2026-05-04T09:14:07Z"),
        ({"when": "2026-03-25 09:14 PM"}, "2026-03-25T21:14:00Z"),
        ({"lastModified": "2026-03-03T09:14:07Z", "updated_values": {"created_at": 1772529000}},
         "2026-03-03T09:14:07Z"),
        ({"start_time": "2026-03-03T09:14:07Z", "end_time": "2026-03-03T09:15:00Z"},
         "2026-03-03T09:14:07Z"),
        ({"time": "[03/Mar/2026:02:14:07 -0700]"}, "2026-03-03T09:14:07Z"),
        ({"time_local": "03/Mar/2026:10:14:07 +0100"}, "2026-03-03T09:14:07Z"),
        ({"serverTimestamp": "2026-03-03T10:00:00Z", "persistenceTimestamp": "2026-03-03T10:00:01Z",
          "clientTimestamp": "2026-03-03T09:14:07Z"}, "2026-03-03T09:14:07Z"),
        ({"insertInstant": 1772529247000}, "2026-03-03T09:14:07Z"),
        ({"clock": "1772529247"}, "2026-03-03T09:14:07Z"), ({"time_spent": "0.004"}, None),
        ({"ts": {"$date": {"$numberLong": "1772529247000"}}}, "2026-03-03T09:14:07Z"),
        ({"date": "Tue Mar 03 2026", "time": "11:14:07 GMT+0200 (Eastern European Standard Time)"},
         "2026-03-03T09:14:07Z"),
        ({"when": "Tue Mar 03 2026 11:14:07 GMT+0200 (Eastern European Standard Time)"},
         "2026-03-03T09:14:07Z"),
        ({"scheduledFor": {"datetime": "2026-04-01T00:00:00Z"}, "updatedAt": 1772529247},
         "2026-03-03T09:14:07Z"),
        ({"ts": 1772529250, "event": {"timestamp": 1772529247}}, "2026-03-03T09:14:07Z"),
        ({"ts": 1772529250, "event": {"timestamp": 1772528400}}, "2026-03-03T09:14:10Z"),
        ({"ts": 1772529250, "event": {"timestamp": 1772529251}}, "2026-03-03T09:14:10Z"),
        ({"ts": 1772529250, "data": {"created": 1772529247}}, "2026-03-03T09:14:10Z"),
        ({"data": {"user": {"created_at": "2026-03-03T09:14:07Z"}}}, None),
        ({"data": {"object": {"created_at": "2026-03-03T09:14:07Z"}}}, "2026-03-03T09:14:07Z"),
        ({"iat": 1772529247, "exp": 1772532847}, "2026-03-03T09:14:07Z"),
    ],
    ids=str,
)
def test_a_time_may_stand_in_several_members(told: dict[str, Any], time: str | None) -> None:
    assert event({**BASE, "time": None, **told}).get("time") == time


@pytest.mark.parametrize(
    ("told", "time"),
    [
        ({"wann": "2026-03-03T09:14:07Z"}, "2026-03-03T09:14:07Z"),
        ({"wann": 1772529247}, "2026-03-03T09:14:07Z"),
        ({"wann": "1772529247000"}, "2026-03-03T09:14:07Z"),
        ({"wann": 1772529247, "event_time": "2026-03-01T00:00:00Z"}, "2026-03-01T00:00:00Z"),
        ({"wann": 9876543210}, None), ({"wann": 600000000}, None),  # 2282, 1989
        ({"order_number": 1772529247}, None), ({"orderId": "1772529247"}, None),
        ({"expires": "2026-03-03T09:14:07Z"}, None), ({"wann": "9:14"}, None),
        ({"target": {"wann": "2026-03-03T09:14:07Z"}}, None),
    ],
    ids=str,
)
def test_a_record_without_a_name_for_its_time_has_it_where_a_value_is_hardly_anything_else(
    told: dict[str, Any], time: str | None
) -> None:
    assert event({**BASE, "time": None, **told}).get("time") == time


def test_a_time_without_zone_is_taken_in_the_sources_and_flagged() -> None:
    given = Given(now_us=GIVEN.now_us, zone=ZoneInfo("Europe/Berlin"))
    found = event({**BASE, "time": "2026-03-03 10:14:07"}, given)
    assert found["time"] == "2026-03-03T09:14:07Z"
    assert "time_assumed" in found["flags"]


@pytest.mark.parametrize(
    ("where", "ip"),
    [
        ({"ip": "203.0.113.9"}, "203.0.113.9"),
        ({"client": {"address": "2001:db8::1"}}, "2001:db8::1"),
        ({"remote_addr": "203.0.113.9:5123"}, "203.0.113.9"),
        ({"server_ip": "10.0.0.1", "clientIp": "203.0.113.9"}, "203.0.113.9"),
        ({"source": {"ip": "203.0.113.9"}, "destination": {"ip": "10.0.0.1"}}, "203.0.113.9"),
        ({"server_ip": "10.0.0.1"}, None), ({"ip": "unknown"}, None), ({"ip": "1.2.3"}, None),
        ({"target": {"ip": "10.0.0.1"}}, None),
        ({"client_host": "203.0.113.9"}, "203.0.113.9"), ({"src_hostname": "ws1"}, None),
        ({"proxy": {"address": "10.0.0.1"}}, None), ({"local": {"ip": "10.0.0.1"}}, None),
        ({"proxy": {"client_ip": "203.0.113.9"}}, "203.0.113.9"),
        ({"user": "ann/203.0.113.9"}, "203.0.113.9"), ({"user": "ann@2001:db8::7"}, "2001:db8::7"),
        ({"userOrigin": "webui (203.0.113.9)"}, "203.0.113.9"), ({"user": "ann/b"}, None),
        ({"remoteAddress": "ipv4:203.0.113.9:50321"}, "203.0.113.9"),
        ({"server": {"host": "10.0.0.1"}, "client": {"host": "203.0.113.9"}}, "203.0.113.9"),
        ({"sockname": "10.0.0.1:1883", "peername": "203.0.113.9:53712"}, "203.0.113.9"),
        ({"host": "10.0.0.1"}, None), ({"client": {"name": "ws1"}}, None),
        ({"loggedFrom": "203.0.113.9"}, "203.0.113.9"), ({"device": {"ip": "203.0.113.9"}},
                                                         "203.0.113.9"),
        ({"device": {"ip": "10.0.0.1"}, "client_ip": "203.0.113.9"}, "203.0.113.9"),
        ({"ip": "0.0.0.0", "remote_addr": "203.0.113.9"}, "203.0.113.9"), ({"ip": "::"}, None),
        ({"new_value": {"ip": "10.0.0.1"}}, None), ({"updated_values": {"ip": "10.0.0.1"}}, None),
        ({"initiator": {"host": {"address": "203.0.113.9"}}}, "203.0.113.9"),
        ({"userHostAddress": "203.0.113.9"}, "203.0.113.9"),
        ({"workstation": "203.0.113.9"}, "203.0.113.9"), ({"workstation": "ws1"}, None),
        ({"x_forwarded_for": "203.0.113.9, 10.0.0.1"}, "203.0.113.9"),
        ({"x_forwarded_for": "203.0.113.9", "remote_ip": "203.0.113.8"}, "203.0.113.8"),
        ({"message": "signed in from IP address 203.0.113.9."}, "203.0.113.9"),
        ({"message": "signed in from 2001:db8::7"}, "2001:db8::7"),
        ({"id.orig_h": "203.0.113.9", "id.resp_h": "10.0.0.1"}, "203.0.113.9"),  # Zeek
        ({"agent": [{"network": {"address": "203.0.113.9"}}]}, "203.0.113.9"),  # HL7 FHIR
        ({"agent": {"altId": "a", "networkAddress": "203.0.113.9"}}, "203.0.113.9"),
        ({"agent": {"type": "filebeat", "address": "10.0.0.1"}}, None),
        ({"x_initiator.host.address": "203.0.113.9", "x_target.host.address": "10.0.0.1"},
         "203.0.113.9"), ({"host_address": "10.0.0.1"}, None),
        ({"source_info": {"ip": "203.0.113.9"}, "server": {"ip": "10.0.0.1"}}, "203.0.113.9"),
        ({"requested_by": "[2001:db8::7]:5943"}, "2001:db8::7"),
        ({"ip": "203.0.113.9/32"}, "203.0.113.9"), ({"ip": "203.0.113.0/24"}, None),
        ({"message": "moved from 10.0.0.1 to 10.0.0.2"}, None),
        ({"message": "read from 10.0.0.0/8"}, None), ({"message": "version from 1.2.3.4.5"}, None),
        ({"message": "from 10.0.0.1 or from 10.0.0.2"}, None),
    ],
    ids=str,
)
def test_only_a_real_address_of_the_client_counts(where: dict[str, Any], ip: str | None) -> None:
    assert event({**BASE, **where}).get("origin", {}).get("ip") == ip


@pytest.mark.parametrize(
    ("told", "outcome"),
    [
        ({"result": "SUCCESS"}, "success"), ({"success": False}, "failure"),
        ({"outcome": {"result": "DENY"}}, "denied"), ({"statusCode": 200}, "success"),
        ({"statusCode": 403}, "denied"), ({"http_status": 500}, "failure"),
        ({"errorCode": "NoSuchUser"}, "failure"), ({"allowed": False}, "denied"), ({}, None),
        ({"status": "active"}, None),
    ],
    ids=str,
)
def test_how_it_ended_is_what_the_record_says(told: dict[str, Any], outcome: str | None) -> None:
    assert event({**BASE, **told}).get("outcome") == outcome


def test_a_failure_in_the_name_outweighs_an_answer_that_went_well() -> None:
    assert event({**BASE, "action": "user_login_failed", "statusCode": 200})["outcome"] == "failure"


@pytest.mark.parametrize(
    "told",
    [
        {"changes": [{"field": "role", "old": "user", "new": "admin"}]},
        {"changes": {"role": {"from": "user", "to": "admin"}}},
        {"changes": {"role": ["user", "admin"]}},
        {"before": {"role": "user", "id": 1}, "after": {"role": "admin", "id": 1}},
        {"data": {"oldValue": "user", "newValue": "admin", "field": "role"}},
    ],
    ids=str,
)
def test_changes_are_read_in_the_forms_vendors_write(told: dict[str, Any]) -> None:
    assert event({**BASE, **told})["changes"] == [
        {"path": "role", "op": "replace", "before": "user", "after": "admin"}]


def test_every_guess_is_named_and_the_event_is_flagged() -> None:
    found = event({**BASE, "ip": "203.0.113.9", "result": "ok"})
    assert "guessed" in found["flags"]
    assert {"action", "actor", "time", "origin.ip", "outcome"} <= set(found["data"]["guessed"])


@pytest.mark.parametrize(
    "record",
    [
        {"level": "info", "message": "listening on port 80", "time": "2026-03-03T09:14:07Z"},
        {"name": "ann", "address": "Main Street"}, {"action": "login"}, {"user": "ann"},
        {"user": "", "action": "login"}, {"user": None, "action": "login"}, {"a": 1},
    ],
    ids=str,
)
def test_a_record_without_who_and_what_is_not_understood(record: dict[str, Any]) -> None:
    parsed = parse_one("json", json.dumps(record).encode())
    assert parsed.kind == "unparsed"
    assert json.loads(parsed.content)["reason"]["code"] == "low_confidence"


def test_what_was_guessed_of_it_is_kept_all_the_same() -> None:
    parsed = parse_one("json", b'{"ip":"203.0.113.9","time":1772529247,"note":"x"}')
    found = json.loads(parsed.content)
    assert found["data"]["guesses"]["ip"] == "203.0.113.9"
    assert found["origin"] == {"ip": "203.0.113.9"}
    assert found["time"] == "2026-03-03T09:14:07Z"
    assert parsed.flags == ("guessed",)


def test_an_address_that_was_guessed_alone_is_flagged_too() -> None:
    parsed = parse_one("json", b'{"client_ip":"203.0.113.9","note":"x"}')
    assert json.loads(parsed.content)["origin"] == {"ip": "203.0.113.9"}
    assert (parsed.flags, parsed.time_us) == (("guessed",), None)


def _deep(depth: int) -> dict[str, Any]:
    whole: dict[str, Any] = {"user": "ann"}
    for _ in range(depth):
        whole = {"a": whole}
    return whole


@pytest.mark.parametrize(
    "record",
    [
        {}, {"user": {}}, {"user": []}, {"user": [[[]]]}, {"user": True, "action": 1.5},
        {**BASE, "time": 10**300}, {**BASE, "time": -1}, {**BASE, "time": "9" * 400},
        {**BASE, "user": "x" * 100_000}, {"x" * 100_000: "ann"}, {"aB" * 30_000: 1},
        {"user.name." * 1000: "ann"}, _deep(500), {f"user_{n}": "ann" for n in range(20_000)},
        {**BASE, "changes": [{"field": {}, "old": [], "new": {}}] * 5000},
        {**BASE, "user": "\ud800", "action": "\udfff.login"}, {**BASE, "details": '{"a":' * 5000},
        {"details": [{"Name": "x", "Value": None}, {"Name": None}, 7]}, {"": {"": {"": ""}}},
    ],
    ids=lambda record: str(record)[:40],
)
def test_nothing_in_a_record_makes_the_parser_fail(record: dict[str, Any]) -> None:
    code = ""
    try:
        understand(parser_named("json"), record, GIVEN)
    except NotUnderstood as no:
        code = no.code
    assert code in ("", "low_confidence")


@pytest.mark.parametrize(("members", "address"), [
    ({"initiator": {"name": "ann", "host": {"address": "192.0.2.7"}}}, "192.0.2.7"),
    ({"user": "ann", "remoteClientAddress": "192.0.2.7"}, "192.0.2.7"),
    ({"user": "ann", "addr.remote": "192.0.2.7:4711"}, "192.0.2.7"),
    ({"user": "ann", "source": "192.0.2.7"}, "192.0.2.7"),
    ({"user": "ann", "address": "192.0.2.7"}, "192.0.2.7"),
    ({"user": "ann", "clientAddress": "/192.0.2.7:4711"}, "192.0.2.7"),
    ({"user": "ann", "clientAddress": "web1/192.0.2.7"}, "192.0.2.7"),
    ({"user": "ann", "serverAddress": "192.0.2.7"}, None),
    ({"user": "ann", "target": {"host": {"address": "192.0.2.7"}}}, None),
    ({"user": "ann", "source": "10.0.0.0/8"}, None),
    ({"user": "ann", "source": "bolt client/192.0.2.8:1 server/192.0.2.7:7687"}, None),
])
def test_where_somebody_was_has_many_names(members: dict[str, Any], address: str | None) -> None:
    found = event({"time": "2026-03-03T09:14:07Z", "action": "user.delete", **members})
    assert found["actor"]["id"] == "ann"
    assert found.get("origin", {}).get("ip") == address


@pytest.mark.parametrize(("members", "who"), [
    ({"user": {"id": 17, "name": "ann"}}, "ann"),
    ({"user": {"id": "17"}}, "17"),
    ({"actors": {"client": {"id": "c1", "name": "Console"}, "user": {"name": "ann"}}}, "ann"),
    ({"actors": {"client": {"name": "Console"}}}, "Console"),
    ({"identity": "bob", "username": "ann"}, "ann"),
    ({"auth": {"user_info": {"id": "u_1"}}}, "u_1"),
])
def test_people_are_called_by_their_names(members: dict[str, Any], who: str) -> None:
    found = event({"time": "2026-03-03T09:14:07Z", "action": "user.delete", **members})
    assert found["actor"]["id"] == who


def test_a_time_may_be_an_object() -> None:
    found = event({"timestamp": {"epochSecond": 1_772_529_247, "nano": 1}, "user": "ann",
                   "action": "user.delete"})
    assert found["time"] == "2026-03-03T09:14:07Z"


def test_a_security_event_is_named_by_the_uri_under_events() -> None:
    uri = "https://schemas.example.org/secevent/event-type/session-revoked"
    found = event({"iss": "https://id.example.org", "iat": 1_772_529_247,
                   "events": {uri: {"user": {"name": "ann"}}}})
    assert found["actor"]["id"] == "ann"
    assert found["action"] == "session.revoke"
    assert found["data"]["vendor_action"] == "session-revoked"


def test_a_comment_tells_the_action_where_no_name_does() -> None:
    found = event({"email": "ann@example.org", "comment": "User logged in",
                   "time": "2026-03-03T09:14:07Z"})
    assert found["operation"] == "login"


@pytest.mark.parametrize("number", [25, "25"])
def test_a_vendors_number_says_what_was_done_as_far_as_it_goes(number: object) -> None:
    found = event({"user_id": "u7", "action_type": number})
    assert (found["action"], found["data"]["vendor_action"]) == ("event.occur", "25")


def test_a_login_by_name_that_ended_somehow_is_an_event() -> None:
    told = {"login": "ann@example.org", "t": 1_772_529_247}
    assert event({**told, "success": False})["outcome"] == "failure"
    assert parse_one("json", json.dumps(told).encode()).kind == "unparsed"


def test_the_kind_of_an_operation_may_be_named_at_the_end() -> None:
    found = event({"webhook": {"name": "x", "webhookEvent": "RestOperation"},
                   "event": {"restAPIOperationType": "UPDATE", "authorizedUsername": "ann"}})
    assert (found["actor"]["id"], found["operation"]) == ("ann", "update")


def test_the_kind_of_a_request_says_what_was_done() -> None:
    found = event({"ts": 1_772_529_247.5, "request_type": "TGS", "client": "ann/EXAMPLE.ORG"})
    assert (found["actor"]["id"], found["data"]["vendor_action"]) == ("ann/EXAMPLE.ORG", "TGS")


def test_the_name_of_an_audit_says_what_was_done() -> None:
    found = event({"audit_name": "User logged out of the system", "triggered_by": "ann"})
    assert (found["actor"]["id"], found["operation"]) == ("ann", "logout")
