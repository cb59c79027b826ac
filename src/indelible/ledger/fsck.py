"""Is a folder whole? Every file against what names it. Reads only."""

from __future__ import annotations

import msgspec


class FsckProblem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is not whole: where, which events it concerns, and what to do."""

    area: str
    file: str
    message: str
    remedy: str
    first: int | None = None
    last: int | None = None


class FsckReport(msgspec.Struct, frozen=True, kw_only=True):
    """The account of one check; `verdict` is `whole` or `damaged`."""

    verdict: str
    exit: int
    problems: list[FsckProblem]
    lines: list[str]
