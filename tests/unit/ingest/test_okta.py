"""The Okta parser on small events that show one rule each."""

from __future__ import annotations

import json
from ipaddress import ip_network
from typing import Any

import pytest

from indelible.base.limits import CHANGES, TARGETS
from indelible.event.strict import compact
from indelible.ingest.parsers.contract import Given
from indelible.ingest.parsers.okta import PARSER
from indelible.ingest.parsers.okta_events import known
from support.parsing import GIVEN, parse_one

ANN = {"type": "User", "id": "00u1", "alternateId": "ann@example.com", "displayName": "Ann Lee"}
PROXIED = Given(now_us=GIVEN.now_us, proxies=(ip_network("10.0.0.0/8"),))


def record(**members: Any) -> dict[str, Any]:
    """A plain event with these members over its own."""
    return {
        "uuid": "u1", "published": "2026-03-03T09:14:07.123Z", "eventType": "user.session.start",
        "actor": ANN, "client": {"ipAddress": "203.0.113.9"}, "outcome": {"result": "SUCCESS"},
        **members,
    }


def event(given: Given = GIVEN, **members: Any) -> dict[str, Any]:
    parsed = parse_one("okta", json.dumps(record(**members)).encode(), given=given)
    assert parsed.kind == "event"
    found: dict[str, Any] = json.loads(parsed.content)
    return found


def unparsed(**members: Any) -> str:
    parsed = parse_one("okta", json.dumps(record(**members)).encode())
    assert parsed.kind == "unparsed"
    code: str = json.loads(parsed.content)["reason"]["code"]
    return code


# --- actions


@pytest.mark.parametrize(
    ("event_type", "action", "operation"),
    [
        ("user.session.start", "okta.user.session.start", "login"),
        ("user.authentication.auth_via_mfa", "okta.user.authentication.auth_via_mfa", "login"),
        ("user.session.end", "okta.user.session.end", "logout"),
        ("group.user_membership.add", "okta.group.user_membership.add", "grant"),
        ("group.user_membership.remove", "okta.group.user_membership.remove", "revoke"),
        ("user.account.lock", "okta.user.account.lock", "revoke"),
        ("system.api_token.create", "okta.system.api_token.create", "create"),
        ("policy.rule.update", "okta.policy.rule.update", "update"),
        ("zone.update", "okta.zone.update", "configure"),
        ("user.lifecycle.delete.initiated", "okta.user.lifecycle.delete.initiated", "delete"),
        ("user.session.impersonation.grant", "okta.user.session.impersonation.grant", "grant"),
        ("user.session.impersonation.initiate", "okta.user.session.impersonation.initiate",
         "login"),
        ("security.threat.detected", "okta.security.threat.detected", "other"),
        ("support.org.view", "okta.support.org.view", "read"),
    ],
)
def test_an_action_is_the_event_type_and_the_catalogue_knows_its_operation(
    event_type: str, action: str, operation: str
) -> None:
    found = event(eventType=event_type)
    assert (found["action"], found["operation"]) == (action, operation)
    assert found["data"]["vendor_action"] == event_type


@pytest.mark.parametrize(
    ("event_type", "action", "operation"),
    [
        ("app.oauth2.token.grant.access_token", "okta.app.oauth2.access_token.grant", "login"),
        ("app.oauth2.as.token.grant.id_token", "okta.app.oauth2.as.id_token.grant", "login"),
        ("app.oauth2.consent.revoke.user", "okta.app.oauth2.consent.revoke", "revoke"),
        ("app.oauth2.token.revoke.implicit.as", "okta.app.oauth2.token.revoke", "revoke"),
        ("app.oauth2.authorize.implicit.id_token", "okta.app.oauth2.authorize", "login"),
    ],
)
def test_what_a_grant_is_limited_to_does_not_hide_the_verb(
    event_type: str, action: str, operation: str
) -> None:
    found = known(event_type)
    assert (found.action, found.operation.value) == (action, operation)


def test_a_type_that_no_row_knows_goes_by_its_verb() -> None:
    assert known("brandnew.thing.delete").operation.value == "delete"
    assert known("brandnew.thing.frobnicate").operation.value == "other"


# --- who


