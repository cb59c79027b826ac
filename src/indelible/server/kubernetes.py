"""`POST /v1/kubernetes/audit`: the webhook backend of kube-apiserver's auditing.

Answered 200 when every event of the list is durable. kube-apiserver tries again after 429, 5xx and
a broken connection; an event's id is its `auditID` and stage, so a retry adds nothing.
"""

from __future__ import annotations

import msgspec
from starlette.responses import Response
from starlette.types import Scope

from indelible.access import Permission
from indelible.base.errors import Busy, DiskFull, IndelibleError
from indelible.ingest.protocols.kubernetes_webhook import take
from indelible.server.call import Call, json_answer
from indelible.server.credentials import as_bearer, header_of
from indelible.server.errors import error_answer
from indelible.server.receiving import receive
from indelible.server.route import Manners, Parameter, Route


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a list; kube-apiserver looks at the status only."""

    accepted: int
    duplicates: int
    rejected_count: int


async def post(call: Call) -> Response:
    """Store every event of a list."""
    received = await receive(call, "kubernetes", take)
    return json_answer(
        Kept(
            accepted=len(received.events), duplicates=len(received.result.duplicates),
            rejected_count=len(received.refused),
        )
    )


def _authorization(scope: Scope) -> bytes:
    return as_bearer(header_of(scope, b"authorization"))


def _refused(error: IndelibleError, _scope: Scope) -> Response:
    """An error as kube-apiserver reads it: a full disk is asked again later, like a busy ledger."""
    answer = error_answer(error)
    if error.status == DiskFull.status:
        answer.status_code = Busy.status
    return answer


ROUTES = (
    Route(
        method="POST",
        path="/v1/kubernetes/audit",
        permission=Permission.WRITE,
        name="kubernetesAudit",
        summary="Store an EventList of kube-apiserver's audit webhook",
        handler=post,
        asks="application/json",
        answer=Kept,
        parameters=(Parameter("timeout", "as kube-apiserver sends it; not used"),),
        manners=Manners(_authorization, _refused),
    ),
)
