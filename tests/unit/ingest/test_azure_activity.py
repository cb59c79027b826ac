"""The parser of the Azure Activity Log on small records that show one rule each."""

from __future__ import annotations

import json
from typing import Any

import pytest

from indelible.ingest.parsers.azure_activity import PARSER
from indelible.ingest.parsers.azure_names import Statuses, operation_action, resource_targets
from indelible.ingest.parsers.contract import Given, NotUnderstood
from indelible.ingest.parsers.finish import parse_message, understand

GIVEN = Given(now_us=0)
RG = "/subscriptions/s1/resourceGroups/g1"
VM = f"{RG}/providers/Microsoft.Compute/virtualMachines/vm1"


def event(**members: Any) -> dict[str, Any]:
    record = {
        "eventTimestamp": "2026-01-29T20:42:31Z", "caller": "rob@x.example", "resourceId": VM,
        "operationName": {"value": "Microsoft.Compute/virtualMachines/write"},
        "status": {"value": "Succeeded"}, "eventDataId": "e1", **members,
    }
    parsed = parse_message(PARSER, json.dumps(record).encode(), GIVEN)
    assert parsed.kind == "event", parsed.content
    found: dict[str, Any] = json.loads(parsed.content)
    return found


def action(name: str, status: str = "", category: str = "Administrative") -> tuple[str, str]:
    found = operation_action(name, Statuses(status == "Created", status == "OK"), category)
    return found.action, found.operation.value


@pytest.mark.parametrize(
    ("name", "status", "wanted"),
    [
        ("Microsoft.Compute/virtualMachines/delete", "", "azure.compute.virtual_machine.delete"),
        ("Microsoft.Compute/virtualMachines/write", "Created",
         "azure.compute.virtual_machine.create"),
        ("Microsoft.Compute/virtualMachines/write", "OK", "azure.compute.virtual_machine.update"),
        ("Microsoft.Compute/virtualMachines/write", "", "azure.compute.virtual_machine.write"),
        ("MICROSOFT.COMPUTE/VIRTUALMACHINES/POWEROFF/ACTION", "",
         "azure.compute.virtual_machine.power_off"),
        ("Microsoft.Sql/servers/databases/write", "OK", "azure.sql.database.update"),
        ("NewRelic.Observability/monitors/write", "OK",
         "azure.newrelic_observability.monitor.update"),
        ("Microsoft.Authorization/elevateAccess/action", "", "azure.authorization.access.elevate"),
        ("x", "", "azure.x.resource.occur"),
    ],
)
def test_operations_become_actions(name: str, status: str, wanted: str) -> None:
    assert action(name, status)[0] == wanted


def test_both_forms_of_a_name_are_one_action() -> None:
    for name in ("Microsoft.Network/networkSecurityGroups/delete",
                 "Microsoft.Storage/storageAccounts/listKeys/action",
                 "Microsoft.Network/publicIPAddresses/delete"):
        assert action(name) == action(name.upper())


def test_giving_roles_is_a_grant_and_switching_logs_off_a_configuration() -> None:
    assert action("Microsoft.Authorization/roleAssignments/write", "Created")[1] == "grant"
    assert action("Microsoft.Authorization/roleAssignments/delete")[1] == "revoke"
    assert action("Microsoft.Insights/diagnosticSettings/delete")[1] == "configure"
    assert action("Microsoft.Compute/disks/beginGetAccess/action")[1] == "export"
    assert action("Microsoft.Web/sites/strangeThing/action")[1] == "execute"
    assert action("Microsoft.Security/locations/alerts/activate/action", "", "Security")[1] == (
        "other"
    )


@pytest.mark.parametrize(
    ("ident", "targets"),
    [
        (VM, [("azure_virtual_machine", "vm1", RG)]),
        (f"{RG}/providers/Microsoft.Sql/servers/s/databases/d",
         [("azure_database", "d", f"{RG}/providers/Microsoft.Sql/servers/s")]),
        (RG, [("azure_resource_group", "g1", "/subscriptions/s1")]),
        ("/subscriptions/s1", [("azure_subscription", "s1", None)]),
        ("/providers/Microsoft.Management/managementGroups/mg",
         [("azure_management_group", "mg", None)]),
        (f"{VM}/providers/Microsoft.Authorization/roleAssignments/r",
         [("azure_role_assignment", "r", VM), ("azure_virtual_machine", "vm1", RG)]),
        ("no path", []), ("/", []), ("/providers/", []),
    ],
)
def test_resource_ids_become_targets(ident: str, targets: list[Any]) -> None:
    found = [(one.type, one.id, one.parent or None) for one in resource_targets(ident)]
    assert found == targets


@pytest.mark.parametrize(
    ("status", "sub", "outcome"),
    [("Started", "", None), ("Accepted", "Accepted", None), ("Succeeded", "", "success"),
     ("Failed", "Conflict", "failure"), ("Failed", "Forbidden", "denied"),
     ("Failed", "Unauthorized", "denied"), ("Active", "", None), ("", "", None)],
)
def test_only_an_end_has_an_outcome(status: str, sub: str, outcome: str | None) -> None:
    found = event(status={"value": status}, subStatus={"value": sub})
    assert found.get("outcome") == outcome


def test_the_error_in_the_status_message_is_the_reason() -> None:
    message = json.dumps({"error": {"code": "RequestDisallowedByPolicy", "message": "no"}})
    found = event(status={"value": "Failed"}, properties={"statusMessage": message})
    assert found["outcome"] == "denied"
    assert found["reason"] == {"code": "RequestDisallowedByPolicy", "text": "no"}


def test_a_caller_is_a_person_only_when_it_has_a_persons_name() -> None:
    assert event()["actor"] == {"type": "user", "id": "rob@x.example"}
    assert event(caller="0f4e", claims={"appid": "a"})["actor"]["type"] == "service"
    guest = {"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name": "live.com#bo@y.example"}
    assert event(caller="0f4e", claims=guest)["actor"]["id"] == "bo@y.example"
    person = {"evidence": {"principalType": "User"}}
    assert event(caller="0f4e", authorization=person)["actor"]["type"] == "user"


def test_what_happened_only_asked_changes_nothing() -> None:
    body = {"requestbody": '{"properties": {"access": "Allow"}}'}
    assert event(properties=body)["changes"] == [{"path": "access", "after": "Allow"}]
    assert "changes" not in event(properties=body, status={"value": "Failed"})


def test_somebody_must_be_named_except_by_the_platform() -> None:
    record = {"eventTimestamp": "2026-01-29T20:42:31Z", "operationName": {"value": "A/b/action"},
              "category": {"value": "ServiceHealth"}}
    assert understand(PARSER, record, GIVEN).event.actor.id == "A"
    with pytest.raises(NotUnderstood) as caught:
        understand(PARSER, {**record, "category": {"value": "Administrative"}}, GIVEN)
    assert caught.value.code == "missing_actor"
    with pytest.raises(NotUnderstood) as caught:
        understand(PARSER, {"operationName": {"value": 7}}, GIVEN)
    assert caught.value.code == "missing_field"


def test_it_leaves_other_formats_alone() -> None:
    for record in ({}, {"category": "AuditEvent", "resourceId": VM, "operationName": "VaultGet",
                        "resultType": "Success"},
                   {"category": "SignInLogs", "resourceId": "/tenants/t", "operationName": "S",
                    "resultType": "0"}, {"eventTimestamp": 1, "operationName": "x"}):
        assert PARSER.recognise(record, GIVEN) == ""
