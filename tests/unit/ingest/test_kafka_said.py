"""What librdkafka says again and again: told at once, then less and less often, never lost."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from indelible.base.errors import Unreachable
from indelible.base.limits import REMEMBERED
from indelible.ingest.protocols import kafka_log
from indelible.ingest.protocols.kafka_log import Log
from indelible.ingest.protocols.kafka_said import Said
from indelible.ingest.protocols.kafka_settings import options_of
from support.kafka import Cluster, needs_kafka
from support.kafka_source import audit_cluster

if TYPE_CHECKING:
    from confluent_kafka import KafkaError

cluster = pytest.fixture(audit_cluster)
REFUSED = "b:9092/1: Connect to ipv4#10.0.0.1:9092 failed: Connection refused (after {}ms)"


def test_words_are_told_once_and_then_at_a_growing_pace() -> None:
    said = Said()
    told = {}
    for now in range(4 * 3_600):
        if text := said.told("_TRANSPORT", REFUSED.format(now), now):
            told[now] = text
    minutes = [at // 60 for at in told]
    assert minutes == [0, 1, 3, 7, 15, 31, 63, 123, 183]
    assert told[0] == REFUSED.format(0)
    assert told[60] == f"{REFUSED.format(60)} (and 59 times since that was told last)"
    assert told[183 * 60].endswith("(and 3,599 times since that was told last)")


def test_each_kind_and_each_broker_is_told() -> None:
    said = Said()
    other = REFUSED.replace("b:9092/1", "c:9092/2")
    assert said.told("_TRANSPORT", REFUSED.format(1), 0.0)
    assert said.told("_TRANSPORT", other.format(1), 1.0)
    assert said.told("_AUTHENTICATION", "b:9092/1: SASL authentication error", 2.0)
    assert said.told("_ALL_BROKERS_DOWN", "2/2 brokers are down", 3.0)
    assert not said.told("_ALL_BROKERS_DOWN", "1/1 brokers are down", 4.0)
    assert not said.told("_TRANSPORT", REFUSED.format(2), 5.0)


def test_what_was_over_is_told_at_once_when_it_comes_again() -> None:
    said = Said()
    for now in range(200):
        said.told("_TRANSPORT", REFUSED.format(now), now)
    assert not said.told("_TRANSPORT", REFUSED.format(1), 259.0)
    assert said.told("_TRANSPORT", REFUSED.format(2), 320.0) == REFUSED.format(2)
    assert not said.told("_TRANSPORT", REFUSED.format(3), 379.0)
    assert said.told("_TRANSPORT", REFUSED.format(4), 380.0)


def test_what_is_remembered_is_bounded() -> None:
    said = Said()
    for number in range(2 * REMEMBERED):
        assert said.told("_TRANSPORT", f"b{number}:9092/{number}: refused", 0.0)
    assert len(said._heard) == REMEMBERED


@needs_kafka
def test_a_broker_that_is_down_fills_no_log_and_is_shown_each_time(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(kafka_log, "_said", Said())
    monkeypatch.setattr(kafka_log, "KAFKA_ASK_SECONDS", 1.0)
    options = options_of({"brokers": "127.0.0.1:9", "topics": "audit"})
    caplog.set_level(logging.INFO, "indelible")
    for _ in range(2):  # a source that begins anew makes another
        log = Log(options, b"", "k")
        for _ in range(2):
            with pytest.raises(Unreachable, match=r"127\.0\.0\.1:9.* failed: Connection refused"):
                log.look()
        log.close()
    lines = [one.getMessage() for one in caplog.records
             if one.name == kafka_log.__name__]  # what is quiet is caught here, too
    assert sum("127.0.0.1:9/bootstrap: " in line for line in lines) == 1
    assert sum("brokers are down" in line for line in lines) == 1


@needs_kafka
def test_what_was_heard_before_a_look_is_shown_when_it_fails(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """librdkafka does not say the same again at once."""
    monkeypatch.setattr(kafka_log, "KAFKA_ASK_SECONDS", 1.0)
    hears, deaf = Log._heard, False

    def hear(self: Log, error: KafkaError) -> None:
        if not deaf:
            hears(self, error)

    monkeypatch.setattr(Log, "_heard", hear)
    log = Log(options_of({"brokers": cluster.brokers, "topics": "audit"}), b"", "k")
    log.look()
    cluster.down()
    while "refused" not in log._last:
        log.take(0.1)
    deaf = True
    with pytest.raises(Unreachable, match=rf"\({cluster.brokers}.*refused"):
        log.look()
    cluster.up()
    log.look()
    assert log._last == "", "what was wrong before a look that was answered is over"
    log.close()
