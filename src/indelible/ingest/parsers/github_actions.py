"""What GitHub's names of events mean: operation and outcome. Data, and its reading.

The names are those of the audit log's reference (docs.github.com, "Audit log events for your
enterprise" and "... organization"); webhook events (`member.added`) are read by the same verbs.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from indelible.base.limits import REMEMBERED
from indelible.event.actions import operation_of, present_of
from indelible.event.model import Operation, Outcome

_NAMES: Final[dict[Operation, str]] = {
    Operation.READ: "git.clone git.fetch repo.download_zip_check codespaces.connect",
    Operation.EXPORT: """
        repo.download_zip org.audit_log_export org.audit_log_git_event_export
        business.audit_log_export business.audit_log_git_event_export migration.download
        business.recovery_codes_downloaded two_factor_authentication.recovery_codes_downloaded
        business.connect_usage_metrics_export codespaces.export_environment""",
    Operation.CREATE: """
        migration.create hook.create git.create issue.create repository_vulnerability_alert.create
        external_group.provision external_identity.provision integration_installation.create""",
    Operation.UPDATE: """
        git.push branch.push tag.push repo.access project.access repo.pages_public
        repo.pages_private repo.pages_cname repo.pages_source hook.active_changed
        hook.config_changed hook.events_changed protected_branch.rejected_ref_update
        protected_branch.dismiss_stale_reviews
        repository.publicized repository.privatized public.publicized
        repository_vulnerability_alert.dismiss repository_vulnerability_alert.resolve
        repository_vulnerability_alert.auto_dismiss secret_scanning_alert.resolve
        secret_scanning_alert.resolved secret_scanning_alert.revoke code_scanning_alert.fixed
        code_scanning_alert.closed_by_user dependabot_alert.dismissed dependabot_alert.fixed
        dependabot_alert.auto_dismissed pull_request_review.dismiss
        business.cancel_trial payment_method.update copilot.content_exclusion_changed""",
    Operation.DELETE: """
        external_group.delete external_identity.deprovision repo.pages_soft_delete
        repo.code_scanning_analysis_deleted workflows.delete_workflow_run checks.delete_logs""",
    Operation.GRANT: """
        org.oauth_app_access_approved org.oauth_app_access_unblocked org.restore_member
        org.integration_manager_added integration.manager_added repo.staff_unlock
        team.add_repository team.added_to_repository team_add.added team.promote_maintainer
        business.add_organization installation_repositories.added
        integration_installation.repositories_added integration_installation.version_updated
        integration_installation.unsuspend installation.unsuspend
        installation.new_permissions_accepted protected_branch.branch_allowances
        protected_branch.authorized_users_teams member.added membership.added
        organization.member_added org_block.unblocked organization_role.assign
        repository_vulnerability_alerts.authorized_users_teams external_group.link
        ip_allow_list_entry.create copilot.cfb_seat_added copilot.cfb_seat_assignment_created""",
    Operation.REVOKE: """
        org.oauth_app_access_denied org.oauth_app_access_blocked
        org.integration_manager_removed integration.manager_removed
        team.remove_repository team.removed_from_repository team.demote_maintainer
        business.remove_organization installation_repositories.removed
        integration_installation.repositories_removed integration_installation.suspend
        installation.suspend installation.deleted integration_installation.destroy
        member.removed membership.removed organization.member_removed org_block.blocked
        organization_role.revoke external_group.unlink ip_allow_list_entry.destroy
        copilot.cfb_seat_cancelled copilot.cfb_seat_cancelled_by_staff
        copilot.cfb_seat_assignment_unassigned org_credential_authorization.deauthorize""",
    Operation.APPROVE: """
        personal_access_token.request_denied personal_access_token.request_cancelled
        personal_access_token_request.approved personal_access_token_request.denied
        workflows.approve_workflow_job workflows.reject_workflow_job
        code_scanning.alert_closure_approved code_scanning.alert_closure_denied""",
    Operation.LOGIN: """
        user.login user.failed_login user.two_factor_challenge_failure business.recovery_code_used
        business.recovery_code_failed org.sso_response business.sso_response org.recovery_code_used
        org.recovery_code_failed staff.fake_login""",
    Operation.LOGOUT: "user.logout business.revoke_sso_session org.revoke_sso_session",
    Operation.EXECUTE: """
        workflows.created_workflow_run workflows.rerun_workflow_run workflows.cancel_workflow_run
        workflows.prepared_workflow_job workflows.bypass_protection_rules
        prebuild_configuration.run_triggered codespaces.start_environment
        codespaces.suspend_environment api.request""",
    Operation.OTHER: """
        protected_branch.policy_override secret_scanning_push_protection.bypass
        workflows.completed_workflow_run secret_scanning_alert.create
        secret_scanning_alert.created code_scanning_alert.created dependabot_alert.created
        org.self_hosted_runner_online org.self_hosted_runner_offline
        repo.self_hosted_runner_online repo.self_hosted_runner_offline hook.ping
        org.rate_limited_invites code_scanning.alert_created code_scanning.alert_reappeared
        code_scanning.alert_appeared_in_branch""",
}
_ROWS: Final = {name: operation for operation, names in _NAMES.items() for name in names.split()}

_PEOPLE = (
    r"(?:member|user|team|admin|owner|manager|billing_manager|security_manager|integration_manager"
    r"|billing_viewer|support_entitlee|collaborator|outside_collaborator|group)s?"
)
_GRANTS = re.compile(rf"(?:add|restore|promote|unblock|unsuspend)_{_PEOPLE}"
                     r"|.*_(?:granted|allowed|approved|unblocked)")
_REVOKES = re.compile(rf"(?:remove|demote|block|suspend)_{_PEOPLE}"
                      r"|.*_(?:revoked|denied|blocked)")
_CLEARED = ("clear", "policy_cleared")
_TYPES: Final = {
    "create": Operation.CREATE, "modify": Operation.UPDATE, "remove": Operation.DELETE,
    "access": Operation.READ, "authentication": Operation.LOGIN, "restore": Operation.CREATE,
    "transfer": Operation.UPDATE,
}
"""GitHub's own `operation_type`, which serves where the name says nothing."""
_FAILED = re.compile(r"(?:^|_)(?:failed|failure|error)(?:_|$)")
_LEVELS: Final = ("none", "read", "pull", "triage", "write", "push", "maintain", "admin")
_ENDS: Final = {
    "success": Outcome.SUCCESS, "failure": Outcome.FAILURE, "timed_out": Outcome.FAILURE,
    "startup_failure": Outcome.FAILURE,
}


