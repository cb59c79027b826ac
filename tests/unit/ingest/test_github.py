"""The parser of GitHub's audit log on small entries that show one rule each."""

from __future__ import annotations

import json
from typing import Any

import pytest

from indelible.event.strict import compact
from indelible.ingest.parsers.github import PARSER
from indelible.ingest.parsers.github_actions import by_level, operation_named, outcome_named
from support.parsing import GIVEN, parse_one

AT = 1_772_529_247_123
"""2026-03-03T09:14:07.123Z in milliseconds."""


def record(**members: Any) -> dict[str, Any]:
    """A plain entry with these members over its own."""
    return {"@timestamp": AT, "action": "repo.create", "actor": "ann", "org": "acme",
            "_document_id": "d1", **members}


def event(**members: Any) -> dict[str, Any]:
    parsed = parse_one("github", json.dumps(record(**members)).encode())
    assert parsed.kind == "event"
    found: dict[str, Any] = json.loads(parsed.content)
    return found


# --- actions and outcomes


@pytest.mark.parametrize(
    ("action", "operation"),
    [
        ("repo.create", "create"),
        ("repo.destroy", "delete"),
        ("repo.access", "update"),
        ("repo.add_member", "grant"),
        ("repo.remove_member", "revoke"),
        ("org.add_member", "grant"),
        ("org.add_outside_collaborator", "grant"),
        ("org.remove_outside_collaborator", "revoke"),
        ("org.block_user", "revoke"),
        ("org.audit_log_export", "export"),
        ("team.add_repository", "grant"),
        ("git.clone", "read"),
        ("git.push", "update"),
        ("repo.download_zip", "export"),
        ("personal_access_token.access_granted", "grant"),
        ("personal_access_token.access_revoked", "revoke"),
        ("personal_access_token.request_denied", "approve"),
        ("org_credential_authorization.grant", "grant"),
        ("integration_installation.create", "create"),
        ("integration_installation.repositories_added", "grant"),
        ("hook.create", "create"),
        ("hook.config_changed", "update"),
        ("protected_branch.policy_override", "other"),
        ("protected_branch.destroy", "delete"),
        ("secret_scanning.disable", "configure"),
        ("business.disable_two_factor_requirement", "configure"),
        ("workflows.created_workflow_run", "execute"),
        ("user.login", "login"),
        ("business.sso_response", "login"),
    ],
)
def test_the_catalogue_knows_what_an_action_is(action: str, operation: str) -> None:
    found = event(action=action, actor="ann")
    assert (found["action"], found["operation"]) == (f"github.{action}", operation)
    assert found["data"]["vendor_action"] == action


def test_an_unknown_verb_goes_by_the_operation_type() -> None:
    assert operation_named("thing.frobnicate", "modify").value == "update"
    assert operation_named("thing.frobnicate", "remove").value == "delete"
    assert operation_named("thing.frobnicate").value == "other"


@pytest.mark.parametrize(
    ("before", "after", "operation"),
    [("read", "admin", "grant"), ("admin", "write", "revoke"), ("read", "read", None),
     ("", "admin", None), ("custom role", "admin", None)],
)
def test_a_permission_that_rises_is_granted_and_one_that_falls_is_revoked(
    before: str, after: str, operation: str | None
) -> None:
    found = by_level(before, after)
    assert (found and found.value) == operation


@pytest.mark.parametrize(
    ("action", "outcome"),
    [("repo.create", "success"), ("protected_branch.rejected_ref_update", "denied"),
     ("user.failed_login", "failure"), ("user.two_factor_challenge_failure", "failure"),
     ("business.recovery_code_failed", "failure")],
)
def test_the_log_tells_what_was_done_unless_the_name_says_otherwise(
    action: str, outcome: str
) -> None:
    assert outcome_named(action).value == outcome


@pytest.mark.parametrize(
    ("status", "outcome", "reason"),
    [(200, "success", None), ("201", "success", None), (403, "denied", {"code": "403"}),
     (401, "denied", {"code": "401"}), (404, "failure", {"code": "404"}),
     (10**40, "success", None)],
)
def test_a_call_of_the_api_ends_as_its_status_says(
    status: object, outcome: str, reason: dict[str, str] | None
) -> None:
    found = event(action="api.request", status_code=status)
    assert (found["outcome"], found.get("reason")) == (outcome, reason)


