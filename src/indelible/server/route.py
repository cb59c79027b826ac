"""What a route is. The table of all of them is `server.table`; OpenAPI and the tests read it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from starlette.responses import Response

from indelible.access import Permission

if TYPE_CHECKING:
    from indelible.server.call import Call

PATH_PART = re.compile(r"\{(\w+)(?::path)?\}")
Handler = Callable[["Call"], Awaitable[Response]]


class Access(Enum):
    """Who gets past the door."""

    TOKEN = "token"  # a token whose role has the permission
    OPEN = "open"  # everybody: health checks
    PUBLISHED = "published"  # everybody when the setting `publish` is on, otherwise as TOKEN


class Parameter(NamedTuple):
    """One query parameter. `type` is text, integer, flag or time; absent means `default`."""

    name: str
    help: str
    type: str = "text"
    default: str = ""
    required: bool = False


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


def template(path: str) -> str:
    """A route's path without the router's own marks, as descriptions and metrics write it."""
    return PATH_PART.sub(r"{\1}", path)
