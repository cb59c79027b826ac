"""Errors as a person at a terminal, or a program reading JSON, wants them."""

from __future__ import annotations

import msgspec

from indelible.base.errors import (
    EXIT_ERROR,
    EXIT_REFUSED,
    EXIT_UNREACHABLE,
    EXIT_USAGE,
    IndelibleError,
)
from indelible.cli.visible import visible, width

_BY_STATUS = {
    400: EXIT_USAGE,
    502: EXIT_UNREACHABLE,
    504: EXIT_UNREACHABLE,
    **dict.fromkeys((401, 403, 404, 409, 410, 413, 415, 422, 429), EXIT_REFUSED),
}


class Refused(IndelibleError):
    """The command cannot be done as asked: no right, bad input, wrong folder."""

    code = "refused"
    status = 422
    exit_code = EXIT_REFUSED
    remedy = "Correct what the message names."


class Misused(IndelibleError):
    """The command line cannot be understood."""

    code = "usage"
    status = 400
    exit_code = EXIT_USAGE
    remedy = "`indelible --help` lists the commands, `indelible COMMAND --help` its options."


class Answered(IndelibleError):
    """An error that the server answered; `text` is the query whose character `position` names."""

    def __init__(self, said: ErrorBody, status: int, text: str = "") -> None:
        super().__init__(
            said.message, field=said.field, position=said.position, remedy=said.remedy,
            code=said.code,
        )
        self.status = status
        self.exit_code = exit_code_of(said.code, status)
        self.text = text


class ErrorBody(msgspec.Struct, frozen=True, kw_only=True):
    """The inside of the one error shape (`docs/reference/errors.md`)."""

    code: str = "error"
    message: str = ""
    field: str | None = None
    position: int | None = None
    remedy: str = ""


class ErrorAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The one error shape."""

    error: ErrorBody


def _codes(root: type[IndelibleError]) -> dict[str, int]:
    found = {root.code: root.exit_code}
    for child in root.__subclasses__():
        found.update(_codes(child))
    return found


def exit_code_of(code: str, status: int) -> int:
    """The exit code of an error code; of the HTTP status where the code is a newer server's."""
    known = _codes(IndelibleError)
    if code in known and code != IndelibleError.code:
        return known[code]
    return _BY_STATUS.get(status, EXIT_ERROR)


def as_json(error: IndelibleError) -> bytes:
    """The error as the one JSON document that `--json` prints."""
    return msgspec.json.encode({"error": error.as_dict()})


def as_text(error: IndelibleError) -> str:
    """Message, place and remedy, one a line; a caret under the offending character of a query."""
    lines = [f"error: {visible(error.message)}"]
    text = getattr(error, "text", "")
    if text and error.position is not None and 0 <= error.position <= len(text):
        before = visible(text[: error.position])
        lines += [f"  {visible(text)}", "  " + " " * width(before) + "^"]
    elif error.field:
        lines.append(f"  field: {visible(error.field)}")
    if error.remedy:
        lines.append(f"  remedy: {visible(error.remedy)}")
    lines.append(f"  code: {visible(error.code)}")
    return "\n".join(lines)
