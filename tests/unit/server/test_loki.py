"""Loki's push API as its clients meet it: 204, texts, and what they ask before."""

from __future__ import annotations

import gzip
import json

import pytest

from indelible.base.errors import Busy, DiskFull
from indelible.ingest.protocols.hub import Configured
from indelible.ingest.sources import SourceSettings
from indelible.server.rooms import Readiness

PUSH = "/loki/api/v1/push"
NS = "1772529247123456789"
JSON = {"content-type": "application/json"}


@pytest.fixture
def house_(house):
    settings = SourceSettings(id="app", protocol="loki")
    house.rooms.settings[("app", "")] = Configured(settings=settings)
    return house


def body(*values, **labels):
    return json.dumps({"streams": [{"stream": labels or {"app": "a"}, "values": values}]}).encode()


def post(house, content=None, headers=JSON, role="writer"):
    return house.ask("POST", PUSH, role, body([NS, "x"]) if content is None else content, headers)


def said(answer):
    assert answer.headers["content-type"].startswith("text/plain")
    return answer.status, answer.body.decode()


def events(house):
    return [json.loads(e.content) for one in house.rooms.submissions for e in one.events]


def test_success_is_204_without_a_body(house_):
    answer = post(house_)
    assert (answer.status, answer.body) == (204, b"")
    assert len(events(house_)) == 1


def test_packed_json_is_taken(house_):
    packed = {**JSON, "content-encoding": "gzip"}
    assert post(house_, gzip.compress(body([NS, "x"])), packed).status == 204
    assert post(house_, body([NS, "x"]), {"content-type": "Application/JSON; charset=utf-8"}
                ).status == 204
    assert post(house_, body([NS, "x"]), {}).status == 204
    assert len(events(house_)) == 3


@pytest.mark.parametrize("headers", [
    {"content-type": "application/x-protobuf"},
    {"content-type": "application/x-protobuf", "content-encoding": "snappy"},
    {},
])
def test_snappy_is_refused_with_the_way_out_and_counted(house_, headers):
    status, text = said(post(house_, b"\x1f\xf0\x1e\x0a\x1d", headers))
    assert status == 415
    assert "snappy" in text or "Protocol Buffers" in text
    assert "application/json" in text
    assert "OpenTelemetry" in text
    assert [(one.events, one.rejected) for one in house_.rooms.submissions] == [([], 1)]


def test_other_types_are_named(house_):
    form = {"content-type": "application/x-www-form-urlencoded"}
    status, text = said(post(house_, headers=form))
    assert status == 415
    assert "x-www-form-urlencoded" in text
    assert "`Content-Type: application/json`" in text


@pytest.mark.parametrize("content", [
    b"", b"{", b"[]", b"7", b"{}", b'{"streams":null}', b'{"streams":{}}', b"\xff",
    b'{"streams":[{"values":[["1","\xff"]]}',
])
def test_what_is_no_push_is_refused_whole(house_, content):
    status, text = said(post(house_, content))
    assert status == 400
    assert "bad_json" in text
    assert '{"streams"' in text
    assert [(one.events, one.rejected) for one in house_.rooms.submissions] == [([], 1)]


def test_nothing_to_store_is_a_success(house_):
    assert post(house_, b'{"streams":[]}').status == 204
    assert post(house_, b'{"streams":[{"stream":{"a":"b"},"values":[]}]}').status == 204
    assert not house_.rooms.submissions


def test_a_bad_entry_is_named_by_its_place_and_costs_no_other(house_):
    status, text = said(post(house_, body([NS, "one"], [NS], [NS, 7], [NS, "four"])))
    assert status == 400
    assert text.startswith("2 of 4 entries refused, 2 stored")
    assert "streams[0].values[1]: " in text
    assert "(missing_field)" in text
    assert "streams[0].values[2]: " in text
    (submission,) = house_.rooms.submissions
    assert (len(submission.events), submission.rejected) == (2, 2)


def test_only_some_of_many_bad_entries_are_told(house_):
    status, text = said(post(house_, body(*[[NS]] * 500)))
    assert status == 400
    assert text.count("missing_field") == 10
    assert "and 490 more" in text


@pytest.mark.parametrize("content", [
    gzip.compress(b'{"streams":[' + b" " * (17 << 20)), gzip.compress(body(*[["1", "x"]] * 70_000)),
])
def test_too_much_is_413_in_a_text(house_, content):
    status, text = said(post(house_, content, {**JSON, "content-encoding": "gzip"}))
    assert status == 413
    assert "too_large" in text
    assert [(one.events, one.rejected) for one in house_.rooms.submissions] == [([], 1)]


def test_back_pressure_is_503_for_senders_to_come_again(house_):
    for error in (Busy("full"), DiskFull("full")):
        house_.rooms.fail = error
        answer = post(house_)
        assert said(answer)[0] == 503
        assert int(answer.headers["retry-after"]) >= 1


def test_whoever_has_no_token_is_told_in_a_text(house_):
    answer = post(house_, role=None)
    status, text = said(answer)
    assert status == 401
    assert "credential" in text
    assert answer.headers["www-authenticate"].startswith("Basic")
    assert said(house_.ask("POST", PUSH, "reader", body([NS, "x"]), JSON))[0] == 403


def test_the_senders_tenant_is_kept_and_decides_nothing(house_):
    house_.tokens["acme"] = house_.meta.create_token(
        "acme", "writer", source="app", tenant="acme")[1]
    house_.app.context.tokens.reload()
    settings = SourceSettings(id="app", tenant="acme", protocol="loki")
    house_.rooms.settings[("app", "acme")] = Configured(settings=settings)
    other = {**JSON, "x-scope-orgid": "umbrella"}
    assert post(house_, headers=other).status == 204
    assert post(house_, headers=other, role="acme").status == 204
    free, bound = events(house_)
    assert "tenant" not in free
    assert bound["tenant"] == "acme"
    assert free["data"]["loki"]["org_id"] == bound["data"]["loki"]["org_id"] == "umbrella"
    assert [one.tenant for one in house_.rooms.submissions] == ["", "acme"]


@pytest.mark.parametrize("name", ["x" * 2000, "a\u00ad"])
def test_a_tenant_that_cannot_be_one_is_left_out(house_, name):
    assert post(house_, headers={**JSON, "x-scope-orgid": name}).status == 204
    (event,) = events(house_)
    assert "org_id" not in event["data"]["loki"]


def test_ready_is_answered_without_a_token(house_):
    answer = house_.ask("GET", "/ready")
    assert said(answer) == (200, "ready\n")
    house_.rooms.ready = Readiness(ready=False, reasons=("full",))
    assert said(house_.ask("GET", "/ready")) == (503, "not ready\n")
    house_.rooms.ready = Readiness(ready=True, reasons=())
    house_.app.context.draining.set()
    assert said(house_.ask("GET", "/ready"))[0] == 503
