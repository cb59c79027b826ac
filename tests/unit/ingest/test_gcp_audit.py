"""The parser of Google Cloud audit logs on small entries that show one rule each."""

from __future__ import annotations

import json
from typing import Any

import pytest

from indelible.ingest.parsers.contract import Given, NotUnderstood
from indelible.ingest.parsers.finish import parse_message, understand
from indelible.ingest.parsers.gcp_audit import PARSER
from indelible.ingest.parsers.gcp_names import method_action, resource_targets

GIVEN = Given(now_us=0)


def event(top: dict[str, Any] | None = None, **members: Any) -> dict[str, Any]:
    payload = {
        "serviceName": "storage.googleapis.com", "methodName": "storage.objects.get",
        "resourceName": "projects/_/buckets/b/objects/o", "status": {},
        "authenticationInfo": {"principalEmail": "ann@x.example"}, **members,
    }
    entry = {
        "logName": "projects/p/logs/cloudaudit.googleapis.com%2Fdata_access", "insertId": "i1",
        "timestamp": "2026-04-02T10:15:30Z", "protoPayload": payload, **(top or {}),
    }
    parsed = parse_message(PARSER, json.dumps(entry).encode(), GIVEN)
    assert parsed.kind == "event", parsed.content
    found: dict[str, Any] = json.loads(parsed.content)
    return found


def actor(**info: Any) -> dict[str, Any]:
    found: dict[str, Any] = event(authenticationInfo=info)["actor"]
    return found


@pytest.mark.parametrize(
    ("info", "wanted"),
    [
        ({"principalEmail": "ann@x.example"}, ("user", "ann@x.example")),
        ({"principalEmail": "a@p.iam.gserviceaccount.com"},
         ("service", "a@p.iam.gserviceaccount.com")),
        ({"principalSubject": "serviceAccount:a@p.iam.gserviceaccount.com"},
         ("service", "a@p.iam.gserviceaccount.com")),
        ({"principalSubject": "user:ann@x.example"}, ("user", "ann@x.example")),
        ({"principalSubject": "principal://iam.googleapis.com/locations/global/workforcePools/w/"
          "subject/kim%40x.example"}, ("user", "kim@x.example")),
        ({"principalSubject": "principal://iam.googleapis.com/x/workloadIdentityPools/w/subject/"
          "a/workforcePools/b"}, ("service", "a/workforcePools/b")),
        ({"principalSubject": "principal://iam.googleapis.com/x/workloadIdentityPools/w/subject/j"},
         ("service", "j")),
        ({"thirdPartyPrincipal": {"thirdPartyClaims": {"sub": "s1"}}}, ("user", "s1")),
        ({"principalEmail": "system:node:n1"}, ("service", "system:node:n1")),
        ({"principalEmail": "system:anonymous"}, ("anonymous", "anonymous")),
        ({}, ("anonymous", "anonymous")),
    ],
)
def test_who_acted(info: dict[str, Any], wanted: tuple[str, str]) -> None:
    found = actor(**info)
    assert (found["type"], found["id"]) == wanted


def test_the_history_of_delegation_is_turned_round() -> None:
    chain = [{"principalSubject": "user:a@x.example"}, {},
             {"firstPartyPrincipal": {"principalEmail": "s@p.iam.gserviceaccount.com"}}]
    found = actor(principalEmail="t@p.iam.gserviceaccount.com", serviceAccountDelegationInfo=chain)
    assert [one["id"] for one in found["on_behalf_of"]] == [
        "s@p.iam.gserviceaccount.com", "a@x.example"
    ]


@pytest.mark.parametrize(
    "email", ["a.gserviceaccount.com@gmail.example", "x@cloudservices.evil.example",
              "eve@appspot.evil.example", "eve@gserviceaccount.com.evil.example",
              "eve@evilgserviceaccount.com"],
)
def test_a_person_with_a_service_s_word_in_the_address_is_a_person(email: str) -> None:
    assert actor(principalEmail=email)["type"] == "user"
    assert actor(principalEmail=email, principalSubject=f"user:{email}")["type"] == "user"


@pytest.mark.parametrize(
    "email", ["shop@appspot.gserviceaccount.com", "12@cloudservices.gserviceaccount.com",
              "12-compute@developer.gserviceaccount.com", "ci@shop.iam.gserviceaccount.com"],
)
def test_an_address_in_google_s_domain_is_a_service(email: str) -> None:
    assert actor(principalEmail=email)["type"] == "service"


def test_the_subject_says_what_a_principal_is() -> None:
    said = {"principalEmail": "s@x.iam.gserviceaccount.com", "principalSubject": "user:s@x"}
    assert actor(**said)["type"] == "user"


def test_only_an_actor_that_the_entry_leaves_out_altogether_is_a_guess() -> None:
    assert "guessed" not in event(authenticationInfo={})["data"]
    entry = {"protoPayload": {"methodName": "SetIamPolicy", "serviceName": "x.googleapis.com"}}
    assert understand(PARSER, entry, GIVEN).guessed == ("actor",)


