"""Lines of a fixed form: fields, kinds, escapes, parts; and what a hostile sender cannot do."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import msgspec
import pytest

from indelible.ingest.parsers.contract import NotUnderstood
from indelible.ingest.parsers.finish import parse_message, understand
from indelible.ingest.parsers.mapping_errors import BadMapping, Place
from indelible.ingest.parsers.mapping_file import read_text
from indelible.ingest.parsers.mapping_forms import _KINDS, Forms, read_of, unescaped
from indelible.ingest.parsers.table import parser_named
from support.parsing import GIVEN

PLAIN = Forms(Place("x.toml", ""), False, frozenset())
LOG = Forms(Place("x.toml", ""), True, frozenset({"-"}))
PAGE = Path(__file__).parents[3] / "docs" / "howto" / "add-a-source.md"


def fields(form: str, text: str, forms: Forms = PLAIN) -> dict[str, str] | None:
    return read_of(forms, ("forms",), form)(text)


@pytest.mark.parametrize(
    ("form", "text", "found"),
    [
        ("{a} {b}", "1 2 3", {"a": "1", "b": "2 3"}),
        ("<{a}>", "<x>", {"a": "x"}), ("<{a}>", "<x> ", None), ("<{a}>", "x>", None),
        ("{a:word} {b}", " x", None), ("{a:part}/{b}", "x y/z", None),
        ("{a:digits};{*}", "7;rest", {"a": "7"}), ("{a:digits};{*}", "x;rest", None),
        ("{a:name}={b}", "a-b=", {"a": "a-b"}), ("{a:name}={b}", "a b=c", None),
        ("{a:digits}", "\u0661", None), ("[{a}] [{b}]", "[x] y] [z]", {"a": "x] y", "b": "z"}),
    ],
)
def test_a_form_reads_a_whole_line_or_nothing(
    form: str, text: str, found: dict[str, str] | None
) -> None:
    assert fields(form, text) == found


def test_the_first_form_that_fits_counts_and_what_is_missing_is_left_out() -> None:
    read = read_of(LOG, ("forms",), ["{a:digits} {b}", "{c} {d}"])
    assert read("1 2") == {"a": "1", "b": "2"}
    assert read("x -") == {"c": "x"}
    assert read("x") is None


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"\x22hi\x22", '"hi"'), (r"\"hi\"", '"hi"'), (r"a\\b", "a\\b"), (r"\n\t", "\n\t"),
        (r"\xD0\xB6", "ж"), (r"\xFC\x03", r"\xFC\x03"), (r"\x2", r"\x2"), (r"\q", r"\q"),
        ("\\", "\\"), (r"\x00", "\0"),
    ],
)
def test_escapes_are_read_for_what_they_mean_and_odd_octets_stay(written: str, meant: str) -> None:
    assert unescaped(written) == meant


def test_a_quote_that_is_escaped_ends_no_field() -> None:
    line = r'"GET /\" 200 \"x" 404'
    assert fields('"{request}" {status}', line, LOG) == {
        "request": 'GET /" 200 "x', "status": "404"}
    assert fields('"{request}" {status}', line) == {"request": "GET /\\", "status": '200 \\"x" 404'}


def test_escapes_are_read_once_and_not_before_the_parts_are() -> None:
    parser = read_text(
        HEAD + 'reads = "text"\nescaped = true\nforms = \'{who} "{line}" {rest}\'\n' + TAIL
        + '[data]\nverb = "verb"\nnote = "note"\n[parts]\nline = "{verb} {*}"\n'
        + 'rest = \'"{note}"\'\n', "acme.toml")
    found = understand(parser, r'an\xC3\xA9 "a\\x41 b" "say \"x\" \\x41"', GIVEN)
    assert found.event.actor.id == "ané"
    assert (found.data["verb"], found.data["note"]) == (r"a\x41", r'say "x" \x41')


@pytest.mark.parametrize(
    "form", ["no field", "{a}{b}", "{a:text}", "{a b}", "{a", "a}", "{a} {}", "", "{7}"],
)
def test_a_form_that_is_none_is_refused(form: str) -> None:
    with pytest.raises(BadMapping) as wrong:
        fields(form, "")
    assert wrong.value.field == "forms[1]"


HEAD = 'name = "acme"\nversion = 1\nabout = "Acme"\n'
TAIL = '[action]\nfrom = "=door.open"\n[actor]\nid = "who"\n'


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ('reads = "text"\n', "reads"), ('forms = ["{a}"]\n', "reads"),
        ('reads = "text"\nforms = []\n', "forms"), ("missing = 7\n", "missing"),
        ('escaped = "yes"\n', "escaped"), ('parts = "x"\n', "parts"),
        ('parts = { a = "{b}{c}" }\n', "parts.a[1]"), ('reads = "regex"\n', "reads"),
    ],
)
def test_a_mapping_of_lines_that_is_wrong_names_the_member(said: str, field: str) -> None:
    with pytest.raises(BadMapping) as wrong:
        read_text(HEAD + said + TAIL, "acme.toml")
    assert wrong.value.field == field


def test_parts_read_members_of_json_too_and_take_nothing_away() -> None:
    parser = read_text(
        HEAD + 'missing = "-"\nparts = { line = "{who} {verb}", verb = "{first}-{verb}" }\n' + TAIL
        + '[data]\nverb = "verb"\nfirst = "first"\nnone = "none"\n', "acme.toml")
    found = understand(parser, {"line": "ann go-on", "none": "-"}, GIVEN)
    assert found.event.actor.id == "ann"
    assert (found.data["verb"], found.data["first"]) == ("go-on", "go")
    assert "none" not in found.data
    assert understand(parser, {"line": "ann x", "who": "bob"}, GIVEN).event.actor.id == "bob"
    with pytest.raises(NotUnderstood, match="missing_actor"):
        understand(parser, {"line": {"who": "ann"}}, GIVEN)


def test_a_line_without_a_form_is_of_another_format_and_not_recognised() -> None:
    parser = read_text(HEAD + 'reads = "text"\nforms = "{who:name}: {x:word}"\n[recognise]\n'
                       'present = ["who"]\n' + TAIL, "acme.toml")
    assert parser.recognise("ann: hello", GIVEN) == "it has who"
    assert parser.recognise("no name: hello", GIVEN) == ""
    assert understand(parser, "ann: hello\r\n", GIVEN).event.actor.id == "ann"
    with pytest.raises(NotUnderstood, match="not_this_format"):
        understand(parser, "no name: hello", GIVEN)


@pytest.mark.parametrize("piece", ['"', '\\"', "\\x22", "[", " - ", " [1/a/1:", "a", "\\", '] "'])
def test_no_line_makes_a_form_slow(piece: str) -> None:
    parser = parser_named("access_log")
    spent = []
    for size in (50_000, 400_000):
        line = '1.2.3.4 - - [03/Mar/2026:09:14:07 +0000] "' + piece * (size // len(piece))
        began = time.process_time()
        parse_message(parser, line.encode(), GIVEN)
        spent.append(time.process_time() - began)
    assert spent[1] < 40 * max(spent[0], 0.005), spent


# --- the page


def test_the_lines_of_the_page_give_what_it_says() -> None:
    text = PAGE.read_text("utf-8")
    [mapping] = re.findall(r"```toml\n(# gate.*?)```", text, re.S)
    [line] = re.findall(r"reads `(2026.*)`\.", text)
    parser = read_text(mapping, "gate.toml")
    assert parser.recognise(line, GIVEN)
    event = json.loads(msgspec.json.encode(understand(parser, line, GIVEN).event))
    assert (event["action"], event["outcome"], event["time"]) == (
        "gate.door.open", "denied", "2026-03-03T09:14:07Z")
    assert event["actor"] == {"type": "user", "id": "4711", "name": "Ann Lee"}
    assert event["reason"] == {"code": "expired"}
    assert event["targets"] == [{"type": "door", "id": "N-2"}]


def test_the_page_names_every_kind_of_field() -> None:
    text = PAGE.read_text("utf-8")
    for kind in _KINDS:
        assert f"`{{name:{kind}}}`" in text, kind
