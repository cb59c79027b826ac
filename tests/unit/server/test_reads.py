"""Search, show, prove, bundle, export: what is asked, what is answered, what is recorded."""

from __future__ import annotations

import json

import msgspec
import pytest

from indelible.base import limits
from indelible.base.clock import parse_rfc3339
from indelible.base.errors import Busy, LedgerStopped, Unauthenticated
from indelible.event.predicate import Op, Term
from indelible.query.cursor import Position, encode_cursor
from indelible.query.model import FacetsAnswer, FacetValue

EVENT = b'{"action":"user.login","actor":{"type":"user","id":"ann"}}'
DAY_US = 86_400_000_000


def _request(house):
    return house.rooms.asked[-1][1]


def test_a_search_is_understood_and_asked_with_its_bounds(house):
    house.rooms.answers["search"] = b'{"events":[]}'
    answer = house.ask(
        "GET",
        "/v1/search?q=actor:ann+since:2026-01-01&until=2026-02-01&limit=7&columns=ip,+host&size=9",
        "reader",
    )
    assert answer.body == b'{"events":[]}'
    request = _request(house)
    assert request.predicate == Term(field="actor", op=Op.EQ, values=("ann",))
    assert request.since_us == parse_rfc3339("2026-01-01T00:00:00Z")
    assert request.until_us == parse_rfc3339("2026-02-01T00:00:00Z")
    assert (request.limit, request.columns, request.size) == (7, ("ip", "host"), 9)
    assert (request.sort, request.descending, request.full) == ("time", True, False)


def test_the_narrower_bound_wins(house):
    house.ask("GET", "/v1/search?q=since:2026-01-05+until:2026-01-09&since=2026-01-02", "reader")
    assert _request(house).since_us == parse_rfc3339("2026-01-05T00:00:00Z")
    house.ask("GET", "/v1/search?q=since:2026-01-05&since=2026-01-06&until=2026-01-07", "reader")
    assert _request(house).since_us == parse_rfc3339("2026-01-06T00:00:00Z")
    assert _request(house).until_us == parse_rfc3339("2026-01-07T00:00:00Z")


@pytest.mark.parametrize(
    "path", ["/v1/search", "/v1/search/facets?field=actor", "/v1/search/histogram?by=day",
             "/v1/targets/user/ann/history", "/v1/actors/ann/timeline"],
)
@pytest.mark.parametrize(
    "bounds", ["since=2026-01-05&until=2026-01-05", "q=since:2026-01-05&until=2026-01-04"]
)
def test_an_empty_interval_is_refused_and_says_so(house, path, bounds):
    answer = house.ask("GET", f"{path}{'&' if '?' in path else '?'}{bounds}", "reader")
    assert answer.status == 400
    error = json.loads(answer.body)["error"]
    assert "the interval is empty" in error["message"]
    assert error["field"] == "until"
    assert not house.rooms.asked


@pytest.mark.parametrize(
    ("text", "sort", "descending"),
    [
        ("sort=index", "index", False),
        ("sort=time", "time", True),
        ("sort=index:desc", "index", True),
        ("sort=time:asc", "time", False),
        ("q=sort:index", "index", False),
        ("q=sort:index&sort=time", "time", True),
    ],
)
def test_orders(house, text, sort, descending):
    house.ask("GET", f"/v1/search?{text}", "reader")
    assert (_request(house).sort, _request(house).descending) == (sort, descending)


def test_the_next_page_counts_ages_from_the_first_pages_moment(house):
    now = parse_rfc3339("2026-03-08T12:00:00Z")
    cursor = encode_cursor(Position(b"d" * 12, 5, now, 1, 1))
    for path in ("/v1/search", "/v1/targets/user/ann/history", "/v1/actors/ann/timeline"):
        house.ask("GET", f"{path}?q=since:7d&cursor={cursor}", "reader")
        assert _request(house).since_us == now - 7 * DAY_US
        assert (_request(house).cursor, _request(house).now_us) == (cursor, now)


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=1001", "limit=x", "sort=name", "since=yesterdayish", "size=-1", "full=2",
     "cursor=%21%21", "q=nofield:x"],
)
def test_a_search_that_is_not_understood_is_refused_before_anything_is_read(house, query):
    answer = house.ask("GET", f"/v1/search?{query}", "reader")
    assert answer.status == 400
    assert house.rooms.asked == []
    assert house.rooms.own == []


