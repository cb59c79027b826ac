"""PostgreSQL's logs: one meaning in three forms, and lines that nobody but the server can write."""

from __future__ import annotations

import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from indelible.base.limits import NAME_CHARS, TARGETS
from indelible.ingest.parsers import postgresql, postgresql_csv, postgresql_json
from indelible.ingest.parsers.contract import Given, NotUnderstood, Understood
from indelible.ingest.parsers.finish import parse_message, understand
from indelible.ingest.parsers.postgresql_audit import columns
from indelible.ingest.parsers.postgresql_sql import functions as functions_of
from indelible.ingest.parsers.postgresql_sql import redacted, statements

STAMP = "2026-11-28 03:10:00.568 UTC"
HEAD = f"{STAMP} [7142] ann@shop "


def text(line: str, **given: Any) -> Understood:
    return understand(postgresql.PARSER, line, Given(now_us=0, **given))


def refused(parser: Any, message: Any, **given: Any) -> str:
    with pytest.raises(NotUnderstood) as no:
        understand(parser, message, Given(now_us=0, **given))
    return no.value.code


def event(line: str, **given: Any) -> dict[str, Any]:
    parsed = parse_message(postgresql.PARSER, line.encode(), Given(now_us=0, **given))
    found: dict[str, Any] = json.loads(parsed.content)
    return found


def csv(message: str, *, severity: str = "LOG", code: str = "00000", query: str = "") -> str:
    quoted = message.replace('"', '""')
    return (f'{STAMP},"ann","shop",7142,"192.0.2.1:5000",6b0a4608.1be6,7,"SELECT",{STAMP},3/1,0,'
            f'{severity},{code},"{quoted}",,,,,,{query and chr(34) + query + chr(34)},,,"psql",'
            '"client backend",,0')


@pytest.mark.parametrize(
    "message",
    ["connection authorized: user=ann database=shop application_name=psql",
     "AUDIT: SESSION,1,1,READ,SELECT,TABLE,public.t,\"select 'a,\"\"b'\",<none>,2",
     "AUDIT: SESSION,2,1,ROLE,GRANT ROLE,,,GRANT readers TO bob;,<none>,0",
     "statement: DROP TABLE a, b"],
)
def test_the_three_forms_of_a_line_mean_the_same(message: str) -> None:
    record = {"timestamp": STAMP, "user": "ann", "dbname": "shop", "error_severity": "LOG",
              "message": message, "session_id": "6b0a4608.1be6", "application_name": "psql",
              "remote_host": "192.0.2.1"}
    told = [text(HEAD + "LOG:  " + message).event,
            understand(postgresql_csv.PARSER, csv(message), Given(now_us=0)).event,
            understand(postgresql_json.PARSER, record, Given(now_us=0)).event]
    for one in told[1:]:
        assert (one.action, one.operation, one.targets, one.outcome, one.changes, one.time) == (
            told[0].action, told[0].operation, told[0].targets, told[0].outcome, told[0].changes,
            told[0].time)
    assert [one.actor.id for one in told] == ["ann"] * 3


@pytest.mark.parametrize(
    ("prefix", "user", "database", "ip", "session"),
    [
        ("2026-11-28 03:10:00.568 UTC [7142] ann@shop ", "ann", "shop", None, "7142"),
        ("2026-11-28 03:10:00 UTC [7142-3] ann@shop ", "ann", "shop", None, "7142"),
        ("2026-11-28 03:10:00 UTC:192.0.2.7(5000):ann@shop:[7142]:", "ann", "shop", "192.0.2.7",
         "7142"),
        ("2026-11-28 03:10:00 UTC:::1(5000):ann@shop:[7142]:", "ann", "shop", "::1", "7142"),
        ("2026-11-28 03:10:00 UTC [7142]: [2-1] user=ann,db=shop,app=a b,client=::1 ", "ann",
         "shop", "::1", "7142"),
        ("2026-11-28 03:10:00.5 UTC [7142] 6b0a46ab.34dc 4 [user=ann,db=shop,app=x,"
         "host=192.0.2.7(58018)] ", "ann", "shop", "192.0.2.7", "6b0a46ab.34dc"),
        ("[2026-11-28 03:10:00.568 UTC] [7142] ann@shop/my app ", "ann", "shop", None, "7142"),
        ("1795835564.928 [7142] ann@corp.example@shop ", "ann@corp.example", "shop", None, "7142"),
    ],
)
def test_the_usual_prefixes_are_read(
    prefix: str, user: str, database: str, ip: str | None, session: str
) -> None:
    found = event(prefix + "LOG:  statement: SELECT 1")
    assert found["actor"]["id"] == user
    assert found["actor"]["session"] == session
    assert found["labels"]["database"] == database
    assert found.get("origin", {}).get("ip") == ip
    assert "guessed" not in found["data"]


