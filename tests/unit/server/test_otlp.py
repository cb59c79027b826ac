"""`POST /v1/logs`: the encoding of the answer, partial success, and what asks a sender back."""

from __future__ import annotations

import gzip
import json

import pytest
import zstandard

from indelible.base.errors import Busy, DiskFull
from indelible.ingest.protocols import otlp
from indelible.ingest.protocols import otlp_wire as wire
from indelible.ingest.protocols.hub import Configured
from indelible.ingest.sources import SourceSettings

PROTOBUF = {"content-type": "application/x-protobuf"}
JSON = {"content-type": "application/json; charset=utf-8"}


@pytest.fixture
def otel(house):
    settings = SourceSettings(id="app", protocol="otlp")
    house.rooms.settings[("app", "")] = Configured(settings=settings)
    return house


def exported(*texts):
    records = [{"body": {"stringValue": text}} for text in texts]
    return json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}).encode()


def wired(*texts):
    inside = b"".join(wire.message(2, wire.message(5, wire.message(1, t.encode()))) for t in texts)
    return wire.message(1, wire.message(2, inside))


def post(house, body, headers):
    return house.ask("POST", "/v1/logs", "writer", body, headers)


def test_success_is_answered_in_the_encoding_of_the_request(otel):
    answer = post(otel, wired("a"), PROTOBUF)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-type"] == "application/x-protobuf"
    answer = post(otel, exported("a"), JSON)
    assert (answer.status, answer.body) == (200, b"{}")
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("body", [b"", b"{}"])
def test_an_empty_request_is_a_success_and_nothing_is_stored(otel, body):
    assert post(otel, body, JSON if body else PROTOBUF).status == 200
    assert not otel.rooms.submissions


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_packed_requests_are_unpacked(otel, encoding):
    packed = {"gzip": gzip.compress, "zstd": zstandard.compress}[encoding](wired("a", "b"))
    assert post(otel, packed, {**PROTOBUF, "content-encoding": encoding}).status == 200
    assert len(otel.rooms.submissions[0].events) == 2


def test_what_cannot_be_kept_is_a_partial_success(otel):
    spoilt = exported("a", "bad", "b").replace(b'{"body": {"stringValue": "bad"}}', b"5")
    broken = wire.message(1, wire.message(2, b"".join((
        wire.message(2, wire.message(5, wire.message(1, b"a"))), wire.message(2, b"\x2a\x7f"),
        wire.message(2, wire.message(5, wire.message(1, b"b"))),
    ))))
    for body, headers in ((spoilt, JSON), (broken, PROTOBUF)):
        answer = post(otel, body, headers)
        assert answer.status == 200
        submission = otel.rooms.submissions.pop()
        assert (len(submission.events), submission.rejected) == (2, 1)
        if headers is JSON:
            assert answer.json["partialSuccess"]["rejectedLogRecords"] == "1"
            assert "log record 2" in answer.json["partialSuccess"]["errorMessage"]
        else:
            (part,) = [value for _, _, value in wire.fields(answer.body)]
            found = {number: value for number, _, value in wire.fields(part)}
            assert found[1] == 1
            assert found[2].startswith(b"log record 2: ")


@pytest.mark.parametrize("media", [PROTOBUF, JSON])
def test_an_error_is_a_status_in_the_encoding_of_the_request(otel, media):
    answer = post(otel, b"\xff{", media)
    assert answer.status == 400
    if media is JSON:
        assert "not an ExportLogsServiceRequest" in answer.json["message"]
    else:
        ((number, _, message),) = wire.fields(answer.body)
        assert number == 2
        assert b"not an ExportLogsServiceRequest" in message


@pytest.mark.parametrize("error", [Busy("full"), DiskFull("full")])
def test_a_sender_is_asked_to_come_again_with_a_status_that_it_retries(otel, error):
    otel.rooms.fail = error
    answer = post(otel, wired("a"), PROTOBUF)
    assert answer.status == 503
    assert answer.headers["retry-after"] in ("1", "30")


@pytest.mark.parametrize("kind", ["text/plain", "application/grpc", "application/x-protobufx", ""])
def test_another_content_type_is_415(otel, kind):
    answer = post(otel, wired("a"), {"content-type": kind} if kind else {})
    assert answer.status == 415
    assert not [one for one in otel.rooms.submissions if one.events]


def test_no_token_is_401_with_the_way_to_send_one(otel):
    answer = otel.ask("POST", "/v1/logs", None, wired("a"), PROTOBUF)
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["content-type"] == otlp.PROTOBUF
