"""Who acted in a Windows event. Pure.

An account's id is its name as people type it, without the domain, so that a user's events meet
whether Windows writes `CONTOSO`, `contoso.local` or a realm; `DOMAIN\\name` stands in the name, the
SID in the data. Names stay in the case in which the event has them. A name that is only a SID is
the SID; the well-known ones have their names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from msgspec import UNSET

from indelible.base.limits import REMEMBERED
from indelible.event.model import Actor, ActorType, Auth, Operation, Target
from indelible.ingest.parsers.pick import ip, or_unset
from indelible.ingest.parsers.windows_codes import number_of
from indelible.ingest.parsers.windows_rows import Row
from indelible.ingest.parsers.windows_seen import EMPTY, Seen, said

NOBODY: Final = "S-1-0-0"
_WELL_KNOWN: Final = {
    "S-1-5-7": "ANONYMOUS LOGON", "S-1-5-18": "SYSTEM", "S-1-5-19": "LOCAL SERVICE",
    "S-1-5-20": "NETWORK SERVICE", "S-1-1-0": "Everyone", "S-1-5-11": "Authenticated Users",
    "S-1-5-32-544": "Administrators", "S-1-5-32-545": "Users", "S-1-5-32-546": "Guests",
    "S-1-5-32-551": "Backup Operators", "S-1-5-32-555": "Remote Desktop Users",
}
_SYSTEM_SIDS: Final = ("S-1-5-18", "S-1-5-19", "S-1-5-20")
_SYSTEM_FAMILIES: Final = ("S-1-5-90-", "S-1-5-96-")  # the desktop's own accounts
_SERVICE_FAMILIES: Final = ("S-1-5-80-", "S-1-5-82-", "S-1-5-83-")  # services, pools, machines
_SYSTEM_NAMES: Final = frozenset(("SYSTEM", "LOCAL SERVICE", "NETWORK SERVICE", "LOCALSYSTEM"))
_AUTHORITIES: Final = frozenset(("", "NT AUTHORITY"))
_SYSTEM_DOMAINS: Final = frozenset(("WINDOW MANAGER", "FONT DRIVER HOST"))
_SERVICE_DOMAINS: Final = frozenset(("NT SERVICE", "IIS APPPOOL", "NT VIRTUAL MACHINE"))


class Account(NamedTuple):
    """An account: `id` as people type it, `name` with the domain, both as the event writes them."""

    type: ActorType
    id: str
    name: str
    domain: str
    sid: str


@lru_cache(maxsize=REMEMBERED)
def account(name: str, domain: str = "", sid: str = "") -> Account | None:
    """The account of a name, a domain and a SID, of which any may be empty; None for nobody.

    `name` may be `DOMAIN\\name`, `name@REALM` with the realm as domain, or a SID.
    """
    if name[:4].upper() == "S-1-":
        name, sid = "", sid or name
    if sid == NOBODY:
        sid = ""
    before, slash, after = name.partition("\\")
    if slash and after:
        domain, name = before, after
    user, _, realm = name.rpartition("@")
    if user and realm.upper() == domain.upper():
        name = user
    if not name:
        name = _WELL_KNOWN.get(sid, sid)
    if not name:
        return None
    kind = _type(name, domain.upper(), sid)
    shown = f"{domain}\\{name}" if domain and domain != "-" else ""
    ident = "anonymous" if kind is ActorType.ANONYMOUS else name
    return Account(kind, ident, shown, domain, sid)


def _type(name: str, domain: str, sid: str) -> ActorType:
    upper = name.upper()
    if sid == "S-1-5-7" or upper == "ANONYMOUS LOGON":
        return ActorType.ANONYMOUS
    if sid in _SYSTEM_SIDS or sid.startswith(_SYSTEM_FAMILIES) or domain in _SYSTEM_DOMAINS:
        return ActorType.SYSTEM
    if upper in _SYSTEM_NAMES and domain in _AUTHORITIES:
        return ActorType.SYSTEM
    machine = name.endswith("$") or sid.startswith(_SERVICE_FAMILIES)
    return ActorType.SERVICE if machine or domain in _SERVICE_DOMAINS else ActorType.USER


def named(data: Mapping[str, Any], prefix: str) -> Account | None:
    """The account of `prefix` + `UserName`, `DomainName`, and `UserSid` or `Sid`."""
    sid = said(data, prefix + "UserSid") or said(data, prefix + "Sid")
    name, domain = said(data, prefix + "UserName"), said(data, prefix + "DomainName")
    return account(name, domain, sid)


def account_target(one: Account | None) -> list[Target]:
    """An account as something touched: a user, or a computer when its name ends in `$`."""
    if one is None:
        return []
    kind = "windows_computer" if one.id.endswith("$") else "windows_user"
    return [Target(type=kind, id=one.id, name=or_unset(one.name), parent=or_unset(one.domain))]


@lru_cache(maxsize=REMEMBERED)
def session(value: str) -> str:
    """A logon id in one spelling (`0x3e7`), or '' when it is none or zero."""
    number = number_of(value) if value else None
    return f"0x{number:x}" if number else ""


class Who(NamedTuple):
    """The actor's account with its session, and the account that it acted for."""

    account: Account
    session: str = ""
    behind: Account | None = None
    guessed: bool = False

    def actor(self, method: str = "") -> Actor:
        """As an event has it."""
        one, behind = self.account, self.behind
        return Actor(
            type=one.type,
            id=one.id,
            name=or_unset(one.name),
            session=or_unset(self.session),
            auth=Auth(method=method) if method else UNSET,
            on_behalf_of=[Actor(type=behind.type, id=behind.id, name=or_unset(behind.name))]
            if behind is not None
            else UNSET,
        )


