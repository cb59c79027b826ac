"""Roles and what they may do, as data.

Four roles can be given to tokens. `owner` cannot: it is whoever holds the data folder itself and
runs a command on it without a server; such a person can read the files anyway.
"""

from __future__ import annotations

from enum import Enum
from types import MappingProxyType


class Permission(Enum):
    """One thing that can be allowed."""

    WRITE = "write"  # send events as one's own source
    IMPORT = "import"  # send files of events, marked as backfill
    SEARCH = "search"  # find events; facets, histogram, history, timeline, completion
    SHOW = "show"  # read one event from evidence
    PROVE = "prove"  # proofs and bundles
    TAIL = "tail"  # follow live events
    EXPORT = "export"  # take events away in bulk
    LOG = "log"  # checkpoint, keys and tiles: no event in them
    VERIFY = "verify"  # order a verification and read its account
    STATUS = "status"  # size, backlog, witnesses, damage, metrics
    TOKENS = "tokens"
    SEAL = "seal"
    CLOCK = "clock"
    KEYS = "keys"  # rotate keys
    WITNESSES = "witnesses"
    SOURCES = "sources"  # add, change and disable sources
    BACKUP = "backup"
    DESCRIBE = "describe"  # learn what the API offers: every role


class Role(Enum):
    """What a token is for."""

    WRITER = "writer"
    READER = "reader"
    AUDITOR = "auditor"
    ADMIN = "admin"
    OWNER = "owner"


GRANTABLE = (Role.WRITER, Role.READER, Role.AUDITOR, Role.ADMIN)
"""The roles a token can have."""

_READER = frozenset(
    {
        Permission.SEARCH,
        Permission.SHOW,
        Permission.PROVE,
        Permission.TAIL,
        Permission.EXPORT,
        Permission.LOG,
        Permission.DESCRIBE,
    }
)
_ADMIN = frozenset(
    {
        Permission.IMPORT,
        Permission.LOG,
        Permission.STATUS,
        Permission.TOKENS,
        Permission.SEAL,
        Permission.CLOCK,
        Permission.KEYS,
        Permission.WITNESSES,
        Permission.SOURCES,
        Permission.BACKUP,
        Permission.DESCRIBE,
    }
)

PERMISSIONS = MappingProxyType(
    {
        Role.WRITER: frozenset(
            {Permission.WRITE, Permission.IMPORT, Permission.LOG, Permission.DESCRIBE}
        ),
        Role.READER: _READER,
        Role.AUDITOR: _READER | {Permission.VERIFY, Permission.STATUS},
        Role.ADMIN: _ADMIN,
        Role.OWNER: frozenset(Permission) - {Permission.WRITE},
    }
)
"""What each role may do. An admin administers and reads no bodies."""

READS_EVENTS = frozenset(
    {
        Permission.SEARCH,
        Permission.SHOW,
        Permission.PROVE,
        Permission.TAIL,
        Permission.EXPORT,
    }
)
"""Permissions whose answers hold what events say: they always go through the scope."""
