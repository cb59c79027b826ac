"""Vault's audit devices: paths become things, tokens become their holders, secrets stay out."""

from __future__ import annotations

import ipaddress
import json
from typing import Any

import pytest

from indelible.base.limits import NAME_CHARS
from indelible.event.model import Operation
from indelible.ingest.parsers import vault
from indelible.ingest.parsers.contract import Given, NotUnderstood
from indelible.ingest.parsers.finish import parse_message, understand
from indelible.ingest.parsers.vault_paths import act_of

PROXIES = (ipaddress.ip_network("10.0.0.0/8"),)
AUTH = {"display_name": "userpass-ann", "metadata": {"username": "ann"}, "policies": ["ops"]}


def entry(kind: str = "response", auth: Any = AUTH, **members: Any) -> dict[str, Any]:
    request = {"id": "r-1", "operation": "read", "path": "secret/data/x", "mount_type": "kv",
               "client_token": "hmac-sha256:1", "remote_address": "203.0.113.9"}
    rest = {name: members.pop(name) for name in ("response", "error") if name in members}
    found = {"time": "2025-06-05T16:10:22Z", "type": kind, "auth": auth,
             "request": {**request, **members}, **rest}
    return {name: value for name, value in found.items() if value is not None}


def event(record: dict[str, Any], **given: Any) -> dict[str, Any]:
    parsed = parse_message(vault.PARSER, json.dumps(record).encode(), Given(now_us=0, **given))
    found: dict[str, Any] = json.loads(parsed.content)
    return found


@pytest.mark.parametrize(
    ("path", "operation", "mount", "act"),
    [
        ("sys/policies/acl/admin", "update", "", "policy.write grant admin"),
        ("sys/policy/admin", "delete", "", "policy.delete revoke admin"),
        ("sys/auth/corp/ldap/tune", "update", "", "auth_method.tune configure corp/ldap"),
        ("sys/mounts/kv", "delete", "", "secrets_engine.disable configure kv"),
        ("sys/audit/file", "update", "", "audit_device.enable configure file"),
        ("sys/seal", "update", "", "server.seal configure "),
        ("sys/step-down", "update", "", "server.step_down configure "),
        ("sys/generate-root/attempt", "update", "", "root_token.generate grant "),
        ("sys/leases/revoke-force/aws", "update", "", "lease.revoke revoke aws"),
        ("sys/wrapping/unwrap", "update", "", "wrapping_token.unwrap read "),
        ("sys/storage/raft/snapshot", "read", "", "snapshot.take export "),
        ("sys/internal/ui/mounts", "read", "", "status.read read "),
        ("auth/token/lookup-self", "read", "", "token.lookup read "),
        ("auth/token/create/ci", "update", "", "token.create create ci"),
        ("auth/corp/oidc/oidc/callback", "read", "auth/corp/oidc/ oidc",
         "session.login login corp/oidc"),
        ("auth/userpass/users/bob", "create", "", "user.create create bob"),
        ("auth/approle/role/ci/secret-id", "update", "", "secret_id.create create approle/ci"),
        ("auth/ldap/groups/ops", "update", "", "group.write grant ldap/ops"),
        ("identity/entity/name/ann", "update", "", "entity.update update ann"),
        ("team/kv/data/a/b", "read", "team/kv/ kv", "secret.read read team/kv/a/b"),
        ("secret/delete/a", "update", "secret/ kv", "secret.delete delete secret/a"),
        ("secret/hello", "read", "", "secret.read read secret/hello"),
        ("pki/issue/web", "update", "pki/ pki", "certificate.issue create pki/web"),
        ("pki/cert/17:2a", "read", "pki/ pki", "certificate.read read pki/17:2a"),
        ("ssh/sign/ops", "update", "ssh/ ssh", "credential.issue create ssh/ops"),
        ("transit/keys/o/rotate", "update", "transit/ transit",
         "transit_key.rotate configure transit/o"),
        ("transit/export/encryption-key/o/1", "read", "transit/ transit",
         "transit_key.export export transit/o"),
        ("kmip/scope/x", "update", "kmip/ kmip", "kmip.update update kmip/scope/x"),
        ("sys/nosuch/x", "delete", "", "sys.delete delete sys/nosuch/x"),
    ],
)
def test_paths_are_told_by_what_they_are_about(
    path: str, operation: str, mount: str, act: str
) -> None:
    point, _, kind = mount.partition(" ")
    found = act_of(path, operation, point, kind)
    assert f"{found.object}.{found.verb} {found.operation.value} {found.name}" == act