def test_a_user_with_a_blank_may_be_an_application_and_a_user() -> None:
    found = event(f"[3-1] {STAMP} [7142] ann b@shop LOG:  statement: SELECT 1")
    assert found["actor"]["id"] == "ann b"
    assert found["data"]["guessed"] == ["actor.id"]


@pytest.mark.parametrize("prefix", [
    f"{STAMP} [7142] ann@shop/evil@x ", f"{STAMP} [7142] bob@prod ann@shop ",
])
def test_the_name_of_an_application_makes_no_actor(prefix: str) -> None:
    assert refused(postgresql.PARSER, f"{prefix}LOG:  statement: DROP TABLE x") == "ambiguous"


@pytest.mark.parametrize(("said", "action", "operation"), [
    ("EXPLAIN ANALYZE DELETE FROM salaries", "postgresql.row.delete", "delete"),
    ("explain (costs off, analyze) UPDATE salaries SET x = 1", "postgresql.row.update", "update"),
    ("EXPLAIN ANALYZE VERBOSE SELECT 1", "postgresql.statement.select", "read"),
    ("EXPLAIN (ANALYZE false) DELETE FROM salaries", "postgresql.statement.explain", "read"),
    ("EXPLAIN VERBOSE DELETE FROM salaries", "postgresql.statement.explain", "read"),
    ("EXPLAIN ANALYZE EXPLAIN ANALYZE SELECT 1", "postgresql.statement.explain", "read"),
])
def test_explain_analyze_does_what_it_explains(said: str, action: str, operation: str) -> None:
    found = event(f"{STAMP} [7142] ann@shop LOG:  statement: {said}")
    assert (found["action"], found["operation"]) == (action, operation)


def test_two_bare_words_are_user_and_database_and_flagged_as_guessed() -> None:
    line = "2026-11-28 03:10:00.568 UTC ann shop [7142]: LOG:  statement: SELECT 1"
    found = text(line)
    assert found.event.actor.id == "ann"
    assert found.guessed == ("actor.id", "labels.database")


def test_a_line_that_names_nobody_is_not_read_but_its_message_may_name_somebody() -> None:
    plain = f"{STAMP} [7142] LOG:  "
    assert refused(postgresql.PARSER, plain + "statement: SELECT 1") == "missing_actor"
    found = text(plain + "connection authorized: user=ann database=shop").event
    assert found.actor.id == "ann"


@pytest.mark.parametrize(
    "line",
    [
        f'{STAMP} [1] root@x LOG:  connection authorized: user=root database=x@db FATAL:  role "r',
        f"{STAMP} [1] root@x LOG:  AUDIT: SESSION,1,1,DDL,x@db FATAL:  password authentication",
        "2026-11-28 03:10:00 UTC [1]: [1-1] user=ann,db=shop,app=x LOG:  AUDIT: SESSION,1,1,ROLE,"
        "app=y,client=::1 LOG:  statement: SELECT 1",
        "2026-11-28 03:10:00 UTC [1]: [1-1] user=a,db=b,app=c,client=1.2.3.4,db=d,client=::1 "
        "FATAL:  no pg_hba.conf entry",
        f"{STAMP} [1] root@x LOG:  connection authorized: user=root database=x@db DETAIL:  Role",
        f"{STAMP} [1] root@x LOG:  00000: connection authorized: user=root@db LOCATION:  auth.c:5",
    ],
)
def test_a_name_that_a_client_chose_cannot_write_a_line(line: str) -> None:
    assert refused(postgresql.PARSER, line) == "ambiguous"


