"""One content that cannot be fetched holds up no others: it is put aside, and tried on."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from msgspec.structs import replace

from indelible.base.clock import MICROS
from indelible.base.limits import PULL_ASIDE, PULL_CONTENT_TRIES
from indelible.ingest.protocols.hub import Configured
from indelible.ingest.protocols.pull import Puller
from indelible.ingest.protocols.pull_answers import Answer
from indelible.ingest.protocols.pull_aside import Aside
from indelible.ingest.protocols.pull_http import Client, Unanswered
from indelible.ingest.protocols.pull_plan import Ask, Plan, State, Step, decode_state, encode_state
from indelible.ingest.sources import SourceSettings
from support.hub import MemoryHub
from support.planned import BASE, DAY, HOUR, NOW, answer, asked, m365_listing, plan

MINUTE = 60 * MICROS
FEED = f"{BASE}/api/v1.0/d1/activity/feed/audit"
BROKEN = answer({"error": {"code": "AF50000"}}, 500)


def listed(made: Plan, *numbers: int) -> Step:
    """A window whose only page names these contents."""
    ask, state = asked(made, State(began_us=0, since_us=NOW - HOUR))
    return made.took(state, ask, answer(m365_listing(*numbers)), NOW)


def walked(made: Plan, state: State, broken: set[int], until: int) -> tuple[list[str], Step]:
    """What is asked from NOW on, a minute between failures; broken contents answer 500."""
    urls, now, step = [], NOW, Step(state)
    while now < until:
        following = made.next(step.state, now)
        if following.ask is None:
            step, now = step._replace(state=following.state), now + MINUTE
            continue
        ask = following.ask
        name = ask.url.rpartition("/")[2] if ask.kind == "content" else ask.kind
        urls.append(name)
        good = answer([] if ask.kind == "list" else [{"Id": name}])
        bad = ask.kind == "content" and int(name) in broken
        step = made.took(following.state, ask, BROKEN if bad else good, now)
        now += MINUTE if step.retry else 0
    return urls, step


def test_a_content_that_fails_again_and_again_lets_the_others_by() -> None:
    made = plan("m365", "Audit.General")
    urls, step = walked(made, listed(made, 1, 2, 3).state, {1}, NOW + HOUR)
    assert urls[: PULL_CONTENT_TRIES + 3] == ["1"] * (PULL_CONTENT_TRIES + 1) + ["2", "3"]
    assert "list" in urls
    assert step.state.since_us > NOW
    assert step.state.aside.urls == (f"{FEED}/1",)
    assert step.odd == (
        "1 listed content cannot be fetched (status 500 (AF50000)): "
        "tried again on the beat, the others are read"
    )
    tried = urls.count("1") - PULL_CONTENT_TRIES
    assert 50 <= tried <= 60  # once on each beat of a minute, within an hour


def test_what_was_put_aside_comes_once_it_can() -> None:
    made = plan("m365", "Audit.General")
    _, step = walked(made, listed(made, 1, 2).state, {1}, NOW + HOUR)
    ask, state = asked(made, step.state, NOW + 2 * HOUR)
    assert ask == Ask("content", "GET", f"{FEED}/1")
    came = made.took(state, ask, answer([{"Id": "e1"}]), NOW + 2 * HOUR)
    assert [item.id for item in came.items] == ["e1"]
    assert came.odd == ""
    assert came.state == replace(state, aside=Aside()), "the listing is not asked sooner for it"
    again = made.took(came.state, Ask("list", "GET", FEED), answer(m365_listing(1)), NOW)
    assert again.state.contents == (), "it was fetched"


def test_what_was_put_aside_is_tried_until_it_is_gone_and_told_then() -> None:
    made = plan("m365", "Audit.General")
    _, step = walked(made, listed(made, 1, 2).state, {1}, NOW + 3 * DAY)
    ask, state = asked(made, step.state, NOW + 8 * DAY)
    assert ask.url == f"{FEED}/1"
    gone = made.took(state, ask, answer({"error": {"code": "AF20051"}}, 400), NOW + 8 * DAY)
    assert gone.lost == "a listed content is not kept any more"
    assert gone.state.aside == Aside()


def test_what_was_put_aside_outlives_the_process_and_is_not_listed_anew() -> None:
    made = plan("m365", "Audit.General")
    _, step = walked(made, listed(made, 1, 2).state, {1}, NOW + HOUR)
    kept = decode_state(encode_state(step.state))
    assert kept.aside.urls == (f"{FEED}/1",)
    other = plan("m365", "Audit.General")
    late = other.took(kept, Ask("list", "GET", FEED), answer(m365_listing(1, 4)), NOW + HOUR)
    assert late.state.contents == (f"{FEED}/4",)
    assert late.state.aside.urls == (f"{FEED}/1",)


def test_several_take_turns_one_on_each_beat() -> None:
    made = plan("m365", "Audit.General")
    urls, step = walked(made, listed(made, 1, 2, 3).state, {1, 2}, NOW + 3 * HOUR)
    late = Counter(urls[-100:])
    assert abs(late["1"] - late["2"]) <= 1
    assert late["list"] >= 40
    assert step.odd.startswith("2 listed contents cannot be fetched")


def test_a_failure_that_passes_puts_nothing_aside() -> None:
    made = plan("m365", "Audit.General")
    step = listed(made, 1, 2)
    for _ in range(3):
        for _ in range(PULL_CONTENT_TRIES - 1):
            ask, state = asked(made, step.state)
            step = made.took(state, ask, BROKEN, NOW)
            assert step.retry
        ask, state = asked(made, step.state)
        step = made.took(state, ask, answer([{"Id": "e"}]), NOW)
        assert step.state.aside == Aside()
        step = listed(made, 5, 6) if not step.state.contents else step


def test_answers_that_are_no_list_and_none_at_all_count_too() -> None:
    made = plan("m365", "Audit.General")
    step = listed(made, 1, 2)
    for number in range(PULL_CONTENT_TRIES):
        ask, state = asked(made, step.state)
        assert ask.url == f"{FEED}/1"
        step = (made.took(state, ask, answer(b"\x00damaged"), NOW) if number % 2 else
                made.unanswered(state, ask, "the answer has more than 64 bytes", NOW))
        assert step.retry
        assert step.trouble
    assert asked(made, step.state)[0].url == f"{FEED}/2"
    assert step.state.aside.urls == (f"{FEED}/1",)


@pytest.mark.parametrize("status", [401, 429])
def test_what_is_said_of_the_source_is_not_held_against_a_content(status: int) -> None:
    made = plan("m365", "Audit.General")
    step = listed(made, 1, 2)
    for _ in range(3 * PULL_CONTENT_TRIES):
        ask, state = asked(made, step.state)
        step = made.took(state, ask, answer({}, status), NOW)
    assert step.state.aside == Aside()


def test_so_many_are_put_aside_and_then_the_next_one_waits() -> None:
    made = plan("m365", "Audit.General")
    full = Aside(tuple(f"{FEED}/{n}" for n in range(100, 100 + PULL_ASIDE)), NOW + HOUR)
    state = State(began_us=0, since_us=NOW - HOUR, until_us=NOW, contents=(f"{FEED}/1",),
                  aside=full)
    ask = Ask("content", "GET", f"{FEED}/1")
    for _ in range(2 * PULL_CONTENT_TRIES):
        step = made.took(state, ask, BROKEN, NOW)
        state = step.state
        assert step.retry
    assert (state.contents, state.aside) == ((f"{FEED}/1",), full)


def test_what_was_put_aside_under_another_address_is_told_and_not_asked() -> None:
    made = plan("m365", "Audit.General")
    state = State(began_us=0, since_us=NOW - HOUR,
                  aside=Aside(("https://old.example/audit/1", f"{FEED}/2")))
    following = made.next(state, NOW)
    assert following.lost == "1 contents yet to be fetched are on another host"
    assert asked(made, following.state)[0].url == f"{FEED}/2"


class Scripted(Client):
    """Microsoft with one content of two that is too large."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Answer:
        said: Any = {"access_token": "t0k3n", "expires_in": 3_600}
        if "/oauth2/" not in url:
            self.asked.append(url.partition("?")[0].rpartition("/")[2])
            if url.endswith("/big"):
                raise Unanswered("the answer has more than 67108864 bytes, t0k3n")
            said = [{"contentUri": f"{BASE}/big"}, {"contentUri": f"{BASE}/small"}]
            if url.endswith("/small"):
                said = [{"Id": "e1", "Operation": "x", "CreationTime": "2026-06-01T00:00:00"}]
        return Answer(200, {}, json.dumps(said).encode())


