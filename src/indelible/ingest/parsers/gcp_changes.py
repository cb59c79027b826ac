"""What a Google Cloud audit log says was changed: who got or lost a role, and the new values.

`serviceData.policyDelta` tells the difference that a `SetIamPolicy` made, binding by binding;
BigQuery tells it in `metadata`. Other calls carry the request, whose members are new values;
`resourceOriginalState` has the old ones where a service writes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from indelible.event.model import Change, ChangeOp
from indelible.event.paths import escape_segment
from indelible.ingest.parsers import pick
from indelible.ingest.parsers.cloud import change, difference
from indelible.ingest.parsers.contract import Record

_NO_CHANGE: Final = frozenset((
    "@type", "at_sign_type", "name", "parent", "project", "projectId", "etag", "fingerprint",
    "requestId", "resource", "updateMask", "update_mask", "options", "apiVersion", "kind",
    "metadata", "status", "zone", "region", "validateOnly", "policy",
    "sinkName", "managedZone", "managedZoneResource",
))
"""Members of a request that name the thing or the call, or that are no values of the thing."""


class Deltas(NamedTuple):
    """Who was given and who lost which role: pairs of role and member."""

    added: list[tuple[str, str]]
    removed: list[tuple[str, str]]


def deltas_of(said: Record) -> Deltas:
    """The binding deltas of an audit log, wherever the service puts them."""
    found = pick.items(pick.member(said, "serviceData", "policyDelta"), "bindingDeltas")
    if not found:
        metadata = pick.member(said, "metadata")
        for name in ("datasetChange", "tableChange", "routineChange", "modelChange"):
            found = found or pick.items(pick.member(metadata, name), "bindingDeltas")
        found = found or pick.items(pick.member(metadata, "policyDelta"), "bindingDeltas")
    deltas = Deltas([], [])
    for one in found:
        role, member = pick.text(one, "role"), pick.text(one, "member")
        if role and member:
            (deltas.removed if pick.text(one, "action") == "REMOVE" else deltas.added).append(
                (role, member)
            )
    return deltas


def audits_only(said: Record, deltas: Deltas) -> bool:
    """Whether only what is logged was changed, and nobody's rights."""
    audits = pick.items(pick.member(said, "serviceData", "policyDelta"), "auditConfigDeltas")
    return bool(audits) and not deltas.added and not deltas.removed


def changes_of(said: Record, method: str, deltas: Deltas) -> Iterator[Change]:
    """The changes that a call made."""
    for pairs, op in ((deltas.added, ChangeOp.ADD), (deltas.removed, ChangeOp.REMOVE)):
        for role, member in pairs:
            path = f"bindings.{escape_segment(role)}.{escape_segment(member)}"
            added = op is ChangeOp.ADD
            yield from change(path, None if added else True, True if added else None, op)
    service_data = pick.member(said, "serviceData", "policyDelta")
    for one in pick.items(service_data, "auditConfigDeltas"):
        name = ".".join(
            escape_segment(part) for part in (pick.text(one, "service"), pick.text(one, "logType"))
            if part
        )
        gone = pick.text(one, "action") == "REMOVE"
        value = pick.text(one, "exemptedMember") or True
        yield from change(
            f"auditConfigs.{name}" if name else "", value if gone else None,
            None if gone else value, ChangeOp.REMOVE if gone else ChangeOp.ADD,
        )
    if not deltas.added and not deltas.removed:
        yield from _values(said, method)


def _values(said: Record, method: str) -> Iterator[Change]:
    """The members of the request as new values, with the old ones where they are told."""
    if method.startswith("io.k8s."):
        return
    request, before = pick.member(said, "request"), pick.member(said, "resourceOriginalState")
    bindings = pick.items(pick.member(request, "policy"), "bindings")
    yield from change("bindings", None, bindings)
    inner = [value for name, value in request.items() if isinstance(value, dict)
             and name not in _NO_CHANGE]
    wrapped = inner[0] if len(inner) == 1 and method.rpartition(".")[2][:1].isupper() else request
    for name, value in wrapped.items():
        if not isinstance(name, str) or name in _NO_CHANGE:
            continue
        if name in before:
            yield from difference(escape_segment(name), before[name], value)
        else:
            yield from change(escape_segment(name), None, value)
