"""What a route is. The table of all of them is `server.table`; OpenAPI and the tests read it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from starlette.responses import Response
from starlette.types import Scope

from indelible.access import Permission
from indelible.base.errors import IndelibleError

if TYPE_CHECKING:
    from indelible.server.call import Call

PATH_PART = re.compile(r"\{(\w+)(?::path)?\}")
Handler = Callable[["Call"], Awaitable[Response]]


class Access(Enum):
    """Who gets past the door."""

    TOKEN = "token"  # a token whose role has the permission
    OPEN = "open"  # everybody: health checks
    PUBLISHED = "published"  # everybody when the setting `publish` is on, otherwise as TOKEN
    CERTIFICATE = "certificate"  # as TOKEN; without one, the handler looks at the certificate
    SIGNED = "signed"  # whoever signs with a source's secret: the handler checks it


class Parameter(NamedTuple):
    """One query parameter. `type` is text, integer, flag or time; absent means `default`."""

    name: str
    help: str
    type: str = "text"
    default: str = ""
    required: bool = False


class Manners(NamedTuple):
    """What the door does otherwise on the routes of a foreign protocol.

    `authorization` finds the sender's token in a request, as the value `Bearer TOKEN` (empty when
    there is none), `refused` words an error as the protocol's clients expect it.
    """

    authorization: Callable[[Scope], bytes]
    refused: Callable[[IndelibleError, Scope], Response]


class Route(NamedTuple):
    """One method of one path, with the decision it needs.

    `answer` is a type (answered as JSON) or a media type. `asks` is the type of the JSON body, or
    a media type, or None when the body is not read.
    """

    method: str
    path: str
    permission: Permission
    name: str
    summary: str
    handler: Handler
    answer: object
    asks: object = None
    parameters: tuple[Parameter, ...] = ()
    access: Access = Access.TOKEN
    status: int = 200
    any_parameter: bool = False
    manners: Manners | None = None


def template(path: str) -> str:
    """A route's path without the router's own marks, as descriptions and metrics write it."""
    return PATH_PART.sub(r"{\1}", path)
