"""Indelible's own actions become events in the ledger they concern, under tenant `indelible`.

Fulfils `base.recorder`. Guarantee: `record` returns only when the event is durable, so that who
records before answering never gives an answer that left no trace. Polling (`counted`) is one
event a minute for each doer, action and outcome: the first call is recorded at once, later ones
are counted into the next, and what is left over is written by `flush`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
from msgspec import UNSET

from indelible.base.clock import monotonic
from indelible.base.limits import COUNTED_KEYS, COUNTED_SECONDS
from indelible.base.recorder import Action
from indelible.event.model import (
    Actor,
    ActorType,
    Event,
    Operation,
    Origin,
    Outcome,
    Reason,
    Target,
)

TENANT = "indelible"

Store = Callable[[bytes], Awaitable[int]]
"""Takes an encoded `Event` of source number 0 and returns its index once it is durable."""


class _Count(msgspec.Struct, kw_only=True):
    last: float
    waiting: int = 0
    action: Action


class SelfAudit:
    """Turns reports into events; `store` is `Rooms.record`."""

    def __init__(self, store: Store, now: Callable[[], float] = monotonic) -> None:
        self._store = store
        self._now = now
        self._counts: dict[tuple[str, str, str], _Count] = {}

    async def record(self, action: Action) -> None:
        """See `base.recorder.Recorder`. Raises what the ledger raises."""
        if not action.counted:
            await self._store(encode(action))
            return
        key = (action.action, action.doer.id, action.outcome)
        count = self._counts.get(key)
        now = self._now()
        if count is not None and now - count.last < COUNTED_SECONDS:
            count.waiting += action.times
            count.action = action
            return
        waiting = 0 if count is None else count.waiting
        if count is None and len(self._counts) >= COUNTED_KEYS:
            await self.flush(everything=True)
        fresh = _Count(last=now, action=action)
        self._counts[key] = fresh
        try:
            await self._store(encode(action, calls=waiting + action.times))
        except BaseException:
            fresh.last -= COUNTED_SECONDS
            fresh.waiting += waiting
            raise

    async def flush(self, *, everything: bool = False) -> None:
        """Write what is counted and a minute old (or, at the end, everything)."""
        now = self._now()
        for key, count in list(self._counts.items()):
            if not everything and now - count.last < COUNTED_SECONDS:
                continue
            calls, count.waiting = count.waiting, 0
            if not calls:
                self._counts.pop(key, None)
                continue
            count.last = now
            try:
                await self._store(encode(count.action, calls=calls))
            except BaseException:
                count.waiting += calls
                raise


def encode(action: Action, calls: int | None = None) -> bytes:
    """The event of `action`: the same action, actor, target and outcome as any other event."""
    doer = action.doer
    facts: dict[str, object] = dict(action.data)
    if doer.role:
        facts["role"] = doer.role
    if calls is not None:
        facts["calls"] = calls
    origin = Origin(ip=action.peer or UNSET, user_agent=action.user_agent or UNSET)
    event = Event(
        action=action.action,
        operation=Operation(action.operation),
        actor=Actor(type=ActorType(doer.type), id=doer.id, name=doer.name or UNSET),
        targets=[Target(type=touched.type, id=touched.id) for touched in action.targets] or UNSET,
        outcome=Outcome(action.outcome),
        reason=Reason(text=action.reason) if action.reason else UNSET,
        origin=origin if action.peer or action.user_agent else UNSET,
        tenant=TENANT,
        data=msgspec.Raw(msgspec.json.encode(facts)) if facts else UNSET,
    )
    return msgspec.json.encode(event)
