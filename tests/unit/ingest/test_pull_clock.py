"""Clocks that are wrong, ours or the service's: nothing is passed over, nothing goes back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest

from indelible.base.clock import MICROS
from indelible.base.limits import PULL_CLOCK_SECONDS
from indelible.ingest.protocols.pull_answers import Answer
from indelible.ingest.protocols.pull_clock import ApiClock
from indelible.ingest.protocols.pull_description import described
from indelible.ingest.protocols.pull_plan import Next, Plan, State, Step

NOW = 1_780_272_000 * MICROS  # 2026-06-01T00:00:00Z
MINUTE, HOUR, DAY = 60 * MICROS, 3_600 * MICROS, 86_400 * MICROS
BASE = "https://api.example.org"
EMPTY: dict[str, Any] = {
    "slack": {"entries": []}, "m365": [], "google_workspace": {"items": []}, "github": [],
    "okta": [],
}


def date(us: int) -> dict[str, str]:
    return {"date": format_datetime(datetime.fromtimestamp(us // MICROS, UTC), usegmt=True)}


class Asked:
    """One stream of a vendor, its service, and a clock of ours that is `ahead` of the real time."""

    def __init__(self, vendor: str, state: State | None = None, ahead: int = 0) -> None:
        base = f"{BASE}/api/v1.0/d1/activity/feed" if vendor == "m365" else BASE
        values = {"url": BASE, "org": "acme", "directory": "d1", "client": "c"}
        self.plan = Plan(described(vendor), values, "events", base)
        self.vendor, self.real, self.ahead = vendor, NOW, ahead
        self.state = state or self.plan.begin(self.ours)
        self.windows: list[tuple[int, int]] = []
        self.lost: list[str] = []

    @property
    def ours(self) -> int:
        return self.real + self.ahead

    def next(self) -> Next:
        """The next request, when it is due."""
        following = self.plan.next(self.state, self.ours)
        while following.ask is None:
            self.real += following.due_us - self.ours
            following = self.plan.next(following.state, self.ours)
        self.lost += [following.lost] if following.lost else []
        return following

    def ask(self, body: Any = None, status: int = 200, **headers: str) -> Step:
        """One request; the answer has the service's time unless another is given."""
        following = self.next()
        assert following.ask is not None
        end = min(following.state.until_us, self.real)  # what is yet to happen is in no answer
        self.windows.append((following.state.from_us, end))
        self.real += MICROS
        said = headers or date(self.real)
        data = json.dumps(EMPTY[self.vendor] if body is None else body).encode()
        step = self.plan.took(
            following.state, following.ask, Answer(status, said, data), self.ours
        )
        assert step.state.since_us >= self.state.since_us or step.state.began_us < (
            self.state.began_us
        )
        self.state = step.state
        self.lost += [step.lost] if step.lost else []
        return step


def covered(windows: list[tuple[int, int]], begin: int, end: int) -> bool:
    """Whether windows leave nothing out between two times."""
    for one in sorted(windows):
        if one[0] > begin:
            return False
        begin = max(begin, one[1])
    return begin >= end


# --- ours is ahead


@pytest.mark.parametrize(("vendor", "days", "kept"), [
    ("m365", 10, 600), ("google_workspace", 200, 2 * 86_400), ("github", 400, 86_400),
    ("okta", 100, 86_400), ("slack", 30, 3 * 86_400),
])
def test_a_clock_that_is_far_ahead_at_the_start_passes_nothing_over(
    vendor: str, days: int, kept: int
) -> None:
    since = NOW - kept * MICROS
    one = Asked(vendor, State(began_us=NOW - 30 * DAY, since_us=since, deep_us=NOW), days * DAY)
    for _ in range(10):
        one.ask()
    assert one.lost == []
    assert covered(one.windows, since, one.real - 2 * MINUTE)
    assert since < one.state.since_us <= one.real


