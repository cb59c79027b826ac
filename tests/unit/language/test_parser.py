from __future__ import annotations

import pytest

from indelible.base.clock import parse_rfc3339
from indelible.base.errors import QueryError
from indelible.base.limits import JSON_DEPTH, QUERY_CHARS, QUERY_TERMS
from indelible.event.predicate import (
    EVERYTHING,
    All,
    AnyOf,
    Changed,
    Not,
    Op,
    Predicate,
    Term,
    Text,
)
from indelible.language import Query, parse

NOW = parse_rfc3339("2026-03-03T12:00:00Z")
DAY = 86_400_000_000
MARCH_1 = parse_rfc3339("2026-03-01T00:00:00Z")


def t(field: str, op: Op, *values: str | int) -> Term:
    return Term(field=field, op=op, values=values)


def eq(field: str, *values: str | int) -> Term:
    return t(field, Op.EQ, *values)


def found(text: str) -> Predicate:
    query = parse(text, NOW)
    assert (query.since_us, query.until_us) == (None, None)
    return query.predicate


def test_the_example_of_the_reference() -> None:
    query = parse(
        'actor:jsmith action:payroll.* outcome:denied -ip:10.0.0.0/8 "refund" since:7d', NOW
    )
    assert query == Query(
        predicate=All(
            children=(
                eq("actor", "jsmith"),
                t("action", Op.PREFIX, "payroll."),
                eq("outcome", "denied"),
                Not(child=eq("ip", "10.0.0.0/8")),
                Text(value="refund"),
            )
        ),
        since_us=NOW - 7 * DAY,
    )


@pytest.mark.parametrize(
    ("text", "predicate"),
    [
        ("", EVERYTHING),
        ("  \n ", EVERYTHING),
        ("*", EVERYTHING),
        ("-*", Not(child=EVERYTHING)),
        ("Refund*", Text(value="Refund")),
        ('"two words"', Text(value="two words")),
        (r'"a \"b\" C:\Users \\"', Text(value='a "b" C:\\Users \\')),
        ("a and b", All(children=(Text(value="a"), Text(value="b")))),
        ("NOT a", Not(child=Text(value="a"))),
        ("--a", Text(value="a")),
        ('"or"', Text(value="or")),
        ("a b or c", AnyOf(children=(All(children=(Text(value="a"), Text(value="b"))),
                                     Text(value="c")))),
        ("a (b OR c)", All(children=(Text(value="a"),
                                     AnyOf(children=(Text(value="b"), Text(value="c")))))),
        ("((a) (b))", All(children=(Text(value="a"), Text(value="b")))),
        ("ACTOR.Type:USER", eq("actor.type", "user")),
        ("actor:a,b", eq("actor", "a", "b")),
        ('actor:"a,b",c', eq("actor", "a,b", "c")),
        ("actor:a,b*,c", AnyOf(children=(eq("actor", "a", "c"), t("actor", Op.PREFIX, "b")))),
        ('actor:"a*"', eq("actor", "a*")),
        ('target.name:"March pay"*', t("target.name", Op.PREFIX, "March pay")),
        ("actor:*", t("actor", Op.PRESENT)),
        ("-ip:*", Not(child=t("ip", Op.PRESENT))),
        ("agent:~firefox", t("agent", Op.CONTAINS, "firefox")),
        ('agent:~"fire fox"', t("agent", Op.CONTAINS, "fire fox")),
        ("raw:~word", t("raw", Op.CONTAINS, "word")),
        ("action:http:get", eq("action", "http:get")),
        ("ip:10.0.*", eq("ip", "10.0.0.0/16")),
        ("ip:2001:db8::/32", eq("ip", "2001:db8::/32")),
        ("ip:>=10.0.0.5", t("ip", Op.GE, "10.0.0.5")),
        ("index:>=5", t("index", Op.GE, 5)),
        ("index:5..9", All(children=(t("index", Op.GE, 5), t("index", Op.LE, 9)))),
        ("severity:>=high", eq("severity", "high", "critical")),
        ("severity:<info", eq("severity", "debug")),
        ('kind:"of the future"', eq("kind", "of the future")),
        ("label.app.kubernetes.io/name:pay", eq("label.app.kubernetes.io/name", "pay")),
        ('label."a b":x', eq("label.a b", "x")),
        ("data.request.size:>=5.5", t("data.request.size", Op.GE, "5.5")),
        ("data.n:5", eq("data.n", "5")),
        (r"data.a\.b:x", eq(r"data.a\.b", "x")),
        ("change:salary", eq("change", "salary")),
        ("change.salary:*", Changed(path="salary")),
        ("change.role:user->admin", Changed(path="role", before="user", after="admin")),
        ("change.role:->admin", Changed(path="role", after="admin")),
        ("change.role:user->*", Changed(path="role", before="user")),
        ("change.*:->admin", Changed(after="admin")),
        ('change."*":"a b"->"*"', Changed(path="*", before="a b", after="*")),
    ],
)  # fmt: skip
def test_text_means(text: str, predicate: Predicate) -> None:
    assert found(text) == predicate


