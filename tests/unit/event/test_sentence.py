"""One readable line for any event: `indelible.event.sentence`."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indelible.event.model import StoredEvent, read_body
from indelible.event.sentence import sentence

OWN = {
    "kind": "event", "received": "2026-03-03T09:14:07.123456Z",
    "source": {"id": "app", "number": 1}, "via": {},
}
JANE = {"type": "user", "id": "jsmith", "name": "Jane Smith"}
RECORD = {"type": "payroll_record", "id": "pr_839", "name": "March payslip"}


def event(**members: object) -> StoredEvent:
    return read_body(json.dumps({**members, **OWN}).encode())


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"action": "payroll.record.delete", "actor": JANE, "targets": [RECORD]},
         "Jane Smith deleted payroll record pr_839"),
        ({"action": "payroll.record.delete", "actor": JANE, "targets": [RECORD],
          "outcome": "denied"},
         "Jane Smith tried to delete payroll record pr_839 and was denied"),
        ({"action": "payroll.record.delete", "actor": JANE, "targets": [RECORD],
          "outcome": "failure", "reason": {"code": "locked"}},
         "Jane Smith tried to delete payroll record pr_839 and failed (locked)"),
        ({"action": "user.login", "operation": "login", "actor": JANE, "outcome": "failure"},
         "Jane Smith tried to sign in and failed"),
        ({"action": "user.login", "operation": "login", "actor": JANE}, "Jane Smith signed in"),
        ({"action": "user.logged_out", "operation": "logout", "actor": JANE},
         "Jane Smith signed out"),
        ({"action": "payroll.record.read",
          "actor": {"type": "agent", "id": "helper", "on_behalf_of": [JANE]}, "targets": [RECORD]},
         "helper read payroll record pr_839 on behalf of Jane Smith"),
        ({"action": "iam.user_policy.attach", "operation": "grant", "actor": JANE,
          "targets": [{"type": "iam_user", "id": "eve"}]},
         "Jane Smith attached user policy to iam user eve"),
        ({"action": "role.revoke", "operation": "revoke", "actor": JANE,
          "targets": [{"type": "user", "id": "eve"}]}, "Jane Smith revoked role from user eve"),
        ({"action": "file.copy", "actor": JANE,
          "targets": [{"type": "file", "id": str(n)} for n in range(5)]},
         "Jane Smith copied file 0, file 1 and 3 more"),
        ({"action": "report.send", "actor": JANE}, "Jane Smith sent report"),
        ({"action": "file.read", "actor": {"type": "anonymous", "id": "anonymous"},
          "targets": [{"type": "file", "id": "f"}]}, "Somebody anonymous read file f"),
        ({"action": "record.bulk_delete", "actor": JANE,
          "targets": [{"type": "record", "id": "1"}]},
         "Jane Smith bulk deleted record 1"),
        ({"action": "sts.caller_identity.get", "actor": JANE}, "Jane Smith got caller identity"),
        ({"action": "iam.access_key.delete", "actor": JANE,
          "targets": [{"type": "iam_access_key", "id": "AKIA1"},
                      {"type": "iam_user", "id": "eve"}]},
         "Jane Smith deleted iam access key AKIA1 (iam user eve)"),
        ({"action": "ec2.instance.run", "actor": JANE,
          "targets": [{"type": "ec2_instance", "id": "i-1"}, {"type": "ec2_instance", "id": "i-2"},
                      {"type": "ec2_image", "id": "ami-1"}]},
         "Jane Smith ran ec2 instance i-1 and ec2 instance i-2 (1 more)"),
        ({"action": "iam.user.add_to_group", "operation": "grant", "actor": JANE,
          "targets": [{"type": "iam_user", "id": "eve"}, {"type": "iam_group", "id": "admins"}]},
         "Jane Smith added iam user eve to iam group admins"),
        ({"action": "iam.user.add_to_group", "operation": "grant", "actor": JANE,
          "targets": [{"type": "iam_user", "id": "eve"}]},
         "Jane Smith added iam user eve to group"),
        ({"action": "sts.role.assume", "operation": "login", "actor": JANE,
          "targets": [{"type": "iam_role", "id": "ops"}], "outcome": "denied"},
         "Jane Smith tried to assume iam role ops and was denied"),
        ({"action": "sts.role.assume", "operation": "login", "actor": JANE},
         "Jane Smith assumed role"),
        ({"action": "user.sign-in", "operation": "login", "actor": JANE,
          "targets": [{"type": "app", "id": "payroll"}]}, "Jane Smith signed in to app payroll"),
        ({"action": "iam.assume_role_policy.update", "operation": "grant", "actor": JANE,
          "targets": [{"type": "iam_role", "id": "ops"}]},
         "Jane Smith updated assume role policy of iam role ops"),
        ({"action": "s3.bucket_policy.put", "operation": "grant", "actor": JANE,
          "targets": [{"type": "s3_bucket", "id": "b"}]},
         "Jane Smith put bucket policy on s3 bucket b"),
        ({"action": "kms.key.decrypt", "operation": "execute", "actor": JANE,
          "targets": [{"type": "kms_key", "id": "k"}, {"type": "ssm_parameter", "id": "/p"}]},
         "Jane Smith decrypted with kms key k (ssm parameter /p)"),
        ({"action": "ssm.command.send", "operation": "execute", "actor": JANE,
          "targets": [{"type": "ec2_instance", "id": "i-1"}]},
         "Jane Smith sent command to ec2 instance i-1"),
    ],
)
def test_the_sentence_says_who_did_what_to_what(members: dict[str, object], text: str) -> None:
    assert sentence(event(**members)) == text


def test_a_message_that_could_not_be_read_says_why() -> None:
    stored = msgspec.structs.replace(
        event(reason={"code": "bad_json", "text": "not well-formed JSON"}, raw="{"), kind="unparsed"
    )
    assert sentence(stored) == "A message that could not be read: not well-formed JSON"


def test_nothing_a_terminal_would_act_on_is_passed_through() -> None:
    actor = {"type": "user", "id": "x", "name": "\x1b[31mred\r\nline\u202e"}
    line = sentence(event(action="a.read", actor=actor, targets=[{"type": "t", "id": "i\x00"}]))
    assert line.isprintable()
    assert "\\u001b[31mred" in line


def test_long_names_are_cut() -> None:
    actor = {"type": "user", "id": "x" * 1000}
    assert len(sentence(event(action="a.read", actor=actor))) < 120


@given(
    st.text(max_size=40), st.text(max_size=40), st.text(max_size=40), st.text(max_size=40),
    st.sampled_from(["success", "failure", "denied", "unknown", "else"]),
)
def test_every_event_has_one_line(
    action: str, actor: str, kind: str, target: str, outcome: str
) -> None:
    stored = StoredEvent(
        action=action, kind="event", received="2026-03-03T09:14:07.123456Z", outcome=outcome,
        source=msgspec.convert({"id": "s", "number": 1}, type(event().source)),
        targets=[msgspec.convert({"type": kind, "id": target}, type(event(targets=[
            {"type": "a", "id": "b"}]).targets[0]))],
        actor=msgspec.convert({"type": "user", "id": actor}, type(event().actor)),
    )
    line = sentence(stored)
    assert line
    assert line.isprintable()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"first": 3, "last": 5, "state": "open"}, "Numbers 3 to 5 of {} did not come"),
        ({"first": 3, "last": 3, "state": "closed"}, "Number 3 of {} came after all"),
        ({"first": 3, "last": 4, "state": "lost"}, "Numbers 3 to 4 of {} will never come"),
        ({"first": 3, "state": "open"}, "indelible declared gap"),
    ],
)
def test_a_gap_names_its_source_and_its_numbers(data: dict[str, object], text: str) -> None:
    found = event(action="ledger.gap.declare", actor={"type": "system", "id": "indelible"},
                  data={"source": 4, "boot": "b1", **data})
    assert sentence(found) == text.format("source 4 (run b1)")
