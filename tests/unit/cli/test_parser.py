"""`parser`: the list, what a parser makes of a file, and drafts of mappings."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.conftest import Cli

from indelible.ingest.parsers.mapping_file import read_file, read_text
from indelible.ingest.parsers.table import FORMATS, add_mappings

SAMPLES = [
    {"op": name, "who": {"login": who, "uid": 7}, "when": f"2026-03-03T09:14:0{n}Z",
     "from_ip": "203.0.113.9", "object": {"kind": "doc", "id": f"d-{n}"}, "result": result,
     "color": "red"}
    for n, (name, who, result) in enumerate(
        [("doc.read", "ann", "ok"), ("doc.delete", "bob", "ok"), ("doc.delete", "eve", "denied")])
]
MAPPING = """name = "acme"
version = 1
about = "Acme documents"
time = "when"
[recognise]
present = ["op", "who.login"]
[action]
from = "op"
[actor]
id = "who.login"
[outcome]
from = "result"
"""


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    path = tmp_path / "acme.ndjson"
    path.write_text("".join(json.dumps(one) + "\n" for one in SAMPLES))
    return path


@pytest.fixture
def ledger(run: Cli) -> Iterator[Path]:
    """A ledger's folder with a mapping of its own, which is forgotten again afterwards."""
    folder = run.folder / "parsers"
    folder.mkdir()
    (folder / "acme.toml").write_text(MAPPING)
    yield run.folder
    (folder / "acme.toml").unlink()
    add_mappings(folder)


def document(run: Cli, *arguments: str, code: int = 0) -> dict[str, Any]:
    """The one document of `--json`."""
    result = run.bare("parser", *arguments, "--json")
    assert result.exit_code == code, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


# --- list


def test_every_format_is_listed_with_what_it_reads(run: Cli) -> None:
    text = run.bare("parser", "list").stdout
    for name in ("native", "auto", *FORMATS):
        assert f"\n{name} " in text
    assert "\nsyslog            envelopes " in text
    rows = document(run, "list")["parsers"]
    assert [row["name"] for row in rows] == ["native", "auto", *FORMATS]
    assert all(row["about"] and row["version"] for row in rows)


def test_a_ledgers_own_mappings_are_listed_before_the_shipped(run: Cli, ledger: Path) -> None:
    rows = document(run, "list", "--data", str(ledger))["parsers"]
    assert [row["name"] for row in rows[1:3]] == ["auto", "acme"]
    assert rows[2]["about"] == "Acme documents"


# --- test


def test_every_member_of_an_event_is_shown_and_what_was_not_used(run: Cli, samples: Path) -> None:
    result = run.bare("parser", "test", str(samples))
    assert result.exit_code == 0, result.output
    first = result.stdout.split("\n\n")[0].splitlines()
    assert first[0] == "message 1: json (it is a JSON object that no other parser recognises)"
    rows = dict(line.split(None, 1) for line in first[1:-1])
    assert rows["action"] == "doc.read"
    assert rows["actor.id"] == "ann"
    assert rows["origin.ip"] == "203.0.113.9"
    assert rows["flags"] == "guessed"
    assert first[-1].strip() == "not used: color"


def test_a_summary_counts_what_the_events_have(run: Cli, samples: Path) -> None:
    found = document(run, "test", str(samples), "--limit", "1")
    summary = found["summary"]
    assert (summary["read"], summary["understood"], summary["guessed"]) == (3, 3, 3)
    assert summary["parsers"] == {"json": 3}
    assert summary["members"] == {"actor": 3, "time": 3, "ip": 3, "outcome": 3, "target": 3}
    assert summary["unused"] == {"color": 1}
    assert len(found["messages"]) == 1


def test_what_is_not_understood_is_named_with_its_reason_and_exits_3(
    run: Cli, samples: Path
) -> None:
    with samples.open("a") as file:
        file.write('{"note":"nothing"}\nno format at all\n')
    result = run.bare("parser", "test", str(samples), "--limit", "1")
    assert result.exit_code == 3
    assert "message 4: not understood" in result.stdout
    assert "no member says surely who acted (low_confidence), says json" in result.stdout
    assert "message 5" not in result.stdout  # one more of these than --limit is not shown
    found = document(run, "test", str(samples), code=3)
    assert found["summary"]["unparsed"] == {"low_confidence": 1, "unknown_format": 1}
    assert found["summary"]["parsers"]["none"] == 1
    assert [one["code"] for one in found["messages"] if not one["understood"]] == [
        "low_confidence", "unknown_format"]


