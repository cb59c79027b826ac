"""The parser of Kubernetes audit events on small events that show one rule each."""

from __future__ import annotations

import json
from ipaddress import ip_network
from typing import Any

import pytest

from indelible.base.limits import CHANGES
from indelible.event.strict import compact
from indelible.ingest.parsers.contract import Given
from indelible.ingest.parsers.kubernetes import PARSER, actor_type
from indelible.ingest.parsers.kubernetes_names import kind_of, named
from support.parsing import GIVEN, parse_one

ANN = {"username": "ann@example.com", "groups": ["ops", "system:authenticated"]}
POD = {"resource": "pods", "namespace": "prod", "name": "web-0"}


def record(**members: Any) -> dict[str, Any]:
    """A plain event with these members over its own."""
    return {
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": "a1",
        "stage": "ResponseComplete", "verb": "get", "user": ANN, "objectRef": POD,
        "requestURI": "/api/v1/namespaces/prod/pods/web-0", "sourceIPs": ["203.0.113.9"],
        "responseStatus": {"code": 200},
        "requestReceivedTimestamp": "2026-03-03T09:14:07.000001Z",
        "stageTimestamp": "2026-03-03T09:14:09.000001Z", **members,
    }


def event(given: Given = GIVEN, **members: Any) -> dict[str, Any]:
    parsed = parse_one("kubernetes", json.dumps(record(**members)).encode(), given=given)
    assert parsed.kind == "event"
    found: dict[str, Any] = json.loads(parsed.content)
    return found


# --- actions


@pytest.mark.parametrize(
    ("verb", "resource", "subresource", "action", "operation"),
    [
        ("get", "secrets", "", "secret.get", "read"),
        ("list", "configmaps", "", "config_map.list", "read"),
        ("watch", "endpoints", "", "endpoints.watch", "read"),
        ("create", "pods", "", "pod.create", "create"),
        ("patch", "daemonsets", "", "daemon_set.patch", "update"),
        ("patch", "pods", "status", "pod_status.patch", "update"),
        ("update", "deployments", "scale", "deployment_scale.update", "update"),
        ("deletecollection", "jobs", "", "job.delete_collection", "delete"),
        ("create", "pods", "exec", "pod.exec", "execute"),
        ("get", "pods", "exec", "pod.exec", "execute"),
        ("get", "pods", "attach", "pod.attach", "execute"),
        ("create", "pods", "portforward", "pod.port_forward", "execute"),
        ("get", "nodes", "proxy", "node.proxy", "execute"),
        ("get", "pods", "log", "pod_log.get", "read"),
        ("create", "pods", "eviction", "pod.evict", "delete"),
        ("create", "pods", "binding", "pod.bind", "update"),
        ("create", "serviceaccounts", "token", "service_account.create_token", "grant"),
        ("patch", "pods", "ephemeralcontainers", "pod.debug", "execute"),
        ("update", "pods", "ephemeralcontainers", "pod.debug", "execute"),
        ("get", "pods", "ephemeralcontainers", "pod_ephemeralcontainers.get", "read"),
        ("patch", "validatingwebhookconfigurations", "",
         "validating_webhook_configuration.patch", "configure"),
        ("delete", "mutatingwebhookconfigurations", "",
         "mutating_webhook_configuration.delete", "configure"),
        ("get", "mutatingwebhookconfigurations", "", "mutating_webhook_configuration.get", "read"),
        ("deletecollection", "networkpolicies", "", "network_policy.delete_collection",
         "configure"),
        ("update", "apiservices", "status", "api_service_status.update", "update"),
        ("patch", "clusterroles", "", "cluster_role.patch", "grant"),
        ("delete", "roles", "", "role.delete", "revoke"),
        ("list", "roles", "", "role.list", "read"),
        ("update", "certificatesigningrequests", "approval", "certificate_signing_request.approve",
         "approve"),
        ("create", "clusterrolebindings", "", "cluster_role_binding.create", "grant"),
        ("delete", "rolebindings", "", "role_binding.delete", "revoke"),
        ("deletecollection", "rolebindings", "", "role_binding.delete_collection", "revoke"),
        ("create", "roles", "", "role.create", "create"),
        ("create", "subjectaccessreviews", "", "subject_access_review.create", "read"),
        ("impersonate", "users", "", "user.impersonate", "login"),
        ("escalate", "clusterroles", "", "cluster_role.escalate", "grant"),
        ("bind", "clusterroles", "", "cluster_role.bind", "grant"),
        ("get", "", "", "api.get", "read"),
        ("create", "widgets", "", "widget.create", "create"),
        ("frobnicate", "pods", "", "pod.frobnicate", "other"),
    ],
)
def test_an_action_is_the_resource_and_the_verb(
    verb: str, resource: str, subresource: str, action: str, operation: str
) -> None:
    found = named(verb, resource, subresource)
    assert (found.action, found.operation.value) == (f"kubernetes.{action}", operation)


