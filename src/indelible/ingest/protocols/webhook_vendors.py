"""How vendors sign their webhooks, one check each. Pure.

Signatures are made over the bytes as they came and compared in constant time with those of every
secret of the source. A check raises `Forged` or answers what the delivery says of itself.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from indelible.base.limits import WEBHOOK_SECONDS, WEBHOOK_SIGNATURES


class Forged(Exception):
    """Nobody who holds the secret sent this, or not now; `why` names no secret."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Delivery(NamedTuple):
    """One request: its headers by their names in lower case, its bytes, when it came."""

    headers: Mapping[str, str]
    body: bytes
    now_s: int

    def header(self, *names: str) -> str:
        """The first header of these names that there is, or ''."""
        return next((found for name in names if (found := self.headers.get(name.lower()))), "")


class Signed(NamedTuple):
    """A delivery that is genuine: its id, the event's name, and what an id stands for.

    `unsigned_id` says that whoever recorded the delivery could send it under another id.
    """

    id: str = ""
    event: str = ""
    unsigned_id: bool = False


Check = Callable[[Delivery, list[bytes], Mapping[str, str]], Signed]


class Vendor(NamedTuple):
    """How one vendor signs, and which of OPTIONS it takes and needs besides `verify`."""

    check: Check
    takes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    several: bool = False


# --- signatures


def _mac(secret: bytes, signed: bytes, algorithm: str = "sha256") -> bytes:
    return hmac.digest(secret, signed, algorithm)


def _matches(wanted: list[bytes], given: list[bytes]) -> bool:
    """Whether any of both is the same; every pair is compared, whichever are."""
    found = False
    for one in wanted:
        for other in given[:WEBHOOK_SIGNATURES]:
            found |= hmac.compare_digest(one, other)
    return found


def _must_match(wanted: list[bytes], given: list[bytes], header: str) -> None:
    if not given:
        raise Forged(f"there is no signature in the header {header}")
    if not _matches(wanted, given):
        raise Forged("the signature is of another body or another secret")


def _must_be_now(delivery: Delivery, stamp: str) -> None:
    seconds = int(stamp) if stamp.isdecimal() and stamp.isascii() and len(stamp) < 12 else None
    if seconds is None:
        raise Forged("there is no time of sending in it")
    if abs(delivery.now_s - seconds) > WEBHOOK_SECONDS:
        raise Forged(f"it was sent more than {WEBHOOK_SECONDS} seconds ago, or is to be")


def _hex(text: str) -> list[bytes]:
    try:
        return [bytes.fromhex(text)] if text else []
    except ValueError:
        return [b""]


def _base64(text: str) -> list[bytes]:
    try:
        return [base64.b64decode(text, validate=True)] if text else []
    except (binascii.Error, ValueError):
        return [b""]


def _github(delivery: Delivery, secrets: list[bytes], options: Mapping[str, str]) -> Signed:
    """X-Hub-Signature-256 over the body (GitHub, "Validating webhook deliveries")."""
    given = delivery.header("x-hub-signature-256").removeprefix("sha256=")
    wanted = [_mac(secret, delivery.body) for secret in secrets]
    _must_match(wanted, _hex(given), "X-Hub-Signature-256")
    return Signed(
        delivery.header("x-github-delivery"), delivery.header("x-github-event"), unsigned_id=True
    )


def _okta(delivery: Delivery, secrets: list[bytes], options: Mapping[str, str]) -> Signed:
    """No signature, but a secret in a header (Okta, "Event hooks")."""
    given = delivery.header(options.get("header") or "authorization").encode("latin-1", "replace")
    digests = [hashlib.sha256(secret).digest() for secret in secrets]
    _must_match(digests, [hashlib.sha256(given).digest()] if given else [], "Authorization")
    return Signed()