def test_a_mapping_file_is_tried_by_its_path(run: Cli, samples: Path, tmp_path: Path) -> None:
    mapping = tmp_path / "draft.toml"
    mapping.write_text(MAPPING)
    found = document(run, "test", str(samples), "--parser", str(mapping))
    one = found["messages"][1]
    assert (one["parser"], one["recognised"]) == ("acme", "it has op, who.login")
    assert one["event"]["action"] == "acme.doc.delete"
    assert one["unused"] == ["from_ip", "color", "who.uid", "object.kind", "object.id"]


def test_a_ledgers_mapping_recognises_its_messages(run: Cli, ledger: Path, samples: Path) -> None:
    found = document(run, "test", str(samples), "--data", str(ledger))
    assert found["summary"]["parsers"] == {"acme": 3}
    assert found["summary"]["guessed"] == 0


def test_a_broken_mapping_is_named_with_line_and_remedy(
    run: Cli, samples: Path, tmp_path: Path
) -> None:
    mapping = tmp_path / "draft.toml"
    mapping.write_text(MAPPING.replace("[outcome]", "[outcom]"))
    result = run.bare("parser", "test", str(samples), "--parser", str(mapping))
    assert result.exit_code != 0
    assert f"{mapping}, line 11: there is no member 'outcom' here" in result.stderr
    assert "Did you mean outcome?" in result.stderr


def test_packed_files_documents_and_standard_input_are_read(
    run: Cli, samples: Path, tmp_path: Path
) -> None:
    packed = tmp_path / "acme.gz"
    packed.write_bytes(gzip.compress(json.dumps(SAMPLES).encode()))
    assert document(run, "test", str(packed))["summary"]["understood"] == 3
    result = run.bare("parser", "test", "-", "--json", input=samples.read_bytes())
    assert json.loads(result.stdout)["summary"]["understood"] == 3