def who(seen: Seen, row: Row | None) -> Who | None:
    """Who acted, None when the event names nobody and nobody can stand for them."""
    word = row.actor if row is not None else "subject"
    if word[0] == "=":
        one = _written(seen, word[1:])
        if one is not None:
            return Who(one)
    rule = _RULES.get(word, _caller)
    found = rule(seen)
    if found is not None or row is None:
        return found or _caller(seen)
    found = _subject(seen) or _caller(seen)
    if found is None and row.operation is Operation.LOGIN:
        return Who(_ANONYMOUS)
    return found or _system(seen, guessed=True)


def _subject(seen: Seen) -> Who | None:
    one = named(seen.data, "Subject")
    return Who(one, session(said(seen.data, "SubjectLogonId"))) if one is not None else None


def _target(seen: Seen) -> Who | None:
    """Who logs on; the subject stands behind them where a user asked for the logon of another."""
    data = seen.data
    one = named(data, "Target")
    if one is None:
        if seen.event_id != 4625:  # of a failed logon there may be no name
            return None
        return _subject_user(seen) or Who(_ANONYMOUS)
    subject = named(data, "Subject")
    behind = subject if subject is not None and subject.type is ActorType.USER else None
    if behind is not None and behind.id.lower() == one.id.lower():
        behind = None
    return Who(one, session(said(data, "TargetLogonId")), behind)


_ANONYMOUS: Final = Account(ActorType.ANONYMOUS, "anonymous", "", "", "")


def _subject_user(seen: Seen) -> Who | None:
    found = _subject(seen)
    return found if found is not None and found.account.type is ActorType.USER else None


def _client(seen: Seen) -> Who | None:
    data = seen.data
    one = account(said(data, "AccountName"), said(data, "AccountDomain"))
    return Who(one, session(said(data, "LogonID"))) if one is not None else None


def _caller(seen: Seen) -> Who | None:
    one = account(*seen.user)
    return Who(one) if one is not None else None


def _system(seen: Seen, guessed: bool = False) -> Who:
    return Who(Account(ActorType.SYSTEM, "SYSTEM", "", "", ""), guessed=guessed)


def _unsaid(seen: Seen) -> Who | None:
    """Whoever the log names all the same: the subject of later versions, or the writer."""
    found = _subject(seen) or _caller(seen)
    if found is None or found.account.type is ActorType.SYSTEM:
        return _system(seen, guessed=True)
    return found


def _written(seen: Seen, field: str) -> Account | None:
    value = said(seen.data, field.replace("_", " "))
    domain = said(seen.data, "Param2") if field == "Param1" else ""
    return account(value, domain)


def _app(seen: Seen) -> Who | None:
    """The program of a connection; of an inbound one, the peer, whom nobody has identified."""
    program = said(seen.data, "Application")
    if is_inbound(seen.data):
        return Who(_ANONYMOUS)
    if not program or program.lower() == "system":
        return _system(seen)
    return Who(Account(ActorType.SERVICE, program, "", "", ""))


def is_inbound(data: Mapping[str, Any]) -> bool:
    """Whether a connection or packet came from elsewhere."""
    return said(data, "Direction") in ("%%14592", "Inbound")


_RULES: Final[dict[str, Callable[[Seen], Who | None]]] = {
    "subject": _subject, "target": _target, "client": _client, "caller": _caller,
    "system": _system, "unsaid": _unsaid, "app": _app,
}


@lru_cache(maxsize=REMEMBERED)
def address(value: str) -> str:
    """An address without its IPv4-in-IPv6 prefix (`::ffff:10.0.0.12`), or ''."""
    if not value or value in EMPTY:
        return ""
    found = ip(value)
    return found[7:] if found[:7].lower() == "::ffff:" and "." in found else found
