"""The parser of GitHub's webhooks on small bodies that show one rule each."""

from __future__ import annotations

import json
from typing import Any

import pytest

from indelible.event.strict import compact
from indelible.ingest.parsers.contract import Given
from indelible.ingest.parsers.github_shapes import event_of
from indelible.ingest.parsers.github_webhook import PARSER
from support.parsing import GIVEN, parse_one

REPO = {"full_name": "acme/web", "name": "web", "owner": {"login": "acme"}, "private": True}
ZEROS = "0" * 40


def body(**members: Any) -> dict[str, Any]:
    """A plain body with these members over its own."""
    return {"sender": {"login": "ann", "id": 7, "type": "User"}, "repository": REPO, **members}


def event(name: str, **members: Any) -> dict[str, Any]:
    """The event of a body that came with this `X-GitHub-Event` header."""
    given = Given(now_us=GIVEN.now_us, program=name)
    parsed = parse_one("github_webhook", json.dumps(body(**members)).encode(), given=given)
    assert parsed.kind == "event"
    found: dict[str, Any] = json.loads(parsed.content)
    return found


# --- which event


@pytest.mark.parametrize(
    ("header", "members", "action", "operation"),
    [
        ("member", {"action": "added", "member": {"login": "bob"}}, "member.added", "grant"),
        ("member", {"action": "removed", "member": {"login": "bob"}}, "member.removed", "revoke"),
        ("organization", {"action": "member_added"}, "organization.member_added", "grant"),
        ("organization", {"action": "member_removed"}, "organization.member_removed", "revoke"),
        ("repository", {"action": "deleted"}, "repository.deleted", "delete"),
        ("public", {}, "repository.publicized", "update"),
        ("deploy_key", {"action": "created", "key": {"id": 3}}, "deploy_key.created", "create"),
        ("org_block", {"action": "blocked", "blocked_user": {"login": "eve"}},
         "org_block.blocked", "revoke"),
        ("installation", {"action": "suspend", "installation": {}}, "installation.suspend",
         "revoke"),
        ("create", {"ref": "v1", "ref_type": "tag"}, "tag.create", "create"),
        ("delete", {"ref": "old", "ref_type": "branch"}, "branch.delete", "delete"),
        ("push", {"ref": "refs/heads/main"}, "branch.push", "update"),
        ("push", {"ref": "refs/tags/v1"}, "tag.push", "update"),
        ("ping", {"zen": "...", "hook_id": 1}, "hook.ping", "other"),
        ("meta", {"action": "deleted", "hook": {}, "hook_id": 1}, "hook.deleted", "delete"),
        ("brand_new", {"action": "happened"}, "brand_new.happened", "other"),
    ],
)
def test_an_action_is_the_event_and_what_was_done(
    header: str, members: dict[str, Any], action: str, operation: str
) -> None:
    found = event(header, **members)
    assert (found["action"], found["operation"]) == (f"github.{action}", operation)


@pytest.mark.parametrize(
    ("members", "name"),
    [
        ({"ref": "refs/heads/a", "before": ZEROS, "after": ZEROS, "pusher": {}}, "push"),
        ({"zen": "...", "hook_id": 1, "hook": {}}, "ping"),
        ({"action": "deleted", "hook_id": 1, "hook": {}}, "meta"),
        ({"action": "added", "team": {}, "member": {}, "scope": "team"}, "membership"),
        ({"action": "added", "member": {}}, "member"),
        ({"action": "created", "alert": {"secret_type": "x"}}, "secret_scanning_alert"),
        ({"action": "created", "alert": {"tool": {}}}, "code_scanning_alert"),
        ({"action": "created", "alert": {"dependency": {}}}, "dependabot_alert"),
        ({"action": "archived"}, "repository"),
        ({"action": "opened", "issue": {}}, ""),
    ],
)
def test_without_the_header_the_members_tell_the_event_or_nothing_does(
    members: dict[str, Any], name: str
) -> None:
    assert event_of(body(**members), "") == name
    assert event_of(body(**members), "Member") == "member"


def test_an_event_that_was_inferred_says_so() -> None:
    raw = json.dumps(body(action="archived")).encode()
    found = json.loads(parse_one("github_webhook", raw).content)
    assert found["data"]["guessed"] == ["action"]
    assert "guessed" not in event("repository", action="archived")["data"]


# --- who and when


def test_a_bot_is_a_service_and_a_pusher_has_an_address() -> None:
    bot = event("repository", action="archived", sender={"login": "ci[bot]", "type": "Bot"})
    assert bot["actor"] == {"type": "service", "id": "ci[bot]"}
    pushed = event("push", ref="refs/heads/a", pusher={"name": "ann", "email": "ann@example.com"})
    assert pushed["actor"]["email"] == "ann@example.com"
    other = event("push", ref="refs/heads/a", pusher={"name": "bob", "email": "bob@example.com"})
    assert other["actor"] == {"type": "user", "id": "ann"}


def test_only_the_time_of_this_very_action_counts() -> None:
    alert = {"number": 4, "created_at": "2026-03-01T00:00:00Z",
             "resolved_at": "2026-03-03T09:14:07Z", "secret_type": "x"}
    found = event("secret_scanning_alert", action="resolved", alert=alert)
    assert found["time"] == "2026-03-03T09:14:07Z"
    found = event("secret_scanning_alert", action="reopened", alert=alert)
    assert "time" not in found


