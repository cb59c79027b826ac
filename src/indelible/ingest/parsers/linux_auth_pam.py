"""PAM modules, whichever program calls them: `pam_unix(sshd:auth): authentication failure; ...`.

The service in brackets says what for. A session of a service that lets people in is a login of the
account; one of `su`, `sudo` and their like is a login of the caller as that account; those of cron
and systemd belong to the program. Sources: Linux-PAM's modules and pam_syslog(3), SSSD's pam_sss.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from msgspec import UNSET

from indelible.event.model import Actor, Operation
from indelible.ingest.parsers.contract import Understood
from indelible.ingest.parsers.linux_auth_parts import (
    ADDRESS,
    DENIED,
    FAILURE,
    NOBODY,
    ROOT,
    SUCCESS,
    Found,
    Line,
    Rules,
    because,
    changed,
    daemon,
    host,
    local,
    number,
    place,
    told,
    user,
)

_LOGIN: Final = Operation.LOGIN
_OTHER: Final = Operation.OTHER
_HEAD = re.compile(
    r"\(?(?P<module>pam_[a-z0-9_-]+)(?:\((?P<service>[^():]*)(?::(?P<kind>\w+))?\))?(?:\)|:) ",
    re.ASCII,
)
_ELEVATING: Final = frozenset(
    ("su", "su-l", "sudo", "sudo-i", "runuser", "runuser-l", "doas", "polkit-1", "pkexec")
)
_UNATTENDED: Final = {
    "cron": "cron", "crond": "cron", "atd": "atd", "systemd-user": "systemd", "anacron": "cron",
}
"""Services that open sessions for accounts by themselves, and the program that does."""
_FLAGS: Final = (
    r"logname=(?P<logname>\S*) uid=(?P<uid>-?\d+) euid=(?P<euid>-?\d+) tty=(?P<tty>\S*) "
    r"ruser=(?P<ruser>.*) rhost=(?P<rhost>\S*)(?:\s+user=(?P<user>.*))?\s*"
)


_EARLY = re.compile(
    "[^;]*; " + _FLAGS.replace("(?P<ruser>.*)", "(?P<ruser>.*?)"), re.DOTALL
)


class _Module(NamedTuple):
    module: str
    service: str
    kind: str


def recognised(text: str, program: str) -> bool:
    """Whether a message is of a PAM module, by its beginning or the program's name."""
    if text[:4] == "PAM ":
        return " more authentication failure" in text
    return "(pam_" in program or _HEAD.match(text) is not None


def split(text: str, program: str) -> tuple[_Module, str] | None:
    """The module that speaks, and what it says; None when it is no module."""
    found = _HEAD.match(text)
    if found is not None:
        service = found["service"] or program.partition("(")[0]
        return _Module(found["module"], service, found["kind"] or ""), text[found.end():]
    name, bracket, module = program.partition("(")
    if bracket and module.startswith("pam_"):
        return _Module(module.rstrip(")"), name, ""), text
    if text.startswith("PAM "):
        return _Module("pam", name, ""), text
    return None


def read(line: Line, program: str) -> Understood | None:
    """What a PAM module says, or None where it is no module or says nothing known.

    `program` is the program's name as its envelope gave it (`sshd(pam_unix)`).
    """
    parts = split(line.text, program)
    if parts is None:
        return None
    said, text = parts
    found = _RULES.read(line._replace(text=text.rstrip(), service=said.service))
    if found is None:
        return None
    pam = {name: value for name, value in said._asdict().items() if value}
    return found._replace(data={**found.data, "pam": pam})


def _claimed(found: Found, line: Line) -> tuple[Actor, str]:
    """Who tried, and the account that was tried where it is another's."""
    name, remote, login = (found["user"] or "").strip(), found["ruser"], found["logname"]
    if line.service in _ELEVATING:
        who = remote or login
        return user(who, login if login != who else ""), name if name != who else ""
    return user(name or remote), ""


def _read_once(found: Found, line: Line) -> Found | None:
    """The flags, or None where the name that was tried lets them be read in two ways.

    The name may hold ` rhost=` and ` user=`. sshd never says a remote user: with it the first
    address is the true one.
    """
    early = _EARLY.fullmatch(line.text)
    if early is None or all(early[name] == found[name] for name in ("ruser", "rhost", "user")):
        return found
    by_sshd = line.service.startswith("sshd") and not early["ruser"]
    return early if by_sshd else None


def _authentication(found: Found, line: Line) -> Understood:
    said = found.groupdict()
    failed = said.get("how") != "success"
    flags = _read_once(found, line)
    actor, other = (NOBODY, "") if flags is None else _claimed(flags, line)
    facts = {
        "tty": said["tty"], "uid": number(said["uid"]), "euid": number(said["euid"]),
        "logname": said["logname"], "failures": number(said.get("count")),
        "ambiguous": True if flags is None else None,
    }
    return told(
        line, "pam.user.authenticate", actor,
        "more authentication failures" if said.get("count") else f"authentication {said['how']}",
        operation=_LOGIN, outcome=FAILURE if failed else SUCCESS,
        why=because("authentication_failed") if failed else UNSET,
        touched=[*local(line, "user", other), *host(line)],
        origin=UNSET if flags is None else place(flags["rhost"]), data=facts,
    )