def between(field: str, first: int, end: int) -> Predicate:
    return All(children=(t(field, Op.GE, first), t(field, Op.LT, end)))


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("since:2026-03-01", MARCH_1, None),
        ("until:2026-03-01", None, MARCH_1 + DAY),
        ("since:2026-03-01 until:2026-03-01", MARCH_1, MARCH_1 + DAY),
        ("on:2026-03-01", MARCH_1, MARCH_1 + DAY),
        ("on:2026-03", MARCH_1, MARCH_1 + 31 * DAY),
        ("on:2026", MARCH_1 - 59 * DAY, MARCH_1 + 306 * DAY),
        ("since:2026-03-01T10:00", MARCH_1 + 36_000_000_000, None),
        ("until:2026-03-01T10:00", None, MARCH_1 + 36_060_000_000),
        ("since:2026-03-01T10:00:00+01:00", MARCH_1 + 32_400_000_000, None),
        ("until:2026-03-01T00:00:00.5Z", None, MARCH_1 + 600_000),
        ("since:7d until:1h", NOW - 7 * DAY, NOW - 3_600_000_000),
        ("on:yesterday", MARCH_1 + DAY, MARCH_1 + 2 * DAY),
        ("since:today since:2026-03-01", MARCH_1 + 2 * DAY, None),
        ("since:999999999w", parse_rfc3339("0001-01-01T00:00:00Z"), None),
    ],
)
def test_bounds_of_time(text: str, since: int | None, until: int | None) -> None:
    query = parse(text, NOW)
    assert (query.predicate, query.since_us, query.until_us) == (EVERYTHING, since, until)


@pytest.mark.parametrize(
    ("text", "predicate"),
    [
        ("received:2026-03-01", between("received", MARCH_1, MARCH_1 + DAY)),
        ("received:>=2026-03-01", t("received", Op.GE, MARCH_1)),
        ("received:>2026-03-01", t("received", Op.GE, MARCH_1 + DAY)),
        ("received:<=2026-03-01", t("received", Op.LT, MARCH_1 + DAY)),
        ("received:<2026-03-01", t("received", Op.LT, MARCH_1)),
        ("received:>=7d", t("received", Op.GE, NOW - 7 * DAY)),
        ("received:2026-03-01T00:00:00.000000Z", eq("received", MARCH_1)),
        ("received:2026-03-01..2026-03-02", between("received", MARCH_1, MARCH_1 + 2 * DAY)),
        ("-on:2026-03-01", Not(child=between("time", MARCH_1, MARCH_1 + DAY))),
        ("(since:2026-03-01 or a)", AnyOf(children=(t("time", Op.GE, MARCH_1), Text(value="a")))),
    ],
)
def test_times_inside_the_predicate(text: str, predicate: Predicate) -> None:
    assert found(text) == predicate