def test_an_envelope_is_named_and_looked_into(run: Cli, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(f"<13>Mar  3 09:14:07 web1 app: {json.dumps(SAMPLES[0])}\n")
    one = document(run, "test", str(path))["messages"][0]
    assert (one["parser"], one["within"]) == ("json", "syslog")
    assert one["event"]["origin"]["host"] == "web1"
    assert one["unused"] == ["color"]


def test_times_without_zone_are_taken_in_the_named_one(run: Cli, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("time=2026-03-03T10:14:07 user=ann action=login srcip=10.0.0.1\n")
    one = document(run, "test", str(path), "--zone", "Europe/Berlin")["messages"][0]
    assert one["event"]["time"] == "2026-03-03T09:14:07Z"
    assert "time_assumed" in one["flags"]


def test_native_events_are_judged_as_they_would_be_taken(run: Cli, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text('{"action":"user.login","actor":{"type":"user","id":"ann"}}\n{"action":"x"}\n')
    found = document(run, "test", str(path), "--parser", "native", code=3)
    assert [one["understood"] for one in found["messages"]] == [True, False]
    assert found["messages"][1]["reason"].startswith("actor: ")


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (("test", "none.log"), "there is no file none.log", 3),
        (("test", "{samples}", "--parser", "acm"), "there is no parser 'acm'", 2),
        (("test", "{samples}", "--zone", "Mars/Base"), "not a time zone", 2),
        (("test", "{samples}", "--parser", "none.toml"), "none.toml", 1),
        (("test", "{samples}", "--limit", "-1"), "--limit", 2),
        (("new", "{samples}", "--name", "json"), "there is a parser 'json' already", 2),
        (("new", "{samples}", "--name", "Ac me"), "no name of a parser", 2),
        (("new", "{samples}", "-o", "{samples}"), "is there already", 3),
    ],
)
def test_mistakes_are_told(
    run: Cli, samples: Path, arguments: tuple[str, ...], said: str, code: int
) -> None:
    result = run.bare("parser", *(one.format(samples=samples) for one in arguments))
    assert said in result.stderr
    assert result.exit_code == code


HOSTILE = [
    b"\xff\xfe\x00\x01", b'{"user":"\\u001b[2Jann","action":"login","x":"\\u202e"}', b"{" * 5000,
    b'{"user":{"a":' + b'{"b":' * 40 + b"1" + b"}" * 42, b'{"a\\u0000b":["\\ud800"],"user":1e400}',
    b'"a" = [\n# x', b"key=value " * 3000, b"CEF:0|a|b|c|d|e|1|=\\", b"x" * 3_000_000,
]


def test_nothing_in_a_file_breaks_the_command_or_drives_the_terminal(
    run: Cli, tmp_path: Path
) -> None:
    path = tmp_path / "odd.log"
    path.write_bytes(b"\n".join(HOSTILE))
    result = run.bare("parser", "test", str(path))
    assert result.exit_code == 3
    assert "\x1b[2J" not in result.stdout
    assert "\u202e" not in result.stdout
    assert document(run, "test", str(path), code=3)["summary"]["read"] == 1 + len(HOSTILE)


# --- new


def test_a_draft_can_be_tried_at_once(run: Cli, samples: Path, tmp_path: Path) -> None:
    draft = tmp_path / "acme.toml"
    made = run.bare("parser", "new", str(samples), "-o", str(draft))
    assert made.exit_code == 0, made.output
    assert f"A draft from 3 messages is in {draft}." in made.stdout
    found = document(run, "test", str(samples), "--parser", str(draft))
    assert found["summary"]["understood"] == 3
    event = found["messages"][2]["event"]
    assert event["action"] == "acme.doc.delete"
    assert event["actor"]["id"] == "eve"
    assert event["outcome"] == "denied"
    assert event["origin"]["ip"] == "203.0.113.9"
    assert event["targets"] == [{"type": "doc", "id": "d-2"}]
    assert found["messages"][0]["recognised"] == "it has op, who.login, when"


def test_a_draft_says_how_often_each_member_was_seen_and_what_is_left(
    run: Cli, samples: Path
) -> None:
    text = run.bare("parser", "new", str(samples)).stdout
    assert 'time = "when"  # 3 of 3: "2026-03-03T09:14:00Z"\n' in text
    assert '"doc.delete" = "doc.delete"  # 2\n' in text
    assert '# color = "color"  # 3 of 3: "red"\n' in text
    assert read_text(text, "shown.toml").name == "acme"


def test_a_number_says_its_unit_and_pairs_say_so(run: Cli, tmp_path: Path) -> None:
    path = tmp_path / "pairs.log"
    path.write_text("ts=1772529247123 user=ann action=login src_ip=10.0.0.1 ok=true\n" * 3)
    text = run.bare("parser", "new", str(path)).stdout
    assert 'reads = "keyvalue"\n' in text
    assert 'time = { from = "ts", unit = "ms" }' in text


def test_a_wrapped_list_and_json_in_texts_are_drafted(run: Cli, tmp_path: Path) -> None:
    told = {"actor": {"email": "ann@example.org"}, "action": "team.invite"}
    record = {
        "payload": json.dumps(told), "time": 1772529247,
        "targets": [{"type": "user", "id": "bob"}, {"type": "team", "id": "t1"}],
        "changes": [{"field": "role", "old": "a", "new": "b"}],
    }
    path, draft = tmp_path / "x.json", tmp_path / "x.toml"
    path.write_text(json.dumps([record, record]))
    assert run.bare("parser", "new", str(path), "-o", str(draft)).exit_code == 0
    event = document(run, "test", str(path), "--parser", str(draft))["messages"][0]["event"]
    assert event["actor"]["id"] == "ann@example.org"
    assert [one["id"] for one in event["targets"]] == ["bob", "t1"]
    assert event["changes"][0]["path"] == "role"


def test_a_format_that_is_read_already_is_pointed_out(run: Cli, tmp_path: Path) -> None:
    path = tmp_path / "trail.json"
    record = {"eventVersion": "1.08", "eventSource": "s3.amazonaws.com", "eventName": "GetObject",
              "eventTime": "2026-03-03T09:14:07Z", "userIdentity": {"userName": "ann"}}
    path.write_text(json.dumps({"Records": [record]}))
    result = run.bare("parser", "new", str(path))
    assert "cloudtrail recognises 1 of 1 messages" in result.stderr


@pytest.mark.parametrize("raw", [b"", b"plain words\n", b"\xff\xfe\n", b"[]", b"x" * 100_000])
def test_a_file_without_objects_or_pairs_gives_no_draft(
    run: Cli, tmp_path: Path, raw: bytes
) -> None:
    path = tmp_path / "odd"
    path.write_bytes(raw)
    result = run.bare("parser", "new", str(path))
    assert result.exit_code == 3
    assert "neither JSON objects nor lines of key=value" in result.stderr


def test_a_draft_of_hostile_samples_is_a_mapping_all_the_same(run: Cli, tmp_path: Path) -> None:
    odd = {'a"]\n[x]\nb': "ann", "user\u202e\x1b": '"""', "user": {"na.me": "ann", "": "x"},
           "action": 'x" = 1\n[actor]\nid = "root', "time": 1e18, "\U000e0041": "tag",
           "details": [{"Name": "a=b]", "Value": "x"}], "*": "*", "actor*": "star"}
    path, draft = tmp_path / "odd.json", tmp_path / "odd.toml"
    path.write_text(json.dumps([odd, {**odd, "action": "a*b"}]))
    result = run.bare("parser", "new", str(path), "-o", str(draft))
    assert result.exit_code == 0, result.output
    assert "\x1b" not in draft.read_text("utf-8")
    assert read_file(draft).name == "odd"
