"""Text from events on a terminal: nothing in it may move the cursor, hide or reorder anything."""

from __future__ import annotations

import re
import unicodedata

from indelible.base.unseen import UNSEEN, code_units

_UNSEEN = re.compile(f"[{UNSEEN}]")
_UNSEEN_IN_JSON = re.compile(_UNSEEN.pattern.replace("\x00-\x1f", ""))


def _escape(found: re.Match[str]) -> str:
    return code_units(found[0])


def visible(text: str) -> str:
    """`text` on one line with control, bidirectional and invisible characters written `\\uXXXX`."""
    return _UNSEEN.sub(_escape, text)


def visible_json(document: bytes) -> str:
    """A JSON text that means the same and holds no such character itself.

    Outside its strings a JSON text cannot hold them (white space between tokens excepted, which
    stays), inside they may be written as escapes.
    """
    return _UNSEEN_IN_JSON.sub(_escape, document.decode("utf-8", "replace"))


def width(text: str) -> int:
    """Columns that `text` takes on a terminal."""
    if text.isascii():
        return len(text)
    count = 0
    for char in text:
        if unicodedata.combining(char):
            continue
        count += 2 if unicodedata.east_asian_width(char) in "WF" else 1
    return count


def cut(text: str, columns: int) -> str:
    """`text` in at most `columns` columns, with an ellipsis where something is missing."""
    if width(text) <= columns:
        return text
    kept = ""
    for char in text:
        if width(kept + char) > columns - 1:
            break
        kept += char
    return kept + "…"


def cut_middle(text: str, columns: int) -> str:
    """The same with the ellipsis in the middle: names often differ at their ends."""
    if width(text) <= columns:
        return text
    head = cut(text, columns // 2 + 1)
    tail = cut(text[::-1], columns - width(head) + 1)[:-1][::-1]
    return head + tail


def pad(text: str, columns: int) -> str:
    """`text` filled with spaces to `columns`."""
    return text + " " * (columns - width(text))
