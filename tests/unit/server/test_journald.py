"""The journal's upload as its sender meets it: read as it comes, answered when durable."""

from __future__ import annotations

import asyncio
import json

import pytest
from tests.unit.server.fake_rooms import Answer

from indelible.base.errors import Busy, DiskFull
from indelible.base.limits import JOURNALD_BATCH_BYTES
from indelible.ingest.protocols.hub import Configured
from indelible.ingest.sources import SourceSettings
from indelible.server import journald
from support.journal_export import failed, logged

NAMES = ["web1.example.org", "web1", "sha256:aa"]


@pytest.fixture
def web(house):
    configure(house)
    return house


def configure(house, **more):
    settings = SourceSettings(id="web", protocol="journald", certificates=("web1",))
    settings = Configured(settings=SourceSettings(**{
        **{name: getattr(settings, name) for name in settings.__struct_fields__}, **more}))
    house.rooms.settings[("web", "")] = settings


class Sender:
    """An upload whose body is said piece by piece."""

    def __init__(self, house, names=NAMES, role=None, headers=None):
        self.house, self.sent = house, []
        self.scope = house.scope("POST", "/upload", role, headers)
        if names:
            said = {"client_cert_name": "CN=web1", "client_cert_names": names}
            self.scope["extensions"] = {"tls": said}
        self.pieces = asyncio.Queue()
        self.asked = 0

    async def _receive(self):
        self.asked += 1
        return await self.pieces.get()

    async def _send(self, message):
        self.sent.append(dict(message))

    def say(self, data, more=True):
        self.pieces.put_nowait({"type": "http.request", "body": data, "more_body": more})

    def hang_up(self):
        self.pieces.put_nowait({"type": "http.disconnect"})

    async def served(self):
        await asyncio.wait_for(self.house.app(self.scope, self._receive, self._send), 20)

    @property
    def answer(self):
        return Answer(self.sent)


async def until(what):
    async with asyncio.timeout(20):
        while not what():
            await asyncio.sleep(0.01)


def stored(house):
    return [json.loads(event.content)["raw"].rpartition("MESSAGE=")[2].strip()
            for one in house.rooms.submissions for event in one.events]


def test_an_upload_is_answered_once_with_what_became_of_it(web):
    sender = Sender(web)
    sender.say(logged(1, b"a")[:50])
    sender.say(logged(1, b"a")[50:] + b"no field\n\n" + logged(2, b"b"), more=False)
    web.run(sender.served())
    assert sender.answer.status == 200
    assert sender.answer.body == b"2 entries stored, 0 known, 1 refused\n"
    (one,) = web.rooms.submissions
    assert (one.source, one.protocol, one.rejected) == ("web", "journald", 1)
    again = Sender(web)
    again.say(logged(2, b"b"), more=False)
    web.run(again.served())
    assert again.answer.body == b"0 entries stored, 1 known, 0 refused\n"


def test_entries_are_durable_before_the_upload_ends_and_it_is_answered_at_its_end(web):
    sender = Sender(web)

    async def go():
        serving = asyncio.ensure_future(sender.served())
        sender.say(logged(1, b"a"))
        await until(lambda: stored(web) == ["a"])
        assert sender.sent == []
        sender.say(logged(2, b"b") + logged(3, b"c")[:-1])
        await until(lambda: stored(web) == ["a", "b"])
        sender.say(b"", more=False)
        await serving

    web.run(go())
    assert stored(web) == ["a", "b", "c"]
    assert sender.answer.status == 200


def test_a_trickle_is_not_waited_for(web, monkeypatch):
    monkeypatch.setattr(journald, "JOURNALD_WAIT_SECONDS", 0.1)
    sender = Sender(web)

    async def go():
        serving = asyncio.ensure_future(sender.served())
        number = 0
        while not web.rooms.submissions:
            number += 1
            sender.say(logged(number, b"a"))
            await asyncio.sleep(0.02)
            assert number < 200
        sender.say(b"", more=False)
        await serving

    web.run(go())


