"""What of a Windows event has no member of its own and is worth a search: its `data`. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from indelible.base.limits import NAME_CHARS
from indelible.ingest.parsers.windows_actor import NOBODY, Who
from indelible.ingest.parsers.windows_codes import listed, number_of, rendered
from indelible.ingest.parsers.windows_rows import AUDITING
from indelible.ingest.parsers.windows_seen import EMPTY, Seen

_SHORT: Final = """
ProcessName process|NewProcessName process|Image process|CallerProcessName process
ProcessId process_id|NewProcessId new_process_id|CommandLine command_line
ParentProcessName parent_process|ParentImage parent_process|ParentCommandLine parent_command_line
LogonProcessName logon_process|AuthenticationPackageName authentication_package
PackageName authentication_package|LmPackageName lm_package|WorkstationName workstation
TargetSid target_sid|TargetUserSid target_sid|MemberSid member_sid|TargetServerName target_server
TargetOutboundUserName outbound_user|TargetOutboundDomainName outbound_domain
TicketEncryptionType ticket_encryption|TicketOptions ticket_options|PreAuthType pre_auth_type
CertThumbprint certificate_thumbprint|CertIssuerName certificate_issuer|ServiceSid service_sid
IpPort port|SessionName session_name|SessionId session_id|ObjectType object_type
ObjectServer object_server|ObjectClass object_class|ObjectGUID object_guid|HandleId handle_id
AccessMask access_mask|ServiceFileName service_file|ImagePath service_file
ServiceAccount service_account|ServiceType service_type|ServiceStartType start_type
StartType start_type|ShareLocalPath share_path|Application application|DestAddress dest_address
DestPort dest_port|SourcePort source_port|Protocol protocol|DestinationIp dest_address
DestinationPort dest_port|DestinationHostname dest_host|QueryResults query_results
Hashes hashes|IntegrityLevel integrity_level|MandatoryLabel mandatory_label
OpCorrelationID correlation_id|DomainPolicyChanged what|Path path|ScriptBlockText script
FullFilePath path|RuleName rule|PolicyName rules|BackupPath backup_path|param1 param1
param2 param2|param3 param3|param4 param4|param5 param5|param6 param6
Threat Name threat|Action Name taken|AuditsDiscarded discarded
SubcategoryGuid subcategory_guid|TokenElevationType elevation|Direction direction
LayerName layer|CategoryId category|ImpersonationLevel impersonation|ReadOperation read_operation
Operation operation|NewState new_state|ProfileChanged profile|LogonGuid logon_guid
TransmittedServices transited_services|AccessReason access_reason|KeyType key_type
AlgorithmName algorithm|ProviderName cryptographic_provider|Requester requester|Subject subject
"""


def _table() -> dict[str, str]:
    pairs = (one.strip().rpartition(" ") for line in _SHORT.split("\n") for one in line.split("|"))
    return {field: name for field, _, name in pairs if field}


_NAMES: Final = _table()
"""Field to member of `data`; values are texts, with `%%` numbers written out."""
_ZERO_GUID: Final = frozenset((
    "{00000000-0000-0000-0000-000000000000}", "00000000-0000-0000-0000-000000000000",
))
_NOTHING: Final = EMPTY | _ZERO_GUID | {NOBODY, "<value not set>"}
_COMMAND: Final = re.compile(r"<Command>([^<]{1,1024})</Command>")
_ARGUMENTS: Final = re.compile(r"<Arguments>([^<]{1,1024})</Arguments>")


def facts_of(seen: Seen, found: Who | None) -> dict[str, object]:
    """`data` of an event, or of one that names nobody."""
    facts: dict[str, object] = {"vendor_action": str(seen.event_id)}
    if seen.provider and seen.provider.lower() != AUDITING:
        facts["provider"] = seen.provider
    if found is not None:
        if found.account.sid:
            facts["actor_sid"] = found.account.sid
        if found.account.domain:
            facts["actor_domain"] = found.account.domain
        if found.behind is not None and found.behind.sid:
            facts["behind_sid"] = found.behind.sid
    if seen.activity and seen.activity not in _ZERO_GUID:
        facts["activity_id"] = seen.activity
    for field, value in seen.data.items():
        if type(value) is not str or not value or value in _NOTHING:
            if field == "LogonType" and type(value) is int:
                facts["logon_type"] = value
            continue
        name = _NAMES.get(field)
        if name is not None:
            if len(value) <= NAME_CHARS or field == "CommandLine":
                facts[name] = rendered(value.strip())
        elif field in _RULES:
            _RULES[field](facts, value)
    return facts


def _logon_type(facts: dict[str, object], value: str) -> None:
    number = number_of(value)
    if number is not None:
        facts["logon_type"] = number


def _words(name: str) -> Callable[[dict[str, object], str], None]:
    def put(facts: dict[str, object], value: str) -> None:
        if words := list(listed(value)):
            facts[name] = words

    return put


def _yes(name: str) -> Callable[[dict[str, object], str], None]:
    def put(facts: dict[str, object], value: str) -> None:
        told = rendered(value.strip()).lower()
        if told in ("yes", "no"):
            facts[name] = told == "yes"

    return put


def _task(facts: dict[str, object], value: str) -> None:
    """What a task runs, out of its definition."""
    for name, pattern in (("task_command", _COMMAND), ("task_arguments", _ARGUMENTS)):
        if found := pattern.search(value):
            facts[name] = found[1]


_RULES: Final[dict[str, Callable[[dict[str, object], str], Any]]] = {
    "LogonType": _logon_type, "PrivilegeList": _words("privileges"),
    "AccessList": _words("accesses"), "EnabledPrivilegeList": _words("privileges_enabled"),
    "DisabledPrivilegeList": _words("privileges_disabled"), "SidList": _words("sids"),
    "GroupMembership": _words("groups"), "ElevatedToken": _yes("elevated"),
    "RestrictedAdminMode": _yes("restricted_admin"), "VirtualAccount": _yes("virtual_account"),
    "TaskContent": _task, "TaskContentNew": _task,
}
