"""Records of Kafka as events, where their partitions are read from, and the options: pure parts."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from indelible.base.errors import BadRequest
from indelible.base.limits import CARRIED_BYTES, CARRIED_HEADERS
from indelible.ingest.parsed import Parsed
from indelible.ingest.parsers.contract import Given
from indelible.ingest.parsers.table import parser_named
from indelible.ingest.protocols import kafka_check
from indelible.ingest.protocols.findings import FINE, WARNING
from indelible.ingest.protocols.hub import Configured
from indelible.ingest.protocols.kafka_log import Keeps, Seen
from indelible.ingest.protocols.kafka_positions import (
    Ends,
    Hole,
    Judged,
    Kept,
    Place,
    hole_event,
    judged,
    kept_of,
    name_of,
    packed,
)
from indelible.ingest.protocols.kafka_records import CREATED, Record, Stem, event_of
from indelible.ingest.protocols.kafka_settings import connection, consumption, options_of
from indelible.ingest.sources import SourceSettings, checked

STEM = Stem("cluster", "audit", "topicid")
NOW = Given(now_us=1_800_000_000_000_000)
LOGIN = b'{"time": "2026-05-01T10:00:00Z", "user": "jsmith", "action": "login"}'
TRACE = "0af7651916cd43dd8448eb211c80319c"


def record(value: bytes | None = LOGIN, **more: Any) -> Record:
    return Record("audit", 3, 17, more.pop("key", None), value, **more)


def parsed(one: Record, parser: str = "auto") -> Parsed:
    return event_of(one, STEM, parser_named(parser), NOW)


def event(one: Record, parser: str = "auto") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(parsed(one, parser).content)
    return found


# --- events


def test_a_record_is_called_by_cluster_topic_partition_and_offset() -> None:
    found = event(record())
    assert found["id"] == "kafka/cluster/audit/topicid/3/17"
    assert found["raw"] == LOGIN.decode()
    assert found["labels"] == {"topic": "audit"}
    assert found["data"]["kafka"] == {"topic": "audit", "partition": 3, "offset": 17}


def test_the_same_record_is_the_same_and_another_in_its_place_is_not() -> None:
    first = parsed(record(key=b"k", kind=CREATED, time_ms=1_000))
    assert parsed(record(key=b"k", kind=CREATED, time_ms=1_000)) == first
    for other in (
        record(key=b"l", kind=CREATED, time_ms=1_000),
        record(key=b"k", kind=CREATED, time_ms=2_000),
        record(b"{}", key=b"k", kind=CREATED, time_ms=1_000),
        record(key=b"k", kind=CREATED, time_ms=1_000, headers=(("a", b"1"),)),
        record(None, key=b"k", kind=CREATED, time_ms=1_000),
    ):
        found = parsed(other)
        assert found.id == first.id
        assert found.idempotent != first.idempotent


def test_a_message_with_an_id_of_its_own_is_the_same_at_another_offset() -> None:
    said = json.dumps({
        "eventVersion": "1.08", "eventID": "e-1", "eventTime": "2026-05-01T10:00:00Z",
        "eventSource": "s3.amazonaws.com", "eventName": "GetObject", "awsRegion": "eu-central-1",
        "userIdentity": {"type": "IAMUser", "userName": "alice", "accountId": "111122223333"},
        "recipientAccountId": "111122223333", "eventType": "AwsApiCall",
    }).encode()
    first = parsed(record(said, key=b"a"))
    again = parsed(record(said, key=b"b")._replace(offset=99))
    assert first.id == again.id == "e-1"
    assert first.idempotent == again.idempotent == said


def test_timestamps_serve_where_the_message_has_none() -> None:
    text = b"just a line"
    assert event(record(text, kind=CREATED, time_ms=1_777_777_777_123))["time"] == (
        "2026-05-03T03:09:37.123000Z")
    appended = event(record(text, kind=2, time_ms=1_777_777_777_000))
    assert "time" not in appended
    assert appended["observed"] == "2026-05-03T03:09:37Z"
    assert event(record(LOGIN, kind=CREATED, time_ms=1_000))["time"] == "2026-05-01T10:00:00Z"
    for wrong in (0, -1, 1 << 62):
        assert "time" not in event(record(text, kind=CREATED, time_ms=wrong))


@pytest.mark.parametrize(
    ("name", "value", "trace"),
    [
        ("traceparent", f"00-{TRACE}-b7ad6b7169203331-01", TRACE),
        ("Traceparent", f"00-{TRACE.upper()}-B7AD6B7169203331-01", TRACE),
        ("b3", f"{TRACE}-b7ad6b7169203331-1-0000000000000001", TRACE),
        ("X-B3-TraceId", TRACE[:16], TRACE[:16]),
        ("traceparent", f"00-{'0' * 32}-b7ad6b7169203331-01", ""),
        ("traceparent", "nonsense", ""),
        ("b3", "0", ""),
    ],
)
def test_a_trace_is_taken_from_headers(name: str, value: str, trace: str) -> None:
    found = event(record(headers=((name, value.encode()),)))
    assert found.get("origin", {}).get("trace_id", "") == trace
    dead = event(record(None, headers=((name, value.encode()),)))
    assert dead.get("origin", {}).get("trace_id", "") == trace


def test_key_and_headers_are_told_whatever_their_bytes_are() -> None:
    long = b"x" * (CARRIED_BYTES + 1)
    headers = [("a", b"1"), ("a", None), ("b", b"\xff"), ("c", long), ("", b"")]
    about = event(record(key=b"\x00\xfe", headers=headers))["data"]["kafka"]
    assert about["key"] == {"base64": "AP4="}
    assert about["headers"]["a"] == ["1", None]
    assert about["headers"]["b"] == {"base64": "/w=="}
    assert about["headers"]["c"]["bytes"] == len(long)
    many = event(record(headers=[(f"h{n}", b"1") for n in range(CARRIED_HEADERS + 5)]))
    assert len(many["data"]["kafka"]["headers"]) == CARRIED_HEADERS
    assert many["data"]["kafka"]["headers_left_out"] == 5


def test_a_tombstone_is_a_deletion_of_what_its_key_names() -> None:
    found = parsed(record(None, key=b"user-7"))
    said = json.loads(found.content)
    assert said["action"] == "kafka.record.delete"
    assert said["operation"] == "delete"
    assert [one["id"] for one in said["targets"]] == ["audit/user-7", "audit"]
    assert said["data"]["guessed"] == ["actor"]
    assert found.flags == ("guessed",)
    assert [one["type"] for one in event(record(None))["targets"]] == ["kafka_topic"]
    assert event(record(None, key=b"\xff"))["targets"][0]["id"] == 'audit/{"base64":"/w=="}'


def test_json_behind_the_number_of_its_schema_is_read() -> None:
    found = event(record(b"\x00\x00\x00\x01\x02" + LOGIN))
    assert found["actor"]["id"] == "jsmith"
    assert found["data"]["kafka"]["schema"] == 258
    avro = parsed(record(b"\x00\x00\x00\x01\x02\x08\xff"))
    assert avro.kind == "unparsed"


def test_empty_and_huge_values_are_kept() -> None:
    assert parsed(record(b"")).kind == "unparsed"
    assert parsed(record(b"")).id == "kafka/cluster/audit/topicid/3/17"
    huge = parsed(record(b"x" * (3 << 20)))
    assert "truncated" in huge.flags
    assert huge.id


@for_all(
    value=st.none() | st.binary(max_size=200), key=st.none() | st.binary(max_size=50),
    headers=st.lists(
        st.tuples(st.text(max_size=10), st.none() | st.binary(max_size=20)), max_size=5),
    kind=st.integers(0, 2), time_ms=st.integers(-1, 1 << 63 - 1),
)
def test_any_record_becomes_one_event_with_its_id(
    value: bytes | None, key: bytes | None, headers: list[tuple[str, bytes | None]], kind: int,
    time_ms: int,
) -> None:
    one = record(value, key=key, headers=headers, kind=kind, time_ms=time_ms)
    found = parsed(one)
    said = json.loads(found.content)
    assert found == parsed(one)
    assert found.id == said["id"]
    assert b"\n" not in found.content


# --- positions


def kept(offset: int = 10, known_end: int = 10, **more: str) -> Kept:
    said = {"cluster": "c", "topic_id": "t", "life": "t", **more}
    return Kept(offset=offset, known_end=known_end, **said)


def ends(low: int = 0, high: int = 20, topic_id: str = "t", cluster: str = "c") -> Ends:
    return Ends(cluster, topic_id, low, high, high)


@pytest.mark.parametrize(
    ("before", "now", "offset", "life", "hole"),
    [
        (kept(10), ends(), 10, "t", None),
        (kept(20), ends(), 20, "t", None),
        (kept(10), ends(low=10), 10, "t", None),
        (kept(10), ends(low=11), 11, "t", ("expired", 10, 10)),
        (kept(10, 15), ends(topic_id="u"), 0, "u", ("topic_recreated", 10, 14)),
        (kept(10, 10), ends(topic_id="u", high=0), 0, "u", ("topic_recreated", 10, 9)),
        (kept(10, 12), ends(cluster="d", topic_id="u"), 0, "u", ("other_cluster", 10, 11)),
        (kept(21, 21), ends(), 0, "t", ("log_shorter", 21, 20)),
        (kept(21, 25, topic_id="", life="1"), ends(topic_id=""), 0, "99", ("log_shorter", 21, 24)),
        (kept(5, topic_id="", life="1"), ends(topic_id=""), 5, "1", None),
        (kept(5, topic_id="", life="1"), ends(topic_id="t"), 5, "1", None),
        (kept(5), ends(topic_id=""), 5, "t", None),
    ],
)
def test_where_a_partition_is_read_on(
    before: Kept, now: Ends, offset: int, life: str, hole: tuple[str, int, int] | None
) -> None:
    found = judged(before, now, before, False, 99)
    assert (found.offset, found.life) == (offset, life)
    assert (found.hole and (found.hole.code, found.hole.first, found.hole.last)) == hole


def test_where_a_partition_is_begun() -> None:
    assert judged(None, ends(low=5), None, False, 99) == Judged(5, "t")
    assert judged(None, ends(low=5), None, True, 99) == Judged(20, "t")
    assert judged(None, ends(topic_id=""), None, False, 99) == Judged(0, "1")
    assert judged(None, ends(), kept(), True, 99) == Judged(0, "t"), "new since"
    late = judged(None, ends(low=5), kept(), False, 99)
    assert late.hole is not None
    assert (late.offset, late.hole.first, late.hole.last) == (5, 0, 4)
    other = judged(None, ends(low=5, topic_id="u"), kept(), False, 99)
    assert other == Judged(5, "u")


@for_all(
    st.builds(Kept, st.sampled_from("cd"), st.sampled_from(("", "t", "u")), st.just("1"),
              st.integers(0, 30), st.integers(0, 30)) | st.none(),
    st.integers(0, 20), st.integers(0, 20), st.sampled_from(("", "t", "u")), st.booleans(),
)
def test_no_record_is_passed_over_without_a_word(
    before: Kept | None, low: int, more: int, topic_id: str, latest: bool
) -> None:
    """Reading begins in the log, and behind what was read of it only where that is told."""
    now = Ends("c", topic_id, low, low + more, low + more)
    found = judged(before, now, before, latest, 99)
    assert now.low <= found.offset <= now.high
    if before is not None and found.offset > before.offset:
        assert found.hole is not None
    if before is not None and found.hole is None:
        assert (found.offset, found.life) == (before.offset, before.life)


def test_positions_are_kept_and_found_again() -> None:
    place = Place("a.b_c-d", 12)
    settings = SourceSettings(id="k", protocol="kafka")
    said = {name_of(place): packed(kept(7)), "other": b"x"}
    assert kept_of(Configured(settings=settings, positions=said)) == {place: kept(7)}


def test_a_loss_says_how_sure_it_is() -> None:
    sure = json.loads(hole_event(Hole("expired", "why", 3, 9), STEM, Place("audit", 3), 5).content)
    assert (sure["outcome"], sure["severity"]) == ("failure", "high")
    assert sure["data"] == {"first_offset": 3, "last_offset": 9}
    unsure = json.loads(
        hole_event(Hole("topic_recreated", "why", 3, 2), STEM, Place("audit", 3), 5).content)
    assert (unsure["outcome"], unsure["severity"]) == ("unknown", "medium")
    assert unsure["data"] == {"first_offset": 3}
    assert sure["id"] != unsure["id"]


# --- options

GOOD = {"brokers": "a.example.org:9092, [::1]:9093", "topics": "audit, logins"}


def test_options_are_read() -> None:
    found = options_of({
        **GOOD, "tls": "on", "ca": "/ca.pem", "certificate": "/c.pem", "key": "/k.pem",
        "group": "g", "start": "latest",
    })
    assert found.brokers == ("a.example.org:9092", "[::1]:9093")
    assert found.topics == ("audit", "logins")
    assert found.host == "a.example.org"
    made = connection(found, b"of the key")
    assert made["security.protocol"] == "SSL"
    assert made["ssl.key.password"] == "of the key"
    assert made["ssl.key.location"] == "/k.pem"
    assert "debug" not in {**made, **consumption(found, "k")}
    assert consumption(found, "k")["isolation.level"] == "read_committed"
    assert consumption(found, "k")["enable.auto.commit"] is False


def test_a_password_is_that_of_the_user() -> None:
    options = options_of({**GOOD, "sasl": "SCRAM-SHA-256", "user": "u"})
    made = connection(options, b"pw")
    assert (made["security.protocol"], made["sasl.password"]) == ("SASL_PLAINTEXT", "pw")
    for secret in (b"", b"\xff"):
        with pytest.raises(BadRequest) as caught:
            connection(options, secret)
        assert caught.value.field == "secret"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"brokers": ""}, "brokers"), ({"brokers": "a"}, "brokers"),
        ({"brokers": "a:1,"}, "brokers"), ({"brokers": "http://a:1"}, "brokers"),
        ({"topics": ""}, "topics"), ({"topics": "a/b"}, "topics"), ({"topics": ".."}, "topics"),
        ({"topics": ",".join(f"t{n}" for n in range(257))}, "topics"),
        ({"start": "middle"}, "start"), ({"tls": "yes"}, "tls"), ({"sasl": "GSSAPI"}, "sasl"),
        ({"ca": "/a"}, "ca"), ({"tls": "on", "ca": "a"}, "ca"),
        ({"tls": "on", "key": "/k"}, "certificate"), ({"sasl": "PLAIN"}, "sasl"),
        ({"user": "u"}, "sasl"), ({"password": "p"}, "password"),
    ],
)
def test_options_that_cannot_work_are_refused_by_name(change: dict[str, str], field: str) -> None:
    with pytest.raises(BadRequest) as caught:
        checked(SourceSettings(id="k", protocol="kafka", options={**GOOD, **change}))
    assert caught.value.field == field


# --- checks


def test_a_check_warns_of_what_will_be_missing() -> None:
    ends_of = Ends("c", "", 0, 5, 5)
    seen = Seen("c", {"audit": ""}, {Place("audit", 0): ends_of}, frozenset(), [])
    day = 86_400_000
    plain = options_of({**GOOD, "sasl": "PLAIN", "user": "u"})
    found = kafka_check.findings(
        seen, {"audit": Keeps("compact,delete", day)}, plain)
    assert {(one.about, one.level) for one in found} == {
        ("tls", WARNING), ("cleanup.policy", WARNING), ("retention.ms", WARNING),
        ("topics", WARNING), ("topics", FINE), ("brokers", FINE),
    }
    assert "password" in next(one.text for one in found if one.about == "tls")
    assert any("has no id" in one.text for one in found)
    known = msgspec.structs.replace(seen, topics={"audit": "t"})
    local = options_of({"brokers": "localhost:9092", "topics": "audit"})
    fine = kafka_check.findings(known, {"audit": Keeps("delete", 7 * day)}, local)
    assert {one.level for one in fine} == {FINE}
