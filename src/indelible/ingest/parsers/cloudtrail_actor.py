"""Who acted, by CloudTrail's `userIdentity`: the actor and everybody behind it.

Ids are the names people use (`bert-jan`, a role's name, a service's domain), not ARNs: the same id
stands in targets, so that a user's timeline and its history meet. The ARN is kept in
`data.actor_arn`, the account in `label.account`. Nothing is guessed: a member that the record lacks
stays absent.

The chain in `on_behalf_of` runs from the one who acted to the one who asked: a service that called
for a principal (`invokedBy`), then the principal; a role, then the holder of its session, then the
source identity or the person of IAM Identity Center where the record names one; behind a role that
was switched to in the console, the one who switched.
"""

from __future__ import annotations

import re
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from indelible.event.model import Actor, ActorType, Auth
from indelible.ingest.parsers.contract import NotUnderstood
from indelible.ingest.parsers.pick import member, or_unset, text

_HIDDEN = "HIDDEN_DUE_TO_SECURITY_REASONS"
_CENTER = ("IdentityCenterUser", "Unknown")
"""Identities that are the person of IAM Identity Center whom `onBehalfOf` names."""
CENTER_ROLE = "AWSReservedSSO_"
"""So begin the names of IAM Identity Center's roles; but anybody may name a role so."""
_CENTER_PATH = "role/aws-reserved/sso.amazonaws.com/"
"""Where those roles are, and where nobody else can make one (IAM Identity Center user guide)."""
_SWITCHED = ("SwitchFrom", "SwitchTo")
_METHODS = {"SAMLUser": "saml", "WebIdentityUser": "web_identity"}
_USER_PREFIX = "AIDA"
"""With it begins the unique id of an IAM user (IAM user guide, "IAM identifiers")."""
_ISSUERS = frozenset((
    "token.actions.githubusercontent.com", "app.terraform.io", "oidc.circleci.com",
    "agent.buildkite.com", "vstoken.dev.azure.com", "container.googleapis.com",
))
"""Hosts of providers that vouch for programs alone, for whatever subject."""
_CLUSTER = re.compile(
    r"oidc\.eks\.[a-z0-9-]+\.(?:amazonaws\.com(?:\.cn)?|api\.aws)"
    r"|[a-z0-9-]+\.oic\.prod-aks\.azure\.com|token\.actions\.[a-z0-9-]+\.ghe\.com"
)
"""The same where the host names a region or an enterprise: clusters of EKS and AKS, GitHub."""
_PIPELINE = ("gitlab.com", "project_path:")
"""A provider that vouches for people too, and how the subjects of its pipelines begin."""
_SERVICE_SUFFIXES = (".amazonaws.com", ".amazon.com", ".aws.internal", ".amazonaws.com.cn")


def is_service(name: str) -> bool:
    """Whether a source address or caller is an AWS service rather than a machine."""
    return name == "AWS Internal" or name.endswith(_SERVICE_SUFFIXES)


def is_center_role(arn: str) -> bool:
    """Whether an ARN is that of a role of IAM Identity Center, which names its sessions itself."""
    return arn.split(":", 5)[-1].startswith(_CENTER_PATH)


def actor_of(record: dict[str, Any]) -> Actor:
    """The actor of one record; raises `NotUnderstood` when the record names nobody."""
    identity, extra = member(record, "userIdentity"), member(record, "additionalEventData")
    chain = _principals(identity, text(extra, "UserName"))
    for name in _SWITCHED:
        if text(record, "eventSource") == "signin.amazonaws.com" and text(extra, name):
            known = {actor.id for actor in chain}
            chain += [one for one in _of_arn(text(extra, name)) if one.id not in known]
    invoked = text(identity, "invokedBy")
    if invoked and (not chain or (invoked != "AWS Internal" and chain[0].id != invoked)):
        chain.insert(0, Actor(type=ActorType.SERVICE, id=invoked))
    if not chain:
        raise NotUnderstood("missing_field", "the record names nobody: it has no userIdentity")
    first = chain[0]
    auth = _signed_in(identity, extra, first)
    if auth != Auth():
        first = replace(first, auth=auth)
    return replace(first, on_behalf_of=chain[1:]) if chain[1:] else first


def _signed_in(identity: dict[str, Any], extra: dict[str, Any], actor: Actor) -> Auth:
    """How the actor proved who they are: of the session, or as a sign-in tells it."""
    known = Auth() if actor.auth is UNSET else actor.auth
    used, method = text(extra, "MFAUsed"), text(extra, "CredentialType").lower()
    method = method or _METHODS.get(text(identity, "type"), "")
    mfa = used == "Yes" if used in ("Yes", "No") and known.mfa is UNSET else known.mfa
    return Auth(method=or_unset(method), mfa=mfa)


def _of_arn(arn: str) -> list[Actor]:
    """Whom an ARN names: a user, the root user, or a role and the holder of its session."""
    kind, _, name = arn.rpartition(":")[2].partition("/")
    if kind == "root":
        return [Actor(type=ActorType.USER, id=kind)]
    if kind == "user" and name:
        return [Actor(type=ActorType.USER, id=name.rpartition("/")[2])]
    if kind == "assumed-role" and name:
        return _role({"arn": arn, "type": "AssumedRole"})
    return []


