"""A large import by the command line against a running server: exact, and in bounded memory."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from indelible.base.limits import SEGMENT_BYTES, UNSEALED_BYTES
from support.served import Place, Server

LINES = 300_000
BAD = 123_457
TEXT = "x" * 300
"""Makes the file larger than what either side may take."""

IMPORTER_BYTES = 120 << 20
WRITER_BYTES = 256 << 20
SEALER_BYTES = UNSEALED_BYTES + 2 * SEGMENT_BYTES
"""On a slow machine what waits to be sealed is held beside the segment being sealed."""


def _write(path: Path) -> None:
    form = (
        '{"action":"record.update","actor":{"type":"user","id":"u%d"},'
        '"target":{"type":"record","id":"r%d"},"id":"e%d","data":{"text":"%s"}}\n'
    )
    with path.open("w") as file:
        for number in range(1, LINES + 1):
            line = form % (number % 997, number % 10_007, number, TEXT)
            file.write(line.replace('"id":"u', '"no":"u') if number == BAD else line)


def _peak(pid: int) -> int:
    """The most memory that a process has ever held, in bytes."""
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.M)
    assert found is not None
    return int(found[1]) * 1024


def _watched(process: subprocess.Popen[bytes]) -> int:
    """Wait for its end; the most that it held, looked at often.

    `ru_maxrss` will not do: it counts the memory of the process that started it, before `exec`.
    """
    held = 0
    while process.poll() is None:
        try:
            held = max(held, _peak(process.pid))
        except (AssertionError, OSError):  # it has just ended
            continue
        time.sleep(0.05)
    return held


@pytest.mark.timeout(600)
def test_300_000_lines_with_a_bad_one_refuse_that_one_and_take_bounded_memory(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path).init()
    file = tmp_path / "events.ndjson"
    _write(file)
    assert file.stat().st_size > IMPORTER_BYTES
    token = tmp_path / "token"
    token.write_text(place.token("writer", "bulk", source="bulk"))
    with Server(place) as server:
        with (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("wb") as err:
            importer = subprocess.Popen(
                [sys.executable, "-m", "indelible.cli.main", "import", str(file), "--json",
                 "--url", server.url, "--token-file", str(token)],
                env=place.environment, stdout=out, stderr=err,
            )
            held = _watched(importer)
        assert importer.returncode == 3, (tmp_path / "err").read_text()[-2000:]
        told = json.loads((tmp_path / "out").read_text())
        assert (told["read"], told["stored"], told["refused"]) == (LINES, LINES - 1, 1)
        [refusal] = told["refusals"]
        assert refusal["line"] == BAD
        assert refusal["field"].startswith("actor")
        assert refusal["file"] == str(file)
        with server.client("reader") as reader:
            params = {"q": "source:bulk", "field": "action"}
            answer = reader.get("/v1/search/facets", params=params).json()
        assert answer["total"] == LINES - 1
        [writer], [sealer] = server.pids("writer"), server.pids("sealer")
        peaks = (held, _peak(writer), _peak(sealer))
    assert peaks[0] < IMPORTER_BYTES
    assert peaks[1] < WRITER_BYTES
    assert peaks[2] < SEALER_BYTES
