"""Which window of time an API is asked for next: none is left out, and none is asked too early."""

from __future__ import annotations

from itertools import pairwise

from msgspec.structs import replace

from indelible.base.clock import MICROS
from indelible.ingest.protocols.pull_plan import State
from support.planned import DAY, HOUR, NOW, answer, asked, plan, query, slack


def test_a_new_stream_begins_as_far_back_as_described_and_asks_no_longer_window_at_once() -> None:
    made = plan("slack")
    ask, state = asked(made, made.begin(NOW))
    begin, end = int(query(ask)["oldest"]), int(query(ask)["latest"])
    assert begin == (NOW - 7 * DAY) // MICROS - 6 * 3_600  # deep at first
    assert end == (NOW - 6 * DAY) // MICROS
    assert (state.from_us, state.until_us) == (begin * MICROS, end * MICROS)


def test_windows_follow_one_another_with_an_overlap_until_now_and_then_wait() -> None:
    made = plan("slack", window={"deep": "", "deep_every": ""})
    state, seen = made.begin(NOW), []
    while True:
        following = made.next(state, NOW)
        if following.ask is None:
            break
        seen.append((following.state.from_us, following.state.until_us))
        state = made.took(following.state, following.ask, answer(slack()), NOW).state
    assert len(seen) == 7
    assert seen[-1][1] == NOW
    assert all(two[0] == one[1] - 15 * 60 * MICROS for one, two in pairwise(seen))
    assert following.due_us == NOW + 60 * MICROS
    assert state.since_us == NOW


def test_a_deep_window_comes_again_after_its_time() -> None:
    made = plan("slack")
    state = State(began_us=0, since_us=NOW, deep_us=NOW)
    _, shallow = asked(made, state, NOW + HOUR)
    assert (shallow.deep, shallow.from_us) == (False, NOW - 15 * 60 * MICROS)
    ask, deep = asked(made, state, NOW + 7 * HOUR)
    assert (deep.deep, deep.from_us) == (True, NOW - 6 * HOUR)
    after = made.took(deep, ask, answer(slack()), NOW + 7 * HOUR).state
    assert (after.deep, after.deep_us) == (False, NOW + 7 * HOUR)


def test_a_window_is_read_page_by_page_and_its_query_stays_the_same() -> None:
    made = plan("slack")
    ask, state = asked(made, made.begin(NOW))
    step = made.took(state, ask, answer(slack(1, 2, cursor="c=1&x")), NOW)
    assert [item.id for item in step.items] == ["i1", "i2"]
    second, state = asked(made, step.state, NOW + HOUR)
    assert query(second) == {**query(ask), "cursor": "c=1&x"}
    step = made.took(state, second, answer(slack(3)), NOW + HOUR)
    assert (step.state.page, step.state.until_us) == ("", 0)
    assert step.state.since_us == state.until_us


def test_windows_end_at_the_time_of_the_service_where_our_clock_is_ahead() -> None:
    made = plan("slack", window={"deep": "", "deep_every": ""})
    state = State(began_us=0, since_us=NOW - HOUR)
    ask, state = asked(made, state)
    step = made.took(state, ask, answer(slack(), date="Sun, 31 May 2026 23:00:00 GMT"), NOW)
    following = made.next(replace(step.state, due_us=0, since_us=NOW - 2 * HOUR), NOW)
    assert following.state.until_us == NOW - HOUR


def test_a_clock_that_is_behind_changes_nothing() -> None:
    made = plan("slack", window={"deep": "", "deep_every": ""})
    ask, state = asked(made, State(began_us=0, since_us=NOW - HOUR))
    made.took(state, ask, answer(slack(), date="Mon, 01 Jun 2026 03:00:00 GMT"), NOW)
    assert made.next(State(began_us=0, since_us=NOW - HOUR), NOW).state.until_us == NOW


def test_a_clock_that_jumped_back_makes_nobody_wait_longer_than_a_beat() -> None:
    made = plan("slack")
    state = State(began_us=0, since_us=NOW, due_us=NOW + 400 * DAY)
    following = made.next(state, NOW)
    assert following.ask is None
    assert following.due_us == NOW + 60 * MICROS


def test_what_is_not_kept_any_more_is_told_once_and_asking_goes_on() -> None:
    made = plan("github")
    state = State(began_us=NOW - 400 * DAY, since_us=NOW - 200 * DAY)
    for now in (NOW - 120 * MICROS, NOW - 60 * MICROS, NOW):  # until the time is sure
        ask, state = asked(made, state, now)
        step = made.took(state, ask, answer([]), now)
        state = step.state
    assert "2025-11-13T00:00:00Z to 2025-12-03T00:00:00Z" in step.lost
    assert made.next(step.state, NOW + HOUR).lost == ""


def test_a_first_beginning_that_is_further_back_than_anything_kept_is_no_gap() -> None:
    made = plan("m365", "Audit.General")
    state = made.begin(NOW)
    assert made.next(state, NOW + 600 * MICROS).lost == ""
