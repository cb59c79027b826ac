"""A parser made of a mapping: a table that says where each member of the event comes from.

`docs/howto/add-a-source.md` is the reference of the form. A mapping is compiled once, to functions;
reading a record then only calls them. `mapping_file` reads the files.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import tzinfo
from typing import Any, Final, NamedTuple, TypeAlias

from msgspec import UNSET

from indelible.base.limits import JSON_DEPTH, LABELS, NAME_CHARS
from indelible.event.model import Event, Outcome, Severity, Why
from indelible.ingest.parsers.contract import (
    WRONG,
    Given,
    NotUnderstood,
    Parser,
    Record,
    Understood,
)
from indelible.ingest.parsers.guess_service import zone_named
from indelible.ingest.parsers.guess_time import Moment, read_epoch, read_time
from indelible.ingest.parsers.guess_time_format import compiled_pattern, read_as
from indelible.ingest.parsers.guess_told import severity_of
from indelible.ingest.parsers.keyvalue import record_of
from indelible.ingest.parsers.mapping_conditions import Holds, condition, described
from indelible.ingest.parsers.mapping_errors import Member, Place, known_only
from indelible.ingest.parsers.mapping_forms import (
    Opens,
    forms_of,
    parts_of,
    present_of,
    read_of,
    texts_of,
)
from indelible.ingest.parsers.mapping_paths import Get
from indelible.ingest.parsers.mapping_values import text_of, value_of
from indelible.ingest.parsers.mapping_what import (
    Ended,
    action_of,
    changes_of,
    outcome_of,
    targets_of,
)
from indelible.ingest.parsers.mapping_where import origin_of
from indelible.ingest.parsers.mapping_who import has_cut, who_of
from indelible.ingest.parsers.pick import reason, targets

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_TAKEN: Final = ("native", "auto")
_ABOUT: Final = (
    "name", "version", "about", "reads", "forms", "escaped", "missing", "recognise", "inside",
    "dotted", "texts", "parts", "case",
)
_MEMBERS: Final = (
    "action", "actions", "actor", "time", "observed", "id", "severity", "outcome", "origin",
    "targets", "changes", "labels", "data", "subjects", "why",
)
_SEVERITIES: Final = {one.value: one for one in Severity}
LONGEST: Final = 16 * NAME_CHARS
"""Texts longer than this are not copied into `data`: `raw` holds them."""

Build: TypeAlias = Callable[[Record, Given], Understood]


def parser_of(table: Mapping[str, Any], place: Place) -> Parser:
    """The parser that a mapping means; raises `BadMapping`."""
    known_only(place, (), table, (*_ABOUT, *_MEMBERS))
    name = table.get("name", "")
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name in _TAKEN:
        raise place.bad(("name",), f"{name!r} is no name of a parser",
                        "Use lower case letters, digits, - and _, such as name = \"acme-portal\".")
    version, about = table.get("version", 1), table.get("about", "")
    if type(version) is not int or version < 1:
        raise place.bad(("version",), "version is a whole number from 1")
    if not isinstance(about, str) or not about:
        raise place.bad(("about",), "about says in one line what the mapping reads")
    reads = table.get("reads", "json")
    if reads not in ("json", "keyvalue", "text"):
        raise place.bad(("reads",), f"{reads!r} is none of json, keyvalue and text")
    if (reads == "text") != ("forms" in table):
        raise place.bad(("reads",), 'reads = "text" and forms go together')
    build = _build(place, name, table)
    holds, why = _recognition(place, table)
    inside = _inside(place, table.get("inside"))
    if table.get("dotted", False) is not False:
        if table["dotted"] is not True:
            raise place.bad(("dotted",), "dotted is true, or is left out")
        build, holds = _built_inside(_undotted, build), _held_inside(_undotted, holds)
    if inside is not None:
        build, holds = _built_inside(inside, build), _held_inside(inside, holds)
    made = Parser(name=name, version=f"{name}/{version}", about=about)
    if reads == "json":
        return made._replace(record=build, recognise=_recognise_record(holds, why))
    lines = record_of if reads == "keyvalue" else _lines(place, name, table)
    return made._replace(
        text=lambda text, given: build(lines(text), given), reads_records=False,
        recognise=_recognise_text(lines, holds, why),
    )


Lines: TypeAlias = Callable[[str], Record]


def _lines(place: Place, name: str, table: Mapping[str, Any]) -> Lines:
    """The record of a line that has one of the mapping's forms."""
    read = read_of(forms_of(place, table), ("forms",), table["forms"])

    def record(text: str) -> Record:
        found = read(text.rstrip("\r\n"))
        if found is None:
            raise NotUnderstood(WRONG, f"it has none of the forms of {name}")
        return found

    return record


