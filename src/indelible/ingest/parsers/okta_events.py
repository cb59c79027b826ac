"""Okta's event types: what each is called here, and which operation it is. Data, and its reading.

The table follows Okta's catalogue of event types
(developer.okta.com/docs/reference/api/event-types). A row ending in `.*` speaks of the whole
family below it unless a longer row does; a type without a row has the operation that its verb has
in `event.catalogue`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from indelible.base.limits import REMEMBERED
from indelible.event.actions import VendorAction, operation_of
from indelible.event.model import Operation
from indelible.ingest.parsers import pick

_TYPES: Final[dict[Operation, str]] = {
    Operation.LOGIN: """
        user.session.start user.session.access_admin_app user.session.impersonation.initiate
        user.authentication.* user.device_session.start user.identity_verification.*
        user.mfa.okta_verify.* user.mfa.attempt_bypass
        app.oauth2.signon app.oauth2.authorize.* app.oauth2.as.authorize.*
        app.oauth2.token.grant.* app.oauth2.as.token.grant.* app.oauth2.interact.*
        app.oauth2.as.interact.* app.oauth2.invalid_client_credentials
        app.generic.unauth_app_access_attempt app.inbound_del_auth.* app.kerberos_rich_client.*
        application.policy.sign_on.deny_access device.platform_sso.authentication
        device.password_sync.authentication system.iwa_agentless.auth.*
        system.iwa_agentless.auth_after_redirect system.iwa_agentless.redirect
        system.iwa_agentless.user.not_found system.ldapi.bind pam.server.ssh_login
        pam.auth_token.issue pam.user_creds.issue system.email.challenge_factor_redeemed""",
    Operation.LOGOUT: """
        user.session.end user.session.expire user.session.clear user.session.impersonation.end
        user.authentication.slo user.authentication.universal_logout.* user.device_session.end
        device.desktop_mfa.device_logout.* system.ldapi.unbind""",
    Operation.GRANT: """
        user.account.privilege.grant group.privilege.grant app.oauth2.client.privilege.grant
        group.user_membership.add group.application_assignment.add application.user_membership.add
        application.user_membership.restore master_application.user_membership.add
        application.provision.group_membership.add directory.external.group.membership.add
        iam.resourceset.bindings.add iam.resourceset.resources.add iam.role.permissions.add
        iam.role.permission.conditions.delete app.access_request.grant app.oauth2.trusted_server.add
        app.cross_app_access.connection.create app.interclient_mapping.create
        integration.api_service.lifecycle.authorize workflows.user.role.group.add
        workflows.user.role.user.add workflows.user.connection.reauthorize
        user.session.impersonation.grant user.session.impersonation.extend
        system.directory.debugger.grant system.directory.debugger.extend
        user.lifecycle.unsuspend device.lifecycle.unsuspend user.account.unlock.*
        user.account.unlock_by_admin user.account.unlock_token system.import.user.unsuspend.*
        account.org_group.org.assign system.identity_sources.group.user.assign
        pam.entitlement_sudo.add_to_project pam.project.add_group pam.member.add pam.client.assign
        pam.service_account.assign pam.gateway_creds.issue pam.permission.change
        pam.preauthorization.create security.zone.remove_blacklist""",
    Operation.REVOKE: """
        user.account.privilege.revoke group.privilege.revoke app.oauth2.client.privilege.revoke
        group.user_membership.remove group.application_assignment.remove
        application.user_membership.remove application.user_membership.revoke
        application.user_membership.deprovision application.provision.group_membership.remove
        application.provision.user.deprovision directory.external.group.membership.remove
        iam.resourceset.bindings.delete iam.resourceset.resources.delete
        iam.role.permissions.delete iam.role.permission.conditions.add
        app.oauth2.trusted_server.delete app.cross_app_access.connection.delete
        app.interclient_mapping.delete app.interclient_mapping.delete_all
        app.oauth2.consent.revoke.* app.oauth2.as.consent.revoke.* app.oauth2.token.revoke.*
        app.oauth2.as.token.revoke.* integration.api_service.lifecycle.revoke
        workflows.user.role.group.remove workflows.user.role.user.remove
        workflows.user.connection.revoke user.session.impersonation.revoke
        system.directory.debugger.revoke user.lifecycle.suspend device.lifecycle.suspend
        system.import.user.suspend user.account.lock.* app.ad.api.user_import.account_locked
        account.org_group.org.revoke system.identity_sources.group.user.revoke
        pam.entitlement_sudo.remove_from_project pam.project.remove_group pam.member.remove
        pki.cert.lifecycle.hold pki.cert.lifecycle.suspend security.zone.make_blacklist""",
    Operation.APPROVE: """
        access.request.resolve access.request.reject access.review.action
        app.access_request.approver.* app.access_request.deny
        application.user_membership.approve certification.campaign.item.decide
        pam.incoming_federation.approve pam.outgoing_federation.approve
        system.import.user_match.confirm""",
    Operation.READ: """
        application.user_membership.show_password application.configuration.read_client_secret
        app.oauth2.client.read_client_secret system.idp.lifecycle.read_client_secret
        support.org.view pam.secret.reveal pam.server_account.password.reveal
        pam.service_account.password.reveal workflows.user.table.view system.ldapi.search
        system.agent.ad.read_config system.agent.ad.read_dirsync system.agent.ad.read_ldap
        system.agent.ad.read_schema system.agent.ad.read_topology
        system.directory.debugger.query_executed application.provision.user.verify_exists
        application.provision.group.verify_exists""",
    Operation.EXPORT: """
        analytics.reports.export.* app.audit_report.download.* workflows.user.flow.export
        workflows.user.folder.export workflows.user.table.export
        workflows.user.table.schema.export personal.user.app_migration.export
        mim.streamDevicesCSVDownload system.agent.ad.upload_log system.agent.ad.upload_iwa_log""",
    Operation.IMPORT: """
        system.import.* app.realtimesync.import.* user.import.password system.csv.import_user
        app.user_management.user_group_import.* app.user_management.import.*
        application.provision.group.import application.provision.group_membership.import
        application.provision.user.import application.provision.user.import_profile
        application.configuration.import_schema system.agent.ad.import_ou
        system.agent.ad.import_user app.ai_agent_provider.import.* workflows.user.flow.import
        workflows.user.folder.import workflows.user.table.import
        workflows.user.table.schema.import""",
    Operation.CREATE: """
        system.import.group.create system.import.user.create system.import.custom_object.create
        user.credential.enroll pam.client.enroll pam.server.enroll pam.unbound_client.enroll
        device.platform_sso.keys.register workflows.user.folder.duplicate policy.mapping.create""",
    Operation.UPDATE: """
        user.account.expire_password user.account.preference_update
        user.lifecycle.password_mass_expiry user.behavior.profile.reset
        user.account.use_token system.import.group.update system.import.user.update.*
        system.import.custom_object.update system.import.roadblock.updated
        application.provision.group_push.* account.org.delete.cancel
        scheduled_action.user_suspension.* workflows.user.flow.save
        app.saml.sensitive.attribute.update""",
    Operation.DELETE: """
        user.lifecycle.delete.* account.org.delete.request system.import.group.delete
        system.import.user.delete system.import.custom_object.delete
        system.identity_sources.bulk_delete system.identity_sources.bulk_group_delete
        system.identity_sources.bulk_group_membership_delete system.org.task.remove""",
    Operation.CONFIGURE: """
        zone.* network_zone.* security.device.* security.voice.* self_service.*
        application.configuration.update application.configuration.enable_fed_broker_mode
        application.configuration.disable_fed_broker_mode system.feature.* system.beta.feature.*
        system.iwa.* pam.offline_enabled_event pam.offline_disabled_event
        system.mfa.factor.activate system.mfa.factor.deactivate user.mfa.factor.suspend
        user.mfa.factor.unsuspend
        workflows.user.flow.execution_history.activate
        workflows.user.flow.execution_history.deactivate""",
    Operation.EXECUTE: """
        system.email.* system.sms.* system.voice.* system.push.* device.custom_push.*
        system.agent.* mim.command.* policy.rule.action.execute policy.scheduled.execute
        policy.execute.user.start policy.entity_risk.action policy.continuous_access.action
        policy.auth_reevaluate.action workflows.user.delegatedflow.run
        workflows.user.flow.execution.cancel inline_hook.executed inline_hook.response.processed
        event_hook.delivery pam.resource.checkout pam.resource.checkin.* system.dr.*
        application.provision.integration.call_api app.request_new.notify""",
    Operation.OTHER: """
        policy.evaluate_sign_on policy.auth_reevaluate.* policy.entity_risk.*
        policy.continuous_access.* pam.security_policy.evaluate security.threat.detected
        security.attack.start security.attack.end security.request.blocked
        security.breached_credential.detected security.session.* user.risk.*
        user.session.context.change security.protected_action.attempt
        security.events.provider.receive_event core.* system.org.rate_limit.*
        system.client.* system.operation.* workflows.org.* app.office365.*
        app.oauth2.client_id_rate_limit_warning application.integration.*
        app.oauth2.token.detect_reuse app.oauth2.as.token.detect_reuse app.token.reuse
        system.api_token.request_outside_allowed_range
        system.oauth2.token.request_outside_allowed_range system.agent.ad.config_change_detected
        system.agent.ldap.config_change_detected pki.ca.expiration.warn
        user.account.report_suspicious_activity_by_enduser device.signals.status.timeout""",
}

_ROWS: Final = {row: operation for operation, rows in _TYPES.items() for row in rows.split()}

REFUSALS: Final = frozenset(
    ("app.generic.unauth_app_access_attempt", "application.policy.sign_on.deny_access",
     "security.request.blocked", "pam.security_policy.evaluate", "policy.auth_reevaluate.fail",
     "system.api_token.request_outside_allowed_range",
     "system.oauth2.token.request_outside_allowed_range")
)
"""Types that say by their meaning that access was refused, where their result is `FAILURE`."""


@lru_cache(maxsize=REMEMBERED)
def known(event_type: str) -> VendorAction:
    """The action (`okta.` and the event type, in lower case) and operation of an event type.

    A token's kind stands before its granting (`app.oauth2.access_token.grant`), and what a grant
    or a revocation was limited to is left to `data.vendor_action`, so that the verb is last.
    """
    tail = event_type
    front, granted, kind = event_type.partition(".token.grant.")
    if granted:
        tail = f"{front}.{kind}.grant"
    for verb in (".consent.revoke.", ".token.revoke.", ".authorize."):
        front, cut, rest = tail.partition(verb)
        if cut and "denied" not in rest:
            tail = front + verb[:-1]
    parts = [part for part in tail.split(".") if part] or ["unknown"]
    return VendorAction(pick.action("okta", *parts), _operation(event_type))


def _operation(event_type: str) -> Operation:
    """By the row of the type itself, then of the nearest family, then by its verb."""
    if event_type in _ROWS:
        return _ROWS[event_type]
    family = event_type
    while family:
        if f"{family}.*" in _ROWS:
            return _ROWS[f"{family}.*"]
        family = family.rpartition(".")[0]
    return operation_of(pick.part(event_type.rpartition(".")[2]))