@pytest.mark.parametrize("error", [Busy("full"), DiskFull("full")])
def test_while_the_ledger_is_busy_nothing_more_is_read_and_nothing_is_lost(web, error):
    sender = Sender(web)
    web.rooms.fail = error
    large = [logged(n, b"x" * 60_000) for n in range(20)]

    async def go():
        serving = asyncio.ensure_future(sender.served())
        for one in large:
            sender.say(one)
        sender.say(b"", more=False)
        await until(lambda: sender.asked >= JOURNALD_BATCH_BYTES // 61_000)
        await asyncio.sleep(0.6)
        asked = sender.asked
        assert asked <= JOURNALD_BATCH_BYTES // 60_000 + 1
        assert not sender.sent
        web.rooms.fail = None
        await serving

    web.run(go())
    assert sender.answer.body == b"20 entries stored, 0 known, 0 refused\n"
    assert len(web.rooms.submissions) > 3


def test_a_ledger_that_stays_busy_is_told_at_last(web, monkeypatch):
    monkeypatch.setattr(journald, "JOURNALD_BUSY_SECONDS", 0.3)
    for error in (Busy("full"), DiskFull("full")):
        web.rooms.fail = error
        sender = Sender(web)
        sender.say(logged(1, b"a"))
        web.run(sender.served())
        assert sender.answer.status == 503
        assert sender.answer.headers["connection"] == "close"


def test_what_came_whole_before_a_hang_up_is_kept(web):
    sender = Sender(web)
    sender.say(logged(1, b"a") + logged(2, b"b")[:-3])
    sender.hang_up()
    web.run(sender.served())
    assert sender.sent == []
    assert stored(web) == ["a"]
    assert web.rooms.submissions[0].rejected == 0


def test_a_server_that_stops_takes_what_came_and_ends_the_upload(web):
    sender = Sender(web)

    async def go():
        serving = asyncio.ensure_future(sender.served())
        sender.say(logged(1, b"a"))
        await until(lambda: stored(web) == ["a"])
        web.app.context.draining.set()
        await serving

    web.run(go())
    assert sender.answer.status == 503


@pytest.mark.parametrize("change", ["disabled", "renamed"])
def test_a_source_that_is_disabled_meanwhile_sends_nothing_more(web, change):
    sender = Sender(web)

    async def go():
        serving = asyncio.ensure_future(sender.served())
        sender.say(logged(1, b"a"))
        await until(lambda: stored(web) == ["a"])
        configure(web, **({"disabled": True} if change == "disabled" else {"certificates": ("w",)}))
        sender.say(logged(2, b"b"))
        await serving

    web.run(go())
    assert (sender.answer.status, sender.answer.code) == (403, "unknown_certificate")
    assert stored(web) == ["a"]


def test_a_token_that_is_revoked_meanwhile_sends_nothing_more(house):
    settings = SourceSettings(id="app", protocol="journald")
    house.rooms.settings[("app", "")] = Configured(settings=settings)
    sender = Sender(house, names=None, role="writer")

    async def go():
        serving = asyncio.ensure_future(sender.served())
        sender.say(logged(1, b"a"))
        await until(lambda: stored(house) == ["a"])
        [row] = [one for one in house.meta.tokens(live_only=True) if one.name == "app"]
        house.meta.revoke_token(row.id)
        house.app.context.tokens.reload()
        sender.say(logged(2, b"b"))
        await serving

    house.run(go())
    assert sender.answer.status == 401
    assert stored(house) == ["a"]


def test_nobody_is_known_by_what_no_source_names(web):
    for names, status in ((None, 401), (["other"], 403), (["web2", "sha256:ab"], 403)):
        sender = Sender(web, names)
        sender.say(logged(1, b"a"), more=False)
        web.run(sender.served())
        assert sender.answer.status == status
        assert sender.asked == 0
    assert not web.rooms.submissions
    web.run(web.app.audit.flush(everything=True))
    reasons = [own["reason"]["text"] for own in web.rooms.own]
    assert ["other" in one or "web2" in one for one in reasons] == [True] * len(reasons)
    assert reasons


def test_a_certificate_opens_no_other_source_and_a_header_is_no_certificate(web):
    configure(web, protocol="syslog")
    sender = Sender(web)
    web.run(sender.served())
    assert sender.answer.status == 403
    sender = Sender(web, None, headers={"client_cert_names": "web1", "x-client-cert": "web1"})
    web.run(sender.served())
    assert sender.answer.status == 401


def test_uploads_beyond_the_bound_wait_for_their_turn(web, monkeypatch):
    monkeypatch.setattr(journald, "JOURNALD_UPLOADS", 1)
    first, second = Sender(web), Sender(web)

    async def go():
        one = asyncio.ensure_future(first.served())
        first.say(logged(1, b"a"))
        await until(lambda: stored(web) == ["a"])
        two = asyncio.ensure_future(second.served())
        second.say(logged(2, b"b"), more=False)
        await asyncio.sleep(0.1)
        assert second.asked == 0
        first.say(b"", more=False)
        await one
        await two

    web.run(go())
    assert (first.answer.status, second.answer.status) == (200, 200)


@pytest.mark.parametrize(("each", "all_of_them"), [(2, 9), (9, 2)])
def test_a_source_that_takes_all_uploads_leaves_one_to_every_other(
    web, monkeypatch, each, all_of_them
):
    monkeypatch.setattr(journald, "JOURNALD_SOURCE_UPLOADS", each)
    monkeypatch.setattr(journald, "JOURNALD_UPLOADS", all_of_them)
    monkeypatch.setattr(journald, "JOURNALD_BUSY_SECONDS", 0.2)
    web.rooms.settings[("db", "")] = Configured(
        settings=SourceSettings(id="db", protocol="journald", certificates=("db1",))
    )
    greedy = [Sender(web) for _ in range(2)]
    third, other, again = Sender(web), Sender(web, names=["db1"]), Sender(web)

    async def go():
        held = []
        for number, sender in enumerate(greedy, 1):
            held.append(asyncio.ensure_future(sender.served()))
            sender.say(logged(number, b"a"))
        await until(lambda: len(stored(web)) == 2)
        third.say(logged(3, b"c"), more=False)
        await third.served()
        other.say(logged(4, b"d"), more=False)
        await other.served()
        for sender in greedy:
            sender.say(b"", more=False)
        await asyncio.gather(*held)
        again.say(logged(5, b"e"), more=False)
        await again.served()

    web.run(go())
    assert (third.answer.status, third.answer.code) == (503, "busy")
    assert (other.answer.status, again.answer.status) == (200, 200)


def test_a_sender_that_says_nothing_is_hung_up_on(web, monkeypatch):
    monkeypatch.setattr(journald, "COLLECT_IDLE_SECONDS", 0.1)
    sender = Sender(web)
    sender.say(b"")
    web.run(sender.served())
    assert (sender.answer.status, sender.answer.code) == (408, "request_timeout")


def test_a_message_is_read_by_its_parser_inside_the_envelope(web):
    sender = Sender(web)
    sender.say(logged(1, failed(4711)), more=False)
    web.run(sender.served())
    [event] = web.rooms.submissions[0].events
    assert event.parser == "linux_auth/1"
    assert json.loads(event.content)["actor"]["id"] == "root"
