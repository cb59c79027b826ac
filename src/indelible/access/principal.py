"""Who asks."""

from __future__ import annotations

import msgspec

from indelible.access.role import Role
from indelible.access.scope import scope_of
from indelible.event.predicate import Predicate


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """The holder of a credential. A writer writes as `source` (and `tenant`) and as nothing else.

    `tenant` binds a reader too: its scope then is that tenant's events.
    """

    token: str
    name: str
    role: Role
    scope: Predicate
    source: str = ""
    tenant: str = ""


def principal_of(token: str, name: str, role: Role, source: str, tenant: str) -> Principal:
    """The principal that a stored token stands for."""
    return Principal(
        token=token,
        name=name,
        role=role,
        scope=scope_of(role, tenant),
        source=source,
        tenant=tenant,
    )


def owner() -> Principal:
    """Whoever holds the data folder and works on it without a server."""
    return principal_of("local", "holder of the data folder", Role.OWNER, "", "")
