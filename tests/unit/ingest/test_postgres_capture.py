"""Options, checks and positions of a captured database, without one."""

from __future__ import annotations

import json
from collections.abc import Mapping

import msgspec
import pytest

from indelible.base.errors import BadRequest, IndelibleError
from indelible.event.model import Event
from indelible.ingest import extras
from indelible.ingest.protocols import postgres_capture_settings as options
from indelible.ingest.protocols.hub import Configured
from indelible.ingest.protocols.pgoutput import lsn_of
from indelible.ingest.protocols.postgres_capture_checks import (
    ERROR,
    FINE,
    WARNING,
    Facts,
    Finding,
    SlotFacts,
    TableFacts,
    findings,
)
from indelible.ingest.protocols.postgres_capture_events import START, At, Place
from indelible.ingest.protocols.postgres_capture_look import _datum
from indelible.ingest.protocols.postgres_capture_slot import (
    Hole,
    Kept,
    hole_event,
    judged,
    kept_of,
    positions_of,
)
from indelible.ingest.sources import SourceSettings, checked

GOOD = {"dsn": "host=db dbname=app user=indelible", "publication": "indelible"}


def settings(**given: str) -> SourceSettings:
    return SourceSettings(id="db", protocol="postgres", options={**GOOD, **given})


# --- options


def test_options_have_their_defaults() -> None:
    assert checked(settings()) == settings()
    assert options.options_of(GOOD) == options.Options(GOOD["dsn"], ("indelible",), "indelible",
                                                       False)
    assert options.options_of({**GOOD, "publication": "a, b"}).publications == ("a", "b")


@pytest.mark.parametrize(
    ("given", "field", "why"),
    [
        ({"dsn": "host=db dbname=a user=b password=c"}, "dsn", "password"),
        ({"dsn": "postgresql://b:c@db/a"}, "dsn", "password"),
        ({"dsn": "postgresql://b@db/a?password=c"}, "dsn", "password"),
        ({"dsn": "host=db dbname=a user=b sslpassword=c"}, "dsn", "sslpassword"),
        ({"dsn": "host=db user=b"}, "dsn", "dbname"), ({"dsn": "host=db dbname=a"}, "dsn", "user"),
        ({"dsn": "hos=db"}, "dsn", "cannot be read"), ({"dsn": "nonsense"}, "dsn", "cannot be"),
        ({"publication": "a,,b"}, "publication", "one publication"),
        ({"publication": ","}, "publication", "one publication"),
        ({"slot": "My-Slot"}, "slot", "lower-case"), ({"slot": "x" * 64}, "slot", "63"),
        ({"unlimited_wal": "yes"}, "unlimited_wal", "accepted"),
        ({"table": "x"}, "table", "takes no option"),
    ],
)
def test_options_that_cannot_be_are_refused_by_name(
    given: dict[str, str], field: str, why: str
) -> None:
    with pytest.raises(BadRequest, match=why) as refused:
        checked(settings(**given))
    assert refused.value.field == field


def test_without_the_driver_the_remedy_is_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr(extras, "import_module", missing)
    with pytest.raises(BadRequest) as refused:
        checked(settings())
    assert "psycopg[binary]" in refused.value.remedy


def test_the_password_comes_from_the_secret_and_the_dsn_decides_the_rest() -> None:
    found = options.parameters(
        options.options_of({**GOOD, "dsn": f"{GOOD['dsn']} connect_timeout=3"}), b"let me in"
    )
    assert found["password"] == "let me in"
    assert str(found["connect_timeout"]) == "3"
    assert found["client_encoding"] == "UTF8"
    assert "password" not in options.parameters(options.options_of(GOOD), b"")


# --- checks

SLOT = SlotFacts(plugin="pgoutput", database="app", status="reserved", confirmed="0/20",
                 restart="0/10", active=False, safe_bytes=1 << 30)
FACTS = Facts(
    version=150_020, server="77", timeline="00000001", database="app", user="indelible",
    encoding="UTF8", standby=False, wal_level="logical", keep_mb=20_480, slots_most=10,
    slots_used=1, may_replicate=True, encrypted=True, remote=True,
    leaves_out={"indelible": ()}, tables=[TableFacts(name="account", identity="f", key=True)],
    now="0/40", slot=SLOT, behind_bytes=32, held_bytes=48,
)


def found(given: Mapping[str, object], **more: str) -> list[Finding]:
    facts = msgspec.structs.replace(FACTS, **given)
    return findings(facts, options.options_of({**GOOD, **more}))


def test_a_server_that_is_set_up_has_no_findings_but_fine_ones() -> None:
    assert {one.level for one in found({})} == {FINE}
    [slot] = [one for one in found({}) if one.about == "slot"]
    assert "32 bytes behind" in slot.text


