"""From an action's name to its operation class, and from AWS names to actions. Pure.

Both read versioned data: `event.catalogue` (verbs) and `event.aws_catalogue` (AWS's own names).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from indelible.base.limits import ACTION_CHARS, REMEMBERED
from indelible.event import aws_catalogue as aws
from indelible.event.catalogue import PASTS, VERBS
from indelible.event.model import Operation

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_VERSION_SUFFIX = re.compile(r"_?20\d{6}(?:v\d+)?$|V\d+$")
_UNSAFE = re.compile(r"[^a-z0-9_-]+")


class VendorAction(NamedTuple):
    """A foreign name in the catalogue's terms."""

    action: str
    operation: Operation


def operation_of(action: str) -> Operation:
    """The operation class of a native action, by its last part (`payroll.record.delete`: delete).

    Past tenses count as their verb; in a part of several words (`bulk_delete`, `delete-all`) the
    first known verb from the end, then from the start, decides. Unknown verbs are `other`.
    """
    last = action.rpartition(".")[2].replace("-", "_")
    whole = _verb(last)
    if whole is not None:
        return whole
    words = last.split("_")
    for word in (words[-1], words[0]):
        found = _verb(word)
        if found is not None:
            return found
    return Operation.OTHER


def present_of(word: str) -> str:
    """The catalogue's verb that `word` is, in the present, or '' when it is none."""
    if word in VERBS:
        return word
    if word in PASTS:
        return PASTS[word]
    if not word.endswith("ed"):
        return ""
    stem = word[:-2]
    for present in (stem, stem + "e", stem[:-1] + "y" if stem.endswith("i") else stem):
        if present in VERBS:
            return present
    doubled = len(stem) > 2 and stem[-1] == stem[-2]
    return stem[:-1] if doubled and stem[:-1] in VERBS else ""


def _verb(word: str) -> Operation | None:
    """The class of one verb, in the present or a regular past."""
    return VERBS.get(present_of(word))


@lru_cache(maxsize=REMEMBERED)
def aws_action(source: str, name: str) -> VendorAction:
    """The action and operation of CloudTrail's `eventSource` and `eventName`.

    `service.object.verb`: the service is the source without `.amazonaws.com`; the verb is the
    name's first word and the object the rest, in the singular, unless the catalogue has a row of
    its own for the name. The result always has the form of an action.
    """
    service = _safe(source.lower().removesuffix(".amazonaws.com").removesuffix(".amazon.com"))
    plain = _VERSION_SUFFIX.sub("", name)
    row = aws.EXCEPTIONS.get(f"{service}:{plain}") or aws.EXCEPTIONS.get(f"*:{plain}")
    if row is not None:
        target, verb, operation = row
        return VendorAction(_join(service, target, verb), operation)
    words = _words(plain)
    while len(words) > 1 and words[0] in aws.PREFIXES:
        words = words[1:]
    verb, rest = _split(words)
    target = "_".join(rest[:-1] + [singular(rest[-1])]) if rest else "service"
    return VendorAction(_join(service, target, verb), _aws_operation(service, verb, rest))


def singular(word: str) -> str:
    """An English plural's singular, good enough for the nouns of AWS."""
    if word in aws.SINGULARS:
        return aws.SINGULARS[word]
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "shes", "tches")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is", "as", "ns")):
        return word[:-1]
    if word.endswith("ns") and word not in ("dns", "sns", "lens"):
        return word[:-1]
    return word


def _words(name: str) -> list[str]:
    """CamelCase words in lower case; a plural acronym (`VPCs`, `DBs`) stays one word."""
    spaced = re.sub(r"([A-Z]{2,})s(?=[A-Z]|$)", lambda found: found[1].capitalize() + "s", name)
    return [word.lower() for word in _WORDS.findall(spaced)] or ["occur"]


def _split(words: list[str]) -> tuple[str, list[str]]:
    """Verb and object: a known first word, or a known last one (`...Created`), or `occur`."""
    if words[0] in aws.OPERATIONS or len(words) == 1:
        return words[0], words[1:]
    past = aws.PAST.get(words[-1])
    if past is not None:
        return past, words[:-1]
    return "occur", words


def _aws_operation(service: str, verb: str, rest: list[str]) -> Operation:
    operation = aws.OPERATIONS.get(verb, Operation.OTHER)
    last = singular(rest[-1]) if rest else ""
    if verb in ("put", "attach", "add") and last in aws.RIGHTS:
        return Operation.GRANT
    if verb in ("detach", "remove") and last in aws.RIGHTS:
        return Operation.REVOKE
    if verb == "put" and service == "s3" and rest[:1] == ["bucket"]:
        return Operation.CONFIGURE
    return operation


def _safe(text: str) -> str:
    return _UNSAFE.sub("_", text.replace(".", "_")).strip("_-") or "unknown"


def _join(service: str, target: str, verb: str) -> str:
    verb = _safe(verb)
    room = ACTION_CHARS - len(verb) - 2
    front = f"{service[:64]}.{_safe(target)}"[:room].rstrip("_-.")
    return f"{front}.{verb}"
