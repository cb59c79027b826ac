"""The routes of foreign protocols: who gets in, and that they are off until configured."""

from __future__ import annotations

import base64
import json

import pytest

from indelible.access import PERMISSIONS, Role
from indelible.base.errors import Busy, DiskFull, LedgerStopped
from indelible.ingest.parsers.table import parser_named
from indelible.ingest.protocols.hub import Configured
from indelible.ingest.sources import SourceSettings
from indelible.server.route import Access
from indelible.server.table import ROUTES

FOREIGN = [route for route in ROUTES if route.manners]
SENDING = [route for route in FOREIGN if route.access is not Access.OPEN]
WRITING = [route for route in SENDING if route.method in ("POST", "PUT")]
BODIES = {
    "otlp": b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"x"}}]}]}]}',
    "elasticsearch": b'{"index":{}}\n{"a":1}\n',
    "hec": b'{"event":"x"}',
    "journald": b"__CURSOR=s=1\nMESSAGE=x\n\n",
    "loki": b'{"streams":[{"stream":{"app":"a"},"values":[["1772529247000000000","x"]]}]}',
    "kubernetes": b'{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[{}]}',
}


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch):
    monkeypatch.setattr("indelible.server.journald.JOURNALD_BUSY_SECONDS", 0)


def protocol_of(route):
    return route.handler.__module__.rpartition(".")[2]


def path_of(route):
    path = route.path.replace("{index}", "logs").replace("{id:path}", "1")
    assert "{" not in path
    return path + ("?channel=c" if path.endswith("/ack") else "")


def body_of(route):
    if route.path.endswith("/ack"):
        return b'{"acks":[0]}'
    if "/_doc" in route.path or "/_create" in route.path:
        return b'{"a":1}'
    return BODIES[protocol_of(route)]


def configure(house, protocol, **more):
    settings = SourceSettings(id="app", protocol=protocol, **more)
    house.rooms.settings[("app", "")] = Configured(settings=settings)


def ask(house, route, role, headers=None):
    kind = {"content-type": "application/json", **(headers or {})}
    return house.ask(route.method, path_of(route), role, body_of(route), kind)


def named(route):
    return f"{route.method} {route.path}"


def test_every_foreign_protocol_is_tried():
    assert {protocol_of(route) for route in FOREIGN} == set(BODIES)


@pytest.mark.parametrize("role", [None, *(role.value for role in Role)])
@pytest.mark.parametrize("route", SENDING, ids=named)
def test_exactly_writers_of_a_source_of_the_protocol_get_in(house, route, role):
    configure(house, protocol_of(route))
    answer = ask(house, route, role)
    if role is None:
        assert answer.status == 401
    elif role == "writer":
        assert answer.status in (200, 201, 204), answer.body
    elif route.permission in PERMISSIONS[Role(role)]:
        assert answer.status == 404  # what shippers ask is nowhere for everybody else
    else:
        assert answer.status == 403
    assert bool(house.rooms.submissions) is (role == "writer" and route in WRITING
                                             and not route.path.endswith("/ack"))


@pytest.mark.parametrize("other", [None, "native", "syslog"])
@pytest.mark.parametrize("route", SENDING, ids=named)
def test_a_protocol_is_off_until_a_source_is_registered_for_it(house, route, other):
    if other:
        configure(house, other)
    answer = ask(house, route, "writer")
    assert not house.rooms.submissions
    if route.method in ("GET", "HEAD"):
        assert answer.status == 404
        return
    assert answer.status == 403
    assert f"indelible source add NAME --protocol {protocol_of(route)}".encode() in answer.body
    if not route.path.endswith("/ack"):
        house.run(house.app.audit.flush(everything=True))
        assert [own["data"]["what"] for own in house.rooms.own] == [protocol_of(route)]


@pytest.mark.parametrize("route", WRITING, ids=named)
def test_a_disabled_source_is_refused(house, route):
    configure(house, protocol_of(route), disabled=True)
    assert ask(house, route, "writer").status == 403
    assert not house.rooms.submissions


