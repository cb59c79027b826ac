"""Checks that stay on in production."""

from __future__ import annotations

from indelible.base.errors import Damaged


class InvariantViolated(Damaged):
    """The program contradicts itself: it stops rather than write something doubtful."""

    code = "invariant_violated"
    remedy = "Stop and report this with the message; what was acknowledged is on disk."


def invariant(condition: bool, message: str) -> None:
    """Raise `InvariantViolated` with `message` unless `condition` holds."""
    if not condition:
        raise InvariantViolated(message)
