"""Streams take turns whatever one of them answers, and pages that lead nowhere are told."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from indelible.base.clock import MICROS
from indelible.ingest.protocols import pull_plan
from indelible.ingest.protocols.circles import Circle
from indelible.ingest.protocols.hub import Configured
from indelible.ingest.protocols.pull import Puller
from indelible.ingest.protocols.pull_answers import Answer
from indelible.ingest.protocols.pull_clock import ApiClock
from indelible.ingest.protocols.pull_description import read_description
from indelible.ingest.protocols.pull_http import Client, Unanswered
from indelible.ingest.protocols.pull_plan import Plan, State, Step, encode_state
from indelible.ingest.sources import SourceSettings
from support.hub import MemoryHub

NOW = 1_780_272_000 * MICROS  # 2026-06-01T00:00:00Z
BASE = "https://api.example.org"
OWN = """
name = "own"
about = "of our own"
base = "{url}"
streams = ["drive", "admin", "login"]
auth = { kind = "header" }
request = { path = ["/{stream}"], query = { from = "{since}" } }
items = { path = "items", id = ["id"] }
paging = { by = "token", name = "at", path = "next" }
pace = { beat = "1h", per_minute = 1000000000 }
"""


class Scripted(Client):
    """It answers what a function makes of the URL and of how many were asked before."""

    def __init__(self, say: Callable[[str, int], Any]) -> None:
        super().__init__()
        self._say = say
        self.asked: list[str] = []

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Answer:
        self.asked.append(url.removeprefix(f"{BASE}/").partition("?")[0])
        return Answer(200, {}, json.dumps(self._say(url, len(self.asked))).encode())


def pulled(folder: Path, say: Callable[[str, int], Any], steps: int) -> tuple[Scripted, MemoryHub]:
    """So many steps of a source of three streams."""
    path = folder / "own.toml"
    path.write_text(OWN)
    settings = SourceSettings(
        id="p", protocol="pull", parser="json", options={"vendor": str(path), "url": BASE}
    )
    hub, client = MemoryHub(settings), Scripted(say)

    async def run() -> None:
        puller = Puller(hub, Configured(settings=settings, secret=b"s3cr3t"), 1.0)
        for _ in range(steps):
            await asyncio.sleep(min(await puller.step(client), 0.001))
        await client.__aexit__(None, None, None)

    asyncio.run(run())
    return client, hub


def test_a_stream_that_always_has_more_keeps_no_other_one_waiting(tmp_path: Path) -> None:
    def more(url: str, number: int) -> Any:
        return {"items": [{"id": f"i{number}"}], "next": f"t{number}"}

    client, hub = pulled(tmp_path, more, 300)
    counts = Counter(client.asked)
    assert sum(counts.values()) > 200
    assert max(counts.values()) - min(counts.values()) <= 1
    assert client.asked[:6] == ["drive", "admin", "login"] * 2
    assert hub.shown == {}


def test_a_stream_that_goes_in_a_circle_waits_and_is_told_and_the_others_are_asked(
    tmp_path: Path,
) -> None:
    def circle(url: str, number: int) -> Any:
        if "/drive" in url:
            return {"items": [{"id": f"d{number}"}], "next": "t1"}
        return {"items": [{"id": f"{url}{number}"}], "next": f"t{number}" if number < 200 else ""}

    client, hub = pulled(tmp_path, circle, 300)
    counts = Counter(client.asked)
    assert counts["drive"] == 2
    assert counts["admin"] > 90
    assert counts["login"] > 90
    assert hub.shown["trouble"].startswith("drive: its pages go in a circle")
    assert sum('"d' in raw for raw in hub.raws) == 2  # what the page held is not lost


# --- pages


def plan(**changes: str) -> Plan:
    text = OWN
    for old, new in changes.items():
        text = text.replace(*{"paging": (
            'paging = { by = "token", name = "at", path = "next" }', new
        )}[old])
    return Plan(read_description(text, "own"), {"url": BASE}, "drive", BASE)


def read(made: Plan, state: State, pages: list[tuple[list[str], str]]) -> list[Step]:
    """What the pages of a window come to, up to the first trouble."""
    steps: list[Step] = []
    for ids, following in pages:
        asked = made.next(state, NOW)
        assert asked.ask is not None
        body = {"items": [{"id": one} for one in ids], "next": following}
        step = made.took(
            asked.state, asked.ask, Answer(200, {}, json.dumps(body).encode()), NOW
        )
        steps.append(step)
        state = step.state
        if step.trouble:
            break
    return steps


def test_a_page_that_names_itself_is_a_trouble_and_is_asked_again() -> None:
    made = plan()
    steps = read(made, made.begin(NOW), [(["a"], "t1"), (["b"], "t1")])
    assert "circle" in steps[-1].trouble
    assert steps[-1].retry
    assert [item.id for item in steps[-1].items] == ["b"]
    assert (steps[-1].state.page, steps[-1].state.until_us) == ("t1", steps[0].state.until_us)
    healed = read(made, steps[-1].state, [(["b"], "t2"), (["c"], "")])
    assert [step.trouble for step in healed] == ["", ""]
    assert healed[-1].state.until_us == 0


@pytest.mark.parametrize("length", [2, 3, 7])
def test_a_longer_circle_is_found_too(length: int) -> None:
    made = plan()
    pages = [([f"i{number}"], f"t{number % length}") for number in range(10 * length)]
    steps = read(made, made.begin(NOW), pages)
    assert "circle" in steps[-1].trouble
    assert len(steps) <= 4 * length


def test_a_number_of_which_a_service_takes_no_notice_is_found_out() -> None:
    made = plan(paging='paging = { by = "page", name = "page" }')
    steps = read(made, made.begin(NOW), [(["a", "b"], "")] * 5)
    assert [bool(step.trouble) for step in steps] == [False, True]


def test_many_pages_that_lead_on_are_none() -> None:
    made = plan()
    pages = [([f"i{number}"], f"t{number}") for number in range(3_000)]
    assert not any(step.trouble or step.odd for step in read(made, made.begin(NOW), pages))


def test_the_same_page_may_be_asked_again_after_a_failure() -> None:
    circle = Circle()
    for asked, following in [("", "a"), ("a", "b"), ("a", "b"), ("b", "c"), ("b", "c")]:
        assert not circle.closes(asked, following, [asked.encode()])


def test_an_absurd_number_of_pages_is_told_and_read_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pull_plan, "PULL_PAGES", 3)
    made = plan()
    pages = [([f"i{number}"], f"t{number}") for number in range(5)]
    steps = read(made, made.begin(NOW), [*pages, (["last"], "")])
    assert [bool(step.odd) for step in steps] == [False, False, False, True, True, False]
    assert not any(step.trouble or step.retry for step in steps)


def test_what_is_odd_is_shown_while_it_is_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pull_plan, "PULL_PAGES", 3)

    def more(url: str, number: int) -> Any:
        last = "/drive" not in url or number > 40
        return {"items": [{"id": f"i{number}"}], "next": "" if last else f"t{number}"}

    _, hub = pulled(tmp_path, more, 30)
    assert hub.shown["trouble"].startswith("drive: one window has taken more than")
    _, hub = pulled(tmp_path, more, 60)
    assert hub.shown == {}


def test_a_gap_is_told_once_though_no_answer_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is given up is given up before the request, which may fail again and again."""
    monkeypatch.setattr(ApiClock, "sure", lambda *_: True)
    path = tmp_path / "own.toml"
    path.write_text(f'{OWN}window = {{ oldest = "1d", first = "1d" }}\n')
    options = {"vendor": str(path), "url": BASE, "streams": "drive"}
    settings = SourceSettings(id="p", protocol="pull", parser="json", options=options)
    hub = MemoryHub(settings)
    kept = {"pull/drive": encode_state(State(began_us=0, since_us=NOW - 9 * 86_400 * MICROS))}

    def broken(url: str, number: int) -> Any:
        raise Unanswered("no answer")

    async def run() -> None:
        client = Scripted(broken)
        puller = Puller(hub, Configured(settings=settings, secret=b"x", positions=kept), 0.0)
        for _ in range(5):
            await puller.step(client)
        await client.__aexit__(None, None, None)
        assert len(client.asked) > 1

    asyncio.run(run())
    assert hub.counts["dropped"] == 1
