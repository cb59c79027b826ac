"""The rules of an audit policy as a person writes them: TOML or JSON, read with helpful errors.

    [[rule]]
    name = "health checks"
    when = "source:web action:http.request.get target:/healthz"
    then = "drop"

Rules are asked in order and the first that matches decides; what none matches is kept. `when` is
the search language, limited to `FIELDS`: who acted, what was done, to what, in which source. What
whoever is watched may choose freely (user agent, address, display names, data) decides nothing, or
an intruder would name itself a health check. Pure.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from difflib import get_close_matches
from enum import Enum
from typing import Any, Final, NoReturn

import msgspec

from indelible.base.errors import BadRequest, QueryError
from indelible.base.limits import AUDIT_POLICY_BYTES, AUDIT_RULES, NAME_CHARS
from indelible.event.model import Operation
from indelible.event.predicate import All, AnyOf, Changed, Not, Op, Predicate, Term, Text
from indelible.ingest.audit_policy import guard
from indelible.language import parse

FIELDS: Final = (
    "source", "tenant", "action", "operation", "actor", "actor.type", "onbehalf", "target",
    "target.type", "outcome",
)
"""What a rule may look at."""


class BadAuditPolicy(BadRequest):
    """Rules that cannot be understood, or that would lose what must be kept; `field` says where."""

    code = "bad_audit_policy"
    remedy = "Correct the named rule; docs/howto/audit-policy.md has worked examples."


class Then(Enum):
    """What becomes of an event that a rule matches."""

    KEEP = "keep"
    STRIP = "strip"  # without request and response bodies
    SUMMARISE = "summarise"  # reads, rolled up by actor, target type and minute
    DROP = "drop"  # counted


class AuditRule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule. `number` counts from 1.

    `operations` are what `summarise` may roll up; `members` are members of `data` that `strip`
    takes away besides request and response bodies.
    """

    number: int
    name: str
    when: str
    then: Then
    predicate: Predicate
    operations: frozenset[str] = frozenset()
    members: tuple[str, ...] = ()

    @property
    def loses_events(self) -> bool:
        """Whether single events are not stored."""
        return self.then in (Then.SUMMARISE, Then.DROP)


def parse_rules(text: str) -> tuple[AuditRule, ...]:
    """The rules in a text, in order; raises `BadAuditPolicy` with rule, member and remedy.

    A text without rules is an audit policy that keeps everything.
    """
    if len(text.encode()) > AUDIT_POLICY_BYTES:
        raise BadAuditPolicy(f"the rules take more than {AUDIT_POLICY_BYTES} bytes", field="rules")
    found = _tables(_document(text))
    if len(found) > AUDIT_RULES:
        raise BadAuditPolicy(f"there are more than {AUDIT_RULES} rules", field="rules")
    rules: list[AuditRule] = []
    for number, said in enumerate(found, 1):
        rule = _Reader(number, said).rule()
        for earlier in rules:
            if earlier.predicate == rule.predicate and not earlier.loses_events:
                _refuse(
                    number, rule.name, "when",
                    f"never matches: rule {earlier.number} has the same condition",
                    "Remove one of the two.",
                )
        rules.append(rule)
    return tuple(rules)


def _document(text: str) -> dict[str, Any]:
    """TOML, or JSON where the text begins as an object does."""
    if text.lstrip().startswith("{"):
        try:
            found: Any = msgspec.json.decode(text)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise BadAuditPolicy(f"not well-formed JSON: {error}", field="rules") from error
        return found if isinstance(found, dict) else {}
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadAuditPolicy(
            f"not well-formed TOML: {error}", field="rules",
            remedy='Each rule begins with [[rule]]; texts stand in quotes: then = "drop".',
        ) from error


def _tables(document: dict[str, Any]) -> list[dict[str, Any]]:
    found = document.pop("rule", document.pop("rules", []))
    if document:
        name = next(iter(document))
        raise BadAuditPolicy(
            f"{name!r} is not known beside the rules", field=str(name),
            remedy="There is nothing but rules: [[rule]] in TOML, {\"rules\": [...]} in JSON.",
        )
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise BadAuditPolicy(
            "the rules are not a list of tables", field="rules",
            remedy="Write [[rule]] with two brackets before each of them.",
        )
    return found


def _refuse(number: int, name: str, member: str, what: str, remedy: str) -> NoReturn:
    called = f" ({name})" if name else ""
    raise BadAuditPolicy(
        f"rule {number}{called}: {member} {what}", field=f"rule {number}: {member}", remedy=remedy
    )


