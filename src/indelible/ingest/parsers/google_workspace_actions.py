"""What the Admin SDK's Reports API calls activities, as actions and operation classes.

Admin activities are `VERB_OBJECT` in capitals (`CREATE_USER`); the other applications have names of
their own kind (`login_success`, `change_user_access`). From Google's appendices of activity events.
"""

from __future__ import annotations

import re
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from indelible.base.limits import REMEMBERED
from indelible.event.actions import VendorAction, operation_of, present_of, singular
from indelible.event.model import Operation
from indelible.ingest.parsers import pick

_O = Operation
_GAP: Final = re.compile(r"[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])")
_ROWS: Final = MappingProxyType({
    # login, saml, user_accounts
    "login:login_success": ("user", "login", _O.LOGIN),
    "login:login_failure": ("user", "login", _O.LOGIN),
    "login:login_challenge": ("user", "challenge", _O.LOGIN),
    "login:login_verification": ("user", "verify", _O.LOGIN),
    "login:logout": ("user", "logout", _O.LOGOUT),
    "login:suspicious_login": ("suspicious_login", "detect", _O.OTHER),
    "login:suspicious_login_less_secure_app": ("suspicious_login", "detect", _O.OTHER),
    "login:suspicious_programmatic_login": ("suspicious_login", "detect", _O.OTHER),
    "login:account_disabled_generic": ("account", "disable", _O.REVOKE),
    "login:account_disabled_hijacked": ("account", "disable", _O.REVOKE),
    "login:account_disabled_password_leak": ("account", "disable", _O.REVOKE),
    "login:account_disabled_spamming": ("account", "disable", _O.REVOKE),
    "login:account_disabled_spamming_through_relay": ("account", "disable", _O.REVOKE),
    "login:user_signed_out_due_to_suspicious_session_cookie": ("user", "logout", _O.LOGOUT),
    "login:gov_attack_warning": ("government_attack", "warn", _O.OTHER),
    "login:risky_sensitive_action_allowed": ("sensitive_action", "allow", _O.OTHER),
    "login:risky_sensitive_action_blocked": ("sensitive_action", "block", _O.OTHER),
    "login:blocked_sender": ("sender", "block", _O.CONFIGURE),
    "login:passkey_enrolled": ("passkey", "enroll", _O.CREATE),
    "login:passkey_removed": ("passkey", "remove", _O.DELETE),
    "*:2sv_disable": ("2sv", "disable", _O.CONFIGURE),
    "*:2sv_enroll": ("2sv", "enroll", _O.CONFIGURE),
    "*:password_edit": ("password", "edit", _O.UPDATE),
    "*:recovery_email_edit": ("recovery_email", "edit", _O.UPDATE),
    "*:recovery_phone_edit": ("recovery_phone", "edit", _O.UPDATE),
    "*:recovery_secret_qa_edit": ("recovery_question", "edit", _O.UPDATE),
    "*:titanium_enroll": ("advanced_protection", "enroll", _O.CONFIGURE),
    "*:titanium_unenroll": ("advanced_protection", "unenroll", _O.CONFIGURE),
    "*:email_forwarding_out_of_domain": ("email_forwarding", "set_out_of_domain", _O.CONFIGURE),
    "saml:login_success": ("saml_application", "login", _O.LOGIN),
    "saml:login_failure": ("saml_application", "login", _O.LOGIN),
    # token
    "token:authorize": ("token", "authorize", _O.GRANT),
    "token:revoke": ("token", "revoke", _O.REVOKE),
    "token:activity": ("token", "use", _O.EXECUTE),
    "token:request": ("token", "request", _O.CREATE),
    "token:deny": ("token", "deny", _O.OTHER),
    # drive
    "drive:change_user_access": ("drive_item_access", "change", _O.GRANT),
    "drive:change_user_access_hierarchy_reconciled": ("drive_item_access", "change", _O.GRANT),
    "drive:change_document_access_scope": ("drive_item_access_scope", "change", _O.GRANT),
    "drive:change_document_access_scope_hierarchy_reconciled":
        ("drive_item_access_scope", "change", _O.GRANT),
    "drive:change_document_visibility": ("drive_item_visibility", "change", _O.GRANT),
    "drive:change_document_visibility_hierarchy_reconciled":
        ("drive_item_visibility", "change", _O.GRANT),
    "drive:change_acl_editors": ("drive_item_acl_editors", "change", _O.UPDATE),
    "drive:shared_drive_membership_change": ("shared_drive_membership", "change", _O.GRANT),
    "drive:team_drive_membership_change": ("shared_drive_membership", "change", _O.GRANT),
    "drive:shared_drive_settings_change": ("shared_drive_settings", "change", _O.CONFIGURE),
    "drive:team_drive_settings_change": ("shared_drive_settings", "change", _O.CONFIGURE),
    "drive:change_owner": ("drive_item_owner", "change", _O.GRANT),
    "drive:owner_changed": ("drive_item_owner", "change", _O.GRANT),
    "drive:publish_change": ("drive_item_publication", "change", _O.GRANT),
    "drive:add_to_folder": ("drive_item", "add_to_folder", _O.UPDATE),
    "drive:remove_from_folder": ("drive_item", "remove_from_folder", _O.UPDATE),
    "drive:trash": ("drive_item", "trash", _O.DELETE),
    "drive:untrash": ("drive_item", "untrash", _O.CREATE),
    "drive:source_copy": ("drive_item", "copy", _O.CREATE),
    "drive:copy": ("drive_item", "copy", _O.CREATE),
    "drive:add_lock": ("drive_item", "lock", _O.UPDATE),
    "drive:remove_lock": ("drive_item", "unlock", _O.UPDATE),
    "drive:access_item_content": ("drive_item_content", "access", _O.READ),
    "drive:email_as_attachment": ("drive_item", "email_as_attachment", _O.EXPORT),
    "drive:email_collaborators": ("drive_item_collaborators", "email", _O.EXECUTE),
    "drive:connected_sheets_query": ("connected_sheet", "query", _O.READ),
    "drive:sheets_import_range": ("drive_item", "import_range", _O.READ),
    # admin
    "admin:add_group_member": ("group_member", "add", _O.GRANT),
    "admin:remove_group_member": ("group_member", "remove", _O.REVOKE),
    "admin:update_group_member": ("group_member", "update", _O.UPDATE),
    "admin:assign_role": ("role", "assign", _O.GRANT),
    "admin:unassign_role": ("role", "unassign", _O.REVOKE),
    "admin:add_privilege": ("role_privilege", "add", _O.GRANT),
    "admin:remove_privilege": ("role_privilege", "remove", _O.REVOKE),
    "admin:grant_admin_privilege": ("admin_privilege", "grant", _O.GRANT),
    "admin:revoke_admin_privilege": ("admin_privilege", "revoke", _O.REVOKE),
    "admin:grant_delegated_admin_privileges": ("delegated_admin_privilege", "grant", _O.GRANT),
    "admin:authorize_api_client_access": ("api_client_access", "authorize", _O.GRANT),
    "admin:remove_api_client_access": ("api_client_access", "remove", _O.REVOKE),
    "admin:add_to_trusted_oauth2_apps": ("trusted_oauth2_app", "add", _O.GRANT),
    "admin:remove_from_trusted_oauth2_apps": ("trusted_oauth2_app", "remove", _O.REVOKE),
    "admin:suspend_user": ("user", "suspend", _O.REVOKE),
    "admin:unsuspend_user": ("user", "unsuspend", _O.GRANT),
    "admin:archive_user": ("user", "archive", _O.REVOKE),
    "admin:unarchive_user": ("user", "unarchive", _O.GRANT),
    "admin:undelete_user": ("user", "undelete", _O.CREATE),
    "admin:move_user_to_org_unit": ("user", "move", _O.UPDATE),
    "admin:move_device_to_org_unit": ("device", "move", _O.UPDATE),
    "admin:change_password": ("password", "change", _O.UPDATE),
    "admin:change_password_on_next_login": ("password", "force_change", _O.UPDATE),
    "admin:reset_signin_cookies": ("signin_cookies", "reset", _O.REVOKE),
    "admin:revoke_3lo_token": ("oauth_token", "revoke", _O.REVOKE),
    "admin:revoke_3lo_device_tokens": ("oauth_device_token", "revoke", _O.REVOKE),
    "admin:revoke_asp": ("application_password", "revoke", _O.REVOKE),
    "admin:revoke_security_key": ("security_key", "revoke", _O.DELETE),
    "admin:turn_off_2_step_verification": ("2_step_verification", "turn_off", _O.CONFIGURE),
    "admin:enforce_strong_authentication": ("strong_authentication", "enforce", _O.CONFIGURE),
    "admin:allow_strong_authentication": ("strong_authentication", "allow", _O.CONFIGURE),
    "admin:unenroll_user_from_strong_auth": ("strong_authentication", "unenroll", _O.CONFIGURE),
    "admin:unenroll_user_from_titanium": ("advanced_protection", "unenroll", _O.CONFIGURE),
    "admin:transfer_document_ownership": ("document_ownership", "transfer", _O.GRANT),
    "admin:create_data_transfer_request": ("data_transfer_request", "create", _O.EXPORT),
    "admin:create_email_monitor": ("email_monitor", "create", _O.CONFIGURE),
    "admin:request_mailbox_dump": ("mailbox_dump", "request", _O.EXPORT),
    "admin:request_account_info": ("account_info", "request", _O.EXPORT),
    "admin:download_userlist_csv": ("user_list", "download", _O.EXPORT),
    "admin:group_members_download": ("group_members", "download", _O.EXPORT),
    "admin:group_list_download": ("group_list", "download", _O.EXPORT),
    "admin:customer_takeout_created": ("customer_takeout", "create", _O.EXPORT),
    "admin:email_log_search": ("email_log", "search", _O.READ),
    "admin:view_temp_password": ("temporary_password", "view", _O.READ),
    "admin:user_license_assignment": ("user_license", "assign", _O.GRANT),
    "admin:user_license_revoke": ("user_license", "revoke", _O.REVOKE),
    "admin:add_trusted_domains": ("trusted_domain", "add", _O.GRANT),
    "admin:remove_trusted_domains": ("trusted_domain", "remove", _O.REVOKE),
    "admin:mobile_device_wipe": ("mobile_device", "wipe", _O.DELETE),
    "admin:mobile_account_wipe": ("mobile_account", "wipe", _O.DELETE),
    "admin:mobile_device_approve": ("mobile_device", "approve", _O.APPROVE),
    "admin:mobile_device_block": ("mobile_device", "block", _O.REVOKE),
    "admin:action_requested": ("action", "request", _O.OTHER),
    "admin:action_cancelled": ("action", "cancel", _O.OTHER),
    "admin:security_investigation_query": ("security_investigation", "query", _O.READ),
    # groups, calendar, others
    "groups:add_user": ("group_member", "add", _O.GRANT),
    "groups:remove_user": ("group_member", "remove", _O.REVOKE),
    "groups:invite_user": ("group_member", "invite", _O.GRANT),
    "groups:accept_invitation": ("group_invitation", "accept", _O.APPROVE),
    "groups:approve_join_request": ("group_join_request", "approve", _O.GRANT),
    "groups:request_to_join": ("group_membership", "request", _O.CREATE),
    "groups:join": ("group", "join", _O.GRANT),
    "groups:ban_user_with_moderation": ("group_member", "ban", _O.REVOKE),
    "groups:change_acl_permission": ("group_acl_permission", "change", _O.GRANT),
    "groups_enterprise:add_member": ("group_member", "add", _O.GRANT),
    "groups_enterprise:remove_member": ("group_member", "remove", _O.REVOKE),
    "groups_enterprise:add_member_role": ("group_member_role", "add", _O.GRANT),
    "groups_enterprise:remove_member_role": ("group_member_role", "remove", _O.REVOKE),
    "calendar:change_calendar_acls": ("calendar_acl", "change", _O.GRANT),
    "calendar:create_event": ("calendar_event", "create", _O.CREATE),
    "calendar:delete_event": ("calendar_event", "delete", _O.DELETE),
    "calendar:add_event_guest": ("calendar_event_guest", "add", _O.GRANT),
    "calendar:remove_event_guest": ("calendar_event_guest", "remove", _O.REVOKE),
    "context_aware_access:access_deny_event": ("application", "access", _O.READ),
    "context_aware_access:access_deny_internal_error_event": ("application", "access", _O.READ),
    "context_aware_access:monitor_mode_access_deny_event": ("application", "access", _O.READ),
    "mobile:device_compromised_event": ("mobile_device_compromise", "detect", _O.OTHER),
    "mobile:suspicious_activity_event": ("mobile_suspicious_activity", "detect", _O.OTHER),
    "mobile:failed_password_attempts_event": ("mobile_device", "unlock", _O.LOGIN),
    "mobile:device_register_unregister_event": ("mobile_account", "register", _O.CONFIGURE),
    "mobile:device_sync_event": ("mobile_account", "sync", _O.UPDATE),
    "access_transparency:access": ("customer_data", "access", _O.READ),
    "gcp:import_ssh_public_key": ("ssh_public_key", "import", _O.CREATE),
})
"""`application:name` (or `*:name`), in lower case, to object, verb and class."""

