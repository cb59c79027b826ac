"""Five services on bad days, and a puller that is killed again and again: each event once.

The descriptions are the shipped ones, on a faster beat. The services page, repeat events, show some
late, throttle, fail, hang up, let tokens expire, and are restarted.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response

from support.file_hub import Collector
from support.vendors import M365, VENDORS, GitHub, GoogleWorkspace, Okta, Service, Vendor

BEAT = "300ms"


def hurried(folder: Path, vendor: str) -> str:
    """The shipped description of a vendor with nothing changed but how often it asks."""
    text = (files("indelible.ingest.protocols") / "pulls" / f"{vendor}.toml").read_text("utf-8")
    lines = [
        f'beat = "{BEAT}"' if line.startswith("beat =")
        else "per_minute = 60000" if line.startswith("per_minute =")
        else 'deep_every = "2s"' if line.startswith("deep_every =")
        else line
        for line in text.splitlines()
    ]
    path = folder / f"{vendor}.toml"
    path.write_text("\n".join(lines))
    return str(path)


def collector(folder: Path, service: Service, **options: str) -> Collector:
    """A puller of a service."""
    vendor = service.vendor
    settings = {
        "id": "saas", "protocol": "pull", "parser": "auto",
        "options": {
            "vendor": hurried(folder, vendor.name), **service.options, **options,
        },
    }
    return Collector(folder / "hub", settings, secret=vendor.secret, retry=0.05)


def wait(claim: Callable[[], bool], puller: Collector, seconds: float = 90.0) -> None:
    """Until something is so."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if claim():
            return
        time.sleep(0.1)
    raise AssertionError(puller.said()[-3000:])


def each_once(puller: Collector, vendor: Vendor) -> None:
    """Every event of the vendor is there, once, with its exact text."""
    found = puller.events()
    assert set(found.values()) == vendor.raws
    assert max(Counter(found.values()).values()) == 1


@pytest.mark.parametrize("kind", VENDORS, ids=lambda kind: kind.name)
def test_every_event_arrives_once_whatever_goes_wrong(tmp_path: Path, kind: type[Vendor]) -> None:
    vendor = kind(seed=7, faults=0.25)
    if isinstance(vendor, (GoogleWorkspace, M365)):
        vendor.token_seconds = 62  # a token lasts for two seconds: it is renewed a minute early
    rounds, some = (12, 10) if kind is M365 else (24, 50)  # each is a request of its own there
    vendor.happen(some, ago=3_600)
    vendor.happen(some, ago=60)
    chance = random.Random(kind.name)
    service = Service(vendor)
    with service:
        puller = collector(tmp_path, service, since="26h")
        puller.start()
        for round_ in range(rounds):
            time.sleep(chance.uniform(0.1, 0.5))
            vendor.happen(chance.randrange(1, 8))
            vendor.happen(2, ago=chance.uniform(0, 240), late=chance.uniform(0, 3))
            if round_ % 3 == 0:
                puller.kill()
                puller.start()
            if round_ == rounds // 2:
                service.stop()
                time.sleep(0.5)
                service.start()
        wait(lambda: set(puller.events().values()) >= vendor.raws, puller)
        time.sleep(2.0)  # whatever else it might deliver
        puller.kill()
    each_once(puller, vendor)
    assert puller.counted("dropped") == 0
    assert sum(vendor.outcomes.values()) - vendor.outcomes.get("200", 0) > 10
    assert vendor.secret not in puller.said()
    assert "Traceback" not in puller.said()


@pytest.mark.parametrize("kind", VENDORS, ids=lambda kind: kind.name)
def test_a_good_day_asks_little_and_logs_nothing(tmp_path: Path, kind: type[Vendor]) -> None:
    vendor = kind()
    vendor.happen(20, ago=100)
    with Service(vendor) as service:
        puller = collector(tmp_path, service)
        puller.start()
        wait(lambda: set(puller.events().values()) >= vendor.raws, puller)
        vendor.happen(3)
        wait(lambda: set(puller.events().values()) >= vendor.raws, puller)
        puller.kill()
    each_once(puller, vendor)
    assert puller.said() == ""


def test_okta_goes_on_at_its_link_after_a_restart(tmp_path: Path) -> None:
    vendor = Okta()
    vendor.happen(30, ago=60)
    with Service(vendor) as service:
        puller = collector(tmp_path, service)
        puller.start()
        wait(lambda: len(puller.events()) == 30, puller)
        puller.kill()
        asked = len(vendor.asked)
        vendor.happen(2)
        puller.start()
        wait(lambda: len(puller.events()) == 32, puller)
        puller.kill()
    assert "since" in vendor.asked[0]
    assert all("after=" in url for url in vendor.asked[asked:])


def test_a_source_begins_as_far_back_as_it_is_told(tmp_path: Path) -> None:
    vendor = GitHub()
    vendor.happen(5, ago=3 * 86_400)
    vendor.happen(5, ago=3_600)
    with Service(vendor) as service:
        puller = collector(tmp_path, service, since="1d")
        puller.start()
        wait(lambda: len(puller.events()) == 5, puller)
        time.sleep(1.0)
        puller.kill()
    assert len(puller.events()) == 5


def test_contents_that_are_gone_are_told_and_cost_no_others(tmp_path: Path) -> None:
    vendor = M365()
    vendor.happen(10, ago=60)
    vendor.gone = {4}
    with Service(vendor) as service:
        puller = collector(tmp_path, service)
        puller.start()
        wait(lambda: len(puller.events()) == 9 and puller.counted("dropped") == 1, puller)
        time.sleep(1.0)
        puller.kill()
    assert puller.counted("dropped") == 1
    assert vendor.subscribed == {"Audit.General", "Audit.Exchange"}


def test_no_credentials_go_to_another_host(tmp_path: Path) -> None:
    """A service that leads away, by redirect and by link, is not followed; asking goes on."""
    other = GitHub()
    with Service(other) as elsewhere:
        vendor = Leading(elsewhere.vendor.url.replace("127.0.0.1", "localhost"))
        vendor.happen(5, ago=60)
        with Service(vendor) as service:
            puller = collector(tmp_path, service)
            puller.start()
            wait(lambda: "another host" in puller.said(), puller)
            vendor.lead = ""
            wait(lambda: set(puller.events().values()) >= vendor.raws, puller)
            puller.kill()
    assert other.asked == []


class Leading(GitHub):
    """It leads to another address by each way there is."""

    def __init__(self, lead: str) -> None:
        super().__init__()
        self.lead = lead

    def log(self, request: Request) -> Response:
        found = super().log(request)
        if self.lead and len(self.asked) % 2:
            return Response("", 302, {"location": f"{self.lead}/orgs/acme/audit-log"})
        if self.lead:
            found.headers["link"] = f'<{self.lead}/orgs/acme/audit-log>; rel="next"'
        return found


def test_a_wrong_secret_is_told_without_the_secret(tmp_path: Path) -> None:
    vendor = M365()
    vendor.happen(1)
    with Service(vendor) as service:
        right, vendor.secret = vendor.secret, "wr0ng-secret"
        puller = collector(tmp_path, service)
        vendor.secret = right
        puller.start()
        wait(lambda: "invalid_client" in puller.said(), puller)
        puller.kill()
    shown = (puller.folder / "figures.json").read_text()
    assert "invalid_client" in shown
    assert "wr0ng-secret" not in puller.said() + shown
    assert puller.events() == {}
