"""The evaluator as functions of a DuckDB query, for what SQL cannot say exactly.

`decide_data(data, n)`, `decide_changes(changes, n)` and `decide_body(index, n)` ask predicate
number n of `event.evaluate` about one member, or about the whole body fetched from evidence;
`values_of_data(data, n)` lists the values of `data.PATH`, `value_of_body(index, n)` gives that of a
field of which the columns hold a hash. One row costs about two microseconds,
a body that must be fetched more, so the SQL calls them only behind cheaper conditions.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import duckdb
import msgspec
import pyarrow as pa
from duckdb.func import FunctionNullHandling, PythonUDFType
from msgspec import Raw

from indelible.base.errors import ColumnsDamaged
from indelible.event.evaluate import Decision, compiled, values_of
from indelible.event.model import Change, StoredEvent, StoredSource, read_body
from indelible.event.predicate import Op, Predicate, Term

Bodies = Callable[[Sequence[int]], list[tuple[int, bytes]]]

_NOBODY = StoredSource(id="", number=0)
_changes = msgspec.json.Decoder(list[Change])


def _with_data(text: str) -> StoredEvent:
    return StoredEvent(kind="", received="", source=_NOBODY, data=Raw(text))


def _with_changes(text: str) -> StoredEvent:
    return StoredEvent(kind="", received="", source=_NOBODY, changes=_changes.decode(text))


class DeciderTable:
    """The predicates of running queries by number, and the functions that ask them.

    Safe to use from several threads. An error that a function raises is kept by number, because
    DuckDB passes on only its text.
    """

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self._lock = threading.Lock()
        self._last = 0
        self._held: dict[int, tuple[Predicate, Decision]] = {}
        self._failed: dict[int, Exception] = {}

    def add(self, predicate: Predicate) -> int:
        """A new number for `predicate`."""
        decision = compiled(predicate)
        with self._lock:
            self._last += 1
            self._held[self._last] = (predicate, decision)
            return self._last

    def drop(self, numbers: Sequence[int]) -> None:
        """The query that used these is done."""
        with self._lock:
            for number in numbers:
                self._held.pop(number, None)
                self._failed.pop(number, None)

    def failure(self, numbers: Sequence[int]) -> Exception | None:
        """The error that one of these raised, if one did."""
        return next((self._failed[n] for n in numbers if n in self._failed), None)

    def register(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Make the functions known to the connection's database."""
        text, number = duckdb.sqltype("VARCHAR"), duckdb.sqltype("BIGINT")
        yes, texts = duckdb.sqltype("BOOLEAN"), duckdb.sqltype("VARCHAR[]")
        for name, call, first, answer in (
            ("decide_data", self._decide_data, text, yes),
            ("decide_changes", self._decide_changes, text, yes),
            ("decide_body", self._decide_body, number, yes),
            ("values_of_data", self._values_of_data, text, texts),
            ("value_of_body", self._value_of_body, number, text),
        ):
            connection.create_function(
                name, self._kept(call), [first, number], answer, type=PythonUDFType.ARROW,
                null_handling=FunctionNullHandling.SPECIAL,
            )


    def _kept(self, call: Callable[[list[Any], int], pa.Array]) -> Callable[..., pa.Array]:
        def wrapped(column: pa.ChunkedArray, numbers: pa.ChunkedArray) -> pa.Array:
            number = numbers[0].as_py()
            try:
                return call(column.to_pylist(), number)
            except Exception as error:
                self._failed[number] = error
                raise

        return wrapped

    def _ask(
        self, texts: list[str | None], number: int, event_of: Callable[[str], StoredEvent]
    ) -> pa.Array:
        decide = self._held[number][1]
        answers = [text is not None and decide(0, event_of(text)) for text in texts]
        return pa.array(answers, pa.bool_())

    def _decide_data(self, texts: list[str | None], number: int) -> pa.Array:
        return self._ask(texts, number, _with_data)

    def _decide_changes(self, texts: list[str | None], number: int) -> pa.Array:
        return self._ask(texts, number, _with_changes)

    def _decide_body(self, indexes: list[int], number: int) -> pa.Array:
        decide = self._held[number][1]
        answers = [decide(index, event) for index, event in self._events(indexes)]
        return pa.array(answers, pa.bool_())

    def _events(self, indexes: list[int]) -> Iterator[tuple[int, StoredEvent]]:
        bodies = dict(self._bodies(sorted(indexes)))
        for index in indexes:
            if index not in bodies:
                raise ColumnsDamaged(
                    f"event {index} stands in the columns but evidence has no body",
                    code="columns_contradicted",
                )
            yield index, read_body(bodies[index])

    def _value_of_body(self, indexes: list[int], number: int) -> pa.Array:
        term = self._held[number][0]
        assert isinstance(term, Term)
        found = [
            next((str(value) for value in values_of(term.field, index, event)), None)
            for index, event in self._events(indexes)
        ]
        return pa.array(found, pa.string())

    def _values_of_data(self, texts: list[str | None], number: int) -> pa.Array:
        term = self._held[number][0]
        assert isinstance(term, Term)
        found = [
            None if text is None else [str(v) for v in values_of(term.field, 0, _with_data(text))]
            for text in texts
        ]
        return pa.array(found, pa.list_(pa.string()))


class QueryDeciders:
    """The numbers that one query takes, given back together (`query.sql.Deciders`)."""

    def __init__(self, table: DeciderTable) -> None:
        self._table = table
        self._taken: list[int] = []

    def number(self, predicate: Predicate) -> int:
        """A number for `predicate`, good until `release`."""
        taken = self._table.add(predicate)
        self._taken.append(taken)
        return taken

    def number_of_field(self, field: str) -> int:
        """A number for the values of a `data.PATH` field."""
        return self.number(Term(field=field, op=Op.PRESENT))

    def failure(self) -> Exception | None:
        """The error that one of the query's functions raised, if one did."""
        return self._table.failure(self._taken)

    def release(self) -> None:
        """Give all numbers back."""
        self._table.drop(self._taken)
        self._taken.clear()
