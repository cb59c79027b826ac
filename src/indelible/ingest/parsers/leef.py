"""IBM QRadar's Log Event Extended Format, LEEF 1.0 and 2.0, with or without a syslog header.

`docs/sources/leef.md` has the table. Attributes are separated by tabs, in 2.0 by the character that
the header names (`^`, `x5E`, `0x09`). Keys are the predefined attributes of IBM's guide.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from msgspec import UNSET

from indelible.base.limits import NAME_CHARS
from indelible.event.model import Actor, Event, Operation, Outcome, Target
from indelible.ingest.parsers.cef_fields import read_pairs
from indelible.ingest.parsers.contract import WRONG, Given, NotUnderstood, Parser, Understood
from indelible.ingest.parsers.guess_service import (
    action_named,
    first_time,
    guessed_actor,
    nobody_named,
    outcome_said,
    read_prefix,
    severity_in,
    somebody,
    user,
)
from indelible.ingest.parsers.guess_tables import named
from indelible.ingest.parsers.guess_time import Moment
from indelible.ingest.parsers.guess_time_format import read_as
from indelible.ingest.parsers.pick import first_ip, flat, origin, reason, target, targets

_START = re.compile(r"(?:^|(?<=[\s:>]))LEEF: ?([12])(?:\.\d{1,2})?\|")
_DELIMITER = re.compile(r"(0x|x|)([0-9A-Fa-f]{1,4})|.")
_KEY = re.compile(r"[A-Za-z_][\w.:\- ]{0,127}")
_USED: Final = named(
    """usrName src identSrc identHostName devTime devTimeFormat sev cat accountName resource url
    isLoginEvent isLogoutEvent dst dstName role userAgent reason outcome dvc dvchost
    action result status"""
)
"""Keys whose values have a place of their own."""
_WHENCE: Final = named("identSrc src")
_ON_ACCOUNTS: Final = frozenset((
    Operation.CREATE, Operation.UPDATE, Operation.DELETE, Operation.GRANT, Operation.REVOKE,
    Operation.CONFIGURE,
))
"""What is done to an account rather than by it, where an event names an account alone."""


class Leef(NamedTuple):
    """One message: what stood before it, the header, and the pairs as they are named."""

    prefix: str
    vendor: str
    product: str
    version: str
    event: str
    pairs: dict[str, str]
    unclear: frozenset[str] = frozenset()
    """Keys that stand twice, with two values."""


def read_leef(text: str) -> Leef | None:
    """The parts of a LEEF message, None when it has no LEEF header of five fields."""
    begin = _START.search(text, 0, NAME_CHARS)
    if begin is None:
        return None
    header = text[begin.end() :].split("|", 4)
    if len(header) < 4:
        return None
    vendor, product, version, event = (field.strip() for field in header[:4])
    rest, mark = header[4] if len(header) == 5 else "", "\t"
    if begin[1] == "2":
        said, bar, behind = rest.partition("|")
        if bar and len(said) <= len("0x0009") and (not said or _DELIMITER.fullmatch(said)):
            rest, mark = behind, _mark(said)
    pairs, unclear = _pairs(rest, mark)
    return Leef(text[: begin.start()].strip(), vendor, product, version, event, pairs, unclear)


def _mark(said: str) -> str:
    """The delimiter that a LEEF 2.0 header names: a character, or its number in hexadecimal."""
    if len(said) == 1:
        return said
    found = _DELIMITER.fullmatch(said)
    return chr(int(found[2], 16)) if found and found[2] else "\t"


def _pairs(text: str, mark: str) -> tuple[dict[str, str], frozenset[str]]:
    """The attributes; of a message whose tabs became spaces on the way, as CEF writes pairs."""
    if mark == "\t" and mark not in text and text.count("=") > 1:
        return read_pairs(text)
    pairs: dict[str, str] = {}
    unclear: set[str] = set()
    for one in text.split(mark):
        key, equals, value = one.partition("=")
        key, value = key.strip(), value.strip()
        named = equals and value and _KEY.fullmatch(key)
        if named and pairs.setdefault(key, value) != value:
            unclear.add(key)
    return pairs, frozenset(unclear)


def _text(text: str, given: Given) -> Understood:
    """One message; raises `NotUnderstood` when it has no LEEF header."""
    leef = read_leef(text)
    if leef is None:
        raise NotUnderstood(WRONG, "it has no header LEEF:1.0|vendor|product|version|event|")
    pairs = leef.pairs
    unclear = leef.unclear & _WHENCE
    address = "" if unclear else first_ip((pairs.get("identSrc", ""), pairs.get("src", "")))
    prefix = read_prefix(leef.prefix)
    host = pairs.get("dvchost", "") or pairs.get("dvc", "") or prefix.host
    act = pairs.get("action", "") or pairs.get("act", "")
    done = action_named(leef.product or leef.vendor, _names(leef), act)
    actor, guessed = _actor(leef, address, host, given, done.done in _ON_ACCOUNTS)
    outcome = outcome_said(
        (pairs.get("outcome", ""), pairs.get("result", ""), pairs.get("status", ""), act,
         pairs.get("cat", "")),
        (leef.event, pairs.get("cat", "")),
    )
    moment = _time(pairs, prefix.time, given)
    event = Event(
        action=done.action,
        actor=actor,
        operation=done.operation,
        targets=targets(_targets(pairs, actor)),
        time=moment.time if moment else UNSET,
        outcome=outcome or UNSET,
        reason=reason("", pairs.get("reason", "")) if outcome is not Outcome.SUCCESS else UNSET,
        origin=origin(
            ip=address, device=somebody(pairs.get("identHostName", "")),
            host=somebody(prefix.host),
            user_agent=pairs.get("userAgent", ""),
        ),
        severity=severity_in(pairs.get("sev", "")) or UNSET,
        labels={"observer": host} if host else UNSET,
    )
    flags = ("time_assumed",) if moment and moment.assumed else ()
    return Understood(event, _facts(leef, done.vendor), flags, guessed)


def _names(leef: Leef) -> tuple[str, ...]:
    """What the event may be called: a sign-in that is marked as one, the event, the category."""
    marked = ""
    if leef.pairs.get("isLoginEvent", "").lower() == "true":
        marked = "login"
    elif leef.pairs.get("isLogoutEvent", "").lower() == "true":
        marked = "logout"
    return marked, leef.event, leef.pairs.get("cat", ""), leef.pairs.get("name", "")


def _actor(
    leef: Leef, address: str, host: str, given: Given, managed: bool
) -> tuple[Actor, tuple[str, ...]]:
    """Who acted, and what of it was inferred; `managed` says that something is administered."""
    if leef.unclear & {"usrName", "accountName"}:
        return nobody_named(address, somebody(host), leef.product), ("actor",)
    ident = somebody(leef.pairs.get("usrName", ""))
    if ident:
        return user(ident), ()
    account = somebody(leef.pairs.get("accountName", ""))
    if account and not managed:
        return user(account), ()
    others = {key: value for key, value in leef.pairs.items() if key not in _USED}
    found = guessed_actor(others, given)
    if found is not None:
        return found, ("actor",)
    return nobody_named(address, somebody(host), leef.product), ("actor",)


def _targets(pairs: dict[str, str], actor: Actor) -> list[Target]:
    """What was touched: the account, the resource, the address asked for, the other end."""
    account = somebody(pairs.get("accountName", ""))
    found = target("user", account) if account != actor.id else []
    found += target("resource", somebody(pairs.get("resource", "")))
    found += target("url", somebody(pairs.get("url", "")))
    name, address = somebody(pairs.get("dstName", "")), first_ip((pairs.get("dst", ""),))
    return found + target("host", name or address, address if name else "")


def _time(pairs: dict[str, str], before: str, given: Given) -> Moment | None:
    """`devTime` by its `devTimeFormat`, else in any form that is known, else the header's time."""
    said, pattern = pairs.get("devTime", ""), pairs.get("devTimeFormat", "")
    found = read_as(said, pattern, given.zone, given.now_us) if said and pattern else None
    return found or first_time((said, before), given.zone, given)


def _facts(leef: Leef, vendor_action: str) -> dict[str, object]:
    """The rest of the message: the header, and attributes without a place of their own."""
    pairs = leef.pairs
    facts: dict[str, object] = flat({
        "vendor_action": leef.event or vendor_action,
        "vendor": leef.vendor,
        "product": leef.product,
        "version": leef.version,
        "category": pairs.get("cat", ""),
        "role": pairs.get("role", ""),
        "account": pairs.get("accountName", "") if pairs.get("usrName") else "",
        "src": pairs.get("src", "") if pairs.get("identSrc") else "",
    })
    for key, value in pairs.items():
        if key not in _USED:
            facts.setdefault(key, value)
    return facts


def _recognise(text: str, given: Given) -> str:
    begin = _START.search(text, 0, NAME_CHARS)
    if begin is None or text.count("|", begin.end()) < 3:
        return ""
    return f"it has a header LEEF:{begin[1]}|vendor|product|..."


PARSER: Final = Parser(
    name="leef",
    version="leef/1",
    about="Log Event Extended Format (IBM QRadar LEEF)",
    text=_text,
    reads_records=False,
    recognise=_recognise,
)
