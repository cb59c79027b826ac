"""Everything a source sent is accounted for once, whatever the rules, repeats, refusals, restarts;
and a compiled rule decides as the search language means it."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from indelible.event.evaluate import matches
from indelible.event.model import read_body
from indelible.ingest.audit_policy.decide import Decider, judged
from indelible.ingest.audit_policy.guard import guarded
from indelible.ingest.audit_policy.rules import Then, parse_rules
from support.policed import Life, Policed, foreign, native

SOURCES = ("app", "web")
ACTIONS = ("doc.read", "doc.list", "doc.update", "role.grant", "user.login", "thing.occur")
ACTORS = ("ann", "bob", "system:node:7")
TARGETS = ("d1", "d2", "/healthz")

condition = st.one_of(
    st.sampled_from(ACTIONS).map("action:{}".format),
    st.sampled_from(("doc.*", "role.*")).map("action:{}".format),
    st.sampled_from(ACTORS).map('actor:"{}"'.format),
    st.sampled_from(TARGETS).map("target:{}".format),
    st.sampled_from(SOURCES).map("source:{}".format),
    st.sampled_from(("operation:read", "operation:update", "actor.type:user", "target.type:doc",
                     "outcome:success", "tenant:*", "onbehalf:eve")),
)
signed = st.tuples(st.sampled_from(("", "", "-")), condition).map("".join)
several = st.lists(signed, min_size=1, max_size=3).map(" ".join)
when = st.one_of(several, st.tuples(several, several).map("({0[0]} or {0[1]})".format))


@st.composite
def rule(draw: st.DrawFn) -> dict[str, Any]:
    then = draw(st.sampled_from(("keep", "strip", "summarise", "drop")))
    said: dict[str, Any] = {"when": draw(when), "then": then}
    if then == "summarise":
        said["operations"] = draw(st.sampled_from((["read"], ["read", "update"], ["login"])))
        said["when"] = said["when"].replace("operation:", "-operation:")
    return said


@st.composite
def rules(draw: st.DrawFn) -> str:
    found = draw(st.lists(rule(), max_size=5, unique_by=lambda one: one["when"]))
    return json.dumps({"rules": [
        {**one, "when": one["when"].replace("--", "-")} for one in found
    ]})


event = st.fixed_dictionaries(
    {"action": st.sampled_from(ACTIONS), "target": st.sampled_from(TARGETS).map(
        lambda name: {"type": "doc", "id": name})},
    optional={
        "actor": st.sampled_from(ACTORS).map(lambda name: {"type": "user", "id": name}),
        "outcome": st.sampled_from(("success", "denied", "failure", "unknown")),
        "id": st.integers(1, 6).map("e{}".format),
        "data": st.fixed_dictionaries({}, optional={
            "request": st.integers(0, 1), "note": st.integers(0, 1)}),
        "tenant": st.just("acme"),
        "operation": st.sampled_from(("read", "update", "grant", "other")),
        "time": st.sampled_from(("2026-03-03T12:00:00Z", "2026-03-03T12:01:30Z")),
    },
)


@settings(max_examples=300, deadline=None)
@given(rules(), event, st.sampled_from(SOURCES))
def test_a_compiled_rule_decides_as_a_search_would(
    text: str, said: dict[str, Any], source: str
) -> None:
    (parsed,) = native(said)
    tail = {"kind": "event", "received": "2026-03-03T12:00:00.000000Z",
            "source": {"id": source, "number": 1}}
    whole = read_body(parsed.content[:-1] + b"," + json.dumps(tail).encode()[1:])
    wanted = None
    for one in parse_rules(text):
        lost = one.then in (Then.DROP, Then.SUMMARISE)
        kept = guarded(whole.action, whole.operation, whole.outcome)
        other = one.then is Then.SUMMARISE and whole.operation not in one.operations
        barred = other or (lost and kept)
        if not barred and matches(one.predicate, 0, whole):
            wanted = one.number
            break
    decider = Decider(parse_rules(text))
    for _ in range(2):  # settled now, and remembered
        found = decider.decide(source, judged(parsed.content))
        assert (found.number if found else None) == wanted
    assert decider.concerns(source) or wanted is None


message = st.sampled_from(("a", "b", "c")).map(
    lambda name: json.dumps({"user": name, "action": "doc.read", "time": "2026-03-03T12:00:00Z"}))
batch = st.one_of(
    st.lists(event, max_size=5).map(lambda found: ("native", found)),
    st.lists(message, min_size=1, max_size=3).map(lambda found: ("foreign", found)),
    st.lists(message, min_size=1, max_size=3).map(lambda found: ("with ids", found)),
    st.just(("foreign", ["not json at all"])),
)
step = st.one_of(
    st.tuples(st.just("send"), st.sampled_from(SOURCES), batch, st.integers(0, 2),
              st.integers(0, 2)),
    st.tuples(st.just("rules"), rules()),
    st.sampled_from([("tick",), ("restart",), ("crash",)]),
)


class Sent:
    """What was handed in, by source."""

    def __init__(self) -> None:
        self.received = dict.fromkeys(SOURCES, 0)

    async def take(self, life: Life, one: tuple[Any, ...]) -> None:
        if one[0] == "rules":
            await life.rules(one[1])
        elif one[0] == "tick":
            await life.core.unstated.end()
            await life.core.state_tally()
        else:
            _, source, (kind, said), rejected, dropped = one
            events = native(*said) if kind == "native" else foreign(*said, ids=kind == "with ids")
            result = await life.send(events, source, rejected, dropped)
            self.received[source] += len(events) + rejected + dropped
            apart = {*result.summarised, *result.dropped_by_rule}
            assert [at for at, index in enumerate(result.indexes) if index < 0] == sorted(apart)
            assert not apart.intersection(result.duplicates)
        self.check(life)

    def check(self, life: Life) -> None:
        """The sums hold, and what they say of the log is what stands in it."""
        for view in life.rooms.sources():
            parts = (view.stored, view.duplicates, view.summarised, view.dropped_by_rule,
                     view.refused, view.dropped)
            assert view.received == sum(parts) == self.received[view.id]

    def in_log(self, life: Life) -> None:
        """Nothing waits any more: the log itself says how much was stored, rolled up, dropped."""
        for view in life.rooms.sources():
            bodies = life.bodies()
            mine = [body for body in bodies if body["source"]["number"] == view.number]
            whole = [body for body in mine if "summary" not in body.get("flags", ())]
            rolled = sum(body["data"]["summary"]["count"] for body in mine if body not in whole)
            dropped = sum(
                body["data"]["dropped_by_rule"] for body in bodies
                if body["kind"] == "statement" and body["data"].get("source") == view.number
                and "rules" in body["data"]
            )
            assert (view.stored, view.summarised, view.dropped_by_rule) == (
                len(whole), rolled, dropped)
            for body in mine:
                if guarded(body.get("action", ""), body.get("operation", ""),
                           body.get("outcome", "")):
                    assert body in whole


@settings(max_examples=15, deadline=None)
@given(rules(), st.lists(step, min_size=1, max_size=9))
def test_kept_and_all_the_others_are_what_was_received(
    text: str, steps: list[tuple[Any, ...]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        house, sent = Policed(Path(folder)), Sent()
        lives: list[tuple[list[tuple[Any, ...]], bool]] = [([("rules", text)], False)]
        for one in steps:
            if one[0] in ("restart", "crash"):
                lives[-1] = (lives[-1][0], one[0] == "crash")
                lives.append(([], False))
            else:
                lives[-1][0].append(one)
        for doing, crash in lives:

            async def live(
                life: Life, doing: list[tuple[Any, ...]] = doing, crash: bool = crash
            ) -> None:
                sent.check(life)
                for one in doing:
                    await sent.take(life, one)
                if crash:  # refusals and repeats of the last minute would be lost: they are kept
                    await life.core.state_tally()

            house.live(live, crash=crash)

        async def last(life: Life) -> None:
            sent.check(life)
            sent.in_log(life)

        house.live(last)
        house.check()
