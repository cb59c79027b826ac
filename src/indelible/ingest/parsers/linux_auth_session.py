"""Sessions and jobs of a host: systemd-logind, login, cron, polkit.

Sources: systemd's logind-session.c and logind-dbus.c; login of util-linux and of shadow; Vixie
cron and cronie; polkitd's polkitbackendinteractiveauthority.c.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import UNSET

from indelible.event.model import Actor, Operation
from indelible.ingest.parsers.contract import Understood
from indelible.ingest.parsers.linux_auth_parts import (
    DENIED,
    FAILURE,
    NOBODY,
    SUCCESS,
    Found,
    Line,
    Rules,
    because,
    daemon,
    local,
    number,
    place,
    told,
    user,
)
from indelible.ingest.parsers.pick import part

_OTHER: Final = Operation.OTHER
_LOGIND: Final = daemon("systemd-logind")
_POLKIT: Final = daemon("polkitd")
_CRON: Final = daemon("cron")


# --- systemd-logind


def _session(found: Found, line: Line) -> Understood:
    said = found.groupdict()
    name = said.get("user")
    verb = {"New session": "create", "Removed session": "remove"}.get(said["how"], "end")
    operation = {"create": Operation.CREATE, "remove": Operation.DELETE}.get(verb, _OTHER)
    return told(
        line, f"logind.session.{verb}", user(name, session=said["id"]) if name else _LOGIND,
        f"{said['how']} {said.get('why') or ''}".strip(), operation=operation, outcome=SUCCESS,
        touched=local(line, "session", said["id"]),
        data={"class": said.get("class"), "type": said.get("type")},
    )


def _power(found: Found, line: Line) -> Understood:
    """The host is turned off, restarted or put to sleep."""
    how = found["how"]
    verb = next((verb for word, verb in _VERBS if word in how.lower()), "change")
    return told(
        line, f"logind.system.{verb}", _LOGIND, how, operation=Operation.EXECUTE,
        data={"reason": found.groupdict().get("why")},
    )


_VERBS: Final = (
    ("reboot", "restart"), ("kexec", "restart"), ("hibernat", "suspend"), ("suspend", "suspend"),
    ("sleep", "suspend"), ("power", "stop"), ("halt", "stop"), ("shut", "stop"),
)


def _seat(found: Found, line: Line) -> Understood:
    """Seats, buttons, lids: what logind sees of the machine."""
    return told(
        line, "logind.seat.observe", _LOGIND, found["how"], operation=_OTHER,
        data={"seat": found.groupdict().get("seat")},
    )


LOGIND: Final = Rules(
    ("New", r"(?P<how>New session) '?(?P<id>[^\s']+)'? of user '?(?P<user>.*?)'?"
     r"(?: with class '(?P<class>[^']*)' and type '(?P<type>[^']*)')?\.?", _session),
    ("Removed", r"(?P<how>Removed session) '?(?P<id>[^\s']+?)'?\.?", _session),
    ("Session", r"(?P<how>Session) '?(?P<id>[^\s'\"]+)'? (?P<why>logged out)\..*", _session),
    ("Session", r"(?P<how>Session) \"(?P<id>[^\"]+)\" of user \"(?P<user>[^\"]*)\" "
     r"(?P<why>is idle, stopping)\.?", _session),
    ("System The", r"(?P<how>(?:System is|The system will) [^(.!]*?)"
     r"(?: \((?P<why>[^)]*)\))?[.!]*", _power),
    ("", r"(?P<how>(?:Powering|Rebooting|Suspending|Hibernating|Halting|Shutting)\b.*?)\.*",
     _power),
    ("New", r"(?P<how>New seat) (?P<seat>\S+?)\.?", _seat),
    ("Watching", r"(?P<how>Watching system buttons).*", _seat),
    ("Power Reboot Suspend Lid", r"(?P<how>(?:Power|Reboot|Suspend) key pressed|Lid (?:closed"
     r"|opened)).*", _seat),
    ("Removed", r"(?P<how>Removed seat) (?P<seat>\S+?)\.?", _seat),
    ("Creating", r"(?P<how>Creating /run/nologin), blocking further logins.*", _seat),
    ("Failed", r"(?P<how>Failed) to .*", lambda found, line: told(
        line, "logind.system.report", _LOGIND, "Failed", operation=_OTHER, outcome=FAILURE,
        why=because("", line.text))),
)


# --- login


def _login(found: Found, line: Line) -> Understood:
    """Somebody signs in at a terminal."""
    said = found.groupdict()
    failed = bool(said.get("failed"))
    name = said.get("user") or ("" if failed else "root" if "ROOT" in said["how"] else "")
    if failed and name in ("UNKNOWN", "(unknown)"):
        name = ""
    tty, remote = said.get("tty"), said.get("from")
    if remote and _TERMINAL.fullmatch(remote):  # util-linux names it where there is no host
        tty, remote = remote, None
    code = "too_many_attempts" if _LIMIT.match(said["how"]) else "authentication_failed"
    return told(
        line, "login.session.login", user(name), said["how"], operation=Operation.LOGIN,
        outcome=FAILURE if failed else SUCCESS,
        why=because(code, said.get("why")) if failed else UNSET, origin=place(remote),
        data={"tty": tty, "failures": number(said.get("count"))},
    )


_TERMINAL = re.compile(r"(?:/dev/)?(?:tty\w*|pts/\d+|console|hvc\d+|xvc\d+)", re.ASCII)
_LIMIT = re.compile("TOO MANY|exceeded|FAILED LOGIN SESSION")


_ON: Final = r"(?: on '(?P<tty>[^']*)')?(?: from '(?P<from>[^']*)')?"
LOGIN: Final = Rules(
    ("LOGIN DIALUP", r"(?P<how>LOGIN ON|DIALUP AT) (?P<tty>\S+) BY (?P<user>\S+)"
     r"(?: FROM (?P<from>\S+))?", _login),
    ("ROOT", r"(?P<how>ROOT LOGIN) {1,2}ON (?P<tty>\S+)(?: FROM (?P<from>\S+))?", _login),
    ("ROOT", rf"(?P<how>ROOT LOGIN) {_ON}", _login),
    ("FAILED TOO", r"(?P<how>(?P<failed>FAILED LOGIN(?: SESSION)?|TOO MANY LOGIN TRIES))"
     r"(?: \(?(?P<count>\d+)\)?)? FROM (?P<from>\S+) FOR (?P<user>.*?)(?:, (?P<why>[^,]*))?",
     _login),
    ("FAILED TOO", rf"(?P<how>(?P<failed>FAILED LOGIN|TOO MANY LOGIN TRIES)) \((?P<count>\d+)\)"
     rf"{_ON} FOR '(?P<user>.*)'(?:, (?P<why>.*))?", _login),
    ("", rf"'(?P<user>.*)' (?P<how>logged in){_ON}", _login),
    ("exceeded", r"(?P<how>(?P<failed>exceeded failure limit)) for [`'](?P<user>.*)' ?"
     r"(?P<why>.*)", _login),
    ("invalid", rf"(?P<how>(?P<failed>invalid password)) for [`'](?P<user>.*)'{_ON}.*", _login),
)


# --- cron


def _cron(found: Found, line: Line) -> Understood:
    """`(ann) CMD (...)`: who, what in capitals, and the rest in brackets."""
    who, verb, rest = found["who"], found["verb"], found["rest"].strip()
    if verb in _CRONTAB or line.program == "crontab":
        return _crontab(who, verb, rest, line)
    if verb in _JOBS:
        return _job(who, verb, rest, line)
    if verb == "RELOAD":
        return told(
            line, "cron.crontab.load", daemon("cron", _owner(who)), verb, operation=_OTHER,
            outcome=SUCCESS, touched=local(line, "crontab", rest),
        )
    if _owner(who):
        refused = "PAM" in verb or "PERMIT" in verb
        return told(
            line, "cron.command.execute", daemon("cron", who), verb, operation=Operation.EXECUTE,
            outcome=DENIED if refused else FAILURE, why=because("", f"{verb} ({rest})"),
            touched=local(line, "crontab", who),
        )
    failed = verb.lower() in ("error", "death") or "FAILED" in verb
    state = {"STARTUP": "start", "DEATH": "stop"}.get(verb, "report")
    return told(
        line, f"cron.server.{state}", _CRON, verb, outcome=FAILURE if failed else UNSET,
        operation=_OTHER if state == "report" else Operation.EXECUTE,
        why=because("", rest) if failed else UNSET, data={"detail": rest},
    )


def _owner(who: str) -> str:
    """The account a message speaks of; none for cron itself and the system's tables."""
    return "" if who.startswith("*") or who.upper() in ("CRON", "") else who


