"""What the mappings of wave 2 claim beyond their labelled messages."""

from __future__ import annotations

import json
from typing import Any

from indelible.ingest.parsers.contract import Given
from indelible.ingest.parsers.finish import parse_message
from indelible.ingest.parsers.table import parser_named, recognised

GIVEN = Given(now_us=1_780_272_000_000_000)


def event(parser: str, message: dict[str, Any]) -> dict[str, Any]:
    found = parse_message(parser_named(parser), json.dumps(message).encode(), GIVEN)
    assert found.kind == "event", found.content
    return dict(json.loads(found.content))


def taken_by(message: dict[str, Any]) -> str:
    found = recognised(message, GIVEN)
    return found[0].name if found else ""


GITLAB = {
    "author_id": 42, "author_name": "Ann Lee", "entity_id": 7, "entity_type": "User",
    "created_at": "2026-03-03T09:14:07Z", "details": {},
}


def test_gitlab_never_takes_a_claimed_name_for_an_impersonated_user() -> None:
    failed = event("gitlab", {
        **GITLAB, "author_id": -1, "details": {"failed_login": "STANDARD", "author_name": "root"},
        "author_name": "root",
    })
    assert failed["actor"] == {"type": "user", "id": "root"}
    assert failed["outcome"] == "failure"


def test_gitlab_says_no_outcome_of_what_does_not_tell_one() -> None:
    assert "outcome" not in event("gitlab", {**GITLAB, "event_type": "user_created"})


def test_gitlab_is_not_whatever_has_an_author() -> None:
    assert taken_by(GITLAB) == "gitlab"
    assert taken_by({"author_id": 42, "created_at": "2026-03-03T09:14:07Z"}) != "gitlab"
