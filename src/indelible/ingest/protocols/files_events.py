"""A message as an event, cut where it is too large for one: nothing is refused for its size."""

from __future__ import annotations

from msgspec.structs import replace

from indelible.base.errors import InvalidEvent
from indelible.ingest.parsed import Parsed
from indelible.ingest.parsers.contract import Given, Parser, Record
from indelible.ingest.parsers.finish import CONTENT_BYTES, parse_message


def fitting(
    parser: Parser,
    raw: bytes,
    given: Given,
    line: int,
    message_id: str,
    inner: str | Record | None = None,
    truncated: bool = False,
) -> Parsed:
    """One message as an event. What is too large is cut, and flagged `truncated` like what is.

    The same message is always cut at the same place, so that its repetition is recognised.
    """
    most = CONTENT_BYTES
    while True:
        try:
            found = parse_message(
                parser, raw, given, line=line, message_id=message_id, inner=inner
            )
            break
        except InvalidEvent:
            most //= 2
            raw, inner, truncated = raw[:most], None, True
    return replace(found, flags=(*found.flags, "truncated")) if truncated else found
