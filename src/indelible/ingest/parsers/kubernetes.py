"""Kubernetes audit events (`audit.k8s.io`), as the API server writes or posts them.

`docs/sources/kubernetes.md` has the table of what is filled from what; the form is documented at
kubernetes.io/docs/reference/config-api/apiserver-audit.v1. Managed clusters (EKS, OpenShift) write
the same objects; AKS puts them into diagnostic records, which are opened.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from indelible.base.limits import TARGETS
from indelible.event.model import Actor, ActorType, Auth, Event, Operation, Outcome, Reason
from indelible.ingest.parsers import pick
from indelible.ingest.parsers.cloudtrail_actor import CENTER_ROLE, is_center_role
from indelible.ingest.parsers.contract import (
    WRONG,
    Given,
    NotUnderstood,
    Parser,
    Record,
    Understood,
)
from indelible.ingest.parsers.kubernetes_names import CLOUDS, named
from indelible.ingest.parsers.kubernetes_objects import (
    changes_of,
    parameters_of,
    path_of,
    pod_facts,
    targets_of,
)
from indelible.ingest.parsers.pick import items, member, or_unset, text, word

_DECISION = "authorization.k8s.io/decision"
_REASON = "authorization.k8s.io/reason"
_UNFINISHED = ("RequestReceived", "ResponseStarted")
_CREDENTIAL = "authentication.kubernetes.io/credential-id"
_UNAUTHORIZED: Final = HTTPStatus.UNAUTHORIZED
_decode = msgspec.json.Decoder().decode
_METHODS = {"JTI": "token", "X509SHA256": "client_certificate"}


def _record(record: Record, given: Given) -> Understood:
    """One event; raises `NotUnderstood` when it names no verb or nobody."""
    record, cluster = _opened(record)
    verb, ref = text(record, "verb"), member(record, "objectRef")
    if text(record, "kind").endswith("List") and "items" in record:
        raise NotUnderstood(WRONG, "it is a list of audit events, not one")
    if not verb:
        raise NotUnderstood("missing_field", "the event has no verb")
    action, operation = named(verb, text(ref, "resource"), text(ref, "subresource"))
    if operation is Operation.APPROVE and _denies(record):
        action = action.removesuffix("approve") + "deny"
    time, flags = pick.dated(
        given.zone, record.get("requestReceivedTimestamp"), record.get("stageTimestamp"),
        record.get("timestamp"),
    )
    outcome, reason = _outcome(record)
    done = outcome is Outcome.SUCCESS
    event = Event(
        action=action,
        actor=_actor(record),
        operation=operation,
        targets=pick.targets(targets_of(record)),
        time=time,
        outcome=outcome,
        reason=reason,
        origin=pick.origin(
            ip=pick.client(items(record, "sourceIPs"), given.proxies),
            host=_extra(member(record, "user"), "authentication.kubernetes.io/pod-name"),
            user_agent=_free(record, "userAgent"),
            request_id=text(record, "auditID"),
        ),
        changes=pick.bounded(changes_of(record)) if done else UNSET,
        id=_id(record),
        labels=_labels(ref, cluster) or UNSET,
    )
    guessed = _claimed(member(record, "user"))
    return Understood(event, _facts(record, ref, verb), flags, guessed)


def _opened(record: Record) -> tuple[Record, str]:
    """The event out of a diagnostic record of AKS, and the cluster's name; else as it is.

    AKS hands its audit log over as text in `properties.log`, in records of category `kube-audit`;
    some collectors open the text.
    """
    if not text(record, "category").startswith("kube-audit"):
        return record, ""
    log = member(record, "properties").get("log")
    if isinstance(log, dict):
        return log, text(record, "resourceId").rpartition("/")[2].lower()
    try:
        inner = _decode(_free(member(record, "properties"), "log"))
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise NotUnderstood("bad_json", f"properties.log is no audit event: {error}") from error
    if not isinstance(inner, dict):
        raise NotUnderstood(WRONG, "properties.log holds no object")
    return inner, text(record, "resourceId").rpartition("/")[2].lower()


def _recognise(record: Record, given: Given) -> str:
    if text(record, "category").startswith("kube-audit") and "properties" in record:
        return "it is of category kube-audit"
    if record.get("kind") != "Event":
        return ""
    version = record.get("apiVersion")
    if isinstance(version, str) and version.startswith("audit.k8s.io/"):
        return f"it is an Event of {version}"
    if "verb" in record and ("objectRef" in record or "requestURI" in record):
        return "it is an Event with verb and objectRef or requestURI"
    return ""


def _free(record: Record, name: str) -> str:
    value = record.get(name)
    return value if isinstance(value, str) else ""


def _id(record: Record) -> str | UnsetType:
    """The request's id with the stage: every stage of a request is an event of its own."""
    ident, stage = text(record, "auditID"), text(record, "stage")
    if ident and stage:
        return or_unset(text({"": f"{ident}/{stage}"}, ""))
    return or_unset(ident)