def _job(who: str, verb: str, rest: str, line: Line) -> Understood:
    """cron runs an account's job, or reports of it."""
    ran = verb in ("CMD", "CMDEND")
    return told(
        line, f"cron.command.{_JOBS[verb]}", daemon("cron", _owner(who)), verb,
        operation=Operation.EXECUTE if verb == "CMD" else _OTHER,
        touched=local(line, "command", rest) if ran else None,
        data={"command": rest} if ran else {"output": rest},
    )


_JOBS: Final = {"CMD": "execute", "CMDEND": "end", "CMDOUT": "report", "MAIL": "report"}


def _crontab(who: str, verb: str, rest: str, line: Line) -> Understood:
    """An account reads or changes a table of jobs, its own or another's."""
    action, operation = _CRONTAB.get(verb, (part(verb), _OTHER))
    refused = verb == "AUTH"
    return told(
        line, f"cron.crontab.{action}", user(_owner(who)), verb, operation=operation,
        outcome=DENIED if refused else SUCCESS, why=because("", rest) if refused else UNSET,
        touched=local(line, "crontab", who if refused else rest),
    )


_CRONTAB: Final = {
    "LIST": ("list", Operation.READ), "REPLACE": ("replace", Operation.UPDATE),
    "DELETE": ("delete", Operation.DELETE), "BEGIN EDIT": ("begin_edit", _OTHER),
    "END EDIT": ("end_edit", _OTHER), "AUTH": ("use", _OTHER),
}


