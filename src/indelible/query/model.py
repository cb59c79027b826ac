"""Requests and answers of queries: they cross from the server to the query processes as JSON.

Every request carries the caller's `scope`, without a default: whoever builds one must say what the
caller may see. Times are microseconds since 1970 UTC; `since_us` is inclusive, `until_us` is not,
and both mean event time. `size` pins the tree size the answer speaks about (None: the newest).
Every answer names its `tree_size`, and in `behind` how many acknowledged events it could not yet
take into account (0 unless the query process lags).
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, Raw, UnsetType

from indelible.event.predicate import EVERYTHING, Predicate

Value = str | int


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which events: what the query asks for, within what the caller may see."""

    scope: Predicate
    predicate: Predicate = EVERYTHING
    since_us: int | None = None
    until_us: int | None = None
    size: int | None = None


class Paged(Selection, frozen=True, kw_only=True):
    """A selection read page by page.

    `cursor` is the previous page's, empty for the first. `now_us` is the moment against which ages
    such as `7d` were resolved; the cursor carries it, so that the next page can use the same.
    """

    limit: int = 50
    cursor: str = ""
    now_us: int = 0


class SearchRequest(Paged, frozen=True, kw_only=True):
    """Events by time or by index. `columns` are fields whose values each row shows besides;
    `full` adds the exact body."""

    sort: Literal["time", "index"] = "time"
    descending: bool = True
    columns: tuple[str, ...] = ()
    full: bool = False


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event in an answer, read from evidence. `targets` counts them; the first one is shown."""

    index: int
    time: str
    received: str
    kind: str = "event"
    action: str = ""
    operation: str = ""
    outcome: str = ""
    actor_type: str = ""
    actor: str = ""
    actor_name: str = ""
    target_type: str = ""
    target: str = ""
    target_name: str = ""
    targets: int = 0
    ip: str = ""
    source: str = ""
    tenant: str = ""
    severity: str = ""
    flags: list[str] = []
    values: dict[str, list[Value]] = {}
    event: Raw | UnsetType = UNSET


class SearchPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page; `cursor` is empty on the last one."""

    events: list[Row]
    cursor: str
    tree_size: int
    took_ms: float
    behind: int = 0


class CountRequest(Selection, frozen=True, kw_only=True):
    """How many events."""


class CountAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """How many events match."""

    count: int
    tree_size: int
    took_ms: float
    behind: int = 0


class FacetsRequest(Selection, frozen=True, kw_only=True):
    """The most frequent values of one field (plain, `label.KEY` or `data.PATH`)."""

    field: str
    limit: int = 10


class FacetValue(msgspec.Struct, frozen=True, kw_only=True):
    """A value and in how many events it stands."""

    value: Value
    count: int


class FacetsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Most frequent first, then by value. `missing` events have no value; `more` values follow."""

    field: str
    values: list[FacetValue]
    total: int
    missing: int
    more: bool
    tree_size: int
    took_ms: float
    behind: int = 0


class HistogramRequest(Selection, frozen=True, kw_only=True):
    """Events over time. `interval`: minute, hour, day, week (from Monday), month, quarter, year, or
    an age that begins at 1970 UTC such as 5m, 6h. `by` splits each bucket by a field with one
    value."""

    interval: str = "day"
    by: str = ""


class Bucket(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Events with `start` <= time < the next bucket's start. `parts` are its most frequent values
    of `by`, absent values under the empty name."""

    start: str
    start_us: int
    count: int
    parts: dict[str, int] = {}


class HistogramAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Every bucket from the first to the last that holds an event (or the asked range), zeros
    included."""

    interval: str
    buckets: list[Bucket]
    tree_size: int
    took_ms: float
    behind: int = 0


class SuggestRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Values of a field that begin with `prefix`, among the newest events."""

    scope: Predicate
    field: str
    prefix: str = ""
    limit: int = 10


class HistoryRequest(Paged, frozen=True, kw_only=True):
    """What happened to one target, oldest first. With `state_at_us` the answer holds the values
    that its recorded changes amount to at that moment."""

    type: str
    id: str
    descending: bool = False
    state_at_us: int | None = None


class HistoryChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One change as recorded; `before` and `after` are any JSON."""

    path: str
    op: str = ""
    before: Raw | UnsetType = UNSET
    after: Raw | UnsetType = UNSET


class OtherTarget(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the event touched besides: the key that was made, the group that was joined."""

    type: str
    id: str
    name: str = ""


class HistoryEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One event with its changes; `applied` is false where it failed or was denied.

    `others` are the first of its other targets; `event.targets` counts all of them.
    """

    event: Row
    changes: list[HistoryChange]
    applied: bool
    others: list[OtherTarget] = []


class HistoryAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A page of the history; `state` maps path to value, in the order the paths first changed."""

    type: str
    id: str
    entries: list[HistoryEntry]
    cursor: str
    tree_size: int
    took_ms: float
    behind: int = 0
    state: dict[str, Raw] | None = None


class TimelineRequest(Paged, frozen=True, kw_only=True):
    """What one actor did, or others did on their behalf."""

    actor: str
    descending: bool = True


class TimelineEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One event; `role` is `actor`, or `on_behalf_of` where somebody else acted for them."""

    event: Row
    role: Literal["actor", "on_behalf_of"]


class TimelineAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the timeline."""

    actor: str
    entries: list[TimelineEntry]
    cursor: str
    tree_size: int
    took_ms: float
    behind: int = 0


class ExportRequest(Selection, frozen=True, kw_only=True):
    """All matching events in index order: exact bodies (`ndjson`), or rows (`csv`, `parquet`)."""

    format: Literal["ndjson", "csv", "parquet"] = "ndjson"
    limit: int | None = None
