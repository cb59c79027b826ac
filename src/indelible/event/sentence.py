"""One plain-language sentence for any stored event: `Jane Smith deleted payroll record pr_839`.

Pure and total: every event that can be read gives a non-empty line. Characters that a terminal or
a page would act on (controls, line ends, direction marks) are written out as escapes.
"""

from __future__ import annotations

from typing import Final

from msgspec import UNSET, UnsetType

from indelible.event.actions import present_of
from indelible.event.model import StoredActor, StoredEvent, Target
from indelible.event.paths import scalars_at

_LONG: Final = 80
_SHOWN: Final = 2

_IRREGULAR: Final = """
    read=read write=wrote overwrite=overwrote get=got put=put set=set reset=reset send=sent
    resend=resent run=ran rerun=reran begin=began see=saw find=found give=gave take=took
    leave=left pay=paid bind=bound unbind=unbound build=built rebuild=rebuilt make=made
    withdraw=withdrew split=split hide=hid unhide=unhid show=showed choose=chose hold=held
    undo=undid redo=redid forget=forgot freeze=froze sell=sold buy=bought shut=shut cut=cut
    let=let do=did spin=spun draw=drew lend=lent teach=taught meet=met lose=lost tell=told
    drop=dropped stop=stopped submit=submitted resubmit=resubmitted permit=permitted
    admit=admitted ban=banned scan=scanned tag=tagged untag=untagged pin=pinned unpin=unpinned
    flag=flagged unflag=unflagged swap=swapped plan=planned log=logged map=mapped
    transfer=transferred defer=deferred refer=referred commit=committed ship=shipped
    skip=skipped trim=trimmed strip=stripped zip=zipped unzip=unzipped wrap=wrapped
    clear=cleared opt=opted"""
_PAST: Final = dict(pair.split("=") for pair in _IRREGULAR.split())
_WHOLE: Final = {
    "login": ("sign in", "signed in"), "logout": ("sign out", "signed out"),
    "signup": ("sign up", "signed up"), "logon": ("sign in", "signed in"),
    "logoff": ("sign out", "signed out"), "signin": ("sign in", "signed in"),
    "signout": ("sign out", "signed out"), "backup": ("back up", "backed up"),
    "setup": ("set up", "set up"), "rollback": ("roll back", "rolled back"),
    "occur": ("have", "had"), "lookup": ("look up", "looked up"),
    "log_in": ("sign in", "signed in"),
    "log_out": ("sign out", "signed out"), "sign_in": ("sign in", "signed in"),
    "sign_out": ("sign out", "signed out"), "log_on": ("sign in", "signed in"),
    "log_off": ("sign out", "signed out"), "back_up": ("back up", "backed up"),
    "set_up": ("set up", "set up"), "sign_up": ("sign up", "signed up"),
}
_SESSION: Final = frozenset(
    verb for verb, (_, past) in _WHOLE.items() if past in ("signed in", "signed out")
)
_BELONGING: Final = frozenset(("create", "delete", "update", "modify", "set", "change"))
"""Verbs after which rights are "of" a thing, though they are granted to it or taken from it."""
_RECEIVING: Final = frozenset(("send", "submit"))
_USING: Final = frozenset(("encrypt", "decrypt", "reencrypt", "sign"))
"""Verbs whose object, when it is a key, is what they are done with."""


def sentence(event: StoredEvent) -> str:
    """Who did what to what, how it ended, and for whom."""
    if not event.action:
        reason = _optional(event.reason.text) or _optional(event.reason.code)
        what = "A message that could not be read" if event.kind == "unparsed" else (
            f"A record of kind {_safe(event.kind)}"
        )
        return f"{what}: {_safe(reason)}" if reason else what
    if event.action == "ledger.gap.declare" and (told := _gap(event)):
        return told
    present, past, after = _verbs(event.action)
    targets = list(event.targets)
    if after:
        after = _after(after, targets)
    what = _object(event, targets)
    tail = f" {after}" if after else ""
    what = f" {what}" if what else ""
    who = _actor(event.actor)
    behind = _behind(event.actor)
    if event.outcome == "denied":
        return f"{who} tried to {present}{what}{tail}{behind} and was denied"
    if event.outcome == "failure":
        return f"{who} tried to {present}{what}{tail}{behind} and failed{_why(event)}"
    return f"{who} {past}{what}{tail}{behind}{_times(event)}"


_CAME: Final = {"open": "did not come", "closed": "came after all", "lost": "will never come"}


def _gap(event: StoredEvent) -> str:
    """Which numbers of which source are missing; '' where the record says it otherwise."""
    data = bytes(event.data)
    said = {name: scalars_at(data, name) for name in ("source", "boot", "first", "last", "state")}
    if not all(said.values()) or said["state"][0] not in _CAME:
        return ""
    first, last = _safe(said["first"][0]), _safe(said["last"][0])
    numbers = f"Number {first}" if first == last else f"Numbers {first} to {last}"
    run = f"(run {_safe(said['boot'][0])})"
    return f"{numbers} of source {_safe(said['source'][0])} {run} {_CAME[said['state'][0]]}"


