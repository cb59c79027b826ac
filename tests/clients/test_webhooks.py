"""Webhooks at a served ledger: signed by curl and openssl, and by the reference library."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from support.senders import block
from support.served import Server
from support.shipping import Ship, counts, events

KEY = "whsec_" + base64.b64encode(bytes(range(24))).decode()
TOOLS = all(shutil.which(tool) for tool in ("curl", "openssl", "sed"))


def ship(root: Path, secret: str, *flags: str) -> Ship:
    """A ledger with a source of webhooks called `app`."""
    (root / "secret").write_text(secret + "\n")
    return Ship(root, "webhook", "--secret-file", str(root / "secret"), *flags)


@pytest.mark.skipif(not TOOLS, reason="curl, openssl and sed are not all installed")
def test_the_commands_of_the_page_deliver_once(tmp_path: Path) -> None:
    house = ship(tmp_path, "It's a Secret", "--option", "verify=github")
    (tmp_path / "github.secret").write_text("It's a Secret")
    with Server(house.place) as server:
        text = block("webhooks", "webhook-curl").replace("webhooks/github", "webhooks/app")
        script = text.replace("8440", str(server.port))
        for duplicates in (0, 1):
            done = subprocess.run(["bash", "-c", script], capture_output=True, timeout=30,
                                  check=True, cwd=tmp_path)
            assert json.loads(done.stdout) == {
                "accepted": 1, "duplicates": duplicates, "rejected": 0}
        (event,) = events(server)
        forged = subprocess.run(
            ["bash", "-c", script.replace("jsmith", "mallory", 1).replace(
                'printf %s "$body"', "printf other")],
            capture_output=True, timeout=30, check=True, cwd=tmp_path)
        assert json.loads(forged.stdout)["error"]["code"] == "unauthenticated"
        assert len(events(server)) == 1
        denied = events(server, 'action:indelible.access.deny "webhook app"')
    assert event["id"] == "1"
    assert event["data"]["webhook"]["event"] == "member"
    assert denied


def test_the_reference_library_of_standard_webhooks_is_taken(tmp_path: Path) -> None:
    library = pytest.importorskip("standardwebhooks", reason="standardwebhooks")
    house = ship(tmp_path, KEY, "--option", "verify=standard")
    body = json.dumps({"type": "user.deleted", "data": {"id": "u1"}})

    def deliver(server: Server, when: datetime, ident: str = "msg_1", sent: str = body) -> Any:
        signature = library.Webhook(KEY).sign(ident, when, body)
        return httpx2.post(f"{server.url}/v1/webhooks/app", content=sent.encode(), headers={
            "webhook-id": ident, "webhook-timestamp": str(int(when.timestamp())),
            "webhook-signature": signature, "content-type": "application/json"})

    with Server(house.place) as server:
        now = datetime.now(UTC)
        assert deliver(server, now).json()["accepted"] == 1
        assert deliver(server, now).json()["duplicates"] == 1
        assert deliver(server, now - timedelta(minutes=6), "msg_2").status_code == 401
        assert deliver(server, now, "msg_3", body.replace("u1", "u2")).status_code == 401
        found = events(server)
        figures = counts(server)
    assert [event["id"] for event in found] == ["msg_1"]
    assert (figures["stored"], figures["duplicates"]) == (1, 1)


def test_a_replayed_delivery_is_caught_after_a_restart_too(tmp_path: Path) -> None:
    import hashlib
    import hmac

    house = ship(tmp_path, "s3cret", "--option", "verify=github")
    body = b'{"action":"created"}'
    headers = {
        "x-hub-signature-256": "sha256=" + hmac.new(b"s3cret", body, hashlib.sha256).hexdigest(),
        "x-github-delivery": "d-1", "x-github-event": "member",
    }
    with Server(house.place) as server:
        url = f"{server.url}/v1/webhooks/app"
        assert httpx2.post(url, content=body, headers=headers).json()["duplicates"] == 0
        server.kill()
        with house.again(server) as later:
            assert httpx2.post(url, content=body, headers=headers).json()["duplicates"] == 1
            assert len(events(later)) == 1