def _actor(record: Record) -> Actor:
    """Who was authenticated; then whom they impersonated, or who stands behind the name.

    Raises `NotUnderstood` when the event names nobody.
    """
    user = member(record, "user")
    name = text(user, "username")
    if not name and _code(member(record, "responseStatus")) == _UNAUTHORIZED:
        name = "system:anonymous"  # the API server names nobody whom it could not authenticate
    if not name:
        raise NotUnderstood("missing_actor", "the event has no user")
    credential = _extra(user, _CREDENTIAL)
    method = _METHODS.get(credential.partition("=")[0], "")
    actor = Actor(
        type=actor_type(name),
        id="anonymous" if name == "system:anonymous" else name,
        session=or_unset(credential or _extra(user, "accessKeyId")),
        auth=Auth(method=method) if method else UNSET,
    )
    chain = []
    other = text(member(record, "impersonatedUser"), "username")
    if other:
        chain.append(Actor(type=actor_type(other), id=other))
    chain += _behind_eks(user, name)
    return pick.behind(actor, chain)


def actor_type(name: str) -> ActorType:
    """What a user name of Kubernetes stands for."""
    if name == "system:anonymous":
        return ActorType.ANONYMOUS
    if name == "system:apiserver":
        return ActorType.SYSTEM
    own = name.startswith("system:") or name in CLOUDS
    return ActorType.SERVICE if own else ActorType.USER


def _behind_eks(user: Record, name: str) -> list[Actor]:
    """Who holds the AWS session that EKS mapped to the name, where it says so."""
    holder = _extra(user, "sessionName")
    if not holder or holder in name:
        return []
    return [Actor(type=ActorType.USER if _is_person(user) else ActorType.SERVICE, id=holder)]


def _is_person(user: Record) -> bool:
    """Whether the name of the AWS session looks like that of a person."""
    role = _role(user).rpartition("role/")[2]
    return "@" in _extra(user, "sessionName") or role.startswith(CENTER_ROLE)


def _role(user: Record) -> str:
    return _extra(user, "canonicalArn") or _extra(user, "arn")


def _claimed(user: Record) -> tuple[str, ...]:
    """What rests on the name of an AWS session alone, which whoever assumed the role chose.

    Of roles of IAM Identity Center it is not theirs to choose, but EKS leaves out of its ARNs the
    path that would prove one. A name that has the session's whole ARN in it claims nothing.
    """
    holder, name = _extra(user, "sessionName"), text(user, "username")
    if not holder or is_center_role(_role(user)):
        return ()
    if holder not in name:
        return ("actor.on_behalf_of",) if _is_person(user) else ()
    return () if ":assumed-role/" in name or actor_type(name) is not ActorType.USER else ("actor",)


def _extra(user: Record, name: str) -> str:
    """The first value of `user.extra`; every one is a list there."""
    values = member(user, "extra").get(name)
    return text({"": values[0]}, "") if isinstance(values, list) and values else ""


