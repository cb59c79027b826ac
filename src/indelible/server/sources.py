"""The register of sources: added, listed with their counts, shown, disabled. No event is shown.

Adding a source whose senders prove themselves by a token makes that token and shows it once; a
secret that its protocol needs (of a webhook, of an API) is kept sealed and never shown again.
"""

from __future__ import annotations

from pathlib import PurePath

import msgspec
from starlette.responses import Response

from indelible.access import OWN_TENANT, Permission, Role
from indelible.base.clock import MICROS, rfc3339, wall_us
from indelible.base.errors import BadRequest, Forbidden, NotFound
from indelible.base.limits import NAME_CHARS, PAUSE_MOST_DAYS, SECRET_BYTES
from indelible.base.recorder import Fact, Touched
from indelible.event.reserved import is_own_source, is_own_tenant
from indelible.ingest.sources import PROTOCOLS, SourceSettings, checked, rival
from indelible.server.call import Call, json_answer
from indelible.server.rooms import SourceView
from indelible.server.route import Parameter, Route


class SourceRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A source to add, or with `replace` to change: `settings` as a whole.

    `secret` is what its protocol checks or sends; absent, the one it has stays. `token` asks for a
    writer's token where senders prove themselves by one.
    """

    settings: SourceSettings
    secret: str = ""
    replace: bool = False
    token: bool = True


class SourceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A source as it is configured, and its counts; `token` is shown this once."""

    settings: SourceSettings | None
    now: SourceView
    token: str = ""


class SourceList(msgspec.Struct, frozen=True, kw_only=True):
    """Every source that is configured or was seen, by name."""

    sources: list[SourceView]


async def add(call: Call) -> Response:
    """Check, keep, record; then show what is shown once."""
    asked = await call.body(SourceRequest)
    settings = checked(asked.settings)
    if is_own_source(settings.id) or is_own_tenant(settings.tenant):
        raise Forbidden(f"the name {OWN_TENANT!r} is the ledger's own")
    if settings.protocol == "file":
        _check_path(settings.options["path"], call.context.settings.follow_paths)
    before = call.rooms.configured(settings.id, settings.tenant)
    if before is not None and not asked.replace:
        raise BadRequest(
            f"there is a source {settings.id!r} already", field="id",
            remedy="Give --replace to change it, or another name.",
        )
    _check_senders(call, settings)
    protocol = PROTOCOLS[settings.protocol]
    secret = asked.secret.encode()
    if len(secret) > SECRET_BYTES:
        raise BadRequest(f"secret has more than {SECRET_BYTES} bytes", field="secret")
    if secret and protocol.by not in ("secret", "none"):
        raise BadRequest(f"{settings.protocol} needs no secret", field="secret")
    kept = before.secret if before is not None else b""
    if protocol.by == "secret" and not secret and not kept:
        raise BadRequest(
            f"{settings.protocol} checks a secret, and none was given", field="secret",
            remedy="Give the one that the sender signs with: --secret-file FILE, or - for stdin.",
        )
    targets = (Touched(type="source", id=settings.id),)
    data = _facts(settings, bool(secret))
    if before is None:
        await call.record("indelible.source.add", "create", targets=targets, data=data)
    else:
        await call.record("indelible.source.change", "configure", targets=targets, data=data)
    await call.rooms.put_source(settings, secret or None)
    call.context.tokens.reload()
    token = ""
    if before is None and protocol.by == "token" and asked.token and not settings.certificates:
        token = await _token(call, settings)
    answer = SourceAnswer(settings=settings, now=_view(call, settings.id, settings.tenant),
                          token=token)
    return json_answer(answer, status=201 if before is None else 200)


def _check_senders(call: Call, settings: SourceSettings) -> None:
    """Raise BadRequest when another source has one of these senders already.

    It is named where the caller may know of it.
    """
    kept = [call.rooms.configured(view.id, view.tenant) for view in call.rooms.sources()]
    other = rival(settings, [one.settings for one in kept if one is not None])
    if other is None:
        return
    bound, source = call.principal.tenant, other.source
    known = not bound or source.tenant == bound
    where = f" of the tenant {source.tenant!r}" if source.tenant else ""
    whose = f"the source {source.id!r}{where}" if known else "another source"
    raise BadRequest(
        f"what comes from {', '.join(other.senders)} is {whose} already", field=other.field,
        remedy="Name other peers or certificates, or disable that source first.",
    )


def _check_path(path: str, folders: tuple[str, ...]) -> None:
    """Raise BadRequest unless the path lies in a folder that may be followed."""
    inside = ".." not in PurePath(path).parts and any(
        PurePath(path).is_relative_to(folder) for folder in folders
    )
    if not inside:
        named = ", ".join(folders) or "none"
        raise BadRequest(
            f"files may be followed in these folders only: {named}", field="path",
            remedy="Name the folder in the setting follow_paths, and start the server again.",
        )


def _facts(settings: SourceSettings, secret: bool) -> dict[str, Fact]:
    """What changed, for the record: everything but the secret."""
    facts: dict[str, Fact] = {
        "protocol": settings.protocol, "parser": settings.parser, "zone": settings.zone,
        "peers": settings.peers, "certificates": settings.certificates,
        "owner": settings.owner, "criticality": settings.criticality,
        "disabled": settings.disabled, "new_secret": secret,
    }
    if settings.tenant:
        facts["source_tenant"] = settings.tenant
    facts.update({f"option_{name}": value for name, value in settings.options.items()})
    return {name: value for name, value in facts.items() if value not in ("", (), None, False)}