def test_every_operation_on_every_kind_of_path_has_a_class() -> None:
    for kind in ("kv", "transit", "pki", "database", "totp", "nosuch", ""):
        for operation in ("create", "read", "update", "patch", "delete", "list", "help",
                          "rollback", "alias-lookahead", "new"):
            for path in ("a/b/c", "sys/x", "auth/y/z", "identity/entity", "a", "/", "auth", "sys"):
                found = act_of(path, operation, "", kind)
                assert isinstance(found.operation, Operation)
                assert found.object
                assert found.verb


@pytest.mark.parametrize(
    ("auth", "kind", "ident"),
    [
        (AUTH, "user", "ann"),
        ({"display_name": "oidc-ann@x.org", "metadata": {"email": "ann@x.org"}}, "user",
         "ann@x.org"),
        ({"display_name": "approle", "metadata": {"role_name": "ci"}}, "service", "ci"),
        ({"display_name": "kubernetes-a-b", "metadata": {
            "service_account_name": "b", "service_account_namespace": "a"}}, "service", "a/b"),
        ({"display_name": "aws-i-0123"}, "service", "aws-i-0123"),
        ({"display_name": "root", "policies": ["root"]}, "api_key", "root"),
        ({"display_name": "token-deploy"}, "api_key", "token-deploy"),
        ({"entity_id": "e-1"}, "user", "e-1"),
        ({"token_type": "default"}, "anonymous", "anonymous"),
        (None, "anonymous", "anonymous"), ("x", "anonymous", "anonymous"),
    ],
)
def test_the_actor_is_the_holder_of_the_token(auth: Any, kind: str, ident: str) -> None:
    found = event(entry(auth=auth))["actor"]
    assert (found["type"], found["id"]) == (kind, ident)


@pytest.mark.parametrize(
    ("auth", "kind", "ident", "claimed"),
    [
        ({"display_name": "token-x", "metadata": {"username": "root"}}, "api_key", "token-x",
         "root"),
        ({"display_name": "token", "metadata": {"email": "root@x.org"}}, "api_key", "token",
         "root@x.org"),
        ({"display_name": "token-root@x.org", "metadata": {"email": "root@x.org"}}, "api_key",
         "token-root@x.org", "root@x.org"),
        ({"display_name": "token-ann", "metadata": {"username": "ann"}}, "api_key", "token-ann",
         "ann"),
        ({"display_name": "token", "metadata": {"role_name": "ci"}}, "api_key", "token", None),
        ({"display_name": "token", "metadata": {
            "service_account_name": "admin", "service_account_namespace": "kube-system"}},
         "api_key", "token", "admin"),
        ({"display_name": "approle", "metadata": {"role_name": "ci", "username": "ann"}},
         "service", "ci", "ann"),
        ({"display_name": "team-ann", "metadata": {"role_name": "ci", "username": "ann"}},
         "service", "ci", "ann"),
        ({"display_name": "oidc-4711", "metadata": {"username": "root"}}, "user", "oidc-4711",
         "root"),
        ({"display_name": "jwt-eve", "metadata": {
            "service_account_name": "admin", "service_account_namespace": "kube-system"}},
         "service", "jwt-eve", "admin"),
    ],
)
def test_what_anybody_can_write_into_metadata_names_nobody(
    auth: Any, kind: str, ident: str, claimed: str | None
) -> None:
    found = event(entry(auth={**auth, "entity_id": "e-of-eve"}))
    assert (found["actor"]["type"], found["actor"]["id"]) == (kind, ident)
    assert "email" not in found["actor"]
    assert found["data"].get("claimed_name") == claimed
    assert found["data"]["entity_id"] == "e-of-eve"


def test_a_name_that_the_login_itself_gave_is_no_mere_claim() -> None:
    assert "claimed_name" not in event(entry())["data"]


def test_without_any_client_it_was_vault_itself() -> None:
    record = entry(auth={"token_type": "default"}, path="sys/audit/test", operation="update")
    del record["request"]["client_token"], record["request"]["remote_address"]
    assert event(record)["actor"] == {"type": "system", "id": "vault"}


def test_a_login_that_fails_is_of_the_user_that_its_path_names() -> None:
    record = entry(auth={"token_type": "default"}, path="auth/userpass/login/bob",
                   operation="update", mount_type="userpass", error="invalid credentials")
    found = event(record)
    assert found["actor"] == {"type": "user", "id": "bob", "auth": {"method": "userpass"}}
    assert (found["operation"], found["outcome"]) == ("login", "failure")


