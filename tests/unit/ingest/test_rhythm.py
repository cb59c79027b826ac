"""The rhythm of a source: learned by hour of the week; silence, half volume, clock and shape."""

from __future__ import annotations

from indelible.base.clock import MICROS
from indelible.base.limits import CLOCK_BATCHES
from indelible.ingest.completeness.rhythm import Finding, Rhythm
from indelible.ingest.completeness.tally import Tally

MINUTE = 60 * MICROS
HOUR = 60 * MINUTE
MONDAY = 2_824 * 7 * 24 * HOUR
"""The beginning of an hour 0 of a week."""


def said(found: list[Finding]) -> list[tuple[str, str]]:
    return [(one.what, one.state) for one in found]


def office(rhythm: Rhythm, weeks: int, per_minute: int = 2) -> list[Finding]:
    """Weeks of a source that sends from 8 to 17 on five days; what was told meanwhile."""
    found: list[Finding] = []
    last = 0
    for hour in range(weeks * 168):
        now = MONDAY + hour * HOUR
        found += rhythm.turn(now)
        if hour // 24 % 7 < 5 and 8 <= hour % 24 < 17:
            for minute in range(60):
                last = now + minute * MINUTE
                rhythm.observe(last, per_minute, 0, 0)
        found += rhythm.look(now + HOUR - 1, last, 0)
    return found


def test_nights_and_weekends_of_an_office_are_no_silence() -> None:
    rhythm = Rhythm()
    assert office(rhythm, 4) == []
    friday = MONDAY + (3 * 168 + 4 * 24 + 16) * HOUR
    monday = MONDAY + 4 * 168 * HOUR + 8 * HOUR
    assert list(rhythm.look(monday, friday + HOUR, 0)) == []


def test_a_morning_without_events_is_a_silence_and_ends_with_the_first() -> None:
    rhythm = Rhythm()
    office(rhythm, 4)
    eight = MONDAY + (4 * 168 + 8) * HOUR
    assert list(rhythm.look(eight + 9 * 60 * MICROS, eight, 0)) == []
    [silent] = rhythm.look(eight + 24 * 60 * MICROS, eight, 0)
    assert (silent.what, silent.state) == ("silence", "begun")
    assert silent.data["expected_minutes"] == 24
    assert list(rhythm.look(eight + 26 * 60 * MICROS, eight, 0)) == [], "told once"
    later = eight + 30 * 60 * MICROS
    assert said(list(rhythm.look(later, later, 0))) == [("silence", "over")]


def test_a_source_that_sends_by_the_thousand_once_an_hour_is_not_silent_in_between() -> None:
    rhythm = Rhythm()
    found: list[Finding] = []
    for hour in range(3 * 168):
        now = MONDAY + hour * HOUR
        found += rhythm.turn(now)
        rhythm.observe(now, 1_000, 0, 0)
        found += rhythm.look(now + HOUR - 1, now, 0)
    assert found == []
    last = MONDAY + (3 * 168 - 1) * HOUR
    assert said(list(rhythm.look(last + 19 * HOUR, last, 0))) == []
    assert said(list(rhythm.look(last + 21 * HOUR, last, 0))) == [("silence", "begun")]


def test_what_only_repeats_what_is_known_breaks_no_silence() -> None:
    tally, now = Tally(), MONDAY
    counts = {"conflicts": 0, "repeats": 0, "unparsed": 0, "size": 1}
    tally.add(now, stored=1, duplicates=0, event_us=now, backfill=False, **counts)
    later = now + 700 * MICROS
    tally.add(later, stored=0, duplicates=1, event_us=None, backfill=False, **counts)
    assert (tally.last_us, tally.heard_us) == (later, now)
    assert said(list(tally.rhythm.look(later, tally.heard_us, 600))) == [("silence", "begun")]
    tally.add(later, stored=0, duplicates=0, event_us=now, backfill=False, apart=1, **counts)
    assert said(list(tally.rhythm.look(later, tally.heard_us, 600))) == [("silence", "over")]


