"""Azure's operation names and resource ids, as actions and targets.

`Microsoft.Compute/virtualMachines/start/action` is `azure.compute.virtual_machine.start`. Azure
Monitor writes names in capitals; the words of common types are known here, so that both forms of
one operation have one name.
"""

from __future__ import annotations

from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple

from indelible.base.limits import ACTION_CHARS, REMEMBERED
from indelible.event.actions import VendorAction, operation_of, singular
from indelible.event.model import Operation, Target
from indelible.ingest.parsers import pick

_O = Operation
_CAMEL: Final = """
accessPolicies activityLogAlerts actionGroups alertRules applicationGateways applicationGroups
appServicePlans authorizationRules automationAccounts autoscaleSettings availabilitySets
backupPolicies bastionHosts batchAccounts blobServices capacityReservationGroups cdnProfiles
certificateOrders classicAdministrators cloudServices clusterRoleBindings cognitiveServices
communicationServices configurationStores containerApps containerGroups containerRegistries
customDomains customRoles dataCollectionRules dataFactories databaseAccounts dedicatedHosts
denyAssignments diagnosticSettings diskEncryptionSets diskAccesses dnsZones domainNames
encryptionProtectors eventHubs eventSubscriptions expressRouteCircuits federatedIdentityCredentials
fileServices fileShares firewallPolicies firewallRules frontDoors functionKeys hostKeys
hostPools hostNameBindings hybridConnections images immutabilityPolicies inboundNatRules
integrationAccounts integrationRuntimes ipGroups jobSchedules keyVaults lifecycleManagementPolicies
listKeys listAccountSas listServiceSas linkedServices loadBalancers localNetworkGateways
locations logicApps logProfiles managedClusters managedIdentities managedInstances
managementGroups managementLocks managementPolicies metricAlerts mediaServices natGateways
networkInterfaces networkProfiles networkSecurityGroups networkWatchers networkRuleSets
notificationHubs objectReplicationPolicies operationalInsights packetCaptures peerings
policyAssignments policyDefinitions policyExemptions policySetDefinitions policyStates
privateDnsZones privateEndpoints privateEndpointConnections privateLinkServices
proximityPlacementGroups publicIPAddresses publicIPPrefixes queueServices recoveryPoints
recoveryServices redisCaches remediations replicationProtectedItems resourceGroups resourceHealth
restorePointCollections roleAssignments roleDefinitions roleEligibilityScheduleRequests
roleAssignmentScheduleRequests roleManagementPolicies routeTables runbooks runCommand
scheduledQueryRules securityContacts securityPricings securityRules securitySolutions
serviceBusNamespaces serviceEndpointPolicies sharedAccessPolicies siteRecovery snapshots
smartDetectorAlertRules sourceControls sqlDatabases storageAccounts storageSyncServices
streamingJobs subscriptionAliases supportTickets sshPublicKeys tableServices trafficManagerProfiles
transparentDataEncryption userAssignedIdentities vaultSecrets virtualHubs virtualMachines
virtualMachineScaleSets virtualNetworks virtualNetworkGateways virtualNetworkPeerings
virtualNetworkRules virtualWans vpnGateways vpnSites vulnerabilityAssessments webApplicationFirewall
webhooks webTests workflowTriggers workspaceKeys regenerateKey regenerateKeys listSecrets
listClusterAdminCredential listClusterUserCredential listCallbackUrl powerOff beginGetAccess
endGetAccess retrieveBootDiagnosticsData generateRecommendations checkPolicyCompliance
elevateAccess moveResources validateMoveResources softDelete hardDelete undelete
"""
_KNOWN: Final = MappingProxyType({name.lower(): name for name in _CAMEL.split()})

_ROWS: Final = MappingProxyType({
    "authorization/roleassignments/write": ("role_assignment", "", _O.GRANT),
    "authorization/roleassignments/delete": ("role_assignment", "delete", _O.REVOKE),
    "authorization/classicadministrators/write": ("classic_administrator", "", _O.GRANT),
    "authorization/classicadministrators/delete": ("classic_administrator", "delete", _O.REVOKE),
    "authorization/elevateaccess/action": ("access", "elevate", _O.GRANT),
    "authorization/roleassignmentschedulerequests/write":
        ("role_assignment_schedule_request", "", _O.GRANT),
    "authorization/roleeligibilityschedulerequests/write":
        ("role_eligibility_schedule_request", "", _O.GRANT),
    "authorization/locks/write": ("lock", "", _O.CONFIGURE),
    "authorization/locks/delete": ("lock", "delete", _O.CONFIGURE),
    "keyvault/vaults/accesspolicies/write": ("access_policy", "", _O.GRANT),
    "insights/diagnosticsettings/write": ("diagnostic_setting", "", _O.CONFIGURE),
    "insights/diagnosticsettings/delete": ("diagnostic_setting", "delete", _O.CONFIGURE),
    "compute/virtualmachines/runcommand/action":
        ("virtual_machine", "run_command", _O.EXECUTE),
    "compute/disks/begingetaccess/action": ("disk", "begin_get_access", _O.EXPORT),
    "compute/snapshots/begingetaccess/action": ("snapshot", "begin_get_access", _O.EXPORT),
    "sql/servers/databases/export/action": ("database", "export", _O.EXPORT),
    "resources/deployments/write": ("deployment", "", _O.EXECUTE),
})
"""Provider and types, in lower case, to object, verb ('' as written) and operation."""