_DRIVE: Final = frozenset((
    "view", "download", "edit", "create", "delete", "upload", "print", "preview", "rename", "move",
))

_NOTICED: Final = frozenset((
    "govattackwarning", "suspiciouslogin", "suspiciousloginlesssecureapp",
    "suspiciousprogrammaticlogin", "usersignedoutduetosuspicioussessioncookie",
))


@lru_cache(maxsize=REMEMBERED)
def is_noticed(name: str) -> bool:
    """Whether Google itself did or noticed what an event tells, listed under the one concerned.

    So are warnings of an account that the login application lists; of the sensitive actions that it
    warns of the account's holder is the actor. `name` is the activity's, or that of the RPC by
    which Google Cloud tells of it.
    """
    low = name.replace("_", "").lower()
    return low in _NOTICED or low.startswith("accountdisabled")


@lru_cache(maxsize=REMEMBERED)
def activity_action(application: str, name: str) -> VendorAction:
    """The action and the class of an event of an application."""
    low = name.lower()
    row = _ROWS.get(f"{application}:{low}") or _ROWS.get(f"*:{low}")
    if row is not None:
        return VendorAction(f"workspace.{row[0]}.{row[1]}", row[2])
    if application == "drive" and low in _DRIVE:
        return VendorAction(f"workspace.drive_item.{low}", operation_of(low))
    words = [word.lower() for word in _GAP.split(name) if word]
    if len(words) > 2 and words[-1] == "event":
        words = words[:-1]
    last, first = present_of(words[-1]) if words else "", present_of(words[0]) if words else ""
    unknown = bool(words) and words[-1].endswith("ed") and not last
    if first and len(words) > 1 and first == words[0] and not unknown:
        thing, verb = [*words[1:-1], singular(words[-1])], first
    elif last and len(words) > 1:
        thing, verb = words[:-1], last
    elif first and len(words) == 1:
        thing, verb = [application or "activity"], first
    else:
        front = [application] if application and application != "admin" else []
        found = pick.action("workspace", "_".join([*front, *words]) or "activity", "occur")
        return VendorAction(found, _O.OTHER)
    found = pick.action("workspace", "_".join(thing), verb)
    operation = operation_of(found)
    if application == "admin" and thing[-1].startswith("setting") and operation is not _O.READ:
        operation = _O.CONFIGURE
    return VendorAction(found, operation)
