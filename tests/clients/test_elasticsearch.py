"""elasticsearch-py and rsyslog's omelasticsearch against a served ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.unit.server.fake_rooms import House
from tests.unit.server.test_run import serving

from indelible.base import limits
from indelible.base.errors import Busy
from indelible.ingest.protocols.hub import Configured
from indelible.ingest.sources import SourceSettings
from indelible.ingest.submission import Submission, SubmitResult
from support.senders import Rsyslog, eventually, needs_logger, needs_rsyslog
from support.served import Server
from support.shipping import Ship, counts, events

FAILED = "Failed password for root from 203.0.113.7 port 4711 ssh2"


@pytest.fixture
def elastic() -> Any:
    pytest.importorskip("elasticsearch.helpers", reason="elasticsearch-py")
    return pytest.importorskip("elasticsearch")


def documents(kind: str, count: int, **more: Any) -> list[dict[str, Any]]:
    """Documents as helpers.bulk takes them."""
    return [
        {"_op_type": kind, "_index": "payroll", "_id": f"d{number}", "number": number, **more}
        for number in range(count)
    ]


def test_the_script_of_the_page_stores_a_document(tmp_path: Path, elastic: Any) -> None:
    ship = Ship(tmp_path, "elasticsearch")
    with Server(ship.place) as server:
        script = ship.config("elasticsearch", "elasticsearch-python", server)
        for _ in range(2):  # the second time its create is a conflict, and adds nothing
            done = ship.python(f"{script}\nprint(stored, len(refused))")
            assert done.returncode == 0, done.stderr
        assert done.stdout.split() == ["0", "1"]
        (event,) = events(server)
    assert event["id"] == "payroll/0195c7a0-6d1e-7c3a-9a55-1f0c7b1f2a11"
    assert (event["action"], event["actor"]["id"]) == ("payslip.delete", "jsmith")
    assert event["time"] == "2026-03-03T09:14:07Z"
    assert '"user.id":"jsmith"' in event["raw"]


def test_bulks_are_stored_once_however_often_they_come(tmp_path: Path, elastic: Any) -> None:
    ship = Ship(tmp_path, "elasticsearch")
    with Server(ship.place) as server:
        client = elastic.Elasticsearch(server.url, basic_auth=("any", ship.token))
        assert client.ping()
        assert client.info()["version"]["number"].startswith("9.")
        helpers = elastic.helpers
        assert helpers.bulk(client, documents("create", 200)) == (200, [])
        stored, errors = helpers.bulk(client, documents("create", 200), raise_on_error=False)
        assert (stored, {one["create"]["status"] for one in errors}) == (0, {409})
        assert helpers.bulk(client, documents("index", 200)) == (200, [])
        with pytest.raises(helpers.BulkIndexError) as refused:
            helpers.bulk(client, [{"_op_type": "delete", "_index": "payroll", "_id": "d1"}])
        assert refused.value.errors[0]["delete"]["status"] == 400
        now = counts(server)
        assert [event["id"] for event in events(server)] == [f"payroll/d{n}" for n in range(200)]
    assert (now["stored"], now["duplicates"], now["refused"], now["conflicts"]) == (200, 400, 1, 0)


def test_of_a_document_too_large_for_an_event_the_beginning_is_kept(
    tmp_path: Path, elastic: Any
) -> None:
    ship = Ship(tmp_path, "elasticsearch")
    with Server(ship.place) as server:
        client = elastic.Elasticsearch(server.url, api_key=("id", ship.token))
        sent = documents("create", 3)
        sent[1]["text"] = "x" * limits.BODY_BYTES
        stored, errors = elastic.helpers.bulk(client, sent, raise_on_error=False)
        assert (stored, errors) == (3, [])
        flags = [event.get("flags", []) for event in events(server)]
        assert ["truncated" in one for one in flags] == [False, True, False]
        single = client.index(index="payroll", document={"n": 1})
        assert single["result"] == "created"
        with pytest.raises(elastic.ConflictError):
            client.create(index="payroll", id="d0", document={"number": 0})
        assert int(single["_id"]) == int(single["_seq_no"])


def test_other_content_under_an_id_is_kept_and_flagged(tmp_path: Path, elastic: Any) -> None:
    ship = Ship(tmp_path, "elasticsearch")
    with Server(ship.place) as server:
        client = elastic.Elasticsearch(server.url, bearer_auth=ship.token)
        elastic.helpers.bulk(client, documents("create", 1))
        assert elastic.helpers.bulk(client, documents("create", 1, changed=True)) == (1, [])
        flags = [event.get("flags", []) for event in events(server)]
    assert ["id_conflict" in one for one in flags] == [False, True]


def test_a_wrong_token_and_a_source_of_another_protocol_are_refused(
    tmp_path: Path, elastic: Any
) -> None:
    ship = Ship(tmp_path, "hec")
    with Server(ship.place) as server:
        client = elastic.Elasticsearch(server.url, basic_auth=("any", "no-such-token"))
        with pytest.raises(elastic.AuthenticationException):
            client.info()
        client = elastic.Elasticsearch(server.url, basic_auth=("any", ship.token))
        with pytest.raises(elastic.NotFoundError):
            client.info()
        with pytest.raises(elastic.AuthorizationException, match="--protocol elasticsearch"):
            elastic.helpers.bulk(client, documents("index", 1))
        assert not events(server)


def test_a_client_waits_while_the_ledger_is_busy(
    tmp_path: Path, elastic: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real application on a real port, over a ledger that is busy at first."""
    house = House(tmp_path)
    settings = SourceSettings(id="app", protocol="elasticsearch")
    house.rooms.settings[("app", "")] = Configured(settings=settings)
    store, refused = house.rooms.submit, []

    async def busy_at_first(submission: Submission) -> SubmitResult:
        if len(refused) < 2:
            refused.append(submission)
            raise Busy("the ledger is busy")
        return await store(submission)

    monkeypatch.setattr(house.rooms, "submit", busy_at_first)
    try:
        with serving(house) as (port, _):
            client = elastic.Elasticsearch(
                f"http://127.0.0.1:{port}", basic_auth=("any", house.tokens["writer"])
            )
            stored = elastic.helpers.bulk(client, documents("create", 3), max_retries=5,
                                          initial_backoff=0.1)
        assert stored == (3, [])
    finally:
        house.close()
    assert len(house.rooms.bodies) == 3


