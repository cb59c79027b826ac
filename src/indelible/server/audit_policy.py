"""The audit policy: shown, set, and tried on stored events before it is set.

A change stands in the log with who made it and why before it has an effect. A preview reads events
of the caller's scope and tells numbers, actions and types, never an actor, a target or a body; it
is recorded with the rules that were tried, since rules can ask what they like.
"""

from __future__ import annotations

from hashlib import sha256

import msgspec
from starlette.responses import Response

from indelible.access import Permission
from indelible.base.clock import MICROS, wall_us
from indelible.base.errors import BadRequest, QueryError
from indelible.base.limits import AUDIT_POLICY_BYTES, PREVIEW_DAYS
from indelible.base.recorder import Touched
from indelible.ingest.audit_policy.preview import PreviewAnswer, PreviewRequest
from indelible.ingest.audit_policy.rules import parse_rules
from indelible.language.values import parse_when
from indelible.server.call import Call, doer_of, encoded, json_answer
from indelible.server.rooms import AuditPolicyVersion, AuditPolicyView, Author
from indelible.server.route import Route


class SetAuditPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """New rules as TOML or JSON, and why. Rules without a rule keep everything."""

    rules: str
    reason: str


class TryAuditPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rules to try on events from `since` until `until`: dates, times or ages; absent: the last 30
    days. `price` is what a GB costs for a month, in any currency."""

    rules: str
    since: str = ""
    until: str = ""
    price: float = 0.0


class AuditPolicyVersions(msgspec.Struct, frozen=True, kw_only=True):
    """The newest versions first."""

    versions: list[AuditPolicyVersion]


async def show(call: Call) -> Response:
    """What is in force, and what each rule did since."""
    await call.record("indelible.audit_policy.read", "read", counted=True)
    return json_answer(call.rooms.audit_policy())


async def versions(call: Call) -> Response:
    """Who set which rules when and why."""
    await call.record("indelible.audit_policy.read", "read", counted=True)
    return json_answer(AuditPolicyVersions(versions=list(call.rooms.audit_policies())))


async def version(call: Call) -> Response:
    """One version."""
    text = call.path_text("version")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise BadRequest(f"{text!r} is no version", field="version")
    await call.record("indelible.audit_policy.read", "read", counted=True)
    return json_answer(call.rooms.audit_policy_version(int(text)))


async def put(call: Call) -> Response:
    """Check, declare in the log, put in force."""
    asked = await call.body(SetAuditPolicy)
    rules = parse_rules(asked.rules)
    doer = doer_of(call.known)
    made = await call.rooms.set_audit_policy(
        asked.rules, asked.reason, Author(type=doer.type, id=doer.id, name=doer.name)
    )
    await call.record(
        "indelible.audit_policy.set", "configure",
        targets=(Touched(type="audit_policy", id=str(made.version)),),
        data={"reason": made.reason, "rules": len(rules), "index": made.index},
    )
    return json_answer(made, status=201)


async def preview(call: Call) -> Response:
    """Try rules on stored events; nothing changes."""
    asked = await call.body(TryAuditPolicy)
    parse_rules(asked.rules)
    now = wall_us()
    since, until = _when(asked.since, now, "since"), _when(asked.until, now, "until")
    until = now if until is None else until
    since = until - PREVIEW_DAYS * 86_400 * MICROS if since is None else since
    if since >= until:
        raise BadRequest("nothing is both since its beginning and before its end", field="until")
    if not 0 <= asked.price < 1e9:
        raise BadRequest("the price of a GB and month is no price", field="price")
    request = PreviewRequest(
        scope=call.principal.scope, rules=asked.rules, since_us=since, until_us=until,
        price=asked.price,
    )
    answer = await call.query("audit-policy-preview", request)
    await call.record(
        "indelible.audit_policy.preview", "read",
        data={
            "rules": asked.rules[:AUDIT_POLICY_BYTES],
            "sha256": sha256(asked.rules.encode()).hexdigest(),
            "since": asked.since, "until": asked.until,
        },
    )
    return encoded(answer)


def _when(text: str, now_us: int, field: str) -> int | None:
    if not text:
        return None
    try:
        return parse_when(text, now_us, 0).start
    except QueryError as error:
        error.field = field
        raise


ROUTES = (
    Route(
        method="GET",
        path="/v1/audit-policy",
        permission=Permission.STATUS,
        name="showAuditPolicy",
        summary="The audit policy in force, and what each of its rules did",
        handler=show,
        answer=AuditPolicyView,
    ),
    Route(
        method="GET",
        path="/v1/audit-policy/versions",
        permission=Permission.STATUS,
        name="listAuditPolicies",
        summary="Who set which rules of the audit policy, when and why",
        handler=versions,
        answer=AuditPolicyVersions,
    ),
    Route(
        method="GET",
        path="/v1/audit-policy/versions/{version}",
        permission=Permission.STATUS,
        name="showAuditPolicyVersion",
        summary="One version of the audit policy",
        handler=version,
        answer=AuditPolicyVersion,
    ),
    Route(
        method="POST",
        path="/v1/audit-policy/preview",
        permission=Permission.STATUS,
        name="previewAuditPolicy",
        summary="Try rules on stored events: what they save, and what they leave unanswered",
        handler=preview,
        asks=TryAuditPolicy,
        answer=PreviewAnswer,
    ),
    Route(
        method="POST",
        path="/v1/audit-policy",
        permission=Permission.SOURCES,
        name="setAuditPolicy",
        summary="Set the audit policy, with a reason that stands in the log",
        handler=put,
        asks=SetAuditPolicy,
        answer=AuditPolicyVersion,
        status=201,
    ),
)
