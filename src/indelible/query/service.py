"""Queries by name, bytes in and bytes out: what a query process answers.

`Service.dispatch` never raises: an error comes back as the one error shape, from which
`raise_if_error` makes the same error again on the other side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from indelible.base.errors import BadRequest, IndelibleError
from indelible.query.aggregate import count, facets, histogram, suggest
from indelible.query.export import export
from indelible.query.history import history
from indelible.query.model import (
    CountRequest,
    ExportRequest,
    FacetsRequest,
    HistogramRequest,
    HistoryRequest,
    SearchRequest,
    SuggestRequest,
    TimelineRequest,
)
from indelible.query.run import QueryEngine
from indelible.query.timeline import timeline

_ERROR = b'{"error":{'
_Answer = Callable[[QueryEngine, Any], msgspec.Struct]

OPERATIONS: dict[str, tuple[type[msgspec.Struct], _Answer]] = {
    "search": (SearchRequest, lambda engine, request: engine.search(request)),
    "count": (CountRequest, count),
    "facets": (FacetsRequest, facets),
    "histogram": (HistogramRequest, histogram),
    "history": (HistoryRequest, history),
    "timeline": (TimelineRequest, timeline),
    "suggest": (SuggestRequest, suggest),
}
"""Name to request type and answer. Every request type demands the caller's scope."""


class _Error(msgspec.Struct):
    code: str
    message: str
    remedy: str = ""
    field: str | None = None
    position: int | None = None
    status: int = 500


class _Answered(msgspec.Struct):
    error: _Error


class Service:
    """The operations over one engine."""

    def __init__(self, engine: QueryEngine) -> None:
        self._engine = engine

    def dispatch(self, op: str, payload: bytes, behind: int = 0) -> bytes:
        """The JSON answer to the JSON request, or `{"error": ...}` with the HTTP status in it.

        `behind` events are acknowledged and cannot be found yet: an answer about the newest says
        so.
        """
        try:
            if op not in OPERATIONS:
                raise BadRequest(f"there is no query operation {op!r}")
            kind, answer = OPERATIONS[op]
            request = _request(kind, payload)
            found = answer(self._engine, request)
            if behind and getattr(request, "size", None) is None:
                found = msgspec.structs.replace(found, behind=behind)
            return msgspec.json.encode(found)
        except Exception as error:  # noqa: BLE001 - the other process must get an answer
            return error_answer(error)

    def export(self, payload: bytes) -> Iterator[bytes]:
        """Chunks of an export; raises where it fails, which is before the first chunk if it can."""
        request = _request(ExportRequest, payload)
        assert isinstance(request, ExportRequest)
        return export(self._engine, request)


def _request(kind: type[msgspec.Struct], payload: bytes) -> msgspec.Struct:
    try:
        return msgspec.json.decode(payload, type=kind)
    except msgspec.MsgspecError as error:
        raise BadRequest(f"the request cannot be read: {error}") from error


def error_answer(error: Exception) -> bytes:
    """Any error in the one shape, with its HTTP status."""
    if not isinstance(error, IndelibleError):
        error = IndelibleError(f"the query failed: {type(error).__name__}: {error}")
    return msgspec.json.encode({"error": {**error.as_dict(), "status": error.status}})


def raise_if_error(answer: bytes) -> bytes:
    """The answer itself, or the error in it raised as the class it was (by code, else status)."""
    if not answer.startswith(_ERROR):
        return answer
    found = msgspec.json.decode(answer, type=_Answered).error
    kinds = _kinds(IndelibleError)
    kind = next((k for k in kinds if k.code == found.code), None) or next(
        (k for k in kinds if k.status == found.status), IndelibleError
    )
    raise kind(
        found.message, field=found.field, position=found.position, remedy=found.remedy,
        code=found.code,
    )


def _kinds(root: type[IndelibleError]) -> list[type[IndelibleError]]:
    """The classes below `root` that are made as it is."""
    below = [kind for child in root.__subclasses__() for kind in (child, *_kinds(child))]
    return [kind for kind in below if kind.__init__ is IndelibleError.__init__]