def _failed(found: Found, line: Line) -> Understood:
    """An account that could not be authenticated, named or not."""
    said = found.groupdict()
    code = _CODES.get(said["how"]) or said.get("code") or "authentication_failed"
    return told(
        line, "pam.user.authenticate", user((said.get("user") or "").strip()), said["how"],
        operation=_LOGIN, outcome=FAILURE, why=because(code, said.get("why")),
        origin=place(said.get("ip")),
    )


_PHRASES: Final = {"user": "user rejected", "requirement": "requirement not met"}
_CODES: Final = {"check pass": "unknown_user", "ignoring max retries": "too_many_attempts"}


def _verified(found: Found, line: Line) -> Understood:
    """A second factor, by a module that says so itself."""
    good = found["how"] == "Accepted"
    method = found.groupdict().get("method") or "google_authenticator"
    return told(
        line, "pam.user.authenticate", user(found["user"], method=method), found["how"],
        operation=_LOGIN, outcome=SUCCESS if good else FAILURE,
        why=UNSET if good else because("authentication_failed"),
    )


def _denied(found: Found, line: Line) -> Understood:
    """A rule of access refuses the account."""
    said = found.groupdict()
    return told(
        line, "pam.account.check", user(said["user"]), _PHRASES.get(said["how"], said["how"]),
        operation=_LOGIN, outcome=DENIED, why=because("access_denied", said.get("why")),
        origin=place(said.get("ip")) if said.get("ip") not in (None, line.service) else UNSET,
    )


def _wheel(found: Found, line: Line) -> Understood:
    good = found["how"].endswith("granted")
    return told(
        line, "pam.account.check", user(found["by"]), found["how"], operation=_LOGIN,
        outcome=SUCCESS if good else DENIED, why=UNSET if good else because("access_denied"),
        touched=local(line, "user", found["user"]),
    )


def _locked(found: Found, line: Line) -> Understood:
    return told(
        line, "account.user.lock", daemon("pam_faillock"), "account temporarily locked",
        operation=Operation.REVOKE, outcome=SUCCESS, why=because("consecutive_failures"),
        touched=local(line, "user", found["user"]),
    )


def _tally(found: Found, line: Line) -> Understood:
    facts = {"uid": number(found["uid"]), "tally": number(found["tally"]),
             "deny": number(found["deny"])}
    return told(
        line, "pam.account.check", user(found["user"]), "tally", operation=_LOGIN,
        outcome=DENIED, why=because("account_locked"), data=facts,
    )


def _expiring(found: Found, line: Line) -> Understood:
    """An account or its password that ran out, or is about to."""
    near = "will expire" in found["why"]
    phrase = "password will expire" if near else "account expired"
    return told(
        line, "pam.account.check", user(found["user"]),
        phrase if found["how"] != "expired password" else found["how"], operation=_LOGIN,
        outcome=UNSET if near else DENIED if found["how"] == "account" else FAILURE,
        why=because("expiring" if near else "expired", found["why"]),
    )


def _session(found: Found, line: Line) -> Understood:
    """A session's begin or end, and who has it."""
    said = found.groupdict()
    opened, name, by = said["how"] == "opened", said["user"], said.get("by")
    service = line.service
    facts = {"uid": number(said.get("uid")), "by_uid": number(said.get("by_uid"))}
    operation = Operation.LOGIN if opened else Operation.LOGOUT
    touched = host(line)
    actor = user(name)
    if service.lower() in _UNATTENDED:
        actor, operation = daemon(_UNATTENDED[service.lower()], name), _OTHER
    elif service in _ELEVATING:
        # the end names the account only, and who was behind it is not said
        uid = said.get("by_uid")
        by = by or (uid if uid not in (None, "0") else "")
        actor, touched = user(by) if by else ROOT, local(line, "user", name)
        if service not in ("su", "su-l"):
            operation = _OTHER
    return told(
        line, f"pam.session.{'open' if opened else 'close'}", actor, f"session {said['how']}",
        operation=operation, outcome=SUCCESS, touched=touched, data=facts,
    )


def _password(found: Found, line: Line) -> Understood:
    """A password that was changed or was not; who did it is not said."""
    said = found.groupdict()
    why = said.get("why")
    return told(
        line, "account.password.change", ROOT, said["how"], operation=Operation.UPDATE,
        outcome=FAILURE if why else SUCCESS, why=because(said.get("code") or "", why),
        touched=local(line, "user", said.get("user")) or None,
        changes=UNSET if why else [changed("password")],
    )


