"""Messages of Linux programs: who, as whom, and what an attacker's names cannot change."""

from __future__ import annotations

import json
import random
from contextlib import suppress
from time import perf_counter
from typing import Any

import pytest

from indelible.event.model import read_body
from indelible.event.sentence import sentence
from indelible.ingest.parsers.contract import Given, NotUnderstood
from indelible.ingest.parsers.finish import parse_message, understand
from indelible.ingest.parsers.linux_auth import PARSER, PROGRAMS
from support.labelled import cases

OWN = b',"kind":"event","received":"2026-01-01T00:00:00.000000Z",' \
      b'"source":{"id":"s","number":1},"via":{}}'


def event(program: str, message: str, host: str = "web1") -> dict[str, Any]:
    given = Given(now_us=0, host=host, program=program)
    parsed = parse_message(PARSER, message.encode(), given)
    found: dict[str, Any] = json.loads(parsed.content)
    assert parsed.kind == "event", found["reason"]
    return found


def refused(program: str, message: str) -> str:
    given = Given(now_us=0, host="web1", program=program)
    with pytest.raises(NotUnderstood) as no:
        understand(PARSER, message, given)
    return no.value.code


def told(program: str, message: str) -> str:
    """The event as a sentence."""
    given = Given(now_us=0, host="web1", program=program)
    return sentence(read_body(parse_message(PARSER, message.encode(), given).content[:-1] + OWN))


# --- who


@pytest.mark.parametrize("name", [
    "from 10.10.1.1", "x from 10.10.1.1 port 1 ssh2", "x from 10.10.1.1 port 1 ssh2: RSA SHA256:a",
    "from", " ", "a b", "x [preauth]", "invalid user y", "<script>", "root for bob", "::",
])
def test_a_name_that_is_tried_cannot_forge_where_it_came_from(name: str) -> None:
    messages = [
        f"Failed password for invalid user {name} from 203.0.113.9 port 4022 ssh2",
        f"Failed publickey for invalid user {name} from 203.0.113.9 port 4022 ssh2: RSA SHA256:ok",
        f"Invalid user {name} from 203.0.113.9 port 4022",
        f"error: maximum authentication attempts exceeded for invalid user {name} "
        "from 203.0.113.9 port 4022 ssh2 [preauth]",
        f"Connection closed by invalid user {name} 203.0.113.9 port 4022 [preauth]",
        f"Disconnected from authenticating user {name} 203.0.113.9 port 4022 [preauth]",
        f"error: PAM: Authentication failure for illegal user {name} from 203.0.113.9",
    ]
    for message in messages:
        found = event("sshd", message)
        assert found["origin"]["ip"] == "203.0.113.9", message
        assert found["actor"]["id"] in (name, "anonymous"), message
        assert found.get("outcome") != "success", message


def test_where_both_sides_are_the_clients_words_no_address_is_told() -> None:
    found = event("sshd", "Disconnecting invalid user a 10.0.0.1 port 1: b 203.0.113.9 port 2: "
                          "Change of username or service not allowed [preauth]")
    assert found["actor"]["type"] == "anonymous"
    assert "ip" not in found["origin"]
    assert found["data"]["ambiguous"] is True
    found = event("sshd", 'Failed hostbased for invalid user x from 10.0.0.1 port 1 ssh2: RSA '
                          'SHA256:a, client user "y from 10.0.0.2 port 2 ssh2", client host "z"')
    assert "ip" not in found["origin"]


def test_a_remote_user_of_ftp_cannot_forge_the_remote_host() -> None:
    found = event("vsftpd", "pam_unix(vsftpd:auth): authentication failure; logname= uid=0 euid=0 "
                            "tty=ftp ruser=x rhost=10.0.0.1 rhost=203.0.113.9")
    assert found["origin"]["ip"] == "203.0.113.9"
    assert found["actor"]["id"] == "x rhost=10.0.0.1"


def test_who_ran_a_program_with_roots_rights_is_not_made_up() -> None:
    for program, message in (
        ("useradd", "new user: name=ann, UID=1, GID=1, home=/home/ann, shell=/bin/sh"),
        ("usermod", "add 'ann' to group 'wheel'"),
        ("passwd", "pam_unix(passwd:chauthtok): password changed for ann"),
        ("sudo", "pam_unix(sudo:session): session closed for user root"),
    ):
        assert event(program, message)["actor"] == {"type": "system", "id": "root"}