def _slack(delivery: Delivery, secrets: list[bytes], options: Mapping[str, str]) -> Signed:
    """X-Slack-Signature over `v0:TIME:BODY` (Slack, "Verifying requests from Slack")."""
    stamp = delivery.header("x-slack-request-timestamp")
    given = delivery.header("x-slack-signature")
    signed = b"v0:%b:%b" % (stamp.encode("latin-1", "replace"), delivery.body)
    wanted = [_mac(secret, signed) for secret in secrets]
    signatures = _hex(given.removeprefix("v0=")) if given.startswith("v0=") else []
    _must_match(wanted, signatures, "X-Slack-Signature")
    _must_be_now(delivery, stamp)
    return Signed()


def _stripe(delivery: Delivery, secrets: list[bytes], options: Mapping[str, str]) -> Signed:
    """Stripe-Signature `t=TIME,v1=MAC,...` over `TIME.BODY` (Stripe, "Verify manually")."""
    listed = _listed(delivery.header("stripe-signature"), ",")
    parts = [part.strip().partition("=") for part in listed]
    stamp = next((value for name, _, value in parts if name == "t"), "")
    given = [one for name, _, value in parts if name == "v1" for one in _hex(value)]
    signed = b"%b.%b" % (stamp.encode("latin-1", "replace"), delivery.body)
    _must_match([_mac(secret, signed) for secret in secrets], given, "Stripe-Signature")
    _must_be_now(delivery, stamp)
    return Signed()


def _standard(delivery: Delivery, secrets: list[bytes], options: Mapping[str, str]) -> Signed:
    """webhook-signature `v1,MAC ...` over `ID.TIME.BODY` (the Standard Webhooks specification)."""
    ident = delivery.header("webhook-id", "svix-id")
    stamp = delivery.header("webhook-timestamp", "svix-timestamp")
    given = [
        one for part in _listed(delivery.header("webhook-signature", "svix-signature"), " ")
        if part.startswith("v1,") for one in _base64(part.removeprefix("v1,"))
    ]
    known = b"%b.%b." % (ident.encode("latin-1", "replace"), stamp.encode("latin-1", "replace"))
    keys = [_standard_key(secret) for secret in secrets]
    macs = [_mac(key, known + delivery.body) for key in keys if key]  # nobody's, if it is empty
    _must_match(macs, given, "webhook-signature")
    _must_be_now(delivery, stamp)
    return Signed(ident)


def _standard_key(secret: bytes) -> bytes:
    """The bytes that `whsec_` and base64 stand for; a secret of another form is taken as it is."""
    try:
        return base64.b64decode(secret.removeprefix(b"whsec_"), validate=True)
    except (binascii.Error, ValueError):
        return secret


def _generic(delivery: Delivery, secrets: list[bytes], options: Mapping[str, str]) -> Signed:
    """An HMAC of the body in a header, as the source's options say."""
    name = options.get("header", "")
    given = delivery.header(name)
    prefix = options.get("prefix", "")
    if given and not given.startswith(prefix):
        given = ""
    algorithm = options.get("algorithm") or "sha256"
    wanted = [_mac(secret, delivery.body, algorithm) for secret in secrets]
    decode = _base64 if options.get("encoding") == "base64" else _hex
    _must_match(wanted, decode(given.removeprefix(prefix)), name)
    ident = delivery.header(options.get("id_header", "")) if options.get("id_header") else ""
    event = delivery.header(options.get("event_header", "")) if options.get("event_header") else ""
    return Signed(ident, event, unsigned_id=bool(ident))


def _listed(value: str, between: str) -> list[str]:
    """The parts of a header; there are a few, however long it is."""
    return value.split(between, WEBHOOK_SIGNATURES)[:WEBHOOK_SIGNATURES]


VENDORS: Final = MappingProxyType(
    {
        "github": Vendor(_github),
        "okta": Vendor(_okta, ("header",), several=True),
        "slack": Vendor(_slack),
        "stripe": Vendor(_stripe),
        "standard": Vendor(_standard),
        "hmac": Vendor(
            _generic, ("header", "algorithm", "encoding", "prefix", "id_header", "event_header"),
            ("header",),
        ),
    }
)
"""Every way of signing that can be checked, by the value of the option `verify`."""
