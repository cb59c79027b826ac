"""A real server under attack, one for all files of this folder, which runs until the last of them.

What earlier tests left in the ledger is there when later ones ask; none needs it. Afterwards the
ledger is whole, and the server's log holds neither a traceback nor a secret.
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest

from support.hostile import verified
from support.served import Place, Server


@pytest.fixture(scope="package")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = Place(tmp_path_factory.mktemp("hostile")).init()
    made.token("writer", "neighbour", source="neighbour")
    return made


@pytest.fixture(scope="package")
def server(place: Place) -> Iterator[Server]:
    with Server(place) as running:
        yield running
        assert verified(running) == ("proven", True)
        log = (place.root / "serve.log").read_text()
        assert "Traceback" not in log
        for secret in place.tokens.values():
            assert secret not in log


@pytest.fixture(scope="package")
def writer(server: Server) -> Iterator[httpx2.Client]:
    with server.client("writer") as client:
        yield client


@pytest.fixture(scope="package")
def reader(server: Server) -> Iterator[httpx2.Client]:
    with server.client("reader") as client:
        yield client
