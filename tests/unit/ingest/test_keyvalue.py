"""Lines of key=value: how they are parted, and when a text is one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from indelible.ingest.parsers import keyvalue
from indelible.ingest.parsers.keyvalue_pairs import read_keyvalue
from support.parsing import GIVEN, parse_one


def event(text: str) -> dict[str, Any]:
    """The event of a line, with its flags."""
    parsed = parse_one("keyvalue", text.encode())
    assert parsed.kind == "event", parsed.content
    found: dict[str, Any] = json.loads(parsed.content)
    return {**found, "flags": parsed.flags}


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ('a=1 b="two words" c=3', {"a": "1", "b": "two words", "c": "3"}),
        (r'a="say \"hi\"" b="c:\\x" c="1\n2"', {"a": 'say "hi"', "b": "c:\\x", "c": "1\n2"}),
        ("a='x y' b=z", {"a": "x y", "b": "z"}),
        ("a=1, b=two words, c=3", {"a": "1", "b": "two words", "c": "3"}),
        ("a=1;b=two;c=3", {"a": "1", "b": "two", "c": "3"}),
        ("a=1|b=two words|c=3", {"a": "1", "b": "two words", "c": "3"}),
        ("a=1\tb=two words\tc=3", {"a": "1", "b": "two words", "c": "3"}),
        ("a = 1 b = 2 c = 3", {"a": "1", "b": "2", "c": "3"}),
        ("a= b=2 c=-", {"b": "2"}),
        ("a=1 a=2 b=1", {"b": "1"}),
        ("a=1 a=1", {"a": "1"}),
        ("uri=/x,user=root user=ann", {"uri": "/x"}),
        (
            "level=info uri=/x,user=root user=ann method=GET",
            {"level": "info", "uri": "/x,user=root", "user": "ann", "method": "GET"},
        ),
        ('url="http://x/?q=1" a=b', {"url": "http://x/?q=1", "a": "b"}),
        ('msg="user=eve action=delete" user=ann', {"msg": "user=eve action=delete", "user": "ann"}),
        ('a="never closed b=2', {"a": "never", "b": "2"}),
        ("if x == y then", {}),
    ],
)
def test_pairs_are_parted(text: str, pairs: dict[str, str]) -> None:
    assert read_keyvalue(text).found == pairs


def test_a_forged_pair_within_quotes_is_no_pair() -> None:
    found = event('time=2026-03-03T09:14:07Z user="ann" action=login msg="x user=root action=drop"')
    assert (found["actor"]["id"], found["operation"]) == ("ann", "login")


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("time=1772529247 user=ann action=login srcip=10.0.0.1", True),
        ("time=1772529247 user=ann action=login", False),
        ("please note that a=1 is not b=2 nor c=3 and surely never d=4 as some say", False),
        ("select a=1 from b", False),
        ("", False),
    ],
)
def test_it_is_recognised_only_with_enough_pairs(text: str, known: bool) -> None:
    assert bool(keyvalue.PARSER.recognise(text, GIVEN)) == known


def test_a_firewalls_line_is_read() -> None:
    found = event(
        'date=2026-03-03 time=10:14:07 tz="+0100" devname="FGT-1" logdesc="Admin login failed" '
        'action="login" status="failed" user="root" srcip=198.51.100.9 reason="name_invalid"'
    )
    assert found["actor"]["id"] == "root"
    assert found["time"] == "2026-03-03T09:14:07Z"
    assert (found["operation"], found["outcome"]) == ("login", "failure")
    assert found["origin"]["ip"] == "198.51.100.9"
    assert "guessed" in found["flags"]
    assert "time_assumed" not in found["flags"]


def test_time_and_host_before_the_pairs_are_taken() -> None:
    found = event("Mar  3 09:14:07 gw1 app: user=ann action=logout session=abc result=success")
    assert found["time"] == "2026-03-03T09:14:07Z"
    assert found["origin"]["host"] == "gw1"
    assert "time_assumed" in found["flags"]


def test_a_line_without_who_and_what_is_kept_as_it_is() -> None:
    parsed = parse_one("keyvalue", b"level=warn msg=slow took=3s rows=7")
    assert parsed.kind == "unparsed"
    assert json.loads(parsed.content)["reason"]["code"] == "low_confidence"
    assert json.loads(parse_one("keyvalue", b"nothing").content)["reason"]["code"] == (
        "not_this_format")


@pytest.mark.parametrize(
    "text",
    ["a=" * 50_000, "a " * 50_000, "=" * 50_000, 'a="' * 30_000, 'a="\\' * 20_000, "k=v " * 30_000,
     "\x00=\x1b a=b", "user=" + "x" * 5000 + " action=login a=b c=d", "\ud800=x"],
)
def test_nothing_in_a_line_makes_the_parser_fail(text: str) -> None:
    raw = text.encode("utf-8", "replace")
    assert b"parser_failed" not in parse_one("keyvalue", raw).content
    assert isinstance(keyvalue.PARSER.recognise(raw.decode(), GIVEN), str)