@pytest.mark.parametrize(
    ("members", "outcome", "code"),
    [
        ({}, "success", None), ({"status": None}, "success", None),
        ({"status": {"code": 0}}, "success", None),
        ({"status": {"code": 7, "message": "no"}}, "denied", "PERMISSION_DENIED"),
        ({"status": {"code": 16}}, "denied", "UNAUTHENTICATED"),
        ({"status": {"code": 5}}, "failure", "NOT_FOUND"),
        ({"status": {"code": 99}}, "failure", "99"),
        ({"authorizationInfo": [{"permission": "a.b", "granted": False}]}, "denied",
         "PERMISSION_DENIED"),
        ({"authorizationInfo": [{"granted": False}, {"granted": True}]}, "success", None),
        ({"authorizationInfo": [{"permission": "a.b"}]}, "success", None),
    ],
)
def test_how_it_ended(members: dict[str, Any], outcome: str, code: str | None) -> None:
    found = event(**members)
    assert found["outcome"] == outcome
    assert found.get("reason", {}).get("code") == code


def test_the_beginning_of_a_long_running_operation_has_no_outcome() -> None:
    assert "outcome" not in event({"operation": {"id": "o", "first": True}}, status=None)
    assert event({"operation": {"id": "o", "last": True}}, status=None)["outcome"] == "success"
    assert event({"operation": {"first": True, "last": True}})["outcome"] == "success"
    refused = event({"operation": {"first": True}}, status={"code": 7})
    assert refused["outcome"] == "denied"


def test_words_for_inner_networks_are_no_addresses() -> None:
    for word in ("private", "gce-internal-ip", "", "999.1.1.1"):
        found = event(requestMetadata={"callerIp": word})
        assert "origin" not in found
        assert found["data"].get("caller", "") == word


def test_an_id_needs_log_time_and_insert_id() -> None:
    assert event()["id"] == (
        "projects/p/logs/cloudaudit.googleapis.com%2Fdata_access/2026-04-02T10:15:30Z/i1"
    )
    for absent in ("logName", "timestamp", "insertId"):
        assert "id" not in event({absent: None})


@pytest.mark.parametrize(
    ("service", "method", "action", "operation"),
    [
        ("iam.googleapis.com", "google.iam.admin.v1.CreateServiceAccountKey",
         "gcp.iam.service_account_key.create", "create"),
        ("compute.googleapis.com", "v1.compute.instances.delete", "gcp.compute.instance.delete",
         "delete"),
        ("compute.googleapis.com", "beta.compute.machineTypes.aggregatedList",
         "gcp.compute.machine_type.aggregated_list", "read"),
        ("compute.googleapis.com", "v1.compute.instances.setServiceAccount",
         "gcp.compute.instance.set_service_account", "update"),
        ("storage.googleapis.com", "storage.objects.get", "gcp.storage.object.get", "read"),
        ("cloudresourcemanager.googleapis.com", "SetIamPolicy",
         "gcp.cloudresourcemanager.iam_policy.set", "grant"),
        ("", "compute.instances.list", "gcp.compute.instance.list", "read"),
        ("bigquery.googleapis.com", "jobservice.insert", "gcp.bigquery.job.insert", "create"),
        ("k8s.io", "io.k8s.core.v1.pods.exec.create", "gcp.k8s.pod_exec.create", "execute"),
        ("k8s.io", "io.k8s.core.v1.pods.deletecollection", "gcp.k8s.pod.delete_collection",
         "delete"),
        ("k8s.io", "io.k8s.authorization.rbac.v1.rolebindings.patch",
         "gcp.k8s.rolebinding.patch", "grant"),
        ("k8s.io", "io.k8s.authorization.rbac.v1.clusterrolebindings.deletecollection",
         "gcp.k8s.clusterrolebinding.delete_collection", "revoke"),
        ("k8s.io", "io.k8s.admissionregistration.v1.validatingwebhookconfigurations.patch",
         "gcp.k8s.validatingwebhookconfiguration.patch", "configure"),
        ("k8s.io", "io.k8s.core.v1.serviceaccounts.token.create",
         "gcp.k8s.serviceaccount_token.create", "grant"),
        ("k8s.io", "io.k8s.core.v1.nodes.proxy.get", "gcp.k8s.node_proxy.get", "execute"),
        ("k8s.io", "io.k8s.get", "gcp.k8s.api.get", "read"),
        ("admin.googleapis.com", "google.admin.AdminService.addGroupMember",
         "gcp.admin.group_member.add", "grant"),
        ("", "...", "gcp.cloud.service.occur", "other"),
    ],
)
def test_methods_become_actions(service: str, method: str, action: str, operation: str) -> None:
    found = method_action(service, method)
    assert (found.action, found.operation.value) == (action, operation)


