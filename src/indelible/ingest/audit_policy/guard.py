"""What no audit policy may drop or roll up: decided on the event itself, whatever a rule says.

Failures, denials, and everything that gives or takes rights or changes how things work is what an
audit log is for: an intruder who could make one of these vanish would need no other trick.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from indelible.base.limits import REMEMBERED
from indelible.event.actions import operation_of

OUTCOMES: Final = frozenset(("failure", "denied"))
OPERATIONS: Final = frozenset(("grant", "revoke", "configure"))
"""`revoke` is the other half of `grant`: without it the log would tell of rights long gone."""


def guarded(action: str, operation: str, outcome: str) -> bool:
    """Whether an event must be kept as one event.

    A sender may state the operation itself, so the catalogue's class of the action counts too: a
    `role.grant` that calls itself a read is kept. What is in doubt is kept.
    """
    return outcome in OUTCOMES or operation in OPERATIONS or _by_name(action)


@lru_cache(maxsize=REMEMBERED)
def _by_name(action: str) -> bool:
    return operation_of(action).value in OPERATIONS