def _inside(place: Place, said: Any) -> Get | None:
    """Where the record proper stands in what arrives: `inside = "data"`, or the first of a list."""
    return None if said is None else value_of(place, ("inside",), said)


def _undotted(here: Any, root: Any) -> Any:
    """A record whose members may be written `"user.name": ...` as one that nests."""
    if not any("." in name for name in here):
        return here
    whole: dict[str, Any] = {}
    for name, value in here.items():
        *path, last = name.split(".") if len(name) <= NAME_CHARS else [name]
        part = whole
        for step in path[:JSON_DEPTH]:
            inner = part.get(step)
            part[step] = part = dict(inner) if isinstance(inner, dict) else {}
        before = part.get(last)
        both = isinstance(before, dict) and isinstance(value, dict)
        part[last] = {**before, **value} if both and before is not None else value
    return whole


def _built_inside(inside: Get, build: Build) -> Build:
    def built(record: Record, given: Given) -> Understood:
        inner = inside(record, record)
        return build(inner if isinstance(inner, dict) else record, given)

    return built


def _held_inside(inside: Get, holds: Holds | None) -> Holds | None:
    if holds is None:
        return None
    test = holds

    def held(here: Any, root: Any) -> bool:
        inner = inside(here, root)
        inner = inner if isinstance(inner, dict) else here
        return test(inner, inner)

    return held


def _recognition(place: Place, table: Mapping[str, Any]) -> tuple[Holds | None, str]:
    said = table.get("recognise")
    if said is None:
        return None, ""
    if not isinstance(said, dict):
        raise place.bad(("recognise",), "recognise is a table: [recognise]")
    return condition(place, ("recognise",), said), described(said)


def _recognise_record(holds: Holds | None, why: str) -> Callable[[Any, Given], str]:
    if holds is None:
        return lambda record, given: ""
    return lambda record, given: why if holds(record, record) else ""


def _recognise_text(lines: Lines, holds: Holds | None, why: str) -> Callable[[Any, Given], str]:
    def recognise(text: Any, given: Given) -> str:
        if holds is None or (lines is record_of and "=" not in text):
            return ""
        try:
            record = lines(text)
        except NotUnderstood:
            return ""
        return why if holds(record, record) else ""

    return recognise


def _build(place: Place, name: str, table: Mapping[str, Any]) -> Build:
    """The function that makes events: by the first case that holds, else by the mapping itself."""
    base = {member: table[member] for member in _MEMBERS if member in table}
    cases = table.get("case", [])
    if not isinstance(cases, list):
        raise place.bad(("case",), "case is an array of tables: [[case]]")
    made: list[tuple[Holds, Build]] = []
    for at, case in enumerate(cases):
        member: Member = ("case", at)
        if not isinstance(case, dict) or "when" not in case:
            raise place.bad(member, "a case says when it holds", "Add when = \"path\" here.")
        known_only(place, member, case, ("when", *_MEMBERS))
        own = {key: value for key, value in case.items() if key != "when"}
        holds = condition(place, (*member, "when"), case["when"])
        made.append((holds, _event(place, name, _merged(base, own))))
    plain = _event(place, name, base) if "action" in base and "actor" in base else None
    if plain is None and not made:
        missing = "action" if "action" not in base else "actor"
        raise place.bad((missing,), f"a mapping says the {missing}", f"Add [{missing}].")
    forms = forms_of(place, table)
    opened: list[Opens] = [one for one in (
        present_of(forms), texts_of(place, table.get("texts", [])),
        parts_of(forms, table.get("parts", {})),
    ) if one is not None]

    def build(record: Record, given: Given) -> Understood:
        for opens in opened:
            record = opens(record)
        for holds, case in made:
            if holds(record, record):
                return case(record, given)
        if plain is None:
            raise NotUnderstood("unknown_kind", f"no case of {name} holds for it")
        return plain(record, given)

    return build


