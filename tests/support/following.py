"""A follower of files driven by hand: its clock, its ledger and its crashes are the test's."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zstandard

from indelible.ingest.parsed import Parsed
from indelible.ingest.parsers.contract import Given
from indelible.ingest.protocols import follow
from indelible.ingest.protocols.follow import Batch, Follower
from indelible.ingest.protocols.follow_meeting import Pace
from indelible.ingest.protocols.hub import Configured
from indelible.ingest.sources import SourceSettings

GIVEN = Given(now_us=1_780_272_000_000_000, host="web-1")
PACE = Pace()
LONG = [f"2026-03-01T10:00:00Z user{number} did something" for number in range(60)]
"""Lines that make two files alike for longer than a coincidence."""


def nothing_left_open() -> Iterator[None]:
    """A fixture: what the followers of a test hold open is closed after it."""
    yield
    for owner in list(follow._HANDLES._open):
        follow._HANDLES.close(owner)


def app_log(tmp_path: Path) -> Path:
    """A fixture: a log that is not there yet."""
    return tmp_path / "app.log"


class Followed:
    """One source of files, its kept positions, and what the ledger made of its events."""

    def __init__(self, path: Path | str, parser: str = "auto", **options: str) -> None:
        self.settings = SourceSettings(
            id="files", protocol="file", parser=parser, options={"path": str(path), **options}
        )
        self.now = 1_000.0
        self.positions: dict[str, bytes] = {}
        self.events: dict[str, Parsed] = {}
        self.repeated = self.conflicts = self.dropped = 0
        self.old: dict[str, bool] = {}
        self.start()

    def start(self) -> None:
        """Begin anew from what was kept, as a new process does."""
        self.follower = Follower(
            Configured(settings=self.settings, positions=dict(self.positions)), PACE
        )

    def crash(self) -> None:
        """End without another word, and begin anew."""
        self.follower.close()
        self.start()

    def look(self, seconds: float = 0.0) -> list[str]:
        """After `seconds`, one look; the messages that are new to the ledger."""
        self.now += max(seconds, PACE.look)
        new: list[str] = []
        while True:
            batch = self.follower.step(GIVEN, self.now)
            self._keep(batch.before)
            new += self.deliver(batch)
            self.follower.delivered(batch)
            self._keep(self.follower.to_keep(self.now, idle=not batch.more))
            if not batch.more:
                return new

    def deliver(self, batch: Batch) -> list[str]:
        """What the ledger does: an id that it knows adds nothing, unless the message differs."""
        self.dropped += batch.dropped
        new: list[str] = []
        for event in batch.events:
            before = self.events.get(event.id)
            assert event.id
            if before is None:
                self.events[event.id] = event
                self.old[event.id] = batch.old
                new.append(raw_of(event))
            elif before.idempotent == event.idempotent:
                self.repeated += 1
            else:
                self.conflicts += 1
                new.append(f"conflict: {raw_of(event)}")
        return new

    def delivered_only(self) -> list[str]:
        """One step whose events become durable, and then no more: the crash before positions."""
        self.now += PACE.look
        batch = self.follower.step(GIVEN, self.now)
        self._keep(batch.before)
        return self.deliver(batch)

    @property
    def messages(self) -> list[str]:
        """Every message in the ledger, in the order of arrival."""
        return [raw_of(event) for event in self.events.values()]

    def flags(self, message: str) -> tuple[str, ...]:
        """The flags of a message."""
        return next(one.flags for one in self.events.values() if raw_of(one) == message)

    def content(self, message: str) -> dict[str, Any]:
        """The event of a message."""
        found = next(one for one in self.events.values() if raw_of(one) == message)
        content: dict[str, Any] = json.loads(found.content)
        return content

    def _keep(self, positions: dict[str, bytes]) -> None:
        for name, value in positions.items():
            if value:
                self.positions[name] = value
            else:
                self.positions.pop(name, None)


def raw_of(event: Parsed) -> str:
    """The message of an event as a text."""
    return event.idempotent.decode("utf-8", "backslashreplace")


def append(path: Path, *lines: str) -> None:
    """Write lines to the end of a file, as a logger does that opens it each time."""
    with path.open("ab") as file:
        file.write("".join(f"{line}\n" for line in lines).encode())


def rotated(path: Path, number: int = 1) -> Path:
    """What a log is called after so many rotations."""
    return path.with_name(f"{path.name}.{number}")


def pack(path: Path, suffix: str = ".gz") -> Path:
    """Compress a file as `logrotate` does: same modification time, the original removed."""
    packed = path.with_name(path.name + suffix)
    data = path.read_bytes()
    compressed = gzip.compress(data) if suffix == ".gz" else zstandard.compress(data)
    status = path.stat()
    packed.write_bytes(compressed)
    os.utime(packed, ns=(status.st_atime_ns, status.st_mtime_ns))
    path.unlink()
    return packed


def open_files() -> list[str]:
    """What this process holds open, by the names the kernel gives."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{name}"))
        except OSError:
            continue
    return found
