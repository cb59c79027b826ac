"""How a room reports its own actions, so that they become events in the ledger they concern.

`selfaudit` fulfils `Recorder`. A read is recorded BEFORE it is answered: when `record` raises, the
answer is not given.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

Fact = str | int | float | bool | None | tuple[str, ...] | tuple[int, ...]


class Doer(msgspec.Struct, frozen=True, kw_only=True):
    """Who did it: a token by id and name, or nobody known (`anonymous`)."""

    type: str = "anonymous"  # a value of event.model.ActorType
    id: str = "anonymous"
    name: str = ""
    role: str = ""


class Touched(msgspec.Struct, frozen=True, kw_only=True):
    """What it was done to."""

    type: str
    id: str


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """One action of Indelible's own.

    `action` begins with `indelible.`; `operation` is a value of `event.model.Operation`; `outcome`
    success, failure or denied. `peer` is the address it came from. `data` holds plain facts, never
    a secret and never a body. A `counted` action (polling) becomes one event a minute for each
    doer, action and outcome, with the number of calls in `data.calls`; `times` is how many of
    them this report stands for.
    """

    action: str
    operation: str
    doer: Doer
    targets: tuple[Touched, ...] = ()
    outcome: str = "success"
    reason: str = ""
    peer: str = ""
    user_agent: str = ""
    data: dict[str, Fact] = {}
    counted: bool = False
    times: int = 1


class Recorder(Protocol):
    """Takes reports."""

    async def record(self, action: Action) -> None:
        """Return when the event is durable (or, if counted, is on its way within a minute)."""
