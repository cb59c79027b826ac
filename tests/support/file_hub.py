"""A hub in a process of its own that can be killed: what was delivered and kept stands in files.

`python -m support.file_hub FOLDER` runs the transport of `FOLDER/source.json` until it is killed.
A delivery is one line of JSON for each event in `delivered.ndjson`, written at once; positions are
replaced whole. A kill leaves at most a torn last line, which counts as not delivered.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from indelible.base.clock import wall_us
from indelible.ingest.parsers.contract import Given
from indelible.ingest.protocols.hub import Configured
from indelible.ingest.sources import SourceSettings
from indelible.ingest.submission import Submission, SubmitResult

ROOT = Path(__file__).parents[2]


class FileHub:
    """Fulfils `ingest.protocols.hub.Hub` for one source."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._positions: dict[str, str] = {}
        kept = folder / "positions.json"
        if kept.exists():
            self._positions = json.loads(kept.read_text())
        out = folder / "delivered.ndjson"
        if out.exists():
            data = out.read_bytes()
            os.truncate(out, data.rfind(b"\n") + 1)
        self._out = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def configured(self) -> Configured:
        """The source, with what was kept."""
        source = json.loads((self._folder / "source.json").read_text())
        return Configured(
            settings=msgspec.convert(source["settings"], SourceSettings),
            secret=source.get("secret", "").encode(),
            positions={name: base64.b64decode(value) for name, value in self._positions.items()},
        )

    def given(self, settings: SourceSettings) -> Given:
        return Given(now_us=wall_us(), zone=ZoneInfo(settings.zone))

    async def deliver(self, submission: Submission) -> SubmitResult:
        lines = [
            {"id": event.id, "raw": base64.b64encode(event.idempotent).decode(),
             "kind": event.kind, "flags": event.flags, "old": submission.backfill}
            for event in submission.events
        ]
        data = "".join(f"{json.dumps(line)}\n" for line in lines).encode()
        while data:
            data = data[os.write(self._out, data) :]
        return SubmitResult(indexes=[0] * len(lines))

    def refused(self, settings: SourceSettings, count: int) -> None:
        self._count("refused", count)

    def dropped(self, settings: SourceSettings, count: int) -> None:
        self._count("dropped", count)

    def figures(self, settings: SourceSettings, figures: Mapping[str, str]) -> None:
        (self._folder / "figures.json").write_text(json.dumps(dict(figures)))

    def _count(self, what: str, count: int) -> None:
        with (self._folder / what).open("a") as file:
            file.write(f"{count}\n")

    async def keep(self, settings: SourceSettings, positions: Mapping[str, bytes]) -> None:
        for name, value in positions.items():
            if value:
                self._positions[name] = base64.b64encode(value).decode()
            else:
                self._positions.pop(name, None)
        temporary = self._folder / "positions.tmp"
        temporary.write_text(json.dumps(self._positions))
        temporary.rename(self._folder / "positions.json")


class Collector:
    """Such a process, as the test sees it."""

    def __init__(self, folder: Path, settings: dict[str, Any], secret: str = "", **pace: float):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        source = {"settings": settings, "secret": secret, "pace": pace}
        (folder / "source.json").write_text(json.dumps(source))
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin, or begin anew."""
        paths = os.pathsep.join([str(ROOT / "tests"), str(ROOT / "src")])
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "support.file_hub", str(self.folder)],
                env={**os.environ, "PYTHONPATH": paths}, stdout=log, stderr=log,
            )

    def kill(self) -> None:
        """SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def events(self) -> dict[str, bytes]:
        """What the ledger has: messages by id. An id with two messages fails the test."""
        found: dict[str, bytes] = {}
        path = self.folder / "delivered.ndjson"
        for line in path.read_bytes().splitlines(keepends=True) if path.exists() else ():
            if not line.endswith(b"\n"):
                continue
            event = json.loads(line)
            raw = base64.b64decode(event["raw"])
            assert found.setdefault(event["id"], raw) == raw, (event["id"], raw)
        return found

    def counted(self, what: str) -> int:
        """How many were `dropped` or `refused`."""
        path = self.folder / what
        return sum(int(line) for line in path.read_text().split()) if path.exists() else 0

    def said(self) -> str:
        """What it wrote to its standard output and error."""
        path = self.folder / "log"
        return path.read_text("utf-8", "replace") if path.exists() else ""


def main() -> None:
    """Run the transport of the folder until killed."""
    folder = Path(sys.argv[1])
    hub = FileHub(folder)
    configured = hub.configured()
    pace = json.loads((folder / "source.json").read_text())["pace"]
    if configured.settings.protocol == "file":
        from indelible.ingest.protocols.follow import following
        from indelible.ingest.protocols.follow_meeting import Pace

        asyncio.run(following(hub, configured, Pace(**pace)))  # type: ignore[arg-type]
    else:
        from indelible.ingest.protocols.pull import pulling

        asyncio.run(pulling(hub, configured, **pace))  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