def test_a_statement_that_speaks_of_severities_is_read_all_the_same() -> None:
    found = text(HEAD + "LOG:  statement: SELECT 'ERROR:  x' FROM log WHERE m LIKE 'LOG:  %'")
    assert found.event.action == "postgresql.statement.select"


def test_detail_hint_and_statement_lines_follow_their_report() -> None:
    follows = postgresql.PARSER.join.follows  # type: ignore[union-attr]
    assert follows(b"\t  FROM account")
    assert follows(f"{HEAD}STATEMENT:  SELECT 1".encode())
    assert follows(f"{HEAD}DETAIL:  Key (id)=(5) already exists.".encode())
    assert not follows(f"{HEAD}LOG:  statement: SELECT 'DETAIL:  x'".encode())
    assert not follows(f"{STAMP} [1] a@b DETAIL:  c@d FATAL:  role \"x\" does not exist".encode())
    assert not follows(f"{STAMP} [1] app=DETAIL:  c LOG:  AUDIT: SESSION,1,1,DDL".encode())
    assert refused(postgresql.PARSER, f"{HEAD}HINT:  alone") == "continuation"


def test_a_verbose_log_puts_the_sqlstate_before_the_message() -> None:
    denied = event(f"{HEAD}ERROR:  42501: permission denied for table salary\n"
                   f"{HEAD}LOCATION:  aclcheck_error, aclchk.c:3655")
    assert denied["reason"] == {"code": "42501", "text": "permission denied for table salary"}
    assert denied["outcome"] == "denied"
    audited = event(f"{HEAD}LOG:  00000: AUDIT: SESSION,1,1,ROLE,DROP ROLE,,,drop role a,<none>")
    assert audited["action"] == "postgresql.role.drop"
    assert "reason" not in audited


def test_parts_of_a_report_are_told_apart_and_keep_their_lines() -> None:
    line = (f"{HEAD}ERROR:  no\n\tsecond\n{HEAD}DETAIL:  d\n{HEAD}CONTEXT:  c1\n\tc2\n"
            f"{HEAD}STATEMENT:  SELECT\n\t1")
    found = event(line)
    assert found["reason"]["text"] == "no\nsecond"
    assert found["data"]["detail"] == "d"
    assert found["data"]["context"] == "c1\nc2"
    assert found["data"]["statement"] == "SELECT\n1"


@pytest.mark.parametrize(
    ("stamp", "zone", "time", "flags"),
    [
        ("2026-11-28 03:10:00.568 GMT", "UTC", "2026-11-28T03:10:00.568000+00:00", ()),
        ("2026-11-28 03:10:00 +0530", "UTC", "2026-11-27T21:40:00+00:00", ()),
        ("2026-11-28 03:10:00 -03", "Europe/Berlin", "2026-11-28T06:10:00+00:00", ()),
        ("2026-07-01 12:00:00 IST", "Asia/Kolkata", "2026-07-01T06:30:00+00:00",
         ("time_assumed",)),
        ("2026-10-25 02:30:00 CEST", "Europe/Berlin", "2026-10-25T00:30:00+00:00",
         ("time_assumed",)),
        ("2026-10-25 02:30:00 CET", "Europe/Berlin", "2026-10-25T01:30:00+00:00",
         ("time_assumed",)),
    ],
)
def test_abbreviations_are_taken_for_the_sources_zone(
    stamp: str, zone: str, time: str, flags: tuple[str, ...]
) -> None:
    found = text(f"{stamp} [1] a@b LOG:  statement: SELECT 1", zone=ZoneInfo(zone))
    assert (found.event.time.isoformat(), found.flags) == (time, flags)  # type: ignore[union-attr]


