"""Files of mappings: an error names its place, and only a folder's own good ones are taken."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from indelible.base.errors import BadRequest
from indelible.base.limits import CONTROL_BYTES
from indelible.ingest.parsers.contract import NotUnderstood
from indelible.ingest.parsers.finish import understand
from indelible.ingest.parsers.mapping_errors import BadMapping
from indelible.ingest.parsers.mapping_file import read_file, read_folder, read_text
from indelible.ingest.parsers.table import FORMATS, add_mappings, parser_named, recognised
from support.mapping_text import HEAD, LEAST, RECORD
from support.parsing import GIVEN

MAPPED = [name for name, place in FORMATS.items()
          if place.endswith(".toml") and parser_named(name).reads_records]


# --- errors


@pytest.mark.parametrize(
    ("text", "line", "field", "said", "remedy"),
    [
        (LEAST + '[orgin]\nip = "x"\n', 8, "orgin", "no member 'orgin'", "Did you mean origin?"),
        (LEAST + '[origin]\nipp = "x"\n', 9, "origin.ipp", "no member 'ipp'", "Did you mean ip?"),
        (LEAST + '[origin]\nip = ""\n', 9, "origin.ip", "must not be empty", ""),
        (LEAST + '[origin]\nip = 7\n', 9, "origin.ip", "7 is no expression", "Write a path"),
        (LEAST + '[[targets]]\ntype = "=x"\n', 8, "targets[1]", "a target has a id", "Add id"),
        (LEAST + '[[targets]]\ntype = "=x"\nid = "a..b"\n', 10, "targets[1].id", "empty step", ""),
        (LEAST + '[actions]\n"a*b*c" = "x"\n', 9, "actions.a*b*c", "at most one *", ""),
        (LEAST + '[actions]\n"a" = { action = "x", operation = "fly" }\n', 9,
         "actions.a.operation", "'fly' is none of", "Choose one of create"),
        (LEAST.replace("[action]", 'time = { from = "t", unit = "h" }\n[action]'), 4, "time.unit",
         "no unit", "Units are"),
        (LEAST.replace("[action]", 'time = { from = "t", zone = "Mars" }\n[action]'), 4,
         "time.zone", "not a time zone", "IANA"),
        (LEAST.replace("[action]", 'time = { from = "t", format = "[[" }\n[action]'), 4,
         "time.format", "no pattern", "SimpleDateFormat"),
        (LEAST.replace('id = "user"', 'type = "=robot"\nid = "user"'), 7, "actor.type",
         "no type of actor", "Types are user"),
        (LEAST.replace('"acme"', '"Acme Portal"'), 1, "name", "no name of a parser", "lower case"),
        (LEAST.replace('"acme"', '"native"'), 1, "name", "no name of a parser", ""),
        (LEAST.replace("version = 2", "version = 0"), 2, "version", "whole number", ""),
        (HEAD + '[action]\nfrom = "act"\n', 0, "actor", "says the actor", "Add [actor]"),
        (LEAST + '[[case]]\naction = { from = "x" }\n', 8, "case[1]", "when it holds", "Add when"),
        (LEAST + '[data]\nx = { from = "a", template = "b" }\n', 9, "data.x", "exactly one of", ""),
        (LEAST + '[data]\nx = { template = "{a" }\n', 9, "data.x.template", "brace", ""),
        (LEAST + "[data\n", 8, None, "Expected", "TOML"),
    ],
)
def test_an_error_names_file_line_member_and_remedy(
    text: str, line: int, field: str | None, said: str, remedy: str
) -> None:
    with pytest.raises(BadMapping) as wrong:
        read_text(text, "acme.toml")
    error = wrong.value
    where = f"acme.toml, line {line}: " if line else "acme.toml: "
    assert error.message.startswith(where), error.message
    assert said in error.message
    assert error.field == field
    assert remedy in error.remedy


# --- files


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder for mappings; what was added from it is taken away again."""
    yield tmp_path
    for path in tmp_path.glob("*.toml"):
        path.unlink()
    add_mappings(tmp_path)


def test_a_folders_mappings_are_asked_before_all_others(folder: Path) -> None:
    rows = LEAST.replace("[action]", '[recognise]\npresent = ["act", "eventVersion"]\n[action]')
    (folder / "b.toml").write_text(rows)
    (folder / "README.md").write_text("no mapping")
    assert add_mappings(folder) == ("acme",)
    assert parser_named("acme").version == "acme/2"
    record = {**RECORD, "eventVersion": "1", "eventSource": "x.amazonaws.com", "eventName": "y"}
    found = recognised(record, GIVEN)
    assert found is not None
    assert found[0].name == "acme"
    assert add_mappings(folder / "none") == ()
    with pytest.raises(BadRequest):
        parser_named("acme")


@pytest.mark.parametrize("name", ["cloudtrail", "json", "slack"])
def test_a_mapping_takes_no_shipped_name(folder: Path, name: str) -> None:
    (folder / "a.toml").write_text(LEAST.replace('"acme"', f'"{name}"'))
    with pytest.raises(BadMapping, match=f"parser '{name}' already, shipped"):
        add_mappings(folder)


def test_two_files_of_one_name_are_refused(folder: Path) -> None:
    (folder / "a.toml").write_text(LEAST)
    (folder / "b.toml").write_text(LEAST)
    said = r"b\.toml: there is a parser 'acme' already, in .*a\.toml"
    with pytest.raises(BadMapping, match=said):
        read_folder(folder)


@pytest.mark.parametrize(
    ("raw", "said"),
    [(b"\xff", "not UTF-8"), (b"#" * (CONTROL_BYTES + 1), "larger than"), (b"", "no name"),
     (b"a = " + b"[" * 5000, "odd.toml")],
    ids=["bytes", "large", "empty", "deep"],
)
def test_a_file_that_is_no_mapping_is_refused_with_its_name(
    tmp_path: Path, raw: bytes, said: str
) -> None:
    path = tmp_path / "odd.toml"
    path.write_bytes(raw)
    with pytest.raises(BadMapping, match=said) as wrong:
        read_file(path)
    assert str(path) in wrong.value.message


@pytest.mark.parametrize("name", MAPPED)
@pytest.mark.parametrize(
    "record",
    [{}, {"": ""}, {"action": {"a": []}, "actor": "x"}, {"data": []}, {"event": {"action": [1]}},
     {"entity": [[]], "action": "x", "actor": {"user": {"email": 7}}, "date_create": "x" * 1000}],
    ids=str,
)
def test_shipped_mappings_refuse_odd_records_and_nothing_more(
    name: str, record: dict[str, Any]
) -> None:
    parser = parser_named(name)
    assert parser.recognise(record, GIVEN) == ""
    code = "understood"
    try:
        understand(parser, record, GIVEN)
    except NotUnderstood as no:
        code = no.code
    assert code in ("understood", "missing_action", "missing_actor", "unknown_kind")
