"""An error at a system call that touches the ledger's files: no damage, nothing acknowledged lost.

A dry run under strace counts the calls that touch the folders; then each run injects one error at
one of them. The sample here is fixed; `make campaign` goes through all of them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from indelible.app import fsck_folder, verify_folder
from support.ledgers import ids_in_ledger
from support.served import Place

CALLS = {
    "openat": ("EIO", "ENOSPC"), "pwrite64": ("EIO", "ENOSPC"), "write": ("EIO", "ENOSPC"),
    "fdatasync": ("EIO",), "fsync": ("EIO",), "rename": ("EIO",), "unlink": ("EIO",),
    "ftruncate": ("EIO",), "mkdir": ("EIO",),
}
_LINE = re.compile(r"^(?:\d+ +)?(?P<call>[a-z0-9_]+)\((?P<rest>.*)$")

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


def prepared(root: Path) -> Place:
    """A ledger with a writer's token in a file."""
    root.mkdir(exist_ok=True)
    place = Place(root).init()
    (root / "writer.token").write_text(place.tokens["writer"])
    return place


def drive(
    place: Place, run: str, *strace: str, backup: bool = True
) -> subprocess.CompletedProcess[bytes]:
    """The driver, under strace when there are arguments for it."""
    before = ["strace", "-f", *strace] if strace else []
    arguments = [*before, sys.executable, "-m", "support.driver", str(place.root), run]
    here = str(Path(__file__).parent.parent)
    return subprocess.run(
        [*arguments, "backup"] if backup else arguments, capture_output=True, timeout=120,
        env={
            **place.environment,
            "PYTHONPATH": os.pathsep.join([here, os.environ.get("PYTHONPATH", "")]),
        },
    )


def touching(place: Place) -> list[tuple[str, int]]:
    """(call, its number among the calls of that name) for each that touches the folders."""
    log = place.root / "strace.log"
    drive(place, "dry", "-y", "-o", str(log), "-e", "trace=" + ",".join(CALLS))
    counts: dict[str, int] = {}
    found: list[tuple[str, int]] = []
    for line in log.read_text(errors="replace").splitlines():
        matched = _LINE.match(line)
        if matched is None or matched["call"] not in CALLS:
            continue
        call = matched["call"]
        counts[call] = counts.get(call, 0) + 1
        inside = str(place.root) in matched["rest"] and "O_RDONLY" not in matched["rest"]
        if inside and "run/" not in matched["rest"]:
            found.append((call, counts[call]))
    return found


def check(place: Place, acknowledged: set[str], what: str) -> None:
    """The ledger starts, verifies, is whole, and holds every acknowledged event once."""
    again = drive(place, f"after-{len(acknowledged)}", backup=False)
    assert again.returncode == 0, (what, again.stderr[-2000:])
    acknowledged.update(again.stdout.decode().split())
    for report in (verify_folder(place.data), fsck_folder(place.data)):
        assert report.exit == 0, (what, msgspec.json.encode(report))
    stored = ids_in_ledger(place)
    assert acknowledged <= stored.keys(), (what, sorted(acknowledged - stored.keys())[:5])
    assert max(stored.values()) == 1, what


def inject(root: Path, points: Iterator[tuple[str, int, str]]) -> int:
    """Inject each fault into a ledger that goes on living; how many."""
    place = prepared(root)
    acknowledged: set[str] = set()
    count = 0
    for call, number, error in points:
        run = f"{call}-{number}-{error}"
        done = drive(
            place, run, "-o", "/dev/null", "-e", f"trace={call}",
            "-e", f"inject={call}:error={error}:when={number}",
        )
        assert done.returncode in (0, 1), (run, done.stderr[-3000:])
        assert not done.stderr.startswith(b"strace:"), (run, done.stderr[-3000:])
        acknowledged.update(done.stdout.decode().split())
        check(place, acknowledged, run)
        count += 1
    return count


def sample(points: list[tuple[str, int]], most: int) -> Iterator[tuple[str, int, str]]:
    """At most `most` points, spread over calls and places."""
    step = max(1, len(points) // most)
    for position, (call, number) in enumerate(points[::step][:most]):
        errors = CALLS[call]
        yield call, number, errors[position % len(errors)]


@pytest.mark.timeout(280)
def test_an_error_at_any_file_call_loses_nothing_and_damages_nothing(tmp_path: Path) -> None:
    points = touching(prepared(tmp_path / "dry"))
    assert len(points) > 50
    assert inject(tmp_path / "hit", sample(points, 10)) == 10
