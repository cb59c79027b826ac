"""The parameters of a Google Workspace event: as values, as targets and as changes.

A parameter has its value in one of several members (`value`, `intValue`, `boolValue`, `multiValue`,
`messageValue` and so on). Admin activities name things in capitals, the other applications in lower
case.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from indelible.base.limits import NAME_CHARS
from indelible.event.model import Change, ChangeOp, Target
from indelible.event.paths import escape_segment
from indelible.ingest.parsers import pick
from indelible.ingest.parsers.cloud import change, difference
from indelible.ingest.parsers.contract import Record

Parameters: TypeAlias = dict[str, Any]
_VALUES: Final = ("value", "boolValue", "intValue", "multiValue", "multiIntValue")
_THINGS: Final = (
    ("USER_EMAIL", "workspace_user"), ("affected_email_address", "workspace_user"),
    ("GROUP_EMAIL", "workspace_group"), ("group_email", "workspace_group"),
    ("group_id", "workspace_group"), ("ROLE_NAME", "workspace_role"),
    ("PRIVILEGE_NAME", "workspace_privilege"), ("API_CLIENT_NAME", "workspace_api_client"),
    ("OAUTH2_APP_NAME", "workspace_oauth_app"), ("DOMAIN_NAME", "workspace_domain"),
    ("DOMAIN_ALIAS", "workspace_domain"), ("SECONDARY_DOMAIN_NAME", "workspace_domain"),
    ("ORG_UNIT_NAME", "workspace_org_unit"), ("APPLICATION_NAME", "workspace_application"),
    ("SERVICE_NAME", "workspace_service"), ("SETTING_NAME", "workspace_setting"),
    ("ALERT_NAME", "workspace_alert"), ("RULE_NAME", "workspace_rule"),
    ("RESOURCE_IDENTIFIER", "workspace_calendar_resource"), ("PRODUCT_NAME", "workspace_product"),
    ("DEVICE_ID", "workspace_device"), ("DEVICE_SERIAL_NUMBER", "workspace_device"),
    ("EMAIL_MONITOR_DEST_EMAIL", "workspace_user"), ("NEW_VALUE_EMAIL", "workspace_user"),
    ("target_user", "workspace_user"), ("target", "workspace_user"),
    ("new_owner", "workspace_user"), ("user_email", "workspace_user"),
    ("member_id", "workspace_user"), ("grantee_email", "workspace_user"),
    ("event_guest", "workspace_user"),
    ("email_forwarding_destination_address", "workspace_user"),
)
"""Parameters that name a thing, the main one first, with the type of it."""
_TITLES: Final = MappingProxyType({
    "doc_id": ("workspace_drive_item", "doc_title"),
    "client_id": ("workspace_oauth_client", "app_name"),
    "calendar_id": ("workspace_calendar", "calendar_name"),
    "event_id": ("workspace_calendar_event", "event_title"),
    "meeting_code": ("workspace_meeting", "meeting_title"),
    "shared_drive_id": ("workspace_shared_drive", "shared_drive_name"),
})
"""Parameters with the id of a thing, with its type and the parameter of its name."""
NAMING: Final = frozenset(
    [name for name, _ in _THINGS] + list(_TITLES) + [title for _, title in _TITLES.values()]
)
"""Parameters that become targets."""


def parameters_of(event: Record) -> Parameters:
    """The parameters of an event by name."""
    found: Parameters = {}
    for one in pick.items(event, "parameters"):
        name = pick.text(one, "name")
        if name and name not in found:
            found[name] = _value(one)
    return found


def _value(parameter: Record) -> Any:
    for member in _VALUES:
        if member in parameter:
            return parameter[member]
    message = parameter.get("messageValue")
    if isinstance(message, dict):
        return _message(message)
    several = parameter.get("multiMessageValue")
    if isinstance(several, list):
        return [_message(one) for one in several if isinstance(one, dict)]
    return None


def _message(part: Record) -> Parameters:
    """A message within a parameter: its parameters in turn, without messages of their own."""
    found: Parameters = {}
    for one in pick.items(part, "parameter"):
        name = pick.text(one, "name")
        value = next((one[member] for member in _VALUES if member in one), None) if name else None
        if value is not None:
            found.setdefault(name, value)
    return found


def targets_of(application: str, told: Parameters) -> Iterator[Target]:
    """The things that the parameters name."""
    for name, (kind, title) in _TITLES.items():
        if name in told:
            yield from pick.target(kind, pick.word(told, name), pick.text(told, title))
    if application == "saml":
        yield from pick.target("workspace_saml_application", pick.text(told, "application_name"))
    for name, kind in _THINGS:
        value = told.get(name)
        if value is None:
            continue
        for one in value if isinstance(value, list) else (value,):
            if isinstance(one, str) and len(one) <= NAME_CHARS:
                yield from pick.target(kind, one)


def changes_of(name: str, application: str, told: Parameters) -> Iterator[Change]:
    """What was there before and what is there now, under the name of what it is."""
    low = name.lower()
    if application == "drive":
        yield from _shared(low, told)
        return
    if application == "token":
        scopes = told.get("scope")
        if scopes:
            op = ChangeOp.REMOVE if low == "revoke" else ChangeOp.ADD
            before, after = (scopes, None) if low == "revoke" else (None, scopes)
            yield from change("scope", before, after, op)
        return
    old, new = told.get("OLD_VALUE", told.get("old_value")), told.get(
        "NEW_VALUE", told.get("new_value")
    )
    path = escape_segment(pick.text(told, "SETTING_NAME", "USER_CUSTOM_FIELD")) or _subject(low)
    if low == "move_user_to_org_unit":
        old, path = told.get("ORG_UNIT_NAME", old), "org_unit"
    if old is not None or "OLD_VALUE" in told or "old_value" in told:
        yield from difference(path, old, new)
    else:
        yield from change(path, None, new)
    level = told.get("access_level")
    if level:
        yield from change("access_level", told.get("old_access_level"), level)
    for role in ("ROLE_NAME", "PRIVILEGE_NAME"):
        if role in told and low in ("assign_role", "unassign_role", "add_privilege",
                                    "remove_privilege"):
            given = low in ("assign_role", "add_privilege")
            value = told[role]
            yield from change(
                role.lower().removesuffix("_name"), None if given else value,
                value if given else None, ChangeOp.ADD if given else ChangeOp.REMOVE,
            )


def _subject(name: str) -> str:
    """What an event without a setting's name changes: `change_first_name` a `first_name`."""
    front, _, rest = name.partition("_")
    return rest if front in ("change", "update", "rename", "toggle", "edit") and rest else name


