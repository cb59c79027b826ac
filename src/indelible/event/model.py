"""The event: who did what, to what, when, from where, with which outcome.

`Event` is what a sender may say (`docs/reference/event.md`). `StoredEvent` is a body as the ledger
wrote it (`spec/log.md` section 1): the same members and then the ledger's own. Parts that may hold
any JSON (`data`, `before`, `after`) stay `msgspec.Raw`, so that numbers keep the text they arrived
with; `event.strict` checks them before they are accepted.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import NewType

import msgspec
from msgspec import UNSET, Raw, UnsetType

EntryIndex = NewType("EntryIndex", int)
TreeSize = NewType("TreeSize", int)
SourceId = NewType("SourceId", str)


class Outcome(Enum):
    """How it ended; an event that says nothing is `unknown`."""

    SUCCESS = "success"
    FAILURE = "failure"
    DENIED = "denied"
    UNKNOWN = "unknown"


class Operation(Enum):
    """The class of an action, derived from the catalogue unless given."""

    CREATE = "create"
    READ = "read"
    UPDATE = "update"
    DELETE = "delete"
    LOGIN = "login"
    LOGOUT = "logout"
    GRANT = "grant"
    REVOKE = "revoke"
    EXECUTE = "execute"
    EXPORT = "export"
    IMPORT = "import"
    APPROVE = "approve"
    CONFIGURE = "configure"
    OTHER = "other"


class ActorType(Enum):
    """What kind of principal acted."""

    USER = "user"
    SERVICE = "service"
    API_KEY = "api_key"
    AGENT = "agent"
    SYSTEM = "system"
    ANONYMOUS = "anonymous"


class Severity(Enum):
    """How grave the sender thinks it is."""

    DEBUG = "debug"
    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """Base of the event's parts: closed, immutable."""


class Auth(_Part, frozen=True, omit_defaults=True):
    """How the actor proved who they are."""

    method: str | UnsetType = UNSET
    mfa: bool | UnsetType = UNSET


class Actor(_Part, frozen=True, omit_defaults=True):
    """Who acted. `on_behalf_of` runs from the one who acted to the human who asked."""

    type: ActorType
    id: str
    name: str | UnsetType = UNSET
    email: str | UnsetType = UNSET
    session: str | UnsetType = UNSET
    auth: Auth | UnsetType = UNSET
    on_behalf_of: list[Actor] | UnsetType = UNSET


class Target(_Part, frozen=True, omit_defaults=True):
    """What was touched."""

    type: str
    id: str
    name: str | UnsetType = UNSET
    parent: str | UnsetType = UNSET


class Origin(_Part, frozen=True, omit_defaults=True):
    """Where the actor was; absent stays absent."""

    ip: str | UnsetType = UNSET
    host: str | UnsetType = UNSET
    device: str | UnsetType = UNSET
    user_agent: str | UnsetType = UNSET
    service: str | UnsetType = UNSET
    request_id: str | UnsetType = UNSET
    trace_id: str | UnsetType = UNSET


class ChangeOp(Enum):
    """What happened to one path."""

    ADD = "add"
    REMOVE = "remove"
    REPLACE = "replace"


class Change(_Part, frozen=True, omit_defaults=True):
    """The exact change of one path; `before` and `after` are any JSON."""

    path: str
    op: ChangeOp | UnsetType = UNSET
    before: Raw | UnsetType = UNSET
    after: Raw | UnsetType = UNSET


class Reason(_Part, frozen=True, omit_defaults=True):
    """Why the outcome is what it is."""

    code: str | UnsetType = UNSET
    text: str | UnsetType = UNSET


class Why(_Part, frozen=True, omit_defaults=True):
    """What justified the action."""

    ticket: str | UnsetType = UNSET
    justification: str | UnsetType = UNSET


class Sequence(_Part, frozen=True, omit_defaults=True):
    """The sender's own numbering."""

    seq: int | UnsetType = UNSET
    boot: str | UnsetType = UNSET


class _Said(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """The members a sender may set, in the order in which bodies carry them."""

    action: str
    actor: Actor
    operation: Operation | UnsetType = UNSET
    targets: list[Target] | UnsetType = UNSET
    time: datetime | UnsetType = UNSET
    observed: datetime | UnsetType = UNSET
    outcome: Outcome | UnsetType = UNSET
    reason: Reason | UnsetType = UNSET
    origin: Origin | UnsetType = UNSET
    changes: list[Change] | UnsetType = UNSET
    id: str | UnsetType = UNSET
    tenant: str | UnsetType = UNSET
    severity: Severity | UnsetType = UNSET
    labels: dict[str, str] | UnsetType = UNSET
    subjects: list[str] | UnsetType = UNSET
    why: Why | UnsetType = UNSET
    data: Raw | UnsetType = UNSET


class NativeEvent(_Said, frozen=True):
    """An event as it may arrive by the native API: `target` folds into `targets`."""

    target: Target | UnsetType = UNSET
    source: Sequence | UnsetType = UNSET


class Event(_Said, frozen=True):
    """An accepted event: encoded once, these bytes begin its body.

    `raw` is the original message of a foreign format (text, or base64 with `raw_type`).
    """

    raw: str | UnsetType = UNSET
    raw_type: str | UnsetType = UNSET


class StoredSource(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Which source sent it: name, number, and the sender's own numbering."""

    id: str
    number: int
    seq: int = 0
    boot: str = ""


class Via(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """How an event came in."""

    protocol: str = ""
    parser: str = ""
    peer: str = ""
    tls: str = ""
    backfill: bool = False


class Stripped(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the audit policy took out of an event: `sha256` and `bytes` of the message as it came
    (of native input: of the accepted event), the `members` that went, and which rule said so."""

    sha256: str
    bytes: int
    members: list[str]
    version: int
    rule: int


class StoredActor(msgspec.Struct, frozen=True, kw_only=True):
    """An actor as read back: open, so that later versions still read."""

    type: str = ""
    id: str = ""
    name: str = ""
    email: str = ""
    session: str = ""
    auth: Auth | UnsetType = UNSET
    on_behalf_of: list[StoredActor] = []


class StoredEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A body as read back from evidence. Members unknown to this version are ignored."""

    action: str = ""
    actor: StoredActor = StoredActor()
    operation: str = "other"
    targets: list[Target] = []
    time: datetime | None = None
    observed: datetime | None = None
    outcome: str = "unknown"
    reason: Reason = Reason()
    origin: Origin = Origin()
    changes: list[Change] = []
    id: str = ""
    tenant: str = ""
    severity: str = ""
    labels: dict[str, str] = {}
    subjects: list[str] = []
    why: Why = Why()
    data: Raw = Raw()
    raw: Raw = Raw()
    raw_type: str = ""
    stripped: Stripped | UnsetType = UNSET
    kind: str
    received: str
    source: StoredSource
    via: Via = Via()
    retention: int = 0
    flags: list[str] = []
    conflict: int | None = None
    repeat: int | None = None


_stored = msgspec.json.Decoder(StoredEvent)


def read_body(body: bytes) -> StoredEvent:
    """A body as an object; raises `msgspec.DecodeError` when it is not one."""
    return _stored.decode(body)
