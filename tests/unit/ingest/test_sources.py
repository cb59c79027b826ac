"""The register of sources: settings that can work, senders that are told apart, counts."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from indelible.base.clock import MICROS
from indelible.base.errors import BadRequest
from indelible.base.limits import RATE_MINUTES
from indelible.ingest.completeness.tally import Tally
from indelible.ingest.sources import Rival, Senders, SourceSettings, checked, rival

MINUTE = 60 * MICROS
NOW = 30_000_000 * MINUTE


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("id", {"id": ""}),
        ("id", {"id": " web"}),
        ("protocol", {"protocol": "smoke"}),
        ("parser", {"parser": "tea leaves", "protocol": "syslog"}),
        ("parser", {"parser": "native", "protocol": "syslog"}),
        ("parser", {"parser": "syslog", "protocol": "journald"}),
        ("peers", {"protocol": "journald", "peers": ("10.0.0.0/8",)}),
        ("zone", {"zone": "Mars/Olympus"}),
        ("criticality", {"criticality": "dire"}),
        ("silence", {"silence": -1}),
        ("peers", {"protocol": "syslog", "peers": ("10.0.0.0/99",)}),
        ("peers", {"protocol": "native", "peers": ("10.0.0.0/8",)}),
        ("color", {"protocol": "syslog", "options": {"color": "red"}}),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(field: str, said: dict[str, Any]) -> None:
    with pytest.raises(BadRequest) as refused:
        checked(SourceSettings(**{"id": "web", **said}))
    assert refused.value.field == field


def syslog(name: str, **more: Any) -> SourceSettings:
    return SourceSettings(id=name, protocol="syslog", **more)


def test_the_narrowest_network_and_then_the_certificate_tells_a_sender() -> None:
    wide, narrow = syslog("wide", peers=("10.0.0.0/8",)), syslog("narrow", peers=("10.1.0.0/16",))
    named = syslog("named", certificates=("db1",))
    senders = Senders("syslog", [wide, narrow, named])
    assert senders.of("10.1.2.3") is narrow
    assert senders.of("10.2.2.3") is wide
    assert senders.of("10.1.2.3", "db1") is named
    assert senders.of("192.0.2.1") is None
    assert senders.of("::1") is None


def test_a_source_without_peers_is_the_loopback_unless_it_names_a_certificate() -> None:
    assert Senders("syslog", [syslog("here")]).of("127.0.0.1") is not None
    assert Senders("syslog", [syslog("tls", certificates=("a",))]).of("127.0.0.1") is None


def test_disabled_sources_and_those_of_other_protocols_send_nothing() -> None:
    senders = Senders("relp", [syslog("here"), SourceSettings(id="r", protocol="relp",
                                                              disabled=True)])
    assert senders.of("127.0.0.1") is None


def batch(tally: Tally, now: int, stored: int, **more: Any) -> None:
    said = {
        "duplicates": 0, "conflicts": 0, "repeats": 0, "unparsed": 0, "size": 1, "event_us": now,
        "backfill": False, **more,
    }
    tally.add(now, stored=stored, **said)


def test_everything_received_is_counted_once() -> None:
    tally = Tally()
    batch(tally, NOW, 5, duplicates=2, repeats=1, unparsed=3)
    tally.lost(NOW, refused=4, dropped=6)
    assert tally.received == 5 + 2 + 4 + 6
    assert (tally.repeats, tally.unparsed) == (1, 3)


def test_the_rate_is_that_of_the_last_whole_minutes() -> None:
    tally = Tally()
    for minute in range(RATE_MINUTES):
        batch(tally, NOW + minute * MINUTE, 60)
    batch(tally, NOW + RATE_MINUTES * MINUTE, 1)
    assert tally.per_minute(NOW + RATE_MINUTES * MINUTE) == pytest.approx(60, rel=0.1)
    assert tally.per_minute(NOW + 3 * RATE_MINUTES * MINUTE) == 0


def test_the_lag_is_how_far_the_newest_event_was_behind() -> None:
    tally = Tally()
    batch(tally, NOW, 1, event_us=NOW - 5 * MICROS)
    assert tally.lag_us == 5 * MICROS
    batch(tally, NOW, 1, event_us=NOW + MINUTE)
    assert tally.lag_us == 0
    batch(tally, NOW, 1, event_us=NOW - MINUTE, backfill=True)
    assert tally.lag_us is None


# --- senders of two sources


def test_a_sender_of_another_source_is_a_rival_whoever_its_tenant_is() -> None:
    one = syslog("one", peers=("10.0.0.0/8", "2001:db8::/32"), certificates=("db1",))
    by_name = rival(syslog("two", peers=("10.9.0.0/16",), certificates=("a", "db1")), [one])
    assert by_name == Rival(one, ("db1",), "certificates")
    by_network = rival(syslog("one", tenant="other", peers=("10.1.2.3/8",)), [one])
    assert by_network == Rival(one, ("10.0.0.0/8",), "peers")
    assert rival(syslog("here"), [syslog("there")]), "without peers both are the loopback"


def test_what_can_be_told_apart_is_no_rival() -> None:
    one = syslog("one", peers=("10.0.0.0/8",), certificates=("db1",))
    named = {"peers": ("10.0.0.0/8",), "certificates": ("db1",)}
    assert rival(syslog("one", **named), [one]) is None, "it is the same one"
    assert rival(syslog("two", peers=("10.0.0.0/16",), certificates=("db",)), [one]) is None
    assert rival(SourceSettings(id="two", protocol="relp", **named), [one]) is None
    assert rival(syslog("two", **named, disabled=True), [one]) is None
    assert rival(syslog("two", **named), [replace(one, disabled=True)]) is None
    upload = SourceSettings(id="up", protocol="journald")
    assert rival(replace(upload, id="other"), [upload]) is None, "their tokens tell them apart"
