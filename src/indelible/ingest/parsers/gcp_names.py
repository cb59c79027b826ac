"""Google Cloud's method and resource names, as actions and targets.

Methods come as RPCs (`google.iam.admin.v1.CreateServiceAccountKey`), as REST paths
(`v1.compute.instances.delete`), as calls of Kubernetes (`io.k8s.core.v1.pods.exec.create`) and
bare (`SetIamPolicy`): the first and the last kind say verb and object in one word, the others
object and verb as the last two. Resources are scheme-less paths of collections and ids.
"""

from __future__ import annotations

import re
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from indelible.base.limits import ACTION_CHARS, REMEMBERED
from indelible.event.actions import VendorAction, operation_of, present_of, singular
from indelible.event.model import Operation, Target
from indelible.ingest.parsers import pick
from indelible.ingest.parsers.kubernetes_names import named

_O = Operation
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_VERSION: Final = re.compile(r"^(?:v\d+\w*|alpha|beta|ga|private|staging_v1)$")
_ROWS: Final = MappingProxyType({
    "setiampolicy": ("iam_policy", "set", _O.GRANT),
    "setiampermissions": ("iam_policy", "set", _O.GRANT),
    "getiampolicy": ("iam_policy", "get", _O.READ),
    "testiampermissions": ("iam_permission", "test", _O.READ),
    "generateaccesstoken": ("access_token", "generate", _O.LOGIN),
    "generateidtoken": ("id_token", "generate", _O.LOGIN),
    "exchangetoken": ("token", "exchange", _O.LOGIN),
    "signjwt": ("jwt", "sign", _O.EXECUTE),
    "signblob": ("blob", "sign", _O.EXECUTE),
    "authorizeuser": ("user", "authorize", _O.OTHER),
    "insertprojectownershipinvite": ("project_ownership_invite", "insert", _O.GRANT),
    "loginsuccess": ("user", "login", _O.LOGIN),
    "loginfailure": ("user", "login", _O.LOGIN),
    "loginchallenge": ("user", "challenge", _O.LOGIN),
    "loginverification": ("user", "verify", _O.LOGIN),
    "logout": ("user", "logout", _O.LOGOUT),
    "addgroupmember": ("group_member", "add", _O.GRANT),
    "removegroupmember": ("group_member", "remove", _O.REVOKE),
    "assignrole": ("role", "assign", _O.GRANT),
    "unassignrole": ("role", "unassign", _O.REVOKE),
    "grantadminprivilege": ("admin_privilege", "grant", _O.GRANT),
    "revokeadminprivilege": ("admin_privilege", "revoke", _O.REVOKE),
    "disableserviceaccountkey": ("service_account_key", "disable", _O.CONFIGURE),
    "createsink": ("sink", "create", _O.CONFIGURE),
    "updatesink": ("sink", "update", _O.CONFIGURE),
    "deletesink": ("sink", "delete", _O.CONFIGURE),
    "createexclusion": ("exclusion", "create", _O.CONFIGURE),
    "updateexclusion": ("exclusion", "update", _O.CONFIGURE),
    "deleteexclusion": ("exclusion", "delete", _O.CONFIGURE),
    "macsign": ("mac", "sign", _O.EXECUTE),
    "asymmetricsign": ("key", "sign", _O.EXECUTE),
    "encrypt": ("key", "encrypt", _O.EXECUTE),
    "decrypt": ("key", "decrypt", _O.EXECUTE),
    "asymmetricdecrypt": ("key", "decrypt", _O.EXECUTE),
    "accesssecretversion": ("secret_version", "access", _O.READ),
    "destroycryptokeyversion": ("crypto_key_version", "destroy", _O.DELETE),
})
"""Last word of a method, in lower case, to object, verb and operation."""

_VERBS: Final = MappingProxyType({
    "patch": _O.UPDATE, "insert": _O.CREATE, "setiampolicy": _O.GRANT, "abandon": _O.UPDATE,
    "aggregatedlist": _O.READ, "undeploy": _O.DELETE, "run": _O.EXECUTE, "exec": _O.EXECUTE,
    "reset": _O.EXECUTE, "begin": _O.EXECUTE, "cancel": _O.OTHER, "proxy": _O.EXECUTE,
})


