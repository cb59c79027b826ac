"""The Linux audit log: records put together, decoded, and told alike by auditd and laurel."""

from __future__ import annotations

import json
from typing import Any

import pytest

from indelible.ingest.parsers import auditd, laurel
from indelible.ingest.parsers.auditd_record import group_of, socket_of
from indelible.ingest.parsers.auditd_syscalls import syscall_named
from indelible.ingest.parsers.contract import Given, NotUnderstood
from indelible.ingest.parsers.finish import parse_message, understand

ID = "1700000000.123:4242"
M = f"msg=audit({ID}):"
CALL = (f"type=SYSCALL {M} arch=c000003e syscall=%s success=%s exit=%s a0=ffffff9c a1=0 a2=0 a3=0 "
        'items=1 ppid=1 pid=2 auid=1000 uid=0 euid=33 ses=3 comm="x" exe="/bin/x" key=(null)')
TOLD = f"type=%s {M} pid=9 uid=0 auid=%s ses=1 msg='%s'"


def event(text: str) -> dict[str, Any]:
    parsed = parse_message(auditd.PARSER, text.encode(), Given(now_us=0))
    found: dict[str, Any] = json.loads(parsed.content)
    return found


def refused(text: str) -> str:
    with pytest.raises(NotUnderstood) as no:
        understand(auditd.PARSER, text, Given(now_us=0))
    return no.value.code


def test_lines_of_one_event_are_joined_whatever_stands_between_them() -> None:
    join = auditd.PARSER.join
    assert join is not None
    lines = [
        f"node=a type=SYSCALL {M} x".encode(), f"node=b type=SYSCALL {M} x".encode(),
        f"node=a type=PATH {M} x".encode(), f"node=a type=PROCTITLE {M} x".encode(),
    ]
    keys = [join.key(line) for line in lines]
    assert keys[0] == keys[2] == keys[3] != keys[1]
    assert [join.ends(line) for line in lines] == [False, False, False, True]
    assert not join.follows(lines[2])


@pytest.mark.parametrize(
    ("kind", "ends"),
    [("USER_LOGIN", True), ("DAEMON_START", True), ("SERVICE_STOP", True), ("EOE", True),
     ("ANOM_LOGIN_FAILURES", True), ("AVC", False), ("CONFIG_CHANGE", False), ("LOGIN", False),
     ("EXECVE", False), ("ANOM_ABEND", False)],
)
def test_what_programs_send_is_one_record_and_what_the_kernel_writes_is_not(
    kind: str, ends: bool
) -> None:
    join = auditd.PARSER.join
    assert join is not None
    assert join.ends(f"type={kind} {M} x".encode()) is ends


def test_a_line_that_is_no_record_stands_alone() -> None:
    join = auditd.PARSER.join
    assert join is not None
    assert (join.key(b"hello"), join.ends(b"hello")) == (b"", True)


def test_records_of_two_events_are_not_taken_for_one() -> None:
    other = CALL % (59, "yes", 0)
    text = other + "\n" + other.replace("4242", "4243")
    assert refused(text) == "mixed_events"


def test_untrusted_values_are_decoded_and_nothing_else() -> None:
    text = (f'type=PATH {M} item=0 name=2F746D702F612062 mode=0100644 nametype=NORMAL\n'
            f'type=PATH {M} item=1 name="DEADBEEF" nametype=NORMAL\n'
            f"type=PATH {M} item=2 name=(null) nametype=NORMAL")
    paths = [one.fields["name"] for one in group_of(text).records]
    assert paths == ["/tmp/a b", "DEADBEEF", ""]


def test_arguments_come_in_pieces_and_in_hexadecimal() -> None:
    text = f'type=EXECVE {M} argc=3 a0="sh" a1=2D63 a2_len=9 a2[0]="echo " a2[1]=6869 a4="far"'
    assert group_of(text).records[0].args == ("sh", "-c", "echo hi")


@pytest.mark.parametrize(
    ("saddr", "address"),
    [
        ("02000050CB0071050000000000000000", "203.0.113.5:80"),
        ("0A0001BB0000000020010DB800000000000000000000001700000000", "[2001:db8::17]:443"),
        ("01002F72756E2F78000000", "/run/x"), ("0100002F746D7000", "@/tmp"),
        ("100000000000000000000000", ""), ("0200", ""), ("zz", ""), ("", ""),
    ],
)
def test_socket_addresses_are_decoded(saddr: str, address: str) -> None:
    assert socket_of(saddr) == address


