"""Ids of topics that the brokers do not tell for a while: nothing is decided without them."""

from __future__ import annotations

import pytest

from indelible.base.errors import Unreachable
from indelible.ingest.protocols import kafka_log
from indelible.ingest.protocols.kafka_positions import Ends, Kept, Place, untold
from indelible.ingest.protocols.kafka_settings import options_of
from support.hub import MemoryHub
from support.kafka import Cluster, needs_kafka, story
from support.kafka_source import audit_cluster, hub_of, kept, often, reading, until

pytestmark = needs_kafka
WAITS = "topic audit: its id, or that of the cluster, is not told now"


_often = pytest.fixture(autouse=True)(often)
cluster = pytest.fixture(audit_cluster)


def message(name: str) -> bytes:
    return b'{"time": "2026-01-01T00:00:00Z", "user": "%s", "action": "login"}' % name.encode()


def codes(hub: MemoryHub) -> list[str]:
    return [one["reason"]["code"] for one in hub.contents if one["action"] == "kafka.partition.lose"
            and one["targets"][0]["id"] == "audit/0"]


def users(hub: MemoryHub) -> set[str]:
    return {one["actor"]["id"] for one in hub.contents if "raw" in one}


def looks_of(monkeypatch: pytest.MonkeyPatch) -> list[kafka_log.Seen]:
    """What every look finds from now on."""
    found: list[kafka_log.Seen] = []
    look = kafka_log.Log.look

    def seen(self: kafka_log.Log) -> kafka_log.Seen:
        found.append(look(self))
        return found[-1]

    monkeypatch.setattr(kafka_log.Log, "look", seen)
    return found


