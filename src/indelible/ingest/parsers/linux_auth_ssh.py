"""OpenSSH's server: logins and what surrounds them (`sshd`, `sshd-session`, `sshd-auth`).

Each method that was accepted or failed is an event `ssh.session.login`; what is found out about an
account before (`Invalid user`, `not allowed because`) is `ssh.account.check`, and what becomes of
the connection `ssh.connection.*`. Sources: OpenSSH's auth.c, packet.c, session.c, sshd.c.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import UNSET
from msgspec.structs import replace

from indelible.event.model import Actor, Auth, Operation
from indelible.ingest.parsers.contract import Understood
from indelible.ingest.parsers.linux_auth_parts import (
    ADDRESS,
    DENIED,
    FAILURE,
    NOBODY,
    SUCCESS,
    Found,
    Line,
    Rules,
    because,
    daemon,
    host,
    local,
    number,
    place,
    told,
    user,
)
from indelible.ingest.parsers.pick import target

_LOGIN: Final = Operation.LOGIN
_OTHER: Final = Operation.OTHER
_SSHD: Final = daemon("sshd")
_PRINT: Final = r"(?:SHA256|SHA512|SHA1|MD5):[\w+/=:-]+|[0-9a-f]{2}(?::[0-9a-f]{2}){15,19}"
_KEY = re.compile(rf"(?P<type>[\w-]+) (?P<print>{_PRINT})(?P<more>[, ].*)?", re.DOTALL)
_CERTIFICATE = re.compile(
    rf"ID (?P<id>.*) \(serial (?P<serial>\d+)\) CA (?P<type>[\w-]+) (?P<print>{_PRINT})", re.DOTALL
)
_TRIED: Final = r"(?P<verb>Accepted|Failed|Postponed|Partial) (?P<method>\S+) for "
_INVALID: Final = r"(?P<invalid>(?:invalid|illegal) user )"
_FROM: Final = rf" from (?P<ip>{ADDRESS})(?: port (?P<port>\d+))?(?: ssh\d)?"
_PEER: Final = (
    r"(?:(?P<state>authenticating user|invalid user|user) (?P<user>.*) "
    rf"(?={ADDRESS} port \d))?(?P<ip>{ADDRESS})(?: port (?P<port>\d+))?"
)


def _tried(found: Found, line: Line) -> Understood:
    """One method of authentication, and how it ended."""
    verb, method = found["verb"], found["method"]
    said = found.groupdict()
    name = said.get("user")
    unknown = bool(said.get("invalid")) or name == _NO_NAME
    code = {
        "Accepted": "", "Failed": "invalid_user" if unknown else "authentication_failed",
    }.get(verb, verb.lower())
    return told(
        line, "ssh.session.login" if verb in _OUTCOMES else "ssh.login.continue",
        _tries("" if name == _NO_NAME else name, method), f"{verb} {method}",
        operation=_LOGIN, outcome=_OUTCOMES.get(verb, UNSET),
        why=because(code), origin=place(said.get("ip")),
        data=_facts(found, invalid_user=unknown or None, **_key(said.get("info"))),
    )


_NO_NAME: Final = "<invalid username>"
_OUTCOMES: Final = {"Accepted": SUCCESS, "Failed": FAILURE}
"""A postponed or partial method has no outcome: the login goes on."""


def _tries(name: str | None, method: str) -> Actor:
    """Who tries to sign in: the account that is claimed, known or not."""
    actor = user(name, method=method)
    return actor if actor is not NOBODY else replace(NOBODY, auth=Auth(method=method[:64]))


def _facts(found: Found, **more: object) -> dict[str, object]:
    said = found.groupdict()
    facts: dict[str, object] = {"port": number(said.get("port"))}
    facts.update(more)
    return facts


def _key(info: str | None) -> dict[str, object]:
    """Type and fingerprint of the key, and the certificate that it came in."""
    found = _KEY.fullmatch(info) if info else None
    if found is None:
        return {}
    key: dict[str, object] = {"key_type": found["type"], "key_fingerprint": found["print"]}
    signed = _CERTIFICATE.fullmatch((found["more"] or "").lstrip(", "))
    if signed is not None:
        key["certificate"] = {
            "id": signed["id"], "serial": signed["serial"],
            "ca_type": signed["type"], "ca_fingerprint": signed["print"],
        }
    return key


def _unnamed(found: Found, line: Line) -> Understood:
    """A try whose account and address cannot be told apart: an account's name may hold both."""
    return told(
        line, "ssh.session.login" if found["verb"] in _OUTCOMES else "ssh.login.continue",
        _tries("", found["method"]), f"{found['verb']} {found['method']}",
        operation=_LOGIN, outcome=_OUTCOMES.get(found["verb"], UNSET),
        data={"ambiguous": True},
    )


