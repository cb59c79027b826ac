"""What Microsoft Entra ID calls its audit activities, as actions and operations.

Activities are English phrases (`Add member to group`, `Update user.`). Most follow a few patterns,
which are read here; the others have a row of their own. From Microsoft's reference of audit
categories and activities; the unified audit log of Microsoft 365 uses the same phrases.
"""

from __future__ import annotations

import re
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from indelible.base.limits import REMEMBERED
from indelible.event.actions import VendorAction, operation_of, present_of, singular
from indelible.event.model import Operation
from indelible.ingest.parsers.pick import action

_O = Operation
_GAP: Final = re.compile(r"[^A-Za-z0-9_']+")
_HUMP: Final = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

_ROWS: Final = """
accept terms of use | terms_of_use.accept | approve
decline terms of use | terms_of_use.decline | approve
access review ended | access_review.end | update
add app role assignment grant to user | app_role_assignment.grant | grant
add app role assignment to group | app_role_assignment.grant | grant
add app role assignment to service principal | app_role_assignment.grant | grant
remove app role assignment from user | app_role_assignment.revoke | revoke
remove app role assignment from group | app_role_assignment.revoke | revoke
remove app role assignment from service principal | app_role_assignment.revoke | revoke
add delegated permission grant | delegated_permission.grant | grant
add oauth2permissiongrant | delegated_permission.grant | grant
add delegation entry | delegated_permission.grant | grant
remove delegated permission grant | delegated_permission.revoke | revoke
remove oauth2permissiongrant | delegated_permission.revoke | revoke
remove delegation entry | delegated_permission.revoke | revoke
consent to application | application.consent | grant
grant contextual consent to application | application.consent | grant
delete consent | consent.delete | revoke
add role assignment to role definition | role_assignment.add | grant
remove role assignment from role definition | role_assignment.remove | revoke
add eligibleroleassignment to roledefinition | eligible_role_assignment.add | grant
remove eligibleroleassignment from roledefinition | eligible_role_assignment.remove | revoke
remove permanent direct role assignment | role_assignment.remove | revoke
remove permanent eligible role assignment | eligible_role_assignment.remove | revoke
restore permanent direct role assignment | role_assignment.restore | grant
restore permanent eligible role assignment | eligible_role_assignment.restore | grant
add member to role outside of pim | role_member.add | grant
add scoped member to role | scoped_role_member.add | grant
remove scoped member from role | scoped_role_member.remove | revoke
update application - certificates and secrets management | application_credential.update | update
update application certificates and secrets management | application_credential.update | update
disable account | user.disable | revoke
enable account | user.enable | grant
disable strong authentication | strong_authentication.disable | configure
enable strong authentication | strong_authentication.enable | configure
update stsrefreshtokenvalidfrom timestamp | refresh_token.revoke | revoke
revoke sign in sessions | sign_in_session.revoke | revoke
change password | password.change | update
change user password | password.change | update
reset password | password.reset | update
reset user password | password.reset | update
admin started password reset | password.start_reset | update
user started password reset | password.start_reset | update
user started password change | password.start_change | update
self service password reset flow activity progress | password.progress_reset | update
user password reset | password.reset | update
user password registration | password.register | update
set force change user password | password.force_change | update
unlock user account | user.unlock | grant
blocked from self service password reset | password_reset.block | revoke
security info saved for self service password reset | security_info.save | update
user registered security info | security_info.register | create
user registered all required security info | security_info.register | create
user deleted security info | security_info.delete | delete
user updated security info | security_info.update | update
user changed default security info | security_info.change_default | update
user reviewed security info | security_info.review | read
user canceled security info registration | security_info.cancel_registration | other
user started security info registration | security_info.start_registration | other
admin registered security info | security_info.register | create
admin deleted security info | security_info.delete | delete
admin updated security info | security_info.update | update
fraud reported user is blocked for mfa | fraud.report | other
fraud reported no action taken | fraud.report | other
suspicious activity reported | suspicious_activity.report | other
invite external user | external_user.invite | create
invite external user with reset invitation status | external_user.invite | create
invite internal user to b2b collaboration | internal_user.invite | create
redeem external user invite | external_user_invite.redeem | approve
redeem extern user invite | external_user_invite.redeem | approve
viral user creation | viral_user.create | create
read bitlocker key | bitlocker_key.read | read
reveal local administrator password | local_administrator_password.reveal | read
device no longer compliant | device.lose_compliance | other
device no longer managed | device.lose_management | other
set company information | company_information.set | configure
set dirsyncenabled flag | dirsync_flag.set | configure
set domain authentication | domain_authentication.set | configure
set federation settings on domain | domain_federation_settings.set | configure
add domain to company | domain.add | configure
remove domain from company | domain.remove | configure
add partner to company | company_partner.add | grant
remove partner from company | company_partner.remove | revoke
add a partner to cross tenant access setting | cross_tenant_access_partner.add | grant
promote company to partner | partner.promote | grant
demote partner | partner.demote | revoke
confirmaccountcompromised | account.confirm_compromised | approve
confirmcompromised | account.confirm_compromised | approve
confirmsafe | account.confirm_safe | approve
confirmserviceprincipalcompromised | service_principal.confirm_compromised | approve
dismissuser | user_risk.dismiss | approve
dismissserviceprincipal | service_principal_risk.dismiss | approve
administrator directly assigns user to access package | access_package_assignment.add | grant
administrator directly removes user access package assignment | \
access_package_assignment.remove | revoke
user requests access package assignment | access_package_assignment.request | create
fulfill access package assignment request | access_package_assignment_request.fulfill | grant
assign label to group | group_label.assign | update
remove label from group | group_label.remove | update
set group license | group_license.set | update
change user license | user_license.change | update
set user manager | user_manager.set | update
userloggedin | user.login | login
userloginfailed | user.login | login
userloggedoff | user.logout | logout
sign in activity | user.login | login
pim activation request expired | role_activation.expire | other
tenant offboarded from pim | pim_tenant.offboard | configure
onboarded resource to pim | pim_resource.onboard | configure
onboarded resource from pim | pim_resource.onboard | configure
offboarded resource from pim | pim_resource.offboard | configure
update role setting in pim | pim_role_setting.update | configure
triggered pim alert | pim_alert.trigger | other
deny decision | decision.deny | approve
deny all decisions | decision.deny | approve
deny access package assignment request | access_package_assignment_request.deny | approve
request approved | request.approve | approve
request denied | request.deny | approve
request rejected | request.reject | approve
request created | request.create | create
request canceled | request.cancel | other
request to join a group | group_membership.request | create
approve request direct role assignment | role_assignment_request.approve | approve
disable pause provisioning configuration | provisioning_configuration.disable | configure
enable restart provisioning configuration | provisioning_configuration.enable | configure
enable start provisioning configuration | provisioning_configuration.enable | configure
export | provisioned_object.export | export
import | provisioned_object.import | import
set group to be managed by user | group_manager.set | update
add windows hello for business credential | windows_hello_credential.create | create
delete windows hello for business credential | windows_hello_credential.delete | delete
mark recommendation as complete | recommendation.complete | update
assign user as external sponsor | external_sponsor.assign | grant
assign user as internal sponsor | internal_sponsor.assign | grant
remove user as external sponsor | external_sponsor.remove | revoke
remove user as internal sponsor | internal_sponsor.remove | revoke
pre create device | device.pre_create | create
"""