@pytest.mark.parametrize(
    ("said", "actor"),
    [
        (ANN, {"type": "user", "id": "ann@example.com", "name": "Ann Lee",
               "email": "ann@example.com"}),
        ({**ANN, "alternateId": "ann"}, {"type": "user", "id": "ann", "name": "Ann Lee"}),
        ({"type": "SystemPrincipal", "id": "system", "alternateId": "system@okta.com",
          "displayName": "Okta System"},
         {"type": "system", "id": "system@okta.com", "name": "Okta System"}),
        ({"type": "PublicClientApp", "id": "0oa1", "alternateId": "unknown",
          "displayName": "Warehouse"},
         {"type": "service", "id": "0oa1", "name": "Warehouse"}),
        ({"type": "User", "id": "unknown", "alternateId": "unknown", "displayName": "unknown"},
         {"type": "anonymous", "id": "anonymous"}),
        ({"type": "User", "id": "unknown", "alternateId": "eve", "displayName": "unknown"},
         {"type": "user", "id": "eve"}),
        ({"type": "IP address", "id": "203.0.113.66", "alternateId": "unknown",
          "displayName": "203.0.113.66"},
         {"type": "anonymous", "id": "anonymous"}),
    ],
)
def test_who_acted(said: dict[str, str], actor: dict[str, str]) -> None:
    assert event(actor=said)["actor"] == actor


def test_a_session_and_a_credential_are_told_and_unknown_ones_are_not() -> None:
    context = {"externalSessionId": "102abc", "credentialType": "PASSWORD"}
    found = event(authenticationContext=context)["actor"]
    assert (found["session"], found["auth"]) == ("102abc", {"method": "password"})
    found = event(authenticationContext={"externalSessionId": "unknown", "credentialType": None})
    assert not {"session", "auth"} & found["actor"].keys()


def test_a_call_with_an_api_token_says_so() -> None:
    found = event(transaction={"id": "t1", "type": "WEB", "detail": {"requestApiTokenId": "00T1"}})
    assert found["actor"]["auth"] == {"method": "api_token"}
    assert found["data"]["api_token"] == "00T1"
    assert found["origin"]["request_id"] == "t1"


def test_an_event_that_names_nobody_at_all_is_not_made_up() -> None:
    assert unparsed(actor=None) == "missing_actor"
    assert unparsed(eventType="") == "missing_field"


# --- where


def test_without_proxies_the_address_is_the_one_that_okta_saw() -> None:
    forged = {"ipChain": [{"ip": "192.0.2.1"}, {"ip": "203.0.113.9"}]}
    found = event(request=forged)
    assert found["origin"]["ip"] == "203.0.113.9"
    assert found["data"]["ip_chain"] == ["192.0.2.1", "203.0.113.9"]


@pytest.mark.parametrize(
    ("chain", "address"),
    [
        (["198.51.100.7", "10.1.1.1"], "198.51.100.7"),
        (["192.0.2.1", "198.51.100.7", "10.2.2.2", "10.1.1.1"], "198.51.100.7"),
        (["192.0.2.1", "unknown", "10.1.1.1"], None),
        (["10.1.1.1"], None),
        ([], None),
    ],
)
def test_behind_a_configured_proxy_it_is_the_last_address_that_is_none(
    chain: list[str], address: str | None
) -> None:
    found = event(PROXIED, client={"ipAddress": "10.1.1.1"},
                  request={"ipChain": [{"ip": one} for one in chain]})
    assert found.get("origin", {}).get("ip") == address


def test_a_trusted_proxy_does_not_make_a_direct_client_forgeable() -> None:
    found = event(PROXIED, request={"ipChain": [{"ip": "192.0.2.1"}, {"ip": "203.0.113.9"}]})
    assert found["origin"]["ip"] == "203.0.113.9"


# --- outcome


@pytest.mark.parametrize(
    ("result", "outcome", "reason"),
    [
        ("SUCCESS", "success", None),
        ("ALLOW", "success", None),
        ("FAILURE", "failure", None),
        ("DENY", "denied", None),
        ("CHALLENGE", None, {"code": "CHALLENGE"}),
        ("SKIPPED", None, {"code": "SKIPPED"}),
        ("UNKNOWN", None, None),
        ("", None, None),
    ],
)
def test_only_an_end_is_an_outcome(
    result: str, outcome: str | None, reason: dict[str, str] | None
) -> None:
    found = event(outcome={"result": result})
    assert (found.get("outcome"), found.get("reason")) == (outcome, reason)


def test_a_reason_in_capitals_is_a_code_and_a_sentence_a_text() -> None:
    found = event(outcome={"result": "FAILURE", "reason": "INVALID_CREDENTIALS"})
    assert found["reason"] == {"code": "INVALID_CREDENTIALS"}
    found = event(outcome={"result": "DENY", "reason": "Sign-on rules deny it"})
    assert found["reason"] == {"text": "Sign-on rules deny it"}


def test_what_okta_calls_a_failure_is_a_denial_where_the_type_says_so() -> None:
    found = event(eventType="app.generic.unauth_app_access_attempt",
                  outcome={"result": "FAILURE"})
    assert found["outcome"] == "denied"


# --- what