@pytest.mark.parametrize(
    ("service", "name", "wanted"),
    [
        ("", "projects/p/zones/z/instances/i", ("gcp_instance", "i", "projects/p/zones/z")),
        ("", "projects/p/global/images/i", ("gcp_image", "i", "projects/p")),
        ("", "projects/p/global/machineTypes", ("gcp_project", "p", None)),
        ("", "projects/_/buckets/b/objects/a/b.txt", ("gcp_object", "a/b.txt", "b")),
        ("", "projects/_/buckets/b", ("gcp_bucket", "b", None)),
        ("", "//storage.googleapis.com/projects/_/buckets/b", ("gcp_bucket", "b", None)),
        ("logging.googleapis.com", "projects/p/locations/l/buckets/b",
         ("gcp_log_bucket", "b", "projects/p/locations/l")),
        ("k8s.io", "core/v1/namespaces/n/pods/p", ("k8s_pod", "p", "n")),
        ("k8s.io", "core/v1/nodes/n", ("k8s_node", "n", None)),
        ("", "12345", ("gcp_resource", "12345", None)),
    ],
)
def test_resource_names_become_targets(service: str, name: str, wanted: Any) -> None:
    [found] = resource_targets(service, name)
    assert (found.type, found.id, found.parent or None) == wanted


def test_names_of_no_resource_have_no_target() -> None:
    for name in ("", "/", "//", "///"):
        assert resource_targets("", name) == []
    assert resource_targets("k8s.io", "core/v1/pods") == []


def bound(*deltas: tuple[str, str, str]) -> dict[str, Any]:
    given = [{"action": action, "role": role, "member": member} for action, role, member in deltas]
    return event(methodName="SetIamPolicy", serviceData={"policyDelta": {"bindingDeltas": given}})


def test_rights_that_are_only_taken_are_a_revoke() -> None:
    assert bound(("REMOVE", "r", "user:a@x"))["operation"] == "revoke"
    both = bound(("REMOVE", "r", "user:a@x"), ("ADD", "r", "user:b@x"))
    assert both["operation"] == "grant"
    assert [one["op"] for one in both["changes"]] == ["add", "remove"]


def test_members_are_targets_by_the_id_they_act_under() -> None:
    found = bound(("ADD", "r", "serviceAccount:s@p.iam.gserviceaccount.com"),
                  ("ADD", "r", "deleted:user:a@x?uid=1"), ("ADD", "r", "allAuthenticatedUsers"))
    assert [(one["type"], one["id"]) for one in found["targets"][1:]] == [
        ("gcp_service_account", "s@p.iam.gserviceaccount.com"), ("gcp_user", "a@x"),
        ("gcp_everybody", "allAuthenticatedUsers"),
    ]


def test_what_was_refused_changed_nothing() -> None:
    request = {"description": "x"}
    ok = event(methodName="v1.compute.firewalls.patch", request=request)
    assert ok["changes"] == [{"path": "description", "after": "x"}]
    assert "changes" not in event(
        methodName="v1.compute.firewalls.patch", request=request, status={"code": 7}
    )


@pytest.mark.parametrize(
    ("entry", "code"),
    [({}, "not_this_format"), ({"protoPayload": "x"}, "not_this_format"),
     ({"protoPayload": {"serviceName": "x"}}, "missing_field"),
     ({"protoPayload": {"methodName": ["x"]}}, "missing_field")],
)
def test_it_says_what_it_cannot_read(entry: dict[str, Any], code: str) -> None:
    with pytest.raises(NotUnderstood) as caught:
        understand(PARSER, entry, GIVEN)
    assert caught.value.code == code


def test_it_leaves_other_formats_alone() -> None:
    for entry in ({}, {"protoPayload": {}}, {"protoPayload": {"@type": "x.RequestLog"}},
                  {"jsonPayload": {"methodName": "x"}}, {"textPayload": "x"}):
        assert PARSER.recognise(entry, GIVEN) == ""


def test_the_subject_tells_a_service_account_whatever_its_address() -> None:
    found = actor(principalEmail="loader@x.example", principalSubject="serviceAccount:loader")
    assert (found["type"], found["id"]) == ("service", "loader@x.example")


def test_changing_only_what_is_logged_is_a_configuration_and_no_grant() -> None:
    audits = [{"action": "REMOVE", "service": "storage.googleapis.com", "logType": "DATA_READ"}]
    bindings = [{"action": "ADD", "role": "roles/owner", "member": "user:eve@x.example"}]
    for delta, operation in (({"auditConfigDeltas": audits}, "configure"),
                             ({"auditConfigDeltas": audits, "bindingDeltas": bindings}, "grant")):
        found = event(methodName="SetIamPolicy", serviceData={"policyDelta": delta})
        assert found["operation"] == operation


def test_whoever_google_warns_of_did_nothing() -> None:
    for name in ("suspiciousLogin", "accountDisabledPasswordLeak", "govAttackWarning"):
        method = f"google.login.LoginService.{name}"
        found = event(serviceName="login.googleapis.com", methodName=method)
        assert found["actor"] == {"type": "system", "id": "Google"}
        assert {"type": "workspace_user", "id": "ann@x.example"} in found["targets"]
        assert found["data"]["guessed"] == ["actor"]
        elsewhere = event(serviceName="login.evil.example", methodName=method)
        assert elsewhere["actor"]["id"] == "ann@x.example"
