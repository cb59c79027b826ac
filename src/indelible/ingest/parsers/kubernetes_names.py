"""What Kubernetes calls its resources and verbs, and which action and operation they are. Data.

Resources are those of the API reference (kubernetes.io/docs/reference/kubernetes-api) and the
common ones of OpenShift; every other name is put into the singular by rule. Verbs are those of
kubernetes.io/docs/reference/access-authn-authz/authorization.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from indelible.base.limits import REMEMBERED
from indelible.event.actions import VendorAction, operation_of, singular
from indelible.event.model import Operation
from indelible.ingest.parsers import pick

_KINDS: Final = """
    endpoints endpoint_slice config_map service_account persistent_volume persistent_volume_claim
    replication_controller resource_quota limit_range pod_template component_status daemon_set
    replica_set stateful_set controller_revision cron_job horizontal_pod_autoscaler ingress
    ingress_class network_policy ip_address service_cidr pod_disruption_budget pod_security_policy
    cluster_role cluster_role_binding role_binding storage_class volume_attachment csi_driver
    csi_node csi_storage_capacity volume_attributes_class mutating_webhook_configuration
    validating_webhook_configuration validating_admission_policy
    validating_admission_policy_binding mutating_admission_policy
    mutating_admission_policy_binding custom_resource_definition api_service
    certificate_signing_request cluster_trust_bundle lease_candidate flow_schema
    priority_level_configuration priority_class runtime_class token_review token_request
    subject_access_review local_subject_access_review self_subject_access_review
    self_subject_rules_review self_subject_review device_class resource_claim
    resource_claim_template resource_slice pod_certificate_request deployment_config build_config
    image_stream image_stream_tag image_stream_import oauth_client oauth_access_token
    oauth_authorize_token user_identity_mapping security_context_constraint project_request
    role_binding_restriction cluster_operator cluster_version machine_config network_attachment
    helm_chart helm_release git_repository cluster_policy cluster_issuer virtual_service
    destination_rule external_secret sealed_secret service_monitor service_entry"""


_OF_EKS: Final = """
    addon-cluster-admin addon-manager authenticator az-poller certificate-controller
    cloud-controller-manager cloudwatch-agent cluster-bootstrap cluster-event-watcher
    coredns-autoscaler extension-metrics-apiserver fargate-manager fargate-scheduler k8s-metrics
    kms-storage-migrator kube-proxy-fargate kubelet network-policy-controller network-webhooks
    node-manager nodewatcher pod-identity-mutating-webhook service-operations
    tagging-controller vpc-resource-controller"""
CLOUDS: Final = frozenset(f"eks:{name}" for name in _OF_EKS.split()) | {"aksService"}
"""Users that a cloud's control plane acts as: "Understand Amazon EKS created RBAC roles and users"
of the EKS user guide, and AKS's own. By the whole name: an identity provider whose names get no
prefix may call anybody `eks:eve`; only `system:` is kept for itself by the API server."""


def _plural(kind: str) -> str:
    if kind.endswith("y") and kind[-2] not in "aeiou":
        return kind[:-1] + "ies"
    if kind.endswith(("ss", "x", "ch")):
        return kind + "es"
    return kind if kind == "endpoints" else kind + "s"


_RESOURCES: Final = {_plural(kind).replace("_", ""): kind for kind in _KINDS.split()} | {
    "componentstatuses": "component_status", "endpoints": "endpoints",
}

_VERBS: Final = {
    "get": Operation.READ, "list": Operation.READ, "watch": Operation.READ, "head": Operation.READ,
    "options": Operation.READ, "create": Operation.CREATE, "update": Operation.UPDATE,
    "patch": Operation.UPDATE, "delete": Operation.DELETE, "deletecollection": Operation.DELETE,
    "post": Operation.EXECUTE, "put": Operation.UPDATE, "connect": Operation.EXECUTE,
    "proxy": Operation.EXECUTE, "bind": Operation.GRANT, "escalate": Operation.GRANT,
    "impersonate": Operation.LOGIN, "approve": Operation.APPROVE, "sign": Operation.EXECUTE,
    "use": Operation.READ, "attest": Operation.APPROVE,
}
_WRITES: Final = ("create", "update", "patch", "put", "post")
_BINDINGS: Final = ("rolebindings", "clusterrolebindings")
_ROLES: Final = ("roles", "clusterroles")
_GOVERNING: Final = frozenset((
    "validatingwebhookconfigurations", "mutatingwebhookconfigurations",
    "validatingadmissionpolicies", "validatingadmissionpolicybindings",
    "mutatingadmissionpolicies", "mutatingadmissionpolicybindings", "podsecuritypolicies",
    "networkpolicies", "customresourcedefinitions", "apiservices", "flowschemas",
    "prioritylevelconfigurations", "securitycontextconstraints", "oauths", "oauthclients",
    "machineconfigs", "clusterversions", "authentications", "apiservers", "clusterpolicies",
    "constrainttemplates", "authorizationpolicies", "peerauthentications",
    "ciliumnetworkpolicies", "globalnetworkpolicies",
))
"""Resources that decide what the cluster lets through, and what its API is (those of OpenShift and
of the common controllers, too): whoever writes or deletes one configures."""
_ASKING: Final = ("tokenreviews", "subjectaccessreviews", "localsubjectaccessreviews",
                  "selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews")
_STREAMS: Final = {"exec": "exec", "attach": "attach", "portforward": "port_forward",
                   "proxy": "proxy"}
"""Subresources that are an act of their own, whatever verb the client's protocol needs."""
_ACTS: Final[dict[tuple[str, str], tuple[str, Operation]]] = {
    ("pods", "eviction"): ("evict", Operation.DELETE),
    ("pods", "binding"): ("bind", Operation.UPDATE),
    ("pods", "ephemeralcontainers"): ("debug", Operation.EXECUTE),
    ("serviceaccounts", "token"): ("create_token", Operation.GRANT),
    ("certificatesigningrequests", "approval"): ("approve", Operation.APPROVE),
    ("namespaces", "finalize"): ("finalize", Operation.UPDATE),
}
"""Subresources whose writing is an act: resource and subresource to verb and operation."""


