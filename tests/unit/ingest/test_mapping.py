"""Mappings: every expression and member by a small example, and errors that name file and line."""

from __future__ import annotations

import ipaddress
import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from indelible.base.limits import NAME_CHARS, TARGETS
from indelible.ingest.parsers import mapping, mapping_conditions, mapping_values
from indelible.ingest.parsers.contract import Given, NotUnderstood
from indelible.ingest.parsers.finish import understand
from indelible.ingest.parsers.mapping_file import read_text
from support.mapping_text import HEAD, LEAST, RECORD
from support.parsing import GIVEN


def event(mapping: str, record: dict[str, Any], given: Given = GIVEN) -> dict[str, Any]:
    """The event that a mapping makes of a record, with its data and flags."""
    parser = read_text(mapping, "acme.toml")
    found = understand(parser, record, given)
    made: dict[str, Any] = json.loads(msgspec.json.encode(found.event))
    return {**made, "data": dict(found.data), "flags": found.flags}


def value(expression: str, **record: object) -> Any:
    """What an expression gives, as a member of `data`."""
    return event(f"{LEAST}[data]\nx = {expression}\n", {**RECORD, **record})["data"].get("x")


# --- expressions


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ('"a.b"', 1), ('"list.1.id"', "second"), ('"list.id"', "first"),
        ('"pairs[Key=ip].Value"', "::1"), ('"twos[0=ip].1"', "::2"), ('"twos[0=no].1"', None),
        ('"dotted\\\\.name"', "dot"), ('"=always"', "always"),
        ('["none", "empty", "a.b"]', 1), ('{ from = "word", lower = true }', "some-word"),
        ('{ from = "word", upper = true }', "SOME-WORD"), ('{ is = 7 }', 7),
        ('{ from = "word", after = "-" }', "Word"), ('{ from = "word", before = "-" }', "Some"),
        ('{ from = "path", after_last = "/" }', "c"),
        ('{ from = "path", before_last = "/" }', "a/b"),
        ('{ from = "word", remove_prefix = "Some-" }', "Word"),
        ('{ from = "word", remove_suffix = "-Word" }', "Some"),
        ('{ from = "word", prefix = "<", suffix = ">" }', "<Some-Word>"),
        ('{ from = "things", singular = true }', "policy"),
        ('{ template = "{word} of {a.b}" }', "Some-Word of 1"), ('{ template = "{none}!" }', None),
        ('{ join = ["word", "none", "path"], with = "+" }', "Some-Word+a/b/c"),
        ('{ sql = "word" }', "execute"), ('{ sql = "none" }', None), ('{ sql = "a" }', None),
        ('{ sql = "=select 1; select 2", suffix = "!" }', "read!"),
        ('{ sql = "=select 1; grant a to b; drop table c" }', "grant"),
        (f'{{ sql = "={"select 1;" * TARGETS}" }}', "execute"), ('{ sql = "=;" }', "execute"),
        ('{ from = "word", table = { "Some-Word" = "known" } }', "known"),
        ('{ from = "word", table = { x = "y" }, otherwise = "other" }', "other"),
        ('{ from = "none", otherwise = "other" }', "other"),
        ('{ from = "word", when = { equal = { path = "x" } } }', None),
        ('{ from = "word", when = { starts = { path = "a/" } } }', "Some-Word"),
        ('{ from = "text", pattern = "user {} from *" }', "bob"),
        ('{ from = "text", pattern = "group {}" }', None),
        ('"none.at.all"', None), ('"word.deeper"', None), ('"list.9.id"', None),
    ],
)
def test_an_expression_gives_its_value(expression: str, found: object) -> None:
    said = value(
        expression, a={"b": 1}, list=[{"id": "first"}, {"id": "second"}], empty="",
        pairs=[{"Key": "x", "Value": 0}, {"Key": "ip", "Value": "::1"}], word="Some-Word",
        twos=[["x"], [], ["ip", "::2"]],
        path="a/b/c", things="policies", text="user bob from paris", **{"dotted.name": "dot"},
    )
    assert said == found


def test_a_pattern_takes_no_longer_for_a_hostile_text() -> None:
    mapping = LEAST + '[data]\nx = { from = "text", pattern = "*a{}a*a*b" }\n'
    assert "x" not in event(mapping, {**RECORD, "text": "a" * 1_000_000})["data"]


# --- members