@pytest.mark.parametrize(
    ("arch", "number", "name"),
    [("c000003e", "257", "openat"), ("0xc00000b7", "56", "openat"), ("40000003", "11", "execve"),
     ("c00000b7", "450", "set_mempolicy_home_node"), ("c000003e", "99999", ""),
     ("80000016", "5", ""), ("c000003e", "²", ""), ("c000003e", "", "")],
)
def test_calls_are_named_by_architecture(arch: str, number: str, name: str) -> None:
    assert syscall_named(arch, number) == name


def test_a_call_without_a_name_keeps_its_number() -> None:
    found = event((CALL % (9999, "yes", 0)).replace("arch=c000003e", "arch=80000016"))
    assert found["action"] == "linux.syscall.syscall_9999"
    assert (found["operation"], found["data"]["arch"]) == ("other", "s390x")


@pytest.mark.parametrize(
    ("success", "code", "outcome", "reason"),
    [("yes", 3, "success", None), ("no", -13, "denied", "EACCES"), ("no", -1, "denied", "EPERM"),
     ("no", -2, "failure", "ENOENT"), ("no", -115, None, None), ("no", -512, None, None),
     ("no", "EACCES(Permission", "failure", "EACCES(Permission"), ("no", "EACCES", "denied",
                                                                   "EACCES"),
     ("no", -9999, "failure", "-9999")],
)
def test_a_call_is_denied_by_rights_only(
    success: str, code: object, outcome: str | None, reason: str | None
) -> None:
    found = event(CALL % (59, success, code))
    assert found.get("outcome") == outcome
    assert found.get("reason", {}).get("code") == reason


def test_the_actor_is_who_logged_in_and_the_account_used_is_told() -> None:
    found = event(CALL % (59, "yes", 0))
    assert found["actor"] == {"type": "user", "id": "uid:1000", "session": "3"}
    assert (found["data"]["user"], found["data"]["effective_user"]) == ("root", "uid:33")


@pytest.mark.parametrize("auid", ["4294967295", "-1"])
def test_without_a_login_a_process_is_a_service(auid: str) -> None:
    found = event((CALL % (59, "yes", 0)).replace("auid=1000", f"auid={auid}").replace(
        "ses=3", f"ses={auid}"))
    assert found["actor"] == {"type": "service", "id": "root"}


def test_a_name_that_could_not_be_looked_up_is_no_name() -> None:
    enriched = '\x1dAUID="unknown(1000)" UID="root" EUID="unset"'
    assert event(CALL % (59, "yes", 0) + enriched)["actor"]["id"] == "uid:1000"


def test_enriched_names_are_read_without_their_separator_too() -> None:
    line = TOLD % ("ADD_USER", "1006", "op=adding user id=500 res=success")
    found = event(line + 'UID="root" AUID="ann" ID="eve"')
    assert (found["actor"]["id"], found["targets"][0]["id"]) == ("ann", "eve")


@pytest.mark.parametrize(
    ("kind", "op", "action", "operation"),
    [
        ("USER_CHAUTHTOK", "PAM:chauthtok", "linux.user.change_password", "update"),
        ("USER_CHAUTHTOK", "updating-password", "linux.user.change_password", "update"),
        ("USER_CHAUTHTOK", "adding user to shadow group", "linux.user.add_to_group", "grant"),
        ("USER_CHAUTHTOK", "change max age", "linux.user.update", "update"),
        ("DEL_USER", "deleting user from group", "linux.user.remove_from_group", "revoke"),
        ("USER_MGMT", "add-user-to-group", "linux.user.add_to_group", "grant"),
        ("USER_MGMT", "delete-user-from-group", "linux.user.remove_from_group", "revoke"),
        ("USER_MGMT", "change-age", "linux.user.update", "update"),
        ("DEL_USER", "deleting user entries", "linux.user.delete", "delete"),
        ("ADD_GROUP", "adding group to /etc/group", "linux.group.create", "create"),
        ("ADD_USER", "add-user", "linux.user.create", "create"),
        ("ACCT_LOCK", "locked-password", "linux.user.lock", "revoke"),
    ],
)
def test_accounts_are_managed_as_their_op_says(
    kind: str, op: str, action: str, operation: str
) -> None:
    found = event(TOLD % (kind, "1000", f'op={op} acct="eve" exe="/x" res=success'))
    assert (found["action"], found["operation"], found["data"]["op"]) == (action, operation, op)


