"""A plan of what an API is asked next, and short ways to answer what it asks."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

from msgspec.structs import replace

from indelible.base.clock import MICROS
from indelible.ingest.protocols.pull_answers import Answer
from indelible.ingest.protocols.pull_description import described
from indelible.ingest.protocols.pull_plan import Ask, Plan, State

NOW = 1_780_272_000 * MICROS  # 2026-06-01T00:00:00Z
HOUR, DAY = 3_600 * MICROS, 86_400 * MICROS
BASE = "https://api.example.org"
VALUES = {"url": BASE, "org": "acme", "directory": "d1", "client": "c", "subject": "a@x"}


def plan(vendor: str = "slack", stream: str = "events", **changes: Any) -> Plan:
    """The plan of a vendor; `changes` are members of a part of its description."""
    api = described(vendor)
    for part, members in changes.items():
        api = replace(api, **{part: replace(getattr(api, part), **members)})
    base = f"{BASE}/api/v1.0/d1/activity/feed" if vendor == "m365" else BASE
    return Plan(api, VALUES, stream, base)


def answer(body: Any = None, status: int = 200, **headers: str) -> Answer:
    """An answer; underscores stand for the hyphens of header names."""
    names = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, names, data)


def asked(made: Plan, state: State, now: int = NOW) -> tuple[Ask, State]:
    """What is asked next, which there must be, and the state with it."""
    following = made.next(state, now)
    assert following.ask is not None
    return following.ask, following.state


def query(ask: Ask) -> dict[str, str]:
    """The parameters of what is asked."""
    return {name: value[0] for name, value in parse_qs(urlsplit(ask.url).query).items()}


def slack(*ids: int, cursor: str = "") -> dict[str, Any]:
    """A page of Slack, with the cursor of the next one."""
    return {
        "entries": [{"id": f"i{number}", "date_create": 1_780_000_000} for number in ids],
        "response_metadata": {"next_cursor": cursor},
    }


def m365_listing(*numbers: int) -> list[dict[str, str]]:
    """A listing of Microsoft: contents that are yet to be fetched."""
    return [{"contentUri": f"{BASE}/api/v1.0/d1/activity/feed/audit/{n}"} for n in numbers]
