"""From the records of one Linux audit event to who did what: shared by `auditd` and `laurel`.

The actor is the login user (`auid`), which stays with a person through su, sudo and every shell
behind them; the account whose rights were used is `data.user` (and `data.effective_user` where
that differs). A process outside any login session is a service, named by its account.
"""

from __future__ import annotations

import shlex
from typing import Final

from msgspec import UNSET, UnsetType

from indelible.base.limits import NAME_CHARS
from indelible.event.model import Actor, ActorType, Auth, Event, Operation, Origin, Outcome, Reason
from indelible.ingest.parsers import pick
from indelible.ingest.parsers.auditd_record import Group, Record
from indelible.ingest.parsers.auditd_syscalls import ARCHITECTURES, syscall_named
from indelible.ingest.parsers.auditd_table import (
    COMPLETING,
    ERRORS,
    RECORDS,
    SYSCALLS,
    Meaning,
)
from indelible.ingest.parsers.auditd_targets import account, changes_of, person, targets_of
from indelible.ingest.parsers.contract import NotUnderstood, Understood

_CLAIMED: Final = frozenset(("USER_AUTH", "USER_ACCT", "USER_LOGIN", "USER_ERR", "USER_START",
                             "USER_END", "CRED_ACQ", "CRED_REFR", "CRED_DISP", "USER_LOGOUT"))
_OWN_SESSION: Final = frozenset(("USER_LOGIN", "USER_LOGOUT"))
_YES: Final = frozenset(("yes", "success", "1"))
_NO: Final = frozenset(("no", "failed", "0", "fail", "failure"))
_REFUSED: Final = frozenset(("USER_ACCT", "USER_CMD", "USER_AVC", "DAC_CHECK"))
"""Their failure is that somebody may not; that of others, that something did not work."""
_DENYING: Final = frozenset(("1", "13"))
_UNFINISHED: Final = frozenset(("115", "512", "513", "514", "516"))
"""EINPROGRESS, and calls that the kernel begins again: neither failed nor done."""


def understood(group: Group, ident: str = "") -> Understood:
    """The event of a group of records; raises `NotUnderstood` when they tell nobody's act."""
    main, call = _main(group)
    name = _call_name(call)
    meaning = _meaning(group, main, name)
    outcome, reason = _outcome(main, call)
    event = Event(
        action=pick.action("linux", meaning.object, meaning.verb),
        operation=meaning.operation,
        actor=_actor(group, main, call),
        targets=pick.targets(targets_of(group, main, call, name)),
        time=pick.epoch(group.id.partition(":")[0]),
        outcome=outcome,
        reason=reason,
        origin=_origin(main, group.node),
        changes=changes_of(group, main, call, name) if outcome is Outcome.SUCCESS else UNSET,
        id=pick.or_unset(ident),
        labels=_labels(group, main, call),
    )
    return Understood(event, _facts(group, main, call, name))


def _main(group: Group) -> tuple[Record, Record]:
    """The record that tells the event, and its system call; each may be an empty one."""
    call = group.first("SYSCALL")
    told = [one for one in group.records if one.type not in COMPLETING]
    if told:
        return told[0], call
    if call.type:
        return call, call
    kinds = ", ".join(dict.fromkeys(one.type for one in group.records))
    why = f"{kinds} completes an event; its other records, which tell who acted, are not here"
    paths = [one.fields.get("name", "") for one in group.all("PATH")]
    data = pick.flat({"event_id": group.id, "paths": [one for one in paths if one]})
    raise NotUnderstood("part_of_event", why, data)


def _call_name(call: Record) -> str:
    """The system call's name: as the record says it, or by number; `syscall_NUMBER` else."""
    said, number = call.fields.get("SYSCALL", ""), call.fields.get("syscall", "")
    if said and not said.startswith("unknown"):
        return said[:NAME_CHARS]
    if number and not number.isdigit():
        return number[:NAME_CHARS]
    known = syscall_named(call.fields.get("arch", ""), number)
    return known or (f"syscall_{number}"[:NAME_CHARS] if number else "")


