"""A full, a read-only and a vanished disk: senders hear it, the operator hears why, no damage."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from support.served import Place, Server


def mountable() -> bool:
    """Whether this test may mount a small file system."""
    if os.geteuid() != 0:
        return False
    probe = subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False)
    return probe.returncode == 0


needs_mount = pytest.mark.skipif(not mountable(), reason="mounting a small disk needs root")


def event(number: int) -> dict[str, object]:
    """A native event of some size."""
    return {
        "action": "t.update", "actor": {"type": "user", "id": "u"},
        "target": {"type": "t", "id": str(number)}, "id": f"e{number}",
        "data": {"text": os.urandom(2000).hex()},
    }


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of 120 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=120m", "tmpfs", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def clean(place: Place) -> None:
    """Both checks of the stopped folder say that all is well."""
    for command in ("verify", "fsck"):
        report = place.report(command)
        assert report["exit"] == 0, report


@needs_mount
def test_a_full_disk_answers_507_and_takes_events_again_when_there_is_room(
    tmp_path: Path, small_disk: Path
) -> None:
    place = Place(tmp_path)
    place.data = small_disk / "data"
    place.init()
    filler = small_disk / "filler"
    with Server(place) as server, server.client("writer") as writer:
        assert writer.post("/v1/events", json=event(1)).status_code == 200
        space = os.statvfs(small_disk)
        filler.write_bytes(bytes(space.f_bavail * space.f_frsize - (60 << 20)))
        answers: list[int] = []
        while 507 not in answers and len(answers) < 3000:
            answers.append(writer.post("/v1/events", json=event(2)).status_code)
        assert answers[-1] == 507
        with server.client("auditor") as auditor:
            assert auditor.get("/v1/status").status_code == 200
        filler.unlink()
        again: list[int] = []
        while 200 not in again and len(again) < 2000:
            again.append(writer.post("/v1/events", json=event(3)).status_code)
        assert again[-1] == 200
        assert server.stop() == 0
    clean(place)


@needs_mount
def test_a_disk_without_a_byte_left_stops_the_ledger_without_damage(
    tmp_path: Path, small_disk: Path
) -> None:
    place = Place(tmp_path)
    place.data = small_disk / "data"
    place.init()
    filler = small_disk / "filler"
    with Server(place) as server, server.client("writer") as writer:
        assert writer.post("/v1/events", json=event(1)).status_code == 200
        with filler.open("wb") as file:
            while True:
                try:
                    file.write(bytes(1 << 20))
                    file.flush()
                except OSError:
                    break
        with server.client("reader") as reader:  # a read is recorded: it needs room too
            statuses = {reader.get("/v1/search", params={"q": "*"}).status_code for _ in range(30)}
        assert statuses & {503, 507}
        assert writer.post("/v1/events", json=event(2)).status_code in (503, 507)
        assert httpx2.get(f"{server.url}/readyz").status_code == 503
        with server.client("auditor") as auditor:
            assert "full" in auditor.get("/v1/status").json()["stopped"]
        server.kill()
    filler.unlink()
    with Server(place) as server, server.client("writer") as writer:
        assert writer.post("/v1/events", json=event(4)).status_code == 200
    clean(place)


def test_a_vanished_folder_stops_the_ledger_with_a_reason(tmp_path: Path) -> None:
    place = Place(tmp_path).init()
    away = tmp_path / "away"
    with Server(place) as server, server.client("writer") as writer:
        assert writer.post("/v1/events", json=event(1)).status_code == 200
        place.data.rename(away)
        statuses: list[int] = []
        while 503 not in statuses and len(statuses) < 5000:
            statuses.append(writer.post("/v1/events", json=event(len(statuses) + 10)).status_code)
        assert statuses[-1] == 503
        assert httpx2.get(f"{server.url}/readyz").status_code == 503
        server.kill()
    away.rename(place.data)
    clean(place)