def test_a_configured_silence_needs_no_learning() -> None:
    rhythm = Rhythm()
    assert list(rhythm.look(MONDAY + 299 * MICROS, MONDAY, 300)) == []
    assert said(list(rhythm.look(MONDAY + 300 * MICROS, MONDAY, 300))) == [("silence", "begun")]


def test_a_declared_pause_tells_nothing_and_teaches_nothing() -> None:
    rhythm = Rhythm()
    office(rhythm, 4)
    start = MONDAY + 4 * 168 * HOUR
    usual = list(rhythm.means)
    rhythm.paused_until_us = start + 168 * HOUR
    for hour in range(168):
        assert list(rhythm.turn(start + hour * HOUR)) == []
        assert list(rhythm.look(start + hour * HOUR, start - HOUR, 300)) == []
    assert rhythm.means == usual


def test_half_of_the_usual_volume_is_told_when_the_hour_is_over() -> None:
    rhythm = Rhythm()
    office(rhythm, 3)
    nine = MONDAY + (3 * 168 + 9) * HOUR
    list(rhythm.turn(nine))
    rhythm.observe(nine, 59, 0, 0)  # of the usual 120
    [low] = rhythm.turn(nine + HOUR)
    assert (low.what, low.state, low.data["usual"]) == ("volume", "begun", 120)
    rhythm.observe(nine + HOUR, 118, 0, 0)
    assert said(list(rhythm.turn(nine + 2 * HOUR))) == [("volume", "over")]


def test_too_little_is_known_at_first() -> None:
    rhythm = Rhythm()
    office(rhythm, 1)
    eight = MONDAY + 176 * HOUR
    assert rhythm.expected(eight, eight + HOUR) is None
    assert list(rhythm.look(eight + 8 * HOUR, eight, 0)) == []


def test_a_rhythm_that_changes_for_good_is_learned_anew() -> None:
    rhythm = Rhythm()
    office(rhythm, 3)
    told = 0
    for hour in range(3 * 168, 20 * 168):
        now = MONDAY + hour * HOUR
        told += len(list(rhythm.turn(now)))
    eight = MONDAY + (20 * 168 + 8) * HOUR
    assert (rhythm.expected(eight, eight + HOUR) or 0) < 3


def test_a_clock_that_is_off_is_told_with_its_direction() -> None:
    rhythm = Rhythm()
    for _ in range(CLOCK_BATCHES):
        rhythm.observe(MONDAY, 1, 0, 2 * HOUR)
    [off] = rhythm.look(MONDAY, MONDAY, 0)
    assert (off.what, off.data) == ("clock", {"seconds": 7_200, "where": "behind"})
    for _ in range(CLOCK_BATCHES):
        rhythm.observe(MONDAY, 1, 0, 0)
    assert said(list(rhythm.look(MONDAY, MONDAY, 0))) == [("clock", "over")]
    for _ in range(CLOCK_BATCHES):
        rhythm.observe(MONDAY, 1, 0, -2 * 60 * MICROS)
    [ahead] = rhythm.look(MONDAY, MONDAY, 0)
    assert ahead.data == {"seconds": 120, "where": "ahead"}


def test_one_late_batch_is_no_wrong_clock() -> None:
    rhythm = Rhythm()
    for lag in [0] * (CLOCK_BATCHES - 1) + [5 * HOUR]:
        rhythm.observe(MONDAY, 1, 0, lag)
    assert list(rhythm.look(MONDAY, MONDAY, 0)) == []


def test_a_format_that_changed_is_told() -> None:
    rhythm = Rhythm()
    found: list[Finding] = []
    for hour, unread in enumerate([1, 0, 2, 60, 80, 1]):
        rhythm.observe(MONDAY + hour * HOUR, 100, unread, 0)
        found += rhythm.turn(MONDAY + (hour + 1) * HOUR)
    assert said(found) == [("shape", "begun"), ("shape", "over")]
    assert found[0].data["unparsed"] == 60