def _shared(name: str, told: Parameters) -> Iterator[Change]:
    """Who may see a document: the visibility, and the rights of the one it is shared with."""
    if "old_visibility" in told:
        yield from difference("visibility", told["old_visibility"], told.get("visibility"))
    yield from difference(
        "publish_visibility", told.get("old_publish_visibility"), told.get("new_publish_visibility")
    )
    old, new = _plain(told.get("old_value")), _plain(told.get("new_value"))
    who = pick.text(told, "target_user", "target_domain")
    if name.startswith("change_user_access") and who:
        yield from difference(f"access.{escape_segment(who)}", old, new)
    elif name == "rename":
        yield from difference("title", old, new or pick.text(told, "doc_title"))
    elif old or new:
        yield from difference(_subject(name), old, new)
    yield from difference(
        f"membership.{escape_segment(pick.text(told, 'target'))}", told.get("removed_role"),
        told.get("added_role"),
    )
    yield from difference(
        "settings_state", told.get("old_settings_state"), told.get("new_settings_state")
    )
    if name in ("change_owner", "owner_changed"):
        yield from change("owner", told.get("owner"), told.get("new_owner"))


def _plain(value: Any) -> Any:
    """A value that stands alone in a list; `none` is no right at all."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return None if value in ("none", ["none"]) else value
