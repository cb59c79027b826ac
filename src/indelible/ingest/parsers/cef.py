"""ArcSight's Common Event Format (CEF:0, CEF:1), with or without a syslog header before it.

`docs/sources/cef.md` has the table. Keys are those of the extension dictionary of the CEF
implementation standard; custom fields count by their labels. Whoever is not named is not invented:
without a user the actor is an unknown peer (where there is a source address) or the device itself,
and the event says that this was inferred.
"""

from __future__ import annotations

from typing import Final

from msgspec import UNSET

from indelible.event.model import Actor, ActorType, Event, Operation, Outcome, Target
from indelible.ingest.parsers.cef_fields import Cef, by_label, is_custom, read_cef, starts
from indelible.ingest.parsers.contract import WRONG, Given, NotUnderstood, Parser, Understood
from indelible.ingest.parsers.guess_changes import change
from indelible.ingest.parsers.guess_names import joined
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
    zone_named,
)
from indelible.ingest.parsers.guess_tables import named
from indelible.ingest.parsers.pick import (
    first_ip,
    flat,
    or_unset,
    origin,
    part,
    reason,
    target,
    targets,
)

_TIMES: Final = ("rt", "start", "end", "deviceReceiptTime", "startTime", "endTime", "timestamp")
_USED: Final = named(
    """suser sourceUserName duser destinationUserName src shost outcome reason filePath fname
    requestClientApplication request dhost dst destinationServiceName sourceServiceName
    oldFileName oldFilePath dvchost dvc suid duid"""
) | set(_TIMES)
"""Keys whose values have a place of their own."""
_MACHINERY: Final = named(
    "_cefVer mrt art ahost agt av atz aid at amac catdt dtz agentDnsDomain type eventId"
)
"""Keys that collectors add, about themselves."""
_ACTING: Final = ("suser", "sourceUserName", "suid", "sourceUserId")
"""Keys that name who acted: the source's user."""
_SIGNING: Final = ("duser", "destinationUserName")
"""Keys that name the destination's user: who signs in or out, and else whom it was done to."""
_WHO: Final = frozenset(_ACTING + _SIGNING)
_WHENCE: Final = named("src sourceAddress shost")
_LONG_ID: Final = len("507f191e810c19729de860ea")


def _text(text: str, given: Given) -> Understood:
    """One message; raises `NotUnderstood` when it has no CEF header."""
    cef = read_cef(text)
    if cef is None:
        raise NotUnderstood(WRONG, "it has no header CEF:0|vendor|product|version|id|name|severity")
    pairs, labelled = cef.pairs, by_label(cef.pairs)
    address = "" if cef.unclear & _WHENCE else _address(pairs, labelled)
    prefix = read_prefix(cef.prefix)
    host = pairs.get("dvchost", "") or pairs.get("dvc", "") or prefix.host
    act = pairs.get("act", "") or pairs.get("deviceAction", "")
    done = action_named(cef.product or cef.vendor, (cef.name, cef.signature), act)
    signs = done.done in (Operation.LOGIN, Operation.LOGOUT)
    actor, guessed = _actor(cef, labelled, address, host, given, signs)
    outcome = outcome_said(
        (pairs.get("outcome", ""), pairs.get("categoryOutcome", ""), pairs.get("result", ""), act,
         pairs.get("cat", "")),
        (cef.name, cef.signature),
    )
    why = pairs.get("reason", "")
    zone = zone_named(pairs.get("dtz", ""))
    times = (*(pairs.get(key, "") for key in _TIMES), prefix.time)
    moment = first_time(times, zone or given.zone, given)
    event = Event(
        action=done.action,
        actor=actor,
        operation=done.operation,
        targets=targets(_targets(pairs, actor)),
        time=moment.time if moment else UNSET,
        outcome=outcome or UNSET,
        reason=reason("", why) if outcome is not Outcome.SUCCESS else UNSET,
        origin=origin(
            ip=address,
            device=_device(pairs), host=somebody(prefix.host),
            service=somebody(pairs.get("sourceServiceName", "")),
            user_agent=pairs.get("requestClientApplication", ""),
        ),
        changes=list(change("name", pairs["oldFileName"], pairs["fname"]))
        if pairs.get("oldFileName") and pairs.get("fname") else UNSET,
        id=or_unset(_identity(pairs)),
        severity=severity_in(cef.severity) or UNSET,
        labels={"observer": host} if host else UNSET,
    )
    assumed = moment is not None and moment.assumed and zone is None
    flags = ("time_assumed",) if assumed else ()
    return Understood(event, _facts(cef, labelled, done.vendor), flags, guessed)


