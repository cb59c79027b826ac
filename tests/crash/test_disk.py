"""A full, a read-only and a vanished disk: senders hear it, the operator hears why, no damage."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from support.ledgers import ids_in_ledger
from support.senders import eventually
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
        ready = httpx2.get(f"{server.url}/readyz")
        assert ready.status_code == 503
        said = "no event is taken: free space"
        eventually(lambda: said in (place.root / "serve.log").read_text("utf-8"))
        with server.client("auditor") as auditor:
            assert auditor.get("/v1/status").json()["disk_full_in_days"] == 0
        filler.unlink()
        again: list[int] = []
        while 200 not in again and len(again) < 2000:
            again.append(writer.post("/v1/events", json=event(3)).status_code)
        assert again[-1] == 200
        assert httpx2.get(f"{server.url}/readyz").status_code == 200
        said = "the disk has room again"
        eventually(lambda: said in (place.root / "serve.log").read_text("utf-8"))
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


@needs_mount
def test_a_start_on_a_read_only_disk_says_so(tmp_path: Path, small_disk: Path) -> None:
    place = Place(tmp_path)
    place.data = small_disk / "data"
    place.init()
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    done = place.cli("serve", "--data", str(place.data), check=False)
    assert done.returncode == 1
    assert b"Read-only file system" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Place]:
    """A ledger whose folder is seen through a read-only mount; `data` is the mount."""
    place = Place(tmp_path).init()
    mount = tmp_path / "mount"
    mount.mkdir()
    subprocess.run(["mount", "--bind", str(place.data), str(mount)], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", str(mount)], check=True)
    place.data = mount
    yield place
    subprocess.run(["umount", "-l", str(mount)], check=True)


@needs_mount
def test_serve_on_read_only_media_gives_a_reason_and_a_remedy(locked: Place) -> None:
    done = locked.cli("serve", "--data", str(locked.data), "--json", check=False)
    error = json.loads(done.stderr)["error"]
    assert done.returncode == 1
    assert error["code"] == "ledger_stopped"
    assert error["message"].endswith("Read-only file system")
    assert "--unrecorded" in error["remedy"]


@needs_mount
@pytest.mark.parametrize("words", ["search", "status", "token list", "seal", "reindex"])
def test_a_command_on_read_only_media_gives_a_reason_and_a_remedy(
    locked: Place, words: str
) -> None:
    done = locked.cli(*words.split(), "--data", str(locked.data), "--json", check=False)
    error = json.loads(done.stdout)["error"]
    assert done.returncode == 1
    assert "Read-only file system" in error["message"]
    assert error["remedy"]
    assert b"Traceback" not in done.stderr


@needs_mount
@pytest.mark.parametrize("which", ["keys", "state"])
def test_keys_or_register_on_read_only_media_are_no_damage(tmp_path: Path, which: str) -> None:
    place = Place(tmp_path).init()
    folder = {"keys": place.keys, "state": place.state}[which]
    subprocess.run(["mount", "--bind", str(folder), str(folder)], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
        done = place.cli("serve", "--data", str(place.data), check=False)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
    assert done.returncode == 1
    assert b"Read-only file system" in done.stderr
    assert b"code: ledger_stopped" in done.stderr


@needs_mount
def test_status_of_read_only_media_is_read_without_writing(locked: Place) -> None:
    status = locked.report("status", "--unrecorded")
    assert status["recorded"] is False
    assert status["size"] == status["published_size"]
    assert locked.report("verify")["exit"] == 0


class Fragile:
    """An ext4 file system of its own that an error turns read-only while it is in use."""

    def __init__(self, root: Path) -> None:
        self.image, self.mounted = root / "image", root / "fragile"

    def make(self) -> Fragile:
        """The file system, mounted; skips where this machine cannot."""
        self.mounted.mkdir()
        with self.image.open("wb") as file:
            file.truncate(300 << 20)
        self._run("mkfs.ext4", "-q", "-F", str(self.image))
        self._run("mount", "-o", "loop,errors=remount-ro", str(self.image), str(self.mounted))
        if not self._switch().exists():
            self.gone()
            pytest.skip("turning a disk read-only under a server needs ext4's trigger_fs_error")
        return self

    def _run(self, *words: str) -> None:
        try:
            subprocess.run(words, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("a file system in a file needs mkfs.ext4, a loop device and root")

    def _switch(self) -> Path:
        mounts = Path("/proc/self/mounts").read_text().splitlines()
        devices = [line.split()[0] for line in mounts if line.split()[1] == str(self.mounted)]
        return Path("/sys/fs/ext4") / Path(devices[-1]).name / "trigger_fs_error"

    def break_down(self) -> None:
        """The kernel meets an error, and lets nobody write any more."""
        self._switch().write_text("a test")

    def mend(self) -> None:
        """What an operator does: unmount, check, mount."""
        subprocess.run(["umount", str(self.mounted)], check=True)
        subprocess.run(["fsck.ext4", "-y", str(self.image)], check=False, capture_output=True)
        self._run("mount", "-o", "loop,errors=remount-ro", str(self.image), str(self.mounted))

    def gone(self) -> None:
        """Nothing of it is left mounted."""
        subprocess.run(["umount", "-l", str(self.mounted)], check=False)


@pytest.fixture
def fragile(tmp_path: Path) -> Iterator[Fragile]:
    """The disk, unmounted at the end."""
    disk = Fragile(tmp_path).make()
    yield disk
    disk.gone()


@needs_mount
def test_a_disk_that_turns_read_only_under_a_server_stops_it_without_damage(
    tmp_path: Path, fragile: Fragile
) -> None:
    place = Place(tmp_path)
    place.data = fragile.mounted / "data"
    place.init()
    os.sync()  # the folder was copied there
    stored = {"e1"}
    with Server(place) as server, server.client("writer") as writer:
        assert writer.post("/v1/events", json=event(1)).status_code == 200
        fragile.break_down()
        answer = writer.post("/v1/events", json=event(2))
        assert answer.status_code in (503, 507)
        assert "Read-only file system" in answer.json()["error"]["message"]
        assert answer.json()["error"]["remedy"]
        assert httpx2.get(f"{server.url}/readyz").status_code == 503
        with server.client("auditor") as auditor:
            assert "Read-only file system" in auditor.get("/v1/status").json()["stopped"]
        with server.client("reader") as reader:  # a read is recorded, and cannot be
            assert reader.get("/v1/search").status_code in (503, 507)
        server.stop()
    assert "Traceback" not in (tmp_path / "serve.log").read_text()
    fragile.mend()
    with Server(place) as server, server.client("writer") as writer:
        assert writer.post("/v1/events", json=event(3)).status_code == 200
        stored.add("e3")
    clean(place)
    ids = ids_in_ledger(place)
    assert stored <= ids.keys() <= stored | {"e2"}
    assert max(ids.values()) == 1
