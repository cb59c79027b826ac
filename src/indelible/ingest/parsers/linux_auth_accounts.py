"""Accounts, groups and passwords of a host: the programs of the shadow suite, and unix_chkpwd.

These run with root's rights and mostly do not say who called them: the actor is then `root`, of
type system. Only gpasswd, passwd, newgrp and new versions of others name the caller. Source: the
shadow suite's useradd, usermod, userdel, groupadd, groupmod, groupdel, gpasswd, passwd, chage,
chfn, chsh, newgrp, vipw; chfn and chsh of util-linux.
"""

from __future__ import annotations

from typing import Final

from msgspec import UNSET

from indelible.event.model import Change, Operation
from indelible.ingest.parsers.contract import Understood
from indelible.ingest.parsers.linux_auth_parts import (
    FAILURE,
    ROOT,
    SUCCESS,
    Found,
    Line,
    Rules,
    because,
    changed,
    local,
    number,
    set_to,
    told,
    user,
)


def _new_user(found: Found, line: Line) -> Understood:
    changes = [
        set_to(path, number(found[name]) if path.endswith("id") else found[name])
        for path, name in (("uid", "uid"), ("gid", "gid"), ("home", "home"), ("shell", "shell"))
    ]
    return told(
        line, "account.user.create", ROOT, "new user", operation=Operation.CREATE,
        outcome=SUCCESS, touched=local(line, "user", found["user"]), changes=changes,
        data={"from": found["from"]},
    )


def _new_group(found: Found, line: Line) -> Understood:
    """A group is told three times: as a whole, and of each file."""
    said = found.groupdict()
    changes: list[Change] = []
    if said.get("gid") is not None:
        changes = [set_to("gid", number(said["gid"]))]
    whole = said["how"] == "new group"
    return told(
        line, "account.group.create", ROOT, said["how"], outcome=SUCCESS,
        operation=Operation.CREATE if whole else Operation.OTHER,
        touched=local(line, "group", said["group"]), changes=changes,
        data={"file": said.get("file")},
    )


def _gone(found: Found, line: Line) -> Understood:
    """A user or a group was deleted; a group is told of each file besides."""
    said = found.groupdict()
    kind = "user" if said.get("user") else "group"
    where = said.get("file") or ("/etc/gshadow" if said.get("shadow") else "")
    return told(
        line, f"account.{kind}.delete", ROOT, said.get("how") or "group removed", outcome=SUCCESS,
        operation=Operation.OTHER if where else Operation.DELETE,
        touched=local(line, kind, said.get("user") or said["group"]),
        data={"file": where, "owned_by": said.get("owner")},
    )


def _member(found: Found, line: Line) -> Understood:
    """An account joins a group or leaves it; the file of passwords tells it again."""
    said = found.groupdict()
    joins = said["how"].startswith("add") or said["how"] == "added"
    operation = Operation.GRANT if joins else Operation.REVOKE
    by = said.get("by")
    return told(
        line, f"account.group_member.{'add' if joins else 'remove'}", user(by) if by else ROOT,
        said["how"], operation=Operation.OTHER if said.get("shadow") else operation,
        outcome=SUCCESS,
        touched=local(line, "group", said["group"]) + local(line, "user", said["user"]),
        data={"file": "/etc/gshadow" if said.get("shadow") else said.get("file")},
    )


def _member_failed(found: Found, line: Line) -> Understood:
    joins = found["how"] == "add"
    return told(
        line, f"account.group_member.{'add' if joins else 'remove'}", user(found["by"]),
        f"failed to {found['how']}", outcome=FAILURE,
        operation=Operation.GRANT if joins else Operation.REVOKE,
        touched=local(line, "group", found["group"]) + local(line, "user", found["user"]),
    )