@story
async def test_a_topic_made_again_is_not_read_on_while_its_id_is_not_told(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = hub_of(cluster)
    cluster.send("audit", [message(f"old{n}") for n in range(20)])
    async with reading(hub) as task:
        await until(lambda: kept(hub).offset == 20, task)
    before = kept(hub)
    cluster.delete("audit")
    cluster.make("audit", 3)  # and a partition that was never there
    for partition in (0, 2):
        cluster.send("audit", [message(f"new{partition}-{n}") for n in range(40)], partition)
    cluster.controller(False)
    looks = looks_of(monkeypatch)
    async with reading(hub) as task:
        await until(lambda: len(looks) > 3, task)
        assert hub.shown["trouble"].startswith(WAITS)
        assert kept(hub) == before
        assert kept(hub, "audit/2").offset == -1
        assert len(users(hub)) == 20
        cluster.controller(True)
        await until(lambda: kept(hub).offset == kept(hub, "audit/2").offset == 40, task)
        await until(lambda: "trouble" not in hub.shown, task)
    assert len(users(hub)) == 100
    assert codes(hub) == ["topic_recreated"]
    assert kept(hub).topic_id not in ("", before.topic_id)


@story
async def test_a_topic_that_is_the_same_is_read_on_when_its_id_is_told_again(
    cluster: Cluster
) -> None:
    hub = hub_of(cluster)
    cluster.send("audit", [message("a")])
    async with reading(hub) as task:
        await until(lambda: kept(hub).offset == 1, task)
    cluster.controller(False)
    cluster.send("audit", [message("b")])
    async with reading(hub) as task:
        await until(lambda: hub.shown.get("trouble", "").startswith(WAITS), task)
        cluster.controller(True)
        await until(lambda: kept(hub).offset == 2, task)
    assert users(hub) == {"a", "b"}
    assert codes(hub) == []


@story
async def test_a_log_that_does_not_go_on_waits_for_its_id_and_is_not_forgotten(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the broker said once is still known when the id is told."""
    hub = hub_of(cluster)
    cluster.send("audit", [message(f"u{n}") for n in range(5)])
    take, lacking = kafka_log.Log.take, False

    def cut(self: kafka_log.Log, wait: float) -> kafka_log.Taken:
        nonlocal lacking
        taken = take(self, wait)
        if lacking:
            taken.wrong[Place("audit", 0)] = "_LOG_TRUNCATION: leader has less"
            lacking = False
        return taken

    monkeypatch.setattr(kafka_log.Log, "take", cut)
    looks = looks_of(monkeypatch)
    async with reading(hub) as task:
        await until(lambda: kept(hub).offset == 5, task)
        before = kept(hub)
        cluster.controller(False)
        lacking = True
        await until(lambda: WAITS in hub.shown.get("trouble", ""), task)
        count = len(looks)
        await until(lambda: len(looks) > count + 2, task)
        assert WAITS in hub.shown["trouble"]
        assert codes(hub) == []
        assert kept(hub) == before
        cluster.controller(True)
        await until(lambda: codes(hub) == ["log_shorter"], task)
        await until(lambda: "trouble" not in hub.shown, task)


@pytest.mark.parametrize("while_away", [True, False])
@story
async def test_a_topic_begun_without_its_id_takes_it_up_and_is_compared_from_then_on(
    cluster: Cluster, while_away: bool
) -> None:
    hub = hub_of(cluster)
    cluster.controller(False)
    cluster.send("audit", [message(f"old{n}") for n in range(10)])
    async with reading(hub) as task:
        await until(lambda: kept(hub).offset == 10, task)
        assert (kept(hub).topic_id, kept(hub).life) == ("", "1")
        cluster.controller(True)
        await until(lambda: kept(hub).topic_id and kept(hub, "audit/1").topic_id, task)
        assert (kept(hub).life, kept(hub).offset) == ("1", 10)
        cluster.send("audit", [message("old10")])
        await until(lambda: kept(hub).offset == 11, task)
        before = kept(hub)
        assert before.life == "1", "what is read again has the ids that it had"
        if not while_away:
            again(cluster)
            await until(lambda: kept(hub).offset == 30, task)
    if while_away:
        again(cluster)
        async with reading(hub) as task:
            await until(lambda: kept(hub).offset == 30, task)
    assert codes(hub) == ["topic_recreated"]
    assert len(users(hub)) == 11 + 30
    assert kept(hub).topic_id not in ("", before.topic_id)


def again(cluster: Cluster) -> None:
    cluster.delete("audit")
    cluster.make("audit", 2)
    cluster.send("audit", [message(f"new{n}") for n in range(30)])


@pytest.mark.parametrize("while_away", [True, False])
@story
async def test_an_id_is_not_taken_up_for_a_log_that_lacks_what_was_read(
    cluster: Cluster, while_away: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is another topic's: records of both have ids of their own. Looks come before fetches."""
    hub = hub_of(cluster)
    take, quiet = kafka_log.Log.take, False
    unsaid: dict[Place, str] = {}

    def late(self: kafka_log.Log, wait: float) -> kafka_log.Taken:
        taken = take(self, wait)
        unsaid.update(taken.wrong)
        taken.wrong = {}
        if not quiet:
            taken.wrong = dict(unsaid)
            unsaid.clear()
        return taken

    monkeypatch.setattr(kafka_log.Log, "take", late)
    looks = looks_of(monkeypatch)
    cluster.controller(False)
    cluster.send("audit", [message(f"old{n}") for n in range(10)])
    async with reading(hub) as task:
        await until(lambda: kept(hub).offset == 10, task)
        if not while_away:
            quiet = True
            shorter(cluster)
            count = len(looks)
            await until(lambda: len(looks) > count + 2, task)
            quiet = False
            await until(lambda: kept(hub).offset == 4, task)
    if while_away:
        shorter(cluster)
        async with reading(hub) as task:
            await until(lambda: kept(hub).offset == 4, task)
    assert codes(hub) == ["log_shorter"]
    ids = [one["id"] for one in hub.contents if "raw" in one]
    assert (len(users(hub)), len(set(ids))) == (14, 14)


def shorter(cluster: Cluster) -> None:
    cluster.delete("audit")
    cluster.make("audit", 2)
    cluster.send("audit", [message(f"new{n}") for n in range(4)])
    cluster.controller(True)


def test_an_id_that_is_told_as_none_is_no_answer(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker of before 2.8 among newer ones must not let records of any topic pass."""
    log = kafka_log.Log(options_of({"brokers": cluster.brokers, "topics": "audit"}), b"", "k")
    assert log.ids(["audit"])["audit"]
    monkeypatch.setattr(kafka_log, "_id", lambda _: "")
    with pytest.raises(Unreachable, match="no id of topic audit"):
        log.ids(["audit"])
    log.close()


def test_what_is_not_told_decides_nothing() -> None:
    known = Kept("c", "T", "T", 100, 100)
    assert untold(known, Ends("c", "", 0, 150, 150))
    assert untold(known, Ends("", "T", 0, 150, 150))
    assert not untold(known, Ends("c", "U", 0, 150, 150))
    assert not untold(known, Ends("other", "", 0, 150, 150)), "another cluster is no doubt"
    assert not untold(Kept("c", "", "1", 100, 100), Ends("c", "", 0, 150, 150))
    assert not untold(None, Ends("c", "", 0, 150, 150))