@pytest.mark.parametrize(
    ("plural", "kind"),
    [("networkpolicies", "network_policy"), ("ingresses", "ingress"),
     ("storageclasses", "storage_class"), ("customresourcedefinitions",
     "custom_resource_definition"), ("endpointslices", "endpoint_slice"), ("pods", "pod")],
)
def test_a_resource_is_told_in_the_singular(plural: str, kind: str) -> None:
    assert kind_of(plural) == kind


def test_refusing_a_certificate_is_no_approval() -> None:
    asked = {"resource": "certificatesigningrequests", "subresource": "approval", "name": "c"}
    sent = {"status": {"conditions": [{"type": "Denied"}]}}
    found = event(verb="update", objectRef=asked, requestObject=sent)
    assert found["action"] == "kubernetes.certificate_signing_request.deny"


# --- who


@pytest.mark.parametrize(
    ("name", "kind"),
    [("ann@example.com", "user"), ("ann", "user"), ("system:anonymous", "anonymous"),
     ("system:apiserver", "system"), ("system:serviceaccount:prod:ci", "service"),
     ("system:node:n1", "service"), ("eks:node-manager", "service"),
     ("aksService", "service"), ("eks:eve", "user"), ("gke:eve", "user"), ("aks:eve", "user"),
     ("aksServiceEve", "user"), ("kubernetes-admin", "user")],
)
def test_a_user_name_tells_what_it_stands_for(name: str, kind: str) -> None:
    assert actor_type(name).value == kind


def test_who_impersonates_is_the_actor_and_the_other_is_behind_it() -> None:
    found = event(impersonatedUser={"username": "bob", "groups": ["system:masters"]})
    assert found["actor"]["id"] == "ann@example.com"
    assert found["actor"]["on_behalf_of"] == [{"type": "user", "id": "bob"}]
    assert found["data"]["impersonated_groups"] == ["system:masters"]


@pytest.mark.parametrize(
    ("arn", "holder", "behind"),
    [
        ("arn:aws:sts::1:assumed-role/ops/ann", "ann@example.com", None),
        ("arn:aws:sts::1:assumed-role/ops/bob@example.com", "bob@example.com",
         {"type": "user", "id": "bob@example.com"}),
        ("arn:aws:sts::1:assumed-role/AWSReservedSSO_x/bob", "bob", {"type": "user", "id": "bob"}),
        ("arn:aws:sts::1:assumed-role/ops/i-0abc", "i-0abc", {"type": "service", "id": "i-0abc"}),
    ],
)
def test_on_eks_the_holder_of_the_session_stands_behind_the_mapped_name(
    arn: str, holder: str, behind: dict[str, str] | None
) -> None:
    extra = {"arn": [arn], "sessionName": [holder], "accessKeyId": ["ASIA1"]}
    found = event(user={**ANN, "extra": extra})["actor"]
    assert found["session"] == "ASIA1"
    assert found.get("on_behalf_of") == (behind and [behind])


@pytest.mark.parametrize(
    ("name", "role", "holder", "guessed"),
    [
        ("kubernetes-admin", "assumed-role/ops/ceo@x.example", "ceo@x.example",
         ["actor.on_behalf_of"]),
        ("kubernetes-admin", "assumed-role/AWSReservedSSO_x/ceo", "ceo", ["actor.on_behalf_of"]),
        ("kubernetes-admin", "role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_x",
         "ann@x.example", None),
        ("kubernetes-admin", "assumed-role/ops/AWSReservedSSO_x", "AWSReservedSSO_x", None),
        ("kubernetes-admin", "assumed-role/ops/i-0abc", "i-0abc", None),
        ("ceo@x.example", "assumed-role/ops/ceo@x.example", "ceo@x.example", ["actor"]),
        ("arn:aws:sts::1:assumed-role/ops/ceo@x.example", "assumed-role/ops/ceo@x.example",
         "ceo@x.example", None),
        ("system:node:i-0abc.internal", "assumed-role/nodes/i-0abc", "i-0abc", None),
        ("kubernetes-admin", "user/ann", "", None),
    ],
)
def test_a_person_known_by_the_name_of_an_aws_session_alone_is_guessed(
    name: str, role: str, holder: str, guessed: list[str] | None
) -> None:
    extra = {"arn": [f"arn:aws:sts::1:{role}"], "sessionName": [holder]}
    found = event(user={"username": name, "extra": extra})
    assert found["data"].get("guessed") == guessed


