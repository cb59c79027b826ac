"""What can go wrong before or beside a verdict."""

from __future__ import annotations


class VerifyError(Exception):
    """An input that does not have the form it must have; the message says what and where."""


class Refused(VerifyError):
    """The input is no evidence at all: unreadable, not of the format, or beyond a limit."""


class UsageProblem(VerifyError):
    """The command line, a key or a verification policy given by the verifier is wrong."""


class Damaged(VerifyError):
    """Evidence of the right kind with a part that is not as the specification says.

    `index` is the entry concerned where the part belongs to one entry.
    """

    def __init__(self, message: str, index: int | None = None) -> None:
        super().__init__(message)
        self.index = index


class NoteInvalid(Damaged):
    """A signed note that is malformed, or bears a line of a given key that does not verify."""
