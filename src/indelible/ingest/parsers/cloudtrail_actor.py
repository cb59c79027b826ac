"""Who acted, by CloudTrail's `userIdentity`: the actor and everybody behind it.

Ids are the names people use (`bert-jan`, a role's name, a service's domain), not ARNs: the same id
stands in targets, so that a user's timeline and its history meet. The ARN is kept in
`data.actor_arn`, the account in `label.account`. Nothing is guessed: a member that the record lacks
stays absent.

The chain in `on_behalf_of` runs from the one who acted to the one who asked: a service that called
for a principal (`invokedBy`), then the principal; a role, then the holder of its session, then the
source identity or the person of IAM Identity Center where the record names one.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from indelible.base.errors import InvalidEvent
from indelible.base.limits import NAME_CHARS
from indelible.event.model import Actor, ActorType, Auth

_HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
_SERVICE_SUFFIXES = (".amazonaws.com", ".amazon.com", ".aws.internal", ".amazonaws.com.cn")


def text(part: Any, *names: str) -> str:
    """The first non-empty text of `part` under `names`, short enough for a name, or ''."""
    if isinstance(part, dict):
        for name in names:
            value = part.get(name)
            if isinstance(value, str) and 0 < len(value) <= NAME_CHARS:
                return value
    return ""


def given(value: str) -> str | UnsetType:
    """`value`, or UNSET when it is empty."""
    return value or UNSET


def member(part: Any, name: str) -> dict[str, Any]:
    """The object under `name`, or an empty one."""
    value = part.get(name) if isinstance(part, dict) else None
    return value if isinstance(value, dict) else {}


def is_service(name: str) -> bool:
    """Whether a source address or caller is an AWS service rather than a machine."""
    return name == "AWS Internal" or name.endswith(_SERVICE_SUFFIXES)


def actor_of(record: dict[str, Any]) -> Actor:
    """The actor of one record; raises `InvalidEvent` when the record names nobody."""
    identity = member(record, "userIdentity")
    chain = _principals(identity)
    invoked = text(identity, "invokedBy")
    if invoked and (not chain or (invoked != "AWS Internal" and chain[0].id != invoked)):
        chain.insert(0, Actor(type=ActorType.SERVICE, id=invoked))
    if not chain:
        raise InvalidEvent("the record names nobody", field="userIdentity", code="missing_field")
    first = chain[0]
    used = text(member(record, "additionalEventData"), "MFAUsed")
    if used in ("Yes", "No") and first.auth is UNSET:
        first = replace(first, auth=Auth(mfa=used == "Yes"))
    return replace(first, on_behalf_of=chain[1:]) if chain[1:] else first


def _principals(identity: dict[str, Any]) -> list[Actor]:
    kind = text(identity, "type")
    if kind in ("AssumedRole", "Role"):
        chain = _role(identity)
    elif kind == "FederatedUser":
        chain = _federated(identity)
    else:
        chain = _plain(identity, kind)
    source = text(member(identity, "sessionContext"), "sourceIdentity")
    person = text(member(identity, "onBehalfOf"), "userId")
    for name in (source, person):
        if name and all(actor.id != name for actor in chain):
            chain.append(Actor(type=ActorType.USER, id=name))
    return chain


def _role(identity: dict[str, Any]) -> list[Actor]:
    """A role and the holder of its session."""
    issuer = member(member(identity, "sessionContext"), "sessionIssuer")
    parts = text(identity, "arn").split("/")
    assumed = parts[0].endswith(":assumed-role") and len(parts) >= 3
    name = text(issuer, "userName") or (parts[1] if assumed else "") or text(issuer, "principalId")
    holder = "/".join(parts[2:]) if assumed else ""
    if not holder:
        holder = text(identity, "principalId").partition(":")[2]
    chain = []
    if name:
        chain.append(_actor(identity, ActorType.SERVICE, name))
    if holder:
        person = "@" in holder or name.startswith("AWSReservedSSO_")
        kind = ActorType.USER if person else ActorType.SERVICE
        chain.append(Actor(type=kind, id=holder) if chain else _actor(identity, kind, holder))
    return chain


def _federated(identity: dict[str, Any]) -> list[Actor]:
    """A federated user and the one who issued the session."""
    name = text(identity, "arn").partition(":federated-user/")[2]
    name = name or text(identity, "principalId").partition(":")[2] or text(identity, "principalId")
    issuer = member(member(identity, "sessionContext"), "sessionIssuer")
    behind = text(issuer, "userName", "principalId")
    chain = [_actor(identity, ActorType.USER, name)] if name else []
    if behind:
        user = text(issuer, "type") in ("IAMUser", "Root")
        chain.append(Actor(type=ActorType.USER if user else ActorType.SERVICE, id=behind))
    return chain


def _plain(identity: dict[str, Any], kind: str) -> list[Actor]:
    """Every identity that stands for itself."""
    account, principal = text(identity, "accountId"), text(identity, "principalId")
    name = text(identity, "userName")
    if kind == "AWSService":
        return []  # its name is `invokedBy`
    if kind == "Root":
        tail = text(identity, "arn").rpartition(":")[2] or principal or account
        return [_actor(identity, ActorType.USER, tail)] if tail else []
    if kind == "AWSAccount":
        if account == "anonymous" or principal == "anonymous":
            return [Actor(type=ActorType.ANONYMOUS, id="anonymous")]
        other = principal or account
        return [_actor(identity, ActorType.SERVICE, other)] if other else []
    if not name:
        name = text(identity, "arn").rpartition("/")[2]
    if name == _HIDDEN:
        return [_actor(identity, ActorType.ANONYMOUS, name)]
    if name or principal:
        return [_actor(identity, ActorType.USER, name or principal)]
    if account and not text(identity, "invokedBy"):
        return [Actor(type=ActorType.SERVICE, id=account)]
    return []


def _actor(identity: dict[str, Any], kind: ActorType, name: str) -> Actor:
    """An actor with the session's access key and MFA, where the record has them."""
    attributes = member(member(identity, "sessionContext"), "attributes")
    mfa = text(attributes, "mfaAuthenticated")
    return Actor(
        type=kind,
        id=name,
        session=given(text(identity, "accessKeyId")),
        auth=Auth(mfa=mfa == "true") if mfa in ("true", "false") else UNSET,
    )
