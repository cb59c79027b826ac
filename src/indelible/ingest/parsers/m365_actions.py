"""What the workloads of Microsoft 365 call their operations, as actions and operation classes.

Exchange administration is cmdlets (`Set-Mailbox`), SharePoint and Teams are `FileDownloaded`,
mailbox audit is bare verbs (`HardDelete`), Power BI is `ViewReport`, and Entra ID is the phrases of
its own audit log, which get the very actions they get there.
"""

from __future__ import annotations

import re
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from indelible.base.limits import ACTION_CHARS, REMEMBERED
from indelible.event.actions import VendorAction, operation_of, present_of, singular
from indelible.event.model import Operation
from indelible.ingest.parsers import pick
from indelible.ingest.parsers.entra_actions import activity_action

_O = Operation
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z0-9]+")
SERVICES: Final = MappingProxyType({
    "azureactivedirectory": "entra", "exchange": "exchange", "sharepoint": "sharepoint",
    "onedrive": "onedrive", "microsoftteams": "teams", "powerbi": "powerbi", "yammer": "yammer",
    "securitycompliancecenter": "compliance", "compliancemanager": "compliance",
    "publicendpoint": "compliance", "dynamics365": "dynamics", "crm": "dynamics",
    "microsoftflow": "flow", "powerapps": "powerapps", "microsoftforms": "forms",
    "microsoftstream": "stream", "threatintelligence": "defender", "aip": "purview",
    "dlp": "compliance", "endpoint": "endpoint", "skypeforbusiness": "skype",
    "airinvestigation": "defender", "quarantine": "defender", "planner": "planner",
    "copilot": "copilot", "mip": "purview",
    "microsoft365defender": "defender", "todo": "todo", "whiteboard": "whiteboard",
})
"""`Workload`, in lower case, to the first part of an action."""
_RECORD_TYPES: Final = MappingProxyType({
    "1": "exchange", "2": "exchange", "3": "exchange", "50": "exchange", "4": "sharepoint",
    "6": "sharepoint", "14": "sharepoint", "7": "onedrive", "8": "entra", "9": "entra",
    "15": "entra", "18": "compliance", "20": "powerbi", "21": "dynamics", "22": "yammer",
    "24": "compliance", "25": "teams", "40": "compliance", "28": "defender", "64": "defender",
    "exchangeadmin": "exchange", "exchangeitem": "exchange", "exchangeitemgroup": "exchange",
    "exchangeitemaggregated": "exchange", "sharepointfileoperation": "sharepoint",
    "sharepointsharingoperation": "sharepoint", "azureactivedirectory": "entra",
    "azureactivedirectorystslogon": "entra", "microsoftteams": "teams", "powerbiaudit": "powerbi",
})
"""`RecordType`, by number or name, for records that name no workload."""
_LOSSES: Final = frozenset((
    "11", "13", "33", "compliancedlpsharepoint", "compliancedlpexchange",
    "compliancedlpsharepointclassification",
))
"""`RecordType` of what rules against data loss found; their workload is where they found it."""

_CMDLETS: Final = MappingProxyType({
    "new": ("create", _O.CREATE), "set": ("update", _O.UPDATE), "add": ("add", _O.CREATE),
    "remove": ("delete", _O.DELETE), "get": ("get", _O.READ), "search": ("search", _O.READ),
    "test": ("test", _O.READ), "enable": ("enable", _O.CONFIGURE),
    "disable": ("disable", _O.CONFIGURE), "install": ("install", _O.CONFIGURE),
    "uninstall": ("uninstall", _O.CONFIGURE), "update": ("update", _O.UPDATE),
    "start": ("start", _O.EXECUTE), "stop": ("stop", _O.EXECUTE), "move": ("move", _O.UPDATE),
    "undo": ("restore", _O.CREATE), "restore": ("restore", _O.CREATE),
    "export": ("export", _O.EXPORT), "import": ("import", _O.IMPORT),
    "connect": ("connect", _O.LOGIN), "release": ("release", _O.EXECUTE),
    "view": ("view", _O.READ), "invoke": ("invoke", _O.EXECUTE), "grant": ("grant", _O.GRANT),
    "revoke": ("revoke", _O.REVOKE), "complete": ("complete", _O.UPDATE),
})
_RIGHTS: Final = (
    "permission", "group_member", "role_assignment", "role_entry", "admin", "case_member",
    "link", "permission_grant",
)
_CONFIGURED: Final = (
    "config", "settings", "policy", "rule", "connector", "domain", "log", "plan", "filter",
)