def _merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping with what a case says instead; tables are merged, all else is replaced."""
    whole = dict(base)
    for key, value in own.items():
        before = whole.get(key)
        both = isinstance(value, dict) and isinstance(before, dict)
        whole[key] = {**before, **value} if both and before is not None else value
    return whole


class _Plan(NamedTuple):
    """The functions that a mapping's members mean; None where it does not have them."""

    time: Callable[[Any, Given], Moment | None] | None
    observed: Callable[[Any, Given], Moment | None] | None
    outcome: Callable[[Any, Any], Ended] | None
    id: Get | None
    severity: Get | None
    labels: list[tuple[str, Get]]
    data: list[tuple[str, Get]]
    subjects: Get | None
    ticket: Get | None
    justification: Get | None


def _event(place: Place, name: str, said: dict[str, Any]) -> Build:
    """The function that makes the event of one case."""
    for missing in ("action", "actor"):
        if missing not in said:
            raise place.bad((missing,), f"a mapping says the {missing}", f"Add [{missing}].")
    act = action_of(place, name, said["action"], said.get("actions", {}))
    who = who_of(place, said["actor"])
    touched = targets_of(place, said["targets"]) if "targets" in said else None
    changed = changes_of(place, said["changes"]) if "changes" in said else None
    where = origin_of(place, said["origin"]) if "origin" in said else None
    plan = _plan(place, said)

    def build(record: Record, given: Given) -> Understood:
        done, found = act(record, record), who(record, record)
        if done is None:
            raise NotUnderstood("missing_action", "none of the paths of action.from has a value")
        if found is None:
            raise NotUnderstood("missing_actor", "none of the paths of actor.id has a value")
        when = plan.time(record, given) if plan.time else None
        seen = plan.observed(record, given) if plan.observed else None
        ended = plan.outcome(record, record) if plan.outcome else _UNTOLD
        outcome = done.outcome if done.outcome is not UNSET else ended.outcome
        changes = changed(record, record) if changed else None
        event = Event(
            action=done.action,
            actor=found.actor,
            operation=done.operation,
            targets=targets(touched(record, record)) if touched else UNSET,
            time=when.time if when else UNSET,
            observed=seen.time if seen else UNSET,
            outcome=outcome,
            reason=UNSET if outcome is Outcome.SUCCESS else reason(ended.code, ended.text),
            origin=where(record, given) if where else UNSET,
            changes=changes or UNSET,
            id=(plan.id(record, record) or UNSET) if plan.id else UNSET,
            severity=_severity(plan.severity(record, record)) if plan.severity else UNSET,
            labels=_labels(plan.labels, record) if plan.labels else UNSET,
            subjects=_subjects(plan.subjects(record, record)) if plan.subjects else UNSET,
            why=_why(plan, record) if plan.ticket or plan.justification else UNSET,
        )
        data: dict[str, object] = {"vendor_action": done.vendor}
        if found.own_id and found.own_id != found.actor.id:
            data["actor_id"] = found.own_id
        for key, get in plan.data:
            value = get(record, record)
            short = type(value) is not str or len(value) <= LONGEST
            if short and value is not None and value != "" and value != [] and value != {}:
                data[key] = value
        flags = ("time_assumed",) if when is not None and when.assumed else ()
        return Understood(event, data, (*flags, "truncated") if has_cut(event) else flags)

    return build


