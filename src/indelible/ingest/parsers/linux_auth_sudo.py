"""Working as another account: sudo, su, runuser, pkexec.

The actor is who asked; the account whose rights were taken is a target. Sources: sudo's event log
(lib/eventlog) and sudoers(5) "Log format", su of util-linux and of shadow, pkexec of polkit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from msgspec import UNSET, UnsetType

from indelible.event.model import Actor, Operation, Outcome, Reason, Target
from indelible.ingest.parsers.contract import Understood
from indelible.ingest.parsers.linux_auth_parts import (
    DENIED,
    FAILURE,
    SUCCESS,
    Found,
    Line,
    Rules,
    because,
    daemon,
    local,
    number,
    told,
    user,
)

_FIELD = re.compile(r"(?:^| ; )(HOST|TTY|CHROOT|PWD|CWD|USER|GROUP|TSID|ENV|COMMAND)=")
_LATER = re.compile(r" ; USER=([^ ]*)(?= ; )")
_END = re.compile(r" ; (EXIT|SIGNAL)=(\w{1,16})$")
_DENIED = re.compile(
    r"command not allowed|user NOT (?:in sudoers|authorized on host)|not allowed|not permitted"
    r"|may not run|locked\?|is not in the sudoers"
)
_FAILED = re.compile(
    r"incorrect password|password is required|no tty present|terminal is required|must have a tty"
    r"|expired|account validation|authentication (?:failure|error)|unable to (?:execute|fork)"
    r"|password (?:could|can)not be|timed out|no askpass|Sorry, try again|no password was provided"
    r"|command not found|not a regular file|rejected"
)


_ORDER: Final = {
    name: place for place, names in enumerate(
        ("HOST", "TTY", "CHROOT", "PWD CWD", "USER", "GROUP", "TSID", "ENV", "COMMAND")
    ) for name in names.split()
}
"""The order in which sudo writes its fields, each once (`eventlog.c`)."""


class _Asked(NamedTuple):
    """sudo's message by its fields; `reason` is what stands before the first of them.

    `accounts` are all whose rights may have been taken, more than one only if `ambiguous`.
    """

    reason: str
    fields: dict[str, str]
    accounts: list[str]
    ambiguous: bool


def _fields(text: str) -> _Asked:
    """The fields in front of `COMMAND`, which takes all the rest.

    A directory's name may hold ` ; USER=`, and sudo writes it as it is: where a field comes twice,
    or in a place where sudo does not write it, the message can be read in more than one way.
    """
    fields: dict[str, str] = {}
    accounts: list[str] = []
    marks = list(_marks(text))
    ends = [begin for _, _, begin in marks[1:]] + [len(text)]
    for (name, start, _), end in zip(marks, ends, strict=False):
        value = text[start:end].removesuffix(" ;")
        fields.setdefault(name, value)
        if name == "USER":
            accounts.append(value)
    before = text[: marks[0][2]] if marks else text
    places = [_ORDER[name] for name, _, _ in marks]
    command = fields.get("COMMAND", "")
    ambiguous = " ; COMMAND=" in command or places != sorted(set(places))
    if ambiguous:
        accounts += _LATER.findall(command)
    return _Asked(before.strip(" ;"), fields, accounts, ambiguous)


def _marks(text: str) -> Iterator[tuple[str, int, int]]:
    """Each field's name, where its value begins, and where the field does."""
    for found in _FIELD.finditer(text):
        yield found[1], found.end(), found.start()
        if found[1] == "COMMAND":
            return