def test_one_without_a_name_stands_by_its_number() -> None:
    found = event("pkexec", "pam_unix(polkit-1:session): session opened for user root(uid=0) by "
                            "(uid=1000)")
    assert found["actor"] == {"type": "user", "id": "1000"}
    assert found["targets"] == [{"type": "user", "id": "root", "parent": "web1"}]


def test_accounts_meet_as_actor_and_as_target() -> None:
    acted = event("sudo", "ann : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/ls")
    touched = event("userdel", "delete user 'ann'")
    assert acted["actor"]["id"] == touched["targets"][0]["id"] == "ann"
    assert touched["targets"][0]["parent"] == "web1"


# --- what and where


def test_without_a_host_there_is_no_host_to_touch() -> None:
    found = event("sshd", "Accepted password for ann from 198.51.100.7 port 1 ssh2", host="")
    assert "targets" not in found
    assert found["origin"] == {"ip": "198.51.100.7"}


def test_a_remote_host_known_by_name_is_where_the_actor_was() -> None:
    found = event("sshd", "User ann from ws1.example.org not allowed because listed in DenyUsers")
    assert found["origin"] == {"host": "web1", "device": "ws1.example.org"}
    assert found["targets"] == [{"type": "host", "id": "web1"}]


def test_only_sessions_that_let_people_in_are_logins() -> None:
    opened = "session opened for user x by y(uid=0)"
    classes = {
        service: event(program, f"pam_unix({service}:session): {opened}")["operation"]
        for program, service in (
            ("sshd", "sshd"), ("gdm-password]", "gdm-password"), ("vsftpd", "vsftpd"), ("su", "su"),
            ("sudo", "sudo"), ("CRON", "cron"), ("systemd", "systemd-user"), ("atd", "atd"),
        )
    }
    assert classes == {
        "sshd": "login", "gdm-password": "login", "vsftpd": "login", "su": "login",
        "sudo": "other", "cron": "other", "systemd-user": "other", "atd": "other",
    }


def test_a_group_is_made_once_though_it_is_told_thrice() -> None:
    told_thrice = [
        event("groupadd", message)["operation"] for message in (
            "group added to /etc/group: name=ops, GID=2001",
            "group added to /etc/gshadow: name=ops",
            "new group: name=ops, GID=2001",
        )
    ]
    assert told_thrice == ["other", "other", "create"]


def test_sudo_takes_all_the_rest_as_the_command() -> None:
    found = event("sudo", "ann : TTY=pts/0 ; PWD=/home/a b ; USER=root ; COMMAND=/bin/sh -c x ; "
                          "USER=bob ; EXIT=0")
    assert found["data"]["command"] == "/bin/sh -c x ; USER=bob ; EXIT=0"
    assert found["data"]["cwd"] == "/home/a b"
    assert found["targets"][1]["id"] == "root"
    assert found["outcome"] == "success"
    assert "guessed" not in found["data"]


@pytest.mark.parametrize("said", [
    "TTY=pts/0 ; PWD=/tmp/x ; USER=bob ; USER=root ; COMMAND=/bin/sh",
    "TTY=pts/0 ; PWD=/tmp/d ; COMMAND=list ; USER=root ; COMMAND=/bin/rm -rf /",
    "TTY=pts/0 ; PWD=/tmp/d ; USER=bob ; COMMAND=list ; USER=root ; COMMAND=/bin/rm -rf /",
    "TTY=pts/0 ; PWD=/tmp/d ; GROUP=wheel ; USER=root ; COMMAND=/bin/sh",
    "TTY=pts/0 ; PWD=/tmp/d ; CWD=/root ; USER=root ; COMMAND=/bin/sh",
])
def test_the_name_of_a_directory_hides_nothing_of_sudo(said: str) -> None:
    found = event("sudo", f"ann : {said}")
    assert (found["action"], found["operation"]) == ("sudo.command.execute", "execute")
    assert found["data"]["ambiguous"] is True
    assert {"action", "operation", "targets"} <= set(found["data"]["guessed"])
    assert ("user", "root") in {(one["type"], one["id"]) for one in found["targets"]}
    assert "command" not in {one["type"] for one in found["targets"]}


