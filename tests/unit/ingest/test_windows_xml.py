"""Event XML: how it is read, and what of it is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from indelible.ingest.parsed import Parsed
from indelible.ingest.parsers.contract import Given
from indelible.ingest.parsers.table import parser_named, recognised
from support.parsing import GIVEN, parse_one

NS = "http://schemas.microsoft.com/win/2004/08/events/event"
SYSTEM = (
    '<System><Provider Name="Microsoft-Windows-Security-Auditing"/><EventID>4634</EventID>'
    "<Keywords>0x8020000000000000</Keywords>"
    '<TimeCreated SystemTime="2026-03-03T09:14:07.1234567Z"/>'
    "<EventRecordID>7</EventRecordID><Channel>Security</Channel><Computer>x</Computer></System>"
)
DATA = '<EventData><Data Name="TargetUserName">ann</Data></EventData>'
EVENT = f'<Event xmlns="{NS}">{SYSTEM}{DATA}</Event>'


def parsed(text: str, given: Given = GIVEN) -> Parsed:
    """What the parser makes of a text."""
    return parse_one("windows_xml", text.encode("utf-8", "surrogatepass"), given=given)


def event(text: str) -> dict[str, Any]:
    """The event of a text that can be read."""
    found = parsed(text)
    assert found.kind == "event", found.content
    content: dict[str, Any] = json.loads(found.content)
    return content


def why(text: str) -> str:
    """The code of the reason why a text cannot be read."""
    found = parsed(text)
    assert found.kind == "unparsed"
    code: str = json.loads(found.content)["reason"]["code"]
    return code


@pytest.mark.parametrize(
    "text",
    [
        EVENT, f"\ufeff{EVENT}", f"  \n{EVENT}", f'<?xml version="1.0" encoding="utf-8"?>{EVENT}',
        f'<?xml version="1.0" encoding="UTF-16"?>\r\n{EVENT}', f"<Events>{EVENT}</Events>",
        EVENT.replace('"', "'"), EVENT.replace("><", ">\n\t<"),
        EVENT.replace(f' xmlns="{NS}"', ""),
    ],
    ids=["plain", "bom", "space", "declared", "utf16", "events", "quotes", "lines", "no_schema"],
)
def test_the_same_event_in_every_dress(text: str) -> None:
    found = event(text)
    assert (found["actor"]["id"], found["outcome"]) == ("ann", "success")
    assert found["time"] == "2026-03-03T09:14:07.123456Z"
    assert recognised(text, GIVEN) is not None


def test_a_time_is_utc_also_without_its_letter() -> None:
    assert event(EVENT.replace("67Z", "67"))["time"] == "2026-03-03T09:14:07.123456Z"


def test_a_document_type_is_refused_before_anything_is_expanded() -> None:
    bomb = '<!DOCTYPE Event [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    assert why(bomb + EVENT) == "bad_xml"
    assert why(f'<?xml version="1.0"?>{bomb}{EVENT}') == "bad_xml"
    assert why(EVENT.replace(">ann", ">&lol;")) == "bad_xml"


@pytest.mark.parametrize("bad", ["\x00", "\x01", "\x1b", "\ufffe", "&#0;", "&#x1F;", "&#xD800;"])
def test_a_character_that_xml_forbids_is_read_as_a_replacement(bad: str) -> None:
    assert event(EVENT.replace(">ann", f">an{bad}n"))["actor"]["id"] == "an\ufffdn"


def test_references_are_characters() -> None:
    assert event(EVENT.replace(">ann", ">a&amp;&#x42;&#67;"))["actor"]["id"] == "a&BC"


@pytest.mark.parametrize(
    "text",
    ["<Event", "<Event ", EVENT[:-3], EVENT.replace("</System>", ""), f"{EVENT}{EVENT}",
     f"<Events>{EVENT}{EVENT}</Events>", "<Events></Events>"],
)
def test_what_is_not_one_whole_event_is_kept_as_such(text: str) -> None:
    assert why(text) in ("bad_xml", "not_this_format", "missing_field")


def test_other_texts_are_not_claimed() -> None:
    for text in ("", "hello", "<html>", "<EventLog/>", "<Event>x</Event>", '{"Event": 1}'):
        assert parser_named("windows_xml").recognise(text, GIVEN) == ""


def test_an_event_without_system_or_id_says_so() -> None:
    assert why(f'<Event xmlns="{NS}">{DATA}</Event>') == "missing_field"
    assert why(EVENT.replace("4634", "x")) == "missing_field"


def test_values_without_a_name_are_numbered() -> None:
    data = "<EventData><Data>C:\\x.exe</Data><Data>SRV1</Data><Binary>00</Binary></EventData>"
    system = SYSTEM.replace("Microsoft-Windows-Security-Auditing", "User32").replace("4634", "1074")
    found = event(f'<Event xmlns="{NS}">{system}{data}</Event>')
    assert (found["data"]["param1"], found["data"]["param2"]) == ("C:\\x.exe", "SRV1")


def test_the_computer_of_a_forwarded_event_is_not_the_collector() -> None:
    given = Given(now_us=GIVEN.now_us, host="collector")
    found = json.loads(parsed(EVENT, given).content)
    assert found["origin"]["host"] == "x"


def test_deeply_nested_elements_break_nothing() -> None:
    deep = f'<Event xmlns="{NS}">' + "<a>" * 200_000 + "</a>" * 200_000 + "</Event>"
    parser = parser_named("windows_xml")
    assert parser.recognise(deep, GIVEN)
    assert parser.text is not None
    with pytest.raises(Exception, match="no System element"):
        parser.text(deep, GIVEN)


def test_lines_of_one_event_belong_together() -> None:
    join = parser_named("windows_xml").join
    assert join is not None
    first, second, last = EVENT.replace(">ann", ">a\nb\nc").encode().split(b"\n")
    assert join.key(first)
    assert not join.ends(first)
    assert join.follows(second)
    assert join.ends(last)
    assert not join.follows(EVENT.encode())
