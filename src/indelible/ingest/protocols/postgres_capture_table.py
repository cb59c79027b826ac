"""The rows of one table as pieces of events: what changed, which row it is, what is kept: pure.

A table is prepared once, when its description arrives; its rows then cost few steps each, because
whole applications write through here. Every function gives JSON without white space.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from operator import ne
from typing import Final

import msgspec

from indelible.base.limits import CHANGES, NAME_CHARS
from indelible.event.paths import escape_segment
from indelible.ingest.protocols.pgoutput import CUT, UNCHANGED, Absent, Relation, Row, Value
from indelible.ingest.protocols.pgoutput_values import text, to_json

_encode = msgspec.json.Encoder().encode
_NULL: Final = b"null"


class Table:
    """One relation. `name` is `schema.table`, `targets` ends the list of targets of its events."""

    def __init__(self, relation: Relation, key: Sequence[str], database: str) -> None:
        """`key` names the columns that tell rows apart; empty where none do."""
        self.relation = relation
        self.name = f"{relation.schema}.{relation.name}"[:NAME_CHARS]
        whole = f"{database}.{self.name}"[:NAME_CHARS]
        names = [column.name for column in relation.columns]
        self._names = names
        self._count = len(names)
        self._key = [names.index(one) for one in key] if set(key) <= set(names) else []
        self._identity = [at for at, column in enumerate(relation.columns) if column.key]
        self._to_json: list[Callable[[bytes], bytes]] = [
            to_json(column.type) for column in relation.columns
        ]
        paths = [_encode(escape_segment(name)) for name in names]
        self._add = [b'{"path":%b,"op":"add","after":' % path for path in paths]
        self._remove = [b'{"path":%b,"op":"remove","before":' % path for path in paths]
        self._replace = [b'{"path":%b,"op":"replace","before":' % path for path in paths]
        self._now = [b'{"path":%b,"after":' % path for path in paths]
        self._only = [b'{"path":%b}' % path for path in paths]
        parent = _encode(whole)
        self._row = b'{"type":"postgresql_row","id":%b/' % parent[:-1]
        self._row_end = b'","parent":%b},' % parent
        self._room = NAME_CHARS - len(whole) - 1
        self.targets = b'{"type":"postgresql_table","id":%b,"parent":%b}' % (
            _encode(self.name), _encode(database),
        )

    def fits(self, row: Row) -> bool:
        """Whether a row has the columns of this table."""
        return (row.old is None or len(row.old) == self._count) and (
            row.new is None or len(row.new) == self._count
        )

    # --- which row

    def rows(self, row: Row) -> bytes:
        """The row as a target, and what it was called before when its key changed; or nothing."""
        if not self._key:
            return b""
        if row.new is None:
            return self._called(row.old) if row.old is not None else b""
        new = self._called(row.new, row.old if row.of == "O" else None)
        if row.old is None or all(row.old[at] == row.new[at] for at in self._key):
            return new
        old = self._called(row.old)
        return new if old == new else new + old

    def _called(self, values: list[Value], instead: list[Value] | None = None) -> bytes:
        """A row by its key; `instead` are the same values as far as they did not change."""
        key = [values[at] for at in self._key]
        if instead is not None and UNCHANGED in key:
            key = [instead[at] if one is UNCHANGED else one
                   for at, one in zip(self._key, key, strict=True)]
        known = [one for one in key if isinstance(one, bytes)]
        if len(known) != len(key):
            return b""
        if len(key) == 1:
            called = known[0]
        else:
            names = [self._names[at].encode() for at in self._key]
            pairs = [name + b"=" + _quoted(one) for name, one in zip(names, known, strict=True)]
            called = b",".join(pairs)
        if not called or len(called) > self._room:
            return b""
        return self._row + text(called)[1:-1] + self._row_end

    # --- what changed

    def changes(self, row: Row, most: int = 0) -> bytes:
        """The changes of a row, without brackets; `most`: values with more bytes are left out."""
        if row.kind == "I":
            assert row.new is not None
            found = self._whole(row.new, self._add, most)
        elif row.kind == "D":
            assert row.old is not None
            found = self._whole(row.old, self._remove, most)
        elif row.of == "O":
            found = self._differing(row, most)
        else:
            found = self._known_after(row, most)
        return b",".join(found[:CHANGES])

    def _whole(self, values: list[Value], heads: list[bytes], most: int) -> list[bytes]:
        """Every value of a row that came or went; NULL is no value."""
        out = []
        for at, value in enumerate(values):
            if value.__class__ is bytes:
                if most and len(value) > most:
                    out.append(self._only[at])
                else:
                    out.append(heads[at] + self._to_json[at](value) + b"}")
        return out

    def _differing(self, row: Row, most: int) -> list[bytes]:
        """Before and after of what an update changed, where the message holds both rows."""
        old, new = row.old, row.new
        assert old is not None
        assert new is not None
        out = []
        for at in [at for at, differs in enumerate(map(ne, old, new)) if differs]:
            before, after = old[at], new[at]
            if after is UNCHANGED or isinstance(before, Absent) or isinstance(after, Absent):
                continue
            if most and max(len(before or b""), len(after or b"")) > most:
                out.append(self._only[at])
                continue
            make = self._to_json[at]
            first = _NULL if before is None else make(before)
            then = _NULL if after is None else make(after)
            out.append(b'%b%b,"after":%b}' % (self._replace[at], first, then))
        return out

    def _known_after(self, row: Row, most: int) -> list[bytes]:
        """What an update left, where the message says at most the key that was before."""
        assert row.new is not None
        old = row.old if row.of == "K" else None
        out = []
        for at, after in enumerate(row.new):
            if isinstance(after, Absent):
                continue
            make = self._to_json[at]
            then = _NULL if after is None else make(after)
            if most and len(then) > most:
                out.append(self._only[at])
            elif old is not None and at in self._identity:
                before = old[at]
                if before != after and not isinstance(before, Absent):
                    first = _NULL if before is None else make(before)
                    out.append(b'%b%b,"after":%b}' % (self._replace[at], first, then))
            else:
                out.append(self._now[at] + then + b"}")
        return out

    def unchanged(self, row: Row) -> list[str]:
        """Columns whose value out of line the update left alone, and did not repeat."""
        new = row.new or []
        if UNCHANGED not in new:
            return []
        return [name for name, one in zip(self._names, new, strict=True) if one is UNCHANGED]

    # --- what is kept

    def raw(self, row: Row, most: int = 0) -> bytes:
        """The message in JSON, as a JSON string: PostgreSQL's own texts, column by column.

        Of an update with the full old row, `new` holds the columns that differ from it. `most`:
        values with more bytes are told by their length and SHA-256. Columns that the message does
        not tell are named under `unchanged` and `cut`.
        """
        said: dict[str, object] = {"pgoutput": row.kind, "relation": self.name}
        if row.of == "K" and row.old is not None:
            said["key"] = {self._names[at]: _text(row.old[at], most) for at in self._identity}
        elif row.old is not None:
            said["old"] = self._texts(row.old, most)
        if row.new is not None:
            if row.of == "O" and row.old is not None:
                both = zip(self._names, row.old, row.new, strict=True)
                said["new"] = {name: _text(new, most) for name, old, new in both
                               if new != old and not isinstance(new, Absent)}
            else:
                said["new"] = self._texts(row.new, most)
        for why in (UNCHANGED, CUT):
            for values in (row.old, row.new):
                if values is not None and why in values:
                    pairs = zip(self._names, values, strict=True)
                    said[why.why] = [name for name, one in pairs if one is why]
        return _encode(_encode(said).decode())

    def _texts(self, values: list[Value], most: int) -> dict[str, object]:
        if not most:
            try:
                found = [
                    None if one is None else one.decode()  # type: ignore[union-attr]
                    for one in values
                ]
                return dict(zip(self._names, found, strict=True))
            except (AttributeError, UnicodeDecodeError):
                pass
        return {
            name: _text(one, most) for name, one in zip(self._names, values, strict=True)
            if not isinstance(one, Absent)
        }


def _text(value: Value, most: int) -> object:
    """A value as text, whatever its bytes are; a long one by what identifies it."""
    if not isinstance(value, bytes):
        return None
    if most and len(value) > most:
        return {"bytes": len(value), "sha256": sha256(value).hexdigest()}
    return value.decode("utf-8", "backslashreplace")


def _quoted(value: bytes) -> bytes:
    """A value within a key of several columns."""
    return value.replace(b"%", b"%25").replace(b",", b"%2C").replace(b"=", b"%3D")