@pytest.mark.parametrize(
    ("acct", "kind", "ident"),
    [('acct="bob"', "user", "bob"), ("acct=28756E6B6E6F776E207573657229", "anonymous", "anonymous"),
     ('acct="?"', "anonymous", "anonymous"), ("id=1000", "user", "uid:1000"),
     ("id=0", "user", "root")],
)
def test_a_login_is_of_whom_it_claims(acct: str, kind: str, ident: str) -> None:
    found = event(TOLD % ("USER_LOGIN", "4294967295", f"op=login {acct} addr=203.0.113.9 "
                                                      "terminal=ssh res=failed"))
    assert (found["actor"]["type"], found["actor"]["id"]) == (kind, ident)
    assert (found["outcome"], found["origin"]["ip"]) == ("failure", "203.0.113.9")


@pytest.mark.parametrize("name", ["res", "addr", "acct"])
def test_a_field_that_decides_and_stands_twice_is_not_believed(name: str) -> None:
    told = "op=login acct=a addr=192.0.2.1 res=success"
    assert refused(TOLD % ("USER_LOGIN", "0", f"{told} {name}=x")) == "ambiguous"
    same = told.split(f"{name}=")[1].split()[0]
    assert event(TOLD % ("USER_LOGIN", "0", f"{told} {name}={same}"))["action"]


def test_a_sudo_that_is_refused_is_a_denial_and_a_wrong_password_a_failure() -> None:
    refusal = event(TOLD % ("USER_CMD", "1000", 'cwd="/" cmd="reboot" terminal=tty1 res=failed'))
    assert refusal["outcome"] == "denied"
    assert event(TOLD % ("USER_AUTH", "1000", "op=x acct=root res=failed"))["outcome"] == "failure"


def test_a_permissive_module_denies_nothing() -> None:
    avc = (f"type=AVC {M} avc:  denied  {{ setuid }} for  pid=1 comm=\"x\" tclass=capability "
           "permissive=%d")
    call = CALL % (105, "yes", 0)
    assert event(f"{avc % 1}\n{call}")["outcome"] == "success"
    assert event(f"{avc % 0}\n{call}")["outcome"] == "denied"


@pytest.mark.parametrize(
    ("given", "arguments", "resolved"),
    [("a/../b", "a0=ffffff9c", "/w/b"), ("/b", "a0=4", "/b"), ("b", "a0=4", "b"),
     ("b", "a0=ffffffffffffff9c", "/w/b")],
)
def test_relative_paths_are_resolved_only_where_they_start_here(
    given: str, arguments: str, resolved: str
) -> None:
    call = (CALL % (263, "yes", 0)).replace("a0=ffffff9c", arguments)
    text = f'{call}\ntype=CWD {M} cwd="/w"\ntype=PATH {M} item=1 name="{given}" nametype=DELETE'
    assert event(text)["targets"] == [{"type": "linux_file", "id": resolved}]


def test_a_record_that_completes_an_event_keeps_what_it_knows() -> None:
    with pytest.raises(NotUnderstood) as no:
        understand(auditd.PARSER, f'type=PATH {M} item=0 name="/etc/shadow"', Given(now_us=0))
    assert no.value.code == "part_of_event"
    assert no.value.data == {"event_id": ID, "paths": ["/etc/shadow"]}


def test_a_setting_of_the_audit_that_stays_is_no_change() -> None:
    line = f"type=CONFIG_CHANGE {M} op=set audit_enabled=%d old=1 auid=0 ses=1 res=1"
    assert "changes" not in event(line % 1)
    assert event(line % 2)["changes"] == [
        {"path": "audit_enabled", "op": "replace", "before": "1", "after": "2"}]


def test_an_unknown_type_is_told_by_its_name() -> None:
    found = event(TOLD % ("NEW_THING", "1000", "op=x res=success"))
    assert (found["action"], found["data"]["vendor_action"]) == (
        "linux.record.new_thing", "NEW_THING")


def test_keys_of_several_rules_are_told_together() -> None:
    line = (CALL % (59, "yes", 0)).replace("key=(null)", "key=6578656301726F6F74")
    assert event(line)["labels"] == {"key": "exec,root"}


RECORD = {"arch": "0xc000003e", "syscall": 268, "success": "yes", "exit": 0, "items": 1, "ppid": 1,
          "pid": 2, "auid": 1000, "uid": 0, "euid": 33, "ses": 3, "comm": "x", "exe": "/bin/x",
          "key": None, "ARGV": ["0xffffff9c", "0x0", "0x180", "0x0"]}


