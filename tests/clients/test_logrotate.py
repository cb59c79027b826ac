"""A writer, the real logrotate in each of its ways, and a follower that is killed again and again.

Every line that was written and not lost by `copytruncate` itself is delivered exactly once.
"""

from __future__ import annotations

import gzip
import random
import shutil
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from indelible.base.limits import FOLLOW_SAME_BYTES
from support.file_hub import Collector

LOGROTATE = shutil.which("logrotate", path="/usr/sbin:/usr/bin:/sbin:/bin")
LINES = 24_000
pytestmark = [
    pytest.mark.component("logrotate"),
    pytest.mark.skipif(LOGROTATE is None, reason="logrotate is not installed"),
]

WRITER = textwrap.dedent(
    """
    import os, sys, time
    path, count, lag = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    file = open(path, "ab", buffering=0)
    moved = None
    for number in range(count):
        file.write(b"%06d user logged in\\n" % number)
        if number % 20 == 0:
            time.sleep(0.002)
            try:
                same = os.stat(path).st_ino == os.fstat(file.fileno()).st_ino
            except FileNotFoundError:
                same = False
            if same:
                moved = None
            else:
                moved = moved or time.monotonic()
                if time.monotonic() - moved > lag:
                    file.close()
                    file = open(path, "ab", buffering=0)
                    moved = None
    """
)
"""Writes numbered lines; notices a rotation late, as a service does that is told by a signal."""

DOCUMENTED = (
    (Path(__file__).parents[2] / "docs" / "sources" / "files.md").read_text("utf-8")
    .partition("```logrotate\n")[2].partition("{")[2].partition("}")[0]
)
"""What the documentation tells people to configure, without the path."""

WAYS = {
    "as documented": DOCUMENTED,
    "create": "create",
    "create, compressed at once": "create\ncompress",
    "create, by date": "create\ndateext\ndateformat -%s\nextension .log",
    "copytruncate": "copytruncate",
    "copytruncate, compressed at once": "copytruncate\ncompress",
}


@pytest.mark.parametrize(
    ("way", "pattern"),
    [*((way, "app.log") for way in WAYS), ("as documented", "app*log*"),
     ("copytruncate", "app*log*"), ("create, by date", "app*log*")],
)
def test_every_line_is_delivered_once(tmp_path: Path, way: str, pattern: str) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    log = logs / "app.log"
    log.touch()
    settings = {
        "id": "files", "protocol": "file", "options": {"path": str(logs / pattern)},
    }
    collector = Collector(
        tmp_path / "hub", settings, look=0.05, settle=0.5, unclear=2.0, lost=10.0, keep=0.02
    )
    collector.start()
    _wait(lambda: (tmp_path / "hub" / "positions.json").exists())
    lag = "0.0" if "compress" in WAYS[way] else "0.15"  # nothing may write to what is compressed
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(log), str(LINES), lag])
    chance = random.Random(way + pattern)
    rotations = 0
    while writer.poll() is None:
        time.sleep(chance.uniform(0.05, 0.3))
        if "copytruncate" in way and log.stat().st_size < 4 * FOLLOW_SAME_BYTES:
            continue  # too little to tell a copy from another file: that may come twice
        if chance.random() < 0.5:
            collector.kill()
            if chance.random() < 0.5:
                _rotate(tmp_path, log, WAYS[way])
                rotations += 1
            collector.start()
        else:
            _rotate(tmp_path, log, WAYS[way])
            rotations += 1
    assert writer.returncode == 0
    assert rotations > 3
    present = _lines_in(logs)
    _wait(lambda: set(collector.events().values()) >= present, collector)
    time.sleep(2.0)  # whatever else it might deliver
    collector.kill()
    delivered = Counter(collector.events().values())
    assert not [line for line, count in delivered.items() if count > 1]
    assert present <= delivered.keys()
    written = {b"%06d user logged in" % number for number in range(LINES)}
    if "copytruncate" in way:  # a copy taken while a line is written may hold only a part of it
        torn = delivered.keys() - written
        assert torn <= {end for line in written for end in _parts(line)}
        assert len(torn) <= 2 * rotations
    else:
        assert delivered.keys() == written
    assert "Traceback" not in collector.said()


def _rotate(root: Path, log: Path, way: str) -> None:
    """Let logrotate rotate now, whatever the size."""
    config = root / "logrotate.conf"
    config.write_text(f"{log} {{\nmissingok\n{way}\nrotate 1000\n}}\n")
    config.chmod(0o600)
    done = subprocess.run(
        [str(LOGROTATE), "-f", "-s", str(root / "logrotate.state"), str(config)],
        capture_output=True, text=True, timeout=60,
    )
    assert done.returncode == 0 or "already exists" in done.stderr, done.stderr


def _lines_in(folder: Path) -> set[bytes]:
    """Every line with its end in every file, packed or not: the last one may be torn."""
    found: set[bytes] = set()
    for path in folder.iterdir():
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
        found.update(line.strip(b"\0") for line in data.split(b"\n")[:-1])
    return found - {b""}


def _parts(line: bytes) -> list[bytes]:
    """What may be left of a line where a file was cut in it: its beginning, or its end."""
    return [part for at in range(1, len(line)) for part in (line[:at], line[at:])]


def _wait(
    condition: Callable[[], bool], collector: Collector | None = None, seconds: float = 60.0
) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError(collector.said()[-3000:] if collector else "it did not happen")
