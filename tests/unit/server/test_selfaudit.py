"""Reports become events."""

from __future__ import annotations

import asyncio
import json

import pytest

from indelible.base.errors import LedgerStopped
from indelible.base.recorder import Action, Doer, Touched
from indelible.event.model import Event
from indelible.event.strict import check_document
from indelible.selfaudit import SelfAudit, encode


class Store:
    def __init__(self):
        self.events = []
        self.fail = False

    async def __call__(self, content):
        if self.fail:
            raise LedgerStopped("stopped")
        self.events.append(json.loads(content))
        return len(self.events) - 1


@pytest.fixture
def store():
    return Store()


def _poll(name="tail", doer="t1", outcome="success"):
    return Action(
        action=f"indelible.{name}", operation="read", doer=Doer(type="api_key", id=doer),
        outcome=outcome, counted=True,
    )


def test_an_action_is_an_ordinary_event_of_the_ledgers_tenant():
    action = Action(
        action="indelible.token.create",
        operation="create",
        doer=Doer(type="api_key", id="t1", name="root", role="admin"),
        targets=(Touched(type="token", id="t2"),),
        outcome="failure",
        reason="taken",
        peer="192.0.2.1",
        user_agent="x",
        data={"name": "n", "indexes": (1, 2)},
    )
    import msgspec

    content = encode(action)
    check_document(content)
    event = msgspec.json.decode(content, type=Event)
    assert event.tenant == "indelible"
    assert json.loads(content) == {
        "action": "indelible.token.create",
        "actor": {"type": "api_key", "id": "t1", "name": "root"},
        "operation": "create",
        "targets": [{"type": "token", "id": "t2"}],
        "outcome": "failure",
        "reason": {"text": "taken"},
        "origin": {"ip": "192.0.2.1", "user_agent": "x"},
        "tenant": "indelible",
        "data": {"name": "n", "indexes": [1, 2], "role": "admin"},
    }


def test_absent_facts_stay_absent():
    action = Action(action="indelible.x", operation="other", doer=Doer())
    assert json.loads(encode(action)) == {
        "action": "indelible.x",
        "actor": {"type": "anonymous", "id": "anonymous"},
        "operation": "other",
        "outcome": "success",
        "tenant": "indelible",
    }


def test_polling_is_one_event_a_minute_and_no_call_is_lost(store):
    now = 0.0
    audit = SelfAudit(store, lambda: now)

    async def work():
        nonlocal now
        while now < 150:
            await audit.record(_poll())
            now += 10
        await audit.flush(everything=True)

    asyncio.run(work())
    calls = [event["data"]["calls"] for event in store.events]
    assert calls == [1, 6, 6, 2]
    assert sum(calls) == 15


def test_doers_actions_and_outcomes_are_counted_apart(store):
    audit = SelfAudit(store, lambda: 0.0)

    async def work():
        for action in (_poll(), _poll(doer="t2"), _poll("complete"), _poll(outcome="denied")):
            await audit.record(action)
            await audit.record(action)

    asyncio.run(work())
    assert len(store.events) == 4


def test_flush_writes_what_is_old_and_forgets_who_went_silent(store):
    now = 0.0
    audit = SelfAudit(store, lambda: now)

    async def work():
        nonlocal now
        await audit.record(_poll())
        await audit.record(_poll())
        await audit.flush()
        assert len(store.events) == 1
        now = 61.0
        await audit.flush()
        assert store.events[-1]["data"]["calls"] == 1
        now = 122.0
        await audit.flush()
        assert audit._counts == {}

    asyncio.run(work())


def test_a_poll_that_cannot_be_stored_raises_and_is_tried_again_with_the_next(store):
    audit = SelfAudit(store, lambda: 0.0)

    async def work():
        store.fail = True
        with pytest.raises(LedgerStopped):
            await audit.record(_poll())
        with pytest.raises(LedgerStopped):
            await audit.record(_poll())
        store.fail = False
        await audit.record(_poll())

    asyncio.run(work())
    assert len(store.events) == 1


def test_a_flush_that_fails_keeps_its_count(store):
    now = 0.0
    audit = SelfAudit(store, lambda: now)

    async def work():
        nonlocal now
        await audit.record(_poll())
        await audit.record(_poll())
        now = 61.0
        store.fail = True
        with pytest.raises(LedgerStopped):
            await audit.flush()
        store.fail = False
        await audit.flush(everything=True)

    asyncio.run(work())
    assert [event["data"]["calls"] for event in store.events] == [1, 1]


def test_an_uncounted_action_is_stored_before_record_returns(store):
    audit = SelfAudit(store)
    action = Action(action="indelible.search", operation="read", doer=Doer())
    asyncio.run(audit.record(action))
    assert len(store.events) == 1
    store.fail = True
    with pytest.raises(LedgerStopped):
        asyncio.run(audit.record(action))