def _meaning(group: Group, main: Record, name: str) -> Meaning:
    refused = main.type == "AVC" and main.fields.get("apparmor") != "STATUS"
    if main.type == "SYSCALL" or (refused and name in SYSCALLS):
        return _by_call(group, name)
    kind, told = main.type, main.told
    op = told.get("op") or main.fields.get("op", "")
    if kind in _MANAGING:
        return _management(kind, op)
    if kind == "CONFIG_CHANGE" and op in ("add_rule", "remove_rule"):
        return Meaning("audit_rule", op.removesuffix("_rule"), Operation.CONFIGURE)
    if kind == "AVC" and main.fields.get("apparmor"):
        return _apparmor(main.fields)
    if kind == "SOFTWARE_UPDATE" and op in ("install", "remove", "update"):
        return Meaning("package", op, Operation.CONFIGURE)
    if kind == "BPF" and op:
        return Meaning("bpf_program", op, Operation.CONFIGURE)
    if kind == "CRYPTO_KEY_USER" and op:
        return Meaning("crypto_key", op, Operation.OTHER)
    if kind == "VIRT_CONTROL" and op:
        return Meaning("virtual_machine", op, Operation.EXECUTE)
    if kind.startswith(("ANOM_", "RESP_")) and kind not in RECORDS:
        what, _, rest = kind.partition("_")
        return Meaning({"ANOM": "anomaly", "RESP": "response"}[what], rest, Operation.OTHER)
    return RECORDS.get(kind) or Meaning("record", kind.replace("[", "_"), Operation.OTHER)


def _by_call(group: Group, name: str) -> Meaning:
    """A system call; opening a file is what it was opened for."""
    meaning = SYSCALLS.get(name)
    if meaning is None:
        return Meaning("syscall", name or "unknown", Operation.OTHER)
    if (meaning.object, meaning.verb) != ("file", "open"):
        if name in ("unlinkat",) and _is_set(group.first("SYSCALL"), "a2", 0x200):  # AT_REMOVEDIR
            return Meaning("directory", "delete", Operation.DELETE)
        return meaning
    if any(one.fields.get("nametype") == "CREATE" for one in group.all("PATH")):
        return Meaning("file", "create", Operation.CREATE)
    flags = "a1" if name == "open" else "a2"
    if name in ("open", "openat") and _is_set(group.first("SYSCALL"), flags, 0x3):
        return meaning._replace(operation=Operation.UPDATE)
    return meaning


def _is_set(call: Record, argument: str, bits: int) -> bool:
    try:
        return bool(int(call.fields.get(argument, "0"), 16) & bits)
    except ValueError:
        return False


_MANAGING: Final = frozenset(
    ("USER_CHAUTHTOK", "USER_MGMT", "ADD_USER", "DEL_USER", "ADD_GROUP", "DEL_GROUP")
)


def _management(kind: str, op: str) -> Meaning:
    """What the tools of shadow say in `op`: the same type covers passwords and groups.

    Since shadow 4.6 the words are joined by hyphens (`add-user-to-group`).
    """
    plain = op.lower().replace("-", " ")
    what = "group" if kind.endswith("GROUP") else "user"
    if "group" in plain and (" to " in plain or " from " in plain) and what == "user":
        if plain.startswith(("add", "changing")):
            return Meaning("user", "add_to_group", Operation.GRANT)
        if plain.startswith(("delet", "remov")):
            return Meaning("user", "remove_from_group", Operation.REVOKE)
    if kind == "USER_CHAUTHTOK" and not ("chauthtok" in plain or "passw" in plain):
        return Meaning("user", "update", Operation.UPDATE)
    return RECORDS[kind]


def _apparmor(fields: dict[str, str]) -> Meaning:
    """AppArmor: an access that a profile was asked about, or a change of profiles."""
    operation = fields.get("operation") or "check"
    if fields["apparmor"] == "STATUS":
        return Meaning("apparmor", operation, Operation.CONFIGURE)
    call = {"exec": "execve", "capable": "capset"}.get(operation, operation)
    return SYSCALLS.get(call) or Meaning("apparmor", operation, Operation.OTHER)


def _actor(group: Group, main: Record, call: Record) -> Actor:
    """Who acted: the login user; else the user that a login names; else the process's account."""
    fields = main.fields if "auid" in main.fields or not call.type else call.fields
    session = fields.get("ses", "")
    session = "" if session in ("4294967295", "-1") else session
    claimed = account(main)
    if main.type in _OWN_SESSION or (main.type in _CLAIMED and not person(fields, "auid")):
        return _claimant(main, claimed, session)
    if main.type == "LOGIN":
        return _service(fields, main)
    user = person(fields, "auid")
    if user:
        return Actor(type=ActorType.USER, id=user, session=pick.or_unset(session))
    return _service(fields if "uid" in fields else call.fields, main)


def _claimant(main: Record, claimed: str, session: str) -> Actor:
    """Who logs in: the account named; nobody known when the name is none."""
    user = claimed or person(main.fields, "auid")
    method = main.told.get("op", "")
    auth = Auth(method=method) if main.type == "USER_AUTH" and method else UNSET
    if not user:
        return Actor(type=ActorType.ANONYMOUS, id="anonymous", auth=auth)
    return Actor(type=ActorType.USER, id=user, session=pick.or_unset(session), auth=auth)


