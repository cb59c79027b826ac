"""What a Linux audit event touched, and what it changed: files, programs, processes, accounts.

Paths are told as the call was given them; a relative one is put behind the working directory,
but only when the call starts there: after `openat(7, "x")` the directory is the one that
descriptor 7 stands for, which no record names, and `x` stays `x`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Final

from msgspec import UNSET, UnsetType

from indelible.base.limits import NAME_CHARS
from indelible.event.model import Change, ChangeOp, Target
from indelible.ingest.parsers.auditd_record import Group, Record, socket_of
from indelible.ingest.parsers.auditd_table import DIRECTORY_ARGUMENTS
from indelible.ingest.parsers.pick import bounded, raw

_NOBODY: Final = frozenset(("?", "(unknown)", "(unknown user)", "(invalid user)", "UNKNOWN"))
"""What programs write for an account that there is not."""
_UNSET_IDS: Final = frozenset(("4294967295", "-1", "", "unset"))
_HERE: Final = frozenset(("ffffff9c", "0xffffff9c", "ffffffffffffff9c", "0xffffffffffffff9c"))
"""AT_FDCWD as an argument: relative paths start from the working directory."""
_MODE_ARGUMENT: Final = {"chmod": "a1", "fchmod": "a1", "fchmodat": "a2", "fchmodat2": "a2"}
_OWNER_ARGUMENTS: Final = {
    **dict.fromkeys(("chown", "fchown", "lchown", "chown32", "fchown32", "lchown32"),
                    ("a1", "a2")),
    "fchownat": ("a2", "a3"),
}
_ACCOUNTS: Final = frozenset((
    "USER_CHAUTHTOK", "ADD_USER", "DEL_USER", "USER_MGMT", "ACCT_LOCK", "ACCT_UNLOCK",
    "USER_START", "USER_END", "USER_AUTH", "USER_ACCT", "CRED_ACQ", "CRED_REFR", "CRED_DISP",
    "USER_ERR", "ROLE_ASSIGN", "ROLE_REMOVE", "USER_ROLE_CHANGE",
))
_GROUPS: Final = frozenset(("ADD_GROUP", "DEL_GROUP", "GRP_MGMT", "GRP_CHAUTHTOK", "GRP_AUTH"))
_NAMED: Final = {
    "SERVICE_START": ("service", "unit"), "SERVICE_STOP": ("service", "unit"),
    "SOFTWARE_UPDATE": ("package", "sw"), "NETFILTER_CFG": ("firewall_table", "table"),
    "KERN_MODULE": ("kernel_module", "name"), "ANOM_PROMISCUOUS": ("network_interface", "dev"),
    "MAC_CONFIG_CHANGE": ("selinux_boolean", "bool"),
    "FEATURE_CHANGE": ("feature", "feature"), "BPF": ("bpf_program", "prog-id"),
}
_SOCKETS: Final = frozenset(("connect", "bind", "accept", "accept4", "sendto", "sendmsg",
                             "sendmmsg", "recvfrom", "recvmsg", "recvmmsg"))


def person(fields: dict[str, str], name: str) -> str:
    """Whose id the field `name` is: the enriched name, else `uid:1000`; '' when it is unset.

    0 is `root` on every system.
    """
    number = fields.get(name, "")
    if number in _UNSET_IDS:
        return ""
    known = fields.get(name.upper(), "")
    if known and known != "unset" and not known.startswith("unknown(") and len(known) < NAME_CHARS:
        return known
    return "root" if number == "0" else f"uid:{number}"[:NAME_CHARS]


def account(main: Record) -> str:
    """The account that a program's message is about: its name, else the enriched or bare id.

    '' when there is none, or when the name says that nobody has it.
    """
    name = main.told.get("acct", "")
    if name:
        return "" if name in _NOBODY else name[:NAME_CHARS]
    return person({"id": main.told.get("id", ""), "ID": main.fields.get("ID", "")}, "id")


def targets_of(group: Group, main: Record, call: Record, name: str) -> Iterator[Target]:
    """What was touched, the thing itself first."""
    told = main.told
    if main.type in _ACCOUNTS and account(main):
        yield Target(type="linux_user", id=account(main))
        yield from _one("group", told.get("grp", ""))
    if main.type in _GROUPS:
        known = account(main).replace("uid:", "gid:")
        if known:
            yield Target(type="linux_group", id=known)
    if main.type in _NAMED:
        kind, field = _NAMED[main.type]
        yield from _one(kind, told.get(field) or main.fields.get(field, ""))
    if main.type == "USER_CMD":
        yield from _program(told.get("cmd", "").partition(" ")[0])
    if main.type == "LOGIN":
        yield from _one("user", person(main.fields, "auid"))
    if main.type.startswith("VIRT_"):
        yield from _one("virtual_machine", told.get("vm", ""))
    if main.type in ("AVC", "USER_AVC", "SECCOMP", "ANOM_ABEND", "ANOM_LINK"):
        # SELinux knows a file by its last name alone; a PATH record says where it is
        whole = [one.id for one in _files(group, call, name)] if call.type else []
        yield from (one for one in _refused(main)
                    if not any(path.endswith(f"/{one.id}") for path in whole))
    if main.type == "CONFIG_CHANGE" and main.fields.get("op") in ("add_rule", "remove_rule"):
        yield from _one("audit_rule", main.fields.get("key", ""))
    elif call.type and main.type in ("SYSCALL", "AVC", "ANOM_LINK", "SECCOMP"):
        yield from _files(group, call, name)
        yield from _others(group, call, name)


def _one(kind: str, ident: str) -> Iterator[Target]:
    if ident and len(ident) <= NAME_CHARS:
        yield Target(type=f"linux_{kind}", id=ident)


def _program(name: str) -> Iterator[Target]:
    """A program by its path, which is a file, or by the name it was called by."""
    yield from _one("file" if name.startswith("/") else "program", name)


def _refused(main: Record) -> Iterator[Target]:
    """What a security module was asked about; the program that crashed or was stopped."""
    fields = main.fields
    if main.type in ("SECCOMP", "ANOM_ABEND"):
        yield from _program(fields.get("exe") or fields.get("comm", ""))
        return
    kind = "apparmor_profile" if fields.get("apparmor") == "STATUS" else "file"
    yield from _one(kind, fields.get("path") or fields.get("name", ""))
    if fields.get("dest"):
        yield from _one("port", fields["dest"])


def _files(group: Group, call: Record, name: str) -> Iterator[Target]:
    """The files of PATH records; directories that only lead to them are left out."""
    paths = group.all("PATH")
    if name in ("execve", "execveat"):
        paths = paths[:1]  # the others are its interpreter and loader
    for one in paths:
        kind = one.fields.get("nametype") or one.fields.get("objtype", "")
        if kind == "PARENT" or (kind == "UNKNOWN" and (len(paths) > 1 or name in _SOCKETS)):
            continue
        path = _resolved(group, call, name, one)
        if path and len(path) <= NAME_CHARS:
            yield Target(type=_file_type(one.fields.get("mode", "")), id=path)


def _file_type(mode: str) -> str:
    directory = mode.removeprefix("0o").lstrip("0").startswith("4") and len(mode) > len("0755")
    return "linux_directory" if directory else "linux_file"


def _resolved(group: Group, call: Record, name: str, path: Record) -> str:
    """A path as far as the records say it."""
    given = path.fields.get("name", "")
    if not given or given.startswith("/"):
        return given
    arguments = DIRECTORY_ARGUMENTS.get(name, ())
    if len(arguments) > 1:
        second = path.fields.get("nametype") == "CREATE"
        arguments = arguments[1:] if second else arguments[:1]
    if any(call.fields.get(one, "").lower() not in _HERE for one in arguments):
        return given
    folder = group.first("CWD").fields.get("cwd", "")
    return posixpath.normpath(posixpath.join(folder, given)) if folder else given


def _others(group: Group, call: Record, name: str) -> Iterator[Target]:
    """Sockets and processes."""
    for one in group.all("SOCKADDR") if name in _SOCKETS else ():
        known = one.fields.get("address") or socket_of(one.fields.get("saddr", ""))
        yield from _one("socket", known)
    for one in group.all("OBJ_PID"):
        ident, comm = one.fields.get("opid", ""), one.fields.get("ocomm", "")[:NAME_CHARS]
        if ident:
            yield Target(type="linux_process", id=ident[:NAME_CHARS], name=comm or UNSET)


def changes_of(
    group: Group, main: Record, call: Record, name: str
) -> list[Change] | UnsetType:
    """What a call that succeeded changed, where the records tell it."""
    if main.type == "SYSCALL":
        return bounded(_file_changes(group, call, name))
    fields = main.fields
    if main.type == "CONFIG_CHANGE":
        old = fields.get("old")
        found = [one for one in fields if one.startswith("audit_") and fields[one] != old]
        return bounded(_changed(one, old, fields[one]) for one in found)
    pairs = {
        "MAC_STATUS": ("enforcing", "old_enforcing", "enforcing"),
        "MAC_CONFIG_CHANGE": ("value", "old_val", "val"),
        "ANOM_PROMISCUOUS": ("promiscuity", "old_prom", "prom"),
        "FEATURE_CHANGE": ("value", "old", "new"),
    }
    path, old, new = pairs.get(main.type, ("", "", ""))
    if path and new in fields:
        return [_changed(path, fields.get(old), fields[new])]
    return UNSET


def _changed(path: str, before: object, after: object) -> Change:
    return Change(
        path=path,
        op=ChangeOp.REPLACE,
        before=UNSET if before in (None, "") else raw(before),
        after=raw(after),
    )


def _file_changes(group: Group, call: Record, name: str) -> Iterator[Change]:
    paths = [one for one in group.all("PATH") if one.fields.get("nametype") != "PARENT"]
    if name in ("rename", "renameat", "renameat2"):
        old = [one for one in paths if one.fields.get("nametype") == "DELETE"]
        new = [one for one in paths if one.fields.get("nametype") == "CREATE"]
        if len(old) == len(new) == 1:
            yield _changed("path", *(_resolved(group, call, name, one) for one in (*old, *new)))
    if len(paths) != 1:
        return
    before = paths[0].fields
    argument = _MODE_ARGUMENT.get(name)
    mode = _number(call.fields.get(argument, "")) if argument else None
    if mode is not None:
        yield _changed("mode", _permissions(before.get("mode", "")), f"{mode & 0o7777:04o}")
    for field, member, argument in zip(
        ("ouid", "ogid"), ("owner", "group"), _OWNER_ARGUMENTS.get(name, ()), strict=False
    ):
        number = _number(call.fields.get(argument, ""))
        if number is not None and number != 0xFFFFFFFF:
            yield _changed(member, before.get(field), str(number))


def _permissions(mode: str) -> str | None:
    try:
        return f"{int(mode.removeprefix('0o'), 8) & 0o7777:04o}"
    except ValueError:
        return None


def _number(argument: str) -> int | None:
    """A system call's argument, which is written in hexadecimal, as 32 bits."""
    try:
        return int(argument, 16) & 0xFFFFFFFF
    except ValueError:
        return None