async def _token(call: Call, settings: SourceSettings) -> str:
    """A writer's token for the source; revoked again when it cannot be recorded."""
    meta = call.rooms.meta
    row, secret = meta.create_token(
        _free_name(call, settings.id), Role.WRITER.value, settings.id, settings.tenant
    )
    try:
        await call.record(
            "indelible.token.create", "create", targets=(Touched(type="token", id=row.id),),
            data={
                "name": row.name, "token_role": row.role, "source": row.source,
                "token_tenant": row.tenant,
            },
        )
    except BaseException:
        meta.revoke_token(row.id)
        raise
    call.context.tokens.reload()
    return secret


def _free_name(call: Call, source: str) -> str:
    """The source's name, numbered when a live token bears it."""
    taken = {row.name for row in call.rooms.meta.tokens(live_only=True)}
    if source not in taken:
        return source
    return next(n for i in range(2, len(taken) + 3) if (n := f"{source} {i}") not in taken)


def _visible(call: Call) -> list[SourceView]:
    """The sources that the caller may know of: a token of a tenant knows that tenant's."""
    bound = call.principal.tenant
    return [view for view in call.rooms.sources() if not bound or view.tenant == bound]


def _view(call: Call, name: str, tenant: str) -> SourceView:
    for view in _visible(call):
        if (view.id, view.tenant) == (name, tenant):
            return view
    raise NotFound(f"there is no source {name!r}")


async def listing(call: Call) -> Response:
    """Every source at a glance."""
    await call.record("indelible.source.list", "read", counted=True)
    return json_answer(SourceList(sources=_visible(call)))


async def show(call: Call) -> Response:
    """One source: what is configured, and how it goes."""
    name, tenant = call.path_text("name"), call.text("tenant")
    await call.record("indelible.source.list", "read", counted=True)
    now = _view(call, name, tenant)
    configured = call.rooms.configured(name, tenant)
    return json_answer(
        SourceAnswer(settings=configured.settings if configured else None, now=now)
    )


async def disable(call: Call) -> Response:
    """Take nothing more from a source; what it sent stays."""
    name, tenant = call.path_text("name"), call.text("tenant")
    configured = call.rooms.configured(name, tenant)
    settings = configured.settings if configured else SourceSettings(id=name, tenant=tenant)
    if configured is None:
        _view(call, name, tenant)
    await call.record(
        "indelible.source.disable", "configure", targets=(Touched(type="source", id=name),)
    )
    settings = msgspec.structs.replace(settings, disabled=True)
    await call.rooms.put_source(settings, None)
    call.context.tokens.reload()
    return json_answer(SourceAnswer(settings=settings, now=_view(call, name, tenant)))


class PauseRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A planned pause: nothing is expected of `source` for `seconds` from now; 0 ends a pause."""

    source: str
    tenant: str = ""
    seconds: int
    reason: str


async def pause(call: Call) -> Response:
    """Expect nothing from a source for a while, for a reason that stands on record."""
    asked = await call.body(PauseRequest)
    if not 0 <= asked.seconds <= PAUSE_MOST_DAYS * 86_400:
        raise BadRequest(f"a pause lasts at most {PAUSE_MOST_DAYS} days", field="seconds")
    if not asked.reason.strip() or len(asked.reason) > NAME_CHARS:
        raise BadRequest(f"a pause needs a reason of 1 to {NAME_CHARS} characters", field="reason")
    view = _view(call, asked.source, asked.tenant)
    until = wall_us() + asked.seconds * MICROS if asked.seconds else 0
    await call.record(
        "indelible.source.pause",
        "configure",
        targets=(Touched(type="source", id=view.id),),
        data={"until": rfc3339(until) if until else "", "reason": asked.reason},
    )
    call.rooms.pause_source(asked.source, asked.tenant, until)
    return json_answer(
        SourceAnswer(settings=None, now=_view(call, asked.source, asked.tenant))
    )


_TENANT = Parameter("tenant", "the tenant that the source is bound to")
ROUTES = (
    Route(
        method="GET",
        path="/v1/sources",
        permission=Permission.STATUS,
        name="listSources",
        summary="Every source at a glance: rate, lag, last event, repeats, refusals",
        handler=listing,
        answer=SourceList,
    ),
    Route(
        method="GET",
        path="/v1/sources/{name:path}",
        permission=Permission.STATUS,
        name="showSource",
        summary="One source: what is configured, and how it goes",
        handler=show,
        answer=SourceAnswer,
        parameters=(_TENANT,),
    ),
    Route(
        method="POST",
        path="/v1/sources",
        permission=Permission.SOURCES,
        name="addSource",
        summary="Add a source, or change it; a new token is shown this once",
        handler=add,
        asks=SourceRequest,
        answer=SourceAnswer,
        status=201,
    ),
    Route(
        method="POST",
        path="/v1/sources/pause",
        permission=Permission.SOURCES,
        name="pauseSource",
        summary="Expect nothing from a source for a while, for a reason on record",
        handler=pause,
        asks=PauseRequest,
        answer=SourceAnswer,
    ),
    Route(
        method="DELETE",
        path="/v1/sources/{name:path}",
        permission=Permission.SOURCES,
        name="disableSource",
        summary="Take nothing more from a source; what it sent stays",
        handler=disable,
        answer=SourceAnswer,
        parameters=(_TENANT,),
    ),
)
