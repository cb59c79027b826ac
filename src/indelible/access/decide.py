"""The one decision: may this principal do that, and why.

Pure. Everything is refused unless a line here allows it.
"""

from __future__ import annotations

import msgspec

from indelible.access.principal import Principal
from indelible.access.role import GRANTABLE, PERMISSIONS, Permission, Role
from indelible.event.reserved import OWN_NAME, is_own_source, is_own_tenant

OWN_TENANT = OWN_NAME
"""The tenant of Indelible's own events; nobody may send under it."""


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """What the permission is used on; empty members mean no particular one."""

    source: str = ""
    tenant: str = ""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The answer with its explanation, fit for a message."""

    allowed: bool
    why: str


_ANY = Resource()


def decide(
    principal: Principal, permission: Permission, resource: Resource = _ANY
) -> Decision:
    """Whether `principal` may use `permission` on `resource`."""
    role = principal.role
    if permission not in PERMISSIONS[role]:
        able = ", ".join(r.value for r in GRANTABLE if permission in PERMISSIONS[r])
        able = able or f"{Role.OWNER.value}, who works on the folder itself"
        return Decision(
            allowed=False,
            why=f"the role {role.value} lacks the permission {permission.value}; with it: {able}",
        )
    if permission in (Permission.WRITE, Permission.IMPORT):
        return _decide_writing(principal, resource)
    why = f"the role {role.value} has the permission {permission.value}"
    return Decision(allowed=True, why=why)


def _decide_writing(principal: Principal, resource: Resource) -> Decision:
    tenants, sources = (resource.tenant, principal.tenant), (resource.source, principal.source)
    if any(map(is_own_tenant, tenants)) or any(map(is_own_source, sources)):
        return Decision(allowed=False, why=f"the name {OWN_TENANT!r} is the ledger's own")
    if principal.role is not Role.WRITER:
        return Decision(allowed=True, why=f"the role {principal.role.value} may import")
    if not principal.source:
        return Decision(allowed=False, why="this token is bound to no source")
    if resource.source and resource.source != principal.source:
        return Decision(
            allowed=False,
            why=f"this token writes as source {principal.source!r}, not {resource.source!r}",
        )
    if principal.tenant and resource.tenant and resource.tenant != principal.tenant:
        return Decision(
            allowed=False,
            why=f"this token writes for tenant {principal.tenant!r}, not {resource.tenant!r}",
        )
    return Decision(allowed=True, why=f"the token is bound to source {principal.source!r}")