def test_the_name_of_a_directory_hides_no_command_of_pkexec() -> None:
    found = event("pkexec", "ann: Executing command [USER=root] [TTY=/dev/pts/0] [CWD=/x] "
                  "[COMMAND=/bin/true] [COMMAND=/bin/sh]")
    assert found["data"]["ambiguous"] is True
    assert [one["type"] for one in found["targets"]] == ["user"]


def test_a_name_that_is_tried_moves_no_address() -> None:
    """sshd says no remote user, so the first address is its own; elsewhere nothing is certain."""
    flags = "authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=6.6.6.6"
    for service, program in (("sshd", "sshd"), ("sshd", "sshd-session")):
        found = event(program, f"pam_sss({service}:auth): {flags} user=x rhost=9.9.9.9 user=bob")
        assert found["actor"]["id"] == "x rhost=9.9.9.9 user=bob"
        assert found["origin"]["ip"] == "6.6.6.6"
    found = event("vsftpd", f"pam_unix(vsftpd:auth): {flags} user=x rhost=9.9.9.9 user=bob")
    assert found["actor"]["type"] == "anonymous"
    assert "ip" not in found.get("origin", {})
    assert found["data"]["ambiguous"] is True
    found = event("vsftpd", f"pam_unix(vsftpd:auth): {flags} user=bob")
    assert (found["actor"]["id"], found["origin"]["ip"]) == ("bob", "6.6.6.6")


def test_old_servers_tell_the_address_behind_too_many_failures() -> None:
    found = event("sshd", "Disconnecting: Too many authentication failures for root from 6.6.6.6 "
                  "port 22 ssh2 [preauth]")
    assert (found["actor"]["id"], found["origin"]["ip"]) == ("root", "6.6.6.6")


def test_sudo_warns_without_an_outcome() -> None:
    found = event("sudo", "ann : unable to resolve host web1 : Name or service not known")
    assert (found["action"], found.get("outcome")) == ("sudo.command.report", None)
    found = event("sudo", "ann : timestamp too far in the future ; TTY=pts/0 ; PWD=/ ; USER=root ; "
                          "COMMAND=/bin/ls")
    assert found["action"] == "sudo.command.execute"
    assert "outcome" not in found


@pytest.mark.parametrize(("program", "message", "expected"), [
    ("sshd", "Accepted password for ann from 198.51.100.7 port 1 ssh2",
     "ann signed in to host web1"),
    ("sshd", "User bob not allowed because account is locked",
     "bob tried to check account of host web1 and was denied"),
    ("su", "Successful su for root by ann", "ann assumed user root"),
    ("su", "FAILED su for root by ann",
     "ann tried to assume user root and failed (authentication_failed)"),
    ("usermod", "add 'ann' to group 'wheel'",
     "root added group member to group wheel (user ann)"),
    ("userdel", "delete user 'ann'", "root deleted user ann"),
    ("sudo", "ann : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/ls -l",
     "ann executed command /bin/ls (user root)"),
    ("CRON", "(bob) CMD (/bin/true)", "cron executed command /bin/true on behalf of bob"),
])
def test_an_event_reads_as_a_sentence(program: str, message: str, expected: str) -> None:
    assert told(program, message) == expected


def test_su_of_system_v_cannot_be_made_to_say_another_outcome() -> None:
    """The message of the examples of RFC 3164 and RFC 5424; the account's name is free text."""
    said = event("su", "'su root' succeeded for ann on x' failed for mallory on /dev/pts/8")
    assert (said["actor"]["id"], said["outcome"]) == ("mallory", "failure")
    assert said["targets"][0]["id"] == "root' succeeded for ann on x"
    said = event("su", "'su - root' succeeded for ann on /dev/console")
    assert (said["actor"]["id"], said["outcome"]) == ("ann", "success")
    assert said["targets"][0]["id"] == "root"


def test_a_repetition_within_a_repetition_is_the_same_message() -> None:
    found = event("sshd", "message repeated 2 times: [ message repeated 3 times: [ Failed password "
                          "for root from 203.0.113.9 port 1 ssh2]]")
    assert (found["actor"]["id"], found["origin"]["ip"]) == ("root", "203.0.113.9")
    assert found["data"]["repeated"] == 3


# --- which messages are read


def test_programs_are_known_by_name_whatever_stands_around_it() -> None:
    for program in ("sshd", "/usr/sbin/sshd", "sshd(pam_unix)", "[sshd]", "SSHD"):
        found = event(program, "pam_unix(sshd:session): session closed for user ann")
        assert found["actor"]["id"] == "ann", program
    assert event("CROND", "(ann) CMD (x)")["labels"] == {"program": "CROND"}