_ROWS: Final = MappingProxyType({
    # mailbox audit
    "exchange:mailitemsaccessed": ("mail_item", "access", _O.READ),
    "exchange:attachmentaccess": ("attachment", "access", _O.READ),
    "exchange:messagebind": ("message", "bind", _O.READ),
    "exchange:folderbind": ("folder", "bind", _O.READ),
    "exchange:searchqueryinitiatedexchange": ("search_query", "initiate", _O.READ),
    "exchange:send": ("message", "send", _O.EXECUTE),
    "exchange:sendas": ("message", "send_as", _O.EXECUTE),
    "exchange:sendonbehalf": ("message", "send_on_behalf", _O.EXECUTE),
    "exchange:create": ("item", "create", _O.CREATE),
    "exchange:update": ("item", "update", _O.UPDATE),
    "exchange:copy": ("item", "copy", _O.CREATE),
    "exchange:move": ("item", "move", _O.UPDATE),
    "exchange:movetodeleteditems": ("item", "move_to_deleted_items", _O.DELETE),
    "exchange:softdelete": ("item", "soft_delete", _O.DELETE),
    "exchange:harddelete": ("item", "hard_delete", _O.DELETE),
    "exchange:recorddelete": ("record", "delete", _O.DELETE),
    "exchange:applyrecord": ("record", "apply", _O.UPDATE),
    "exchange:applyrecordlabel": ("record_label", "apply", _O.UPDATE),
    "exchange:mailboxlogin": ("mailbox", "login", _O.LOGIN),
    "exchange:updateinboxrules": ("inbox_rule", "update", _O.UPDATE),
    "exchange:addfolderpermissions": ("folder_permission", "add", _O.GRANT),
    "exchange:removefolderpermissions": ("folder_permission", "remove", _O.REVOKE),
    "exchange:updatefolderpermissions": ("folder_permission", "update", _O.UPDATE),
    "exchange:modifyfolderpermissions": ("folder_permission", "update", _O.UPDATE),
    "exchange:updatecalendardelegation": ("calendar_delegation", "update", _O.UPDATE),
    # sharing
    "*:sharingset": ("sharing", "set", _O.GRANT),
    "*:sharingrevoked": ("sharing", "revoke", _O.REVOKE),
    "*:sharinginheritancebroken": ("sharing_inheritance", "break", _O.UPDATE),
    "*:sharinginheritancereset": ("sharing_inheritance", "reset", _O.UPDATE),
    "*:anonymouslinkcreated": ("anonymous_link", "create", _O.GRANT),
    "*:anonymouslinkupdated": ("anonymous_link", "update", _O.UPDATE),
    "*:anonymouslinkremoved": ("anonymous_link", "remove", _O.REVOKE),
    "*:anonymouslinkused": ("anonymous_link", "use", _O.READ),
    "*:companylinkcreated": ("company_link", "create", _O.GRANT),
    "*:companylinkremoved": ("company_link", "remove", _O.REVOKE),
    "*:companylinkused": ("company_link", "use", _O.READ),
    "*:securelinkcreated": ("secure_link", "create", _O.GRANT),
    "*:securelinkdeleted": ("secure_link", "delete", _O.REVOKE),
    "*:securelinkused": ("secure_link", "use", _O.READ),
    "*:addedtosecurelink": ("secure_link", "add_user", _O.GRANT),
    "*:removedfromsecurelink": ("secure_link", "remove_user", _O.REVOKE),
    "*:sharinginvitationcreated": ("sharing_invitation", "create", _O.GRANT),
    "*:sharinginvitationaccepted": ("sharing_invitation", "accept", _O.APPROVE),
    "*:sharinginvitationrevoked": ("sharing_invitation", "revoke", _O.REVOKE),
    "*:sharinginvitationblocked": ("sharing_invitation", "block", _O.OTHER),
    "*:accessinvitationcreated": ("access_invitation", "create", _O.GRANT),
    "*:accessinvitationrevoked": ("access_invitation", "revoke", _O.REVOKE),
    "*:accessrequestcreated": ("access_request", "create", _O.CREATE),
    "*:accessrequestapproved": ("access_request", "approve", _O.APPROVE),
    "*:addedtogroup": ("group_member", "add", _O.GRANT),
    "*:useraddedtogroup": ("group_member", "add", _O.GRANT),
    "*:removedfromgroup": ("group_member", "remove", _O.REVOKE),
    "*:userremovedfromgroup": ("group_member", "remove", _O.REVOKE),
    "*:sitecollectionadminadded": ("site_collection_admin", "add", _O.GRANT),
    "*:sitecollectionadminremoved": ("site_collection_admin", "remove", _O.REVOKE),
    "*:siteadminchangerequest": ("site_admin", "request_change", _O.CREATE),
    "*:geoadminadded": ("geo_admin", "add", _O.GRANT),
    "*:geoadmindeleted": ("geo_admin", "delete", _O.REVOKE),
    "*:permissionleveladded": ("permission_level", "add", _O.CREATE),
    "*:sharingpolicychanged": ("sharing_policy", "change", _O.CONFIGURE),
    "*:deviceaccesspolicychanged": ("device_access_policy", "change", _O.CONFIGURE),
    "*:networkaccesspolicychanged": ("network_access_policy", "change", _O.CONFIGURE),
    "*:unmanagedsyncclientblocked": ("sync_client", "block", _O.OTHER),
    "*:managedsyncclientallowed": ("sync_client", "allow", _O.OTHER),
    "*:filesyncdownloadedfull": ("file", "sync_download", _O.READ),
    "*:filesyncdownloadedpartial": ("file", "sync_download", _O.READ),
    "*:filesyncuploadedfull": ("file", "sync_upload", _O.CREATE),
    "*:filesyncuploadedpartial": ("file", "sync_upload", _O.CREATE),
    "*:fileaccessedextended": ("file", "access", _O.READ),
    "*:filemodifiedextended": ("file", "modify", _O.UPDATE),
    "*:filerecycled": ("file", "recycle", _O.DELETE),
    "*:folderrecycled": ("folder", "recycle", _O.DELETE),
    "*:fileversionrecycled": ("file_version", "recycle", _O.DELETE),
    "*:fileversionsallrecycled": ("file_version", "recycle", _O.DELETE),
    "*:fileversionsallminorsrecycled": ("file_version", "recycle", _O.DELETE),
    "*:filedeletedfirststagerecyclebin": ("file", "delete_from_recycle_bin", _O.DELETE),
    "*:filedeletedsecondstagerecyclebin":
        ("file", "delete_from_second_stage_recycle_bin", _O.DELETE),
    "*:folderdeletedfirststagerecyclebin": ("folder", "delete_from_recycle_bin", _O.DELETE),
    "*:folderdeletedsecondstagerecyclebin":
        ("folder", "delete_from_second_stage_recycle_bin", _O.DELETE),
    "*:filecheckedout": ("file", "check_out", _O.UPDATE),
    "*:filecheckedin": ("file", "check_in", _O.UPDATE),
    "*:filecheckoutdiscarded": ("file", "discard_check_out", _O.UPDATE),
    "*:filemalwaredetected": ("file_malware", "detect", _O.OTHER),
    "*:pageviewedextended": ("page", "view", _O.READ),
    "*:pageprefetched": ("page", "prefetch", _O.READ),
    "*:clientviewsignaled": ("page", "view", _O.READ),
    "*:searchqueryperformed": ("search_query", "perform", _O.READ),
    "*:compliancesettingchanged": ("retention_label", "change", _O.UPDATE),
    "*:lockrecord": ("record", "lock", _O.UPDATE),
    "*:unlockrecord": ("record", "unlock", _O.UPDATE),
    # teams
    "teams:memberadded": ("member", "add", _O.GRANT),
    "teams:memberremoved": ("member", "remove", _O.REVOKE),
    "teams:memberrolechanged": ("member_role", "change", _O.GRANT),
    "teams:teamssessionstarted": ("session", "start", _O.LOGIN),
    "teams:channeladded": ("channel", "create", _O.CREATE),
    "teams:channeldeleted": ("channel", "delete", _O.DELETE),
    "teams:botaddedtoteam": ("bot", "add", _O.CREATE),
    "teams:botremovedfromteam": ("bot", "remove", _O.DELETE),
    "teams:appinstalled": ("app", "install", _O.CONFIGURE),
    "teams:appuninstalled": ("app", "uninstall", _O.CONFIGURE),
    "teams:messagesent": ("message", "send", _O.EXECUTE),
    "teams:messagecreatedhaslink": ("message", "create", _O.CREATE),
    "teams:teamsettingchanged": ("team_setting", "change", _O.CONFIGURE),
    "teams:teamstenantsettingchanged": ("tenant_setting", "change", _O.CONFIGURE),
    "teams:chatcreated": ("chat", "create", _O.CREATE),
    # compliance
    "*:alerttriggered": ("alert", "trigger", _O.OTHER),
    "*:alertentitygenerated": ("alert_entity", "generate", _O.OTHER),
    "*:alertupdated": ("alert", "update", _O.UPDATE),
    "*:dlprulematch": ("dlp_rule", "match", _O.OTHER),
    "*:dlpruleundo": ("dlp_rule", "undo", _O.OTHER),
    "*:dlpinfo": ("dlp_rule", "inform", _O.OTHER),
    "*:airinvestigationdata": ("investigation", "update", _O.OTHER),
    "*:timaildata": ("mail_threat", "detect", _O.OTHER),
    "*:tiurlclickdata": ("url_click", "detect", _O.OTHER),
    "*:searchexportdownloaded": ("search_export", "download", _O.EXPORT),
    "*:searchexported": ("search", "export", _O.EXPORT),
    "*:casememberadded": ("case_member", "add", _O.GRANT),
    "*:sensitivitylabelapplied": ("sensitivity_label", "apply", _O.UPDATE),
    "*:filesensitivitylabelapplied": ("file_sensitivity_label", "apply", _O.UPDATE),
    "*:filesensitivitylabelchanged": ("file_sensitivity_label", "change", _O.UPDATE),
    "*:filesensitivitylabelremoved": ("file_sensitivity_label", "remove", _O.UPDATE),
    "copilot:copilotinteraction": ("copilot", "interact", _O.EXECUTE),
    # others
    "powerbi:sharereport": ("report", "share", _O.GRANT),
    "powerbi:sharedashboard": ("dashboard", "share", _O.GRANT),
    "powerbi:publishtowebreport": ("report", "publish_to_web", _O.GRANT),
    "powerbi:addgroupmembers": ("group_member", "add", _O.GRANT),
    "powerbi:updatedadminfeatureswitch": ("admin_feature_switch", "update", _O.CONFIGURE),
    "powerbi:analyzedbyexternalapplication": ("dataset", "analyze_externally", _O.READ),
    "*:userloggedin": ("user", "login", _O.LOGIN),
    "*:userloginfailed": ("user", "login", _O.LOGIN),
    "*:userloggedoff": ("user", "logout", _O.LOGOUT),
})
"""`service:operation` (or `*:operation`), in lower case, to object, verb and class."""


