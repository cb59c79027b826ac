"""What a Google Cloud call touched: the resource, what the answer says was made, who got rights."""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType
from typing import Final

from msgspec import UNSET

from indelible.event.model import Target
from indelible.ingest.parsers import pick
from indelible.ingest.parsers.contract import Record
from indelible.ingest.parsers.gcp_actor import named
from indelible.ingest.parsers.gcp_changes import Deltas
from indelible.ingest.parsers.gcp_names import resource_targets

_MEMBERS: Final = MappingProxyType({
    "user": "gcp_user", "serviceAccount": "gcp_service_account", "group": "gcp_group",
    "domain": "gcp_domain", "principal": "gcp_principal", "principalSet": "gcp_principal_set",
    "projectOwner": "gcp_project_owners", "projectEditor": "gcp_project_editors",
    "projectViewer": "gcp_project_viewers",
})
_MONITORED: Final = MappingProxyType({
    "gce_instance": "instance_id", "gcs_bucket": "bucket_name", "project": "project_id",
    "cloudsql_database": "database_id", "k8s_cluster": "cluster_name", "gke_cluster":
    "cluster_name", "bigquery_dataset": "dataset_id", "cloud_function": "function_name",
})
"""Types of monitored resources to the label that names one; used where no path does."""


_SHARED: Final = MappingProxyType({
    "USER_EMAIL": "workspace_user", "GROUP_EMAIL": "workspace_group",
    "affected_email_address": "workspace_user",
})
"""Parameters of activities of Google Workspace that are shared with Google Cloud."""


def targets_of(
    record: Record, said: Record, service: str, method: str, deltas: Deltas
) -> Iterator[Target]:
    """The targets of one entry, the main one first."""
    owner = "k8s.io" if method.startswith("io.k8s.") else service
    labels = pick.member(record, "resource", "labels")
    found = resource_targets(owner, pick.text(said, "resourceName"))
    email = pick.text(labels, "email_id")
    for one in found:
        if one.type == "gcp_service_account" and email and one.id != email:
            yield Target(type=one.type, id=email, name=UNSET, parent=one.parent)
        else:
            yield one
    if not found:
        kind = pick.text(pick.member(record, "resource"), "type")
        ident = pick.text(labels, _MONITORED.get(kind, ""))
        yield from pick.target(
            f"gcp_{kind.removeprefix('gce_').removeprefix('gcs_')}" if ident else "", ident
        )
    yield from _made(said, service, method)
    for part in pick.items(pick.member(said, "metadata"), "event")[:1]:
        for one in pick.items(part, "parameter"):
            kind = _SHARED.get(pick.text(one, "name"), "")
            yield from pick.target(kind, pick.text(one, "value"))
    for _, member in [*deltas.added, *deltas.removed]:
        yield from member_target(member)


def member_target(member: str) -> list[Target]:
    """Who stands in a binding: `user:ann@example.org`, `allUsers`."""
    kind, _, rest = member.partition(":")
    if kind == "deleted":
        kind = rest.partition(":")[0]
    _, ident = named(member)
    if not rest:
        kind = "gcp_everybody" if member in ("allUsers", "allAuthenticatedUsers") else "gcp_role"
        return pick.target(kind, member)
    return pick.target(_MEMBERS.get(kind, "gcp_principal"), ident)


def _made(said: Record, service: str, method: str) -> Iterator[Target]:
    """What the answer names as new: a service account, a key, a group's member."""
    verb = method.rpartition(".")[2].lower()
    answer = pick.member(said, "response")
    if verb == "createserviceaccount":
        yield from pick.target(
            "gcp_service_account", pick.text(answer, "email"), pick.text(answer, "display_name")
        )
    elif verb.endswith(("key", "keys")) and "serviceaccount" in verb:
        yield from resource_targets(service, pick.text(answer, "name"))
    elif verb == "createproject":
        yield from pick.target("gcp_project", pick.text(answer, "projectId"))
