"""What `source check` says of a stream: whether it can be read, and what deletes it unread."""

from __future__ import annotations

from typing import Any

import pytest

from indelible.ingest.protocols.findings import ERROR, FINE, WARNING
from indelible.ingest.protocols.nats_check import check, findings
from indelible.ingest.protocols.nats_positions import Config, Seen, State
from indelible.ingest.protocols.nats_server import Consumer, ConsumerConfig
from indelible.ingest.protocols.nats_settings import options_of
from support.kafka import story

DAY = 86_400_000_000_000


def levels(
    config: dict[str, Any] | None = None, bound: Consumer | None = None,
    state: State | None = None, **options: str
) -> dict[str, str]:
    """What is said, by what it is about."""
    said = options_of({"servers": "127.0.0.1:4222", "stream": "AUDIT", **options})
    seen = Seen("2026-05-01T10:00:00Z", Config(**(config or {})),
                state or State(messages=3, first_seq=1, last_seq=3))
    found = findings(seen, bound, said)
    order = [ERROR, WARNING, FINE]
    assert found == sorted(found, key=lambda one: order.index(one.level))
    told: dict[str, str] = {}
    for one in found:
        told.setdefault(one.about, one.level)
    return told


def test_a_stream_that_keeps_everything_is_fine() -> None:
    assert set(levels({"deny_delete": True, "deny_purge": True}).values()) == {FINE}


@pytest.mark.parametrize(("config", "about", "level"), [
    ({"max_age": DAY}, "max_age", WARNING),
    ({"max_age": 7 * DAY}, "max_age", FINE),
    ({"max_age": 0}, "max_age", FINE),
    ({"max_msgs": 1_000}, "max_msgs", WARNING),
    ({"max_bytes": 1_000}, "max_bytes", WARNING),
    ({"max_bytes": 1_000, "discard": "new"}, "max_bytes", FINE),
    ({"max_msgs_per_subject": 1}, "max_msgs_per_subject", WARNING),
    ({"allow_msg_ttl": True}, "allow_msg_ttl", WARNING),
    ({"retention": "workqueue"}, "retention", ERROR),
    ({"retention": "interest"}, "retention", ERROR),
])
def test_what_deletes_messages_unread_is_told(
    config: dict[str, Any], about: str, level: str
) -> None:
    assert levels(config)[about] == level


def test_a_consumer_is_looked_at() -> None:
    def bound(**config: Any) -> Consumer:
        return Consumer(config=ConsumerConfig(**{"ack_policy": "explicit", **config}))

    assert levels({"retention": "workqueue"}, bound(), consumer="c") .get("retention") is None
    assert levels({}, bound(ack_policy="all"), consumer="c")["consumer"] == ERROR
    assert levels({}, bound(deliver_subject="x"), consumer="c")["consumer"] == ERROR
    assert levels({}, bound(filter_subject="x"), consumer="c", subjects="a")["consumer"] == ERROR
    assert levels({}, bound(filter_subjects=["b", "a"]), consumer="c", subjects="a,b")[
        "consumer"] == FINE
    assert levels({}, bound(max_deliver=5), consumer="c")["max_deliver"] == WARNING
    assert levels({"retention": "interest"}, None, consumer="c")["consumer"] == WARNING


def test_what_is_sent_in_clear_and_what_goes_unnoticed_is_told() -> None:
    assert levels(servers="a.example.org:4222")["tls"] == WARNING
    assert "tls" not in levels(servers="a.example.org:4222", tls="on")
    assert levels(subjects="audit.a")["subjects"] == WARNING
    text = findings(Seen("x"), None, options_of({
        "servers": "a.example.org:4222", "stream": "A", "user": "me"}))
    assert any("the secret and the messages come in clear" in one.text for one in text)


def test_a_stream_that_is_missing_is_an_error() -> None:
    options = options_of({"servers": "127.0.0.1:1", "stream": "AUDIT"})
    assert findings(None, None, options)[0].level == ERROR


@story
async def test_a_check_of_a_server_that_does_not_answer_is_an_error() -> None:
    [found] = await check(options_of({"servers": "127.0.0.1:9", "stream": "AUDIT"}), b"")
    assert found.level == ERROR
    assert "Connect" in found.text
    [found] = await check(
        options_of({"servers": "127.0.0.1:9", "stream": "AUDIT", "login": "token"}), b"")
    assert found.about == "options"