def _principals(identity: dict[str, Any], signed_in: str) -> list[Actor]:
    kind = text(identity, "type")
    user = text(member(identity, "onBehalfOf"), "userId")
    if kind in _CENTER and user:
        name = text(identity, "userName") or signed_in or user
        session = or_unset(text(identity, "credentialId"))
        return [Actor(type=ActorType.USER, id=name, session=session)]
    if kind in ("AssumedRole", "Role"):
        chain = _role(identity)
    elif kind == "FederatedUser":
        chain = _federated(identity)
    else:
        chain = _plain(identity, kind)
    source = text(member(identity, "sessionContext"), "sourceIdentity")
    holder = _chosen(identity)
    if source and source != holder and kind in ("AssumedRole", "Role"):
        # a name that anybody may give a session does not stand for a person before the one who is
        chain = [
            replace(one, type=ActorType.SERVICE) if one.id == holder else one for one in chain
        ]
    for name in (source, user):
        if name and all(actor.id != name for actor in chain):
            chain.append(Actor(type=ActorType.USER, id=name))
    return chain


def is_claimed(record: dict[str, Any], actor: Actor) -> bool:
    """Whether a person in the chain is known only by the name that a role's session was given.

    Whoever assumes a role names the session as they like, unless IAM Identity Center does it or
    the role demands a source identity (IAM user guide, "sts:RoleSessionName"). The sessions that
    a switch in the console names (`SwitchFrom`, `SwitchTo`) are told without their issuer.
    """
    chosen = [_chosen(member(record, "userIdentity"))]
    if extra := member(record, "additionalEventData"):
        chosen += [_chosen({"type": "Role", "arn": text(extra, name)}) for name in _SWITCHED]
    if not any(chosen):
        return False
    chain = [actor, *(() if actor.on_behalf_of is UNSET else actor.on_behalf_of)]
    return any(one.type is ActorType.USER and one.id in chosen for one in chain)


def _chosen(identity: dict[str, Any]) -> str:
    """The name of a role's session where whoever assumed the role may have chosen it, else ''."""
    if text(identity, "type") not in ("AssumedRole", "Role") or _is_center(identity):
        return ""
    return _session(identity)[1]


def _session(identity: dict[str, Any]) -> tuple[str, str]:
    """The role of a session and the session's name, each '' where the identity has it not."""
    parts = text(identity, "arn").split("/")
    assumed = parts[0].endswith(":assumed-role") and len(parts) >= 3
    name = "/".join(parts[2:]) if assumed else ""
    return parts[1] if assumed else "", name or text(identity, "principalId").partition(":")[2]


def _is_center(identity: dict[str, Any]) -> bool:
    """Whether the role is one of IAM Identity Center's: its own ARN, that of the issuer, says it.

    The session's ARN has no path, and the role's name proves nothing.
    """
    issuer = member(member(identity, "sessionContext"), "sessionIssuer")
    return is_center_role(text(issuer, "arn") or text(identity, "arn"))


def _role(identity: dict[str, Any]) -> list[Actor]:
    """A role and the holder of its session."""
    issuer = member(member(identity, "sessionContext"), "sessionIssuer")
    role, holder = _session(identity)
    name = text(issuer, "userName") or role or text(issuer, "principalId")
    chain = []
    if name:
        chain.append(_actor(identity, ActorType.SERVICE, name))
    if holder:
        unsaid = not text(issuer, "arn") and name.startswith(CENTER_ROLE)
        person = "@" in holder or unsaid or _is_center(identity)
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
        user = principal.startswith(_USER_PREFIX) and ":" not in principal
        sort = ActorType.USER if user else ActorType.SERVICE
        return [_actor(identity, sort, other)] if other else []
    if not name:
        name = text(identity, "arn").rpartition("/")[2]
    if name == _HIDDEN:
        return [_actor(identity, ActorType.ANONYMOUS, name)]
    if name or principal:
        sort = ActorType.SERVICE if _is_workload(identity, kind, name) else ActorType.USER
        return [_actor(identity, sort, name or principal)]
    if account and not text(identity, "invokedBy"):
        return [Actor(type=ActorType.SERVICE, id=account)]
    return []


def _is_workload(identity: dict[str, Any], kind: str, name: str) -> bool:
    """Whether a web identity is a program's: by who vouches for it.

    A subject by itself proves nothing: a provider of people may let them choose theirs.
    """
    if kind != "WebIdentityUser":
        return False
    provider = text(identity, "identityProvider")
    if provider.startswith("arn:"):
        provider = provider.partition(":oidc-provider/")[2]
    host = provider.removeprefix("https://").removeprefix("oidc-provider/").partition("/")[0]
    if host == _PIPELINE[0]:
        return name.startswith(_PIPELINE[1])
    return host in _ISSUERS or _CLUSTER.fullmatch(host) is not None


def _actor(identity: dict[str, Any], kind: ActorType, name: str) -> Actor:
    """An actor with the session's access key and MFA, where the record has them."""
    attributes = member(member(identity, "sessionContext"), "attributes")
    mfa = text(attributes, "mfaAuthenticated")
    return Actor(
        type=kind,
        id=name,
        session=or_unset(text(identity, "accessKeyId")),
        auth=Auth(mfa=mfa == "true") if mfa in ("true", "false") else UNSET,
    )
