"""What a message of a broker carries beside its payload, keys and headers, for a reader: pure.

Whoever may write to a topic or a subject chooses both, so everything here is bounded: what is long
is told by what identifies it, and what is many is counted.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from typing import Final, TypeAlias

from indelible.base.limits import CARRIED_BYTES, CARRIED_HEADERS

Headers: TypeAlias = Sequence[tuple[str, bytes | None]]

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_B3 = re.compile(r"([0-9a-f]{32}|[0-9a-f]{16})-[0-9a-f]{16}")
_B3_TRACE = re.compile(r"[0-9a-f]{32}|[0-9a-f]{16}")
_NO_TRACE: Final = frozenset(("0" * 32, "0" * 16))


def shown(value: bytes) -> object:
    """Bytes for a reader: text, or base64; long ones by what identifies them."""
    if len(value) > CARRIED_BYTES:
        return {"bytes": len(value), "sha256": hashlib.sha256(value).hexdigest()}
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def told(headers: Headers) -> dict[str, object]:
    """`headers` by name, and `headers_left_out` where they are more than are told.

    One that comes several times is a list.
    """
    found: dict[str, list[object]] = {}
    for name, value in headers[:CARRIED_HEADERS]:
        values = found.setdefault(str(shown(name.encode("utf-8", "replace"))), [])
        values.append(None if value is None else shown(value))
    about: dict[str, object] = {}
    if found:
        about["headers"] = {
            name: values[0] if len(values) == 1 else values for name, values in found.items()}
    if len(headers) > CARRIED_HEADERS:
        about["headers_left_out"] = len(headers) - CARRIED_HEADERS
    return about


def trace_of(headers: Headers) -> str:
    """The trace that a message belongs to: W3C's `traceparent`, or one of Zipkin's headers."""
    if not headers:
        return ""
    said = {name.lower(): value for name, value in headers[:CARRIED_HEADERS] if value is not None}
    for name, form, group in (
        ("traceparent", _TRACEPARENT, 1), ("b3", _B3, 1), ("x-b3-traceid", _B3_TRACE, 0),
    ):
        found = form.match(said.get(name, b"")[:64].decode("latin-1").lower())
        if found is not None and found[group] not in _NO_TRACE:
            return found[group]
    return ""