def service_of(workload: str, record_type: str) -> str:
    """The first part of the action of a record."""
    if record_type.lower() in _LOSSES:
        return "compliance"
    found = SERVICES.get(workload.lower())
    if found is None:
        found = _RECORD_TYPES.get(record_type.lower())
    named = 0 < len(workload) <= ACTION_CHARS // 4
    return found or (pick.part(workload) if named else "m365")


@lru_cache(maxsize=REMEMBERED)
def operation_action(service: str, name: str) -> VendorAction:
    """The action and the class of an operation of a service."""
    if service == "entra":
        return activity_action(name)
    low = name.lower()
    row = _ROWS.get(f"{service}:{low}") or _ROWS.get(f"*:{low}")
    if row is not None:
        return VendorAction(f"{service}.{row[0]}.{row[1]}", row[2])
    verb, dash, noun = name.partition("-")
    if dash and noun and verb.lower() in _CMDLETS:
        return _cmdlet(service, verb.lower(), noun)
    words = [word.lower() for word in _HUMP.split(name) if word]
    return _words(service, words)


def _cmdlet(service: str, verb: str, noun: str) -> VendorAction:
    """`Add-MailboxPermission`: what is added to somebody's rights is a grant."""
    thing = pick.part(noun)
    plain, operation = _CMDLETS[verb]
    if verb == "new" and thing.endswith("export_request"):
        operation = _O.EXPORT
    elif thing.endswith(_RIGHTS):
        if verb in ("add", "new"):
            operation = _O.GRANT
        elif verb == "remove":
            plain, operation = "remove", _O.REVOKE
    elif verb == "set" and thing.endswith(_CONFIGURED) and thing != "inbox_rule":
        operation = _O.CONFIGURE
    return VendorAction(pick.action(service, thing, plain), operation)


def _words(service: str, words: list[str]) -> VendorAction:
    """`FileRenamed`, `ViewReport`, `GroupCreation`; else that something happened."""
    if not words:
        return VendorAction(pick.action(service, "record", "occur"), _O.OTHER)
    last, first = present_of(words[-1]), present_of(words[0])
    if len(words) > 1 and last and words[-1] != last:
        thing, verb = words[:-1], last
    elif len(words) > 1 and first and first == words[0]:
        thing, verb = [*words[1:-1], singular(words[-1])], first
    elif len(words) > 1 and words[-1] in _NOUNS:
        thing, verb = words[:-1], _NOUNS[words[-1]]
    elif len(words) > 1 and first:
        thing, verb = [*words[1:-1], singular(words[-1])], first
    elif len(words) == 1 and first:
        thing, verb = ["item"], first
    else:
        return VendorAction(pick.action(service, "_".join(words), "occur"), _O.OTHER)
    name = pick.action(service, "_".join(thing), verb)
    return VendorAction(name, operation_of(name))


_NOUNS: Final = MappingProxyType({
    "creation": "create", "deletion": "delete", "export": "export", "removal": "remove",
    "download": "download", "upload": "upload", "update": "update", "access": "access",
})
