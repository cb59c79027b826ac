"""Who gets in where: the matrix of roles and routes, and one error shape everywhere."""

from __future__ import annotations

import json
import re

import pytest
from tests.unit.server.fake_rooms import Answer, House, Listener

from indelible.access import PERMISSIONS, READS_EVENTS, Permission, Role
from indelible.base.errors import LedgerStopped
from indelible.event.predicate import EVERYTHING, Op, Term
from indelible.server.credentials import peer_of
from indelible.server.route import Access
from indelible.server.table import ROUTES

EVENT = b'{"action":"user.login","actor":{"type":"user","id":"ann"}}'
BODIES = {
    "/v1/events": EVENT,
    "/v1/import": json.dumps({"line": 1, "id": "import/1", "raw": EVENT.decode()}).encode(),
    "/v1/bundle": b'{"indexes":[0]}',
    "/v1/tokens": b'{"name":"new","role":"reader"}',
    "/v1/verify": b"{}",
    "/v1/keys/rotate": b'{"what":"data"}',
    "/v1/backup": b'{"to":"/backup"}',
    "/v1/sources/pause": b'{"source":"web","seconds":60,"reason":"moving house"}',
    "/v1/sources": b'{"settings":{"id":"web"}}',
    "/v1/audit-policy": b'{"rules":"","reason":"nothing to leave out"}',
    "/v1/audit-policy/preview": b'{"rules":""}',
    "/v1/witnesses": b'{"name":"w","url":"https://w.example","vkey":"w+1+BA"}',
}
PARTS = {
    "{index}": "0",
    "{type}": "user",
    "{id:path}": "ann",
    "{id}": "0000",
    "{name:path}": "w",
    "{path:path}": "0/000.p/1",
    "{version}": "1",
}
QUERIES = {"/v1/search/facets": "?field=action"}
OWN = [route for route in ROUTES if not route.manners and route.access is not Access.SIGNED]
"""Routes of the house; those of foreign protocols are tried in `test_foreign`."""


def _target(path: str) -> str:
    for part, value in PARTS.items():
        path = path.replace(part, value)
    assert "{" not in path, path
    return path + QUERIES.get(path, "")


def _ask(house, route, role):
    if route.path == "/v1/tail":
        return _ask_tail(house, route, role)
    return house.ask(route.method, _target(route.path), role, BODIES.get(route.path, b""))


def _ask_tail(house, route, role):
    """A tail never ends by itself: the client goes away at once."""
    scope = house.scope("GET", route.path, role)
    received = [{"type": "http.disconnect"}]
    messages = house.run(house.exchange(scope, received))
    if not messages:
        messages = [{"status": 200, "headers": []}]
    return Answer(messages)


