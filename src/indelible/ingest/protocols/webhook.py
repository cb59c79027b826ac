"""Signed webhooks: whether a delivery is from whom it says, and the messages in it. Pure.

Each vendor signs otherwise (`webhook_vendors`). All secrets of a source count, one a line, so that
a secret can be changed without a gap.

A delivery recorded and sent again is caught by its id, which the ledger takes once, and where the
vendor signs the time of sending also by that. GitHub, Okta and `hmac` sign no time; GitHub signs
neither its delivery id nor the event's name (`server.webhooks` tells bodies that come again under
another id).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from indelible.base.errors import BadRequest
from indelible.base.limits import HEADER_CHARS, NAME_CHARS, REQUEST_EVENTS, WEBHOOK_SECRETS
from indelible.ingest.parsed import Rejected
from indelible.ingest.parsers.contract import Given
from indelible.ingest.parsers.pick import moment
from indelible.ingest.protocols.message import Message, Taken
from indelible.ingest.protocols.webhook_vendors import VENDORS, Delivery, Forged, Signed

OPTIONS: Final = (
    "verify", "header", "algorithm", "encoding", "prefix", "id_header", "event_header"
)
"""What a source of this protocol can be told; `verify` names the vendor."""

_ALGORITHMS: Final = ("sha256", "sha512")
_ENCODINGS: Final = ("hex", "base64")
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
_NONE: Final = hashlib.sha256(b"no secret").digest()


def verified(delivery: Delivery, secret: bytes, options: Mapping[str, str]) -> Signed:
    """The delivery as a genuine one; raises `Forged`.

    The work is the same whether or not there is a secret, so that its time tells nobody which
    sources there are.
    """
    vendor = VENDORS.get(options.get("verify", ""), VENDORS["github"])
    secrets = secrets_of(secret)
    found = vendor.check(delivery, secrets or [_NONE], options)
    if not secrets:
        raise Forged("the source has no secret")
    return found


def secrets_of(secret: bytes) -> list[bytes]:
    """The secrets of a source, one a line."""
    return [line.strip() for line in secret.split(b"\n") if line.strip()][:WEBHOOK_SECRETS]


def check_options(options: Mapping[str, str]) -> None:
    """Raise `BadRequest`, which names the option, when a source cannot work with these."""
    vendor = VENDORS.get(options.get("verify", ""))
    if vendor is None:
        raise BadRequest(f"verify is {', '.join(VENDORS)}", field="verify")
    for name in vendor.needs:
        if not options.get(name):
            raise BadRequest(f"verify={options['verify']} needs the option {name}", field=name)
    for name, value in options.items():
        if value and name != "verify" and name not in vendor.takes:
            raise BadRequest(f"verify={options['verify']} takes no option {name}", field=name)
    for name, allowed in (("algorithm", _ALGORITHMS), ("encoding", _ENCODINGS)):
        if options.get(name) and options[name] not in allowed:
            raise BadRequest(f"{name} is {' or '.join(allowed)}", field=name)
    for name in ("header", "id_header", "event_header"):
        if options.get(name) and not _HEADER.fullmatch(options[name]):
            raise BadRequest(f"{name} is the name of a header", field=name)


# --- what is in a delivery


class _OktaData(msgspec.Struct, frozen=True):
    events: list[Raw] = []


class _Okta(msgspec.Struct, frozen=True, rename="camel"):
    data: _OktaData = _OktaData()
    event_id: str = ""
    event_time: str = ""
    source: str = ""


class _Names(msgspec.Struct, frozen=True):
    """Members by which messages are told apart."""

    id: Any = None
    event_id: Any = None
    type: Any = None
    challenge: Any = None


_okta_hook = msgspec.json.Decoder(_Okta).decode
_names = msgspec.json.Decoder(_Names).decode


def challenge_of(delivery: Delivery, options: Mapping[str, str]) -> str:
    """What Slack wants to hear back when the address of a source is registered with it, or ''."""
    if options.get("verify") != "slack":
        return ""
    named = _named(delivery.body)
    found = named.challenge if named.type == "url_verification" else None
    return found if isinstance(found, str) and len(found) <= HEADER_CHARS else ""


def take(delivery: Delivery, signed: Signed, options: Mapping[str, str], given: Given) -> Taken:
    """The messages of a genuine delivery: one, or of Okta each of its events.

    A message bears the vendor's own id: of the delivery (GitHub, Standard Webhooks, `id_header`),
    of the event in the body (Slack, Stripe, Okta). The event's name is its program.
    """
    vendor = options.get("verify", "")
    known = replace(given, program=signed.event, data={"webhook": _about(vendor, signed)})
    if VENDORS[vendor].several:
        found = _okta_messages(delivery.body, known)
        if found is not None:
            return Taken(found, [])
    ident = signed.id
    if vendor in ("slack", "stripe"):
        named = _named(delivery.body)
        said = named.event_id if vendor == "slack" else named.id
        ident = said if isinstance(said, str) else ""
    ident = ident if len(ident) <= NAME_CHARS else ""
    if not delivery.body.strip():
        empty = Rejected(line=1, field="", code="empty", reason="the delivery has no body")
        return Taken([], [empty])
    return Taken([Message(1, delivery.body, known, id=ident)], [])


def _about(vendor: str, signed: Signed) -> dict[str, str]:
    said = {"verified": vendor, "delivery": signed.id, "event": signed.event}
    return {name: value for name, value in said.items() if value}


def _named(body: bytes) -> _Names:
    try:
        return _names(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _Names()


def _okta_messages(body: bytes, known: Given) -> list[Message] | None:
    """Each event of an event hook's request with what the envelope says; None for another body."""
    try:
        hook = _okta_hook(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if not 0 < len(hook.data.events) <= REQUEST_EVENTS:
        return None
    said = {"hook": hook.event_id, "hook_source": hook.source}
    webhook: Any = known.data["webhook"]
    data = {"webhook": {**webhook, **{name: one for name, one in said.items() if one}}}
    shared = replace(known, data=data, observed=moment(hook.event_time))
    return list(_numbered(hook.data.events, shared))


def _numbered(events: list[Raw], shared: Given) -> Iterator[Message]:
    for line, event in enumerate(events, 1):
        raw = bytes(event)
        uuid = _uuid(raw)
        yield Message(line, raw, shared, id=uuid)


def _uuid(raw: bytes) -> str:
    try:
        found = msgspec.json.decode(raw, type=dict[str, Raw]).get("uuid")
        uuid = msgspec.json.decode(found, type=str) if found is not None else ""
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    return uuid if len(uuid) <= NAME_CHARS else ""