def test_an_action_is_looked_up_and_else_split_by_its_words() -> None:
    rows = '[actions]\n"x" = "thing.make"\n"pref.*" = { action = "preference.change", ' \
        'operation = "configure", outcome = "denied" }\n"pref.a*z" = "long.win"\n'
    for vendor, action in (("x", "acme.thing.make"), ("pref.b", "acme.preference.change"),
                           ("pref.abcz", "acme.long.win"), ("user_created", "acme.user.create"),
                           ("hum", "acme.hum")):
        found = event(LEAST + rows, {"act": vendor, "user": "ann"})
        assert found["action"] == action
        assert found["data"]["vendor_action"] == vendor
    found = event(LEAST + rows, {"act": "pref.b", "user": "ann"})
    assert (found["operation"], found["outcome"]) == ("configure", "denied")


def test_service_and_object_may_come_from_the_record() -> None:
    mapping = LEAST.replace("[actor]", 'service = "app"\nobject = "kind"\n[actor]')
    record = {"act": "create", "user": "ann", "app": "shop", "kind": "Order"}
    assert event(mapping, record)["action"] == "shop.order.create"


def test_the_first_actor_with_an_id_acts_and_others_stand_behind() -> None:
    mapping = HEAD + """
[action]
from = "act"
[[actor]]
type = "=service"
id = "robot"
session = "token"
own_id = "robot_id"
auth = { method = "how", mfa = "strong" }
behind = [{ id = "via" , type = "=service"}, { id = "human", email = "mail" }]
[[actor]]
id = "user"
"""
    found = event(mapping, {"act": "x", "robot": "r2", "token": "t", "robot_id": "9", "how": "key",
                            "strong": "yes", "via": "ci", "human": "ann", "mail": "ann@x.org"})
    assert found["actor"] == {
        "type": "service", "id": "r2", "session": "t", "auth": {"method": "key", "mfa": True},
        "on_behalf_of": [{"type": "service", "id": "ci"},
                         {"type": "user", "id": "ann", "email": "ann@x.org"}],
    }
    assert found["data"]["actor_id"] == "9"
    assert event(mapping, RECORD)["actor"] == {"type": "user", "id": "ann"}


@pytest.mark.parametrize(
    ("said", "given", "time", "assumed"),
    [
        ('"t"', 1772529247, "2026-03-03T09:14:07Z", False),
        ('"t"', "2026-03-03 09:14:07", "2026-03-03T09:14:07Z", True),
        ('{ from = "t", zone = "Europe/Berlin" }', "2026-03-03 10:14:07", "2026-03-03T09:14:07Z",
         False),
        ('{ from = "t", unit = "ms" }', 1000, "1970-01-01T00:00:01Z", False),
        ('{ from = "t", format = "dd.MM.yyyy HH:mm:ss Z" }', "03.03.2026 10:14:07 +0100",
         "2026-03-03T09:14:07Z", False),
        ('["none", "t"]', "2026-03-03T09:14:07Z", "2026-03-03T09:14:07Z", False),
        ('"t"', "soon", None, False),
    ],
)
def test_times(said: str, given: object, time: str | None, assumed: bool) -> None:
    found = event(LEAST.replace("[action]", f"time = {said}\n[action]"), {**RECORD, "t": given})
    assert found.get("time") == time
    assert ("time_assumed" in found["flags"]) == assumed


@pytest.mark.parametrize(
    ("table", "said", "outcome"),
    [
        ('from = "r"', "ok", "success"), ('from = "r"', False, "failure"),
        ('from = "r"', 403, "denied"),
        ('from = "r"\nfailure = ["nope"]', "Nope", "failure"),
        ('from = "r"\nfailure = ["nope"]', "ok", None),
        ('from = "r"\nfailure = ["nope"]\notherwise = "success"', "ok", "success"),
        ('from = "r"\ndenied = ["4xx"]', 418, "denied"),
    ],
)
def test_outcomes(table: str, said: object, outcome: str | None) -> None:
    found = event(f"{LEAST}[outcome]\n{table}\n", {**RECORD, "r": said})
    assert found.get("outcome") == outcome


def test_a_reason_is_given_unless_it_went_well() -> None:
    mapping = LEAST + '[outcome]\nfrom = "ok"\ncode = "err.code"\ntext = "err.text"\n'
    record = {**RECORD, "ok": False, "err": {"code": 7, "text": "no"}}
    assert event(mapping, record)["reason"] == {"code": "7", "text": "no"}
    assert "reason" not in event(mapping, {**record, "ok": True})


def test_a_forwarded_address_counts_only_from_a_proxy() -> None:
    mapping = LEAST + '[origin]\nip = "peer"\nforwarded = "xff"\n'
    record = {**RECORD, "peer": "10.0.0.1", "xff": "6.6.6.6, 203.0.113.9"}
    trusting = Given(now_us=GIVEN.now_us, proxies=(ipaddress.ip_network("10.0.0.0/8"),))
    assert event(mapping, record)["origin"] == {"ip": "10.0.0.1"}
    assert event(mapping, record, trusting)["origin"] == {"ip": "203.0.113.9"}
    assert "origin" not in event(mapping, {**RECORD, "peer": "not an address"})


