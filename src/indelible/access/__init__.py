"""Who may do what: principals, roles, scopes and decisions. Pure."""

from indelible.access.decide import OWN_TENANT, Decision, Resource, decide
from indelible.access.principal import Principal, owner, principal_of
from indelible.access.role import GRANTABLE, PERMISSIONS, READS_EVENTS, Permission, Role
from indelible.access.scope import scope_of

__all__ = [
    "Decision",
    "GRANTABLE",
    "OWN_TENANT",
    "PERMISSIONS",
    "Permission",
    "Principal",
    "READS_EVENTS",
    "Resource",
    "Role",
    "decide",
    "owner",
    "principal_of",
    "scope_of",
]