@pytest.mark.parametrize("role", [None, *(role.value for role in Role)])
@pytest.mark.parametrize("route", OWN, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_lets_in_exactly_the_roles_with_its_permission(house, route, role):
    house.post(EVENT)
    answer = _ask(house, route, role)
    if route.access is Access.OPEN:
        assert answer.status == 200
    elif role is None:
        assert (answer.status, answer.code) == (401, "unauthenticated")
        assert answer.headers["www-authenticate"].startswith("Bearer")
    elif route.permission in PERMISSIONS[Role(role)]:
        assert answer.status < 300 or answer.status == 404, answer.body
    else:
        assert (answer.status, answer.code) == (403, "forbidden")


@pytest.mark.parametrize("route", OWN, ids=lambda route: f"{route.method} {route.path}")
def test_a_wrong_token_is_refused_on_every_route(house, route):
    house.tokens["wrong"] = house.tokens["admin"] + "x"
    answer = _ask(house, route, "wrong")
    assert answer.status == (200 if route.access is Access.OPEN else 401)


@pytest.mark.parametrize(
    "route",
    [route for route in ROUTES if route.permission in READS_EVENTS],
    ids=lambda route: f"{route.method} {route.path}",
)
def test_every_read_path_hands_on_the_callers_scope(house, route):
    house.tokens["bound"] = house.meta.create_token("b", "auditor", tenant="acme")[1]
    house.app.context.tokens.reload()
    house.rooms.answers["suggest"] = (
        b'{"field":"actor","values":[],"total":0,"missing":0,"more":false,"tree_size":0,'
        b'"took_ms":0}'
    )
    wanted = Term(field="tenant", op=Op.EQ, values=("acme",))
    path = _target(route.path)
    if route.path == "/v1/complete":
        path += "?q=actor:a"
    if route.path == "/v1/tail":

        async def listen():
            listener = Listener(house, "/v1/tail", "bound")
            await listener.until(0, messages=3)
            await listener.leave()

        house.run(listen())
    else:
        house.ask(route.method, path, "bound", BODIES.get(route.path, b""))
    assert house.rooms.scopes, "no method that takes a scope was called"
    assert all(scope == wanted for scope in house.rooms.scopes)


def test_an_unbound_readers_scope_is_everything(house):
    house.ask("GET", "/v1/search", "reader")
    assert house.rooms.scopes == [EVERYTHING]


@pytest.mark.parametrize("header", ["", "Basic abc", "Bearer", "Bearer ", "Token x", "Bearer \xff"])
def test_a_malformed_credential_is_401(house, header):
    for path, method in (("/v1/search", "GET"), ("/v1/events", "POST")):
        headers = {"authorization": header} if header else {}
        scope = house.scope(method, path)
        scope["headers"] += [(k.encode(), v.encode("latin-1")) for k, v in headers.items()]
        received = [{"type": "http.request", "body": EVENT, "more_body": False}]
        messages = house.run(house.exchange(scope, received))
        assert messages[0]["status"] == 401


def test_a_revoked_token_is_refused_from_the_next_request_on(house):
    token_id = next(row.id for row in house.meta.tokens() if row.role == "writer")
    assert house.post(EVENT).status == 200
    assert house.ask("DELETE", f"/v1/tokens/{token_id}", "admin").status == 200
    assert house.post(EVENT).status == 401


def test_a_created_token_works_at_once(house):
    made = house.ask("POST", "/v1/tokens", "admin", {"name": "n", "role": "reader"})
    assert made.status == 201
    house.tokens["new"] = made.json["token"]
    assert house.ask("GET", "/v1/search", "new").status == 200


def test_the_holders_credential_is_in_no_file(house):
    secret = house.tokens["owner"].encode()
    house.meta.close()
    assert all(secret not in path.read_bytes() for path in house.folder.iterdir())


@pytest.mark.parametrize("path", ["/", "/nowhere", "/v1", "/v1/events/", "/v1/search/", "/.env"])
def test_a_path_that_does_not_exist_is_404_with_a_token_and_401_without(house, path):
    answer = house.ask("GET", path, "reader")
    assert (answer.status, answer.code) == (404, "not_found")
    assert house.ask("GET", path).status == 401


def test_a_wrong_method_names_the_right_ones(house):
    answer = house.ask("PUT", "/v1/tokens", "admin")
    assert (answer.status, answer.code) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "POST, GET"
    assert house.ask("GET", "/v1/events", "reader").headers["allow"] == "POST"
    assert house.ask("HEAD", "/v1/tail", "reader").status == 405


def test_every_error_has_the_one_shape(house):
    answers = [
        house.ask("GET", "/v1/search"),
        house.ask("GET", "/v1/tokens", "reader"),
        house.ask("GET", "/nowhere", "reader"),
        house.ask("PUT", "/v1/tokens", "admin"),
        house.ask("GET", "/v1/search?q=actor:", "reader"),
        house.ask("GET", "/v1/search?limit=0", "reader"),
        house.ask("GET", "/v1/search?what=1", "reader"),
        house.ask("GET", "/v1/search?q=a&q=b", "reader"),
        house.ask("GET", "/v1/search/facets", "reader"),
        house.ask("GET", "/v1/events/x", "reader"),
        house.ask("GET", "/v1/events/99", "reader"),
        house.ask("POST", "/v1/tokens", "admin", b"not json"),
        house.ask("POST", "/v1/tokens", "admin", {"name": "n", "role": "reader", "x": 1}),
        house.ask("POST", "/v1/tokens", "admin", b" " * (1 << 21)),
        house.ask("GET", "/v1/search?q=" + "a" * 20_000, "reader"),
        house.post(b"{}", {"content-encoding": "br"}),
    ]
    for answer in answers:
        error = answer.json["error"]
        assert set(error) <= {"code", "message", "field", "position", "remedy", "doc"}
        assert {"code", "message", "remedy", "doc"} <= set(error)
        assert 400 <= answer.status < 500
        assert error["doc"] == f"docs/reference/errors.md#{error['code']}"
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_query_error_points_at_the_character(house):
    answer = house.ask("GET", "/v1/search?q=actor:ann%20)", "reader")
    assert (answer.status, answer.code) == (400, "bad_query")
    assert answer.json["error"]["position"] == 10


def test_what_nobody_foresaw_is_an_id_on_every_route(house, caplog):
    house.rooms.fail = RuntimeError("secret detail")
    answer = house.ask("GET", "/v1/search", "reader")
    assert (answer.status, answer.code) == (500, "internal_error")
    assert b"secret" not in answer.body
    assert re.search(r"error id [0-9a-f]{16}", answer.json["error"]["message"])
    assert "secret detail" in caplog.text


def test_refusals_are_events_and_counted_by_the_minute(house):
    for _ in range(5):
        house.ask("GET", "/v1/tokens", "reader")
    (event,) = house.rooms.own
    assert event["action"] == "indelible.access.deny"
    assert event["outcome"] == "denied"
    assert event["actor"]["name"] == "analyst"
    assert event["origin"]["ip"] == "192.0.2.7"
    assert event["data"] == {"what": "listTokens", "role": "reader", "calls": 1}
    house.run(house.app.close())
    assert [event["data"]["calls"] for event in house.rooms.own] == [1, 4]


def test_a_wrong_credential_is_an_event_and_no_credential_is_none(house):
    house.ask("GET", "/v1/search")
    assert house.rooms.own == []
    house.tokens["wrong"] = "guess"
    house.ask("GET", "/v1/search", "wrong")
    house.ask("POST", "/v1/events", "wrong")
    (event,) = house.rooms.own
    assert event["actor"] == {"type": "anonymous", "id": "anonymous"}
    assert "guess" not in json.dumps(event)


def test_a_refusal_is_given_even_when_the_ledger_stopped(house):
    house.rooms.fail_record = LedgerStopped("full")
    assert house.ask("GET", "/v1/tokens", "reader").status == 403


def test_forwarded_addresses_count_only_from_trusted_proxies(tmp_path):
    house = House(tmp_path, trusted_proxies=("10.0.0.0/8",))
    chain = {"x-forwarded-for": "198.51.100.1, 203.0.113.9, 10.1.1.1"}
    for client, headers, peer in (
        ("10.0.0.1", chain, "203.0.113.9"),
        ("192.0.2.7", chain, "192.0.2.7"),
        ("10.0.0.1", {}, "10.0.0.1"),
        ("10.0.0.1", {"x-forwarded-for": "nonsense"}, "10.0.0.1"),
        ("::ffff:192.0.2.9", {}, "192.0.2.9"),
        ("not an address", {}, ""),
    ):
        house.ask("POST", "/v1/events", "writer", EVENT, headers, client)
        assert house.rooms.submissions[-1].peer == peer
    house.close()


def test_a_proxy_that_adds_a_header_of_its_own_is_believed_before_the_sender(tmp_path):
    house = House(tmp_path, trusted_proxies=("10.0.0.0/8",))
    scope = house.scope("POST", "/v1/events", "writer", client="10.0.0.1")
    scope["headers"] += [
        (b"x-forwarded-for", b"198.51.100.1"), (b"x-forwarded-for", b"203.0.113.9"),
    ]
    assert peer_of(scope, house.app.context.trusted) == "203.0.113.9"
    house.close()


def test_hsts_is_said_only_under_tls(tmp_path):
    house = House(tmp_path, tls_cert=tmp_path / "c", tls_key=tmp_path / "k")
    assert "strict-transport-security" in house.post(EVENT).headers
    assert "strict-transport-security" in house.ask("GET", "/healthz").headers
    assert house.rooms.submissions[0].tls == "server"
    house.close()


def test_a_websocket_is_turned_away(house):
    messages = house.run(house.exchange({"type": "websocket"}, []))
    assert messages == [{"type": "websocket.close", "code": 1000}]


def test_permissions_of_the_table_are_all_used():
    used = {route.permission for route in ROUTES}
    assert used == set(Permission)