@needs_rsyslog
@needs_logger
def test_rsyslog_sends_its_messages_and_again_what_was_not_answered(tmp_path: Path) -> None:
    ship = Ship(tmp_path, "elasticsearch")
    refused = tmp_path / "refused.json"
    with Server(ship.place) as server:
        action = ship.config(
            "elasticsearch", "rsyslog-elasticsearch", server,
            **{"/var/log/indelible-refused.json": str(refused)},
        )
        with Rsyslog(tmp_path / "rs", action) as rsyslog:
            rsyslog.log(FAILED, tag="sshd")
            rsyslog.log(*(f"message {number}" for number in range(100)), tag="app")
            eventually(lambda: counts(server)["stored"] == 101)
            server.kill()
            rsyslog.log(*(f"message {number}" for number in range(100, 200)), tag="app")
            with ship.again(server) as later:
                eventually(lambda: counts(later)["stored"] >= 201, 60)
                found = events(later)
    assert len(found) == 201
    assert len({event["raw"] for event in found if " message " in event["raw"]}) == 200
    assert not refused.exists() or not refused.read_text()
    first = found[0]
    assert first["actor"]["id"] == "root"
    assert first["origin"]["ip"] == "203.0.113.7"
    assert first["via"]["protocol"] == "elasticsearch"
    assert first["id"].startswith("syslog/")
