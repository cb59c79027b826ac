"""Which events a principal may read: a predicate that every read path is handed.

A role that reads no events has the scope NOTHING, so that a read path which forgot to ask for a
permission would still show it nothing.
"""

from __future__ import annotations

from indelible.access.role import PERMISSIONS, READS_EVENTS, Role
from indelible.event.predicate import EVERYTHING, NOTHING, Op, Predicate, Term


def scope_of(role: Role, tenant: str) -> Predicate:
    """The scope of a token with `role`, bound to `tenant` ("" for none)."""
    if not PERMISSIONS[role] & READS_EVENTS:
        return NOTHING
    if tenant:
        return Term(field="tenant", op=Op.EQ, values=(tenant,))
    return EVERYTHING
