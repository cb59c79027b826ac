"""What changed between two JSON values, and how one change reads.

Paths are written as in `data.PATH`: member names and array positions joined by dots, with `\\.` for
a dot inside a name. The path of the whole value is the empty text.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from indelible.base.limits import CHANGES
from indelible.event.model import Change, ChangeOp
from indelible.event.paths import escape_segment

_members = msgspec.json.Decoder(dict[str, Raw])
_elements = msgspec.json.Decoder(list[Raw])
_decode = msgspec.json.Decoder().decode

SHOWN_CHARS: Final = 80


def diff(before: bytes, after: bytes) -> list[Change]:
    """The changes that turn `before` into `after`, both JSON text, ordered by where they stand.

    Objects are compared member by member, arrays of equal length position by position, anything
    else as a whole. Values keep their text; `1` and `1.0` differ, an escape in a string does not.
    More than `limits.CHANGES` differences come back as one change of the whole value.
    """
    found: list[Change] = []
    _compare("", before.strip(), after.strip(), found)
    if len(found) > CHANGES:
        return [_change("", before, after)]
    return found


def op_of(change: Change) -> ChangeOp:
    """What happened to the path: as stated, or derived from which of the two values there is."""
    if change.op is not UNSET:
        return change.op
    if change.before is UNSET:
        return ChangeOp.ADD
    return ChangeOp.REMOVE if change.after is UNSET else ChangeOp.REPLACE


def change_text(change: Change, shown_chars: int = SHOWN_CHARS) -> str:
    """One change in words: `role: "user" → "admin"`, `role added: "user"`, `role removed`.

    Values are JSON text, cut at `shown_chars` characters with an ellipsis.
    """
    name = change.path or "the whole value"
    before, after = _shown(change.before, shown_chars), _shown(change.after, shown_chars)
    match op_of(change):
        case ChangeOp.ADD:
            return f"{name} added: {after}" if after else f"{name} added"
        case ChangeOp.REMOVE:
            return f"{name} removed: {before}" if before else f"{name} removed"
        case ChangeOp.REPLACE:
            if not before and not after:
                return f"{name} changed"
            return f"{name}: {before or '(not given)'} → {after or '(not given)'}"


def _compare(path: str, before: bytes, after: bytes, found: list[Change]) -> None:
    if before == after or len(found) > CHANGES:
        return
    if before[:1] == after[:1] == b"{":
        _compare_members(path, _members.decode(before), _members.decode(after), found)
    elif before[:1] == after[:1] == b"[":
        old, new = _elements.decode(before), _elements.decode(after)
        if len(old) != len(new):
            found.append(_change(path, before, after))
            return
        for position, (left, right) in enumerate(zip(old, new, strict=True)):
            _compare(_join(path, str(position)), _text(left), _text(right), found)
    elif not _same_string(before, after):
        found.append(_change(path, before, after))


def _compare_members(
    path: str, before: dict[str, Raw], after: dict[str, Raw], found: list[Change]
) -> None:
    for name, old in before.items():
        inner = _join(path, escape_segment(name))
        if name in after:
            _compare(inner, _text(old), _text(after[name]), found)
        else:
            found.append(Change(path=inner, op=ChangeOp.REMOVE, before=Raw(_text(old))))
    for name, new in after.items():
        if name not in before:
            inner = _join(path, escape_segment(name))
            found.append(Change(path=inner, op=ChangeOp.ADD, after=Raw(_text(new))))


def _change(path: str, before: bytes, after: bytes) -> Change:
    return Change(path=path, op=ChangeOp.REPLACE, before=Raw(before), after=Raw(after))


def _same_string(before: bytes, after: bytes) -> bool:
    return before[:1] == after[:1] == b'"' and bool(_decode(before) == _decode(after))


def _text(raw: Raw) -> bytes:
    return bytes(raw).strip()


def _join(path: str, segment: str) -> str:
    return f"{path}.{segment}" if path else segment


def _shown(value: Raw | UnsetType, chars: int) -> str:
    if value is UNSET:
        return ""
    text = bytes(value).decode().strip()
    return text if len(text) <= chars else text[: chars - 1] + "…"
