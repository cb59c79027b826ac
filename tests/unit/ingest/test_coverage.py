"""Coverage: every capability is recognised by real events of its format, and judged honestly."""

from __future__ import annotations

import pytest

from indelible.base.limits import COVERAGE_EVENTS
from indelible.event.evaluate import matches
from indelible.event.model import StoredEvent, read_body
from indelible.ingest.completeness.coverage import (
    SHARED,
    Capability,
    catalogue,
    formats,
    formats_of,
    judged,
)
from indelible.ingest.parsers.table import FORMATS
from indelible.language import parse
from support.labelled import cases

ALL = [(name, one) for name in formats() for one in catalogue(name)]
TAIL = b',"kind":"event","received":"2026-06-01T00:00:00.000000Z","source":{"id":"s","number":1}}'


def events(name: str) -> list[StoredEvent]:
    """Labelled events of a format and of those that say the same in another form."""
    wanted = {name, *(form for form, of in SHARED.items() if of == name)}
    parsed = [case.parsed() for case in cases() if case.format in wanted]
    return [read_body(one.content[:-1] + TAIL) for one in parsed if one.kind == "event"]


@pytest.mark.parametrize(("name", "capability"), ALL, ids=[f"{n}: {c.name}" for n, c in ALL])
def test_a_capability_is_seen_in_real_events_and_says_what_to_do(
    name: str, capability: Capability
) -> None:
    predicate = parse(capability.seen, 0).predicate
    found = [matches(predicate, 0, event) for event in events(name)]
    assert any(found), f"no labelled event matches {capability.seen}"
    assert not all(found) or capability.always, "it matches everything"
    assert capability.question.endswith("?")
    assert capability.setting
    assert capability.volume


def test_every_catalogue_is_of_a_format_that_is_read() -> None:
    assert set(formats()) - {"windows"} <= set(FORMATS)
    assert set(SHARED) <= set(FORMATS)


def test_what_was_not_seen_is_off_only_where_it_would_have_shown() -> None:
    always = Capability(name="n", seen="x", question="?", setting="s", volume="v", always=True)
    seldom = Capability(name="n", seen="x", question="?", setting="s", volume="v")
    assert judged(seldom, True, 1) == "on"
    assert judged(always, False, COVERAGE_EVENTS) == "off"
    assert judged(always, False, COVERAGE_EVENTS - 1) == "unknown"
    assert judged(seldom, False, 10 * COVERAGE_EVENTS) == "unknown"


def test_formats_of_a_source_are_those_that_read_it() -> None:
    assert formats_of(["syslog/1", "linux_auth/1", "nxlog/1", "winlogbeat/1", "json/1"]) == [
        "linux_auth", "windows"
    ]
