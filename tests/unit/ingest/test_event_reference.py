"""`docs/reference/event.md` cannot fall behind the code."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from indelible.event import model
from indelible.ingest.parsers import native_errors
from indelible.ingest.parsers.native import parse_native

DOCS = Path(__file__).parents[3] / "docs" / "reference"
EVENT = (DOCS / "event.md").read_text()
SOURCES = Path(native_errors.__file__).parents[2]
PARTS = (model.NativeEvent, model.Event, model.Actor, model.Auth, model.Target, model.Origin,
         model.Change, model.Reason, model.Why, model.Sequence)
CODE = re.compile(r'code="([a-z0-9_]+)"|refuse\(\s*(?:f?"[^"]*"|\w+), "([a-z0-9_]+)"'
                  r'|_refuse\("([a-z0-9_]+)"')


def test_every_member_of_an_event_is_documented() -> None:
    for part in PARTS:
        for name in part.__struct_fields__:
            assert f"`{name}`" in EVENT, name
    for name in native_errors.RESERVED:
        assert f"`{name}`" in EVENT, name


def test_every_class_is_documented() -> None:
    for kind in (model.Operation, model.Outcome, model.ActorType, model.Severity, model.ChangeOp):
        for item in kind:
            assert f"`{item.value}`" in EVENT, item


def test_every_code_of_a_refusal_is_documented() -> None:
    files = [SOURCES / "event" / "strict.py", *(SOURCES / "ingest" / "parsers").glob("native*.py")]
    codes = {
        next(filter(None, found.groups()))
        for path in files for found in CODE.finditer(path.read_text())
    }
    assert len(codes) >= 18
    for code in codes:
        assert f"| `{code}` |" in EVENT, code


@pytest.mark.parametrize("block", re.findall(r"```json\n(.*?)```", EVENT, re.DOTALL))
def test_every_example_is_accepted(block: str) -> None:
    accepted, refused = parse_native(block.encode())
    assert (len(accepted), refused) == (1, [])


def test_the_whole_example_has_every_member_a_sender_may_set() -> None:
    blocks = re.findall(r"```json\n(.*?)```", EVENT, re.DOTALL)
    assert set(json.loads(blocks[1])) | {"target"} == set(model.NativeEvent.__struct_fields__)
