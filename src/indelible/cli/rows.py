"""Events as lines for a person: one row each, one day after the other, change by change."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Raw, UnsetType

from indelible.cli.output import OUTCOME_COLORS, Output
from indelible.cli.visible import cut, visible, width
from indelible.query.model import HistoryChange, HistoryEntry, Row, TimelineEntry

DEFAULT_COLUMNS = ("index", "time", "actor", "action", "target", "outcome")
IN_ROW = (
    "index", "time", "received", "kind", "action", "operation", "outcome", "actor.type", "actor",
    "actor.name", "target.type", "target", "target.name", "ip", "source", "tenant", "severity",
)
"""Columns that every row carries; others are asked for by name."""
_OTHERS = 3  # targets beside the one whose history it is, in a line
_VALUE_CHARS = 200  # of one before or after value in a line


def time_text(rfc3339: str) -> str:
    """A UTC time to the second, as tables show it."""
    return rfc3339[:19].replace("T", " ")


def actor_text(row: Row) -> str:
    """Who: the name where there is one, with the id."""
    if row.actor_name and row.actor_name != row.actor:
        return f"{row.actor_name} ({row.actor})"
    return row.actor


def target_text(row: Row) -> str:
    """On what: type and id of the first target, its name, and how many more."""
    text = f"{row.target_type} {row.target}".strip()
    if row.target_name and row.target_name != row.target:
        text += f" ({row.target_name})"
    return f"{text} +{row.targets - 1}" if row.targets > 1 else text


def _field(row: Row, name: str) -> str:
    match name:
        case "index":
            return str(row.index)
        case "time":
            return time_text(row.time)
        case "received":
            return time_text(row.received)
        case "target":
            return target_text(row)
        case "actor":
            return row.actor
    if name in IN_ROW:
        value = getattr(row, name.replace(".", "_"))
        return value if isinstance(value, str) else ""
    return ", ".join(str(value) for value in row.values.get(name, []))


def table(out: Output, rows: list[Row], columns: tuple[str, ...]) -> None:
    """Rows as an aligned table; flags stand behind the outcome, and go first where it is narrow."""

    def colors(at: int, cell: str) -> str | None:
        return OUTCOME_COLORS.get(cell.split(" ")[0]) if columns[at] == "outcome" else None

    def cell(row: Row, name: str) -> str:
        text = _field(row, name)
        return f"{text} [{', '.join(row.flags)}]" if name == "outcome" and row.flags else text

    right = [at for at, name in enumerate(columns) if name == "index"]
    middle = [at for at, name in enumerate(columns) if name.startswith("target")]
    heads = tuple("TIME (UTC)" if name == "time" else name.upper() for name in columns)
    cells = [[cell(row, name) for name in columns] for row in rows]
    whole = [at for at, name in enumerate(columns) if name in ("index", "time", "received")]
    first = [at for at, name in enumerate(columns) if name == "outcome"]
    out.table(heads, cells, right, colors, middle, whole, first)


def timeline(out: Output, entries: list[TimelineEntry]) -> None:
    """A timeline, with a heading for each day; what others did on the actor's behalf says so."""
    day = ""
    for entry in entries:
        row = entry.event
        if row.time[:10] != day:
            if day:
                out.say()
            day = row.time[:10]
            out.say(out.paint(visible(day), None, bold=True))
        line = f"  {visible(row.time[11:19])}  {visible(row.action)}"
        if target := target_text(row):
            line += f"  {visible(target)}"
        if row.outcome not in ("success", ""):
            color = OUTCOME_COLORS.get(row.outcome)
            line += "  " + out.paint(visible(row.outcome), color)
        if row.ip:
            line += f"  from {visible(row.ip)}"
        if entry.role == "on_behalf_of":
            line += f"  by {visible(actor_text(row))}, on behalf"
        out.say(f"{line}  #{row.index}")


def history(out: Output, entries: list[HistoryEntry]) -> None:
    """A history: each event with what else it touched; under it what changed, before and after."""
    for entry in entries:
        row = entry.event
        did = f"{visible(row.action)} by {visible(actor_text(row))}"
        line = f"{visible(time_text(row.time))}  {did}"
        if others := _others_text(entry):
            line += f", with {visible(others)}"
        if row.outcome not in ("success", ""):
            line += "  " + out.paint(visible(row.outcome), OUTCOME_COLORS.get(row.outcome))
        if not entry.applied and entry.changes:
            line += "  (asked for, not applied)"
        out.say(f"{line}  #{row.index}")
        for change in entry.changes:
            for text, color in change_lines(change):
                out.say(out.paint(f"    {text}", color if entry.applied else "bright_black"))


def _others_text(entry: HistoryEntry) -> str:
    """The first of the other targets, and how many more."""
    shown = [
        f"{one.type} {one.id}" + (f" ({one.name})" if one.name not in ("", one.id) else "")
        for one in entry.others[:_OTHERS]
    ]
    more = entry.event.targets - 1 - len(shown)
    return ", ".join(shown) + (f" +{more}" if shown and more > 0 else "")


def change_lines(change: HistoryChange) -> list[tuple[str, str | None]]:
    """One change: one line when it is short, `-` and `+` lines when it is long."""
    path = visible(change.path or "the whole value")
    before, after = json_text(change.before), json_text(change.after)
    if before is None and after is None:
        return [(f"{path}  {visible(change.op) or 'changed'}", None)]
    if before is None:
        return [(f"+ {path}: {after}", "green")]
    if after is None:
        return [(f"- {path}: {before}", "red")]
    if width(before) + width(after) + width(path) <= 80:
        return [(f"{path}: {before} -> {after}", None)]
    return [(path, None), (f"  - {before}", "red"), (f"  + {after}", "green")]


def json_text(value: Raw | UnsetType) -> str | None:
    """Any JSON on one line, cut where it is long; None where there is none."""
    if value is UNSET or not bytes(value):
        return None
    return cut(visible(bytes(value).decode("utf-8", "replace")), _VALUE_CHARS)


def pretty(value: Raw) -> list[str]:
    """Any JSON over several lines, numbers as they were written."""
    text = msgspec.json.format(bytes(value), indent=2).decode("utf-8", "replace")
    return [visible(line) for line in text.split("\n")]
