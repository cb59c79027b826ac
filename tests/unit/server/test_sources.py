"""The register over HTTP: who may see and change it, and what is refused with a reason."""

from __future__ import annotations

import json

import pytest

from indelible.ingest.protocols.hub import Configured
from indelible.ingest.sources import SourceSettings


def add(house, settings, **more):
    body = json.dumps({"settings": settings, **more}).encode()
    return house.ask("POST", "/v1/sources", "admin", body)


def test_a_source_is_added_once_with_its_token_and_changed_only_when_asked_to(house):
    answer = add(house, {"id": "web", "protocol": "native", "parser": "native"})
    assert answer.status == 201
    assert json.loads(answer.body)["token"].startswith("ind_")
    again = add(house, {"id": "web", "protocol": "native", "parser": "native"})
    assert again.status == 400
    assert "--replace" in json.loads(again.body)["error"]["remedy"]
    changed = add(house, {"id": "web", "protocol": "native", "parser": "native"}, replace=True)
    assert changed.status == 200
    assert json.loads(changed.body)["token"] == ""


def test_two_sources_cannot_have_the_same_senders(house):
    assert add(house, {"id": "one", "protocol": "syslog", "peers": ["10.0.0.0/8"]}).status == 201
    taken = add(house, {"id": "two", "protocol": "syslog", "peers": ["10.0.0.0/8"]})
    assert taken.status == 400
    assert "'one'" in json.loads(taken.body)["error"]["message"]
    assert add(house, {"id": "two", "protocol": "syslog", "peers": ["10.1.0.0/16"]}).status == 201
    assert add(house, {"id": "rel", "protocol": "relp", "peers": ["10.0.0.0/8"]}).status == 201


def test_a_source_known_by_certificates_has_no_token_and_shares_none_of_them(house):
    one = {"id": "one", "protocol": "journald", "certificates": ["web1", "web2"]}
    answer = add(house, one)
    assert (answer.status, json.loads(answer.body)["token"]) == (201, "")
    taken = add(house, {"id": "two", "protocol": "journald", "certificates": ["web2"]})
    assert taken.status == 400
    assert json.loads(taken.body)["error"]["field"] == "certificates"
    other = add(house, {"id": "two", "protocol": "journald"})
    assert json.loads(other.body)["token"].startswith("ind_")
    assert add(house, {"id": "three", "protocol": "journald"}).status == 201


def test_the_source_of_another_tenant_is_refused_too_and_named_to_whom_it_concerns(house):
    one = {"id": "payroll", "tenant": "a", "protocol": "syslog", "certificates": ["host1"]}
    assert add(house, one).status == 201
    two = {"id": "other", "tenant": "b", "protocol": "syslog", "certificates": ["host1"]}
    said = json.loads(add(house, two).body)["error"]
    assert "the source 'payroll' of the tenant 'a' already" in said["message"]
    house.tokens["admin"] = house.meta.create_token("theirs", "admin", tenant="b")[1]
    house.app.context.tokens.reload()
    refused = add(house, two)
    said = json.loads(refused.body)["error"]
    assert (refused.status, said["field"]) == (400, "certificates")
    assert said["message"] == "what comes from host1 is another source already"
    assert b"payroll" not in refused.body
    house.tokens["admin"] = house.meta.create_token("ours", "admin", tenant="a")[1]
    house.app.context.tokens.reload()
    same = {**one, "id": "wages"}
    assert "'payroll'" in json.loads(add(house, same).body)["error"]["message"]


def test_files_are_followed_only_in_folders_that_the_settings_name(house):
    asked = {"id": "auth", "protocol": "file", "options": {"path": "/etc/shadow"}}
    refused = add(house, asked)
    assert refused.status == 400
    assert "follow_paths" in json.loads(refused.body)["error"]["remedy"]


@pytest.mark.parametrize("name", ["indelible", " Indelible "])
def test_the_ledgers_own_name_is_nobodys(house, name):
    assert add(house, {"id": name.strip()}).status == 403


def test_a_disabled_source_sends_nothing_by_any_way_in(house):
    house.rooms.settings[("app", "")] = Configured(
        settings=SourceSettings(id="app", parser="native", disabled=True)
    )
    house.app.context.tokens.reload()
    event = b'{"action":"a.b","actor":{"type":"user","id":"u"},"target":{"type":"t","id":"1"}}'
    assert house.ask("POST", "/v1/events", "writer", event).status == 403
    line = b'{"line":1,"id":"1","raw":"{}"}\n'
    assert house.ask("POST", "/v1/import?source=app", "admin", line).status == 403
