"""The senders' own numbers of events that were answered and do not stand in the log one by one.

After a crash a number that is in no event would look missing. So the numbers of what the audit
policy takes apart are kept in the same transaction as its states, in rows of a bounded size, until
the counts of sources that hold them were kept: every number, however they lie, for a minute or so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from indelible.base.errors import IndelibleError
from indelible.base.limits import ANSWERED_ROWS
from indelible.base.random import random_id
from indelible.ingest.audit_policy.unstated import Numbered, Of
from indelible.ingest.parsed import Parsed

_Key = tuple[str, str]


class Rows:
    """Rows of one transaction: those that grow, and new ones where they are full."""

    def __init__(self, growing: dict[_Key, Numbered]) -> None:
        self._growing = growing
        self._rows: dict[_Key, list[Numbered]] = {}

    def take(self, of: Of, events: Iterable[Parsed]) -> None:
        """Keep the numbers of events."""
        key = (of.source, of.tenant)
        for event in events:
            if not event.seq:
                continue
            rows = self._rows.get(key)
            if rows is None:
                known = self._growing.get(key)
                rows = self._rows[key] = [known.copy() if known else _new(key)]
            if rows[-1].full:
                rows.append(_new(key))
            rows[-1].take(event.boot, event.seq)

    def __iter__(self) -> Iterator[Numbered]:
        return (row for rows in self._rows.values() for row in rows)

    def newest(self) -> dict[_Key, Numbered]:
        """Of each source the row that grows from now on."""
        return {key: rows[-1] for key, rows in self._rows.items()}


class Answered:
    """Which rows there are, and which the kept counts hold."""

    def __init__(self) -> None:
        self._growing: dict[_Key, Numbered] = {}
        self._there: dict[str, None] = {}
        self._writing: frozenset[str] = frozenset()
        self._held: list[str] = []

    def check(self) -> None:
        """Raises `IndelibleError` when there are too many rows for another transaction."""
        if len(self._there) >= ANSWERED_ROWS:
            raise IndelibleError(
                "the counts of sources could not be kept for long, so nothing is rolled up or"
                " dropped until they are"
            )

    @property
    def many(self) -> bool:
        """Whether it is time to keep the counts."""
        return len(self._there) >= ANSWERED_ROWS // 2

    def rows(self) -> Rows:
        """What a transaction writes to; `written` or `failed` follows before the next.

        Until then rows that grow hold numbers that are in no count, and are not let go of.
        """
        self._writing = frozenset(row.id for row in self._growing.values())
        return Rows(self._growing)

    def written(self, rows: Rows) -> None:
        """They are durable, and their numbers in the counts."""
        self._writing = frozenset()
        self._there.update(dict.fromkeys(row.id for row in rows))
        self._growing.update(rows.newest())

    def failed(self) -> None:
        """They are not durable."""
        self._writing = frozenset()

    def found(self, row: Numbered) -> None:
        """A row that the last run left; its numbers are in the counts."""
        self._there[row.id] = None

    def counted(self) -> None:
        """The counts that are kept next hold every row that is there now."""
        held = [ident for ident in self._there if ident not in self._writing]
        for ident in held:
            del self._there[ident]
        gone = frozenset(held)
        self._growing = {key: row for key, row in self._growing.items() if row.id not in gone}
        self._held += held

    def forgotten(self) -> list[str]:
        """The counts were kept: the rows that they hold, which may go."""
        held, self._held = self._held, []
        return held


def _new(key: _Key) -> Numbered:
    source, tenant = key
    return Numbered(id=random_id(), source=source, tenant=tenant)