@lru_cache(maxsize=REMEMBERED)
def method_action(service: str, method: str) -> VendorAction:
    """The action of a method; `service` is `serviceName`, which may be absent."""
    words = [word for word in method.replace("/", ".").split(".") if word]
    owner = _service(service) or _owner(words)
    last = words[-1] if words else "occur"
    if owner == "k8s":
        return _kubernetes(words)
    front = [word for word in words[:-1] if not _VERSION.match(word)]
    parts = [part.lower() for part in _HUMP.split(last.replace("_", ""))]
    row = _ROWS.get(last.lower())
    if row is not None:
        thing, verb, operation = row
        return VendorAction(pick.action("gcp", owner, thing, verb), operation)
    path = bool(front) and front[-1][:1].islower() and last[:1].islower()
    if len(parts) > 1 and present_of(parts[0]) and not path:
        verb, thing = parts[0], "_".join([*parts[1:-1], singular(parts[-1])])
    elif len(parts) > 1 and present_of(parts[-1]) and not path:
        verb, thing = present_of(parts[-1]), "_".join(parts[:-1])
    else:
        verb, thing = "_".join(parts), _joined(front, owner)
    action = pick.action("gcp", owner, thing or "service", verb)
    return VendorAction(action, _VERBS.get("".join(verb.split("_"))) or operation_of(action))


def _joined(front: list[str], owner: str) -> str:
    """The object that stands before the verb of a path, or in the name of a service."""
    named = front[-1] if front and front[-1].lower() not in (owner, "iampolicy") else ""
    named = re.sub(r"(?i)(?:service|serviceV\d+|admin)(?:V\d+)?$", "", named)
    if named.lower() in ("", owner, "google", "cloud"):
        return ""
    *begin, end = [part.lower() for part in _HUMP.split(named)]
    return "_".join([*begin, singular(end)])


def _kubernetes(words: list[str]) -> VendorAction:
    """`io.k8s.core.v1.pods.exec.create`: what stands behind the version, then the verb.

    What it does is what the same request is in the cluster's own audit log.
    """
    at = next((n for n, word in enumerate(words) if _VERSION.match(word)), len(words) - 2)
    *things, verb = words[at + 1 :] or ["occur"]
    thing = "_".join(singular(one) if n == 0 else one for n, one in enumerate(things))
    resource, subresource = [*things, "", ""][:2]
    operation = named(verb, resource, subresource).operation
    if verb == "deletecollection":
        verb = "delete_collection"
    return VendorAction(pick.action("gcp", "k8s", thing or "api", verb), operation)


def _service(name: str) -> str:
    """`compute.googleapis.com` is `compute`; a region in front of a name is not part of it."""
    name = name.lower().removesuffix(".googleapis.com").removesuffix(".io")
    name = name.removesuffix(".google.internal")
    if "ssh-serialport" in name:
        return "ssh-serialport"
    return "" if name in ("", "...") else name.replace(".", "_")


def _owner(words: list[str]) -> str:
    """The service that a method's own name begins with."""
    rest = [word.lower() for word in words if not _VERSION.match(word.lower())]
    if rest[:2] == ["io", "k8s"]:
        return "k8s"
    rest = [word for word in rest[:-1] if word not in ("google", "cloud", "devtools")]
    return rest[0] if rest else "cloud"


def resource_targets(service: str, name: str) -> list[Target]:
    """The resource that a path names: its last collection and id; `parent` is what it is in."""
    path = name.strip("/")
    if "://" in name or name.startswith("//"):
        path = name.split("//", 1)[1].partition("/")[2]
    parts = [part for part in path.split("/") if part]
    if not parts:
        return []
    if _service(service) == "k8s":
        return _kubernetes_object(parts)
    if "objects" in parts and "buckets" in parts and parts.index("objects") > 1:
        at = parts.index("objects")
        ident = "/".join(parts[at + 1 :])
        return pick.target("gcp_object", ident, "", parts[at - 1])
    if parts[0] == "projects" and parts[2:3] == ["global"]:
        del parts[2]
    if len(parts) % 2 and len(parts) > 1 and not (_plural(parts[-2]) and not _plural(parts[-1])):
        parts = parts[:-1]
    if len(parts) == 1:
        return pick.target("gcp_resource", parts[0])
    *front, last = _split(parts[-2])
    kind = "_".join([*front, singular(last)])[:ACTION_CHARS]
    if kind == "bucket" and _service(service) == "logging":
        kind = "log_bucket"
    parent = "/".join(parts[:-2])
    return pick.target(f"gcp_{kind}", parts[-1], "", "" if parent in _ANY else parent)


_ANY: Final = ("projects/_", "projects/-")
"""Where a path leaves out which project it is."""


def _plural(word: str) -> bool:
    """Whether it looks like the name of a collection."""
    return word.isalpha() and word.endswith("s")


def _split(word: str) -> list[str]:
    return [pick.part(part) for part in _HUMP.split(word)]


def _kubernetes_object(parts: list[str]) -> list[Target]:
    """`core/v1/namespaces/default/pods/web`: kind and name, in their namespace."""
    rest = parts[2:]
    space = ""
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        space, rest = rest[1], rest[2:]
    if len(rest) < 2:
        return pick.target("k8s_namespace", space) if space and not rest else []
    return pick.target(f"k8s_{singular(pick.part(rest[0]))[:ACTION_CHARS]}", rest[1], "", space)
