"""Rendering a report: for people, and as one JSON object."""

from __future__ import annotations

import json
from typing import Final

from indelible_verify.verdict import EventResult, Problem, Report, Said, spell
from indelible_verify.view import visible

_COLUMNS: Final = ("INDEX", "STATUS", "TIME", "ACTOR", "ACTION", "TARGET", "OUTCOME")
_WIDEST: Final = 48
_ROWS: Final = 10_000
_LINE: Final = 2_000


def as_text(report: Report) -> str:
    """The report for people: verdict, what is wrong, what was and was not proved, the events."""
    lines = [_headline(report)]
    if report.origin:
        lines.append(f"log {report.origin}, size {report.size}, root {report.root.hex() or '-'}")
    if report.problems:
        lines += ["", "Wrong:"]
        lines += [f"  - {one.verdict.value.upper()}: {_where(one)}" for one in report.problems]
    lines += _section("Proved:", report.proved)
    lines += _section("To be noted:", [f"{s.verdict.value}: {s.text}" for s in report.said])
    lines += _section("NOT proved:", report.not_proved)
    if report.events:
        lines += ["", *_table(report.events)]
    return "\n".join(visible(line, _LINE) for line in lines) + "\n"


def _headline(report: Report) -> str:
    word = report.verdict.value.upper()
    if not report.problems:
        notes = sorted({one.verdict.value for one in report.said})
        return f"{word}" + (f" (with: {', '.join(notes)})" if notes else "")
    first = next(one for one in report.problems if one.verdict is report.verdict)
    return f"{word}: {_where(first)}"


def _where(problem: Problem) -> str:
    """A problem's text with its place, where the text itself does not say it."""
    if problem.first is None or "index" in problem.text:
        return problem.text
    last = problem.first if problem.last is None else problem.last
    return f"{spell(problem.first, last)}: {problem.text}"


def _section(title: str, items: list[str]) -> list[str]:
    return ["", title, *(f"  - {item}" for item in items)] if items else []


def _table(events: list[EventResult]) -> list[str]:
    rows: list[tuple[str, ...]] = [_COLUMNS]
    for event in events[:_ROWS]:
        index, status = str(event.index), event.status.value
        cells = (event.time, event.actor, event.action, event.target, event.outcome)
        rows.append((index, status, *(visible(cell, _WIDEST) for cell in cells)))
    widths = [max(len(row[at]) for row in rows) for at in range(len(_COLUMNS))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    if len(events) > _ROWS:
        lines.append(f"... and {len(events) - _ROWS} more (all of them with --json)")
    return lines


def as_json(report: Report) -> str:
    """The report as one JSON object on one line; hashes are hex, ASCII only."""
    return json.dumps(
        {
            "verdict": report.verdict.value,
            "exit": report.exit,
            "subject": report.subject,
            "origin": report.origin,
            "size": report.size,
            "root": report.root.hex(),
            "events": [_event(event) for event in report.events],
            "problems": [_placed(problem) for problem in report.problems],
            "proved": report.proved,
            "not_proved": report.not_proved,
            "said": [_placed(said) for said in report.said],
        }
    )


def _placed(item: Problem | Said) -> dict[str, object]:
    return {
        "verdict": item.verdict.value,
        "text": item.text,
        "first": item.first,
        "last": item.last,
    }


def _event(event: EventResult) -> dict[str, object]:
    return {
        "index": event.index,
        "status": event.status.value,
        "kind": event.kind,
        "time": event.time,
        "actor": event.actor,
        "action": event.action,
        "target": event.target,
        "outcome": event.outcome,
    }
