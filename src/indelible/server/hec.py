"""Splunk's HTTP Event Collector: `/services/collector` with event, raw, ack and health.

Success is answered when the events are durable, so that an acknowledgement, for clients that ask
for one, holds from the moment its number is given. Errors have Splunk's own codes and texts. A
client carries its token as `Authorization: Splunk TOKEN`, or as Basic password.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

import msgspec
from starlette.responses import Response
from starlette.types import Scope

from indelible.access import Permission
from indelible.base.errors import IndelibleError
from indelible.base.limits import HEC_ACKS, HEC_CHANNELS, NAME_CHARS
from indelible.ingest.parsers.contract import Given
from indelible.ingest.protocols import hec
from indelible.ingest.protocols.message import Taken
from indelible.server.call import Call
from indelible.server.credentials import as_bearer, header_of
from indelible.server.errors import RETRY_AFTER
from indelible.server.receiving import kept, receive, settings_of
from indelible.server.route import Access, Manners, Route

PROTOCOL: Final = "hec"
_JSON: Final = "application/json"
_WORDS: Final = ("host", "source", "sourcetype", "index", "time")
_SCHEMES: Final = (b"splunk ", b"basic ", b"bearer ")
Take = Callable[[bytes, Given, dict[str, str]], Taken]


class Channels:
    """How many acknowledgements each channel of each source was given.

    A number is given when its events are durable, so that every number ever given is acknowledged;
    a channel that was forgotten (`limits.HEC_CHANNELS`, a restart) knows none, and its client sends
    again.
    """

    def __init__(self) -> None:
        self._given: OrderedDict[tuple[str, str, str], int] = OrderedDict()

    def give(self, key: tuple[str, str, str]) -> int:
        """The next number of a channel, from 0."""
        number = self._given.pop(key, 0)
        self._given[key] = number + 1
        if len(self._given) > HEC_CHANNELS:
            self._given.popitem(last=False)
        return number

    def given(self, key: tuple[str, str, str]) -> int:
        """How many numbers a channel was given."""
        if key in self._given:
            self._given.move_to_end(key)
        return self._given.get(key, 0)


def _reply(one: hec.Reply, **more: object) -> Response:
    return Response(hec.reply(one, **more), status_code=one.status, media_type=_JSON)


def refused(error: IndelibleError, scope: Scope) -> Response:
    """An error as Splunk words it."""
    found = _of_error(error, scope)
    answer = _reply(found, reason=f"{error.message} [{error.code}]. {error.remedy}")
    if error.status in RETRY_AFTER:
        answer.headers["Retry-After"] = RETRY_AFTER[error.status]
    return answer


def _of_error(error: IndelibleError, scope: Scope) -> hec.Reply:
    if error.status == 401:
        header = header_of(scope, b"authorization")
        if not header:
            query = b"&" + scope["query_string"]
            return hec.QUERY_TOKEN if b"&token=" in query else hec.TOKEN_REQUIRED
        known = header.lower().startswith(_SCHEMES)
        return hec.INVALID_TOKEN if known else hec.INVALID_AUTHORIZATION
    if error.status == 403:
        return hec.TOKEN_DISABLED
    if error.status == 413:
        return hec.TOO_LARGE
    if error.status in RETRY_AFTER:
        return hec.SERVER_BUSY
    return hec.SERVER_ERROR if error.status >= 500 else hec.INVALID_DATA


def _authorization(scope: Scope) -> bytes:
    return as_bearer(header_of(scope, b"authorization"))


def _channel(call: Call) -> str | None:
    """The request's channel, '' for none, None for what cannot be one."""
    found = call.header("x-splunk-request-channel") or call.request.query_params.get("channel", "")
    return found if len(found) <= NAME_CHARS and (not found or found.isprintable()) else None