def _sudo(found: Found, line: Line) -> Understood:
    """`ann : TTY=pts/0 ; PWD=/home/ann ; USER=root ; COMMAND=/usr/bin/id`."""
    asked = _fields(found["rest"])
    fields = asked.fields
    command = fields.get("COMMAND", "")
    outcome, why = _ended(asked.reason, command)
    facts: dict[str, object] = {
        "command": command, "tty": fields.get("TTY"), "cwd": fields.get("PWD") or fields.get("CWD"),
        "chroot": fields.get("CHROOT"), "env": fields.get("ENV"), "tsid": fields.get("TSID"),
        "run_as": fields.get("USER"), "run_as_group": fields.get("GROUP"),
        "host": fields.get("HOST"),
    }
    if asked.ambiguous:
        return _ambiguous(asked, user(found["user"]), line, outcome, why)
    end = _END.search(command)
    if end is not None:
        facts["exit" if end[1] == "EXIT" else "signal"] = number(end[2])
    action, operation, touched = _what(line, command)
    touched += local(line, "user", fields.get("USER")) + local(line, "group", fields.get("GROUP"))
    return told(
        line, action, user(found["user"]), asked.reason or "COMMAND", operation=operation,
        outcome=outcome, why=why, touched=touched or None, data=facts,
    )


def _ambiguous(
    asked: _Asked, by: Actor, line: Line, outcome: Outcome | UnsetType, why: Reason | UnsetType
) -> Understood:
    """A message that may be read in several ways: a command, as any of the accounts in it.

    What was run is not taken from it, for it may be the word of who chose a directory's name; the
    text behind the first `COMMAND=` is kept for the eye.
    """
    return told(
        line, "sudo.command.execute", by, asked.reason or "COMMAND", operation=Operation.EXECUTE,
        outcome=outcome, why=why, touched=local(line, "user", *asked.accounts) or None,
        data={"command": asked.fields.get("COMMAND"), "tty": asked.fields.get("TTY"),
              "ambiguous": True},
        guessed=("action", "operation", "targets"),
    )


def _ended(
    words: str, command: str
) -> tuple[Outcome | UnsetType, Reason | UnsetType]:
    """What sudo's reason means; one that is no refusal (a warning) says nothing of the outcome."""
    if not words:
        return (SUCCESS if command else UNSET), UNSET
    if _DENIED.search(words):
        code = "not_in_sudoers" if "in sudoers" in words else "not_allowed"
        return DENIED, because(code, words)
    if _FAILED.search(words):
        code = "incorrect_password" if "incorrect password" in words else ""
        return FAILURE, because(code, words)
    return UNSET, because("", words)


def _what(line: Line, command: str) -> tuple[str, Operation, list[Target]]:
    """The action by the command; `list`, `validate` and `sudoedit` are sudo's own."""
    name, _, rest = command.partition(" ")
    if name == "sudoedit":
        files = [one for one in rest.split(" ") if one and one != "--"]
        return "sudo.file.edit", Operation.UPDATE, local(line, "file", *files)
    if name == "list":
        return "sudo.privileges.list", Operation.READ, local(line, "command", rest.split(" ")[0])
    if name == "validate":
        return "sudo.credentials.validate", Operation.LOGIN, []
    if not command:
        return "sudo.command.report", Operation.OTHER, []
    return "sudo.command.execute", Operation.EXECUTE, local(line, "command", name)


def _continued(found: Found, line: Line) -> Understood:
    """The rest of a message that was too long for one line."""
    return told(
        line, "sudo.command.continue", user(found["user"]), "(command continued)",
        operation=Operation.OTHER, data={"command": found["rest"]},
    )


def _su(found: Found, line: Line) -> Understood:
    """One account takes another's place."""
    said = found.groupdict()
    failed = bool(said.get("failed"))
    return told(
        line, "su.user.assume", user(said["by"]), said.get("phrase") or "su",
        operation=Operation.LOGIN, outcome=FAILURE if failed else SUCCESS,
        why=because("authentication_failed") if failed else UNSET,
        touched=local(line, "user", said["user"]), data={"tty": said.get("tty")},
    )


def _su_of_system_v(found: Found, line: Line) -> Understood:
    """`'su root' failed for ann on /dev/pts/8`, as Solaris and syslog's RFCs have it."""
    said = found.groupdict()
    failed = bool(said["failed"])
    return told(
        line, "su.user.assume", user(said["by"]), "su failed" if failed else "su succeeded",
        operation=Operation.LOGIN, outcome=FAILURE if failed else SUCCESS,
        why=because("authentication_failed") if failed else UNSET,
        touched=local(line, "user", said["user"].removeprefix("- ")), data={"tty": said["tty"]},
    )