@pytest.mark.parametrize("error", [Busy("full"), DiskFull("full"), LedgerStopped("clock")],
                         ids=lambda error: error.code)
@pytest.mark.parametrize("route", WRITING, ids=named)
def test_a_ledger_that_takes_nothing_asks_every_sender_to_come_again(house, route, error):
    if route.path.endswith("/ack"):
        return
    configure(house, protocol_of(route))
    house.rooms.fail = error
    answer = ask(house, route, "writer")
    assert answer.status in (429, 503)
    assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize("route", WRITING, ids=named)
def test_a_wrong_token_is_refused_and_put_on_record(house, route):
    house.tokens["wrong"] = "no-such-token"
    assert ask(house, route, "wrong").status in (401, 403)
    house.run(house.app.audit.flush(everything=True))
    assert [own["action"] for own in house.rooms.own] == ["indelible.access.deny"]


@pytest.mark.parametrize("route", WRITING, ids=named)
def test_a_request_refused_whole_counts_as_one_refusal(house, route):
    configure(house, protocol_of(route))
    answer = house.ask(route.method, path_of(route), "writer", b"x",
                       {"content-encoding": "gzip", "content-type": "application/json"})
    if route.path.endswith("/ack"):
        assert answer.status == 400
        return
    assert answer.status == (415 if protocol_of(route) == "journald" else 400)
    assert [(one.events, one.rejected) for one in house.rooms.submissions] == [([], 1)]


@pytest.mark.parametrize(
    "scheme", ["Bearer {}", "Splunk {}", "Basic any:{}", "Basic :{}", "ApiKey id:{}", "ApiKey {}"]
)
@pytest.mark.parametrize("route", [one for one in WRITING if protocol_of(one) != "otlp"],
                         ids=named)
def test_one_token_is_carried_in_many_ways(house, route, scheme):
    configure(house, protocol_of(route))
    kind, _, value = scheme.partition(" ")
    value = value.format(house.tokens["writer"])
    if kind in ("Basic", "ApiKey") and ":" in value:
        value = base64.b64encode(value.encode()).decode()
    answer = ask(house, route, None, {"authorization": f"{kind} {value}"})
    assert answer.status in (200, 201, 204), answer.body


@pytest.mark.parametrize("scheme", ["Splunk", "Basic", "ApiKey"])
def test_the_routes_of_the_house_take_bearer_tokens_only(house, scheme):
    token = house.tokens["admin"]
    if scheme == "Basic":
        token = base64.b64encode(f"x:{token}".encode()).decode()
    answer = house.ask("GET", "/v1/tokens", None, b"", {"authorization": f"{scheme} {token}"})
    assert answer.status == 401


@pytest.mark.parametrize("route", [one for one in WRITING if not one.path.endswith("/ack")],
                         ids=named)
def test_events_are_bound_to_the_tenant_of_the_token(house, route):
    house.tokens["acme"] = house.meta.create_token(
        "acme", "writer", source="app", tenant="acme")[1]
    house.app.context.tokens.reload()
    settings = SourceSettings(id="app", tenant="acme", protocol=protocol_of(route))
    house.rooms.settings[("app", "acme")] = Configured(settings=settings)
    assert ask(house, route, "acme").status in (200, 201, 204)
    (submission,) = house.rooms.submissions
    assert submission.tenant == "acme"
    assert submission.protocol == protocol_of(route)
    assert all(json.loads(event.content)["tenant"] == "acme" for event in submission.events)


@pytest.mark.parametrize("route", [one for one in WRITING if not one.path.endswith("/ack")],
                         ids=named)
def test_the_sources_parser_and_zone_are_used(house, route):
    configure(house, protocol_of(route), parser="cloudtrail", zone="Europe/Berlin")
    assert ask(house, route, "writer").status in (200, 201, 204)
    (submission,) = house.rooms.submissions
    assert submission.parser == parser_named("cloudtrail").version
    assert {event.kind for event in submission.events} == {"unparsed"}