def _rows() -> dict[str, VendorAction]:
    found: dict[str, VendorAction] = {}
    for line in _ROWS.strip().splitlines():
        phrase, name, operation = (part.strip() for part in line.split("|"))
        found[" ".join(_words(phrase)).lower()] = VendorAction(f"entra.{name}", _O(operation))
    return found


def _words(phrase: str) -> list[str]:
    return [word for word in _GAP.split(phrase) if word]


_VERBS: Final = MappingProxyType({
    "harddelete": "purge", "hard": "purge", "unset": "clear", "edit": "update", "don't": "mark",
    "dismiss": "dismiss", "postpone": "postpone", "cancel": "cancel", "apply": "apply",
    "resolve": "resolve", "redeem": "redeem", "fulfill": "fulfill", "consent": "consent",
})
"""First words beyond the catalogue's verbs, or those that it would read otherwise."""

_LINKS: Final = frozenset(("to", "from", "in", "on", "for", "of", "with", "by"))
_HELD: Final = frozenset((
    "member", "members", "owner", "user", "users", "group", "assignment", "partner", "permission",
    "permissions", "consent",
))
"""What is given to a container or taken from it: adding it is a grant."""

_STATES: Final = MappingProxyType({
    "requested": "request", "canceled": "cancel", "cancelled": "cancel", "approved": "approve",
    "denied": "deny",
})
"""What became of a request of Privileged Identity Management that is not yet, or never, done."""


