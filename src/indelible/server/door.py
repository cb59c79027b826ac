"""The door every request but the hot path of `POST /v1/events` goes through.

Route found, credential known, role allowed, handler run, errors turned into the one shape, refusals
reported. Nothing is answered without a decision; without a credential, a path that does not exist
looks like every other one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from indelible.access import Permission, Principal, decide
from indelible.base.clock import monotonic
from indelible.base.errors import Forbidden, IndelibleError, NotFound, TooLarge, Unauthenticated
from indelible.base.limits import HEADER_CHARS, QUERY_STRING_BYTES
from indelible.base.recorder import Action
from indelible.server.call import Call, HungUp, doer_of
from indelible.server.context import Context
from indelible.server.credentials import header_of, peer_of
from indelible.server.errors import MethodNotAllowed, error_answer, logger, unexpected
from indelible.server.route import Access, Route, template

Endpoint = Callable[[Scope, Receive, Send], Awaitable[None]]

SECURITY_HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
)
NO_STORE = (b"cache-control", b"no-store")
STRICT_TRANSPORT = (b"strict-transport-security", b"max-age=31536000")


def authenticate(context: Context, route: Route, scope: Scope) -> Principal:
    """The principal of a request; raises Unauthenticated."""
    if route.manners is not None:
        return context.tokens.principal(route.manners.authorization(scope))
    return context.tokens.principal(header_of(scope, b"authorization"))


async def admit(context: Context, route: Route, scope: Scope, peer: str) -> Principal | None:
    """Let a request through or raise; a refusal of a known principal becomes an event."""
    if route.access in (Access.OPEN, Access.SIGNED):
        return None
    published = route.access is Access.PUBLISHED and context.settings.publish
    if published and not header_of(scope, b"authorization"):
        context.published.take()
        return None
    if route.access is Access.CERTIFICATE and not header_of(scope, b"authorization"):
        return None
    principal = await _identify(context, route, scope, peer)
    decision = decide(principal, route.permission)
    if not decision.allowed:
        await report_refusal(context, scope, principal, peer, route.name, decision.why)
        raise Forbidden(decision.why)
    return principal


async def _identify(context: Context, route: Route, scope: Scope, peer: str) -> Principal:
    try:
        return authenticate(context, route, scope)
    except Unauthenticated as error:
        if header_of(scope, b"authorization"):
            await report_refusal(context, scope, None, peer, "credential", error.message)
        raise


async def report_refusal(
    context: Context,
    scope: Scope,
    principal: Principal | None,
    peer: str,
    what: str,
    why: str,
) -> None:
    """Report a refusal, counted by the minute so that nobody can fill the log with them.

    A refusal is given even when it cannot be recorded: it shows nothing.
    """
    action = Action(
        action="indelible.access.deny",
        operation="other",
        doer=doer_of(principal),
        outcome="denied",
        reason=why,
        peer=peer,
        user_agent=header_of(scope, b"user-agent")[:HEADER_CHARS].decode("latin-1"),
        data={"what": what},
        counted=True,
    )
    try:
        await context.recorder.record(action)
    except IndelibleError as error:
        logger.warning("a refusal could not be recorded: %s", error)


def endpoint(context: Context, route: Route) -> Endpoint:
    """The ASGI application of one route."""
    label = template(route.path)
    refused = route.manners.refused if route.manners else lambda error, scope: error_answer(error)

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        began = monotonic()
        status = 0

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                context.metrics.answered(label, status, monotonic() - began)
                _secure(message, context)
            await send(message)

        try:
            response = await _answer(context, route, scope, receive)
        except HungUp:
            return
        except IndelibleError as error:
            response = refused(error, scope)
        except Exception as error:  # noqa: BLE001 - the last line of defence answers, logged by id
            response = refused(unexpected(error), scope)
        await response(scope, receive, watch)

    return serve


async def _answer(context: Context, route: Route, scope: Scope, receive: Receive) -> Response:
    if len(scope["query_string"]) > QUERY_STRING_BYTES:
        raise TooLarge(f"the query string has more than {QUERY_STRING_BYTES} bytes")
    peer = peer_of(scope, context.trusted)
    principal = await admit(context, route, scope, peer)
    call = Call(context, route, Request(scope, receive), principal, peer)
    return await route.handler(call)


def _secure(message: Message, context: Context) -> None:
    headers: list[tuple[bytes, bytes]] = list(message.get("headers", ()))
    names = {name for name, _ in headers}
    headers.extend(header for header in SECURITY_HEADERS if header[0] not in names)
    if NO_STORE[0] not in names:
        headers.append(NO_STORE)
    if context.settings.tls_cert is not None:
        headers.append(STRICT_TRANSPORT)
    message["headers"] = headers


def nowhere(context: Context, allowed: Callable[[str], list[str]]) -> Endpoint:
    """The ASGI application for paths and methods that no route has."""

    async def refuse(call: Call) -> Response:
        path = call.request.url.path
        methods = allowed(path)
        if not methods:
            raise NotFound(f"there is nothing at {path[:HEADER_CHARS]}")
        answer = error_answer(
            MethodNotAllowed(f"{call.request.method} is not answered at {path[:HEADER_CHARS]}")
        )
        answer.headers["Allow"] = ", ".join(methods)
        return answer

    return endpoint(
        context,
        Route(
            method="GET",
            path="(unknown)",
            permission=Permission.DESCRIBE,
            name="unknown",
            summary="Any other path",
            handler=refuse,
            answer="application/json",
            any_parameter=True,
        ),
    )
