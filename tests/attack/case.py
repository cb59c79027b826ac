"""One row of the tamper matrix, and how it is judged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from attack.lab import copy_ledger
from indelible.app.checking import verify_place
from indelible.app.damage import findings
from indelible.app.fscking import fsck_place
from indelible.app.place import Place
from indelible.base.errors import IndelibleError
from indelible.ledger.fsck import FsckReport
from indelible.ledger.verify import VerifyReport
from indelible.store.meta import Meta

PROVEN = "proven"


class Case(NamedTuple):
    """An attack and what must be said of it.

    `verify` is the verdict (or the code of the error, where not even keys open), `at` the range it
    names, `fsck` the area that is damaged ("" for whole), `opens` the code with which `serve`
    refuses ("" when it starts).
    """

    name: str
    attack: Callable[[Place], object]
    verify: str
    at: tuple[int, int] | None
    fsck: str
    opens: str


class Judged(NamedTuple):
    """What was said."""

    report: VerifyReport | None
    verify: str
    at: tuple[int, int] | None
    checked: FsckReport
    opens: str


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*")) if path.is_file()
    }


def judge(place: Place, *, columns: bool = False, **options: object) -> Judged:
    """Verify, fsck and open an attacked ledger; the first two must leave every byte as it is."""
    root = place.data.parent
    before = contents(root)
    report: VerifyReport | None = None
    at = None
    try:
        report = verify_place(place, **options)  # type: ignore[arg-type]
        said = report.verdict
        named = [(p.first, p.last) for p in report.problems if p.first is not None]
        at = min(((a, a if b is None else b) for a, b in named), default=None)
        assert (report.exit == 4) is bool(report.problems)
        assert report.first_index == (at[0] if at else None)
        assert msgspec.json.encode(report)
    except IndelibleError as error:
        said = refused(error)
    checked = fsck_place(place, columns=columns, progress=lambda _done, _total: None)
    assert contents(root) == before
    return Judged(report, said, at, checked, opening(place))


def opening(place: Place) -> str:
    """The code with which a start is refused; empty when it is not."""
    before = contents(place.data)
    try:
        place.open().close()
        meta = Meta(place.paths.meta, keyring=place.keyring())
        findings(meta)
        meta.sources()
        meta.close()
    except IndelibleError as error:
        code = refused(error)
    else:
        return ""
    changed = {n for n, c in contents(place.data).items() if before.get(n) != c}
    assert changed <= {"lock"}, "a refused start changed something"
    return code


def refused(error: IndelibleError) -> str:
    """The code of an error that must lead to exit code 4."""
    assert error.exit_code == 4, error
    return error.code


def attacked(layout_now: Path, folder: Path, case: Case) -> None:
    """Copy, attack, judge, compare."""
    place = copy_ledger(layout_now, folder)
    case.attack(place)
    found = judge(place)
    areas = {problem.area for problem in found.checked.problems}
    assert (found.verify, found.at) == (case.verify, case.at), found.report
    assert found.checked.exit == (4 if case.fsck else 0), found.checked
    assert case.fsck in areas or not case.fsck, found.checked
    assert found.opens == case.opens