@pytest.mark.parametrize(
    ("credential", "auth"),
    [("JTI=7d3c", {"method": "token"}), ("X509SHA256=3f", {"method": "client_certificate"}),
     ("OTHER=1", None)],
)
def test_a_credential_is_the_session(credential: str, auth: dict[str, str] | None) -> None:
    extra = {"authentication.kubernetes.io/credential-id": [credential]}
    found = event(user={**ANN, "extra": extra})["actor"]
    assert (found["session"], found.get("auth")) == (credential, auth)


# --- when and where


def test_it_happened_when_the_request_came_not_when_it_was_answered() -> None:
    assert event()["time"] == "2026-03-03T09:14:07.000001Z"
    assert event(requestReceivedTimestamp=None)["time"] == "2026-03-03T09:14:09.000001Z"


@pytest.mark.parametrize(
    ("addresses", "proxies", "address"),
    [
        (["203.0.113.9"], (), "203.0.113.9"),
        (["192.0.2.1", "203.0.113.9"], (), "203.0.113.9"),
        (["192.0.2.1", "10.0.0.5"], ("10.0.0.0/8",), "192.0.2.1"),
        (["192.0.2.9", "192.0.2.1", "10.0.0.5"], ("10.0.0.0/8",), "192.0.2.1"),
        (["10.0.0.5"], ("10.0.0.0/8",), None),
        (["2001:db8::1"], (), "2001:db8::1"),
        ([], (), None),
        (["nonsense"], (), None),
    ],
)
def test_a_forwarded_address_counts_only_behind_a_configured_proxy(
    addresses: list[str], proxies: tuple[str, ...], address: str | None
) -> None:
    given = Given(now_us=GIVEN.now_us, proxies=tuple(ip_network(one) for one in proxies))
    found = event(given, sourceIPs=addresses)
    assert found["origin"].get("ip") == address
    assert found["data"].get("source_ips") == (addresses if len(addresses) > 1 else None)


# --- outcome


@pytest.mark.parametrize(
    ("members", "outcome", "code"),
    [
        ({"responseStatus": {"code": 200}}, "success", None),
        ({"responseStatus": {"code": 101}}, "success", None),
        ({"responseStatus": {"code": 403, "reason": "Forbidden"}}, "denied", "Forbidden"),
        ({"responseStatus": {"code": 401}}, "denied", "401"),
        ({"responseStatus": {"code": 404, "reason": "NotFound"}}, "failure", "NotFound"),
        ({"responseStatus": {"code": 500}}, "failure", "500"),
        ({"stage": "Panic", "responseStatus": {"code": 500}}, "failure", "500"),
        ({"stage": "RequestReceived", "responseStatus": None}, None, None),
        ({"stage": "ResponseStarted", "responseStatus": {"code": 200}}, None, None),
        ({"stage": "ResponseStarted", "responseStatus": {"code": 403}}, "denied", "403"),
        ({"responseStatus": None}, None, None),
        ({"responseStatus": {"code": 10**30}}, None, None),
        ({"responseStatus": None, "annotations": {"authorization.k8s.io/decision": "forbid"}},
         "denied", None),
    ],
)
def test_the_answer_tells_the_outcome_once_there_is_one(
    members: dict[str, Any], outcome: str | None, code: str | None
) -> None:
    found = event(**members)
    assert (found.get("outcome"), found.get("reason", {}).get("code")) == (outcome, code)


def test_each_stage_of_a_request_is_an_event_of_its_own() -> None:
    first, last = event(stage="RequestReceived"), event()
    assert (first["id"], last["id"]) == ("a1/RequestReceived", "a1/ResponseComplete")
    assert first["origin"]["request_id"] == last["origin"]["request_id"] == "a1"


# --- what