_UNTOLD: Final = Ended(UNSET, "", "")


def _plan(place: Place, said: Mapping[str, Any]) -> _Plan:
    why = said.get("why", {})
    if not isinstance(why, dict):
        raise place.bad(("why",), "why is a table of ticket and justification")
    known_only(place, ("why",), why, ("ticket", "justification"))

    def text(member: str, within: Mapping[str, Any], *front: str) -> Get | None:
        return text_of(place, (*front, member), within[member]) if member in within else None

    return _Plan(
        time=_time(place, "time", said["time"]) if "time" in said else None,
        observed=_time(place, "observed", said["observed"]) if "observed" in said else None,
        outcome=outcome_of(place, said["outcome"]) if "outcome" in said else None,
        id=text("id", said),
        severity=text("severity", said),
        labels=[(key, text_of(place, ("labels", key), one))
                for key, one in _named(place, said, "labels")[:LABELS]],
        data=[(key, value_of(place, ("data", key), one))
              for key, one in _named(place, said, "data")],
        subjects=value_of(place, ("subjects",), said["subjects"]) if "subjects" in said else None,
        ticket=text("ticket", why, "why"),
        justification=text("justification", why, "why"),
    )


def _named(place: Place, said: Mapping[str, Any], member: str) -> list[tuple[str, Any]]:
    table = said.get(member, {})
    if not isinstance(table, dict):
        raise place.bad((member,), f"{member} is a table: [{member}]")
    return list(table.items())


def _time(place: Place, member: str, said: Any) -> Callable[[Any, Given], Moment | None]:
    """A time: `unit` of a number, `format` of a text, `zone` where the vendor documents one."""
    options = said if isinstance(said, dict) else {}
    get = value_of(place, (member,), said, ("unit", "format", "zone"))
    unit, pattern, name = (options.get(key, "") for key in ("unit", "format", "zone"))
    if unit not in ("", "s", "ms", "us", "ns"):
        raise place.bad((member, "unit"), f"{unit!r} is no unit", "Units are s, ms, us and ns.")
    if pattern and (not isinstance(pattern, str) or compiled_pattern(pattern) is None):
        raise place.bad((member, "format"), f"{pattern!r} is no pattern of a time",
                        "Patterns look like dd/MM/yyyy HH:mm:ss.SSS Z (Java's SimpleDateFormat).")
    zone = zone_named(name) if isinstance(name, str) else None
    if name and zone is None:
        raise place.bad((member, "zone"), f"{name!r} is not a time zone",
                        "Give a name of the IANA database, such as Europe/Berlin, or UTC.")

    def read(record: Any, given: Given) -> Moment | None:
        value = get(record, record)
        if value is None or value == "":
            return None
        found = _moment(value, unit, pattern, zone or given.zone, given.now_us)
        return Moment(found.time) if found is not None and zone is not None else found

    return read


def _moment(value: Any, unit: str, pattern: str, zone: tzinfo, now_us: int) -> Moment | None:
    if unit:
        return read_epoch(value, unit)
    if pattern:
        return read_as(value, pattern, zone, now_us) if isinstance(value, str) else None
    return read_time(value, zone, now_us)


def _severity(word: str) -> Any:
    return _SEVERITIES.get(word) or severity_of(word) or UNSET


def _labels(labels: list[tuple[str, Get]], record: Record) -> Any:
    found = {key: text for key, get in labels if (text := get(record, record))}
    return found or UNSET


def _subjects(value: Any) -> Any:
    values = value if isinstance(value, list) else [value]
    return [one for one in values if isinstance(one, str) and one] or UNSET


def _why(plan: _Plan, record: Record) -> Any:
    ticket = plan.ticket(record, record) if plan.ticket else ""
    text = plan.justification(record, record) if plan.justification else ""
    return Why(ticket=ticket or UNSET, justification=text or UNSET) if ticket or text else UNSET