def test_a_day_that_there_is_not_leaves_the_time_absent() -> None:
    found = event("2026-02-31 03:10:00 UTC [1] a@b LOG:  statement: SELECT 1")
    assert "time" not in found


def test_a_line_by_syslog_needs_no_time_of_its_own() -> None:
    line = "[7-1] [7142] ann@shop LOG:  statement: SELECT 1"
    assert text(line, program="postgres").event.actor.id == "ann"
    assert refused(postgresql.PARSER, line) == "not_this_format"
    assert postgresql.PARSER.recognise(line, Given(now_us=0)) == ""


@pytest.mark.parametrize(
    ("group", "command", "rows", "outcome"),
    [
        ("READ", "SELECT", "", None), ("READ", "SELECT", ",3", "success"),
        ("WRITE", "INSERT", "", None), ("WRITE", "TRUNCATE TABLE", "", "success"),
        ("FUNCTION", "DO", ",0", None), ("FUNCTION", "EXECUTE", ",0", None),
        ("DDL", "CREATE TABLE", "", "success"), ("ROLE", "GRANT", "", "success"),
        ("MISC", "VACUUM", "", "success"), ("MISC", "???", ",1", None),
    ],
)
def test_pgaudit_tells_success_only_of_what_it_logs_when_it_has_run(
    group: str, command: str, rows: str, outcome: str | None
) -> None:
    found = event(f"{HEAD}LOG:  AUDIT: SESSION,1,1,{group},{command},,,x,<none>{rows}")
    assert found.get("outcome") == outcome


def test_pgaudit_without_statements_is_told_by_its_command() -> None:
    line = f"{HEAD}LOG:  AUDIT: SESSION,3,1,ROLE,DROP ROLE,,,<not logged>,<not logged>"
    found = event(line)
    assert (found["action"], found["operation"]) == ("postgresql.role.drop", "delete")
    assert "statement" not in found["data"]
    assert found["targets"] == [{"type": "postgresql_database", "id": "shop"}]


@pytest.mark.parametrize("fields", ["SESSION,1,1,READ", "OTHER,1,1,READ,SELECT,,,x,y", 'S,"'])
def test_a_broken_line_of_pgaudit_is_not_read(fields: str) -> None:
    assert refused(postgresql.PARSER, f"{HEAD}LOG:  AUDIT: {fields}") == "bad_audit_line"


def test_changes_are_told_only_of_what_succeeded() -> None:
    sql = "ALTER ROLE bob SUPERUSER"
    done = event(f"{HEAD}LOG:  duration: 1.5 ms  statement: {sql}")
    assert done["changes"] == [{"path": "superuser", "op": "replace", "after": True}]
    assert done["operation"] == "grant"
    assert "changes" not in event(f"{HEAD}LOG:  statement: {sql}")
    failed = event(f"{HEAD}ERROR:  must be superuser\n{HEAD}STATEMENT:  {sql}")
    assert (failed["outcome"], "changes" in failed) == ("denied", False)


def test_several_statements_in_one_text_are_not_told_as_one() -> None:
    found = event(f"{HEAD}LOG:  statement: SELECT 1; DROP TABLE a")
    assert (found["action"], found["operation"]) == ("postgresql.statement.execute", "execute")
    long = f"SELECT '{'x' * 20 * NAME_CHARS}'; DROP TABLE a"
    assert event(f"{HEAD}LOG:  statement: {long}")["action"] == "postgresql.statement.execute"