# --- what


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ("a1", "b2", {"op": "replace", "before": "a1", "after": "b2"}),
        (ZEROS, "b2", {"op": "add", "after": "b2"}),
        ("a1", ZEROS, {"op": "remove", "before": "a1"}),
    ],
)
def test_a_push_says_where_the_branch_pointed(
    before: str, after: str, change: dict[str, str]
) -> None:
    found = event("push", ref="refs/heads/main", before=before, after=after, forced=True,
                  commits=[{}, {}])
    assert found["changes"] == [{"path": "refs/heads/main", **change}]
    assert (found["data"]["forced"], found["data"]["commits"]) == (True, 2)
    assert found["targets"][0] == {"type": "github_branch", "id": "acme/web:main", "name": "main",
                                   "parent": "acme/web"}


def test_old_values_stand_in_changes_and_new_ones_in_the_subject() -> None:
    found = event("repository", action="renamed", repository={**REPO, "name": "site"},
                  changes={"repository": {"name": {"from": "web"}}})
    assert found["changes"] == [
        {"path": "repository.name", "op": "replace", "before": "web", "after": "site"}
    ]


def test_a_permission_that_rises_is_a_grant() -> None:
    changes = {"permission": {"from": "read", "to": "admin"}}
    found = event("member", action="edited", member={"login": "bob"}, changes=changes)
    assert found["operation"] == "grant"
    changes = {"permission": {"from": "admin", "to": "read"}}
    found = event("member", action="edited", member={"login": "bob"}, changes=changes)
    assert found["operation"] == "revoke"


def test_people_are_targets_by_login_and_by_address_when_only_invited() -> None:
    found = event("organization", action="member_invited", repository=None,
                  organization={"login": "acme"}, invitation={"email": "new@example.com"})
    assert [(one["type"], one["id"]) for one in found["targets"]] == [
        ("github_user", "new@example.com"), ("github_organization", "acme")
    ]


def test_the_severity_of_an_alert_is_the_advisorys() -> None:
    alert = {"number": 2, "security_advisory": {"severity": "moderate", "ghsa_id": "GHSA-1"}}
    found = event("dependabot_alert", action="created", alert=alert)
    assert (found["severity"], found["data"]["ghsa_id"]) == ("medium", "GHSA-1")


# --- what cannot be read


@pytest.mark.parametrize(
    ("members", "code"),
    [({"sender": None, "action": "archived"}, "missing_actor"),
     ({"action": "opened", "issue": {}}, "unknown_event")],
)
def test_a_body_without_event_or_sender_is_kept_as_it_came(
    members: dict[str, Any], code: str
) -> None:
    parsed = parse_one("github_webhook", json.dumps(body(**members)).encode())
    assert (parsed.kind, f'"{code}"'.encode() in parsed.content) == ("unparsed", True)


@pytest.mark.parametrize("message", [{}, {"sender": "ann"}, {"sender": {"login": "ann"}},
                                     {"action": "repo.create", "actor": "ann"}])
def test_only_webhooks_are_claimed(message: dict[str, Any]) -> None:
    assert not PARSER.recognise(message, GIVEN)
    assert PARSER.recognise(body(), GIVEN)


def test_wrong_types_everywhere_are_read_as_absent() -> None:
    whole = body(action="edited", ref="refs/heads/a", before="a", after="b", pusher={}, alert={},
                 changes={"a": {"from": 1}}, member={}, team={}, installation={}, hook_id=1,
                 key={}, rule={}, invitation={}, membership={}, repositories=[], commits=[])
    for name in ("push", "member", "secret_scanning_alert", "installation", "team", "\x00", ""):
        given = Given(now_us=GIVEN.now_us, program=name)
        for key in whole:
            for wrong in (None, 7, 1e300, "²", [], [[]], {}, {"a": [None]}, True, "x" * 5000):
                raw = json.dumps({**whole, key: wrong}).encode()
                parsed = parse_one("github_webhook", raw, given=given)
                assert b"parser_failed" not in parsed.content
                assert compact(parsed.content, "") == parsed.content


def test_changes_that_nest_without_end_are_cut() -> None:
    deep: Any = {"from": 1}
    for _ in range(500):
        deep = {"a": deep}
    assert "changes" not in event("repository", action="edited", changes=deep)


@pytest.mark.parametrize(
    ("name", "members"),
    [
        ("issues", {"action": "opened", "issue": {"created_at": "2026-03-03T09:14:07Z"}}),
        ("issues", {"action": "closed", "issue": {"closed_at": "2026-03-03T09:14:07Z"}}),
        ("workflow_run", {"action": "completed", "workflow_run":
                          {"conclusion": "success", "updated_at": "2026-03-03T09:14:07Z"}}),
        ("fork", {"forkee": {"full_name": "b/x", "created_at": "2026-03-03T09:14:07Z"}}),
        ("organization", {"action": "member_invited", "invitation":
                          {"created_at": "2026-03-03T09:14:07Z"}}),
    ],
)
def test_the_subject_of_an_event_has_its_time(name: str, members: dict[str, Any]) -> None:
    assert event(name, **members)["time"] == "2026-03-03T09:14:07Z"


def test_a_ping_happens_when_it_is_sent_not_when_the_hook_was_made() -> None:
    assert "time" not in event("ping", hook={"created_at": "2026-03-03T09:14:07Z"}, hook_id=1)


def test_the_new_title_of_an_issue_is_read_out_of_the_issue() -> None:
    found = event("issues", action="edited", issue={"title": "new"},
                  changes={"title": {"from": "old"}})
    assert found["changes"] == [
        {"path": "title", "op": "replace", "before": "old", "after": "new"}
    ]
