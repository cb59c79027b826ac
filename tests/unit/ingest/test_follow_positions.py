"""How far files were read is kept after delivery: crashes, bounds, and the task that does it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from indelible.base import limits
from indelible.base.errors import BadRequest
from indelible.ingest.protocols import follow as module
from indelible.ingest.protocols import follow_disk
from indelible.ingest.protocols.follow import Follower, following
from indelible.ingest.protocols.hub import Configured
from indelible.ingest.sources import SourceSettings
from support.following import LONG, PACE, Followed, app_log, append, nothing_left_open, open_files
from support.hub import MemoryHub

_nothing_left_open = pytest.fixture(autouse=True)(nothing_left_open)
log = pytest.fixture(app_log)


def _given() -> module.Given:
    return module.Given(now_us=0)


# --- crashes


def test_a_restart_adds_nothing_twice_and_misses_nothing(log: Path) -> None:
    append(log, "one")
    source = Followed(log)
    source.look()
    source.crash()
    assert source.look() == []
    append(log, "two")
    source.crash()
    assert source.look() == ["two"]
    assert source.repeated == 0


def test_a_crash_between_delivery_and_keeping_the_position_adds_nothing_twice(log: Path) -> None:
    append(log, *LONG)
    source = Followed(log)
    source.look()
    append(log, "one", "two")
    assert source.delivered_only() == ["one", "two"]
    source.crash()
    assert source.look() == []
    assert source.repeated == 2


def test_positions_are_an_optimisation_only(log: Path) -> None:
    append(log, *LONG)
    source = Followed(log)
    source.look()
    source.positions.clear()
    source.crash()
    assert source.look() == []
    assert source.repeated == len(LONG)


def test_an_unreadable_position_costs_a_second_reading_only(log: Path) -> None:
    append(log, "one")
    source = Followed(log)
    source.look()
    source.positions = {
        name: value if name == "begun" else b"\xc1" for name, value in source.positions.items()
    }
    source.crash()
    assert source.look() == []
    assert source.repeated == 1


def test_positions_are_kept_after_delivery_and_not_with_every_batch(log: Path) -> None:
    append(log, *(f"{number} of many" for number in range(5_000)))
    source = Followed(log)
    batch = source.follower.step(module.replace(_given(), host="h"), source.now)
    assert len(batch.events) == limits.IMPORT_BATCH_EVENTS
    assert source.follower.to_keep(source.now, idle=False) == {}
    source.deliver(batch)
    source.follower.delivered(batch)
    source.look()
    assert len(source.events) == 5_000


# --- bounds


def test_handles_are_bounded_over_all_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow_disk, "FOLLOW_OPEN_FILES", 8)
    source = Followed(tmp_path / "*.log")
    for round_ in range(3):
        for number in range(60):
            append(tmp_path / f"{number}.log", f"{number} in round {round_}")
        found: list[str] = []
        for _ in range(3):
            found += source.look()
            opened = [one for one in open_files() if str(tmp_path) in one]
            assert len(opened) <= 8
        assert len(found) == 60


def test_a_rotated_file_without_a_handle_is_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow_disk, "FOLLOW_OPEN_FILES", 1)
    source = Followed(tmp_path / "*.log")
    for name in "abc":
        append(tmp_path / f"{name}.log", f"{name} one")
    source.look()
    for name in "abc":
        append(tmp_path / f"{name}.log", f"{name} two")
        (tmp_path / f"{name}.log").rename(tmp_path / f"{name}.log.1")
    assert sorted(source.look() + source.look()) == ["a two", "b two", "c two"]


def test_what_is_no_regular_file_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.log")
    (tmp_path / "folder.log").mkdir()
    append(tmp_path / "file.log", "one")
    assert Followed(tmp_path / "*.log").look() == ["one"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a link to somebody else")
@pytest.mark.parametrize("inside", [False, True])
def test_a_link_that_somebody_else_made_is_not_followed(tmp_path: Path, inside: bool) -> None:
    logs, secret = tmp_path / "logs", tmp_path / "private"
    logs.mkdir()
    secret.mkdir()
    append(secret / "key.log", "secret")
    link = logs / ("folder" if inside else "app.log")
    link.symlink_to(secret if inside else secret / "key.log")
    os.chown(link, 12_345, 12_345, follow_symlinks=False)
    source = Followed(logs / "**" / "*.log")
    assert source.look() == []
    os.chown(secret / "key.log", 12_345, 12_345)
    assert source.look() == ["secret"]


def test_positions_are_bounded_and_the_longest_untouched_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indelible.ingest.protocols.follow_known.FOLLOW_POSITIONS", 5)
    source = Followed(tmp_path / "*.log")
    for number in range(20):
        path = tmp_path / f"{number}.log"
        append(path, f"{number}")
        source.look()
        path.unlink()
        source.look(limits.FOLLOW_GONE_SECONDS)
        source.look(limits.FOLLOW_GONE_SECONDS)
    assert len(source.positions) <= 8
    assert len(source.events) == 20


def test_one_big_file_does_not_keep_the_others_waiting(tmp_path: Path) -> None:
    append(tmp_path / "big.log", *(f"{number} of a big file" for number in range(20_000)))
    source = Followed(tmp_path / "*.log")
    source.follower.step(_given(), source.now)
    append(tmp_path / "small.log", "urgent")
    source.now += PACE.look
    steps = 0
    while "urgent" not in source.messages:
        batch = source.follower.step(_given(), source.now)
        source.deliver(batch)
        source.follower.delivered(batch)
        steps += 1
        assert steps < 10


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"path": "app.log"}, "path"), ({}, "path"),
        ({"path": "/x", "backfill": "maybe"}, "backfill"),
    ],
)
def test_options_that_cannot_work_are_told(options: dict[str, str], field: str) -> None:
    settings = SourceSettings(id="s", protocol="file", options=options)
    with pytest.raises(BadRequest) as caught:
        Follower(Configured(settings=settings), PACE)
    assert caught.value.field == field


# --- the task


def test_the_task_delivers_keeps_and_is_cancelled_without_leaving_files_open(log: Path) -> None:
    append(log, "one")
    settings = SourceSettings(id="files", protocol="file", options={"path": str(log)})
    hub = MemoryHub(settings)

    async def act() -> None:
        task = asyncio.create_task(
            following(hub, hub.configured[0], PACE._replace(look=0.01, keep=0.0))
        )
        await hub.wait_for(1)
        append(log, "two")
        await hub.wait_for(2)
        while len(hub.positions.get(("files", ""), {})) < 2:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.get_running_loop().shutdown_default_executor()

    asyncio.run(act())
    assert hub.raws == ["one", "two"]
    assert hub.submissions[0].protocol == "file"
    assert hub.shown == {"files": "1 followed"}
    assert not any(str(log) in target for target in open_files())


def test_a_path_that_names_nothing_is_told(log: Path) -> None:
    source = Followed(log)
    batch = source.follower.step(_given(), source.now)
    assert batch.figures == {"trouble": f"{log} names no file that can be read"}


def test_a_ledger_that_takes_nothing_makes_reading_wait(log: Path) -> None:
    append(log, *(str(number) for number in range(10_000)))
    settings = SourceSettings(id="files", protocol="file", options={"path": str(log)})
    hub = MemoryHub(settings)
    hub.open.clear()

    async def act() -> None:
        task = asyncio.create_task(following(hub, hub.configured[0], PACE))
        await asyncio.sleep(0.3)
        assert hub.positions.get(("files", ""), {}).keys() <= {"begun"} | {
            name for name in hub.positions.get(("files", ""), {}) if name.startswith("file/")
        }
        assert hub.contents == []
        hub.open.set()
        await hub.wait_for(10_000)
        task.cancel()

    asyncio.run(act())
    assert hub.raws == [str(number) for number in range(10_000)]
