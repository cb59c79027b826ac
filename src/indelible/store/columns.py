"""Columns: one row an event, made from bodies, kept as encrypted Parquet. Disposable.

`SCHEMA` is what a column file and the tail hold. Absent values are NULL. The first target stands in
plain columns, where a Bloom filter serves searches for it; the others in `further`, a JSON array of
{type, id, name}. Parts that may be any JSON (`data`, `changes`, `labels`, `reason`, `why`, `auth`)
stand as their exact JSON text. Fields of several texts (`onbehalf`, `change_paths`, `subjects`,
`flags`) are JSON arrays of strings: as text they take dictionaries and are searched 3 to 20 times
faster than Parquet lists. Identifiers that hardly ever repeat (`id`, `request`, `trace`) would be a
third of a file and are asked for whole: their CRC-32 stands for them, which finds one among four
thousand million, and the body decides. The first target's id has its CRC-32 beside it
(`target_hash`), because a number is found sooner than a text. `raw` is not here: it is in evidence
only, and `foreign` says that there is one. Times are microseconds since 1970 UTC; an event without
a time has the received one. `ip` is `event.fields.ip_key`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from zlib import crc32

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Raw

from indelible.base.clock import parse_rfc3339
from indelible.base.errors import Damaged
from indelible.base.limits import DECODE_ROWS, REMEMBERED_ADDRESSES
from indelible.event.fields import ip_key
from indelible.event.model import StoredSource, Via

_TEXT, _INT, _BOOL, _HASH = pa.string(), pa.int64(), pa.bool_(), pa.uint32()
HASHED = {"id": "id_hash", "request": "request_hash", "trace": "trace_hash"}
"""Fields of which the columns hold a hash only, and its column."""
TARGET_HASH = "target_hash"


class _Actor(msgspec.Struct, frozen=True, gc=False):
    type: str = ""
    id: str = ""
    name: str = ""
    email: str = ""
    session: str = ""
    auth: Raw = Raw()
    on_behalf_of: tuple[_Actor, ...] = ()


class _Target(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    type: str
    id: str
    name: str = ""


class _Origin(msgspec.Struct, frozen=True, gc=False):
    ip: str = ""
    host: str = ""
    device: str = ""
    user_agent: str = ""
    service: str = ""
    request_id: str = ""
    trace_id: str = ""


class _Changed(msgspec.Struct, frozen=True, gc=False):
    path: str


class _Row(msgspec.Struct, frozen=True, gc=False):
    """A body as the columns need it: any JSON stays raw, the rest is decoded once."""

    kind: str
    received: str
    source: StoredSource
    action: str = ""
    actor: _Actor = _Actor()
    operation: str = "other"
    targets: tuple[_Target, ...] = ()
    time: str | None = None
    outcome: str = "unknown"
    reason: Raw = Raw()
    origin: _Origin = _Origin()
    changes: Raw = Raw()
    id: str = ""
    tenant: str = ""
    severity: str = ""
    labels: Raw = Raw()
    subjects: tuple[str, ...] = ()
    why: Raw = Raw()
    data: Raw = Raw()
    raw: Raw = Raw()
    via: Via = Via()
    flags: tuple[str, ...] = ()


_rows = msgspec.json.Decoder(_Row)
_paths = msgspec.json.Decoder(list[_Changed])
_encode = msgspec.json.Encoder().encode
_Rows = Sequence[_Row]


@lru_cache(maxsize=REMEMBERED_ADDRESSES)
def _ip_or_none(text: str) -> str | None:
    try:
        return ip_key(text)
    except ValueError:
        return None


def _behind(actor: _Actor) -> list[str]:
    found: list[str] = []
    for one in actor.on_behalf_of:
        found.append(one.id)
        found.extend(_behind(one))
    return found


def hash_of(text: str) -> int:
    """What stands for `text` in a column of hashes: CRC-32 of its UTF-8."""
    return crc32(text.encode())


def with_target_hash(table: pa.Table) -> pa.Table:
    """A table of column files before version 2, which lack `TARGET_HASH`, as one of `SCHEMA`."""
    if TARGET_HASH not in table.column_names:
        names = table["target_id"].to_pylist()
        hashes = [None if name is None else hash_of(name) for name in names]
        table = table.append_column(TARGET_HASH, pa.array(hashes, _HASH))
    return table.select(SCHEMA.names)


def _hash_or_none(text: str) -> int | None:
    return crc32(text.encode()) if text else None


def _said(raw: Raw) -> bytes | None:
    text = bytes(raw)
    return None if text in (b"", b"{}", b"[]") else text


def _change_paths(row: _Row) -> bytes | None:
    text = _said(row.changes)
    return None if text is None else _encode([change.path for change in _paths.decode(text)])


_SINGLE: dict[str, tuple[pa.DataType, Callable[[_Rows], list[object]]]] = {
    "kind": (_TEXT, lambda rows: [r.kind or None for r in rows]),
    "action": (_TEXT, lambda rows: [r.action or None for r in rows]),
    "operation": (_TEXT, lambda rows: [r.operation or None for r in rows]),
    "outcome": (_TEXT, lambda rows: [r.outcome or None for r in rows]),
    "actor_type": (_TEXT, lambda rows: [r.actor.type or None for r in rows]),
    "actor_id": (_TEXT, lambda rows: [r.actor.id or None for r in rows]),
    "actor_name": (_TEXT, lambda rows: [r.actor.name or None for r in rows]),
    "actor_email": (_TEXT, lambda rows: [r.actor.email or None for r in rows]),
    "session": (_TEXT, lambda rows: [r.actor.session or None for r in rows]),
    "auth": (_TEXT, lambda rows: [_said(r.actor.auth) for r in rows]),
    "onbehalf": (
        _TEXT,
        lambda rows: [
            _encode(_behind(r.actor)) if r.actor.on_behalf_of else None for r in rows
        ],
    ),
    "target_type": (_TEXT, lambda rows: [r.targets[0].type if r.targets else None for r in rows]),
    "target_id": (_TEXT, lambda rows: [r.targets[0].id if r.targets else None for r in rows]),
    TARGET_HASH: (
        _HASH, lambda rows: [hash_of(r.targets[0].id) if r.targets else None for r in rows],
    ),
    "target_name": (
        _TEXT,
        lambda rows: [(r.targets[0].name or None) if r.targets else None for r in rows],
    ),
    "further": (
        _TEXT,
        lambda rows: [_encode(r.targets[1:]) if len(r.targets) > 1 else None for r in rows],
    ),
    "ip": (_TEXT, lambda rows: [_ip_or_none(r.origin.ip) if r.origin.ip else None for r in rows]),
    "host": (_TEXT, lambda rows: [r.origin.host or None for r in rows]),
    "device": (_TEXT, lambda rows: [r.origin.device or None for r in rows]),
    "service": (_TEXT, lambda rows: [r.origin.service or None for r in rows]),
    "agent": (_TEXT, lambda rows: [r.origin.user_agent or None for r in rows]),
    "request_hash": (_HASH, lambda rows: [_hash_or_none(r.origin.request_id) for r in rows]),
    "trace_hash": (_HASH, lambda rows: [_hash_or_none(r.origin.trace_id) for r in rows]),
    "tenant": (_TEXT, lambda rows: [r.tenant or None for r in rows]),
    "severity": (_TEXT, lambda rows: [r.severity or None for r in rows]),
    "source": (_TEXT, lambda rows: [r.source.id or None for r in rows]),
    "source_number": (_INT, lambda rows: [r.source.number for r in rows]),
    "source_seq": (pa.uint64(), lambda rows: [r.source.seq or None for r in rows]),
    "id_hash": (_HASH, lambda rows: [_hash_or_none(r.id) for r in rows]),
    "reason": (_TEXT, lambda rows: [_said(r.reason) for r in rows]),
    "labels": (_TEXT, lambda rows: [_said(r.labels) for r in rows]),
    "changes": (_TEXT, lambda rows: [_said(r.changes) for r in rows]),
    "change_paths": (_TEXT, lambda rows: [_change_paths(r) for r in rows]),
    "data": (_TEXT, lambda rows: [bytes(r.data) or None for r in rows]),
    "subjects": (_TEXT, lambda rows: [_encode(r.subjects) if r.subjects else None for r in rows]),
    "why": (_TEXT, lambda rows: [_said(r.why) for r in rows]),
    "flags": (_TEXT, lambda rows: [_encode(r.flags) if r.flags else None for r in rows]),
    "peer": (_TEXT, lambda rows: [r.via.peer or None for r in rows]),
    "protocol": (_TEXT, lambda rows: [r.via.protocol or None for r in rows]),
    "parser": (_TEXT, lambda rows: [r.via.parser or None for r in rows]),
    "backfill": (_BOOL, lambda rows: [r.via.backfill for r in rows]),
    "foreign": (_BOOL, lambda rows: [bool(bytes(r.raw)) for r in rows]),
}

SCHEMA = pa.schema(
    [
        pa.field("index", _INT, nullable=False),
        pa.field("time", _INT, nullable=False),
        pa.field("received", _INT, nullable=False),
        *(pa.field(name, kind) for name, (kind, _) in _SINGLE.items()),
    ]
)


def _times(texts: Sequence[str | None]) -> pa.Array:
    """Microseconds of RFC 3339 texts, all at once; one by one where Arrow cannot read one."""
    try:
        moments = pa.array(texts, _TEXT).cast(pa.timestamp("us", tz="UTC"))
        return moments.cast(_INT)
    except pa.ArrowInvalid:
        return pa.array([None if t is None else parse_rfc3339(t) for t in texts], _INT)


def _decode(indexes: Sequence[int], bodies: Sequence[bytes]) -> _Rows:
    try:
        rows = _rows.decode_lines(b"\n".join(bodies))
    except msgspec.DecodeError:
        rows = []
    if len(rows) != len(bodies):
        for index, body in zip(indexes, bodies, strict=True):
            try:
                _rows.decode(body)
            except msgspec.DecodeError as error:
                raise Damaged(f"the body of event {index} cannot be read: {error}") from error
        raise Damaged(f"bodies {indexes[0]} to {indexes[-1]} are not one line each")
    return rows


def _block(indexes: Sequence[int], bodies: Sequence[bytes]) -> pa.Table:
    rows = _decode(indexes, bodies)
    received = _times([row.received for row in rows])
    time = pc.coalesce(_times([row.time for row in rows]), received)
    columns = [pa.array(indexes, _INT), time, received]
    columns += [pa.array(read(rows), kind) for kind, read in _SINGLE.values()]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


class ColumnBuilder:
    """Gathers bodies and turns them into one table of `SCHEMA`, column by column.

    Raises `Damaged` when a body is not what the ledger writes.
    """

    def __init__(self) -> None:
        self._indexes: list[int] = []
        self._bodies: list[bytes] = []

    def __len__(self) -> int:
        return len(self._indexes)

    def add(self, index: int, body: bytes) -> None:
        """The event at `index`. Indexes may come in any order but are best ascending."""
        self._indexes.append(index)
        self._bodies.append(body)

    def extend(self, rows: Iterable[tuple[int, bytes]]) -> None:
        """Several at once, as `Corpus.bodies` gives them."""
        for index, body in rows:
            self.add(index, body)

    def build(self) -> pa.Table:
        """The table of everything added; the builder is empty afterwards."""
        indexes, bodies = self._indexes, self._bodies
        self._indexes, self._bodies = [], []
        blocks = [
            _block(indexes[at : at + DECODE_ROWS], bodies[at : at + DECODE_ROWS])
            for at in range(0, len(indexes), DECODE_ROWS)
        ]
        return pa.concat_tables(blocks).combine_chunks() if blocks else SCHEMA.empty_table()


def table_of(rows: Iterable[tuple[int, bytes]]) -> pa.Table:
    """The columns of (index, body) pairs."""
    builder = ColumnBuilder()
    builder.extend(rows)
    return builder.build()