def _times(event: StoredEvent) -> str:
    """How often, of an event that stands for several."""
    if "summary" not in event.flags:
        return ""
    found = scalars_at(bytes(event.data), "summary.count")
    return f", {int(found[0]):,} times" if found and found[0].isdigit() else ""


def _verbs(action: str) -> tuple[str, str, str]:
    """The verb in the present and the past, and what belongs behind its object."""
    last = action.rpartition(".")[2].replace("-", "_")
    whole = _WHOLE.get(present_of(last) or last)
    if whole is not None:
        return *whole, ""
    words = [word for word in last.split("_") if word] or [last]
    first = present_of(words[0]) or words[0]
    if len(words) > 1 and not present_of(words[0]) and present_of(words[-1]):
        verb = present_of(words[-1])
        front = " ".join(words[:-1])
        return f"{front} {verb}", f"{front} {_past(verb)}", ""
    return _safe(first), _safe(_past(first)), _safe(" ".join(words[1:]))


def _past(verb: str) -> str:
    if verb in _PAST:
        return _PAST[verb]
    if verb.endswith("e"):
        return verb + "d"
    if len(verb) > 1 and verb.endswith("y") and verb[-2] not in "aeiou":
        return verb[:-1] + "ied"
    return verb + "ed"


def _after(after: str, targets: list[Target]) -> str:
    """What stands behind the object, with the target it speaks of (`to group`: to iam group ops).

    That target is taken out of `targets`; the first one stays, for it is the object.
    """
    word, _, noun = after.partition(" ")
    for at, target in enumerate(targets[1:], 1):
        if noun and _same(target.type, noun.replace(" ", "_")):
            return f"{word} {_target(targets.pop(at))}"
    return after


def _object(event: StoredEvent, targets: list[Target]) -> str:
    """The targets in words; the action's object where there is none or it is something else.

    Targets of the first one's type stand beside it; others, which the verb need not be true of
    (the user whose key was deleted), in brackets behind it.
    """
    parts = event.action.split(".")
    noun = parts[-2].replace("-", "_") if len(parts) > 1 else ""
    last = parts[-1].replace("-", "_")
    verb = present_of(last) or last
    alike = [one for one in targets if one.type == targets[0].type]
    beside = _some(alike, _SHOWN)
    others = _some([one for one in targets if one.type != targets[0].type], _SHOWN - len(alike))
    listed = " and ".join((", ".join(beside[:-1]), beside[-1]) if beside[1:] else beside)
    if others:
        listed += f" ({', '.join(others)})"
    if verb in _SESSION:
        return f"to {listed}" if listed else ""
    words = _safe(noun.replace("_", " "))
    if not listed:
        return words
    if not noun or _same(targets[0].type, noun):
        return f"with {listed}" if noun == "key" and verb in _USING else listed
    return f"{words} {_joint(verb, event.operation)} {listed}"


def _some(targets: list[Target], most: int) -> list[str]:
    """The first `most` of `targets` in words, and how many more there are."""
    shown = [_target(one) for one in targets[: max(most, 0)]]
    more = len(targets) - len(shown)
    return [*shown, f"{more} more"] if more else shown


def _joint(verb: str, operation: str) -> str:
    """The word between the action's object and the target it belongs to."""
    if verb in _RECEIVING:
        return "to"
    if verb in _BELONGING:
        return "of"
    if operation == "grant":
        return "on" if verb == "put" else "to"
    return "from" if operation == "revoke" else "of"


def _same(kind: str, noun: str) -> bool:
    """Whether a target's type and an action's object name one thing (`iam_user`, `user`)."""
    left, right = kind.lower().replace("-", "_"), noun.lower()
    return left == right or left.endswith(f"_{right}") or right.endswith(f"_{left}")


def _target(target: Target) -> str:
    kind = _safe(target.type.replace("_", " "))
    return f"{kind} {_safe(target.id)}"


def _actor(actor: StoredActor) -> str:
    if actor.type == "anonymous" and actor.id in ("", "anonymous"):
        return "Somebody anonymous"
    return _safe(actor.name or actor.id) or "Somebody"


def _behind(actor: StoredActor) -> str:
    names: list[str] = []
    waiting = list(actor.on_behalf_of)
    while waiting:
        one = waiting.pop(0)
        names.append(_actor(one))
        waiting = list(one.on_behalf_of) + waiting
    if not names:
        return ""
    return f" on behalf of {', for '.join(names)}"


def _why(event: StoredEvent) -> str:
    text = _optional(event.reason.code) or _optional(event.reason.text)
    return f" ({_safe(text)})" if text else ""


def _optional(value: str | UnsetType) -> str:
    return "" if value is UNSET else value


def _safe(text: str) -> str:
    """`text` on one line, short, with nothing a terminal or page would act on."""
    if len(text) > _LONG:
        text = text[: _LONG - 1] + "…"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)