def _members_set(found: Found, line: Line) -> Understood:
    """gpasswd sets who belongs to a group, or who administers it, as a whole."""
    path = found["what"]
    names = [one for one in found["names"].split(",") if one]
    return told(
        line, f"account.group_{path.removesuffix('s')}.set", user(found["by"]), f"{path} set",
        operation=Operation.GRANT, outcome=SUCCESS, touched=local(line, "group", found["group"]),
        changes=[changed(path, None, names)],
    )


def _group_password(found: Found, line: Line) -> Understood:
    said = found.groupdict()
    failed = bool(said.get("failed"))
    verb = "restrict" if "restrict" in said["how"] else "change"
    return told(
        line, f"account.group_password.{verb}", user(said["by"]), said["how"].strip(),
        operation=Operation.UPDATE, outcome=FAILURE if failed else SUCCESS,
        touched=local(line, "group", said["group"]),
        changes=UNSET if failed else [changed("password")],
    )


def _user_changed(found: Found, line: Line) -> Understood:
    """`change user 'ann' shell from '/bin/sh' to '/bin/bash'`."""
    path = found["path"].lower()
    before, after = found["before"], found["after"]
    if path in ("uid", "gid", "inactive"):
        changes = [changed(path, _signed(before), _signed(after))]
    else:
        changes = [changed(path, before, after)]
    return told(
        line, "account.user.update", ROOT, f"change user {found['path']}",
        operation=Operation.UPDATE, outcome=SUCCESS, touched=local(line, "user", found["user"]),
        changes=changes,
    )


def _signed(value: str) -> object:
    digits = value.removeprefix("-")
    found = number(digits)
    return -found if isinstance(found, int) and digits != value else number(value)


def _renamed(found: Found, line: Line) -> Understood:
    """An account gets another name: both names are touched."""
    return told(
        line, "account.user.update", ROOT, "change user name", operation=Operation.UPDATE,
        outcome=SUCCESS, touched=local(line, "user", found["before"], found["after"]),
        changes=[changed("name", found["before"], found["after"])],
    )


def _member_renamed(found: Found, line: Line) -> Understood:
    return told(
        line, "account.group_member.update", ROOT, found["how"], operation=Operation.OTHER,
        outcome=SUCCESS, touched=local(line, "group", found["group"])
        + local(line, "user", found["before"], found["after"]),
    )


def _password(found: Found, line: Line) -> Understood:
    """A password changed, locked or unlocked; passwd names who did it."""
    said = found.groupdict()
    verb = said.get("verb") or "change"
    operation = {"lock": Operation.REVOKE, "unlock": Operation.GRANT}.get(verb, Operation.UPDATE)
    by = said.get("by")
    return told(
        line, f"account.password.{verb}", user(by) if by else ROOT,
        said["how"] if by else f"{said['how']} password", operation=operation, outcome=SUCCESS,
        touched=local(line, "user", said["user"]),
        changes=[changed("password")] if verb == "change" else UNSET,
    )


def _updated(found: Found, line: Line) -> Understood:
    """What is known to have changed, without values or with the new one only."""
    said = found.groupdict()
    path = _PATHS.get(line.program, "information")
    return told(
        line, "account.user.update", ROOT, said["how"], operation=Operation.UPDATE,
        outcome=SUCCESS, touched=local(line, "user", said["user"]),
        changes=[changed(path, None, said.get("after"))],
    )


_PATHS: Final = {"chsh": "shell", "chage": "expiry", "chfn": "gecos"}


def _failed(found: Found, line: Line) -> Understood:
    said = found.groupdict()
    verb, kind = said["verb"], said.get("kind") or "user"
    return told(
        line, f"account.{kind}.{verb}", ROOT, said["how"], operation=_FAILS[verb],
        outcome=FAILURE, why=because("", said.get("why") or line.text),
        touched=local(line, kind, said.get("name")) or None,
    )


_FAILS: Final = {
    "adding": Operation.CREATE, "add": Operation.CREATE, "remove": Operation.DELETE,
    "change": Operation.UPDATE, "create": Operation.CREATE, "update": Operation.UPDATE,
}


