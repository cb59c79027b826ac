"""`/v1/webhooks/{source}`: deliveries that their sender signed with the source's secret.

There is no token: the signature is the credential, checked over the bytes as they came and before
anything in them is read. A forged delivery, one for a source that there is not, and one for a
source that takes no webhooks are answered alike, after the same work, and are put on record by the
minute. What is answered 200 is durable. A delivery that was recorded and is sent again adds nothing
where its id is the same; GitHub does not sign that id, so a body that comes again under another one
is kept and says so (`data.webhook.same_body_as`).
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import sha256
from typing import Any, Final

import msgspec
from starlette.responses import Response

from indelible.access import Permission
from indelible.base.clock import MICROS, wall_us
from indelible.base.errors import Busy, IndelibleError, Unauthenticated
from indelible.base.limits import HEADER_CHARS, WEBHOOK_BODIES, WEBHOOK_BYTES
from indelible.ingest.protocols import webhook
from indelible.ingest.protocols.hub import Configured
from indelible.ingest.protocols.message import Taken
from indelible.ingest.protocols.webhook_vendors import Delivery, Forged, Signed
from indelible.server.call import Call, json_answer
from indelible.server.credentials import header_of
from indelible.server.door import report_refusal
from indelible.server.errors import UnsupportedEncoding
from indelible.server.receiving import given_of, kept, read, store, submission
from indelible.server.route import Access, Parameter, Route

PROTOCOL: Final = "webhook"


class WebhookAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """How many messages of a delivery are in the log, how many of them were before, and how many
    could not be kept."""

    accepted: int
    duplicates: int = 0
    rejected: int = 0


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What a vendor wants to hear back when an address is registered with it."""

    verification: str


class Bodies:
    """Under which id each signed body came first, as long as it is remembered."""

    def __init__(self) -> None:
        self._first: OrderedDict[bytes, str] = OrderedDict()

    def first(self, key: bytes) -> str:
        """The id under which a body came first, or ''."""
        return self._first.get(key, "")

    def remember(self, key: bytes, ident: str) -> None:
        """A body came under an id."""
        self._first.setdefault(key, ident)
        if len(self._first) > WEBHOOK_BODIES:
            self._first.popitem(last=False)


async def post(call: Call) -> Response:
    """Check who signed a delivery, and store what is in it."""
    scope = call.request.scope
    if header_of(scope, b"content-encoding").strip().lower() not in (b"", b"identity"):
        raise UnsupportedEncoding(
            "a delivery is signed as it is sent, and taken unpacked only",
            remedy="Send the body without a Content-Encoding.",
        )
    delivery = Delivery(_headers(call), await call.raw(WEBHOOK_BYTES), wall_us() // MICROS)
    configured = _configured(call)
    signed = await _verified(call, delivery, configured)
    assert configured is not None
    options = configured.settings.options
    challenge = webhook.challenge_of(delivery, options)
    if challenge:
        return json_answer({"challenge": challenge})
    return await _store(call, configured, delivery, signed)


def _configured(call: Call) -> Configured | None:
    found = call.rooms.configured(call.path_text("source"), call.text("tenant"))
    if found is None or found.settings.protocol != PROTOCOL or found.settings.disabled:
        return None
    return found


def _headers(call: Call) -> dict[str, str]:
    """The headers by name; of one that stands twice, the first."""
    found: dict[str, str] = {}
    for name, value in call.request.scope["headers"]:
        found.setdefault(name.decode("latin-1"), value.decode("latin-1"))
    return found


async def _verified(call: Call, delivery: Delivery, configured: Configured | None) -> Signed:
    """The delivery as a genuine one; raises Unauthenticated, the same whatever is wrong."""
    options = configured.settings.options if configured else {}
    try:
        return webhook.verified(delivery, configured.secret if configured else b"", options)
    except Forged as forged:
        known = configured.settings.id if configured else ""
        await report_refusal(
            call.context, call.request.scope, None, call.peer,
            f"webhook {known}"[:HEADER_CHARS] if known else "webhook",
            forged.why if known else "there is no such source of webhooks",
        )
        raise Unauthenticated(
            "the delivery is not signed with the secret of a source that takes it",
            remedy="Compare the address, the secret and the option `verify` of the source.",
        ) from None


async def _store(
    call: Call, configured: Configured, delivery: Delivery, signed: Signed
) -> Response:
    settings = configured.settings
    empty = submission(call, settings)
    given = given_of(call.context, settings)
    bodies = kept(call.context, Bodies)
    digest = sha256(repr((settings.id, settings.tenant)).encode() + delivery.body).digest()

    def take(body: bytes) -> Taken:
        taken = webhook.take(delivery, signed, settings.options, given)
        before = bodies.first(digest) if signed.unsigned_id else ""
        if not before or before == signed.id:
            return taken
        return taken._replace(messages=[_again(one, before) for one in taken.messages])

    try:
        events, refused = await call.context.parsed(
            lambda body: read(take(body), settings), delivery.body
        )
    except Busy:
        raise
    except IndelibleError:
        call.context.metrics.rejected += 1
        await call.rooms.submit(msgspec.structs.replace(empty, rejected=1))
        raise
    call.context.metrics.ingest_bytes += len(delivery.body)
    received = await store(call, empty, events, refused)
    if signed.unsigned_id and signed.id:
        bodies.remember(digest, signed.id)
    answer = WebhookAnswer(
        accepted=len(received.events), duplicates=len(received.result.duplicates),
        rejected=len(received.refused),
    )
    status = 200 if not received.refused else 207 if received.events else 422
    return json_answer(answer, status)


def _again(one: Any, before: str) -> Any:
    """A message whose very body came before, under another id that nobody signed."""
    said = {**one.given.data["webhook"], "same_body_as": before}
    given = msgspec.structs.replace(one.given, data={**one.given.data, "webhook": said})
    return one._replace(given=given)


async def verify(call: Call) -> Response:
    """Answer Okta's one-time verification. It proves nothing, and asks nothing of the source."""
    challenge = call.header("x-okta-verification-challenge")
    if not challenge:
        raise Unauthenticated(
            "deliveries are sent with POST, and signed",
            remedy="Only Okta's verification asks with GET.",
        )
    return json_answer(Verification(verification=challenge))


_TENANT: Final = Parameter("tenant", "the tenant that the source is bound to")
ROUTES = (
    Route(
        method="POST",
        path="/v1/webhooks/{source:path}",
        permission=Permission.WRITE,
        name="takeWebhook",
        summary="Store a delivery that its sender signed with the source's secret",
        handler=post,
        asks="application/json",
        answer=WebhookAnswer,
        parameters=(_TENANT,),
        access=Access.SIGNED,
    ),
    Route(
        method="GET",
        path="/v1/webhooks/{source:path}",
        permission=Permission.WRITE,
        name="verifyWebhook",
        summary="Answer the verification of an address by its vendor",
        handler=verify,
        answer=Verification,
        parameters=(_TENANT,),
        access=Access.SIGNED,
    ),
)