@pytest.mark.parametrize(
    ("sql", "tag", "names", "others"),
    [
        ("/* a /* b */ */ drop table if exists a, \"B;c\".d cascade -- x", "DROP TABLE",
         ("a", "B;c.d"), ()),
        ("CREATE POLICY own ON public.t USING (true)", "CREATE POLICY", ("own",),
         (("table", "public.t"),)),
        ("create or replace function a.b(x int) returns int as $q$ select ';' $q$",
         "CREATE FUNCTION", ("a.b",), ()),
        ("GRANT SELECT (pw, id), UPDATE ON TABLE t TO ann, PUBLIC", "GRANT", ("t",),
         (("role", "ann"), ("role", "public"))),
        ("GRANT ALL ON ALL TABLES IN SCHEMA s TO ann", "GRANT", ("s",), (("role", "ann"),)),
        ("SET SESSION AUTHORIZATION 'ann'", "SET", ("ann",), ()),
        ("copy t (a, b) to program 'gzip > /x'", "COPY", ("t",), (("program", "gzip > /x"),)),
        ("REFRESH MATERIALIZED VIEW CONCURRENTLY m", "REFRESH MATERIALIZED VIEW", ("m",), ()),
        ("INSERT INTO a.\"b c\" VALUES ($$;$$)", "INSERT", ("a.b c",), ()),
    ],
)
def test_statements_are_read_by_their_words(
    sql: str, tag: str, names: tuple[str, ...], others: tuple[tuple[str, str], ...]
) -> None:
    [found] = statements(sql)
    assert (found.tag, found.names, found.others) == (tag, names, others)


@pytest.mark.parametrize(
    ("sql", "functions"),
    [
        ("SELECT DISTINCT ON (a) set_config('x', 'y', false)", "set_config"),
        ("SELECT 1 OPERATOR(pg_catalog.+) pg_terminate_backend(1)", "pg_terminate_backend"),
        ("SELECT pg_reload_conf /* x */ -- y\n ()", "pg_reload_conf"),
        ("SELECT \"pg_reload_conf\"()", "pg_reload_conf"),
        ("SELECT U&\"pg_reload_conf\" UESCAPE '!' ()", "u&.pg_reload_conf"),
        ("SELECT evil . count(1)", "evil.count"),
        ("SELECT 'into', (SELECT evil.count(1))", "evil.count"),
        ("SELECT \"Count\"(1), count\u00a0(2), f\U0001f600(3), loc\u212a(4)",
         "Count count\u00a0 f\U0001f600 loc\u212a"),
        ("(SELECT f()) UNION SELECT lower(g(h(a)))", "f g h"),
        ("DECLARE c CURSOR WITH HOLD FOR SELECT f()", "f"),
        ("PREPARE p (int, text) AS SELECT f()", "f"),
        ("WITH t(a) AS (SELECT f()), u AS MATERIALIZED (SELECT 1) SELECT * FROM t, g(1) AS (b int)",
         "f g"),
        ("VALUES (f())", "f"),
        ("EXPLAIN ANALYZE SELECT f()", "f"),
        ("EXPLAIN SELECT f()", ""),
        ("SELECT 1; SELECT f()", "f"),
        (f"SELECT {'a, ' * 9 * NAME_CHARS} f()", "?"),
        (f"SELECT {'a, ' * 9 * NAME_CHARS} b INTO c", "?"),
        (f"SELECT {'a, ' * 9 * NAME_CHARS} count(b)", ""),
        ("SELECT '(f(x))', $$ g(h) $$, a::numeric(10,2), b::public.geometry(Point)", ""),
        ("SELECT cast(a AS evil(3)), pg_catalog.count(*) FILTER (WHERE b) OVER (ORDER BY c)", ""),
        ("SELECT * FROM generate_series(1, 3) g(i), unnest(a) WITH ORDINALITY t(x, y)", ""),
        ("SELECT * FROM (VALUES (1)) t(a), (SELECT f()) u(b)", "f"),
        ("SELECT DISTINCT ON ((SELECT 1)) f()", "f"),
        ("SELECT information_schema._pg_expandarray(a), information_schema.count(b)",
         "information_schema.count"),
        ("PREPARE p (int) AS SELECT 1", ""),
        ("WITH t(a) AS (INSERT INTO l(b) VALUES (1)) SELECT * FROM t", ""),
        ("INSERT INTO t(a) VALUES (f())", ""),
    ],
)
def test_the_functions_that_a_query_calls_are_told_and_nothing_else_in_brackets(
    sql: str, functions: str
) -> None:
    assert [name or "?" for name in functions_of(sql)] == [
        name for name in functions.split(" ") if name
    ]


