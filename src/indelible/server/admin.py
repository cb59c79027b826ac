"""Administration: seal, clock, keys, witnesses, backup. No body is shown here.

Each act is recorded with its outcome before it is answered; one that failed is recorded as failed.
"""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path

import msgspec
from starlette.responses import Response

from indelible.access import Permission
from indelible.base.errors import BadRequest, IndelibleError
from indelible.base.limits import NAME_CHARS, PATH_CHARS, VKEY_CHARS
from indelible.base.recorder import Fact, Touched
from indelible.server.call import Call, encoded, json_answer
from indelible.server.rooms import Json, WitnessView
from indelible.server.route import Route


class RotateRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which key to rotate: `signing` or `data`."""

    what: str


class BackupRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where to copy to: folders of the server's machine. Keys go to a place of their own."""

    to: str
    keys_to: str = ""


class WitnessRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A witness to ask: its URL and its verification key."""

    name: str
    url: str
    vkey: str


class WitnessList(msgspec.Struct, frozen=True, kw_only=True):
    """The configured witnesses."""

    witnesses: list[WitnessView]


class SealAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What sealing did."""

    segments: int
    sealed_size: int


class ClockAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The step that was accepted, in seconds."""

    step_seconds: float


class BackupAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A finished backup."""

    path: str
    keys_path: str
    size: int
    root: str
    bytes: int


class RotateAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What was rotated, and what there is to do now."""

    what: str
    message: str


async def _done(
    call: Call,
    act: Awaitable[Json | None],
    action: str,
    operation: str,
    targets: tuple[Touched, ...] = (),
    data: dict[str, Fact] | None = None,
) -> Json:
    """Await the act, record how it ended, and hand on its answer or its error."""
    try:
        answer = await act
    except IndelibleError as error:
        await call.record(
            action,
            operation,
            targets=targets,
            data=data,
            outcome="failure",
            reason=error.message,
        )
        raise
    await call.record(action, operation, targets=targets, data=data)
    return answer or b"{}"


async def seal(call: Call) -> Response:
    """Seal what is unsealed, now."""
    return encoded(await _done(call, call.rooms.seal(), "indelible.ledger.seal", "execute"))


async def clock_accept(call: Call) -> Response:
    """Confirm the wall clock after a step that stopped writing.

    The clock is accepted first: before that the ledger could not record anything.
    """
    act = call.rooms.clock_accept()
    return encoded(await _done(call, act, "indelible.clock.accept", "approve"))


async def rotate(call: Call) -> Response:
    """Rotate a key."""
    what = (await call.body(RotateRequest)).what
    if what not in ("signing", "data"):
        raise BadRequest(f"`what` is signing or data, not {what[:NAME_CHARS]!r}", field="what")
    act = call.rooms.rotate(what)
    target = (Touched(type="key", id=what),)
    return encoded(await _done(call, act, "indelible.key.rotate", "configure", target))


async def backup(call: Call) -> Response:
    """Copy the ledger consistently while it runs; the answer comes when the copy is durable."""
    asked = await call.body(BackupRequest)
    to = _folder(asked.to, "to")
    keys_to = _folder(asked.keys_to, "keys_to") if asked.keys_to else None
    if keys_to is not None and (keys_to == to or to in keys_to.parents):
        raise BadRequest("keys are never copied into the data's backup", field="keys_to")
    data: dict[str, Fact] = {"to": str(to), "keys_to": str(keys_to or "")}
    act = call.rooms.backup(to, keys_to)
    return encoded(await _done(call, act, "indelible.ledger.backup", "export", data=data))


def _folder(text: str, field: str) -> Path:
    path = Path(text)
    if len(text) > PATH_CHARS:
        raise BadRequest(f"{field} has more than {PATH_CHARS} characters", field=field)
    if not path.is_absolute() or ".." in path.parts or "\0" in text:
        raise BadRequest(f"{field} is an absolute path without `..`, not {text!r}", field=field)
    return path


async def witness_add(call: Call) -> Response:
    """Ask one more witness."""
    asked = await call.body(WitnessRequest)
    if not (asked.name.isprintable() and 0 < len(asked.name) <= NAME_CHARS):
        raise BadRequest(f"name has 1 to {NAME_CHARS} printable characters", field="name")
    if not asked.url.startswith(("https://", "http://")) or not asked.url.isprintable():
        raise BadRequest("url begins with https:// or http://", field="url")
    for field, text, most in (("url", asked.url, NAME_CHARS), ("vkey", asked.vkey, VKEY_CHARS)):
        if len(text) > most:
            raise BadRequest(f"{field} has more than {most} characters", field=field)
    await _done(
        call,
        call.rooms.witness_add(asked.name, asked.url, asked.vkey),
        "indelible.witness.add",
        "configure",
        (Touched(type="witness", id=asked.name),),
        {"url": asked.url, "vkey": asked.vkey},
    )
    return _witnesses(call, 201)


async def witness_remove(call: Call) -> Response:
    """Ask a witness no more."""
    name = call.path_text("name")
    target = (Touched(type="witness", id=name),)
    act = call.rooms.witness_remove(name)
    await _done(call, act, "indelible.witness.remove", "configure", target)
    return _witnesses(call, 200)


async def witness_list(call: Call) -> Response:
    """The configured witnesses and what each last cosigned."""
    await call.record("indelible.witness.list", "read", counted=True)
    return _witnesses(call, 200)


def _witnesses(call: Call, status: int) -> Response:
    return json_answer(WitnessList(witnesses=list(call.rooms.witnesses())), status)


ROUTES = (
    Route(
        method="POST",
        path="/v1/seal",
        permission=Permission.SEAL,
        name="seal",
        summary="Seal what is unsealed, now",
        handler=seal,
        answer=SealAnswer,
    ),
    Route(
        method="POST",
        path="/v1/clock/accept",
        permission=Permission.CLOCK,
        name="acceptClock",
        summary="Confirm the wall clock after a step that stopped writing",
        handler=clock_accept,
        answer=ClockAnswer,
    ),
    Route(
        method="POST",
        path="/v1/keys/rotate",
        permission=Permission.KEYS,
        name="rotateKey",
        summary="Rotate the signing key or the data key",
        handler=rotate,
        asks=RotateRequest,
        answer=RotateAnswer,
    ),
    Route(
        method="POST",
        path="/v1/backup",
        permission=Permission.BACKUP,
        name="backup",
        summary="Copy the ledger consistently to a folder of the server's machine",
        handler=backup,
        asks=BackupRequest,
        answer=BackupAnswer,
    ),
    Route(
        method="GET",
        path="/v1/witnesses",
        permission=Permission.WITNESSES,
        name="listWitnesses",
        summary="The configured witnesses and what each last cosigned",
        handler=witness_list,
        answer=WitnessList,
    ),
    Route(
        method="POST",
        path="/v1/witnesses",
        permission=Permission.WITNESSES,
        name="addWitness",
        summary="Ask one more witness",
        handler=witness_add,
        asks=WitnessRequest,
        answer=WitnessList,
        status=201,
    ),
    Route(
        method="DELETE",
        path="/v1/witnesses/{name:path}",
        permission=Permission.WITNESSES,
        name="removeWitness",
        summary="Ask a witness no more",
        handler=witness_remove,
        answer=WitnessList,
    ),
)
