"""Who acted, by the `authenticationInfo` of a Google Cloud audit log, with everybody behind.

Ids are e-mail addresses, as everywhere at Google; of a federated identity the subject that its
pool knows, with the whole principal in `data.principal_subject`. The history of delegation comes
oldest first and is turned round: the actor is the account that called, then the one that lent
itself to it, and last the one with which it began.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final
from urllib.parse import unquote

from msgspec import UNSET
from msgspec.structs import replace

from indelible.base.limits import DELEGATION
from indelible.event.model import Actor, ActorType, Auth
from indelible.ingest.parsers import pick
from indelible.ingest.parsers.contract import Record

_SERVICES: Final = "gserviceaccount.com"
"""The domain of all service accounts, Google's own too, or its parent."""
_PREFIXES: Final = ("user:", "serviceAccount:", "deleted:", "group:", "principal:")
_SUBJECTS: Final = MappingProxyType({
    "user": ActorType.USER, "serviceAccount": ActorType.SERVICE,
})
"""What a `principalSubject` says of its principal, by the word in front."""
_SYSTEM: Final = ("system@google.com", "cloud-support@google.com")


def actor_of(info: Record, log: str, service: str) -> Actor:
    """The actor, with the chain behind; `log` is the kind of log, `service` who wrote it."""
    first = _principal(info)
    if first is None:
        first = _third_party(pick.member(info, "thirdPartyPrincipal"))
    if first is None:
        if log == "system_event":
            return Actor(type=ActorType.SYSTEM, id=service or "google.com")
        return Actor(type=ActorType.ANONYMOUS, id="anonymous")
    key = pick.text(info, "serviceAccountKeyName")
    if key:
        first = replace(
            first, session=key.rpartition("/")[2] or UNSET,
            auth=Auth(method="service_account_key"),
        )
    chain = [
        one for part in reversed(pick.items(info, "serviceAccountDelegationInfo"))
        if isinstance(part, dict) and (one := _delegate(part)) is not None
    ]
    return pick.behind(first, chain[:DELEGATION])


def named(member: str) -> tuple[ActorType, str]:
    """A member as rights name it (`user:ann@example.org`), as a type and an id."""
    kind, _, rest = member.partition(":")
    if kind == "deleted":
        kind, _, rest = rest.partition(":")
        rest = rest.partition("?")[0]
    if kind in ("principal", "principalSet"):
        return _federated(member)
    if not rest:
        return ActorType.ANONYMOUS if member == "allUsers" else ActorType.USER, member
    return ActorType.SERVICE if kind == "serviceAccount" else ActorType.USER, rest


def _principal(info: Record) -> Actor | None:
    email, subject = pick.text(info, "principalEmail"), pick.text(info, "principalSubject")
    if not email and not subject:
        return None
    if email:
        kind = _kind(email)
        if kind in (ActorType.USER, ActorType.SERVICE):
            kind = _SUBJECTS.get(subject.partition(":")[0], kind)
        return Actor(type=kind, id="anonymous" if _anonymous(email) else email)
    kind, ident = named(subject)
    return Actor(type=kind, id=ident)


def _anonymous(email: str) -> bool:
    return email == "system:anonymous"


def _kind(email: str) -> ActorType:
    """What stands behind a principal's name.

    The end of its domain counts: anybody may have `a.gserviceaccount.com` before the at sign.
    """
    if _anonymous(email):
        return ActorType.ANONYMOUS
    if email in _SYSTEM:
        return ActorType.SYSTEM
    domain = email.lower().partition("@")[2]
    if email.startswith("system:") or f".{domain}".endswith(f".{_SERVICES}"):
        return ActorType.SERVICE
    return ActorType.USER


def _federated(principal: str) -> tuple[ActorType, str]:
    """`principal://iam.googleapis.com/.../workforcePools/P/subject/ann`: people in workforces."""
    pool, _, rest = principal.partition("Pools/")
    kind = ActorType.USER if pool.endswith("/workforce") else ActorType.SERVICE
    subject = rest.partition("/subject/")[2]  # it comes from another issuer, and proves nothing
    return kind, unquote(subject)[: len(principal)] or principal


def _third_party(part: Record) -> Actor | None:
    """A principal of another provider, by the claims of its token."""
    claims = pick.member(part, "thirdPartyClaims")
    ident = pick.text(claims, "email", "sub", "user_id")
    if not ident:
        return None
    issuer = pick.text(claims, "iss")
    return Actor(type=ActorType.USER, id=ident, auth=Auth(method=issuer) if issuer else UNSET)


def _delegate(part: Record) -> Actor | None:
    found = _principal(pick.member(part, "firstPartyPrincipal"))
    found = found or _third_party(pick.member(part, "thirdPartyPrincipal"))
    return found or _principal(part)