@pytest.mark.parametrize(
    ("given", "level", "about", "remedy"),
    [
        ({"version": 130_010}, ERROR, "version", ""),
        ({"standby": True}, ERROR, "standby", "target_session_attrs"),
        ({"wal_level": "replica"}, ERROR, "wal_level", "ALTER SYSTEM SET wal_level"),
        ({"may_replicate": False}, ERROR, "role", 'ALTER ROLE "indelible" REPLICATION'),
        ({"encrypted": False}, WARNING, "tls", "sslmode=verify-full"),
        ({"encoding": "SQL_ASCII"}, WARNING, "encoding", ""),
        ({"keep_mb": -1}, ERROR, "max_slot_wal_keep_size", "ALTER SYSTEM SET max_slot_wal"),
        ({"leaves_out": {}}, ERROR, "publication", 'CREATE PUBLICATION "indelible"'),
        ({"leaves_out": {"indelible": ("truncate",)}}, WARNING, "publication", "SET (publish"),
        ({"tables": []}, WARNING, "tables", "ADD TABLE"),
        ({"tables": [TableFacts(name="t", identity="d", key=True)]}, WARNING, "identity",
         "ALTER TABLE t REPLICA IDENTITY FULL;"),
        ({"tables": [TableFacts(name="t", identity="d", key=False)]}, WARNING, "identity",
         "ALTER TABLE t REPLICA IDENTITY FULL;"),
        ({"slot": None, "slots_used": 10}, ERROR, "slot", "max_replication_slots = 14"),
        ({"slot": msgspec.structs.replace(SLOT, plugin="wal2json")}, ERROR, "slot", "slot=NAME"),
        ({"slot": msgspec.structs.replace(SLOT, database="other")}, ERROR, "slot", "slot=NAME"),
        ({"slot": msgspec.structs.replace(SLOT, status="lost")}, WARNING, "slot", "gap"),
        ({"slot": msgspec.structs.replace(SLOT, status="unreserved")}, WARNING, "slot", ""),
    ],
)
def test_what_is_not_as_it_should_be_is_told_with_its_remedy(
    given: dict[str, object], level: str, about: str, remedy: str
) -> None:
    first = found(given)[0]
    assert (first.level, first.about) == (level, about)
    assert remedy in first.remedy


def test_an_unlimited_log_can_be_accepted() -> None:
    first = found({"keep_mb": -1}, unlimited_wal="accepted")[0]
    assert (first.level, first.about) == (WARNING, "max_slot_wal_keep_size")


def test_many_tables_are_counted_and_the_first_are_named() -> None:
    tables = [TableFacts(name=f"t{n}", identity="d", key=True) for n in range(25)]
    first = found({"tables": tables})[0]
    assert "t19 and 5 more" in first.text
    assert first.remedy.count("ALTER TABLE") == 20


def test_a_slot_that_will_be_made_is_fine() -> None:
    assert {one.level for one in found({"slot": None})} == {FINE}


# --- positions

KEPT = Kept("77", "00000001", "indelible", lsn_of("0/20"), 0)
HERE = Kept("77", "00000001", "indelible", 0, 0)


def at(**given: object) -> SlotFacts:
    return msgspec.structs.replace(SLOT, **given)


def test_a_position_is_kept_and_read_again() -> None:
    kept = Kept("77", "00000001", "indelible", 9, 4)
    configured = Configured(settings=settings(), positions=positions_of(kept))
    assert kept_of(configured) == kept
    assert kept_of(Configured(settings=settings())) is None


def test_a_slot_that_stands_where_it_was_read_to_goes_on() -> None:
    verdict = judged(KEPT, HERE, SLOT)
    assert verdict == (False, False, None, At(0x20, 0))


def test_a_slot_that_fell_back_in_a_crash_passes_over_what_is_durable() -> None:
    verdict = judged(KEPT, HERE, at(confirmed="0/18"))
    assert (verdict.hole, verdict.after) == (None, At(0x20, 0))


@pytest.mark.parametrize("changed", [{"timeline": "00000002"}, {"published": "indelible,more"}])
def test_where_the_same_place_may_be_another_change_nothing_is_passed_over(
    changed: dict[str, str]
) -> None:
    verdict = judged(KEPT, msgspec.structs.replace(HERE, **changed), SLOT)
    assert (verdict.hole, verdict.after) == (None, START)


def test_the_first_time_there_is_nothing_to_miss() -> None:
    assert judged(None, HERE, SLOT) == (False, False, None, START)
    assert judged(None, HERE, None) == (True, False, None, START)


@pytest.mark.parametrize(
    ("kept", "slot", "code", "make", "drop"),
    [
        (KEPT, at(status="lost"), "slot_lost", True, True),
        (KEPT, at(confirmed=""), "slot_lost", True, True),
        (None, at(status="lost"), "slot_lost", True, True),
        (KEPT, None, "slot_missing", True, False),
        (KEPT, at(confirmed="0/21"), "slot_moved", False, False),
        (msgspec.structs.replace(KEPT, server="78"), SLOT, "other_server", False, False),
        (msgspec.structs.replace(KEPT, server="78"), None, "other_server", True, False),
    ],
)
def test_a_hole_is_seen_and_what_is_gone_is_made_again(
    kept: Kept | None, slot: SlotFacts | None, code: str, make: bool, drop: bool
) -> None:
    verdict = judged(kept, HERE, slot)
    assert verdict.hole is not None
    assert (verdict.hole.code, verdict.make, verdict.drop) == (code, make, drop)
    assert verdict.hole.first == 0x20
    assert verdict.after == START


def test_a_hole_is_an_event_with_both_positions_and_an_id_of_its_own() -> None:
    place, hole = Place("77", "app"), Hole("slot_lost", "given up", 0x20)
    one = hole_event(hole, place, "indelible", 0x40, 1_780_272_000_000_000)
    later = hole_event(hole, place, "indelible", 0x40, 1_780_272_900_000_000)
    event = msgspec.json.decode(one.content, type=Event)
    assert event.action == "postgresql.slot.lose"
    assert json.loads(bytes(event.data)) == {"first_lsn": "0/20", "last_lsn": "0/40"}
    assert (one.id, one.idempotent) == (later.id, later.idempotent), "told once"


# --- the form of the answer


def test_copys_form_is_taken_apart_or_refused() -> None:
    head = b"PGCOPY\n\xff\r\n\0" + bytes(8)
    row = b"\0\1\0\0\0\3abc"
    assert _datum(head + row) == b"abc"
    assert _datum(row) == b"abc"
    assert _datum(head) is None
    assert _datum(b"\xff\xff") is None
    for bad in (b"\0\2\0\0\0\3abc", row + b"x", row[:-1], b"\0\1"):
        with pytest.raises(IndelibleError):
            _datum(bad)


