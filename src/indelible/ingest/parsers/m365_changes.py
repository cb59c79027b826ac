"""What a record of Microsoft 365's unified audit log says was changed.

Entra ID and SharePoint tell old and new values, Teams those of one setting, and Exchange the
parameters of the cmdlet, which are new values.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from indelible.event.model import Change, ChangeOp
from indelible.event.paths import escape_segment
from indelible.ingest.parsers import pick
from indelible.ingest.parsers.cloud import change, difference
from indelible.ingest.parsers.contract import Record
from indelible.ingest.parsers.entra_audit import modified

_NO_VALUES: Final = frozenset((
    "identity", "domaincontroller", "organization", "force", "confirm", "whatif", "erroraction",
    "warningaction", "verbose", "debug", "mailbox", "alwaysdeleteoutlookrulesblob",
    "resultsize", "user", "member", "trustee", "ignoredefaultscope", "bypassmoderatorcheck",
))
"""Parameters that name the thing, or that only say how the cmdlet runs."""
_READING: Final = ("get-", "search-", "test-", "export-", "view-", "remove-")


def changes_of(said: Record, service: str, name: str) -> Iterator[Change]:
    """The changes of one record."""
    properties = pick.items(said, "ModifiedProperties")
    yield from modified(properties, "Name", "OldValue", "NewValue")
    setting = pick.text(said, "Name")
    if setting and ("OldValue" in said or "NewValue" in said):
        yield from difference(escape_segment(setting), said.get("OldValue"), said.get("NewValue"))
    low = name.lower()
    if service in ("exchange", "compliance") and not low.startswith(_READING):
        op = ChangeOp.ADD if low.startswith(("new-", "add-")) else None
        for one in pick.items(said, "Parameters"):
            path = pick.text(one, "Name")
            if path and path.lower() not in _NO_VALUES:
                yield from change(escape_segment(path), None, one.get("Value"), op)
    if low == "filerenamed" and pick.text(said, "DestinationFileName"):
        yield from change(
            "name", pick.text(said, "SourceFileName"), pick.text(said, "DestinationFileName")
        )
