"""What a body says of itself, compared with what its entry says (spec, sections 1 and 3)."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from indelible.proof.commitment import KINDS, MAX_BODY_BYTES, Entry, commitment
from indelible.proof.errors import ProofError

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_RECEIVED: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z", re.ASCII
)
_ONCE: Final = frozenset(
    ("kind", "received", "source", "via", "retention", "flags", "conflict", "repeat")
)
_OWN_FROM: Final = KINDS["source"]


class Claims(NamedTuple):
    """The five things that stand in a body and in its entry."""

    kind: int
    retention: int
    source: int
    seq: int
    received: int


def received_text(micros: int) -> str:
    """Microseconds since 1970 as `YYYY-MM-DDThh:mm:ss.ffffffZ`, always six digits."""
    moment = _EPOCH + timedelta(microseconds=micros)
    return moment.strftime(f"{moment.year:04d}-%m-%dT%H:%M:%S.%fZ")


def received_micros(text: str) -> int:
    """The inverse of `received_text`; raises `ProofError` for any other spelling."""
    if _RECEIVED.fullmatch(text) is None:
        raise ProofError("body: `received` is not a UTC time with six digits")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ProofError("body: `received` is not a time") from error
    micros = (moment - _EPOCH) // timedelta(microseconds=1)
    if micros < 0:
        raise ProofError("body: `received` lies before 1970")
    return micros


def claims_of(body: bytes) -> Claims:
    """Read the ledger's own members of a body.

    Raises `ProofError` when the body is not one JSON object on one line, when one of those
    members stands twice at top level, or when one has the wrong type.
    """
    if len(body) > MAX_BODY_BYTES or b"\n" in body:
        raise ProofError("body: longer than 1 MiB, or more than one line")
    members = _top_level(body)
    kind = members.get("kind")
    received = members.get("received")
    source = members.get("source")
    if not isinstance(kind, str) or kind not in KINDS:
        raise ProofError("body: unknown kind")
    if not isinstance(received, str) or not isinstance(source, dict):
        raise ProofError("body: `received` or `source` is missing")
    claims = Claims(
        KINDS[kind],
        _uint(members.get("retention", 0), 16, "retention"),
        _uint(source.get("number"), 32, "source.number"),
        _uint(source.get("seq", 0), 64, "source.seq"),
        received_micros(received),
    )
    if claims.kind >= _OWN_FROM and claims.source:
        raise ProofError("body: a record of the ledger's own with a source that is not 0")
    return claims


def check_body(entry: Entry, salt: bytes, body: bytes) -> None:
    """Return when the body is the one the entry commits to and says the same; else `ProofError`.

    The commitment comes first: a body that is not the committed one is not read at all.
    """
    if commitment(salt, body) != entry.commitment:
        raise ProofError("body: not the one the entry commits to")
    found = claims_of(body)
    for name, stated, written in zip(Claims._fields, found, entry, strict=False):
        if stated != written:
            raise ProofError(f"body and entry differ in {name}: {stated} and {written}")


def _top_level(body: bytes) -> dict[str, object]:
    last: list[tuple[str, object]] = []

    def keep(pairs: list[tuple[str, object]]) -> dict[str, object]:
        nonlocal last
        last = pairs  # the outermost object is finished last
        return dict(pairs)

    try:
        members = json.loads(body.decode("utf-8"), object_pairs_hook=keep)
    except (ValueError, RecursionError) as error:
        raise ProofError("body: not JSON") from error
    if not isinstance(members, dict):
        raise ProofError("body: not a JSON object")
    names = [name for name, _ in last if name in _ONCE]
    if len(set(names)) != len(names):
        raise ProofError("body: a member of the ledger's stands twice")
    return members


def _uint(value: object, bits: int, what: str) -> int:
    if type(value) is not int or not 0 <= value < 1 << bits:
        raise ProofError(f"body: `{what}` is not an unsigned {bits}-bit number")
    return value
