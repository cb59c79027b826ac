"""One query: a look at the log, a DuckDB cursor with a deadline, and the one way to read rows.

`Session.source` is the only place that writes FROM and WHERE. It takes them from the session's
selection, scope included, so that no kind of answer can forget the scope.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

import duckdb

from indelible.base.clock import monotonic
from indelible.base.errors import BadRequest, ColumnsDamaged, IndelibleError, QueryError
from indelible.base.limits import (
    FIRST_READ_EVENTS,
    FRAME_EVENTS,
    QUERY_LOOK_SECONDS,
    QUERY_SECONDS,
    READ_BYTES,
)
from indelible.event.evaluate import compiled
from indelible.event.model import StoredEvent, read_body
from indelible.event.predicate import Predicate
from indelible.query.corpus import Corpus, View, look
from indelible.query.decider import DeciderTable, QueryDeciders
from indelible.query.model import Selection
from indelible.query.plan import (
    branches,
    candidates,
    names_needles,
    names_targets,
    pruned,
    sides,
    text_branches,
    timeless,
    whole,
    within,
)
from indelible.query.sql import Deciders, condition
from indelible.query.sql_parts import Sql, joined
from indelible.store.column_file import FORMAT_1, ColumnFile, expected_header
from indelible.store.piece_files import PROTOCOL, PieceFiles

_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "temp_directory": "",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "preserve_insertion_order": False,
    "async_threads": 0,  # they would wait for Python's lock, which every read of a piece needs
}

Split = Callable[[Predicate, Deciders], list[Sql]]
"""Of `plan`: conditions that together mean a predicate (`candidates`: nearly)."""

GONE: ContextVar[Callable[[], bool]] = ContextVar("GONE", default=lambda: False)
"""Says whether whoever asked has hung up; set by the caller's thread, looked at now and then."""


