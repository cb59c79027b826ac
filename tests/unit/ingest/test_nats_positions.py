"""What a stream as it stands means for one that was read before: pure."""

from __future__ import annotations

import msgspec
import pytest

from indelible.ingest.protocols.losses import Hole
from indelible.ingest.protocols.nats_positions import (
    Config,
    Floor,
    Kept,
    Seen,
    State,
    hole_event,
    instant,
    judged,
    missing,
    packed,
)

MADE = "2026-05-01T10:00:00Z"


def seen(
    first: int, last: int, deleted: int = 0, created: str = MADE, kind: str = "limits"
) -> Seen:
    state = State(messages=last + 1 - max(1, first) - deleted, first_seq=first, last_seq=last)
    return Seen(created, Config(retention=kind), state)


def all_of(
    kept: Kept | None, now: Seen, floor: Floor | None = None, latest: bool = False,
    some: bool = False,
) -> tuple[Kept, list[tuple[str, int, int, bool]]]:
    """Judged until nothing more is lost."""
    holes = []
    while True:
        found = judged(kept, now, floor, latest, some)
        if found.hole is None:
            return found.kept, holes
        holes.append((found.hole.code, *found.hole[2:], found.sure))
        assert len(holes) < 5, "it does not come to an end"
        kept = found.kept


@pytest.mark.parametrize(("now", "floor", "latest", "kept"), [
    (seen(0, 0), None, False, Kept(MADE, 1, 1)),
    (seen(5, 20), None, False, Kept(MADE, 5, 21)),
    (seen(5, 20), None, True, Kept(MADE, 21, 21)),
    (seen(5, 20, 3), None, False, Kept(MADE, 5, 21, begun=20)),
    (seen(5, 20), Floor(9, 9), False, Kept(MADE, 10, 21)),
    (seen(5, 20), Floor(9, 12), True, Kept(MADE, 10, 21, low=10)),
    (seen(15, 20), Floor(9, 12), False, Kept(MADE, 15, 21)),
])
def test_a_stream_that_was_never_read_lost_nothing(
    now: Seen, floor: Floor | None, latest: bool, kept: Kept
) -> None:
    assert all_of(None, now, floor, latest) == (kept, [])


BEFORE = Kept(MADE, 10, 15)


@pytest.mark.parametrize(("now", "floor", "kept", "holes"), [
    (seen(1, 20), None, Kept(MADE, 10, 21), []),
    (seen(15, 14), None, Kept(MADE, 15, 15), [("expired", 10, 14, True)]),
    (seen(10, 9), None, Kept(MADE, 10, 10, turns=1), [("stream_shorter", 10, 14, True)]),
    (seen(14, 20), None, Kept(MADE, 14, 21), [("expired", 10, 13, True)]),
    (seen(21, 20), None, Kept(MADE, 21, 21), [("expired", 10, 20, True)]),
    (seen(1, 8), None, Kept(MADE, 1, 9, turns=1), [("stream_shorter", 10, 14, True)]),
    (seen(1, 30, created="later"), None, Kept("later", 1, 31),
     [("stream_recreated", 10, 14, True)]),
    (seen(1, 20), Floor(9, 9), Kept(MADE, 10, 21), []),
    (seen(1, 20), Floor(9, 13), Kept(MADE, 10, 21, low=10), []),
    (seen(1, 20), Floor(5, 13), Kept(MADE, 10, 21, low=10), []),
    (seen(1, 20), Floor(12, 12), Kept(MADE, 13, 21), [("acknowledged", 10, 12, True)]),
    (seen(1, 20), Floor(12, 16), Kept(MADE, 13, 21, low=13), [("acknowledged", 10, 12, True)]),
    (seen(12, 20), Floor(9, 16), Kept(MADE, 12, 21, low=12), [("expired", 10, 11, True)]),
    (seen(18, 20), Floor(9, 16), Kept(MADE, 18, 21), [("expired", 10, 17, True)]),
])
def test_what_is_lost_of_a_stream(
    now: Seen, floor: Floor | None, kept: Kept, holes: list[object]
) -> None:
    assert all_of(BEFORE, now, floor) == (kept, holes)


