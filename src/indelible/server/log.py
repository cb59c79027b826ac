"""The log's own face: checkpoint, keys, tiles. No event is in them.

`/checkpoint` and `/tile/...` are the C2SP tlog-tiles read API, so that stock clients work. They
are open to everybody when the setting `publish` is on, within a rate; otherwise they need a token.
Tiles are immutable and cached for ever; the checkpoint is not cached and carries an ETag.
"""

from __future__ import annotations

import re
from hashlib import sha256

import msgspec
from starlette.responses import Response

from indelible.access import Permission
from indelible.base.errors import NotFound
from indelible.proof.errors import ProofError
from indelible.proof.tile import parse_path
from indelible.server.call import Call, json_answer
from indelible.server.route import Access, Parameter, Route

_TILE = re.compile(r"tile/(?:entries|\d{1,2})(?:/x\d{3})*/\d{3}(?:\.p/\d{1,3})?", re.ASCII)
_FOREVER = "public, max-age=31536000, immutable"


class LogKeys(msgspec.Struct, frozen=True, kw_only=True):
    """The log's verification keys, one line each."""

    vkey: str
    vkey_mldsa44: str = msgspec.field(name="vkey.mldsa44")


def _cached(call: Call, content: bytes, media_type: str, lasting: str) -> Response:
    tag = f'"{sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": lasting}
    known = {part.strip().removeprefix("W/") for part in call.header("if-none-match").split(",")}
    if tag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=media_type, headers=headers)


async def checkpoint(call: Call) -> Response:
    """The newest published checkpoint."""
    return _cached(call, call.rooms.checkpoint(), "text/plain", "no-cache")


async def any_checkpoint(call: Call) -> Response:
    """The newest checkpoint, or the newest that a witness cosigned."""
    if not call.flag("cosigned"):
        return await checkpoint(call)
    return _cached(call, await call.rooms.cosigned(), "text/plain", "no-cache")


def _is_tile(path: str) -> bool:
    """Whether a log can have a tile of this path: the shape, the level and the width."""
    if not _TILE.fullmatch(path):
        return False
    try:
        parse_path(path)
    except ProofError:
        return False
    return True


async def tile(call: Call) -> Response:
    """A tile or an entry bundle, below the published size."""
    path = "tile/" + call.path_text("path")
    content = await call.rooms.tile(path) if _is_tile(path) else None
    if content is None:
        raise NotFound("there is no such tile")
    return _cached(call, content, "application/octet-stream", _FOREVER)


async def keys(call: Call) -> Response:
    """The verification keys. A verifier should have them from elsewhere too."""
    found = call.rooms.keys()
    return json_answer(LogKeys(vkey=found["vkey"], vkey_mldsa44=found["vkey.mldsa44"]))


COSIGNED = Parameter(
    "cosigned", "1: the newest that a witness cosigned; where none has, the newest of all", "flag"
)

ROUTES = (
    Route(
        method="GET",
        path="/checkpoint",
        permission=Permission.LOG,
        name="publishedCheckpoint",
        summary="The newest checkpoint, for tlog clients",
        handler=checkpoint,
        answer="text/plain",
        access=Access.PUBLISHED,
    ),
    Route(
        method="GET",
        path="/tile/{path:path}",
        permission=Permission.LOG,
        name="publishedTile",
        summary="A tile or an entry bundle, for tlog clients",
        handler=tile,
        answer="application/octet-stream",
        access=Access.PUBLISHED,
    ),
    Route(
        method="GET",
        path="/v1/checkpoint",
        permission=Permission.LOG,
        name="checkpoint",
        summary="The newest checkpoint",
        handler=any_checkpoint,
        answer="text/plain",
        parameters=(COSIGNED,),
    ),
    Route(
        method="GET",
        path="/v1/keys",
        permission=Permission.LOG,
        name="keys",
        summary="The log's verification keys",
        handler=keys,
        answer=LogKeys,
    ),
)