def _add_failed(found: Found, line: Line) -> Understood:
    said = found.groupdict()
    return told(
        line, "account.user.create", ROOT, "failed adding user", operation=Operation.CREATE,
        outcome=FAILURE, why=because(said["code"] or "", said["why"]),
        touched=local(line, "user", said["user"]),
    )


def _group_changed(found: Found, line: Line) -> Understood:
    """`group changed in /etc/group (group ops/1001, new name: admins)`."""
    said = found.groupdict()
    changes = []
    if said.get("name"):
        changes.append(changed("name", said["group"], said["name"]))
    if said.get("new_gid"):
        changes.append(changed("gid", number(said["gid"]), number(said["new_gid"])))
    return told(
        line, "account.group.update", ROOT, "group changed", outcome=SUCCESS,
        operation=Operation.UPDATE if said["file"] == "/etc/group" else Operation.OTHER,
        touched=local(line, "group", said["group"], said.get("name")), changes=changes,
        data={"file": said["file"]},
    )


def _switched(found: Found, line: Line) -> Understood:
    """newgrp: an account works with another group."""
    failed = found["how"].startswith("Invalid")
    return told(
        line, "account.group.switch", user(found["user"]), found["how"],
        operation=Operation.OTHER, outcome=FAILURE if failed else SUCCESS,
        why=because("authentication_failed") if failed else UNSET,
        touched=local(line, "group", found["group"]),
        data={"login": found.groupdict().get("login"), "tty": found.groupdict().get("tty")},
    )


def _edited(found: Found, line: Line) -> Understood:
    return told(
        line, "account.file.edit", ROOT, "edited", operation=Operation.UPDATE, outcome=SUCCESS,
        touched=local(line, "file", found["file"]),
    )


def _defaults(found: Found, line: Line) -> Understood:
    return told(
        line, "account.defaults.set", ROOT, "useradd defaults", operation=Operation.CONFIGURE,
        outcome=SUCCESS, data={"defaults": found["values"]},
    )


def _checked(found: Found, line: Line) -> Understood:
    """unix_chkpwd: `password check failed for user (ann)`."""
    return told(
        line, "pam.user.authenticate", user(found["user"]), "password check failed",
        operation=Operation.LOGIN, outcome=FAILURE, why=because("authentication_failed"),
    )


def _noted(found: Found, line: Line) -> Understood:
    """What the programs report besides: files that could not be locked, logs not reset."""
    return told(
        line, "account.database.report", ROOT, found["how"], operation=Operation.OTHER,
        outcome=FAILURE, why=because("", line.text),
    )