def _invalid(found: Found, line: Line) -> Understood:
    return told(
        line, "ssh.account.check", user(found["user"]), "Invalid user", operation=_LOGIN,
        outcome=FAILURE, why=because("invalid_user"), origin=place(found.groupdict().get("ip")),
        data=_facts(found, invalid_user=True),
    )


def _not_allowed(found: Found, line: Line) -> Understood:
    """The server's own access rules refuse the account."""
    return told(
        line, "ssh.account.check", user(found["user"]), "not allowed", operation=_LOGIN,
        outcome=DENIED, why=because("not_allowed", found["why"]), origin=place(found["ip"]),
        data=_facts(found),
    )


def _root_refused(found: Found, line: Line) -> Understood:
    return told(
        line, "ssh.account.check", user("root"), "ROOT LOGIN REFUSED", operation=_LOGIN,
        outcome=DENIED, why=because("root_login_refused"), origin=place(found["ip"]),
        data=_facts(found),
    )


def _too_many(found: Found, line: Line) -> Understood:
    facts = _facts(found, invalid_user=bool(found["invalid"]) or None)
    return told(
        line, "ssh.session.login", user(found["user"]), "maximum authentication attempts exceeded",
        operation=_LOGIN, outcome=FAILURE, why=because("too_many_attempts"),
        origin=place(found["ip"]), data=facts,
    )


def _refused(found: Found, line: Line) -> Understood:
    """`Authentication refused: bad ownership or modes for directory ...`, `Login restricted`."""
    name = found.groupdict().get("user")
    return told(
        line, "ssh.account.check", user(name), "Authentication refused", operation=_LOGIN,
        outcome=DENIED, why=because("authentication_refused", found["why"]),
    )


def _ended(found: Found, line: Line) -> Understood:
    """A connection's end; `Disconnected from user` ends a session that was signed in."""
    said = found.groupdict()
    state, name = said.get("state"), said.get("user")
    signed_in = state == "user"
    facts = _facts(found, code=number(said.get("code")))
    if state == "invalid user":
        facts["invalid_user"] = True
    before = line.phase == "preauth" or state in ("authenticating user", "invalid user") or (
        found["how"] == "Timeout before authentication"
    )
    actor = user(name) if name else NOBODY if before else _SSHD
    return told(
        line, "ssh.connection.close", actor, said.get("phrase") or found["how"],
        operation=Operation.LOGOUT if signed_in else _OTHER,
        outcome=SUCCESS if signed_in else UNSET,
        why=because("", said.get("why")), origin=place(said.get("ip")), data=facts,
    )


def _cut_off(found: Found, line: Line) -> Understood:
    """`Disconnecting USER ADDRESS: why`, where client's words may stand on both sides."""
    other = _CUT_OFF_EARLY.fullmatch(line.text)
    if other is not None and (other["ip"], other["user"]) != (found["ip"], found["user"]):
        return told(
            line, "ssh.connection.close", NOBODY, "Disconnecting", operation=_OTHER,
            why=because("", found["why"]), data={"ambiguous": True},
        )
    return _ended(found, line)


_CUT_OFF: Final = rf"(?P<how>Disconnecting) {_PEER}: (?P<why>.*)"
_CUT_OFF_EARLY = re.compile(_CUT_OFF.replace("(?P<user>.*)", "(?P<user>.*?)"), re.DOTALL)


def _opened(found: Found, line: Line) -> Understood:
    return told(
        line, "ssh.connection.open", NOBODY, "Connection from", operation=_OTHER,
        origin=place(found["ip"]),
        data=_facts(found, server_ip=found["to"], server_port=number(found["to_port"])),
    )


