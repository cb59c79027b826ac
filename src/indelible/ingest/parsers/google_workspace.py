"""Google Workspace: activities as the Admin SDK's Reports API lists them.

One item may tell of several events that one act brought about. The event of Indelible is the one
that the item marks as primary, or the gravest; `data.other_events` names the others.
`docs/sources/google_workspace.md` has the table.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import UNSET, UnsetType

from indelible.base.limits import NAME_CHARS
from indelible.event.model import Actor, ActorType, Auth, Event, Operation, Outcome, Reason
from indelible.ingest.parsers import pick
from indelible.ingest.parsers.cloud import address, changes
from indelible.ingest.parsers.contract import Given, NotUnderstood, Parser, Record, Understood
from indelible.ingest.parsers.google_workspace_actions import activity_action, is_noticed
from indelible.ingest.parsers.google_workspace_parameters import (
    NAMING,
    Parameters,
    changes_of,
    parameters_of,
    targets_of,
)

_KIND: Final = "admin#reports#activity"
_PLACEHOLDER: Final = "105250506097979753968"
"""The profile id that stands for somebody who is not known."""
_SECOND: Final = frozenset((
    "backup_code", "google_authenticator", "google_prompt", "idv_any_phone",
    "idv_preregistered_phone", "internal_two_factor", "offline_otp", "security_key",
    "security_key_otp", "passkey", "time_based_otp",
))
"""Challenges that are a second factor."""
_NONE: Final = frozenset(("", "none", "no_access", "private"))
_AFFECTED: Final = "affected_email_address"
_DISABLED: Final = "account_disabled_"
"""Events that say in their names why Google disabled an account."""
_STRANGER: Final = "HANGOUTS_EXTERNAL_OR_ANONYMOUS"
"""The key under which Meet lists those who are not known."""
_ADDRESSES: Final = {"meet": "ip_address", "rules": "actor_ip_address"}
"""The parameter in which an application tells the address, where the item has none."""
_GRAVE: Final = {operation: place for place, operation in enumerate((
    Operation.GRANT, Operation.REVOKE, Operation.CONFIGURE, Operation.DELETE, Operation.CREATE,
    Operation.UPDATE, Operation.EXPORT, Operation.IMPORT, Operation.APPROVE, Operation.EXECUTE,
    Operation.LOGIN, Operation.LOGOUT, Operation.READ,
))}
"""Operations from the gravest on; `other` comes behind them all."""
_NOBODY: Final = Actor(type=ActorType.ANONYMOUS, id="anonymous")
_GOOGLE: Final = Actor(type=ActorType.SYSTEM, id="Google")


def _record(record: Record, given: Given) -> Understood:
    """One item; raises `NotUnderstood` when it holds no event or names nobody."""
    events = _events(record)
    if not events:
        raise NotUnderstood("missing_field", "the item has no event with a name")
    ident = pick.member(record, "id")
    application = pick.text(ident, "applicationName").lower()
    main, told = _main(events, application)
    name = pick.text(main, "name")
    action, operation = activity_action(application, name)
    time, flags = pick.dated(given.zone, ident.get("time"))
    outcome, reason = _outcome(name.lower(), application, told)
    agent = told.get("user_agent", told.get("USER_AGENT"))
    actor = _actor(record, told, name, outcome is Outcome.SUCCESS)
    by_google = is_noticed(name) and actor.id == told.get(_AFFECTED, actor.id)
    concerned = pick.target("workspace_user", actor.id) if (
        by_google and actor.type is ActorType.USER
    ) else []
    event = Event(
        action=action,
        actor=_GOOGLE if by_google else actor,
        operation=_class(operation, name.lower(), told),
        targets=pick.targets((*targets_of(application, told), *concerned)),
        time=time,
        outcome=outcome,
        reason=reason,
        origin=pick.origin(
            ip=address(
                record.get("ipAddress"), told.get("IP_ADDRESS"),
                told.get(_ADDRESSES.get(application, "")),
            ),
            device=pick.text(told, "DEVICE_ID", "device_id") if application in (
                "mobile", "chrome"
            ) else "",
            user_agent=agent if isinstance(agent, str) else "",
        ),
        changes=changes(changes_of(name, application, told)),
        id=_ident(ident),
        labels=_labels(record, ident, application),
    )
    guessed = ("actor",) if by_google else ()
    return Understood(event, _facts(record, main, events, told), flags, guessed)


def _recognise(record: Record, given: Given) -> str:
    kind = record.get("kind")
    if isinstance(kind, str) and kind.lower() in (_KIND, "audit#activity", "reports#activity"):
        return f"its kind is {kind}"
    ident = record.get("id")
    if isinstance(ident, dict) and "applicationName" in ident and "events" in record:
        return "it has events and an id with an applicationName"
    return ""


def _events(record: Record) -> list[Record]:
    """The events of an item; collectors that split items leave one that is no list."""
    found = record.get("events")
    found = [found] if isinstance(found, dict) else found if isinstance(found, list) else []
    return [one for one in found if pick.text(one, "name")]


def _main(events: list[Record], application: str) -> tuple[Record, Parameters]:
    """The event that is marked as primary, or the gravest, with its parameters.

    A right that was given is not hidden behind the look at the document that came with it: not
    from those who search, and not from an audit policy that drops reads.
    """
    told = [parameters_of(one) for one in events] if len(events) > 1 else []
    graves = [
        _GRAVE.get(activity_action(application, pick.text(one, "name"))[1], len(_GRAVE))
        for one in events
    ]
    at = graves.index(min(graves))
    for number, parameters in enumerate(told):
        if parameters.get("primary_event") is True and (
            graves[number] < _GRAVE[Operation.READ] or graves[at] >= _GRAVE[Operation.READ]
        ):
            at = number
            break
    return events[at], told[at] if told else parameters_of(events[at])


def _actor(record: Record, told: Parameters, name: str, succeeded: bool) -> Actor:
    """Who acted: a person, an application in its name or in a person's, or nobody known."""
    said = pick.member(record, "actor")
    kind, email = pick.text(said, "callerType"), pick.text(said, "email")
    profile, key = pick.word(said, "profileId"), pick.text(said, "key")
    info = pick.member(said, "applicationInfo")
    if email:
        actor = Actor(
            type=ActorType.SERVICE if email.endswith(".gserviceaccount.com") else ActorType.USER,
            id=email, auth=_auth(told, name, succeeded) or UNSET,
        )
        if info.get("impersonation") is True:
            client = pick.text(info, "oauthClientId", "applicationName")
            if client:
                shown = pick.text(info, "applicationName")
                service = Actor(
                    type=ActorType.SERVICE, id=client, name=shown if shown != client else UNSET
                )
                return pick.behind(service, [actor])
        return actor
    if key == _STRANGER:
        return _NOBODY
    if key and kind != "USER":
        system = key.upper() in ("SYSTEM", "GOOGLE")
        return Actor(type=ActorType.SYSTEM if system else ActorType.SERVICE, id=key)
    client = pick.text(info, "oauthClientId", "applicationName")
    if client:
        shown = pick.text(info, "applicationName")
        return Actor(
            type=ActorType.SERVICE, id=client, name=shown if shown != client else UNSET
        )
    affected = pick.text(told, _AFFECTED)
    if affected:
        return Actor(type=ActorType.USER, id=affected)
    if profile == _PLACEHOLDER or (kind == "USER" and not profile):
        return _NOBODY
    if profile:
        return Actor(type=ActorType.USER, id=profile)
    if is_noticed(name):
        return _GOOGLE
    raise NotUnderstood("missing_actor", "the item names nobody: its actor is empty")


