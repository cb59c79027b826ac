"""Splunk's HTTP Event Collector as its clients meet it: codes, texts, acknowledgements."""

from __future__ import annotations

import json

import pytest

from indelible.base.errors import Busy
from indelible.ingest.protocols.hub import Configured
from indelible.ingest.sources import SourceSettings
from indelible.server import hec
from indelible.server.rooms import Readiness

EVENT = "/services/collector/event"
RAW = "/services/collector/raw"
ACK = "/services/collector/ack"


@pytest.fixture
def splunk(house):
    settings = SourceSettings(id="app", protocol="hec")
    house.rooms.settings[("app", "")] = Configured(settings=settings)
    return house


def post(house, path=EVENT, body=b'{"event":"a"}', role="writer", **headers):
    found = {name.replace("_", "-"): value for name, value in headers.items()}
    return house.ask("POST", path, role, body, found)


def code(answer):
    return answer.status, answer.json["code"]


def test_success_is_splunks(splunk):
    for path in ("/services/collector", EVENT, EVENT + "/1.0", RAW, RAW + "/1.0"):
        answer = post(splunk, path)
        assert (answer.status, answer.json) == (200, {"text": "Success", "code": 0})
    assert len(splunk.rooms.bodies) == 5


def test_credentials_are_refused_in_splunks_numbers(splunk):
    assert code(post(splunk, role=None)) == (401, 2)
    assert code(post(splunk, role=None, authorization="Digest x")) == (401, 3)
    assert code(post(splunk, role=None, authorization="Splunk no-such-token")) == (403, 4)
    token = splunk.tokens["writer"]
    assert code(post(splunk, f"{EVENT}?token={token}", role=None)) == (400, 16)
    assert not splunk.rooms.submissions


def test_bodies_are_refused_in_splunks_numbers(splunk):
    assert code(post(splunk, body=b"")) == (400, 5)
    assert code(post(splunk, body=b" \n ")) == (400, 5)
    assert code(post(splunk, body=b"{")) == (400, 6)
    assert code(post(splunk, body=b'{"time":1}')) == (400, 12)
    assert code(post(splunk, body=b'{"event":""}')) == (400, 13)
    assert code(post(splunk, RAW, body=b"\n")) == (400, 5)
    splunk.rooms.fail = Busy("full")
    answer = post(splunk)
    assert code(answer) == (503, 9)
    assert answer.headers["retry-after"] == "1"


def test_a_bad_event_among_good_ones_is_named_and_the_good_ones_are_stored(splunk):
    answer = post(splunk, body=b'{"event":"a"}{"event":""}{"event":"c"}')
    assert code(answer) == (400, 13)
    assert answer.json["invalid-event-number"] == 1
    assert (answer.json["accepted"], answer.json["refused"]) == (2, 1)
    (submission,) = splunk.rooms.submissions
    assert (len(submission.events), submission.rejected) == (2, 1)


def test_parameters_say_what_raw_lines_cannot(splunk):
    query = "?host=web-1&source=x&sourcetype=y&time=1772529247.5&channel=c"
    assert post(splunk, RAW + query, body=b"one\ntwo\n").json["ackId"] == 0
    (submission,) = splunk.rooms.submissions
    first = json.loads(submission.events[0].content)
    assert first["time"] == "2026-03-03T09:14:07.500000Z"
    assert first["origin"]["host"] == "web-1"
    assert first["data"]["hec"] == {"source": "x", "sourcetype": "y"}


def test_an_acknowledgement_holds_at_once_and_only_on_its_channel(splunk):
    assert "ackId" not in post(splunk).json
    ids = [post(splunk, x_splunk_request_channel="c").json["ackId"] for _ in range(3)]
    assert ids == [0, 1, 2]
    asked = json.dumps({"acks": [0, 2, 3, -1]}).encode()
    answer = post(splunk, ACK + "?channel=c", asked)
    assert answer.json == {"acks": {"0": True, "2": True, "3": False, "-1": False}}
    assert post(splunk, ACK + "?channel=d", asked).json["acks"]["0"] is False
    assert post(splunk, ACK, asked, x_splunk_request_channel="c").json["acks"]["0"] is True


def test_what_failed_is_not_acknowledged(splunk):
    post(splunk, body=b'{"event":""}', x_splunk_request_channel="c")
    splunk.rooms.fail = Busy("full")
    post(splunk, x_splunk_request_channel="c")
    splunk.rooms.fail = None
    answer = post(splunk, ACK + "?channel=c", b'{"acks":[0]}')
    assert answer.json == {"acks": {"0": False}}


def test_acknowledgements_of_another_source_are_not_told(splunk):
    post(splunk, x_splunk_request_channel="c")
    splunk.tokens["other"] = splunk.meta.create_token("other", "writer", source="other")[1]
    splunk.app.context.tokens.reload()
    settings = SourceSettings(id="other", protocol="hec")
    splunk.rooms.settings[("other", "")] = Configured(settings=settings)
    answer = post(splunk, ACK + "?channel=c", b'{"acks":[0]}', role="other")
    assert answer.json == {"acks": {"0": False}}


def test_acks_need_a_channel_and_a_list(splunk):
    assert code(post(splunk, ACK, b'{"acks":[0]}')) == (400, 10)
    assert code(post(splunk, ACK, b'{"acks":[0]}', x_splunk_request_channel="a\u00a0" * 9)) == (
        400, 11)
    assert code(post(splunk, ACK + "?channel=c", b'{"acks":"0"}')) == (400, 6)


def test_forgotten_channels_know_nothing(monkeypatch):
    monkeypatch.setattr(hec, "HEC_CHANNELS", 2)
    channels = hec.Channels()
    for name in "abc":
        channels.give(("s", "", name))
    assert [channels.given(("s", "", name)) for name in "abc"] == [0, 1, 1]
    channels.given(("s", "", "b"))
    channels.give(("s", "", "d"))
    assert [channels.given(("s", "", name)) for name in "bcd"] == [1, 0, 1]


def test_health_and_docker_are_answered_without_a_token(splunk):
    for path in ("/services/collector/health", "/services/collector/health/1.0"):
        assert code(splunk.ask("GET", path)) == (200, 17)
    splunk.rooms.ready = Readiness(ready=False, reasons=("full",))
    assert code(splunk.ask("GET", "/services/collector/health")) == (503, 18)
    for path in ("/services/collector", EVENT, EVENT + "/1.0"):
        assert splunk.ask("OPTIONS", path).status == 200