def _service(fields: dict[str, str], main: Record) -> Actor:
    """A process outside a login session, or the system's own parts."""
    program = (main.told.get("comm") or main.told.get("exe", "")).rpartition("/")[2]
    if program.startswith("systemd"):
        return Actor(type=ActorType.SYSTEM, id="systemd")
    if main.type.startswith("DAEMON_"):
        return Actor(type=ActorType.SYSTEM, id="auditd")
    user = person(fields, "uid") or person({"uid": main.fields.get("fsuid", "")}, "uid")
    if user:
        return Actor(type=ActorType.SERVICE, id=user)
    return Actor(type=ActorType.SYSTEM, id="kernel")


def _outcome(main: Record, call: Record) -> tuple[Outcome | UnsetType, Reason | UnsetType]:
    """What `res=` or `success=` says; a refusal by rights is a denial."""
    fields = main.fields
    if fields.get("seresult") == "denied" or fields.get("apparmor") == "DENIED":
        if fields.get("permissive") != "1":
            what = fields.get("seperms") or fields.get("denied_mask", "")
            module = "AppArmor" if fields.get("apparmor") else "SELinux"
            return Outcome.DENIED, pick.reason(module, what[:NAME_CHARS])
    elif main.type == "SECCOMP":
        return Outcome.DENIED, pick.reason("seccomp")
    said = main.told.get("res") or fields.get("res", "")
    if said in _YES:
        return Outcome.SUCCESS, UNSET
    if said in _NO:
        return (Outcome.DENIED if main.type in _REFUSED else Outcome.FAILURE), UNSET
    if call.type:
        return _call_outcome(call)
    return UNSET, UNSET


def _call_outcome(call: Record) -> tuple[Outcome | UnsetType, Reason | UnsetType]:
    if call.fields.get("success") == "yes":
        return Outcome.SUCCESS, UNSET
    number = call.fields.get("exit", "")
    code = number.removeprefix("-")
    if number in ERRORS.values():  # auditd's enriched form names it
        code = next(key for key, name in ERRORS.items() if name == number)
    if call.fields.get("success") != "no" or code in _UNFINISHED:
        return UNSET, UNSET
    reason = pick.reason(ERRORS.get(code, number[:NAME_CHARS]))
    return (Outcome.DENIED if code in _DENYING else Outcome.FAILURE), reason


def _origin(main: Record, node: str) -> Origin | UnsetType:
    """Where the actor was. Beside an address `hostname=` is the name of the actor's own machine;
    without one (`useradd`) it is the host that wrote the record (audit_log_acct_message(3))."""
    address = pick.ip(main.told.get("addr", "")[:NAME_CHARS])
    host = main.told.get("hostname", "")
    if host == address or pick.ip(host[:NAME_CHARS]):
        host = ""
    device, host = (host, node) if address else ("", host or node)
    return pick.origin(ip=address, host=host[:NAME_CHARS], device=device[:NAME_CHARS])


def _labels(group: Group, main: Record, call: Record) -> dict[str, str] | UnsetType:
    key = (call.fields.get("key") or main.fields.get("key", "")).replace("\x01", ",")
    found = {"key": key, "node": group.node}
    return {name: value for name, value in found.items() if value and value != ","} or UNSET


def _facts(group: Group, main: Record, call: Record, name: str) -> dict[str, object]:
    """What has no member of its own."""
    fields, told = call.fields or main.fields, main.told
    command = group.first("EXECVE").args or group.first("PROCTITLE").args
    user, effective = person(fields, "uid"), person(fields, "euid")
    arch = fields.get("arch", "").removeprefix("0x")
    found: dict[str, object] = {
        "vendor_action": name if main.type == "SYSCALL" else main.type,
        "op": told.get("op") or main.fields.get("op", ""),
        "syscall": name if main.type != "SYSCALL" else "",
        "user": user,
        "effective_user": effective if effective != user else "",
        "exe": told.get("exe") or fields.get("exe", "") or main.fields.get("exe", ""),
        "comm": told.get("comm") or fields.get("comm", "") or main.fields.get("comm", ""),
        "command": told.get("cmd") or _joined(command),
        "cwd": told.get("cwd") or group.first("CWD").fields.get("cwd", ""),
        "pid": fields.get("pid", "") or main.fields.get("pid", ""),
        "ppid": fields.get("ppid", ""),
        "tty": told.get("terminal") or fields.get("tty", ""),
        "arch": ARCHITECTURES.get(arch, arch) if arch not in ("", "c000003e") else "",
        "event_id": group.id,
    }
    for one in ("subj", "profile", "grantors", "sig", "reason", "uuid", "kind", "table"):
        found[one] = told.get(one) or main.fields.get(one, "") or fields.get(one, "")
    if found["subj"] in ("unconfined", "=unconfined"):
        del found["subj"]
    return pick.flat(found)


def _joined(arguments: tuple[str, ...]) -> str:
    """A command line that a shell would read as these arguments; one alone as it stands."""
    return shlex.join(arguments) if len(arguments) > 1 else "".join(arguments)
