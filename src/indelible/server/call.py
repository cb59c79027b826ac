"""One authenticated call of one route: its parameters, its body, its report.

A handler gets nothing but a `Call`, so that it cannot read an event without a principal, and
cannot answer a read without having had the means to record it.
"""

from __future__ import annotations

import asyncio
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from indelible.access import Principal, Role
from indelible.base.errors import BadRequest
from indelible.base.limits import CONTROL_BYTES, HANG_UP_LOOK_SECONDS, HEADER_CHARS
from indelible.base.recorder import Action, Doer, Fact, Touched
from indelible.server.bodies import read_body, unpack
from indelible.server.context import Context
from indelible.server.credentials import header_of
from indelible.server.route import Route

T = TypeVar("T")
_YES = frozenset({"1", "true", "yes"})
_NO = frozenset({"0", "false", "no", ""})


class HungUp(Exception):
    """The client went away before it had sent its request: there is nobody to answer."""


class Call:
    """One call. `principal` is None only on routes that are open to everybody."""

    def __init__(
        self,
        context: Context,
        route: Route,
        request: Request,
        principal: Principal | None,
        peer: str,
    ) -> None:
        self.context = context
        self.rooms = context.rooms
        self.route = route
        self.request = request
        self.known = principal
        self.peer = peer
        if not route.any_parameter:
            self._check_parameters()

    @property
    def principal(self) -> Principal:
        """Who calls, on a route that needs a token."""
        if self.known is None:
            raise AssertionError(f"{self.route.path} has no principal")
        return self.known

    @property
    def revoked(self) -> bool:
        """Whether the caller's token was revoked since: an answer without an end asks again."""
        return self.principal.token not in self.context.tokens.known

    def _check_parameters(self) -> None:
        known = {parameter.name for parameter in self.route.parameters}
        seen: set[str] = set()
        for name, _ in self.request.query_params.multi_items():
            if name not in known:
                raise BadRequest(
                    f"the parameter {name!r} is not known here",
                    field=name,
                    remedy=f"Known: {', '.join(sorted(known)) or 'none'}.",
                )
            if name in seen:
                raise BadRequest(f"the parameter {name!r} is given twice", field=name)
            seen.add(name)
        for parameter in self.route.parameters:
            if parameter.required and not self.request.query_params.get(parameter.name):
                raise BadRequest(
                    f"the parameter {parameter.name!r} is missing", field=parameter.name
                )

    def text(self, name: str) -> str:
        """A text parameter, or its default."""
        value: str | None = self.request.query_params.get(name)
        if value:
            return value
        return next((p.default for p in self.route.parameters if p.name == name), "")

    def integer(self, name: str, low: int, high: int) -> int | None:
        """A number parameter within bounds, or its default, or None."""
        text = self.text(name)
        if not text:
            return None
        if not (text.isascii() and text.isdigit() and len(text) < 20) or not (
            low <= int(text) <= high
        ):
            raise BadRequest(f"{name} is not a number from {low} to {high}: {text!r}", field=name)
        return int(text)

    def flag(self, name: str) -> bool:
        """A yes-or-no parameter; absent is no."""
        text = self.text(name).lower()
        if text in _YES:
            return True
        if text in _NO:
            return False
        raise BadRequest(f"{name} is 1 or 0, not {text!r}", field=name)

    def path_text(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])

    def path_index(self) -> int:
        """The part `index` of the path."""
        text = self.path_text("index")
        if not (text.isascii() and text.isdigit() and len(text) < 20):
            raise BadRequest(f"{text!r} is not an index", field="index")
        return int(text)

    def header(self, name: str) -> str:
        """A header of the request, cut to what is kept of one."""
        found = header_of(self.request.scope, name.encode())
        return found[:HEADER_CHARS].decode("latin-1")

    async def query(self, op: str, request: msgspec.Struct) -> bytes:
        """The answer of the query room; nobody searches on for a client that has hung up."""
        asking = asyncio.ensure_future(self.rooms.query(op, request))
        leaving = asyncio.ensure_future(self._gone())
        try:
            await asyncio.wait((asking, leaving), return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                raise HungUp
            return asking.result()
        finally:
            asking.cancel()
            leaving.cancel()

    async def _gone(self) -> None:
        """Return when the client hangs up."""
        while (await self.request.receive())["type"] != "http.disconnect":
            await asyncio.sleep(HANG_UP_LOOK_SECONDS)

    async def raw(self, limit: int = CONTROL_BYTES) -> bytes:
        """The body, unpacked."""
        scope = self.request.scope
        body = await read_body(
            self.request.receive,
            self.context.reading,
            self.context.patience,
            limit,
            header_of(scope, b"content-length"),
        )
        if body is None:
            raise HungUp
        return unpack(body, header_of(scope, b"content-encoding"), limit)

    async def body(self, kind: type[T]) -> T:
        """The JSON body as `kind`; raises BadRequest that names the member."""
        raw = await self.raw()
        try:
            return msgspec.json.decode(raw or b"{}", type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadRequest(f"the body is not understood: {error}") from error

    async def record(
        self,
        action: str,
        operation: str,
        *,
        targets: tuple[Touched, ...] = (),
        data: dict[str, Fact] | None = None,
        outcome: str = "success",
        reason: str = "",
        counted: bool = False,
    ) -> None:
        """Report what the caller does. A read calls it before it answers."""
        await self.context.recorder.record(
            Action(
                action=action,
                operation=operation,
                doer=doer_of(self.known),
                targets=targets,
                outcome=outcome,
                reason=reason,
                peer=self.peer,
                user_agent=self.header("user-agent"),
                data=data or {},
                counted=counted,
            )
        )


def doer_of(principal: Principal | None) -> Doer:
    """A principal as the actor of an event."""
    if principal is None:
        return Doer()
    return Doer(
        type="user" if principal.role is Role.OWNER else "api_key",
        id=principal.token,
        name=principal.name,
        role=principal.role.value,
    )


def json_answer(value: object, status: int = 200) -> Response:
    """A value as JSON."""
    return encoded(msgspec.json.encode(value), status)


def encoded(content: bytes, status: int = 200) -> Response:
    """JSON that is encoded already."""
    return Response(content, status_code=status, media_type="application/json")