def test_facets_and_histogram_and_history_and_timeline(house):
    house.ask("GET", "/v1/search/facets?field=action&q=actor:ann&limit=3", "reader")
    assert (_request(house).field, _request(house).limit) == ("action", 3)
    house.ask("GET", "/v1/search/histogram?interval=hour&by=outcome", "reader")
    assert (_request(house).interval, _request(house).by) == ("hour", "outcome")
    house.ask("GET", "/v1/targets/s3_object/a%2Fb/history?at=2026-01-01", "reader")
    request = _request(house)
    assert (request.type, request.id) == ("s3_object", "a/b")
    assert request.state_at_us == parse_rfc3339("2026-01-01T00:00:00Z")
    house.ask("GET", "/v1/actors/arn:aws:iam::1:user%2Fann/timeline", "reader")
    assert _request(house).actor == "arn:aws:iam::1:user/ann"
    assert [op for op, _ in house.rooms.asked] == ["facets", "histogram", "history", "timeline"]


def test_completion_fills_in_values_the_caller_may_see(house):
    house.rooms.answers["suggest"] = msgspec.json.encode(
        FacetsAnswer(
            field="actor", values=[FacetValue(value="an na", count=2)], total=2, missing=0,
            more=False, tree_size=1, took_ms=0.1,
        )
    )
    answer = house.ask("GET", "/v1/complete?q=actor:an", "reader")
    assert [(c["kind"], c["text"]) for c in answer.json["completions"]] == [("value", '"an na"')]
    assert (_request(house).field, _request(house).prefix) == ("actor", "an")
    names = house.ask("GET", "/v1/complete?q=ac&at=2", "reader").json["completions"]
    assert "actor:" in [completion["text"] for completion in names]


def test_an_event_is_shown_with_its_exact_body_and_what_proves_it(house):
    house.post(EVENT)
    shown = house.ask("GET", "/v1/events/0", "reader").json
    assert shown["body"].encode() == house.rooms.bodies[0]
    assert shown["event"] == json.loads(house.rooms.bodies[0])
    assert (shown["index"], shown["verdict"]) == (0, "proven")
    assert shown["sentence"]
    assert len(shown["leaf"]) == 64


def test_a_body_that_is_gone_is_said_and_not_shown(house):
    from indelible.server.rooms import EventView, Receipt

    house.post(EVENT)
    gone = Receipt(index=0, leaf=b"\1" * 32, entry=b"\2" * 60, salt=b"", body=b"")

    async def erased(index, scope):
        return EventView(receipt=gone, verdict="erased", why="order 7")

    house.rooms.event = erased
    shown = house.ask("GET", "/v1/events/0", "reader").json
    assert shown == {
        "index": 0, "verdict": "erased", "leaf": "01" * 32, "entry": "02" * 60, "why": "order 7"
    }


def test_a_body_that_is_no_event_is_still_shown_as_text(house):
    house.rooms.bodies.append(b"\xff damaged")

    async def damaged(index, scope):
        from indelible.server.rooms import EventView

        return EventView(receipt=house.rooms.receipt(index), verdict="tampered")

    house.rooms.event = damaged
    shown = house.ask("GET", "/v1/events/0", "reader").json
    assert shown["verdict"] == "tampered"
    assert "damaged" in shown["body"]
    assert "event" not in shown


@pytest.mark.parametrize("path", ["/v1/events/0", "/v1/events/0/proof", "/v1/bundle"])
def test_an_event_out_of_scope_is_answered_as_if_it_were_not_there(house, path):
    house.post(EVENT)
    house.tokens["bound"] = house.meta.create_token("b", "reader", tenant="acme")[1]
    house.app.context.tokens.reload()
    method = "POST" if path == "/v1/bundle" else "GET"
    hidden = house.ask(method, path, "bound", {"indexes": [0]} if method == "POST" else b"")
    absent_path = path.replace("/0", "/7")
    absent = house.ask(method, absent_path, "bound", {"indexes": [7]} if method == "POST" else b"")
    assert (hidden.status, absent.status) == (404, 404)
    assert hidden.body.replace(b"event 0", b"event 7") == absent.body


def test_a_proof_is_text(house):
    house.post(EVENT)
    answer = house.ask("GET", "/v1/events/0/proof", "reader")
    assert answer.body.startswith(b"c2sp.org/tlog-proof@v1\n")
    assert answer.headers["content-type"].startswith("text/plain")


def test_a_bundle_is_sent_whole_and_its_file_removed(house):
    house.post(EVENT)
    answer = house.ask("POST", "/v1/bundle", "reader", {"indexes": [0]})
    assert answer.body == b"PK bundle"
    assert answer.headers["content-type"] == "application/zip"
    assert not house.rooms.bundle_path.exists()
    assert house.ask("POST", "/v1/bundle", "reader", {"from": 0, "to": 0}).status == 200