@pytest.mark.parametrize(
    ("conclusion", "outcome"),
    [("success", "success"), ("failure", "failure"), ("cancelled", None), ("skipped", None)],
)
def test_a_workflow_run_ends_as_it_concluded(conclusion: str, outcome: str | None) -> None:
    found = event(action="workflows.completed_workflow_run", conclusion=conclusion)
    assert found.get("outcome") == outcome


# --- who


@pytest.mark.parametrize(
    ("members", "actor"),
    [
        ({}, {"type": "user", "id": "ann"}),
        ({"actor": "renovate[bot]"}, {"type": "service", "id": "renovate[bot]"}),
        ({"actor": "ci", "actor_is_bot": True}, {"type": "service", "id": "ci"}),
        ({"actor": "copilot", "actor_is_agent": True}, {"type": "agent", "id": "copilot"}),
        ({"actor": "GitHub"}, {"type": "system", "id": "GitHub"}),
        ({"hashed_token": "h1", "programmatic_access_type": "OAuth access token"},
         {"type": "user", "id": "ann", "session": "h1",
          "auth": {"method": "OAuth access token"}}),
        ({"actor": "", "hashed_token": "h1"},
         {"type": "api_key", "id": "h1", "session": "h1"}),
        ({"external_identity_nameid": "ann@example.com"},
         {"type": "user", "id": "ann", "email": "ann@example.com"}),
    ],
)
def test_who_acted(members: dict[str, Any], actor: dict[str, Any]) -> None:
    assert event(**members)["actor"] == actor


def test_nobody_is_made_up_for_a_clone_that_names_nobody() -> None:
    public = event(action="git.clone", actor="", repo="acme/web", repository_public=True)
    assert public["actor"] == {"type": "anonymous", "id": "anonymous"}
    assert "guessed" not in public["data"]
    private = event(action="git.clone", actor="", repo="acme/web", repository_public=False)
    assert private["actor"]["type"] == "anonymous"
    assert private["data"]["guessed"] == ["actor"]


def test_an_actor_who_is_not_told_is_github_and_said_to_be_inferred() -> None:
    found = event(action="secret_scanning_alert.create", actor=None)
    assert found["actor"] == {"type": "system", "id": "github"}
    assert found["data"]["guessed"] == ["actor"]


def test_an_entry_without_anybody_or_a_moment_is_kept_as_it_came() -> None:
    parsed = parse_one("github", b'{"action": "repo.create", "org": "acme"}')
    assert (parsed.kind, b'"missing_actor"' in parsed.content) == ("unparsed", True)


# --- when


@pytest.mark.parametrize(
    ("members", "time"),
    [
        ({}, "2026-03-03T09:14:07.123000Z"),
        ({"created_at": AT + 5000}, "2026-03-03T09:14:07.123000Z"),
        ({"@timestamp": None, "created_at": AT + 5000}, "2026-03-03T09:14:12.123000Z"),
        ({"@timestamp": str(AT)}, "2026-03-03T09:14:07.123000Z"),
        ({"@timestamp": "2026-03-03T10:14:07+01:00"}, "2026-03-03T09:14:07Z"),
        ({"@timestamp": "soon"}, None),
        ({"@timestamp": "²"}, None),
        ({"@timestamp": 10**40}, None),
    ],
)
def test_when_it_happened_comes_before_when_it_was_recorded(
    members: dict[str, Any], time: str | None
) -> None:
    assert event(**members).get("time") == time


# --- what


@pytest.mark.parametrize(
    ("members", "targets"),
    [
        ({"action": "repo.destroy", "repo": "acme/web"},
         [("github_repository", "acme/web")]),
        ({"action": "org.add_member", "user": "bob"},
         [("github_user", "bob"), ("github_organization", "acme")]),
        ({"action": "org.add_member", "user": "ann"},
         [("github_user", "ann"), ("github_organization", "acme")]),
        ({"action": "repo.add_member", "user": "bob", "repo": "acme/web"},
         [("github_user", "bob"), ("github_repository", "acme/web")]),
        ({"action": "team.add_repository", "team": "acme/core", "repo": "acme/web"},
         [("github_team", "acme/core"), ("github_repository", "acme/web")]),
        ({"action": "protected_branch.create", "name": "main", "repo": "acme/web"},
         [("github_protected_branch", "acme/web:main"), ("github_repository", "acme/web")]),
        ({"action": "hook.create", "hook_id": 7, "repo": "acme/web"},
         [("github_hook", "7"), ("github_repository", "acme/web")]),
        ({"action": "business.add_admin", "org": None, "business": "acme-inc", "user": "bob"},
         [("github_user", "bob"), ("github_enterprise", "acme-inc")]),
        ({"org": ["acme"], "action": "org.update_member", "user": "bob"},
         [("github_user", "bob"), ("github_organization", "acme")]),
    ],
)
def test_what_the_action_speaks_of_comes_first(
    members: dict[str, Any], targets: list[tuple[str, str]]
) -> None:
    found = event(**members)["targets"]
    assert [(one["type"], one["id"]) for one in found] == targets