async def _take(call: Call, take: Take) -> Response:
    channel = _channel(call)
    if channel is None:
        return _reply(hec.INVALID_CHANNEL)
    said = {name: call.request.query_params.get(name, "") for name in _WORDS}
    said = {name: value[:NAME_CHARS] for name, value in said.items() if value}
    received = await receive(call, PROTOCOL, lambda body, given: take(body, given, said))
    answer, more = hec.outcome(len(received.events), received.refused)
    if answer is hec.SUCCESS and channel:
        settings = settings_of(call, PROTOCOL)
        key = (settings.id, settings.tenant, channel)
        more = {"ackId": kept(call.context, Channels).give(key)}
    return _reply(answer, **more)


async def events(call: Call) -> Response:
    """Store the events of a request."""
    return await _take(call, hec.take_events)


async def lines(call: Call) -> Response:
    """Store the lines of a request."""
    return await _take(call, hec.take_lines)


class _Asked(msgspec.Struct, frozen=True):
    acks: list[int]


async def acks(call: Call) -> Response:
    """Say of each number whether what it was given for is durable."""
    settings = settings_of(call, PROTOCOL)
    channel = _channel(call)
    if not channel:
        return _reply(hec.CHANNEL_MISSING if channel == "" else hec.INVALID_CHANNEL)
    try:
        asked = msgspec.json.decode(await call.raw(), type=_Asked).acks
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _reply(hec.INVALID_DATA)
    if len(asked) > HEC_ACKS:
        return _reply(hec.INVALID_DATA, reason=f"more than {HEC_ACKS} acks in one request")
    count = kept(call.context, Channels).given((settings.id, settings.tenant, channel))
    answer: dict[str, Any] = {str(number): 0 <= number < count for number in asked}
    return Response(msgspec.json.encode({"acks": answer}), media_type=_JSON)


async def health(call: Call) -> Response:
    """Whether events are taken now."""
    ready = call.rooms.readiness().ready
    return _reply(hec.HEALTHY if ready else hec.UNHEALTHY)


async def options(call: Call) -> Response:
    """What Docker's driver asks, without a token, before it sends."""
    return Response(headers={"Allow": "POST, OPTIONS"})


_MANNERS: Final = Manners(_authorization, refused)
_EVENTS: Final = ("", "/event", "/event/1.0")
_LINES: Final = ("/raw", "/raw/1.0")


def _post(path: str, name: str, lines_: bool) -> Route:
    return Route(
        method="POST", path=f"/services/collector{path}", permission=Permission.WRITE, name=name,
        summary="Store lines as Splunk's HTTP Event Collector takes them"
        if lines_ else "Store events as Splunk's HTTP Event Collector takes them",
        handler=lines if lines_ else events, asks="text/plain" if lines_ else _JSON, answer=_JSON,
        any_parameter=True, manners=_MANNERS,
    )


def _open(method: str, path: str, name: str, summary: str) -> Route:
    return Route(
        method=method, path=f"/services/collector{path}", permission=Permission.DESCRIBE, name=name,
        summary=summary, handler=health if method == "GET" else options, answer=_JSON,
        access=Access.OPEN, any_parameter=True, manners=_MANNERS,
    )


ROUTES = (
    *(_post(path, f"hecEvents{n or ''}", False) for n, path in enumerate(_EVENTS)),
    *(_post(path, f"hecLines{n or ''}", True) for n, path in enumerate(_LINES)),
    Route(
        method="POST", path="/services/collector/ack", permission=Permission.WRITE, name="hecAcks",
        summary="Whether what acknowledgement numbers were given for is durable", handler=acks,
        asks=_JSON, answer=_JSON, any_parameter=True, manners=_MANNERS,
    ),
    *(
        _open("GET", path, f"hecHealth{n or ''}", "Whether Splunk's clients may send")
        for n, path in enumerate(("/health", "/health/1.0"))
    ),
    *(
        _open("OPTIONS", path, f"hecOptions{n or ''}", "What Docker asks before it sends")
        for n, path in enumerate(_EVENTS)
    ),
)
