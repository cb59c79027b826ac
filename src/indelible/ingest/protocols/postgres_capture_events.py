"""From a stream of pgoutput messages to events, one for each row that changed: pure.

`Translator` follows the transactions of one stream. An event's id is `SERVER/LSN/POSITION`: the
cluster's system identifier, where the transaction's commit stands in its write-ahead log, and the
how-manieth change of the transaction it is, from 1. So a stream that is read again gives the same
events under the same ids, and the ledger adds nothing.

What cannot be read becomes an event of kind `unparsed` with the message in base64.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec

from indelible.base import limits
from indelible.event.model import Reason
from indelible.ingest.parsed import Parsed, Unparsed
from indelible.ingest.protocols.pgoutput import (
    Begin,
    Commit,
    Malformed,
    Origin,
    Relation,
    Row,
    Said,
    Truncate,
    decode,
    lsn_text,
)
from indelible.ingest.protocols.postgres_capture_person import PREFIX, nobody, person
from indelible.ingest.protocols.postgres_capture_table import Table

VERSION: Final = "pgoutput/1"
"""What `via.parser` says."""
RAW_TYPE: Final = "application/vnd.postgresql.pgoutput"
_CONTENT_BYTES: Final = limits.BODY_BYTES - limits.ADDED_BYTES
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_encode = msgspec.json.Encoder().encode
_OF_ROWS: Final = MappingProxyType(
    {
        "I": (b"postgresql.row.insert", b"create", b"INSERT"),
        "U": (b"postgresql.row.update", b"update", b"UPDATE"),
        "D": (b"postgresql.row.delete", b"delete", b"DELETE"),
        "T": (b"postgresql.table.truncate", b"delete", b"TRUNCATE"),
    }
)
"""Action, operation and command of each kind of change, as the parser `postgresql` has them."""
_CHANGES: Final = frozenset((b"I", b"U", b"D", b"T"))


class Place(NamedTuple):
    """Where changes come from: `server` is the cluster's system identifier."""

    server: str
    database: str


class At(NamedTuple):
    """A place in the stream: behind change `position` of the transaction that commits at `lsn`.

    `(lsn, 0)` is before it: everything that committed at a lower LSN is behind.
    """

    lsn: int
    position: int


START: Final = At(0, 0)


class _Pieces(NamedTuple):
    """What all events of one transaction, person and kind share, in the order of an event."""

    head: bytes
    outcome: bytes
    ident: bytes
    labels: bytes
    data: bytes


