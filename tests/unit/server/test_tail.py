"""Live events."""

from __future__ import annotations

import json

import pytest
from tests.unit.server.fake_rooms import Listener

from indelible.base import limits
from indelible.base.errors import LedgerStopped
from indelible.server import tail as tails

EVENT = b'{"action":"user.login","actor":{"type":"user","id":"%s"}}'


def _events(text):
    found = []
    for block in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
        if lines.get("data"):
            found.append((int(lines["id"]), json.loads(lines["data"])))
    return found


async def _submit(house, name):
    scope = house.scope("POST", "/v1/events", "writer")
    body = EVENT % name.encode()
    await house.exchange(scope, [{"type": "http.request", "body": body, "more_body": False}])


def test_a_tail_begins_at_an_index_and_goes_on_live(house):
    async def work():
        await _submit(house, "ann")
        await _submit(house, "ben")
        listener = Listener(house, "/v1/tail?from=1&q=action:user.login")
        await listener.until(1)
        await _submit(house, "cid")
        await listener.until(2)
        await listener.leave()
        return _events(listener.text), listener.sent[0]

    found, start = house.run(work())
    assert start["status"] == 200
    assert [event["event"]["actor"]["id"] for _, event in found] == ["ben", "cid"]
    assert all(index == event["index"] for index, event in found)
    assert all(event["sentence"] for _, event in found)


def test_a_browser_that_comes_back_goes_on_after_its_last_event(house):
    async def work():
        for name in ("ann", "ben", "cid"):
            await _submit(house, name)
        headers = {"last-event-id": "1"}
        listener = Listener(house, "/v1/tail?q=action:user.login", headers=headers)
        await listener.until(1)
        await listener.leave()
        return _events(listener.text)

    assert [index for index, _ in house.run(work())] == [2]


def test_a_tail_shows_only_what_the_caller_may_see(house):
    house.tokens["bound"] = house.meta.create_token("b", "reader", tenant="acme")[1]
    house.tokens["acme"] = house.meta.create_token("a", "writer", source="a", tenant="acme")[1]
    house.app.context.tokens.reload()

    async def work():
        await _submit(house, "ann")
        scope = house.scope("POST", "/v1/events", "acme")
        body = EVENT % b"ben"
        await house.exchange(scope, [{"type": "http.request", "body": body, "more_body": False}])
        listener = Listener(house, "/v1/tail?from=0", "bound")
        await listener.until(1)
        await _submit(house, "cid")
        await listener.leave()
        return _events(listener.text)

    assert [event["event"]["actor"]["id"] for _, event in house.run(work())] == ["ben"]


def test_a_client_that_leaves_frees_its_place_and_its_follower(house):
    async def work():
        listener = Listener(house, "/v1/tail?from=0")
        await listener.until(1)
        assert house.app.context.tails.open == 1
        assert house.rooms.tails_open == 1
        await listener.leave()

    house.run(work())
    assert house.app.context.tails.open == 0
    assert house.rooms.tails_open == 0


def test_shutting_down_ends_a_tail(house):
    async def work():
        listener = Listener(house, "/v1/tail?from=0")
        await listener.until(1)
        house.app.context.draining.set()
        await listener.task
        return listener.sent[-1]

    assert house.run(work()) == {"type": "http.response.body", "body": b""}


def test_every_opening_of_a_tail_is_recorded_first_with_what_it_asks(house):
    asked = ["target:a", "target:secret", "target:b"]

    async def work():
        for q in asked:
            listener = Listener(house, f"/v1/tail?from=0&q={q}")
            await listener.until(0)
            await listener.leave()

    house.run(work())
    own = [event for event in house.rooms.own if event["action"] == "indelible.tail"]
    assert [event["data"]["q"] for event in own] == asked


def test_a_tail_that_stays_open_is_counted_by_the_minute(house, monkeypatch):
    monkeypatch.setattr(tails, "COUNTED_SECONDS", 0)

    async def work():
        listener = Listener(house, "/v1/tail?q=action:user.login")
        await listener.until(0)
        for number in range(1, 4):
            await _submit(house, "ann")
            await listener.until(number)
        await listener.leave()

    house.run(work())
    own = [event for event in house.rooms.own if event["action"] == "indelible.tail"]
    assert [event["data"].get("calls") for event in own] == [None, 1]
    house.run(house.app.close())
    assert house.rooms.own[-1]["data"]["calls"] == 2


def test_a_revoked_token_is_told_nothing_more(house):
    row, secret = house.meta.create_token("leaver", "reader")
    house.tokens["leaver"] = secret
    house.app.context.tokens.reload()

    async def work():
        listener = Listener(house, "/v1/tail?q=action:user.login", "leaver")
        await listener.until(0)
        scope = house.scope("DELETE", f"/v1/tokens/{row.id}", "admin")
        await house.exchange(scope, [])
        await _submit(house, "ann")
        await listener.task
        return listener.text

    assert "ann" not in house.run(work())


def test_a_tail_that_cannot_be_recorded_is_not_opened(house):
    house.rooms.fail_record = LedgerStopped("stopped")
    answer = house.ask("GET", "/v1/tail", "reader")
    assert (answer.status, answer.code) == (503, "ledger_stopped")
    assert house.app.context.tails.open == 0


def test_open_tails_are_bounded(house):
    house.app.context.tails.open = limits.TAIL_STREAMS
    answer = house.ask("GET", "/v1/tail", "reader")
    assert (answer.status, answer.code) == (503, "busy")


@pytest.mark.parametrize("target", ["/v1/tail?from=x", "/v1/tail?from=-1", "/v1/tail?q=)"])
def test_a_tail_that_is_not_understood_is_refused(house, target):
    assert house.ask("GET", target, "reader").status == 400


def test_a_last_event_id_that_is_no_index_is_refused(house):
    answer = house.ask("GET", "/v1/tail", "reader", headers={"last-event-id": "x"})
    assert answer.status == 400
