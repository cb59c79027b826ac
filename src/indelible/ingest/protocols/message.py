"""One message out of a request that carries many, and what the parsers make of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, TypeVar

from msgspec import UNSET
from msgspec.structs import force_setattr, replace

from indelible.event.model import Event, Origin
from indelible.ingest.parsed import Parsed, Rejected
from indelible.ingest.parsers.contract import Given, NotUnderstood, Parser, Record, Understood
from indelible.ingest.parsers.finish import opened, parse_message
from indelible.ingest.parsers.table import AUTO, recognised, resolve

_ANY_TEXT: Final = frozenset({"keyvalue"})
"""Parsers that take nearly every text."""

M = TypeVar("M", str, Record)


class Message(NamedTuple):
    """One message as a protocol took it out of its envelope.

    `raw` is what is kept, `inner` what the parser reads where that is not the same, `line` the
    position in the request from 1, `id` what the sender calls it, `trace_id` the trace that it
    belongs to (it becomes `origin.trace_id` of an event that names none itself). `instead` is read
    in place of a text that no parser knows as a format of its own.
    """

    line: int
    raw: bytes
    given: Given
    inner: str | Record | None = None
    id: str = ""
    raw_type: str = ""
    trace_id: str = ""
    instead: Record | None = None


class Taken(NamedTuple):
    """What a request held: messages, and what was none, with the reason."""

    messages: list[Message]
    refused: list[Rejected]


def understood(taken: Taken, parser: Parser) -> tuple[list[Parsed], list[Rejected]]:
    """Every message as an event, or as an `unparsed` one, and what was refused before."""
    return [read(one, parser) for one in taken.messages], taken.refused


def by_line(refused: Iterable[Rejected]) -> dict[int, Rejected]:
    """Refusals by their position."""
    return {refusal.line: refusal for refusal in refused}


def read(one: Message, parser: Parser) -> Parsed:
    """One message as an event, or as an `unparsed` one."""
    message, given = one.inner, one.given
    if one.instead is not None and parser is AUTO and isinstance(message, str):
        known = recognised(message, given)
        if known is None or known[0].name in _ANY_TEXT:
            message = one.instead
    if one.trace_id:
        message = opened(one.raw) if message is None else message
        try:
            parser, message, given = resolve(parser, message, given)
            parser = _traced(parser, one.trace_id)
        except NotUnderstood:  # `parse_message` finds the same, and keeps the message
            given = one.given
    return parse_message(
        parser, one.raw, given,
        line=one.line, message_id=one.id, inner=message, raw_type=one.raw_type,
    )


def _traced(parser: Parser, trace_id: str) -> Parser:
    """`parser`, whose events name a trace where they have none of their own."""

    def also(read: Callable[[M, Given], Understood]) -> Callable[[M, Given], Understood]:
        return lambda message, given: _in_trace(read(message, given), trace_id)

    return parser._replace(
        record=None if parser.record is None else also(parser.record),
        text=None if parser.text is None else also(parser.text),
    )


def _in_trace(found: Understood, trace_id: str) -> Understood:
    event: Event = found.event
    if event.origin is UNSET:
        force_setattr(event, "origin", Origin(trace_id=trace_id))
    elif event.origin.trace_id is UNSET:
        force_setattr(event, "origin", replace(event.origin, trace_id=trace_id))
    return found
