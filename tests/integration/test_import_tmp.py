"""A large import by the command line against a running server: exact, and in bounded memory."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.served import Place, Server

LINES = 300_000
BAD = 123_457
TEXT = "x" * 300
"""Makes the file larger than what either side may take."""

IMPORTER_BYTES = 120 << 20
WRITER_BYTES = 256 << 20
SEALER_BYTES = 640 << 20


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
            _, status, used = os.wait4(importer.pid, 0)
        assert os.waitstatus_to_exitcode(status) == 3, (tmp_path / "err").read_text()[-2000:]
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
        peaks = (used.ru_maxrss * 1024, _peak(writer), _peak(sealer))
    bounds = (IMPORTER_BYTES, WRITER_BYTES, SEALER_BYTES)
    print("PEAKS", [p >> 20 for p in peaks])
    assert all(peak < bound for peak, bound in zip(peaks, bounds, strict=True)), peaks