@lru_cache(maxsize=REMEMBERED)
def operation_named(name: str, operation_type: str = "") -> Operation:
    """The operation of an event: by its row, its verb, or GitHub's `operation_type`.

    `name` is in lower case. The verb is the first known word of its last part, else the last.
    """
    if name in _ROWS:
        return _ROWS[name]
    verb = name.rpartition(".")[2].replace("-", "_")
    if verb in _CLEARED:
        return Operation.CONFIGURE
    if _GRANTS.fullmatch(verb):
        return Operation.GRANT
    if _REVOKES.fullmatch(verb):
        return Operation.REVOKE
    words = verb.split("_")
    for word in (words[0], words[-1]):
        if present_of(word):
            return operation_of(f"github.{word}")
    return _TYPES.get(operation_type, Operation.OTHER)


def by_level(before: str, after: str) -> Operation | None:
    """GRANT when a permission was raised, REVOKE when it was lowered; None when nobody can say."""
    if before not in _LEVELS or after not in _LEVELS or before == after:
        return None
    raised = _LEVELS.index(after) > _LEVELS.index(before)
    return Operation.GRANT if raised else Operation.REVOKE


@lru_cache(maxsize=REMEMBERED)
def outcome_named(name: str) -> Outcome:
    """How an event ended that says no more than its name.

    The audit log records what was done, so it is success, unless the name speaks of a rejection
    or of a failure.
    """
    verb = name.rpartition(".")[2]
    if verb.startswith("rejected_") or verb in ("block", "blocked_push"):
        return Outcome.DENIED
    return Outcome.FAILURE if _FAILED.search(verb) else Outcome.SUCCESS


def concluded(conclusion: str) -> Outcome | None:
    """How a workflow run ended; None for one that was cancelled or skipped."""
    return _ENDS.get(conclusion)