def _dropped(found: Found, line: Line) -> Understood:
    return told(
        line, "ssh.connection.open", NOBODY, found["how"], operation=_OTHER, outcome=DENIED,
        why=because("refused", found.groupdict().get("why")), origin=place(found["ip"]),
        data=_facts(found),
    )


def _not_agreed(found: Found, line: Line) -> Understood:
    """A client that does not speak SSH, or speaks it otherwise."""
    said = found.groupdict()
    return told(
        line, "ssh.connection.negotiate", user(said.get("user")), said["how"], operation=_OTHER,
        outcome=FAILURE, why=because("", said.get("why")), origin=place(said.get("ip")),
        data=_facts(found, identification=said.get("identification")),
    )


def _reverse(found: Found, line: Line) -> Understood:
    """The client's address and the name it claims do not agree."""
    return told(
        line, "ssh.host_name.verify", NOBODY, "reverse mapping", operation=_OTHER, outcome=FAILURE,
        why=because("possible_break_in" if "BREAK-IN" in line.text else "reverse_mapping"),
        origin=place(found["ip"]), data={"claimed_host": found["name"]},
    )


def _pam_error(found: Found, line: Line) -> Understood:
    return told(
        line, "pam.user.authenticate", user(found["user"]), f"PAM: {found['why']}",
        operation=_LOGIN, outcome=FAILURE, why=because("authentication_failed", found["why"]),
        origin=place(found["ip"]),
        data={"invalid_user": bool(found["invalid"]) or None},
    )


def _started(found: Found, line: Line) -> Understood:
    """What an account does with its connection: a shell, a command, a subsystem."""
    said = found.groupdict()
    kind = said["kind"].strip("' ")
    facts = _facts(found, session_kind=kind, tty=said.get("tty"), channel=number(said.get("id")))
    return told(
        line, "ssh.session.start", user(said["user"]), "Starting session",
        operation=Operation.EXECUTE, origin=place(said["ip"]), data=facts,
    )


def _closed(found: Found, line: Line) -> Understood:
    return told(
        line, "ssh.session.close", user(found["user"]), "Close session", operation=_OTHER,
        origin=place(found["ip"]), data=_facts(found, channel=number(found["id"])),
    )


def _subsystem(found: Found, line: Line) -> Understood:
    name = found.groupdict().get("user")
    failed = found["how"] != "request"
    touched = [*target("ssh_subsystem", found["name"][:256]), *host(line)]
    return told(
        line, "ssh.subsystem.request", user(name) if name else _SSHD, "subsystem request",
        operation=Operation.EXECUTE, outcome=FAILURE if failed else UNSET, touched=touched,
    )


def _certified(found: Found, line: Line) -> Understood:
    return told(
        line, "ssh.certificate.accept", _SSHD, "Accepted certificate", operation=_OTHER,
        outcome=SUCCESS, touched=local(line, "ssh_certificate", found["id"]),
        data={"serial": found["serial"], "ca_type": found["type"],
              "ca_fingerprint": found["print"]},
    )


def _key_seen(found: Found, line: Line) -> Understood:
    return told(
        line, "ssh.key.check", _SSHD, found["how"], operation=_OTHER,
        outcome=FAILURE if found.groupdict().get("why") else SUCCESS,
        why=because("", found.groupdict().get("why")), data=_key(found.groupdict().get("info")),
    )


def _server(found: Found, line: Line) -> Understood:
    """What the server says of itself."""
    verb, phrase, failed = _OF_SERVER[found["how"]]
    said = found.groupdict()
    facts = {
        "address": said.get("address"), "port": number(said.get("port")),
        "signal": number(said.get("signal")), "child": number(said.get("child")),
    }
    return told(
        line, f"ssh.server.{verb}", _SSHD, phrase, outcome=FAILURE if failed else UNSET,
        operation=_OTHER if verb in ("fork", "throttle") else Operation.EXECUTE,
        why=because("", said.get("why")), data=facts,
    )


_OF_SERVER: Final = {
    "Server listening on": ("start", "Server listening", False),
    "Bind to port": ("start", "Bind to port", True),
    "Received signal": ("stop", "Received signal", False),
    "Received SIGHUP": ("restart", "Received SIGHUP", False),
    "Exiting on signal": ("stop", "Exiting on signal", False),
    "User child is on pid": ("fork", "User child is on pid", False),
    "beginning MaxStartups throttling": ("throttle", "beginning MaxStartups throttling", False),
    "exited MaxStartups throttling": ("throttle", "exited MaxStartups throttling", False),
}