def _auth(told: Parameters, name: str, succeeded: bool) -> Auth | None:
    """How somebody signed in, and whether with a second factor."""
    method = pick.text(told, "login_type")
    methods = told.get("login_challenge_method")
    used = methods if isinstance(methods, list) else [methods]
    second = told.get("is_second_factor")
    mfa: bool | None = second if isinstance(second, bool) else None
    if mfa is None and succeeded and any(one for one in used):
        mfa = any(isinstance(one, str) and one.lower() in _SECOND for one in used)
    if not method and (mfa is None or not name.lower().startswith("login")):
        return None
    return Auth(method=method or UNSET, mfa=UNSET if mfa is None else mfa)


def _outcome(
    name: str, application: str, told: Parameters
) -> tuple[Outcome | UnsetType, Reason | UnsetType]:
    """What an event says of its end; most say nothing, because only what was done is listed."""
    if name == "login_success":
        return Outcome.SUCCESS, UNSET
    if name == "login_failure":
        code = pick.text(
            told, "login_failure_type", "failure_type", "saml_status_code",
            "saml_second_level_status_code",
        )
        return Outcome.FAILURE, pick.reason(code)
    if name in ("login_challenge", "login_verification"):
        status = pick.text(told, "login_challenge_status")
        if "pass" in status.lower():
            return Outcome.SUCCESS, UNSET
        return (Outcome.FAILURE, pick.reason(status)) if status else (UNSET, UNSET)
    if name == "risky_sensitive_action_blocked" or (
        application == "context_aware_access" and name.startswith("access_deny")
    ):
        return Outcome.DENIED, UNSET
    if name.startswith(_DISABLED):
        return UNSET, pick.reason(name.removeprefix(_DISABLED))
    return UNSET, UNSET


