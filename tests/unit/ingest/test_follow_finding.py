"""What a file is that was not seen before: by its name, its content, and what became of others."""

from __future__ import annotations

import pytest

from indelible.base import limits
from indelible.ingest.protocols.files import Position
from indelible.ingest.protocols.follow_finding import (
    Candidate,
    is_rotation,
    judge,
    live_names,
)

FAR = limits.FOLLOW_SAME_BYTES


@pytest.mark.parametrize(
    ("path", "of"),
    [
        ("/l/app.log.1", "/l/app.log"), ("/l/app.log.2.gz", "/l/app.log.1"),
        ("/l/app.log.1.gz", "/l/app.log.1"), ("/l/app.log-20260301", "/l/app.log"),
        ("/l/app-20260301.log", "/l/app.log"), ("/l/app-2026-03-01.log.zst", "/l/app.log"),
        ("/l/app.log.gz", "/l/app.log"), ("/l/app.log.old", "/l/app.log"),
        ("/old/app.log.1", "/l/app.log"), ("/l/syslog.1", "/l/syslog"),
    ],
)
def test_what_a_rotation_calls_a_file(path: str, of: str) -> None:
    assert is_rotation(path, of)


@pytest.mark.parametrize(
    ("path", "of"),
    [
        ("/l/app.log", "/l/app.log.1"), ("/l/app.log", "/l/app.log"), ("/l/web.log", "/l/app.log"),
        ("/l/app.log.1", "/l/app.log.1"), ("/l/application.log", "/l/app.log"),
    ],
)
def test_what_it_does_not(path: str, of: str) -> None:
    assert not is_rotation(path, of)


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("app.log.1", {"app.log"}), ("app.log.2.gz", {"app.log", "app.log.2"}),
        ("app-2026-03-01.log", {"app.log"}), ("host-1.log.3", {"host-1.log", "host.log"}),
        ("app.log", set()), ("host-2.log", {"host.log"}),
    ],
)
def test_what_a_file_was_called_before(name: str, names: set[str]) -> None:
    assert live_names(f"/var/log/{name}") == names


def known(path: str = "/l/app.log", *places: int) -> Position:
    """A file that was read up to `places`; the bytes before each hash to its number."""
    tails = [(at, b"%d" % at) for at in places]
    return Position(path=path, device=1, inode=2, first=b"first", tails=tails)


def candidate(path: str, size: int, settled: bool = True, same: bool = True) -> Candidate:
    return Candidate(
        path, size, b"first", settled, False, lambda at: b"%d" % at if same else b"other"
    )


def verdict(found: Candidate, *positions: Position, alive: bool = False) -> str:
    return judge(found, positions, lambda position: alive).kind


def test_a_rotated_name_with_the_same_bytes_is_a_copy() -> None:
    assert verdict(candidate("/l/app.log.1", FAR), known("/l/app.log", FAR)) == "copy"


def test_a_rotated_name_with_other_bytes_is_a_new_file() -> None:
    found = candidate("/l/app.log.1", FAR, same=False)
    assert verdict(found, known("/l/app.log", FAR)) == "new"


def test_another_name_with_the_same_bytes_is_a_new_file() -> None:
    """Two hosts may begin alike; what is lost when they are taken for one cannot be found."""
    assert verdict(candidate("/l/b.log", FAR), known("/l/a.log", FAR)) == "new"


def test_a_copy_that_is_being_made_is_waited_for() -> None:
    position = known("/l/app.log", FAR, 3 * FAR)
    assert verdict(candidate("/l/app.log.1", 2 * FAR, settled=False), position) == "wait"
    assert verdict(candidate("/l/app.log.1", 3 * FAR, settled=False), position) == "copy"


def test_a_copy_that_ends_before_the_place_that_was_read_holds_nothing_new() -> None:
    position = known("/l/app.log", FAR, 3 * FAR)
    assert verdict(candidate("/l/app.log.1", 2 * FAR), position) == "short"


def test_a_file_too_short_to_tell_is_waited_for_and_then_new() -> None:
    position = known("/l/app-1.log", FAR)
    found = candidate("/l/app-2.log", 10, settled=False)
    assert verdict(found, position) == "wait"
    assert verdict(found._replace(decided=True), position) == "new"
    assert verdict(found._replace(settled=True), position) == "new"


def test_little_in_common_with_a_file_that_is_still_there_is_no_copy() -> None:
    position = known("/l/app.log", 10)
    assert verdict(candidate("/l/app.log.1", 10), position, alive=True) == "new"
    assert verdict(candidate("/l/app.log.1", 10, settled=False), position, alive=True) == "wait"
    assert verdict(candidate("/l/app.log.1", 10), position, alive=False) == "copy"


def test_a_file_put_in_place_of_another_is_a_copy_when_it_has_much_in_common() -> None:
    assert verdict(candidate("/l/app.log", FAR), known("/l/app.log", FAR)) == "copy"
    assert verdict(candidate("/l/app.log", 10), known("/l/app.log", 10)) == "new"
    assert verdict(candidate("/l/app.log", FAR), known("/l/app.log", FAR), alive=True) == "new"


def test_of_several_the_one_that_was_read_furthest_counts() -> None:
    near, far = known("/l/app.log", FAR), known("/l/app.log", FAR, 2 * FAR)
    found = judge(candidate("/l/app.log.1", 2 * FAR), [near, far], lambda position: False)
    assert found.of is far


def test_a_file_of_which_no_reading_was_kept_has_a_copy_only_once_it_is_lost() -> None:
    position = known("/l/app.log")
    found = candidate("/l/app.log.1", FAR)
    assert verdict(found, position, alive=True) == "new"
    assert verdict(found, position) == "copy"
    assert verdict(candidate("/l/app.log", FAR), position) == "new"
    position.done = True
    assert verdict(found, position) == "new"