@lru_cache(maxsize=REMEMBERED)
def kind_of(resource: str) -> str:
    """A resource in the singular and in words: `clusterrolebindings` is `cluster_role_binding`."""
    low = resource.lower()
    return pick.part(_RESOURCES.get(low) or singular(low))


@lru_cache(maxsize=REMEMBERED)
def named(verb: str, resource: str, subresource: str) -> VendorAction:
    """The action and operation of a verb on a resource; without one, on the API server itself."""
    verb = verb.lower()
    plain = _VERBS.get(verb)
    operation = operation_of(f"kubernetes.{verb}") if plain is None else plain
    if not resource:
        return VendorAction(pick.action("kubernetes", "api", verb), operation)
    kind = kind_of(resource)
    if subresource in _STREAMS:
        act = _STREAMS[subresource]
        return VendorAction(pick.action("kubernetes", kind, act), Operation.EXECUTE)
    act, done = _ACTS.get((resource, subresource), ("", operation))
    if act and verb in _WRITES:
        return VendorAction(pick.action("kubernetes", kind, act), done)
    if not subresource:
        operation = _weighed(verb, resource, operation)
    if verb == "deletecollection":
        verb = "delete_collection"
    what = f"{kind}_{pick.part(subresource)}" if subresource else kind
    return VendorAction(pick.action("kubernetes", what, verb), operation)


def _weighed(verb: str, resource: str, plain: Operation) -> Operation:
    """What a verb does to a resource that gives rights, governs the cluster, or only asks.

    A new role gives nothing to anybody yet; one that is changed does to those who have it.
    """
    writes, deletes = verb in _WRITES, plain is Operation.DELETE
    if resource in _GOVERNING and (writes or deletes):
        return Operation.CONFIGURE
    if resource in _BINDINGS or (resource in _ROLES and plain is not Operation.CREATE):
        return Operation.GRANT if writes else Operation.REVOKE if deletes else plain
    return Operation.READ if resource in _ASKING and writes else plain