def test_a_clock_that_jumps_ahead_later_passes_nothing_over() -> None:
    one = Asked("m365", State(began_us=NOW - 30 * DAY, since_us=NOW - HOUR))
    for _ in range(5):
        one.ask()
    one.ahead = 20 * DAY
    for _ in range(5):
        one.ask()
    assert one.lost == []
    assert covered(one.windows, NOW - HOUR, one.real - 2 * MINUTE)
    assert one.state.since_us <= one.real


def test_where_a_window_ends_is_the_time_at_its_first_page() -> None:
    """What happens while further pages are asked for is in the next window."""
    one = Asked("slack", State(began_us=NOW - DAY, since_us=NOW - HOUR), 10 * DAY)
    first = {"entries": [], "response_metadata": {"next_cursor": "c"}}
    one.ask(first)
    held = one.real
    one.real += HOUR
    one.ask()
    assert one.state.since_us == held


def test_a_source_that_is_first_asked_by_a_clock_that_is_ahead_begins_where_it_should() -> None:
    one = Asked("slack", None, 100 * DAY)
    for _ in range(10):
        one.ask()
    assert covered(one.windows[1:], NOW - 7 * DAY + HOUR, one.real - 2 * MINUTE)
    assert one.state.began_us < NOW + MINUTE


def test_a_clock_that_is_ahead_is_shown_and_asking_goes_on() -> None:
    one = Asked("slack", State(began_us=0, since_us=NOW - HOUR), HOUR)
    step = one.ask()
    assert "clock is more than 60 s behind" in step.odd
    assert (step.trouble, step.retry) == ("", False)
    one.ahead = 0
    assert one.ask().odd == ""


# --- what is not kept any more


@pytest.mark.parametrize("ahead", [0, 300 * DAY])
def test_what_is_not_kept_any_more_is_told_once_when_the_time_is_sure(ahead: int) -> None:
    one = Asked("github", State(began_us=NOW - 400 * DAY, since_us=NOW - 200 * DAY), ahead)
    steps = [one.ask() for _ in range(3)]
    assert [step.state.since_us for step in steps[:2]] == [NOW - 200 * DAY] * 2
    for _ in range(5):
        one.real += MINUTE
        one.ask()
    assert len(one.lost) == 1
    assert "2025-11-13T00:00:00Z to 2025-12-03" in one.lost[0]
    assert NOW < one.state.since_us <= one.real


