"""The readable view of a bundle, byte for byte as spec section 8 says.

It is a function of the rest of the bundle: a verifier renders it again and refuses a bundle whose
view differs. So nothing here may change without a new bundle format.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Final

from indelible.base.unseen import UNSEEN, code_units
from indelible.proof.errors import ProofError

_STYLE: Final = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem;max-width:80rem}"
    "table{border-collapse:collapse;width:100%}"
    "th,td{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid #ccc}"
    "pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:.3rem 0}"
)
_HEAD: Final = (
    "<!doctype html>\n"
    '<html lang="en"><head><meta charset="utf-8"><title>Evidence of {origin}</title>\n'
    "<style>{style}</style></head><body>\n"
    "<h1>Evidence of {origin}</h1>\n"
    "<p>{n} of the log's first {size} entries. This page is for reading; the proof is in the "
    "other files: check it with <code>indelible-verify</code>.</p>\n"
    "<table><tr><th>Index</th><th>Time</th><th>Actor</th><th>Action</th><th>Target</th>"
    "<th>Outcome</th></tr>\n"
)
_TAIL: Final = b"</table></body></html>\n"

_UNSAFE: Final = re.compile(f"[&<>\"'{UNSEEN}]")
_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;"}


def escape(text: str) -> str:
    """A value as the view shows it: HTML entities, and invisible characters as `\\uXXXX`."""
    return _UNSAFE.sub(_replace, text)


def _replace(match: re.Match[str]) -> str:
    character = match[0]
    return _ENTITIES.get(character) or code_units(character)


def render(
    origin: str, size: int, count: int, rows: Iterable[tuple[int, bytes | None]]
) -> Iterator[bytes]:
    """The view in pieces: for each index its body, or None where it is not shown.

    Raises `ProofError` for a body that is not a JSON object in UTF-8.
    """
    yield _HEAD.format(origin=escape(origin), style=_STYLE, n=count, size=size).encode()
    for index, body in rows:
        yield row(index, body)
    yield _TAIL


def row(index: int, body: bytes | None) -> bytes:
    """The one or two lines of an index."""
    if body is None:
        return f'<tr><td>{index}</td><td colspan="5">not shown</td></tr>\n'.encode()
    try:
        text = body.decode("utf-8")
        members = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ProofError(f"view: the body at index {index} is not JSON") from error
    if not isinstance(members, dict):
        raise ProofError(f"view: the body at index {index} is not a JSON object")
    cells = "".join(f"<td>{escape(cell)}</td>" for cell in _cells(members))
    return (
        f"<tr><td>{index}</td>{cells}</tr>\n"
        '<tr><td></td><td colspan="5"><details><summary>Body</summary>'
        f"<pre>{escape(text)}</pre></details></td></tr>\n"
    ).encode()


def _cells(members: dict[str, object]) -> tuple[str, str, str, str, str]:
    targets = members.get("targets")
    first = targets[0] if isinstance(targets, list) and targets else None
    target = f"{_text(first, 'type')} {_text(first, 'id')}" if isinstance(first, dict) else ""
    return (
        _text(members, "time" if isinstance(members.get("time"), str) else "received"),
        _text(members.get("actor"), "id"),
        _text(members, "action"),
        target,
        _text(members, "outcome") if isinstance(members.get("outcome"), str) else "unknown",
    )


def _text(holder: object, name: str) -> str:
    value = holder.get(name) if isinstance(holder, dict) else None
    return value if isinstance(value, str) else ""
