"""Elasticsearch's API as shippers meet it: product, statuses, back-pressure, single documents."""

from __future__ import annotations

import gzip
import json

import pytest

from indelible.base.errors import Busy, DiskFull
from indelible.ingest.protocols.hub import Configured
from indelible.ingest.sources import SourceSettings

NDJSON = {"content-type": "application/x-ndjson"}
COMPATIBLE = {
    "content-type": "application/vnd.elasticsearch+x-ndjson; compatible-with=9",
    "accept": "application/vnd.elasticsearch+json; compatible-with=9",
}


@pytest.fixture
def elastic(house):
    settings = SourceSettings(id="app", protocol="elasticsearch")
    house.rooms.settings[("app", "")] = Configured(settings=settings)
    return house


def lines(*documents):
    return b"".join(json.dumps(one).encode() + b"\n" for one in documents)


def bulk(house, *documents, path="/_bulk", headers=NDJSON):
    return house.ask("POST", path, "writer", lines(*documents), headers)


def test_every_answer_names_the_product(elastic):
    asked = [("GET", "/", b""), ("HEAD", "/", b""), ("GET", "/_license", b""),
             ("GET", "/_xpack", b""), ("GET", "/_cluster/health", b""),
             ("GET", "/_cat/health", b""),
             ("POST", "/_bulk", lines({"index": {}}, {})), ("POST", "/_bulk", b""),
             ("PUT", "/x/_doc/1", b"{}"), ("POST", "/x/_create/1", b"{}")]
    for method, path, body in asked:
        answer = elastic.ask(method, path, "writer", body, NDJSON)
        assert answer.headers["x-elastic-product"] == "Elasticsearch", path


def test_the_root_is_elasticsearchs_for_its_shippers_only(elastic):
    said = elastic.ask("GET", "/", "writer").json
    assert said["version"]["number"].startswith("9.")
    assert said["tagline"] == "You Know, for Search"
    assert (elastic.ask("GET", "/", "reader").status, elastic.ask("GET", "/").status) == (404, 401)
    elastic.rooms.settings.clear()
    assert elastic.ask("GET", "/", "writer").status == 404


def test_a_license_is_active_so_that_shippers_go_on(elastic):
    assert elastic.ask("GET", "/_license", "writer").json["license"]["status"] == "active"
    assert elastic.ask("GET", "/_cluster/health", "writer").json["status"] == "green"


def test_documents_are_stored_and_answered_in_order(elastic):
    answer = bulk(elastic, {"index": {"_index": "x"}}, {"n": 1}, {"create": {"_id": "a"}}, {"n": 2},
                  path="/logs/_bulk")
    assert answer.status == 200
    assert answer.json["errors"] is False
    assert [(item["_index"], item["_id"]) for one in answer.json["items"]
            for item in one.values()] == [("x", "0"), ("logs", "a")]
    assert [event.idempotent for event in elastic.rooms.submissions[0].events] == [
        b'{"n": 1}', b'{"n": 2}']


def test_a_repeated_bulk_adds_nothing_where_documents_have_ids(elastic):
    documents = [{"create": {"_index": "x", "_id": "1"}}, {"n": 1},
                 {"index": {"_index": "x", "_id": "2"}}, {"n": 2}]
    bulk(elastic, *documents)
    again = bulk(elastic, *documents).json
    assert [next(iter(one.values()))["status"] for one in again["items"]] == [409, 200]
    assert len(elastic.rooms.bodies) == 2


def test_the_media_type_of_the_answer_is_the_version_asked_for(elastic):
    answer = bulk(elastic, {"index": {}}, {}, headers=COMPATIBLE)
    assert answer.headers["content-type"] == (
        "application/vnd.elasticsearch+json;compatible-with=9")
    assert bulk(elastic, {"index": {}}, {}).headers["content-type"] == "application/json"


@pytest.mark.parametrize("kind", ["application/smile", "application/cbor", "text/plain"])
def test_another_content_type_is_415(elastic, kind):
    answer = bulk(elastic, {"index": {}}, {}, headers={"content-type": kind})
    assert answer.status == 415
    assert answer.json["error"]["type"] == "media_type_header_exception"


def test_a_packed_bulk_is_unpacked(elastic):
    body = gzip.compress(lines({"index": {}}, {"n": 1}))
    headers = {**NDJSON, "content-encoding": "gzip"}
    assert elastic.ask("PUT", "/_bulk", "writer", body, headers).status == 200


def test_a_bulk_without_an_action_is_refused(elastic):
    answer = elastic.ask("POST", "/_bulk", "writer", b"\n\n", NDJSON)
    assert answer.status == 400
    assert "request body is required" in answer.json["error"]["reason"]


@pytest.mark.parametrize(("error", "status"), [(Busy("full"), 429), (DiskFull("full"), 503)])
def test_back_pressure_is_in_elasticsearchs_words(elastic, error, status):
    elastic.rooms.fail = error
    answer = bulk(elastic, {"index": {}}, {})
    assert answer.status == answer.json["status"] == status
    assert answer.headers["retry-after"]
    if status == 429:
        assert answer.json["error"]["type"] == "es_rejected_execution_exception"


def test_a_refusal_asks_for_basic_credentials(elastic):
    answer = elastic.ask("POST", "/_bulk", None, lines({"index": {}}, {}), NDJSON)
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Basic")
    assert answer.json["error"]["type"] == "security_exception"


def test_single_documents_are_created_once(elastic):
    first = elastic.ask("PUT", "/x/_create/1", "writer", b'{"n":1}', NDJSON)
    assert (first.status, first.json["result"], first.json["_id"]) == (201, "created", "1")
    again = elastic.ask("PUT", "/x/_create/1", "writer", b'{"n":1}', NDJSON)
    assert (again.status, again.json["error"]["type"]) == (409, "version_conflict_engine_exception")
    indexed = elastic.ask("PUT", "/x/_doc/1", "writer", b'{"n":1}', NDJSON)
    assert (indexed.status, indexed.json["result"]) == (200, "noop")
    created = elastic.ask("PUT", "/x/_doc/1?op_type=create", "writer", b'{"n":1}', NDJSON)
    assert created.status == 409
    assert elastic.ask("POST", "/x/_doc", "writer", b'{"n":1}', NDJSON).status == 201
    assert len(elastic.rooms.bodies) == 2


def test_a_single_document_that_is_none_is_refused(elastic):
    answer = elastic.ask("POST", "/x/_doc", "writer", b" ", NDJSON)
    assert answer.status == 400
    assert answer.json["error"]["reason"].startswith("there is no document")
    assert elastic.rooms.submissions[0].rejected == 1
