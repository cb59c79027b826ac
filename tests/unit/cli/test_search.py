"""`search`, `show`, `history`, `timeline`, `tail`: what is asked, and how answers read."""

from __future__ import annotations

import json

import pytest
from tests.unit.cli.conftest import Cli, FakeServer, page, row


def test_search_asks_with_query_and_bounds(run: Cli, server: FakeServer) -> None:
    server.answer("GET", "/v1/search", page([]))
    run("search", "actor:j", "--since", "7d", "--until", "2026-03-04", "--sort", "index")
    assert server.last().params == {
        "q": "actor:j", "since": "7d", "until": "2026-03-04", "sort": "index", "limit": "50"
    }


def test_search_table_is_aligned_and_names_the_tree_size(run: Cli, server: FakeServer) -> None:
    server.answer("GET", "/v1/search", page([row(7), row(12345, outcome="denied", flags=["late"])]))
    lines = run("search").stdout.splitlines()
    assert lines[0].split() == ["INDEX", "TIME", "(UTC)", "ACTOR", "ACTION", "TARGET", "OUTCOME"]
    assert lines[1].startswith("    7  2026-03-03 09:14:07  jsmith  payroll.record.delete")
    assert lines[1].index("payroll_record pr_839 (March payslip)") == lines[2].index(
        "payroll_record pr_839")
    assert lines[2].endswith("denied [late]")
    assert "2 events, tree size 1,000" in lines[3]


def test_search_columns_asks_only_for_what_rows_do_not_carry(run: Cli, server: FakeServer) -> None:
    server.answer("GET", "/v1/search", page([row(1, values={"change": ["a.b", "c"]}, ip="::1")]))
    result = run("search", "--columns", "index,actor.name,ip,change")
    assert server.last().params["columns"] == "change"
    line = result.stdout.splitlines()[1].strip()
    assert line.split("  ") == ["1", "Jane Smith", "::1", "a.b, c"]


def test_search_shows_hostile_text_harmlessly(run: Cli, server: FakeServer) -> None:
    server.answer("GET", "/v1/search", page([row(1, actor="x\x1b[2J\r\nroot\u202e")]))
    out = run("search").stdout
    assert "x\\u001b[2J\\u000d\\u000aroot\\u202e" in out
    assert "\x1b" not in out


def test_search_json_is_the_servers_document(run: Cli, server: FakeServer) -> None:
    answer = page([row(1)], cursor="c1", newer_member=[1])
    server.answer("GET", "/v1/search", answer)
    assert json.loads(run("search", "--json", "--limit", "1").stdout) == answer


def test_a_limit_above_one_page_follows_cursors_and_merges(run: Cli, server: FakeServer) -> None:
    server.answer("GET", "/v1/search", page([row(i) for i in range(1000)], cursor="c1"))
    server.answer("GET", "/v1/search", page([row(i) for i in range(1000, 1200)], cursor="c2"))
    found = json.loads(run("search", "--limit", "1200", "--json").stdout)
    assert [e["index"] for e in found["events"]] == list(range(1200))
    assert (found["cursor"], found["took_ms"]) == ("c2", 7.0)
    assert [a.params["limit"] for a in server.asked] == ["1000", "200"]
    assert server.last().params["cursor"] == "c1"


def test_the_way_to_more_is_said(run: Cli, server: FakeServer) -> None:
    server.answer("GET", "/v1/search", page([row(1)], cursor="abc"))
    assert "--cursor abc" in run("search", "--limit", "1").stdout