class Session:
    """What one query may do. Made by `Reader.session`; times out after `QUERY_SECONDS`."""

    def __init__(
        self, reader: Reader, cursor: duckdb.DuckDBPyConnection, selection: Selection, view: View
    ) -> None:
        self._reader = reader
        self._cursor = cursor
        self.view = view
        self.size = _pinned(selection.size, view.size)
        self._selection = selection
        self._predicate = whole(selection)
        self._deciders = QueryDeciders(reader.table)
        self._made: dict[tuple[Split, bool], list[Sql]] = {}
        self._whole = condition(self._predicate, self._deciders)
        self.needles = names_needles(self._predicate)
        self.may_guess = names_targets(self._predicate)
        self._matches = compiled(self._predicate)
        self.files = pruned(view.files, self._predicate, self.size)
        self._began = monotonic()
        self._hurried = True
        self._gone = GONE.get()
        self._done = threading.Event()
        threading.Thread(target=self._watch, daemon=True, name="deadline").start()

    def close(self) -> None:
        """Stop the clock and give everything back."""
        self._done.set()
        self._deciders.release()
        self._cursor.close()

    def unhurried(self) -> None:
        """Lift the deadline: an export streams for as long as somebody reads it."""
        self._hurried = False

    def _watch(self) -> None:
        """Interrupt what DuckDB is doing when time is up or nobody waits for it."""
        while not self._done.wait(QUERY_LOOK_SECONDS):
            if self._ended():
                self._cursor.interrupt()

    def _ended(self) -> bool:
        late = self._hurried and monotonic() - self._began > self._reader.seconds
        return late or self._gone()

    def check(self) -> None:
        """Go on only while there is time; raises `QueryError`. For loops outside DuckDB."""
        if self._hurried and monotonic() - self._began > self._reader.seconds:
            raise _too_long(self._reader.seconds)

    @property
    def took_ms(self) -> float:
        """Milliseconds since the session began."""
        return round((monotonic() - self._began) * 1000, 2)

    def number_of_field(self, field: str) -> int:
        """For `values_of_data`, see `query.decider`."""
        return self._deciders.number_of_field(field)

    def source(
        self, columns: Sql, files: Sequence[ColumnFile] | None = None, *, with_tail: bool = True
    ) -> Sql:
        """A SELECT of `columns` (expressions) from every row that the session may see, each once.

        `files`: only these of `self.files`.
        """
        return self._from(branches, columns, files, with_tail, (), ())

    def first(
        self, order: str, count: int, files: Sequence[ColumnFile], *, with_tail: bool,
        extra: Sql | None, part: Sql | None, exact: bool,
    ) -> Sql:
        """A SELECT of (time, index) that has the first `count` in the order, in no order.

        A row may come several times and be followed by others: each side of a text gives its own
        first ones. Needles find few rows: to order those at once spares reading times for each
        side. `part`: only this part of the files; `extra`: one more condition, which holds for the
        tail as well. Not `exact`: `plan.candidates`.
        """
        more = () if extra is None else (extra,)
        of_files = more if part is None else (*more, part)
        columns, end = Sql('time, "index"'), f" ORDER BY {order} LIMIT {count:d}"
        if not self.needles:
            return self._from(sides, columns, files, with_tail, of_files, more, end)
        split = branches if exact else candidates
        found = self._from(split, columns, files, with_tail, of_files, more)
        return Sql(f"SELECT {columns.text} FROM ({found.text}){end}", found.values)

    def _from(
        self, split: Split, columns: Sql, files: Sequence[ColumnFile] | None,
        with_tail: bool, of_files: tuple[Sql, ...], of_tail: tuple[Sql, ...], end: str = "",
    ) -> Sql:
        below = Sql('"index" < ?', (self.size,))
        groups: dict[tuple[bool, bool, bool], list[ColumnFile]] = {}
        for file in self.files if files is None else files:
            old = self._reader.lacks_target_hash(file)
            alike = (within(file, self._selection), file.end <= self.size, old)
            groups.setdefault(alike, []).append(file)
        parts: list[Sql] = []
        for (timed, inside, old), group in groups.items():
            more = of_files if inside else (*of_files, below)
            how = text_branches if old and split in (branches, candidates) else split
            for one in self._conditions(how, timed):
                parts.append(self._select(columns, group, joined("AND", [one, *more])))
        if with_tail or not parts:
            unsealed = Sql('"index" >= ?', (self.view.sealed,))
            where = joined("AND", [self._whole, *of_tail, below, unsealed])
            parts.append(_select(columns, Sql("tail"), where))
        text = " UNION ALL ".join(f"({part.text}{end})" for part in parts)
        return Sql(text, tuple(value for part in parts for value in part.values))

    def _conditions(self, split: Split, timed: bool) -> list[Sql]:
        found = self._made.get((split, timed))
        if found is None:
            predicate = timeless(self._selection) if timed else self._predicate
            found = self._made[(split, timed)] = split(predicate, self._deciders)
        return found

    def _select(self, columns: Sql, files: list[ColumnFile], where: Sql) -> Sql:
        names = [self._reader.open(file) for file in files]
        return _select(columns, Sql("read_parquet(?, hive_partitioning=false)", (names,)), where)

    def fetch(self, query: Sql) -> list[tuple[object, ...]]:
        """Run it. Raises `QueryError` when it takes too long or too much memory, `ColumnsDamaged`
        when a column file is not as it was written."""
        self.check()
        try:
            return self._cursor.execute(query.text, list(query.values)).fetchall()
        except duckdb.InterruptException as error:
            raise _too_long(self._reader.seconds) from error
        except duckdb.OutOfMemoryException as error:
            raise QueryError(
                "this query needs more memory than queries are given", code="query_too_large",
                remedy="Narrow it by time or by a field; results never spill to disk in clear.",
            ) from error
        except duckdb.Error as error:
            raise self._explained(error) from error

    def _explained(self, error: Exception) -> Exception:
        failure = self._deciders.failure() or self._reader.pieces.failure()
        if isinstance(failure, IndelibleError):
            return failure
        return ColumnsDamaged(f"the columns cannot be read: {failure or error}")

    def events(self, indexes: Sequence[int]) -> Iterator[tuple[int, StoredEvent, bytes]]:
        """Bodies from evidence, in the order asked, each checked against the whole selection.

        So a lie in the columns can hide an event but never show one outside the caller's scope.
        Fetches about READ_BYTES at a time. Raises `Contradicted` when columns and evidence do not
        agree.
        """
        at, width = 0, FIRST_READ_EVENTS
        while at < len(indexes):
            part = indexes[at : at + width]
            bodies = dict(self._reader.corpus.bodies(sorted(part)))
            for index in part:
                self.check()
                yield self._confirmed(index, bodies.get(index))
            at += len(part)
            average = sum(map(len, bodies.values())) // len(part)
            width = max(1, min(FRAME_EVENTS, READ_BYTES // max(1, average)))

    def _confirmed(self, index: int, body: bytes | None) -> tuple[int, StoredEvent, bytes]:
        event = None if body is None else read_body(body)
        if body is None or event is None or not self._matches(index, event):
            raise Contradicted(
                f"the columns say that event {index} matches, evidence does not"
            )
        return index, event, body


class Contradicted(ColumnsDamaged):
    """An event that the columns found does not match by its body."""

    code = "columns_contradicted"


class Reader:
    """Connection, memory and files that the queries of one process share.

    DuckDB gets `memory_mb` and `threads`, no temporary folder (so it never spills in clear), no
    extensions, and no files but the encrypted column files of the running queries.
    """

    def __init__(
        self,
        corpus: Corpus,
        *,
        memory_mb: int,
        threads: int,
        seconds: float = QUERY_SECONDS,
    ) -> None:
        self.corpus = corpus
        self.seconds = seconds
        self.pieces = PieceFiles()
        self.table = DeciderTable(corpus.bodies)
        self._lock = threading.Lock()
        self._running = 0
        self._connection = duckdb.connect(
            config={**_SETTINGS, "memory_limit": f"{memory_mb}MB", "threads": threads}
        )
        self._connection.register_filesystem(self.pieces)
        self.table.register(self._connection)
        self._connection.execute("SET parquet_metadata_cache = true")
        self._connection.execute(f"SET allowed_directories = ['{PROTOCOL}://']")
        self._connection.execute("SET enable_external_access = false")
        self._connection.execute("SET lock_configuration = true")

    def open(self, file: ColumnFile) -> str:
        """The name by which DuckDB reads `file`."""
        return self.pieces.add(file.file_id, Path(file.path), file.key, expected_header(file))

    def lacks_target_hash(self, file: ColumnFile) -> bool:
        """Whether an earlier release wrote `file`; it stays until compaction or `reindex`."""
        self.open(file)
        return self.pieces.header(file.file_id)["format"] == FORMAT_1

    @contextmanager
    def session(self, selection: Selection) -> Iterator[Session]:
        """One query over one look at the log."""
        view = look(self.corpus)
        with self._lock:
            if self._running == 0:
                self.pieces.keep({file.file_id for file in view.files})
            self._running += 1
        try:
            cursor = self._connection.cursor()
            cursor.register("tail", view.tail)
            session = Session(self, cursor, selection, view)
            try:
                yield session
            finally:
                session.close()
        finally:
            with self._lock:
                self._running -= 1

    def close(self) -> None:
        """End the connection and let go of the files."""
        self._connection.close()
        self.pieces.keep(set())


def _select(columns: Sql, source: Sql, where: Sql) -> Sql:
    text = f"SELECT {columns.text} FROM {source.text} WHERE {where.text}"
    return Sql(text, columns.values + source.values + where.values)


def _pinned(asked: int | None, size: int) -> int:
    if asked is None:
        return size
    if not 0 <= asked <= size:
        raise BadRequest(f"the log has {size} entries, not {asked}", field="size")
    return asked


def _too_long(seconds: float) -> QueryError:
    return QueryError(
        f"this query takes longer than {seconds:g} seconds", code="query_timeout",
        remedy="Narrow it by time or by a field.",
    )
