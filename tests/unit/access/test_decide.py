"""Roles, scopes and decisions."""

from __future__ import annotations

import pytest

from indelible.access import (
    GRANTABLE,
    PERMISSIONS,
    READS_EVENTS,
    Permission,
    Resource,
    Role,
    decide,
    owner,
    principal_of,
    scope_of,
)
from indelible.event.predicate import EVERYTHING, NOTHING, Op, Term


def _principal(role: Role, source: str = "", tenant: str = ""):
    return principal_of("t1", "name", role, source, tenant)


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("permission", list(Permission))
def test_a_permission_outside_the_role_is_refused_and_says_who_may(role, permission):
    source = "app" if role is Role.WRITER else ""
    decision = decide(_principal(role, source), permission)
    assert decision.allowed is (permission in PERMISSIONS[role])
    if not decision.allowed:
        able = [r.value for r in GRANTABLE if permission in PERMISSIONS[r]]
        assert all(name in decision.why for name in able or ["owner"])


def test_a_refusal_is_a_sentence_whatever_the_permission_is_called():
    why = decide(_principal(Role.AUDITOR), Permission.TOKENS).why
    assert why == "the role auditor lacks the permission tokens; with it: admin"


def test_an_admin_and_a_writer_read_no_events():
    for role in (Role.ADMIN, Role.WRITER):
        assert not PERMISSIONS[role] & READS_EVENTS
        assert scope_of(role, "") == NOTHING
        assert scope_of(role, "acme") == NOTHING


def test_an_auditor_may_all_that_a_reader_may_and_verify():
    assert PERMISSIONS[Role.READER] < PERMISSIONS[Role.AUDITOR]
    assert Permission.VERIFY in PERMISSIONS[Role.AUDITOR] - PERMISSIONS[Role.READER]


def test_a_reader_without_tenant_reads_everything_and_with_one_only_that():
    assert scope_of(Role.READER, "") == EVERYTHING
    assert scope_of(Role.READER, "acme") == Term(field="tenant", op=Op.EQ, values=("acme",))
    assert _principal(Role.AUDITOR, tenant="acme").scope == scope_of(Role.READER, "acme")


def test_a_writer_writes_as_its_own_source_only():
    writer = _principal(Role.WRITER, "app")
    assert decide(writer, Permission.WRITE, Resource(source="app")).allowed
    refused = decide(writer, Permission.WRITE, Resource(source="payroll"))
    assert not refused.allowed
    assert "'app'" in refused.why
    assert "'payroll'" in refused.why


def test_a_writer_writes_for_its_own_tenant_only():
    writer = _principal(Role.WRITER, "app", "acme")
    assert decide(writer, Permission.WRITE, Resource(tenant="acme")).allowed
    assert not decide(writer, Permission.WRITE, Resource(tenant="other")).allowed


def test_a_writer_without_source_writes_nothing():
    assert not decide(_principal(Role.WRITER), Permission.WRITE).allowed


@pytest.mark.parametrize("role", [Role.WRITER, Role.ADMIN, Role.OWNER])
def test_nobody_writes_under_the_ledgers_own_name(role):
    principal = _principal(role, "indelible" if role is Role.WRITER else "")
    for resource in (
        Resource(source="indelible"), Resource(tenant="indelible"),
        Resource(source="Indelible"), Resource(tenant="INDELIBLE"),
    ):
        assert not decide(principal, Permission.IMPORT, resource).allowed


def test_an_admin_may_import_as_any_source():
    assert decide(_principal(Role.ADMIN), Permission.IMPORT, Resource(source="x")).allowed


def test_the_owner_role_cannot_be_granted_and_reads_everything():
    assert Role.OWNER not in GRANTABLE
    assert owner().scope == EVERYTHING
    assert decide(owner(), Permission.SEARCH).allowed
    assert decide(owner(), Permission.BACKUP).allowed


OWN = ["\uff29ndelible", "\u0131ndelible", "\u200bindelible", "indelible-2"]


@pytest.mark.parametrize("name", OWN)
def test_nobody_writes_for_a_tenant_that_reads_as_the_ledgers_own(name):
    named = decide(_principal(Role.WRITER, "app"), Permission.WRITE, Resource(tenant=name))
    bound = decide(_principal(Role.WRITER, "app", name), Permission.WRITE)
    assert not named.allowed
    assert not bound.allowed
