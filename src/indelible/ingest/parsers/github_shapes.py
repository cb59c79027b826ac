"""Which event a GitHub webhook's body is of, and what it speaks of. Data, and its reading.

A body does not name its event; the `X-GitHub-Event` header does. Where the header was not kept,
the members that only one event has tell it (docs.github.com, "Webhook events and payloads").
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from indelible.event.model import Target
from indelible.ingest.parsers import pick
from indelible.ingest.parsers.pick import items, member, text, word

_SHAPES: Final[tuple[tuple[str, frozenset[str]], ...]] = tuple(
    (event, frozenset(members.split()))
    for event, members in (
        ("push", "ref before after pusher"),
        ("create", "ref ref_type master_branch"),
        ("delete", "ref ref_type pusher_type"),
        ("ping", "zen hook_id"),
        ("meta", "hook hook_id action"),
        ("membership", "team member scope"),
        ("member", "member repository action"),
        ("organization", "organization membership action"),
        ("organization", "organization invitation action"),
        ("team", "team action"),
        ("team_add", "team repository"),
        ("org_block", "blocked_user"),
        ("branch_protection_rule", "rule action"),
        ("repository_ruleset", "repository_ruleset"),
        ("deploy_key", "key action"),
        ("personal_access_token_request", "personal_access_token_request"),
        ("release", "release action"),
        ("installation_repositories", "installation repositories_added"),
        ("fork", "forkee"),
    )
)
_SECRETS = ("secret_type", "secret_type_display_name", "push_protection_bypassed")
_INSTALLED = ("created", "deleted", "suspend", "unsuspend", "new_permissions_accepted")
_REPOSITORY = ("created", "deleted", "archived", "unarchived", "edited", "renamed", "transferred",
               "publicized", "privatized")
_RENAMED: Final = {
    "ping": "hook.ping", "meta": "hook.deleted", "public": "repository.publicized",
    "team_add": "team.added_to_repository", "fork": "repository.fork",
}
_PEOPLE: Final = ("member", "blocked_user", "user", "invitation", "membership")
_SUBJECTS: Final[dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]]] = {
    "team": ("github_team", ("slug", "name", "id"), ("name",)),
    "rule": ("github_branch_protection_rule", ("id",), ("name",)),
    "repository_ruleset": ("github_ruleset", ("id",), ("name",)),
    "key": ("github_deploy_key", ("id",), ("title",)),
    "release": ("github_release", ("tag_name", "id"), ("name",)),
    "personal_access_token_request": (
        "github_personal_access_token", ("token_id", "id"), ("token_name",)),
    "pull_request": ("github_pull_request", ("number",), ("title",)),
    "issue": ("github_issue", ("number",), ("title",)),
    "workflow_run": ("github_workflow_run", ("id",), ("name",)),
    "deployment": ("github_deployment", ("id",), ("environment",)),
    "forkee": ("github_repository", ("full_name",), ()),
}
_ABOUT: Final = {
    "deploy_key": "key", "branch_protection_rule": "rule", "meta": "hook", "ping": "hook",
    "installation_repositories": "installation", "issues": "issue", "fork": "forkee",
    "issue_comment": "comment", "commit_comment": "comment", "discussion_comment": "comment",
    "pull_request_review": "review", "pull_request_review_comment": "comment",
}
"""The member that an event is about, where it has another name than the event."""
_ALERTS: Final = {
    "secret_scanning_alert": "github_secret_scanning_alert",
    "code_scanning_alert": "github_code_scanning_alert",
    "dependabot_alert": "github_dependabot_alert",
    "repository_vulnerability_alert": "github_dependabot_alert",
}


def event_of(body: dict[str, Any], header: str) -> str:
    """The event's name: from the header, else from the body's members; '' when neither says."""
    if header:
        return header.lower()
    said = text(body, "action")
    alert = member(body, "alert")
    if alert:
        return _alert_of(alert)
    for event, members in _SHAPES:
        if members <= body.keys():
            return event
    if member(body, "installation", "account") and said in _INSTALLED:
        return "installation"
    if "repository" in body and said in _REPOSITORY:
        return "repository"
    if "organization" in body and said in ("renamed", "deleted"):
        return "organization"
    return ""


def _alert_of(alert: dict[str, Any]) -> str:
    if any(name in alert for name in _SECRETS):
        return "secret_scanning_alert"
    if "tool" in alert or "most_recent_instance" in alert:
        return "code_scanning_alert"
    if "dependency" in alert or "security_advisory" in alert:
        return "dependabot_alert"
    return "repository_vulnerability_alert" if "affected_range" in alert else ""


def name_of(body: dict[str, Any], event: str) -> str:
    """`object.verb` of an event: `member.added`, `branch.push`, `tag.delete`."""
    if event == "push":
        return "tag.push" if text(body, "ref").startswith("refs/tags/") else "branch.push"
    if event in ("create", "delete"):
        return f"{text(body, 'ref_type') or 'ref'}.{event}"
    if event in _RENAMED:
        return _RENAMED[event]
    return f"{event}.{text(body, 'action') or 'occur'}"


def subject_of(body: dict[str, Any], event: str) -> dict[str, Any]:
    """The object whose state the event is about, which times and new values are read from."""
    if event in _ALERTS:
        return member(body, "alert")
    return member(body, _ABOUT.get(event, event))


def targets_of(body: dict[str, Any], event: str) -> Iterator[Target]:
    """What the event touched, the most telling first."""
    full_name = text(member(body, "repository"), "full_name", "name")
    org = text(member(body, "organization"), "login")
    for name in _PEOPLE:
        yield from _person(member(body, name))
    if event == "installation" or event == "installation_repositories":
        yield from _app(member(body, "installation"))
    if event == "personal_access_token_request":
        yield from _person(member(body, "personal_access_token_request", "owner"))
    if event in ("push", "create", "delete"):
        yield from _ref(body, event, full_name)
    if event in _ALERTS:
        number = word(member(body, "alert"), "number")
        ident = f"{full_name}#{number}" if full_name and number else number
        yield from pick.target(_ALERTS[event], ident, parent=full_name)
    if event in ("ping", "meta"):
        yield from pick.target("github_hook", word(body, "hook_id"), parent=full_name or org)
    for name, (kind, idents, names) in _SUBJECTS.items():
        yield from _thing(member(body, name), kind, idents, names, full_name, org)
    yield from pick.target("github_repository", full_name, parent=_owner(body))
    for name in ("repositories_added", "repositories_removed", "repositories"):
        for one in items(body, name):
            yield from pick.target("github_repository", text(one, "full_name", "name"))
    if org and not full_name:
        yield from pick.target("github_organization", org)
    enterprise = text(member(body, "enterprise"), "slug")
    if enterprise and not (org or full_name):
        yield from pick.target("github_enterprise", enterprise)


def _owner(body: dict[str, Any]) -> str:
    return text(member(body, "repository", "owner"), "login", "name")


def _person(part: dict[str, Any]) -> list[Target]:
    """A person by login; one who was invited by address only, by that."""
    found = text(part, "login") or text(member(part, "user"), "login") or text(part, "email")
    return pick.target("github_user", found)


def _app(installation: dict[str, Any]) -> list[Target]:
    slug, ident = text(installation, "app_slug"), word(installation, "app_id")
    return pick.target("github_app", slug or ident, parent=text(
        member(installation, "account"), "login"))


def _ref(body: dict[str, Any], event: str, full_name: str) -> list[Target]:
    said = text(body, "ref")
    kind = "tag" if said.startswith("refs/tags/") or text(body, "ref_type") == "tag" else "branch"
    if text(body, "ref_type") == "repository":
        return []
    name = said.removeprefix("refs/heads/").removeprefix("refs/tags/")
    ident = f"{full_name}:{name}" if full_name and name else name
    return pick.target(f"github_{kind}", ident if len(ident) > len(":") else "", name, full_name)


def _thing(
    part: dict[str, Any], kind: str, idents: tuple[str, ...], names: tuple[str, ...],
    full_name: str, org: str,
) -> list[Target]:
    if not part:
        return []
    ident, name = word(part, *idents), word(part, *names)
    parent = full_name or org
    if kind == "github_team":
        parent = org or full_name.partition("/")[0]
        ident = f"{parent}/{ident}" if parent and ident else ident
    if kind in ("github_pull_request", "github_issue") and full_name and ident:
        ident = f"{full_name}#{ident}"
    return pick.target(kind, ident, name if name != ident else "", parent)