def test_the_record_of_a_bundle_names_every_event_in_it(house):
    for _ in range(150):
        house.post(EVENT)
    indexes = list(range(150))
    assert house.ask("POST", "/v1/bundle", "reader", {"indexes": indexes}).status == 200
    assert house.rooms.own[-1]["data"]["indexes"] == indexes
    many = {"indexes": list(range(limits.BUNDLE_INDEXES + 1))}
    answer = house.ask("POST", "/v1/bundle", "reader", many)
    assert (answer.status, answer.code) == (413, "too_large")


@pytest.mark.parametrize(
    "asked",
    [{}, {"from": 1}, {"to": 1}, {"from": 2, "to": 1}, {"indexes": [-1]}, {"indexes": []},
     {"indexes": [1], "from": 0, "to": 1}, {"indexes": ["1"]}, {"from": 0, "to": 2_000_000}],
)
def test_a_bundle_that_is_not_understood_is_refused(house, asked):
    answer = house.ask("POST", "/v1/bundle", "reader", asked)
    assert answer.status in (400, 413)
    assert house.rooms.scopes == []


def test_a_bundle_that_cannot_be_recorded_is_not_sent_and_leaves_no_file(house):
    house.post(EVENT)
    house.rooms.fail_record = LedgerStopped("stopped")
    assert house.ask("POST", "/v1/bundle", "reader", {"indexes": [0]}).status == 503
    assert not house.rooms.bundle_path.exists()


def test_an_export_streams_and_is_recorded_before_its_first_byte(house):
    house.post(EVENT)
    answer = house.ask("GET", "/v1/export?q=actor:ann&limit=5", "reader")
    assert answer.body == house.rooms.bodies[0] + b"\n"
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert _request(house).limit == 5
    assert house.app.context.exports.open == 0
    (event,) = house.rooms.own
    assert event["data"]["q"] == "actor:ann"
    assert event["operation"] == "export"
    assert house.ask("GET", "/v1/export?format=xml", "reader").status == 400
    csv = house.ask("GET", "/v1/export?format=csv", "reader")
    assert csv.headers["content-type"].startswith("text/csv")


def test_an_export_breaks_off_when_its_token_is_revoked(house):
    row, house.tokens["leaver"] = house.meta.create_token("leaver", "reader")
    house.app.context.tokens.reload()

    async def chunks(request):
        yield b"first"
        house.meta.revoke_token(row.id)
        house.app.context.tokens.reload()
        yield b"second"

    house.rooms.export = chunks
    with pytest.raises(Unauthenticated):
        house.ask("GET", "/v1/export", "leaver")
    assert house.app.context.exports.open == 0


def test_an_export_that_fails_at_once_is_an_error_and_frees_its_place(house):
    house.rooms.fail = Busy("no worker")
    assert house.ask("GET", "/v1/export", "reader").status == 503
    assert house.app.context.exports.open == 0
    house.rooms.fail = None
    house.app.context.exports.open = 4
    assert house.ask("GET", "/v1/export", "reader").code == "busy"


READS = {
    "/v1/search?q=actor:ann": "indelible.search",
    "/v1/search/facets?field=action": "indelible.search.facets",
    "/v1/search/histogram": "indelible.search.histogram",
    "/v1/events/0": "indelible.event.show",
    "/v1/events/0/proof": "indelible.event.prove",
    "/v1/targets/user/ann/history": "indelible.target.history",
    "/v1/actors/ann/timeline": "indelible.actor.timeline",
    "/v1/export": "indelible.export",
}


@pytest.mark.parametrize(("path", "action"), READS.items())
def test_a_read_is_an_event_with_who_and_what(house, path, action):
    house.post(EVENT)
    answer = house.ask("GET", path, "reader", headers={"user-agent": "probe/1"})
    assert answer.status == 200
    (event,) = house.rooms.own
    assert event["action"] == action
    assert event["actor"]["type"] == "api_key"
    assert event["actor"]["name"] == "analyst"
    assert event["tenant"] == "indelible"
    assert event["origin"] == {"ip": "192.0.2.7", "user_agent": "probe/1"}
    assert event["outcome"] == "success"
    assert event["data"]["role"] == "reader"


@pytest.mark.parametrize("path", READS)
def test_a_read_that_cannot_be_recorded_is_refused(house, path):
    house.post(EVENT)
    house.rooms.answers = {"search": b'"the answer"'}
    house.rooms.fail_record = LedgerStopped("the disk is full")
    answer = house.ask("GET", path, "reader")
    assert (answer.status, answer.code) == (503, "ledger_stopped")
    assert b"the answer" not in answer.body
    assert b"ann" not in answer.body