class _Reader:
    """Reads one rule."""

    def __init__(self, number: int, said: dict[str, Any]) -> None:
        self._number, self._said = number, said
        name = said.get("name", "")
        self._name = name if isinstance(name, str) else ""

    def rule(self) -> AuditRule:
        """The rule; raises `BadAuditPolicy`."""
        self._known()
        then = self._then()
        when = self._text("when", required=True)
        predicate = self._predicate(when)
        rule = AuditRule(
            number=self._number, name=self._text("name"), when=when, then=then,
            predicate=predicate, operations=self._operations(then), members=self._members(then),
        )
        self._guard(rule)
        self._possible(rule)
        return rule

    def _refuse(self, member: str, what: str, remedy: str) -> NoReturn:
        _refuse(self._number, self._name, member, what, remedy)

    def _known(self) -> None:
        known = ("name", "when", "then", "operations", "members")
        for name in self._said:
            if name not in known:
                near = get_close_matches(name, known, 1, 0.5)
                hint = f"Did you mean {near[0]}? " if near else ""
                self._refuse(name, "is not known", f"{hint}A rule has {', '.join(known)}.")

    def _text(self, member: str, *, required: bool = False) -> str:
        value = self._said.get(member, "")
        if not isinstance(value, str):
            self._refuse(member, "is not a text", 'Write a text in quotes: "...".')
        if member == "name" and not (value.isprintable() and len(value) <= NAME_CHARS):
            self._refuse(
                member, "is too long, or has characters that cannot be shown",
                f"Write it on one line of at most {NAME_CHARS} characters.",
            )
        if required and not value.strip():
            self._refuse(
                member, "is missing",
                "Say what the rule is about, such as action:s3.object.* or, for every event, "
                "source:*.",
            )
        return value

    def _then(self) -> Then:
        value = self._text("then")
        for then in Then:
            if then.value == value:
                return then
        near = get_close_matches(value, [then.value for then in Then], 1, 0.5)
        hint = f"Did you mean {near[0]}? " if near else ""
        what = f"{value!r} is nothing that can be done" if value else "is missing"
        return self._refuse(
            "then", what, f"{hint}It is keep, strip, summarise or drop."
        )

    def _list(self, member: str) -> list[str]:
        value = self._said.get(member, [])
        if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
            self._refuse(member, "is not a list of texts", 'Write a list in brackets: ["..."].')
        return value

    def _operations(self, then: Then) -> frozenset[str]:
        given = self._list("operations")
        if then is not Then.SUMMARISE:
            if given:
                self._refuse(
                    "operations", f"does not go with {then.value}",
                    "Write operation:... into when; only summarise needs to be told what it may "
                    "roll up besides reads.",
                )
            return frozenset()
        known = [one.value for one in Operation]
        for one in given:
            if one not in known:
                near = get_close_matches(one, known, 1, 0.5)
                hint = f"Did you mean {near[0]}? " if near else ""
                self._refuse("operations", f"names {one!r}", f"{hint}It is one of {known}.")
            if one in guard.OPERATIONS:
                self._refuse("operations", f"names {one}", _ALWAYS_KEPT)
        return frozenset(given) or frozenset(("read",))

    def _members(self, then: Then) -> tuple[str, ...]:
        given = self._list("members")
        if given and then is not Then.STRIP:
            self._refuse(
                "members", f"does not go with {then.value}", "Only strip takes members away."
            )
        return tuple(given)

    def _predicate(self, when: str) -> Predicate:
        try:
            query = parse(when, 0)
        except QueryError as error:
            raise BadAuditPolicy(
                f"rule {self._number}{f' ({self._name})' if self._name else ''}: "
                f"when: {error.message}: {when}",
                field=f"rule {self._number}: when", position=error.position, remedy=error.remedy,
            ) from error
        if query.since_us is not None or query.until_us is not None or query.sort is not None:
            self._refuse("when", "names a time or an order", _LOOKS_AT)
        for leaf, _ in _leaves(query.predicate):
            if isinstance(leaf, Text):
                self._refuse(
                    "when", f"looks for the word {leaf.value!r} anywhere",
                    f"Name the field it belongs to. {_LOOKS_AT}",
                )
            if isinstance(leaf, Changed):
                self._refuse("when", "looks at changes", _LOOKS_AT)
            if leaf.field not in FIELDS:
                self._refuse("when", f"looks at {leaf.field}", _LOOKS_AT)
        return query.predicate

    def _guard(self, rule: AuditRule) -> None:
        """A rule that asks to lose what is always kept is a mistake that is better told at once."""
        if not rule.loses_events:
            return
        for leaf, positive in _leaves(rule.predicate):
            if not positive or not isinstance(leaf, Term) or leaf.op is not Op.EQ:
                continue
            never = {"outcome": guard.OUTCOMES, "operation": guard.OPERATIONS}.get(leaf.field)
            asked = sorted(str(value) for value in leaf.values if value in (never or ()))
            if asked:
                self._refuse(
                    "when", f"would {rule.then.value} {leaf.field}:{','.join(asked)}", _ALWAYS_KEPT
                )

    def _possible(self, rule: AuditRule) -> None:
        """`summarise` with a condition on operations that it does not roll up never matches."""
        if rule.then is not Then.SUMMARISE:
            return
        parts = rule.predicate.children if isinstance(rule.predicate, All) else (rule.predicate,)
        for part in parts:
            if isinstance(part, Term) and part.field == "operation" and part.op is Op.EQ:
                asked = [str(value) for value in part.values]
                if not rule.operations.intersection(asked):
                    self._refuse(
                        "when", f"asks for operation:{','.join(asked)}, and the rule rolls up "
                        f"{', '.join(sorted(rule.operations))}",
                        f"Add operations = {msgspec.json.encode(asked).decode()}.",
                    )


_ALWAYS_KEPT: Final = (
    "Failures, denials, grant, revoke and configure are always kept; strip may take their bodies."
)
_LOOKS_AT: Final = (
    f"A rule looks at {', '.join(FIELDS)}: what the one who is watched chooses freely (addresses, "
    "agents, names, data) and times decide nothing."
)


def _leaves(
    predicate: Predicate, positive: bool = True
) -> Iterator[tuple[Term | Text | Changed, bool]]:
    """Every condition of a predicate, and whether it is asked for rather than excluded."""
    match predicate:
        case All(children=children) | AnyOf(children=children):
            for child in children:
                yield from _leaves(child, positive)
        case Not(child=child):
            yield from _leaves(child, not positive)
        case _:
            yield predicate, positive