class Translator:
    """One stream, from where a slot begins to give. Changes up to `after` are passed over."""

    def __init__(self, place: Place, after: At = START) -> None:
        self._place = place
        self._after = after
        self._tables: dict[int, Table] = {}
        self._nobody = nobody(place.database)
        self._person = self._nobody
        self._begin: Begin | None = None
        self._origin = b""
        self._pieces: dict[str, _Pieces] = {}
        self._lsn, self._position = after
        self._name = f"{place.server}/{lsn_text(self._lsn)}/"
        self.passed = 0
        """Where the last whole transaction ends, or what stands behind it."""
        self.outside = 0
        """How often a person was named outside of any transaction: of no use to anybody."""

    @property
    def at(self) -> At:
        """Where the stream stands: everything before it was given out."""
        return At(self._lsn, self._position)

    def take(self, data: bytes) -> Parsed | None:
        """The event of one message, or None where it is none. Tables go to `relate`."""
        changes = data[:1] in _CHANGES
        if changes:
            self._position += 1
            if (self._lsn, self._position) <= self._after:
                return None
        try:
            message = decode(data)
        except Malformed as error:
            if changes and len(data) >= limits.CAPTURE_CHANGE_BYTES:
                return self._broken_off(data)
            return self._unread(data, "malformed", str(error))
        return self._follow(message, data)

    def relate(self, relation: Relation, key: Sequence[str]) -> None:
        """How the rows from here on look; `key` names the columns that tell them apart."""
        if len(self._tables) >= limits.CAPTURE_RELATIONS and relation.oid not in self._tables:
            self._tables.clear()  # a server tells a table again before its next change
        self._tables[relation.oid] = Table(relation, key, self._place.database)

    # --- following

    def _follow(self, message: object, data: bytes) -> Parsed | None:
        match message:
            case Row():
                return self._row(message, data)
            case Truncate():
                return self._truncate(message, data)
            case Begin():
                self._begin, self._origin, self._pieces = message, b"", {}
                self._person = self._nobody
                self._move(message.lsn)
            case Commit():
                self._begin, self.passed = None, message.end
                self._move(message.end)
            case Origin():
                self._origin = b',"replicated_from":' + _encode(message.name[: limits.NAME_CHARS])
                self._pieces = {}
            case Said():
                self._said(message)
            case Relation():
                self.relate(message, key_of(message))
            case _:
                pass
        return None

    def _said(self, message: Said) -> None:
        if self._begin is None:
            self.passed = max(self.passed, message.lsn)
        if message.prefix != PREFIX:
            return
        if not message.inside or self._begin is None:
            self.outside += 1
            return
        self._person = person(message.content, self._place.database)
        self._pieces = {}

    def _move(self, lsn: int) -> None:
        self._lsn, self._position = lsn, 0
        self._name = f"{self._place.server}/{lsn_text(lsn)}/"

    # --- events

    def _row(self, row: Row, data: bytes, cut: bool = False) -> Parsed:
        table, begin = self._tables.get(row.oid), self._begin
        if table is None or begin is None or not table.fits(row):
            return self._unread(data, "unknown_table", "a row of a table that was not described")
        flags = (*self._person.flags, "truncated") if cut else self._person.flags
        more = self._besides(table, row)
        changes, raw = table.changes(row), table.raw(row)
        targets = table.rows(row) + table.targets
        content = self._content(row.kind, targets, changes, more, raw)
        most = limits.CHANGE_BYTES
        while len(content) > _CONTENT_BYTES:
            flags = (*self._person.flags, "truncated")
            most //= 4
            changes = table.changes(row, most) if most else b""
            raw = table.raw(row, most) if most else b'""'
            content = self._content(row.kind, targets, changes, more, raw)
        return self._parsed(content, data, flags, begin)

    def _besides(self, table: Table, row: Row) -> bytes:
        """What is remarkable in the message itself, as members of `data`."""
        more = b""
        if row.kind != "I" and row.of != "O":
            more = b',"before":"key"' if row.of == "K" else b',"before":"unknown"'
        unchanged = table.unchanged(row)
        if unchanged:
            more += b',"unchanged":' + _encode(unchanged)
        return more

    def _truncate(self, message: Truncate, data: bytes) -> Parsed:
        tables, begin = [self._tables.get(oid) for oid in message.oids], self._begin
        known = [table for table in tables if table is not None]
        if begin is None or len(known) < len(tables):
            return self._unread(data, "unknown_table", "a table that was not described")
        names = [table.name for table in known]
        more = b',"tables":%d' % len(names)
        more += b',"cascade":true' if message.cascade else b""
        more += b',"restart_identity":true' if message.restart else b""
        said = {"pgoutput": "T", "relations": names, "cascade": message.cascade,
                "restart_identity": message.restart}
        targets = b",".join([table.targets for table in known[: limits.TARGETS]])
        raw = _encode(_encode(said).decode())
        content = self._content("T", targets, b"", more, raw)
        if len(content) <= _CONTENT_BYTES:
            return self._parsed(content, data, self._person.flags, begin)
        content = self._content("T", targets[: targets.index(b"}") + 1], b"", more, b'""')
        return self._parsed(content, data, (*self._person.flags, "truncated"), begin)

    def _content(
        self, kind: str, targets: bytes, changes: bytes, more: bytes, raw: bytes
    ) -> bytes:
        pieces = self._pieces.get(kind) or self._prepare(kind)
        number = b"%d" % self._position
        return b"".join(
            (
                pieces.head, targets, pieces.outcome,
                b',"changes":[%b]' % changes if changes else b"",
                pieces.ident, number, pieces.labels, number, more, pieces.data, raw, b"}",
            )
        )

    def _prepare(self, kind: str) -> _Pieces:
        """The pieces of this transaction's events of one kind, under the person named now."""
        said, begin = self._person, self._begin
        assert begin is not None
        action, operation, command = _OF_ROWS[kind]
        time = _encode(_EPOCH + timedelta(microseconds=begin.time_us))
        lsn = lsn_text(begin.lsn).encode()
        found = self._pieces[kind] = _Pieces(
            head=b'{"action":"%b","actor":%b,"operation":"%b","targets":[' % (
                action, said.actor, operation
            ),
            outcome=b'],"time":%b,"outcome":"success"%b' % (time, said.origin),
            ident=b',"id":"%b/%b/' % (self._place.server.encode(), lsn),
            labels=b'"%b,"data":{"vendor_action":"%b","lsn":"%b","xid":%d,"position":' % (
                said.more, command, lsn, begin.xid
            ),
            data=b'%b%b},"raw":' % (self._origin, said.data),
        )
        return found

    def _parsed(
        self, content: bytes, data: bytes, flags: tuple[str, ...], begin: Begin
    ) -> Parsed:
        return Parsed(
            content=content, idempotent=data, line=1, id=f"{self._name}{self._position}",
            time_us=begin.time_us,
            flags=flags,
        )

    def _broken_off(self, data: bytes) -> Parsed:
        """A row with more bytes than are taken: its event says what there is of it."""
        try:
            row = decode(data, cut=True)
        except Malformed as error:
            return self._unread(data[: limits.CHANGE_BYTES], "malformed", str(error))
        if not isinstance(row, Row):
            return self._unread(data[: limits.CHANGE_BYTES], "malformed", "it was cut off")
        return self._row(row, data, cut=True)

    def _unread(self, data: bytes, code: str, why: str) -> Parsed:
        """The message as it came; a long one by its beginning, for such a one is nobody's row."""
        if data[:1] not in _CHANGES:
            self._position += 1
        kept, begin = data[: _CONTENT_BYTES // 2], self._begin
        flags = ("truncated",) if len(kept) < len(data) else ()
        name = f"{self._name}{self._position}"
        content = _encode(
            Unparsed(
                time=_EPOCH + timedelta(microseconds=begin.time_us) if begin else msgspec.UNSET,
                reason=Reason(code=code, text=why[: limits.NAME_CHARS]), id=name,
                labels={"database": self._place.database},
                raw=base64.b64encode(kept).decode(), raw_type=RAW_TYPE,
            )
        )
        return Parsed(
            content=content, idempotent=data, line=1, id=name, kind="unparsed",
            time_us=begin.time_us if begin else None, flags=flags,
        )


def key_of(relation: Relation) -> tuple[str, ...]:
    """The columns that tell rows apart, as far as the description says.

    With the full row as replica identity it says nothing of the primary key: the catalogue does.
    """
    if relation.identity == "f":
        return ()
    return tuple([column.name for column in relation.columns if column.key])
