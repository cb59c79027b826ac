"""Tokens: created (and shown once), listed, revoked."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from indelible.access import GRANTABLE, OWN_TENANT, Permission, Role
from indelible.base.clock import rfc3339
from indelible.base.errors import BadRequest, Forbidden
from indelible.base.limits import NAME_CHARS
from indelible.base.recorder import Touched
from indelible.event.reserved import is_own_source, is_own_tenant
from indelible.server.call import Call, json_answer
from indelible.server.route import Route
from indelible.store.token_rows import TokenRow


class TokenRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A token to create. A writer needs the `source` it will write as."""

    name: str
    role: str
    source: str = ""
    tenant: str = ""


class TokenView(msgspec.Struct, frozen=True, kw_only=True):
    """A token without its secret, `revoked` is empty while it lives."""

    id: str
    name: str
    role: str
    source: str
    tenant: str
    created: str
    revoked: str = ""


class NewToken(msgspec.Struct, frozen=True, kw_only=True):
    """A new token with its secret, which is shown this once."""

    token: str
    id: str
    name: str
    role: str
    source: str
    tenant: str


class TokenList(msgspec.Struct, frozen=True, kw_only=True):
    """All tokens, revoked ones too, oldest first."""

    tokens: list[TokenView]


def _checked(asked: TokenRequest) -> TokenRequest:
    grantable = {role.value for role in GRANTABLE}
    if asked.role not in grantable:
        raise BadRequest(
            f"{asked.role!r} is not a role; roles are {', '.join(sorted(grantable))}",
            field="role",
        )
    for field, text in (("name", asked.name), ("source", asked.source), ("tenant", asked.tenant)):
        if len(text) > NAME_CHARS or (text and not text.isprintable()) or text != text.strip():
            raise BadRequest(f"{field} has 1 to {NAME_CHARS} printable characters", field=field)
    if not asked.name:
        raise BadRequest("a token needs a name", field="name")
    writer = asked.role == Role.WRITER.value
    if writer and not asked.source:
        raise BadRequest("a writer needs the source it writes as", field="source")
    if not writer and asked.source:
        raise BadRequest("only a writer is bound to a source", field="source")
    if asked.role == Role.ADMIN.value and asked.tenant:
        raise BadRequest("an admin administers the ledger, not a tenant", field="tenant")
    if writer and (is_own_source(asked.source) or is_own_tenant(asked.tenant)):
        raise Forbidden(f"the name {OWN_TENANT!r} is the ledger's own")
    return asked


async def create(call: Call) -> Response:
    """Create, record, then show. A token whose creation cannot be recorded is revoked again."""
    asked = _checked(await call.body(TokenRequest))
    meta = call.rooms.meta
    row, secret = meta.create_token(asked.name, asked.role, asked.source, asked.tenant)
    try:
        await call.record(
            "indelible.token.create",
            "create",
            targets=(Touched(type="token", id=row.id),),
            data={
                "name": row.name,
                "token_role": row.role,
                "source": row.source,
                "token_tenant": row.tenant,
            },
        )
    except BaseException:
        meta.revoke_token(row.id)
        raise
    call.context.tokens.reload()
    return json_answer(
        NewToken(
            token=secret,
            id=row.id,
            name=row.name,
            role=row.role,
            source=row.source,
            tenant=row.tenant,
        ),
        status=201,
    )


async def listing(call: Call) -> Response:
    """All tokens, and no secret."""
    tokens = [_view(row) for row in call.rooms.meta.tokens()]
    await call.record("indelible.token.list", "read", counted=True)
    return json_answer(TokenList(tokens=tokens))


async def revoke(call: Call) -> Response:
    """End a token at once: it is refused from the next request on, recorded or not."""
    row = call.rooms.meta.revoke_token(call.path_text("id"))
    call.context.tokens.reload()
    await call.record(
        "indelible.token.revoke",
        "revoke",
        targets=(Touched(type="token", id=row.id),),
        data={"name": row.name, "token_role": row.role},
    )
    return json_answer(_view(row))


def _view(row: TokenRow) -> TokenView:
    return TokenView(
        id=row.id,
        name=row.name,
        role=row.role,
        source=row.source,
        tenant=row.tenant,
        created=rfc3339(row.created_us),
        revoked="" if row.revoked_us is None else rfc3339(row.revoked_us),
    )


ROUTES = (
    Route(
        method="POST",
        path="/v1/tokens",
        permission=Permission.TOKENS,
        name="createToken",
        summary="Create a token; its secret is shown this once",
        handler=create,
        asks=TokenRequest,
        answer=NewToken,
        status=201,
    ),
    Route(
        method="GET",
        path="/v1/tokens",
        permission=Permission.TOKENS,
        name="listTokens",
        summary="All tokens, and no secret of any",
        handler=listing,
        answer=TokenList,
    ),
    Route(
        method="DELETE",
        path="/v1/tokens/{id}",
        permission=Permission.TOKENS,
        name="revokeToken",
        summary="End a token at once",
        handler=revoke,
        answer=TokenView,
    ),
)