def test_modules_are_known_without_a_program_and_others_are_not() -> None:
    given = Given(now_us=0)
    assert PARSER.recognise("pam_unix(sshd:auth): check pass; user unknown", given)
    assert event("", "pam_unix(sshd:auth): check pass; user unknown")["outcome"] == "failure"
    for text in ("", "Accepted password for ann from 1.2.3.4 port 1 ssh2", "pam", "PAM is great",
                 "pam_unix", "{}", "type=LOGIN msg=audit(1.1:1): pid=1"):
        assert not PARSER.recognise(text, given)
        assert refused("", text) == "unknown_program"
    assert refused("nginx", "GET / HTTP/1.1") == "unknown_program"


def test_what_a_known_program_says_without_meaning_is_refused() -> None:
    assert refused("sshd", "rexec line 14: Deprecated option X") == "unknown_message"
    assert refused("sshd", "") == "unknown_message"
    assert refused("cron", "pam_thing(cron:x): words") == "unknown_message"
    assert refused("sudo", "ann" * 10_000) == "too_long"


def test_what_is_recognised_is_of_a_known_program() -> None:
    for program in PROGRAMS:
        given = Given(now_us=0, program=program)
        assert PARSER.recognise("anything", given)
        with pytest.raises(NotUnderstood) as no:
            understand(PARSER, "\x00", given)
        assert no.value.code == "unknown_message"


def test_a_name_too_long_to_be_one_is_nobodys() -> None:
    name = "x" * 2000
    found = event("sshd", f"Invalid user {name} from 203.0.113.9 port 1")
    assert found["actor"]["type"] == "anonymous"
    assert event("userdel", f"delete user '{name}'").get("targets") is None


# --- hostile input


JUNK = ["\x00", "\x1b[31m", "\uffff", '"', "\\", "[", "]", "(", ")", "'", "  ", "\n", "\u202e", "=",
        " ; ", ": ", " from 1.2.3.4 port 5 ssh2", " for user ", "99999999999999999999", "-1", "é"]


def mutated(text: str, chance: random.Random) -> str:
    """A text cut, doubled, shuffled or with junk in it."""
    first, last = sorted(chance.randrange(len(text) + 1) for _ in range(2))
    match chance.randrange(5):
        case 0:
            return text[:last]
        case 1:
            return text[:first] + text[last:]
        case 2:
            return text[:first] + chance.choice(JUNK) * chance.randrange(1, 4) + text[first:]
        case 3:
            return text[:first] + text[first:last] * chance.randrange(2, 9) + text[last:]
    words = text.split(" ")
    chance.shuffle(words)
    return " ".join(words)


def test_no_message_makes_the_parser_fail() -> None:
    chance = random.Random(1)
    labels = list(cases("linux_auth"))
    programs = [*PROGRAMS, "", "x(pam_unix)", "]"]
    for _ in range(2_000):
        case = chance.choice(labels)
        text = mutated(case.label["message"], chance)
        program = case.given.program if chance.random() < 0.8 else chance.choice(programs)
        given = Given(now_us=0, host="web1", program=program)
        PARSER.recognise(text, given)
        parsed = parse_message(PARSER, text.encode(), given)
        if parsed.kind == "unparsed":
            assert json.loads(parsed.content)["reason"]["code"] != "parser_failed", text
        else:
            assert json.loads(parsed.content)["actor"]["id"]


@pytest.mark.parametrize("program", sorted(PROGRAMS))
def test_no_message_takes_long(program: str) -> None:
    given = Given(now_us=0, host="web1", program=program)
    begins = [case.label["message"][:40] for case in cases("linux_auth")
              if case.given.program.partition("(")[0].lower() == program]
    units = [" from 1.1.1.1 port 1 ssh2", " for a", " by a", "' to '", " ; COMMAND=a", " (a", "a",
             "] [TTY=", ": a", "'", '"', " rhost=", " user="]
    started = perf_counter()
    count = 0
    for begin in ["", "x : ", "pam_unix(a:b): user ", *begins]:
        for unit in units:
            count += 1
            text = begin + unit * (8_000 // len(unit)) + "\x00"
            with suppress(NotUnderstood):
                understand(PARSER, text, given)
    assert (perf_counter() - started) / count < 0.2