@pytest.mark.parametrize(
    ("members", "outcome"),
    [
        ({}, "success"), ({"kind": "request"}, None), ({"response": {"data": {"a": 1}}}, "success"),
        ({"error": "1 error occurred:\n\t* permission denied\n\n"}, "denied"),
        ({"kind": "request", "error": "permission denied"}, "denied"),
        ({"error": "unsupported path"}, "failure"), ({"error": ""}, "success"),
        ({"auth": {**AUTH, "policy_results": {"allowed": False}}}, "denied"),
        ({"operation": "update", "response": {"data": {"error": "hmac-sha256:x"}}}, "failure"),
        ({"response": {"data": {"error": "hmac-sha256:x"}}}, "success"),
        ({"error": ["x"]}, "success"),
    ],
)
def test_an_answer_without_an_error_succeeded(
    members: dict[str, Any], outcome: str | None
) -> None:
    assert event(entry(**members)).get("outcome") == outcome


def test_request_and_answer_are_two_events_that_share_their_request() -> None:
    first, second = event(entry("request")), event(entry("response"))
    assert (first["id"], second["id"]) == ("r-1/request", "r-1/response")
    assert first["origin"]["request_id"] == second["origin"]["request_id"] == "r-1"


@pytest.mark.parametrize(
    ("remote", "header", "address"),
    [
        ("10.0.0.9", ["198.51.100.7, 10.0.0.8"], "198.51.100.7"),
        ("10.0.0.9", ["203.0.113.1", "198.51.100.7"], "198.51.100.7"),
        ("10.0.0.9", ["hmac-sha256:abc"], None), ("10.0.0.9", [5], None),
        ("198.51.100.2", ["203.0.113.1"], "198.51.100.2"),
        ("2001:db8::1", [], "2001:db8::1"),
    ],
)
def test_forwarded_for_counts_from_proxies_only(
    remote: str, header: list[Any], address: str | None
) -> None:
    record = entry(remote_address=remote, headers={"x-forwarded-for": header})
    assert event(record, proxies=PROXIES)["origin"].get("ip") == address
    assert event(record)["origin"]["ip"] == remote


def test_no_value_is_copied_out_of_the_message() -> None:
    answer = {"data": {"plaintext": "SECRET-2"}, "auth": {"client_token": "SECRET-3"}}
    record = entry(operation="update", data={"data": {"password": "SECRET-1"}}, response=answer)
    found = event(record)
    assert "SECRET" in found.pop("raw")
    assert "SECRET" not in json.dumps(found)


def test_what_an_answer_hands_out_can_be_followed() -> None:
    made = event(entry(path="auth/token/create", operation="update", mount_type="token", response={
        "auth": {"accessor": "hmac-sha256:2"}, "wrap_info": {"accessor": "wrapped"}}))
    assert [(one["type"], one["id"]) for one in made["targets"]] == [
        ("vault_token", "hmac-sha256:2"), ("vault_wrapping_token", "wrapped")]


def test_a_hashed_header_is_no_user_agent() -> None:
    assert "user_agent" not in event(entry(headers={"user-agent": ["hmac-sha256:1"]}))["origin"]
    found = event(entry(headers={"user-agent": ["curl/8"]}))
    assert found["origin"]["user_agent"] == "curl/8"


@pytest.mark.parametrize(
    ("record", "code"),
    [
        ({}, "not_this_format"), ({"type": "audit"}, "not_this_format"),
        ({"type": "request"}, "missing_field"),
        ({"type": "response", "request": {"path": "a"}}, "missing_field"),
        ({"type": "response", "request": {"path": "a", "operation": "x" * (NAME_CHARS + 1)}},
         "missing_field"),
    ],
)
def test_an_entry_that_says_too_little_is_refused(record: dict[str, Any], code: str) -> None:
    with pytest.raises(NotUnderstood) as no:
        understand(vault.PARSER, record, Given(now_us=0))
    assert no.value.code == code


@pytest.mark.parametrize(
    "record",
    [{"type": "request", "request": "x"}, {"type": ["request"], "request": {}},
     {"type": "request", "request": {"path": "a"}}, {"kind": "Event", "request": {}}],
)
def test_other_objects_are_not_recognised(record: dict[str, Any]) -> None:
    assert vault.PARSER.recognise(record, Given(now_us=0)) == ""


def test_an_endless_path_or_name_makes_nobody_nobody() -> None:
    found = event(entry(path="secret/data/" + "x" * 5_000))
    assert (found["actor"]["id"], found["operation"]) == ("ann", "read")
    assert len(found["targets"][0]["id"]) <= NAME_CHARS
    found = event(entry(auth={"display_name": "token-" + "A" * 5_000}))
    assert found["actor"]["type"] == "api_key"
    assert found["actor"]["id"].startswith("token-AAA")
    record = entry(auth={"display_name": "token-" + "A" * 5_000})
    parsed = parse_message(vault.PARSER, json.dumps(record).encode(), Given(now_us=0))
    assert "truncated" in parsed.flags
