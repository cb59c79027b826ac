"""A served ledger with one source of a protocol over HTTP, for real senders."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from support.senders import block
from support.served import Place, Server


class Ship:
    """A ledger with a source called `app` of one protocol; `token` is its token."""

    def __init__(self, root: Path, protocol: str, *flags: str) -> None:
        self.root = root
        (root / "house").mkdir()
        self.place = Place(root / "house").init()
        file = root / "token"
        self.place.cli(
            "source", "add", "app", "--data", str(self.place.data), "--protocol", protocol,
            *flags, *(() if protocol == "webhook" else ("-o", str(file))),
        )
        self.token = file.read_text().strip() if file.exists() else ""

    def config(self, page: str, name: str, server: Server, **more: str) -> str:
        """A block of the documentation with this ledger's port and token in it."""
        return filled(block(page, name), str(server.port), self.token, **more)

    def again(self, server: Server) -> Server:
        """Another server on the port of an earlier one."""
        found = Server(self.place)
        found.port, found.url = server.port, server.url
        return found

    def python(self, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a script as its own process; its client libraries are where this one has them."""
        path = os.pathsep.join([one for one in sys.path if one])
        return subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, timeout=120,
            env={**os.environ, "PYTHONPATH": path, **environment},
        )


def filled(text: str, port: str, token: str, **more: str) -> str:
    """A block with another port, token and whatever else is named."""
    assert "8440" in text
    for old, new in {"8440": port, "TOKEN": token, **more}.items():
        assert old in text, f"there is no {old} in it"
        text = text.replace(old, new)
    return text


def events(server: Server, query: str = "source:app") -> list[dict[str, Any]]:
    """The stored events of a search, in the order of the log."""
    with server.client("reader") as client:
        answer = client.get("/v1/export", params={"q": query, "format": "ndjson"})
        assert answer.status_code == 200, answer.text
        found = [json.loads(line) for line in answer.text.splitlines()]
    return [one.get("event", one) for one in found]


def counts(server: Server) -> dict[str, Any]:
    """How the source goes, as the list of sources shows it."""
    return counts_of(server, "app")


def counts_of(server: Server, source: str) -> dict[str, Any]:
    """The same of another source."""
    with server.client("auditor") as client:
        found: dict[str, Any] = client.get(f"/v1/sources/{source}").json()["now"]
    return found