@pytest.mark.parametrize(
    ("ref", "target"),
    [
        (POD, {"type": "kubernetes_pod", "id": "prod/web-0", "name": "web-0", "parent": "prod"}),
        ({"resource": "nodes", "name": "n1"}, {"type": "kubernetes_node", "id": "n1"}),
        ({"resource": "namespaces", "namespace": "prod", "name": "prod"},
         {"type": "kubernetes_namespace", "id": "prod"}),
        ({"resource": "serviceaccounts", "namespace": "prod", "name": "ci"},
         {"type": "kubernetes_service_account", "id": "system:serviceaccount:prod:ci",
          "name": "ci", "parent": "prod"}),
        ({"resource": "pods", "namespace": "prod"},
         {"type": "kubernetes_resource", "id": "prod/pods", "parent": "prod"}),
        ({"resource": "nodes"}, {"type": "kubernetes_resource", "id": "nodes"}),
        (None, {"type": "kubernetes_path", "id": "/api/v1/namespaces/prod/pods/web-0"}),
    ],
)
def test_what_was_touched(ref: dict[str, str] | None, target: dict[str, str]) -> None:
    assert event(objectRef=ref)["targets"] == [target]


def test_a_binding_names_who_gets_what() -> None:
    sent = {"subjects": [{"kind": "User", "name": "eve"}, {"kind": "Group", "name": "oncall"},
                         {"kind": "ServiceAccount", "name": "ci"}, 7],
            "roleRef": {"kind": "ClusterRole", "name": "cluster-admin"}}
    found = event(verb="create", requestObject=sent, objectRef={
        "resource": "rolebindings", "namespace": "prod", "name": "b"})
    assert [(one["type"], one["id"]) for one in found["targets"]] == [
        ("kubernetes_role_binding", "prod/b"), ("kubernetes_user", "eve"),
        ("kubernetes_group", "oncall"),
        ("kubernetes_service_account", "system:serviceaccount:prod:ci"),
        ("kubernetes_cluster_role", "cluster-admin"),
    ]
    assert [one["path"] for one in found["changes"]] == ["subjects", "roleRef"]


# --- changes


def changed(sent: object, **ref: str) -> list[dict[str, Any]] | None:
    found: list[dict[str, Any]] | None = event(
        verb="patch", requestObject=sent, objectRef={**POD, **ref}).get("changes")
    return found


def test_a_merge_patch_sets_and_takes_away() -> None:
    sent = {"kind": "Pod", "metadata": {"labels": {"a.b/c": "x", "old": None}}, "$patch": "x"}
    assert changed(sent) == [
        {"path": "metadata.labels.a\\.b/c", "op": "replace", "after": "x"},
        {"path": "metadata.labels.old", "op": "remove"},
    ]


def test_a_json_patch_is_read_by_its_operations() -> None:
    sent = [{"op": "replace", "path": "/spec/replicas", "value": 3},
            {"op": "remove", "path": "/metadata/labels/a~1b"},
            {"op": "test", "path": "/x", "value": 1}, {"op": "add", "path": "nowhere"}, None]
    assert changed(sent) == [
        {"path": "spec.replicas", "op": "replace", "after": 3},
        {"path": "metadata.labels.a/b", "op": "remove"},
    ]


@pytest.mark.parametrize(
    "sent",
    [{"data": {"password": "aHVudGVyMg=="}},
     [{"op": "replace", "path": "/data/password", "value": "aHVudGVyMg=="}]],
)
def test_the_values_of_a_secret_are_not_told(sent: object) -> None:
    assert changed(sent, resource="secrets") == [{"path": "data.password", "op": "replace"}]


def test_what_was_refused_or_has_no_answer_changed_nothing() -> None:
    sent = {"spec": {"replicas": 3}}
    for members in ({"responseStatus": {"code": 403}}, {"stage": "RequestReceived"}):
        assert "changes" not in event(verb="patch", requestObject=sent, **members)


def test_a_patch_is_bounded() -> None:
    many = changed({"data": {f"k{number}": "v" for number in range(CHANGES * 2)}})
    assert many is not None
    assert len(many) == CHANGES


# --- facts


def test_a_command_in_a_container_can_be_searched() -> None:
    uri = "/api/v1/namespaces/prod/pods/web-0/exec?command=cat&command=%2Fetc%2Fshadow&container=c"
    found = event(objectRef={**POD, "subresource": "exec"}, requestURI=uri)["data"]
    assert (found["command"], found["container"]) == ("cat /etc/shadow", "c")


def test_what_lets_a_pod_out_of_its_box_is_told() -> None:
    spec = {"hostPID": True, "serviceAccountName": "root",
            "containers": [{"image": "x:1", "securityContext": {"privileged": True}}],
            "volumes": [{"hostPath": {"path": "/"}}, {"emptyDir": {}}]}
    for sent in ({"spec": spec}, {"spec": {"template": {"spec": spec}}},
                 {"spec": {"jobTemplate": {"spec": {"template": {"spec": spec}}}}}):
        found = event(verb="create", requestObject=sent)["data"]
        assert found["images"] == ["x:1"]
        assert (found["privileged"], found["host_pid"], found["host_paths"]) == (True, True, ["/"])


