"""What a path of HashiCorp Vault's API is about, and what an operation on it does. Data.

By the API documentation: the system backend (`sys/`), auth methods (`auth/MOUNT/`), identity, and
the secrets engines by their mount type. What is in no table is told by its mount type and Vault's
own operation.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

from indelible.base.limits import REMEMBERED
from indelible.event.model import Operation


class Act(NamedTuple):
    """`vault.OBJECT.VERB` on the thing called `name`, a `vault_KIND`."""

    object: str
    verb: str
    operation: Operation
    kind: str = ""
    name: str = ""


class _Rule(NamedTuple):
    """Paths below a mount. `writes`, `deletes` and `always` replace the default verbs."""

    pattern: re.Pattern[str]
    object: str
    writes: str = ""
    deletes: str = ""
    always: str = ""


_DEFAULTS: Final = {
    "create": ("create", Operation.CREATE), "update": ("update", Operation.UPDATE),
    "patch": ("patch", Operation.UPDATE), "read": ("read", Operation.READ),
    "list": ("list", Operation.READ), "scan": ("list", Operation.READ),
    "delete": ("delete", Operation.DELETE), "help": ("help", Operation.READ),
    "header": ("read", Operation.READ), "revoke": ("revoke", Operation.REVOKE),
    "renew": ("renew", Operation.UPDATE), "rollback": ("rollback", Operation.OTHER),
    "recover": ("recover", Operation.UPDATE),
}
_SYS: Final = r"""
    policy | (?:policy|policies/(?:acl|rgp|egp))(?:/(?P<name>.+))? | write grant | delete revoke
    password_policy | policies/password(?:/(?P<name>.+?))?(?:/generate)? | write configure
    auth_method | auth/(?P<name>.+)/tune | tune configure
    auth_method | auth(?:/(?P<name>.+))? | enable configure | disable configure
    secrets_engine | mounts/(?P<name>.+)/tune | tune configure
    secrets_engine | mounts(?:/(?P<name>.+))? | enable configure | disable configure
    secrets_engine | remount(?:/.*)? | move configure
    audit_device | audit/test | | | test other
    audit_device | audit(?:/(?P<name>.+))? | enable configure | disable configure
    audit_device | audit-hash/(?P<name>.+) | hash execute
    server | (?P<verb>seal|unseal|step-down|init) | *verb configure
    root_token | (?:generate-root|generate-recovery-token|decode-token)(?:/.*)?
        | generate grant | cancel other
    key_shares | (?:rekey|rekey-recovery-key)(?:/.*)? | rekey configure | cancel other
    encryption_key | rotate(?:/.*)? | rotate configure
    lease | (?:leases/)?(?:revoke|revoke-prefix|revoke-force)(?:/(?P<name>.+))? | revoke revoke
    lease | (?:leases/)?renew(?:/(?P<name>.+))? | renew update
    lease | leases/lookup(?:/(?P<name>.+))? | | | lookup read
    lease | leases(?:/.*)? | tidy other
    capability | capabilities(?:-self|-accessor)? | | | read read
    wrapping_token | wrapping/(?P<verb>wrap|rewrap) | *verb create
    wrapping_token | wrapping/(?P<verb>unwrap|lookup|pubkey) | *verb read
    tool | tools/.* | use execute
    plugin | plugins/catalog(?:/(?P<name>.+))? | register configure | deregister configure
    plugin | plugins/(?:reload|runtimes).* | reload configure
    audited_header | config/auditing/request-headers(?:/(?P<name>.+))? | enable configure
        | disable configure
    configuration | config/(?P<name>.+) | write configure | delete configure
    namespace | namespaces(?:/(?P<name>.+))? |
    quota | quotas/(?P<name>.+) | write configure | delete configure
    snapshot | storage/raft/snapshot | restore import | | take export
    snapshot | storage/raft/snapshot-force | restore import
    snapshot | storage/raft/snapshot-auto(?:/.*)? | configure configure
    raft | storage/raft/(?P<name>.+) | configure configure | configure configure
    raw_storage | raw(?:/(?P<name>.+))? |
    replication | replication/(?P<name>.+) | configure configure
    license | license(?:/.*)? | install configure
    mfa_method | mfa/(?:method/)?(?P<name>.+) | write configure | delete configure
    control_group | control-group/(?P<verb>authorize|request) | *verb approve
    managed_key | managed-keys/(?P<name>.+) |
    event | events/subscribe/.* | | | subscribe read
    activity | internal/counters.* | | | read read
    status | (?:health|leader|seal-status|key-status|ha-status|host-info|metrics|monitor|pprof
        |version-history|in-flight-req|loggers|internal|experiments|well-known
        |location)(?:/.*)? |"""
_TOKEN: Final = r"""
    token | create(?:-orphan)?(?:/(?P<name>.+))? | create create
    token | (?:revoke|revoke-self|revoke-accessor|revoke-orphan|revoke-prefix)(?:/.*)?
        | revoke revoke
    token | (?:renew|renew-self|renew-accessor)(?:/.*)? | renew update
    token | (?:lookup|lookup-self|lookup-accessor)(?:/.*)? | | | lookup read
    token | accessors |
    token | tidy | tidy other
    token_role | roles(?:/(?P<name>.+))? | write grant | delete revoke"""
_AUTH: Final = r"""
    session | (?:.*/)?login(?:/(?P<name>[^/]+))? | login login
    session | (?:oidc|saml)/callback.* | | | login login
    session | (?:oidc/auth_url|sso_service_url|oidc/poll|saml/token) | | | begin other
    user | users/(?P<name>[^/]+)/password | change_password update
    user | users/(?P<name>[^/]+)/policies | change_policies grant
    user | (?:users|map/users|map/user-id)(?:/(?P<name>.+))? |
    group | (?:groups|map/teams)(?:/(?P<name>.+))? | write grant | delete revoke
    secret_id | role/(?P<name>[^/]+)/(?:custom-)?secret-id(?:-accessor)?/destroy
        | destroy revoke | destroy revoke
    secret_id | role/(?P<name>[^/]+)/(?:custom-)?secret-id(?:-accessor)?/lookup | lookup read
    secret_id | role/(?P<name>[^/]+)/(?:custom-)?secret-id | create create | delete delete
    role_id | role/(?P<name>[^/]+)/role-id |
    auth_role | (?:roles?|certs)(?:/(?P<name>[^/]+)(?:/.*)?)? | write grant | delete revoke
    auth_method | (?:config.*|tidy.*|rotate.*) | configure configure | configure configure"""
_IDENTITY: Final = r"""
    entity | entity/merge | merge update
    entity | entity/batch-delete | delete delete
    entity | entity(?:/(?:id|name)(?:/(?P<name>.+))?)? |
    entity_alias | entity-alias(?:/id(?:/(?P<name>.+))?)? |
    group | group(?:/(?:id|name)(?:/(?P<name>.+))?)? | write grant | delete revoke
    group_alias | group-alias(?:/id(?:/(?P<name>.+))?)? | write grant | delete revoke
    entity | lookup/(?:entity|group) | lookup read
    mfa_method | mfa/(?P<name>.+) | write configure | delete configure
    oidc_token | oidc/(?:token/|introspect).* | | | read read
    oidc | (?:oidc|persona)(?:/.*)? | configure configure | configure configure"""
_KV: Final = r"""
    secret | (?:data|subkeys)/(?P<name>.+) |
    secret | delete/(?P<name>.+) | delete delete
    secret | undelete/(?P<name>.+) | undelete update
    secret | destroy/(?P<name>.+) | destroy delete
    secret_metadata | metadata/(?P<name>.+[^/]) | write update | destroy delete
    secret | metadata(?:/(?P<name>.*))? |
    secrets_engine | config | configure configure
    secret | (?P<name>.+) |
    secret | |"""
_TRANSIT: Final = r"""
    transit_key | (?P<verb>encrypt|decrypt|rewrap|sign|verify|hmac|datakey|derive-key|hash
        |random)(?:/(?:plaintext/|wrapped/)?(?P<name>[^/]+)?.*)? | *verb execute
    transit_key | keys/(?P<name>[^/]+)/(?P<verb>rotate|trim|config|import|import_version
        |soft-delete|csr|set-certificate) | *verb configure
    transit_key | (?P<verb>export|backup|byok-export)/(?:[a-z-]+-key/
        |public-key/)?(?P<name>[^/]+).* | | | *verb export
    transit_key | restore(?:/(?P<name>.+))? | restore import
    transit_key | keys(?:/(?P<name>[^/]+))? | create create
    secrets_engine | (?:config|cache-config|wrapping_key).* | configure configure"""
_PKI: Final = r"""
    certificate | (?:issuer/[^/]+/)?(?:issue|sign|sign-verbatim)(?:/(?P<name>.+))? | issue create
    certificate | (?:revoke|revoke-with-key) | revoke revoke
    certificate | (?:certs|cert|ca|ca_chain|crl|unified-crl|ocsp)(?:/(?P<name>.+))? |
    ca | (?:root|intermediate|issuers|keys)/(?:generate|set-signed|import|rotate|replace
        |sign-intermediate|sign-self-issued).* | create create
    ca | root(?:/.*)? | write configure | delete delete
    ca | (?:issuer|issuers|key|keys)(?:/(?P<name>.+))? | write configure | delete delete
    role | roles(?:/(?P<name>.+))? | write grant | delete revoke
    secrets_engine | (?:config|tidy|acme|eab|est|cmp).* | configure configure"""
_CREDS: Final = r"""
    credential | (?:creds|sts|static-creds|static-cred|issue|sign|token|key|roleset
        |static-account|service-account-token|library)/(?P<name>[^/]+)(?:/.*)? | issue create
        | delete delete | issue create
    role | (?:roles?|static-roles?|rolesets?|static-accounts?|libraries)(?:/(?P<name>.+))?
        | write grant | delete revoke
    connection | config/(?P<name>.+) | configure configure | delete configure
    connection | (?:rotate-root|rotate-role|reset|reload)(?:/(?P<name>.+))? | rotate configure
    secrets_engine | (?:config|ca|public_key|verify).* | configure configure"""
_TOTP: Final = r"""
    totp_code | code/(?P<name>.+) | verify read | | generate execute
    totp_key | keys(?:/(?P<name>.+))? | create create"""


def _rules(text: str) -> tuple[_Rule, ...]:
    """Rows `object | path | writes | deletes | always`; a deeper line continues its row."""
    rows = text.strip("\n").replace("\n        | ", " | ").replace("\n        ", "").splitlines()
    found = []
    for row in rows:
        name, pattern, *verbs = (part.strip() for part in re.split(r"\s+\|(?=\s|$)", row))
        writes, deletes, always = (*verbs, "", "", "")[:3]
        found.append(_Rule(re.compile(pattern), name, writes, deletes, always))
    return tuple(found)


_BY_ROOT: Final = {
    "sys": _rules(_SYS), "token": _rules(_TOKEN), "auth": _rules(_AUTH),
    "identity": _rules(_IDENTITY),
}
_BY_TYPE: Final = {
    **dict.fromkeys(("kv", "generic", "cubbyhole"), _rules(_KV)),
    "transit": _rules(_TRANSIT), "pki": _rules(_PKI), "totp": _rules(_TOTP),
    **dict.fromkeys(
        ("database", "aws", "azure", "gcp", "consul", "nomad", "rabbitmq", "ldap", "ad",
         "openldap", "mongodbatlas", "terraform", "kubernetes", "alicloud", "ssh", "cassandra",
         "mysql", "postgresql", "mssql", "mongodb", "gcpkms"),
        _rules(_CREDS),
    ),
}
_WRITES: Final = ("create", "update", "patch")
_UNIQUE: Final = frozenset(("user", "token", "token_role"))
"""Their names say by themselves what they are; those of other things are told with the mount."""
_NAMED_BY_ROLE: Final = {
    "certificate": "role", "credential": "role", "secret_id": "auth_role",
    "role_id": "auth_role", "token": "token_role",
}
"""Things that a path names by the role they are made by."""


class Place(NamedTuple):
    """Where a path leads: the mount without its slash, what is below it, which table reads it."""

    mount: str
    rest: str
    rules: tuple[_Rule, ...]


@lru_cache(maxsize=REMEMBERED)
def act_of(path: str, operation: str, mount_point: str, mount_type: str) -> Act:
    """What an operation on a path does. Never raises."""
    place = _place(path, mount_point, mount_type)
    for rule in place.rules:
        found = rule.pattern.fullmatch(place.rest)
        if found is not None:
            return _act(rule, found.groupdict(), operation, place)
    verb, known = _DEFAULTS.get(operation, (operation or "request", Operation.OTHER))
    kind = (mount_type if mount_type not in ("", "system") else "") or place.mount or "path"
    return Act(kind, verb, known, "path", path.rstrip("/"))


def _place(path: str, mount_point: str, mount_type: str) -> Place:
    """The mount of a path: as the entry says it, else by the first parts of the path."""
    first, _, below = path.partition("/")
    if first in ("sys", "identity"):
        return Place(first, below, _BY_ROOT[first])
    if first == "auth":
        mount = mount_point.strip("/") or "/".join(path.split("/")[:2])
        rest = path.removeprefix(mount).strip("/")
        rules = _BY_ROOT["token" if mount == "auth/token" else "auth"]
        return Place(mount, rest, rules)
    mount = mount_point.strip("/") or first
    rest = path.removeprefix(f"{mount}/") if path.startswith(f"{mount}/") else below
    return Place(mount, rest, _BY_TYPE.get(mount_type, () if mount_type else _BY_TYPE["kv"]))


def _act(rule: _Rule, said: dict[str, str | None], operation: str, place: Place) -> Act:
    chosen = rule.always
    if operation in _WRITES:
        chosen = rule.writes or chosen
    elif operation == "delete":
        chosen = rule.deletes or chosen
    verb, known = _DEFAULTS.get(operation, (operation or "request", Operation.OTHER))
    if chosen:
        word, _, group = chosen.partition(" ")
        verb = (said.get("verb") or "use").replace("-", "_") if word == "*verb" else word
        known = Operation(group)
    name = (said.get("name") or "").strip("/")
    if rule.object in ("secret", "secret_metadata") and place.mount != "sys":
        return Act(rule.object, verb, known, "secret", f"{place.mount}/{name}".strip("/"))
    if rule.object == "session":
        return Act("session", verb, known, "auth_method", place.mount.removeprefix("auth/"))
    outside = place.mount not in ("sys", "identity")
    if rule.object in ("auth_method", "secrets_engine") and not name and outside:
        name = place.mount.removeprefix("auth/")
    elif name and outside and rule.object not in _UNIQUE:
        name = f"{place.mount.removeprefix('auth/')}/{name}"
    kind = _NAMED_BY_ROLE.get(rule.object, rule.object)
    if rule.object == "certificate" and verb != "issue":
        kind = "certificate"
    return Act(rule.object, verb, known, kind, name)
