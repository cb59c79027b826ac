"""What verification found and nobody has mended: kept over restarts, settled by a clean run.

A finding stands in `Core.damage`, and so in `/readyz`, the status and a metric, until a
verification of everything it concerned comes out clean.
"""

from __future__ import annotations

import msgspec

from indelible.base.errors import Damaged
from indelible.base.limits import DAMAGE_KEPT
from indelible.store.meta import Meta

_KEY = "damage"


class Finding(msgspec.Struct, frozen=True):
    """What is said, and which entries were looked at (both ends included; None: open)."""

    text: str
    first: int | None = None
    last: int | None = None

    def within(self, first: int | None, last: int | None) -> bool:
        """Whether a run from `first` to `last` looked at everything that this concerned."""
        below = first is None or first == 0 or (self.first is not None and self.first >= first)
        return below and (last is None or (self.last is not None and self.last <= last))


def findings(meta: Meta) -> list[Finding]:
    """What stands. What cannot be read stands too, until all entries are verified again."""
    try:
        return kept_findings(meta)
    except Damaged as error:
        return [Finding(error.message)]


def kept_findings(meta: Meta) -> list[Finding]:
    """What stands; raises `Damaged` when it is not what was written."""
    try:
        return msgspec.json.decode(meta.get(_KEY) or b"[]", type=list[Finding])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Damaged(f"what verification found before cannot be read: {error}") from error


def remember(meta: Meta, damage: list[str], finding: Finding) -> None:
    """Add a finding to the store and to the running ledger's list."""
    kept = findings(meta)
    if finding not in kept and len(kept) < DAMAGE_KEPT:
        meta.put(_KEY, msgspec.json.encode([*kept, finding]))
    if finding.text not in damage:
        damage.append(finding.text)


def settle(meta: Meta, damage: list[str], first: int | None, last: int | None) -> None:
    """A verification from `first` to `last` was clean: what lay within stands no longer."""
    kept = findings(meta)
    left = [finding for finding in kept if not finding.within(first, last)]
    if len(left) == len(kept):
        return
    meta.put(_KEY, msgspec.json.encode(left))
    standing = {finding.text for finding in left}
    for finding in kept:
        if finding.text not in standing and finding.text in damage:
            damage.remove(finding.text)