def test_a_proxy_that_names_nobody_is_nobodys_address() -> None:
    mapping = LEAST + '[origin]\nip = "peer"\nforwarded = "xff"\n'
    trusting = Given(now_us=GIVEN.now_us, proxies=(ipaddress.ip_network("10.0.0.0/8"),))
    for chain in ({}, {"xff": "-"}, {"xff": "unknown, nonsense"}):
        assert "origin" not in event(mapping, {**RECORD, "peer": "10.0.0.1", **chain}, trusting)


def test_targets_stand_in_the_record_or_one_an_element() -> None:
    mapping = LEAST + """
[[targets]]
when = "project"
type = "=project"
id = "project"
[[targets]]
each = "items"
when = { absent = ["hidden"] }
type = "kind"
id = "id"
name = "label"
parent = "$.project"
[[targets]]
each = "tags"
type = "=tag"
id = "@"
"""
    found = event(mapping, {**RECORD, "project": "p", "tags": ["red"], "items": [
        {"kind": "App Role", "id": 1, "label": "One"}, {"kind": "x", "id": 2, "hidden": True}, 7]})
    assert found["targets"] == [
        {"type": "project", "id": "p"},
        {"type": "app_role", "id": "1", "name": "One", "parent": "p"},
        {"type": "tag", "id": "red"},
    ]


def test_changes_are_listed_or_two_states() -> None:
    mapping = LEAST + """
[[changes]]
all = "diff"
[[changes]]
before = "old"
after = "new"
[[changes]]
path = "field"
after = "set_to"
"""
    found = event(mapping, {**RECORD, "diff": [{"name": "a", "from": 1, "to": 2}], "field": "c",
                            "old": {"b": 1, "same": 0}, "new": {"b": 2, "same": 0}, "set_to": 3})
    assert [(one["path"], one.get("before"), one.get("after")) for one in found["changes"]] == [
        ("a", 1, 2), ("b", 1, 2), ("c", None, 3)]


def test_the_remaining_members() -> None:
    mapping = LEAST.replace("[action]", 'id = "i"\nseverity = "s"\nsubjects = "p"\n[action]') + """
[labels]
where = "region"
none = "absent"
[why]
ticket = "ticket"
"""
    found = event(mapping, {**RECORD, "i": "e-1", "s": "warning", "p": ["bob", 7], "region": "eu",
                            "ticket": "CHG-1"})
    assert (found["id"], found["severity"], found["subjects"]) == ("e-1", "medium", ["bob"])
    assert found["labels"] == {"where": "eu"}
    assert found["why"] == {"ticket": "CHG-1"}


def test_a_case_says_what_is_different() -> None:
    mapping = LEAST + '[origin]\nip = "ip"\n[[case]]\nwhen = { equal = { kind = ["a"] } }\n' \
        'origin = { host = "host" }\nactor = { type = "=service", id = "robot" }\n'
    plain = {**RECORD, "ip": "::1", "host": "h", "robot": "r"}
    assert event(mapping, plain)["origin"] == {"ip": "::1"}
    found = event(mapping, {**plain, "kind": "a"})
    assert found["origin"] == {"ip": "::1", "host": "h"}
    assert found["actor"] == {"type": "service", "id": "r"}


def test_a_wrapped_record_dotted_names_and_json_in_texts() -> None:
    top = 'inside = ["data", "event"]\ndotted = true\ntexts = ["more"]\n'
    mapping = LEAST.replace("[action]", top + "[action]").replace('"user"', '"user.name"')
    record = {"event": {"act": "x", "user.name": "ann", "more": '{"user": {"name": "eve"}}'}}
    assert event(mapping, record)["actor"]["id"] == "ann"
    mapping = mapping.replace('"user.name"', '"more.user.name"')
    assert event(mapping, record)["actor"]["id"] == "eve"


def test_key_value_lines_are_read_too() -> None:
    parser = read_text(LEAST.replace("[action]", 'reads = "keyvalue"\n[recognise]\n'
                                     'present = ["act"]\n[action]'), "kv.toml")
    assert not parser.reads_records
    assert parser.recognise('act=login user="Ann Lee"', GIVEN) == "it has act"
    assert not parser.recognise("nothing of the kind", GIVEN)
    assert understand(parser, 'act=login user="Ann Lee"', GIVEN).event.actor.id == "Ann Lee"


