"""Whatever is sent, kept, crashed and commanded in between: what is counted and what is on record
as missing agree with what was sent, in the end."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from indelible.app import completeness, recount, sourcing
from indelible.app import core as core_module
from indelible.app.completeness import Completeness
from indelible.app.local import LocalLedger
from indelible.base.clock import MICROS, wall_us
from indelible.base.limits import GAP_SECONDS
from support.policed import Life, Policed, native

RULES = (
    '[[rule]]\nwhen = "action:x.drop"\nthen = "drop"\n'
    '[[rule]]\nwhen = "action:x.roll"\nthen = "summarise"\noperations = ["read"]\n'
)
STEPS = st.one_of(
    st.tuples(st.just("send"), st.integers(1, 4)),
    st.tuples(st.sampled_from(["lose", "late"]), st.integers(1, 3)),
    st.tuples(st.sampled_from(["beat", "keep", "state", "wait"]), st.just(0)),
)
LIVES = st.lists(
    st.tuples(
        st.lists(STEPS, max_size=8), st.sampled_from(["crash", "crash", "stop"]),
        st.sampled_from(["server", "server", "command"]), st.booleans(),
    ),
    min_size=1, max_size=4,
)


class Sender:
    """A sender that numbers its events; some go astray, and may come late."""

    def __init__(self) -> None:
        self.next, self.sent, self.astray = 1, set[int](), list[int]()
        self.now = wall_us()

    async def send(self, life: Life, numbers: list[int]) -> None:
        actions = ("doc.update", "x.drop", "x.roll")
        await life.send(native(*(
            {"action": actions[number * 7 % 3], "operation": "read",
             "source": {"seq": number, "boot": "b"}}
            for number in numbers
        )))
        self.sent.update(numbers)

    async def step(self, life: Life, what: str, many: int) -> None:
        if what == "send" or (what == "lose" and self.next > 1):
            numbers = list(range(self.next, self.next + many))
            self.next += many
            if what == "lose":
                self.astray += numbers
            else:
                await self.send(life, numbers)
        elif what == "late" and self.astray:
            numbers, self.astray = self.astray[-many:], self.astray[:-many]
            await self.send(life, numbers)
        elif what == "beat":
            await Completeness(life.core).beat()
        elif what == "keep":
            await life.core.state_tally()
        elif what == "state":
            await life.core.unstated.end()
        elif what == "wait":
            self.now += (GAP_SECONDS + 1) * MICROS


def on_record(life: Life) -> set[int]:
    """The numbers that the records leave missing; none is told twice, nor closed when it is not."""
    missing = set[int]()
    for gap in (one["data"] for one in life.bodies() if one["kind"] == "gap"):
        numbers = set(range(gap["first"], gap["last"] + 1))
        if gap["state"] == "open":
            assert not missing & numbers, gap
            missing |= numbers
        else:
            assert numbers <= missing, gap
            missing -= numbers
    return missing


def counted(life: Life) -> tuple[int, int, int]:
    """What the log says: stored, summarised, dropped."""
    events = [one for one in life.bodies() if one["source"]["number"]]
    rolled = [one["data"]["summary"]["count"] for one in events if "summary" in one["flags"]]
    stated = [one["data"] for one in life.bodies() if one["kind"] == "statement"]
    dropped = [one["dropped_by_rule"] for one in stated if "rules" in one]
    return len(events) - len(rolled), sum(rolled), sum(dropped)


@given(LIVES)
@settings(max_examples=40, deadline=None)
def test_counts_and_gaps_agree_with_what_was_sent(lives: list[Any]) -> None:
    sender = Sender()

    async def rules(life: Life) -> None:
        await life.rules(RULES)
        await sender.send(life, [1])
        sender.next = 2

    async def last(life: Life) -> None:
        sender.now += (GAP_SECONDS + 1) * MICROS
        for _ in range(2):
            await life.core.unstated.end()
            await Completeness(life.core).beat()
        view = life.view()
        assert (view.stored, view.summarised, view.dropped_by_rule) == counted(life)
        assert view.received == len(sender.sent) == sum(counted(life))
        missing = set(range(1, max(sender.sent))) - sender.sent
        assert on_record(life) == missing
        assert view.gaps == len(missing)

    with tempfile.TemporaryDirectory() as folder:
        house = Policed(Path(folder))
        with (
            patch.object(completeness, "wall_us", lambda: sender.now),
            patch.object(recount, "wall_us", lambda: sender.now),
            patch.object(sourcing, "wall_us", lambda: sender.now),
        ):
            house.live(rules, crash=True)
            for steps, end, who, at_once in lives:

                async def body(life: Life, steps: list[Any] = steps) -> None:
                    for step in steps:
                        await sender.step(life, *step)

                async def command(body: Any = body) -> None:
                    async with LocalLedger(house.data) as ledger:
                        await body(Life(ledger.core))

                with patch.object(core_module, "RECOUNT_FIRST", 100_000 if at_once else 0):
                    if who == "command":
                        asyncio.run(command())
                    else:
                        house.live(body, crash=end == "crash")
            house.live(last)