_Q: Final = "[`']"
ACCOUNTS: Final = Rules(
    ("new", r"new user: name=(?P<user>[^,]*), UID=(?P<uid>\d+), GID=(?P<gid>\d+), "
     r"home=(?P<home>.*), shell=(?P<shell>[^,]*)(?:, from=(?P<from>.*))?", _new_user),
    ("new", r"(?P<how>new group): name=(?P<group>[^,]*)(?:, GID=(?P<gid>\d+))?", _new_group),
    ("group", r"(?P<how>group added) to (?P<file>/\S+): name=(?P<group>[^,]*)"
     r"(?:, GID=(?P<gid>\d+))?", _new_group),
    ("delete", rf"(?P<how>delete user) {_Q}(?P<user>[^']*)'", _gone),
    ("group", r"group '(?P<group>[^']*)' removed(?: from (?P<file>/\S+))?", _gone),
    ("removed", rf"(?P<how>removed (?P<shadow>shadow )?group) {_Q}(?P<group>[^']*)'"
     rf"(?: owned by {_Q}(?P<owner>[^']*)')?", _gone),
    ("add", r"(?P<how>add) '(?P<user>[^']*)' to (?P<shadow>shadow )?group '(?P<group>[^']*)'",
     _member),
    ("delete", r"(?P<how>delete) '(?P<user>[^']*)' from (?P<shadow>shadow )?group "
     r"'(?P<group>[^']*)'", _member),
    ("user", r"user (?P<user>\S+) (?P<how>added|removed) by (?P<by>\S+) (?:to|from) group "
     r"(?P<group>\S+)(?: in (?P<file>/\S+))?", _member),
    ("", r"(?P<by>\S+) failed to (?P<how>add|remove) user (?P<user>\S+) (?:to|from) group "
     r"(?P<group>\S+)(?: in /\S+)?", _member_failed),
    ("administrators members", r"(?P<what>administrators|members) of group (?P<group>\S+) set by "
     r"(?P<by>\S+) to (?P<names>\S*)(?: in /\S+)?", _members_set),
    ("password", r"password of group (?P<group>\S+) (?P<how>removed|changed) by (?P<by>\S+)"
     r"(?: in /\S+)?", _group_password),
    ("access", r"access to group (?P<group>\S+) (?P<how>restricted) by (?P<by>\S+)(?: in /\S+)?",
     _group_password),
    ("", r"(?P<by>\S+) (?P<failed>failed to) (?P<how>remove password of|restrict access to"
     r"|change password of) group (?P<group>\S+)(?: in /\S+)?", _group_password),
    ("change", r"change user name '(?P<before>[^']*)' to '(?P<after>[^']*)'", _renamed),
    ("change", r"change user '(?P<user>[^']*)' (?P<path>\w+) from '(?P<before>[^']*)' to "
     r"'(?P<after>[^']*)'", _user_changed),
    ("change", r"(?P<how>change (?:admin )?)'(?P<before>[^']*)' to '(?P<after>[^']*)' in "
     r"(?:shadow )?group '(?P<group>[^']*)'", _member_renamed),
    ("change", r"(?P<how>change user) '(?P<user>[^']*)' password", _password),
    ("lock unlock", r"(?P<how>(?P<verb>lock|unlock) user) '(?P<user>[^']*)' password", _password),
    ("password", r"(?P<how>password) for '?(?P<user>[^' ]*)'? changed(?: by '?(?P<by>[^' ]*)'?)?",
     _password),
    ("changed", r"(?P<how>changed password expiry) for (?P<user>.*)", _updated),
    ("changed", r"(?P<how>changed user) '(?P<user>[^']*)' information", _updated),
    ("changed", r"(?P<how>changed user) '(?P<user>[^']*)' shell to '(?P<after>[^']*)'", _updated),
    ("failed", r"failed adding user [`'](?P<user>[^']*)', (?:exit code: (?P<code>\d+)|(?P<why>.*))",
     _add_failed),
    ("failed", r"(?P<how>failed to (?P<verb>add|remove|change) (?P<kind>group|user)) "
     r"(?P<name>\S+)(?: (?:to|from|in) \S+)?", _failed),
    ("group", r"group changed in (?P<file>/\S+) \(group (?P<group>[^/]*)/(?P<gid>\d+)"
     r"(?:, new name: (?P<name>[^,)]*))?(?:, new gid: (?P<new_gid>\d+))?.*\)", _group_changed),
    ("user", r"user '(?P<user>[^']*)' \(login '(?P<login>[^']*)' on (?P<tty>\S+)\) "
     r"(?P<how>switched|returned) to group '(?P<group>[^']*)'", _switched),
    ("Invalid", r"(?P<how>Invalid password) for group '(?P<group>[^']*)' from '(?P<user>[^']*)'",
     _switched),
    ("file", r"file (?P<file>/\S+) edited", _edited),
    ("useradd", r"useradd defaults: (?P<values>.*)", _defaults),
    ("password", r"password check failed for user \((?P<user>.*)\)", _checked),
    ("failed cannot can't", r"(?P<how>(?:failed to|cannot|can't) \w+).*", _noted),
)