def _class(operation: Operation, name: str, told: Parameters) -> Operation:
    """Whether a change of access gave it or took it."""
    if operation is not Operation.GRANT:
        return operation
    kind = pick.text(told, "membership_change_type", "visibility_change")
    taken = kind in ("remove_from_shared_drive", "remove_from_team_drive", "internal")
    if name.startswith("change_user_access"):
        new = told.get("new_value")
        given = new if isinstance(new, list) else [new]
        taken = all(isinstance(one, str) and one in _NONE for one in given)
    elif name == "change_calendar_acls":
        taken = pick.text(told, "access_level") in _NONE
    return Operation.REVOKE if taken else operation


def _ident(ident: Record) -> str | UnsetType:
    """Customer, application, time and qualifier: only together do they name one item."""
    parts = (
        pick.text(ident, "customerId"), pick.text(ident, "applicationName"),
        pick.text(ident, "time"), pick.word(ident, "uniqueQualifier"),
    )
    whole = "/".join(parts)
    return whole if all(parts[1:]) and len(whole) <= NAME_CHARS else UNSET


def _labels(record: Record, ident: Record, application: str) -> dict[str, str] | UnsetType:
    found = {
        "account": pick.text(ident, "customerId"),
        "application": application,
        "domain": pick.text(record, "ownerDomain"),
        "country": pick.text(pick.member(record, "networkInfo"), "regionCode"),
    }
    return {name: value for name, value in found.items() if value} or UNSET


def _facts(
    record: Record, main: Record, events: list[Record], told: Parameters
) -> dict[str, Any]:
    """What has no member of its own: the other events, and the parameters in plain values."""
    said = pick.member(record, "actor")
    plain = {
        name: value for name, value in told.items()
        if name not in NAMING and value is not None and not isinstance(value, dict)
        and (not isinstance(value, str) or len(value) <= NAME_CHARS) and pick.shallow(value)
    }
    return pick.flat({
        "vendor_action": pick.text(main, "name"),
        "event_type": pick.text(main, "type"),
        "profile_id": pick.word(said, "profileId"),
        "other_events": [pick.text(one, "name") for one in events if one is not main],
        "parameters": plain,
    })


PARSER: Final = Parser(
    name="google_workspace",
    version="google_workspace/1",
    about="Google Workspace activities (Admin SDK Reports API)",
    record=_record,
    recognise=_recognise,
)
