"""Formats that are read by shipped mappings: what each must not get wrong."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from indelible.ingest.parsers.finish import parse_message
from indelible.ingest.parsers.table import parser_named
from support.labelled import HELD_OUT, cases
from support.parsing import GIVEN


def event(parser: str, record: dict[str, Any]) -> dict[str, Any]:
    found = parse_message(parser_named(parser), json.dumps(record).encode(), GIVEN)
    assert found.kind == "event", found.content
    made: dict[str, Any] = json.loads(found.content)
    return made


def labelled(parser: str, path: str, value: object) -> dict[str, Any]:
    """The first labelled message of a format whose label says `value` at `path`."""
    for case in cases(parser):
        if case.label.get("event", {}).get(path) == value:
            message: dict[str, Any] = case.label["message"]
            return json.loads(json.dumps(message))  # type: ignore[no-any-return]
    raise AssertionError(f"no message of {parser} has {path} {value}")


# --- Duo


def test_the_phone_that_answers_a_push_is_not_where_its_user_is() -> None:
    record = labelled("duo", "action", "duo.user.login")
    del record["access_device"]["ip"]
    found = event("duo", record)
    assert "ip" not in found.get("origin", {})
    assert found["data"]["auth_device_ip"] == "198.51.100.4"


@pytest.mark.parametrize("factor", ["trusted_network", "remembered_device", "not_available", None])
def test_a_login_without_a_factor_is_not_called_multi_factor(factor: str | None) -> None:
    record = {**labelled("duo", "action", "duo.user.login"), "factor": factor}
    found = event("duo", record)
    assert found["outcome"] == "success"
    assert "mfa" not in found["actor"].get("auth", {})


@pytest.mark.parametrize(
    ("action", "description", "actor"),
    [
        ("admin_2fa_error", {"email": "root@x.org", "error": "no"},
         {"type": "user", "id": "root@x.org", "email": "root@x.org"}),
        ("admin_2fa_error", {"error": "no"}, {"type": "anonymous", "id": "anonymous"}),
        ("activation_set_password", {"ip_address": "203.0.113.9"},
         {"type": "anonymous", "id": "anonymous"}),
        ("user_pending_delete", {}, {"type": "system", "id": "duo"}),
    ],
)
def test_duo_itself_signs_nobody_in_and_comes_from_no_address(
    action: str, description: dict[str, str], actor: dict[str, str]
) -> None:
    record = {**labelled("duo", "data.description", "Starting activation process"),
              "action": action, "description": json.dumps(description)}
    assert event("duo", record)["actor"] == actor


def test_bypass_codes_are_not_copied_out_of_raw() -> None:
    record = labelled("duo", "action", "duo.bypass_code.create")
    record["description"] = json.dumps({"bypass": "407176182", "count": 1, "user_id": "DU1"})
    found = event("duo", record)
    assert "407176182" in found.pop("raw")
    assert "407176182" not in json.dumps(found)


# --- Cloudflare


@pytest.mark.parametrize(("kind", "chain"), [("admin", True), ("user", False)])
def test_cloudflares_staff_have_the_customer_behind_them_and_users_have_nobody(
    kind: str, chain: bool
) -> None:
    record = labelled("cloudflare", "labels.interface", "API")
    record["actor"]["type"] = kind
    assert ("on_behalf_of" in event("cloudflare", record)["actor"]) is chain


def test_bodies_of_cloudflares_requests_stay_in_raw() -> None:
    record = labelled("cloudflare", "data.description", "Add Member")
    record["resource"]["request"] = {"name": "KEY", "text": "s3cret"}
    record["raw"]["uri"] = "/accounts/a/workers?token=s3cret"
    found = event("cloudflare", record)
    assert "s3cret" in found.pop("raw")
    assert "s3cret" not in json.dumps(found)


# --- Teleport


def test_the_desktop_is_not_where_its_user_is_and_a_method_of_http_is_no_proof() -> None:
    record = labelled("teleport", "action", "teleport.session.start")
    record.update(event="windows.desktop.session.start", desktop_addr="10.0.0.5:3389")
    record["addr.remote"], record["addr.local"] = "10.0.0.5:3389", "203.0.113.9:1"
    assert event("teleport", record)["origin"] == {"ip": "203.0.113.9"}
    record.update(event="app.session.request", method="GET")
    assert "auth" not in event("teleport", record)["actor"]


def test_who_impersonates_stands_behind_a_session_and_a_certificate() -> None:
    session = labelled("teleport", "action", "teleport.session.start")
    found = event("teleport", {**session, "user": "deploy", "impersonator": "ann"})
    assert [one["id"] for one in found["actor"]["on_behalf_of"]] == ["ann"]
    certificate = labelled("teleport", "action", "teleport.certificate.create")
    found = event("teleport", certificate)
    assert (found["actor"]["id"], found["actor"]["on_behalf_of"][0]["id"]) == ("deploy", "bot-ci")


def test_the_hosts_end_of_a_connection_is_not_where_its_user_is() -> None:
    record = labelled("teleport", "action", "teleport.session.start")
    del record["addr.remote"]
    record.update(event="session.network", src_addr="10.0.0.5", dst_addr="203.0.113.80")
    found = event("teleport", record)
    assert "origin" not in found
    assert {"type": "host", "id": "203.0.113.80"} in found["targets"]


@pytest.mark.parametrize("name", ["system", "unimplemented"])
@pytest.mark.parametrize("login", ["user.login", "auth"])
def test_a_name_that_a_login_tried_makes_nobody_teleport_itself(login: str, name: str) -> None:
    record = {**labelled("teleport", "action", "teleport.user.create"), "user": name}
    assert event("teleport", record)["actor"]["type"] == "system"
    assert event("teleport", {**record, "event": login})["actor"] == {"type": "user", "id": name}


@pytest.mark.parametrize(
    ("code", "more", "outcome"),
    [("T3000I", {}, "success"), ("T3000W", {}, "failure"), ("T3000E", {}, "failure"),
     ("T3000I", {"success": False}, "failure"), ("T3000I", {"error": "no"}, "failure"),
     ("T3000I", {"response_code": 403}, "denied"), ("T3007W", {"success": False}, "denied"),
     ("T3000I", {"response_code": 409}, "failure"), ("T3000I", {"response_code": 101}, "success"),
     ("T3000I", {"status_code": 401}, "denied"), ("T3000I", {"status_code": 500}, "failure"),
     ("T3000I", {"status_code": 204}, "success"), ("T3000E", {"status_code": 0}, "failure")],
)
def test_a_code_tells_how_it_ended_where_nothing_else_does(
    code: str, more: dict[str, Any], outcome: str
) -> None:
    record = labelled("teleport", "action", "teleport.user.create")
    assert event("teleport", {**record, "code": code, **more})["outcome"] == outcome


@pytest.mark.parametrize(
    ("protocol", "query", "operation"),
    [
        ("postgres", "select a from b", "read"),
        ("redshift", "select a from b", "read"),
        ("postgres", "DROP TABLE x", "delete"),
        ("postgres", "select 1; GRANT admin TO eve", "grant"),
        ("postgres", "ALTER SYSTEM SET log_statement = 'none'", "configure"),
        ("postgres", "GRANT admin TO eve -- " + "x" * 20_000, "grant"),
        ("postgres", '{"drop": "x"}', "execute"),
        ("postgres", "", "execute"),
        ("mysql", "GRANT ALL ON x.* TO eve", "grant"),
        ("mysql", "DROP TABLE x", "delete"),
        ("mysql", "SELECT 1 /*! INTO OUTFILE '/x' */", "execute"),
        ("mysql", "SET PASSWORD = 'x'", "execute"),
        ("mongodb", '{"find": "x"}', "execute"),
        (None, "select 1", "execute"),
    ],
)
def test_a_statement_is_a_read_only_where_it_was_read(
    protocol: str | None, query: str, operation: str
) -> None:
    record = labelled("teleport", "action", "teleport.database.query")
    found = event("teleport", {**record, "db_protocol": protocol, "db_query": query})
    assert (found["action"], found["operation"]) == ("teleport.database.query", operation)


# --- MongoDB


@pytest.mark.parametrize(
    ("command", "args", "operation"),
    [
        ("aggregate", {"pipeline": [{"$match": {"a": 1}}, {"$count": "n"}]}, "read"),
        ("aggregate", {"pipeline": [{"$match": {"a": 1}}, {"$out": "c"}]}, "update"),
        ("aggregate", {"pipeline": [{"$merge": {"into": "c"}}]}, "update"),
        ("aggregate", {"pipeline": "[{..."}, "execute"),
        ("aggregate", {}, "execute"),
        ("aggregate", None, "execute"),
        ("find", None, "read"),
        ("bulkWrite", None, "update"),
        ("createIndexes", None, "create"),
        ("createRole", None, "grant"),
        ("updateUser", None, "grant"),
        ("dropRole", None, "revoke"),
        ("collMod", None, "configure"),
        ("shutdown", None, "configure"),
        ("replSetStepDown", None, "configure"),
        ("replSetGetStatus", None, "execute"),
        ("addShardToZone", None, "configure"),
    ],
)
def test_a_command_is_what_it_does(
    command: str, args: dict[str, Any] | None, operation: str
) -> None:
    record = labelled("mongodb", "data.command", "find")
    record["param"].update(command=command, args=args)
    assert event("mongodb", record)["operation"] == operation


def test_a_user_who_is_given_roles_is_given_rights() -> None:
    record = labelled("mongodb", "data.command", "find")
    record.update(atype="updateUser", param={"user": "eve", "db": "admin", "roles": []})
    assert event("mongodb", record)["operation"] == "grant"
    del record["param"]["roles"]
    assert event("mongodb", record)["operation"] == "update"


def test_documents_and_filters_of_a_command_stay_in_raw() -> None:
    record = labelled("mongodb", "data.command", "find")
    record["param"]["args"] = {"find": "salaries", "filter": {"name": "s3cret"}}
    found = event("mongodb", record)
    assert "s3cret" in found.pop("raw")
    assert "s3cret" not in json.dumps(found)


@pytest.mark.parametrize(
    ("result", "outcome"), [(0, "success"), (13, "denied"), (18, "failure"), (8000, "failure")],
)
def test_a_result_tells_the_outcome(result: int, outcome: str) -> None:
    record = labelled("mongodb", "action", "mongodb.collection.drop")
    assert event("mongodb", {**record, "result": result})["outcome"] == outcome
    del record["result"]
    assert "outcome" not in event("mongodb", record)


def test_mongodbs_staff_in_atlas_have_the_organisation_behind_them() -> None:
    record = labelled("mongodb_atlas", "action", "mongodb_atlas.org_member.invite")
    assert "on_behalf_of" not in event("mongodb_atlas", record)["actor"]
    found = event("mongodb_atlas", {**record, "isGlobalAdmin": True})
    assert found["actor"]["on_behalf_of"] == [{"type": "service", "id": record["orgId"]}]
    assert found["labels"] == {"global_admin": "true"}


# --- OCSF and CloudEvents


def test_a_blocked_connection_is_denied_even_when_the_report_of_it_succeeded() -> None:
    record = labelled("ocsf", "action", "idp.connection.refuse")
    for said in ({}, {"action_id": 0}, {"disposition_id": 0}):
        assert event("ocsf", {**record, "status_id": 1, **said})["outcome"] == "denied"
    allowed = {**record, "status_id": 1, "disposition_id": 1, "action_id": 1}
    assert event("ocsf", allowed)["outcome"] == "success"


@pytest.mark.parametrize("activity", range(100))
def test_every_activity_of_every_class_is_an_action(activity: int) -> None:
    for kind in (1001, 1007, 2004, 3001, 3002, 3004, 3006, 4001, 4002, 5001, 6003, 6005, 9999):
        record = labelled("ocsf", "action", "idp.user.login")
        record.update(class_uid=kind, activity_id=activity, type_uid=kind * 100 + activity)
        assert event("ocsf", record)["action"].startswith("idp.")


def test_the_same_id_of_two_sources_is_two_events() -> None:
    record = labelled("cloudevents", "action", "acme.user.delete")
    one, two = (event("cloudevents", {**record, "source": name})["id"] for name in ("/a", "/b"))
    assert one != two


def test_an_authenticated_id_has_precedence_over_what_a_payload_claims() -> None:
    record = {**labelled("cloudevents", "action", "acme.user.delete"),
              "authtype": "user", "authid": "ann", "data": {"user": "mallory"}}
    assert event("cloudevents", record)["actor"]["id"] == "ann"


# --- the pages

PAGES = {
    "duo": "duo", "cloudflare": "cloudflare", "teleport": "teleport", "mongodb": "mongodb",
    "mongodb_atlas": "mongodb", "ocsf": "ocsf", "cloudevents": "cloudevents",
    "access_log": "access_log", "access_json": "access_log",
}
DOCS = Path(__file__).parents[3] / "docs" / "sources"


@pytest.mark.parametrize("parser", PAGES)
def test_a_page_names_every_member_of_data_and_every_label(parser: str) -> None:
    text = (DOCS / f"{PAGES[parser]}.md").read_text("utf-8")
    for case in [*cases(parser), *cases(parser, HELD_OUT)]:
        made = json.loads(case.parsed().content) if case.format == parser else {}
        for part in ("data", "labels"):
            for name in made.get(part, {}):
                assert re.search(rf"`(?:{part}\.)?{name}`", text), (part, name)


@pytest.mark.parametrize(("data", "who"), [
    ({"user": {"email": "victim@x.example", "name": "V"}, "deleted_by": "admin@x.example"},
     {"type": "user", "id": "admin@x.example"}),
    ({"username": "victim", "granted_by": "boss"}, {"type": "user", "id": "boss"}),
])
def test_who_a_cloud_event_was_by_is_not_whom_it_is_about(
    data: dict[str, Any], who: dict[str, str]
) -> None:
    message = {"specversion": "1.0", "id": "1", "source": "/crm", "type": "com.acme.user.deleted",
               "time": "2026-03-03T09:14:07Z", "data": data}
    found = json.loads(parse_message(parser_named("cloudevents"), json.dumps(message).encode(),
                                     GIVEN).content)
    assert found["actor"] == who


def test_who_switches_an_account_is_not_the_account() -> None:
    message = {"class_uid": 3002, "category_uid": 3, "activity_id": 7, "type_uid": 300207,
               "time": 1_772_529_247_000, "severity_id": 1, "metadata": {"version": "1.3.0"},
               "actor": {"user": {"name": "ann"}}, "user": {"name": "root"}}
    found = json.loads(parse_message(parser_named("ocsf"), json.dumps(message).encode(),
                                     GIVEN).content)
    assert found["actor"]["id"] == "ann"


@pytest.mark.parametrize(
    ("kind", "acts"),
    [("com.acme.user.login", True), ("login", True), ("com.acme.UserSignedIn", True),
     ("com.acme.user_logout", True), ("user.registered", True), ("com.acme.user.registered", True),
     ("com.acme.login.denied", True), ("com.acme.file.downloaded", True),
     ("com.acme.block_login", False), ("com.acme.BlockLogin", False), ("plugin", False),
     ("com.acme.user.login.disabled", False), ("com.acme.user.exported", False),
     ("com.acme.account.locked", False), ("com.acme.mfa.disabled", False), ("", False)],
)
def test_whom_a_cloud_event_names_acts_only_in_what_one_does_oneself(
    kind: str, acts: bool
) -> None:
    message = {"specversion": "1.0", "id": "1", "source": "/crm", "type": kind or "x",
               "data": {"user": "vic"}}
    found = event("cloudevents", message)
    who = {"type": "user", "id": "vic"}
    assert found["actor"] == (who if acts else {"type": "service", "id": "/crm"})
    assert found.get("targets", []) == ([] if acts else [who])
