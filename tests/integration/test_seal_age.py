"""A journal that is not full is sealed when its first event has waited long enough."""

from __future__ import annotations

import time
from pathlib import Path

from support.served import Place, Server


def test_a_tail_older_than_seal_age_is_sealed(tmp_path: Path) -> None:
    place = Place(tmp_path).init()
    settings = place.data / "indelible.toml"
    settings.write_text(f'{settings.read_text()}\nseal_age = "1m"\n')
    with Server(place) as server, server.client("auditor") as auditor:
        assert auditor.get("/v1/status").json()["sealed_size"] == 0
        oldest = time.time() + 80
        while auditor.get("/v1/status").json()["sealed_size"] == 0:
            assert time.time() < oldest, "nothing was sealed"
            time.sleep(1)
    assert place.report("verify")["verdict"] == "proven"
