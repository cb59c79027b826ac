"""One served ledger, used as its users do: send, find, show, prove, restart."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from support.ledgers import all_bodies, decoded
from support.served import Place, Server


def event(number: int, **more: object) -> dict[str, object]:
    """A native event with an id."""
    return {
        "action": "record.read", "actor": {"type": "user", "id": f"u{number % 7}"},
        "target": {"type": "record", "id": f"r{number}"}, "id": f"e{number}", **more,
    }


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("served")).init()


@pytest.fixture(scope="module")
def server(place: Place) -> Iterator[Server]:
    with Server(place) as running:
        yield running


@pytest.fixture
def writer(server: Server) -> Iterator[httpx2.Client]:
    with server.client("writer") as client:
        yield client


@pytest.fixture
def reader(server: Server) -> Iterator[httpx2.Client]:
    with server.client("reader") as client:
        yield client


def found(reader: httpx2.Client, query: str) -> list[dict[str, object]]:
    """The rows of a search."""
    answer = reader.get("/v1/search", params={"q": query, "limit": 200})
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, object]] = answer.json()["events"]
    return rows


def _without_id(number: int) -> dict[str, object]:
    return {name: value for name, value in event(number).items() if name != "id"}


def test_an_acknowledged_event_is_found_within_one_second_while_others_send(
    server: Server, writer: httpx2.Client, reader: httpx2.Client
) -> None:
    ended = threading.Event()

    def send() -> None:
        batch = b"\n".join(json.dumps(_without_id(n)).encode() for n in range(20_000, 20_200))
        with server.client("writer") as other:
            while not ended.wait(0.05):
                assert other.post("/v1/events", content=batch).status_code == 200

    sending = threading.Thread(target=send)
    sending.start()
    try:
        for number in range(9_000, 9_010):
            assert writer.post("/v1/events", json=event(number)).status_code == 200
            acknowledged = asked = time.monotonic()
            while not (rows := found(reader, f"id:e{number}")):
                asked = time.monotonic()
                assert asked - acknowledged < 1.0, "not in a search asked one second later"
            assert [row["target"] for row in rows] == [f"r{number}"]
    finally:
        ended.set()
        sending.join()


def test_an_acknowledged_event_is_found_by_the_next_search(
    writer: httpx2.Client, reader: httpx2.Client
) -> None:
    for number in range(100, 110):
        assert writer.post("/v1/events", json=event(number)).status_code == 200
        began = time.monotonic()
        assert len(found(reader, f"target:r{number} kind:event")) == 1
        assert time.monotonic() - began < 1.0


def test_the_same_id_with_the_same_content_answers_the_first_receipt(
    writer: httpx2.Client, reader: httpx2.Client
) -> None:
    first = writer.post("/v1/events", json=event(200)).json()
    again = writer.post("/v1/events", json=event(200)).json()
    assert again["duplicates"] == [{"line": 1, "index": first["ranges"][0][2]}]
    assert len(found(reader, "id:e200")) == 1


def test_the_same_id_with_other_content_is_kept_and_flagged(
    writer: httpx2.Client, reader: httpx2.Client
) -> None:
    first = writer.post("/v1/events", json=event(300)).json()["ranges"][0][2]
    other = writer.post("/v1/events", json=event(300, outcome="denied")).json()
    assert [c["first_index"] for c in other["conflicts"]] == [first]
    flagged = found(reader, "id:e300 flag:id_conflict")
    assert [row["outcome"] for row in flagged] == ["denied"]


def test_equal_events_without_an_id_stay_two(
    writer: httpx2.Client, reader: httpx2.Client
) -> None:
    plain = {key: value for key, value in event(400).items() if key != "id"}
    assert writer.post("/v1/events", json=[plain, plain]).json()["accepted"] == 2
    assert len(found(reader, "target:r400")) == 2


def test_a_bad_line_costs_none_of_its_neighbours(
    writer: httpx2.Client, reader: httpx2.Client
) -> None:
    good = b'{"action":"r.read","actor":{"type":"user","id":"a"},"target":{"type":"t","id":"n1"}}'
    bad = b'{"action":"r.read","actor":{"type":"user","id":1}}'
    lines = b"\n".join((good, bad, good.replace(b"n1", b"n2")))
    answer = writer.post("/v1/events", content=lines)
    assert answer.status_code == 207
    assert [(r["line"], r["field"]) for r in answer.json()["rejected"]] == [(2, "actor.id")]
    assert len(found(reader, "target:n1,n2")) == 2


def test_an_event_is_shown_from_evidence_with_its_proof(
    place: Place, writer: httpx2.Client, reader: httpx2.Client, tmp_path: Path
) -> None:
    index = writer.post("/v1/events", json=event(500)).json()["ranges"][0][2]
    proof = reader.get(f"/v1/events/{index}/proof")
    assert proof.text.startswith("c2sp.org/tlog-proof@v1\n")
    shown = reader.get(f"/v1/events/{index}").json()
    assert shown["verdict"] == "proven"
    (tmp_path / "e.tlog-proof").write_text(proof.text)
    (tmp_path / "e.json").write_text(shown["body"])
    done = subprocess.run(
        [
            sys.executable, "-m", "indelible_verify", "proof", str(tmp_path / "e.tlog-proof"),
            "--body", str(tmp_path / "e.json"), "--key", str(place.data / "vkey"),
            "--key", str(place.data / "vkey.mldsa44"),
        ],
        capture_output=True, timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "e.json").write_text(shown["body"].replace("r500", "r501"))
    assert subprocess.run(done.args, capture_output=True, timeout=60).returncode == 4


def test_a_range_bundle_leaves_nothing_out(reader: httpx2.Client, tmp_path: Path) -> None:
    answer = reader.post("/v1/bundle", json={"from": 2, "to": 9})
    assert answer.status_code == 200
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.read("bodies.ndjson").count(b"\n") == 8


def test_every_read_is_an_event_in_the_ledger(reader: httpx2.Client) -> None:
    found(reader, "target:never-seen-before")
    told = found(reader, "action:indelible.search never-seen-before tenant:indelible")
    assert told
    assert told[-1]["actor_name"] == "reader"


def test_a_sealed_ledger_answers_as_before(
    server: Server, reader: httpx2.Client, writer: httpx2.Client
) -> None:
    writer.post(
        "/v1/events", json=[event(number, tenant="sealing") for number in range(1000, 1200)]
    )
    before = found(reader, "tenant:sealing")
    with server.client("admin") as admin:
        assert admin.post("/v1/seal", json={}).status_code == 200
    after = found(reader, "tenant:sealing")
    assert len(before) == 200
    assert after == before


def test_a_writer_reads_nothing_and_an_admin_no_bodies(
    server: Server, writer: httpx2.Client
) -> None:
    assert writer.get("/v1/search", params={"q": "*"}).status_code == 403
    with server.client("admin") as admin:
        assert admin.get("/v1/events/0").status_code == 403
    assert httpx2.get(f"{server.url}/v1/events/0").status_code == 401
    assert httpx2.get(f"{server.url}/checkpoint").status_code in (401, 403, 404)


def test_a_second_server_on_the_folder_refuses(server: Server, place: Place) -> None:
    done = place.cli("serve", "--data", str(place.data), "--port", "0", check=False)
    assert done.returncode == 3
    assert b"in use" in done.stderr
    assert server.process.poll() is None


def test_no_file_shows_an_event_in_clear(
    server: Server, place: Place, writer: httpx2.Client, reader: httpx2.Client
) -> None:
    marker = "Marker-7f3a9c51e0"
    rows = [
        event(n, data={"note": f"{marker} {n}"}, severity="low") for n in range(5000, 9000)
    ]
    for at in range(0, len(rows), 1000):
        assert writer.post("/v1/events", json=rows[at : at + 1000]).status_code == 200
    reader.get("/v1/search/facets", params={"q": marker, "field": "target"})
    with server.client("admin") as admin:
        admin.post("/v1/seal", json={})
    reader.get("/v1/search", params={"q": marker})
    checked = 0
    for path in place.root.rglob("*"):
        if path.is_file() and path.stat().st_size:
            assert marker.encode() not in path.read_bytes(), path
            checked += 1
    assert checked > 10
    for folder in (place.data, place.keys, place.state, place.data / "ledger"):
        assert folder.stat().st_mode & 0o077 == 0, folder


def test_what_was_refused_is_counted_in_a_signed_record(tmp_path: Path) -> None:
    place = Place(tmp_path).init()
    with Server(place) as server, server.client("writer") as writer:
        assert writer.post("/v1/events", content=b'{"action":1}\n{"nope":2}').status_code == 422
        assert server.stop() == 0
    stated = [
        decoded(body)["data"] for body in all_bodies(place)
        if decoded(body)["kind"] == "statement"
    ]
    assert [(s["refused"], s["source"]) for s in stated] == [(2, 1)]  # type: ignore[index]


def test_a_drained_server_leaves_a_whole_signed_ledger(tmp_path: Path) -> None:
    place = Place(tmp_path).init()
    with Server(place) as server, server.client("writer") as writer:
        for number in range(50):
            writer.post("/v1/events", json=event(number))
        assert server.stop() == 0
    report = place.report("verify")
    assert report["verdict"] == "proven"
    said = (place.root / "serve.log").read_text("utf-8").splitlines()
    assert said[-1] == f"indelible: stopped, with {len(all_bodies(place))} entries in the log"
    assert report["checkpoint_size"] == report["size"]