SHOWN = {
    "index": 7, "verdict": "proven", "leaf": "aa", "entry": "bb", "salt": "cc",
    "sentence": "Jane Smith deleted payroll record pr_839", "flags": ["late"],
    "body": '{"action":"a.b"}',
    "event": {
        "action": "payroll.record.delete", "operation": "delete", "kind": "event",
        "actor": {"type": "agent", "id": "bot", "on_behalf_of": [{"type": "user", "id": "ann"}]},
        "targets": [{"type": "payroll_record", "id": "pr_839", "name": "March payslip"}],
        "time": "2026-03-03T09:14:07.123Z", "outcome": "denied",
        "reason": {"code": "E1", "text": "not yours"},
        "origin": {"ip": "203.0.113.9", "user_agent": "Mozilla/5.0"},
        "changes": [{"path": "salary", "before": 12345678901234567890, "after": None}],
        "labels": {"env": "prod"}, "data": {"big": 1.10, "x": [1]},
        "received": "2026-03-03T09:14:08.000000Z", "source": {"id": "hr", "number": 3, "seq": 9},
        "via": {"protocol": "http", "backfill": True}, "flags": ["late"],
    },
}


def test_show_tells_sentence_verdict_flags_and_facts(run: Cli, server: FakeServer) -> None:
    server.answer("GET", "/v1/events/7", SHOWN)
    out = run("show", "7").stdout
    for part in (
        "Jane Smith deleted payroll record pr_839", "event 7: proven", "flags: late",
        "agent bot (for ann)", "user ann", "payroll_record pr_839 (March payslip)",
        "denied E1 not yours", "203.0.113.9, agent Mozilla/5.0", "env=prod", "hr, its number 9",
        "imported", "salary: 12345678901234567890 -> null", '"big": 1.1', "leaf   aa",
        "indelible prove 7",
    ):
        assert part in out, part


UNREAD = {
    **SHOWN, "sentence": "A message that could not be read: no parser recognises the message",
    "event": {
        "kind": "unparsed", "received": "2026-03-03T09:14:08.000000Z", "via": {},
        "source": {"id": "web", "number": 1},
    },
}


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        ("<13>1 - nightly \u202e done", "message   <13>1 - nightly \\u202e done\n"),
        ("x" * 5_000, "message   " + "x" * 2_000 + " ... (--body has all 5,000 characters)\n"),
    ],
)
def test_show_tells_the_text_of_a_message_that_nobody_could_read(
    run: Cli, server: FakeServer, raw: str, told: str
) -> None:
    event = {**UNREAD["event"], "raw": raw}  # type: ignore[dict-item]
    server.answer("GET", "/v1/events/7", {**UNREAD, "event": event})
    out = run("show", "7").stdout
    assert told in out
    assert "  who" not in out


def test_show_of_a_body_that_is_gone_says_why(run: Cli, server: FakeServer) -> None:
    gone = {"index": 7, "verdict": "erased", "why": "by order 41", "leaf": "aa", "entry": "bb"}
    server.answer("GET", "/v1/events/7", gone)
    out = run("show", "7").stdout
    assert "event 7: erased  by order 41" in out


def test_show_body_prints_the_exact_bytes(run: Cli, server: FakeServer) -> None:
    server.answer("GET", "/v1/events/7", SHOWN)
    assert run("show", "7", "--body").stdout_bytes == b'{"action":"a.b"}'


def test_show_body_writes_nothing_to_a_terminal_that_acts_on_it(
    run: Cli, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = '{"action":"a.b","data":"\x9b31m\u202e"}'
    server.answer("GET", "/v1/events/7", {**SHOWN, "body": hostile})
    assert run("show", "7", "--body").stdout_bytes == hostile.encode()
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True, raising=False)
    shown = run("show", "7", "--body").stdout
    assert json.loads(shown) == json.loads(hostile)
    assert "\x9b" not in shown
    assert "\u202e" not in shown


def history_page(entries: list[dict[str, object]], **more: object) -> dict[str, object]:
    return {"type": "payroll_record", "id": "a/b c", "entries": entries, "cursor": "",
            "tree_size": 9, "took_ms": 1.0, **more}