# --- recognition


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ('present = ["act", "user"]', True), ('present = ["none"]', False),
        ('absent = ["none"]', True), ('absent = ["act"]', False),
        ('equal = { act = "user_created" }', True), ('equal = { act = ["a", "b"] }', False),
        ('equal = { n = 1 }', True), ('equal = { n = true }', False),
        ('equal = { n = "1" }', False),
        ('starts = { act = "user_" }', True), ('starts = { n = "1" }', False),
        ('ends = { act = "_created" }', True), ('ends = { act = ["x", "user_"] }', False),
        ('ends = { n = "1" }', False),
        ('any = [{ present = ["none"] }, { present = ["act"] }]', True),
        ('present = ["act"]\nabsent = ["act"]', False),
    ],
)
def test_recognition(condition: str, holds: bool) -> None:
    parser = read_text(LEAST.replace("[action]", f"[recognise]\n{condition}\n[action]"), "x.toml")
    assert bool(parser.recognise({**RECORD, "n": 1}, GIVEN)) == holds


def test_without_recognise_it_is_only_used_by_name() -> None:
    assert read_text(LEAST, "x.toml").recognise(RECORD, GIVEN) == ""


@pytest.mark.parametrize(
    ("record", "code"),
    [({"act": "x"}, "missing_actor"), ({"user": "ann"}, "missing_action"), ({}, "missing_action"),
     ({"act": {}, "user": []}, "missing_action"),
     ({"act": "x" * 5000, "user": "ann"}, "missing_action")],
    ids=lambda one: str(one)[:30],
)
def test_a_record_without_who_or_what_is_not_understood(record: dict[str, Any], code: str) -> None:
    with pytest.raises(NotUnderstood) as refused:
        understand(read_text(LEAST, "x.toml"), record, GIVEN)
    assert refused.value.code == code


def test_an_endless_name_is_cut_where_it_says_who_or_on_what() -> None:
    said = LEAST + (
        'name = "user"\n[[actor.behind]]\nid = ["none", "boss"]\n'
        '[[targets]]\ntype = "=x"\nid = "thing"\nname = "thing"\n'
    )
    whole, long = "x" * NAME_CHARS, "x" * (NAME_CHARS + 1)
    short = long[: NAME_CHARS - 1] + "\u2026"
    plain = event(said, {"act": "x", "user": whole, "boss": whole[1:], "thing": whole})
    assert (plain["actor"]["id"], plain["flags"]) == (whole, ())
    for part in ("user", "boss", "thing"):
        record = {"act": "x", "user": "u", "boss": "b", "thing": "t", part: long}
        found = event(said, record)
        told = {"user": found["actor"], "boss": found["actor"]["on_behalf_of"][0],
                "thing": found["targets"][0]}
        assert told[part]["id"] == short
        assert "name" not in told[part]
        assert found["flags"] == ("truncated",)


# --- the page


PAGE = Path(__file__).parents[3] / "docs" / "howto" / "add-a-source.md"


def test_the_example_of_the_page_gives_what_it_says() -> None:
    text = PAGE.read_text("utf-8")
    [record] = re.findall(r"```json\n(.*?)```", text, re.S)
    mapping, _lines = re.findall(r"```toml\n(.*?)```", text, re.S)
    parser = read_text(mapping, "portal.toml")
    assert parser.recognise(json.loads(record), GIVEN) == "it has kind, by.id, portal"
    found = event(mapping, json.loads(record))
    assert (found["action"], found["operation"], found["outcome"]) == (
        "portal.role.assign", "grant", "success")
    assert found["actor"]["id"] == "ann@example.org"
    assert found["actor"]["on_behalf_of"][0]["id"] == "root@example.org"
    assert found["time"] == "2026-03-03T09:14:07.123000Z"
    assert found["origin"] == {"ip": "203.0.113.9", "user_agent": "curl/8.5"}
    assert [(one["type"], one["id"]) for one in found["targets"]] == [
        ("user", "bob@example.org"), ("role", "r-2")]
    assert found["changes"] == [
        {"path": "role", "op": "replace", "before": "user", "after": "auditor"}]
    assert found["labels"] == {"tenant": "north"}


@pytest.mark.parametrize(
    "names",
    [mapping._ABOUT, mapping._MEMBERS, mapping_values.SOURCES, mapping_values.OPERATIONS,
     mapping_conditions.KINDS],
    ids=["about", "members", "sources", "operations", "conditions"],
)
def test_the_page_names_everything_that_a_mapping_may_say(names: tuple[str, ...]) -> None:
    text = PAGE.read_text("utf-8")
    for name in names:
        assert re.search(rf"[`\[{{ ]{name}(?:`|\]| =)", text), name