@lru_cache(maxsize=REMEMBERED)
def activity_action(phrase: str, kind: str = "") -> VendorAction:
    """The action of an activity as Entra ID writes it; `kind` is the record's `operationType`."""
    head, _, note = phrase.partition("(")
    words = _words(head)
    row = EXCEPTIONS.get(" ".join(words).lower())
    if row is not None:
        return row
    if words and words[-1].lower() in ("finished", "started") and "bulk" in note.lower():
        words = words[:-1]
    found = _privileged(words, note.lower()) or _plain(words) or _camel(words)
    if found is not None:
        return found
    operation = _KINDS.get(kind.lower(), _O.OTHER)
    return VendorAction(action("entra", "_".join(words) or "activity", "occur"), operation)


_KINDS: Final = MappingProxyType({
    "add": _O.CREATE, "assign": _O.GRANT, "unassign": _O.REVOKE, "update": _O.UPDATE,
    "delete": _O.DELETE, "create": _O.CREATE,
})
EXCEPTIONS: Final = MappingProxyType(_rows())
"""Phrase, in lower case and without punctuation, to action and operation."""


def _privileged(words: list[str], note: str) -> VendorAction | None:
    """`Add member to role in PIM requested (timebound)`, `... completed (PIM activation)`."""
    low = [word.lower() for word in words]
    verb = low[0] if low else ""
    if verb not in ("add", "remove", "update", "restore") or "member" not in low[:3]:
        return None
    if "role" not in low and "pim" not in low:
        return None
    thing = "eligible_role_member" if "eligible" in low else "role_member"
    if "activat" in note:
        verb = "expire" if "expired" in note else "deactivate" if "deact" in note else "activate"
    states = [_STATES[word] for word in low if word in _STATES]
    if states:
        operation = _O.APPROVE if states[-1] in ("approve", "deny") else _O.OTHER
        return VendorAction(f"entra.{thing}.{states[-1]}_{verb}", operation)
    operations = {"add": _O.GRANT, "restore": _O.GRANT, "activate": _O.GRANT, "update": _O.UPDATE}
    return VendorAction(f"entra.{thing}.{verb}", operations.get(verb, _O.REVOKE))


def _plain(words: list[str]) -> VendorAction | None:
    """`Add owner to application`, `Delete group`, `Authentication Strength Policy Update`."""
    low = [word.lower() for word in words if word.lower() not in ("a", "an", "the")]
    if len(low) > 2 and low[0] in ("bulk", "auto"):
        low = low[1:]
    if len(low) < 2:
        return None
    verb = _VERBS.get(low[0]) or present_of(low[0])
    if not verb or low[0].endswith("ed"):
        last = present_of(low[-1])
        if not last:
            return None
        return _made("_".join(low[:-1]), last)
    rest = low[2:] if low[0] == "hard" or low[1] == "or" else low[1:]
    rest = rest[1:] if low[1] == "or" else rest
    at = next((n for n, word in enumerate(rest) if word in _LINKS and 0 < n < len(rest) - 1), 0)
    if not at:
        return _made("_".join(_single(rest)), "create" if verb == "add" else verb)
    thing, holder = _single(rest[:at]), _single(rest[at + 1 :])
    name = "_".join(holder + thing)
    if verb in ("add", "remove") and rest[at - 1] in _HELD:
        operation = _O.GRANT if verb == "add" else _O.REVOKE
        return VendorAction(action("entra", name, verb), operation)
    return _made(name, verb)


def _camel(words: list[str]) -> VendorAction | None:
    """`Group_AddMember`, `User_Get`, `LcmPolicy_RenewGroup`, `ConfirmSafe`."""
    if len(words) != 1:
        return None
    holder, _, rest = words[0].partition("_")
    parts = [part.lower() for part in _HUMP.split(rest or holder)]
    verb = present_of(parts[0])
    if not verb or not (rest or len(parts) > 1):
        return None
    thing = [_HUMP.sub("_", holder).lower()] if rest else []
    name = "_".join(thing + _single(parts[1:]))
    if verb in ("add", "remove") and parts[1:] in (["member"], ["owner"]):
        return VendorAction(
            action("entra", name, verb), _O.GRANT if verb == "add" else _O.REVOKE
        )
    return _made(name, verb)


def _made(thing: str, verb: str) -> VendorAction:
    name = action("entra", thing, verb)
    return VendorAction(name, _O.DELETE if verb == "purge" else operation_of(name))


def _single(words: list[str]) -> list[str]:
    return [*words[:-1], singular(words[-1])] if words else []
