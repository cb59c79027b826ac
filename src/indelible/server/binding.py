"""What a token adds to the events sent under it: its tenant, and ids from an Idempotency-Key.

Both change the encoded event once, before it is handed on, so that a repeated request gives the
same bytes again. Events that need neither are not touched.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from indelible.base.errors import BadRequest
from indelible.base.limits import NAME_CHARS
from indelible.event.model import Event
from indelible.ingest.parsed import Parsed, Rejected, Unparsed

_decode = msgspec.json.Decoder(Event).decode
_decode_unparsed = msgspec.json.Decoder(Unparsed).decode
_encode = msgspec.json.Encoder().encode


def check_key(key: str) -> str:
    """An Idempotency-Key fit to become part of ids; raises BadRequest."""
    if len(key) > NAME_CHARS // 2 or not key.isprintable():
        raise BadRequest(
            f"an Idempotency-Key has 1 to {NAME_CHARS // 2} printable characters",
            field="Idempotency-Key",
        )
    return key


IdOf = Callable[[int], str]
"""The id for a line that has none of its own; empty for none."""


def keyed(key: str) -> IdOf:
    """Ids from an Idempotency-Key: line n is `key/n`."""
    return lambda line: f"{key}/{line}"


def bind(
    events: list[Parsed], tenant: str, id_of: IdOf | None
) -> tuple[list[Parsed], list[Rejected]]:
    """Give every event the token's tenant, and lines without an id the one of `id_of`.

    An event that names another tenant is refused.
    """
    if not tenant and id_of is None:
        return events, []
    kept: list[Parsed] = []
    refused: list[Rejected] = []
    for parsed in events:
        event_id = parsed.id or (id_of(parsed.line) if id_of is not None else "")
        if not tenant and event_id == parsed.id:
            kept.append(parsed)
            continue
        event = _decoded(parsed)
        if tenant and event.tenant not in (UNSET, tenant):
            refused.append(
                Rejected(
                    line=parsed.line,
                    field="tenant",
                    code="wrong_tenant",
                    reason=f"this token writes for tenant {tenant!r} only",
                )
            )
            continue
        kept.append(_bound(parsed, event, tenant, event_id))
    return kept, refused


def _decoded(parsed: Parsed) -> Event | Unparsed:
    if parsed.kind == "unparsed":
        return _decode_unparsed(parsed.content)
    return _decode(parsed.content)


def _bound(
    parsed: Parsed, event: Event | Unparsed, tenant: str, event_id: str
) -> Parsed:
    bound = replace(event, tenant=tenant or event.tenant, id=event_id or UNSET)
    content = _encode(bound)
    same = parsed.idempotent == parsed.content
    return replace(
        parsed,
        content=content,
        id=event_id,
        idempotent=content if same else parsed.idempotent,
    )
