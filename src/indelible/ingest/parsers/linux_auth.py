"""What Linux writes of logins and administration: sshd, sudo, su, accounts, PAM, cron and others.

Reads the message alone; which program wrote it is known from its envelope (a syslog header, the
journal). A message of a PAM module is known by its own beginning. What a known program says without
meaning to an audit is refused (`unknown_message`), and so kept as it came with its host and time.
`docs/sources/linux_auth.md` has the programs and their actions.
"""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Final

from indelible.base.limits import ENVELOPES, PATH_CHARS
from indelible.ingest.parsers import linux_auth_pam as pam
from indelible.ingest.parsers.contract import Given, NotUnderstood, Parser, Understood
from indelible.ingest.parsers.linux_auth_accounts import ACCOUNTS
from indelible.ingest.parsers.linux_auth_parts import Line
from indelible.ingest.parsers.linux_auth_session import CRON, LOGIN, LOGIND, POLKIT
from indelible.ingest.parsers.linux_auth_ssh import SSHD
from indelible.ingest.parsers.linux_auth_sudo import PKEXEC, SU, SUDO

_FAMILIES: Final = (
    ("sshd sshd-session sshd-auth", SSHD),
    ("sudo", SUDO),
    ("su su-l runuser runuser-l", SU),
    ("pkexec", PKEXEC),
    ("useradd usermod userdel groupadd groupmod groupdel groupmems passwd chpasswd gpasswd "
     "chgpasswd newusers chage chfn chsh newgrp sg vipw vigr pwck grpck unix_chkpwd", ACCOUNTS),
    ("systemd-logind", LOGIND),
    ("login", LOGIN),
    ("cron crond crontab anacron run-parts atd", CRON),
    ("polkitd polkit-agent-helper-1", POLKIT),
)
PROGRAMS: Final = MappingProxyType(
    {program: rules for programs, rules in _FAMILIES for program in programs.split()}
)
"""Each program whose messages are known, in lower case, and its rules."""

_SYSTEM: Final = ("/usr/bin", "/usr/sbin", "/usr/lib", "/bin", "/sbin", "/lib")
"""Where the system's programs are, which no user can put there."""
_LONGEST: Final = 2 * PATH_CHARS
_REPEATED = re.compile(r"message repeated (\d{1,9}) times: \[ ?(.*?) ?\]", re.DOTALL | re.ASCII)
_LEVEL = re.compile(r"(error|fatal|warning|info|debug\d?|verbose): ", re.ASCII)
_PHASE = re.compile(r" \[(preauth|postauth)\]$", re.ASCII)


def _text(message: str, given: Given) -> Understood:
    """One message; raises `NotUnderstood` when it is of no known program, or says nothing known."""
    program = _named(given.program)
    rules = PROGRAMS.get(program.lower())
    text, repeated = message.strip(), 0
    if rules is None and not pam.recognised(_begin(message), given.program):
        whose = f"messages of {given.program!r} are not known" if given.program else (
            "it names no program that wrote it (lines of a log file have a header: parser syslog)"
        )
        raise NotUnderstood("unknown_program", whose)
    if len(text) > _LONGEST:
        raise NotUnderstood("too_long", f"a message of {program or 'PAM'} is never so long")
    for _ in range(ENVELOPES):
        found = _REPEATED.fullmatch(text)
        if found is None:
            break
        repeated, text = int(found[1]), found[2].strip()
    line = Line(text, program, given, repeated=repeated)
    if rules is SSHD:
        line = _of_sshd(line)
    event = pam.read(line, given.program) or (rules.read(line) if rules is not None else None)
    if event is None:
        raise NotUnderstood("unknown_message", f"a message of {program or 'PAM'} without meaning")
    return event


def may_have_written(text: str, program: str, uid: str, exe: str) -> bool:
    """Whether who wrote a message is the program that it is of, by what the journal saw.

    `exe` is the path of the file that ran, '' where the journal did not see it: whoever has gone
    before it looks has none, so that is no evidence for anybody.

    The programs read here run as root, or are the system's own that anybody may start (sudo, su):
    a user's own program, `logger` among them, only takes their name. True for messages of others.
    """
    rules = PROGRAMS.get(_named(program).lower())
    module = pam.split(_begin(text), program)
    if (rules is None and module is None) or uid == "0":
        return True
    folder, _, name = exe.rpartition("/")
    if not folder.startswith(_SYSTEM):
        return False
    return name in PROGRAMS if module is not None else PROGRAMS.get(name) is rules


def _of_sshd(line: Line) -> Line:
    """The message without the grade in front and the phase behind."""
    text, level, phase = line.text, "", ""
    found = _LEVEL.match(text)
    if found is not None:
        text, level = text[found.end():], found[1]
    found = _PHASE.search(text)
    if found is not None:
        text, phase = text[: found.start()], found[1]
    return line._replace(text=text.strip(), level=level, phase=phase)


def _named(program: str) -> str:
    """A program's name alone: `/usr/sbin/cron`, `sshd(pam_unix)`, `polkitd(authority=local)`."""
    return program.partition("(")[0].rpartition("/")[2].strip("[]")


def _begin(message: str) -> str:
    """As much of a message as tells whether it is of a PAM module."""
    return message[:256].strip()


def _recognise(message: str, given: Given) -> str:
    program = _named(given.program).lower()
    if program in PROGRAMS:
        return f"it is of {program}"
    if pam.recognised(_begin(message), given.program):
        return "it begins as messages of PAM modules do"
    return ""


PARSER: Final = Parser(
    name="linux_auth",
    version="linux_auth/1",
    about="Linux logins and administration (sshd, sudo, su, useradd, PAM, logind, cron, polkit)",
    text=_text,
    reads_records=False,
    recognise=_recognise,
)
