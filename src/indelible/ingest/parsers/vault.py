"""HashiCorp Vault's and OpenBao's audit devices: one JSON object for a request, one for its answer.

The form is that of "Audit log entry schema" of Vault's documentation and of
`audit/types.go`. Values are hashed by the audit device; none is copied here, hashed or not.
A request and its answer are two events that share `origin.request_id`; only the answer, or an
error, tells an outcome.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import UNSET, UnsetType

from indelible.base.limits import NAME_CHARS
from indelible.event.model import Actor, ActorType, Auth, Event, Operation, Outcome, Reason, Target
from indelible.ingest.parsers import pick
from indelible.ingest.parsers.contract import (
    WRONG,
    Given,
    NotUnderstood,
    Parser,
    Understood,
)
from indelible.ingest.parsers.vault_paths import Act, act_of

_ENTRIES: Final = frozenset(("request", "response"))
_KMIP: Final = frozenset(("kmip-request", "kmip-response"))
_PEOPLE: Final = ("userpass", "ldap", "oidc", "github", "okta", "radius", "kerberos", "saml")
_MACHINES: Final = ("approle", "kubernetes", "aws", "gcp", "azure", "cert", "jwt", "alicloud",
                    "oci", "cf", "pcf", "app-id", "spiffe")
_DENIED: Final = ("permission denied", "sudo privileges", "not authorized", "forbidden")
_PLAIN: Final = frozenset(("kv", "generic", "cubbyhole"))


def _record(record: dict[str, Any], given: Given) -> Understood:
    """One entry; raises `NotUnderstood`."""
    kind = pick.text(record, "type")
    request = pick.member(record, "request")
    if kind in _KMIP:
        return _kmip(record, request, given, kind)
    if kind not in _ENTRIES:
        raise NotUnderstood(WRONG, "type is neither request nor response")
    path, operation = pick.chosen(request, "path"), pick.text(request, "operation")
    if not path or not operation:
        absent = "operation" if path else "path"
        raise NotUnderstood("missing_field", f"the entry's request has no {absent}")
    mount = pick.text(request, "mount_point"), pick.text(request, "mount_type")
    act = act_of(path, operation, *mount)
    outcome, reason = _outcome(record, request, kind)
    ident = pick.text(request, "id")
    event = Event(
        action=pick.action("vault", act.object, act.verb),
        operation=act.operation,
        actor=_actor(record, request, act, path),
        targets=pick.targets(_targets(record, act, _namespace(request))),
        time=pick.moment(record.get("time")),
        outcome=outcome,
        reason=reason,
        origin=pick.origin(
            ip=_address(request, given),
            user_agent=_header(request, "user-agent"),
            request_id=ident,
        ),
        id=f"{ident}/{kind}" if ident else UNSET,
        labels=_labels(request, kind),
    )
    cut = pick.is_cut(path) or pick.is_cut(event.actor.id)
    return Understood(
        event, _facts(record, request, path, operation), ("truncated",) if cut else ()
    )


def _actor(record: dict[str, Any], request: dict[str, Any], act: Act, path: str) -> Actor:
    """Who holds the token; who logs in; nobody known; or Vault itself."""
    auth = pick.member(record, "auth")
    said = pick.member(auth, "metadata")
    shown = pick.chosen(auth, "display_name")
    login = act.object == "session"
    session = pick.text(request, "client_token_accessor") or pick.text(auth, "accessor")
    method = pick.text(request, "mount_type") or act.name if login else ""
    proof = Auth(method=method) if method else UNSET
    kind, name = _holder(said, shown)
    if not name and login and act.operation is Operation.LOGIN:
        name = path.rpartition("/login/")[2] if "/login/" in path else ""
        if name:
            return Actor(type=ActorType.USER, id=name, auth=proof)
    name = name or pick.text(auth, "entity_id")
    if not name:
        return _nobody(request, proof)
    return Actor(
        type=kind,
        id=name,
        email=UNSET if _chosen(said, shown) else pick.or_unset(pick.text(said, "email")),
        session=pick.or_unset(session),
        auth=proof,
    )


def _holder(said: dict[str, Any], shown: str) -> tuple[ActorType, str]:
    """What holds the token, by the name that people use; '' where nothing names it.

    A login's display name is the mount and the name (`userpass-ann`); the name alone is taken
    where the method's metadata say it too. What somebody chose names nobody else than the token
    or the role itself (manual of `token create` and of AppRole's SecretID: both take metadata).
    """
    if _made(shown):
        return ActorType.API_KEY, shown
    role = pick.text(said, "role_name")
    if role:
        return ActorType.SERVICE, role
    for key in ("username", "email"):
        name = pick.text(said, key)
        if name and shown.endswith(f"-{name}"):
            return ActorType.USER, name
    account = pick.text(said, "service_account_name")
    space = pick.text(said, "service_account_namespace")
    if account and shown.endswith(f"-{space}-{account}"):
        return ActorType.SERVICE, f"{space}/{account}"
    machine = shown.startswith(_MACHINES) and not shown.startswith(_PEOPLE)
    return (ActorType.SERVICE if machine else ActorType.USER), shown


def _made(shown: str) -> bool:
    """Whether a token was made of another one, or is a root's: Vault names both so itself."""
    return shown.partition("-")[0] in ("token", "root")


def _chosen(said: dict[str, Any], shown: str) -> bool:
    """Whether whoever made the token, or the SecretID, could write any metadata he liked."""
    return _made(shown) or "role_name" in said


def _claimed(said: dict[str, Any], shown: str) -> str:
    """A name that metadata give and that nobody vouches for."""
    name = pick.text(said, "username", "email", "service_account_name")
    if not name or (not _chosen(said, shown) and shown.endswith(f"-{name}")):
        return ""
    return name


def _nobody(request: dict[str, Any], proof: Auth | UnsetType) -> Actor:
    """Without a client there was only Vault; with one, nobody who is known."""
    if "client_token" not in request and not pick.text(request, "remote_address"):
        return Actor(type=ActorType.SYSTEM, id="vault")
    return Actor(type=ActorType.ANONYMOUS, id="anonymous", auth=proof)


def _outcome(
    record: dict[str, Any], request: dict[str, Any], kind: str
) -> tuple[Outcome | UnsetType, Reason | UnsetType]:
    """An error tells itself, on a request too; an answer without one is a success."""
    error = record.get("error")
    error = error.strip() if isinstance(error, str) else ""
    allowed = pick.member(pick.member(record, "auth"), "policy_results").get("allowed")
    if error or allowed is False:
        denied = allowed is False or any(one in error.lower() for one in _DENIED)
        why = " ".join(error.split())
        return (Outcome.DENIED if denied else Outcome.FAILURE), pick.reason("", why)
    if kind != "response":
        return UNSET, UNSET
    data = pick.member(record, "response", "data")
    if list(data) == ["error"] and not (
        request.get("operation") == "read" and request.get("mount_type") in _PLAIN
    ):
        return Outcome.FAILURE, UNSET  # its text is hashed
    return Outcome.SUCCESS, UNSET


def _targets(record: dict[str, Any], act: Act, namespace: str) -> list[Target]:
    """The thing, and what the answer handed out: a token, a lease, a wrapping token."""
    kind = f"vault_{act.kind}" if act.name else ""
    found = pick.target(kind, act.name[:NAME_CHARS], parent=namespace)
    answer = pick.member(record, "response")
    if act.object == "token" and act.verb == "create":
        found += pick.target("vault_token", pick.text(pick.member(answer, "auth"), "accessor"))
    found += pick.target("vault_lease", pick.text(pick.member(answer, "secret"), "lease_id"))
    wrapped = pick.text(pick.member(answer, "wrap_info"), "accessor")
    found += pick.target("vault_wrapping_token", wrapped)
    return found


def _namespace(request: dict[str, Any]) -> str:
    space = pick.member(request, "namespace")
    return pick.text(space, "path").strip("/") if space.get("id") != "root" else ""


def _labels(request: dict[str, Any], kind: str) -> dict[str, str]:
    found = {"entry": kind, "mount_type": pick.text(request, "mount_type"),
             "namespace": _namespace(request)}
    return {name: value for name, value in found.items() if value}


def _facts(
    record: dict[str, Any], request: dict[str, Any], path: str, operation: str
) -> dict[str, object]:
    """What has no member of its own. Never the values that were read or written."""
    auth = pick.member(record, "auth")
    said = pick.member(auth, "metadata")
    policies = [one for one in pick.items(auth, "policies") if isinstance(one, str)]
    return pick.flat({
        "vendor_action": operation,
        "path": path,
        "mount_point": pick.text(request, "mount_point"),
        "policies": policies,
        "display_name": pick.text(auth, "display_name"),
        "entity_id": pick.text(auth, "entity_id"),
        "token_type": pick.text(auth, "token_type"),
        "role": pick.text(said, "role", "role_name"),
        "claimed_name": _claimed(said, pick.text(auth, "display_name")),
        "client_id": pick.text(request, "client_id"),
        "wrap_ttl": request.get("wrap_ttl") if request.get("wrap_ttl") else None,
        "certificate": pick.text(request, "client_certificate_serial_number"),
        "forwarded_from": pick.text(record, "forwarded_from"),
        "cluster": pick.text(request, "replication_cluster"),
        "policy_override": True if request.get("policy_override") is True else None,
    })


def _address(request: dict[str, Any], given: Given) -> str:
    """The client's address; a forwarded-for header in clear counts from configured proxies."""
    values = pick.items(pick.member(request, "headers"), "x-forwarded-for")
    chain = [part.strip() for one in values if isinstance(one, str) for part in one.split(",")]
    return pick.client([*chain, pick.text(request, "remote_address")], given.proxies)


def _header(request: dict[str, Any], name: str) -> str:
    """The first value of an audited header, unless it is hashed."""
    for value in pick.items(pick.member(request, "headers"), name):
        if isinstance(value, str) and not value.startswith("hmac-"):
            return value
    return ""


def _kmip(
    record: dict[str, Any], request: dict[str, Any], given: Given, kind: str
) -> Understood:
    """The KMIP secrets engine: who a client is, is said by its certificate alone."""
    serial = pick.text(request, "client_certificate_serial_number")
    known = Actor(type=ActorType.SERVICE, id=serial) if serial else Actor(
        type=ActorType.ANONYMOUS, id="anonymous"
    )
    event = Event(
        action="vault.kmip.request",
        operation=Operation.OTHER,
        actor=known,
        time=pick.moment(record.get("time")),
        origin=pick.origin(ip=_address(request, given)),
        labels={"entry": kind},
    )
    return Understood(event, {"vendor_action": kind})


def _recognise(record: dict[str, Any], given: Given) -> str:
    request, kind = record.get("request"), record.get("type")
    if not isinstance(request, dict) or not isinstance(kind, str):
        return ""
    if kind in _ENTRIES and "operation" in request and "path" in request:
        return f"it is a {kind} with an operation on a path"
    if kind in _KMIP and "client_certificate_serial_number" in request:
        return f"it is a {kind} with a client certificate"
    return ""


PARSER: Final = Parser(
    name="vault",
    version="vault/1",
    about="HashiCorp Vault audit device (also OpenBao)",
    record=_record,
    recognise=_recognise,
)