def test_a_source_reads_on_and_shows_what_it_could_not_fetch() -> None:
    options = {"vendor": "m365", "directory": "d", "client": "c", "url": BASE,
               "streams": "Audit.General"}
    settings = SourceSettings(id="m", protocol="pull", options=options)
    hub, client = MemoryHub(settings), Scripted()

    async def run() -> None:
        puller = Puller(hub, Configured(settings=settings, secret=b"s3cr3t"), 0.0)
        puller._api = replace(puller._api, pace=replace(puller._api.pace, per_minute=10**9))
        for _ in range(200):
            await asyncio.sleep(min(await puller.step(client), 0.0))
        await client.__aexit__(None, None, None)

    asyncio.run(run())
    assert client.asked.count("big") >= PULL_CONTENT_TRIES
    assert [one["id"] for one in hub.contents] == ["e1"]
    assert "1 listed content cannot be fetched" in hub.shown["trouble"]
    assert "t0k3n" not in hub.shown["trouble"]


def test_what_was_put_aside_says_nothing_of_a_stream_that_fails() -> None:
    """Else its waits would begin anew with each beat, and its trouble come and go."""
    options = {"vendor": "m365", "directory": "d", "client": "c", "streams": "Audit.General"}
    settings = SourceSettings(id="m", protocol="pull", options=options)
    puller = Puller(MemoryHub(settings), Configured(settings=settings, secret=b"s3cr3t"), 0.0)
    stream = puller._streams[0]
    state = State(began_us=0, since_us=NOW, aside=Aside((f"{FEED}/1",)))

    async def run() -> None:
        for _ in range(3):
            await puller._take(stream, Step(state, trouble="status 500", retry=True))
            await puller._take(stream, Step(state, beside=True))

    asyncio.run(run())
    assert (stream.failures, stream.trouble) == (3, "status 500")