class Statuses(NamedTuple):
    """What an event says of a write: whether it made something new, or changed something."""

    created: bool = False
    changed: bool = False


@lru_cache(maxsize=REMEMBERED)
def operation_action(name: str, statuses: Statuses, category: str) -> VendorAction:
    """The action of an operation, for an event of the category.

    A `write` is `create` or `update` where the event's status code tells which, else `write`,
    counted as an update. An event that tells of the platform's own findings has no operation of
    anybody's.
    """
    provider, *types = [part for part in name.split("/") if part] or ["azure"]
    service = provider.partition(".")[2] if provider.lower().startswith("microsoft.") else provider
    row = _ROWS.get("/".join([service, *types]).lower())
    verb = types.pop().lower() if types else "occur"
    if verb == "action" and types:
        verb = pick.part(_words(types.pop()))
    elif verb == "write":
        verb = "create" if statuses.created else "update" if statuses.changed else "write"
    thing = pick.part(singular_of(types[-1])) if types else "resource"
    if row is not None:
        thing, verb = row[0], row[1] or verb
    action = pick.action("azure", service.lower().replace(".", "_"), thing, verb)
    if row is not None:
        return VendorAction(action, row[2])
    if category in _TOLD:
        return VendorAction(action, _O.OTHER)
    operation = _O.UPDATE if verb == "write" else operation_of(action)
    if operation is _O.OTHER and name.lower().endswith("/action"):
        operation = _O.EXECUTE
    return VendorAction(action, operation)


_TOLD: Final = frozenset((
    "Policy", "Security", "ServiceHealth", "ResourceHealth", "Alert", "Recommendation",
))


def singular_of(name: str) -> str:
    """A type's name in words and in the singular: `networkSecurityGroups`."""
    *front, last = pick.part(_words(name)).split("_")
    return "_".join([*front, singular(last)])[:ACTION_CHARS]


def _words(name: str) -> str:
    """A name with its humps back, where it came in one case."""
    return _KNOWN.get(name.lower(), name if not name.isupper() else name.lower())


def resource_targets(ident: str) -> list[Target]:
    """The resource that an id names: its last type and name; `parent` is the id up to there.

    An extension resource (a role assignment on a machine) is followed by what it is about.
    """
    if not ident.startswith("/"):
        return []
    about, _, own = _rsplit(ident, "/providers/")
    if own and "/" in about.strip("/"):
        parts = own.split("/")
        if len(parts) < 3:
            return resource_targets(about)
        if parts[0].lower() == "microsoft.management":
            return pick.target("azure_management_group", parts[-1])
        pairs = len(parts) - 1 - (len(parts) - 1) % 2
        kind, name = parts[pairs - 1], parts[pairs]
        parent = "/".join([about, "providers", *parts[:pairs - 1]]) if pairs > 2 else about
        found = pick.target(f"azure_{singular_of(kind)}", name, "", parent)
        if "/providers/" in about.lower():
            found += resource_targets(about)
        return found
    if own:
        parts = own.split("/")
        kind = f"azure_{singular_of(parts[1])}" if len(parts) > 2 else ""
        return pick.target(kind, parts[-1])
    parts = ident.strip("/").split("/")
    if len(parts) >= 4 and parts[2].lower() == "resourcegroups":
        return pick.target("azure_resource_group", parts[3], "", f"/{parts[0]}/{parts[1]}")
    if len(parts) >= 2 and parts[0].lower() == "subscriptions":
        return pick.target("azure_subscription", parts[1])
    return []


def _rsplit(text: str, mark: str) -> tuple[str, str, str]:
    """`str.rpartition`, whatever the case; without the mark everything is in the first part."""
    at = text.lower().rfind(mark)
    if at < 0:
        return text, "", ""
    return text[:at], mark, text[at + len(mark):]