def _unknown_user(found: Found, line: Line) -> Understood:
    return told(
        line, "account.password.change", ROOT, "does not exist", operation=Operation.UPDATE,
        outcome=FAILURE, why=because("unknown_user", line.text),
        touched=local(line, "user", found["user"]),
    )


def _report(found: Found, line: Line) -> Understood:
    """What a module says of itself."""
    return told(
        line, "pam.module.report", daemon(line.program or line.service or "pam"), found["how"],
        operation=_OTHER, outcome=FAILURE, why=because("", line.text),
    )


_RULES: Final = Rules(
    ("authentication", rf"authentication (?P<how>failure|success); {_FLAGS}", _authentication),
    ("PAM", rf"PAM (?P<count>\d+) more authentication failures?; {_FLAGS}", _authentication),
    ("PAM", r"PAM service\(\S*\) (?P<why>(?P<how>ignoring max retries); .*)", _failed),
    ("PAM", r"PAM (?P<how>unable to dlopen|adding faulty module)\b.*", _report),
    ("", rf"(?P<count>\d+) more authentication failures?; {_FLAGS}", _authentication),
    ("session", r"session (?P<how>opened|closed) for user (?P<user>.*?)(?:\(uid=(?P<uid>\d+)\))?"
     r"(?: by (?P<by>.*?)(?:\(uid=(?P<by_uid>\d+)\))?)?", _session),
    ("check", r"(?P<how>check pass); user unknown", _failed),
    ("bad", r"(?P<how>bad username) \[(?P<user>.*)\]", _failed),
    ("auth", r"(?P<how>auth could not identify password) for \[(?P<user>.*)\]", _failed),
    ("conversation", r"(?P<how>conversation failed)", _failed),
    ("received", r"(?P<how>received) for user (?P<user>.*): (?P<code>\d+) \((?P<why>.*)\)",
     _failed),
    ("Authentication", r"(?P<how>Authentication failed) for user (?P<user>.*): (?P<code>\d+) "
     r"\((?P<why>.*)\)", _failed),
    ("Access", r"(?P<how>Access denied) for user (?P<user>.*): \d+ \((?P<why>.*)\)", _denied),
    ("access", rf"(?P<how>access denied) for user [`'](?P<user>.*)' from [`'](?P<ip>{ADDRESS})'",
     _denied),
    ("requirement", r"(?P<how>requirement) (?P<why>\".*\" (?:was )?not met by user "
     r"\"(?P<user>.*)\")", _denied),
    ("Refused", r"(?P<how>Refused) user (?P<user>.*) for service (?P<why>.*)", _denied),
    ("user", r"(?P<how>user) (?P<user>\S+) (?P<why>rejected)", _denied),
    ("user", r"(?P<how>user) (?P<user>\S+) (?P<why>inactive for \d+ days - denied)", _denied),
    ("user", r"user (?P<user>\S+) \((?P<uid>\d+)\) (?:has been )?tally (?P<tally>\d+), deny "
     r"(?P<deny>\d+)", _tally),
    ("user", r"user [`'\"](?P<user>.*)['\"] does not exist in /etc/passwd.*", _unknown_user),
    ("user", r"user [`'](?P<user>.*)' (?P<why>(?P<how>denied access) .*)", _failed),
    ("user", r"(?P<how>user) '(?P<user>.*)' granted access", lambda found, line: told(
        line, "pam.user.authenticate", user(found["user"]), "granted access", operation=_LOGIN,
        outcome=SUCCESS)),
    ("Access", r"(?P<how>Access (?:granted|denied)) to '(?P<user>.*)' for '(?P<by>.*)'", _wheel),
    ("Consecutive", r"Consecutive login failures for user (?P<user>.*) account temporarily locked",
     _locked),
    ("account", r"(?P<how>account) (?P<user>\S+) has (?P<why>.*)", _expiring),
    ("expired", r"(?P<how>expired password) for user (?P<user>\S+) \((?P<why>.*)\)", _expiring),
    ("password", r"(?P<how>password changed) for (?P<user>.*)", _password),
    ("password", r"(?P<how>password) for user (?P<user>\S+) (?P<why>will expire in .*)", _expiring),
    ("Password", r"(?P<how>Password change failed) for user (?P<user>.*): (?P<code>\d+) "
     r"\((?P<why>.*)\)", _password),
    ("new", r"(?P<how>new password) (?P<why>not acceptable.*)", _password),
    ("Accepted", r"(?P<how>Accepted) (?P<method>google_authenticator) for (?P<user>.*)", _verified),
    ("Invalid", r"(?P<how>Invalid verification code) for (?P<user>.*)", _verified),
    ("Too", r"(?P<how>Too many logins) (?P<why>\(max \d+\)) for (?P<user>.*)", _denied),
    ("", r"(?P<how>(?:[Cc]annot|[Cc]ould not|[Cc]ouldn't|[Ff]ailed|[Uu]nable|[Ee]rror)\b[^:]*)"
     r".*", _report),
)