def test_laurel_and_auditd_tell_the_same_of_the_same() -> None:
    text = (CALL % (268, "yes", 0)).replace("a2=0", "a2=180") + (
        f'\ntype=CWD {M} cwd="/w"\ntype=PATH {M} item=0 name="a b" mode=0100644 ouid=0 ogid=0 '
        f"nametype=NORMAL\ntype=PROCTITLE {M} proctitle=63686D6F64003630300061206200")
    record = {"ID": ID, "SYSCALL": RECORD, "CWD": {"cwd": "/w"}, "PATH": [
        {"item": 0, "name": "a b", "mode": "0o100644", "ouid": 0, "ogid": 0,
         "nametype": "NORMAL"}], "PROCTITLE": {"ARGV": ["chmod", "600", "a b", ""]}}
    parsed = parse_message(laurel.PARSER, json.dumps(record).encode(), Given(now_us=0))
    other = json.loads(parsed.content)
    mine = event(text)
    assert {**mine, "raw": ""} == {**other, "raw": ""}


def test_an_event_of_laurel_has_an_id_only_with_its_node() -> None:
    record: dict[str, Any] = {"ID": ID, "SYSCALL": RECORD}
    assert not understand(laurel.PARSER, record, Given(now_us=0)).event.id
    found = understand(laurel.PARSER, {**record, "NODE": "web1"}, Given(now_us=0)).event
    assert found.id == f"web1/{ID}"


@pytest.mark.parametrize(
    "record",
    [{"ID": "x", "SYSCALL": RECORD}, {"ID": 5}, {}, {"ID": ID, "SYSCALL": []},
     {"ID": ID, "PATH": 5}, {"ID": ID, "syscall": RECORD}],
)
def test_odd_records_of_laurel_are_refused(record: dict[str, Any]) -> None:
    with pytest.raises(NotUnderstood) as no:
        understand(laurel.PARSER, record, Given(now_us=0))
    assert no.value.code in ("not_this_format", "part_of_event")


@pytest.mark.parametrize("text", ["", "type=", "type=SYSCALL msg=audit(x:1): a=b", "audit(1.1:1)"])
def test_other_texts_are_not_recognised(text: str) -> None:
    assert auditd.PARSER.recognise(text, Given(now_us=0)) == ""
    assert refused(text) == "not_this_format"


def test_a_host_beside_an_address_is_where_the_actor_came_from() -> None:
    """And without one it is the machine itself: `useradd` writes its own host's name."""
    said = "op=login id=1000 hostname=ws7.example.net addr=203.0.113.9 res=success"
    far = TOLD % ("USER_LOGIN", 1000, said)
    assert event(f"node=web1 {far}")["origin"] == {
        "ip": "203.0.113.9", "device": "ws7.example.net", "host": "web1",
    }
    near = TOLD % ("ADD_USER", 1000, 'op=adding user acct="eve" hostname=web1 addr=? res=success')
    assert event(near)["origin"] == {"host": "web1"}


def test_a_refusal_names_a_file_once_by_its_path() -> None:
    refusal = f'type=AVC {M} avc:  denied  {{ read }} for pid=2 comm="x" name="key" tclass=file'
    path = f'type=PATH {M} item=0 name="/etc/app/key" inode=1 mode=0100600 nametype=NORMAL'
    found = event("\n".join((refusal, CALL % (257, "no", "-13"), path)))
    assert [one["id"] for one in found["targets"]] == ["/etc/app/key"]
    assert [one["id"] for one in event(refusal)["targets"]] == ["key"]


def test_the_end_of_an_old_message_stands_in_parentheses() -> None:
    end = '(hostname=ws7, addr=203.0.113.5, terminal=sshd res=failed)'
    said = TOLD % ("USER_LOGIN", 4294967295, f'acct="root": exe="/usr/sbin/sshd" {end}')
    found = event(said)
    assert (found["actor"]["id"], found["outcome"]) == ("root", "failure")
    assert found["origin"] == {"ip": "203.0.113.5", "device": "ws7"}
    told = TOLD % ("USER_CMD", 1000, 'cwd="/" cmd="id" (terminal=pts/0 res=success)')
    assert event(told)["outcome"] == "success"


def test_who_joins_a_group_and_which() -> None:
    said = TOLD % ("USER_MGMT", 0, 'op=add-user-to-group grp="sudo" acct="eve" res=success')
    assert [(one["type"], one["id"]) for one in event(said)["targets"]] == [
        ("linux_user", "eve"), ("linux_group", "sudo"),
    ]