def test_of_many_calls_the_weightiest_decides_wherever_it_stands() -> None:
    many = ", ".join(f"f{at}()" for at in range(TARGETS + 1))
    long = "a, " * 9 * NAME_CHARS
    for sql, operation in (
        (f"SELECT {many}, set_config('a', 'b', true)", "configure"), (f"SELECT {many}", "execute"),
        (f"SELECT f(), {long} set_config('a', 'b', true)", "configure"),
        (f"SELECT {long} f()", "execute"), (f"SELECT {long} b", "read"),
        ("SELECT nextval('s'), f()", "execute"), ("SELECT nextval('s')", "update"),
        ("SELECT set_config('a', 'b', true) INTO c", "configure"), ("SELECT f() INTO c", "create"),
        ("SELECT pg_read_file('/etc/passwd')", "export"), ("SELECT lo_import('/x')", "import"),
        ("SELECT set_user('postgres')", "login"), ("SELECT cron.schedule('x', 'y')", "configure"),
        ("SELECT app.schedule('x', 'y')", "execute"),
    ):
        found = event(f"{HEAD}LOG:  statement: {sql}")
        assert found["operation"] == operation, sql[-80:]
        assert len(found["targets"]) <= TARGETS


@pytest.mark.parametrize(
    ("sql", "table"),
    [("SELECT a INTO UNLOGGED TABLE hr.\"C d\" FROM t", "hr.C d"), ("SELECT 1 INTO x", "x"),
     ("SELECT a.into FROM t", ""), ("SELECT 1 AS into FROM t", ""), ("SELECT \"into\"", ""),
     ("SELECT 'into x'", ""), ("SELECT 1 INTO", "")],
)
def test_a_query_that_makes_a_table_is_told_by_it(sql: str, table: str) -> None:
    [found] = statements(sql)
    assert (found.tag, found.names) == (("SELECT INTO", (table,)) if table else ("SELECT", ()))


def test_pgaudit_tells_what_a_query_does_besides_reading_wherever_its_text_stands() -> None:
    def audited(sql: str, kind: str = ",", command: str = "SELECT", group: str = "READ") -> Any:
        found = event(f'{HEAD}LOG:  AUDIT: SESSION,1,1,{group},{command},{kind},"{sql}",<none>')
        return found["action"], found["operation"]

    called = ("postgresql.function.execute", "configure")
    assert audited("SELECT 1; SELECT pg_reload_conf()") == called
    assert audited("PREPARE p AS SELECT pg_reload_conf()") == called
    assert audited("WITH x AS (SELECT pg_reload_conf()) SELECT * FROM x") == called
    assert audited("DECLARE c CURSOR FOR SELECT pg_reload_conf()", command="DECLARE CURSOR"
                   ) == called
    assert audited("SELECT pg_reload_conf() FROM t", "TABLE,public.t") == (
        "postgresql.table.select", "configure")
    assert audited("SELECT count(*) FROM t", "TABLE,public.t") == (
        "postgresql.table.select", "read")
    assert audited("<not logged>", "TABLE,public.t") == ("postgresql.table.select", "read")
    assert audited("SELECT 1 INTO x", command="SELECT INTO", group="DDL") == (
        "postgresql.table.create", "create")


def test_revoking_the_grant_option_takes_no_right_away() -> None:
    [found] = statements("REVOKE GRANT OPTION FOR SELECT ON t FROM ann")
    assert found.names == ("t",)
    assert found.changes == ()


def test_passwords_are_hidden_in_data_wherever_they_stand() -> None:
    sql = "ALTER USER a ENCRYPTED PASSWORD 'it''s'; CREATE ROLE b PASSWORD E'x\\'y' LOGIN"
    assert redacted(sql) == (
        "ALTER USER a ENCRYPTED PASSWORD <REDACTED>; CREATE ROLE b PASSWORD <REDACTED> LOGIN")
    assert redacted("SELECT 'password', 'x'") == "SELECT 'password', 'x'"


