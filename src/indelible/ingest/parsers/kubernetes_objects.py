"""What a Kubernetes audit event touched, what it changed, and what of a pod is worth a search.

A namespaced object's id is `namespace/name`, as kubectl and logs write it; a service account's is
its user name (`system:serviceaccount:NAMESPACE:NAME`), so that it meets itself as an actor.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from msgspec import UNSET

from indelible.base.limits import JSON_DEPTH, TARGETS
from indelible.event.model import Change, ChangeOp, Target
from indelible.event.paths import escape_segment
from indelible.ingest.parsers import pick
from indelible.ingest.parsers.contract import Record
from indelible.ingest.parsers.kubernetes_names import kind_of
from indelible.ingest.parsers.pick import items, member, text

_OPS: Final = {"add": ChangeOp.ADD, "remove": ChangeOp.REMOVE, "replace": ChangeOp.REPLACE}
_RIGHTS: Final = ("rules", "aggregationRule", "subjects", "roleRef")
_RBAC: Final = ("roles", "clusterroles", "rolebindings", "clusterrolebindings")
_SUBJECTS: Final = {"User": "kubernetes_user", "Group": "kubernetes_group"}


def targets_of(record: Record) -> Iterator[Target]:
    """The object; then who a binding speaks of, and the role or the node that is bound."""
    ref = member(record, "objectRef")
    resource = text(ref, "resource")
    if not resource:
        yield from pick.target("kubernetes_path", path_of(record))
        return
    sent, answer = member(record, "requestObject"), member(record, "responseObject")
    name = text(ref, "name") or text(member(sent, "metadata"), "name") or text(
        member(answer, "metadata"), "name")
    space = text(ref, "namespace")
    if not name:  # a list, or a name that the server was to make and nobody told
        ident = f"{space}/{resource}" if space else resource
        yield from pick.target("kubernetes_resource", ident, parent=space)
        return
    yield from thing(kind_of(resource), name, space if resource != "namespaces" else "")
    bound = sent if "subjects" in sent or "roleRef" in sent else answer
    for subject in islice(items(bound, "subjects"), TARGETS):
        yield from _subject(subject, space)
    role = member(bound, "roleRef")
    if text(role, "name"):
        cluster = text(role, "kind") == "ClusterRole"
        kind = "cluster_role" if cluster else "role"
        yield from thing(kind, text(role, "name"), "" if cluster else space)
    if text(ref, "subresource") == "binding":
        yield from thing("node", text(member(sent, "target"), "name"), "")


def thing(kind: str, name: str, space: str) -> list[Target]:
    """One object by `namespace/name`; a service account by its user name."""
    ident = f"{space}/{name}" if space and name else name
    if kind == "service_account" and space and name:
        ident = f"system:serviceaccount:{space}:{name}"
    if kind == "node" and name:
        ident = name
    if kind == "user":
        ident, space = name, ""
    shown = name if ident != name else ""
    return pick.target(f"kubernetes_{kind}", ident, shown, space)


def _subject(subject: Any, space: str) -> list[Target]:
    kind, name = text(subject, "kind"), text(subject, "name")
    if kind == "ServiceAccount":
        return thing("service_account", name, text(subject, "namespace") or space)
    return pick.target(_SUBJECTS.get(kind, "kubernetes_subject"), name)


def path_of(record: Record) -> str:
    """The path of the request, without its parameters."""
    value = record.get("requestURI")
    return text({"": value.partition("?")[0]}, "") if isinstance(value, str) else ""


def parameters_of(record: Record) -> dict[str, list[str]]:
    """The parameters of the request's URI, empty when they are none."""
    value = record.get("requestURI")
    if not isinstance(value, str) or "?" not in value:
        return {}
    try:
        return parse_qs(urlsplit(value).query, max_num_fields=TARGETS, errors="replace")
    except ValueError:
        return {}


def changes_of(record: Record) -> Iterator[Change]:
    """What a patch sets, takes away or adds; and the rights that a role or a binding has now.

    A secret's values are named by their paths alone.
    """
    ref = member(record, "objectRef")
    resource, verb = text(ref, "resource"), text(record, "verb").lower()
    sent = record.get("requestObject")
    hidden = resource == "secrets"
    if verb == "patch":
        if isinstance(sent, list):
            yield from _json_patch(sent, hidden)
        elif isinstance(sent, dict):
            yield from _merge_patch(sent, "", hidden, JSON_DEPTH // 2)
    elif resource in _RBAC and verb in ("create", "update") and isinstance(sent, dict):
        op = ChangeOp.ADD if verb == "create" else ChangeOp.REPLACE
        for name in _RIGHTS:
            if sent.get(name):
                yield Change(path=name, op=op, after=pick.raw(sent[name]))
    elif text(ref, "subresource") == "scale" and verb == "update" and isinstance(sent, dict):
        replicas = member(sent, "spec").get("replicas")
        if isinstance(replicas, int):
            yield Change(path="spec.replicas", op=ChangeOp.REPLACE, after=pick.raw(replicas))


def _json_patch(sent: list[Any], hidden: bool) -> Iterator[Change]:
    """`[{"op": "replace", "path": "/spec/replicas", "value": 3}]` (RFC 6902)."""
    for one in sent:
        op, path = _OPS.get(text(one, "op")), text(one, "path")
        if op is None or not path.startswith("/"):
            continue
        steps = (step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/"))
        whole = ".".join(escape_segment(step) for step in steps)
        said = not hidden and op is not ChangeOp.REMOVE and "value" in one
        yield Change(path=whole, op=op, after=pick.raw(one["value"]) if said else UNSET)


def _merge_patch(sent: Record, path: str, hidden: bool, left: int) -> Iterator[Change]:
    """Every value of a merge patch by its path; `null` takes away (RFC 7386)."""
    for name, value in sent.items():
        if name.startswith("$") or (not path and name in ("apiVersion", "kind")):
            continue
        whole = f"{path}.{escape_segment(name)}" if path else escape_segment(name)
        if isinstance(value, dict) and value and left > 0:
            yield from _merge_patch(value, whole, hidden, left - 1)
        elif value is None:
            yield Change(path=whole, op=ChangeOp.REMOVE)
        else:
            yield Change(path=whole, op=ChangeOp.REPLACE,
                         after=UNSET if hidden else pick.raw(value))


def pod_facts(sent: Any) -> dict[str, object]:
    """Of a pod, or of what makes pods: its images, its account, and what lets it out of its box."""
    spec = member(sent, "spec")
    for inner in (("jobTemplate", "spec", "template", "spec"), ("template", "spec")):
        spec = member(spec, *inner) or spec
    containers = [
        one for name in ("initContainers", "containers", "ephemeralContainers")
        for one in items(spec, name) if isinstance(one, dict)
    ][:TARGETS]
    if not containers:
        return {}
    mounts = [member(one, "hostPath") for one in items(spec, "volumes")]
    return pick.flat({
        "images": list(dict.fromkeys(filter(None, (text(one, "image") for one in containers)))),
        "service_account": text(spec, "serviceAccountName", "serviceAccount"),
        "privileged": any(
            member(one, "securityContext").get("privileged") is True for one in containers
        ) or None,
        "host_network": spec.get("hostNetwork") is True or None,
        "host_pid": spec.get("hostPID") is True or None,
        "host_ipc": spec.get("hostIPC") is True or None,
        "host_paths": [text(one, "path") for one in mounts if text(one, "path")][:TARGETS],
    })
