"""What an entry of GitHub's audit log touched.

Ids are the names people use: logins, `org/repo`, `org/team`; what has only a number (a hook, an
alert) has it with its repository. What the action speaks of comes first.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from indelible.event.model import Target
from indelible.ingest.parsers import pick
from indelible.ingest.parsers.contract import Record
from indelible.ingest.parsers.pick import items, text, word

_OWN: Final[dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]]] = {
    "hook": ("github_hook", ("hook_id",), ("name",)),
    "public_key": ("github_public_key", ("fingerprint", "public_key_id", "title"), ("title",)),
    "integration": ("github_app", ("integration", "name", "integration_id"), ()),
    "integration_installation": ("github_app", ("integration", "name", "integration_id"), ()),
    "integration_installation_request": ("github_app", ("integration", "name"), ()),
    "oauth_application": (
        "github_oauth_app", ("oauth_application_name", "oauth_application",
                             "oauth_application_id"), ()),
    "personal_access_token": (
        "github_personal_access_token", ("user_programmatic_access_id",
                                         "user_programmatic_access_name"),
        ("user_programmatic_access_name",)),
    "repository_ruleset": ("github_ruleset", ("ruleset_id",), ("ruleset_name",)),
    "workflows": ("github_workflow_run", ("workflow_run_id",), ("name",)),
    "environment": ("github_environment", ("environment_name", "environment"), ()),
    "secret_scanning_alert": ("github_secret_scanning_alert", ("number", "alert_number"), ()),
    "repository_vulnerability_alert": (
        "github_dependabot_alert", ("alert_number", "number", "ghsa_id"), ("ghsa_id",)),
    "code_scanning": ("github_code_scanning_alert", ("alert_number",), ()),
    "pull_request": (
        "github_pull_request", ("pull_request_url", "pull_request_id"), ("pull_request_title",)),
    "role": ("github_role", ("role_name", "name"), ()),
    "organization_role": ("github_role", ("role_name", "name"), ()),
    "codespaces": ("github_codespace", ("name",), ()),
    "packages": ("github_package", ("package", "name"), ()),
    "issue": ("github_issue", ("issue_url", "issue_id", "number"), ("title",)),
    "ssh_certificate_authority": ("github_ssh_ca", ("fingerprint", "name"), ()),
    "ip_allow_list_entry": ("github_ip_allow_list_entry",
                            ("ip_allow_list_entry", "allow_list_value", "name"), ()),
}
"""What else an entry speaks of, by the first part of its action: type, members of id and name."""
_PEOPLE = ("member", "user", "collaborator", "manager", "admin", "owner", "maintainer", "viewer",
           "entitlee", "seat")
_NUMBERED = ("github_secret_scanning_alert", "github_dependabot_alert",
             "github_code_scanning_alert", "github_issue")


def targets_of(record: Record, name: str) -> Iterator[Target]:
    """What it touched, what the action speaks of first."""
    category, _, verb = name.partition(".")
    repo = text(record, "repo", "repository") or text(record.get("repo"), "full_name")
    org, team = one(record, "org"), one(record, "team")
    enterprise, user = one(record, "business"), text(record, "user")
    of_people = any(noun in verb for noun in _PEOPLE) or category == "user"
    about: list[Target] = []
    if user and (of_people or user != text(record, "actor")):
        about = pick.target("github_user", user)
    teams = pick.target("github_team", team, parent=org if "/" not in team else "")
    own = _own(record, category, repo, org)
    repository = pick.target("github_repository", repo, parent=org)
    people = [*about, *teams]
    yield from [*people, *own] if of_people else [*own, *teams]
    yield from repository
    yield from people
    for listed in ("repositories_added_names", "repositories_removed_names", "repositories"):
        for each in items(record, listed):
            yield from pick.target("github_repository", text({"": each}, ""), parent=org)
    if org and (category == "org" or not repo):
        yield from pick.target("github_organization", org)
    if enterprise and (category.startswith(("business", "enterprise")) or not (org or repo)):
        yield from pick.target("github_enterprise", enterprise)


def one(record: Record, name: str) -> str:
    """A name, also where it stands in a list of one (`"org": ["acme"]`, of enterprise events)."""
    value = record.get(name)
    if isinstance(value, list) and len(value) == 1:
        return text({"": value[0]}, "")
    return text(record, name)


def _own(record: Record, category: str, repo: str, org: str) -> list[Target]:
    if category == "protected_branch":
        branch = text(record, "branch", "name").removeprefix("refs/heads/")
        ident = f"{repo}:{branch}" if repo and branch else ""
        return pick.target("github_protected_branch", ident, branch, repo)
    if category not in _OWN:
        return []
    kind, idents, names = _OWN[category]
    if category == "workflows" and not word(record, "workflow_run_id"):
        kind, idents = "github_workflow", ("workflow_id",)  # of the workflow, not of one run
    ident, name = word(record, *idents), word(record, *names)
    if kind in _NUMBERED and ident.isdigit() and repo:
        ident = f"{repo}#{ident}"
    return pick.target(kind, ident, name if name != ident else "", repo or org)