def test_a_csv_record_begins_only_where_the_server_opened_a_message() -> None:
    follows = postgresql_csv.PARSER.join.follows  # type: ignore[union-attr]
    line = csv("statement: SELECT 1")
    assert not follows(line.encode())
    assert not follows(csv('"quoted" at its beginning').encode())
    # what a client can write: every quote doubled, or the end of a text after a forged beginning
    assert follows(line.replace('"', '""').encode())
    assert follows(line.replace('"ann"', "").replace('"shop"', "").replace(
        '"192.0.2.1:5000"', "").replace('"SELECT"', "").split('"')[0].encode() + b'",,,,,"psql",')


@pytest.mark.parametrize("broken", ['"an', '"a""b', ',"sho', '"ann","sho', '"'])
def test_a_csv_record_may_break_off_within_a_name_and_hides_in_no_other(broken: str) -> None:
    follows = postgresql_csv.PARSER.join.follows  # type: ignore[union-attr]
    assert not follows(f"{STAMP},{broken}".encode())


@pytest.mark.parametrize(
    "rest", ['",,,,,,,,,""', ',",,,,,,,,,""', '""",,,,,,,,,""', '""x', 'x","shop",5,"::1:5000",'])
def test_what_a_client_wrote_after_a_line_break_begins_no_csv_record(rest: str) -> None:
    follows = postgresql_csv.PARSER.join.follows  # type: ignore[union-attr]
    assert follows(f"{STAMP},{rest}".encode())


def test_a_name_that_looks_like_the_end_of_a_message_stays_one_name() -> None:
    name = 'root", database "x'
    said = {"user": name, "dbname": "shop", "error_severity": "FATAL", "pid": 1,
            "timestamp": STAMP, "message": f'no pg_hba.conf entry for host "::1", user "{name}", '
            'database "shop", no encryption', "state_code": "28000"}
    found = understand(postgresql_json.PARSER, said, Given(now_us=0)).event
    assert found.actor.id == name
    assert found.labels == {"database": "shop"}


def test_columns_stand_in_quotes_and_their_end_is_known() -> None:
    assert columns('a,"b,""c""\nd",,e') == ["a", 'b,"c"\nd', "", "e"]
    assert columns("") == [""]
    assert columns('a,"b') == []
    assert columns('a,"b"c') == []


@pytest.mark.parametrize("count", [22, 12])
def test_a_record_with_too_few_columns_is_not_read(count: int) -> None:
    line = ",".join(csv("statement: SELECT 1").split(",")[:count])
    assert refused(postgresql_csv.PARSER, line) in ("bad_columns", "not_this_format")


@pytest.mark.parametrize(
    "record",
    [{}, {"message": 5, "error_severity": "LOG"}, {"message": "x", "error_severity": None},
     {"message": "x" * 5000, "error_severity": "LOG"}],
)
def test_odd_records_are_refused(record: dict[str, Any]) -> None:
    assert refused(postgresql_json.PARSER, record) in ("not_this_format", "unknown_message")


def test_a_message_that_could_be_long_to_match_is_not_matched() -> None:
    line = f"{HEAD}LOG:  connection authorized: user={' database=' * 100_000}"
    assert refused(postgresql.PARSER, line) == "unknown_message"


def test_the_client_of_a_session_that_the_server_ended_is_no_origin_of_that() -> None:
    why = "terminating connection due to administrator command"
    parsed = parse_message(
        postgresql_csv.PARSER, csv(why, severity="FATAL", code="57P01").encode(), Given(now_us=0)
    )
    found = json.loads(parsed.content)
    assert (found["actor"]["type"], found.get("origin")) == ("system", None)
    assert found["data"]["client"] == "192.0.2.1"


def test_a_client_known_by_name_is_no_host_of_the_servers() -> None:
    found = event(f"{STAMP}:ws7.example.net(5000):ann@shop:[77]:LOG:  statement: DROP TABLE a")
    assert found["origin"] == {"device": "ws7.example.net"}
