"""Rules of the audit policy: what is understood, what is refused and why, what the guard keeps."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from indelible.base.limits import AUDIT_POLICY_BYTES, AUDIT_RULES
from indelible.event.catalogue import VERBS
from indelible.event.model import Operation, Outcome
from indelible.ingest.audit_policy import guard
from indelible.ingest.audit_policy.decide import Decider, judged
from indelible.ingest.audit_policy.rules import FIELDS, BadAuditPolicy, Then, parse_rules
from indelible.ingest.audit_policy.strip import BODIES


def rule(when: str, then: str, **more: object) -> str:
    said = {"when": when, "then": then, **more}
    return "[[rule]]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in said.items())


def event(action: str = "doc.read", operation: str = "read", **more: Any) -> bytes:
    said: dict[str, Any] = {
        "action": action, "actor": {"type": "user", "id": "ann"}, "operation": operation,
        "targets": [{"type": "doc", "id": "d1"}], **more,
    }
    return json.dumps(said).encode()


def decided(text: str, content: bytes, source: str = "app") -> int:
    """The number of the rule that decides, 0 for none."""
    found = Decider(parse_rules(text)).decide(source, judged(content))
    return found.number if found is not None else 0


# --- what is understood


def test_the_first_rule_that_matches_decides() -> None:
    text = rule("action:doc.read actor:bob", "drop") + rule("action:doc.*", "strip") + rule(
        "source:*", "drop")
    assert decided(text, event()) == 2
    assert decided(text, event(actor={"type": "user", "id": "bob"})) == 1
    assert decided(text, event("page.read")) == 3


def test_what_no_rule_matches_is_kept() -> None:
    assert decided(rule("source:web", "drop"), event()) == 0
    assert decided("", event()) == 0


def test_json_says_the_same_as_toml() -> None:
    said = [{"name": "n", "when": "action:doc.*", "then": "summarise", "operations": ["execute"]}]
    (made,) = parse_rules(json.dumps({"rules": said}))
    assert made == parse_rules(rule("action:doc.*", "summarise", name="n",
                                    operations=["execute"]))[0]
    assert (made.number, made.name, made.then) == (1, "n", Then.SUMMARISE)


@pytest.mark.parametrize(("when", "matches"), [
    ("source:app", True), ("source:web", False), ("action:doc.*", True), ("operation:read", True),
    ("actor:ann", True), ("actor.type:user", True), ("actor.type:service", False),
    ("target:d1", True), ("target:d2", False), ("target.type:doc", True), ("onbehalf:eve", True),
    ("outcome:success", True), ("tenant:acme", True), ("-actor:ann", False),
    ("(actor:bob or target:d*) source:app", True), ("actor:ann,bob -target:d1", False),
    ("tenant:*", True),
])
def test_a_condition_means_what_it_means_in_a_search(when: str, matches: bool) -> None:
    content = event(
        outcome="success", tenant="acme",
        actor={"type": "user", "id": "ann", "on_behalf_of": [{"type": "user", "id": "eve"}]},
    )
    assert decided(rule(when, "strip"), content) == int(matches)


def test_a_source_that_no_rule_speaks_of_need_not_be_looked_at() -> None:
    decider = Decider(parse_rules(rule("source:web target:/healthz", "drop") + rule(
        "(source:k8s or source:vault) operation:read", "summarise")))
    assert [decider.concerns(name) for name in ("web", "k8s", "vault", "app")] == [
        True, True, True, False]
    assert Decider(parse_rules(rule("action:doc.*", "drop"))).concerns("anything")


# --- the guard


@pytest.mark.parametrize("then", ["drop", "summarise"])
@pytest.mark.parametrize("outcome", [one.value for one in Outcome])
@pytest.mark.parametrize("operation", [one.value for one in Operation])
def test_failures_denials_and_changes_of_rights_are_never_lost(
    operation: str, outcome: str, then: str
) -> None:
    more = {"operations": [
        one.value for one in Operation if one.value not in ("grant", "revoke", "configure")
    ]} if then == "summarise" else {}
    content = event("thing.occur", operation, outcome=outcome)
    must_stay = outcome in ("failure", "denied") or operation in ("grant", "revoke", "configure")
    assert decided(rule("source:*", then, **more), content) == (0 if must_stay else 1)


@pytest.mark.parametrize("verb", [
    verb for verb, operation in VERBS.items() if operation.value in ("grant", "revoke", "configure")
])
def test_an_action_that_changes_rights_is_kept_whatever_operation_it_claims(verb: str) -> None:
    assert decided(rule("source:*", "drop"), event(f"role.{verb}", "read")) == 0


def test_a_rule_that_may_not_take_an_event_leaves_it_to_the_next() -> None:
    text = rule("action:doc.*", "drop") + rule("action:doc.*", "strip")
    assert decided(text, event(outcome="denied")) == 2
    assert decided(text, event()) == 1


def test_summarise_takes_reads_unless_told_otherwise() -> None:
    assert decided(rule("source:*", "summarise"), event()) == 1
    assert decided(rule("source:*", "summarise"), event("doc.print", "execute")) == 0
    told = rule("source:*", "summarise", operations=["execute"])
    assert decided(told, event("doc.print", "execute")) == 1
    assert decided(told, event()) == 0


# --- what is refused


@pytest.mark.parametrize(("text", "field", "said", "remedy"), [
    ("[[rule]\n", "rules", "TOML", "[[rule]]"),
    ('{"rules": [', "rules", "JSON", ""),
    ("[rule]\nwhen='a:b'", "rules", "list of tables", "two brackets"),
    ("version = 3", "version", "not known", "nothing but rules"),
    (rule("source:*", "dorp"), "rule 1: then", "'dorp'", "Did you mean drop?"),
    (rule("source:*", ""), "rule 1: then", "missing", "keep, strip, summarise or drop"),
    (rule(" ", "drop"), "rule 1: when", "missing", "source:*"),
    (rule("source:*", "drop", wen="x"), "rule 1: wen", "not known", "Did you mean when?"),
    (rule("source:*", "keep") + rule("actr:ann", "drop"), "rule 2: when", "no field 'actr'",
     "Did you mean actor?"),
    (rule("agent:kube-probe*", "drop"), "rule 1: when", "looks at agent", "chooses freely"),
    (rule("ip:10.0.0.0/8", "drop"), "rule 1: when", "looks at ip", "A rule looks at source"),
    (rule("actor.name:x", "drop"), "rule 1: when", "looks at actor.name", "A rule looks at"),
    (rule("data.x:1", "drop"), "rule 1: when", "looks at data.x", "A rule looks at"),
    (rule("healthz", "drop"), "rule 1: when", "'healthz'", "Name the field"),
    (rule("change:path", "drop"), "rule 1: when", "looks at change", "A rule looks at"),
    (rule("change.a:b->c", "drop"), "rule 1: when", "looks at changes", "A rule looks at"),
    (rule("source:web since:7d", "drop"), "rule 1: when", "a time or an order", "times decide"),
    (rule("outcome:denied", "drop", name="quiet"), "rule 1: when", "rule 1 (quiet)",
     "always kept"),
    (rule("operation:read,grant", "summarise"), "rule 1: when", "operation:grant", "always kept"),
    (rule("source:*", "summarise", operations=["configure"]), "rule 1: operations", "configure",
     "always kept"),
    (rule("source:*", "summarise", operations=["reed"]), "rule 1: operations", "'reed'",
     "Did you mean read?"),
    (rule("operation:execute", "summarise"), "rule 1: when", "rolls up read",
     'operations = ["execute"]'),
    (rule("source:*", "drop", operations=["read"]), "rule 1: operations", "does not go with drop",
     "Write operation:"),
    (rule("source:*", "keep", members=["x"]), "rule 1: members", "does not go with keep", "strip"),
    (rule("source:*", "strip", members="x"), "rule 1: members", "list of texts", "brackets"),
    (rule("source:a", "keep") + rule("source:a", "drop"), "rule 2: when", "never matches",
     "Remove one"),
    (rule("source:*", "keep", name=7), "rule 1: name", "not a text", "quotes"),
    (rule("source:*", "keep", name="a\nb"), "rule 1: name", "cannot be shown", "one line"),
])
def test_a_mistake_is_named_with_rule_member_and_remedy(
    text: str, field: str, said: str, remedy: str
) -> None:
    with pytest.raises(BadAuditPolicy) as caught:
        parse_rules(text)
    error = caught.value
    assert error.field == field
    assert said in error.message
    assert remedy in error.remedy


def test_a_mistake_in_a_condition_is_pointed_at() -> None:
    with pytest.raises(BadAuditPolicy) as caught:
        parse_rules(rule("source:app (actor:ann", "drop"))
    assert caught.value.position == len("source:app ")


def test_a_guarded_word_that_is_excluded_is_no_mistake() -> None:
    assert parse_rules(rule("source:a -outcome:denied -operation:grant", "drop"))


def test_rules_have_a_limit() -> None:
    many = "".join(rule(f"source:s{number}", "keep") for number in range(AUDIT_RULES + 1))
    with pytest.raises(BadAuditPolicy, match="more than"):
        parse_rules(many)
    with pytest.raises(BadAuditPolicy, match="bytes"):
        parse_rules("# " + "x" * AUDIT_POLICY_BYTES)


# --- the examples of the how-to

HOWTO = (Path(__file__).parents[3] / "docs" / "howto" / "audit-policy.md").read_text("utf-8")
EXAMPLES = re.findall(r"```toml\n(.*?)```", HOWTO, re.DOTALL)


def test_every_example_of_the_how_to_is_understood() -> None:
    assert len(EXAMPLES) >= 4
    for text in EXAMPLES:
        assert all(one.name for one in parse_rules(text))


def test_every_field_and_every_way_is_in_the_how_to() -> None:
    for name in (*FIELDS, *(then.value for then in Then), *guard.OPERATIONS, *guard.OUTCOMES):
        assert f"`{name}`" in HOWTO or f" {name}" in HOWTO, name
    for name in BODIES:
        assert f"`{name}`" in HOWTO or f"`{name.partition('_')[2]}`" in HOWTO, name


@pytest.mark.parametrize(("content", "number"), [
    (event("kubernetes.secret.get", actor={"type": "service", "id": "system:node:n7"}), 1),
    (event("kubernetes.lease.update", "update",
           actor={"type": "system", "id": "system:kube-scheduler"}), 2),
    (event("kubernetes.pod.list", actor={"type": "service", "id": "system:node:n7"}), 3),
    (event("kubernetes.pod.list", actor={"type": "service", "id": "system:node:n7"},
           outcome="denied"), 0),
    (event("kubernetes.pod.list", actor={"type": "user", "id": "ann@example.com"}), 0),
    (event("kubernetes.config_map.update", "update"), 4),
    (event("kubernetes.role_binding.create", "grant",
           actor={"type": "service", "id": "system:node:n7"}), 0),
])
def test_the_example_for_kubernetes_does_what_it_says(content: bytes, number: int) -> None:
    (text,) = [one for one in EXAMPLES if "leader election" in one]
    assert decided(text, content, "k8s") == number
