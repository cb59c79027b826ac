"""EventLists as kube-apiserver's audit webhook posts them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from support.labelled import cases
from support.senders import block, eventually
from support.served import Place, Server

ITEMS = [case.label["message"] for case in cases("kubernetes") if "event" in case.label]
ITEMS = [item if isinstance(item, dict) else json.loads(item) for item in ITEMS]
ITEMS = [item for item in ITEMS if item.get("apiVersion") == "audit.k8s.io/v1"]


def event_list(items: list[Any]) -> bytes:
    """A request's body, as the API server encodes it."""
    whole = {"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {}, "items": items}
    return json.dumps(whole).encode() + b"\n"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path).init()
    made = place.cli(
        "source", "add", "cluster", "--data", str(place.data), "--protocol", "kubernetes", "--json"
    )
    place.tokens["cluster"] = json.loads(made.stdout)["token"]
    return place


def test_a_list_is_stored_once_however_often_it_is_posted_and_after_a_crash(place: Place) -> None:
    path = "/v1/kubernetes/audit"
    assert path in block("kubernetes", "kubeconfig")
    server = Server(place)
    with server:
        with server.client("cluster") as client:
            answer = client.post(path, params={"timeout": "30s"}, content=event_list(ITEMS))
            assert (answer.status_code, answer.json()["accepted"]) == (200, len(ITEMS))
        server.kill()
    with server, server.client("cluster") as client:
        again = client.post(path, content=event_list(ITEMS)).json()
        assert again["duplicates"] == len(ITEMS)
        with server.client("reader") as reader:
            text = reader.get("/v1/export", params={"q": "source:cluster"}).text
        stored = [json.loads(line) for line in text.splitlines()]
    stored = [one.get("event", one) for one in stored]
    assert len(stored) == len(ITEMS)
    assert {one["via"]["parser"] for one in stored} == {"kubernetes/1"}
    assert [json.loads(one["raw"]) for one in stored] == ITEMS


def test_what_is_no_list_is_refused_and_a_bad_item_costs_no_other(place: Place) -> None:
    path = "/v1/kubernetes/audit"
    with Server(place) as server, server.client("cluster") as client:
        assert client.post(path, content=b'{"kind":"Pod"}').status_code == 400
        mixed = client.post(path, content=event_list([ITEMS[0], 7, ITEMS[1]])).json()
        assert (mixed["accepted"], mixed["rejected_count"]) == (2, 1)
        with server.client("writer") as other:
            refused = other.post(path, content=event_list(ITEMS[:1]))
        assert refused.status_code == 403
        assert "indelible source add" in refused.json()["error"]["remedy"]
        assert httpx2.post(server.url + path, content=event_list([])).status_code == 401

        def counted() -> bool:
            with server.client("auditor") as auditor:
                return bool(auditor.get("/v1/sources/cluster").json()["now"]["refused"] == 2)

        eventually(counted)


def test_coverage_of_a_source_counts_no_event_of_a_tenants_source_of_its_name(
    tmp_path: Path,
) -> None:
    with Server(Place(tmp_path).init()) as server, server.client("admin") as admin:
        tokens = {}
        for tenant in ("", "acme"):
            asked = {"settings": {"id": "k", "protocol": "kubernetes", "tenant": tenant}}
            tokens[tenant] = admin.post("/v1/sources", json=asked).json()["token"]
        for tenant, items in (("", ITEMS[:1]), ("acme", ITEMS)):
            answer = httpx2.post(
                f"{server.url}/v1/kubernetes/audit", content=event_list(items),
                headers={"authorization": f"Bearer {tokens[tenant]}"},
            )
            assert answer.json()["accepted"] == len(items)

        def on() -> dict[str, int]:
            with server.client("auditor") as auditor:
                told = auditor.get("/v1/coverage").json()["capabilities"]
            return {
                tenant: sum(one["state"] == "on" for one in told if one["tenant"] == tenant)
                for tenant in ("", "acme")
            }

        eventually(lambda: on()["acme"] > 2)
        assert on()[""] <= 1
