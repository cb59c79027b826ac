"""One PostgreSQL for all files of this folder; each test has its tables anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from indelible.ingest.sources import SourceSettings
from support.postgres import Postgres
from support.senders import eventually
from support.shop import Shop, Watching, make_tables


@pytest.fixture(scope="package")
def cluster() -> Iterator[Postgres]:
    with Postgres() as postgres:
        yield postgres


@pytest.fixture
def database(cluster: Postgres) -> Iterator[Postgres]:
    """The cluster with the tables and the publication of the page, removed afterwards."""
    make_tables(cluster)
    yield cluster
    eventually(lambda: not cluster.sql("SELECT FROM pg_replication_slots WHERE active"))
    cluster.sql(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots",
        "DROP PUBLICATION IF EXISTS indelible",
        "DROP SCHEMA public CASCADE", "CREATE SCHEMA public",
    )


@pytest.fixture
def shop(tmp_path: Path, database: Postgres) -> Shop:
    found = Shop(tmp_path, database)
    found.add()
    return found


@pytest.fixture
def watching(database: Postgres) -> Watching:
    options = {"dsn": database.dsn(), "publication": "indelible"}
    return Watching(SourceSettings(id="shop", protocol="postgres", options=options))
