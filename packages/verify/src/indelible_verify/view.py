"""The readable view of a bundle (spec section 8), and text made safe to show."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from indelible_verify import limits, strict_json
from indelible_verify.errors import Damaged

_HIDDEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_ESCAPES: Final = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"}
)
_STYLE: Final = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem;max-width:80rem}"
    "table{border-collapse:collapse;width:100%}"
    "th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid #ccc}"
    "pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:.3rem 0}"
)
FOOT: Final = b"</table></body></html>\n"


def _code(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def escape(value: str) -> str:
    """Escape a value for the view: markup first, then invisible characters."""
    return _HIDDEN.sub(_code, value.translate(_ESCAPES))


def visible(value: str, top: int = limits.CELL) -> str:
    """A value for a terminal: control, bidirectional and lone surrogate characters as \\uXXXX."""
    shown = _HIDDEN.sub(_code, value[: top + 1])
    return shown if len(shown) <= top else shown[: top - 1] + "\u2026"


@dataclass(frozen=True, slots=True)
class Row:
    """The six columns of one event that is shown; values as they stand in the body."""

    time: str
    actor: str
    action: str
    target: str
    outcome: str


def row_of(body: dict[str, object]) -> Row:
    """Take the columns from a body's members; of a member that stands twice the last counts."""
    actor = body.get("actor")
    targets = body.get("targets")
    first = targets[0] if type(targets) is list and targets else None
    return Row(
        time=_time(body),
        actor=strict_json.text(dict(actor), "id") if isinstance(actor, strict_json.Pairs) else "",
        action=strict_json.text(body, "action"),
        target=_target(dict(first)) if isinstance(first, strict_json.Pairs) else "",
        outcome=_outcome(body),
    )


def _time(body: dict[str, object]) -> str:
    time = body.get("time")
    return time if isinstance(time, str) else strict_json.text(body, "received")


def _target(target: dict[str, object]) -> str:
    return f"{strict_json.text(target, 'type')} {strict_json.text(target, 'id')}"


def _outcome(body: dict[str, object]) -> str:
    outcome = body.get("outcome")
    return outcome if isinstance(outcome, str) else "unknown"


def head(origin: str, count: int, size: int) -> bytes:
    """The view's lines before the first index."""
    name = escape(origin)
    columns = ("Index", "Time", "Actor", "Action", "Target", "Outcome")
    cells = "".join(f"<th>{column}</th>" for column in columns)
    lines = (
        "<!doctype html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>Evidence of {name}</title>',
        f"<style>{_STYLE}</style></head><body>",
        f"<h1>Evidence of {name}</h1>",
        f"<p>{count} of the log's first {size} entries. This page is for reading; the proof is in"
        " the other files: check it with <code>indelible-verify</code>.</p>",
        f"<table><tr>{cells}</tr>",
    )
    return "".join(line + "\n" for line in lines).encode()


def shown(index: int, row: Row, body: bytes) -> bytes:
    """The view's two lines for an index whose body is shown."""
    values = (str(index), row.time, row.actor, row.action, row.target, row.outcome)
    cells = "".join(f"<td>{escape(value)}</td>" for value in values)
    try:
        text = escape(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise Damaged("the body is not UTF-8", index) from None
    details = f"<details><summary>Body</summary><pre>{text}</pre></details>"
    return f'<tr>{cells}</tr>\n<tr><td></td><td colspan="5">{details}</td></tr>\n'.encode()


def not_shown(index: int) -> bytes:
    """The view's line for an index whose body is not shown."""
    return f'<tr><td>{index}</td><td colspan="5">not shown</td></tr>\n'.encode()