def test_bounds_join_the_predicate_for_those_who_look_at_single_events() -> None:
    query = parse("a on:2026-03-01", NOW)
    assert query.bounded() == All(
        children=(
            Text(value="a"),
            t("time", Op.GE, MARCH_1),
            t("time", Op.LT, MARCH_1 + DAY),
        )
    )


def test_sort_is_taken_from_the_text() -> None:
    assert parse("a sort:index", NOW) == Query(predicate=Text(value="a"), sort="index")


@pytest.mark.parametrize(
    ("text", "position", "hint"),
    [
        ("x acto:y", 2, "Did you mean actor?"),
        ("who:x", 0, "Did you mean actor?"),
        ("result:x", 0, "Did you mean outcome?"),
        ("label:x", 0, "label.KEY"),
        ("10:30", 0, "quotes"),
        ("https://example.org", 0, "quotes"),
        ("data.:x", 0, "quotes"),
        ("a outcome:deny", 10, "Did you mean outcome:denied?"),
        ("operation:deleet", 10, "Did you mean operation:delete?"),
        ("actor.type:human", 11, "Did you mean actor.type:user?"),
        ("severity:>=hihg", 11, "Did you mean severity:high?"),
        ("kind:evnt", 5, "Did you mean kind:event?"),
        ("actor:", 6, "actor:*"),
        ("actor: x", 6, "right after the colon"),
        ("since:", 6, "since:7d"),
        ("actor:a,", 7, "without spaces"),
        ("actor:,a", 6, "without spaces"),
        ("actor:>5", 7, "search.md"),
        ("actor:>=", 8, ""),
        ("data.n:>five", 8, "search.md"),
        ('actor:a"b"', 7, "whole value"),
        ("actor:a*b", 7, "actor:~word"),
        ("a*b", 1, "quotes"),
        ('"abc', 0, "Close"),
        ('"a"b', 3, "space"),
        ("a(b)", 1, "space"),
        ("actor:a(b)", 7, "space"),
        ("(a", 0, "Close"),
        ("a)", 1, "Remove"),
        ("a or", 4, "quotes"),
        ("or a", 0, "quotes"),
        ("()", 1, "quotes"),
        ("- a", 0, "space"),
        ("ip:10.0.0.999", 3, "10.0.0.0/8"),
        ("ip:>=10.0.0.0/8", 5, "203.0.113.9"),
        ("index:-1", 6, "digits"),
        ("index:99999999999999999999", 6, "digits"),
        ("index:5*", 6, "search.md"),
        ("raw:word", 4, "raw:~word"),
        ("change:a->b", 7, "change.PATH"),
        ("change.role:admin", 12, "change.role:before->after"),
        ("change.role:a,b->c", 13, "Quote"),
        ("received:7d", 9, "received:>=7d"),
        ("on:7d", 3, "on:today"),
        ("since:tomorrow", 6, "2026-03-01"),
        ("since:2026-02-30", 6, "2026-03-01"),
        ("since:2026-03-01T24:00", 6, "2026-03-01"),
        ("since:7d,8d", 6, "since:value"),
        ("a or b since:7d", 7, "brackets"),
        ("sort:size", 5, "sort:index"),
        ("(a sort:index)", 8, "sort:index"),
        ("(" * (JSON_DEPTH + 1) + "a", JSON_DEPTH, "fewer"),
        ("a" * (QUERY_CHARS + 1), QUERY_CHARS, "Shorten"),
        ("a " * (QUERY_TERMS + 1), 2 * QUERY_TERMS, "steps"),
        ("x actor:" + ",".join("a" * (QUERY_TERMS)), 2, "steps"),
    ],
)
def test_an_error_points_at_the_character_and_says_what_to_do(
    text: str, position: int, hint: str
) -> None:
    with pytest.raises(QueryError) as caught:
        parse(text, NOW)
    assert caught.value.position == position
    assert hint in caught.value.remedy