# --- other forms


def test_the_diagnostic_record_of_aks_is_opened() -> None:
    around = {"category": "kube-audit", "resourceId": "/SUBSCRIPTIONS/S/MANAGEDCLUSTERS/BLUE",
              "properties": {"log": json.dumps(record())}}
    assert PARSER.recognise(around, GIVEN)
    found = json.loads(parse_one("kubernetes", json.dumps(around).encode()).content)
    plain = event()
    assert found["labels"] == {"namespace": "prod", "cluster": "blue"}
    assert {**found, "raw": "", "labels": {}} == {**plain, "raw": "", "labels": {}}


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"category": "kube-audit", "properties": {"log": "{"}}, "bad_json"),
        ({"category": "kube-audit", "properties": {"log": "[]"}}, "not_this_format"),
        ({"kind": "EventList", "items": []}, "not_this_format"),
        (record(user={}), "missing_actor"),
        (record(verb=""), "missing_field"),
    ],
)
def test_what_cannot_be_read_is_kept_with_the_reason(message: dict[str, Any], code: str) -> None:
    parsed = parse_one("kubernetes", json.dumps(message).encode())
    assert (parsed.kind, json.loads(parsed.content)["reason"]["code"]) == ("unparsed", code)


@pytest.mark.parametrize(
    "message",
    [{}, {"kind": "Event", "apiVersion": "v1", "reason": "Killing", "involvedObject": {}},
     {"kind": "Event", "apiVersion": 7}, {"category": "AuditEvent", "properties": {}},
     {"kind": "admin#reports#activity"}],
)
def test_other_objects_are_not_claimed(message: dict[str, Any]) -> None:
    assert not PARSER.recognise(message, GIVEN)


# --- hostile


def test_wrong_types_everywhere_are_read_as_absent() -> None:
    whole = record(requestObject={"spec": {}}, responseObject={}, impersonatedUser={},
                   annotations={"authorization.k8s.io/reason": "x"}, timestamp=None)
    for verb, ref in (("patch", POD), ("create", {**POD, "resource": "rolebindings"}),
                      ("get", {**POD, "subresource": "exec"}), ("update", {
                          **POD, "resource": "certificatesigningrequests",
                          "subresource": "approval"})):
        for name in whole:
            for wrong in (None, 7, 1e300, "²", "?a=%ff&" * 9, "//[", [], [[]], [{}], {},
                          {"a": [None]}, {"subjects": [7], "roleRef": 1}, True, "x" * 5000):
                message = {**whole, "verb": verb, "objectRef": ref, name: wrong}
                parsed = parse_one("kubernetes", json.dumps(message).encode())
                assert b"parser_failed" not in parsed.content
                assert compact(parsed.content, "") == parsed.content


def test_a_patch_that_nests_without_end_is_left_to_the_message() -> None:
    deep: Any = 1
    for _ in range(400):
        deep = {"a": deep}
    found = event(verb="patch", requestObject=deep)
    assert len(found["changes"]) == 1
    assert "after" not in found["changes"][0]


def test_whoever_could_not_be_authenticated_is_anonymous_and_denied_at_once() -> None:
    failed = {"message": "Authentication failed, attempted: bearer", "code": 401}
    found = event(user={}, stage="ResponseStarted", responseStatus=failed)
    assert found["actor"] == {"type": "anonymous", "id": "anonymous"}
    assert (found["outcome"], found["reason"]["text"]) == ("denied", failed["message"])


def test_a_diagnostic_record_whose_text_a_collector_opened_is_the_same_event() -> None:
    opened = {"category": "kube-audit-admin", "properties": {"log": record()}}
    text = {"category": "kube-audit-admin", "properties": {"log": json.dumps(record())}}
    one, other = (
        json.loads(parse_one("kubernetes", json.dumps(message).encode()).content)
        for message in (opened, text)
    )
    assert {**one, "raw": ""} == {**other, "raw": ""}


def test_a_command_is_also_known_from_the_body_of_the_request() -> None:
    sent = {"kind": "PodExecOptions", "command": ["cat", "/etc/shadow"], "container": "c"}
    found = event(objectRef={**POD, "subresource": "exec"}, requestObject=sent)["data"]
    assert (found["command"], found["container"]) == ("cat /etc/shadow", "c")
