"""What kube-apiserver's audit webhook backend posts: an `EventList`, taken apart. Pure.

`{"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": [...]}`: each item is one event
with a stage of its own, and is kept character by character as it came. Source: the Kubernetes
documentation on auditing, and the API types of `audit.k8s.io/v1`.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from indelible.base.errors import BadRequest, TooLarge
from indelible.base.limits import REQUEST_EVENTS
from indelible.ingest.json_ends import read
from indelible.ingest.parsed import Rejected
from indelible.ingest.parsers.contract import Given
from indelible.ingest.protocols.message import Message, Taken


class _EventList(msgspec.Struct, frozen=True):
    """The members of a request that are looked at."""

    kind: str = ""
    apiVersion: str = ""
    items: list[Raw] | None = None


_decode = msgspec.json.Decoder(_EventList).decode


def take(body: bytes, given: Given) -> Taken:
    """Every item of a list; an item that is no object is refused by itself.

    Raises `BadRequest` when the body is no `EventList`, `TooLarge` beyond
    `limits.REQUEST_EVENTS` items.
    """
    try:
        found = read(_decode, body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"not an EventList: {error}") from error
    if found.kind != "EventList" or not found.apiVersion.startswith("audit.k8s.io/"):
        raise BadRequest(
            f"kind {found.kind[:80]!r} of {found.apiVersion[:80]!r} is not an EventList of "
            "audit.k8s.io",
            field="kind",
        )
    items = found.items or []
    if len(items) > REQUEST_EVENTS:
        raise TooLarge(f"more than {REQUEST_EVENTS} events in one request")
    messages: list[Message] = []
    refused: list[Rejected] = []
    for line, item in enumerate(items, 1):
        raw = bytes(item)
        try:
            raw.decode()
        except UnicodeDecodeError:
            refused.append(Rejected(line=line, field="", code="bad_utf8", reason="not UTF-8"))
            continue
        if raw.startswith(b"{"):
            messages.append(Message(line, raw, given))
        else:
            why = "an event is a JSON object"
            refused.append(Rejected(line=line, field="", code="wrong_type", reason=why))
    return Taken(messages, refused)
