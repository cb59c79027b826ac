"""In CI a missing component is a failure, unless `docs/untested.md` names it as not to be had."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

_UNTESTED = Path(__file__).parent.parent / "docs" / "untested.md"
_skipped: list[str] = []


def allowed() -> tuple[str, ...]:
    """What may be missing: components the document names, and data that are not the project's."""
    text = _UNTESTED.read_text("utf-8").partition("**Components")[2]
    return (*re.findall(r"^- `([^`]+)`:", text, re.M), "shared/data")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember why tests were skipped."""
    if report.skipped and not hasattr(report, "wasxfail"):
        _skipped.append(f"{report.nodeid}: {report.longrepr[-1]}")  # type: ignore[index]


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a CI run that skipped for a component which should be there."""
    if not os.environ.get("CI") or hasattr(session.config, "workerinput"):
        return
    unexplained = [one for one in _skipped if not any(name in one for name in allowed())]
    if unexplained and exitstatus == 0:
        session.exitstatus = 1
        print("\nskipped for want of something that docs/untested.md does not name:")
        print(*unexplained, sep="\n")
