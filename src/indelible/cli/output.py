"""What a command prints: one JSON document, lines of JSON, or text for a person.

Answers go to stdout, everything about the work itself (progress, notes, errors) to stderr.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TextIO, TypeVar

import click
import msgspec

from indelible.base.clock import MICROS, parse_rfc3339, wall_us
from indelible.base.errors import IndelibleError
from indelible.cli.failures import as_json, as_text
from indelible.cli.visible import cut, cut_middle, pad, visible, visible_json, width

T = TypeVar("T")
_FRACTION = re.compile(r"\.\d+(?=Z$)")
_GAP = "  "
_LEAST = 8  # columns that a shortened cell keeps

OUTCOME_COLORS = {"failure": "yellow", "denied": "red", "unknown": "bright_black"}
CALM = ("fine", "proven", "verified", "whole", "ok")
QUIET = ("pending", "erased", "pruned", "unwitnessed", "gap declared", "unrecorded")


def wants_color(stream: TextIO) -> bool:
    """Whether escape sequences are welcome: a terminal, and neither NO_COLOR nor a dumb one."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class Output:
    """Where one command's answer goes. `json` decides between the two forms."""

    def __init__(self, *, json: bool) -> None:
        self.json = json
        self.color = not json and wants_color(sys.stdout)
        self.recorded = True

    def say(self, line: str = "") -> None:
        """One line for a person (nothing with `--json`); `line` must already be visible text."""
        if not self.json:
            click.echo(line, color=self.color)

    def paint(self, text: str, color: str | None, *, bold: bool = False) -> str:
        """`text` in a colour where colours are welcome."""
        return click.style(text, fg=color, bold=bold or None) if self.color and text else text

    def verdict(self, verdict: str) -> str:
        """A verdict in its colour."""
        word = verdict.lower()
        color = "green" if word.startswith(CALM) else "yellow" if word.startswith(QUIET) else "red"
        return self.paint(visible(verdict), color, bold=True)

    def note(self, text: str) -> None:
        """A remark about the work itself, on stderr."""
        click.echo(f"note: {visible(text)}", err=True, color=wants_color(sys.stderr))

    def document(self, raw: bytes) -> None:
        """The one JSON document of `--json`."""
        text = visible_json(raw.strip())
        if not self.recorded and text.startswith("{") and text != "{}":
            text = '{"recorded":false,' + text[1:]
        click.echo(text)

    def answer(self, raw: bytes, kind: type[T], show: Callable[[T], None]) -> T:
        """The server's answer: as it is with `--json`, else through `show`."""
        decoded = decode(raw, kind)
        if self.json:
            self.document(raw)
        else:
            show(decoded)
        return decoded

    def result(self, value: object, lines: Iterable[str]) -> None:
        """A result of this process: `value` as JSON, or `lines` for a person."""
        if self.json:
            self.document(msgspec.json.encode(value))
            return
        for line in lines:
            self.say(line)

    def columns(self) -> int | None:
        """The terminal's width, None where the answer goes elsewhere and nothing is cut."""
        return shutil.get_terminal_size().columns if sys.stdout.isatty() else None

    def table(
        self, head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = (),
        colors: Callable[[int, str], str | None] = lambda _column, _cell: None,
        middle: Sequence[int] = (), whole: Sequence[int] = (), first: Sequence[int] = (),
    ) -> None:
        """An aligned table; cells are made visible; `right` names columns aligned to the right.

        Where the terminal is too narrow, cells lose their ends, those of `middle` their middles;
        those of `first` before all others, those of `whole` never.
        """
        cells = [[visible(cell) for cell in row] for row in rows]
        widths = [max(map(width, column)) for column in zip(head, *cells, strict=True)]
        others = [at for at in range(len(head)) if at not in {*whole, *first}]
        _fit(widths, self.columns(), [(first, _LEAST), (others, _LEAST), (others, 1)])
        self.say(self.paint(_line(head, widths, right), None, bold=True))
        for row in cells:
            shown = [
                (cut_middle if at in middle else cut)(cell, widths[at])
                for at, cell in enumerate(row)
            ]
            painted = _aligned(shown, widths, right)
            for at, cell in enumerate(row):
                painted[at] = self.paint(painted[at], colors(at, cell))
            self.say(_GAP.join(painted).rstrip())

    def facts(self, facts: Iterable[tuple[str, str]], indent: str = "") -> None:
        """Name and value, a pair a line, aligned; empty values are left out."""
        kept = [(name, value) for name, value in facts if value]
        wide = max((width(name) for name, _ in kept), default=0)
        for name, value in kept:
            self.say(f"{indent}{pad(name, wide)}{_GAP}{value}")


def _aligned(cells: Sequence[str], widths: Sequence[int], right: Sequence[int]) -> list[str]:
    return [
        " " * (wide - width(cell)) + cell if at in right else pad(cell, wide)
        for at, (cell, wide) in enumerate(zip(cells, widths, strict=True))
    ]


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[int]) -> str:
    shown = [cut(cell, wide) for cell, wide in zip(cells, widths, strict=True)]
    return _GAP.join(_aligned(shown, widths, right)).rstrip()


def _fit(
    widths: list[int], total: int | None, steps: Iterable[tuple[Sequence[int], int]]
) -> None:
    """Narrow columns until the line fits: step by step, the widest of a step's to its least."""
    if total is None:
        return
    over = sum(widths) + len(_GAP) * (len(widths) - 1) - total
    for group, least in steps:
        while over > 0 and any(widths[at] > least for at in group):
            widths[max(group, key=widths.__getitem__)] -= 1
            over -= 1


def decode(raw: bytes, kind: type[T]) -> T:
    """An answer as a typed object; an answer of another shape is an error that says so."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.DecodeError as error:
        raise IndelibleError(
            f"the server's answer has an unknown shape: {error}",
            code="bad_answer",
            remedy="Check that --url names an Indelible server of this version.",
        ) from error


def print_error(error: IndelibleError, *, json: bool) -> None:
    """An error in the command's own form: the one JSON shape on stdout, or text on stderr."""
    if json:
        click.echo(visible_json(as_json(error)))
        return
    head, _, rest = as_text(error).partition("\n")
    if wants_color(sys.stderr):
        head = click.style(head, fg="red", bold=True)
    click.echo(f"{head}\n{rest}" if rest else head, err=True, color=wants_color(sys.stderr))


def size_text(count: float) -> str:
    """Bytes for a person: `812 B`, `4.1 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def moment_text(rfc3339: str) -> str:
    """A moment to the second: what a person reads of `2026-03-03T09:14:07.000000Z`."""
    return visible(_FRACTION.sub("", rfc3339))


def age_text(seconds: float) -> str:
    """An age for a person, in its largest whole unit."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def age_of(rfc3339: str) -> str:
    """How long ago a moment is, by this machine's clock."""
    return age_text(max(0, wall_us() - parse_rfc3339(rfc3339)) / MICROS)


def count_text(count: int, one: str, many: str | None = None) -> str:
    """`1 event`, `2,900 events`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