def _outcome(record: Record) -> tuple[Outcome | UnsetType, Reason | UnsetType]:
    """By the answer's code; a request that is not answered yet has none."""
    status, notes = member(record, "responseStatus"), member(record, "annotations")
    forbidden = text(notes, _DECISION) == "forbid"
    stage, code = text(record, "stage"), _code(status)
    if stage in _UNFINISHED and not forbidden and code < 400:
        return UNSET, UNSET
    why = _free(status, "message") or (_free(notes, _REASON) if forbidden else "")
    reason = pick.reason(text(status, "reason") or (str(code) if code >= 400 else ""), why)
    if forbidden or code in (401, 403):
        return Outcome.DENIED, reason
    if stage == "Panic" or code >= 400 or text(status, "status") == "Failure":
        return Outcome.FAILURE, reason
    if code or text(status, "status") == "Success":
        return Outcome.SUCCESS, UNSET
    return UNSET, reason


def _code(status: Record) -> int:
    code = status.get("code")
    return code if type(code) is int and 100 <= code < 1000 else 0


def _denies(record: Record) -> bool:
    """Whether a certificate's signing was refused rather than approved."""
    sent = member(record, "requestObject", "status")
    return any(text(one, "type") == "Denied" for one in items(sent, "conditions"))


def _labels(ref: Record, cluster: str) -> dict[str, str]:
    said = (("namespace", text(ref, "namespace")), ("cluster", cluster))
    return {name: value for name, value in said if value}


def _facts(record: Record, ref: Record, verb: str) -> dict[str, object]:
    """What has no member of its own and is worth a search of its own."""
    user, notes = member(record, "user"), member(record, "annotations")
    addresses = [one for one in items(record, "sourceIPs") if isinstance(one, str)][:TARGETS]
    stage = text(record, "stage")
    facts: dict[str, object] = {
        "vendor_action": verb,
        "resource": text(ref, "resource"),
        "subresource": text(ref, "subresource"),
        "api_group": text(ref, "apiGroup"),
        "groups": [one for one in items(user, "groups") if isinstance(one, str)][:TARGETS],
        "stage": "" if stage == "ResponseComplete" else stage,
        "level": text(record, "level"),
        "path": path_of(record) if not text(ref, "resource") else "",
        "code": word(member(record, "responseStatus"), "code"),
        "decision_reason": text(notes, _REASON),
        "pod_security": text(notes, "pod-security.kubernetes.io/enforce-policy"),
        "source_ips": addresses if addresses[1:] else None,
        "node": _extra(user, "authentication.kubernetes.io/node-name"),
        "aws_arn": _extra(user, "arn"),
        "impersonated_groups": [
            one for one in items(member(record, "impersonatedUser"), "groups")
            if isinstance(one, str)
        ][:TARGETS],
    }
    if text(ref, "subresource") in ("exec", "attach", "portforward"):
        facts |= _session(parameters_of(record) or _options(record))
    sent: Any = record.get("requestObject")
    if verb in ("create", "update") and isinstance(sent, dict):
        facts |= pod_facts(sent)
    return pick.flat(facts)


def _options(record: Record) -> dict[str, list[str]]:
    """The same out of the request's body (`PodExecOptions`), which some pipelines keep instead."""
    sent = member(record, "requestObject")
    command = [one for one in items(sent, "command") if isinstance(one, str)]
    container = text(sent, "container")
    return {
        "command": command[:TARGETS], "container": [container] if container else [],
        "tty": ["true"] if sent.get("tty") is True else [],
    }


def _session(said: dict[str, list[str]]) -> dict[str, object]:
    """What was run in a container, and in which."""
    return {
        "command": " ".join(said.get("command", ())),
        "container": " ".join(said.get("container", ())),
        "ports": " ".join(said.get("ports", ())),
        "tty": "true" if "true" in said.get("tty", ()) else "",
    }


PARSER: Final = Parser(
    name="kubernetes",
    version="kubernetes/1",
    about="Kubernetes audit events",
    record=_record,
    recognise=_recognise,
)