def test_people_are_targets_by_login_and_things_by_id() -> None:
    found = event(eventType="group.user_membership.add", target=[
        {"type": "User", "id": "00u2", "alternateId": "bob@example.com", "displayName": "Bob"},
        {"type": "UserGroup", "id": "00g1", "alternateId": "unknown", "displayName": "Admins"},
        "no target", {"type": "UserGroup"},
    ])
    assert found["targets"] == [
        {"type": "okta_user", "id": "bob@example.com", "name": "Bob"},
        {"type": "okta_user_group", "id": "00g1", "name": "Admins"},
    ]


def test_settings_before_and_after_are_changes() -> None:
    details = {"from": {"status": "ACTIVE", "same": 1}, "to": {"status": "INACTIVE", "same": 1}}
    found = event(eventType="policy.rule.update",
                  target=[{"type": "PolicyRule", "id": "0pr1", "changeDetails": details}])
    assert found["changes"] == [
        {"path": "status", "op": "replace", "before": "ACTIVE", "after": "INACTIVE"}
    ]


def test_changes_of_several_targets_stay_apart() -> None:
    found = event(target=[
        {"type": "Zone", "id": ident, "changeDetails": {"from": {"a": 1}, "to": {"a": 2}}}
        for ident in ("z1", "z.2")
    ])
    assert [one["path"] for one in found["changes"]] == ["z1.a", "z\\.2.a"]


def test_behaviours_and_risk_are_read_in_every_way_they_are_written() -> None:
    text = "{New Geo-Location=NEGATIVE, New Device=POSITIVE, New IP=POSITIVE}"
    for said in (text, {"New Device": "POSITIVE", "New IP": "POSITIVE", "Velocity": "NEGATIVE"}):
        found = event(debugContext={"debugData": {"behaviors": said, "risk": "{level=HIGH}"}})
        assert found["data"]["behaviors"] == ["New Device", "New IP"]
        assert found["data"]["risk_level"] == "HIGH"


# --- other forms


def test_lower_case_names_and_an_envelope_read_alike() -> None:
    plain = event()
    lower = {name.lower(): value for name, value in record().items()}
    for raw in (lower, {"detail-type": "SystemLog", "detail": record()}):
        assert PARSER.recognise(raw, GIVEN)
        found = json.loads(parse_one("okta", json.dumps(raw).encode()).content)
        assert {**found, "raw": ""} == {**plain, "raw": ""}


def test_a_time_without_zone_takes_the_one_of_the_way_in_and_is_flagged() -> None:
    parsed = parse_one("okta", json.dumps(record(published="2026-03-03T09:14:07")).encode())
    assert json.loads(parsed.content)["time"] == "2026-03-03T09:14:07Z"
    assert parsed.flags == ("time_assumed",)


@pytest.mark.parametrize(
    "message",
    [{}, {"eventType": "x"}, {"eventType": 1, "published": 2}, {"detail": {"eventType": "x"}},
     {"eventSource": "s3.amazonaws.com", "eventName": "GetObject", "eventVersion": "1.08"}],
)
def test_other_objects_are_not_claimed(message: dict[str, Any]) -> None:
    assert not PARSER.recognise(message, GIVEN)


# --- hostile


def test_wrong_types_everywhere_are_read_as_absent() -> None:
    whole = record(target=[{}], transaction={}, debugContext={"debugData": {}}, severity="INFO")
    for name in whole:
        for wrong in (None, 7, 1e300, "x", [], [[]], {}, {"a": [None]}, True):
            parsed = parse_one("okta", json.dumps({**whole, name: wrong}).encode())
            assert b"parser_failed" not in parsed.content
            assert compact(parsed.content, "") == parsed.content


def test_an_event_is_bounded_whatever_a_target_claims() -> None:
    many = {f"k{number}": number for number in range(CHANGES - 1)}
    changed = [{"type": "AppInstance", "id": ident, "changeDetails": {"from": {}, "to": many}}
               for ident in "ab"]
    people = [{"type": "User", "alternateId": f"u{number}"} for number in range(TARGETS * 2)]
    found = event(target=[*changed, *people])
    assert (len(found["targets"]), len(found["changes"])) == (TARGETS, CHANGES)


def test_more_settings_than_an_event_holds_are_one_change() -> None:
    many = {f"k{number}": number for number in range(CHANGES + 1)}
    found = event(target=[{"type": "AppInstance", "id": "a", "changeDetails": {
        "from": {}, "to": many}}])
    assert found["changes"] == [
        {"path": "settings", "op": "replace", "before": {}, "after": many}
    ]


def test_settings_too_deep_for_an_event_are_left_to_the_message() -> None:
    deep: Any = 1
    for _ in range(60):
        deep = {"a": deep}
    found = event(target=[{"type": "App", "id": "a",
                           "changeDetails": {"from": {}, "to": {"b": deep}}}])
    assert "changes" not in found


def test_an_unknown_transaction_is_no_request() -> None:
    assert "request_id" not in event(transaction={"type": "JOB", "id": "unknown"})["origin"]
