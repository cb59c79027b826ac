"""No text makes a parser slow: a large one costs time in proportion to its size."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from indelible.ingest.parsers.contract import Given, Parser
from indelible.ingest.parsers.finish import parse_message
from indelible.ingest.parsers.table import all_parsers
from support.labelled import FOLDER, cases

SIZE = 200_000
SECONDS = 2.0
GIVEN = Given(now_us=1_780_272_000_000_000, program="sshd", host="h")
PIECES = (
    "a", "A", "1", "-", " ", "=", "'", '"', "(", "{", "[", "\\", ",", ":", "|", ";", ".", "/", "\t",
    "a=", "a='", 'a="', "a={", "a=(", "msg='", "avc:  denied  { ", "=POSITIVE", "x=POSITIVE,",
    "key=value ", "<a>", "a|", "\\=", "'A", "op= ",
)


def texts(parser: Parser) -> Iterator[str]:
    """Good beginnings of a format, and then the same piece over and over."""
    heads = [""]
    if (FOLDER / f"{parser.name}.json").exists():
        heads += [case.raw.decode("utf-8", "replace")[:80] for case in cases(parser.name)][:2]
    for piece in PIECES:
        for head in heads:
            yield head + piece * (SIZE // len(piece))
    for head in heads[1:]:
        yield head * (SIZE // len(head))


def records(parser: Parser) -> Iterator[str]:
    """A good object with one long text in place of one of its texts, each in turn."""
    if not (FOLDER / f"{parser.name}.json").exists():
        return
    good = [case.label["message"] for case in cases(parser.name) if "event" in case.label][:1]
    for message in good:
        whole = message if isinstance(message, dict) else json.loads(message)
        for number, name in enumerate(whole):
            for piece in PIECES[number % 4 :: 4]:
                yield json.dumps({**whole, name: piece * (SIZE // len(piece))})


@pytest.mark.parametrize("parser", all_parsers(), ids=lambda parser: str(parser.name))
def test_a_large_text_is_read_in_proportion_to_its_size(parser: Parser) -> None:
    until = time.process_time() + 15
    for text in records(parser) if parser.reads_records else texts(parser):
        began = time.process_time()
        parse_message(parser, text.encode(), GIVEN)
        spent = time.process_time() - began
        assert spent < SECONDS, f"{spent:.1f} s for {text[:120]!r}"
        if time.process_time() > until:
            return


def test_oktas_behaviors_are_read_in_proportion_to_their_size() -> None:
    [case] = [one for one in cases("okta") if "behaviors" in json.dumps(one.label)][:1]
    text = json.dumps(case.label["message"])
    message = json.loads(text)
    message["debugContext"]["debugData"]["behaviors"] = "a" * SIZE
    began = time.process_time()
    parse_message(next(p for p in all_parsers() if p.name == "okta"),
                  json.dumps(message).encode(), GIVEN)
    assert time.process_time() - began < SECONDS
