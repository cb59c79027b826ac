"""The catalogue of `windows_events` and `windows_objects` as rows by provider and event id."""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple

from indelible.event.actions import operation_of
from indelible.event.model import Operation, Outcome
from indelible.ingest.parsers import windows_events as events
from indelible.ingest.parsers import windows_objects as objects


class Wanted(NamedTuple):
    """One target to look for: a rule's name, or a kind with the fields of its id and name."""

    rule: str
    kind: str = ""
    field: str = ""
    name: str = ""


class Row(NamedTuple):
    """What an event id means. `access`: the operation is that of the rights used."""

    action: str
    operation: Operation
    access: bool
    actor: str
    targets: tuple[Wanted, ...]
    changes: str
    outcome: Outcome | None
    denies: bool


AUDITING: Final = "microsoft-windows-security-auditing"

_TEXTS: Final = {
    AUDITING: events.SECURITY + objects.SECURITY,
    "microsoft-windows-eventlog": events.EVENTLOG,
    "eventlog": events.EVENTLOG,
    "service control manager": objects.SERVICES,
    "user32": objects.USER32,
    "microsoft-windows-kernel-general": objects.KERNEL_GENERAL,
    "microsoft-windows-kernel-power": objects.KERNEL_POWER,
    "microsoft-windows-sysmon": objects.SYSMON,
    "microsoft-windows-powershell": objects.POWERSHELL,
    "powershell": objects.POWERSHELL,
    "microsoft-windows-applocker": objects.APPLOCKER,
    "microsoft-windows-taskscheduler": objects.TASK_SCHEDULER,
    "microsoft-windows-terminalservices-localsessionmanager": objects.TERMINAL_SESSIONS,
    "microsoft-windows-terminalservices-remoteconnectionmanager": objects.TERMINAL_CONNECTIONS,
    "microsoft-windows-windows defender": objects.DEFENDER,
    "microsoft-windows-windows firewall with advanced security": objects.FIREWALL,
}


@cache
def rows() -> dict[str, dict[int, Row]]:
    """Provider, in lower case, to its rows by event id."""
    return {provider: dict(map(_row, _lines(text))) for provider, text in _TEXTS.items()}


def row_of(provider: str, event_id: int) -> Row | None:
    """The row of an event, None when the catalogue has none."""
    known = rows().get(provider.lower())
    return known.get(event_id) if known else None


def _lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line and not line.startswith("#")]


def _row(line: str) -> tuple[int, Row]:
    number, action, operation, actor, targets, *more = line.split()
    marks = {mark[:-1] for mark in more if mark.endswith("!")}
    changes = [word for word in more if word != "-" and not word.endswith("!")]
    access = operation == "access"
    kind = Operation.READ if access else None
    if operation not in ("-", "access"):
        kind = Operation(operation)
    known = [outcome for outcome in Outcome if outcome.value in marks]
    return int(number), Row(
        action=f"windows.{action}",
        operation=kind or operation_of(action),
        access=access,
        actor=actor,
        targets=tuple(_wanted(one) for one in targets.split("+") if one != "-"),
        changes=changes[0] if changes else "",
        outcome=known[0] if known else None,
        denies=access or "denies" in marks,
    )


def _wanted(word: str) -> Wanted:
    kind, equals, fields = word.partition("=")
    if not equals:
        return Wanted(rule=word)
    field, _, name = fields.partition("/")
    return Wanted("field", f"windows_{kind}", field.replace("_", " "), name.replace("_", " "))