SSHD: Final = Rules(
    ("Accepted Failed Postponed Partial",
     rf"{_TRIED}(?!(?:invalid|illegal) user )(?P<user>[^\s<]\S*){_FROM}(?:: (?P<info>.*))?",
     _tried),
    ("Accepted Failed Postponed Partial",
     rf"{_TRIED}(?<!hostbased for ){_INVALID}?(?P<user>.*){_FROM}"
     rf"(?:: (?P<info>[\w-]+ (?:{_PRINT})(?: .*)?))?", _tried),
    ("Accepted Failed Postponed Partial", rf"{_TRIED}.*", _unnamed),
    ("Invalid Illegal", rf"(?:Invalid|Illegal) user (?P<user>.*){_FROM}", _invalid),
    ("input_userauth_request", r"input_userauth_request: (?:invalid|illegal) user ?(?P<user>.*)",
     _invalid),
    ("User", rf"User (?P<user>.*?)(?: from (?P<ip>{ADDRESS}))? not allowed because (?P<why>.*)",
     _not_allowed),
    ("ROOT", rf"ROOT LOGIN REFUSED FROM (?P<ip>{ADDRESS})(?: port (?P<port>\d+))?", _root_refused),
    ("Authentication", r"Authentication refused(?: for (?P<user>\S+))?: (?P<why>.*)", _refused),
    ("Login", r"(?P<why>Login restricted for (?P<user>\S+):? ?.*)", _refused),
    ("maximum", rf"maximum authentication attempts exceeded for {_INVALID}?(?P<user>.*){_FROM}",
     _too_many),
    ("PAM", rf"PAM: (?P<why>.*?) for {_INVALID}?(?P<user>.*) from (?P<ip>{ADDRESS})"
     r"(?: via \S+)?\s*", _pam_error),
    ("Connection", rf"(?P<how>Connection (?:closed|reset)) by {_PEER}(?:: (?P<why>.*))?", _ended),
    ("Disconnected", rf"(?P<how>Disconnected) from {_PEER}(?:: (?P<why>.*))?", _ended),
    ("Received", rf"(?P<how>Received disconnect) from (?P<ip>{ADDRESS}) port (?P<port>\d+): ?"
     r"(?P<code>\d+): ?(?P<why>.*)", _ended),
    ("Received", rf"(?P<how>Received disconnect) from (?P<ip>{ADDRESS}): (?P<code>\d+): ?"
     r"(?P<why>.*)", _ended),
    ("Disconnecting", _CUT_OFF, _cut_off),
    ("Disconnecting", r"(?P<how>Disconnecting): (?P<why>Too many authentication failures) for "
     rf"(?:(?P<state>invalid user) )?(?P<user>.*){_FROM}", _ended),
    ("Disconnecting", r"(?P<how>Disconnecting): (?P<why>Too many authentication failures) for "
     r"(?:(?P<state>invalid user) )?(?P<user>.*)", _ended),
    ("Disconnecting", r"(?P<how>Disconnecting): (?P<why>.*)", _ended),
    ("Timeout", rf"(?P<how>Timeout before authentication) for (?:connection from )?"
     rf"(?P<ip>{ADDRESS})(?: port (?P<port>\d+)| to .*)?\.?", _ended),
    ("Timeout", rf"(?P<how>Timeout, client not responding)(?: from {_PEER})?\.?", _ended),
    ("Closing", rf"(?P<how>Closing connection) to (?P<ip>{ADDRESS})(?: port (?P<port>\d+))?",
     _ended),
    ("Read", r"(?P<how>Read from socket failed): (?P<why>.*)", _ended),
    ("Write", r"(?P<how>Write failed): (?P<why>.*)", _ended),
    ("Did", rf"(?P<how>Did not receive identification string) from (?P<ip>{ADDRESS})"
     r"(?: port (?P<port>\d+))?:?", _not_agreed),
    ("Bad", rf"(?P<how>Bad protocol version identification) '(?P<identification>.*)' from "
     rf"(?P<ip>{ADDRESS})(?: port (?P<port>\d+))?", _not_agreed),
    ("Unable", rf"(?P<how>Unable to negotiate)(?: with {_PEER}:)? (?P<why>.*)", _not_agreed),
    ("no", r"(?P<how>no matching \S+) found: (?P<why>.*)", _not_agreed),
    ("Protocol", rf"(?P<how>Protocol major versions differ) for (?P<ip>{ADDRESS})"
     r"(?: port (?P<port>\d+))?: (?P<why>.*)", _not_agreed),
    ("banner", rf"(?P<how>banner exchange): Connection from (?P<ip>{ADDRESS}) port (?P<port>\d+): "
     r"(?P<why>.*)", _not_agreed),
    ("ssh_dispatch_run_fatal", rf"(?P<how>ssh_dispatch_run_fatal): Connection from {_PEER}: "
     r"(?P<why>.*)", _not_agreed),
    ("kex_exchange_identification kex_protocol_error kex_input_kexinit",
     r"(?P<how>kex_\w+): (?P<why>.*)", _not_agreed),
    ("Connection", rf"Connection from (?P<ip>{ADDRESS})(?: port (?P<port>\d+))?(?: on "
     rf"(?P<to>{ADDRESS}) port (?P<to_port>\d+)(?: rdomain .*)?)?", _opened),
    ("refused", rf"(?P<how>refused connect) from (?:.*[ (])?(?P<ip>{ADDRESS})\)?", _dropped),
    ("drop", r"(?P<how>drop connection) #\d+ from \[(?P<ip>[^\]]+)\]:(?P<port>\d+) on .*? "
     r"(?P<why>past \w+|penalty.*|.*)", _dropped),
    ("reverse", rf"reverse mapping checking getaddrinfo for (?P<name>\S*) "
     rf"\[(?P<ip>{ADDRESS})\] failed.*", _reverse),
    ("Address", rf"Address (?P<ip>{ADDRESS}) maps to (?P<name>\S*), but this does not "
     r"map back to the address.*", _reverse),
    ("Nasty", rf"Nasty PTR record \"(?P<name>[^\"]*)\" is set up for (?P<ip>{ADDRESS}), "
     r"ignoring", _reverse),
    ("Starting", rf"Starting session: (?P<kind>shell|command|(?:forced-command|subsystem) .*?)"
     rf"(?: on (?P<tty>\S+))? for (?P<user>\S+) from (?P<ip>{ADDRESS}) port (?P<port>\d+)"
     r"(?: id (?P<id>\d+))?", _started),
    ("Close", rf"Close session: user (?P<user>\S+) from (?P<ip>{ADDRESS}) port (?P<port>\d+) id "
     r"(?P<id>\d+)", _closed),
    ("subsystem", r"subsystem (?P<how>request) for (?P<name>\S+)(?: by user (?P<user>.*?))?"
     r"(?: failed.*)?", _subsystem),
    ("Accepted", rf"Accepted certificate ID \"(?P<id>.*)\" \(serial (?P<serial>\d+)\) signed by "
     rf"(?P<type>[\w-]+) CA (?P<print>{_PRINT}).*", _certified),
    ("Accepted", rf"(?P<how>Accepted key) (?P<info>[\w-]+ (?:{_PRINT})) found at .*", _key_seen),
    ("Found", r"(?P<how>Found matching \S+ key): .*", _key_seen),
    ("userauth_pubkey", r"(?P<how>userauth_pubkey): (?P<why>.*)", _key_seen),
    ("Server", r"(?P<how>Server listening on) (?P<address>\S+) port (?P<port>\d+).*", _server),
    ("Bind", r"(?P<how>Bind to port) (?P<port>\d+) on (?P<address>\S+) failed: (?P<why>.*)",
     _server),
    ("Received", r"(?P<how>Received signal) (?P<signal>\d+); terminating\.", _server),
    ("Received", r"(?P<how>Received SIGHUP); restarting\.", _server),
    ("Exiting", r"(?P<how>Exiting on signal) (?P<signal>\d+)", _server),
    ("User", r"(?P<how>User child is on pid) (?P<child>\d+)", _server),
    ("beginning", r"(?P<how>beginning MaxStartups throttling)", _server),
    ("exited", r"(?P<how>exited MaxStartups throttling) (?P<why>.*)", _server),
)