@pytest.mark.parametrize(
    ("members", "changes"),
    [
        ({"action": "repo.access", "visibility": "public", "previous_visibility": "private"},
         [{"path": "visibility", "op": "replace", "before": "private", "after": "public"}]),
        ({"action": "org.update_member", "permission": "admin", "old_permission": "read"},
         [{"path": "permission", "op": "replace", "before": "read", "after": "admin"}]),
        ({"action": "repo.rename", "old_name": "web", "new_name": "site"},
         [{"path": "name", "op": "replace", "before": "web", "after": "site"}]),
        ({"action": "hook.config_changed", "config": {"url": "b", "tls": 1},
          "config_was": {"url": "a", "tls": 1}},
         [{"path": "config.url", "op": "replace", "before": "a", "after": "b"}]),
        ({"action": "org.update_member", "permission": "read", "old_permission": "read"}, None),
    ],
)
def test_members_that_stand_there_old_and_new_are_changes(
    members: dict[str, Any], changes: list[dict[str, Any]] | None
) -> None:
    assert event(**members).get("changes") == changes


def test_what_was_refused_changed_nothing() -> None:
    found = event(action="protected_branch.rejected_ref_update", before="a", old_permission="read",
                  permission="admin")
    assert (found["outcome"], found.get("changes")) == ("denied", None)


def test_members_that_older_apis_keep_in_data_read_alike() -> None:
    inner = {"team": "acme/core", "repo": "acme/web"}
    nested = event(action="team.add_repository", data=inner)
    plain = event(action="team.add_repository", **inner)
    assert {**nested, "raw": ""} == {**plain, "raw": ""}


# --- recognition


@pytest.mark.parametrize(
    ("message", "known"),
    [
        ({"action": "repo.create", "_document_id": "d"}, True),
        ({"action": "repo.create", "actor": "ann", "created_at": AT, "org": "acme"}, True),
        ({"action": "repo.create", "actor": "ann", "created_at": AT}, False),
        ({"action": "created", "sender": {"login": "ann"}, "repository": {}}, False),
        ({"action": "user.create", "actor": {"id": "ann"}, "time": "2026-01-01"}, False),
        ({"action": 7, "_document_id": "d"}, False),
        ({}, False),
    ],
)
def test_only_entries_of_the_audit_log_are_claimed(message: dict[str, Any], known: bool) -> None:
    assert bool(PARSER.recognise(message, GIVEN)) == known


# --- hostile


def test_wrong_types_everywhere_are_read_as_absent() -> None:
    whole = record(actor_ip="203.0.113.9", user="bob", repo="acme/web", team="acme/core",
                   permission="admin", old_permission="read", config={}, config_was={},
                   actor_location={"country_code": "DE"}, data={}, status_code=200,
                   conclusion="success", hook_id=1, ruleset_rules_added=[], name="x")
    for action in ("repo.create", "api.request", "workflows.completed_workflow_run", "git.push",
                   "hook.create", "...", "A"):
        for name in whole:
            for wrong in (None, 7, 1e300, "²", [], [[]], {}, {"a": [None]}, True, "x" * 5000):
                message = {**whole, "action": action, name: wrong}
                parsed = parse_one("github", json.dumps(message).encode())
                assert b"parser_failed" not in parsed.content
                assert compact(parsed.content, "") == parsed.content


def test_a_workflow_without_a_run_is_the_workflow_and_not_a_run() -> None:
    kinds = [
        event(action="workflows.disable_workflow", workflow_id=7, **more)["targets"][0]
        for more in ({}, {"workflow_run_id": 9})
    ]
    assert [(one["type"], one["id"]) for one in kinds] == [
        ("github_workflow", "7"), ("github_workflow_run", "9")
    ]
