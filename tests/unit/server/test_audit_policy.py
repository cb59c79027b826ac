"""Routes of the audit policy: who may, what is recorded, what the answers to senders say."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from indelible.event.predicate import EVERYTHING
from indelible.ingest.submission import NOT_STORED, Submission, SubmitResult

DROP = '[[rule]]\nwhen = "target:/healthz"\nthen = "drop"\n'
LINE = b'{"action":"a.read","actor":{"type":"user","id":"u"},"target":{"type":"t","id":"1"}}\n'


def test_a_version_is_set_with_its_author_and_recorded(house):
    answer = house.ask("POST", "/v1/audit-policy", "admin", {"rules": DROP, "reason": "CHG-1"})
    assert answer.status == 201
    assert (answer.json["version"], answer.json["by"][0]["type"]) == (1, "api_key")
    (event,) = house.rooms.own
    assert event["action"] == "indelible.audit_policy.set"
    assert event["operation"] == "configure"
    assert event["targets"] == [{"type": "audit_policy", "id": "1"}]
    assert event["data"]["reason"] == "CHG-1"


def test_rules_that_cannot_be_understood_are_named_and_set_nothing(house):
    for path, more in (("/v1/audit-policy", {"reason": "r"}), ("/v1/audit-policy/preview", {})):
        answer = house.ask("POST", path, "admin", {"rules": "[[rule]]\n", **more})
        assert (answer.status, answer.code) == (400, "bad_audit_policy")
        assert answer.json["error"]["field"] == "rule 1: then"
    assert house.rooms.policies == []
    assert house.rooms.own == []


def test_versions_are_listed_and_shown(house):
    for reason in ("one", "two"):
        house.ask("POST", "/v1/audit-policy", "admin", {"rules": DROP, "reason": reason})
    listed = house.ask("GET", "/v1/audit-policy/versions", "auditor").json["versions"]
    assert [one["reason"] for one in listed] == ["two", "one"]
    assert house.ask("GET", "/v1/audit-policy/versions/1", "auditor").json == listed[1]
    assert house.ask("GET", "/v1/audit-policy", "auditor").json["newest"] == listed[0]
    assert house.ask("GET", "/v1/audit-policy/versions/7", "auditor").status == 404
    assert house.ask("GET", "/v1/audit-policy/versions/x", "auditor").status == 400


def test_a_preview_asks_within_the_callers_scope_and_is_recorded_with_its_rules(house):
    house.rooms.answers["audit-policy-preview"] = b'{"looked_at":0}'
    asked = {"rules": DROP, "since": "7d", "until": "", "price": 0.1}
    assert house.ask("POST", "/v1/audit-policy/preview", "auditor", asked).json == {"looked_at": 0}
    ((op, request),) = house.rooms.asked
    assert op == "audit-policy-preview"
    assert request.scope == EVERYTHING
    assert request.until_us - request.since_us == 7 * 86_400 * 1_000_000
    (event,) = house.rooms.own
    assert event["action"] == "indelible.audit_policy.preview"
    assert event["data"]["rules"] == DROP


def test_a_tenants_auditor_tries_rules_on_that_tenants_events(house):
    house.tokens["bound"] = house.meta.create_token("b", "auditor", tenant="acme")[1]
    house.app.context.tokens.reload()
    house.ask("POST", "/v1/audit-policy/preview", "bound", {"rules": DROP})
    ((_, request),) = house.rooms.asked
    assert request.scope.values == ("acme",)


@pytest.mark.parametrize("asked", [
    {"since": "1d", "until": "2d"}, {"since": "yesteryear"}, {"price": -1}, {"price": 1e12},
])
def test_a_preview_of_no_time_or_price_is_refused(house, asked):
    answer = house.ask("POST", "/v1/audit-policy/preview", "admin", {"rules": DROP, **asked})
    assert answer.status == 400
    assert house.rooms.asked == []


def apart(summarised: Sequence[int], dropped: Sequence[int]):
    async def submit(submission: Submission) -> SubmitResult:
        gone = {*summarised, *dropped}
        indexes = [NOT_STORED if at in gone else 100 + at for at in range(len(submission.events))]
        return SubmitResult(indexes=indexes, summarised=summarised, dropped_by_rule=dropped)

    return submit


def test_the_answer_says_which_lines_were_rolled_up_and_dropped(house, monkeypatch):
    monkeypatch.setattr(house.rooms, "submit", apart([1, 2], [4]))
    answer = house.post(LINE * 6)
    assert answer.status == 200
    assert answer.json == {
        "accepted": 6, "ranges": [[1, 1, 100], [4, 1, 103], [6, 1, 105]], "duplicates": [],
        "conflicts": [], "rejected": [], "rejected_count": 0, "summarised": [[2, 2]],
        "dropped_by_rule": [[5, 1]],
    }
    metrics = house.ask("GET", "/metrics", "admin").body.decode()
    assert "indelible_events_accepted_total 3\n" in metrics
    assert "indelible_events_summarised_total 2\n" in metrics
    assert "indelible_events_dropped_by_rule_total 1\n" in metrics


@pytest.mark.parametrize("member", ["summarised", "dropped_by_rule"])
def test_a_single_event_that_is_not_stored_has_no_index(house, monkeypatch, member):
    monkeypatch.setattr(
        house.rooms, "submit",
        apart([0], []) if member == "summarised" else apart([], [0]),
    )
    answer = house.post(LINE)
    assert (answer.json["accepted"], answer.json["ranges"]) == (1, [])
    assert answer.json[member] == [[1, 1]]


def test_receipts_are_given_for_what_is_stored(house, monkeypatch):
    house.post(LINE * 3)
    stored = house.rooms.bodies[0]

    async def submit(submission: Submission) -> SubmitResult:
        return SubmitResult(indexes=[NOT_STORED, 0], dropped_by_rule=[0])

    monkeypatch.setattr(house.rooms, "submit", submit)
    answer = house.post(LINE * 2, query="?receipts=1")
    (receipt,) = answer.json["receipts"]
    assert (receipt["line"], receipt["index"]) == (2, 0)
    assert json.loads(receipt["body"]) == json.loads(stored)