def test_while_it_is_not_sure_the_same_is_asked_again_and_that_is_told() -> None:
    one = Asked("github", State(began_us=NOW - 400 * DAY, since_us=NOW - 200 * DAY))
    step = one.ask([{"_document_id": "a", "@timestamp": NOW // 1_000}])
    assert step.retry
    assert "not sure yet" in step.trouble
    assert len(step.items) == 1
    assert step.state.since_us == NOW - 200 * DAY  # nothing is passed over, in any order


def test_a_refusal_of_what_is_too_old_counts_as_an_answer() -> None:
    one = Asked("github", State(began_us=NOW - 400 * DAY, since_us=NOW - 200 * DAY))
    for _ in range(3):
        assert one.ask({}, 422).retry
    one.ask()
    assert len(one.lost) == 1
    assert one.state.since_us == one.real - MICROS


def test_a_kept_link_that_was_refused_after_long_is_no_different() -> None:
    one = Asked("okta", State(began_us=0, since_us=NOW - 100 * DAY, page=f"{BASE}/x"))
    one.ask({}, 400)
    steps = [one.ask(), one.ask()]
    assert len(one.lost) == 1
    assert steps[0].state.since_us == NOW - 100 * DAY
    assert steps[1].state.since_us == one.real


def test_a_service_that_tells_no_time_is_believed_to_have_ours_after_some_answers() -> None:
    one = Asked("github", State(began_us=NOW - 400 * DAY, since_us=NOW - 200 * DAY))
    assert one.ask(x="y").retry
    for _ in range(3):
        one.ask(x="y")
    assert len(one.lost) == 1


# --- theirs is old


@pytest.mark.parametrize("headers", [
    {"date": "Thu, 01 Jan 1970 00:00:00 GMT"}, date(NOW - 20 * DAY),
    {**date(NOW - 90 * MICROS), "age": "90"}, {"date": "Sun, 31 Feb 2026"},
])
@pytest.mark.parametrize("vendor", ["slack", "github", "m365"])
def test_an_answer_with_an_old_time_changes_nothing(vendor: str, headers: dict[str, str]) -> None:
    began = State(began_us=NOW - 30 * DAY, since_us=NOW - MINUTE, deep_us=NOW)
    one, other = Asked(vendor, began), Asked(vendor, began)
    one.ask(**headers)
    other.ask()
    assert one.state == other.state
    one.ask()
    other.ask()
    assert one.windows == other.windows
    assert one.lost == []


def test_a_position_never_goes_back_and_a_stream_is_never_blind_for_long() -> None:
    """Times that jump about: some of them may hold a window back, none of them throws it back."""
    one = Asked("slack", State(began_us=NOW - 30 * DAY, since_us=NOW - 5 * DAY, deep_us=NOW))
    for number in range(40):
        old = number % 3 == 0
        one.ask(**date(one.real - (4 * DAY if old else 0)))  # asserts that it does not go back
    assert covered(one.windows, NOW - 5 * DAY, one.real - 3 * MINUTE)


def test_a_position_in_the_future_is_no_reason_not_to_ask() -> None:
    one = Asked("slack", State(began_us=0, since_us=NOW + 10 * DAY, deep_us=NOW))
    one.ask()
    assert one.windows == [(NOW - 15 * MINUTE, NOW)]
    assert one.state.since_us == NOW + 10 * DAY


# --- the clock itself


def test_a_time_is_sure_after_several_answers_and_only_for_a_while() -> None:
    clock = ApiClock()
    for number in range(3):
        assert not clock.sure(NOW + number)
        clock.took(date(NOW), NOW + number, 0)
    assert clock.sure(NOW + 3)
    assert not clock.sure(NOW + DAY)  # ours may have jumped
    assert not clock.sure(NOW - DAY)


def test_a_time_far_behind_is_sure_only_when_it_goes_on() -> None:
    going, standing = ApiClock(), ApiClock()
    for number in range(12):
        now = NOW + number * 20 * MICROS
        going.took(date(now - DAY), now, now)
        standing.took(date(NOW - DAY), now, now)
        if number < 2 * PULL_CLOCK_SECONDS // 20:
            assert not going.sure(now)
            assert going.now(now) == now  # it is before what was read up to
    assert going.sure(now)
    assert going.now(now) == now - DAY
    assert standing.now(now) == now


@pytest.mark.parametrize("headers", [
    {}, {"date": "x"}, {"date": "Thu, 01 Jan 1970 00:00:00 GMT"}, {"date": "-1"},
    {**date(NOW - HOUR), "age": "5"}, {**date(NOW - HOUR), "age": ""}, {"date": "9" * 40},
])
def test_a_time_that_cannot_be_right_is_none(headers: dict[str, str]) -> None:
    clock = ApiClock()
    clock.took(headers, NOW, 0)
    assert clock.now(NOW) == NOW
    clock.took({**date(NOW - HOUR), "age": "0"}, NOW, 0)
    assert clock.now(NOW) == NOW - HOUR


def test_a_clock_of_ours_that_was_set_right_is_believed_at_once() -> None:
    clock = ApiClock()
    clock.took(date(NOW), NOW + DAY, NOW)
    assert clock.now(NOW + DAY) == NOW
    clock.took(date(NOW + MINUTE), NOW + MINUTE, NOW)
    assert clock.now(NOW + MINUTE) == NOW + MINUTE


