"""A message without an id that comes again is kept, flagged, and named by its first index."""

from __future__ import annotations

from pathlib import Path

import pytest

from indelible.event.model import Via, read_body
from indelible.ingest.parsers.contract import Given
from indelible.ingest.parsers.finish import parse_message
from indelible.ingest.parsers.table import parser_named
from indelible.ledger.incoming import Source, Work, Written
from indelible.ledger.open import Ledger
from indelible.ledger.reindex import id_record
from support.opened import create, open_ledger

VIA = Via(protocol="syslog", parser="syslog/1")
GIVEN = Given(now_us=1_780_000_000_000_000)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    create(tmp_path)
    return tmp_path


def wrote(ledger: Ledger, *texts: str, source: int = 1, message_id: str = "") -> Written:
    events = [
        parse_message(parser_named("auto"), text.encode(), GIVEN, message_id=message_id)
        for text in texts
    ]
    [written], _ = ledger.writer.append([Work(Source(source, "web"), VIA, events)])
    return written


def flags(ledger: Ledger, index: int) -> tuple[list[str], int | None]:
    body = read_body(ledger.reader.one(index).body)
    return body.flags, body.repeat


def test_a_repetition_is_stored_and_flagged_with_the_index_of_the_first(root: Path) -> None:
    ledger = open_ledger(root)
    assert wrote(ledger, "one", "two", "one").repeats == {2: 0}
    again = wrote(ledger, "two", "three")
    assert again.indexes == [3, 4]
    assert again.repeats == {0: 1}
    assert again.duplicates == []
    assert flags(ledger, 2) == (["time_absent", "probable_repeat"], 0)
    assert flags(ledger, 3) == (["time_absent", "probable_repeat"], 1)
    assert flags(ledger, 4) == (["time_absent"], None)
    ledger.close()


def test_a_repetition_is_known_after_a_restart(root: Path) -> None:
    ledger = open_ledger(root)
    wrote(ledger, "one")
    ledger.close()
    ledger = open_ledger(root)
    assert wrote(ledger, "one").repeats == {0: 0}
    assert wrote(ledger, "one").repeats == {0: 0}
    ledger.close()


def test_another_source_may_say_the_same(root: Path) -> None:
    ledger = open_ledger(root)
    wrote(ledger, "one")
    assert wrote(ledger, "one", source=2).repeats == {}
    ledger.close()


def test_a_message_with_an_id_is_told_by_its_id(root: Path) -> None:
    ledger = open_ledger(root)
    wrote(ledger, "one")
    assert wrote(ledger, "one", message_id="m/1").repeats == {}
    assert wrote(ledger, "one", message_id="m/1").duplicates == [0]
    ledger.close()


def test_the_index_can_be_made_again_from_bodies(root: Path) -> None:
    ledger = open_ledger(root)
    wrote(ledger, "one", "one", "two")
    wrote(ledger, "one", message_id="m/1")
    seen = ledger.writer.seen
    bodies = [ledger.reader.one(index).body for index in range(4)]
    made = [id_record(seen, index, body) for index, body in enumerate(bodies)]
    assert made[1] is None, "a repetition has no record"
    for index in (0, 2, 3):
        record = made[index]
        assert record is not None
        assert seen.lookup([record[:16]]) == [record[16:]]
    ledger.close()


def test_each_event_names_the_parser_that_read_it(root: Path) -> None:
    ledger = open_ledger(root)
    wrote(ledger, "no format at all")
    assert read_body(ledger.reader.one(0).body).via.parser == "auto/1"
    ledger.close()


def test_an_imported_message_without_an_id_is_watched_by_nobody(root: Path) -> None:
    """Releases that knew no repetitions stored such messages; their folders stay as they are."""
    ledger = open_ledger(root)
    events = [parse_message(parser_named("auto"), b"one", GIVEN) for _ in range(2)]
    via = Via(protocol="import", parser="auto/1")
    [written], _ = ledger.writer.append([Work(Source(1, "web"), via, events)])
    assert written.repeats == {}
    for index in range(2):
        assert id_record(ledger.writer.seen, index, ledger.reader.one(index).body) is None
    assert ledger.writer.seen.unsealed == 0
    ledger.close()
