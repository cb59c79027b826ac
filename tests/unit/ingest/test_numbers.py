"""Gaps in a sender's numbers: each is told once, and closes when the late events come."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from indelible.base.limits import BOOT_RANGES, BOOTS, BOOTS_ENDED, GAP_RANGES_MOST
from indelible.ingest.completeness.numbers import Numbers, Range, Span, begun
from indelible.ingest.completeness.tally import Tally


def told(numbers: Numbers, before_us: int) -> list[Span]:
    """The gaps that are due, put on record."""
    found = numbers.due(before_us)
    for gap in found:
        numbers.recorded(gap, before_us)
    return found


def closed(numbers: Numbers) -> list[Span]:
    """What closed, put on record."""
    found = list(numbers.closed)
    for gap in found:
        numbers.forget_closed(gap)
    return found


def spans(found: list[Span]) -> list[tuple[int, int]]:
    return [(one.first, one.last) for one in found]


def test_a_skipped_range_is_a_gap_only_after_a_while() -> None:
    numbers = begun(1, known=False)
    numbers.take([1, 2, 5, 6], now_us=100)
    assert spans(told(numbers, 99)) == []
    assert spans(told(numbers, 100)) == [(3, 4)]
    assert spans(told(numbers, 200)) == [], "a gap is told once"
    assert numbers.open == 2


def test_what_comes_in_time_is_no_gap() -> None:
    numbers = begun(1, known=False)
    numbers.take([1, 4, 3, 2], now_us=100)
    assert spans(told(numbers, 1_000)) == []
    assert closed(numbers) == []


def test_late_events_close_their_part_of_the_gap() -> None:
    numbers = begun(1, known=False)
    numbers.take([1, 10], now_us=0)
    assert spans(told(numbers, 0)) == [(2, 9)]
    numbers.take([4, 5, 8], now_us=1)
    assert spans(closed(numbers)) == [(4, 5), (8, 8)]
    assert closed(numbers) == []
    assert numbers.open == 5
    assert spans(told(numbers, 10)) == [], "what is left of it is on record already"


def test_nothing_is_missing_before_the_first_number_of_the_first_boot() -> None:
    numbers = begun(500, known=False)
    numbers.take([500, 501], now_us=0)
    assert told(numbers, 0) == []
    later = begun(3, known=True)
    later.take([3], now_us=0)
    assert spans(told(later, 0)) == [(1, 2)]


@given(st.permutations(range(1, 30)), st.integers(0, 28))
def test_whatever_the_order_the_missing_are_those_that_did_not_come(
    order: list[int], taken: int
) -> None:
    numbers = begun(1, known=True)
    numbers.take(order[:taken], now_us=0)
    missing = {n for hole in numbers.missing for n in range(hole.first, hole.last + 1)}
    came = set(order[:taken])
    assert missing == set(range(1, max(came, default=0))) - came
    gaps = {n for gap in told(numbers, 0) for n in range(gap.first, gap.last + 1)}
    assert gaps == missing
    numbers.take(order[taken:], now_us=1)
    later = {n for span in closed(numbers) for n in range(span.first, span.last + 1)}
    assert later == missing
    assert numbers.open == 0


def test_a_repeated_number_changes_nothing() -> None:
    numbers = Numbers(1, 1)
    numbers.take([1, 2, 2, 1, 3], now_us=0)
    assert (numbers.next, numbers.missing) == (4, [])


def test_a_sender_that_counts_backwards_costs_no_more_than_another() -> None:
    numbers = Numbers(1, 1)
    numbers.take(range(1, 20_000, 2), now_us=0)
    numbers.take(range(19_998, 0, -2), now_us=1)
    assert (numbers.missing, numbers.next) == ([], 20_000)


def test_holes_in_memory_are_bounded() -> None:
    numbers = Numbers(1, 1)
    numbers.take(range(1, 3 * GAP_RANGES_MOST, 2), now_us=0)
    assert len(numbers.missing) == GAP_RANGES_MOST
    lacking = 3 * GAP_RANGES_MOST // 2 - 1
    assert numbers.unfollowed == lacking - GAP_RANGES_MOST
    told(numbers, 0)
    assert numbers.open == lacking, "none of them is forgotten"


@given(st.permutations(range(1, 12)), st.integers(0, 10))
def test_of_the_first_boot_what_lies_between_what_came_is_missing(
    order: list[int], taken: int
) -> None:
    numbers = begun(order[0], known=False)
    came = order[: taken + 1]
    numbers.take(came, now_us=0)
    missing = {n for hole in numbers.missing for n in range(hole.first, hole.last + 1)}
    assert missing == set(range(min(came), max(came))) - set(came)


def test_a_boot_that_comes_back_after_many_others_lacks_nothing_that_came() -> None:
    tally = Tally()
    tally.numbered("a", [1, 2, 3], 0)
    for number in range(2 * BOOTS):
        tally.numbered(f"other-{number}", [1, 2], 0)
    assert len(tally.numbers) == BOOTS
    tally.numbered("a", [4, 2, 7], 0)
    assert spans(tally.numbers["a"].due(0)) == [(5, 6)]
    assert tally.gaps == 0


def others(tally: Tally, name: str = "other", count: int = BOOTS) -> None:
    for number in range(count):
        tally.numbered(f"{name}-{number}", [1], 0)


def test_what_an_old_boot_lacks_is_due_however_many_others_came() -> None:
    tally = Tally()
    tally.numbered("a", [1, 5], 0)
    others(tally, count=3 * BOOTS)
    assert tally.gaps == 0, "nothing is on record yet"
    numbers = tally.following("a")
    assert numbers is not None
    assert "a" not in tally.numbers
    assert spans(told(numbers, 0)) == [(2, 4)]
    assert tally.gaps == 3


def test_what_an_old_boot_lacked_can_still_come() -> None:
    tally = Tally()
    tally.numbered("a", [1, 5], 0)
    tally.numbered("late", [1, 4], 0)
    others(tally)
    told(tally.lacking["a"], 0)
    tally.settle()
    tally.numbered("a", [2, 3, 4], 1)
    others(tally)
    assert spans(closed(tally.lacking["a"])) == [(2, 4)]
    tally.settle()
    assert list(tally.lacking) == ["late"]
    assert tally.ranges == 2
    tally.numbered("late", [3, 2], 1)
    others(tally)
    assert (tally.lacking, tally.ranges, tally.gaps) == ({}, 0, 0)
    tally.numbered("a", [7], 2)
    assert spans(tally.numbers["a"].due(2)) == [(6, 6)], "it goes on where it was"


def test_ranges_of_old_boots_are_bounded_and_the_oldest_count_as_missing() -> None:
    tally = Tally()
    tally.numbered("source", [1], 0)
    for boot in range(12):
        tally.numbered(f"holes-{boot}", list(range(1, 4_000, 2)), 0)
    others(tally)
    assert tally.ranges == sum(1 + len(one.missing) for one in tally.lacking.values())
    assert BOOT_RANGES - 2_000 < tally.ranges <= BOOT_RANGES
    assert tally.unfollowed == 1_999 * (12 - len(tally.lacking)) > 0


def test_pods_whose_requests_overtake_each_other_lack_nothing() -> None:
    tally = Tally()
    for number in (1, 3, 2, 5, 4):
        for pod in range(BOOTS + 50):
            tally.numbered(f"pod-{pod}", [number], number)
    assert (tally.lacking, tally.gaps) == ({}, 0)
    assert not [one for _, one in tally.followed if not one.whole]


def test_of_boots_without_end_no_gap_is_invented() -> None:
    tally = Tally()
    for number in range(BOOTS + BOOTS_ENDED + 1):
        tally.numbered(f"b{number}", [1], 0)
    assert len(tally.ended) == BOOTS_ENDED
    tally.numbered("b0", [2], 0)
    assert spans(tally.numbers["b0"].due(0)) == []
    assert tally.gaps == 0


def test_a_gap_that_could_not_be_recorded_is_due_again() -> None:
    numbers = Numbers(1, 1)
    numbers.take([1, 4], now_us=0)
    assert spans(numbers.due(0)) == spans(numbers.due(0)) == [(2, 3)]


@given(
    st.lists(st.tuples(st.sampled_from(["take", "tell", "close"]), st.integers(1, 12))),
    st.integers(0, 40), st.randoms(use_true_random=False),
)
def test_counted_anew_in_any_order_the_numbers_agree_with_what_is_on_record(
    steps: list[tuple[str, int]], kept_at: int, random: Random
) -> None:
    """A life of a boot, kept at some step; what came later is learned anew, numbers and records
    each in any order among the other."""
    live, kept, missed = begun(1, known=True), begun(1, known=True), list[tuple[str, Span]]()

    def step(name: str, span: Span) -> None:
        if at < kept_at:
            kept_now.append(deepcopy(live))
        else:
            missed.append((name, span))

    kept_now = [kept]
    for at, (what, number) in enumerate(steps):
        if what == "take":
            live.take([number], at)
            step(what, Span(number, number))
        elif what == "tell":
            for gap in told(live, at):
                step(what, gap)
        else:
            for gap in closed(live):
                step(what, gap)
    anew = kept_now[-1]
    taken = [one for one in missed if one[0] == "take"]
    said = [one for one in missed if one[0] != "take"]
    merged = list[tuple[str, Span]]()
    while taken or said:
        merged.append((taken if not said or (taken and random.random() < 0.5) else said).pop(0))
    for what, span in merged:
        if what == "take":
            anew.take([span.first], 99)
        elif what == "tell":
            anew.recorded(span, 99)
        else:
            anew.ended(span)
    told(live, 99)
    told(anew, 99)
    assert numbers_in(anew.missing) == numbers_in(live.missing)
    assert numbers_in(anew.closed) == numbers_in(live.closed)
    assert anew.next == live.next


def numbers_in(found: Sequence[Range | Span]) -> set[int]:
    return {n for one in found for n in range(one.first, one.last + 1)}