def _actor(
    cef: Cef, labelled: dict[str, str], address: str, host: str, given: Given, signs: bool
) -> tuple[Actor, tuple[str, ...]]:
    """Who acted, and what of it was inferred; `signs` says that somebody signs in or out."""
    pairs = cef.pairs
    session = _labelled(labelled, "sessionid", "session")
    if cef.unclear & _WHO:
        return nobody_named(address, somebody(host), cef.product), ("actor",)
    for name in _ACTING + _SIGNING if signs else _ACTING:
        ident = somebody(pairs.get(name, ""))
        if ident:
            return _with_session(user(ident), session), ()
    custom = {**labelled, **{
        key: value for key, value in pairs.items() if key not in _USED and not is_custom(key)
    }}
    other = guessed_actor(custom, given)
    if other is not None:
        return _with_session(other, session), ("actor",)
    service = somebody(pairs.get("sproc", ""))
    if service:
        return Actor(type=ActorType.SERVICE, id=service), ("actor",)
    return nobody_named(address, somebody(host), cef.product), ("actor",)


def _with_session(actor: Actor, session: str) -> Actor:
    if not session:
        return actor
    return Actor(type=actor.type, id=actor.id, name=actor.name, email=actor.email, session=session)


def _labelled(labelled: dict[str, str], *names: str) -> str:
    """The custom field whose label is one of `names`, however it is written."""
    for label, value in labelled.items():
        if joined(label) in names:
            return somebody(value)
    return ""


def _address(pairs: dict[str, str], labelled: dict[str, str]) -> str:
    """Where it came from: `src` or `shost`, else a custom IPv6 field labelled as the source's."""
    found = first_ip(pairs.get(key, "") for key in ("src", "sourceAddress", "shost"))
    if found:
        return found
    spoken = (value for label, value in labelled.items()
              if any(word in joined(label) for word in ("sourceip", "sourceaddress", "clientip")))
    return first_ip(spoken)


def _device(pairs: dict[str, str]) -> str:
    """The name of the source's machine; some products write its address in place of one."""
    named = somebody(pairs.get("shost", ""))
    return "" if first_ip((named,)) else named


def _targets(pairs: dict[str, str], actor: Actor) -> list[Target]:
    """What was touched: the user, the file, the address asked for, the service, the host."""
    found: list[Target] = []
    aimed = somebody(pairs.get("duser", "") or pairs.get("destinationUserName", ""))
    if aimed and aimed != actor.id:
        found += target("user", aimed, parent=somebody(pairs.get("dntdom", "")))
    path, name = somebody(pairs.get("filePath", "")), somebody(pairs.get("fname", ""))
    found += target("file", path or name, name if path and name != path else "")
    found += target("url", somebody(pairs.get("request", "")))
    found += target("service", somebody(pairs.get("destinationServiceName", "")))
    host, address = somebody(pairs.get("dhost", "")), first_ip((pairs.get("dst", ""),))
    found += target("host", host or address, address if host else "")
    return found


def _identity(pairs: dict[str, str]) -> str:
    """The message's own id, where it is no counter."""
    ident = somebody(pairs.get("externalId", ""))
    return ident if len(ident) >= _LONG_ID and " " not in ident else ""


def _facts(cef: Cef, labelled: dict[str, str], vendor_action: str) -> dict[str, object]:
    """The rest of the message: the header, custom fields by label, other keys by name."""
    pairs = cef.pairs
    facts: dict[str, object] = flat({
        "vendor_action": vendor_action or cef.name,
        "name": cef.name if cef.name != vendor_action else "",
        "vendor": cef.vendor,
        "product": cef.product,
        "version": cef.version,
        "signature": cef.signature,
        "actor_id": pairs.get("suid", "") if pairs.get("suser") else "",
        "message": pairs.get("msg", ""),
    })
    for label, value in labelled.items():
        facts.setdefault(part(label), value)
    for key, value in pairs.items():
        plain = key in _USED or key == "msg" or is_custom(key) or key in _MACHINERY
        if not plain and not key.startswith("category") and not key.endswith("ZoneURI"):
            facts.setdefault(key, value)
    return facts


def _recognise(text: str, given: Given) -> str:
    begin = starts(text)
    if begin is None or text.count("|", begin.end()) < 5:
        return ""
    return f"it has a header CEF:{begin[1]}|vendor|product|..."


PARSER: Final = Parser(
    name="cef",
    version="cef/1",
    about="Common Event Format (ArcSight CEF)",
    text=_text,
    reads_records=False,
    recognise=_recognise,
)