def test_history_shows_before_and_after_of_each_change(run: Cli, server: FakeServer) -> None:
    long_text = "x" * 90
    entries = [
        {"event": row(1, action="payroll.record.update"), "applied": True, "changes": [
            {"path": "salary", "op": "replace", "before": 100, "after": 200},
            {"path": "note", "op": "add", "after": "hi"},
            {"path": "old", "op": "remove", "before": True},
            {"path": "text", "op": "replace", "before": long_text, "after": "b"},
        ]},
        {"event": row(2, outcome="denied"), "applied": False, "changes": [{"path": "p"}]},
    ]
    server.answer("GET", "/v1/targets/payroll_record/a%2Fb%20c/history",
                  history_page(entries, state={"salary": 200}))
    out = run("history", "payroll_record", "a/b c", "--at", "2026-03-03").stdout
    assert server.last().params["at"] == "2026-03-03"
    for part in (
        "payroll.record.update by Jane Smith (jsmith)  #1", "    salary: 100 -> 200",
        '    + note: "hi"', "    - old: true", f'      - "{long_text}"', '      + "b"',
        "denied  (asked for, not applied)  #2", "as recorded at 2026-03-03", "  salary  200",
    ):
        assert part in out, part


def test_history_names_the_other_targets_of_an_event(run: Cli, server: FakeServer) -> None:
    policies = [{"type": "iam_policy", "id": f"p{n}"} for n in range(5)]
    key = {"type": "iam_access_key", "id": "AKIA1", "name": "ci"}
    entries = [
        {"event": row(1, targets=2), "applied": True, "changes": [], "others": [key]},
        {"event": row(2, targets=6), "applied": True, "changes": [], "others": policies},
        {"event": row(3), "applied": True, "changes": []},
    ]
    server.answer("GET", "/v1/targets/iam_user/u/history", history_page(entries))
    lines = run("history", "iam_user", "u").stdout.splitlines()
    assert lines[1].endswith("(jsmith), with iam_access_key AKIA1 (ci)  #1")
    assert lines[2].endswith("(jsmith), with iam_policy p0, iam_policy p1, iam_policy p2 +2  #2")
    assert lines[3].endswith("(jsmith)  #3")


def test_a_state_of_which_nothing_is_known_says_so(run: Cli, server: FakeServer) -> None:
    server.answer("GET", "/v1/targets/iam_user/u/history", history_page([], state={}))
    out = run("history", "iam_user", "u", "--at", "2020-01-01").stdout
    assert "as recorded at 2020-01-01\n  nothing is known:" in out


