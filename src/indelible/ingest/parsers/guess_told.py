"""What values of foreign formats say: how it ended, how grave it is, who it may be. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

from indelible.base.limits import REMEMBERED
from indelible.event.model import ActorType, Outcome, Severity
from indelible.ingest.parsers.guess_names import joined
from indelible.ingest.parsers.guess_tables import named

_ENDED: Final = {
    Outcome.SUCCESS: """success successful succeeded succeed ok okay pass passed accepted
        completed complete done allow allowed permit permitted granted approved true yes 1
        authorized executed finished loginnoerror successfully noerror nofailure successes""",
    Outcome.FAILURE: """failure failed fail error errored ko unsuccessful false no 0 incorrect
        invalid timeout timedout aborted exception failures""",
    Outcome.DENIED: """deny denied block blocked reject rejected forbid forbidden unauthorized
        unauthorised refused dropped drop disallowed accessdenied permissiondenied notallowed
        challenge rejectedbypolicy notauthorized unauthenticated prevented""",
}
_WORDS: Final = {word: outcome for outcome, text in _ENDED.items() for word in text.split()}
_BARE: Final = named("true false yes no 1 0")
"""Words that tell something only beside a name that asks."""

_DENIES = re.compile(
    r"den(?:y|ied)|forbid|unauthori[sz]ed|not.?authori[sz]ed|not.?allowed|no.?permission"
    r"|permission.?denied|insufficient.?(?:privilege|permission|right)|blocked", re.I
)
_FAILS = re.compile(
    r"(?:^|[^a-z])(?:fail(?:ed|ure|s)?|unsuccessful|invalid|denied|rejected)(?:$|[^a-z])|error$"
)
_FAILS_CAMEL = re.compile(r"[a-z](?:Fail(?:ed|ure)?|Denied|Rejected)(?:$|[^a-z])")
_SUCCEEDS = re.compile(r"(?:^|[^a-z])succe(?:ss|eded|ssful|ssfully)(?:$|[^a-z])")
_SUCCEEDS_CAMEL = re.compile(r"[a-z]Succe(?:ss|eded|ssful)(?:$|[^a-z])")
_ASKS_PASS: Final = named("""success successful issuccess issuccessful succeeded succeed
    wassuccessful eventsuccess loginsuccess ok""")
_ASKS_LEAVE: Final = named("""granted allowed permitted authorized isallowed accessgranted
    decision disposition verdict""")
_ASKS_FAIL: Final = named("failed isfailed failure")
_ASKS_BLOCK: Final = named("denied blocked")
_ERRORS: Final = named("""errorcode error errorname errortype errcode oautherror errormessage
    errormsg errordescription errorreason failurereason errordetail denyreason""")
_EXITS: Final = named("exitcode returncode resultcode")
_CODES: Final = named("""statuscode responsecode httpstatus httpstatuscode responsestatuscode
    httpcode responsehttpstatus code status responsestatus""")

_GRAVE: Final = {
    Severity.DEBUG: "debug trace verbose",
    Severity.INFO: "info informational information notice normal",
    Severity.LOW: "low minor",
    Severity.MEDIUM: "medium moderate warning warn",
    Severity.HIGH: "high error err major severe",
    Severity.CRITICAL: "critical crit fatal alert emergency emerg panic veryhigh",
}
_SEVERITIES: Final = {word: grave for grave, text in _GRAVE.items() for word in text.split()}

_KINDS: Final = {
    ActorType.SERVICE: """service serviceaccount serviceprincipal application app bot integration
        workload machine robot function lambda client oauthclient computer host serviceuser
        thirdpartyapp""",
    ActorType.API_KEY: "apikey token accesstoken apitoken personalaccesstoken accesskey key",
    ActorType.AGENT: "agent aiagent assistant llm model",
    ActorType.SYSTEM: """system scheduler cron automation automated internal localsystem ntauthority
        systemuser daemon kernel automaticprocess systemaccount""",
    ActorType.ANONYMOUS: "anonymous unauthenticated guest anonymoususer systemanonymous public",
}
_TYPES: Final = {word: kind for kind, text in _KINDS.items() for word in text.split()}
_PERSONS: Final = named("admin administrator human person member employee")
NOBODY: Final = frozenset(
    ("", "-", "--", "n/a", "na", "none", "null", "nil", "unknown", "undefined", "not available",
     "<unknown>", "(null)", "[redacted]", "?")
)
"""Texts that stand where a value should be and say that there is none."""


def outcome_of_word(value: str) -> Outcome | None:
    """The outcome that one word or a short text says by itself, None when it says none."""
    word = joined(value) if len(value) <= len("unsuccessful because of a rejected") else ""
    return None if word in _BARE else _WORDS.get(word)


def outcome_of_code(code: int) -> Outcome | None:
    """The outcome of an HTTP status (RFC 9110): 401 and 403 deny; None outside 100 to 599."""
    if code in (401, 403):
        return Outcome.DENIED
    if 100 <= code < 400:
        return Outcome.SUCCESS
    return Outcome.FAILURE if 400 <= code < 600 else None


def outcome_of(leaf: str, value: Any) -> Outcome | None:
    """The outcome that a member of this (joined) name says; None when the value says nothing."""
    if isinstance(value, bool):
        return _of_flag(leaf, value)
    if isinstance(value, int) or (isinstance(value, str) and value.isascii() and value.isdigit()):
        return _of_number(leaf, int(value) if len(str(value)) <= 10 else -1)
    if not isinstance(value, str) or value.strip().lower() in NOBODY:
        return None
    word = joined(value[:64])
    if word in _BARE:
        return _of_flag(leaf, word in ("true", "yes"))
    found = _WORDS.get(word)
    if found is not None and leaf not in _ERRORS:
        return found
    if leaf in _ERRORS:
        return Outcome.DENIED if _DENIES.search(value[:256]) else Outcome.FAILURE
    return outcome_in_name(value[:64]) if leaf not in ("reason", "text", "message") else None


def _of_flag(leaf: str, value: bool) -> Outcome | None:
    if leaf in _ASKS_PASS or leaf.endswith(("result", "outcome")):
        return Outcome.SUCCESS if value else Outcome.FAILURE
    if leaf in _ASKS_LEAVE:
        return Outcome.SUCCESS if value else Outcome.DENIED
    if leaf in _ASKS_FAIL or leaf == "error":
        return Outcome.FAILURE if value else Outcome.SUCCESS
    if leaf in _ASKS_BLOCK:
        return Outcome.DENIED if value else Outcome.SUCCESS
    return None


def _of_number(leaf: str, code: int) -> Outcome | None:
    if leaf in _CODES and 100 <= code < 600:
        return outcome_of_code(code)
    if leaf in _EXITS:
        return Outcome.FAILURE if code else Outcome.SUCCESS
    if leaf in ("errorcode", "errcode"):
        return None if code == 0 else outcome_of_code(code) or Outcome.FAILURE
    return _of_flag(leaf, code == 1) if code in (0, 1) else None


@lru_cache(maxsize=REMEMBERED)
def outcome_in_name(name: str) -> Outcome | None:
    """The outcome that the name of what was done says: `UserLoginFailed`, `login.success`."""
    low = name.lower()
    if _FAILS.search(low) or _FAILS_CAMEL.search(name):
        return Outcome.DENIED if _DENIES.search(name) else Outcome.FAILURE
    if _SUCCEEDS.search(low) or _SUCCEEDS_CAMEL.search(name):
        return Outcome.SUCCESS
    return Outcome.DENIED if re.search(r"(?:^|[^a-z])forbidden", low) else None


def severity_of(value: Any) -> Severity | None:
    """The severity that a word says."""
    if not isinstance(value, str) or len(value) > len("informational level"):
        return None
    return _SEVERITIES.get(joined(value))


@lru_cache(maxsize=REMEMBERED)
def type_of_name(name: str) -> ActorType | None:
    """The kind of principal that its own name tells, None when it may be a person."""
    low = name.lower()
    if low.endswith((".gserviceaccount.com", "[bot]")) or low.startswith("system:serviceaccount:"):
        return ActorType.SERVICE
    found = _TYPES.get(joined(name[:64]))
    return found if found in (ActorType.SYSTEM, ActorType.ANONYMOUS) else None


@lru_cache(maxsize=REMEMBERED)
def type_of_word(word: str) -> ActorType | None:
    """The kind of principal that a type's name says: `USER`, `service_account`, `ApiKey`."""
    plain = joined(word[:64])
    if plain.endswith(("user", "userreference")) or plain in _PERSONS:
        return ActorType.SYSTEM if plain == "systemuser" else ActorType.USER
    return _TYPES.get(plain)