def _su_session(found: Found, line: Line) -> Understood:
    """`+ /dev/pts/0 ann:root`: what shadow's su writes besides, with the terminal."""
    good = found["how"] == "+"
    return told(
        line, "su.session.open", user(found["by"]), found["how"], operation=Operation.OTHER,
        outcome=SUCCESS if good else FAILURE, touched=local(line, "user", found["user"]),
        data={"tty": found["tty"]},
    )


def _su_unknown(found: Found, line: Line) -> Understood:
    said = found.groupdict()
    return told(
        line, "su.user.assume", daemon("su"), said["how"], operation=Operation.LOGIN,
        outcome=FAILURE, why=because("", line.text),
        touched=local(line, "user", said.get("user")),
    )


def _pkexec(found: Found, line: Line) -> Understood:
    """`ann: Executing command [USER=root] [TTY=...] [CWD=...] [COMMAND=...]`."""
    said = found["said"]
    good = said == "Executing command"
    refused = "Not authorized" in said or "not authorized" in said
    command = found["command"]
    ambiguous = "] [COMMAND=" in command  # a directory may be called so
    return told(
        line, "pkexec.command.execute", user(found["by"]), said, operation=Operation.EXECUTE,
        outcome=SUCCESS if good else DENIED if refused else FAILURE,
        why=UNSET if good else because("not_authorized" if refused else "", said),
        touched=local(line, "command", "" if ambiguous else command.partition(" ")[0])
        + local(line, "user", found["user"]),
        data={"command": command, "tty": found["tty"], "cwd": found["cwd"],
              "run_as": found["user"], "ambiguous": ambiguous or None},
        guessed=("targets",) if ambiguous else (),
    )


SUDO: Final = Rules(
    ("", r"(?P<user>[^\s:]+) : \(command continued\) (?P<rest>.*)", _continued),
    ("", r"(?P<user>[^\s:]+(?: [^\s:]+)*) : (?P<rest>.*)", _sudo),
)

SU: Final = Rules(
    ("Successful", r"(?P<phrase>Successful su) for (?P<user>.*) by (?P<by>.*)", _su),
    ("FAILED", r"(?P<failed>(?P<phrase>FAILED su)) for (?P<user>.*) by (?P<by>.*)", _su),
    ("FAILED", r"(?P<failed>(?P<phrase>FAILED (?:SU|RUNUSER))) \(to (?P<user>.*?)\) (?P<by>.*) on "
     r"(?P<tty>\S*)", _su),
    ("(to", r"\(to (?P<user>.*?)\) (?P<by>.*) on (?P<tty>\S*)", _su),
    ("BAD", r"(?P<failed>(?P<phrase>BAD SU)) (?P<by>\S+) to (?P<user>\S+)(?: on (?P<tty>\S*))?",
     _su),
    ("", r"(?P<by>\S+) to (?P<user>\S+) on (?P<tty>/dev/\S*)", _su),
    ("'su", r"'su (?P<user>.*)' (?:succeeded|(?P<failed>failed)) for (?P<by>.*) on "
     r"(?P<tty>\S*)", _su_of_system_v),
    ("+ -", r"(?P<how>[+-]) (?P<tty>\S+) (?P<by>[^:]*):(?P<user>.*)", _su_session),
    ("No", r"(?P<how>No passwd entry) for user '(?P<user>.*)'", _su_unknown),
    ("pam_authenticate", r"(?P<how>pam_authenticate): .*", _su_unknown),
)

PKEXEC: Final = Rules(
    ("", r"(?P<by>[^\s:]+): (?P<said>[^\[]*?) \[USER=(?P<user>[^\]]*)\] \[TTY=(?P<tty>[^\]]*)\] "
     r"\[CWD=(?P<cwd>[^\]]*)\] \[COMMAND=(?P<command>.*)\]", _pkexec),
)
