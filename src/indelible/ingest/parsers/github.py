"""GitHub's audit log: entries of an organization or enterprise, from the API, a stream, an export.

`docs/sources/github.md` has the table of what is filled from what; the entries are documented at
docs.github.com ("Audit log events for your enterprise"). Entries of older APIs, which keep some
members in `data`, are read alike. Webhooks are another format: `parsers.github_webhook`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from indelible.event.changes import diff
from indelible.event.model import (
    Actor,
    ActorType,
    Auth,
    Change,
    ChangeOp,
    Event,
    Operation,
    Outcome,
    Reason,
)
from indelible.event.paths import escape_segment
from indelible.ingest.parsers import pick
from indelible.ingest.parsers.contract import Given, NotUnderstood, Parser, Record, Understood
from indelible.ingest.parsers.github_actions import (
    by_level,
    concluded,
    operation_named,
    outcome_named,
)
from indelible.ingest.parsers.github_targets import one, targets_of
from indelible.ingest.parsers.pick import member, or_unset, text, word

_FACTS = {
    "actor_id": "actor_id", "user_id": "user_id", "token_id": "token_id",
    "token_scopes": "token_scopes", "operation_type": "operation_type",
    "transport_protocol_name": "transport", "protocol_name": "transport",
    "external_identity_nameid": "external_identity", "request_method": "method",
    "url_path": "path", "route": "path", "status_code": "status_code", "query_string": "query",
    "oauth_application_name": "oauth_app", "oauth_application_id": "oauth_app_id",
    "integration": "app", "application_client_id": "app_client_id", "branch": "branch",
    "head_branch": "branch", "head_sha": "head", "event": "trigger", "workflow_id": "workflow",
    "conclusion": "conclusion", "reason": "stated_reason", "message": "message", "name": "name",
    "ghsa_id": "ghsa_id", "repository_selection": "repository_selection", "public_repo":
    "public_repo", "repository_public": "public_repo", "invitation_email": "invited",
    "email": "email", "limit": "limit", "policy_override_reason": "stated_reason",
}
_GIVEN = ("permission", "permissions", "role")
_SHOWN = ("visibility",)
_LISTED = {"_added": ChangeOp.ADD, "_removed": ChangeOp.REMOVE, "_deleted": ChangeOp.REMOVE}
_encode = msgspec.json.Encoder().encode


def _record(record: Record, given: Given) -> Understood:
    """One entry; raises `NotUnderstood` when it names no action, or nobody and no moment."""
    record = _flat(record)
    said = text(record, "action")
    name = said.lower()
    if not name.strip("."):
        raise NotUnderstood("missing_field", "the entry has no action")
    time, flags = _time(record, given)
    actor, guessed = _actor(record, name, known=time is not UNSET)
    operation = operation_named(name, text(record, "operation_type"))
    if "permission" in record or "old_permission" in record:
        old = text(record, "old_permission", "old_repo_permission")
        operation = by_level(old.lower(), text(record, "permission").lower()) or operation
    outcome, reason = _outcome(record, name)
    done = outcome is UNSET or outcome is Outcome.SUCCESS
    event = Event(
        action=pick.action("github", *name.split(".")),
        actor=actor,
        operation=operation,
        targets=pick.targets(targets_of(record, name)),
        time=time,
        outcome=outcome,
        reason=reason,
        origin=pick.origin(
            ip=pick.client([text(record, "actor_ip")], given.proxies),
            user_agent=_free(record, "user_agent"),
            request_id=text(record, "request_id"),
        ),
        changes=pick.bounded(_changes(record, name, operation)) if done else UNSET,
        id=or_unset(text(record, "_document_id")),
        labels=_labels(record) or UNSET,
    )
    return Understood(event, _facts(record, said), flags, guessed)


def _recognise(record: Record, given: Given) -> str:
    if not isinstance(record.get("action"), str) or "sender" in record:
        return ""
    if "_document_id" in record:
        return "it has action and _document_id"
    if not isinstance(record.get("actor"), str):
        return ""
    timed = any(name in record for name in ("created_at", "@timestamp", "at_sign_timestamp"))
    placed = any(name in record for name in ("org", "repo", "business", "actor_location"))
    return "it has action, actor and a GitHub organization or repository" if (
        timed or "p_log_type" in record or "programmatic_access_type" in record
    ) and placed else ""


def _flat(record: Record) -> Record:
    """The entry with what older APIs keep in `data`."""
    inner = record.get("data")
    return {**inner, **record} if isinstance(inner, dict) else record


def _free(record: Record, name: str) -> str:
    value = record.get(name)
    return value if isinstance(value, str) else ""


def _time(record: Record, given: Given) -> tuple[datetime | UnsetType, tuple[str, ...]]:
    """When it happened (`@timestamp`), else when it was recorded; milliseconds, or a text."""
    for name in ("@timestamp", "at_sign_timestamp", "created_at"):
        value = record.get(name)
        if isinstance(value, str) and not value.isdigit():
            found, flags = pick.dated(given.zone, value)
        else:
            found, flags = pick.epoch(value, "ms"), ()
        if found is not UNSET:
            return found, flags
    return UNSET, ()


def _actor(record: Record, name: str, known: bool) -> tuple[Actor, tuple[str, ...]]:
    """Who acted, and whether that was inferred; raises `NotUnderstood` when nothing says it."""
    login = text(record, "actor") or word(record.get("actor"), "login")
    token = text(record, "hashed_token") or word(record, "token_id")
    method = text(record, "programmatic_access_type", "login_method")
    auth = Auth(method=method) if method else UNSET
    if login:
        email = text(record, "external_identity_nameid")
        return Actor(type=_actor_type(record, login), id=login, session=or_unset(token), auth=auth,
                     email=email if "@" in email else UNSET), ()
    if token:
        return Actor(type=ActorType.API_KEY, id=token, session=token, auth=auth), ()
    if name.startswith("git."):
        public = operation_named(name) is Operation.READ and (
            record.get("repository_public") is True or record.get("public_repo") is True)
        return Actor(type=ActorType.ANONYMOUS, id="anonymous"), () if public else ("actor",)
    claimed = text(record, "user")
    if claimed and operation_named(name) is Operation.LOGIN:
        return Actor(type=ActorType.USER, id=claimed, auth=auth), ()
    if not known and "_document_id" not in record:
        raise NotUnderstood("missing_actor", "the entry names nobody")
    return Actor(type=ActorType.SYSTEM, id="github"), ("actor",)


def _actor_type(record: Record, login: str) -> ActorType:
    if record.get("actor_is_agent") is True:
        return ActorType.AGENT
    if record.get("actor_is_bot") is True or login.endswith("[bot]"):
        return ActorType.SERVICE
    if login.lower() == "github":
        return ActorType.SYSTEM
    return ActorType.API_KEY if login == "deploy_key" else ActorType.USER


def _outcome(record: Record, name: str) -> tuple[Outcome | UnsetType, Reason | UnsetType]:
    """What the name says, the status of a request, or the conclusion of a run."""
    status = word(record, "status_code")
    if name == "api.request" and status.isdecimal():
        code = int(status) if len(status) <= len("000") else 0
        if code in (401, 403):
            return Outcome.DENIED, pick.reason(status)
        failed = code >= 400
        return (Outcome.FAILURE if failed else Outcome.SUCCESS), (
            pick.reason(status) if failed else UNSET)
    conclusion = text(record, "conclusion")
    if name.startswith("workflows.completed") and conclusion:
        return concluded(conclusion) or UNSET, pick.reason(
            "" if conclusion == "success" else conclusion)
    return outcome_named(name), UNSET


def _changes(record: Record, name: str, operation: Operation) -> Iterator[Change]:
    """Members that stand there twice, old and new; lists of what was added or removed."""
    paths: set[str] = set()
    for key, old in record.items():
        path = _base(key)
        if path and path not in paths:
            paths.add(path)
            new = record.get(f"new_{path}", record.get(path))
            yield from _replaced(_known_as(path, name), old, new)
    for key, new in record.items():
        if key.startswith("new_") and key[4:] not in paths:
            paths.add(key[4:])
            yield from _replaced(key[4:], None, new)
        for ending, op in _LISTED.items():
            if key.endswith(ending) and key.startswith("ruleset_") and isinstance(new, list):
                value, path = pick.raw(new), key.removesuffix(ending)
                added = op is ChangeOp.ADD
                yield Change(path=path, op=op, after=value if added else UNSET,
                             before=UNSET if added else value)
    verb = name.rpartition(".")[2]
    granted = operation in (Operation.GRANT, Operation.REVOKE) or verb.startswith("update_")
    for key in (*_GIVEN, *_SHOWN):
        wanted = granted if key in _GIVEN else verb in ("create", "access")
        if wanted and key not in paths and record.get(key) not in (None, ""):
            yield from _replaced(key, None, record[key])


def _base(key: str) -> str:
    """The member whose old value stands under `key`, or ''."""
    for front in ("old_", "previous_"):
        if key.startswith(front):
            return key.removeprefix(front)
    if key.startswith("ruleset_old_"):
        return "ruleset_" + key.removeprefix("ruleset_old_")
    return key.removesuffix("_was") if key.endswith("_was") else ""


def _known_as(path: str, name: str) -> str:
    return "owner" if path == "user" and name.startswith("repo.") else path


def _replaced(path: str, old: Any, new: Any) -> Iterator[Change]:
    """The change of one member; objects are compared member by member."""
    if old == new or not path:
        return
    path = escape_segment(path)
    if isinstance(old, dict) and isinstance(new, dict):
        if pick.shallow(old) and pick.shallow(new):
            for change in diff(_encode(old), _encode(new)):
                yield replace(change, path=f"{path}.{change.path}")
        return
    before = UNSET if old is None else pick.raw(old)
    after = UNSET if new is None else pick.raw(new)
    yield Change(path=path, op=ChangeOp.REPLACE, before=before, after=after)


def _labels(record: Record) -> dict[str, str]:
    said = (("org", one(record, "org")), ("enterprise", one(record, "business")),
            ("country", text(member(record, "actor_location"), "country_code", "country_name")))
    return {name: value for name, value in said if value}


def _facts(record: Record, said: str) -> dict[str, object]:
    """What has no member of its own and is worth a search of its own."""
    facts: dict[str, object] = {"vendor_action": said}
    for key, name in _FACTS.items():
        if key in record and name not in facts:
            value = record[key]
            facts[name] = value if isinstance(value, bool) else word(record, key)
    if facts.get("user_id") == "0":
        del facts["user_id"]
    return pick.flat(facts)


PARSER: Final = Parser(
    name="github",
    version="github/1",
    about="GitHub audit log entries",
    record=_record,
    recognise=_recognise,
)