def test_what_one_who_died_was_given_is_owed_until_it_came_again() -> None:
    owed = Kept(MADE, 20, 25, low=8)
    assert all_of(owed, seen(1, 30), Floor(7, 25)) == (Kept(MADE, 20, 31, low=8), [])
    assert all_of(owed, seen(1, 30), Floor(12, 25)) == (Kept(MADE, 20, 31, low=13), [])
    assert all_of(owed, seen(1, 30), Floor(19, 19)) == (Kept(MADE, 20, 31), [])
    assert all_of(owed, seen(1, 30)) == (Kept(MADE, 20, 31, low=8), []), "its consumer is gone"
    assert all_of(owed, seen(10, 30)) == (
        Kept(MADE, 20, 31, low=10), [("expired", 8, 9, False)])
    assert all_of(owed, seen(25, 30)) == (Kept(MADE, 25, 31), [("expired", 8, 24, False)])


def test_of_some_subjects_nobody_can_say_what_is_lost() -> None:
    assert all_of(BEFORE, seen(14, 20), some=True)[1] == [("expired", 10, 13, False)]
    queue = seen(14, 20, kind="workqueue")
    assert all_of(BEFORE, queue, some=True) == (Kept(MADE, 10, 21), []), "others took theirs"
    assert all_of(BEFORE, queue)[1] == [("expired", 10, 13, True)]


@pytest.mark.parametrize(("begun", "expected", "sequence", "first", "some", "hole"), [
    (0, 10, 10, 1, False, None),
    (0, 10, 13, 1, False, ("deleted", 10, 12)),
    (0, 10, 13, 13, False, ("expired", 10, 12)),
    (0, 10, 13, 12, False, ("deleted", 10, 12)),
    (20, 10, 13, 1, False, None),
    (20, 10, 25, 1, False, ("deleted", 21, 24)),
    (20, 10, 25, 15, False, ("deleted", 10, 24)),
    (0, 10, 13, 1, True, None),
    (0, 10, 30, 20, True, ("expired", 10, 19)),
    (0, 10, 15, 20, True, ("expired", 10, 14)),
])
def test_what_is_missing_before_a_message(
    begun: int, expected: int, sequence: int, first: int, some: bool,
    hole: tuple[str, int, int] | None,
) -> None:
    found = missing(begun, expected, sequence, first, some)
    assert (None if found is None else (found.code, *found[2:])) == hole


def test_a_loss_is_the_same_when_it_is_told_again_and_no_other() -> None:
    hole = Hole("deleted", "why", 5, 6)
    one, again = (hole_event(hole, BEFORE, "AUDIT", now) for now in (5, 6))
    assert (one.id, one.idempotent) == (again.id, again.idempotent)
    turned = msgspec.structs.replace(BEFORE, turns=1)
    others = [hole_event(hole, turned, "AUDIT", 5), hole_event(hole, BEFORE, "OTHER", 5),
              hole_event(hole._replace(last=7), BEFORE, "AUDIT", 5)]
    assert len({one.id, *(other.id for other in others)}) == 4


@pytest.mark.parametrize(("text", "written"), [
    ("2026-05-01T10:00:00.123456789Z", "2026-05-01T10:00:00.123456789Z"),
    ("2026-05-01T12:00:00.123456789+02:00", "2026-05-01T10:00:00.123456789Z"),
    ("2026-05-01T10:00:00.120Z", "2026-05-01T10:00:00.12Z"),
    ("2026-05-01T10:00:00Z", "2026-05-01T10:00:00Z"),
    ("2026-05-01T10:00:00.000Z", "2026-05-01T10:00:00Z"),
    ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+14:00"),
    ("2026-13-01T10:00:00Z", "2026-13-01T10:00:00Z"),
    ("yesterday", "yesterday"),
])
def test_when_a_stream_was_made_is_always_written_alike(text: str, written: str) -> None:
    assert instant(text) == written


def test_a_position_is_read_as_it_was_kept() -> None:
    assert msgspec.msgpack.decode(packed(BEFORE), type=Kept) == BEFORE
    assert msgspec.msgpack.decode(msgspec.msgpack.encode([MADE, 10, 15]), type=Kept) == BEFORE