def _periodic(found: Found, line: Line) -> Understood:
    """anacron and run-parts: a job begins or ends."""
    begins = found["how"].startswith("start")
    return told(
        line, f"cron.command.{'execute' if begins else 'end'}", _CRON, found["how"],
        operation=Operation.EXECUTE if begins else _OTHER,
        touched=local(line, "command", found["job"]),
    )


CRON: Final = Rules(
    ("", r"\((?P<who>[^)]*)\) (?P<verb>[A-Za-z][\w >-]*?) \((?P<rest>.*?)\)?", _cron),
    ("", r"\((?P<who>[^)]*)\) (?P<verb>[A-Z][A-Z ]+) ?(?P<rest>)", _cron),
    ("Job", r"Job [`'](?P<job>[^']*)' (?P<how>started|terminated).*", _periodic),
    ("", r"(?:\(\S+\) )?(?P<how>starting|finished) (?P<job>\S+)", _periodic),
    ("Normal Anacron Updated Will", r"(?P<how>Normal exit|Anacron \S+ started|Updated timestamp"
     r"|Will run job).*", lambda found, line: told(
         line, "cron.server.report", _CRON, found["how"], operation=_OTHER)),
)


# --- polkit


def _operator(found: Found, line: Line) -> Understood:
    """A person proves who they are, so that a process of an account may do something."""
    said = found.groupdict()
    failed = said.get("proved") is None
    touched = local(line, "polkit_action", said["action"])
    touched += local(line, "user", said.get("proved"))
    facts = {
        "operator_of": said["session"], "subject": said["subject"], "command": said["command"],
        "duration": (said.get("term") or "").lower(), "authenticated_as": said.get("proved"),
    }
    return told(
        line, "polkit.authorization.gain", _owner_of(said["owner"]),
        "FAILED to authenticate" if failed else "successfully authenticated",
        operation=Operation.GRANT, outcome=FAILURE if failed else SUCCESS,
        why=because("authentication_failed") if failed else UNSET, touched=touched, data=facts,
    )


def _owner_of(owner: str) -> Actor:
    name = owner.removeprefix("unix-user:")
    return user(name) if name and name != owner else NOBODY


def _agent(found: Found, line: Line) -> Understood:
    """An agent that asks for passwords comes or goes."""
    return told(
        line, f"polkit.agent.{'register' if found['how'] == 'Registered' else 'unregister'}",
        _POLKIT, f"{found['how']} Authentication Agent", operation=_OTHER,
        touched=local(line, "session", found["session"].removeprefix("unix-session:")),
        data={"agent": found.groupdict().get("agent")},
    )


def _polkitd(found: Found, line: Line) -> Understood:
    return told(
        line, "polkit.server.report", _POLKIT, found["how"], operation=_OTHER,
    )


POLKIT: Final = Rules(
    ("Operator", r"Operator of (?P<session>\S+) successfully authenticated as "
     r"unix-user:(?P<proved>\S+) to gain (?P<term>ONE-SHOT|TEMPORARY) authorization for action "
     r"(?P<action>\S+) for (?P<subject>\S+) \[(?P<command>.*)\] \(owned by (?P<owner>[^)]*)\)",
     _operator),
    ("Operator", r"Operator of (?P<session>\S+) FAILED to authenticate to gain authorization for "
     r"action (?P<action>\S+) for (?P<subject>\S+) \[(?P<command>.*)\] "
     r"\(owned by (?P<owner>[^)]*)\)", _operator),
    ("Registered", r"(?P<how>Registered) Authentication Agent for (?P<session>\S+)"
     r"(?: \(system bus name \S+ \[(?P<agent>[^\]]*)\].*)?", _agent),
    ("Unregistered", r"(?P<how>Unregistered) Authentication Agent for (?P<session>\S+)(?: .*)?",
     _agent),
    ("Started Loading Finished Acquired Reloading Collecting",
     r"(?P<how>Started polkitd|Loading rules|Finished loading|Acquired the name|Reloading rules"
     r"|Collecting garbage).*", _polkitd),
)