def test_a_narrow_table_keeps_the_telling_end_of_a_target(
    run: Cli, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indelible.cli.output.Output.columns", lambda _: 100)
    long = row(1, target_type="iam_user", target="stratus-red-team-backdoor-u-user-of-nmfalu",
               target_name="", targets=2, action="iam.user_policy.attach")
    server.answer("GET", "/v1/search", page([long]))
    line = run("search").stdout.splitlines()[1]
    assert len(line) <= 100
    assert "iam_user strat" in line
    assert "nmfalu +1 " in line


@pytest.mark.parametrize("columns", [80, 100, 120])
def test_a_narrow_table_cuts_neither_index_nor_time_and_flags_first(
    run: Cli, server: FakeServer, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setattr("indelible.cli.output.Output.columns", lambda _: columns)
    target = "x" * 38
    rows = [row(12345678, actor="a" * 30, target=target, target_name="", flags=["time_absent"]),
            row(12345679, actor="b", target="t", target_name="")]
    server.answer("GET", "/v1/search", page(rows))
    lines = run("search").stdout.splitlines()[:3]
    assert all(len(line) <= columns for line in lines)
    assert lines[0].startswith("   INDEX  TIME (UTC)  ")
    assert lines[1].startswith("12345678  2026-03-03 09:14:07  ")
    assert lines[1].endswith("success…")


def test_a_target_is_whole_while_an_outcome_has_columns_to_give(
    run: Cli, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indelible.cli.output.Output.columns", lambda _: 120)
    long = row(1, target="t" * 30, target_name="", flags=["time_absent", "seq_gap", "late"])
    server.answer("GET", "/v1/search", page([long]))
    assert f"payroll_record {'t' * 30}  success" in run("search").stdout


def test_timeline_has_a_heading_for_each_day_and_names_who_acted(
    run: Cli, server: FakeServer
) -> None:
    entries = [
        {"event": row(3, ip="203.0.113.9"), "role": "actor"},
        {"event": row(2, actor="bot", actor_name="", outcome="failure"), "role": "on_behalf_of"},
        {"event": row(1, time="2026-03-01T00:00:00.000000Z"), "role": "actor"},
    ]
    server.answer("GET", "/v1/actors/jsmith/timeline", {
        "actor": "jsmith", "entries": entries, "cursor": "", "tree_size": 4, "took_ms": 1.0})
    out = run("timeline", "jsmith").stdout.splitlines()
    assert out[0] == "2026-03-03"
    assert out[1] == ("  09:14:07  payroll.record.delete  payroll_record pr_839 (March payslip)"
                      "  from 203.0.113.9  #3")
    assert "failure" in out[2]
    assert "by bot, on behalf" in out[2]
    assert out[4] == "2026-03-01"


def live(index: int) -> bytes:
    event = {"action": "a.b", "kind": "event", "received": "2026-03-03T09:14:08.000000Z",
             "source": {"id": "hr", "number": 1}, "outcome": "denied"}
    data = json.dumps({"index": index, "sentence": f"did {index}", "event": event})
    return f"id: {index}\ndata: {data}\n\n".encode()


def test_tail_prints_live_events_and_ends_after_count(run: Cli, server: FakeServer) -> None:
    whole = b": indelible\n\n" + live(5) + b": \n\n" + live(6) + live(7)
    server.answer("GET", "/v1/tail", chunks=[whole[i:i + 7] for i in range(0, len(whole), 7)])
    result = run("tail", "outcome:denied", "--from", "5", "--count", "2")
    assert server.last().params == {"q": "outcome:denied", "from": "5"}
    assert result.stdout.splitlines() == [
        "2026-03-03 09:14:08  did 5  denied  #5", "2026-03-03 09:14:08  did 6  denied  #6"]


def test_tail_says_on_a_terminal_that_it_follows(
    run: Cli, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answer("GET", "/v1/tail", chunks=[b": indelible\n\n", live(5)])
    assert run("tail").stderr == ""
    monkeypatch.setattr("indelible.cli.search.is_watched", lambda: True)
    assert run("tail").stderr.count("following what arrives from now on") == 1


@pytest.mark.parametrize(
    ("query", "hinted"),
    [("delete", True), ("(who or delete)", True), ("actor:j refund", True), ("", False),
     ("actor:j or action:b*", False), ('ip:x -actor.name:"Min Lee" since:7d', False)],
)
def test_bare_words_that_find_nothing_are_hinted_at_fields_on_a_terminal(
    run: Cli, server: FakeServer, monkeypatch: pytest.MonkeyPatch, query: str, hinted: bool
) -> None:
    server.answer("GET", "/v1/search", page([]))
    assert run("search", query).stderr == ""
    monkeypatch.setattr("indelible.cli.search.is_watched", lambda: True)
    assert ("operation:delete" in run("search", query).stderr) is hinted


def test_tail_json_is_one_document_a_line(run: Cli, server: FakeServer) -> None:
    server.answer("GET", "/v1/tail", chunks=[live(5), live(6)])
    lines = run("tail", "--json").stdout.splitlines()
    assert [json.loads(line)["index"] for line in lines] == [5, 6]


@pytest.mark.parametrize("arguments", [("search", "--columns", "a,$b"), ("show", "-1"),
                                       ("search", "--limit", "0"), ("search", "--sort", "name")])
def test_wrong_usage_exits_2_before_anything_is_asked(
    run: Cli, server: FakeServer, arguments: tuple[str, ...]
) -> None:
    assert run(*arguments).exit_code == 2
    assert not server.asked


def test_no_color_and_pipes_get_no_escapes(run: Cli, server: FakeServer) -> None:
    server.answer("GET", "/v1/search", page([row(1, outcome="denied")]))
    assert "\x1b" not in run("search").output
